"""The work of a model: operations and bytes of each operator type.

Operations are 2 x multiply-accumulates and one per elementary operation, where exp, tanh, erf,
sigmoid, a division, a comparison or a rounding each count as one. Integer arithmetic of quantised
operators counts the same. What only moves or reinterprets data costs no operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from placer.core.graph import OperatorWork, by_operator, known_sum
from placer.onnx_files.shapes import EQUATION, MICROSOFT, Step, Trace, UnknownShapeError

_VIEWS = frozenset(
    (
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Identity",
        "Dropout",
        "Shape",
        "Size",
        "Constant",
    )
)
"""Nodes that the runtime drops or answers without touching the data."""

_PARTIAL_READS = frozenset(("Gather", "GatherElements", "GatherND", "Slice", "Compress"))
"""Operators that read of their first input no more than they write."""


@dataclass(frozen=True, slots=True)
class Formula:
    """How many operations a node takes."""

    count: Callable[[Step], float]
    """Raises UnknownShapeError where it needs a dimension that is not known."""
    text: str


def count_operators(trace: Trace) -> tuple[OperatorWork, ...]:
    """Sum the work of the nodes that run, by operator type.

    Constant subgraphs and views (Reshape, Squeeze, Dropout, ...) are left out. A branch counts
    under its If, the larger one where either may run; a body counts under its Loop or Scan, once
    per trip. An operator without a formula, or with a shape that depends on the data, has flops
    None; it is never silently zero.

    Parameters
    ----------
    trace
        A walked model (``shapes.trace_model``).

    Returns
    -------
    tuple of OperatorWork
        Sorted by operator type.
    """
    return _count(trace.steps)


def flops_of(step: Step) -> int | None:
    """Return the operations of one node; 0 for a view, None where they are not known."""
    return known_sum(work.flops for work in _count((step,)))


def _count(steps: Iterable[Step]) -> tuple[OperatorWork, ...]:
    found: dict[str, list[OperatorWork]] = {}
    for step in steps:
        if not step.folded and not (step.domain == "" and step.op_type in _VIEWS):
            name = f"{step.domain}::{step.op_type}" if step.domain else step.op_type
            found.setdefault(name, []).append(_work(name, step))
    return by_operator(found)


def _work(name: str, step: Step) -> OperatorWork:
    if step.domain == "" and step.op_type in ("If", "Loop", "Scan"):
        return _control_flow(step)
    flops = None
    formula = FORMULAS.get(name)
    if formula is None:
        source = f"no formula is known for {name}"
    else:
        source = f"{_specification(step)}: {formula.text}"
        try:
            flops = round(formula.count(step))
        except (UnknownShapeError, IndexError, KeyError, ValueError, ZeroDivisionError):
            source += " (a shape is unknown or does not fit)"
    return OperatorWork(name, 1, flops, _bytes_moved(step), source)


def _specification(step: Step) -> str:
    if step.domain == MICROSOFT:
        return f"ONNX Runtime contrib operators (ContribOperators.md) {step.op_type}"
    import onnx

    try:
        since = onnx.defs.get_schema(step.op_type, step.version, step.domain).since_version
    except onnx.defs.SchemaError:
        since = step.version
    return f"ONNX operator specification {step.op_type}-{since}"


def _control_flow(step: Step) -> OperatorWork:
    bodies = [_count(body.steps) for body in step.bodies]
    flops = [known_sum(work.flops for work in body) for body in bodies]
    moved = [known_sum(work.bytes_moved for work in body) for body in bodies]
    unknown = sorted({work.op_type for body in bodies for work in body if work.flops is None})
    if step.op_type == "If":
        times: int | None = 1
        text = "the larger branch" if len(bodies) > 1 else "the branch that the constant picks"
    else:
        times = step.trips
        text = "an unknown number of trips" if times is None else f"{times} x the body"
    inside = f" (unknown inside: {', '.join(unknown)})" if unknown else ""
    return OperatorWork(
        op_type=step.op_type,
        n_nodes=1,
        flops=_largest(flops, times),
        bytes_moved=_largest(moved, times),
        source=f"{_specification(step)}: {text}{inside}",
    )


def _largest(values: list[int | None], times: int | None) -> int | None:
    if times is None or not values or any(value is None for value in values):
        return None
    return times * max(value for value in values if value is not None)


def _bytes_moved(step: Step) -> int | None:
    sizes = {
        name: tensor.n_bytes
        for name, tensor in zip(step.input_names, step.inputs, strict=True)
        if tensor is not None
    }
    if step.op_type in _PARTIAL_READS and step.domain == "":
        sizes[step.input_names[0]] = step.output().n_bytes
    return known_sum([*sizes.values(), *(t.n_bytes for t in step.outputs if t is not None)])


# --- counting -------------------------------------------------------------------------------


def _nothing(step: Step) -> float:
    return 0


def _per_output(operations: float) -> Callable[[Step], float]:
    return lambda step: operations * step.output().size


def _per_input(operations: float, index: int = 0) -> Callable[[Step], float]:
    return lambda step: operations * step.input(index).size


def _plus(*parts: Callable[[Step], float]) -> Callable[[Step], float]:
    return lambda step: sum(part(step) for part in parts)


def _integer(step: Step, name: str, default: int) -> int:
    return int(step.attributes.get(name, default))


def _variadic(step: Step) -> float:
    return (len(step.inputs) - 1) * step.output().size


def _convolution(weight: int, bias: int | None, extra: int = 0) -> Callable[[Step], float]:
    """Weight (M, C/group, *kernel); every output element sums C/group x kernel products."""

    def count(step: Step) -> float:
        per_output = 2 * math.prod(step.input(weight).dims[1:]) + extra
        per_output += bias is not None and step.has(bias)
        return per_output * step.output().size

    return count


def _transposed_convolution(step: Step) -> float:
    """Weight (C, M/group, *kernel); every input element goes into M/group x kernel products."""
    products = step.input(0).size * math.prod(step.input(1).dims[1:])
    return 2 * products + (step.output().size if step.has(2) else 0)


def _deformable_convolution(step: Step) -> float:
    kernel = step.input(1).dims[2:]
    channels = step.input(0).dims[1]
    samples = step.output().dims[0] * channels * math.prod((*kernel, *step.output().dims[2:]))
    sampling = samples * (8 if step.has(4) else 7)
    bias = step.output().size if step.has(3) else 0
    products = step.output().size * math.prod(step.input(1).dims[1:])
    return 2 * products + bias + sampling


def _matrix_product(a: int = 0, extra: int = 0) -> Callable[[Step], float]:
    """Inner dimension: the last one of input ``a``."""
    return lambda step: (2 * step.input(a).dims[-1] + extra) * step.output().size


def _gemm(bias: int, extra: int = 0) -> Callable[[Step], float]:
    def count(step: Step) -> float:
        a = step.input(0).dims
        inner = a[0] if _integer(step, "transA", 0) else a[1]
        return (2 * inner + step.has(bias) + extra) * step.output().size

    return count


def _fused_matmul(step: Step) -> float:
    if _integer(step, "transBatchA", 0):
        raise UnknownShapeError
    a = step.input(0).dims
    inner = a[-2] if _integer(step, "transA", 0) else a[-1]
    return 2 * inner * step.output().size


def _matmul_n_bits(step: Step) -> float:
    weights = _integer(step, "N", 0) * _integer(step, "K", 0)
    bias = step.output().size if step.has(5) else 0
    return 2 * _integer(step, "K", 0) * step.output().size + 2 * weights + bias


def _einsum(step: Step) -> float:
    equation = step.attributes["equation"]
    if not EQUATION.fullmatch(equation):
        raise UnknownShapeError
    text = equation.decode()
    left, arrow, right = text.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    terms = left.split(",")
    for index, term in enumerate(terms):
        dims = step.input(index).dims
        before, dots, after = term.partition("...")
        n_broadcast = len(dims) - len(before) - len(after) if dots else 0
        labels = [*before, *(f".{n_broadcast - i}" for i in range(n_broadcast)), *after]
        for label, size in zip(labels, dims, strict=False):
            sizes[label] = max(size, sizes.get(label, 1))
    kept = {label for label in sizes if label.startswith(".") or label in right}
    if not arrow:
        kept = {label for label in sizes if label.startswith(".") or left.count(label) == 1}
    work = math.prod(sizes.values())
    return work * (len(terms) - 1 + (len(kept) < len(sizes)))


def _recurrent(gates: int, elementary: int, peepholes: int) -> Callable[[Step], float]:
    """X (T, N, I) or (N, T, I), W (directions, gates x H, I)."""

    def count(step: Step) -> float:
        first, second, features = step.input(0).dims
        directions, _, hidden = step.input(2).dims
        per_step = 2 * gates * hidden * (features + hidden) + elementary * hidden
        per_step += 2 * gates * hidden if step.has(3) else 0
        per_step += 2 * peepholes * hidden if step.has(7) else 0
        return directions * first * second * per_step

    return count


SOFTMAX = 5
"""Operations per element: maximum, subtract, exp, sum, divide."""


def _attend(pairs: float, width: int, value_width: int, extra: int) -> float:
    """Scores and weighted values of ``pairs`` (query, key) pairs, summed over batch and heads."""
    return pairs * (2 * width + 2 * value_width + SOFTMAX + 1 + extra)


def _attention(step: Step) -> float:
    """Q, K, V (batch, heads, length, width) or (batch, length, heads x width)."""
    q, k, v = (step.input(i).dims for i in range(3))
    if len(q) == 4:
        batch, heads, queries, width = q
        keys, value_width = k[2], v[3]
    else:
        heads, kv_heads = _integer(step, "q_num_heads", 0), _integer(step, "kv_num_heads", 0)
        batch, queries, width = q[0], q[1], q[2] // heads
        keys, value_width = k[1], v[2] // kv_heads
    keys += step.input(4).dims[2] if step.has(4) else 0
    extra = step.has(3) + 3 * bool(step.attributes.get("softcap"))
    return _attend(batch * heads * queries * keys, width, value_width, extra)


def _projected_attention(past: int) -> Callable[[Step], float]:
    """Input (batch, length, features), weight (features, q + k + v widths)."""

    def count(step: Step) -> float:
        batch, length, features = step.input(0).dims
        total = step.input(1).dims[1]
        _, k_width, v_width = step.attributes.get("qkv_hidden_sizes") or [total // 3] * 3
        heads = _integer(step, "num_heads", 1)
        projection = batch * length * total * (2 * features + step.has(2))
        keys = length + (step.input(past).dims[3] if step.has(past) else 0)
        pairs = batch * heads * length * keys
        return projection + _attend(pairs, k_width // heads, v_width // heads, 0)

    return count


def _multi_head_attention(step: Step) -> float:
    query = step.input(0).dims
    heads = _integer(step, "num_heads", 1)
    batch, queries = query[:2]
    if len(query) == 5:  # packed query, key and value
        keys, width, value_width = queries, query[4], query[4]
    else:
        width = query[2] // heads
        key, value = step.input(1).dims, step.input(2).dims if step.has(2) else ()
        keys = key[2] if len(key) == 4 else key[1]
        value_width = width
        if value:
            value_width = value[3] if len(value) == 4 else value[2] // heads
    keys += step.input(6).dims[2] if step.has(6) else 0
    bias = step.input(0).size if step.has(3) else 0
    return bias + _attend(batch * heads * queries * keys, width, value_width, step.has(5))


def _group_query_attention(step: Step) -> float:
    batch, queries, hidden = step.input(0).dims
    heads, kv_heads = _integer(step, "num_heads", 1), _integer(step, "kv_num_heads", 1)
    width = hidden // heads if step.has(1) else hidden // (heads + 2 * kv_heads)
    keys = queries + (step.input(3).dims[2] if step.has(3) else 0)
    rotated = batch * queries * width * (heads + kv_heads) * 3 * _integer(step, "do_rotary", 0)
    return rotated + _attend(batch * heads * queries * keys, width, width, 0)


def _causal_convolution(step: Step) -> float:
    activation = step.attributes.get("activation", b"none") not in (b"none", b"")
    kernel = step.input(1).dims[-1]
    return (2 * kernel + step.has(2) + 2 * activation) * step.output().size


def _pool(per_tap: int) -> Callable[[Step], float]:
    return lambda step: per_tap * math.prod(step.attributes["kernel_shape"]) * step.output().size


def _normalize(operations: int, bias: int | None = None) -> Callable[[Step], float]:
    return lambda step: (operations + (bias is not None and step.has(bias))) * step.input(0).size


def _skip_normalize(operations: int, bias: int, shift: int | None) -> Callable[[Step], float]:
    def count(step: Step) -> float:
        shifted = shift is not None and step.has(shift)
        return (operations + 1 + step.has(bias) + shifted) * step.input(0).size

    return count


def _embed_layer_normalize(step: Step) -> float:
    added = 1 + step.has(4)
    return (added + 7) * step.output().size


def _local_response(step: Step) -> float:
    return (_integer(step, "size", 1) + 5) * step.output().size


def _top_k(step: Step) -> float:
    axis = _integer(step, "axis", -1)
    k = step.output().dims[axis]
    return step.input(0).size * max(1.0, math.log2(max(k, 1)))


def _interpolate(step: Step) -> float:
    mode = step.attributes.get("mode", b"nearest")
    pairs = zip(step.input(0).dims, step.output().dims, strict=True)
    resized = sum(1 for before, after in pairs if before != after)
    return _taps(mode, resized) * step.output().size


def _grid_sample(step: Step) -> float:
    mode = step.attributes.get("mode", b"linear")
    return _taps(mode, len(step.input(0).dims) - 2) * step.output().size


def _taps(mode: bytes, rank: int) -> int:
    if mode == b"nearest":
        return 0
    return 2 * int((4 if b"cubic" in mode else 2) ** rank) if rank else 0


def _region_align(step: Step) -> float:
    ratio = _integer(step, "sampling_ratio", 0)
    if ratio == 0:  # adapts to the size of each region
        raise UnknownShapeError
    return 8 * ratio * ratio * step.output().size


def _affine_grid(step: Step) -> float:
    return 2 * (step.output().dims[-1] + 1) * step.output().size


def _determinant(step: Step) -> float:
    return 2 / 3 * step.input(0).dims[-1] * step.input(0).size


def _fourier(step: Step) -> float:
    """5 n log2 n per transform of n points."""
    dims = step.input(0).dims
    axis = _integer(step, "axis", 1) if step.version < 20 else -2
    if step.has(2):
        axis = int(step.value(2).reshape(-1)[0])
    length = int(step.value(1).reshape(-1)[0]) if step.has(1) else dims[axis]
    transforms = step.input(0).size // (dims[axis] * dims[-1])
    return transforms * _fft(length)


def _short_fourier(step: Step) -> float:
    """Output (batch, frames, bins, 2)."""
    batch, frames = step.output().dims[:2]
    if step.has(2):
        length = step.input(2).dims[0]
    elif step.has(3):
        length = int(step.value(3).reshape(-1)[0])
    else:
        raise UnknownShapeError
    return batch * frames * (_fft(length) + (length if step.has(2) else 0))


def _fft(length: int) -> float:
    return 5 * length * math.log2(max(length, 2))


def _linear_model(step: Step) -> float:
    samples = step.input(0).dims[0]
    coefficients = len(step.attributes["coefficients"])
    return samples * (2 * coefficients + len(step.attributes.get("intercepts", ())))


def _quantised_pool(step: Step) -> float:
    return step.input(0).size + 2 * step.output().size


# --- the table ------------------------------------------------------------------------------


def _same(names: str, count: Callable[[Step], float], text: str) -> dict[str, Formula]:
    return {name: Formula(count, text) for name in names.split()}


def _contributed(table: dict[str, Formula]) -> dict[str, Formula]:
    return {f"{MICROSOFT}::{name}": formula for name, formula in table.items()}


def _elementwise() -> dict[str, Formula]:
    per_output = {
        1: "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
        "BitwiseXor Ceil Cos Cosh CumProd CumSum Div Equal Erf Exp Floor Greater GreaterOrEqual "
        "IsInf IsNaN Less LessOrEqual Log Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid "
        "Sign Sin Sinh Sqrt Sub Tan Tanh Where Xor Softplus",
        2: "Clip LeakyRelu PRelu Swish Shrink Softsign ThresholdedRelu",
        3: "Mish SwiGLU RotaryEmbedding",
        4: "Elu HardSigmoid Selu",
        5: "Celu Gelu HardSwish",
    }
    table: dict[str, Formula] = {}
    for operations, names in per_output.items():
        text = f"{operations} per output element"
        table |= _same(names, _per_output(operations), text)
    return table


def _table() -> dict[str, Formula]:
    """Return the formulas, by operator type."""
    conv = "2 x out elements x in channels per group x kernel, + out elements with a bias"
    matmul = "2 x out elements x inner dimension"
    norm = "per element: sum, subtract, square, sum, scale by 1/deviation, scale, shift"
    softmax = "5 per element: maximum, subtract, exp, sum, divide"
    quantise = "3 per element: divide, round, add the zero point"
    dequantise = "2 per element: subtract the zero point, multiply"
    attention = (
        "per (query, key): 2 x width for the score, 2 x value width, scale, softmax (5), mask (1)"
    )
    moved = "moves data, no arithmetic"
    table = {
        **_elementwise(),
        **_same("Max Min Sum", _variadic, "(inputs - 1) per output element"),
        "Mean": Formula(_plus(_variadic, _per_output(1)), "inputs per output element"),
        "Conv": Formula(_convolution(1, 2), conv),
        "ConvInteger": Formula(_convolution(1, None), conv),
        "QLinearConv": Formula(_convolution(3, 8, 3), f"{conv}, + 3 per output to requantise"),
        "ConvTranspose": Formula(
            _transposed_convolution,
            "2 x in elements x out channels per group x kernel, + out elements with a bias",
        ),
        "DeformConv": Formula(
            _deformable_convolution, f"{conv}, + 7 per bilinear sample, + 1 with a mask"
        ),
        "CausalConvWithState": Formula(
            _causal_convolution, "per output: 2 x kernel, + 1 with a bias, + 2 for Swish"
        ),
        "Gemm": Formula(_gemm(2), f"{matmul}, + out elements with C"),
        "MatMul": Formula(_matrix_product(), matmul),
        "MatMulInteger": Formula(_matrix_product(), matmul),
        "QLinearMatMul": Formula(_matrix_product(0, 3), f"{matmul}, + 3 per output to requantise"),
        "Einsum": Formula(
            _einsum, "all index sizes x (operands - 1 multiplications + 1 if summed), unoptimised"
        ),
        "LSTM": Formula(
            _recurrent(4, 9, 3),
            "per step, sample, direction: 2 x 4H(I + H), + 8H with B, + 6H with P, + 9H",
        ),
        "GRU": Formula(
            _recurrent(3, 8, 0),
            "per step, sample, direction: 2 x 3H(I + H), + 6H with B, + 8H",
        ),
        "RNN": Formula(
            _recurrent(1, 1, 0), "per step, sample, direction: 2 x H(I + H), + 2H with B, + H"
        ),
        "Attention": Formula(_attention, attention),
        "BatchNormalization": Formula(
            _per_input(2), "2 per element: at inference scale and shift are constants per channel"
        ),
        "LayerNormalization": Formula(_normalize(6, 2), norm),
        "InstanceNormalization": Formula(_normalize(7), norm),
        "GroupNormalization": Formula(_normalize(7), norm),
        "RMSNormalization": Formula(_normalize(4), "4 per element: square, sum, divide, scale"),
        "LpNormalization": Formula(_per_input(3), "3 per element: power, sum, divide"),
        "MeanVarianceNormalization": Formula(
            _per_input(5), "5 per element: sum, subtract, square, sum, divide"
        ),
        "LRN": Formula(
            _local_response, "size + 5 per element: square, sum, scale, shift, power, divide"
        ),
        **_same("MaxPool AveragePool", _pool(1), "kernel elements per output element"),
        "LpPool": Formula(
            _plus(_pool(2), _per_output(1)), "2 x kernel elements + 1 per output element"
        ),
        **_same("GlobalAveragePool GlobalMaxPool", _per_input(1), "1 per input element"),
        "GlobalLpPool": Formula(_per_input(2), "2 per input element: power, sum"),
        **_same("Softmax LogSoftmax", _per_input(SOFTMAX), softmax),
        "Hardmax": Formula(_per_input(1), "1 per element: compare"),
        **_same(
            "ReduceSum ReduceMax ReduceMin ReduceProd ArgMax ArgMin NonZero",
            _per_input(1),
            "1 per input element",
        ),
        "ReduceMean": Formula(
            _plus(_per_input(1), _per_output(1)), "1 per input element, 1 per output element"
        ),
        **_same("ReduceL1 ReduceSumSquare", _per_input(2), "2 per input element"),
        "ReduceL2": Formula(
            _plus(_per_input(2), _per_output(1)), "2 per input element, 1 per output element"
        ),
        "ReduceLogSum": Formula(
            _plus(_per_input(1), _per_output(1)), "1 per input element, 1 per output element"
        ),
        "ReduceLogSumExp": Formula(
            _plus(_per_input(2), _per_output(1)), "2 per input element, 1 per output element"
        ),
        "TopK": Formula(_top_k, "comparisons: n x log2 k"),
        **_same(
            "Resize Upsample",
            _interpolate,
            "per output: 2 x taps, 2 (linear) or 4 (cubic) to the power of the resized axes",
        ),
        "GridSample": Formula(
            _grid_sample, "per output: 2 x taps, 2 (linear) or 4 (cubic) to the spatial rank"
        ),
        "RoiAlign": Formula(_region_align, "8 per bilinear sample, sampling_ratio^2 per output"),
        "AffineGrid": Formula(_affine_grid, "2 x (rank + 1) per output element"),
        "QuantizeLinear": Formula(_per_output(3), quantise),
        "DequantizeLinear": Formula(_per_output(2), dequantise),
        "DynamicQuantizeLinear": Formula(
            _per_output(5), "5 per element: minimum, maximum, divide, round, add"
        ),
        "Det": Formula(_determinant, "2/3 n^3 per matrix (LU decomposition)"),
        "DFT": Formula(_fourier, "5 n log2 n per transform (Frigo and Johnson 2005)"),
        "STFT": Formula(
            _short_fourier, "5 n log2 n per frame (Frigo and Johnson 2005), + n with a window"
        ),
        **_same(
            "BitCast Cast CastLike CenterCropPad Compress Concat ConcatFromSequence "
            "ConstantOfShape DepthToSpace Expand EyeLike Gather GatherElements GatherND OneHot "
            "Optional OptionalGetElement OptionalHasElement MaxUnpool Pad Range ReverseSequence "
            "Scatter SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert "
            "SequenceLength Slice SpaceToDepth Split SplitToSequence TensorScatter Tile Transpose "
            "Trilu",
            _nothing,
            moved,
        ),
        **_same(
            "ScatterElements ScatterND",
            lambda step: (
                0 if step.attributes.get("reduction", b"none") == b"none" else step.input(2).size
            ),
            f"{moved}; 1 per update with a reduction",
        ),
        "Col2Im": Formula(_per_input(1), "1 per input element: add"),
    }
    contributed = {
        "FusedConv": Formula(_convolution(1, 2, 1), f"{conv}, + 1 per output to activate"),
        "FusedMatMul": Formula(_fused_matmul, matmul),
        "FusedGemm": Formula(_gemm(2, 1), f"{matmul}, + out elements with C, + 1 to activate"),
        "QGemm": Formula(_gemm(6, 3), f"{matmul}, + out elements with C, + 3 to requantise"),
        "MatMulNBits": Formula(
            _matmul_n_bits, f"{matmul}, + 2 per weight to dequantise, + out elements with a bias"
        ),
        "MatMulIntegerToFloat": Formula(_matrix_product(0, 1), f"{matmul}, + 1 to rescale"),
        "DynamicQuantizeMatMul": Formula(
            _plus(_matrix_product(0, 1), _per_input(5)),
            f"{matmul}, + 1 to rescale, + 5 per input element to quantise",
        ),
        "Gelu": Formula(_per_output(5), "5 per output element"),
        "QuickGelu": Formula(_per_output(3), "3 per output element"),
        "BiasGelu": Formula(_per_output(6), "6 per output element"),
        "FastGelu": Formula(
            lambda step: (9 + step.has(1)) * step.output().size,
            "9 per output element, + 1 with a bias",
        ),
        "LayerNormalization": Formula(_normalize(6, 2), norm),
        "SimplifiedLayerNormalization": Formula(
            _normalize(4), "4 per element: square, sum, divide, scale"
        ),
        "GroupNorm": Formula(_normalize(7), norm),
        "SkipLayerNormalization": Formula(
            _skip_normalize(6, 4, 3), f"{norm}; add the skip and the bias"
        ),
        "SkipSimplifiedLayerNormalization": Formula(
            _skip_normalize(4, 3, None), "4 per element to normalise; add the skip and the bias"
        ),
        "EmbedLayerNormalization": Formula(
            _embed_layer_normalize, f"{norm}; add the position and the segment embeddings"
        ),
        "Attention": Formula(
            _projected_attention(4), f"projection: 2 x features per width; {attention}"
        ),
        "QAttention": Formula(
            _projected_attention(8), f"projection: 2 x features per width; {attention}"
        ),
        "MultiHeadAttention": Formula(_multi_head_attention, attention),
        "GroupQueryAttention": Formula(
            _group_query_attention, f"{attention}; the past at its whole buffer length"
        ),
        "RotaryEmbedding": Formula(_per_output(3), "3 per output element"),
        "NhwcMaxPool": Formula(_pool(1), "kernel elements per output element"),
        "QuantizeLinear": Formula(_per_output(3), quantise),
        "DequantizeLinear": Formula(_per_output(2), dequantise),
        **_same("QLinearAdd QLinearMul", _per_output(8), "8: dequantise two, 1, requantise"),
        **_same("QLinearSigmoid QLinearLeakyRelu", _per_output(6), "6: dequantise, 1, requantise"),
        "QLinearSoftmax": Formula(_per_output(SOFTMAX + 5), f"{softmax}; rescale (5)"),
        "QLinearGlobalAveragePool": Formula(
            _quantised_pool, "1 per input element, 2 per output element to rescale"
        ),
        "QLinearConcat": Formula(_per_output(5), "5 per element: dequantise, requantise"),
    }
    classic = {
        **_same(
            "LinearClassifier LinearRegressor",
            _linear_model,
            "2 x coefficients + intercepts per sample",
        ),
        "Scaler": Formula(_per_output(2), "2 per element: subtract, multiply"),
        "Normalizer": Formula(_per_output(3), "3 per element: power, sum, divide"),
        "Binarizer": Formula(_per_output(1), "1 per element: compare"),
        "Imputer": Formula(_per_output(1), "1 per element: compare"),
        **_same("ArrayFeatureExtractor FeatureVectorizer LabelEncoder ZipMap", _nothing, moved),
    }
    table |= _contributed(contributed)
    return table | {f"ai.onnx.ml::{name}": formula for name, formula in classic.items()}


FORMULAS = _table()
"""Operator type, as in OperatorWork, to its formula."""
