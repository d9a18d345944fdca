"""Outputs of an execution provider against the CPU's."""

from __future__ import annotations

import numpy as np
import pytest

from placer.core.parity import parity
from placer.core.variant import accuracy, agreement


def test_the_same_outputs_are_float32_and_agree() -> None:
    given = {"y": np.array([[0.1, 0.9], [0.8, 0.2]], dtype=np.float32)}
    found = parity(given, given)
    assert (found.samples, found.max_difference, found.relative_difference) == (2, 0.0, 0.0)
    assert found.agreement_ratio == 1.0
    assert found.is_float32


def test_half_precision_is_told_from_float32() -> None:
    rng = np.random.default_rng(1)
    exact = rng.standard_normal((8, 100)).astype(np.float32)
    half = exact.astype(np.float16).astype(np.float32)
    found = parity({"y": exact}, {"y": half})
    assert not found.is_float32
    assert found.relative_difference < 2**-11
    other_order = exact * np.float32(1 + 2**-22)
    assert parity({"y": exact}, {"y": other_order}).is_float32


def test_the_difference_is_relative_to_the_largest_number_of_each_output() -> None:
    cpu = {"small": np.array([[0.001, 0.0]]), "large": np.array([[100.0, 0.0]])}
    other = {"small": np.array([[0.0011, 0.0]]), "large": np.array([[100.1, 0.0]])}
    found = parity(cpu, other)
    assert found.max_difference == pytest.approx(0.1)
    assert found.relative_difference == pytest.approx(0.1)


def test_another_answer_counts() -> None:
    cpu = {"y": np.array([[0.1, 0.9], [0.8, 0.2]])}
    other = {"y": np.array([[0.9, 0.1], [0.8, 0.2]])}
    assert parity(cpu, other).agreement_ratio == 0.5


def test_what_the_cpu_gives_for_all_zeros_has_no_scale() -> None:
    zeros, ones = np.zeros((1, 3)), np.ones((1, 3))
    assert parity({"y": zeros}, {"y": zeros}).relative_difference == 0.0
    assert parity({"y": zeros}, {"y": ones}).relative_difference == 1.0


@pytest.mark.parametrize("other", [np.zeros((1, 4)), np.full((1, 3), np.nan)])
def test_outputs_that_cannot_be_compared_are_refused(other: np.ndarray) -> None:
    with pytest.raises(ValueError, match="output y"):
        parity({"y": np.zeros((1, 3))}, {"y": other})


def test_other_integers_are_another_answer() -> None:
    cpu, other = {"y": np.array([[3], [7]])}, {"y": np.array([[5], [7]])}
    found = parity(cpu, other)
    assert not found.is_float32
    assert found.agreement_ratio == 0.5
    assert parity(cpu, cpu).is_float32


def test_nan_is_no_answer() -> None:
    scores, nan = np.array([[0.9, 0.1], [0.2, 0.8]]), np.full((2, 2), np.nan)
    assert agreement({"y": scores}, {"y": nan}).ratio == 0.0
    assert agreement({"y": nan}, {"y": nan}).ratio == 0.0
    assert agreement({"y": scores[:, :1]}, {"y": nan[:, :1]}).ratio == 0.0
    assert accuracy({"y": nan}, {"y": np.zeros(2, dtype=np.int64)}).ratio == 0.0
