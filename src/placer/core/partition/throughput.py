"""The assignment whose busiest stage is shortest: a pipeline that takes most requests per second.

Exact where the graph has few ideals (sets of nodes that hold the producers of their members):
what runs up to a tier is one, so an assignment is a chain of them. Fused graphs have few. Where
they are many, cuts under weighted stages give good assignments and a bound, and the answer says
how far apart they are.

Source: Tarnawski et al., "Efficient algorithms for device placement of DNN graph operators",
NeurIPS 2020, for ideals; Arora, Hazan and Kale, "The multiplicative weights update method",
2012, for the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from placer.core.partition.costs import Costs, Line, LinkCost, Route
from placer.core.partition.indexed import Flags, Floats, Indexed, Ints, crossing_bytes, tightened
from placer.core.partition.plan import busiest_s, stage_s
from placer.core.partition.problem import InfeasibleError
from placer.core.partition.solving import Solution, is_before, on_route, solve_concave

MAX_IDEALS = 60_000
MAX_IDEALS_IN_PAIRS = 6_000
"""With three tiers or more pairs of ideals are compared."""
MOST_DEAR = 1e3
"""Of the interval: the longest time that a node adds to sums of which others are taken off."""
ROUNDS = 40
RATE = 0.5
_CHUNK = 2048


def least_interval(
    indexed: Indexed,
    allowed: Flags,
    latency: Callable[[Route], Costs],
    ways: Sequence[Route],
    *,
    max_ideals: int | None = None,
) -> Solution:
    """Return the assignment of the shortest busiest stage.

    Parameters
    ----------
    max_ideals
        With more the answer is approximate; None: as many as take seconds.

    Raises
    ------
    InfeasibleError
        No route has any assignment.
    """
    if max_ideals is None:
        max_ideals = MAX_IDEALS if indexed.n_tiers <= 2 else MAX_IDEALS_IN_PAIRS
    best: Solution | None = None
    low = math.inf
    refused: InfeasibleError | None = None
    for route in ways:
        try:
            within = tightened(indexed, on_route(allowed, route))
        except InfeasibleError as error:
            refused = refused or error
            continue
        ideals = _ideals(indexed, within, max_ideals)
        if ideals is None:
            found = _by_weights(indexed, within, latency(route), route)
        else:
            found = _without_dear(indexed, within, latency(route), route, ideals)
        low = min(low, found.low)
        if best is None or is_before(found, best):
            best = found
    if best is None:
        if refused is None:
            raise AssertionError("a problem has at least one route")
        raise refused
    return Solution(best.tiers, best.route, best.value, min(low, best.value))


def _ideals(indexed: Indexed, allowed: Flags, limit: int) -> NDArray[np.bool_] | None:
    """Return all ideals that some tier can end with, (ideals, nodes); None: more than the limit."""
    n_nodes = len(indexed.names)
    first_only = allowed[:, 0] & (allowed.sum(axis=1) == 1)
    last_only = allowed[:, -1] & (allowed.sum(axis=1) == 1)
    needs = [0] * n_nodes
    for node in range(n_nodes):
        for producer in indexed.producers[node]:
            needs[node] |= 1 << producer
    start = sum(1 << int(node) for node in np.flatnonzero(first_only))
    ready = _ready(needs, last_only, start, range(n_nodes))
    found = {start}
    todo = [(start, ready)]
    while todo:
        ideal, ready = todo.pop()
        for node in ready:
            larger = ideal | 1 << node
            if larger in found:
                continue
            if len(found) >= limit:
                return None
            found.add(larger)
            more = _ready(needs, last_only, larger, indexed.consumers[node])
            todo.append((larger, (*(other for other in ready if other != node), *more)))
    width = (n_nodes + 7) // 8
    packed = np.frombuffer(
        b"".join(ideal.to_bytes(width, "little") for ideal in sorted(found)), dtype=np.uint8
    ).reshape(len(found), width)
    return np.unpackbits(packed, axis=1, count=n_nodes, bitorder="little").astype(np.bool_)


def _ready(
    needs: Sequence[int], last_only: Flags, ideal: int, nodes: Iterable[int]
) -> tuple[int, ...]:
    """Return those nodes outside an ideal that may join it."""
    return tuple(
        node
        for node in nodes
        if not ideal >> node & 1 and ideal & needs[node] == needs[node] and not last_only[node]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Loads:
    """What stages take, for each ideal."""

    members: NDArray[np.bool_]
    times_s: Floats
    """(ideals, tiers): of its nodes, all on that tier."""
    misplaced: Ints
    """(ideals, tiers): how many of its nodes may not run there."""
    links_s: Floats
    """(ideals, links): the longer direction if it ends before that link."""


def _loads(indexed: Indexed, allowed: Flags, costs: Costs, members: Flags) -> _Loads:
    times = np.where(allowed, costs.nodes, 0.0)
    times_s = np.zeros((len(members), indexed.n_tiers))
    misplaced = np.zeros(times_s.shape, dtype=np.int64)
    links_s = np.zeros((len(members), indexed.n_tiers - 1))
    for start in range(0, len(members), _CHUNK):
        part = members[start : start + _CHUNK]
        rows = slice(start, start + len(part))
        times_s[rows] = part @ times
        misplaced[rows] = part.astype(np.int64) @ (~allowed).astype(np.int64)
        up = np.zeros(len(part))
        if len(indexed.tensor_start):
            all_in = np.logical_and.reduceat(
                part[:, indexed.tensor_to], indexed.tensor_start, axis=1
            )
            up = (part[:, indexed.tensor_from] & ~all_in) @ indexed.tensor_bytes
        down = ~part @ indexed.output_bytes
        is_used = ~part.all(axis=1)
        for link, cost in enumerate(costs.links):
            longest = np.maximum(_stages_s(cost.up, up), _stages_s(cost.down, down))
            links_s[rows, link] = np.where(is_used, longest, 0.0)
    return _Loads(members, times_s, misplaced, links_s)


def _stages_s(lines: Sequence[Line], n_bytes: Floats) -> Floats:
    least = np.min([fixed + per_byte * n_bytes for fixed, per_byte in lines], axis=0)
    stages: Floats = np.where(n_bytes > 0, least, 0.0)
    return stages


def _without_dear(
    indexed: Indexed, allowed: Flags, costs: Costs, route: Route, members: Flags
) -> Solution:
    """Ask again without the tiers where one node takes longer than all of the answer.

    The load of a tier is the difference of two sums, from which a time of 1e18 takes all digits.
    """
    while True:
        found = _by_ideals(indexed, allowed, costs, route, members)
        is_dear = allowed & (costs.nodes > MOST_DEAR * found.value)
        if not is_dear.any():
            return found
        allowed = allowed & ~is_dear


def _by_ideals(
    indexed: Indexed, allowed: Flags, costs: Costs, route: Route, members: Flags
) -> Solution:
    """Grow the chain tier by tier: the best busiest stage up to a tier, for each ideal."""
    everything = np.ones((1, len(indexed.names)), dtype=np.bool_)
    if not members[-1].all():  # nodes of the last tier alone are in no ideal before it
        members = np.concatenate([members, everything])
    loads = _loads(indexed, allowed, costs, members)
    n_tiers = indexed.n_tiers
    best = np.where(loads.misplaced[:, 0] == 0, loads.times_s[:, 0], math.inf)
    came_from: list[Ints] = []
    packed = np.packbits(members, axis=1)
    for tier in range(1, n_tiers):
        before = np.maximum(best, loads.links_s[:, tier - 1])
        is_last = tier == n_tiers - 1
        ends = [len(members) - 1] if is_last else range(len(members))
        now = np.full(len(members), math.inf)
        origin = np.zeros(len(members), dtype=np.int64)
        for end in ends:
            inside = ~(packed & ~packed[end]).any(axis=1)
            inside &= loads.misplaced[end, tier] == loads.misplaced[:, tier]
            load = loads.times_s[end, tier] - loads.times_s[:, tier]
            values = np.where(inside, np.maximum(before, load), math.inf)
            origin[end] = int(np.argmin(values))
            now[end] = values[origin[end]]
        came_from.append(origin)
        best = now
    tiers = np.zeros(len(indexed.names), dtype=np.int64)
    at = len(members) - 1
    for tier in range(n_tiers - 1, 0, -1):
        at = int(came_from[tier - 1][at])
        tiers[~members[at]] = np.maximum(tiers[~members[at]], tier)
    value = busiest_s(costs, indexed, tiers)
    return Solution(tiers, route, value, value)


def _by_weights(indexed: Indexed, allowed: Flags, costs: Costs, route: Route) -> Solution:
    """Weigh the stages, take the least cut, and make the busy ones weigh more."""
    total_bytes = math.fsum(indexed.tensor_bytes) + math.fsum(indexed.output_bytes)
    n_stages = indexed.n_tiers + 2 * len(costs.links)
    weights = np.full(n_stages, 1 / n_stages)
    best: Solution | None = None
    low = 0.0
    for _ in range(ROUNDS):
        found = solve_concave(indexed, allowed, _weighted(costs, weights, total_bytes), route)
        low = max(low, found.low)
        value = busiest_s(costs, indexed, found.tiers)
        solution = Solution(found.tiers, route, value, low)
        if best is None or is_before(solution, best):
            best = solution
        stages = np.array(list(_stage_times(costs, indexed, found.tiers)))
        weights = weights * np.exp(RATE * stages / max(stages.max(), 1e-300))
        weights /= weights.sum()
    if best is None:
        raise AssertionError("there was a round")
    return Solution(best.tiers, route, best.value, min(low, best.value))


def _weighted(costs: Costs, weights: Floats, total_bytes: float) -> Costs:
    """Return the weighted sum of stages, each taken no longer than it is."""
    n_tiers = costs.nodes.shape[1]
    links = []
    for place, link in enumerate(costs.links):
        at = n_tiers + 2 * place
        links.append(
            LinkCost(
                0.0,
                (_chord(link.up, total_bytes, float(weights[at])),),
                (_chord(link.down, total_bytes, float(weights[at + 1])),),
            )
        )
    return Costs(costs.nodes * weights[:n_tiers], tuple(links))


def _chord(lines: tuple[Line, ...], total_bytes: float, weight: float) -> Line:
    """Return the line from nothing to the most bytes, which a concave cost is nowhere below."""
    if total_bytes == 0:
        return (0.0, 0.0)
    return (0.0, weight * stage_s(lines, total_bytes) / total_bytes)


def _stage_times(costs: Costs, indexed: Indexed, tiers: Ints) -> Iterator[float]:
    up, down, used = crossing_bytes(indexed, tiers)
    times_s = costs.nodes[np.arange(len(tiers)), tiers]
    for tier in range(indexed.n_tiers):
        yield math.fsum(times_s[tiers == tier])
    for place, link in enumerate(costs.links):
        yield stage_s(link.up, float(up[place])) if used[place] else 0.0
        yield stage_s(link.down, float(down[place])) if used[place] else 0.0
