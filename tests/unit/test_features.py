"""Work of operators against closed forms and published totals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from placer.core.errors import InputError, UsageError
from placer.core.graph import OperatorWork
from placer.onnx_files.features import FORMULAS, count_operators
from placer.onnx_files.reader import read_model
from placer.onnx_files.shapes import trace_model
from tests.models import build, integers, tensor, weights

MICROSOFT = "com.microsoft"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def _works(model: Any) -> dict[str, OperatorWork]:
    return {work.op_type: work for work in count_operators(trace_model(model))}


def _node(
    op: str,
    shapes: Sequence[tuple[int, ...] | None],
    *,
    outputs: int = 1,
    domain: str = "",
    types: dict[int, str] | None = None,
    opset: int = 25,
    constants: dict[int, Any] | None = None,
    **attributes: Any,
) -> OperatorWork:
    """Work of one node whose inputs, by default float32, have the shapes; None: left out."""
    constants, types = constants or {}, types or {}
    names = ["" if s is None and i not in constants else f"i{i}" for i, s in enumerate(shapes)]
    node = helper.make_node(
        op, names, [f"o{i}" for i in range(outputs)], domain=domain, **attributes
    )
    inputs = [
        tensor(name, shape, types.get(i, "float32"))
        for i, (name, shape) in enumerate(zip(names, shapes, strict=True))
        if name and i not in constants
    ]
    initializers = [numpy_helper.from_array(np.array(v), f"i{i}") for i, v in constants.items()]
    open_outputs = [onnx.ValueInfoProto(name=f"o{i}") for i in range(outputs)]
    domains = [domain] if domain else []
    model = build([node], inputs, open_outputs, initializers, opset=opset, domains=domains)
    (work,) = count_operators(trace_model(model))
    return work


X = (2, 6, 10, 10)  # 1200 elements
ROW = (2, 6)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "flops"),
    [
        # Simonyan and Zisserman's 3x3 layer: 64 x 56 x 56 x 64 x 9 multiply-accumulates
        ("Conv", [(1, 64, 56, 56), (64, 64, 3, 3)], {"pads": [1] * 4}, 2 * 115_605_504),
        ("Conv", [(1, 64, 56, 56), (64, 64, 3, 3), (64,)], {"pads": [1] * 4}, 231_411_712),
        ("Conv", [(1, 32, 8, 8), (32, 1, 3, 3)], {"group": 32, "pads": [1] * 4}, 2 * 9 * 32 * 64),
        ("Conv", [(1, 8, 16), (4, 8, 5)], {"strides": [2]}, 2 * 4 * 6 * 8 * 5),
        ("ConvTranspose", [(1, 8, 4, 4), (8, 3, 2, 2), (3,)], {}, 2 * 8 * 16 * 12 + 3 * 25),
        ("Gemm", [(1, 9216), (9216, 4096), (4096,)], {}, 2 * 9216 * 4096 + 4096),  # AlexNet fc6
        ("Gemm", [(7, 3), (5, 7)], {"transA": 1, "transB": 1}, 2 * 3 * 7 * 5),
        ("MatMul", [(1, 12, 128, 64), (1, 12, 64, 128)], {}, 2 * 12 * 128 * 128 * 64),
        ("MatMul", [(128, 768), (768, 3072)], {}, 2 * 128 * 768 * 3072),  # BERT-base, first FFN
        ("MatMul", [(5,), (5,)], {}, 10),
        ("Einsum", [(3, 4), (4, 5)], {"equation": "ij,jk->ik"}, 2 * 60),
        ("Einsum", [(3, 4), (4, 5)], {"equation": "ij,jk"}, 2 * 60),
        ("Einsum", [(3,), (4,)], {"equation": "i,j->ij"}, 12),
        ("Einsum", [(2, 1, 3, 4), (7, 4, 5)], {"equation": "...ij, ...jk -> ...ik"}, 2 * 840),
        ("Einsum", [(3, 3)], {"equation": "ii"}, 3),
        ("Relu", [X], {}, 1200),
        ("Add", [X, (10,)], {}, 1200),
        ("Mul", [(4, 1), (1, 5)], {}, 20),
        ("Where", [ROW, ROW, ROW], {"types": {0: "bool"}}, 12),
        ("Max", [ROW, ROW, ROW], {}, 24),
        ("Sum", [ROW, ROW], {}, 12),
        ("Mean", [ROW, ROW, ROW], {}, 36),
        ("Gelu", [ROW], {}, 60),
        ("HardSwish", [ROW], {}, 60),
        ("Clip", [ROW], {}, 24),
        ("Softmax", [ROW], {}, 60),
        ("BatchNormalization", [X, (6,), (6,), (6,), (6,)], {}, 2400),
        ("LayerNormalization", [ROW, (6,)], {}, 6 * 12),
        ("LayerNormalization", [ROW, (6,), (6,)], {}, 7 * 12),
        ("RMSNormalization", [ROW, (6,)], {}, 4 * 12),
        ("GroupNormalization", [X, (6,), (6,)], {"num_groups": 3}, 7 * 1200),
        ("LRN", [X], {"size": 5}, 10 * 1200),
        ("MaxPool", [X], {"kernel_shape": [2, 2], "strides": [2, 2]}, 4 * 300),
        ("LpPool", [X], {"kernel_shape": [2, 2], "strides": [2, 2]}, 9 * 300),
        ("GlobalAveragePool", [X], {}, 1200),
        ("ReduceSum", [X], {}, 1200),
        ("ReduceMean", [X], {}, 1201),
        ("ReduceL2", [X], {}, 2401),
        ("ReduceLogSum", [X], {}, 1201),
        ("ArgMax", [ROW], {"axis": 1}, 12),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {}, 2 * 4 * 48),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {"mode": "nearest"}, 0),
        ("GridSample", [(1, 3, 8, 8), (1, 4, 4, 2)], {"mode": "cubic"}, 2 * 16 * 48),
        ("Det", [(2, 6, 6)], {}, 2 * 2 * 6**3 // 3),
        ("QuantizeLinear", [ROW, ()], {}, 36),
        ("DynamicQuantizeLinear", [ROW], {"outputs": 3}, 60),
        ("SwiGLU", [ROW, ROW], {"opset": 28}, 36),
        ("CausalConvWithState", [(2, 6, 10), (6, 1, 4)], {"opset": 27, "outputs": 2}, 8 * 120),
        (
            "CausalConvWithState",
            [(2, 6, 10), (6, 1, 4), (6,)],
            {"opset": 27, "outputs": 2, "activation": "silu"},
            11 * 120,
        ),
        ("DeformConv", [(1, 2, 4, 4), (3, 2, 1, 1), (1, 2, 4, 4)], {}, 2 * 48 * 2 + 7 * 32),
        (
            "RoiAlign",
            [(1, 3, 8, 8), (2, 4), (2,)],
            {"output_height": 2, "output_width": 2, "sampling_ratio": 2, "types": {2: "int64"}},
            8 * 4 * 24,
        ),
        (
            "Attention",
            [(1, 12, 128, 64), (1, 12, 256, 64), (1, 12, 256, 32)],
            {},
            12 * 128 * 256 * (2 * 64 + 2 * 32 + 6),
        ),
        (
            "Attention",
            [(1, 128, 768), (1, 128, 192), (1, 128, 192), (128, 128)],
            {"q_num_heads": 12, "kv_num_heads": 3},
            12 * 128 * 128 * (4 * 64 + 7),
        ),
        ("Transpose", [X], {}, 0),
        ("Gather", [(1000, 64), (2, 5)], {"types": {1: "int64"}}, 0),
        ("NonMaxSuppression", [(1, 10, 4), (1, 2, 10)], {}, None),
        ("RoiAlign", [(1, 3, 8, 8), (2, 4), (2,)], {"types": {2: "int64"}}, None),
    ],
)
def test_operations_match_the_closed_form(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], flops: int | None
) -> None:
    assert _node(op, shapes, **attributes).flops == flops


QUANTISED = {0: "uint8", 1: "uint8", 2: "uint8", 3: "int8"}


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "flops"),
    [
        ("ConvInteger", [(1, 8, 4, 4), (4, 8, 3, 3)], {0: "uint8", 1: "int8"}, 2 * 72 * 16),
        ("MatMulInteger", [(2, 8), (8, 4)], {0: "uint8", 1: "int8"}, 2 * 64),
        (
            "QLinearMatMul",
            [(2, 8), (), (), (8, 4), (), (), (), ()],
            {0: "uint8", 2: "uint8", 3: "int8", 5: "int8", 7: "uint8"},
            2 * 64 + 3 * 8,
        ),
        (
            "QLinearConv",
            [(1, 8, 4, 4), (), (), (4, 8, 3, 3), (), (), (), (), (4,)],
            {0: "uint8", 2: "uint8", 3: "int8", 5: "int8", 7: "uint8", 8: "int32"},
            (2 * 72 + 3 + 1) * 16,
        ),
        ("DequantizeLinear", [(2, 6), (), ()], {0: "uint8", 2: "uint8"}, 24),
    ],
)
def test_quantised_operators_count_like_their_float_twins(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[int, str], flops: int
) -> None:
    assert _node(op, shapes, types=attributes).flops == flops


H, I, T, N = 32, 16, 10, 3  # noqa: E741 - the letters of the ONNX specification


@pytest.mark.parametrize(
    ("op", "gates", "elementary"), [("LSTM", 4, 9), ("GRU", 3, 8), ("RNN", 1, 1)]
)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_operators_match_the_textbook(
    op: str, gates: int, elementary: int, directions: int
) -> None:
    shapes = [(T, N, I), (directions, gates * H, I), (directions, gates * H, H)]
    direction = "bidirectional" if directions == 2 else "forward"
    per_step = 2 * gates * H * (I + H) + elementary * H
    work = _node(op, shapes, hidden_size=H, direction=direction)
    assert work.flops == directions * T * N * per_step
    with_bias = [*shapes, (directions, 2 * gates * H)]
    work = _node(op, with_bias, hidden_size=H, direction=direction)
    assert work.flops == directions * T * N * (per_step + 2 * gates * H)


def test_lstm_peepholes_cost_six_per_unit() -> None:
    shapes = [(T, N, I), (1, 4 * H, I), (1, 4 * H, H), None, None, None, None, (1, 3 * H)]
    work = _node("LSTM", shapes, hidden_size=H)
    assert work.flops == T * N * (8 * H * (I + H) + 9 * H + 6 * H)


B, S, D = 2, 8, 64
SCORES = B * 4 * S * S * (2 * 16 + 2 * 16 + 6)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "flops", "moved"),
    [
        ("Gelu", [ROW], {}, 60, 96),
        ("QuickGelu", [ROW], {}, 36, 96),
        ("BiasGelu", [ROW, (6,)], {}, 72, 120),
        ("FastGelu", [ROW, (6,)], {}, 120, 120),
        ("RotaryEmbedding", [(1, 2, 6), (1,), (4, 3), (4, 3)], {}, 36, 196),
        ("LayerNormalization", [ROW, (6,), (6,)], {}, 84, 144),
        ("SimplifiedLayerNormalization", [ROW, (6,)], {}, 48, 120),
        ("SkipLayerNormalization", [ROW, ROW, (6,), (6,), (6,)], {}, 9 * 12, 216),
        ("SkipSimplifiedLayerNormalization", [ROW, ROW, (6,)], {}, 5 * 12, 168),
        ("GroupNorm", [(1, 4, 4, 8), (8,), (8,)], {"groups": 2}, 7 * 128, 1088),
        ("FusedMatMul", [(3, 5, 4), (3, 5, 6)], {"transA": 1}, 2 * 360, 888),
        ("FusedMatMul", [(4, 5), (6, 5)], {"transB": 1}, 2 * 120, 296),
        ("FusedMatMul", [(4, 5), (6, 5)], {"transBatchA": 1}, None, None),
        ("FusedConv", [(1, 8, 4, 4), (4, 8, 1, 1)], {"activation": "Relu"}, 17 * 64, 896),
        ("FusedGemm", [(2, 3), (3, 4), (4,)], {"activation": "Relu"}, (6 + 2) * 8, 120),
        ("MatMulNBits", [(2, 64), (32, 1, 32)], {"K": 64, "N": 32}, 12_288, 4864),
        ("DynamicQuantizeMatMul", [(2, 8), (8, 4), ()], {}, 2 * 64 + 8 + 5 * 16, 228),
        ("MatMulIntegerToFloat", [(2, 8), (8, 4), (), ()], {}, 2 * 64 + 8, 232),
        ("QLinearAdd", [ROW, (), (), (6,), (), (), (), ()], {}, 96, 144),
        ("QLinearSigmoid", [ROW, (), (), (), ()], {}, 72, 112),
        ("QLinearSoftmax", [ROW, (), (), (), ()], {}, 120, 112),
        ("QGemm", [(2, 3), (), (), (3, 4), (), ()], {}, 9 * 8, 120),
        ("QLinearGlobalAveragePool", [X, (), (), (), ()], {}, 1200 + 2 * 12, 4864),
        ("QLinearGlobalAveragePool", [X, (), (), (), ()], {"channels_last": 1}, None, None),
        ("NhwcMaxPool", [(1, 4, 4, 2)], {"kernel_shape": [2, 2]}, None, None),
        (
            "Attention",
            [(B, S, D), (D, 3 * D), (3 * D,)],
            {"num_heads": 4},
            B * S * 3 * D * (2 * D + 1) + SCORES,
            4 * (B * S * D * 2 + 3 * D * D + 3 * D),
        ),
        (
            "Attention",
            [(B, S, D), (D, 3 * D), (3 * D,), None, (2, B, 4, S, 16)],
            {"num_heads": 4},
            B * S * 3 * D * (2 * D + 1) + 2 * SCORES,
            4 * (B * S * D * 2 + 3 * D * D + 3 * D + 2 * B * S * D),
        ),
        (
            "QAttention",
            [(B, S, D), (D, 3 * D), (3 * D,), (), ()],
            {"num_heads": 4},
            B * S * 3 * D * (2 * D + 1) + SCORES,
            4 * (B * S * D * 2 + 3 * D * D + 3 * D + 2),
        ),
        (
            "MultiHeadAttention",
            [(B, S, D), (B, S, D), (B, S, D), (3 * D,)],
            {"num_heads": 4},
            B * S * D + SCORES,
            4 * (4 * B * S * D + 3 * D),
        ),
        (
            "MultiHeadAttention",
            [(B, S, D), (B, 4, 2 * S, 16), (B, 4, 2 * S, 16)],
            {"num_heads": 4},
            2 * SCORES,
            4 * 6 * B * S * D,
        ),
        (
            "MultiHeadAttention",
            [(B, S, 4, 3, 16)],
            {"num_heads": 4},
            SCORES,
            4 * 4 * B * S * D,
        ),
        (
            "GroupQueryAttention",
            [(B, S, D), (B, S, 32), (B, S, 32), (B, 2, S, 16), (B, 2, S, 16), (B,), ()],
            {"num_heads": 4, "kv_num_heads": 2, "outputs": 3},
            2 * SCORES,
            4 * (B * S * (D + 32 + 32 + 32 + 32 + D) + B + 1 + 2 * B * 2 * 2 * S * 16),
        ),
        (
            "GroupQueryAttention",
            [(B, S, 128), None, None, None, None, (B,), ()],
            {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1},
            SCORES + 3 * B * S * 96,
            4 * (B * S * (128 + D) + B + 1),
        ),
        (
            "EmbedLayerNormalization",
            [(B, S), (B, S), (100, D), (S, D), (2, D), (D,), (D,)],
            {},
            9 * B * S * D,
            4 * (2 * B * S + 102 * D + S * D + 2 * D + B * S * D),
        ),
    ],
)
def test_contributed_operators_have_shapes_and_operations(
    op: str,
    shapes: list[tuple[int, ...]],
    attributes: dict[str, Any],
    flops: int | None,
    moved: int | None,
) -> None:
    work = _node(op, shapes, domain=MICROSOFT, **attributes)
    assert (work.flops, work.bytes_moved) == (flops, moved)
    assert work.op_type == f"com.microsoft::{op}"


@pytest.mark.parametrize(
    ("op", "shapes", "types", "flops", "moved"),
    [
        ("DynamicQuantizeMatMul", [(2, 8), (8, 4), ()], "f8f", 2 * 64 + 8 + 5 * 16, 132),
        ("MatMulIntegerToFloat", [(2, 8), (8, 4), (), ()], "88ff", 2 * 64 + 8, 88),
        ("QGemm", [(2, 3), (), (), (3, 4), (), ()], "8f88f8", 9 * 8, 36),
        ("QLinearGlobalAveragePool", [X, (), (), (), ()], "8f8f8", 1200 + 2 * 12, 1222),
        ("QLinearConcat", [(), (), ROW, (), (), ROW, (), ()], "f88f88f8", 5 * 24, 63),
    ],
)
def test_quantised_types_have_shapes_too(
    op: str, shapes: list[tuple[int, ...]], types: str, flops: int, moved: int
) -> None:
    names = {index: "uint8" for index, kind in enumerate(types) if kind == "8"}
    attributes: dict[str, Any] = {"axis": 0} if op == "QLinearConcat" else {}
    work = _node(op, shapes, domain=MICROSOFT, types=names, **attributes)
    assert (work.flops, work.bytes_moved) == (flops, moved)


def test_resize_counts_the_axes_that_change() -> None:
    sizes = {3: [1, 3, 16, 16]}
    shapes = [(1, 3, 8, 8), None, None, None]
    for mode, per_output in (("nearest", 0), ("linear", 2 * 4), ("cubic", 2 * 16)):
        assert _node("Resize", shapes, constants=sizes, mode=mode).flops == per_output * 768
    scales = {2: np.array([1, 1, 1, 2], dtype=np.float32)}
    assert _node("Resize", shapes[:3], constants=scales, mode="linear").flops == 2 * 2 * 384


def test_top_k_takes_n_log_k_comparisons() -> None:
    assert _node("TopK", [(4, 100), None], constants={1: [8]}, outputs=2).flops == 400 * 3
    assert _node("TopK", [(4, 100), None], constants={1: [1]}, outputs=2).flops == 400


def test_fourier_transforms_follow_the_fft() -> None:
    assert _node("DFT", [(3, 64, 2)], opset=17, axis=1).flops == 3 * 5 * 64 * 6
    with_length = _node("DFT", [(3, 64, 1), None, None], constants={1: 128, 2: 1})
    assert with_length.flops == 3 * 5 * 128 * 7
    signal, step, window, length = (1, 128, 1), 16, (32,), 32
    frames = (128 - 32) // 16 + 1
    work = _node("STFT", [signal, None, window, None], constants={1: step, 3: length})
    assert work.flops == frames * (5 * 32 * 5 + 32)
    work = _node("STFT", [signal, None, None, None], constants={1: step, 3: length})
    assert work.flops == frames * 5 * 32 * 5


def test_affine_grid_multiplies_by_its_matrix() -> None:
    work = _node("AffineGrid", [(2, 2, 3), None], constants={1: [2, 3, 4, 5]})
    assert work.flops == 2 * 3 * (2 * 4 * 5 * 2)


def test_scatter_counts_only_reductions() -> None:
    shapes, types = [(8, 4), (2, 4), (2, 4)], {1: "int64"}
    assert _node("ScatterElements", shapes, types=types).flops == 0
    assert _node("ScatterElements", shapes, types=types, reduction="add").flops == 8


def test_linear_models_of_the_classic_domain_are_counted() -> None:
    work = _node(
        "LinearRegressor",
        [(5, 3)],
        domain="ai.onnx.ml",
        coefficients=[1.0, 2.0, 3.0],
        intercepts=[0.5],
    )
    assert work.flops == 5 * 7


def test_bytes_count_each_tensor_of_a_node_once() -> None:
    assert _node("MatMul", [(2, 8), (8, 4)]).bytes_moved == 4 * (16 + 32 + 8)
    square = build(
        [helper.make_node("Mul", ["x", "x"], ["y"])], [tensor("x", (3,))], [tensor("y", (3,))]
    )
    assert _works(square)["Mul"].bytes_moved == 24
    looked_up = _node("Gather", [(1000, 64), (2, 5)], types={1: "int64"})
    assert looked_up.bytes_moved == 2 * 5 * 64 * 4 + 10 * 8 + 2 * 5 * 64 * 4


def test_nodes_of_one_type_are_summed_and_sorted() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Add", ["a", "a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    works = count_operators(trace_model(build(nodes, [tensor("x", (4,))], [tensor("y", (4,))])))
    assert [(w.op_type, w.n_nodes, w.flops) for w in works] == [("Add", 1, 4), ("Relu", 2, 8)]


def test_views_and_constant_subgraphs_are_not_counted() -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["wt"]),  # folded
        helper.make_node("Neg", ["wt"], ["n"]),  # folded, through a folded one
        helper.make_node("Shape", ["x"], ["s"]),  # static
        helper.make_node("Reshape", ["x", "s"], ["r"]),  # view
        helper.make_node("Dropout", ["r"], ["d"]),  # nothing at inference
        helper.make_node("MatMul", ["d", "n"], ["y"]),
    ]
    model = build(nodes, [tensor("x", (2, 8))], [tensor("y", (2, 4))], [weights("w", 4, 8)])
    assert list(_works(model)) == ["MatMul"]


def test_random_numbers_are_not_constant() -> None:
    nodes = [
        helper.make_node("RandomNormal", [], ["r"], shape=[2, 2]),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    works = _works(build(nodes, [tensor("x", (2, 2))], [tensor("y", (2, 2))]))
    assert works["RandomNormal"].flops is None
    assert works["Add"].flops == 4


def test_unknown_operator_is_never_zero() -> None:
    work = _node("Mystery", [ROW], domain="test.unknown")
    assert work == OperatorWork(
        "test.unknown::Mystery", 1, None, None, "no formula is known for test.unknown::Mystery"
    )


def test_one_unknown_node_makes_its_type_unknown() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("NonZero", ["a"], ["n"]),
        helper.make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["f"], ["y"]),
    ]
    works = _works(build(nodes, [tensor("x", (4,))], [tensor("y", (1, "n"))]))
    assert (works["Relu"].n_nodes, works["Relu"].flops) == (2, None)
    assert works["Relu"].source.endswith("(a shape is unknown or does not fit)")


def test_sources_name_the_operator_version() -> None:
    source = _node("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], opset=17).source
    assert source.startswith("ONNX operator specification Conv-11: 2 x out elements")
    assert "ContribOperators.md" in _node("Gelu", [ROW], domain=MICROSOFT).source


def test_every_formula_names_an_operator_that_exists() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}
    for name, formula in FORMULAS.items():
        assert formula.text
        if not name.startswith(MICROSOFT):
            assert name.split("::")[-1] in known, name


# --- control flow ---------------------------------------------------------------------------


def _branch(name: str, nodes: int) -> Any:
    names = ["x", *(f"{name}{i}" for i in range(nodes))]
    relus = [helper.make_node("Relu", [names[i]], [names[i + 1]]) for i in range(nodes)]
    return helper.make_graph(relus, name, [], [tensor(names[-1], (10,))])


def _if_model(condition: Any = None) -> Any:
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=_branch("t", 3), else_branch=_branch("e", 1)
    )
    inputs = [tensor("x", (10,))] + ([tensor("c", (), "bool")] if condition is None else [])
    constants = [] if condition is None else [numpy_helper.from_array(np.array(condition), "c")]
    return build([node], inputs, [tensor("y", (10,))], constants)


def test_if_counts_its_larger_branch() -> None:
    work = _works(_if_model())["If"]
    assert (work.flops, work.bytes_moved) == (30, 240)
    assert work.source.endswith("the larger branch")


def test_if_with_a_known_condition_counts_the_branch_taken() -> None:
    assert _works(_if_model(True))["If"].flops == 30
    assert _works(_if_model(False))["If"].flops == 10


def _loop_model(
    trips: int | None, *, condition: bool | None = True, keeps: bool = True, grows: bool = False
) -> Any:
    body = helper.make_graph(
        [
            helper.make_node("Identity" if keeps else "Not", ["cond"], ["cond_out"]),
            helper.make_node("Tanh", ["s"], ["added"])
            if grows
            else helper.make_node("Add", ["s", "x"], ["added"]),
            helper.make_node("Concat", ["s", "added"], ["s_out"], axis=0)
            if grows
            else helper.make_node("Relu", ["added"], ["s_out"]),
            helper.make_node("Identity", ["added"], ["scan"]),
        ],
        "body",
        [tensor("i", (), "int64"), tensor("cond", (), "bool"), tensor("s", None)],
        [tensor("cond_out", (), "bool"), tensor("s_out", None), tensor("scan", None)],
    )
    node = helper.make_node(
        "Loop", ["m", "" if condition is None else "c", "s0"], ["s1", "all"], body=body
    )
    constants = [weights("s0", 10)]
    inputs = [tensor("x", (10,))]
    if trips is None:
        inputs.append(tensor("m", (), "int64"))
    else:
        constants.append(integers("m", trips))
    if condition is not None:
        constants.append(numpy_helper.from_array(np.array(condition), "c"))
    return build([node], inputs, [tensor("s1", None), tensor("all", None)], constants)


def test_loop_multiplies_its_body_by_its_trips() -> None:
    for condition in (True, None):
        trace = trace_model(_loop_model(7, condition=condition))
        (work,) = count_operators(trace)
        assert (work.op_type, work.flops) == ("Loop", 7 * 20)
        assert work.source.endswith("7 x the body")
        assert [t.shape for t in trace.outputs] == [(10,), (7, 10)]


@pytest.mark.parametrize(
    "model",
    [_loop_model(None), _loop_model(7, keeps=False), _loop_model(7, grows=True)],
    ids=["trips from an input", "may break", "state grows"],
)
def test_loop_that_depends_on_the_data_is_unknown(model: Any) -> None:
    assert _works(model)["Loop"].flops is None


def test_loop_that_never_starts_takes_nothing() -> None:
    assert _works(_loop_model(7, condition=False))["Loop"].flops == 0


def test_growing_state_has_an_unknown_dimension() -> None:
    trace = trace_model(_loop_model(7, grows=True))
    assert trace.outputs[0].shape == (-1,)


def _scan_model(opset: int = 17, axis: int = 0) -> Any:
    body = helper.make_graph(
        [
            helper.make_node("Add", ["s", "slice"], ["s_out"]),
            helper.make_node("Mul", ["s", "slice"], ["row"]),
        ],
        "body",
        [tensor("s", (4,)), tensor("slice", (4,))],
        [tensor("s_out", (4,)), tensor("row", (4,))],
    )
    inputs = ["s0", "x"] if opset > 8 else ["", "s0", "x"]
    axes = {"scan_input_axes": [axis], "scan_output_axes": [-1]} if opset > 8 else {}
    node = helper.make_node("Scan", inputs, ["s1", "rows"], body=body, num_scan_inputs=1, **axes)
    shape = (6, 4) if axis == 0 else (4, 6)
    model_inputs = [tensor("s0", (4,)), tensor("x", shape)]
    return build([node], model_inputs, [tensor("s1", None), tensor("rows", None)], opset=opset)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scan_runs_once_per_slice(axis: int) -> None:
    trace = trace_model(_scan_model(axis=axis))
    (work,) = count_operators(trace)
    assert work.flops == 6 * 8
    assert [t.shape for t in trace.outputs] == [(4,), (4, 6)]


def test_scan_along_an_axis_that_is_not_there_is_unknown() -> None:
    assert _works(_scan_model(axis=5))["Scan"].flops is None


def test_old_scan_is_unknown() -> None:
    assert _works(_scan_model(opset=8))["Scan"].flops is None


def test_unknown_operators_inside_a_body_are_named() -> None:
    branch = helper.make_graph(
        [helper.make_node("Mystery", ["x"], ["z"], domain="test.unknown")],
        "b",
        [],
        [tensor("z", (4,))],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    inputs = [tensor("c", (), "bool"), tensor("x", (4,))]
    model = build([node], inputs, [tensor("y", (4,))], domains=["test.unknown"])
    work = _works(model)["If"]
    assert work.flops is None
    assert "unknown inside: test.unknown::Mystery" in work.source


# --- shapes ---------------------------------------------------------------------------------


def test_shapes_computed_from_shapes_are_followed() -> None:
    """As exporters write view(batch, -1) and expand(-1, 1)."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Mul", ["batch", "two"], ["twice"]),
        helper.make_node("Div", ["twice", "two"], ["half"]),
        helper.make_node("Concat", ["half", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("ConstantOfShape", ["two"], ["ones"], value=integers("", 1)),
        helper.make_node("Neg", ["ones"], ["minus_ones"]),
        helper.make_node("Equal", ["target", "minus_ones"], ["open"]),
        helper.make_node("Where", ["open", "ones", "target"], ["wide"]),
        helper.make_node("Expand", ["flat", "wide"], ["y"]),
    ]
    constants = [integers("zero", 0), integers("two", 2), integers("minus", -1)]
    model = build(nodes, [tensor("x", (2, 3, 4))], [tensor("y", None)], constants)
    trace = trace_model(model)
    assert trace.outputs[0].shape == (2, 12)
    assert list(_works(model)) == ["Expand"]


def test_size_and_parts_of_a_shape_are_known() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["tail"], start=1, end=3),
        helper.make_node("Size", ["x"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "zero"], ["n1"]),
        helper.make_node("ConstantOfShape", ["tail"], ["a"]),
        helper.make_node("ConstantOfShape", ["n1"], ["b"]),
    ]
    outputs = [tensor("a", None), tensor("b", None)]
    trace = trace_model(build(nodes, [tensor("x", (2, 3, 4))], outputs, [integers("zero", 0)]))
    assert [t.shape for t in trace.outputs] == [(3, 4), (24,)]


