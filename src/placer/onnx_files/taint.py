"""Which tensors of an ONNX graph are still raw input, as far as the graph shows.

A tensor is raw if the input, or a part of it, can be read off: it was moved, padded, cut out,
resized, normalised, joined with others, or mapped by a linear operator that loses nothing. That is
sure. A tensor that is not raw is *derived*: nothing is shown of it, and least of all that it is
private. The rules for each operator are in ``taint_rules``.

Raw values are *plain* until a linear operator mixes them: of plain values each says something of
its own, so a part of them, or a curve over each of them, is raw as well. Of mixed ones it is
only if the curve rises everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from placer.core.errors import InputError, UsageError, near_match
from placer.onnx_files import taint_rules
from placer.onnx_files.injective import Proofs
from placer.onnx_files.reader import load_model
from placer.onnx_files.taint_computed import opened
from placer.onnx_files.taint_known import Known, raw_together
from placer.onnx_files.taint_norms import NORMALISING
from placer.onnx_files.taint_plain import not_shown
from placer.onnx_files.taint_shapes import bodies_of, captured, in_order, inferred_types
from placer.onnx_files.taint_steps import Steps
from placer.onnx_files.taint_values import CONSTANT, Node, Origin, Taint, joined

MAX_FOLDED_ELEMENTS = 50_000_000
"""Constants that a graph computes are computed here up to this size."""


class Verdict(StrEnum):
    """What is said of a tensor."""

    RAW = "raw"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class TaintedGraph:
    """What is known of every tensor that a node reads or makes, outside of bodies."""

    tensors: Mapping[str, Taint]
    known: Known = field(compare=False)
    """What can be worked out of tensors that are known together."""

    def verdict(self, name: str) -> Verdict:
        """Return raw or derived; constants and public inputs count as derived.

        Raises
        ------
        UsageError
            The graph has no such tensor.
        """
        return Verdict.RAW if self.taint(name).is_raw else Verdict.DERIVED

    def taint(self, name: str) -> Taint:
        """Return what is known of a tensor. Raises as ``verdict``."""
        if name not in self.tensors:
            raise UsageError(
                f"the model has no tensor '{name}'{near_match(name, self.tensors)}",
                hint="name an input or what a node of the graph makes",
            )
        return self.tensors[name]

    def raw_among(
        self, names: Collection[str], *, spared: Collection[str] = ()
    ) -> tuple[tuple[tuple[str, ...], Taint], ...]:
        """Return the sets of tensors of a cut that reveal raw input, with the reason.

        A tensor that is raw by itself, or several of which one can be worked out, as of a sum and
        all of its terms but one. Without the first of each set none is left: it is none of the
        spared ones if another of the set is not. Raises as ``verdict``.
        """
        alone = [((name,), taint) for name in sorted(names) if (taint := self.taint(name)).is_raw]
        others = [name for name in names if not self.taint(name).is_raw]
        return (*alone, *raw_together(self.known, others, self._raw, spared=spared))

    def _raw(self, name: str) -> Taint | None:
        taint = self.tensors.get(name)
        return taint if taint is not None and taint.is_raw else None


def find_taint(
    path: str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    public_inputs: Collection[str] = (),
) -> TaintedGraph:
    """Read an ONNX file and trace what stays raw in it.

    Parameters
    ----------
    path
        An ONNX file; external data is looked for beside it.
    shapes
        Of inputs as the model is run; None: as the file states them.
    public_inputs
        Inputs that anyone may see: they taint nothing.

    Raises
    ------
    InputError
        The file is missing or no ONNX model, or its graph has a cycle.
    UsageError
        A public input is no input of the model.
    """
    return trace_taint(
        load_model(path),
        folder=str(Path(path).parent),
        shapes=shapes,
        public_inputs=public_inputs,
    )


def trace_taint(
    model: Any,
    *,
    folder: str = "",
    shapes: Mapping[str, Sequence[int]] | None = None,
    public_inputs: Collection[str] = (),
) -> TaintedGraph:
    """Trace a model that is loaded already; its external data lies in ``folder``.

    Raises as ``find_taint``.
    """
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    graph = model.graph
    scope = _Scope(graph, None, _Model(model, folder, shapes or {}))
    inputs = [info.name for info in graph.input if info.name not in scope.initializers]
    for name in public_inputs:
        if name not in inputs:
            raise UsageError(
                f"the public input '{name}' is no input of the model{near_match(name, inputs)}",
                hint=f"inputs: {', '.join(inputs)}",
            )
    for name in inputs:
        origin = Origin.PUBLIC if name in public_inputs else Origin.RAW
        scope.taints[name] = Taint(origin, (name,))
    scope.walk()
    return TaintedGraph(scope.taints, scope.known)


class _Model:
    """What all graphs of a model share."""

    def __init__(self, model: Any, folder: str, shapes: Mapping[str, Sequence[int]]) -> None:
        self.folder = folder
        self.opsets = list(model.opset_import)
        self.ir_version = max(model.ir_version, 4)
        """From 4 on inputs and initializers are told apart."""
        self.opset = max((one.version for one in self.opsets if one.domain in ONNX), default=0)
        self.shapes, self.bools = inferred_types(model, shapes)
        self.proofs = Proofs()


class _Scope:
    """A graph, and for a body what lies around it."""

    def __init__(self, graph: Any, parent: _Scope | None, model: _Model) -> None:
        self.graph = graph
        self.parent = parent
        self.model = model
        self.taints: dict[str, Taint] = {}
        self.known = Known()
        self._steps = Steps(self.known)
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output if name}
        names = (*self.initializers, *(one.values.name for one in graph.sparse_initializer))
        self.taints.update(dict.fromkeys(names, CONSTANT))

    def taint(self, name: str) -> Taint:
        if name in self.taints:
            return self.taints[name]
        if self.parent is None:
            raise InputError(
                f"a node of the model reads '{name}', which nothing makes",
                hint="export the model again",
            )
        return self.parent.taint(name)

    def shape(self, name: str) -> tuple[int | str, ...] | None:
        """Return what is known of a shape; bodies are not looked into."""
        if name in self.initializers:
            return tuple(self.initializers[name].dims)
        if self.parent is not None:
            return None if name in self.taints else self.parent.shape(name)
        return self.model.shapes.get(name)

    def is_bool(self, name: str) -> bool:
        """Tell whether a tensor is of truth values; bodies are not looked into."""
        return self.parent is None and name in self.model.bools

    def value(self, name: str) -> np.ndarray | None:
        """Return a constant; None: it is none, or takes too much to compute."""
        from onnx import numpy_helper
        from onnx.checker import ValidationError

        if name in self.initializers:
            try:
                return np.asarray(
                    numpy_helper.to_array(self.initializers[name], base_dir=self.model.folder)
                )
            except (OSError, ValueError, TypeError, ValidationError) as error:
                raise InputError(
                    f"cannot read the data of tensor '{name}': {error}",
                    hint="copy the external data beside the model, under the same name",
                ) from error
        if name not in self.producers:
            in_here = name in self.taints or self.parent is None
            return None if in_here or self.parent is None else self.parent.value(name)
        if self.taints.get(name) != CONSTANT:
            return None
        return _computed(self, name)

    def walk(self) -> None:
        """Give every tensor of the graph its taint."""
        for node in in_order(self.graph, self.taints):
            given = Node(
                op_type=node.op_type
                if node.domain in _KNOWN_DOMAINS
                else f"{node.domain}::{node.op_type}",
                attributes={attribute.name: attribute for attribute in node.attribute},
                names=tuple(node.input),
                taints=tuple(self.taint(name) if name else None for name in node.input),
                outputs=tuple(node.output),
                value=self.value,
                shape=self.shape,
                maker=self.producers.get,
                is_bool=self.is_bool,
                opset=self.model.opset,
                proofs=self.model.proofs,
            )
            bodies = [body for a in node.attribute for body in bodies_of(a)]
            found = taint_rules.apply(given) if not bodies else _bodied(self, node, given, bodies)
            self.taints.update(
                (name, taint) for name, taint in zip(node.output, found, strict=True) if name
            )
            if not bodies:
                self._steps.add(given)
                reason = self._steps.lost.get(node.output[0])
                if reason and self.taints[node.output[0]].is_raw:
                    self.taints[node.output[0]] = not_shown(given, reason)
                self._put_together(given)

    def _put_together(self, node: Node) -> None:
        """Call raw what by itself gives a raw tensor back, as Concat of all of its parts does."""
        changing = [name for name in node.names if name and self.taint(name) != CONSTANT]
        is_of_words = node.outputs[0] in self._steps.words and self._raw(changing[0]) is not None
        if len(changing) < 2 and node.op_type not in _ALONE and not is_of_words:
            return  # it tells no more than its input
        for name in node.outputs:
            if not name or self.taints[name].is_raw:
                continue
            reached = self.known.reached((name,), self._raw)
            if reached is None:
                continue
            found, step = reached.taint, reached.step
            if step.needs == (name,):
                is_mixed = not step.is_same
            else:
                found, is_mixed = found.then(step.word), True
            self.taints[name] = found.then(node.op_type, is_mixed=is_mixed)

    def _raw(self, name: str) -> Taint | None:
        taint = self.taints.get(name)
        return taint if taint is not None and taint.is_raw else None


_ALONE = ("Relu", *NORMALISING)
"""Operators of one input of which their own rule does not tell all."""
ONNX = ("", "ai.onnx")
_KNOWN_DOMAINS = (*ONNX, "com.microsoft")
"""ONNX Runtime's operators of the same name (QuantizeLinear, Gelu, ...) do the same."""


