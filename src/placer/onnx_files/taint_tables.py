"""Tables of words that are looked up and added, as the embeddings of BERT: word, segment, place.

A sum of rows still tells the word if it differs from all sums with other words, and so does a sum
that is normalised. Whether they differ is looked up in the tables. An int8 model looks up integers
and adds them as multiples of its scales; what it rounds off counts as alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from placer.onnx_files.taint_known import MAX_TERMS
from placer.onnx_files.taint_quantised import Scaling, scaling
from placer.onnx_files.taint_values import FLOATS, Node, Origin

_MAX_SUMS = 2**18
"""Sums that are compared; of more as many are drawn."""
_VIEWS = 16
"""Directions in which rows are compared: what differs in one of them differs."""
_ROUNDING = 1e-5
"""Of the largest: float32 tells apart what is farther apart."""
_MAX_ALIKE = 512
"""Sums that agree in the first direction; of more nothing is shown."""
_PLACES = 4
"""Of a sentence that are looked at, where the place matters."""


@dataclass(frozen=True, slots=True)
class Table:
    """Constants of which a row is looked up, and added times a factor."""

    factor: np.ndarray
    """One number, or one for each of a row."""
    node: Node
    place: int
    """Of the constants among the inputs of the node."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(words, numbers); of another length: it is none."""
        shape = self.node.shape(self.node.names[self.place]) or ()
        return tuple(size for size in shape if isinstance(size, int))

    def seen(self, views: np.ndarray) -> np.ndarray | None:
        """Return its rows in some directions; None: they are not known."""
        rows = self.node.constant(self.place)
        if rows is None or rows.dtype.kind not in "fiu":
            return None
        scaled = self.factor.reshape(-1, 1).astype(np.float32) * views
        return np.asarray(rows.astype(np.float32, copy=False) @ scaled)


@dataclass(frozen=True, slots=True)
class Lookups:
    """A sum of rows that are looked up, and of constants."""

    tables: Mapping[str, tuple[Table, ...]]
    """Indices -> what they are looked up in, of one shape."""
    shifts: tuple[np.ndarray, ...]
    """Constants, each (places, numbers)."""
    step: float = 0.0
    """To which sums are rounded."""

    @property
    def words(self) -> dict[str, int]:
        """Indices -> rows of their tables, the most first."""
        found = {name: tables[0].shape[0] for name, tables in self.tables.items()}
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    def seen(self, index: str, views: np.ndarray) -> np.ndarray | None:
        """Return the rows of an index in some directions; None: they are not known."""
        found = [table.seen(views.astype(np.float32)) for table in self.tables[index]]
        known = [rows for rows in found if rows is not None]
        return np.asarray(sum(known)) if len(known) == len(found) else None


def lookups(name: str, nodes: Mapping[str, Node]) -> Lookups | None:
    """Return the rows and constants that a tensor is the sum of; None: it is none.

    Parameters
    ----------
    nodes
        Tensor -> the node that makes it, of those that are not constant.
    """
    tables: dict[str, tuple[Table, ...]] = {}
    shifts: list[np.ndarray] = []
    todo, left, step = [(name, np.ones(1))], 4 * MAX_TERMS, 0.0
    while todo:
        (one, factor), left = todo.pop(), left - 1
        node = nodes.get(one)
        if node is None or not left:
            return None
        if node.op_type == "Gather":
            if node.integer("axis", 0) not in (0, -2):
                return None
            index = node.names[1]
            tables[index] = (*tables.get(index, ()), Table(factor, node, 0))
            continue
        scaled = _scaling(node)
        if scaled is None:
            return None
        if scaled.shift.any():
            shifts.append(np.asarray(factor * scaled.shift))
        step = max(step, scaled.step * float(np.abs(factor).max()))
        for place, k in scaled.factors.items():
            term = node.names[place]
            if node.taint(place).origin is not Origin.CONSTANT:
                todo.append((term, factor * k))
                continue
            value = _places(node, term)
            if value is None:
                return None
            shifts.append(np.asarray(factor * k * value.astype(np.float64)))
    sums = summed(tables, shifts)
    return None if sums is None else replace(sums, step=step)


def summed(tables: Mapping[str, tuple[Table, ...]], shifts: Sequence[np.ndarray]) -> Lookups | None:
    """Return a sum of rows and constants; None: they do not fit."""
    shapes = {name: {table.shape for table in found} for name, found in tables.items()}
    sizes = {shape[1] for found in shapes.values() for shape in found if len(shape) == 2}
    if len(sizes) != 1 or any(
        len(found) > 1 or {*map(len, found)} != {2} for found in shapes.values()
    ):
        return None
    (size,) = sizes
    if any(shift.ndim and shift.shape[-1] not in (1, size) for shift in shifts):
        return None
    rows = (np.broadcast_to(one, (*one.shape[:-1], size)).reshape(-1, size) for one in shifts)
    return Lookups(tables, tuple(rows))


