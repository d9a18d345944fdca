"""What holds for every series: bounds agree with verdicts, and verdicts are rarely wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from placer.core.estimate import Verdict
from placer.core.sequential import judge, quantile, quantile_bounds, required_runs
from placer.core.workload import LatencyTarget

PERCENTILES = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    percentile=PERCENTILES,
    limit_s=st.floats(0.5, 2.0),
    margin_factor=st.sampled_from([1.0, 1.1]),
    may_claim_violated=st.booleans(),
    digits=st.integers(1, 9),
)
def test_the_bounds_say_what_the_verdict_says(
    seed: int,
    lengths: list[int],
    percentile: float,
    limit_s: float,
    margin_factor: float,
    may_claim_violated: bool,
    digits: int,
) -> None:
    rng = np.random.default_rng(seed)
    segments = [rng.lognormal(sigma=0.2, size=length).round(digits) for length in lengths]
    result = judge(
        segments,
        LatencyTarget(percentile, limit_s),
        may_claim_violated=may_claim_violated,
        margin_factor=margin_factor,
    )
    is_met = result.high_s is not None and result.high_s <= limit_s
    is_violated = result.low_s is not None and result.low_s > limit_s
    assert (result.verdict is Verdict.MET) == is_met
    assert (result.verdict is Verdict.VIOLATED) == is_violated
    assert (result.evidence_met >= 20) or not is_met
    assert (result.evidence_violated >= 20) or not is_violated
    assert (result.runs_needed == 0) or result.verdict is Verdict.UNPROVEN
    assert result.exceedances == sum(int((part > limit_s).sum()) for part in segments)
    assert result.value_s == quantile(np.concatenate(segments), percentile)
    if result.low_s is not None:
        assert result.low_s <= result.value_s
    if result.high_s is not None:
        assert result.high_s >= result.value_s


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([2.0**-20, 0.5, 1024.0]))
def test_a_verdict_does_not_depend_on_the_unit(seed: int, scale: float) -> None:
    samples = np.random.default_rng(seed).lognormal(sigma=0.1, size=600)
    one = judge([samples], LatencyTarget(0.95, 1.2))
    other = judge([samples * scale], LatencyTarget(0.95, 1.2 * scale))
    assert one.verdict is other.verdict
    assert one.evidence_met == other.evidence_met


@settings(max_examples=100, deadline=None)
@given(
    samples=st.lists(st.floats(0, 10), min_size=1, max_size=300),
    percentile=PERCENTILES,
    block_runs=st.integers(1, 5),
)
def test_order_statistic_bounds_are_ordered_samples(
    samples: list[float], percentile: float, block_runs: int
) -> None:
    values = np.array(samples)
    low, high = quantile_bounds(values, percentile, block_runs=block_runs)
    middle = quantile(values, percentile)
    assert low is None or (low in samples and low <= middle)
    assert high is None or (high in samples and high >= middle)


@settings(max_examples=60, deadline=None)
@given(runs=st.integers(20, 3000), data=st.data(), percentile=PERCENTILES)
def test_the_forecast_settles_and_one_run_less_does_not(
    runs: int, data: st.DataObject, percentile: float
) -> None:
    misses = data.draw(st.integers(0, runs))
    needed = required_runs(runs, misses, percentile)
    if needed is not None and needed > 1 and misses in (0, runs):
        assert required_runs(runs + needed, (misses > 0) * (runs + needed), percentile) == 0
        assert required_runs(runs + needed - 1, (misses > 0) * (runs + needed - 1), percentile) == 1


@pytest.mark.parametrize("coefficient", [0.0, 0.9])
@pytest.mark.parametrize("ratio", [1.02, 1 / 1.02])
def test_two_percent_from_the_limit_verdicts_are_rarely_wrong(
    coefficient: float, ratio: float
) -> None:
    rng = np.random.default_rng(round(10 * coefficient + ratio * 100))
    truth = Verdict.MET if ratio > 1 else Verdict.VIOLATED
    limit_s = float(np.exp(0.1 * ndtri(0.95))) * ratio
    noise = rng.standard_normal((60, 800))
    levels = noise.copy()
    for run in range(1, 800):
        levels[:, run] = (
            coefficient * levels[:, run - 1] + np.sqrt(1 - coefficient**2) * noise[:, run]
        )
    wrong = 0
    for series in np.exp(0.1 * levels):
        for runs in range(20, 801, 60):
            verdict = judge([series[:runs]], LatencyTarget(0.95, limit_s)).verdict
            if verdict is not Verdict.UNPROVEN:
                wrong += verdict is not truth
                break
    assert wrong <= 5  # 3 are expected at most; the exact rates are in bench/verdict_error.py
