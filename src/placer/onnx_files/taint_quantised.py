"""Rules of quantised numbers and products of them, as int8 models of ONNX Runtime have them.

A zero point at the end of its range cuts off what is below zero, or above: it is a Relu, and
quantisers fold one into it. A picture has nothing there; of a mixture that hides half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placer.onnx_files import taint_linear
from placer.onnx_files.taint_curves import is_above_zero
from placer.onnx_files.taint_linear import affine, product, shifted
from placer.onnx_files.taint_plain import blend, joined_inputs, moved, not_shown, scaled
from placer.onnx_files.taint_values import Node, Origin, Taint

_SMALL = {"uint2": (0, 3), "int2": (-2, 1), "uint4": (0, 15), "int4": (-8, 7)}
"""Ranges of the types that numpy has not by itself."""
_SIGNED = (3, 5, 6, 7, 17, 18, 19, 20, 22, 23, 24, 26)  # of TensorProto: integers, float8, float4


def quantised(node: Node) -> Taint:
    """Round to integers: of a mixture all comes back, but for what the zero point cuts off."""
    return _unless_cut(node, moved(node), 2)


def joined(node: Node) -> Taint:
    """Keep quantised numbers side by side."""
    return _unless_cut(node, joined_inputs()(node), 1)


def conv(node: Node) -> Taint:
    """Return that of QLinearConv."""
    return _unless_cut(node, taint_linear.quantised_conv(node), 7)


def added(node: Node) -> Taint:
    """Return that of QLinearAdd."""
    return _unless_cut(node, _blended(node), 7)


def multiplied(node: Node) -> Taint:
    """Return that of QLinearMul."""
    raw, other = (0, 3) if node.taint(0).is_raw else (3, 0)
    if not node.taint(raw).is_raw or node.taint(other).origin in (Origin.DERIVED, Origin.RAW):
        return _unless_cut(node, _blended(node), 7)
    factor = shifted(node.constant(other), node.constant(other + 2), axis=-1)
    return _unless_cut(node, scaled(node, node.taint(raw), [factor]), 7)


def _blended(node: Node) -> Taint:
    """Return that of two operands without their scales and zero points."""
    plain = replace(node, names=node.names[::3][:2], taints=node.taints[::3][:2])
    is_raw = any(taint is not None and taint.is_raw for taint in plain.taints)
    return blend(plain) if is_raw else not_shown(node)


def kernel(node: Node) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the matrix of QLinearConv for one place, and what it adds; None: not known, or cut."""
    weights = shifted(node.constant(3), node.constant(5), axis=0)
    scales, made, bias = node.constant(4), _scale(node, 6), node.constant(8)
    read = node.constant(1)
    is_known = bias is not None or not node.has(8)
    if weights is None or scales is None or read is None or made is None or not is_known:
        return None
    if _is_at_an_end(node, 7):
        return None
    by = scales.astype(np.float64).reshape(-1, 1) * read.astype(np.float64).ravel() / made[0]
    shift = made[1] if bias is None else by.ravel() * bias + made[1]
    rows = by * weights.reshape(len(weights), -1)
    return rows, np.broadcast_to(shift, (1, len(weights)))


@dataclass(frozen=True, slots=True)
class Scaling:
    """What quantising is, but for rounding: its input by a factor, and a constant."""

    factor: np.ndarray
    """One number, or one for each along the last axis."""
    shift: np.ndarray


def scaling(node: Node) -> Scaling | None:
    """Return what quantising or its opposite is; None: it is another operator, or cuts off."""
    is_known = node.op_type in ("DequantizeLinear", "QuantizeLinear")
    given = _scale(node, 1) if is_known else None
    if given is None:
        return None
    scale, zero = given
    if node.op_type == "DequantizeLinear":
        return Scaling(scale, -scale * zero)
    is_cut = not scale.all() or _is_at_an_end(node, 2)
    return None if is_cut else Scaling(1 / scale, zero)


