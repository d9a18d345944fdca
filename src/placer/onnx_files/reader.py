"""Read an ONNX file: what it needs, what it yields and how much work it does."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import UNKNOWN_DIMENSION, ModelSummary, TensorSpec, stated_shape
from placer.onnx_files.features import count_operators
from placer.onnx_files.shapes import (
    MICROSOFT,
    UNDEFINED,
    VALUE_LIMIT,
    Tensor,
    Trace,
    byte_count,
    dtype_name,
    trace_model,
)
from placer.onnx_files.structure import read_structure

MAX_FILE_BYTES = 2**31 - 1
"""Source: protobuf's limit of one message; larger models keep their weights in files beside it."""

_EXPORT = "export the model to ONNX, for example with torch.onnx.export or tf2onnx"
_DOWNLOAD = "download it again and compare its size with the original"
_ORT_ONLY = frozenset(
    (
        "FastGelu",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "LayerNormalization",
        "QuickGelu",
        "SimplifiedLayerNormalization",
        "SkipLayerNormalization",
    )
)
"""Operators that ONNX Runtime's own tools write into the default domain."""
_DATA_FIELDS = (
    "raw_data",
    "float_data",
    "int32_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "string_data",
)


def parse_shape_option(text: str) -> tuple[str, tuple[int, ...]]:
    """Parse ``x=1,3,224,224`` into the input's name and shape.

    Raises
    ------
    UsageError
        No name, no shape, or a dimension that is not a positive whole number.
    """
    name, equals, dims = text.rpartition("=")
    name = name.strip()
    hint = "write it like --shape x=1,3,224,224"
    if not equals or not name or not dims.strip():
        raise UsageError(f"--shape '{text}' is not a name and a shape", hint=hint)
    shape = []
    for part in dims.split(","):
        digits = part.strip()
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or int(digits) == 0:
            raise UsageError(
                f"--shape '{text}' has the dimension '{digits}', not a positive whole number",
                hint=hint,
            )
        shape.append(int(digits))
    return name, tuple(shape)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that was read once: what the decision sees, and its graph without large weights."""

    summary: ModelSummary
    graph: Any
    """onnx.GraphProto, local functions expanded; large weights have dimensions only."""
    trace: Trace
    """One step for each node of ``graph``, in its order."""


def read_model(path: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> ModelSummary:
    """Read an ONNX file without running it, its weights only to hash them.

    Parameters
    ----------
    path
        An ONNX file; external data is looked for beside it.
    shapes
        Input name to shape, for inputs with symbolic dimensions.

    Returns
    -------
    ModelSummary
        Every input dimension has its value. ``parameters`` are the elements of initializers and
        constants but int64, bool and string ones (shapes, axes, masks). ``opset`` is that of the
        default domain, 0 where the model uses none.

    Raises
    ------
    InputError
        The file or its external data is missing, unreadable, cut short or no valid ONNX model, or
        an input is not a tensor.
    UsageError
        A symbolic dimension has no value, or a given shape does not fit the model.
    """
    return open_model(path, shapes=shapes).summary


def open_model(path: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> OpenedModel:
    """Read an ONNX file as ``read_model`` does, and keep what is known of every tensor."""
    content, digest = _read_file(path)
    model = _parse(path, content)
    n_bytes = len(content)
    del content
    externals = _external_files(path, model)
    parameters = _count_parameters(model.graph)
    weights = _release_weights(path, model)
    _adopt_runtime_operators(model)
    _check(path, model, weights)
    model = _inline_functions(path, model)
    input_shapes, symbols = _bind(path, _open_inputs(path, model.graph), dict(shapes or {}))
    trace = trace_model(model, input_shapes=input_shapes, symbols=symbols)
    summary = ModelSummary(
        path=path,
        sha256=digest,
        n_bytes=n_bytes + sum(size for _, size in externals.values()),
        subjects=(
            (Path(path).name, digest),
            *((location, sha) for location, (sha, _) in sorted(externals.items())),
        ),
        opset=max(
            (o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0
        ),
        parameters=parameters,
        inputs=tuple(
            tensor_spec(info.name, Tensor(_dtype(info), input_shapes[info.name]))
            for info in _open_inputs(path, model.graph)
        ),
        outputs=tuple(
            tensor_spec(info.name, tensor)
            for info, tensor in zip(model.graph.output, trace.outputs, strict=True)
        ),
        operators=count_operators(trace),
        structure=read_structure(trace),
    )
    return OpenedModel(summary, model.graph, trace)


def load_model(path: str) -> Any:
    """Return an ONNX file as onnx's ModelProto, external data left where it is.

    Raises
    ------
    InputError
        The file is missing, unreadable or no ONNX model.
    """
    content, _ = _read_file(path)
    return _parse(path, content)


# --- the file -------------------------------------------------------------------------------


def _read_file(path: str) -> tuple[bytes, str]:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # pathlib normalises the path as typed
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(
            f"no such file: {path}{_near_file(path)}", hint="give the path of an .onnx file"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise _directory(path)
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path} is not a regular file", hint="give the path of an .onnx file on disk"
        )
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise InputError(
                f"{path} is over 2 GiB, more than one ONNX file can hold",
                hint="save the model with external data: onnx.save(model, path, "
                "save_as_external_data=True)",
            )
        content = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not content:
        raise InputError(f"{path} is empty", hint=_DOWNLOAD)
    return content, hashlib.sha256(content).hexdigest()


def _unreadable(path: str, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(f"cannot read {path}: {reason}", hint="check the path and its permissions")


def _near_file(path: str) -> str:
    try:
        names = [entry.name for entry in Path(path).parent.glob("*.onnx")]
    except (OSError, ValueError):
        names = []
    return near_match(Path(path).name, names)


def _directory(path: str) -> InputError:
    names = sorted(entry.name for entry in Path(path).glob("*.onnx"))
    hint = "give the path of an .onnx file"
    if names:
        hint = f"give one of its files: {', '.join(names[:5])}"
    elif Path(path, "saved_model.pb").exists():
        hint = "convert it: python -m tf2onnx.convert --saved-model DIR --output model.onnx"
    return InputError(f"{path} is a directory, not an ONNX file", hint=hint)


_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "fetch the file: git lfs pull",
    ),
    (0, b"\x89PNG", "a PNG image", "give the path of an .onnx file"),
    (0, b"\xff\xd8\xff", "a JPEG image", "give the path of an .onnx file"),
    (0, b"%PDF", "a PDF document", "give the path of an .onnx file"),
    (0, b"PK\x03\x04", "a zip archive (PyTorch's .pt files are)", _EXPORT),
    (0, b"\x80\x02", "a Python pickle (older .pt files are)", _EXPORT),
    (0, b"\x80\x04", "a Python pickle", _EXPORT),
    (0, b"\x80\x05", "a Python pickle", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file (Keras)", "convert it with tf2onnx"),
    (0, b"GGUF", "a GGUF file", "give the ONNX export of the model"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it first: gunzip"),
    (4, b"TFL3", "a TensorFlow Lite model", "convert it: python -m tf2onnx.convert --tflite FILE"),
    (
        4,
        b"ORTM",
        "a model in ONNX Runtime's .ort format",
        "give the .onnx file that it was made from",
    ),
)


def _not_onnx(path: str, content: bytes, reason: str) -> InputError:
    """Say what a file is that is not ONNX."""
    for offset, magic, kind, hint in _KINDS:
        if content[offset : offset + len(magic)] == magic:
            return InputError(f"{path} is not an ONNX model: it is {kind}", hint=hint)
    head = content[:256].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return InputError(
            f"{path} is not an ONNX model: it is a web page",
            hint="the download failed: use the link to the raw file",
        )
    if all(byte >= 32 or byte in b"\t\n\r" for byte in content[:512]):
        return InputError(
            f"{path} is not an ONNX model: it is a text file", hint="give an .onnx file"
        )
    return InputError(f"{path} is not an ONNX model, or is cut short: {reason}", hint=_DOWNLOAD)


def _parse(path: str, content: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise _not_onnx(path, content, "its protobuf message cannot be decoded") from None
    if not model.graph.node:
        raise _not_onnx(path, content, "it has no graph with nodes")
    if not model.opset_import and model.ir_version >= 3:
        raise _not_onnx(path, content, "it names no operator set")
    if not model.ir_version:
        raise _not_onnx(path, content, "it has no ir_version")
    if not all(isinstance(text, str) for text in _texts(model)):
        raise _not_onnx(path, content, "its names are not UTF-8")
    return model


def _texts(model: Any) -> Iterator[Any]:
    """Yield the names in a model; protobuf returns bytes where they are not UTF-8."""
    for opset in model.opset_import:
        yield opset.domain
    for function in model.functions:
        yield from (function.name, function.domain, *function.input, *function.output)
    for graph in (*_graphs(model.graph), *(g for f in model.functions for g in _graphs(f))):
        for node in graph.node:
            yield from (node.op_type, node.domain, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)
    for graph in _graphs(model.graph):
        yield from (tensor.name for tensor in graph.initializer)
        for info in (*graph.input, *graph.output, *graph.value_info):
            yield info.name
            yield from (dim.dim_param for dim in info.type.tensor_type.shape.dim)


# --- weights --------------------------------------------------------------------------------


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and the graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every TensorProto of a graph and of the graphs inside it."""
    for part in _graphs(graph):
        yield from part.initializer
        for sparse in part.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        for node in part.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def external_data(path: str) -> tuple[str, ...]:
    """Return the files with the weights of a model; none where it cannot be read."""
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception:  # what is wrong with it read_model tells
        return ()
    found = {
        entry.value
        for tensor in graph.initializer
        if _is_external(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(str(Path(path).parent / location) for location in sorted(found))


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _tensor_bytes(path: str, tensor: Any) -> int | None:
    dtype = dtype_name(tensor.data_type)
    if dtype == UNDEFINED or any(dim < 0 for dim in tensor.dims):
        raise InputError(
            f"{path}: tensor '{tensor.name}' has the unknown element type {tensor.data_type} or "
            f"a negative dimension (shape {','.join(map(str, tensor.dims))})",
            hint="export the model again, or update onnx: pip install --upgrade onnx",
        )
    return byte_count(dtype, math.prod(tensor.dims))


def _external_files(path: str, model: Any) -> dict[str, tuple[str, int]]:
    """Return (sha256, bytes) of each external data file, after checking that it is long enough."""
    needed: dict[str, tuple[int, str]] = {}
    for tensor in _tensors(model.graph):
        if not _is_external(tensor):
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        try:
            offset = int(entries.get("offset") or 0)
            length = max(int(entries.get("length") or 0), _tensor_bytes(path, tensor) or 0)
        except ValueError:
            offset = length = -1
        if not isinstance(location, str) or not location or offset < 0:
            raise InputError(
                f"{path}: the external data of tensor '{tensor.name}' has no valid location, "
                "offset and length",
                hint="save the model again with external data",
            )
        if _leaves_directory(location):
            raise InputError(
                f"{path}: tensor '{tensor.name}' keeps its data in '{location}', outside the "
                "directory of the model",
                hint="save the model again, with its external data beside it",
            )
        end = offset + length
        if end > needed.get(location, (-1, ""))[0]:
            needed[location] = (end, tensor.name)
    return {
        location: _hash_external(path, location, end, tensor_name)
        for location, (end, tensor_name) in needed.items()
    }


def _leaves_directory(location: str) -> bool:
    parts = PurePosixPath(location), PureWindowsPath(location)
    return any(p.is_absolute() or p.drive or ".." in p.parts for p in parts)


def _hash_external(path: str, location: str, end: int, tensor_name: str) -> tuple[str, int]:
    file = Path(path).parent / location
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise InputError(
                f"{file}, which holds tensor '{tensor_name}' of {path}, is not a regular file",
                hint="copy the external data beside the model, under the same name",
            )
        with file.open("rb") as stream:
            size = file.stat().st_size
            if size < end:
                raise InputError(
                    f"{file} is too short for tensor '{tensor_name}' of {path}: "
                    f"{size} of {end} bytes",
                    hint=_DOWNLOAD,
                )
            return hashlib.file_digest(stream, "sha256").hexdigest(), size
    except FileNotFoundError:
        raise InputError(
            f"no such file: {file}, which holds tensor '{tensor_name}' of {path}",
            hint="copy the external data beside the model, under the same name",
        ) from None
    except OSError as error:
        raise _unreadable(str(file), error) from error


def _count_parameters(graph: Any) -> int:
    """Elements of initializers and constants, without int64, bool and string ones."""
    total = 0
    for part in _graphs(graph):
        weights = list(part.initializer)
        for node in part.node:
            if node.op_type == "Constant":
                weights += [a.t for a in node.attribute if a.HasField("t")]
        for weight in weights:
            if weight.data_type not in (weight.INT64, weight.BOOL, weight.STRING):
                total += math.prod(weight.dims)
        total += sum(math.prod(sparse.values.dims) for sparse in part.sparse_initializer)
    return total


def _release_weights(path: str, model: Any) -> list[Any]:
    """Drop the data of large weights; return them, now dimensions only.

    The rest of placer needs their shape alone, and neither the checker nor the inliner takes a
    model over 2 GiB.
    """
    released = []
    for graph in _graphs(model.graph):
        _constants_to_initializers(graph)
        for tensor in graph.initializer:
            n_bytes = _tensor_bytes(path, tensor)
            if n_bytes is not None and tensor.raw_data and len(tensor.raw_data) != n_bytes:
                raise InputError(
                    f"{path}: tensor '{tensor.name}' holds {len(tensor.raw_data)} bytes, "
                    f"its shape needs {n_bytes}",
                    hint="export the model again",
                )
            if math.prod(tensor.dims) > VALUE_LIMIT:
                for field in (*_DATA_FIELDS, "external_data", "data_location"):
                    tensor.ClearField(field)
                released.append(tensor)
            elif _is_external(tensor):
                load_external(path, tensor)
    return released


def load_external(path: str, tensor: Any) -> None:
    """Read the data of a tensor into it, if it lies in a file beside the model.

    onnx's own loader refuses symbolic links.
    """
    if not _is_external(tensor):
        return
    entries = {entry.key: entry.value for entry in tensor.external_data}
    n_bytes = _tensor_bytes(path, tensor) or 0
    with (Path(path).parent / entries["location"]).open("rb") as stream:
        stream.seek(int(entries.get("offset") or 0))
        tensor.raw_data = stream.read(n_bytes)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def _constants_to_initializers(graph: Any) -> None:
    """Turn Constant nodes with a large or external tensor into initializers."""
    kept = []
    for node in graph.node:
        tensor = next((a.t for a in node.attribute if a.HasField("t")), None)
        if (
            node.op_type == "Constant"
            and tensor is not None
            and (_is_external(tensor) or math.prod(tensor.dims) > VALUE_LIMIT)
        ):
            graph.initializer.add().CopyFrom(tensor)
            graph.initializer[-1].name = node.output[0]
        else:
            kept.append(node)
    if len(kept) < len(graph.node):
        nodes = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(nodes)


# --- validity -------------------------------------------------------------------------------


def _adopt_runtime_operators(model: Any) -> None:
    """Give operators that only ONNX Runtime knows in the default domain their own domain."""
    import onnx

    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    moved = False
    for graph in _graphs(model.graph):
        for node in graph.node:
            if node.op_type in _ORT_ONLY and node.domain in ("", "ai.onnx"):
                try:
                    onnx.defs.get_schema(node.op_type, version, "")
                except onnx.defs.SchemaError:
                    node.domain = MICROSOFT
                    moved = True
    if moved and all(opset.domain != MICROSOFT for opset in model.opset_import):
        model.opset_import.add(domain=MICROSOFT, version=1)


def _check(path: str, model: Any, weights: list[Any]) -> None:
    """Run onnx's checker on a copy in which released weights are inputs."""
    import onnx
    from onnx import helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    names = {weight.name for weight in weights}
    for graph in _graphs(copy.graph):
        rest = [tensor for tensor in graph.initializer if tensor.name not in names]
        del graph.initializer[:]
        graph.initializer.extend(rest)
        for info in (*graph.input, *graph.output):  # runtimes take an open rank, the checker not
            if info.type.HasField("tensor_type") and not info.type.tensor_type.HasField("shape"):
                info.type.tensor_type.shape.SetInParent()
    present = {info.name for info in copy.graph.input}
    for weight in weights:
        if weight.name not in present:
            present.add(weight.name)
            copy.graph.input.append(
                helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
            )
    try:
        onnx.checker.check_model(copy)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"{path} is not a valid ONNX model: {line}",
            hint="export the model again, or update onnx: pip install --upgrade onnx",
        ) from error


def _inline_functions(path: str, model: Any) -> Any:
    if not model.functions:
        return model
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except (ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"{path}: its local functions cannot be expanded: {line}",
            hint="expand them first: onnx.inliner.inline_local_functions",
        ) from error


# --- inputs ---------------------------------------------------------------------------------


def _open_inputs(path: str, graph: Any) -> list[Any]:
    """Return the inputs that a caller feeds: not the initializers that old models list too."""
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {sparse.values.name for sparse in graph.sparse_initializer}
    inputs = [info for info in graph.input if info.name not in weights]
    for info in inputs:
        if not info.type.HasField("tensor_type"):
            kind = (info.type.WhichOneof("value") or "typeless").removesuffix("_type")
            raise InputError(
                f"{path}: input '{info.name}' is of the kind {kind}; only tensors are supported",
                hint="export the model with tensor inputs only",
            )
        if _dtype(info) == UNDEFINED:
            raise InputError(
                f"{path}: input '{info.name}' has no known element type",
                hint="export the model again, or update onnx: pip install --upgrade onnx",
            )
    return inputs


def _dtype(info: Any) -> str:
    return dtype_name(info.type.tensor_type.elem_type)


def _dims(info: Any) -> list[int | str] | None:
    """Return values and symbols (empty: no name); None: the rank is open too."""
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.dim_value > 0 else str(dim.dim_param) for dim in tensor.shape.dim]


