"""Rows of numbers less their mean and by their size, and what that leaves of what made them.

``(W x + b - mean) / size`` is ``P (W x + b) k`` with an unknown number k, and P takes the mean off:
linear equations for ``k x`` and k. More outputs than inputs, as of the patches of a ConvNeXt, solve
them, if P W loses nothing and P b is none of its outputs. A Softmax takes a number off each row
too, before its Exp, and a LogSoftmax no more than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from placer.onnx_files.injective import OutOfWorkError
from placer.onnx_files.taint_kernels import reads_all
from placer.onnx_files.taint_known import Step
from placer.onnx_files.taint_quantised import Scaling, kernel, scaling
from placer.onnx_files.taint_stacks import operator, own_product
from placer.onnx_files.taint_values import FLOATS, Node, Origin

_CENTRED = ("LayerNormalization",)
_SCALED = ("LpNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
_LESS_ONE = ("LogSoftmax", "Softmax")
"""A number off each row is as good as its mean: it is gone where the mean of what is left is."""
NORMALISING = (*_CENTRED, *_SCALED, *_LESS_ONE)
"""Operators that normalise rows of one input."""
_EPS = float(np.finfo(np.float32).eps)
_MAX_MOVES = 16


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows along an axis of a tensor, and what was done with them."""

    name: str
    axis: int
    is_centred: bool = False
    is_scaled: bool = False
    kept: np.ndarray | None = None
    """Numbers of a row that are left; None: all."""
    shifts: tuple[np.ndarray, ...] = ()
    """Constants that were added, each (places, numbers)."""


