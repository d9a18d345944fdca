"""Inputs of a tail as they come over the wire: nodes of its graph make the tensors of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from placer.core.errors import UsageError
from placer.core.graph import TensorSpec
from placer.core.split_export import SCALE_BYTES, Crossing, wire_bytes, wire_dtype
from placer.core.wire_formats import Precision

LEAST_OPSET = 7
"""Before it Cast names types by text and Mul needs to be told to broadcast."""


def take_from_wire(
    path: Path, tensors: Sequence[TensorSpec], precision: Precision
) -> tuple[Crossing, ...]:
    """Let a part take tensors in a wire format; return what it takes for each of them.

    float16 and float32 for wider floats: ``Cast``. int8: ``Cast``, then ``Mul`` by a scale that is
    an input of its own. A tensor without dimensions travels as one of one element, since servers
    take no others.

    Parameters
    ----------
    path
        The part; it is written anew, its external data stay as they are.

    Raises
    ------
    UsageError
        Its opset is too old for these nodes, or a tensor has no known size.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    opset = versions[0] if versions else LEAST_OPSET
    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in graph.initializer}
    taken |= {value.name for value in (*graph.input, *graph.output)}
    nodes: list[Any] = []
    found = []
    for spec in tensors:
        if spec.n_bytes is None:
            raise UsageError(
                f"nobody knows the size of '{spec.name}', which would cross", hint="cut elsewhere"
            )
        dtype = wire_dtype(spec.dtype, precision)
        if dtype == spec.dtype and spec.shape:
            found.append(Crossing(spec, spec))
            continue
        if opset < LEAST_OPSET:
            raise UsageError(
                f"the model has opset {opset}, in which '{spec.name}' cannot be widened again",
                hint="--wire float32, or convert the model to opset 13 or later",
            )
        n_bytes = wire_bytes(spec.n_bytes, spec.dtype, precision)
        crossing = _crossing(spec, dtype, n_bytes, taken)
        nodes += _decoding(crossing, taken)
        _replace_input(graph, crossing)
        found.append(crossing)
    if nodes:
        if not versions:  # the part had operators of other sets alone
            model.opset_import.append(onnx.helper.make_opsetid("", LEAST_OPSET))
        rest = list(graph.node)
        del graph.node[:]
        graph.node.extend([*nodes, *rest])
        path.write_bytes(model.SerializeToString())
    return tuple(found)


def _crossing(spec: TensorSpec, dtype: str, n_bytes: int, taken: set[str]) -> Crossing:
    is_scaled = dtype == "int8" and spec.dtype != "int8"
    value = TensorSpec(
        _free(f"{spec.name}_wire", taken),
        dtype,
        spec.shape or (1,),
        n_bytes - (SCALE_BYTES if is_scaled else 0),
    )
    scale = None
    if is_scaled:
        scale = TensorSpec(_free(f"{spec.name}_scale", taken), "float32", (1,), SCALE_BYTES)
    return Crossing(spec, value, scale)


def _decoding(crossing: Crossing, taken: set[str]) -> list[Any]:
    """Return the nodes that make the tensor of what came over the wire."""
    import numpy as np
    from onnx import helper, numpy_helper

    spec, value = crossing.tensor, crossing.value
    nodes: list[Any] = []
    at = value.name
    steps: list[tuple[str, dict[str, Any]]] = []
    if crossing.scale is not None:
        between = "float64" if spec.dtype == "float64" else "float32"
        scale = crossing.scale.name
        if between == "float64":
            wide = _free(f"{scale}_wide", taken)
            nodes.append(helper.make_node("Cast", [scale], [wide], to=_onnx_type(between)))
            scale = wide
        steps = [("Cast", {"to": _onnx_type(between)}), ("Mul", {})]
        if spec.dtype != between:
            steps.append(("Cast", {"to": _onnx_type(spec.dtype)}))
    else:
        scale = ""
        if value.dtype != spec.dtype:
            steps = [("Cast", {"to": _onnx_type(spec.dtype)})]
    if not spec.shape:
        steps.append(("Reshape", {}))
    for place, (op_type, attributes) in enumerate(steps):
        is_last = place == len(steps) - 1
        output = spec.name if is_last else _free(f"{value.name}_{place}", taken)
        inputs = [at]
        if op_type == "Mul":
            inputs.append(scale)
        if op_type == "Reshape":
            shape = _free(f"{value.name}_shape", taken)
            nothing = numpy_helper.from_array(np.zeros(0, np.int64), shape)
            nodes.append(helper.make_node("Constant", [], [shape], value=nothing))
            inputs.append(shape)
        nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        at = output
    return nodes


def _replace_input(graph: Any, crossing: Crossing) -> None:
    from onnx import helper

    place = next(
        place for place, value in enumerate(graph.input) if value.name == crossing.tensor.name
    )
    specs = [crossing.value, *([] if crossing.scale is None else [crossing.scale])]
    inputs = [
        helper.make_tensor_value_info(spec.name, _onnx_type(spec.dtype), spec.shape)
        for spec in specs
    ]
    values = list(graph.input)
    values[place : place + 1] = inputs
    del graph.input[:]
    graph.input.extend(values)


def _onnx_type(dtype: str) -> int:
    import numpy as np
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
