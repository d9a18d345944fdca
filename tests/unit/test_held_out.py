"""No sample both calibrates and judges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.held_out import MOST_CALIBRATING, digest_of, not_among, set_aside


@given(st.integers(2, 5000))
def test_a_fifth_calibrates_at_most_128_and_the_others_judge(count: int) -> None:
    calibrating, judging = set_aside(count)
    assert len(calibrating) == min(MOST_CALIBRATING, max(1, count // 5))
    assert sorted([*calibrating, *judging]) == list(range(count))
    again, _ = set_aside(count)
    assert np.array_equal(calibrating, again)


@pytest.mark.parametrize("period", [2, 5, 10])
def test_calibrating_samples_meet_every_class_of_a_sorted_and_of_a_periodic_file(
    period: int,
) -> None:
    calibrating, _ = set_aside(500)
    assert len(set(calibrating % period)) == period
    assert len(set(calibrating // (500 // period))) == period


def test_equal_samples_are_found_by_their_values() -> None:
    own = {"x": np.arange(6.0).reshape(3, 2), "n": np.array([0, 1, 2])}
    others = {"n": np.array([1, 7]), "x": np.array([[2.0, 3.0], [0.0, 1.0]])}
    assert not_among(own, others).tolist() == [0, 2]  # the first has another n
    assert digest_of(own) != digest_of(others)
    assert digest_of(own) == digest_of(dict(reversed(own.items())))
