"""The cases that published splitters get wrong, and what each constraint does."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import placer
from placer.core.errors import UsageError
from placer.core.partition.flow import Network, least_cut
from placer.core.partition.indexed import index
from placer.core.partition.optimal import best_plans, optimal_plan, unsplit_plans
from placer.core.partition.plan import Plan, plan_of
from placer.core.partition.problem import (
    CostGraph,
    DirectLink,
    InfeasibleError,
    Link,
    Node,
    Objective,
    Piece,
    Power,
    Problem,
    Site,
    Tensor,
    rated_link,
)
from tests import splits

DEVICE, CLOUD = 0, 1
SITES = (Site("device"), Site("cloud"))
INPUT = Node("input", (0.0, 0.0), DEVICE)


def problem(
    nodes: list[Node],
    tensors: list[Tensor],
    *,
    rtt_s: float = 0.0,
    bytes_per_s: float = 1.0,
    outputs: tuple[str, ...] = (),
) -> Problem:
    link = rated_link(rtt_s, bytes_per_s, bytes_per_s)
    return Problem(CostGraph(tuple(nodes), tuple(tensors), outputs), SITES, (link,))


def solved(question: Problem, objective: Objective = Objective.LATENCY, **options: Any) -> Plan:
    return optimal_plan(question, objective=objective, **options)


def placed(plan: Plan) -> dict[str, int]:
    return dict(plan.tiers)


def test_a_join_cannot_return_to_the_device() -> None:
    """The min-cut graph of DADS lets b run on the cloud and the join after it on the device."""
    nodes = [
        INPUT,
        Node("a", (1.0, 50.0)),
        Node("b", (50.0, 1.0)),
        Node("join", (1.0, 50.0)),
    ]
    tensors = [
        Tensor("x", "input", ("a", "b"), 1),
        Tensor("ya", "a", ("join",), 1),
        Tensor("yb", "b", ("join",), 1),
    ]
    plan = solved(problem(nodes, tensors))
    assert placed(plan) == {"input": 0, "a": 0, "b": 0, "join": 0}
    assert plan.value == 52.0


def test_a_tensor_of_several_consumers_is_sent_once() -> None:
    nodes = [INPUT, *(Node(f"n{place}", (10.0, 1.0)) for place in range(3))]
    takers = tuple(node.name for node in nodes[1:])
    plan = solved(problem(nodes, [Tensor("x", "input", takers, 5)]))
    assert plan.value == 3 * 1.0 + 5
    assert plan.cut == (("x",),)
    assert plan.bytes_up == (5.0,)


def test_a_consumer_named_twice_takes_it_once() -> None:
    nodes = [INPUT, Node("n", (10.0, 1.0))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("n", "n"), 5)]))
    assert plan.value == 6.0


def test_an_input_used_on_both_sides_is_charged() -> None:
    """Part 2 of a split takes x too, so its bytes cross with the small tensor."""
    nodes = [INPUT, Node("shrink", (1.0, 1.0), DEVICE), Node("add", (9.0, 1.0), CLOUD)]
    tensors = [Tensor("x", "input", ("shrink", "add"), 7), Tensor("y", "shrink", ("add",), 2)]
    plan = solved(problem(nodes, tensors))
    assert plan.cut == (("x", "y"),)
    assert plan.value == 1 + 7 + 2 + 1


def test_the_round_trip_is_paid_once_even_if_no_byte_crosses() -> None:
    nodes = [INPUT, Node("free", (10.0, 1.0)), Node("other", (10.0, 1.0))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("free",), 0)], rtt_s=3))
    assert plan.value == 2 * 1.0 + 3


def test_a_round_trip_that_is_not_worth_it_keeps_all_on_the_device() -> None:
    nodes = [INPUT, Node("n", (10.0, 1.0))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("n",), 0)], rtt_s=9.5))
    assert plan.used_tiers == (DEVICE,)


def test_outputs_come_back_and_those_of_the_device_do_not() -> None:
    nodes = [INPUT, Node("head", (1.0, 1.0), DEVICE), Node("tail", (9.0, 1.0), CLOUD)]
    tensors = [
        Tensor("x", "input", ("head",), 1),
        Tensor("h", "head", ("tail",), 2),
        Tensor("early", "head", (), 1000),
        Tensor("late", "tail", (), 4),
    ]
    plan = solved(problem(nodes, tensors, outputs=("early", "late")))
    assert plan.bytes_down == (4.0,)
    assert plan.value == 1 + 2 + 1 + 4


def test_a_large_result_keeps_its_producer_on_the_device() -> None:
    nodes = [INPUT, Node("n", (10.0, 1.0))]
    tensors = [Tensor("x", "input", ("n",), 1), Tensor("y", "n", (), 9)]
    assert solved(problem(nodes, tensors, outputs=("y",))).used_tiers == (DEVICE,)
    assert solved(problem(nodes, tensors)).used_tiers == (DEVICE, CLOUD)


def test_a_dead_end_is_placed_on_its_own() -> None:
    nodes = [INPUT, Node("main", (10.0, 1.0)), Node("unused", (1.0, 5.0))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("main", "unused"), 2)]))
    assert placed(plan) == {"input": 0, "main": 1, "unused": 0}


def test_nodes_without_producers_may_run_anywhere() -> None:
    nodes = [INPUT, Node("a", (9.0, 1.0)), Node("b", (1.0, 9.0))]
    plan = solved(problem(nodes, []))
    assert placed(plan) == {"input": 0, "a": 1, "b": 0}


def test_a_kept_tensor_keeps_both_ends() -> None:
    nodes = [INPUT, Node("a", (9.0, 1.0)), Node("b", (9.0, 1.0)), Node("c", (9.0, 1.0))]
    tensors = [
        Tensor("x", "input", ("a",), 0),
        Tensor("ya", "a", ("b",), 0, keep_up_to_tier=DEVICE),
        Tensor("yb", "b", ("c",), 0),
    ]
    assert placed(solved(problem(nodes, tensors))) == {"input": 0, "a": 0, "b": 0, "c": 1}


def test_a_node_that_cannot_run_on_a_tier_is_not_put_there() -> None:
    nodes = [INPUT, Node("n", (10.0, None)), Node("m", (None, 10.0))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("n", "m"), 1)]))
    assert placed(plan) == {"input": 0, "n": 0, "m": 1}


def test_equal_plans_are_decided_by_the_lower_tier() -> None:
    nodes = [INPUT, Node("n", (1.0, 1.0))]
    assert solved(problem(nodes, [Tensor("x", "input", ("n",), 0)])).used_tiers == (DEVICE,)


@pytest.mark.parametrize("pieces", [((0.0, 1.0), (4.0, 0.1)), ((4.0, 0.1), (0.0, 1.0))])
def test_a_concave_link_takes_its_least_piece(pieces: tuple[tuple[float, float], ...]) -> None:
    link = Link(0.0, tuple(Piece(*one) for one in pieces), (Piece(0.0, 0.0),))
    small, large = (
        Problem(
            CostGraph((INPUT, Node("n", (100.0, 1.0))), (Tensor("x", "input", ("n",), n_bytes),)),
            SITES,
            (link,),
        )
        for n_bytes in (2, 20)
    )
    assert solved(small).value == 1 + 2
    assert solved(large).value == 1 + 4 + 2


def three_tiers(**changes: Any) -> Problem:
    graph = CostGraph((Node("input", (0.0, 0.0, 0.0), 0), Node("n", (10.0, 8.0, 1.0))), (x_of(1),))
    links = (rated_link(1, 1, 1), rated_link(5, 1, 1))
    whole = Problem(graph, (Site("device"), Site("near"), Site("cloud")), links)
    return replace(whole, **changes)


def x_of(n_bytes: float) -> Tensor:
    return Tensor("x", "input", ("n",), n_bytes)


def test_a_direct_link_is_taken_where_it_is_shorter() -> None:
    plan = solved(three_tiers())
    assert (plan.value, plan.used_tiers) == (1 + (1 + 1) + (5 + 1), (0, 2))
    direct = three_tiers(direct=(DirectLink(0, 2, rated_link(2, 1, 1)),))
    plan = solved(direct)
    assert (plan.value, plan.used_tiers, plan.route) == (1 + 2 + 1, (0, 2), ((0, 2),))
    assert plan.cut == (("x",), ("x",))


def test_a_direct_link_is_not_taken_past_a_tier_that_works() -> None:
    direct = three_tiers(direct=(DirectLink(0, 2, rated_link(2, 1, 1)),))
    nodes = (*direct.graph.nodes, Node("m", (99.0, 1.0, 99.0)))
    graph = replace(direct.graph, nodes=nodes)
    plan = solved(replace(direct, graph=graph))
    assert plan.route == ((0, 1), (1, 2))


def test_an_infinitely_fast_link_puts_all_where_it_is_quickest() -> None:
    assert solved(splits.dads(1e9)).used_tiers == (DEVICE, CLOUD)
    assert all(tier == CLOUD for name, tier in solved(splits.dads(1e9)).tiers if name != "input")
    assert solved(splits.dads(1e-6)).used_tiers == (DEVICE,)


MONEY_SITES = (Site("device", 0.0), Site("cloud", 2.0))


def priced() -> Problem:
    """Two nodes: the first is much slower on the device, the second a little."""
    nodes = (INPUT, Node("a", (10.0, 1.0)), Node("b", (3.0, 1.0)))
    tensors = (Tensor("x", "input", ("a",), 1), Tensor("y", "a", ("b",), 1))
    link = replace(rated_link(0.0, 1, 1), usd_per_byte_up=0.25, usd_per_byte_down=0.0)
    return Problem(CostGraph(nodes, tensors), MONEY_SITES, (link,))


def test_money_alone_keeps_what_is_free() -> None:
    plan = solved(priced(), Objective.MONEY)
    assert (plan.used_tiers, plan.usd, plan.latency_s) == ((DEVICE,), 0.0, 13.0)


@pytest.mark.parametrize(("limit_s", "usd"), [(13.0, 0.0), (12.0, 2.25), (4.0, 4.25), (3.0, 4.25)])
def test_a_latency_limit_is_kept_at_the_least_money(limit_s: float, usd: float) -> None:
    plan = solved(priced(), Objective.MONEY, latency_limit_s=limit_s)
    assert plan.latency_s <= limit_s
    assert plan.usd == usd
    assert plan.is_optimal


def test_a_stricter_limit_never_costs_less() -> None:
    costs = [
        solved(priced(), Objective.MONEY, latency_limit_s=limit_s).value
        for limit_s in (13, 12.5, 12, 10, 6, 4, 3)
    ]
    assert costs == sorted(costs)


def test_of_equal_plans_within_a_limit_names_decide() -> None:
    """Nothing costs anything: the first of those that keep the limit, not the quickest."""
    nodes = (Node("a", (2.0, 1.0)), Node("b", (2.0, 1.0)), Node("c", (2.0, 1.0)))
    sites, link = (Site("device", 0.0), Site("cloud", 0.0)), rated_link(0.0, 1, 1)
    free = replace(link, usd_per_byte_up=0.0, usd_per_byte_down=0.0)
    question = Problem(CostGraph(nodes, ()), sites, (free,))
    for limit_s, tiers in ((6.0, (0, 0, 0)), (5.5, (0, 0, 1)), (4.0, (0, 1, 1)), (3.0, (1, 1, 1))):
        plan = solved(question, Objective.MONEY, latency_limit_s=limit_s)
        assert tuple(tier for _, tier in plan.tiers) == tiers


def test_a_limit_that_nothing_keeps_tells_the_quickest() -> None:
    with pytest.raises(InfeasibleError, match=r"takes at most 2 s; the quickest takes 3 s"):
        solved(priced(), Objective.MONEY, latency_limit_s=2.0)


def test_energy_counts_work_sending_and_waiting() -> None:
    question = replace(priced(), power=Power(active_w=4.0, idle_w=0.5, send_w=2.0, receive_w=1.0))
    plan = solved(question, Objective.ENERGY)
    assert placed(plan) == {"input": 0, "a": 1, "b": 1}
    assert plan.joules == 2.0 * 1 + 0.5 * (1 + 1)


def test_a_device_waits_while_it_does_not_send() -> None:
    power = Power(active_w=4.0, idle_w=0.5, send_w=2.0, receive_w=1.0)
    question = replace(priced(), power=power)
    link = replace(question.links[0], sending_s_per_byte=0.25)  # of the second that a byte takes
    plan = solved(replace(question, links=(link,)), Objective.ENERGY)
    assert plan.joules == 2.0 * 0.25 + 0.5 * (0.75 + 1 + 1)


def test_throughput_balances_the_stages() -> None:
    nodes = (INPUT, *(Node(f"n{place}", (1.0, 1.0)) for place in range(6)))
    names = [node.name for node in nodes]
    tensors = tuple(Tensor(name, name, (after,), 2) for name, after in pairwise(names))
    plan = solved(
        Problem(CostGraph(nodes, tensors), SITES, (rated_link(50.0, 1, 1),)), Objective.THROUGHPUT
    )
    assert plan.interval_s == 3.0
    assert plan.latency_s == 6 + 50 + 2
    assert plan.is_optimal


@pytest.mark.parametrize("objective", ["money", "energy"])
def test_an_objective_without_its_figures_says_what_is_missing(objective: str) -> None:
    with pytest.raises(UsageError, match=r"prices.usd_per_s|power"):
        solved(problem([INPUT], []), Objective(objective))


def test_the_best_plans_end_when_there_are_no_more() -> None:
    nodes = [INPUT, Node("n", (3.0, 1.0))]
    plans = best_plans(problem(nodes, [Tensor("x", "input", ("n",), 1)]), 5)
    assert [(plan.value, plan.is_optimal) for plan in plans] == [(2.0, True), (3.0, False)]


def test_unsplit_plans_leave_the_inputs_where_they_are_and_nothing_else() -> None:
    nodes = [INPUT, Node("a", (9.0, 1.0)), Node("b", (9.0, 2.0))]
    tensors = [Tensor("x", "input", ("a",), 1)]
    question = problem(nodes, tensors, rtt_s=2)
    here, there = unsplit_plans(question, Objective.LATENCY)
    assert here is not None
    assert here.value == 18.0
    assert there is not None
    assert there.value == 1 + 1 + 2 + 2
    for bound in (Node("b", (9.0, None)), Node("b", (9.0, 2.0), DEVICE)):
        assert unsplit_plans(problem([*nodes[:2], bound], tensors), Objective.LATENCY)[1] is None
    late = [*tensors, Tensor("y", "a", ("b",), 1)]
    nodes[2] = Node("b", (9.0, None), DEVICE)
    assert unsplit_plans(problem(nodes, late), Objective.LATENCY)[1] is None
    kept = [replace(tensors[0], keep_up_to_tier=0)]
    assert unsplit_plans(problem(nodes[:2], kept), Objective.LATENCY)[1] is None
    idle = [*nodes[:2], Node("free", (0.0, 0.0))]  # it may run on both, but for what it holds
    held = [*tensors, Tensor("y", "free", (), 1, 0)]
    assert unsplit_plans(problem(idle, tensors), Objective.LATENCY)[1] is not None
    assert unsplit_plans(problem(idle, held), Objective.LATENCY)[1] is None


def test_unsplit_plans_take_the_way_that_is_best_by_the_objective() -> None:
    """By the direct link all in the cloud takes longer and costs 1 USD, by the site 20."""
    hop = replace(rated_link(0, 100_000, 100_000), usd_per_byte_up=0.01, usd_per_byte_down=0.0)
    around = DirectLink(0, 2, replace(hop, rtt_s=1.0, usd_per_byte_up=0.001))
    nodes = (Node("in", (0.0, 0.0, 0.0), DEVICE), Node("net", (10.0, 10.0, 1.0)))
    sites = (Site("device", 1.0), Site("site", 1.0), Site("cloud", 0.0))
    graph = CostGraph(nodes, (Tensor("x", "in", ("net",), 1000),))
    question = Problem(graph, sites, (hop, hop), (around,))
    found = unsplit_plans(question, Objective.MONEY)
    assert [one and one.value for one in found] == [10.0, 20.0, 1.0]
    assert solved(question, Objective.MONEY).value == 1.0
    within = unsplit_plans(question, Objective.MONEY, latency_limit_s=1.5)[2]
    assert within is not None
    assert within.value == 20.0
    assert within.latency_s == pytest.approx(1.02)


def test_an_answer_of_zero_is_proven() -> None:
    """The bound of a limit is a difference, and rounding put it at -2e-16."""
    prices = ((0.0, 0.3), (0.0, 0.1))
    nodes = [INPUT, *(Node(f"n{i}", prices[i % 2]) for i in range(2))]
    plan = solved(problem(nodes, [Tensor("x", "input", ("n0", "n1"), 1)]))
    assert (plan.value, plan.bound, plan.is_optimal) == (0.0, 0.0, True)
    indexed = index(problem(nodes, []))
    here = np.zeros(3, dtype=np.int64)
    low = plan_of(problem(nodes, []), indexed, Objective.LATENCY, here, ((0, 1),), bound=-2.2e-16)
    assert (low.bound, low.is_optimal, low.gap_ratio) == (0.0, True, 0.0)


def test_the_hops_taken_end_at_the_last_tier_in_use() -> None:
    nodes = [INPUT, Node("n", (1.0, 9.0))]
    assert solved(problem(nodes, [])).hops == ()
    assert solved(problem([INPUT, Node("n", (9.0, 1.0))], [])).hops == ((0, 1),)


def test_the_package_offers_the_solver() -> None:
    plan = placer.optimal_cut(
        CostGraph((INPUT, Node("n", (3.0, 1.0))), (x_of(1),)),
        SITES,
        (rated_link(0.5, 1, 1),),
        objective="latency",
    )
    assert (plan.value, plan.is_optimal, plan.gap_ratio) == (2.5, True, 0.0)
    with pytest.raises(UsageError, match="objective: 'speed' is unknown"):
        placer.optimal_cut(
            CostGraph((INPUT,), ()), SITES, (rated_link(0, 1, 1),), objective="speed"
        )


@pytest.mark.parametrize(
    ("nodes", "tensors", "words"),
    [
        (
            [INPUT, Node("a", (1.0, 1.0), CLOUD), Node("b", (1.0, 1.0), DEVICE)],
            [Tensor("y", "a", ("b",), 1)],
            "nodes[2]: 'b' is pinned to tier 0, but it comes after 'a' (nodes[1]), which is pinned "
            "to tier 1",
        ),
        (
            [INPUT, Node("a", (1.0, 1.0), CLOUD)],
            [Tensor("x", "input", ("a",), 1, keep_up_to_tier=0)],
            "nodes[1]: 'a' is pinned to tier 1 and holds 'x', kept up to tier 0, which leaves it "
            "no tier",
        ),
        (
            [INPUT, Node("a", (None, 1.0)), Node("b", (1.0, 1.0)), Node("c", (1.0, None))],
            [Tensor("y", "a", ("b",), 1), Tensor("z", "b", ("c",), 1)],
            "nodes[3]: 'c' can run on tiers 0 only, but it comes after 'a' (nodes[1]), which can "
            "run on tiers 1 only: nothing runs before tier 1 from there on",
        ),
        (
            [Node("a", (1.0, None), CLOUD)],
            [],
            "nodes[0].tier: 'a' is pinned to tier 1, where its time_s is null",
        ),
    ],
)
def test_constraints_that_clash_are_named(
    nodes: list[Node], tensors: list[Tensor], words: str
) -> None:
    with pytest.raises(InfeasibleError) as caught:
        solved(problem(nodes, tensors))
    assert words in caught.value.message
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("kind", ["chain", "skip", "local", "layers", "global"])
@pytest.mark.parametrize("rate", [0.01, 1.0, 100.0])
def test_large_graphs_are_proven(kind: str, rate: float) -> None:
    plan = solved(splits.large(400, kind=kind, rate=rate))
    assert plan.is_optimal
    assert plan.gap_ratio < 1e-11


def test_figures_of_very_different_size_stay_exact() -> None:
    """32-bit capacities alone would lose the small ones: one round leaves a gap of 1e-9."""
    nodes = [INPUT, Node("big", (1e9, 1e9 + 5)), Node("small", (3e-7, 1e-7))]
    tensors = [Tensor("x", "input", ("big",), 1), Tensor("w", "input", ("small",), 1e-7)]
    plan = solved(problem(nodes, tensors))
    assert placed(plan) == {"input": 0, "big": 0, "small": 1}


def test_a_time_that_stands_for_never_hides_no_stage() -> None:
    """The load of a tier is the difference of two sums, of which 1e18 takes all digits."""
    nodes = [INPUT, Node("a", (0.1, 1e18)), Node("b", (0.3, 0.9))]
    tensors = [Tensor("x", "input", ("a",), 0), Tensor("y", "a", ("b",), 0)]
    plan = solved(problem(nodes, tensors), Objective.THROUGHPUT)
    assert placed(plan) == {"input": 0, "a": 0, "b": 0}
    assert plan.value == pytest.approx(0.4)


def test_a_plan_that_is_not_proven_is_no_worse_than_all_on_one_tier() -> None:
    """No price on time leads to the middle tier, and the gap of so many nodes is left."""
    free = [Node(f"n{place}", (0.0, 0.0, 0.0)) for place in range(401)]
    graph = CostGraph((Node("heavy", (11.0, 10.0, 1.0)), *free), ())
    sites = (Site("device", 0.1), Site("site", 0.5), Site("cloud", 10.0))
    link = replace(rated_link(0.0, 1.0, 1.0), usd_per_byte_up=0.0, usd_per_byte_down=0.0)
    question = Problem(graph, sites, (link, link))
    plan = solved(question, Objective.MONEY, latency_limit_s=10.0)
    assert (plan.usd, plan.latency_s, plan.is_optimal) == (5.0, 10.0, False)
    assert plan.bound <= 5.0


def network(rng: np.random.Generator, n: int) -> Network:
    tail, head = rng.integers(0, n, (2, 4 * n))
    kept = (tail != head) & (tail != 1) & (head != 0)
    size = 10.0 ** rng.uniform(-9, 3, 4 * n)
    size[rng.random(4 * n) < 0.2] = math.inf
    capacity = np.where((tail == 0) | (head == 1), np.minimum(size, 1e3), size)
    return Network(n, tail[kept], head[kept], capacity[kept])


@pytest.mark.parametrize("seed", range(40))
def test_the_least_cut_is_the_least_of_all_cuts(seed: int) -> None:
    net = network(np.random.default_rng(seed), 9)
    cut = least_cut(net)
    sides = [
        np.array([True, False, *((mask >> place) & 1 == 1 for place in range(7))])
        for mask in range(2**7)
    ]
    capacities = [math.fsum(net.capacity[side[net.tail] & ~side[net.head]]) for side in sides]
    assert cut.high == pytest.approx(min(capacities), rel=1e-12)
    assert cut.low == pytest.approx(cut.high, rel=1e-11)


def test_ten_thousand_nodes_take_seconds() -> None:
    """Paths of one length at a time would take minutes here; it is under a second."""
    question = splits.large(10_000, kind="layers", rate=0.3)
    start_ns = time.process_time_ns()
    plan = solved(question)
    assert (time.process_time_ns() - start_ns) / 1e9 < 10
    assert plan.is_optimal
