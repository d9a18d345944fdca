"""Operators that make each row of a tensor of one row, and what they are on rows in a matrix.

A row is all that stands along the last axis. Where rows stand does not matter to these operators,
but for constants that are added at each place of a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from placer.onnx_files.taint_values import FLOATS, Node, Origin

_NUMBER_BY_NUMBER = (
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BiasGelu Cast Ceil Celu Clip Cos Cosh "
    "DequantizeLinear Div Elu Equal Erf Exp FastGelu Floor Gelu Greater GreaterOrEqual "
    "HardSigmoid HardSwish LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mul Neg Not "
    "Or PRelu Pow QLinearAdd QLinearLeakyRelu QLinearMul QLinearSigmoid QuantizeLinear "
    "QuickGelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign "
    "Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where"
)
_EACH = frozenset(_NUMBER_BY_NUMBER.split())
_SCALING = ("DequantizeLinear", "QuantizeLinear")
"""Number by number, with a scale for each along an axis from opset 13 on."""
_ALONG = (
    *("Hardmax", "LayerNormalization", "LogSoftmax", "LpNormalization", "RMSNormalization"),
    *("SimplifiedLayerNormalization", "Softmax"),
)
_COERCED = ("Hardmax", "LogSoftmax", "Softmax")
"""Up to opset 12 all axes from the first on, if no other is given, are one."""
_REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
    *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
)
_PRODUCTS = {"Gemm": 1, "MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3}
"""Operator -> where its matrix stands."""
_MOVES = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")


def changing(node: Node) -> list[int]:
    """Return the places of the inputs that are no constants."""
    return [
        place
        for place, name in enumerate(node.names)
        if name and node.taint(place).origin is not Origin.CONSTANT
    ]


def acts_by_row(node: Node) -> bool:
    """Tell whether each row that a node makes is of one row of each changing input."""
    word = node.op_type
    if word in _SCALING:
        scales = node.shape(node.names[1])
        is_one = scales is not None and all(size == 1 for size in scales)
        return is_one or (scales is not None and len(scales) == 1 and _is_last(node, [1]))
    if word in _EACH:
        return True
    if changing(node) != [0]:
        return False
    if word in _ALONG:
        is_old = word in _COERCED and node.opset < 13
        return _is_last(node, [1 if is_old else -1])
    if word in _REDUCTIONS:
        axes = node.constant(1) if node.has(1) else np.array(node.integers("axes"), dtype=int)
        given = [] if axes is None else [int(axis) for axis in axes.flat]
        return bool(given) and _is_last(node, given) and bool(node.integer("keepdims", 1))
    if word in _PRODUCTS:
        matrix = node.shape(node.names[_PRODUCTS[word]]) or ()
        return len(matrix) == 2 and not node.integer("transA", 0)
    return keeps_order(node) or (word == "Transpose" and _keeps_last(node))


def _is_last(node: Node, axes: Sequence[int]) -> bool:
    """Tell whether the axis of a node, by default those given, is the last one."""
    shape = node.shape(node.names[0])
    given = {node.integer("axis", 0)} if node.has_attribute("axis") else {*axes}
    return given == {-1} or bool(
        shape and {axis % len(shape) for axis in given} == {len(shape) - 1}
    )


def is_same(node: Node) -> bool:
    """Tell whether a node does nothing: Identity, or Dropout that is off."""
    training = node.constant(2) if node.has(2) else np.array(False)
    is_off = node.op_type == "Dropout" and training is not None and not training.any()
    return node.op_type == "Identity" or is_off


def keeps_order(node: Node) -> bool:
    """Tell whether a node moves nothing but the axes before the last one into each other."""
    if node.op_type not in _MOVES or is_same(node):
        return is_same(node)
    before, after = node.shape(node.names[0]), node.shape(node.outputs[0])
    return bool(before and after and isinstance(before[-1], int) and before[-1] == after[-1])


def _keeps_last(node: Node) -> bool:
    order = node.integers("perm")
    return bool(order) and order[-1] == len(order) - 1


def columns(node: Node, given: Sequence[int]) -> int:
    """Return the numbers of a row that a node makes of rows of so many."""
    if node.op_type in _REDUCTIONS:
        return 1
    if node.op_type in _PRODUCTS:
        rows = node.shape(node.names[_PRODUCTS[node.op_type]]) or (0, 0)
        size = rows[0 if node.integer("transB", 0) else 1]
        return size if isinstance(size, int) else 0
    constants = (node.shape(name) for name in node.names if name)
    wide = [s[-1] for s in constants if s and isinstance(s[-1], int)]
    return max(given) if node.op_type not in _EACH else max(*given, *wide)


def cost(node: Node, given: Sequence[int]) -> int:
    """Return about how many multiplications take as long as a row of a node."""
    return columns(node, given) * (given[0] if node.op_type in _PRODUCTS else SLOWER)


SLOWER = 32
"""Than a multiplication of a matrix product a number is that is written and read again."""
_TAKING = ("Cast", "Expand", "Gather", "Identity", "Slice", "Squeeze", "Unsqueeze")


def constant(node: Node, name: str) -> np.ndarray | None:
    """Return a constant, or that of which as many rows are taken as the sentence is long."""
    while (value := node.value(name)) is None:
        maker = node.maker(name)
        if maker is None or maker.op_type not in _TAKING:
            return None
        name = maker.input[0]
    return as_float32(value)


def as_float32(value: np.ndarray) -> np.ndarray:
    """Return numbers as the type of floats that everything is computed in."""
    return value.astype(np.float32) if value.dtype.kind == "f" else value


def places(node: Node) -> int:
    """Return at how many places of a sentence the constants of a node differ."""
    if node.op_type not in _EACH:
        return 1
    found = [constant(node, n) for i, n in enumerate(node.names) if n and i not in changing(node)]
    sizes = (one.size // max(one.shape[-1], 1) for one in found if one is not None and one.ndim > 1)
    return max(sizes, default=1)


def on_matrix(node: Node, place: int) -> tuple[Any, dict[str, np.ndarray]] | None:
    """Return what a node is on rows in a matrix, with its constants; None: one is not known."""
    import onnx

    out, inputs = node.outputs[0], list(node.names)
    if node.op_type in (*_MOVES, "Transpose"):
        return onnx.helper.make_node("Identity", inputs[:1], [out]), {}
    if node.op_type == "Cast" and node.integer("to", 0) in FLOATS:
        return onnx.helper.make_node("Cast", inputs[:1], [out], to=1), {}
    constants: dict[str, np.ndarray] = {}
    for at, name in enumerate(node.names):
        if not name or at in changing(node):
            continue
        value = constant(node, name)
        if value is None:
            return None
        if node.op_type in _EACH and value.ndim > 1:
            value = value.reshape(-1, value.shape[-1])
            value = value[place % len(value)]
        inputs[at] = f"{out}:{at}"
        constants[inputs[at]] = value if node.op_type in (*_EACH, *_PRODUCTS) else value.ravel()
    if node.op_type in _REDUCTIONS and node.has(1):
        constants[inputs[1]] = np.array([1])
    made = onnx.helper.make_node(node.op_type, inputs, [out], domain=_domain(node))
    of_axes = ("axes", "axis")
    made.attribute.extend(a for name, a in node.attributes.items() if name not in of_axes)
    is_scaled = node.op_type in _SCALING and node.opset >= 13
    if node.op_type in _ALONG or is_scaled:
        made.attribute.append(onnx.helper.make_attribute("axis", 1))
    elif node.op_type in _REDUCTIONS and not node.has(1):
        made.attribute.append(onnx.helper.make_attribute("axes", [1]))
    return made, constants


def _domain(node: Node) -> str:
    """Return the domain of an operator as the graph has it."""
    maker = node.maker(node.outputs[0])
    return str(maker.domain) if maker is not None and maker.op_type == node.op_type else ""