def _scale(node: Node, at: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return scale and zero point, of all or along the last axis; None: neither, or not known."""
    scale, zero = node.constant(at), node.constant(at + 1)
    if scale is None or (zero is None and node.has(at + 1)):
        return None
    rank = len(node.shape(node.names[0]) or ())
    is_last = rank and scale.ndim == 1 and node.integer("axis", 1) % rank == rank - 1
    if scale.size != 1 and not is_last:
        return None
    zero = np.zeros(1) if zero is None else zero
    return scale.astype(np.float64).ravel(), zero.astype(np.float64).ravel()


def _unless_cut(node: Node, made: Taint, zero_point: int) -> Taint:
    """Return the taint, unless quantising cuts off half of a mixture."""
    if not made.is_raw or not made.is_mixed or not _is_at_an_end(node, zero_point):
        return made
    if node.op_type == "QuantizeLinear" and is_above_zero(node, node.names[0]):
        return made
    return not_shown(node, "a mixture of which its zero point cuts off half")


def _is_at_an_end(node: Node, index: int) -> bool:
    """Tell whether a zero point may stand at the first or last number of its type."""
    if not node.has(index):  # uint8 and 0, if no other type is named
        return node.integer("output_dtype", 0) not in _SIGNED
    value = node.constant(index)
    if value is None:
        return True
    if value.dtype.kind not in "iu" and value.dtype.name not in _SMALL:
        return False  # float8
    if value.dtype.kind in "iu":
        limits = np.iinfo(value.dtype)
        low, high = limits.min, limits.max
    else:
        low, high = _SMALL[value.dtype.name]
    numbers = value.astype(np.int64)
    return bool(((numbers == low) | (numbers == high)).any())


def integer_matmul(node: Node) -> Taint:
    """Return that of a product of integers, with zero points."""
    return _product(node, (0, 1), (2, 3))


def matmul(node: Node) -> Taint:
    """Return that of QLinearMatMul."""
    return _unless_cut(node, _product(node, (0, 3), (2, 5)), 7)


def gemm(node: Node) -> Taint:
    """Return that of QGemm, with a bias."""
    is_left = node.taint(0).is_raw
    if is_left:
        axis = 0 if node.integer("transB", 0) else -1
        matrix = shifted(node.constant(3), node.constant(5), axis=axis)
    else:
        matrix = shifted(node.constant(0), node.constant(2), axis=-2)
    made = affine(node, 0, 3, 6, matrix)
    return _unless_cut(node, made, 8) if node.has(7) else made


def matmul_to_float(node: Node) -> Taint:
    """Return that of MatMulIntegerToFloat: a product of integers by their scales, and a bias."""
    return _scaled_product(node, zeros=(4, 5), scales=(2, 3), bias=6)


def dynamic_matmul(node: Node) -> Taint:
    """Return that of DynamicQuantizeMatMul, whose left side is quantised as it comes."""
    if not node.taint(0).is_raw:
        return not_shown(node, "the other matrix is not known")
    return _scaled_product(node, zeros=(3, 3), scales=(2, 2), bias=4)


def _product(node: Node, sides: tuple[int, int], zeros: tuple[int, int]) -> Taint:
    is_left = node.taint(sides[0]).is_raw
    place = 1 if is_left else 0
    matrix = shifted(
        node.constant(sides[place]), node.constant(zeros[place]), axis=-1 if is_left else -2
    )
    return product(node, *sides, matrix)


def _scaled_product(
    node: Node, *, zeros: tuple[int, int], scales: tuple[int, int], bias: int
) -> Taint:
    is_left = node.taint(0).is_raw
    place, axis = (1, -1) if is_left else (0, -2)
    matrix = shifted(node.constant(place), node.constant(zeros[place]), axis=axis)
    scale = node.constant(scales[place])
    if matrix is None or scale is None:
        return not_shown(node, "the other matrix is not known")
    if node.taint(bias).origin is Origin.DERIVED or node.taint(bias).is_raw:
        return not_shown(node, "its bias is computed")
    shape = [1] * matrix.ndim
    shape[axis] = scale.size if scale.size > 1 else 1
    return product(node, 0, 1, np.asarray(matrix * scale.astype(np.float64).reshape(shape)))