# --- bodies ---------------------------------------------------------------------------------


def _bodied(scope: _Scope, node: Any, given: Node, bodies: Sequence[Any]) -> tuple[Taint, ...]:
    """Return the taints of what If, Loop, Scan or another operator with bodies makes."""
    around = [scope.taint(n) for a in node.attribute for n in sorted(captured(a))]
    match node.op_type:
        case "If":
            branches = [_run_body(scope, body, ()) for body in bodies]
            found = [joined(taints) for taints in zip(*branches, strict=True)]
            decided = given.taints[:1]
        case "Loop":
            found = _looped(scope, bodies[0], (CONSTANT, CONSTANT), given.taints[2:], ())
            decided = given.taints[:2]
        case "Scan" if "num_scan_inputs" in given.attributes and _has_no_lengths(given, bodies[0]):
            states = len(given.names) - given.attributes["num_scan_inputs"].i
            found = _looped(scope, bodies[0], (), given.taints[:states], given.taints[states:])
            decided = ()
        case _:  # whatever goes in may come out
            found = [joined([CONSTANT, *filter(None, given.taints), *around])] * len(node.output)
            decided = ()
    floor = joined([CONSTANT, *(taint.ended(node.op_type) for taint in decided if taint)])
    return tuple(joined([taint.then(node.op_type), floor]) for taint in found)


