"""For each ONNX operator: what of it is still raw input, given what goes in.

Wherever the graph alone cannot tell, the rule takes the side that keeps data on the device if the
operator acts on plain values, and says "not shown" if it acts on mixtures.
"""

from __future__ import annotations

from collections.abc import Mapping

from placer.onnx_files import (
    taint_curves,
    taint_dynamic,
    taint_fused,
    taint_linear,
    taint_nothing,
    taint_plain,
    taint_quantised,
    taint_truth,
)
from placer.onnx_files.taint_plain import Rule
from placer.onnx_files.taint_values import CONSTANT, Node, Origin, Taint, joined
from placer.onnx_files.taint_whole import KEEPING_BY_SHAPE, kept_input


def apply(node: Node) -> tuple[Taint, ...]:
    """Return the taint of each output of a node without bodies."""
    given = [taint for taint in node.taints if taint is not None]
    if node.op_type in _NO_VALUES:
        return (CONSTANT,) * len(node.outputs)
    if node.op_type in RANDOM:
        noise = Taint(Origin.DERIVED, (node.op_type,), reason="random in every inference")
        return (noise,) * len(node.outputs)
    if not any(taint.is_raw for taint in given):
        return (joined([CONSTANT, *given]),) * len(node.outputs)
    found = RULES.get(node.op_type, taint_plain.not_shown)(node)
    made = (found,) * len(node.outputs) if isinstance(found, Taint) else tuple(found)
    kept = kept_input(node)
    if kept is not None and node.taint(kept).is_raw:
        made = (node.taint(kept).then(node.op_type), *made[1:])
    return made[: len(node.outputs)]


_NO_VALUES = frozenset(("Shape", "Size", "Constant"))
"""They tell the size of an input at most."""
RANDOM = frozenset(
    (
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    )
)


_MOVES = (
    "CastLike DepthToSpace DequantizeLinear Expand Flatten Identity ImageDecoder OneHot "
    "Optional OptionalGetElement Reciprocal Reshape ReverseSequence SpaceToDepth Squeeze Tile "
    "Transpose Unsqueeze"
)
_CUTS = (
    "CenterCropPad GatherElements GatherND GridSample Resize RoiAlign SequenceAt Slice "
    "Split SplitToSequence Trilu Upsample"
)
_CURVES = (
    "Abs Acos Acosh Asin Atanh Ceil Clip Cos Cosh Floor Gelu "
    "HardSigmoid HardSwish Log Mish Relu Round Shrink Sin Sqrt Swish Tan ThresholdedRelu"
)
_SLOPED = ("Celu", "Elu", "LeakyRelu")
_NORMALISATIONS = (
    "GroupNormalization InstanceNormalization LRN LayerNormalization LogSoftmax LpNormalization "
    "MeanVarianceNormalization RMSNormalization SimplifiedLayerNormalization Softmax"
)
_REDUCTIONS = (
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum ReduceSumSquare"
)

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_MOVES.split(), taint_plain.moved),
    **dict.fromkeys(_CUTS.split(), taint_plain.cut),
    **dict.fromkeys(_CURVES.split(), taint_plain.curve),
    **dict.fromkeys((*taint_curves.RISING.split(), *_SLOPED), taint_curves.rising),
    **dict.fromkeys(_NORMALISATIONS.split(), taint_nothing.normalised_unless_of_one),
    **dict.fromkeys(_REDUCTIONS.split(), taint_plain.reduce),
    **dict.fromkeys(
        ("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod"), taint_nothing.bits
    ),
    **dict.fromkeys(taint_plain.STEPS, taint_plain.stepped),
    **dict.fromkeys(("DFT", "STFT"), taint_linear.transformed),
    **dict.fromkeys(("Add", "Sub", "Div", "Sum", "Mean", "Max", "Min"), taint_plain.blend),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), taint_plain.pool),
    **dict.fromkeys(
        ("Concat", "ConcatFromSequence", "SequenceConstruct"),
        taint_plain.joined_inputs(),
    ),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), taint_plain.joined_inputs(0, 2)),
    "BatchNormalization": taint_plain.batch_normalised,
    "Cast": taint_truth.cast,
    "Clip": taint_nothing.clipped,
    "Compress": taint_plain.compress,
    "Conv": taint_linear.conv,
    **dict.fromkeys(("BitwiseNot", "Not"), taint_plain.moved),
    "ConvTranspose": taint_linear.transposed_conv,
    "ConvInteger": taint_linear.integer_conv,
    "CumSum": taint_linear.cumulated,
    "Dropout": taint_plain.dropout,
    "DynamicQuantizeLinear": taint_plain.dynamic_quantize,
    "Einsum": taint_linear.einsum,
    "Gather": taint_plain.gather,
    "Gemm": taint_linear.gemm,
    "MatMul": taint_linear.matmul,
    "MatMulInteger": taint_quantised.integer_matmul,
    "Mul": taint_dynamic.multiplied,
    "Neg": taint_plain.moved,
    "PRelu": taint_curves.prelu,
    "Pad": taint_plain.pad,
    "Pow": taint_curves.power,
    "QLinearAdd": taint_quantised.added,
    "QLinearConcat": taint_quantised.joined,
    "QLinearConv": taint_quantised.conv,
    "QuantizeLinear": taint_quantised.quantised,
    "FusedConv": taint_fused.conv,
    "FusedGemm": taint_fused.gemm,
    "FusedMatMul": taint_fused.matmul,
    "ai.onnx.ml::FeatureVectorizer": taint_plain.joined_inputs(),
    "ai.onnx.ml::Imputer": taint_plain.moved,
    "ai.onnx.ml::Normalizer": taint_plain.normalised,
    "QLinearMul": taint_quantised.multiplied,
    "QLinearMatMul": taint_quantised.matmul,
    "QGemm": taint_quantised.gemm,
    "MatMulIntegerToFloat": taint_quantised.matmul_to_float,
    "DynamicQuantizeMatMul": taint_quantised.dynamic_matmul,
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSigmoid"), taint_plain.curve),
    "ai.onnx.ml::Scaler": taint_plain.scaled_columns,
    "SequenceInsert": taint_plain.joined_inputs(0, 1),
    "Where": taint_truth.where,
    **dict.fromkeys(("Equal", "Xor"), taint_truth.turned),
    **dict.fromkeys(("And", "Or"), taint_truth.masked),
}
"""Operators that are not here are not shown to keep anything."""

MAY_KEEP_MIXTURES = frozenset(
    set(RULES)
    - {*_CURVES.split(), *_NORMALISATIONS.split(), *_REDUCTIONS.split(), "Max", "Min"}
    - {*taint_plain.STEPS, "LpPool", "DynamicQuantizeLinear", "ai.onnx.ml::Normalizer"}
) | set(KEEPING_BY_SHAPE)
"""Operators that keep all of a mixture, or may with some constants and shapes."""
