"""Rules of ONNX Runtime's fused operators: a linear one, what is added to it, and a curve over it.

Its own optimisation writes them, so that models which were optimised and saved have them.
"""

from __future__ import annotations

import numpy as np

from placer.onnx_files import taint_linear
from placer.onnx_files.taint_curves import is_rising_activation
from placer.onnx_files.taint_plain import not_shown
from placer.onnx_files.taint_values import Node, Taint


def conv(node: Node) -> Taint:
    """Return that of a convolution, plus a tensor, through an activation."""
    if node.has(3) and node.value(node.names[3]) is None:
        return not_shown(node, "joined with what it made")
    return _activated(node, taint_linear.conv(node))


def gemm(node: Node) -> Taint:
    """Return that of a product with a constant matrix and a bias, through an activation."""
    return _activated(node, taint_linear.gemm(node))


def _activated(node: Node, made: Taint) -> Taint:
    name = node.string("activation")
    if not made.is_raw or not name:
        return made
    if made.is_mixed and not is_rising_activation(node):
        return not_shown(node, f"a curve over a mixture ({name})")
    return made


def matmul(node: Node) -> Taint:
    """Return that of a product with a constant matrix, either side turned."""
    is_left = node.taint(0).is_raw
    if is_left and node.taint(1).is_raw:
        return not_shown(node, "a product of what it made")
    matrix = node.constant(1 if is_left else 0)
    if matrix is None or matrix.ndim < 2 or node.number("alpha", 1.0) == 0:
        return not_shown(node, "the other matrix is not known")
    if node.integer("transBatchA", 0) or node.integer("transBatchB", 0):
        return not_shown(node, "its batches are turned")
    if node.integer("transB" if is_left else "transA", 0):
        matrix = np.swapaxes(matrix, -1, -2)
    if node.integer("transA" if is_left else "transB", 0):
        return taint_linear.proven_product(node, 0 if is_left else 1, matrix, is_left=is_left)
    return taint_linear.product(node, 0, 1, matrix)
