"""How many shared instances a demand needs, and the waits that come of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placer.core.advise import recommend
from placer.core.fleet import MAX_UTILISATION, size_fleet
from placer.core.latency import ServiceDraws, Way, queue_waits_s
from placer.core.queueing import single_server_waits_s, waits_s
from placer.core.workings import Workings
from placer.core.workload import Arrival, LatencyTarget, Workload
from tests import builders

SITE = builders.cloud(0.01)
BUSY = Workload(
    targets=(LatencyTarget(0.99, 0.08),), rate_hz=10.0, fleet=30, arrival=Arrival.POISSON
)


def _fleet(workload: Workload) -> int:
    workings = Workings()
    way = Way(workings.service(SITE.time), builders.path(), 50_000, 1000)
    return size_fleet(way, 0.01, workload, 1.0, workings).instances


def test_no_fleet_is_planned_busier_than_the_limit() -> None:
    for fleet in (30, 3_000, 30_000, 10_000_000):
        workload = replace(BUSY, fleet=fleet)
        assert 10.0 * fleet * 0.01 / _fleet(workload) <= MAX_UTILISATION


def test_one_server_waits_as_in_lindleys_recursion() -> None:
    rng = np.random.default_rng(1)
    gaps_s, services_s = rng.exponential(1.0, (3, 50)), rng.exponential(0.8, (3, 50))
    expected = np.zeros((3, 50))
    for index in range(1, 50):
        left_s = expected[:, index - 1] + services_s[:, index - 1] - gaps_s[:, index]
        expected[:, index] = np.maximum(0.0, left_s)
    assert single_server_waits_s(gaps_s, services_s) == pytest.approx(expected)


def test_one_of_several_servers_agrees_with_one() -> None:
    rng = np.random.default_rng(2)
    arrivals_s = np.cumsum(rng.exponential(1.0, 400))
    services_s = rng.exponential(0.7, 400)
    one = waits_s(arrivals_s, services_s, 1)
    assert np.all(waits_s(arrivals_s, services_s, 2) <= one + 1e-12)


def test_fewest_instances_are_enough_and_one_less_is_not() -> None:
    found = _fleet(BUSY)
    assert found > 300 * 0.01 / MAX_UTILISATION
    service = ServiceDraws(SITE.time)

    def p99_s(instances: int) -> float:
        waits = queue_waits_s(service, BUSY, instances)
        return float(np.quantile(waits, 0.99))

    assert p99_s(found) < p99_s(found - 1)
    answer = recommend(
        builders.model(), BUSY, builders.environment(edges=(), clouds=(SITE,)), with_flips=False
    )
    assert answer.candidates[0].instances == found
    assert answer.decision.feasible is True


def test_tighter_limit_needs_at_least_as_many_instances() -> None:
    limits_s = (0.2, 0.05, 0.04, 0.036, 0.034, 0.032)
    counts = [_fleet(replace(BUSY, targets=(LatencyTarget(0.99, one),))) for one in limits_s]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_hopeless_limit_does_not_ask_for_endless_instances() -> None:
    assert _fleet(replace(BUSY, targets=(LatencyTarget(0.99, 0.001),))) < 30
