"""Parsing that several commands share: targets, outputs, dates, where the cache is."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from placer.core.errors import UsageError, near_match
from placer.core.measurement import SessionSettings
from placer.core.units import (
    format_percentile,
    parse_bytes,
    parse_duration_s,
    parse_frequency_hz,
    parse_percentile,
    parse_usd_per_month,
)
from placer.core.workload import Arrival, DataClass, LatencyTarget, Objective, Workload

DEFAULT_PERCENTILE = 0.99
MAX_FLEET = 100_000_000
MAX_RATE_HZ = 1e6
MAX_THREADS = 1024
MAX_BUDGET_USD_PER_MONTH = 1e12
LIMIT_RANGE_S = (1e-9, 366 * 86400.0)
MIN_RATE_HZ = 1 / (366 * 86400)

_Word = TypeVar("_Word", bound=StrEnum)


def parse_targets(texts: Sequence[str]) -> tuple[LatencyTarget, ...]:
    """Parse ``20ms`` (p99) or ``p95=20ms``, each percentile once, ascending.

    Raises
    ------
    UsageError
        A bad percentile or duration, one percentile twice, or a higher one with a tighter limit.
    """
    targets: dict[float, LatencyTarget] = {}
    for text in texts:
        name, separator, limit = text.partition("=")
        percentile = parse_percentile(name, what="--sla") if separator else DEFAULT_PERCENTILE
        limit_s = parse_duration_s(limit if separator else text, what="--sla")
        if not LIMIT_RANGE_S[0] <= limit_s <= LIMIT_RANGE_S[1]:
            raise UsageError(
                f"--sla {text} is no latency that anything has", hint="between 1ns and 366d"
            )
        if percentile in targets and targets[percentile].limit_s != limit_s:
            raise UsageError(
                f"--sla gives {format_percentile(percentile)} two limits",
                hint="state each percentile once; --sla 20ms means p99=20ms",
            )
        targets[percentile] = LatencyTarget(percentile, limit_s)
    return tuple(targets[percentile] for percentile in sorted(targets))


def parse_word(text: str | None, kind: type[_Word], *, what: str) -> _Word | None:
    """Parse one word of a closed vocabulary; None stays None."""
    if text is None:
        return None
    try:
        return kind(text.lower())
    except ValueError:
        words = [word.value for word in kind]
        raise UsageError(
            f"{what} '{text}' is unknown{near_match(text, words)}",
            hint=f"one of: {' '.join(words)}",
        ) from None


def parse_workload(
    *,
    sla: Sequence[str],
    privacy: str | None,
    region: Sequence[str],
    must_work_offline: bool,
    wire_input: str | None,
    rate: str | None,
    arrival: str | None,
    fleet: int,
    budget: str | None,
    objective: str | None,
) -> Workload:
    """Turn the options that describe the question into a Workload."""
    if not 1 <= fleet <= MAX_FLEET:
        raise UsageError(f"--fleet {fleet} is no number of devices", hint=f"1 to {MAX_FLEET:,}")
    for option, value in (("--arrival", arrival), ("--budget", budget)):
        if value is not None and rate is None:
            raise UsageError(
                f"{option} needs the rate of requests", hint="add --rate, for instance --rate 30/s"
            )
    budget_usd = None if budget is None else parse_usd_per_month(budget, what="--budget")
    if budget_usd is not None and budget_usd > MAX_BUDGET_USD_PER_MONTH:
        raise UsageError(f"--budget {budget} is too large", hint="at most 1e12USD/month")
    if fleet > 1 and rate is None:
        raise UsageError("--fleet needs the rate of one device", hint="add --rate")
    if any(not name.strip() for name in region):
        raise UsageError("--region is empty", hint="a jurisdiction or region, for instance EU")
    return Workload(
        targets=parse_targets(sla),
        data_class=parse_word(privacy, DataClass, what="--privacy"),
        regions=tuple(region),
        must_work_offline=must_work_offline,
        wire_input_bytes=None
        if wire_input is None
        else parse_bytes(wire_input, what="--wire-input"),
        rate_hz=_parse_rate_hz(rate),
        arrival=parse_word(arrival, Arrival, what="--arrival") or Arrival.PERIODIC,
        fleet=fleet,
        budget_usd_per_month=budget_usd,
        objective=parse_word(objective, Objective, what="--objective"),
    )


def _parse_rate_hz(rate: str | None) -> float | None:
    if rate is None:
        return None
    rate_hz = parse_frequency_hz(rate, what="--rate")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UsageError(
            f"--rate {rate} is beyond what one device asks",
            hint=f"between one request a year and {MAX_RATE_HZ:,.0f}/s; --fleet multiplies it",
        )
    return rate_hz


def check_places(written: Sequence[str], read: Sequence[str]) -> None:
    """Refuse to write over an input, or two reports into one file, before anything is done.

    Raises
    ------
    UsageError
        A file to be written is read as well, or named twice.
    """
    from placer.files.writing import check_writable

    inputs = {os.path.realpath(path): path for path in read}
    seen: set[str] = set()
    for path in written:
        place = os.path.realpath(path)
        if place in inputs:
            raise UsageError(
                f"{path} is an input and would be overwritten", hint="give another file to write"
            )
        if place in seen:
            raise UsageError(f"{path} is to be written twice", hint="give each report its own file")
        seen.add(place)
        check_writable(path)


def parse_date(text: str | None) -> datetime.date | None:
    """Parse ``2026-11-23``; None stays None."""
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of '{text}' is not a date", hint="write it like 2026-11-23"
        ) from None


def parse_settings(threads: int | None, spinning: bool | None) -> SessionSettings | None:
    """Return the session settings that the options fix; None: let placer try the usual ones."""
    if threads is None and spinning is None:
        return None
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise UsageError(f"--threads {threads} is no number of threads", hint=f"1 to {MAX_THREADS}")
    from placer.profiling.machine import usable_cores

    count = usable_cores() if threads is None else threads
    return SessionSettings(
        intra_op_threads=count, allow_spinning=count > 1 if spinning is None else spinning
    )


def parse_outputs(
    outputs: Sequence[str], format_: str | None, known: Sequence[str]
) -> tuple[tuple[str, str | None], ...]:
    """Parse ``--output FORMAT[=FILE]`` and ``--format F`` into (format, file or None: stdout).

    Raises
    ------
    UsageError
        An unknown format, or two reports for standard output.
    """
    texts = [*outputs, *([format_] if format_ is not None else [])] or [known[0]]
    parsed: list[tuple[str, str | None]] = []
    for text in texts:
        name, separator, path = text.partition("=")
        if name not in known:
            raise UsageError(
                f"unknown format '{name}'{near_match(name, known)}",
                hint=f"one of: {' '.join(known)}",
            )
        if separator and not path:
            raise UsageError(f"--output {text} names no file", hint=f"--output {name}=FILE")
        parsed.append((name, path if separator else None))
    if sum(path is None for _, path in parsed) > 1:
        raise UsageError(
            "two reports cannot both go to standard output", hint="give one a file: FORMAT=FILE"
        )
    return tuple(parsed)


def cache_directory() -> str:
    """Return ``$XDG_CACHE_HOME/placer``, by default ``~/.cache/placer``."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return str(root / "placer")


_SEPARATORS = re.compile(r"[\r\n\t]+")


def one_line(text: str) -> str:
    """Return a text without line breaks, for messages."""
    return _SEPARATORS.sub(" ", text)