def test_shape_of_an_open_tensor_is_not_known() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["n"]),
        helper.make_node("Shape", ["n"], ["shape"]),
        helper.make_node("Size", ["n"], ["size"]),
        helper.make_node("Mystery", ["x"], ["m"], domain="test.unknown"),
        helper.make_node("Shape", ["m"], ["mystery_shape"]),
    ]
    outputs = [tensor(name, None, "int64") for name in ("shape", "size", "mystery_shape")]
    model = build(nodes, [tensor("x", (2, 3))], outputs, domains=["test.unknown"])
    assert [t.shape for t in trace_model(model).outputs] == [(2,), (), None]


def test_declared_shapes_complete_what_cannot_be_inferred() -> None:
    nodes = [
        helper.make_node("Mystery", ["x"], ["m"], domain="test.unknown"),
        helper.make_node("Relu", ["m"], ["y"]),
    ]
    model = build(
        nodes,
        [tensor("x", ("batch", 3))],
        [tensor("y", ("batch", 5))],
        domains=["test.unknown"],
        value_info=[tensor("m", ("batch", 5))],
    )
    trace = trace_model(model, input_shapes={"x": (2, 3)}, symbols={"batch": 2})
    assert trace.outputs[0].shape == (2, 5)
    (relu,) = [w for w in count_operators(trace) if w.op_type == "Relu"]
    assert relu.flops == 10


