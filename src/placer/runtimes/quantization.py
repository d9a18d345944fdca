"""Variants of a model by ONNX Runtime's own tools: int8 quantisation and float16 conversion.

It runs in a child process: the tools run the model to calibrate it, take memory, and put a folder
of theirs on ``sys.path``.
"""

from __future__ import annotations

import platform
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from placer.core.precision import LARGEST_BYTES, Method, is_quantised
from placer.core.runtime import UnsupportedModelError

MODULE = __name__
"""The name under which a measuring process loads this runtime."""
RECIPE_VERSION = 1
"""Raised when the same request would make another file."""
RECIPE_KEY = "placer.recipe"
"""Where a file's metadata keeps all on which its content depends."""
HOW_KEY = "placer.how"
"""Where it keeps the method in words."""
PER_CHANNEL_OPSET = 13
"""The first in which QuantizeLinear takes a scale per channel."""
DYNAMIC_OPSET = 11
"""The first that has DynamicQuantizeLinear."""
_WEIGHTS_ALONE_IR = 4
"""The first IR version in which a weight need not be an input."""
_VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "avxvnni"})
_ARM = frozenset({"arm64", "aarch64"})


def load() -> None:
    """Import ONNX Runtime; its tools are imported when they are needed."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()


def tools_version() -> str:
    """Return ``onnxruntime 1.32.0, onnx 1.23.2``: what makes the files."""
    import onnx
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}"


def integer_types() -> str:
    """Return the types that suit this machine's CPU, in words.

    ``uint8 activations, int8 weights``; on x86 without VNNI the weights have 7 bits, because its
    instruction adds two products in 16 bits and saturates; on Arm all is ``int8``.

    Source: the docstring of ``onnxruntime.quantization.quantize_static`` (1.32) and "Quantize ONNX
    models" of ONNX Runtime's documentation, on U8S8, S8S8 and reduce_range.
    """
    if platform.machine().lower() in _ARM:
        return "int8 activations and weights"
    if _has_vnni():
        return "uint8 activations, int8 weights"
    return "uint8 activations, int8 weights of 7 bits as this CPU has no VNNI"


def _has_vnni() -> bool:
    """Tell whether the CPU adds products of 8 bits without saturating; unknown counts as no."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            return bool(_VNNI_FLAGS & set(flags.split()))
    return False


def recipe_of(path: str) -> tuple[str, str] | None:
    """Return (recipe, how in words) of a file of ours; None: no such file, or not made by placer.

    The metadata follows the graph in the file: a part of a file has none.
    """
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # missing, cut off, or no protobuf: each has its own kind
        return None
    props = {one.key: one.value for one in model.metadata_props}
    return (props[RECIPE_KEY], props.get(HOW_KEY, "")) if RECIPE_KEY in props else None


