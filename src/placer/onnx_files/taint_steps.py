"""For each operator of a graph: what is known of its inputs to whom its outputs are known.

A single output may give an input by itself (``taint_rules`` tells where a mixture is kept); sums,
products of sign and size, sorted numbers, parts and matrices give it together with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from placer.onnx_files import taint_rules
from placer.onnx_files.taint_bent import bent
from placer.onnx_files.taint_curves import is_above_zero
from placer.onnx_files.taint_dynamic import as_float
from placer.onnx_files.taint_kernels import reads_all
from placer.onnx_files.taint_known import MAX_TERMS, Known, Step
from placer.onnx_files.taint_norms import Norms
from placer.onnx_files.taint_parts import Parts
from placer.onnx_files.taint_stacks import Stacks
from placer.onnx_files.taint_values import CONSTANT, FLOATS, Node, Origin, Taint
from placer.onnx_files.taint_words import Words

_SUMS = ("Add", "Sub", "Sum")
_HARMLESS = (Origin.CONSTANT, Origin.PUBLIC)
_MIXTURE = Taint(Origin.RAW, is_mixed=True)
_HIDDEN = Taint(Origin.DERIVED)


class Steps:
    """Adds the steps of each node to what is known of a graph, in the order of the nodes."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._stacks = Stacks(known)
        self._parts = Parts(known.wholes)
        self._norms = Norms()
        self.words = Words()
        """The tensors whose rows are functions of words."""
        self._scaled: dict[str, tuple[str, int]] = {}
        """Tensor -> another of which it is a multiple, and the sign of the factor."""
        self._halves: dict[str, dict[str, list[str]]] = {}
        """Tensor -> positive and negative part, size and sign -> tensors that are that."""
        self._half_of: dict[str, tuple[str, str]] = {}
        self._sized: dict[tuple[str, int, int], dict[bool, list[str]]] = {}
        """Tensor, power, axis -> what is scaled to one size by them (True), and the sizes."""
        self.lost: dict[str, str] = {}
        """Tensor -> why nothing of its inputs is left in it."""

    def add(self, node: Node) -> None:
        """Add those of a node without bodies."""
        inputs = _changing(node)
        if not inputs or node.op_type in taint_rules.RANDOM or not node.outputs[0]:
            return
        self._follow(node, inputs)
        self.known.add(self._of(node, inputs))
        self.known.add(self._norms.add(node))
        self.known.add(self.words.add(node))
        if len(inputs) == 1:
            self._stacks.add(node, inputs[0])
            if node.names[0] == inputs[0] and node.names.count(inputs[0]) == 1:
                self._parts.add(node)
        elif node.op_type in _SUMS:
            terms, flat = _terms(node, {}), self.known.sums.get(node.outputs[0], {})
            for one in (terms, flat) if flat != terms else (terms,):
                self._stacks.add_sum(node, one)
        if (seen := as_float(node)) is not None:
            self.add(seen)

    def _of(self, node: Node, inputs: tuple[str, ...]) -> Iterator[Step]:
        out, word = node.outputs[0], node.op_type
        if word != "Dropout":
            yield from (Step(inputs, name, word) for name in node.outputs if name)
        for name in inputs:
            if node.names.count(name) == 1 and _may_keep(node, inputs):
                index = node.names.index(name)
                yield Step((out,), name, word, holds=partial(_keeps, node, index))
        yield from self._of_sums(node, inputs)
        if word in ("Div", "Mul") and len(inputs) == 2:
            yield from _of_product(node)
        if word == "Unique" and len(node.outputs) > 2 and node.outputs[2]:
            yield Step((out, node.outputs[2]), node.names[0], word)
        yield from self._of_sizes(node)
        is_all = word in ("DynamicQuantizeLinear", "Split") or _is_sorted(node)
        if is_all and all(node.outputs):
            yield Step(node.outputs, node.names[0], word)
        yield from self._of_halves(node)
        yield from bent(node, self.known.sums, self._scaled, self._half_of)
        if word == "ScatterElements" and (source := _put_back(node)) is not None:
            yield Step((out,), source, word, is_same=True)

    def _of_sums(self, node: Node, inputs: tuple[str, ...]) -> Iterator[Step]:
        if node.op_type not in _SUMS:
            return
        out, terms = node.outputs[0], self.known.sums.get(node.outputs[0], {})
        if len(terms) == 1 and out not in terms:
            yield Step((out,), next(iter(terms)), node.op_type, is_same=True)
        if len(inputs) > 1:
            for name in inputs:
                if node.names.count(name) == 1 or node.op_type != "Sub":
                    others = tuple(one for one in inputs if one != name)
                    yield Step((out, *others), name, node.op_type, is_same=True)

    def _of_sizes(self, node: Node) -> Iterator[Step]:
        """Yield what numbers scaled to one size and that size tell."""
        sized = _sized(node)
        if sized is None:
            return
        others = self._sized.setdefault((node.names[0], *sized[1:]), {})
        for name in others.get(not sized[0], ()):
            yield Step((node.outputs[0], name), node.names[0], "LpNormalization")
        others.setdefault(sized[0], []).append(node.outputs[0])

    def _of_halves(self, node: Node) -> Iterator[Step]:
        """Yield what the positive part, the negative one, size and sign of numbers tell."""
        out, half = node.outputs[0], _half(node)
        if half is not None:
            root, sign = self._scaled.get(node.names[0], (node.names[0], 1))
            if sign < 0:
                half = {"+": "-", "-": "+"}.get(half, half)
            others = self._halves.setdefault(root, {})
            for pair in _PAIRS:
                if half in pair:
                    (other,) = pair - {half}
                    for name in others.get(other, ()):
                        both = (name, out) if half == "size" else (out, name)
                        word = ", ".join(dict.fromkeys((_WORDS[other], _WORDS[half])))
                        yield Step(both, root, word)
            others.setdefault(half, []).append(out)
            self._half_of[out] = (root, half)
        source = node.maker(node.names[0]) if node.op_type == "Relu" else None
        if source is not None and source.op_type == "Concat":
            yield from (Step((out,), root, node.op_type) for root in self._on_both_sides(source))
        if node.op_type == "Mul" and len(node.names) == 2:
            found = [self._half_of.get(self._scaled.get(n, (n, 1))[0]) for n in node.names]
            roots, halves = ({one and one[at] for one in found} for at in (0, 1))
            whole = roots.pop()
            if not roots and whole is not None and halves == {"sign", "size"}:
                yield Step((out,), whole, node.op_type, is_same=True)

    def _on_both_sides(self, concat: Any) -> Iterator[str]:
        """Yield tensors that are joined with their negative: the Relu of that has both parts."""
        signed = [self._scaled.get(name, (name, 1)) for name in concat.input]
        yield from dict.fromkeys(root for root, sign in signed if (root, -sign) in signed)

    def _follow(self, node: Node, inputs: tuple[str, ...]) -> None:
        """Follow sums, multiples and shifts to what they are of."""
        out, word = node.outputs[0], node.op_type
        factor = _factor(node)
        if factor is not None:
            name = inputs[0]
            root, sign = self._scaled.get(name, (name, 1))
            self._scaled[out] = (root, sign * (1 if factor.flat[0] > 0 else -1))
            if (factor == factor.flat[0]).all():
                terms = self.known.sums.get(name, {name: 1.0})
                self.known.sums[out] = {one: k * float(factor.flat[0]) for one, k in terms.items()}
        elif word == "Div" and len({self._scaled.get(n, (n, 1))[0] for n in node.names}) == 1:
            self.lost[out] = "by itself"
        elif word in _SUMS:
            total = _terms(node, self.known.sums)
            kept = {one: k for one, k in total.items() if abs(k) > _CANCELLED}
            if total and not kept:
                self.lost[out] = "less itself"
            if 0 < len(kept) <= MAX_TERMS:
                self.known.sums[out] = kept


