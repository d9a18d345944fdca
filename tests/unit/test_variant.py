"""How often a variant agrees with its model, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from placer.core.variant import agreement

SCORES = np.eye(10, dtype=np.float32)[np.arange(300) % 10]


def shifted(count: int) -> np.ndarray:
    """The scores with another winner in the first ``count`` samples."""
    found = SCORES.copy()
    found[:count] = np.roll(found[:count], 1, axis=1)
    return found


def test_equal_answers_agree() -> None:
    found = agreement({"y": SCORES}, {"y": SCORES + 0.25})
    assert (found.ratio, found.high_ratio, found.samples) == (1.0, 1.0, 300)
    assert found.low_ratio == pytest.approx(0.05 ** (1 / 300))
    assert found.worst_difference == pytest.approx(0.25)


@given(st.integers(0, 300))
def test_bounds_are_those_of_clopper_and_pearson(wrong: int) -> None:
    found = agreement({"y": SCORES}, {"y": shifted(wrong)})
    right = 300 - wrong
    assert found.ratio == pytest.approx(right / 300)
    low = stats.beta.ppf(0.05, right, wrong + 1) if right else 0.0
    high = stats.beta.ppf(0.95, right + 1, wrong) if wrong else 1.0
    assert found.low_ratio == pytest.approx(low, abs=1e-6)
    assert found.high_ratio == pytest.approx(high, abs=1e-6)


def test_the_worst_output_counts() -> None:
    model = {"class": SCORES, "box": np.ones((300, 4), dtype=np.float32)}
    assert agreement(model, {**model, "class": shifted(30)}).ratio == pytest.approx(0.9)


def test_numbers_labels_and_dense_outputs() -> None:
    number = np.linspace(1, 100, 50, dtype=np.float32).reshape(50, 1)
    assert agreement({"y": number}, {"y": number + 0.5}).ratio == 1.0
    assert agreement({"y": number}, {"y": number + 5}).ratio == 0.0
    label = np.arange(40)
    assert agreement({"y": label}, {"y": np.where(label < 10, -1, label)}).ratio == 0.75
    dense = np.zeros((20, 8, 3), dtype=np.float32)
    dense[..., 0] = 1
    other = dense.copy()
    other[:, :2] = np.roll(other[:, :2], 1, axis=-1)
    found = agreement({"y": dense}, {"y": other})
    assert found.ratio == 0.75
    assert found.low_ratio < 0.75 < found.high_ratio
