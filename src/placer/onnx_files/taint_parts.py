"""Parts of a tensor that are cut out by constants: together they may be all of it.

torch.roll and Swin's patch merging cut a tensor up and join it again in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from placer.onnx_files.taint_values import Node

MAX_PLACES = 10_000_000
"""Of the axes that are cut, times each other."""

Places = Mapping[int, np.ndarray]
"""Axis -> the places that are kept of it; axes that are kept whole are left out."""


@dataclass(slots=True)
class Whole:
    """A tensor and the parts of it."""

    sizes: dict[int, int] = field(default_factory=dict)
    """Of the axes that are cut."""
    parts: dict[str, Places] = field(default_factory=dict)

    def is_covered(self, names: Sequence[str]) -> bool:
        """Tell whether some parts together have every number."""
        axes = sorted({axis for name in names for axis in self.parts[name]})
        sizes = [self.sizes[axis] for axis in axes]
        if not axes or math.prod(sizes) > MAX_PLACES:
            return False
        seen = np.zeros(sizes, dtype=bool)
        for name in names:
            part = self.parts[name]
            kept = [part.get(axis, np.arange(self.sizes[axis])) for axis in axes]
            seen[np.ix_(*kept)] = True
        return bool(seen.all())


class Parts:
    """Follows what is cut out of what, in the order of the nodes."""

    def __init__(self, wholes: dict[str, Whole]) -> None:
        self._wholes = wholes
        self._of: dict[str, tuple[str, Places]] = {}

    def add(self, node: Node) -> None:
        """Add a node whose one changing input is its first."""
        for out, cut, is_last in _cuts(node):
            root, places = self._of.get(node.names[0], (node.names[0], {}))
            whole = self._wholes.setdefault(root, Whole())
            kept = dict(places)
            for axis, (size, chosen) in cut.items():
                kept[axis] = places[axis][chosen] if axis in places else chosen
                whole.sizes.setdefault(axis, size)
            whole.parts[out] = kept
            if not is_last:
                self._of[out] = (root, kept)


_Cut = Mapping[int, tuple[int, np.ndarray]]
"""Axis -> its size, and the places that are kept."""


def _cuts(node: Node) -> Iterator[tuple[str, _Cut, bool]]:
    """Yield the parts that a node makes, and whether their axes are others than those before."""
    shape = node.shape(node.names[0]) if node.names else None
    if shape is None:
        return
    if node.op_type == "Slice":
        cut = _sliced(node, shape)
        if cut is not None:
            yield node.outputs[0], cut, False
    elif node.op_type in ("Gather", "Split"):
        axis = node.integer("axis", 0)
        if not -len(shape) <= axis < len(shape):
            return
        axis %= len(shape)
        size = shape[axis]
        if not isinstance(size, int):
            return
        if node.op_type == "Split":
            yield from _split(node, axis, size)
            return
        indices = node.constant(1)
        if indices is not None and (abs(indices + 0.5) <= size).all():
            chosen = indices.astype(np.int64).ravel() % size
            yield node.outputs[0], {axis: (size, chosen)}, indices.ndim != 1


def _split(node: Node, axis: int, size: int) -> Iterator[tuple[str, _Cut, bool]]:
    start = 0
    for out in node.outputs:
        part = (node.shape(out) or {axis: None})[axis] if out else None
        if not isinstance(part, int):
            return
        yield out, {axis: (size, np.arange(start, min(start + part, size)))}, False
        start += part


def _sliced(node: Node, shape: Sequence[int | str]) -> _Cut | None:
    """Return what a Slice keeps; None: not known."""
    if node.has(1):
        given = [node.constant(i) if node.has(i) else np.zeros(0) for i in (1, 2, 3, 4)]
        if any(one is None for one in given):
            return None
        starts, ends, axes, steps = ([int(n) for n in one.flat] for one in given if one is not None)
    else:
        starts, ends, axes = (node.integers(word) for word in ("starts", "ends", "axes"))
        steps = []
    axes, steps = axes or [*range(len(starts))], steps or [1] * len(starts)
    found: dict[int, tuple[int, np.ndarray]] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=False):
        if not -len(shape) <= axis < len(shape) or not step:
            return None
        size = shape[axis]
        if not isinstance(size, int):
            return None
        found[axis % len(shape)] = (size, np.arange(size)[start:end:step])
    return found
