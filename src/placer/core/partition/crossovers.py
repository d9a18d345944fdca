"""Where the best split changes with a figure of a link: exact breakpoints, no grid.

In seconds per byte, as in the round trip, the latency of an assignment is a straight line. The
best latency is the least of them: concave, and its corners are where the answer changes. Two
lines that are best at the ends of a range meet in a point; if nothing is below them there they
are neighbours, else what is found divides the range.

Source: Eisner and Severance, "Mathematical techniques for efficient record segmentation in large
shared databases", Journal of the ACM 23, 1976.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from placer.core.errors import UsageError
from placer.core.partition.costs import costs_of
from placer.core.partition.indexed import index
from placer.core.partition.plan import Plan, plan_of
from placer.core.partition.problem import Link, Objective, Piece, Problem
from placer.core.partition.solving import SAME, Solution, routes, solve


class LinkFigure(StrEnum):
    """What of a link is varied."""

    UPLINK = "uplink"
    """Bytes per second."""
    DOWNLINK = "downlink"
    """Bytes per second."""
    RTT = "rtt"
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of the figure in which one plan is best."""

    low: float
    high: float
    plan: Plan
    """As it is inside the range."""


def crossovers(
    problem: Problem, *, link: int, figure: LinkFigure, low: float, high: float
) -> tuple[Segment, ...]:
    """Return the ranges of a figure in which each plan has the least latency, ascending.

    Neighbouring ranges meet where both plans are equally quick. Exact: every plan that is best
    in more than a point is found.

    Parameters
    ----------
    low, high
        Ends of the range: bytes per second, for the round trip seconds.

    Raises
    ------
    UsageError
        There is no such link, its transfer time is not bytes by rate, or the range is empty.
    InfeasibleError
        No assignment keeps the constraints.
    """
    if not 0 <= link < len(problem.links):
        raise UsageError(f"link: there is no link {link}", hint="links count from 0")
    least = 0.0 if figure is LinkFigure.RTT else 1e-9
    if not least <= low < high < 1e18:
        raise UsageError(
            f"{figure.value}: {low:g} to {high:g} is no range", hint="give two ascending figures"
        )
    changed = _changer(problem.links[link], figure)
    indexed = index(problem)
    ways = tuple(routes(problem))

    def at(line_at: float) -> Problem:
        links = list(problem.links)
        links[link] = changed(line_at)
        return replace(problem, links=tuple(links))

    def best_at(line_at: float) -> Solution:
        there = at(line_at)
        return solve(
            indexed,
            indexed.allowed,
            lambda route: costs_of(there, indexed, Objective.LATENCY, route),
            ways,
        )

    def value_at(found: Solution, line_at: float) -> float:
        costs = costs_of(at(line_at), indexed, Objective.LATENCY, found.route)
        return costs.value(indexed, found.tiers)

    is_rate = figure is not LinkFigure.RTT
    start, end = (1 / high, 1 / low) if is_rate else (low, high)
    first, last = best_at(start), best_at(end)
    corners = _corners(best_at, value_at, (start, first), (end, last))
    bounds = [start, *(place for place, _ in corners), end]
    solutions = [first, *(found for _, found in corners)]
    segments = []
    for place, found in enumerate(solutions):
        a, b = bounds[place], bounds[place + 1]
        middle = (a + b) / 2
        plan = plan_of(
            at(middle),
            indexed,
            Objective.LATENCY,
            found.tiers,
            found.route,
            bound=value_at(found, middle),
        )
        segments.append(Segment(1 / b, 1 / a, plan) if is_rate else Segment(a, b, plan))
    return tuple(reversed(segments)) if is_rate else tuple(segments)


def _corners(
    best_at: Callable[[float], Solution],
    value_at: Callable[[Solution, float], float],
    start: tuple[float, Solution],
    end: tuple[float, Solution],
) -> list[tuple[float, Solution]]:
    """Return (place, what is best after it) of every corner between two places."""
    (a, first), (b, last) = start, end
    first_a, first_b = value_at(first, a), value_at(first, b)
    last_a, last_b = value_at(last, a), value_at(last, b)
    if first_b - last_b <= SAME * last_b or last_a - first_a <= SAME * first_a:
        # one of both is best at both ends, and so everywhere between
        return [] if first_b - last_b <= SAME * last_b else [(a, last)]
    # the lines fall apart by last_a - first_a at a, and by first_b - last_b at b
    share = (last_a - first_a) / ((last_a - first_a) + (first_b - last_b))
    meeting = a + share * (b - a)
    found = best_at(meeting)
    if value_at(first, meeting) - found.value <= SAME * found.value:
        return [(meeting, last)]
    return [
        *_corners(best_at, value_at, start, (meeting, found)),
        *_corners(best_at, value_at, (meeting, found), end),
    ]


def _changer(link: Link, figure: LinkFigure) -> Callable[[float], Link]:
    match figure:
        case LinkFigure.RTT:
            return lambda rtt_s: replace(link, rtt_s=rtt_s)
        case LinkFigure.UPLINK:
            _check_rated(link.up, "pieces")
            return lambda s_per_byte: replace(link, up=(Piece(0.0, s_per_byte),))
        case LinkFigure.DOWNLINK:
            _check_rated(link.down, "down_pieces")
            return lambda s_per_byte: replace(link, down=(Piece(0.0, s_per_byte),))


def _check_rated(pieces: tuple[Piece, ...], key: str) -> None:
    if len(pieces) != 1 or pieces[0].fixed_s:
        raise UsageError(
            f"{key}: the rate of a link whose time is in pieces cannot be varied",
            hint="give the link a rate, or vary its rtt_s",
        )
