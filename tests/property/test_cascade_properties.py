"""A cascade lies between the device alone and the device with the way to the cloud behind it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from placer.core.cascade import (
    Measure,
    Rate,
    ScoreKind,
    Trials,
    Wanted,
    judge,
)
from placer.core.cascade_mixture import escalation_draws, mixture_s
from placer.core.held_out import halves
from placer.core.latency import Way, compose
from placer.core.legs.cascade import cascade_leg
from placer.core.legs.cloud import cloud_leg
from placer.core.legs.edge import edge_leg
from placer.core.legs.leg import Leg
from placer.core.variant import binomial_bounds
from placer.core.workings import Workings
from placer.core.workload import LatencyTarget, Workload
from tests import builders

EDGE, CLOUD = builders.edge(0.004, spread=0.2), builders.cloud(0.003)
ASK = Workload(targets=(LatencyTarget(0.99, 0.05),))
SURE = 10**9
"""So many samples leave no doubt about a rate."""


def leg(ratio: float, workload: Workload = ASK, samples: int = SURE) -> Leg:
    escalated = round(ratio * samples)
    bounds = (ratio, ratio) if samples == SURE else binomial_bounds(escalated, samples)
    rate = Rate(escalated / samples, *bounds, samples)
    environment = builders.environment(edges=(EDGE,), clouds=(CLOUD,))
    return cascade_leg(EDGE, CLOUD, rate, builders.model(), workload, environment, Workings())


def test_passing_nothing_on_is_the_device_alone() -> None:
    composed = compose([(Way(Workings().service(EDGE.time)), 1.0)], (0.99,))
    assert leg(0.0).latency == composed.latency()
    alone = edge_leg(EDGE, ASK, Workings()).latency
    found = leg(0.0).latency
    assert alone is not None
    assert found is not None
    assert found.p50_s == pytest.approx(alone.p50_s, rel=0.02)
    assert found.p99_s == pytest.approx(alone.p99_s, rel=0.05)


def test_passing_all_on_is_the_device_and_then_the_way_to_the_cloud() -> None:
    workings, environment = Workings(), builders.environment(edges=(EDGE,), clouds=(CLOUD,))
    way = cloud_leg(CLOUD, builders.model(), ASK, environment, workings).way
    times_s = Way(workings.service(EDGE.time)).draw(1000) + way.draw(1000)
    found = leg(1.0).latency
    assert found is not None
    assert found.mean_s == pytest.approx(float(np.median(times_s.mean(axis=1))), rel=1e-9)
    wanted_s = float(np.median(np.sort(times_s, axis=1)[:, 989]))
    assert found.p99_s == pytest.approx(wanted_s, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
@settings(max_examples=25, deadline=None)
def test_no_quantile_falls_as_more_is_passed_on(ratios: list[float]) -> None:
    less, more = (leg(ratio).latency for ratio in sorted(ratios))
    assert less is not None
    assert more is not None
    for name in ("p50_s", "p90_s", "p95_s", "p99_s", "mean_s"):
        assert getattr(less, name) <= getattr(more, name) + 1e-12


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0, 1), min_size=2, max_size=2))
@settings(max_examples=50, deadline=None)
def test_a_higher_threshold_passes_more_on_and_keeps_more(
    seed: int, thresholds: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    confidence = np.round(rng.random(200), 2)
    compared = Trials(
        ScoreKind.PROBABILITIES,
        ((Measure.MARGIN, confidence),),
        (rng.random(200) < confidence).astype(float),
        None,
        *halves(200),
    )
    low, high = (judge(compared, Measure.MARGIN, one, Wanted(0.9)) for one in sorted(thresholds))
    assert low.escalation.ratio <= high.escalation.ratio
    assert low.agreement.ratio <= high.agreement.ratio
    assert low.agreement.low_ratio <= high.agreement.low_ratio


@pytest.mark.parametrize("ratio", [0.002, 0.02, 0.2, 0.6])
def test_quantiles_are_those_of_a_direct_simulation(ratio: float) -> None:
    """Of a million requests one after another, drawn by other code."""
    rng = np.random.default_rng(5)
    n = 1_000_000
    device_s, cloud_s = (np.concatenate(one.time.segments_s) for one in (EDGE, CLOUD))
    times_s = rng.choice(device_s, n)
    passed_on = rng.random(n) < ratio
    workings, environment = Workings(), builders.environment(edges=(EDGE,), clouds=(CLOUD,))
    way = cloud_leg(CLOUD, builders.model(), ASK, environment, workings).way
    moving_s = (way.draw(1000) - workings.service(CLOUD.time).draw(1000)).ravel()
    beyond_s = rng.choice(cloud_s, n) + rng.choice(moving_s, n)
    times_s[passed_on] += beyond_s[passed_on]
    found = leg(ratio).latency
    assert found is not None
    assert found.mean_s == pytest.approx(float(times_s.mean()), rel=0.01)
    for name, percentile in (("p50_s", 0.5), ("p90_s", 0.9), ("p95_s", 0.95), ("p99_s", 0.99)):
        expected_s = float(np.quantile(times_s, percentile))
        assert getattr(found, name) == pytest.approx(expected_s, rel=0.04), name


def test_the_tail_lies_in_what_is_passed_on_above_one_percent() -> None:
    below, above = leg(0.005).latency, leg(0.02).latency
    alone = edge_leg(EDGE, ASK, Workings()).latency
    assert alone is not None
    assert below is not None
    assert above is not None
    assert below.p99_s < 2 * alone.p99_s
    assert above.p99_s > 0.016  # the round trip and the cloud are in it


def test_an_uncertain_rate_widens_what_is_known_of_the_tail() -> None:
    ask = Workload(targets=(LatencyTarget(0.95, 0.05),))
    sure, unsure = (leg(0.05, ask, samples).targets[0] for samples in (SURE, 100))
    assert unsure.low_s is not None
    assert unsure.high_s is not None
    assert sure.low_s is not None
    assert sure.high_s is not None
    assert unsure.high_s - unsure.low_s > sure.high_s - sure.low_s


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=30, deadline=None)
def test_drawn_rates_have_the_bounds_of_clopper_and_pearson(counts: tuple[int, int]) -> None:
    escalated, samples = counts
    drawn = escalation_draws(escalated, samples, 200)
    low, high = np.quantile(drawn, (0.05, 0.95))
    assert low == pytest.approx(
        stats.beta.ppf(0.05, escalated, samples - escalated + 1) if escalated else 0.0,
        abs=0.01 + 0.3 / samples,
    )
    assert high == pytest.approx(
        stats.beta.ppf(0.95, escalated + 1, samples - escalated) if escalated < samples else 1.0,
        abs=0.01 + 0.3 / samples,
    )


@pytest.mark.parametrize(
    ("edge_s", "edge_ratio", "published_s"),
    [(0.123, 0.7612, 0.256), (0.206, 0.7755, 0.316), (0.301, 0.8762, 0.347)],
    ids=["Qwen2.5-1.5B", "Qwen2.5-3B", "Qwen2.5-7B"],
)
def test_the_mean_is_that_of_the_published_router(
    edge_s: float, edge_ratio: float, published_s: float
) -> None:
    """KubeEdge Ianvs, MMLU, 5 shots: time to the first token with an oracle router.

    The cloud is gpt-4o-mini at 0.691 s. Its router decides before either model runs, so that a
    request that is passed on takes the time of the cloud alone.
    """
    times_s = mixture_s(
        np.full((1, 10_000), edge_s), np.full((1, 10_000), 0.691), np.array([1 - edge_ratio])
    )
    assert times_s.mean() == pytest.approx(published_s, rel=0.015)
    formula_s = edge_ratio * edge_s + (1 - edge_ratio) * 0.691
    assert times_s.mean() == pytest.approx(formula_s, rel=1e-9)
