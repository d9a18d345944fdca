"""Sums of what constant matrices and convolutions make of one tensor: one matrix together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tainted import const, node, traced

RNG = np.random.default_rng(0)
W = (np.eye(8) + 0.1 * RNG.standard_normal((8, 8))).astype("float32")
A, B = RNG.standard_normal((8, 2)), RNG.standard_normal((2, 8))
GIVEN = [
    const("w", W),
    const("less", -W),
    const("back", -2 * np.eye(8)),
    const("a", A),
    const("b", B),
    const("bias", RNG.standard_normal(8)),
    const("half", 0.5),
    const("two", 2.0),
    const("each", [1.0] * 7 + [2.0]),
]
TWO = [node("MatMul", "x w", "m"), node("MatMul", "x less", "n")]
MATRICES: dict[str, tuple[list[Any], bool]] = {
    "residual": ([node("MatMul", "x w", "m"), node("Add", "x m", "y")], True),
    "residual with a bias": ([node("Gemm", "x w bias", "m"), node("Add", "m x", "y")], True),
    "scaled residual": (
        [node("MatMul", "x w", "m"), node("Mul", "m half", "h"), node("Sub", "x h", "y")],
        True,
    ),
    "low rank": (
        [
            node("MatMul", "x w", "m"),
            node("MatMul", "x a", "p"),
            node("MatMul", "p b", "q"),
            node("Add", "m q", "y"),
        ],
        True,
    ),
    "two low ranks": (
        [
            node("MatMul", "x a", "p"),
            node("MatMul", "p b", "q"),
            node("Mul", "q half", "r"),
            node("Add", "q r", "y"),
        ],
        False,
    ),
    "sum that cancels": ([*TWO, node("Add", "m n", "y")], False),
    "sum with twice what cancels": (
        [*TWO, node("Mul", "n two", "t"), node("Add", "m t", "y")],
        True,
    ),
    "sum with a Gemm of a factor": (
        [TWO[0], node("Gemm", "x less", "n", alpha=2.0), node("Add", "m n", "y")],
        True,
    ),
    "product of what is half": (
        [
            TWO[0],
            node("Mul", "m half", "h"),
            node("MatMul", "h back", "n"),
            node("Add", "m n", "y"),
        ],
        False,
    ),
    "residual of residuals": (
        [
            node("MatMul", "x w", "m"),
            node("Add", "x m", "r"),
            node("MatMul", "r w", "n"),
            node("Add", "r n", "y"),
        ],
        True,
    ),
    "residual of another": (
        [node("Sigmoid", "x", "s"), node("MatMul", "s w", "m"), node("Add", "x m", "y")],
        False,
    ),
    "each number by its own": (
        [*TWO, node("Mul", "n each", "e"), node("Add", "m e", "y")],
        False,
    ),
}


@pytest.mark.parametrize("case", MATRICES)
def test_a_sum_of_matrices_is_one_matrix(case: str) -> None:
    nodes, is_raw = MATRICES[case]
    found = traced(nodes, GIVEN, shape=(4, 8))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text
    assert not is_raw or found.taint("y").is_mixed


def test_the_rank_of_the_sum_counts_and_not_that_of_its_terms() -> None:
    w = W - np.eye(8, dtype="float32")
    w[:, 0] = -np.eye(8)[:, 0]  # x + x @ w lacks its first column
    nodes = [node("MatMul", "x w", "m"), node("Add", "x m", "y")]
    assert np.linalg.matrix_rank(w) == 8
    assert not traced(nodes, [const("w", w)], shape=(4, 8)).taint("y").is_raw


def test_an_input_is_rebuilt_from_a_sum_of_products() -> None:
    x = RNG.standard_normal((4, 8))
    y = x @ W + x @ A @ B
    assert np.abs(y @ np.linalg.inv(W + A @ B) - x).max() < 1e-6


K3, K1 = RNG.standard_normal((8, 3, 3, 3)), RNG.standard_normal((8, 3, 1, 1))
FEW = RNG.standard_normal((27, 6)) @ RNG.standard_normal((6, 27))
"""27 channels of rank 6."""


@pytest.mark.parametrize(
    ("third", "first", "is_raw"),
    [
        ({"pads": [1, 1, 1, 1]}, {}, True),
        ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, {"strides": [2, 2]}, False),
        ({"auto_pad": "SAME_UPPER"}, {}, False),
    ],
)
def test_convolutions_of_one_tensor_are_one(
    third: dict[str, Any], first: dict[str, Any], is_raw: bool
) -> None:
    nodes = [
        node("MatMul", "x w", "m"),
        node("Conv", "m k3", "c3", **third),
        node("Conv", "m k1", "c1", **first),
        node("Add", "c3 c1", "y"),
    ]
    given = [const("k3", FEW.reshape(27, 3, 3, 3)), const("k1", RNG.standard_normal((27, 3, 1, 1)))]
    found = traced(nodes, [const("w", W), *given], shape=(1, 3, 8, 8))
    assert not found.taint("c3").is_raw
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def repvgg(first: np.ndarray, second: np.ndarray, *more: Any, size: int = 8) -> Any:
    nodes = [
        node("Conv", "x k3", "c3", pads=[1, 1, 1, 1]),
        node("Conv", "x k1", "c1"),
        node("Add", "c3 c1", "y"),
        *more,
    ]
    given = [const("k3", first), const("k1", second)]
    return traced(nodes, given, shape=(1, first.shape[1], size, size))


def test_a_stem_of_two_kernels_is_raw_if_their_sum_loses_nothing() -> None:
    many3, many1 = RNG.standard_normal((27, 3, 3, 3)), RNG.standard_normal((27, 3, 1, 1))
    assert repvgg(many3, many1).taint("y").is_raw
    assert not repvgg(K3[:1], K1[:1]).taint("y").is_raw
    cancelled = np.zeros((27, 3, 3, 3))
    cancelled[:, :, 1, 1] = -many1[:, :, 0, 0]
    assert not repvgg(cancelled, many1).taint("y").is_raw


def test_the_tensor_itself_is_a_kernel_of_one_place() -> None:
    wide = RNG.standard_normal((5, 5, 1, 1))
    thin = np.zeros((5, 5, 3, 3))
    thin[:, :, 1, 1] = wide[:, :, 0, 0]
    made = node("Sum", "c3 c1 x", "z")
    assert repvgg(0.5 * thin, wide, made).taint("z").is_raw is False  # 45 values, 5 channels
    for size in (3, 1):
        nodes = [node("Conv", "x k", "c", pads=[size // 2] * 4), node("Add", "c x", "y")]
        found = traced(nodes, [const("k", thin if size == 3 else wide)], shape=(1, 5, 8, 8))
        assert found.taint("y").is_raw == (size == 1)


def test_convolutions_whose_outputs_lie_apart_are_not_added() -> None:
    many3, many1 = RNG.standard_normal((27, 3, 3, 3)), RNG.standard_normal((27, 3, 1, 1))
    nodes = [
        node("Conv", "x k3", "c3", pads=[2, 2, 0, 0]),
        node("Conv", "x k1", "c1"),
        node("Add", "c3 c1", "y"),
    ]
    found = traced(nodes, [const("k3", many3), const("k1", many1)], shape=(1, 3, 8, 8))
    assert found.taint("y").is_raw  # moved by one place, but of the same size
