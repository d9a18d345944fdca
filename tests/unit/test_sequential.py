"""Verdicts on latency targets: closed forms, known series, and the sentences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from placer.core.errors import InputError, UsageError
from placer.core.estimate import Verdict
from placer.core.sequential import (
    _log_evidence,
    block_length,
    correlation_runs,
    judge,
    median_settled,
    planned_runs,
    quantile,
    quantile_bounds,
    required_runs,
)
from placer.core.workload import LatencyTarget

P99_20MS = LatencyTarget(0.99, 0.02)


def autoregressive(rng: np.random.Generator, runs: int, coefficient: float) -> np.ndarray:
    noise = rng.standard_normal(runs) * np.sqrt(1 - coefficient**2)
    level = rng.standard_normal()
    series = np.empty(runs)
    for run in range(runs):
        level = coefficient * level + noise[run]
        series[run] = level
    return 0.01 * np.exp(0.1 * series)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(("misses", "runs", "block"), [(0, 449, 1), (3, 300, 1), (5, 200, 4)])
def test_evidence_equals_the_integral_of_the_mixture(misses: int, runs: int, block: int) -> None:
    allowed = 0.01

    def ratio(theta: float) -> float:
        hits = (runs - misses) / block
        return float((theta / allowed) ** (misses / block) * ((1 - theta) / (1 - allowed)) ** hits)

    met = quad(ratio, 0, allowed, epsabs=0)[0] / allowed
    violated = quad(ratio, allowed, 1, epsabs=0, points=[2 * misses / runs + 0.02])[0] / 0.99
    assert np.exp(_log_evidence(misses, runs, allowed, block)) == pytest.approx(
        [met, violated], rel=1e-6
    )


def test_evidence_is_on_average_one_at_the_border() -> None:
    from scipy.stats import binom

    misses = np.arange(101)
    evidence = np.exp([_log_evidence(float(k), 100, 0.05, 1) for k in misses])
    assert binom.pmf(misses, 100, 0.05) @ evidence == pytest.approx([1, 1])


def test_planned_runs_are_those_of_the_uniform_mixture() -> None:
    assert [planned_runs(p) for p in (0.5, 0.95, 0.99, 0.999)] == [20, 88, 449, 4512]


def test_quantile_is_a_measured_value_at_the_inverted_distribution() -> None:
    samples = np.arange(100, 0, -1) / 100
    assert quantile(samples, 0.99) == 0.99
    assert quantile(samples, 0.07) == 0.07
    assert quantile(samples, 0.991) == 1.0
    assert quantile(np.array([3.0]), 0.01) == 3.0


def test_upper_bound_of_p99_needs_299_runs() -> None:
    samples = np.arange(1, 300, dtype=float)
    assert quantile_bounds(samples, 0.99) == (293, 299)
    assert quantile_bounds(samples[:298], 0.99)[1] is None
    assert quantile_bounds(np.repeat(samples, 2), 0.99, block_runs=2)[1] == 299
    assert quantile_bounds(samples, 0.99, block_runs=2)[1] is None
    assert quantile_bounds(samples[:2], 0.01) == (None, 1)
    assert quantile_bounds(samples[:2], 0.5, block_runs=3) == (None, None)


def test_bounds_of_the_median_cover_it_as_often_as_they_say(rng: np.random.Generator) -> None:
    bounds = [quantile_bounds(rng.random(50), 0.5) for _ in range(600)]
    assert np.mean([low is not None and low <= 0.5 for low, _ in bounds]) >= 0.94
    assert np.mean([high is not None and high >= 0.5 for _, high in bounds]) >= 0.94


@pytest.mark.parametrize("runs", [500, 3000, 40_000])
@pytest.mark.parametrize("coefficient", [0.5, 0.9])
def test_correlation_time_of_an_autoregressive_series_is_found(
    rng: np.random.Generator, runs: int, coefficient: float
) -> None:
    truth = (1 + coefficient) / (1 - coefficient) / 2
    found = [correlation_runs([autoregressive(rng, runs, coefficient)]) for _ in range(9)]
    assert 0.6 * truth <= np.median(found) <= 2 * truth


def test_independent_runs_have_no_correlation_time(rng: np.random.Generator) -> None:
    series = [[rng.lognormal(size=n) for n in lengths] for lengths in [(400,), (50,) * 8] * 50]
    assert np.mean([correlation_runs(segments) == 0 for segments in series]) >= 0.9
    assert correlation_runs([rng.lognormal(size=20_000)]) <= 1


def test_clustered_slow_runs_count_where_the_bulk_is_independent(rng: np.random.Generator) -> None:
    samples = rng.lognormal(sigma=0.1, size=2000)
    for start in range(100, 2000, 400):
        samples[start : start + 12] *= 3
    assert correlation_runs([samples]) >= 3


def test_offsets_between_processes_are_not_dependence_between_runs(
    rng: np.random.Generator,
) -> None:
    long = [offset + autoregressive(rng, 6000, 0.9) for offset in (0, 1, 2)]
    assert 6 <= correlation_runs(long) <= 20
    segments = [rng.lognormal(mean=offset, sigma=0.1, size=500) for offset in (0, 1, 2)]
    assert correlation_runs(segments) <= 3
    assert correlation_runs([np.concatenate(segments)]) > 50


def test_segments_too_short_to_show_dependence_are_read_as_one_series(
    rng: np.random.Generator,
) -> None:
    samples = autoregressive(rng, 600, 0.9)
    assert correlation_runs(np.split(samples, 60)) > 3
    long = autoregressive(rng, 40_000, 0.9)
    assert correlation_runs(np.split(long, 2000)) > 3


def test_one_long_segment_among_short_ones_is_read(rng: np.random.Generator) -> None:
    segments = [autoregressive(rng, 3000, 0.9), *np.split(rng.lognormal(size=600), 30)]
    assert correlation_runs(segments) > 3


def test_ties_and_constant_series_show_no_dependence(rng: np.random.Generator) -> None:
    assert correlation_runs([np.full(500, 0.01)]) == 0
    assert correlation_runs([rng.integers(1, 3, 500) / 1e3]) == 0


@pytest.mark.parametrize(("correlation", "block"), [(0.0, 1), (0.6, 2), (9.5, 19)])
def test_a_block_is_twice_the_correlation_time(correlation: float, block: int) -> None:
    assert block_length(correlation) == block


def test_no_miss_in_449_runs_is_met_and_in_448_is_not(rng: np.random.Generator) -> None:
    samples = rng.uniform(0.009, 0.011, 449)
    met = judge([samples], P99_20MS)
    assert met.verdict is Verdict.MET
    assert met.high_s == samples.max()
    assert met.runs_needed == 0
    assert met.evidence_met >= 20
    assert met.reason == (
        "0 of 449 runs above 20.0 ms; at most 1 in 100 allowed; p99 is at most 11.0 ms"
    )
    short = judge([samples[:448]], P99_20MS)
    assert short.verdict is Verdict.UNPROVEN
    assert short.high_s is None
    assert short.runs_needed == 1
    assert short.reason.endswith("needs about 1 more")


def test_twice_the_limit_is_violated_at_the_first_look(rng: np.random.Generator) -> None:
    samples = rng.uniform(0.038, 0.042, 20)
    verdict = judge([samples], P99_20MS)
    assert verdict.verdict is Verdict.VIOLATED
    assert verdict.low_s is not None
    assert verdict.low_s > 0.038
    assert verdict.value_s == samples.max()
    assert verdict.exceedances == 20
    assert "p99 is at least" in verdict.reason
    assert judge([samples[:19]], P99_20MS).verdict is Verdict.UNPROVEN


def test_a_disturbed_measurement_proves_met_but_not_violated(rng: np.random.Generator) -> None:
    slow = judge([rng.uniform(0.038, 0.042, 500)], P99_20MS, may_claim_violated=False)
    assert slow.verdict is Verdict.UNPROVEN
    assert slow.low_s is None
    assert slow.runs_needed is None
    assert "the machine was disturbed" in slow.reason
    fast = judge([rng.uniform(0.009, 0.011, 500)], P99_20MS, may_claim_violated=False)
    assert fast.verdict is Verdict.MET


def test_reused_evidence_must_hold_with_the_factor(rng: np.random.Generator) -> None:
    samples = rng.uniform(0.018, 0.019, 500)
    assert judge([samples], P99_20MS).verdict is Verdict.MET
    reused = judge([samples], P99_20MS, margin_factor=1.10)
    assert reused.verdict is Verdict.UNPROVEN
    assert reused.high_s == pytest.approx(samples.max() * 1.1)
    assert reused.runs_needed is None
    assert "1.1 times longer or shorter" in reused.reason
    barely = judge([rng.uniform(0.021, 0.0215, 100)], P99_20MS, margin_factor=1.10)
    assert barely.verdict is Verdict.UNPROVEN
    assert judge([samples * 1.2], P99_20MS, margin_factor=1.05).verdict is Verdict.VIOLATED


def test_dependence_far_from_the_limit_does_not_count(rng: np.random.Generator) -> None:
    samples = autoregressive(rng, 3000, 0.9)
    assert judge([samples], LatencyTarget(0.99, 0.1)).verdict is Verdict.MET
    assert judge([samples], LatencyTarget(0.99, 0.001)).verdict is Verdict.VIOLATED


def test_dependent_runs_count_in_blocks(rng: np.random.Generator) -> None:
    samples = autoregressive(rng, 3000, 0.9)
    verdict = judge([samples], LatencyTarget(0.99, float(samples.max()) * 1.001))
    assert verdict.verdict is Verdict.UNPROVEN
    assert verdict.exceedances == 0
    assert verdict.block_runs >= 12
    assert verdict.runs_needed is not None
    assert 448 < (verdict.runs + verdict.runs_needed) / verdict.block_runs <= 449
    assert "count as 1" in verdict.reason


def test_a_series_short_for_its_correlation_time_is_unproven(rng: np.random.Generator) -> None:
    samples = autoregressive(rng, 400, 0.97)
    verdict = judge([samples], LatencyTarget(0.5, float(np.quantile(samples, 0.2))))
    assert verdict.correlation_runs > 400 / 30
    assert verdict.block_runs > block_length(verdict.correlation_runs)
    assert verdict.verdict is Verdict.UNPROVEN


def test_a_drifting_series_is_not_told_to_go_on() -> None:
    samples = np.linspace(0.010, 0.021, 600)
    verdict = judge([samples], P99_20MS)
    assert verdict.verdict is Verdict.UNPROVEN
    assert verdict.runs_needed is None
    assert "more runs like these would not settle it" in verdict.reason


def test_misses_in_one_cluster_do_not_prove_a_violation(rng: np.random.Generator) -> None:
    samples = rng.uniform(0.009, 0.011, 300)
    scattered, clustered = samples.copy(), samples.copy()
    scattered[::20] = 0.03
    clustered[100:115] = 0.03
    assert judge([scattered], P99_20MS).verdict is Verdict.VIOLATED
    assert judge([clustered], P99_20MS).verdict is Verdict.UNPROVEN


def test_required_runs_follow_the_rate_seen() -> None:
    assert required_runs(0, 0, 0.99) == 449
    assert required_runs(449, 0, 0.99) == 0
    assert required_runs(200, 0, 0.99, correlation_runs=1.5) == 3 * 449 - 200
    few = required_runs(1000, 5, 0.99)
    many = required_runs(1000, 20, 0.99)
    assert few is not None
    assert many is not None
    assert 500 < few < 4000
    assert 0 < many < few
    assert required_runs(300, 3, 0.99) is None


def test_a_target_at_the_rate_allowed_is_not_forecast(rng: np.random.Generator) -> None:
    samples = rng.uniform(0.009, 0.011, 300)
    samples[[50, 150, 250]] = 0.03
    verdict = judge([samples], P99_20MS)
    assert verdict.runs_needed is None
    assert verdict.reason.startswith("3 of 300 runs above 20.0 ms; at most 1 in 100 allowed")


def test_nothing_measured_is_unproven_with_the_runs_planned() -> None:
    verdict = judge([], P99_20MS)
    assert verdict.verdict is Verdict.UNPROVEN
    assert (verdict.value_s, verdict.low_s, verdict.high_s) == (None, None, None)
    assert verdict.runs_needed == 449


def test_median_settles_as_its_interval_narrows(rng: np.random.Generator) -> None:
    assert median_settled([rng.normal(0.01, 1e-4, 100)])
    assert not median_settled([rng.lognormal(sigma=0.5, size=100)])
    assert not median_settled([np.full(10, 0.01)])
    assert not median_settled([np.linspace(0.0100, 0.0101, 200)])
    assert median_settled([rng.lognormal(sigma=0.5, size=200)], relative_width=0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_broken_samples_are_refused_with_their_place(bad: float) -> None:
    samples = np.full(30, 0.01)
    samples[3] = bad
    with pytest.raises(InputError, match=r"sample 3 is .* s, not a finite time"):
        judge([samples], P99_20MS)
    with pytest.raises(InputError, match="sample 3"):
        correlation_runs([samples])


def test_questions_without_an_answer_are_refused() -> None:
    samples = np.full(30, 0.01)
    with pytest.raises(UsageError, match="percentile 99"):
        judge([samples], LatencyTarget(99, 0.02))
    with pytest.raises(UsageError, match=r"margin factor 0\.9 is below 1"):
        judge([samples], P99_20MS, margin_factor=0.9)
    with pytest.raises(InputError, match="no samples"):
        quantile(np.empty(0), 0.5)
    with pytest.raises(InputError, match="not a flat series"):
        correlation_runs([np.ones((3, 3))])
