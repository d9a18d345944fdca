"""For each ONNX operator: what of it is still raw input, given what goes in.

Wherever the graph alone cannot tell, the rule takes the side that keeps data on the device if the
operator acts on plain values, and says "not shown" if it acts on mixtures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from placer.onnx_files.injective import Proof, convolution_proof, matrix_proof
from placer.onnx_files.taint_values import CONSTANT, Node, Origin, Taint, joined

Rule = Callable[[Node], Taint | Sequence[Taint]]


def apply(node: Node) -> tuple[Taint, ...]:
    """Return the taint of each output of a node without bodies."""
    given = [taint for taint in node.taints if taint is not None]
    if node.op_type in _NO_VALUES:
        return (CONSTANT,) * len(node.outputs)
    if node.op_type in _RANDOM:
        noise = Taint(Origin.DERIVED, (node.op_type,), reason="random in every inference")
        return (noise,) * len(node.outputs)
    if not any(taint.is_raw for taint in given):
        return (joined([CONSTANT, *given]),) * len(node.outputs)
    found = RULES.get(node.op_type, _not_shown)(node)
    if isinstance(found, Taint):
        return (found,) * len(node.outputs)
    return tuple(found)[: len(node.outputs)]


def _not_shown(node: Node, reason: str = "") -> Taint:
    """Return the derived taint of the first raw input."""
    raw = next(taint for taint in node.taints if taint is not None and taint.is_raw)
    return raw.ended(node.op_type, reason)


_NO_VALUES = frozenset(("Shape", "Size", "Constant"))
"""They tell the size of an input at most."""
_RANDOM = frozenset(
    (
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    )
)


# --- moved, cut out, joined -----------------------------------------------------------------


def _moved(node: Node) -> Taint:
    """Keep all values of the first input, elsewhere or in another type."""
    data = node.taint(0)
    return data.then(node.op_type) if data.is_raw else _not_shown(node)


def _cut(node: Node) -> Taint:
    """Keep a part of the values of the first input: of plain values each is raw by itself."""
    data = node.taint(0)
    if not data.is_raw:
        return _not_shown(node)
    if data.is_mixed:
        return _not_shown(node, "a part of a mixture")
    return data.then(node.op_type)


def _cast(node: Node) -> Taint:
    if node.integer("to", 0) == 9:  # TensorProto.BOOL
        return _not_shown(node, "a truth value of each number")
    return _moved(node)


def _pad(node: Node) -> Taint:
    pads = node.constant(1) if node.has(1) else np.array(node.integers("pads"))
    grows = pads is not None and (pads >= 0).all()
    return _moved(node) if grows else _cut(node)


def _dropout(node: Node) -> Taint:
    training = node.constant(2) if node.has(2) else np.array(False)
    if training is None or training.any():
        return _not_shown(node, "values are dropped at random")
    return _moved(node)


def _dynamic_quantize(node: Node) -> Sequence[Taint]:
    return (_moved(node), *[_not_shown(node, "one number for the tensor")] * 2)


def _joined_inputs(*indices: int) -> Rule:
    """Keep the values of these inputs (none named: of all), side by side."""

    def rule(node: Node) -> Taint:
        chosen = [node.taint(i) for i in indices or range(len(node.taints))]
        raw = joined(chosen)
        if not raw.is_raw:
            return _not_shown(node)
        if raw.is_mixed and indices:  # some values of the mixture may be replaced
            return _not_shown(node, "a part of a mixture")
        return raw.then(node.op_type)

    return rule


MAX_WINDOW = 16
"""Values of a pooling window: a sixteenth of the pixels is still the picture, small."""


def _pool(node: Node) -> Sequence[Taint]:
    window = math.prod(node.integers("kernel_shape"))
    found = _not_shown(node, f"one value for {window}") if window > MAX_WINDOW else _cut(node)
    return (found, *[_not_shown(node, "places, not values")] * (len(node.outputs) - 1))


def _gather(node: Node) -> Taint:
    if node.taint(0).is_raw:
        return _cut(node)
    indices = node.taint(1)
    if node.taint(0).origin not in (Origin.CONSTANT, Origin.PUBLIC):
        return _not_shown(node, "looked up in a table that is computed")
    table = node.constant(0)
    if table is None or not table.ndim or node.integer("axis", 0) not in (0, -table.ndim):
        return _not_shown(node, "looked up in a table that is not known")
    distinct = len({row.tobytes() for row in table})
    if 2 * distinct < len(table):
        return _not_shown(node, f"{distinct} of {len(table)} rows of the table differ")
    return indices.then("Gather", is_mixed=True)


# --- number by number -----------------------------------------------------------------------


def _curve(node: Node) -> Taint:
    """Draw a curve over each number: of plain values that is a picture in other tones."""
    data = node.taint(0)
    if not data.is_raw:
        return _not_shown(node)
    if data.is_mixed:
        return _not_shown(node, "a curve over a mixture")
    return data.then(node.op_type)


def _leaky(node: Node) -> Taint:
    return _moved(node) if node.number("alpha", 0.01) > 0 else _curve(node)


def _prelu(node: Node) -> Taint:
    slope = node.constant(1)
    return _moved(node) if slope is not None and (slope > 0).all() else _curve(node)


MANY_VALUES = 4
"""An operand that is the same for so many raw values leaves their differences."""


def _blend(node: Node) -> Taint:
    """Return what the other operands of Add, Mul and their like leave of the raw ones."""
    raws = [(i, taint) for i, taint in enumerate(node.taints) if taint and taint.is_raw]
    others = [
        (i, taint)
        for i, taint in enumerate(node.taints)
        if taint and taint.origin is Origin.DERIVED
    ]
    raw = joined(taint for _, taint in raws)
    if others:
        is_shift = not raw.is_mixed and all(
            _is_shared(node.shape(node.names[raws[0][0]]), node.shape(node.names[i]))
            for i, _ in others
        )
        return raw.then(node.op_type) if is_shift else _not_shown(node, "joined with what it made")
    if len(raws) > 1:
        if any(taint.is_mixed for _, taint in raws):
            return _not_shown(node, "a sum of mixtures")
        return raw.then(node.op_type)
    if node.op_type in ("Max", "Min") and len(node.taints) > 1:
        return _curve_of(node, raw)
    if node.op_type == "Mul":
        factors = [node.constant(i) for i in range(len(node.taints)) if i != raws[0][0]]
        return _scaled(node, raw, factors)
    return raw.then(node.op_type)


def _curve_of(node: Node, raw: Taint) -> Taint:
    return _not_shown(node, "a curve over a mixture") if raw.is_mixed else raw.then(node.op_type)


def _scaled(node: Node, raw: Taint, factors: Sequence[np.ndarray | None]) -> Taint:
    """Return a product: zeros take values away."""
    if any(factor is not None and not factor.any() for factor in factors):
        return _not_shown(node, "times zero")
    if raw.is_mixed and not all(factor is not None and factor.all() for factor in factors):
        return _not_shown(node, "a mixture times numbers that may be zero")
    return raw.then(node.op_type)


def _is_shared(raw: tuple[int | str, ...] | None, other: tuple[int | str, ...] | None) -> bool:
    """Tell whether an operand is the same for at least ``MANY_VALUES`` raw values."""
    if raw is None or other is None:
        return False
    count = 1
    padded: tuple[int | str, ...] = (1,) * (len(raw) - len(other)) + other
    for size, shared in zip(raw, padded, strict=False):
        if shared == 1 and size != 1:
            count *= size if isinstance(size, int) else MANY_VALUES
    return count >= MANY_VALUES


def _power(node: Node) -> Taint:
    exponent = node.constant(1)
    if not node.taint(0).is_raw or exponent is None or not exponent.all():
        return _not_shown(node)
    return _curve(node)


def _batch_normalised(node: Node) -> Sequence[Taint]:
    data = node.taint(0)
    rest = [_not_shown(node, "statistics")] * (len(node.outputs) - 1)
    if not data.is_raw or node.integer("training_mode", 0):
        return (_not_shown(node), *rest)
    if any(node.taint(i).origin not in (Origin.CONSTANT, Origin.PUBLIC) for i in range(1, 5)):
        return (_not_shown(node, "normalised by what it made"), *rest)
    return (_scaled(node, data, [node.constant(1)]), *rest)


def _normalised(node: Node) -> Sequence[Taint]:
    """Normalise by its own mean and size: a picture loses brightness and contrast, no more."""
    first = _curve(node)
    return (first, *[_not_shown(node, "statistics")] * (len(node.outputs) - 1))


# --- linear ---------------------------------------------------------------------------------


def _proven(node: Node, index: int, proof: Proof) -> Taint:
    if not proof.is_shown:
        return _not_shown(node, f"not shown to be injective ({proof.reason})")
    return node.taint(index).then(node.op_type, is_mixed=True)


def _convolution(node: Node, weights: np.ndarray | None, bias: int) -> Taint:
    if not node.taint(0).is_raw:
        return _not_shown(node)
    if weights is None or weights.ndim < 3:
        return _not_shown(node, "its weights are not known")
    if node.taint(bias).origin is Origin.DERIVED or node.taint(bias).is_raw:
        return _not_shown(node, "its bias is computed")
    axes = weights.ndim - 2
    strides, dilations = (node.integers(name) or [1] * axes for name in ("strides", "dilations"))
    shape = node.shape(node.outputs[0]) or ()
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape[2:]]
    proof = convolution_proof(
        weights,
        strides=strides,
        dilations=dilations,
        groups=node.integer("group", 1),
        output_sizes=sizes or [None] * axes,
    )
    return _proven(node, 0, proof)


def _conv(node: Node) -> Taint:
    return _convolution(node, node.constant(1), 2)


def _integer_conv(node: Node) -> Taint:
    return _convolution(node, _shifted(node.constant(1), node.constant(3), axis=0), 4)


def _quantised_conv(node: Node) -> Taint:
    return _convolution(node, _shifted(node.constant(3), node.constant(5), axis=0), 8)


def _shifted(
    weights: np.ndarray | None, zero: np.ndarray | None, *, axis: int
) -> np.ndarray | None:
    """Return quantised weights around their zero point, which may differ along an axis."""
    if weights is None or zero is None:
        return weights
    shape = [1] * weights.ndim
    if zero.size > 1:
        shape[axis] = zero.size
    return np.asarray(weights.astype(np.float64) - zero.astype(np.float64).reshape(shape))


def _gemm(node: Node) -> Taint:
    left = node.taint(0).is_raw
    matrix = node.constant(1 if left else 0)
    if matrix is None or matrix.ndim != 2 or node.number("alpha", 1.0) == 0:
        return _not_shown(node, "the other matrix is not known")
    if node.taint(2).origin is Origin.DERIVED or node.taint(2).is_raw:
        return _not_shown(node, "its bias is computed")
    # y = x @ B loses nothing where x -> B.T x does; y = A @ x where A does
    turned = bool(node.integer("transB" if left else "transA", 0))
    operator = matrix if turned == left else matrix.T
    return _proven(node, 0 if left else 1, matrix_proof(operator))


def _product(node: Node, left: int, right: int, matrix: np.ndarray | None) -> Taint:
    """Return that of a matrix product; one side is raw, ``matrix`` the other."""
    is_left = node.taint(left).is_raw
    if is_left and node.taint(right).is_raw:
        return _not_shown(node, "a product of what it made")
    if matrix is None or matrix.ndim < 2:
        return _not_shown(node, "the other matrix is not known")
    stack = matrix.reshape(-1, *matrix.shape[-2:])
    proofs = [matrix_proof(one.T if is_left else one) for one in stack]
    worst = next((proof for proof in proofs if not proof.is_shown), proofs[0])
    return _proven(node, left if is_left else right, worst)


def _matmul(node: Node) -> Taint:
    return _product(node, 0, 1, node.constant(1 if node.taint(0).is_raw else 0))


def _integer_matmul(node: Node) -> Taint:
    is_left = node.taint(0).is_raw
    other, zero = (1, 3) if is_left else (0, 2)
    shifted = _shifted(node.constant(other), node.constant(zero), axis=-1 if is_left else -2)
    return _product(node, 0, 1, shifted)


def _quantised_matmul(node: Node) -> Taint:
    is_left = node.taint(0).is_raw
    other, zero = (3, 5) if is_left else (0, 2)
    shifted = _shifted(node.constant(other), node.constant(zero), axis=-1 if is_left else -2)
    return _product(node, 0, 3, shifted)


# --- the table ------------------------------------------------------------------------------

_MOVES = (
    "CastLike DepthToSpace DequantizeLinear Expand Flatten Identity OneHot Optional "
    "OptionalGetElement QuantizeLinear Reshape ReverseSequence SpaceToDepth Squeeze Tile "
    "Transpose Unsqueeze"
)
_CUTS = (
    "CenterCropPad Compress GatherElements GatherND GridSample Resize RoiAlign SequenceAt Slice "
    "Split SplitToSequence Trilu Upsample"
)
_CURVES = (
    "Abs Asinh Atan Ceil Celu Clip Elu Erf Exp Floor Gelu HardSigmoid HardSwish Log Mish "
    "Reciprocal Relu Round Selu Shrink Sigmoid Sinh Softplus Softsign Sqrt Swish Tanh "
    "ThresholdedRelu"
)
_NORMALISATIONS = (
    "GroupNormalization InstanceNormalization LRN LayerNormalization LpNormalization "
    "MeanVarianceNormalization RMSNormalization SimplifiedLayerNormalization"
)

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_MOVES.split(), _moved),
    **dict.fromkeys(_CUTS.split(), _cut),
    **dict.fromkeys(_CURVES.split(), _curve),
    **dict.fromkeys(_NORMALISATIONS.split(), _normalised),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min"), _blend),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pool),
    **dict.fromkeys(("Concat", "ConcatFromSequence", "SequenceConstruct"), _joined_inputs()),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), _joined_inputs(0, 2)),
    "BatchNormalization": _batch_normalised,
    "Cast": _cast,
    "Conv": _conv,
    "ConvInteger": _integer_conv,
    "Dropout": _dropout,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "Gather": _gather,
    "Gemm": _gemm,
    "LeakyRelu": _leaky,
    "MatMul": _matmul,
    "MatMulInteger": _integer_matmul,
    "Neg": _moved,
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _power,
    "QLinearConv": _quantised_conv,
    "QLinearMatMul": _quantised_matmul,
    "SequenceInsert": _joined_inputs(0, 1),
    "Where": _joined_inputs(1, 2),
}
"""Operators that are not here are not shown to keep anything."""
