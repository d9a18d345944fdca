"""Rules of products of quantised numbers, as int8 models of ONNX Runtime have them."""

from __future__ import annotations

import numpy as np

from placer.onnx_files.taint_linear import affine, product, shifted
from placer.onnx_files.taint_plain import not_shown
from placer.onnx_files.taint_values import Node, Origin, Taint


def integer_matmul(node: Node) -> Taint:
    """Return that of a product of integers, with zero points."""
    return _product(node, (0, 1), (2, 3))


def matmul(node: Node) -> Taint:
    """Return that of QLinearMatMul."""
    return _product(node, (0, 3), (2, 5))


def gemm(node: Node) -> Taint:
    """Return that of QGemm, with a bias."""
    is_left = node.taint(0).is_raw
    if is_left:
        axis = 0 if node.integer("transB", 0) else -1
        matrix = shifted(node.constant(3), node.constant(5), axis=axis)
    else:
        matrix = shifted(node.constant(0), node.constant(2), axis=-2)
    return affine(node, 0, 3, 6, matrix)


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
