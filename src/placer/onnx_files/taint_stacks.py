"""Constant matrices and kernels that several nodes apply to one tensor, beside each other.

Each may keep fewer numbers than there are; all of them together may lose nothing, which the rank
of the matrices on top of each other shows. A product of matrices is one matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from placer.onnx_files.injective import Proof
from placer.onnx_files.taint_known import Known, Stack
from placer.onnx_files.taint_values import Node

_MAX_FACTORS = 4
"""Of a product of matrices that is followed."""


@dataclass(frozen=True, slots=True)
class _Product:
    """Constant matrices that are applied to a tensor one after the other."""

    source: str
    is_left: bool
    """The tensor stands left of them: its rows are multiplied, else its columns."""
    columns: int
    """Of the tensor's numbers that are mixed."""
    rows: int
    """That they become."""
    factors: tuple[Node, ...]

    def matrix(self) -> np.ndarray | None:
        """Return all as one, (rows, columns); None: one is not known."""
        found = None
        for node in self.factors:
            factor = _operator(node, is_left=self.is_left)
            if factor is None:
                return None
            found = factor if found is None else factor @ found
        return found


class Stacks:
    """Gathers the matrices of each tensor, in the order of the nodes."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._products: dict[str, tuple[_Product, ...]] = {}

    def add(self, node: Node, source: str, shifted: Mapping[str, str]) -> None:
        """Add a node whose one changing input is ``source``.

        Parameters
        ----------
        shifted
            Tensor -> another, of which it differs by a factor and constants alone.
        """
        if node.op_type in ("Conv", "FusedConv"):
            self._add_kernel(node)
            return
        own = _own_product(node, source)
        if own is None:
            return
        earlier = self._products.get(shifted.get(source, source), ())
        longer = tuple(
            _Product(one.source, one.is_left, one.columns, own.rows, (*one.factors, node))
            for one in earlier
            if one.is_left == own.is_left
            and one.rows == own.columns
            and len(one.factors) < _MAX_FACTORS
        )
        out = node.outputs[0]
        self._products[out] = (own, *longer)
        for one in (own, *longer):
            key = (one.source, one.is_left, one.columns)
            new = Stack(one.source, node.op_type, one.columns, node.proofs.matrix)
            stack = self._known.stacks.setdefault(key, new)
            stack.members[out] = (one.rows, one.matrix)

    def _add_kernel(self, node: Node) -> None:
        kernel = node.shape(node.names[1])
        if kernel is None or len(kernel) < 3 or node.names[0] == node.names[1]:
            return
        count, *rest = (size for size in kernel if isinstance(size, int))
        if len(rest) + 1 < len(kernel) or node.integer("group", 1) != 1 or _is_fused(node):
            return
        words = ("strides", "dilations", "pads")
        given = tuple(tuple(node.integers(word)) for word in words)
        key = (node.names[0], tuple(rest), node.string("auto_pad"), *given)
        new = Stack(node.names[0], node.op_type, 0, partial(_kernel_proof, node))
        stack = self._known.stacks.setdefault(key, new)
        stack.members[node.outputs[0]] = (count, partial(node.constant, 1))


def _is_fused(node: Node) -> bool:
    return node.op_type == "FusedConv" and (node.has(3) or bool(node.string("activation")))


def _kernel_proof(node: Node, weights: np.ndarray) -> Proof:
    """Return the proof of kernels like a node's, whose outputs lie beside each other."""
    axes = weights.ndim - 2
    strides, dilations = (node.integers(name) or [1] * axes for name in ("strides", "dilations"))
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


def _own_product(node: Node, source: str) -> _Product | None:
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
    return _Product(source, is_left, columns, rows, (node,))


_PRODUCTS = ("MatMul", "Gemm", "FusedMatMul", "FusedGemm")


def _is_batch_turned(node: Node) -> bool:
    return bool(node.integer("transBatchA", 0) or node.integer("transBatchB", 0))


def _operator(node: Node, *, is_left: bool) -> np.ndarray | None:
    """Return the matrix of a node as (outputs, inputs)."""
    matrix = node.constant(1 if is_left else 0)
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        return None
    is_turned = bool(node.integer("transB" if is_left else "transA", 0))
    return np.asarray(matrix if is_turned == is_left else matrix.T, dtype=np.float64)
