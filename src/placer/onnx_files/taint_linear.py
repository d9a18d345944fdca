"""Rules of raw input that a linear operator with constant weights maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from placer.onnx_files.injective import Proof
from placer.onnx_files.taint_plain import (
    MAX_REDUCED,
    curve,
    is_one_place,
    leaves_picture,
    not_shown,
    scaled,
)
from placer.onnx_files.taint_values import Node, Origin, Taint

# --- linear ---------------------------------------------------------------------------------


def _proven(node: Node, index: int, proof: Proof) -> Taint:
    if not proof.is_shown:
        return not_shown(node, f"not shown to be injective ({proof.reason})")
    return node.taint(index).then(node.op_type, is_mixed=True)


def _convolution(node: Node, weights: np.ndarray | None, bias: int) -> Taint:
    if not node.taint(0).is_raw:
        return not_shown(node)
    if weights is None or weights.ndim < 3:
        return not_shown(node, "its weights are not known")
    if node.taint(bias).origin is Origin.DERIVED or node.taint(bias).is_raw:
        return not_shown(node, "its bias is computed")
    axes = weights.ndim - 2
    strides, dilations = (node.integers(name) or [1] * axes for name in ("strides", "dilations"))
    shape = node.shape(node.outputs[0]) or ()
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape[2:]]
    if not is_one_place(node):
        picture = _filtered(node, weights)
        if picture is not None:
            return picture
    proof = node.proofs.convolution(
        weights,
        strides=strides,
        dilations=dilations,
        groups=node.integer("group", 1),
        output_sizes=sizes or [None] * axes,
    )
    return _proven(node, 0, proof)


MAX_COLOURS = 4
"""Channels of a picture: red, green, blue and one more."""


def _filtered(node: Node, weights: np.ndarray) -> Taint | None:
    """Return the taint of a picture that a convolution draws again; None: it is no such filter.

    One place of a picture seen in other colours, or averaged with its neighbours, is plain again.
    A filter over each channel apart, as for edges, leaves the picture there, as a mixture.
    """
    data = node.taint(0)
    channels = weights.shape[1]
    if data.is_mixed or channels > MAX_COLOURS or not weights.any():
        return None
    rows = weights.reshape(len(weights), -1)
    is_average = ((rows >= 0).all(axis=1) | (rows <= 0).all(axis=1)).all()
    if rows.shape[1] == channels or is_average:
        return data.then(node.op_type)
    return data.then(node.op_type, is_mixed=True) if channels == 1 else None


def _recoloured(node: Node, index: int, colours: int, matrix: np.ndarray) -> Taint | None:
    """Return the taint of the colours of each place times a matrix; None: there are more.

    One place is no picture. A first axis of no stated size is the batch, of one picture; of a
    stated size above 1 it may be the places in rows.
    """
    data, shape = node.taint(index), node.shape(node.names[index])
    sizes = [s if isinstance(s, int) else 2 if axis else 1 for axis, s in enumerate(shape or ())]
    places = None if shape is None else math.prod(sizes)
    if data.is_mixed or colours > MAX_COLOURS or places == colours or not matrix.any():
        return None
    return data.then(node.op_type)


def _resampled(node: Node, index: int, matrix: np.ndarray) -> Taint | None:
    """Return the taint of what a matrix draws again along an axis; None: it does not.

    Each new line is one of the old ones, as in a Slice, whatever they are lines of; or of a picture
    an average of few of them, as where it is made smaller.

    Parameters
    ----------
    matrix
        (..., lines of the picture, new lines).
    """
    data, shape = node.taint(index), node.shape(node.names[index])
    if data.is_mixed or not matrix.any():
        return None
    taken = np.count_nonzero(matrix, axis=-2)
    if taken.max() == 1:
        return data.then(node.op_type)
    if shape is None:
        return None
    others = [size for size in shape[1:] if size != 1]
    is_average = ((matrix >= 0).all(axis=-2) | (matrix <= 0).all(axis=-2)).all()
    if len(others) < 2 or not is_average or taken.max() > MAX_REDUCED:
        return None
    return data.then(node.op_type)


def transposed_conv(node: Node) -> Taint:
    """Return that of a transposed convolution by constant weights.

    Where its strides keep the blocks that input places are spread to apart, each block is a matrix
    times the channels of a place. A picture that is spread with weights of one sign is one still.
    """
    data, weights = node.taint(0), node.constant(1)
    if not data.is_raw:
        return not_shown(node)
    if weights is None or weights.ndim < 3:
        return not_shown(node, "its weights are not known")
    if node.taint(2).origin is Origin.DERIVED or node.taint(2).is_raw:
        return not_shown(node, "its bias is computed")
    channels, kernel = weights.shape[0], weights.shape[2:]
    groups = node.integer("group", 1)
    rows = weights.reshape(channels, -1)
    is_average = (weights >= 0).all() or (weights <= 0).all()
    if is_average and not data.is_mixed and channels <= MAX_COLOURS and weights.any():
        return data.then(node.op_type)
    ones = [1] * len(kernel)
    strides, dilations = (node.integers(name) or ones for name in ("strides", "dilations"))
    spans = [d * (size - 1) + 1 for d, size in zip(dilations, kernel, strict=True)]
    is_cropped = any(node.integers("pads")) or node.string("auto_pad") not in ("", "NOTSET")
    if is_cropped or node.has_attribute("output_shape"):
        return not_shown(node, "its border is cut")
    if any(span > stride for span, stride in zip(spans, strides, strict=True)):
        return not_shown(node, "its blocks overlap")
    proofs = [node.proofs.matrix(part.T) for part in np.split(rows, groups)]
    return _proven(node, 0, next((one for one in proofs if not one.is_shown), proofs[0]))


def conv(node: Node) -> Taint:
    """Return the taint of a convolution by constant weights."""
    return _convolution(node, node.constant(1), 2)


def integer_conv(node: Node) -> Taint:
    """Return that of a convolution of integers, whose weights have a zero point."""
    return _convolution(node, shifted(node.constant(1), node.constant(3), axis=0), 4)


def quantised_conv(node: Node) -> Taint:
    """Return that of a convolution of quantised numbers."""
    return _convolution(node, shifted(node.constant(3), node.constant(5), axis=0), 8)


def shifted(weights: np.ndarray | None, zero: np.ndarray | None, *, axis: int) -> np.ndarray | None:
    """Return quantised numbers around their zero point, which may differ along an axis.

    None: one of both is not known, or they do not fit.
    """
    if weights is None or zero is None:
        return weights
    if zero.size == 1 or zero.ndim < 2:  # else one for each matrix of a stack
        shape = [1] * weights.ndim
        if zero.size > 1:
            shape[axis] = -1
        zero = zero.reshape(shape)
    try:
        return np.asarray(weights.astype(np.float64) - zero.astype(np.float64))
    except ValueError:
        return None


def gemm(node: Node) -> Taint:
    """Return that of a product with a constant matrix and a bias."""
    return affine(node, 0, 1, 2, node.constant(1 if node.taint(0).is_raw else 0))


def affine(node: Node, left: int, right: int, bias: int, matrix: np.ndarray | None) -> Taint:
    """Return that of a Gemm; one of its sides is raw, ``matrix`` the other."""
    is_left = node.taint(left).is_raw
    if is_left and node.taint(right).is_raw:
        return not_shown(node, "a product of what it made")
    if matrix is None or matrix.ndim != 2 or node.number("alpha", 1.0) == 0:
        return not_shown(node, "the other matrix is not known")
    if node.taint(bias).origin is Origin.DERIVED or node.taint(bias).is_raw:
        return not_shown(node, "its bias is computed")
    # y = x @ B loses nothing where x -> B.T x does; y = A @ x where A does
    turned = bool(node.integer("transB" if is_left else "transA", 0))
    if is_left and not node.integer("transA", 0):
        recoloured = _recoloured(node, left, matrix.shape[1 if turned else 0], matrix)
        if recoloured is not None:
            return recoloured
    operator, index = matrix if turned == is_left else matrix.T, left if is_left else right
    return _resampled(node, index, operator.T) or _proven(node, index, node.proofs.matrix(operator))


def product(node: Node, left: int, right: int, matrix: np.ndarray | None) -> Taint:
    """Return that of a matrix product; one side is raw, ``matrix`` the other."""
    is_left = node.taint(left).is_raw
    if is_left and node.taint(right).is_raw:
        return not_shown(node, "a product of what it made")
    if matrix is None or matrix.ndim < 2:
        return not_shown(node, "the other matrix is not known")
    recoloured = _recoloured(node, left, matrix.shape[-2], matrix) if is_left else None
    if recoloured is not None:
        return recoloured
    resampled = _resampled(
        node, left if is_left else right, matrix if is_left else np.swapaxes(matrix, -1, -2)
    )
    if resampled is not None:
        return resampled
    return proven_product(node, left if is_left else right, matrix, is_left=is_left)


def proven_product(node: Node, index: int, matrix: np.ndarray, *, is_left: bool) -> Taint:
    """Return that of a product of a raw input with a matrix, or with each of a stack of them."""
    stack = matrix.reshape(-1, *matrix.shape[-2:])
    proofs = [node.proofs.matrix(one.T if is_left else one) for one in stack]
    worst = next((proof for proof in proofs if not proof.is_shown), proofs[0])
    return _proven(node, index, worst)


def matmul(node: Node) -> Taint:
    """Return that of a product with a constant matrix."""
    return product(node, 0, 1, node.constant(1 if node.taint(0).is_raw else 0))


def cumulated(node: Node) -> Taint:
    """Add up along an axis: the differences are what was there."""
    data = node.taint(0)
    if not data.is_raw or (data.is_mixed and node.integer("exclusive", 0)):
        return not_shown(node)
    return data.then(node.op_type, is_mixed=True)


def transformed(node: Node) -> Taint:
    """Take frequencies, from which the signal can be had back; a length given may cut it."""
    data = node.taint(0)
    if not data.is_raw or (data.is_mixed and (node.has(1) or node.op_type == "STFT")):
        return not_shown(node)
    return data.then(node.op_type, is_mixed=True)


def einsum(node: Node) -> Taint:
    """Move, reduce or multiply as the letters say; two operands with one constant at most."""
    left, arrow, right = node.string("equation").replace(" ", "").partition("->")
    terms = [term.replace("...", "\u2026") for term in left.split(",")]
    kept = right.replace("...", "\u2026") if arrow else _implied(terms)
    (index, data), *others = [(i, t) for i, t in enumerate(node.taints) if t and t.is_raw]
    term = terms[index]
    if others or len(terms) > 2 or len(set(term)) < len(term):
        return curve(node) if len(terms) == 1 else not_shown(node)
    summed = [letter for letter in term if letter not in kept]
    if len(terms) == 1:
        return _einsum_of_one(node, data, term, summed)
    factor, matrix = terms[1 - index], node.constant(1 - index)
    if matrix is None or len(set(factor)) < len(factor) or "\u2026" in factor:
        return not_shown(node, "the other operand is not known")
    if not summed:
        return scaled(node, data, [matrix])
    if any(letter in term and letter in kept for letter in factor):
        return not_shown(node)
    order = [*(letter for letter in factor if letter in kept), *summed]
    if sorted(order) != sorted(factor):
        return not_shown(node)
    columns = math.prod(matrix.shape[factor.index(letter)] for letter in summed)
    operator = matrix.transpose([factor.index(letter) for letter in order]).reshape(-1, columns)
    return (
        _recoloured(node, index, columns, operator)
        or _resampled(node, index, operator.T)
        or _proven(node, index, node.proofs.matrix(operator))
    )


def _einsum_of_one(node: Node, data: Taint, term: str, summed: Sequence[str]) -> Taint:
    if not summed:
        return data.then(node.op_type)
    shape = node.shape(node.names[0])
    if shape is None or "\u2026" in term or leaves_picture(shape, {*map(term.index, summed)}):
        return curve(node)
    return not_shown(node, "one value for many")


def _implied(terms: Sequence[str]) -> str:
    """Return the output of an equation without an arrow: the letters that stand once."""
    letters = "".join(terms)
    once = sorted(letter for letter in set(letters) - {"\u2026"} if letters.count(letter) == 1)
    return "".join(["\u2026"] * ("\u2026" in letters) + once)
