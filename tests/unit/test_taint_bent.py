"""A LeakyRelu over a mixture that is written with other operators, and what only looks like one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tainted import const, node, traced

W = np.eye(8) + 0.1 * np.random.default_rng(0).standard_normal((8, 8))
GIVEN = [
    const("w", W),
    const("zero", 0.0),
    const("one", 1.0),
    const("k", 0.1),
    const("minus", -0.1),
    const("slopes", [0.1, 0.2, 0.3, 0.4] * 2),
]
MADE = [
    node("MatMul", "x w", "m"),
    node("Mul", "m k", "small"),
    node("Mul", "m slopes", "each"),
    node("Mul", "m minus", "turned"),
    node("Neg", "m", "n"),
    node("Relu", "m", "a"),
    node("Relu", "n", "b"),
    node("Max", "m zero", "above"),
    node("Min", "m zero", "below"),
    node("Mul", "b slopes", "b_each"),
    node("Mul", "b k", "b_small"),
    node("Greater", "m zero", "up"),
    node("Less", "n zero", "n_down"),
    node("Greater", "m one", "high"),
    node("Greater", "x zero", "other"),
]


@pytest.mark.parametrize(
    ("made", "is_raw"),
    [
        (node("Max", "m small", "y"), True),
        (node("Max", "each m", "y"), True),
        (node("Min", "m small", "y"), True),
        (node("Max", "n turned", "y"), True),
        (node("Max", "m turned", "y"), False),  # as Abs: the sign is lost
        (node("Max", "m zero", "y"), False),
        (node("Max", "m a", "y"), False),
        (node("Where", "up m small", "y"), True),
        (node("Where", "n_down each m", "y"), True),
        (node("Where", "up m turned", "y"), False),
        (node("Where", "high m small", "y"), False),  # 0.05 may have been 0.5
        (node("Where", "other m small", "y"), False),
        (node("Where", "up m zero", "y"), False),
        (node("Sub", "a b", "y"), True),
        (node("Sub", "a b_small", "y"), True),
        (node("Sub", "b_each a", "y"), True),
        (node("Add", "above below", "y"), True),
        (node("Add", "a below", "y"), True),
        (node("Add", "a b", "y"), False),  # Abs
        (node("Sub", "above below", "y"), False),
        (node("Add", "a b_each", "y"), False),
        (node("Add", "a above", "y"), False),
        (node("Add", "b below", "y"), False),
    ],
)
def test_a_line_bent_at_zero(made: Any, is_raw: bool) -> None:
    found = traced([*MADE, made], GIVEN, shape=(4, 8))
    assert not any(found.taint(name).is_raw for name in ("a", "b", "above", "below"))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text
    assert not is_raw or found.taint("y").is_mixed


def test_a_bent_line_is_raw_across_a_cut_with_what_is_made_of_it() -> None:
    nodes = [*MADE, node("Max", "m small", "y"), node("Mul", "y k", "z"), node("Add", "z one", "q")]
    found = traced(nodes, GIVEN, shape=(4, 8))
    assert found.taint("q").is_raw


def test_a_parametric_relu_of_the_sums_that_keras_writes() -> None:
    nodes = [
        node("MatMul", "x w", "m"),
        node("Relu", "m", "a"),
        node("Neg", "m", "n"),
        node("Relu", "n", "b"),
        node("Neg", "slopes", "s"),
        node("Mul", "b s", "c"),
        node("Add", "a c", "y"),
    ]
    found = traced(nodes, GIVEN, shape=(4, 8))
    assert found.taint("y").is_raw, found.taint("y").text


def test_slopes_of_a_bent_line_rebuild_the_input() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 8))
    m, slopes = x @ W, np.array([0.1, 0.2, 0.3, 0.4] * 2)
    y = np.maximum(m, 0) - slopes * np.maximum(-m, 0)
    rebuilt = np.where(y < 0, y / slopes, y) @ np.linalg.inv(W)
    assert np.abs(rebuilt - x).max() < 1e-9
