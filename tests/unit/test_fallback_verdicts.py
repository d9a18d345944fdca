"""A fallback claims of an assumed network only what its fastest form leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.core.estimate import Verdict
from placer.core.evaluate import evaluate
from placer.core.placement import Fallback
from placer.core.workload import Arrival, LatencyTarget, Workload
from tests import builders

SLOW = builders.path(name="assumed", rtt_quantiles_s=((0.5, 0.05), (0.99, 0.06)))
FAST = builders.path(name="fastest", rtt_quantiles_s=((0.5, 0.0005), (0.99, 0.001)))
EDGE, CLOUD = builders.edge(0.010), builders.cloud(0.002)


def _verdict(limit_s: float, **changes: object) -> Verdict:
    """Judge a busy device whose overflow goes to the cloud."""
    workload = Workload(
        targets=(LatencyTarget(0.95, limit_s),), rate_hz=20, arrival=Arrival.POISSON
    )
    environment = builders.environment(edges=(EDGE,), clouds=(CLOUD,), **changes)
    option = Fallback(EDGE, CLOUD, prefers_device=True)
    (target,) = evaluate(option, builders.model(), workload, environment).targets
    return target.verdict


@pytest.mark.parametrize(
    ("limit_s", "expected"),
    [
        (0.030, Verdict.UNPROVEN),  # violated over the assumed network, met over the fastest
        (0.005, Verdict.VIOLATED),  # the device alone takes longer
    ],
)
def test_overflow_over_an_assumed_network(limit_s: float, expected: Verdict) -> None:
    assert _verdict(limit_s, path=SLOW) is Verdict.VIOLATED
    assert _verdict(limit_s, path=SLOW, fastest_path=FAST) is expected


def test_overflow_over_a_stated_network_is_judged_by_it() -> None:
    assert _verdict(0.030, path=replace(FAST, name="stated")) is Verdict.MET
