"""Which session settings are tried, and which of them is best."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.core.measurement import ScreenedSetting, SessionSettings
from placer.core.settings import (
    best_setting,
    ratio_bounds,
    searched_settings,
    settings_gain,
    usual_settings,
    with_hints,
)
from tests import builders

SPINNING, RESTING, SINGLE = usual_settings(4)


def _tried(
    settings: SessionSettings, median_s: float, cpu_s: float | None, **more: float
) -> ScreenedSetting:
    return ScreenedSetting(settings, 30, median_s, cpu_s, ratio=median_s / 0.010, **more)  # type: ignore[arg-type]  # keywords


DEFAULT = _tried(SPINNING, 0.010, 0.040)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 12, 96])
def test_the_search_holds_the_usual_settings_and_each_once(cores: int) -> None:
    found = searched_settings(cores)
    assert found[0] == usual_settings(cores)[0]
    assert set(found) >= set(usual_settings(cores))
    assert len(set(found)) == len(found)
    assert {one.intra_op_threads for one in found} >= {1, cores, max(1, cores // 2)}
    assert all(1 <= one.intra_op_threads <= cores for one in found)
    assert not any(one.allow_spinning for one in found if one.intra_op_threads == 1)


def test_what_is_fixed_is_not_searched_for() -> None:
    assert searched_settings(8, threads=2) == (SessionSettings(2, True), SessionSettings(2, False))
    assert {one.allow_spinning for one in searched_settings(8, spinning=False)} == {False}
    assert searched_settings(8, threads=1, spinning=True) == (SessionSettings(1, False),)


def test_each_precision_hint_is_tried_with_each_setting() -> None:
    plain, hint = searched_settings(4), (("precision", "FP16"),)
    found = with_hints(plain, [hint])
    assert found[: len(plain)] == plain
    assert found[len(plain) :] == tuple(replace(one, provider_options=hint) for one in plain)


def test_a_setting_must_be_faster_by_more_than_chance() -> None:
    assert best_setting([DEFAULT, _tried(RESTING, 0.0097, None)]).settings == SPINNING
    assert best_setting([DEFAULT, _tried(RESTING, 0.0090, None)]).settings == RESTING
    unsure = _tried(RESTING, 0.0090, None, low_ratio=0.8, high_ratio=1.01)
    assert best_setting([DEFAULT, unsure]).settings == SPINNING


def test_of_two_that_are_as_fast_a_search_takes_the_one_with_less_cpu_time() -> None:
    tried = [DEFAULT, _tried(SINGLE, 0.0103, 0.011)]
    assert best_setting(tried).settings == SPINNING
    assert best_setting(tried, saves_cpu=True).settings == SINGLE
    slower = [DEFAULT, _tried(SINGLE, 0.0120, 0.011)]
    assert best_setting(slower, saves_cpu=True).settings == SPINNING


def test_a_mostly_idle_device_saves_cpu_time_where_the_target_is_far() -> None:
    tried = [DEFAULT, _tried(SINGLE, 0.014, 0.007)]
    assert best_setting(tried, interval_s=0.2, limit_s=0.1).settings == SINGLE
    assert best_setting(tried, interval_s=0.2, limit_s=0.04).settings == SPINNING
    assert best_setting(tried, interval_s=0.2).settings == SPINNING
    assert best_setting(tried, interval_s=0.015, limit_s=0.1).settings == SPINNING


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40))
def test_bounds_enclose_the_median_and_need_five_rounds(ratios: list[float]) -> None:
    middle, low, high = ratio_bounds(ratios)
    if len(ratios) < 5:
        assert (low, high) == (None, None)
        return
    assert low is not None
    assert high is not None
    assert min(ratios) <= low <= middle <= high <= max(ratios)


def test_bounds_are_those_of_the_sign_test() -> None:
    from scipy.stats import binom

    for count in range(5, 41):
        _, low, _ = ratio_bounds(list(range(1, count + 1)))
        assert low is not None
        depth = int(low)
        assert 2 * binom.cdf(depth - 1, count, 0.5) <= 0.1
        assert 2 * binom.cdf(depth, count, 0.5) > 0.1 or 2 * depth >= count - 1


def test_what_the_best_setting_buys_is_told() -> None:
    one = builders.measurement(settings=SINGLE, screened=(DEFAULT, _tried(SINGLE, 0.014, 0.007)))
    assert settings_gain(one) == (
        "best of 2 settings: 1 thread; median 1.40× of the default (4 threads, spinning), 7.00 ms "
        "of CPU time for an inference in place of 40.0 ms (tried briefly)"
    )
    assert settings_gain(builders.measurement(settings=SINGLE)) == ""
