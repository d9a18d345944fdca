"""Parsing that several commands share: targets, outputs, dates, where the cache is."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from placer.core.errors import UsageError, near_match
from placer.core.units import format_percentile, parse_bytes, parse_percentile, parse_ratio
from placer.core.workload import (
    MAX_FLEET,
    MAX_THREADS,
    Arrival,
    DataClass,
    LatencyTarget,
    Objective,
    Workload,
    parse_budget_usd_per_month,
    parse_limit_s,
    parse_rate_hz,
    parse_search_s,
)

if TYPE_CHECKING:
    from placer.files.workload import WorkloadFile

DEFAULT_PERCENTILE = 0.99

_Word = TypeVar("_Word", bound=StrEnum)
_Value = TypeVar("_Value")


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
        limit_s = parse_limit_s(limit if separator else text, what="--sla")
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
    file: WorkloadFile | None = None,
    *,
    sla: Sequence[str] = (),
    privacy: str | None = None,
    region: Sequence[str] = (),
    must_work_offline: bool | None = None,
    wire_input: str | None = None,
    rate: str | None = None,
    arrival: str | None = None,
    fleet: int | None = None,
    budget: str | None = None,
    objective: str | None = None,
    min_agreement: str | None = None,
    min_accuracy: str | None = None,
    max_error: str | None = None,
    max_fallback: str | None = None,
) -> Workload:
    """Turn the options that describe the question into a Workload; they override the file.

    Raises
    ------
    UsageError
        A value that is wrong by itself, or one that needs a rate where neither states it.
    """
    workload = Workload() if file is None else file.workload
    if fleet is not None and not 1 <= fleet <= MAX_FLEET:
        raise UsageError(f"--fleet {fleet} is no number of devices", hint=f"1 to {MAX_FLEET:,}")
    if any(not name.strip() for name in region):
        raise UsageError("--region is empty", hint="a jurisdiction or region, for instance EU")
    given = {
        "targets": parse_targets(sla) or None,
        "data_class": parse_word(privacy, DataClass, what="--privacy"),
        "regions": tuple(region) or None,
        "must_work_offline": must_work_offline,
        "wire_input_bytes": _parsed(wire_input, parse_bytes, "--wire-input"),
        "rate_hz": _parsed(rate, parse_rate_hz, "--rate"),
        "arrival": parse_word(arrival, Arrival, what="--arrival"),
        "fleet": fleet,
        "budget_usd_per_month": _parsed(budget, parse_budget_usd_per_month, "--budget"),
        "objective": parse_word(objective, Objective, what="--objective"),
        "min_agreement_ratio": _parsed(min_agreement, parse_ratio, "--min-agreement"),
        "min_accuracy_ratio": _parsed(min_accuracy, parse_ratio, "--min-accuracy"),
        "max_error_ratio": _parsed(max_error, parse_ratio, "--max-error"),
        "max_fallback_ratio": _parsed(max_fallback, parse_ratio, "--max-fallback"),
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    workload = replace(workload, **changes)
    if workload.rate_hz is None:
        _refuse_without_rate(
            {"--arrival": arrival, "--budget": budget, "--fleet": fleet if fleet != 1 else None},
            file,
        )
    return workload


def _parsed(text: str | None, parse: Callable[..., _Value], what: str) -> _Value | None:
    return None if text is None else parse(text, what=what)


def _refuse_without_rate(given: Mapping[str, object], file: WorkloadFile | None) -> None:
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                f"{option} needs the rate of requests", hint="add --rate, for instance --rate 30/s"
            )
    if file is None:
        return
    from placer.files.workload import NEEDS_RATE

    for key in NEEDS_RATE:
        place = file.stated(*key)
        if place is not None:
            raise UsageError(
                f"{place}: {key[-1]} needs the rate of requests",
                hint="add `rate:` under `demand:`, or --rate",
            )


_OF_GIT = frozenset({".gitattributes", ".gitignore", ".gitmodules", ".gitkeep"})


def check_places(written: Sequence[str], read: Sequence[str]) -> None:
    """Refuse to write over an input, or two reports into one file, before anything is done.

    Raises
    ------
    UsageError
        A file to be written is read as well, named twice, or one of git's own.
    """
    from placer.files.writing import check_writable

    inputs = {os.path.realpath(path): path for path in read}
    # pathlib would fail at a name that is too long: check_writable tells it
    is_there = any(os.access(path, os.F_OK) for path in written if "\0" not in path)
    if is_there:  # then it could be one of these as well
        from placer.onnx_files.reader import external_data

        for path in read:
            files = sorted(Path(path).glob("*.json")) if Path(path).is_dir() else []
            data = external_data(path) if path.endswith(".onnx") else ()
            for file in (*map(str, files), *data):
                inputs.setdefault(os.path.realpath(file), file)
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
        if ".git" in Path(place).parts or Path(place).name in _OF_GIT:
            raise UsageError(f"{path} belongs to git", hint="give another file to write")
        check_writable(path)


def parse_date(text: str | None) -> datetime.date | None:
    """Parse ``2026-11-23``; None stays None."""
    if text is None:
        return None
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.isoformat() != text:  # weeks, and days without dashes
        raise UsageError(f"--as-of '{text}' is not a date", hint="write it like 2026-11-23")
    return date


def check_threads(threads: int | None) -> None:
    """Raise UsageError for a number of threads that no session has."""
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise UsageError(f"--threads {threads} is no number of threads", hint=f"1 to {MAX_THREADS}")


def parse_tune(text: str | None, threads: int | None, spinning: bool | None) -> float:
    """Parse the seconds of ``--tune``; 0 without it.

    Raises
    ------
    UsageError
        Not a time in which anything can be tried, or nothing is left open to search.
    """
    if text is None:
        return 0.0
    if threads == 1 or (threads is not None and spinning is not None):
        raise UsageError(
            "--tune has nothing to search: threads and spinning are fixed",
            hint="leave out --threads or --spinning",
        )
    return parse_search_s(text, what="--tune")


def parse_io(text: str) -> str:
    """Return ``host`` or ``device``. Raises UsageError for another word."""
    word = text.strip().lower()
    if word not in ("host", "device"):
        raise UsageError(
            f"--io '{text}' is unknown{near_match(word, ('host', 'device'))}",
            hint="host: a run copies its inputs and outputs; device: they stay on the device",
        )
    return word


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
