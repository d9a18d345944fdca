"""Curves over a mixture: those that rise everywhere are undone here, to show that they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from tests.models import build, tensor
from tests.tainted import const, node, traced

SIZE = 8
W = (np.eye(SIZE) + 0.1 * np.random.default_rng(0).standard_normal((SIZE, SIZE))).astype("float32")
Array = np.ndarray


def below_zero(inverse: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda y: np.where(y < 0, inverse(np.minimum(y, 0)), y)


RISING: dict[str, tuple[Any, list[Any], Callable[[Array], Array]]] = {
    "Sigmoid": (node("Sigmoid", "m", "y"), [], lambda y: np.log(y / (1 - y))),
    "Tanh": (node("Tanh", "m", "y"), [], np.arctanh),
    "Elu": (node("Elu", "m", "y"), [], below_zero(np.log1p)),
    "Elu of 2": (node("Elu", "m", "y", alpha=2.0), [], below_zero(lambda y: np.log1p(y / 2))),
    "Celu": (node("Celu", "m", "y", alpha=2.0), [], below_zero(lambda y: 2 * np.log1p(y / 2))),
    "Selu": (
        node("Selu", "m", "y", alpha=1.5, gamma=2.0),
        [],
        lambda y: np.where(y < 0, np.log1p(np.minimum(y, 0) / 3), y / 2),
    ),
    "Softplus": (node("Softplus", "m", "y"), [], lambda y: np.log(np.expm1(y))),
    "Softsign": (node("Softsign", "m", "y"), [], lambda y: y / (1 - abs(y))),
    "Exp": (node("Exp", "m", "y"), [], np.log),
    "Sinh": (node("Sinh", "m", "y"), [], np.arcsinh),
    "Asinh": (node("Asinh", "m", "y"), [], np.sinh),
    "Atan": (node("Atan", "m", "y"), [], np.tan),
    "Pow by 3": (node("Pow", "m k", "y"), [const("k", 3.0)], np.cbrt),
    "Pow by -1": (node("Pow", "m k", "y"), [const("k", -1.0)], np.reciprocal),
    "Reciprocal": (node("Reciprocal", "m", "y"), [], np.reciprocal),
}


@pytest.mark.parametrize("case", RISING)
def test_a_curve_of_one_number_for_each_keeps_a_mixture(case: str) -> None:
    made, more, inverse = RISING[case]
    nodes, given = [node("MatMul", "x w", "m"), made], [const("w", W), *more]
    found = traced(nodes, given, shape=(1, SIZE)).taint("y")
    assert found.is_raw, found.text
    assert found.is_mixed
    outputs = [helper.make_empty_tensor_value_info("y")]
    model = build(nodes, [tensor("x", (1, SIZE))], outputs, given).SerializeToString()
    x = np.random.default_rng(1).random((1, SIZE)).astype("float32")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    y = np.asarray(session.run(["y"], {"x": x})[0], dtype=np.float64)
    rebuilt = inverse(y) @ np.linalg.inv(W.astype(np.float64))
    assert np.abs(rebuilt - x).max() < 1e-3


@pytest.mark.parametrize(
    ("made", "more", "is_raw"),
    [
        (node("Erf", "m", "y"), [], True),
        (node("Pow", "m k", "y"), [const("k", [1.0, 5.0] * 4)], True),
        (node("Pow", "m k", "y"), [const("k", [3.0, 2.0] * 4)], False),
        (node("Pow", "m k", "y"), [const("k", -2.0)], False),
        (node("Pow", "m k", "y"), [const("k", 0.5)], False),
        (node("Elu", "m", "y", alpha=0.0), [], False),
        (node("Elu", "m", "y", alpha=-1.0), [], False),
        (node("Selu", "m", "y", gamma=-1.0), [], False),
        (node("Relu", "m", "y"), [], False),
        (node("HardSwish", "m", "y"), [], False),
        (node("HardSigmoid", "m", "y"), [], False),
        (node("Mish", "m", "y"), [], False),
        (node("Clip", "m k", "y"), [const("k", 0.0)], False),
        (node("Gelu", "m", "y"), [], False),
        (node("Cosh", "m", "y"), [], False),
    ],
)
def test_of_other_curves_over_a_mixture_nothing_is_shown(
    made: Any, more: list[Any], is_raw: bool
) -> None:
    given = [const("w", W), *more]
    found = traced([node("MatMul", "x w", "m"), made], given, shape=(1, SIZE))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_the_product_of_a_mixture_with_its_sigmoid_is_not_shown() -> None:
    gate = [node("Sigmoid", "m", "s"), node("Mul", "m s", "y")]
    found = traced([node("MatMul", "x w", "m"), *gate], [const("w", W)], shape=(1, SIZE))
    assert found.taint("s").is_raw
    assert found.taint("y").reason == "a product of mixtures"


def test_behind_a_curve_a_matrix_that_loses_nothing_keeps_it_raw() -> None:
    nodes = [node("MatMul", "x w", "m"), node("Tanh", "m", "t"), node("MatMul", "t v", "y")]
    for columns, is_raw in ((SIZE, True), (SIZE - 1, False)):
        v = numpy_helper.from_array(W[:, :columns].copy(), "v")
        found = traced(nodes, [const("w", W), v], shape=(1, SIZE))
        assert found.taint("y").is_raw == is_raw


@pytest.mark.parametrize(
    ("op_type", "words", "is_raw"),
    [
        ("FusedGemm", {"activation": "Sigmoid"}, True),
        ("FusedGemm", {"activation": "Tanh"}, True),
        ("FusedGemm", {"activation": "Elu"}, True),
        ("FusedGemm", {"activation": "Elu", "activation_alpha": 0.5}, True),
        ("FusedGemm", {"activation": "Elu", "activation_alpha": 0.0}, False),
        ("FusedGemm", {"activation": "Selu", "activation_gamma": -1.0}, False),
        ("FusedGemm", {"activation": "HardSigmoid"}, False),
        ("FusedConv", {"activation": "Sigmoid"}, True),
        ("FusedConv", {"activation": "Tanh"}, True),
        ("FusedConv", {"activation": "Elu", "activation_params": [1.0]}, True),
        ("FusedConv", {"activation": "Elu", "activation_params": [0.0]}, False),
        ("FusedConv", {"activation": "Clip", "activation_params": [0.0, 6.0]}, False),
    ],
)
def test_curves_of_fused_operators(op_type: str, words: dict[str, Any], is_raw: bool) -> None:
    kernel = W[:6, :6].reshape(6, 3, 1, 2) if op_type == "FusedConv" else W
    if op_type == "FusedConv":
        words = {**words, "pads": [0, 0, 0, 1]}
    made = node(op_type, "x w", "y", **words)
    made.domain = "com.microsoft"
    shape = (1, 3, 8, 8) if op_type == "FusedConv" else (4, SIZE)
    assert traced([made], [const("w", kernel)], shape=shape).taint("y").is_raw == is_raw
