"""The work of a TensorFlow Lite graph: operations and bytes of each operator type.

The conventions are those of ``placer.onnx_files.features``, so that the same network has the same
work in either format: 2 x multiply-accumulates and one per elementary operation; integer arithmetic
of quantised operators counts the same, plus what requantises; what only moves data costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from placer.core.graph import OperatorWork, by_operator, known_sum
from placer.tflite_files.graph import Graph, Node, Tensor, UnknownShapeError

_VIEWS = frozenset(("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE", "RANK"))
"""Nodes that reinterpret a shape or answer from it: left out, as in ONNX files."""
_PARTIAL_READS = {
    "GATHER": 0,
    "GATHER_ND": 0,
    "SLICE": 0,
    "STRIDED_SLICE": 0,
    "EMBEDDING_LOOKUP": 1,
}
"""Operator -> the input of which it reads no more than it writes."""
_ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 2, "TANH": 1, "SIGN_BIT": 1}
"""Operations per output of a fused activation."""
SOFTMAX = 5
"""Operations per element: maximum, subtract, exp, sum, divide."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node with the tensors that it takes and gives."""

    node: Node
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    activation: str

    def has(self, index: int) -> bool:
        """Tell whether an optional input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Tensor:
        """Return an input. Raises UnknownShapeError where it is left out."""
        tensor = self.inputs[index] if self.has(index) else None
        if tensor is None:
            raise UnknownShapeError
        return tensor

    @property
    def output(self) -> Tensor:
        """The first output. Raises UnknownShapeError where there is none."""
        if not self.outputs:
            raise UnknownShapeError
        return self.outputs[0]

    @property
    def is_integer(self) -> bool:
        """Whether its arithmetic is that of quantised integers."""
        return self.output.is_quantised

    @property
    def activate(self) -> int:
        """Operations per output of the fused activation."""
        return _ACTIVATIONS[self.activation]


@dataclass(frozen=True, slots=True)
class Formula:
    """How many operations a node takes."""

    count: Callable[[Step], float]
    """Raises UnknownShapeError where it needs a dimension that is not known."""
    text: str


def count_operators(graph: Graph) -> tuple[OperatorWork, ...]:
    """Sum the work of the nodes that run, by operator type, sorted.

    Nodes with constant inputs alone and views (RESHAPE, ...) are left out. An operator without a
    formula, or with a shape that depends on the data, has flops None; it is never silently zero.
    """
    found: dict[str, list[OperatorWork]] = {}
    folded = {index for index, tensor in enumerate(graph.tensors) if tensor.is_constant}
    for node in graph.nodes:
        taken = [index for index in node.inputs if index is not None]
        if taken and folded.issuperset(taken) and node.op_type in FORMULAS:
            folded.update(node.outputs)
        elif node.op_type not in _VIEWS:
            found.setdefault(node.op_type, []).append(_work(_step(graph, node)))
    return by_operator(found)


def _step(graph: Graph, node: Node) -> Step:
    fused = getattr(node.options, "FusedActivationFunction", None)
    number = 0 if fused is None else fused()
    return Step(
        node,
        tuple(None if index is None else graph.tensors[index] for index in node.inputs),
        tuple(graph.tensors[index] for index in node.outputs),
        graph.activations.get(number, f"activation {number}"),
    )


def _work(step: Step) -> OperatorWork:
    name = step.node.op_type
    flops = None
    formula = FORMULAS.get(name)
    if formula is None:
        source = f"no formula is known for {name}"
    else:
        source = f"TensorFlow Lite operator {name}-{step.node.version} (schema.fbs): {formula.text}"
        try:
            flops = round(formula.count(step))
        except (UnknownShapeError, IndexError, KeyError, AttributeError, ValueError):
            source += " (a shape or an option is unknown or does not fit)"
    return OperatorWork(name, 1, flops, _bytes_moved(step), source)


def _bytes_moved(step: Step) -> int | None:
    sizes = [tensor.n_bytes for tensor in step.inputs if tensor is not None]
    partial = _PARTIAL_READS.get(step.node.op_type)
    if partial is not None and step.has(partial) and step.outputs:
        sizes = [tensor.n_bytes for i, tensor in enumerate(step.inputs) if tensor and i != partial]
        sizes.append(step.output.n_bytes)
    return known_sum([*sizes, *(tensor.n_bytes for tensor in step.outputs)])


# --- counting -------------------------------------------------------------------------------


def _nothing(step: Step) -> float:
    return 0


def _unary(operations: int) -> Callable[[Step], float]:
    return lambda step: (operations + 5 * step.is_integer) * step.output.size


def _binary(operations: int) -> Callable[[Step], float]:
    return lambda step: (operations + 7 * step.is_integer + step.activate) * step.output.size


def _per_input(operations: int) -> Callable[[Step], float]:
    return lambda step: operations * step.input(0).size


def _mean(step: Step) -> float:
    return step.input(0).size + (1 + step.is_integer) * step.output.size


def _products(step: Step, data: int, weight: int, bias: int, inner: int) -> float:
    """Return the work of outputs that each sum ``inner`` products with a weight."""
    if step.input(weight).is_sparse:
        raise UnknownShapeError
    per_output = 2 * inner + step.has(bias) + step.activate + 3 * step.is_integer
    total = per_output * step.output.size
    if step.input(data).dtype.startswith("float") and step.input(weight).dtype.startswith("int"):
        total += step.output.size + 5 * step.input(data).size  # rescale, quantise the input
    return total


def _convolution(step: Step) -> float:
    """Weight (out, rows, columns, in / group)."""
    return _products(step, 0, 1, 2, math.prod(step.input(1).dims[1:]))


def _depthwise_convolution(step: Step) -> float:
    """Weight (1, rows, columns, out)."""
    return _products(step, 0, 1, 2, math.prod(step.input(1).dims[1:3]))


def _convolution_3d(step: Step) -> float:
    """Weight (depth, rows, columns, in / group, out)."""
    return _products(step, 0, 1, 2, math.prod(step.input(1).dims[:4]))


def _fully_connected(step: Step) -> float:
    """Weight (out, in)."""
    return _products(step, 0, 1, 2, step.input(1).dims[-1])


def _transposed_convolution(step: Step) -> float:
    """Count for the inputs: output shape, weight (out, rows, columns, in), data, bias."""
    if step.input(1).is_sparse:
        raise UnknownShapeError
    products = step.input(2).size * math.prod(step.input(1).dims[:3])
    return 2 * products + (step.has(3) + step.activate + 3 * step.is_integer) * step.output.size


def _batch_matmul(step: Step) -> float:
    inner = step.input(0).dims[-2 if step.node.options.AdjX() else -1]
    return _products(step, 0, 1, 2, inner)


def _pool(per_tap: int, per_output: int = 0) -> Callable[[Step], float]:
    def count(step: Step) -> float:
        options = step.node.options
        taps = int(options.FilterHeight()) * int(options.FilterWidth())
        if taps < 1:
            raise UnknownShapeError
        return (per_tap * taps + per_output + step.activate) * step.output.size

    return count


def _softmax(step: Step) -> float:
    return (SOFTMAX + 5 * step.is_integer) * step.input(0).size


def _quantise(step: Step) -> float:
    return (5 if step.input(0).is_quantised else 3) * step.output.size


def _dequantise(step: Step) -> float:
    return 2 * step.output.size if step.input(0).is_quantised else 0


def _sum_of_all(step: Step) -> float:
    return (len(step.inputs) - 1) * step.output.size


def _local_response(step: Step) -> float:
    return (2 * int(step.node.options.Radius()) + 6) * step.output.size


def _resize_bilinear(step: Step) -> float:
    pairs = zip(step.input(0).dims, step.output.dims, strict=True)
    resized = sum(1 for before, after in pairs if before != after)
    return 2 * 2**resized * step.output.size if resized else 0


def _top_k(step: Step) -> float:
    return step.input(0).size * max(1.0, math.log2(max(step.output.dims[-1], 1)))


# --- the table ------------------------------------------------------------------------------


def _same(names: str, count: Callable[[Step], float], text: str) -> dict[str, Formula]:
    return {name: Formula(count, text) for name in names.split()}


def _table() -> dict[str, Formula]:
    """Return the formulas, by operator type."""
    rest = (
        "+ out elements with a bias, + the fused activation, + 3 per output to requantise integers"
    )
    matmul = f"2 x out elements x inner dimension, {rest}"
    hybrid = (
        "; float data with integer weights: + 1 per output to rescale, + 5 per input to quantise"
    )
    conv = f"2 x out elements x in channels per group x kernel, {rest}"
    unary = "per output element, + 5 to dequantise and requantise integers"
    binary = (
        "per output element, + 7 to dequantise two and requantise integers, + the fused activation"
    )
    return {
        "CONV_2D": Formula(_convolution, conv + hybrid),
        "DEPTHWISE_CONV_2D": Formula(
            _depthwise_convolution, f"2 x out elements x kernel, {rest}{hybrid}"
        ),
        "CONV_3D": Formula(_convolution_3d, conv + hybrid),
        "TRANSPOSE_CONV": Formula(
            _transposed_convolution, f"2 x in elements x out channels x kernel, {rest}"
        ),
        "FULLY_CONNECTED": Formula(_fully_connected, matmul + hybrid),
        "BATCH_MATMUL": Formula(_batch_matmul, matmul + hybrid),
        **_same(
            "ABS ATAN CEIL COS EXP FLOOR LOG LOGICAL_NOT LOGISTIC NEG RELU ROUND SIGN SIN SQRT "
            "SQUARE TANH BITCAST CUMSUM",
            _unary(1),
            f"1 {unary}",
        ),
        **_same("LEAKY_RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 PRELU RSQRT", _unary(2), f"2 {unary}"),
        "ELU": Formula(_unary(4), f"4 {unary}"),
        **_same("GELU HARD_SWISH", _unary(5), f"5 {unary}"),
        **_same(
            "ADD SUB MUL DIV MAXIMUM MINIMUM POW ATAN2 FLOOR_MOD EQUAL NOT_EQUAL GREATER "
            "GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR BITWISE_XOR RIGHT_SHIFT "
            "SELECT SELECT_V2",
            _binary(1),
            f"1 {binary}",
        ),
        **_same("FLOOR_DIV SQUARED_DIFFERENCE", _binary(2), f"2 {binary}"),
        "ADD_N": Formula(_sum_of_all, "(inputs - 1) per output element"),
        **_same(
            "MAX_POOL_2D AVERAGE_POOL_2D",
            _pool(1),
            "kernel elements per output element, + the fused activation",
        ),
        "L2_POOL_2D": Formula(_pool(2, 1), "2 x kernel elements + 1 per output element"),
        **_same(
            "SOFTMAX LOG_SOFTMAX",
            _softmax,
            "5 per element: maximum, subtract, exp, sum, divide; + 5 to rescale integers",
        ),
        "L2_NORMALIZATION": Formula(_per_input(3), "3 per element: power, sum, divide"),
        "LOCAL_RESPONSE_NORMALIZATION": Formula(
            _local_response,
            "2 x radius + 1 + 5 per element: square, sum, scale, shift, power, divide",
        ),
        **_same(
            "SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN WHERE",
            _per_input(1),
            "1 per input element",
        ),
        "MEAN": Formula(_mean, "1 per input element, 1 per output element, 2 of integers"),
        "QUANTIZE": Formula(
            _quantise, "3 per element: divide, round, add the zero point; 5 between integers"
        ),
        "DEQUANTIZE": Formula(
            _dequantise, "2 per element: subtract the zero point, multiply; 0 from float16"
        ),
        "RESIZE_BILINEAR": Formula(
            _resize_bilinear, "per output: 2 x taps, 2 to the power of the resized axes"
        ),
        "TOPK_V2": Formula(_top_k, "comparisons: n x log2 k"),
        **_same(
            "BATCH_TO_SPACE_ND BROADCAST_TO CAST CONCATENATION DEPTH_TO_SPACE DYNAMIC_UPDATE_SLICE "
            "EMBEDDING_LOOKUP EXPAND_DIMS FILL GATHER GATHER_ND MATRIX_DIAG MATRIX_SET_DIAG "
            "MIRROR_PAD ONE_HOT PACK PAD PADV2 RANGE RANK RESHAPE RESIZE_NEAREST_NEIGHBOR "
            "REVERSE_SEQUENCE REVERSE_V2 SCATTER_ND SHAPE SLICE SPACE_TO_BATCH_ND SPACE_TO_DEPTH "
            "SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TILE TRANSPOSE UNPACK ZEROS_LIKE",
            _nothing,
            "moves data, no arithmetic",
        ),
    }


FORMULAS = _table()
"""Operator type, as in OperatorWork, to its formula."""
