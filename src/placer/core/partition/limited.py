"""The cheapest assignment that keeps a latency: a price on time, moved until the limit is met.

With a price of a second the question is one of least cost again. The price that leads to the
limit gives the best bound of this kind; the cheapest assignment seen that keeps the limit lies
above it by the gap. The gap is then worked off by taking the assignments in the order of their
priced costs, until none that is left can be better.

Source: Handler and Zang, "A dual algorithm for the constrained shortest path problem",
Networks 10, 1980.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from placer.core.partition.costs import Costs, Route, combined
from placer.core.partition.indexed import Flags, Indexed
from placer.core.partition.problem import InfeasibleError
from placer.core.partition.ranked import Ranked
from placer.core.partition.solving import SAME, Solution, solve

MAX_STEPS = 60
"""Of the price; each one meets another corner of the trade-off."""
MAX_CLOSING_SOLVES = 3_000
"""Least cuts spent on the gap."""
MAX_CLOSING_NODES = 400
MAX_TIED_NODES = 40
"""Up to so many nodes equal assignments are looked for; there it takes about as long again."""


def cheapest_within(
    indexed: Indexed,
    allowed: Flags,
    costs: Callable[[Route], Costs],
    latency: Callable[[Route], Costs],
    ways: Sequence[Route],
    *,
    limit_s: float,
) -> Solution:
    """Return the cheapest assignment of at most a latency; ``low`` bounds all that keep it.

    Of equal ones the first in the order of names, in graphs of up to ``MAX_TIED_NODES``.

    Parameters
    ----------
    costs, latency
        Of a route.

    Raises
    ------
    InfeasibleError
        The quickest assignment takes longer.
    """

    def cheapest(within: Flags) -> Solution:
        return _cheapest(indexed, within, costs, latency, ways, limit_s=limit_s)

    found = cheapest(allowed)
    if len(indexed.names) > MAX_TIED_NODES:
        return found
    first, most = found, found.value + SAME * abs(found.value)
    fixed = allowed.copy()
    for node in range(len(indexed.names)):  # in the order of names: each as low as it may be
        for tier in np.flatnonzero(fixed[node, : first.tiers[node]]):
            lower = fixed.copy()
            lower[node] = np.arange(indexed.n_tiers) == tier
            with contextlib.suppress(InfeasibleError):
                if solve(indexed, lower, costs, ways).value <= most:
                    other = cheapest(lower)
                    if other.value <= most:
                        first = other
                        break
        fixed[node] = np.arange(indexed.n_tiers) == first.tiers[node]
    return Solution(first.tiers, first.route, first.value, min(found.low, first.value))


def _cheapest(
    indexed: Indexed,
    allowed: Flags,
    costs: Callable[[Route], Costs],
    latency: Callable[[Route], Costs],
    ways: Sequence[Route],
    *,
    limit_s: float,
) -> Solution:
    """Return one of the cheapest assignments of at most a latency. Raises as `cheapest_within`."""
    most_s = limit_s * (1 + SAME)

    def latency_s(found: Solution) -> float:
        return latency(found.route).value(indexed, found.tiers)

    def cost(found: Solution) -> float:
        return costs(found.route).value(indexed, found.tiers)

    cheap = solve(indexed, allowed, costs, ways)
    if latency_s(cheap) <= most_s:
        return cheap
    quick = solve(indexed, allowed, latency, ways)
    if quick.value > most_s:
        raise InfeasibleError(
            f"latency_limit_s: no assignment takes at most {limit_s:g} s; the quickest takes "
            f"{quick.value:.6g} s",
            hint="raise the limit, or loosen pins and kept tensors",
        )
    best, low = quick, cheap.low
    best_price = 0.0
    for _ in range(MAX_STEPS):
        slower_s = latency_s(cheap) - latency_s(quick)
        if slower_s <= 0:
            break
        price = (cost(quick) - cost(cheap)) / slower_s
        if price <= 0:
            break

        def priced(route: Route, price: float = price) -> Costs:
            return combined(costs(route), latency(route), price)

        found = solve(indexed, allowed, priced, ways)
        if found.low - price * limit_s > low:
            low, best_price = found.low - price * limit_s, price
        corner = cost(cheap) + price * latency_s(cheap)
        if found.value >= corner - SAME * abs(corner):
            break
        if latency_s(found) <= most_s:
            quick = found
            if cost(found) < cost(best):
                best = found
        else:
            cheap = found
    value = cost(best)
    if value - low > 1e-9 * abs(value) and len(indexed.names) <= MAX_CLOSING_NODES:
        best, low = _closed(indexed, allowed, costs, latency, ways, best, low, limit_s, best_price)
        value = cost(best)
    return Solution(best.tiers, best.route, value, min(low, value))


def _closed(
    indexed: Indexed,
    allowed: Flags,
    costs: Callable[[Route], Costs],
    latency: Callable[[Route], Costs],
    ways: Sequence[Route],
    best: Solution,
    low: float,
    limit_s: float,
    price: float,
) -> tuple[Solution, float]:
    """Take assignments by priced cost until those left cannot be better than the best."""

    def priced(route: Route) -> Costs:
        return combined(costs(route), latency(route), price)

    value = costs(best.route).value(indexed, best.tiers)
    ranking = Ranked(indexed, allowed, priced, ways, max_solves=MAX_CLOSING_SOLVES)
    for found in ranking:
        low = max(low, found.low - price * limit_s)
        if low >= value * (1 - SAME):
            return best, value
        is_kept = latency(found.route).value(indexed, found.tiers) <= limit_s * (1 + SAME)
        own = costs(found.route).value(indexed, found.tiers)
        if is_kept and own < value:
            best, value = found, own
    return best, value if ranking.is_complete else low