_SUMS = ("Add", "Sub", "Sum")
_TAKING = ("Cast", "Expand", "Gather", "Identity", "Slice", "Squeeze", "Unsqueeze")


def _places(node: Node, name: str) -> np.ndarray | None:
    """Return a constant, or that of which as many rows are taken as the sentence is long."""
    while (value := node.value(name)) is None:
        maker = node.maker(name)
        if maker is None or maker.op_type not in _TAKING:
            return None
        name = maker.input[0]
    return value


def _scaling(node: Node) -> Scaling | None:
    """Return what inputs are multiplied by before all are added; None: that is not what it is."""
    if node.op_type in _SUMS:
        signs = (
            -1.0 if node.op_type == "Sub" and place else 1.0 for place in range(len(node.names))
        )
        return Scaling({place: np.array([sign]) for place, sign in enumerate(signs)})
    if node.op_type == "Identity" or (node.op_type == "Cast" and node.integer("to", 0) in FLOATS):
        return Scaling({0: np.ones(1)})
    if node.op_type not in ("Mul", "Div") or len(set(node.names)) != 2:
        return scaling(node)
    place = 1 if node.constant(0) is not None else 0
    other = node.constant(1 - place)
    if other is None or other.size != 1 or not other.all() or (node.op_type == "Div" and place):
        return None
    k = other.astype(np.float64).reshape(1)
    return Scaling({place: 1 / k if node.op_type == "Div" else k})


def tells(
    sums: Lookups, index: str, *, is_centred: bool, is_scaled: bool, kept: np.ndarray | None
) -> bool:
    """Tell whether most words of a table differ in every sum from all other words.

    Parameters
    ----------
    index
        Of the words.
    is_centred, is_scaled
        The mean of each sum is taken off; only its direction is left.
    kept
        Numbers of each sum that are left; None: all.
    """
    words = sums.words
    size = sums.tables[index][0].shape[1]
    if kept is not None and kept.size not in (1, size):
        return False
    rng = np.random.default_rng(0)
    views = rng.standard_normal((size, _VIEWS))
    if kept is not None:
        views *= kept.reshape(-1, 1)
    if is_centred:
        views -= views.mean(axis=0)
    chosen = _chosen(words, index, rng)
    rows = np.zeros((len(chosen[index]), _VIEWS))
    for name in words:
        found = sums.seen(name, views)
        if found is None:
            return False
        rows += found[chosen[name]]
    shifts = sums.shifts if is_scaled else ()
    longest = max((len(shift) for shift in shifts), default=1)
    for place in np.unique(np.linspace(0, longest - 1, _PLACES).astype(int)):
        shift = sum((one[place % len(one)] for one in shifts), start=np.zeros(size))
        alike = _alike(rows + shift @ views, chosen[index], sums.step, is_scaled=is_scaled)
        if alike is None or 2 * len(alike) > words[index]:
            return False
    return True


def _chosen(
    sizes: Mapping[str, int], first: str, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return which rows of each table are added: all that can be, or as many as are compared."""
    if math.prod(sizes.values()) <= _MAX_SUMS:
        every = np.indices(tuple(sizes.values())).reshape(len(sizes), -1)
        return dict(zip(sizes, every, strict=True))
    drawn = {name: rng.integers(0, size, _MAX_SUMS) for name, size in sizes.items()}
    return {**drawn, first: np.arange(max(_MAX_SUMS, sizes[first]))[:_MAX_SUMS] % sizes[first]}


def _alike(
    rows: np.ndarray, words: np.ndarray, step: float, *, is_scaled: bool
) -> np.ndarray | None:
    """Return the words whose rows stand for another one too; None: most, or too many are close."""
    if is_scaled:
        size = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        rows = rows / np.where(size > 0, size, 1.0)
        step /= float(np.median(size)) or 1.0
    near = max(step, _ROUNDING * float(np.abs(rows).max(initial=0.0)))
    order = np.argsort(rows[:, 0], kind="stable")
    rows, words = rows[order], words[order]
    is_alike = np.zeros(words.max(initial=0) + 1, dtype=bool)
    for by in range(1, _MAX_ALIKE + 1):
        first = np.flatnonzero(rows[by:, 0] - rows[:-by, 0] <= near)
        if not len(first):
            return np.flatnonzero(is_alike)
        for view in rows.T[1:]:
            first = first[np.abs(view[first + by] - view[first]) <= near]
        other = first[words[first] != words[first + by]]
        is_alike[words[other]] = is_alike[words[other + by]] = True
        if 2 * is_alike.sum() > len(is_alike):
            return None
    return None