def test_constant_nodes_of_every_kind_are_known() -> None:
    nodes = [
        helper.make_node("Constant", [], ["a"], value_ints=[2, 3]),
        helper.make_node("Constant", [], ["b"], value_float=1.5),
        helper.make_node("Constant", [], ["c"], value_strings=["p", "q"]),
        helper.make_node("Constant", [], ["d"], value=integers("", 4)),
        helper.make_node("Constant", [], ["e"], value_string="p"),
        helper.make_node(
            "Constant",
            [],
            ["f"],
            sparse_value=helper.make_sparse_tensor(
                weights("v", 1), helper.make_tensor("i", TensorProto.INT64, [1], [2]), [9]
            ),
        ),
        helper.make_node("Constant", [], ["g"]),
        helper.make_node("Constant", [], ["h"], value=weights("", 5000)),
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in "abcdefgh"]
    found = trace_model(build(nodes, [], outputs)).outputs
    assert [t.dtype for t in found] == [
        "int64", "float32", "string", "int64", "string", "float32", None, "float32"
    ]  # fmt: skip
    assert [t.shape for t in found] == [(2,), (), (2,), (1,), (), (9,), None, (5000,)]
    assert found[0].value is not None
    assert found[0].value.tolist() == [2, 3]
    assert found[7].value is None