def _has_no_lengths(given: Node, body: Any) -> bool:
    """Tell whether it is Scan of opset 9 or later, which has no sequence_lens before its states."""
    return len(given.names) == len(body.input)


def _run_body(scope: _Scope, body: Any, inputs: Iterable[Taint]) -> list[Taint]:
    inner = _Scope(body, scope, scope.model)
    inner.taints.update(zip((info.name for info in body.input), inputs, strict=False))
    inner.walk()
    return [inner.taint(info.name) for info in body.output]


def _looped(
    scope: _Scope,
    body: Any,
    before: tuple[Taint, ...],
    states: Sequence[Taint | None],
    scanned: Sequence[Taint | None],
) -> list[Taint]:
    """Run a body until what it carries from turn to turn gains no more taint."""
    carried = [taint or CONSTANT for taint in states]
    slices = [taint or CONSTANT for taint in scanned]
    skipped = 1 if before else 0  # Loop's body gives its condition first
    while True:
        found = _run_body(scope, body, (*before, *carried, *slices))[skipped:]
        after = [joined(pair) for pair in zip(carried, found[: len(carried)], strict=True)]
        if [taint.rank for taint in after] == [taint.rank for taint in carried]:
            return [*carried, *found[len(carried) :]]
        carried = after


# --- constants ------------------------------------------------------------------------------


def _computed(scope: _Scope, name: str) -> np.ndarray | None:
    """Compute a constant that a node makes of others."""
    from onnx import helper

    node = scope.producers[name]
    if any(bodies_of(attribute) for attribute in node.attribute):
        return None
    feeds: dict[str, np.ndarray] = {}
    for one in filter(None, node.input):
        value = scope.value(one)
        if value is None or value.size > MAX_FOLDED_ELEMENTS:
            return None
        feeds[one] = value
    graph = helper.make_graph(
        [node],
        "constant",
        [
            helper.make_tensor_value_info(
                one, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for one, value in feeds.items()
        ],
        [helper.make_empty_tensor_value_info(one) for one in node.output if one],
    )
    try:
        session = opened(graph, scope.model.opsets, scope.model.ir_version)
        results = session.run([name], feeds)
    except Exception:  # whatever the runtime does not know: then nothing is shown
        return None
    return np.asarray(results[0])
