"""The graph that ONNX Runtime makes of a model, led back to the nodes of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from placer.core.groups import GroupGraph, with_times
from placer.onnx_files.reader import load_external
from placer.onnx_files.split_source import SplitSource
from placer.onnx_files.splitter import WEIGHTS_ALONE_IR, declared, list_weights, save_model

_FUSED_INTO_LAST = "/QuickGeluFusion/"
"""What ONNX Runtime adds to the name of the last of the nodes that it fuses; others it adds to the
first, so that their names do not tell the output."""


_NUMBERED = re.compile(r"(?:(?:_token)?_\d+)+$")
"""What ONNX Runtime adds to a name that is taken."""
_NO_OPERATION = frozenset({"Identity", "Dropout"})
_BEFORE_QUANTIZING = frozenset({*_NO_OPERATION, "Relu", "Clip"})
"""What an integer operator takes in by the limits of its type."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model whose nodes and inner tensors have names that a runtime's names lead back to."""

    path: str
    tensors: Mapping[str, str]
    """Name there -> name in the model, of all that nodes make."""
    nodes: Mapping[str, tuple[str, ...]]
    """Name there -> names in the model of what the node makes."""


def write_named(source: SplitSource, path: str) -> NamedModel:
    """Write the whole model with fixed input shapes, every node and inner tensor named anew.

    Names in files may be missing, stand twice, or look like those that a runtime makes up.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    kept = {info.name for info in (*graph.input, *graph.output)} | weights
    prefix = "placer_"
    while any(name.startswith(prefix) for name in kept):
        prefix += "_"
    new_name = {
        name: f"{prefix}t{number}"
        for number, name in enumerate(name for node in graph.node for name in node.output if name)
        if name not in kept
    }
    tensors, nodes = {}, {}
    for number, node in enumerate(graph.node):
        node.name = f"{prefix}n{number}"
        nodes[node.name] = tuple(name for name in node.output if name)
        for names in (node.input, node.output):
            renamed = [new_name.get(name, name) for name in names]
            del names[:]
            names.extend(renamed)
        tensors.update({new_name.get(name, name): name for name in nodes[node.name]})
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    del graph.input[:]
    for spec in source.summary.inputs:
        graph.input.append(declared(spec.name, source.tensors[spec.name]))
    if model.ir_version < WEIGHTS_ALONE_IR:
        list_weights(graph)
    is_external = False
    for tensor in _all_tensors(graph):
        is_external |= tensor.data_location == tensor.EXTERNAL
        load_external(source.summary.path, tensor)
    save_model(model, Path(path), is_external=is_external)
    return NamedModel(path, tensors, nodes)


def _all_tensors(graph: Any) -> Iterable[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


@dataclass(frozen=True, slots=True)
class Kernel:
    """A node of the graph that the runtime made."""

    name: str
    op_type: str
    tensors: tuple[str, ...]
    """Tensors of the original model that it computes; empty: a copy into another layout."""
    belongs_to: str | None
    """The tensor of the model that its time is spent for; None: not known."""


def read_kernels(optimised_path: str, named: NamedModel, source: SplitSource) -> tuple[Kernel, ...]:
    """Lead the nodes of the runtime's graph back to the original model.

    A node is known by the tensors that it makes, if their names are still there. Layouts for the
    processor hide them: then the name of the node tells, which ONNX Runtime forms from that of its
    output (``<tensor>_nchwc``), or which it has kept; that of an integer operator is the node's
    that it stands for. What is left copies into another layout, for the node behind it.
    """
    import onnx

    graph = onnx.load(optimised_path, load_external_data=False).graph
    followers: dict[str, list[Any]] = {}
    for node in source.model.graph.node:
        for name in set(node.input):
            followers.setdefault(name, []).append(node)
    found = [_originals(node, named, followers) for node in graph.node]
    users: dict[str, list[int]] = {}
    maker: dict[str, int] = {}
    for place, node in enumerate(graph.node):
        for name in node.input:
            users.setdefault(name, []).append(place)
        maker.update(dict.fromkeys((name for name in node.output if name), place))
    return tuple(
        Kernel(
            node.name,
            node.op_type,
            found[place],
            _nearest(place, graph.node, found, users, maker),
        )
        for place, node in enumerate(graph.node)
    )


def _originals(
    node: Any, named: NamedModel, followers: Mapping[str, Sequence[Any]]
) -> tuple[str, ...]:
    kept = tuple(named.tensors[name] for name in node.output if name in named.tensors)
    if kept:
        return kept
    stem, mark, _ = node.name.rpartition("_nchwc")
    if mark:
        tensor = named.tensors.get(stem) or named.tensors.get(stem.removesuffix("_bn"))
        return () if tensor is None else (_with_fused(tensor, node, followers),)
    if node.op_type.startswith(("QLinear", "Nhwc")):
        return tuple(
            _behind(tensor, ("QuantizeLinear",), followers, _BEFORE_QUANTIZING)
            for tensor in named.nodes.get(_NUMBERED.sub("", node.name), ())
        )
    return named.nodes.get(node.name.removesuffix(_FUSED_INTO_LAST), ())


def _with_fused(tensor: str, node: Any, followers: Mapping[str, Sequence[Any]]) -> str:
    """Return what a convolution makes that has taken in the sum and activation behind it.

    It keeps the name of the tensor that it made before. A sum is its fourth input.
    """
    if len(node.input) > 3 and node.input[3]:
        tensor = _behind(tensor, ("Add", "Sum"), followers)
    for attribute in node.attribute:
        if attribute.name == "activation" and attribute.s:
            tensor = _behind(tensor, (attribute.s.decode(),), followers)
    return tensor


def _behind(
    tensor: str,
    op_types: tuple[str, ...],
    followers: Mapping[str, Sequence[Any]],
    passed: frozenset[str] = _NO_OPERATION,
) -> str:
    """Return the output of the only node that takes a tensor, if it is of these types.

    ``passed`` are types that may stand between.
    """
    start = tensor
    while True:
        users = followers.get(tensor, ())
        if len(users) != 1:
            return start
        if users[0].op_type in op_types:
            return str(users[0].output[0])
        if users[0].op_type not in passed:
            return start
        tensor = users[0].output[0]


def _nearest(
    start: int,
    nodes: Sequence[Any],
    found: Sequence[tuple[str, ...]],
    users: Mapping[str, Sequence[int]],
    maker: Mapping[str, int],
) -> str | None:
    """Return a tensor of the nearest node behind that is known, else of the nearest before."""
    for is_behind in (True, False):
        todo, seen = [start], {start}
        for place in todo:  # grows: nearest first
            if found[place]:
                return found[place][-1]
            node = nodes[place]
            near = (
                [user for name in node.output for user in users.get(name, ())]
                if is_behind
                else [maker[name] for name in node.input if name in maker]
            )
            for one in near:
                if one not in seen:
                    seen.add(one)
                    todo.append(one)
    return None


def group(source: SplitSource, kernels: Sequence[Kernel]) -> GroupGraph:
    """Contract a model to the groups between which the runtime's nodes are."""
    return source.grouped(frozenset(name for kernel in kernels for name in kernel.tensors))


def timed(
    source: SplitSource,
    graph: GroupGraph,
    kernels: Sequence[Kernel],
    times_s: Mapping[str, float],
    whole_s: float,
) -> GroupGraph:
    """Return the groups with the times of the runtime's nodes, scaled to the whole model's.

    A node of the runtime that makes tensors of several groups counts in the last of them; one
    that computes constants only, nowhere.

    Parameters
    ----------
    times_s
        Name of a kernel -> seconds.
    whole_s
        Time of the model without a profiler.
    """
    node_of = {name: node.name for node in source.nodes for name in node.outputs}
    place_of = {node: place for place, one in enumerate(graph.groups) for node in one.nodes}
    spent = [0.0] * len(graph.groups)
    for kernel in kernels:
        tensors = kernel.tensors or ((kernel.belongs_to,) if kernel.belongs_to else ())
        places = [
            place_of[node_of[name]]
            for name in tensors
            if name in node_of and node_of[name] in place_of
        ]
        if places:
            spent[max(places)] += times_s.get(kernel.name, 0.0)
    total = sum(spent)
    scale = whole_s / total if total > 0 else 0.0
    return with_times(
        graph,
        {one.name: scale * time for one, time in zip(graph.groups, spent, strict=True)},
    )
