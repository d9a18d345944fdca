"""The three-parameter fit, its interval, and what it refuses; times carried between devices."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.beta import student_quantile
from placer.core.calibration import (
    FLOOR_FACTOR,
    Calibration,
    Limits,
    Timing,
    Work,
    calibrate,
    changed_pace,
    is_suspiciously_slow,
)
from placer.core.device_transfer import transfer
from placer.core.errors import UsageError

S_PER_FLOP, S_PER_BYTE, S_PER_OP = 1 / 200e9, 1 / 30e9, 4e-6
FASTEST = Limits(2e16, 1e14)


def works(count: int, seed: int = 0) -> list[Work]:
    rng = np.random.default_rng(seed)
    return [
        Work(
            f"m{index}",
            10 ** rng.uniform(8, 10.5),
            10 ** rng.uniform(6.5, 8.5),
            float(rng.integers(20, 400)),
        )
        for index in range(count)
    ]


def timed(work: Work, noise: float = 0.0, slower: float = 1.0) -> Timing:
    time_s = work.flops * S_PER_FLOP + work.bytes_moved * S_PER_BYTE + work.n_ops * S_PER_OP
    return Timing(work, slower * time_s * math.exp(noise), f"t.csv:{work.model}")


def noisy(count: int, sigma: float, seed: int = 0) -> list[Timing]:
    rng = np.random.default_rng(seed + 1)
    return [timed(work, sigma * rng.standard_normal()) for work in works(count, seed)]


def test_finds_the_parameters_of_exact_times() -> None:
    found = calibrate([timed(work) for work in works(8)])
    assert found.s_per_flop == pytest.approx(S_PER_FLOP, rel=1e-6)
    assert found.s_per_byte == pytest.approx(S_PER_BYTE, rel=1e-6)
    assert found.s_per_op == pytest.approx(S_PER_OP, rel=1e-6)
    assert found.factor_90 == FLOOR_FACTOR


def test_one_odd_model_does_not_bend_the_fit() -> None:
    rows = [timed(work) for work in works(9)]
    rows[3] = replace(rows[3], latency_s=3 * rows[3].latency_s)
    found = calibrate(rows)
    assert found.predict(rows[0].work).median_s == pytest.approx(rows[0].latency_s, rel=0.02)
    assert found.factor_90 > 1.8  # and yet it is counted


@pytest.mark.parametrize("count", [8, 12, 20])
def test_nine_in_ten_new_models_lie_in_the_interval(count: int) -> None:
    held = []
    for seed in range(150):
        rows = noisy(count + 20, 0.2, seed)
        found = calibrate(rows[:count])
        for row in rows[count:]:
            told = found.predict(row.work)
            held.append(told.low_s <= row.latency_s <= told.high_s)
    assert 0.86 <= np.mean(held) <= 0.96


def test_the_interval_is_the_t_interval_of_what_leaving_out_tells() -> None:
    found = calibrate(noisy(8, 0.2))
    spread = math.sqrt(float(np.mean(np.square(found.residuals))))
    assert found.factor_90 == pytest.approx(math.exp(student_quantile(0.95, 7) * spread))


def test_a_pace_that_changes_between_rounds_widens_the_interval_as_it_should() -> None:
    rng = np.random.default_rng(3)
    sd, held = 0.2, []
    for seed in range(100):
        paces = np.exp(sd * rng.standard_normal(4))  # three rounds, and one to be predicted
        rows = noisy(17, 0.05, seed)
        rounds_s = np.array([row.latency_s for row in rows])[:, np.newaxis] * paces[:3]
        medians = [
            replace(row, latency_s=float(middle_s))
            for row, middle_s in zip(rows, np.exp(np.log(rounds_s).mean(axis=1)), strict=True)
        ]
        found = calibrate(medians, pace_log_sd=changed_pace(rounds_s))
        new = timed(works(18, seed + 1000)[-1], 0.05 * rng.standard_normal(), float(paces[3]))
        told = found.predict(new.work)
        held.append(told.low_s <= new.latency_s <= told.high_s)
    assert 0.8 < np.mean(held) < 0.97  # three rounds tell a standard deviation poorly
    assert changed_pace(rounds_s[:, :1]) == 0


def test_student_t_is_that_of_tables() -> None:
    for freedom, wanted in ((4, 2.1318), (7, 1.8946), (11, 1.7959), (200, 1.6525)):
        assert student_quantile(0.95, freedom) == pytest.approx(wanted, abs=2e-4)


def test_the_order_of_rows_changes_nothing() -> None:
    rows = noisy(10, 0.3)
    one, other = calibrate(rows), calibrate(rows[::-1])
    assert one.factor_90 == pytest.approx(other.factor_90, rel=1e-6)
    assert one.s_per_flop == pytest.approx(other.s_per_flop, rel=1e-6)


def test_parameters_that_no_model_identifies_are_zero_and_the_others_stand() -> None:
    rows = [timed(replace(work, bytes_moved=0.0)) for work in works(8)]
    found = calibrate(rows)
    assert found.s_per_byte == 0
    assert found.s_per_flop == pytest.approx(S_PER_FLOP, rel=1e-6)


def test_refuses_too_few_models_and_counts_a_repeated_row_once() -> None:
    rows = [timed(work) for work in works(4)]
    with pytest.raises(UsageError, match=r"^4 different model\(s\), and at least 5"):
        calibrate([*rows, rows[0]])


def test_refuses_one_model_with_two_times() -> None:
    rows = [timed(work) for work in works(6)]
    twice = replace(rows[2], latency_s=2 * rows[2].latency_s, where="t.csv:9")
    with pytest.raises(UsageError, match=r"t\.csv:9: 'm2' takes"):
        calibrate([*rows, twice])


def test_refuses_what_is_faster_than_any_chip() -> None:
    rows = [timed(work) for work in works(6)]
    rows[1] = replace(rows[1], work=replace(rows[1].work, flops=1e9 * rows[1].work.flops))
    with pytest.raises(UsageError, match=r"t\.csv:m1: .*faster than any chip"):
        calibrate(rows, limits=FASTEST)


@pytest.mark.parametrize("factor", [1e3, 1e-2])
def test_names_and_leaves_out_a_row_of_other_units(factor: float) -> None:
    rows = noisy(9, 0.1)
    rows[4] = replace(rows[4], latency_s=factor * rows[4].latency_s)
    found = calibrate(rows)
    assert [row.work.model for row in found.left_out] == ["m4"]
    assert found.factor_90 < 1.6


def test_suspects_a_table_in_milliseconds() -> None:
    rows = noisy(9, 0.1)
    assert not is_suspiciously_slow(calibrate(rows))
    assert is_suspiciously_slow(
        calibrate([replace(row, latency_s=1e3 * row.latency_s) for row in rows])
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.floats(1e10, 1e13))
def test_no_prediction_beats_the_limits_or_turns_its_interval_round(
    seed: int, sigma: float, peak: float
) -> None:
    rows = noisy(8, sigma, seed)
    floor = max(row.work.flops / row.latency_s for row in rows)
    found = calibrate(rows, limits=Limits(max(peak, 1.01 * floor)))
    assert found.limits.flops_per_s is not None
    for work in works(20, seed + 1):
        told = found.predict(work)
        least_s = work.flops / found.limits.flops_per_s
        assert least_s <= told.low_s <= told.median_s <= told.high_s


def with_matrices(slower: float) -> list[Timing]:
    rows = []
    for index, work in enumerate(works(14)):
        matrix = work.flops if index % 2 else 0.0
        row = timed(replace(work, matrix_flops=matrix))
        rows.append(replace(row, latency_s=row.latency_s + (slower - 1) * matrix * S_PER_FLOP))
    return rows


def test_matrix_products_have_a_rate_of_their_own_only_where_it_is_seen() -> None:
    apart = calibrate(with_matrices(2.0))
    assert apart.s_per_matrix_flop == pytest.approx(2 * S_PER_FLOP, rel=1e-3)
    assert apart.s_per_flop == pytest.approx(S_PER_FLOP, rel=1e-3)
    few = calibrate(
        [replace(row, work=replace(row.work, matrix_flops=None)) for row in with_matrices(2.0)]
    )
    assert few.s_per_matrix_flop == few.s_per_flop  # fmt: skip


def pair(count: int, share: float, seed: int = 0) -> tuple[list[Timing], list[Timing]]:
    """Two devices, the second 3 times slower, whose residuals have a share in common."""
    rng = np.random.default_rng(seed)
    here, there = [], []
    for work in works(count, seed):
        common, own = 0.3 * rng.standard_normal(2)
        here.append(timed(work, common))
        there.append(timed(work, share * common + (1 - share) * own, slower=3.0))
    return here, there


def test_residuals_carry_over_and_tell_more_than_the_target_alone() -> None:
    here, there = pair(30, 1.0)
    carry = transfer(calibrate(here[:20]), calibrate(there[:20]))
    assert carry.shared == 20
    assert 0.7 < carry.correlation <= 1.0
    assert carry.factor_90 < carry.target.factor_90
    own = calibrate(there[:20])
    off = [
        [abs(math.log(told / far.latency_s)) for told in (
            carry.predict(far.work, near.latency_s).median_s, own.predict(far.work).median_s)]
        for near, far in zip(here[20:], there[20:], strict=True)
    ]  # fmt: skip
    carried, alone = np.median(off, axis=0)
    assert carried < 0.5 * alone


def test_nothing_is_carried_over_where_residuals_have_nothing_in_common() -> None:
    correlations = []
    for seed in range(20):
        here, there = pair(12, 0.0, seed)
        correlations.append(transfer(calibrate(here), calibrate(there)).correlation)
    assert np.median(correlations) < 0.2


def test_few_shared_models_shrink_what_is_carried_over() -> None:
    found = []
    for count in (5, 20, 80):
        here, there = pair(count, 1.0)
        found.append(transfer(calibrate(here), calibrate(there)).correlation)
    assert all(few < many for few, many in pairwise(found))


def test_refuses_devices_with_too_few_models_in_common() -> None:
    one, other = calibrate(noisy(9, 0.1)), calibrate(noisy(9, 0.1, seed=7))
    with pytest.raises(UsageError, match=r"^0 model\(s\) were measured on both"):
        transfer(one, other)


def test_a_calibration_without_the_work_of_a_model_says_so() -> None:
    found = replace(calibrate(noisy(8, 0.1)), s_per_op=0.0, s_per_byte=0.0)
    assert isinstance(found, Calibration)
    with pytest.raises(UsageError, match="cannot be told"):
        found.predict(Work("empty", 0.0, 1e6, 3))