# --- published models -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "giga_macs"),
    [
        # torchvision 0.20, weights' metadata (_ops); VGG-19 and ResNet-50 as in their papers
        ("resnet50", 4.09),
        ("vgg19", 19.63),
        ("densenet121", 2.83),
        ("squeezenet", 0.349),  # SqueezeNet 1.1
        # the caffe originals
        ("bvlc_alexnet", 0.65),
        ("inception_v1", 1.43),
        ("inception_v2", 2.02),
        ("shufflenet", 0.124),
        ("zfnet512", 1.48),
    ],
)
def test_published_models_have_their_published_work(name: str, giga_macs: float) -> None:
    summary = read_model(str(LIGHT / f"light_{name}.onnx"))
    assert summary.unknown_operators == ()
    assert summary.flops is not None
    assert summary.flops == pytest.approx(2e9 * giga_macs, rel=0.06)
    assert summary.bytes_moved is not None
    assert summary.inputs[0].shape == (1, 3, 224, 224)
    assert np.prod(summary.outputs[0].shape) == 1000


def test_einsum_that_onnx_cannot_parse_is_unknown() -> None:
    assert _node("Einsum", [(3, 5, 5)], equation="...ii >...i").flops is None


@pytest.mark.slow
def test_shapes_agree_with_the_outputs_of_onnxs_own_test_cases(tmp_path: Path) -> None:
    """Some 1700 models: every operator, and functions expanded into their nodes."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    path = tmp_path / "case.onnx"
    known, unknown, refused = 0, 0, 0
    for case in cases:
        path.write_bytes(case.model.SerializeToString())
        try:
            summary = read_model(str(path))
        except (InputError, UsageError):  # sequences as inputs, and dimensions of 0
            refused += 1
            continue
        for spec, expected in zip(summary.outputs, case.data_sets[0][1], strict=True):
            if isinstance(expected, np.ndarray | np.generic) and -1 not in spec.shape:
                assert spec.shape == expected.shape, case.name
                known += 1
            else:
                unknown += 1
    assert known > 0.95 * (known + unknown)
    assert refused < 0.12 * len(cases)
