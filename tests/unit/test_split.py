"""Comparing the answers of parts with those of the whole model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from placer.core.split import OutputDifference, output_differences

Array = npt.NDArray[np.generic]


def difference(whole: Array, parts: Array) -> OutputDifference:
    (found,) = output_differences({"y": whole}, {"y": parts})
    return found


def test_differences_are_told_absolute_relative_and_by_the_largest_number() -> None:
    whole = np.array([[[1.0, 4.0]], [[3.0, 2.0]]])
    found = difference(whole, np.array([[[1.0, 4.5]], [[1.5, 2.0]]]))
    assert found == OutputDifference("y", 1.5, 0.5, 0.5)


def test_half_precision_does_not_overflow_the_difference() -> None:
    whole = np.array([[60000.0, -60000.0]], np.float16)
    assert difference(whole, -whole).absolute == pytest.approx(120000, rel=1e-3)


def test_what_is_not_a_number_in_both_is_the_same() -> None:
    whole = np.array([[np.nan, np.inf, 1.0]])
    assert difference(whole, whole.copy()).absolute == 0
    assert difference(whole, np.array([[0.0, np.inf, 1.0]])).absolute == np.inf
    assert difference(np.array([[1.0, 2.0]]), np.array([[np.inf, 2.0]])).relative == np.inf


@pytest.mark.parametrize(
    "given", [np.zeros((1, 3), np.float32), np.zeros((1, 2), np.float64)], ids=["shape", "type"]
)
def test_another_shape_or_type_is_no_agreement(given: Array) -> None:
    assert difference(np.zeros((1, 2), np.float32), given).absolute == np.inf


def test_zeros_differ_by_nothing_or_by_everything() -> None:
    zeros = np.zeros((1, 2))
    assert difference(zeros, zeros).relative == 0
    assert difference(zeros, np.array([[0.0, 1e-9]])).relative == np.inf


def test_text_and_empty_outputs_are_compared_too() -> None:
    text = np.array([["cat", "dog"]])
    assert difference(text, text).absolute == 0
    assert difference(text, np.array([["cat", "cow"]])).absolute == np.inf
    assert difference(np.zeros((1, 0)), np.zeros((1, 0))).argmax_ratio is None


def test_one_number_has_no_largest() -> None:
    assert difference(np.zeros((3, 1)), np.ones((3, 1))).argmax_ratio is None


def test_a_sample_of_large_numbers_hides_no_other() -> None:
    whole = np.array([[1000.0, 10.0], [1.0, 2.0]])
    found = difference(whole, whole + np.array([0.0, 1.0]))
    assert found.relative == 0.5


def test_a_sample_of_zeros_and_single_numbers_take_the_largest_of_all() -> None:
    assert difference(np.array([[0.0, 0.0], [0.0, 4.0]]), np.ones((2, 2)) * 1.0).relative == 0.75
    assert difference(np.array([[0.001], [4.0]]), np.array([[0.101], [4.0]])).relative == 0.025
    assert difference(np.array([[0.0], [0.0]]), np.array([[0.1], [0.0]])).relative == np.inf


@pytest.mark.parametrize("mask", [np.finfo(np.float32).min, -1e9, -1e4])
def test_masked_numbers_hide_no_other(mask: float) -> None:
    whole = np.array([[1.0, 4.0, mask, mask + 3], [2.0, -4.0, 3.0, 0.0]], np.float32)
    parts = whole.copy()
    parts[0, 1] += 1
    assert difference(whole, parts).relative == 0.25
    parts[0, 1:3] = 4, mask * 0.75  # a mask is held to itself
    assert difference(whole, parts).relative == pytest.approx(0.25)


def test_low_numbers_among_their_like_are_no_masks() -> None:
    whole = np.array([[-1e5, -5e4, 2e3, 10.0]])
    assert difference(whole, whole + np.array([0, 0, 0, 1])).relative == 1e-5
    only_masks = np.array([[0.0, -1e9]])
    assert difference(only_masks, only_masks).relative == 0
    assert difference(only_masks, only_masks + np.array([0.1, 0])).relative == np.inf
