"""The solver against every assignment of small random graphs, by the printed formula."""

from __future__ import annotations

import copy
import json
import random
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.partition.costs import costs_of
from placer.core.partition.crossovers import LinkFigure, crossovers
from placer.core.partition.indexed import index
from placer.core.partition.optimal import best_plans, optimal_plan
from placer.core.partition.plan import Plan
from placer.core.partition.problem import InfeasibleError, Objective
from placer.core.partition.solving import routes
from placer.core.partition.throughput import least_interval
from tests import split_oracle as oracle
from tests.splits import from_file_form

seeds = st.integers(0, 2**32 - 1)
tiers = st.integers(2, 4)
MOST_NODES = {2: 8, 3: 6, 4: 5}
WIDE = json.loads(
    (Path(__file__).parents[1] / "data" / "split_wide_figures.json").read_text(encoding="utf-8")
)
"""Of a report: each was answered wrongly, or not at all, by an earlier solver."""


def random_costs(
    seed: int, n_tiers: int, *, is_concave: bool = False, has_direct: bool = False
) -> dict[str, Any]:
    rng = random.Random(seed)
    n_nodes = rng.randint(1, MOST_NODES[n_tiers])
    costs = oracle.random_costs(
        rng, n_tiers=n_tiers, n_nodes=n_nodes, is_concave=is_concave, has_direct=has_direct
    )
    costs["prices"] = {
        "usd_per_s": [rng.uniform(0, 2) for _ in range(n_tiers)],
        "usd_per_byte_up": [rng.uniform(0, 0.001) for _ in range(n_tiers - 1)],
        "usd_per_byte_down": [rng.uniform(0, 0.001) for _ in range(n_tiers - 1)],
    }
    names = ("active_w", "idle_w", "send_w", "receive_w")
    costs["power"] = {name: rng.uniform(0, 5) for name in names}
    return costs


def solved(costs: dict[str, Any], objective: str = "latency", **options: Any) -> Plan:
    problem = from_file_form(costs).problem
    return optimal_plan(problem, objective=Objective(objective), **options)


def tiers_of(plan: Plan) -> tuple[int, ...]:
    return tuple(tier for _, tier in plan.tiers)


