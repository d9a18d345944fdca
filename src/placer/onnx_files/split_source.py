"""An ONNX model opened once to be cut: its nodes, its tensors and its weights by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from placer.core.errors import InputError
from placer.core.graph import ModelSummary, TensorSpec
from placer.core.groups import GraphNode, GroupGraph, contract
from placer.onnx_files.features import flops_of
from placer.onnx_files.reader import OpenedModel, open_model, tensor_spec
from placer.onnx_files.shapes import UNKNOWN, Step, Tensor

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class SplitSource:
    """What every cut of one model is made from; nothing of it is read again."""

    summary: ModelSummary
    graph: GroupGraph
    """Every node that runs is a group."""
    nodes: tuple[GraphNode, ...]
    """Nodes that run, in the order of the file; those that no output needs included."""
    tensors: Mapping[str, Tensor]
    """All of the main graph, constants included."""
    model: Any
    """onnx.ModelProto as in the file, local functions expanded; external data is not loaded."""

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """Name, type, shape and bytes of every tensor."""
        return {name: tensor_spec(name, tensor) for name, tensor in self.tensors.items()}

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every input as the model is run."""
        return {spec.name: spec.shape for spec in self.summary.inputs}

    @property
    def constant_nodes(self) -> tuple[str, ...]:
        """Nodes that no value of an input changes, by their first output, as the file has them."""
        running = {node.name for node in self.nodes}
        firsts = (next(filter(None, node.output), None) for node in self.model.graph.node)
        return tuple(name for name in firsts if name is not None and name not in running)

    def grouped(self, borders: frozenset[str]) -> GroupGraph:
        """Contract the nodes to the groups that these tensors border."""
        return contract(
            self.nodes,
            self.specs,
            [spec.name for spec in self.summary.inputs],
            [spec.name for spec in self.summary.outputs],
            borders=borders,
        )


def open_source(path: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> SplitSource:
    """Open a model to cut it.

    Parameters
    ----------
    shapes
        Input name to shape, for inputs with symbolic dimensions.

    Raises
    ------
    InputError
        The file cannot be read; it has control flow, whose bodies reach for tensors by name from
        anywhere; or the size of an input or output depends on the data.
    UsageError
        A symbolic dimension has no value, or a given shape does not fit the model.
    """
    opened = open_model(path, shapes=shapes)
    _refuse_control_flow(path, opened)
    tensors = _tensors(opened)
    nodes = tuple(
        _node(step, tuple(name for name in node.output if name))
        for node, step in zip(opened.graph.node, opened.trace.steps, strict=True)
        if not step.folded and any(node.output)
    )
    if not nodes:
        raise InputError(
            f"{path}: nothing in it depends on its inputs, so there is nothing to split",
            hint="give a model with inputs",
        )
    model = _load(path)
    made = {name for node in model.graph.node for name in node.output}
    lost = next((node.name for node in nodes if node.name not in made), None)
    if lost is not None:
        raise InputError(
            f"{path}: its local functions expand to other names each time ('{lost}' is gone)",
            hint="expand them first: onnx.inliner.inline_local_functions",
        )
    summary = opened.summary
    try:
        graph = contract(
            nodes,
            {name: tensor_spec(name, tensor) for name, tensor in tensors.items()},
            [spec.name for spec in summary.inputs],
            [spec.name for spec in summary.outputs],
        )
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    return SplitSource(summary, graph, nodes, tensors, model)


def _refuse_control_flow(path: str, opened: OpenedModel) -> None:
    found = [
        f"{node.op_type} that makes '{node.output[0]}'"
        for node in opened.graph.node
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    ]
    if found:
        more = len(found) - _MOST_NAMED
        listed = ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise InputError(
            f"{path} has control flow ({listed}): the bodies take tensors of the whole model by "
            "name, so that it cannot be split",
            hint="export the model without If, Loop and Scan, for example for fixed shapes",
        )


def _tensors(opened: OpenedModel) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {
        spec.name: Tensor(spec.dtype, spec.shape) for spec in opened.summary.inputs
    }
    for node, step in zip(opened.graph.node, opened.trace.steps, strict=True):
        for name, tensor in zip(step.input_names, step.inputs, strict=True):
            if name and tensor is not None:
                found.setdefault(name, tensor)
        for name, tensor in zip(node.output, step.outputs, strict=True):
            if name:
                found[name] = tensor or UNKNOWN
    for info, tensor in zip(opened.graph.output, opened.trace.outputs, strict=True):
        found.setdefault(info.name, tensor)
    return found


def _node(step: Step, outputs: tuple[str, ...]) -> GraphNode:
    inputs = {
        name: None
        for name, tensor in zip(step.input_names, step.inputs, strict=True)
        if name and tensor is not None and not tensor.constant
    }
    return GraphNode(outputs[0], tuple(inputs), outputs, flops_of(step))


def _load(path: str) -> Any:
    import onnx
    from onnx import inliner

    model = onnx.load(path, load_external_data=False)
    return inliner.inline_local_functions(model) if model.functions else model
