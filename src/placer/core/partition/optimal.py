"""The questions that a split answers: the best plan under an objective, and the next best ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from placer.core.errors import UsageError
from placer.core.partition.costs import Costs, Route, costs_of
from placer.core.partition.indexed import Indexed, index
from placer.core.partition.limited import cheapest_within
from placer.core.partition.plan import Plan, plan_of
from placer.core.partition.problem import (
    CostGraph,
    DirectLink,
    InfeasibleError,
    Link,
    Objective,
    Power,
    Problem,
    Site,
    inputs_of,
)
from placer.core.partition.ranked import Ranked
from placer.core.partition.solving import SAME, routes, solve
from placer.core.partition.throughput import least_interval


def optimal_cut(
    graph: CostGraph,
    sites: Sequence[Site],
    links: Sequence[Link],
    *,
    objective: Objective | str = Objective.LATENCY,
    latency_limit_s: float | None = None,
    direct: Sequence[DirectLink] = (),
    power: Power | None = None,
) -> Plan:
    """Return the best split of a graph over ordered tiers, proven.

    Work moves up the tiers and never back; a tensor is sent once over each link, however many
    take it; each link with any node beyond it costs its round trip once; outputs return to
    tier 0. ``docs/splitting.md`` prints the formula.

    Parameters
    ----------
    graph
        Nodes with their times in seconds on each tier, tensors in bytes, outputs.
    sites
        The tiers, from the device on.
    links
        Link k joins the tiers k and k + 1.
    objective
        ``latency``, ``money``, ``energy`` or ``throughput``.
    latency_limit_s
        For money and energy: only plans of at most this latency.
    direct
        Ways that skip tiers: taken where a plan leaves these unused and gains by it.
    power
        Of the device, for ``energy``.

    Returns
    -------
    Plan
        Among equal ones the first in the order of names, lower tiers before higher ones.

    Raises
    ------
    UsageError
        Anything that is no such question, with the key it stands under.
    InfeasibleError
        No plan keeps pins, kept tensors and the limit.
    """
    problem = Problem(graph, tuple(sites), tuple(links), tuple(direct), power)
    return optimal_plan(problem, objective=_objective(objective), latency_limit_s=latency_limit_s)


def optimal_plan(
    problem: Problem, *, objective: Objective, latency_limit_s: float | None = None
) -> Plan:
    """Return the best plan of a problem; see `optimal_cut`.

    One that is not proven is at least no worse than all on one tier.
    """
    if latency_limit_s is not None:
        _check_limit(objective, latency_limit_s)
    indexed = index(problem)
    ways = tuple(routes(problem))
    costs = _costs(problem, indexed, objective)
    latency = _costs(problem, indexed, Objective.LATENCY)
    if objective is Objective.THROUGHPUT:
        found = least_interval(indexed, indexed.allowed, latency, ways)
    elif latency_limit_s is not None:
        found = cheapest_within(
            indexed, indexed.allowed, costs, latency, ways, limit_s=latency_limit_s
        )
    else:
        found = solve(indexed, indexed.allowed, costs, ways)
    plan = plan_of(problem, indexed, objective, found.tiers, found.route, bound=found.low)
    if plan.is_optimal:
        return plan
    unsplit = unsplit_plans(problem, objective, latency_limit_s=latency_limit_s)
    most_s = math.inf if latency_limit_s is None else latency_limit_s * (1 + SAME)
    whole = [one for one in unsplit if one is not None and one.latency_s <= most_s]
    best = min([plan, *whole], key=lambda one: one.value)
    tiers = np.array([tier for _, tier in best.tiers])
    return plan_of(problem, indexed, objective, tiers, best.route, bound=found.low)


def unsplit_plans(
    problem: Problem, objective: Objective, *, latency_limit_s: float | None = None
) -> tuple[Plan | None, ...]:
    """Return for each tier the plan that runs all nodes there; inputs may come from elsewhere.

    Of several ways there the best by the objective, within the limit if one is. None where a node
    cannot run on the tier, or an earlier one needs what is made there. Inputs are those of
    `inputs_of`.

    Raises
    ------
    UsageError
        As `optimal_cut`.
    """
    indexed = index(problem)
    inputs = inputs_of(problem.graph)
    is_input = np.array([[name in inputs] for name in indexed.names], dtype=bool)
    plans: list[Plan | None] = []
    latency = _costs(problem, indexed, Objective.LATENCY)
    for tier in range(indexed.n_tiers):
        here = np.arange(indexed.n_tiers) == tier
        bound_here = indexed.allowed & (here | is_input)
        ways = []  # the assignment is given, so that only the way there is left to choose
        for route in routes(problem):
            try:
                found = solve(indexed, bound_here, latency, (route,))
            except InfeasibleError:
                continue
            ways.append(plan_of(problem, indexed, objective, found.tiers, route, bound=-math.inf))
        plans.append(_best_way(ways, latency_limit_s))
    return tuple(plans)


def _best_way(ways: Sequence[Plan], latency_limit_s: float | None) -> Plan | None:
    limit_s = math.inf if latency_limit_s is None else latency_limit_s
    return min(
        ways,
        key=lambda plan: (plan.latency_s > limit_s * (1 + SAME), plan.value, plan.latency_s),
        default=None,
    )


def best_plans(
    problem: Problem,
    k: int,
    *,
    objective: Objective = Objective.LATENCY,
    max_solves: int = 20_000,
) -> tuple[Plan, ...]:
    """Return the k best plans, best first, no two with the same assignment.

    Exact: after each plan the assignments that are left are divided and each part solved
    (`ranked`). That takes up to k least cuts for each node, so give it fused groups rather than
    thousands of nodes. Fewer than k come back where there are no more, or where ``max_solves``
    least cuts were not enough; those that come back are the best ones in either case.

    Parameters
    ----------
    objective
        Not ``throughput``, whose plans have no such order.

    Raises
    ------
    UsageError
        As `optimal_cut`.
    InfeasibleError
        There is no plan at all.
    """
    if objective is Objective.THROUGHPUT:
        raise UsageError(
            "objective: plans are not ranked by throughput",
            hint="rank by latency, money or energy",
        )
    return tuple(
        itertools.islice(plans_in_order(problem, objective=objective, max_solves=max_solves), k)
    )


def plans_in_order(
    problem: Problem,
    *,
    objective: Objective = Objective.LATENCY,
    max_solves: int = 20_000,
) -> Iterator[Plan]:
    """Yield the plans of `best_plans` one by one, for who does not know yet how many it takes."""
    indexed = index(problem)
    ways = tuple(routes(problem))
    costs = _costs(problem, indexed, objective)
    best = solve(indexed, indexed.allowed, costs, ways)  # tells what clashes where nothing is left
    ranking = Ranked(indexed, indexed.allowed, costs, ways, max_solves=max_solves)
    for one in ranking:
        yield plan_of(problem, indexed, objective, one.tiers, one.route, bound=best.low)


def _costs(problem: Problem, indexed: Indexed, objective: Objective) -> Callable[[Route], Costs]:
    known: dict[Route, Costs] = {}

    def of(route: Route) -> Costs:
        if route not in known:
            known[route] = costs_of(problem, indexed, objective, route)
        return known[route]

    return of


def _objective(word: Objective | str) -> Objective:
    try:
        return Objective(word)
    except ValueError:
        words = " ".join(objective.value for objective in Objective)
        raise UsageError(f"objective: '{word}' is unknown", hint=f"one of: {words}") from None


def _check_limit(objective: Objective, limit_s: float) -> None:
    if objective not in (Objective.MONEY, Objective.ENERGY):
        raise UsageError(
            f"latency_limit_s: the objective {objective.value} takes no limit",
            hint="state it with the objective money or energy",
        )
    if not math.isfinite(limit_s) or limit_s <= 0:
        raise UsageError(f"latency_limit_s: {limit_s} is no time", hint="a time above 0 in seconds")
