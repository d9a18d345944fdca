"""Constant matrices and kernels that several nodes apply to one tensor, beside each other.

Each may keep fewer numbers than there are; all of them together may lose nothing, which the rank
of the matrices on top of each other shows. A product of matrices is one matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from placer.onnx_files.injective import MAX_COLUMNS, OutOfWorkError, Work
from placer.onnx_files.taint_kernels import Kernels, kernel_proof
from placer.onnx_files.taint_known import MAX_ROWS, Known, Stack, Step
from placer.onnx_files.taint_values import Node

_MAX_FACTORS = 4
"""Of a product of matrices that is followed."""


@dataclass(frozen=True, slots=True)
class _Product:
    """Constant matrices that are applied to a tensor one after the other, or sums of them."""

    source: str
    is_left: bool
    """The tensor stands left of them: its rows are multiplied, else its columns."""
    columns: int
    """Of the tensor's numbers that are mixed."""
    rows: int
    """That they become."""
    depth: int
    """Factors of the longest product."""
    matrix: Callable[[], np.ndarray | None]
    """All as one, (rows, columns); None: one is not known, or they are too large."""

    @property
    def key(self) -> tuple[object, ...]:
        """What those have in common that can be added."""
        return (self.source, self.is_left, self.columns, self.rows)


class Stacks:
    """Gathers the matrices of each tensor, in the order of the nodes."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._products: dict[str, tuple[_Product, ...]] = {}
        self._kernels = Kernels()

    def add(self, node: Node, source: str) -> None:
        """Add a node whose one changing input is ``source``."""
        if node.op_type in ("Conv", "FusedConv"):
            self._add_kernel(node)
            return
        own = own_product(node, source)
        if own is None:
            return
        longer = tuple(
            replace(
                one,
                rows=own.rows,
                depth=one.depth + 1,
                matrix=partial(_multiplied, node.proofs.work, own.matrix, one.matrix),
            )
            for one in self._of(self._known.sums.get(source, {source: 1.0}))
            if one.is_left == own.is_left
            and one.rows == own.columns
            and one.depth < _MAX_FACTORS
            and one.source != source
        )
        self._put(node, (own, *longer))

    def add_sum(self, node: Node, terms: Mapping[str, float]) -> None:
        """Add a sum of tensors with factors: of one tensor's matrices it is one matrix."""
        out = node.outputs[0]
        found = {one.key: one for one in (*self._products.get(out, ()), *self._of(terms))}
        found = {key: one for key, one in found.items() if one.source != out}
        self._put(node, tuple(found.values()))
        self._known.add(
            Step((out,), one.source, node.op_type, holds=partial(_is_whole, node, one))
            for one in found.values()
        )
        self._known.add(self._kernels.summed(node, terms))
        self._known.add(self._of_several(node, terms))

    def _of_several(self, node: Node, terms: Mapping[str, float]) -> Iterator[Step]:
        """Yield the steps from a sum to tensors of which each term is a matrix: x @ V + z @ W."""
        firsts = [(one[0], k) for name, k in terms.items() if (one := self._products.get(name))]
        sources = dict.fromkeys(one.source for one, _ in firsts)
        if len(firsts) < len(terms) or len(sources) < 2 or len({o.is_left for o, _ in firsts}) > 1:
            return
        sides = {}
        for source in sources:
            same = [(one, k) for one, k in firsts if one.source == source]
            like, parts = same[0][0], tuple((k, one.matrix) for one, k in same)
            if any(one.key != like.key or one.rows != firsts[0][0].rows for one, _ in same):
                return
            sides[source] = (like, partial(_added, parts, like.rows, like.columns))
        whole = replace(
            firsts[0][0],
            columns=sum(like.columns for like, _ in sides.values()),
            matrix=partial(_beside, tuple(matrix for _, matrix in sides.values())),
        )
        holds = partial(_is_whole, node, whole)
        yield from (Step((node.outputs[0],), one, node.op_type, holds=holds) for one in sources)

    def _put(self, node: Node, products: tuple[_Product, ...]) -> None:
        out = node.outputs[0]
        self._products[out] = products
        for one in products:
            key = (one.source, one.is_left, one.columns)
            new = Stack(one.source, node.op_type, one.columns, node.proofs.matrix)
            stack = self._known.stacks.setdefault(key, new)
            stack.members[out] = (one.rows, one.matrix)

    def _of(self, terms: Mapping[str, float]) -> list[_Product]:
        """Return what a sum of tensors is as a matrix of each tensor that all are made of."""
        found = []
        for like in {
            one.key: one for name in terms for one in self._products.get(name, ())
        }.values():
            parts, depth = [], 0
            for name, factor in terms.items():
                by_key = {one.key: one for one in self._products.get(name, ())}
                if like.key in by_key:
                    parts.append((factor, by_key[like.key].matrix))
                    depth = max(depth, by_key[like.key].depth)
                elif name == like.source and like.rows == like.columns:
                    parts.append((factor, partial(_identity, like.rows)))
            if len(parts) == len(terms):
                matrix = partial(_added, tuple(parts), like.rows, like.columns)
                found.append(replace(like, depth=depth, matrix=matrix))
        return found

    def _add_kernel(self, node: Node) -> None:
        kernel = node.shape(node.names[1])
        if kernel is None or len(kernel) < 3 or node.names[0] == node.names[1]:
            return
        if not _is_fused(node):
            self._kernels.add(node)
        count, *rest = (size for size in kernel if isinstance(size, int))
        if len(rest) + 1 < len(kernel) or node.integer("group", 1) != 1 or _is_fused(node):
            return
        words = ("strides", "dilations", "pads")
        given = tuple(tuple(node.integers(word)) for word in words)
        key = (node.names[0], tuple(rest), node.string("auto_pad"), *given)
        new = Stack(node.names[0], node.op_type, 0, partial(kernel_proof, node))
        stack = self._known.stacks.setdefault(key, new)
        stack.members[node.outputs[0]] = (count, partial(node.constant, 1))


