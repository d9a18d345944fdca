"""Convolutions of one tensor that are added up, as in RepVGG: together they are one convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from placer.onnx_files.injective import MAX_COLUMNS, Proof
from placer.onnx_files.taint_known import Step
from placer.onnx_files.taint_values import Node


class Kernels:
    """The convolutions of a graph, by what they make."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def add(self, node: Node) -> None:
        """Add a convolution by constant weights."""
        is_padded = node.string("auto_pad") not in ("", "NOTSET")
        if node.integer("group", 1) == 1 and not is_padded:
            self._nodes[node.outputs[0]] = node

    def summed(self, node: Node, terms: Mapping[str, float]) -> Iterator[Step]:
        """Yield the step from a sum to the tensor that all of its terms are convolutions of."""
        convs = {name: self._nodes[name] for name in terms if name in self._nodes}
        sources = {conv.names[0] for conv in convs.values()}
        if len(sources) != 1 or len(terms) < 2:
            return
        (source,) = sources
        if all(name in convs or name == source for name in terms):
            holds = partial(_is_whole, node, convs, dict(terms))
            yield Step((node.outputs[0],), source, node.op_type, holds=holds)


def _is_whole(node: Node, convs: Mapping[str, Node], terms: Mapping[str, float]) -> bool:
    """Tell whether a sum of convolutions, as one, loses nothing.

    Their outputs lie on each other number by number if what border and kernel add to the size, and
    the strides, are the same.
    """
    first = next(iter(convs.values()))
    strides = _strides(first)
    weights = first.constant(1)
    if weights is None:
        return False
    outputs, inputs, axes = weights.shape[0], weights.shape[1], weights.ndim - 2
    taps: list[tuple[float, np.ndarray, list[list[int]]]] = []
    grown: set[tuple[int, ...]] = set()
    for name, factor in terms.items():
        if name not in convs:  # the tensor itself
            if outputs != inputs or set(strides) != {1}:
                return False
            taps.append((factor, np.eye(outputs).reshape(-1, inputs, *[1] * axes), [[0]] * axes))
            grown.add((0,) * axes)
            continue
        conv = convs[name]
        kernel = conv.constant(1)
        if kernel is None or kernel.ndim != axes + 2 or kernel.shape[:2] != (outputs, inputs):
            return False
        pads = conv.integers("pads") or [0] * (2 * axes)
        dilations = conv.integers("dilations") or [1] * axes
        spread = [
            [step * place - pad for place in range(size)]
            for size, step, pad in zip(kernel.shape[2:], dilations, pads, strict=False)
        ]
        if _strides(conv) != strides:
            return False
        taps.append((factor, kernel, spread))
        ends = [axis[-1] - pad for axis, pad in zip(spread, pads[axes:], strict=True)]
        grown.add(tuple(ends))
    if len(grown) > 1:
        return False
    total = _together(taps, outputs, inputs)
    if total is None:
        return False
    largest = max(float(np.abs(factor * part).max(initial=0.0)) for factor, part, _ in taps)
    if np.abs(total).max(initial=0.0) <= _CANCELLED * largest:
        return False
    return kernel_proof(node, total, strides=strides).is_shown


_CANCELLED = 1e-4
"""A sum this much smaller than its terms is what float32 rounds off."""


def _together(
    taps: list[tuple[float, np.ndarray, list[list[int]]]], outputs: int, inputs: int
) -> np.ndarray | None:
    """Return kernels as one, each number at the place that it reads; None: it is too large."""
    low = [min(axis[0] for axis in axes) for axes in zip(*(one for *_, one in taps), strict=True)]
    high = [max(axis[-1] for axis in axes) for axes in zip(*(one for *_, one in taps), strict=True)]
    sizes = [last - first + 1 for first, last in zip(low, high, strict=True)]
    if inputs * math.prod(sizes) > MAX_COLUMNS:
        return None
    total = np.zeros((outputs, inputs, *sizes))
    for factor, kernel, spread in taps:
        places = [[p - first for p in axis] for axis, first in zip(spread, low, strict=True)]
        total[np.ix_(range(outputs), range(inputs), *places)] += factor * kernel
    return total


def _strides(node: Node) -> list[int]:
    shape = node.shape(node.names[1]) or ()
    return node.integers("strides") or [1] * (len(shape) - 2)


def kernel_proof(node: Node, weights: np.ndarray, *, strides: list[int] | None = None) -> Proof:
    """Return the proof of kernels that make what a node makes.

    Parameters
    ----------
    strides
        None: those of the node, with its dilations.
    """
    axes = weights.ndim - 2
    dilations = [1] * axes
    if strides is None:
        strides = node.integers("strides") or [1] * axes
        dilations = node.integers("dilations") or dilations
    if any(stride > size for stride, size in zip(strides, weights.shape[2:], strict=True)):
        return Proof(False, "numbers are left out between the windows")
    shape = node.shape(node.outputs[0]) or ()
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape[2:]]
    return node.proofs.convolution(
        weights,
        strides=strides,
        dilations=dilations,
        groups=1,
        output_sizes=sizes or [None] * axes,
    )


def reads_all(node: Node) -> bool:
    """Tell whether the windows of a convolution leave no numbers out between them."""
    weights = node.shape(node.names[3 if node.op_type == "QLinearConv" else 1])
    kernel = weights[2:] if weights is not None else ()
    strides = node.integers("strides") or [1] * len(kernel)
    dilations = node.integers("dilations") or [1] * len(kernel)
    return all(
        isinstance(size, int) and stride <= size and (dilation == 1 or stride == 1)
        for size, stride, dilation in zip(kernel, strides, dilations, strict=True)
    )
