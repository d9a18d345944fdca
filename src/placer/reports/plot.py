"""Distributions of latencies as rows of blocks over one logarithmic time axis, with their limits.

The limits lie between two columns of the blocks, never within one: what stands left of a limit
keeps it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from placer.core.workload import LatencyTarget
from placer.reports.facts import GLUE, Cell, Tone, exact_duration, target_text
from placer.reports.layout import GAP, Line, natural_width, paragraph

BLOCKS = "▁▂▃▄▅▆▇█"
FEW, FEW_RATIO = "·", 0.001
P50, P99, LIMIT, FURTHER_LEFT, FURTHER_RIGHT, TICK = "▴", "▵", "│", "◂", "▸", "└"
LAST_TICK = "┘"
MIN_COLUMNS = 24
"""Where fewer are left for the blocks, nothing is plotted."""
_SHORTEST_S, _LONGEST_S = 1e-9, 1e6
_LEAST_RANGE = math.log10(4)
"""Decades of an axis at least: on any such there is a 1, 2 or 5 to label."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One row of a plot."""

    label: str
    remark: str
    """Stands under the label: what the row rests on."""
    points_s: tuple[float, ...]
    """Latencies of equal weight, in any order; none: unknown."""
    p50_s: float | None = None
    """Where the mark goes; None: the quantile of the points."""
    p99_s: float | None = None

    @property
    def finite_s(self) -> list[float]:
        """The points that can be drawn, ascending."""
        return sorted(filter(math.isfinite, self.points_s))

    def marks_s(self) -> tuple[float, float]:
        """Return where p50 and p99 are marked."""
        ordered_s = self.finite_s
        p50_s, p99_s = (
            given
            if given is not None and math.isfinite(given)
            else ordered_s[max(0, math.ceil(percentile * len(ordered_s) - 1e-9) - 1)]
            for given, percentile in ((self.p50_s, 0.5), (self.p99_s, 0.99))
        )
        return p50_s, p99_s


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    """Its left end, log10 of seconds."""
    edges: tuple[float, ...]
    """Right ends of its bins, log10 of seconds; a limit within is one of them."""
    limits: tuple[int, ...]
    """Numbers of the bins that end at a limit, ascending."""
    reach: tuple[float, float]
    """The lowest and the highest limit that is drawn to scale, log10 of seconds."""
    beyond: tuple[bool, bool]
    """Whether a limit lies further left and further right."""

    def bin(self, value_s: float) -> int:
        return min(bisect_left(self.edges, _log(value_s)), len(self.edges) - 1)

    def column(self, number: int) -> int:
        """Return the column of a bin: every limit before it takes one more."""
        return self.beyond[0] + number + bisect_left(self.limits, number)

    @property
    def limit_columns(self) -> tuple[int, ...]:
        return tuple(self.column(number) + 1 for number in self.limits)


def plot(
    title: str,
    rows: Sequence[Distribution],
    targets: Sequence[LatencyTarget],
    width: int,
) -> list[Line]:
    """Plot distributions below each other, in two lines each; nothing where none is known.

    The height of a block is the share of the requests in its column, relative to the highest of
    its row, and at least ▁ where there are any (· where they are very few). Where p50 and p99 share
    a column, p50 is marked. A limit that is more than ten times beyond all latencies is an arrow at
    the side.
    """
    known = [row for row in rows if row.finite_s]
    limits_s = sorted({target.limit_s for target in targets})
    first = natural_width([Cell(text) for row in rows for text in (row.label, row.remark)])
    indent = 2 + first + (GAP if first else 0)
    needed = max(indent + len(limits_s), len(title) + GAP) + MIN_COLUMNS
    if not known or width < needed:
        return []
    axis = _axis(known, limits_s, width - indent)
    blocks = {row: _blocks(row, axis) for row in known}
    has_few = any(FEW in signs.values() for signs in blocks.values())
    legend = _legend(targets, axis, has_few=has_few)
    lines = paragraph(legend, width, indent=len(title) + GAP, first=title, tone=Tone.FAINT)
    lines[0][0] = Cell(lines[0][0].text, Tone.STRONG)
    for number, row in enumerate(rows):
        heads = [f"  {text}".ljust(indent) for text in (row.label, row.remark)]
        if not row.finite_s:
            lines.append([Cell(heads[0]), Cell("unknown", Tone.FAINT)])
            continue
        same = next((one for one in rows[:number] if one.points_s == row.points_s), None)
        if same is not None:
            lines.append([Cell(heads[0]), Cell(f"the same as {same.label}", Tone.FAINT)])
            continue
        lines.append([Cell(heads[0]), *_with_limits(blocks[row], axis)])
        p50, p99 = (axis.column(axis.bin(value_s)) for value_s in row.marks_s())
        marks = {p99: P99} | {p50: P50}
        lines.append([Cell(heads[1], Tone.FAINT), *_with_limits(marks, axis)])
    return [*lines, [Cell(" " * indent + _ticks(axis, width - indent), Tone.FAINT)]]


