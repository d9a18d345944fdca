"""What an assignment costs under an objective: times of nodes and concave costs of links."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.errors import UsageError
from placer.core.partition.indexed import Floats, Indexed, Ints, crossing_bytes
from placer.core.partition.problem import Link, Objective, Piece, Power, Problem

Line = tuple[float, float]
"""(fixed, per byte), in the unit of the objective."""


@dataclass(frozen=True, slots=True)
class LinkCost:
    """What a link costs if anything runs beyond it."""

    fixed: float
    up: tuple[Line, ...]
    """Lower envelope: per byte ascends, fixed descends; the least of them counts."""
    down: tuple[Line, ...]


FREE = LinkCost(0.0, ((0.0, 0.0),), ((0.0, 0.0),))


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """All weights of one objective on one route."""

    nodes: Floats
    """(nodes, tiers); nan where a node cannot run."""
    links: tuple[LinkCost, ...]
    """For each pair of neighbouring tiers; those within a direct link are free after the first."""

    def value(self, indexed: Indexed, tiers: Ints) -> float:
        """Return what an assignment costs, rounded once."""
        up, down, used = crossing_bytes(indexed, tiers)
        terms = self.nodes[np.arange(len(tiers)), tiers].tolist()
        for link, is_used, n_up, n_down in zip(
            self.links, used.tolist(), up.tolist(), down.tolist(), strict=True
        ):
            if is_used:
                terms += [link.fixed, least(link.up, n_up), least(link.down, n_down)]
        return math.fsum(terms)


def least(lines: Sequence[Line], n_bytes: float) -> float:
    """Return the least line at a number of bytes."""
    return min(fixed + per_byte * n_bytes for fixed, per_byte in lines)


def envelope(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that are least somewhere from 0 bytes on, from the last to the first.

    Ordered by ascending cost per byte: the first holds for the most bytes.
    """
    kept: list[Line] = []
    for line in sorted(set(lines), key=lambda one: (one[1], one[0])):
        if kept and line[0] >= kept[-1][0]:
            continue  # a flatter line begins no higher
        while len(kept) >= 2 and _is_above(kept[-2], kept[-1], line):
            kept.pop()
        kept.append(line)
    return tuple(kept)


def _is_above(flat: Line, middle: Line, steep: Line) -> bool:
    """Tell whether the middle line is nowhere below both others."""
    return (flat[0] - middle[0]) * (steep[1] - middle[1]) <= (middle[0] - steep[0]) * (
        middle[1] - flat[1]
    )


Route = tuple[tuple[int, int], ...]
"""Hops (from tier, to tier); one of more than one tier is a direct link."""


def link_of(problem: Problem, hop: tuple[int, int]) -> Link:
    """Return the link of a hop."""
    start, end = hop
    if end == start + 1:
        return problem.links[start]
    return next(one.link for one in problem.direct if (one.from_tier, one.to_tier) == (start, end))


def costs_of(problem: Problem, indexed: Indexed, objective: Objective, route: Route) -> Costs:
    """Return the weights of an objective other than throughput.

    Raises
    ------
    UsageError
        A price or the power of the device is not known.
    """
    match objective:
        case Objective.MONEY:
            return _money(problem, indexed, route)
        case Objective.ENERGY:
            if problem.power is None:
                raise UsageError(
                    "power: the objective energy needs it",
                    hint="state active_w, idle_w, send_w and receive_w of the device",
                )
            return _energy(problem, indexed, route, problem.power)
        case _:
            return _latency(problem, indexed, route)


def _latency(problem: Problem, indexed: Indexed, route: Route) -> Costs:
    links = [FREE] * len(problem.links)
    for hop in route:
        link = link_of(problem, hop)
        links[hop[0]] = LinkCost(link.rtt_s, _lines(link.up), _lines(link.down))
    return Costs(indexed.times_s, tuple(links))


def missing_price(problem: Problem, route: Route) -> str | None:
    """Return the key of the first price that is not known and what it is of; None: all are."""
    for site in problem.sites:
        if site.usd_per_s is None:
            return f"prices.usd_per_s: the price of a second on '{site.name}'"
    for hop in route:
        link = link_of(problem, hop)
        for key, price in (
            ("usd_per_byte_up", link.usd_per_byte_up),
            ("usd_per_byte_down", link.usd_per_byte_down),
        ):
            if price is None:
                names = [problem.sites[tier].name for tier in hop]
                return f"prices.{key}: the price of a byte between '{names[0]}' and '{names[1]}'"
    return None


def _money(problem: Problem, indexed: Indexed, route: Route) -> Costs:
    missing = missing_price(problem, route)
    if missing is not None:
        raise UsageError(
            f"{missing} is not known, which the objective money needs",
            hint="state it in USD; 0 where nothing is charged",
        )
    prices = [site.usd_per_s for site in problem.sites]
    links = [FREE] * len(problem.links)
    for hop in route:
        link = link_of(problem, hop)
        links[hop[0]] = LinkCost(
            0.0, ((0.0, link.usd_per_byte_up or 0.0),), ((0.0, link.usd_per_byte_down or 0.0),)
        )
    return Costs(indexed.times_s * np.array(prices, dtype=np.float64), tuple(links))


def _energy(problem: Problem, indexed: Indexed, route: Route, power: Power) -> Costs:
    """Joules of the device; it sends and receives on the first hop and waits for all else."""
    watts = np.full(indexed.n_tiers, power.idle_w)
    watts[0] = power.active_w
    links = [FREE] * len(problem.links)
    for hop in route:
        link = link_of(problem, hop)
        idle_w = power.idle_w
        send_w, receive_w = (power.send_w, power.receive_w) if hop[0] == 0 else (idle_w, idle_w)
        links[hop[0]] = LinkCost(
            idle_w * link.rtt_s,
            _drawn(link.up, send_w, idle_w, link.sending_s_per_byte),
            _drawn(link.down, receive_w, idle_w, link.receiving_s_per_byte),
        )
    return Costs(indexed.times_s * watts, tuple(links))


def _drawn(
    pieces: Sequence[Piece], radio_w: float, idle_w: float, radio_s_per_byte: float | None
) -> tuple[Line, ...]:
    """Return the joules of a direction, in which the radio works for so long for each byte."""
    if radio_s_per_byte is None:
        return _lines(pieces, radio_w)
    lines = []
    for piece in pieces:
        busy_s = min(radio_s_per_byte, piece.s_per_byte)
        per_byte = radio_w * busy_s + idle_w * (piece.s_per_byte - busy_s)
        lines.append((idle_w * piece.fixed_s, per_byte))
    return envelope(lines) or FREE.up


def _lines(pieces: Sequence[Piece], factor: float = 1.0) -> tuple[Line, ...]:
    lines = [(factor * piece.fixed_s, factor * piece.s_per_byte) for piece in pieces]
    return envelope(lines) or FREE.up


def combined(first: Costs, second: Costs, weight: float) -> Costs:
    """Return ``first + weight * second``; sums of concave costs stay concave."""
    links = tuple(
        LinkCost(
            a.fixed + weight * b.fixed,
            _summed(a.up, b.up, weight),
            _summed(a.down, b.down, weight),
        )
        for a, b in zip(first.links, second.links, strict=True)
    )
    return Costs(first.nodes + weight * second.nodes, links)


def _summed(first: Sequence[Line], second: Sequence[Line], weight: float) -> tuple[Line, ...]:
    """Return the envelope of a sum: the least sum of two lines is the sum of the least."""
    return envelope([(a[0] + weight * b[0], a[1] + weight * b[1]) for a in first for b in second])