class Norms:
    """The normalised rows of a graph, in the order of its nodes."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def add(self, node: Node) -> Iterator[Step]:
        """Yield the steps from what a node makes to what its rows were made of."""
        out, rows = node.outputs[0], self._normalised(node)
        self._nodes[out] = node
        if rows is None:
            return
        rows = self._made_of(rows)
        made = self._nodes.get(rows.name)
        if made is not None and _is_linear(made, rows.axis):
            holds = partial(_is_solved, made, rows)
            yield Step((out,), made.names[0], node.op_type, holds=holds)

    def _normalised(self, node: Node) -> _Rows | None:
        """Return the rows that a node normalises; None: it does not."""
        shape = node.shape(node.names[0]) if node.names else None
        if not shape:
            return None
        axis = node.integer("axis", -1) % len(shape)
        if node.op_type == "LpNormalization":
            return _Rows(node.names[0], axis, is_scaled=True)
        if node.op_type in _LESS_ONE:
            return _less_one(node, shape)
        if node.op_type in NORMALISING:
            scale = node.constant(1)
            if axis != len(shape) - 1 or scale is None:
                return None
            is_centred = node.op_type in _CENTRED
            return _Rows(node.names[0], axis, is_centred, True, scale.ravel() != 0)
        if node.op_type in ("Div", "Mul"):
            return self._scaled(node)
        return self._less_mean(node, _Rows(node.outputs[0], -1))

    def _scaled(self, node: Node) -> _Rows | None:
        """Return the rows that are divided by a number of each."""
        for place in (1, 0) if node.op_type == "Mul" else (1,):
            size = self._nodes.get(node.names[place])
            if size is None or (node.op_type == "Mul" and not _is_reciprocal(size)):
                continue
            shape = node.shape(node.names[1 - place]) or ()
            sizes = node.shape(node.names[place]) or ()
            sizes = (1,) * (len(shape) - len(sizes)) + sizes
            for axis in reversed(range(len(shape))):
                long = shape[axis]
                if isinstance(long, int) and long > 1 and sizes[axis] == 1:
                    return _Rows(node.names[1 - place], axis, is_scaled=True)
        return None

    def _less_mean(self, node: Node, rows: _Rows) -> _Rows | None:
        """Return the rows of which a node takes their mean off; None: it does not."""
        mean = self._nodes.get(node.names[1]) if node.op_type == "Sub" else None
        shape = node.shape(node.names[0])
        if mean is None or mean.op_type != "ReduceMean" or mean.names[0] != node.names[0]:
            return None
        axes = mean.constant(1) if mean.has(1) else np.array(mean.integers("axes"))
        if not shape or axes is None or axes.size != 1 or not mean.integer("keepdims", 1):
            return None
        axis = int(axes.item()) % len(shape)
        is_fit = rows.axis in (-1, axis) and not rows.shifts
        return replace(rows, name=node.names[0], axis=axis, is_centred=True) if is_fit else None

    def _made_of(self, rows: _Rows) -> _Rows:
        """Return the rows before they were moved, shifted by constants or centred."""
        for _ in range(_MAX_MOVES):
            node = self._nodes.get(rows.name)
            before = None if node is None else self._before(node, rows)
            if before is None:
                break
            rows = before
        return rows

    def _before(self, node: Node, rows: _Rows) -> _Rows | None:
        if node.op_type in _MOVES:
            axis = _axis_before(node, rows.axis)
            return None if axis is None else replace(rows, name=node.names[0], axis=axis)
        if (scaled := scaling(node)) is not None:
            return _before_scaling(node, rows, scaled)
        if node.op_type == "Concat":  # beside constants, as of a ViT's class token
            (name, *more), shape = _changing(node), node.shape(node.outputs[0])
            is_beside = shape is not None and node.integer("axis", 0) % len(shape) != rows.axis
            return replace(rows, name=name) if is_beside and not more else None
        if node.op_type in ("Add", "Sub") and len(node.names) == 2:
            place = next((i for i in (0, 1) if node.taint(i).origin is Origin.CONSTANT), None)
            shift = None if place is None else _along(node, node.constant(place), rows.axis)
            if shift is not None and (node.op_type, place) != ("Sub", 0):
                sign = -1 if node.op_type == "Sub" else 1
                name = node.names[0 if place else 1]
                return replace(rows, name=name, shifts=(*rows.shifts, sign * shift))
        return self._less_mean(node, rows)


def _before_scaling(node: Node, rows: _Rows, scaled: Scaling) -> _Rows | None:
    """Return the rows before they were quantised, or the opposite: the size may be another."""
    axis, factor = _axis_before(node, rows.axis), scaled.factor
    if axis is None or factor.size > 1 or not factor.all():
        return None
    long = _along(node, scaled.shift, rows.axis)
    if long is None:
        return None
    shifts = tuple(one / factor for one in (*rows.shifts, long))
    return replace(rows, name=node.names[0], axis=axis, shifts=shifts)


def _less_one(node: Node, shape: tuple[int | str, ...]) -> _Rows | None:
    """Return the rows of a Softmax; up to opset 12 all axes from its own on are one row."""
    is_old = node.opset < 13
    axis = node.integer("axis", 1 if is_old else -1) % len(shape)
    is_row = not is_old or axis == len(shape) - 1
    return _Rows(node.names[0], axis, is_centred=True) if is_row else None


def _changing(node: Node) -> list[str]:
    return [n for i, n in enumerate(node.names) if node.taint(i).origin is not Origin.CONSTANT]


def _is_reciprocal(node: Node) -> bool:
    """Tell whether a node makes numbers that are nowhere zero, as one by each."""
    is_quotient = node.op_type == "Div" and node.taint(0).origin is Origin.CONSTANT
    return node.op_type == "Reciprocal" or is_quotient


_MOVES = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def _axis_before(node: Node, axis: int) -> int | None:
    """Return the axis of the input that an axis of the output is; None: it is none."""
    before, after = node.shape(node.names[0]), node.shape(node.outputs[0])
    is_rounded = node.op_type == "Cast" and node.integer("to", 0) not in FLOATS
    if not before or not after or axis >= len(after) or is_rounded:
        return None
    if node.op_type == "Transpose":
        order = node.integers("perm") or [*reversed(range(len(before)))]
        return order[axis]
    behind = _count(after[axis + 1 :])
    for place, size in enumerate(before):
        is_same = isinstance(size, int) and size > 1 and size == after[axis]
        if is_same and behind is not None and _count(before[place + 1 :]) == behind:
            return place
    return None


def _count(sizes: tuple[int | str, ...]) -> int | None:
    known = [size for size in sizes if isinstance(size, int)]
    return math.prod(known) if len(known) == len(sizes) else None


def _along(node: Node, value: np.ndarray | None, axis: int) -> np.ndarray | None:
    """Return a constant as (places, numbers of a row); None: not known."""
    shape = node.shape(node.outputs[0])
    if value is None or shape is None or not isinstance(shape[axis], int):
        return None
    wide = value.astype(np.float64).reshape((1,) * (len(shape) - value.ndim) + value.shape)
    rows = np.moveaxis(wide, axis, -1)
    if rows.shape[-1] not in (1, shape[axis]):
        return None
    size = int(shape[axis])
    return np.broadcast_to(rows, (*rows.shape[:-1], size)).reshape(-1, size)


# --- matrices -------------------------------------------------------------------------------


def _is_linear(node: Node, axis: int) -> bool:
    """Tell whether rows along an axis are a constant matrix times numbers of the first input."""
    if node.op_type in ("Conv", "QLinearConv"):
        return axis == 1 and node.integer("group", 1) == 1 and reads_all(node)
    shape, own = node.shape(node.outputs[0]), own_product(node, node.names[0])
    return own is not None and own.is_left and shape is not None and axis == len(shape) - 1


def _is_solved(made: Node, rows: _Rows) -> bool:
    """Tell whether the inputs of a matrix can be solved for, from its normalised outputs."""
    found = _matrix(made)
    if found is None:
        return False
    matrix, shifts = found[0], [*rows.shifts, *found[1]]
    left = np.asarray(_left(matrix, rows), dtype=np.float64)
    if not rows.is_scaled:
        return made.proofs.matrix(left).is_shown
    if not shifts or sum(len(shift) > 1 for shift in shifts) > 1:
        return False
    together = np.asarray(sum(shift.astype(np.float64) for shift in shifts))
    if left.shape[0] <= left.shape[1] or not made.proofs.matrix(left).is_shown:
        return False
    return _is_beside(made, left, _left(together.T, rows))


def _matrix(made: Node) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """Return a matrix and what is added behind it; None: not known."""
    if made.op_type == "QLinearConv":
        quantised = kernel(made)
        return None if quantised is None else (quantised[0], [quantised[1]])
    weights, bias = made.constant(1), made.constant(2)
    if made.op_type != "Conv":
        matrix = operator(made, is_left=True)
    else:
        matrix = None if weights is None else weights.reshape(len(weights), -1)
    if matrix is None or not made.has(2):
        return None if matrix is None else (matrix, [])
    if bias is None or bias.size not in (1, len(matrix)):
        return None
    return matrix, [np.broadcast_to(made.number("beta", 1.0) * bias.ravel(), (1, len(matrix)))]


def _left(columns: np.ndarray, rows: _Rows) -> np.ndarray:
    """Return what a normalisation leaves of (numbers of a row, ...)."""
    if rows.is_centred:
        columns = columns - columns.mean(axis=0, dtype=np.float64)
    return columns if rows.kept is None or rows.kept.size == 1 else columns[rows.kept]


def _is_beside(node: Node, matrix: np.ndarray, shifts: np.ndarray) -> bool:
    """Tell whether none of some columns is a combination of those of a matrix."""
    try:
        node.proofs.work.spend(4 * matrix.size * matrix.shape[1])
    except OutOfWorkError:
        return False
    basis = np.linalg.qr(matrix)[0]
    beside = shifts - basis @ (basis.T @ shifts)
    limit = max(matrix.shape) * _EPS * np.linalg.norm(matrix)
    return bool((np.linalg.norm(beside, axis=0) > limit).all())
