from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from placer.core import bootstrap
from placer.core.beta import student_quantile
from placer.core.bootstrap import quantile_ratios, runs_for_bounds
from placer.core.sequential import Floats

TOLERANCE = 0.02


def series(
    rng: np.random.Generator,
    *,
    runs: int = 150,
    processes: int = 3,
    between: float = 0.0,
    spread: float = 0.05,
    dependence: float = 0.0,
    scale: float = 1.0,
) -> list[Floats]:
    """Lognormal samples of 10 ms; AR(1) within a process, whose level has a spread of its own."""
    segments = []
    for _ in range(processes):
        noise = rng.standard_normal(runs)
        for index in range(1, runs if dependence else 1):
            noise[index] = dependence * noise[index - 1] + (1 - dependence**2) ** 0.5 * noise[index]
        level = between * rng.standard_normal()
        segments.append(np.asarray(0.01 * scale * np.exp(level + spread * noise)))
    return segments


@pytest.mark.parametrize(
    ("between", "dependence"),
    [
        (0.0, 0.0),
        pytest.param(0.01, 0.0, marks=pytest.mark.slow),
        (0.03, 0.0),
        pytest.param(0.1, 0.0, marks=pytest.mark.slow),
        (0.02, 0.8),
    ],
)
def test_the_same_thing_measured_twice_is_rarely_called_different(
    between: float, dependence: float
) -> None:
    rng = np.random.default_rng(11)
    trials, wrong = 40, 0
    for _ in range(trials):
        a, b = (series(rng, between=between, dependence=dependence) for _ in "ab")
        found = quantile_ratios(a, b, (0.5, 0.99), rng=rng, replicates=200)
        wrong += any(
            (one.low or 0.0) > 1 + TOLERANCE or (one.high or 1.0) < 1 / (1 + TOLERANCE)
            for one in found
        )
    assert wrong <= 0.05 * trials


def test_the_interval_covers_a_known_ratio() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(40):
        a, b = series(rng, between=0.01), series(rng, between=0.01, scale=1.3)
        (median,) = quantile_ratios(a, b, (0.5,), rng=rng, replicates=200)
        assert median.low is not None
        assert median.high is not None
        covered += median.low <= 1.3 <= median.high
    assert covered >= 37


def test_processes_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    alike = series(rng)
    apart = [segment * factor for segment, factor in zip(alike, (0.9, 1.0, 1.1), strict=True)]
    widths = []
    for side in (alike, apart):
        (median,) = quantile_ratios(side, side, (0.5,), rng=rng, replicates=300)
        assert median.low is not None
        assert median.high is not None
        widths.append(median.high / median.low)
    assert widths[0] < 1.05
    assert widths[1] > 1.2


def test_one_process_gives_no_interval() -> None:
    rng = np.random.default_rng(5)
    for a, b in ((1, 3), (3, 1)):
        (median,) = quantile_ratios(
            series(rng, processes=a), series(rng, processes=b), (0.5,), rng=rng, replicates=200
        )
        assert (median.low, median.high) == (None, None)
        assert 0.9 < median.ratio < 1.1


def test_too_few_runs_leave_the_side_open_that_they_do_not_bound() -> None:
    rng = np.random.default_rng(5)
    few, many = series(rng, runs=50), series(rng, runs=500)
    assert runs_for_bounds(few, 0.99) == 368
    (of_few_b,) = quantile_ratios(many, few, (0.99,), rng=rng, replicates=200)
    assert of_few_b.low is not None
    assert of_few_b.high is None
    (of_few_a,) = quantile_ratios(few, many, (0.99,), rng=rng, replicates=200)
    assert of_few_a.low is None
    assert of_few_a.high is not None


def test_equal_samples_without_any_spread_give_an_interval_of_no_width() -> None:
    flat = [np.full(50, 0.01)] * 3
    (median,) = quantile_ratios(flat, flat, (0.5,), rng=np.random.default_rng(1), replicates=200)
    assert (median.low, median.ratio, median.high) == (1.0, 1.0, 1.0)


def test_long_series_take_fewer_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MAX_DRAWS", 1000)
    a = series(np.random.default_rng(5))
    (median,) = quantile_ratios(a, a, (0.5,), rng=np.random.default_rng(1))
    assert median.low is not None
    assert median.low < 1


@pytest.mark.parametrize("probability", [0.9, 0.975, 0.999])
@pytest.mark.parametrize("freedom", [1.0, 2.0, 2.7, 4.0, 60.0])
def test_quantiles_of_student_are_those_of_scipy(probability: float, freedom: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(
        float(stdtrit(freedom, probability)), rel=1e-9
    )
