"""Tiny-YOLOv2 of DADS: the published cuts, and where the best one changes with the uplink."""

from __future__ import annotations

from itertools import pairwise

import pytest

from placer.core.errors import UsageError
from placer.core.partition.crossovers import LinkFigure, crossovers
from placer.core.partition.optimal import optimal_plan
from placer.core.partition.plan import Plan
from placer.core.partition.problem import Link, Objective, Piece, Problem, rated_link
from tests import splits

MBIT_PER_S = 1e6 / 8
PUBLISHED = (0.522, 6.946, 13.786, 19.523)
"""Mbit/s, between output, max5, max4, max3 and input."""


def last_on_device(plan: Plan) -> str:
    on_device = {name for name, tier in plan.tiers if tier == 0}
    return [name for name in splits.dads_names() if name in on_device][-1]


def test_at_18_mbit_the_cut_of_the_paper_is_not_the_best_one() -> None:
    assert splits.dads_cut_s("input", 18) == pytest.approx(0.588, abs=5e-4)
    plan = optimal_plan(splits.dads(18), objective=Objective.LATENCY)
    assert last_on_device(plan) == "max3"
    assert plan.value == pytest.approx(0.566, abs=5e-4)


def test_at_4_mbit_max5_is_63_percent_better_than_the_input() -> None:
    plan = optimal_plan(splits.dads(4), objective=Objective.LATENCY)
    assert last_on_device(plan) == "max5"
    assert plan.value == pytest.approx(0.767, abs=5e-4)
    assert 1 - plan.value / splits.dads_cut_s("input", 4) == pytest.approx(0.629, abs=5e-4)


def segments() -> list[tuple[float, float, str]]:
    found = crossovers(
        splits.dads(1.0),
        link=0,
        figure=LinkFigure.UPLINK,
        low=0.01 * MBIT_PER_S,
        high=1000 * MBIT_PER_S,
    )
    return [
        (one.low / MBIT_PER_S, one.high / MBIT_PER_S, last_on_device(one.plan)) for one in found
    ]


def test_the_crossovers_are_those_of_the_published_table() -> None:
    found = segments()
    assert [layer for _, _, layer in found] == ["output", "max5", "max4", "max3", "input"]
    assert [high for _, high, _ in found[:-1]] == pytest.approx(PUBLISHED, rel=0.005)
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_both_plans_are_equally_quick_at_a_crossover() -> None:
    for (_, at, before), (_, _, after) in pairwise(segments()):
        if before != "output":
            assert splits.dads_cut_s(before, at) == pytest.approx(
                splits.dads_cut_s(after, at), rel=1e-9
            )


def test_the_busiest_stages_are_those_of_the_published_table() -> None:
    found = {
        rate: optimal_plan(splits.dads(rate), objective=Objective.THROUGHPUT)
        for rate in (1.1, 4.0, 18.88)
    }
    assert [last_on_device(plan) for plan in found.values()] == ["max5", "max4", "max2"]
    assert [plan.value for plan in found.values()] == pytest.approx((0.575, 0.399, 0.268), abs=5e-4)


@pytest.mark.parametrize(
    ("link", "low", "high", "words"),
    [(1, 1.0, 2.0, "there is no link 1"), (0, 2.0, 1.0, "is no range"), (0, 0.0, 1.0, "no range")],
)
def test_a_range_or_link_that_is_none_is_refused(
    link: int, low: float, high: float, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        crossovers(splits.dads(1.0), link=link, figure=LinkFigure.UPLINK, low=low, high=high)


def test_the_rate_of_a_link_in_pieces_is_not_varied_but_its_round_trip_is() -> None:
    dads = splits.dads(1.0)
    link = Link(0.0, (Piece(0.1, 1e-6), Piece(0.2, 1e-7)), rated_link(0, 1, 1).down)
    problem = Problem(dads.graph, dads.sites, (link,))
    with pytest.raises(UsageError, match="pieces: the rate"):
        crossovers(problem, link=0, figure=LinkFigure.UPLINK, low=1.0, high=2.0)
    found = crossovers(problem, link=0, figure=LinkFigure.RTT, low=0.0, high=10.0)
    assert [last_on_device(one.plan) for one in found][-1] == "output"