def _shape_text(dims: list[int | str] | None) -> str:
    if dims is None:
        return "of unknown rank"
    return ",".join(str(dim) if dim != "" else "?" for dim in dims) or "()"


def _bind(
    path: str, inputs: list[Any], shapes: dict[str, tuple[int, ...]]
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Give every dimension of every input its value, and every symbol."""
    names = [info.name for info in inputs]
    for name in shapes:
        if name not in names:
            raise UsageError(
                f"--shape names '{name}', which is no input of {path}{near_match(name, names)}",
                hint="inputs: "
                + (", ".join(f"{i.name} ({_shape_text(_dims(i))})" for i in inputs) or "none"),
            )
    symbols: dict[str, tuple[int, str]] = {}
    for info in inputs:
        if info.name in shapes:
            _bind_given(info.name, _dims(info), shapes[info.name], symbols)
    bound = {symbol: value for symbol, (value, _) in symbols.items()}
    found = {}
    for info in inputs:
        dims = _dims(info)
        if info.name in shapes:
            found[info.name] = shapes[info.name]
        elif dims is None:
            raise UsageError(
                f"input '{info.name}' has a shape of unknown rank",
                hint=f"state it with your sizes: --shape {info.name}=1,3,H,W for an image",
            )
        else:
            values = [bound.get(dim) if isinstance(dim, str) else dim for dim in dims]
            missing = [dim for dim, v in zip(dims, values, strict=True) if v is None]
            if missing:
                _refuse_zero(path, info)
                which = f"'{missing[0]}'" if missing[0] else "without a name"
                open_dims = [
                    dim if value is None else value for dim, value in zip(dims, values, strict=True)
                ]
                raise UsageError(
                    f"input '{info.name}' has the symbolic dimension {which} "
                    f"(shape {_shape_text(dims)})",
                    hint=f"give it a value: {stated_shape(info.name, open_dims)}",
                )
            found[info.name] = tuple(value for value in values if value is not None)
    return found, bound


def _refuse_zero(path: str, info: Any) -> None:
    """Refuse an input that holds nothing: ONNX Runtime takes no other size for a 0."""
    dims = info.type.tensor_type.shape.dim
    if not any(dim.HasField("dim_value") and dim.dim_value == 0 for dim in dims):
        return
    shape = ",".join(
        str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims
    )
    raise InputError(
        f"{path}: a dimension of input '{info.name}' is 0 (shape {shape}), so that it "
        "holds nothing",
        hint="export the model with its real size, or with a name in place of the 0",
    )


def _bind_given(
    name: str,
    dims: list[int | str] | None,
    shape: tuple[int, ...],
    symbols: dict[str, tuple[int, str]],
) -> None:
    text = ",".join(map(str, shape))
    if dims is None:
        return
    if len(shape) != len(dims):
        raise UsageError(
            f"--shape {name}={text} has {len(shape)} dimensions, input '{name}' has {len(dims)} "
            f"(shape {_shape_text(dims)})",
            hint=f"give {len(dims)} dimensions",
        )
    for dim, value in zip(dims, shape, strict=True):
        if value < 1:
            raise UsageError(
                f"--shape {name}={text} has the dimension {value}", hint="dimensions start at 1"
            )
        if isinstance(dim, int) and dim != value:
            raise UsageError(
                f"--shape {name}={text} contradicts the model: input '{name}' has the shape "
                f"{_shape_text(dims)}",
                hint=f"fixed dimensions cannot change; {value} must be {dim}",
            )
        if isinstance(dim, str) and dim:
            before, origin = symbols.setdefault(dim, (value, name))
            if before != value:
                raise UsageError(
                    f"--shape {name}={text} gives the symbolic dimension '{dim}' the value "
                    f"{value}, but '{origin}' gives it {before}",
                    hint="the same symbol has one value in the whole model",
                )


def tensor_spec(name: str, tensor: Tensor) -> TensorSpec:
    """Return what is known of a tensor, with the name that the model gives it."""
    shape = (UNKNOWN_DIMENSION,) if tensor.shape is None else tensor.shape
    return TensorSpec(name, tensor.dtype or "unknown", shape, tensor.n_bytes)