def _is_fused(node: Node) -> bool:
    return node.op_type == "FusedConv" and (node.has(3) or bool(node.string("activation")))


def own_product(node: Node, source: str) -> _Product | None:
    """Return the matrix that a node applies; None: it applies none, or not one alone."""
    if node.op_type not in _PRODUCTS or node.string("activation") or not node.has(1):
        return None
    if node.op_type in ("Gemm", "FusedGemm") and node.has(2) and node.names[2] == source:
        return None
    is_left = node.names[0] == source
    if is_left == (node.names[1] == source) or node.number("alpha", 1.0) == 0:
        return None
    if node.integer("transA" if is_left else "transB", 0) or _is_batch_turned(node):
        return None
    shape = node.shape(node.names[1 if is_left else 0])
    if shape is None or len(shape) != 2:
        return None
    if bool(node.integer("transB" if is_left else "transA", 0)) == is_left:
        rows, columns = shape
    else:
        columns, rows = shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        return None
    return _Product(source, is_left, columns, rows, 1, partial(operator, node, is_left=is_left))


_PRODUCTS = ("MatMul", "Gemm", "FusedMatMul", "FusedGemm")


def _is_batch_turned(node: Node) -> bool:
    return bool(node.integer("transBatchA", 0) or node.integer("transBatchB", 0))


def operator(node: Node, *, is_left: bool) -> np.ndarray | None:
    """Return the matrix of a node as (outputs, inputs)."""
    matrix = node.constant(1 if is_left else 0)
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        return None
    is_turned = bool(node.integer("transB" if is_left else "transA", 0))
    operator = np.asarray(matrix if is_turned == is_left else matrix.T, dtype=np.float64)
    return np.asarray(node.number("alpha", 1.0) * operator)


# --- sums and products ----------------------------------------------------------------------

_Matrix = Callable[[], np.ndarray | None]
_CANCELLED = 1e-4
"""A sum this much smaller than its terms is what float32 rounds off."""


def _identity(size: int) -> np.ndarray:
    return np.eye(size)


def _multiplied(work: Work, factor: _Matrix, earlier: _Matrix) -> np.ndarray | None:
    """Return a product of matrices; None: one is not known, or it takes too long."""
    left, right = factor(), earlier()
    if left is None or right is None:
        return None
    try:
        work.spend(left.size * right.shape[1])
    except OutOfWorkError:
        return None
    return np.asarray(left @ right)


def _added(parts: tuple[tuple[float, _Matrix], ...], rows: int, columns: int) -> np.ndarray | None:
    """Return a sum of matrices; None: one is not known, they are too large or cancel out."""
    if columns > MAX_COLUMNS or rows > MAX_ROWS:
        return None
    total, largest = np.zeros((rows, columns)), 0.0
    for factor, matrix in parts:
        part = matrix()
        if part is None:
            return None
        total += factor * part
        largest = max(largest, float(np.abs(factor * part).max(initial=0.0)))
    return total if np.abs(total).max(initial=0.0) > _CANCELLED * largest else None


def _beside(parts: tuple[_Matrix, ...]) -> np.ndarray | None:
    """Return matrices beside each other; None: one is not known."""
    found = [matrix() for matrix in parts]
    known = [matrix for matrix in found if matrix is not None]
    return np.concatenate(known, axis=1) if len(known) == len(found) else None


def _is_whole(node: Node, product: _Product) -> bool:
    """Tell whether a matrix loses nothing."""
    if product.rows < product.columns:
        return False
    matrix = product.matrix()
    return matrix is not None and node.proofs.matrix(matrix).is_shown
