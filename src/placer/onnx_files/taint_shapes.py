"""Shapes of the tensors of a graph, and its nodes in the order in which they can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from placer.core.errors import InputError
from placer.onnx_files.taint_values import CONSTANT, Taint


def bodies_of(attribute: Any) -> tuple[Any, ...]:
    """Return the graphs in an attribute."""
    return (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs)


def in_order(graph: Any, known: Mapping[str, Taint]) -> Iterator[Any]:
    """Yield the nodes so that each comes after those it reads, however the file has them."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    waits: list[set[int]] = []
    readers: dict[int, list[int]] = {}
    for index, node in enumerate(graph.node):
        read = {*node.input, *(name for a in node.attribute for name in captured(a))}
        waits.append({makers[name] for name in read if name in makers and name not in known})
        for other in waits[-1]:
            readers.setdefault(other, []).append(index)
    ready = [index for index, others in enumerate(waits) if not others]
    done = 0
    while ready:
        index = ready.pop()
        done += 1
        yield graph.node[index]
        for reader in readers.get(index, ()):
            waits[reader].discard(index)
            if not waits[reader]:
                ready.append(reader)
    if done < len(graph.node):
        raise InputError("the graph of the model has a cycle", hint="export the model again")


def captured(attribute: Any) -> set[str]:
    """Return what the bodies in an attribute read of the graph around them."""
    found: set[str] = set()
    for graph in bodies_of(attribute):
        inside = {info.name for info in graph.input} | {one.name for one in graph.initializer}
        inside |= {name for node in graph.node for name in node.output}
        read = {name for node in graph.node for name in node.input if name}
        read |= {info.name for info in graph.output}
        read |= {name for node in graph.node for a in node.attribute for name in captured(a)}
        found |= read - inside
    return found


def inferred_types(
    model: Any, shapes: Mapping[str, Sequence[int]]
) -> tuple[dict[str, tuple[int | str, ...]], frozenset[str]]:
    """Return what onnx infers of shapes, and the tensors of truth values.

    It works on a copy whose large weights are inputs.

    Parameters
    ----------
    shapes
        Of inputs, instead of what the model states of them.
    """
    import onnx
    from onnx import helper

    small = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    small.opset_import.extend(model.opset_import)
    copy = small.graph
    copy.name = "shapes"
    copy.output.extend(model.graph.output)
    copy.value_info.extend(model.graph.value_info)
    large = [t for t in model.graph.initializer if np.prod(t.dims, dtype=float) > _SHAPE_ELEMENTS]
    names = {tensor.name for tensor in large}
    copy.input.extend(info for info in model.graph.input if info.name not in names)
    copy.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in large)
    for info in copy.input:
        if info.name in shapes:
            tensor_type = info.type.tensor_type
            fixed = helper.make_tensor_value_info(
                info.name, tensor_type.elem_type, shapes[info.name]
            )
            tensor_type.shape.CopyFrom(fixed.type.tensor_type.shape)
    copy.initializer.extend(t for t in model.graph.initializer if t.name not in names)
    known = {tensor.name: CONSTANT for tensor in model.graph.initializer}
    known.update((info.name, CONSTANT) for info in model.graph.input)
    copy.node.extend(in_order(model.graph, known))
    try:
        inferred = onnx.shape_inference.infer_shapes(small, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        inferred = copy
    infos = (*inferred.input, *inferred.value_info, *inferred.output)
    bools = frozenset(one.name for one in infos if one.type.tensor_type.elem_type == _BOOL)
    return {
        info.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param
            for dim in info.type.tensor_type.shape.dim
        )
        for info in infos
        if info.type.tensor_type.HasField("shape")
    }, bools


_BOOL = 9  # of TensorProto
_SHAPE_ELEMENTS = 1024
"""Larger initializers are no shapes."""
