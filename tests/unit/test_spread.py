"""The distribution that a candidate carries for the plot: of its samples, or of its draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.core.estimate import Candidate, Spread
from placer.core.evaluate import rank_all
from placer.core.latency import SPREAD_POINTS, spread_of
from placer.core.placement import SiteTime
from placer.core.workings import Workings
from placer.core.workload import Arrival, LatencyTarget, Workload
from tests import builders

P99 = Workload(targets=(LatencyTarget(0.99, 0.02),))


def _best(prefix: str, workload: Workload, *, is_brief: bool = False, **changes: Any) -> Candidate:
    ranked, _ = rank_all(
        builders.model(), workload, builders.environment(**changes), Workings(is_brief=is_brief)
    )
    return next(one for one in ranked if one.id.startswith(prefix))


def _spread(prefix: str, workload: Workload = P99, **changes: Any) -> Spread:
    spread = _best(prefix, workload, **changes).spread
    assert spread is not None
    assert len(spread.points_s) == SPREAD_POINTS
    assert list(spread.points_s) == sorted(spread.points_s)
    return spread


def test_points_stand_for_equal_shares_of_the_samples() -> None:
    spread = spread_of(np.array([[3.0, 1.0], [1.0, 2.0]]), is_lower_bound=False)
    assert spread is not None
    assert [spread.points_s.count(value) for value in (1.0, 2.0, 3.0)] == [500, 250, 250]


def test_measured_device_shows_its_own_runs() -> None:
    site = builders.edge()
    assert site.time.measurement is not None
    spread = _spread("edge:", edges=(site,))
    assert set(spread.points_s) <= set(site.time.measurement.samples_s)
    assert not spread.is_lower_bound


@pytest.mark.parametrize("prefix", ["edge:", "cloud:", "fallback:prefer_device"])
@pytest.mark.parametrize("rate_hz", [None, 60.0])
def test_spread_agrees_with_the_quantiles_of_the_table(prefix: str, rate_hz: float | None) -> None:
    workload = replace(P99, rate_hz=rate_hz, arrival=Arrival.POISSON)
    found = _best(prefix, workload)
    assert found.latency is not None
    assert found.spread is not None
    middle = found.spread.points_s[SPREAD_POINTS // 2]
    assert middle == pytest.approx(found.latency.p50_s, rel=0.1)


def test_unknown_part_makes_it_a_lower_bound_and_nothing_known_makes_none() -> None:
    unknown = replace(builders.cloud(), time=SiteTime(source="nobody measured it"))
    spread = _spread("cloud:", clouds=(unknown,))
    assert spread.is_lower_bound
    assert spread.points_s[0] > 0
    edge = replace(builders.edge(), time=SiteTime(source="nobody measured it"))
    assert _best("edge:", P99, edges=(edge,)).spread is None


def test_device_with_more_requests_than_it_serves_is_at_least_as_slow_as_the_service() -> None:
    site = builders.edge(0.01)
    overrun = replace(P99, rate_hz=500.0)
    spread = _spread("edge:", overrun, edges=(site,))
    assert spread.is_lower_bound
    assert spread.points_s == _spread("edge:", edges=(site,)).points_s


def test_questions_of_which_verdicts_count_do_not_pay_for_it() -> None:
    for prefix in ("edge:", "cloud:", "fallback:"):
        assert _best(prefix, replace(P99, rate_hz=60.0), is_brief=True).spread is None
