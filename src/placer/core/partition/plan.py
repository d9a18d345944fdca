"""The answer: where each node runs, what crosses, what that costs, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from placer.core.partition.costs import Costs, Route, costs_of, missing_price
from placer.core.partition.indexed import Indexed, Ints, crossing_bytes, last_tiers
from placer.core.partition.problem import Objective, Problem


@dataclass(frozen=True, slots=True)
class Plan:
    """One assignment with its figures; equal problems give equal plans in whatever order."""

    objective: Objective
    tiers: tuple[tuple[str, int], ...]
    """(node, tier), by name."""
    cut: tuple[tuple[str, ...], ...]
    """For each link the tensors that cross it upwards, by name."""
    bytes_up: tuple[float, ...]
    bytes_down: tuple[float, ...]
    """Of outputs that were made beyond."""
    route: Route
    """The hops of which the links are made, used or not; one of several tiers is a direct link."""
    latency_s: float
    usd: float | None
    """None: a price is not known."""
    joules: float | None
    """Of the device; None: its power is not known."""
    interval_s: float
    """Of a pipeline: the time of its busiest tier or transfer between two requests."""
    value: float
    """Of the objective, in its unit."""
    bound: float
    """No assignment that keeps the constraints has less."""
    is_optimal: bool
    """Whether the bound proves it, to a billionth of the value."""

    @property
    def gap_ratio(self) -> float:
        """What could be gained at most, of the value."""
        return 0.0 if self.value == 0 else max(0.0, (self.value - self.bound) / self.value)

    @property
    def used_tiers(self) -> tuple[int, ...]:
        """Tiers on which any node runs."""
        return tuple(sorted({tier for _, tier in self.tiers}))

    @property
    def hops(self) -> Route:
        """Return the hops of the route that are taken: those up to the last tier with a node."""
        return tuple(hop for hop in self.route if hop[0] < self.used_tiers[-1])


def plan_of(
    problem: Problem,
    indexed: Indexed,
    objective: Objective,
    tiers: Ints,
    route: Route,
    *,
    bound: float,
) -> Plan:
    """Return the plan of an assignment, its figures taken from the printed formula.

    Parameters
    ----------
    bound
        What no assignment is below, in the unit of the objective.
    """
    up, down, _ = crossing_bytes(indexed, tiers)
    last, first = last_tiers(indexed, tiers), tiers[indexed.tensor_from]
    cut = tuple(
        tuple(
            indexed.tensor_names[place] for place in np.flatnonzero((first <= link) & (last > link))
        )
        for link in range(indexed.n_tiers - 1)
    )
    latency = costs_of(problem, indexed, Objective.LATENCY, route)
    interval_s = busiest_s(latency, indexed, tiers)
    has_prices = missing_price(problem, route) is None
    figures = {
        Objective.LATENCY: latency.value(indexed, tiers),
        Objective.MONEY: costs_of(problem, indexed, Objective.MONEY, route).value(indexed, tiers)
        if has_prices
        else None,
        Objective.ENERGY: costs_of(problem, indexed, Objective.ENERGY, route).value(indexed, tiers)
        if problem.power is not None
        else None,
        Objective.THROUGHPUT: interval_s,
    }
    bound = max(bound, 0.0)  # all costs are from 0 on; rounding may put it below
    value = figures[objective]
    latency_s = figures[Objective.LATENCY]
    if value is None or latency_s is None:
        raise AssertionError("the costs of the objective were known when it was solved")
    return Plan(
        objective=objective,
        tiers=tuple(zip(indexed.names, tiers.tolist(), strict=True)),
        cut=cut,
        bytes_up=tuple(up.tolist()),
        bytes_down=tuple(down.tolist()),
        route=route,
        latency_s=latency_s,
        usd=figures[Objective.MONEY],
        joules=figures[Objective.ENERGY],
        interval_s=interval_s,
        value=value,
        bound=min(bound, value),
        is_optimal=value - bound <= 1e-9 * abs(value),
    )


def busiest_s(latency: Costs, indexed: Indexed, tiers: Ints) -> float:
    """Return the longest stage of a pipeline: a tier, or a link in one direction.

    Round trips are waited for, not worked at, so they count for the latency alone.
    """
    up, down, used = crossing_bytes(indexed, tiers)
    times_s = latency.nodes[np.arange(len(tiers)), tiers]
    stages = [math.fsum(times_s[tiers == tier]) for tier in range(indexed.n_tiers)]
    for link, is_used, n_up, n_down in zip(
        latency.links, used.tolist(), up.tolist(), down.tolist(), strict=True
    ):
        if is_used:
            stages += [stage_s(link.up, n_up), stage_s(link.down, n_down)]
    return max(stages)


def stage_s(lines: tuple[tuple[float, float], ...], n_bytes: float) -> float:
    """Return how long one direction of a link is busy; with no bytes it is not."""
    if n_bytes == 0:
        return 0.0
    return min(fixed + per_byte * n_bytes for fixed, per_byte in lines)