def _log(value_s: float) -> float:
    return math.log10(min(max(value_s, _SHORTEST_S), _LONGEST_S))


def _axis(rows: Sequence[Distribution], limits_s: Sequence[float], columns: int) -> _Axis:
    shown_s = {value for row in rows for value in (*row.finite_s, *row.marks_s())}
    # no logarithm of zero: the first column then holds what took no time at all
    ends = [_log(value) for value in shown_s if value > 0] or [_log(0)]
    reach = low, high = min(ends) - 1, max(ends) + 1
    limits = [_log(limit) for limit in limits_s]
    within = [limit for limit in limits if low <= limit <= high]
    beyond = (any(limit < low for limit in limits), any(limit > high for limit in limits))
    low, high = min((*ends, *within)), max((*ends, *within))
    margin = max(0.02 * (high - low), (_LEAST_RANGE - (high - low)) / 2)
    low, high = low - margin, high + margin
    count = columns - sum(beyond) - len(within)
    edges = [low + (high - low) * (number + 1) / count for number in range(count)]
    taken: set[int] = set()
    for limit in within:
        nearest = min(range(count - 1), key=lambda number: abs(edges[number] - limit))
        if nearest not in taken:  # limits closer than a column share their line
            edges[nearest] = limit
            taken.add(nearest)
    return _Axis(low, tuple(edges), tuple(sorted(taken)), reach, beyond)


def _blocks(row: Distribution, axis: _Axis) -> dict[int, str]:
    counts = Counter(axis.column(axis.bin(point_s)) for point_s in row.finite_s)
    most = max(counts.values())
    few = FEW_RATIO * counts.total()
    return {
        column: FEW if count < few else BLOCKS[-(-count * len(BLOCKS) // most) - 1]
        for column, count in counts.items()
    }


def _with_limits(signs: dict[int, str], axis: _Axis) -> Line:
    """Write signs at their columns and the limits at theirs, each piece in its tone."""
    limits = dict.fromkeys(axis.limit_columns, LIMIT)
    if axis.beyond[0]:
        limits[0] = FURTHER_LEFT
    if axis.beyond[1]:
        limits[axis.column(len(axis.edges) - 1) + 1] = FURTHER_RIGHT
    everything = signs | limits
    return [
        Cell(everything.get(column, " "), Tone.UNSURE if column in limits else Tone.PLAIN)
        for column in range(max(everything) + 1)
    ]


def _ticks(axis: _Axis, columns: int) -> str:
    """Label the finest of a few series of round times whose labels do not run together."""
    decades = range(math.floor(axis.low), math.ceil(axis.edges[-1]) + 1)
    for mantissas, step in (((1, 2, 5), 1), ((1,), 1), ((1,), 3)):
        text = ""
        is_crowded = False
        for power in decades:
            for mantissa in mantissas if power % step == 0 else ():
                # "1e-3" is the nearest float, 10.0**-3 need not be
                value_s = float(f"{mantissa}e{power}")
                if not axis.low <= math.log10(value_s) <= axis.edges[-1]:
                    continue
                number = axis.bin(value_s)
                column = axis.column(number)
                if number in axis.limits and axis.edges[number] == _log(value_s):
                    column += 1  # under the line of the limit
                label = exact_duration(value_s)
                left = column - len(label)
                if text and len(text) + 1 > column:
                    is_crowded = True
                elif column + 1 + len(label) <= columns:
                    text = f"{text.ljust(column)}{TICK}{label}"
                elif left > len(text):
                    text = f"{text.ljust(left)}{label}{LAST_TICK}"
        if not is_crowded:
            break
    return text


def _legend(targets: Sequence[LatencyTarget], axis: _Axis, *, has_few: bool) -> str:
    few = [f"{FEW}{GLUE}under{GLUE}{FEW_RATIO * 100:g}{GLUE}%"] if has_few else []
    parts = [f"{BLOCKS[-1]}{GLUE}share", *few, f"{P50}{GLUE}p50", f"{P99}{GLUE}p99"]
    before: list[str] = []
    within: list[str] = []
    after: list[str] = []
    for target in sorted(targets, key=lambda one: (one.limit_s, one.percentile)):
        limit = _log(target.limit_s)
        side = before if limit < axis.reach[0] else after if limit > axis.reach[1] else within
        side.append(target_text(target))
    for sign, texts in ((FURTHER_LEFT, before), (LIMIT, within), (FURTHER_RIGHT, after)):
        if texts:
            parts.append(f"{sign}{GLUE}{', '.join(texts)}")
    return "  ".join(parts)