@given(seeds, tiers, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_assignment_is_quicker_and_names_decide_between_equal_ones(
    seed: int, n_tiers: int, is_concave: bool, has_direct: bool
) -> None:
    costs = random_costs(seed, n_tiers, is_concave=is_concave, has_direct=has_direct)
    plans = oracle.all_plans(costs)
    if not plans:
        with pytest.raises(InfeasibleError):
            solved(costs)
        return
    plan = solved(costs)
    best = plans[0][0]
    assert plan.value == pytest.approx(best, rel=1e-9, abs=1e-300)
    assert plan.is_optimal
    equal = [assignment for value, assignment in plans if value - best <= 1e-12 * best]
    assert tiers_of(plan) == min(equal)


@pytest.mark.parametrize("case", WIDE, ids=[case["case"] for case in WIDE])
def test_figures_of_very_different_size_are_answered_exactly(case: dict[str, Any]) -> None:
    costs = {key: value for key, value in case.items() if key != "case"}
    best, assignment = oracle.all_plans(costs)[0]
    plan = solved(costs)
    assert tiers_of(plan) == assignment
    assert plan.value == pytest.approx(best, rel=1e-12)
    assert plan.is_optimal


@given(seeds, tiers, st.booleans(), st.booleans(), st.sampled_from(["latency", "throughput"]))
@settings(max_examples=200, deadline=None)
def test_no_figure_is_too_large_beside_the_others(
    seed: int, n_tiers: int, is_concave: bool, is_spread: bool, objective: str
) -> None:
    rng = random.Random(seed)
    costs = random_costs(seed, n_tiers, is_concave=is_concave, has_direct=seed % 4 == 0)
    oracle.widen(rng, costs, is_spread=is_spread, has_stand_ins=rng.random() < 0.7)
    plans = oracle.all_plans(costs, objective)
    if plans:
        plan = solved(costs, objective)
        assert plan.value == pytest.approx(plans[0][0], rel=1e-9, abs=1e-300)
        assert plan.is_optimal


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_chains_where_some_tiers_are_as_good_as_closed_are_answered_exactly(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"n{place:02}" for place in range(rng.choice([10, 20, 40]))]
    nodes = []
    for name in names:
        device_s = 10 ** rng.uniform(-6, -1)
        times_s = [device_s / 10 ** rng.uniform(0, tier) for tier in range(3)]
        if rng.random() < 0.15:
            times_s[rng.randrange(3)] = rng.choice([1e3, 9999.0, 1e6, 1e9, 1e18])
        nodes.append({"name": name, "time_s": times_s})
    costs: dict[str, Any] = {
        "tiers": ["device", "site", "cloud"],
        "nodes": nodes,
        "tensors": [
            {"name": f"of {a}", "producer": a, "consumers": [b], "bytes": 10 ** rng.uniform(2, 6)}
            for a, b in pairwise(names)
        ],
        "links": [oracle.random_link(rng, is_concave=False) for _ in range(2)],
    }
    way = next(way for way in oracle.hops(costs) if len(way) == 2)
    values = [
        oracle.value(
            costs,
            {name: (place >= first) + (place >= last) for place, name in enumerate(names)},
            way,
            "latency",
        )
        for first, last in combinations_with_replacement(range(len(names) + 1), 2)
    ]
    plan = solved(costs)
    assert plan.value == pytest.approx(min(values), rel=1e-9)
    assert plan.is_optimal


@given(seeds, tiers, st.booleans(), st.sampled_from(["money", "energy", "throughput"]))
@settings(max_examples=60, deadline=None)
def test_no_assignment_is_better_under_another_objective(
    seed: int, n_tiers: int, is_concave: bool, objective: str
) -> None:
    costs = random_costs(seed, n_tiers, is_concave=is_concave)
    plans = oracle.all_plans(costs, objective)
    if plans:
        plan = solved(costs, objective)
        assert plan.value == pytest.approx(plans[0][0], rel=1e-9, abs=1e-300)
        assert plan.is_optimal


@given(seeds, tiers, st.sampled_from(["money", "energy"]), st.sampled_from([0.9, 1.0, 1.1, 1.5]))
@settings(max_examples=40, deadline=None)
def test_no_assignment_within_a_latency_is_cheaper(
    seed: int, n_tiers: int, objective: str, share: float
) -> None:
    costs = random_costs(seed, n_tiers)
    if seed % 2:  # what is free makes many of them equal
        costs["prices"] |= {"usd_per_s": [0.0] * n_tiers, "usd_per_byte_up": [0.0] * (n_tiers - 1)}
        costs["power"] |= {"active_w": 0.0, "idle_w": 0.0}
    latencies = {assignment: value for value, assignment in oracle.all_plans(costs)}
    if not latencies or min(latencies.values()) == 0:
        return
    limit_s = min(latencies.values()) * share
    kept = [
        (value, assignment)
        for value, assignment in oracle.all_plans(costs, objective)
        if latencies[assignment] <= limit_s * (1 + 1e-12)
    ]
    if not kept:
        with pytest.raises(InfeasibleError, match="the quickest takes"):
            solved(costs, objective, latency_limit_s=limit_s)
        return
    plan = solved(costs, objective, latency_limit_s=limit_s)
    best = kept[0][0]
    assert plan.value == pytest.approx(best, rel=1e-9, abs=1e-300)
    assert plan.is_optimal
    assert plan.latency_s <= limit_s * (1 + 1e-9)
    assert tiers_of(plan) == min(one for value, one in kept if value - best <= 1e-12 * best)


@given(seeds, tiers)
@settings(max_examples=30, deadline=None)
def test_the_next_best_plans_come_in_order(seed: int, n_tiers: int) -> None:
    costs = random_costs(seed, n_tiers)
    plans = oracle.all_plans(costs)
    if plans:
        found = best_plans(from_file_form(costs).problem, 5)
        expected = [value for value, _ in plans[:5]]
        assert [plan.value for plan in found] == pytest.approx(expected, rel=1e-9, abs=1e-300)
        assert len({tiers_of(plan) for plan in found}) == len(found)


@given(seeds, tiers)
@settings(max_examples=40, deadline=None)
def test_the_order_of_a_file_changes_nothing(seed: int, n_tiers: int) -> None:
    costs = random_costs(seed, n_tiers, is_concave=seed % 2 == 0)
    turned = copy.deepcopy(costs)
    rng = random.Random(seed)
    for key in ("nodes", "tensors", "outputs"):
        rng.shuffle(turned[key])
    for tensor in turned["tensors"]:
        rng.shuffle(tensor["consumers"])
    try:
        plan = solved(costs)
    except InfeasibleError:
        return
    assert solved(turned) == plan


@given(seeds, tiers)
@settings(max_examples=40, deadline=None)
def test_a_split_is_never_worse_than_not_to_split(seed: int, n_tiers: int) -> None:
    costs = random_costs(seed, n_tiers)
    plans = {assignment: value for value, assignment in oracle.all_plans(costs)}
    for tier in range(n_tiers):
        all_there = tuple([tier] * len(costs["nodes"]))
        if all_there in plans:
            assert solved(costs).value <= plans[all_there] * (1 + 1e-9)


@given(seeds, tiers, st.sampled_from(list(LinkFigure)))
@settings(max_examples=30, deadline=None)
def test_between_two_crossovers_the_plan_is_the_best_one(
    seed: int, n_tiers: int, figure: LinkFigure
) -> None:
    costs = random_costs(seed, n_tiers)
    if not oracle.all_plans(costs):
        return
    problem = from_file_form(costs).problem
    low, high = (0.001, 2.0) if figure is LinkFigure.RTT else (0.01, 1e5)
    segments = crossovers(problem, link=0, figure=figure, low=low, high=high)
    key = {"uplink": "uplink_bytes_per_s", "downlink": "downlink_bytes_per_s"}.get(figure, "rtt_s")
    assert (segments[0].low, segments[-1].high) == pytest.approx((low, high))
    for segment in segments:
        for place in (segment.low, (segment.low * segment.high) ** 0.5, segment.high):
            costs["links"][0][key] = place
            plans = {assignment: value for value, assignment in oracle.all_plans(costs)}
            own = plans[tiers_of(segment.plan)]
            assert own == pytest.approx(min(plans.values()), rel=1e-9, abs=1e-300)


@given(seeds, tiers)
@settings(max_examples=12, deadline=None)
def test_what_weighted_stages_find_lies_above_the_best_and_their_bound_below(
    seed: int, n_tiers: int
) -> None:
    costs = random_costs(seed, n_tiers)
    plans = oracle.all_plans(costs, "throughput")
    if plans:
        problem = from_file_form(costs).problem
        indexed = index(problem)
        found = least_interval(
            indexed,
            indexed.allowed,
            lambda route: costs_of(problem, indexed, Objective.LATENCY, route),
            tuple(routes(problem)),
            max_ideals=0,
        )
        best = plans[0][0]
        assert found.low <= best * (1 + 1e-9)
        assert found.value >= best * (1 - 1e-9)