def _terms(node: Node, sums: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return what a sum adds up, with factors; constants are left out."""
    total: dict[str, float] = {}
    for place, name in enumerate(node.names):
        if node.taint(place).origin in _HARMLESS:
            continue
        sign = -1 if node.op_type == "Sub" and place else 1
        for one, k in sums.get(name, {name: 1.0}).items():
            total[one] = total.get(one, 0.0) + sign * k
    return total


_CANCELLED = 1e-9
_PAIRS = ({"+", "-"}, {"+", "size"}, {"-", "size"}, {"sign", "size"})
_WORDS = {"+": "Relu", "-": "Relu", "size": "Abs", "sign": "Sign"}


def _changing(node: Node) -> tuple[str, ...]:
    """Return the inputs that differ from inference to inference, and that not all know."""
    names = (n for i, n in enumerate(node.names) if n and node.taint(i).origin not in _HARMLESS)
    return tuple(dict.fromkeys(names))


def _factor(node: Node) -> np.ndarray | None:
    """Return what a node multiplies its one changing input by, of one sign; None: it does not."""
    if node.op_type == "Identity" or (node.op_type == "Cast" and node.integer("to", 0) in FLOATS):
        return np.ones(1)
    if node.op_type == "Neg":
        return -np.ones(1)
    if node.op_type not in ("Mul", "Div") or len(node.names) != 2:
        return None
    place = 0 if node.taint(0).origin in _HARMLESS else 1
    value = node.constant(place)
    if value is None or value.dtype.kind != "f" or not value.size or (node.op_type, place) == _OVER:
        return None
    if not ((value > 0).all() or (value < 0).all()) or not np.isfinite(value).all():
        return None
    wide = value.astype(np.float64)
    return 1 / wide if node.op_type == "Div" else wide


_OVER = ("Div", 0)


def _half(node: Node) -> str | None:
    """Return which part of its numbers a node makes: ``+``, ``-``, ``size``, ``sign``."""
    by_name = {"Relu": "+", "Abs": "size", "Sign": "sign"}.get(node.op_type)
    if by_name is not None or node.op_type not in ("Max", "Min") or len(node.names) != 2:
        return by_name
    bound = node.constant(1)
    if bound is None or bound.any() or node.taint(0).origin in _HARMLESS:
        return None
    return "+" if node.op_type == "Max" else "-"


def _of_product(node: Node) -> Iterator[Step]:
    """Yield the way back from a quotient, or from a product with what is nowhere zero."""
    out, (first, second) = node.outputs[0], node.names
    if node.op_type == "Div":
        yield Step((out, second), first, node.op_type)
        return
    for name, other in ((first, second), (second, first)):
        if is_above_zero(node, other):
            yield Step((out, other), name, node.op_type)


def _sized(node: Node) -> tuple[bool, int, int] | None:
    """Return whether a node scales to one size or tells the size, its power and its axis."""
    power = {"ReduceL1": 1, "ReduceL2": 2, "LpNormalization": node.integer("p", 2)}
    shape = node.shape(node.names[0])
    if node.op_type not in power or not shape:
        return None
    given: np.ndarray | None = np.array([node.integer("axis", -1)])
    if node.op_type != "LpNormalization":
        given = node.constant(1) if node.has(1) else np.array(node.integers("axes"))
    if given is None or (not given.size and node.integer("noop_with_empty_axes", 0)):
        return None
    every = {int(axis) % len(shape) for axis in given.flat} or {*range(len(shape))}
    axes = [axis for axis in every if shape[axis] != 1]
    if len(axes) != 1:
        return None
    return node.op_type == "LpNormalization", power[node.op_type], axes[0]


def _is_sorted(node: Node) -> bool:
    """Tell whether all numbers along an axis are put in order, with the places where they stood."""
    if node.op_type != "TopK" or len(node.outputs) != 2:
        return False
    shape, axis = node.shape(node.names[0]) or (), node.integer("axis", -1)
    if not -len(shape) <= axis < len(shape):
        return False
    count = node.constant(1) if node.has(1) else np.array(node.integer("k", 0))
    if count is not None:
        return count.size == 1 and bool(count.item() == shape[axis])
    return _is_size_of(node, node.names[1], axis % len(shape))


def _is_size_of(node: Node, name: str, axis: int) -> bool:
    """Tell whether a number is computed as the size of the first input along an axis."""
    while (maker := node.maker(name)) is not None and maker.op_type in _ONE_NUMBER:
        name = maker.input[0]
    if maker is None or maker.op_type != "Gather":
        return False
    index, source = node.value(maker.input[1]), node.maker(maker.input[0])
    if index is None or index.size != 1 or source is None or source.op_type != "Shape":
        return False
    is_whole = not source.attribute and source.input[0] == node.names[0]
    rank = len(node.shape(node.names[0]) or ())
    return is_whole and bool(index.item() % max(rank, 1) == axis)


_ONE_NUMBER = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")


def _put_back(node: Node) -> str | None:
    """Return the tensor whose sorted values are put back where they stood; None: there is none."""
    makers = []
    for name in node.names[1:3]:
        place = name
        while (maker := node.maker(place)) is not None and maker.op_type in ("Cast", "Identity"):
            place = maker.input[0]
        makers.append((maker, place))
    (by_index, index), (by_value, value) = makers
    if by_index is None or by_index is not by_value or by_index.op_type != "TopK":
        return None
    if [value, index] != list(by_index.output) or node.string("reduction") not in ("", "none"):
        return None
    sorted_axis = next((a.i for a in by_index.attribute if a.name == "axis"), -1)
    rank = len(node.shape(by_index.input[0]) or ())
    if not rank or sorted_axis % rank != node.integer("axis", 0) % rank:
        return None
    as_node = Node(
        op_type="TopK",
        attributes={one.name: one for one in by_index.attribute},
        names=tuple(by_index.input),
        taints=(CONSTANT,) * len(by_index.input),
        outputs=tuple(by_index.output),
        value=node.value,
        shape=node.shape,
        maker=node.maker,
    )
    return str(by_index.input[0]) if _is_sorted(as_node) else None


def _may_keep(node: Node, inputs: Sequence[str]) -> bool:
    """Tell whether an operator may keep a mixture at all; most do not, whatever their constants."""
    if len(inputs) > 1:
        return node.op_type in _JOINING
    return node.op_type in taint_rules.MAY_KEEP_MIXTURES


_JOINING = (
    "Concat",
    "ConcatFromSequence",
    "QLinearConcat",
    "ScatterElements",
    "SequenceConstruct",
    "Where",
    "ai.onnx.ml::FeatureVectorizer",
)


def _keeps(node: Node, index: int) -> bool:
    """Tell whether the first output has all of an input, were it a mixture, by constants alone."""
    if node.op_type in _CONVOLUTIONS and not reads_all(node):
        return False
    taints = [
        _MIXTURE
        if place == index
        else _HIDDEN
        if taint and taint.origin not in _HARMLESS
        else taint
        for place, taint in enumerate(node.taints)
    ]
    return taint_rules.apply(replace(node, taints=tuple(taints)))[0].is_raw


_CONVOLUTIONS = ("Conv", "ConvInteger", "FusedConv", "QLinearConv")