def make(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write a variant of a model.

    Parameters
    ----------
    request
        ``model_path``; ``output_path``; ``method``; ``calibration_path``: .npz with an array
        (samples, *input shape) per input, or None; ``check_path``: likewise, samples that the
        variant must be able to run; ``recipe``: text for the file's metadata;
        ``said``: what to add to the method in words.

    Returns
    -------
    ``how``: the method in words; ``n_nodes``; ``n_quantised``: nodes that quantise or compute in
    integers.

    Raises
    ------
    UnsupportedModelError
        No variant can be made of this model, with the reason.
    """
    import onnx

    method = Method(request["method"])
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        whole = str(Path(folder) / "model.onnx")
        model = _read(request["model_path"])
        _refuse(model, method)
        onnx.save(model, whole)  # external data inside: the tools look for it in other folders
        if method is Method.CONVERTED:
            made, how = _converted(model), "float16 inside, inputs and outputs as they were"
        else:
            least = PER_CHANNEL_OPSET if method is Method.STATIC else DYNAMIC_OPSET
            opset = _opset(model)
            if opset < least:
                _raise_opset(model, whole, least, request["check_path"])
            made = _quantised(whole, folder, method, request["calibration_path"])
            how = f"{method.value}, {_per_channel(method)}, {integer_types()}"
            if opset < least:
                how += f", opset {opset} converted to {least} with the same outputs to the bit"
        _sort(made.graph)
        counts = Counter(node.op_type for node in _nodes(made.graph))
        n_quantised = sum(n for op_type, n in counts.items() if is_quantised(op_type))
        if method is not Method.CONVERTED and not n_quantised:
            raise UnsupportedModelError("none of its operators can be quantised")
        props = {one.key: one.value for one in made.metadata_props}
        how = f"{tools_version()}: {how}{request['said']}"
        onnx.helper.set_model_props(made, {**props, RECIPE_KEY: request["recipe"], HOW_KEY: how})
        onnx.save(made, request["output_path"])
    _check_runs(request["output_path"], request["check_path"])
    return {"how": how, "n_nodes": counts.total(), "n_quantised": n_quantised}


def _read(path: str) -> Any:
    """Return the model with its external data loaded and its local functions put in place.

    Weights that are inputs with a default, as before IR version 4, become weights alone: the tools
    would take them for data.
    """
    import onnx
    import onnx.inliner

    model = onnx.load(path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    defaults = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in defaults]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, _WEIGHTS_ALONE_IR)
    return model


def _per_channel(method: Method) -> str:
    return "QDQ per channel" if method is Method.STATIC else "weights per channel"


def _opset(model: Any) -> int:
    return max(
        (one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1
    )


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for inner in _inner_graphs(node):
            yield from _nodes(inner)


def _inner_graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _refuse(model: Any, method: Method) -> None:
    """Raise UnsupportedModelError for a model of which no tool makes a useful variant."""
    import onnx

    nodes = list(_nodes(model.graph))
    quantised = next((node.op_type for node in nodes if is_quantised(node.op_type)), None)
    if quantised is not None:
        raise UnsupportedModelError(f"the model is quantised already ({quantised})")
    if model.ByteSize() > LARGEST_BYTES:
        raise UnsupportedModelError("the model is larger than 2 GB with its external data")
    types = Counter(tensor.data_type for tensor in _weights(model.graph))
    if method is Method.CONVERTED and not types[onnx.TensorProto.FLOAT]:
        if types[onnx.TensorProto.FLOAT16]:
            raise UnsupportedModelError("its weights are float16 already")
        raise UnsupportedModelError("it has no float32 weights")
    if not types[onnx.TensorProto.FLOAT] + types[onnx.TensorProto.FLOAT16]:
        raise UnsupportedModelError("it has no floating-point weights that can be quantised")


def _weights(graph: Any) -> Iterator[Any]:
    """Yield the tensors of a graph that hold more than one number, constants included."""
    inner = [one for node in graph.node for one in _inner_graphs(node)]
    constants = (
        attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.HasField("t")
    )
    for tensor in (*graph.initializer, *constants):
        if any(size > 1 for size in tensor.dims):
            yield tensor
    for one in inner:
        yield from _weights(one)


def _raise_opset(model: Any, whole: str, least: int, check_path: str) -> None:
    """Convert the file to a later opset, if it then gives the same outputs to the bit.

    Raises
    ------
    UnsupportedModelError
        The converter fails, or the converted model answers differently.
    """
    import numpy as np
    import onnx
    import onnx.version_converter

    opset = _opset(model)
    hint = f"opset {opset} is too old for it: export the model with opset {least} or later"
    expected = _outputs(whole, check_path)
    try:
        onnx.save(onnx.version_converter.convert_version(model, least), whole)
        found = _outputs(whole, check_path)
    except Exception as error:  # the converter's own, or ONNX Runtime's
        raise UnsupportedModelError(f"{hint} ({_reason(error)})") from error
    for before, after in zip(expected, found, strict=True):
        for one, other in zip(before, after, strict=True):
            exact = one.dtype.kind != "f"
            if not np.array_equal(one, other, equal_nan=not exact):
                raise UnsupportedModelError(f"{hint} (converted, it answers differently)")


def _quantised(whole: str, folder: str, method: Method, calibration_path: str | None) -> Any:
    """Return the model in int8, made by ``onnxruntime.quantization``."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    is_arm = platform.machine().lower() in _ARM
    prepared, output = (str(Path(folder) / name) for name in ("prepared.onnx", "output.onnx"))
    common: dict[str, Any] = {
        "per_channel": True,
        "reduce_range": not is_arm and not _has_vnni(),
        "weight_type": quantization.QuantType.QInt8,
    }
    try:
        # symbolic inference would need sympy, and helps where shapes decide: not for weights
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        if method is Method.STATIC:
            quant_type = quantization.QuantType
            quantization.quantize_static(
                prepared,
                output,
                _reader(calibration_path),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quant_type.QInt8 if is_arm else quant_type.QUInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                **common,
            )
        else:
            quantization.quantize_dynamic(prepared, output, **common)
        return onnx.load(output)
    except Exception as error:  # the tools raise whatever comes up
        raise UnsupportedModelError(f"onnxruntime.quantization: {_reason(error)}") from error


def _reader(path: str | None) -> Any:
    """Return the calibration samples as the tools read them: one after the other."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader

    assert path is not None
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    count = len(next(iter(arrays.values())))

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
        def __init__(self) -> None:
            self._samples = iter(
                {name: array[place, ...] for name, array in arrays.items()}
                for place in range(count)
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self._samples, None)

    return Reader()


def _converted(model: Any) -> Any:
    """Return the model in float16, made by ``onnxruntime.transformers.float16``."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        made = convert_float_to_float16(model, keep_io_types=True)
    except Exception as error:  # the tool raises whatever comes up
        raise UnsupportedModelError(
            f"onnxruntime.transformers.float16: {_reason(error)}"
        ) from error
    return made


def _sort(graph: Any) -> None:
    """Put each node behind those whose outputs it reads.

    The conversion adds its own at the end, and the order of the quantiser overlooks what the graphs
    inside If and Loop take from outside.
    """
    made_by = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    nodes = list(graph.node)
    order: list[int] = []
    seen: set[int] = set()
    for first in range(len(nodes)):
        waiting = [(first, False)]
        while waiting:
            place, is_ready = waiting.pop()
            if is_ready:
                order.append(place)
            elif place not in seen:
                seen.add(place)
                waiting.append((place, True))
                needed = {made_by[name] for name in _read_names(nodes[place]) if name in made_by}
                waiting += [(one, False) for one in sorted(needed, reverse=True)]
    sorted_nodes = [nodes[place] for place in order]
    del graph.node[:]
    graph.node.extend(sorted_nodes)


def _read_names(node: Any) -> Iterator[str]:
    """Yield the names that a node reads, those that its inner graphs take from outside included."""
    yield from node.input
    for inner in _inner_graphs(node):
        for one in inner.node:
            yield from _read_names(one)
        yield from (output.name for output in inner.output)


def _outputs(path: str, samples_path: str) -> list[list[Any]]:
    """Return what a model gives for each sample, on the CPU."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    with np.load(samples_path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays = {
        name: array.astype(object) if array.dtype.kind == "U" else array
        for name, array in arrays.items()
    }
    count = len(next(iter(arrays.values()))) if arrays else 1
    return [
        session.run(None, {name: array[place, ...] for name, array in arrays.items()})
        for place in range(count)
    ]


def _check_runs(path: str, check_path: str) -> None:
    try:
        _outputs(path, check_path)
    except Exception as error:  # ONNX Runtime's own
        raise UnsupportedModelError(
            f"ONNX Runtime does not run what its tool made: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(". ")[:300]
