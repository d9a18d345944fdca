"""The published measurements of a device that meet a limit, as a table and as JSON."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from placer.core.measured_rows import MeasuredRow, factor_of
from placer.core.units import format_duration
from placer.reports.layout import wrap

_HEADS = ("time", "up to", "precision", "runtime", "EP", "on", "date")
_RIGHT = ("time", "up to")
_GAP = "  "
_LEAST = 7
"""Columns to which runtime and precision are cut: narrower terminals get longer lines."""
_MOST_SOURCES = 8


@dataclass(frozen=True, slots=True)
class Fitting:
    """The rows of one device, against a limit."""

    limit_s: float
    as_of: datetime.date
    rows: tuple[tuple[MeasuredRow, float], ...]
    """(row, upper end of its 90 % interval in seconds) of those within the limit, fastest first."""
    too_slow: int
    without_latency: int
    """Rows that state a throughput, which is no latency."""


def fitting(rows: Sequence[MeasuredRow], limit_s: float, as_of: datetime.date) -> Fitting:
    """Return the rows whose published time is within a limit."""
    timed = [(row, row.latency_s) for row in rows if row.latency_s is not None]
    within = sorted(
        (latency_s, row.name, row.runtime, row.precision, row.source, row)
        for row, latency_s in timed
        if latency_s <= limit_s
    )
    found = tuple((one[-1], one[0] * factor_of(one[-1], as_of)) for one in within)
    return Fitting(limit_s, as_of, found, len(timed) - len(found), len(rows) - len(timed))


def facts(found: Fitting) -> dict[str, Any]:
    """Return what JSON has of it."""
    return {
        "limit_s": found.limit_s,
        "as_of": found.as_of.isoformat(),
        "too_slow": found.too_slow,
        "without_latency": found.without_latency,
        "rows": [
            {
                "name": row.name,
                "device": row.device,
                "runtime": row.runtime,
                "ep": row.ep,
                "precision": row.precision or None,
                "dtype": row.dtype,
                "latency_s": row.latency_s,
                "high_s": high_s,
                "statistic": row.statistic,
                "unit": row.unit or None,
                "nodes_by_unit": dict(row.nodes),
                "is_fallback": row.is_fallback,
                "measured_at": row.measured_at,
                "source": row.source,
            }
            for row, high_s in found.rows
        ],
    }


def table(found: Fitting, site: str, width: int) -> list[str]:
    """Lay out the rows; a ``?`` stands behind an upper end that is over the limit."""
    limit = format_duration(found.limit_s)
    if not found.rows and not found.too_slow and not found.without_latency:
        return wrap(f"Measured models: none was published for {site}", width)
    title = f"Measured models within {limit}: {len(found.rows)}"
    rest = []
    if found.too_slow:
        rest.append(f"{found.too_slow} are slower")
    if found.without_latency:
        rest.append(f"{found.without_latency} state a throughput, which is no latency")
    lines = wrap(title + (f" ({', '.join(rest)})" if rest else ""), width)
    if not found.rows:
        return lines
    texts = [_texts(row, high_s, found.limit_s) for row, high_s in found.rows]
    shown = [head for head in _HEADS if head in _RIGHT or any(text[head] for text in texts)]
    widths = {head: max(len(head), *(len(text[head]) for text in texts)) for head in shown}
    too_wide = 2 + sum(widths.values()) + len(_GAP) * (len(shown) - 1) - width
    for head in ("runtime", "precision"):
        cut = min(max(too_wide, 0), widths[head] - _LEAST)
        widths[head] -= cut
        too_wide -= cut
    lines.append(f"  {_line({head: head for head in shown}, widths)}")
    of_model: dict[str, list[str]] = {}
    for (row, _), text in zip(found.rows, texts, strict=True):
        of_model.setdefault(row.name, []).append(f"  {_line(text, widths)}")
    for name, rows in of_model.items():
        lines += [name, *rows]
    lines += wrap(
        f"time: as published; up to: nine times in ten on a device of yours, as of {found.as_of}; "
        "? over the limit; on: where most of it ran, ! fell back from the NPU",
        width,
    )
    told = dict.fromkeys(f"{row.source}: {row.statistic}" for row, _ in found.rows)
    for source in sorted(told)[:_MOST_SOURCES]:
        first, *more = wrap(source, width - 2)
        lines += [f"- {first}", *(f"  {line}" for line in more)]
    if len(told) > _MOST_SOURCES:
        lines.append(f"- {len(told) - _MOST_SOURCES} more sources: --format json")
    return lines


def _texts(row: MeasuredRow, high_s: float, limit_s: float) -> Mapping[str, str]:
    latency = "" if row.latency_s is None else format_duration(row.latency_s)
    return {
        "time": latency,
        "up to": format_duration(high_s) + ("?" if high_s > limit_s else " "),
        "precision": row.precision or "not stated",
        "runtime": row.runtime,
        "EP": row.ep or "",
        "on": row.unit + ("!" if row.is_fallback else ""),
        "date": row.measured_at,
    }


def _line(text: Mapping[str, str], widths: Mapping[str, int]) -> str:
    cells = []
    for head, width in widths.items():
        cell = text[head] if len(text[head]) <= width else f"{text[head][: width - 1]}…"
        cells.append(cell.rjust(width) if head in _RIGHT else cell.ljust(width))
    return _GAP.join(cells).rstrip()
