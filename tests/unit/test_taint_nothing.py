"""Operators after which each number is the same whatever the input: run to show it, and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.models import build, integers, tensor
from tests.tainted import const, node, traced

Case = tuple[list[Any], list[Any]]
NOTHING: dict[str, Case] = {
    "less its copy": ([node("Identity", "x", "i"), node("Sub", "x i", "y")], []),
    "less itself and one": (
        [node("Add", "x k", "i"), node("Sub", "x i", "y")],
        [const("k", 1.0)],
    ),
    "plus its negative": ([node("Neg", "x", "i"), node("Add", "i x", "y")], []),
    "by itself": ([node("Div", "x x", "y")], []),
    "by its double": ([node("Mul", "x k", "i"), node("Div", "x i", "y")], [const("k", [2.0] * 8)]),
    "Softmax of one": ([node("Softmax", "x", "y", axis=1)], []),
    "LogSoftmax of one": ([node("LogSoftmax", "x", "y", axis=-3)], []),
    "LayerNormalization of one": (
        [node("Reshape", "x s", "l"), node("LayerNormalization", "l k", "y")],
        [integers("s", 8, 8, 1), const("k", [1.0])],
    ),
    "InstanceNormalization of one": (
        [node("Reshape", "x s", "l"), node("InstanceNormalization", "l k k", "y")],
        [integers("s", 1, 64, 1), const("k", [1.0] * 64)],
    ),
    "Clip": ([node("Clip", "x k k", "y")], [const("k", 0.5)]),
    "Where": (
        [node("Where", "c x k", "y")],
        [const("c", [False] * 8, "bool"), const("k", 0.0)],
    ),
    "Mul": ([node("Mul", "x k", "y")], [const("k", 0.0)]),
}
U8 = {"dtype": "uint8"}
NO_BITS: dict[str, Case] = {
    "all shifted out": (
        [node("BitShift", "x k", "y", direction="RIGHT")],
        [const("k", 8, **U8)],
    ),
    "masked": ([node("BitwiseAnd", "x k", "y")], [const("k", 0, **U8)]),
    "all set": ([node("BitwiseOr", "k x", "y")], [const("k", 255, **U8)]),
    "wrapped": ([node("Mod", "x k", "y")], [const("k", 1, **U8)]),
}


def is_moved(nodes: list[Any], given: list[Any], dtype: str) -> bool:
    """Tell whether two inputs give two outputs."""
    outputs = [helper.make_empty_tensor_value_info("y")]
    model = build(nodes, [tensor("x", (1, 1, 8, 8), dtype)], outputs, given, opset=18)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    made = [
        session.run(["y"], {"x": (1 + 200 * rng.random((1, 1, 8, 8))).astype(dtype)})[0]
        for _ in range(2)
    ]
    return bool(np.abs(np.subtract(*(one.astype(np.float64) for one in made))).max() > 1e-3)


@pytest.mark.parametrize("case", [*NOTHING, *NO_BITS])
def test_what_leaves_nothing_is_not_raw(case: str) -> None:
    dtype = "uint8" if case in NO_BITS else "float32"
    nodes, given = {**NOTHING, **NO_BITS}[case]
    assert not is_moved(nodes, given, dtype)
    found = traced(nodes, given, shape=(1, 1, 8, 8), dtype=dtype, opset=18)
    assert not found.taint("y").is_raw
    assert found.taint("y").reason


KEPT: dict[str, Case] = {
    "by itself and one": ([node("Add", "x k", "i"), node("Div", "x i", "y")], [const("k", 1.0)]),
    "less its double": ([node("Mul", "x k", "i"), node("Sub", "x i", "y")], [const("k", 2.0)]),
    "Softmax of a row": ([node("Softmax", "x", "y", axis=3)], []),
    "Clip": ([node("Clip", "x k l", "y")], [const("k", 0.0), const("l", 1.0)]),
}
BITS_KEPT: dict[str, Case] = {
    "shifted": ([node("BitShift", "x k", "y", direction="RIGHT")], [const("k", 4, **U8)]),
    "masked": ([node("BitwiseAnd", "x k", "y")], [const("k", 240, **U8)]),
    "wrapped": ([node("Mod", "x k", "y")], [const("k", 16, **U8)]),
}


@pytest.mark.parametrize("case", [*KEPT, *(f"bits {one}" for one in BITS_KEPT)])
def test_what_leaves_something_is_other_tones(case: str) -> None:
    is_bits = case.startswith("bits ")
    nodes, given = BITS_KEPT[case[5:]] if is_bits else KEPT[case]
    dtype = "uint8" if is_bits else "float32"
    found = traced(nodes, given, shape=(1, 1, 8, 8), dtype=dtype, opset=18)
    assert found.taint("y").is_raw, found.taint("y").text


def test_an_early_softmax_takes_all_axes_from_its_own_on() -> None:
    for shape, is_raw in (((1, 1, 8, 8), True), ((8, 1, 1, 1), False)):
        found = traced([node("Softmax", "x", "y", axis=1)], shape=shape, opset=11)
        assert found.taint("y").is_raw == is_raw


def test_a_normalisation_of_a_shape_that_is_not_known_may_be_of_many() -> None:
    found = traced([node("Softmax", "x", "y", axis=1)], shape=(1, "n", 8, 8))
    assert found.taint("y").is_raw
