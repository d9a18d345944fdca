"""Operators that ONNX Runtime writes into int8 models."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.models import build, integers, tensor
from tests.tainted import const, node, traced
from tests.unit.test_taint_curves import W

SCALES = [const("s", 0.02), const("z", 128, "uint8"), const("sw", 0.05), const("zw", 2, "int8")]
QUANTISED = node("QuantizeLinear", "x s z", "q")
RNG = np.random.default_rng(0)
SQUARE = RNG.integers(-128, 128, (8, 8))


def ours(op_type: str, inputs: str, **attributes: Any) -> Any:
    made = node(op_type, inputs, "y", **attributes)
    made.domain = "com.microsoft"
    return made


def test_a_quantised_picture_beside_others_is_raw() -> None:
    made = ours("QLinearConcat", "s z q s z g s z", axis=1)
    given = [*SCALES, const("g", np.zeros((1, 1, 8, 8)), "uint8")]
    assert (
        traced([QUANTISED, made], given).taint("y").text == "x -> QuantizeLinear -> QLinearConcat"
    )


def test_a_quantised_mixture_split_and_joined_is_raw() -> None:
    nodes = [QUANTISED, node("QLinearMatMul", "q s z w sw zw s z", "m")]
    nodes += [node("Split", "m n", "a b", axis=1), ours("QLinearConcat", "s z b s z a s z", axis=1)]
    given = [*SCALES, const("w", SQUARE, "int8"), integers("n", 3, 5)]
    found = traced(nodes, given, shape=(4, 8))
    assert not found.taint("a").is_raw
    assert found.taint("y").is_raw


@pytest.mark.parametrize(("op_type", "inputs", "words"), [
    ("QGemm", "q s z w sw zw _ s z", {}),
    ("QGemm", "q s z w sw zw", {}),
    ("QGemm", "q s z w sw zw", {"transB": 1}),
    ("MatMulIntegerToFloat", "q w s sw z zw", {}),
    ("MatMulIntegerToFloat", "q w s sw z", {}),
    ("DynamicQuantizeMatMul", "x w sw zw", {}),
    ("DynamicQuantizeMatMul", "x w sw", {}),
])  # fmt: skip
@pytest.mark.parametrize("outputs", [8, 7])
def test_a_quantised_product_is_raw_if_its_matrix_loses_nothing(
    op_type: str, inputs: str, words: dict[str, int], outputs: int
) -> None:
    w = SQUARE[:, :outputs]
    given = [*SCALES, const("w", w.T if words else w, "int8")]
    made = ours(op_type, inputs, **words)
    found = traced([QUANTISED, made], given, shape=(4, 8))
    assert found.taint("y").is_raw == (outputs == 8), found.taint("y").text


def test_zero_points_count() -> None:
    """Around 2 the last column is the sum of two others; around 0 it is not."""
    w = RNG.integers(-30, 30, (8, 8))
    w[:, -1] = w[:, 0] + w[:, 1]
    w += 2
    given = [*SCALES, const("w", w, "int8"), const("none", 0, "int8")]
    for zero, is_raw in (("zw", False), ("none", True)):
        for made in (
            ours("QGemm", f"q s z w sw {zero}"),
            ours("MatMulIntegerToFloat", f"q w s sw z {zero}"),
        ):
            found = traced([QUANTISED, made], given, shape=(4, 8))
            assert found.taint("y").is_raw == is_raw, found.taint("y").text


@pytest.mark.parametrize(("shape", "is_raw"), [((2, 1, 8), True), ((2, 1, 5), False)])
def test_each_matrix_of_a_stack_has_zero_points_of_its_own(
    shape: tuple[int, ...], is_raw: bool
) -> None:
    weights, zeros = np.stack([SQUARE, SQUARE.T]), RNG.integers(-3, 3, shape)
    given = [*SCALES, const("w", weights, "int8"), const("zeros", zeros, "int8")]
    found = traced([QUANTISED, node("MatMulInteger", "q w z zeros", "y")], given, shape=(2, 4, 8))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


@pytest.mark.parametrize("op_type", ["MatMulIntegerToFloat", "DynamicQuantizeMatMul"])
def test_a_scale_of_zero_drops_a_column(op_type: str) -> None:
    inputs = {"MatMulIntegerToFloat": "q w s t z", "DynamicQuantizeMatMul": "x w t"}[op_type]
    for scale, is_raw in ((0.1, True), (0.0, False)):
        given = [*SCALES, const("w", SQUARE, "int8"), const("t", [0.1] * 7 + [scale])]
        found = traced([QUANTISED, ours(op_type, inputs)], given, shape=(4, 8))
        assert found.taint("y").is_raw == is_raw


@pytest.mark.parametrize(("op_type", "inputs"), [
    ("QGemm", "q s z w sw zw c"),
    ("MatMulIntegerToFloat", "q w s sw z zw c"),
    ("DynamicQuantizeMatMul", "x w sw zw c"),
])  # fmt: skip
def test_a_computed_bias_hides_a_quantised_product(op_type: str, inputs: str) -> None:
    bias = [node("ReduceMean", "x", "r", keepdims=0), node("Relu", "r", "c")]
    given = [*SCALES, const("w", SQUARE, "int8")]
    found = traced([*bias, QUANTISED, ours(op_type, inputs)], given, shape=(4, 8))
    assert not found.taint("y").is_raw


@pytest.mark.parametrize("op_type", ["QLinearLeakyRelu", "QLinearSigmoid"])
def test_quantised_curves_are_other_tones_of_a_picture(op_type: str) -> None:
    made = ours(op_type, "q s z s z")
    assert traced([QUANTISED, made], SCALES).taint("y").is_raw
    nodes = [QUANTISED, node("QLinearMatMul", "q s z w sw zw s z", "m")]
    nodes += [ours(op_type, "m s z s z")]
    found = traced(nodes, [*SCALES, const("w", SQUARE, "int8")], shape=(4, 8))
    assert not found.taint("y").is_raw


def test_a_picture_is_rebuilt_from_a_product_of_integers() -> None:
    nodes = [QUANTISED, ours("MatMulIntegerToFloat", "q w s sw z zw")]
    given = [*SCALES, const("w", SQUARE, "int8")]
    outputs = [helper.make_empty_tensor_value_info("y")]
    model = build(nodes, [tensor("x", (4, 8))], outputs, given).SerializeToString()
    x = RNG.uniform(-2, 2, (4, 8)).astype("float32")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    made = np.asarray(session.run(["y"], {"x": x})[0], dtype=np.float64)
    rebuilt = made @ np.linalg.inv((SQUARE - 2) * 0.05)
    assert np.abs(rebuilt - x).max() < 0.011  # half a step of 0.02


MIXED = [*SCALES, const("w", SQUARE, "int8"), const("v", W), const("s4", [1, -1, 4, 2], "int64")]
ENDS = [("uint8", 0), ("uint8", 255), ("int8", -128), ("int8", 127), ("uint16", 0)]
INSIDE = [("uint8", 1), ("uint8", 128), ("int8", 0), ("int8", -127)]


@pytest.mark.parametrize(("dtype", "zero"), [*ENDS, *INSIDE])
def test_a_zero_point_at_an_end_is_a_relu_over_a_mixture(dtype: str, zero: int) -> None:
    is_raw = (dtype, zero) in INSIDE
    given = [*MIXED, const("o", zero, dtype)]
    nodes = [node("MatMul", "x v", "m"), node("QuantizeLinear", "m s o", "y")]
    found = traced(nodes, given, shape=(4, 8))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text
    assert traced([node("QuantizeLinear", "x s o", "y")], given).taint("y").is_raw
    for nodes in (
        [node("QLinearMatMul", "q s z w sw zw s o", "y")],
        [ours("QGemm", "q s z w sw zw _ s o")],
        [node("QLinearMatMul", "q s z w sw zw s z", "m"), ours("QLinearConcat", "s o m s z")],
    ):
        if dtype != "uint16":
            found = traced([QUANTISED, *nodes], given, shape=(4, 8))
            assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_one_channel_cut_off_is_a_part_of_a_mixture() -> None:
    given = [*MIXED, const("t", [0.1] * 8), const("o", [9] * 7 + [0], "uint8")]
    nodes = [node("MatMul", "x v", "m"), node("QuantizeLinear", "m t o", "y", axis=1)]
    assert not traced(nodes, given, shape=(4, 8)).taint("y").is_raw


def test_without_a_zero_point_the_type_tells_where_it_is() -> None:
    for words, is_raw in (({}, False), ({"output_dtype": 2}, False), ({"output_dtype": 3}, True)):
        nodes = [node("MatMul", "x v", "m"), node("QuantizeLinear", "m s", "y", **words)]
        assert traced(nodes, MIXED, shape=(4, 8), opset=21).taint("y").is_raw == is_raw


def test_a_quantised_convolution_with_its_relu_is_not_shown() -> None:
    kernel = const("k", RNG.integers(-128, 128, (12, 3, 1, 2)), "int8")
    for zero, is_raw in ((0, False), (100, True)):
        given = [*SCALES, kernel, const("o", zero, "uint8")]
        nodes = [QUANTISED, node("QLinearConv", "q s z k sw zw s o", "y")]
        assert traced(nodes, given).taint("y").is_raw == is_raw


@pytest.mark.parametrize("op_type", ["Sigmoid", "Exp", "Softplus", "Tanh"])
def test_what_is_above_zero_has_nothing_to_cut_off(op_type: str) -> None:
    nodes = [node("MatMul", "x v", "m"), node(op_type, "m", "c"), node("Reshape", "c s4", "r")]
    for last in (node("QuantizeLinear", "r s o", "y"), node("Cast", "r", "y", to=2)):
        found = traced([*nodes, last], [*MIXED, const("o", 0, "uint8")], shape=(1, 8))
        assert found.taint("y").is_raw == (op_type != "Tanh")


def test_a_picture_is_rebuilt_from_rounded_mixtures_and_not_from_cut_off_ones() -> None:
    x = RNG.uniform(-1, 1, (4, 8)).astype("float32")
    for zero, is_raw in ((128, True), (0, False)):
        given = [*MIXED, const("o", zero, "uint8")]
        nodes = [node("MatMul", "x v", "m"), node("QuantizeLinear", "m s o", "y")]
        outputs = [helper.make_empty_tensor_value_info("y")]
        model = build(nodes, [tensor("x", (4, 8))], outputs, given).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        made = (np.asarray(session.run(["y"], {"x": x})[0], dtype=np.float64) - zero) * 0.02
        missed = np.abs(made @ np.linalg.inv(W.astype(np.float64)) - x).max()
        assert (missed < 0.03) == is_raw
        assert traced(nodes, given, shape=(4, 8)).taint("y").is_raw == is_raw
