"""The best assignment under one set of costs: links of several lines, and tiers left out.

A concave cost is the least of its lines, so the best assignment is the best over all choices of
one line for each link and direction. They are tried by branch and bound: where several lines are
open, the least fixed part and the least price per byte bound them from below.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.partition.costs import Costs, Line, Route
from placer.core.partition.indexed import Flags, Indexed, Ints, crossing_bytes, tightened
from placer.core.partition.linear import LinearLink, solve_linear
from placer.core.partition.problem import InfeasibleError, Problem

SAME = 1e-12
"""Two values that differ by less of their size are equal: then names decide."""
MAX_SOLVES = 20_000
"""Least cuts of one question; with more the answer is told as unproven."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The best assignment on the best route."""

    tiers: Ints
    route: Route
    value: float
    low: float
    """No assignment on any route costs less."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is better by more than a billionth."""
        return self.value - self.low <= 1e-9 * abs(self.value)


def routes(problem: Problem) -> Iterator[Route]:
    """Yield the ways over the tiers: all hops, and each use of direct links between them."""
    n_tiers = len(problem.sites)
    skips = [(one.from_tier, one.to_tier) for one in problem.direct]
    for count in range(len(skips) + 1):
        for chosen in itertools.combinations(sorted(skips), count):
            if all(a[1] <= b[0] for a, b in itertools.pairwise(chosen)):
                inside = {tier for start, end in chosen for tier in range(start, end)}
                hops = [(tier, tier + 1) for tier in range(n_tiers - 1) if tier not in inside]
                yield tuple(sorted([*hops, *chosen]))


def on_route(allowed: Flags, route: Route) -> Flags:
    """Return the tiers that a route stops at."""
    stops = {0, *(end for _, end in route)}
    is_stop = np.array([tier in stops for tier in range(allowed.shape[1])])
    within: Flags = allowed & is_stop
    return within


def solve(
    indexed: Indexed, allowed: Flags, costs: Callable[[Route], Costs], ways: Sequence[Route]
) -> Solution:
    """Return the best assignment over all routes; of equal ones the first in the order of names.

    Raises
    ------
    InfeasibleError
        No route has any assignment.
    """
    best: Solution | None = None
    low = math.inf
    refused: InfeasibleError | None = None
    for route in ways:
        try:
            within = tightened(indexed, on_route(allowed, route))
        except InfeasibleError as error:
            refused = refused or error
            continue
        found = solve_concave(indexed, within, costs(route), route)
        low = min(low, found.low)
        if best is None or is_before(found, best):
            best = found
    if best is None:
        if refused is None:
            raise AssertionError("a problem has at least one route")
        raise refused
    return Solution(best.tiers, best.route, best.value, min(low, best.value))


def is_before(one: Solution, other: Solution) -> bool:
    """Tell whether one is better, or equal and lower in the order of names."""
    if abs(one.value - other.value) <= SAME * max(abs(one.value), abs(other.value)):
        return (one.tiers.tolist(), len(other.route)) < (other.tiers.tolist(), len(one.route))
    return one.value < other.value


Choice = tuple[tuple[int, int], ...]
"""For each link and direction the lines that are open: from, and up to."""


def solve_concave(indexed: Indexed, allowed: Flags, costs: Costs, route: Route) -> Solution:
    """Return the best assignment on one route.

    Parameters
    ----------
    allowed
        As `tightened` returns them.
    """
    lines = [direction for link in costs.links for direction in (link.up, link.down)]
    counter = itertools.count()
    best: Solution | None = None

    def examine(choice: Choice) -> tuple[float, int, Choice, Ints]:
        nonlocal best
        ranges = zip(lines, choice, strict=True)
        relaxed = [(part[last][0], part[first][1]) for part, (first, last) in ranges]
        links = [
            LinearLink(link.fixed, up, down)
            for link, up, down in zip(costs.links, relaxed[::2], relaxed[1::2], strict=True)
        ]
        found = solve_linear(indexed, allowed, costs.nodes, links)
        value = costs.value(indexed, found.tiers)
        solution = Solution(found.tiers, route, value, found.low)
        if best is None or is_before(solution, best):
            best = solution
        return (found.low, next(counter), choice, found.tiers)

    heap = [examine(tuple((0, len(part) - 1) for part in lines))]
    low = math.inf
    n_solves = 1
    while heap:
        bound, _, choice, tiers = heapq.heappop(heap)
        split = _split(indexed, lines, choice, tiers)
        if best is None or bound > best.value * (1 + SAME) or split is None:
            low = min(low, bound)
            continue
        if n_solves >= MAX_SOLVES:
            low = min(low, bound)
            break
        for part in split:
            n_solves += 1
            heapq.heappush(heap, examine(part))
    if best is None:
        raise AssertionError("the first choice was examined")
    return Solution(best.tiers, route, best.value, min(low, best.value))


def _split(
    indexed: Indexed, lines: Sequence[Sequence[Line]], choice: Choice, tiers: Ints
) -> tuple[Choice, Choice] | None:
    """Divide the open lines of the direction that the bound is furthest below; None: nowhere."""
    up, down, used = crossing_bytes(indexed, tiers)
    widest, at, where = 0.0, -1, 0
    for place, (part, (first, last)) in enumerate(zip(lines, choice, strict=True)):
        link = place // 2
        if first == last or not used[link]:
            continue
        n_bytes = float((up, down)[place % 2][link])
        values = [fixed + per_byte * n_bytes for fixed, per_byte in part[first : last + 1]]
        excess = min(values) - (part[last][0] + part[first][1] * n_bytes)
        if excess > widest:
            widest, at, where = excess, place, first + values.index(min(values))
    if at < 0:
        return None
    first, last = choice[at]
    middle = min(where, last - 1)
    return (
        (*choice[:at], (first, middle), *choice[at + 1 :]),
        (*choice[:at], (middle + 1, last), *choice[at + 1 :]),
    )
