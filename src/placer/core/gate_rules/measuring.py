"""The command that measures what the gate lacks, with all that its evidence must have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote

from placer.core.measurement import DEFAULT_TIME_LIMIT_S, MAX_GAP_S, Measurement
from placer.core.runtime import split_ep
from placer.core.sequential import planned_runs
from placer.core.units import format_percentile
from placer.core.workload import Workload

QUIETLY = "while nothing else runs there, "
"""Stands before the command where the evidence was disturbed."""
_MOST_LIMIT_S = 86_400.0
_SOME_RUNS = 1000
"""So many tell about how long one takes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a measurement is asked for beyond what the workload and the evidence say."""

    ep: str | None = None
    """Execution provider; None: that of the evidence there is."""
    model: str | None = None
    """File to measure; None: the one that is locked."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of inputs, in place of those of the workload."""
    threads: int | None = None
    """None: as the evidence there is."""
    inputs: str | None = None
    """File of real samples; None: that of the workload, where there is evidence on samples."""
    limit_ratio: float = 1.0
    """Factor of the limits: a nearer one takes more runs to settle."""
    runs: int | None = None
    """Fewest runs; None: what settles the targets if no run is slow."""
    limit_s: float | None = None
    """How long it may take; None: as long as those runs."""


def targets_of(workload: Workload, ratio: float = 1.0) -> str:
    """Return the targets as options of ``placer profile``, each with a space before it."""
    return "".join(
        f" --sla {format_percentile(target.percentile)}={1e3 * target.limit_s * ratio:.6g}ms"
        for target in workload.targets
    )


def shapes_of(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return shapes of inputs as options, each with a space before it."""
    told = (f"{name}={','.join(map(str, shape))}" for name, shape in shapes.items())
    return "".join(f" --shape {quote(one)}" for one in told)


def settings_of(known: Measurement | None, asked: Asked) -> str:
    """Return the options for the settings of evidence, each with a space before it."""
    threads = asked.threads
    if known is None:
        return "" if threads is None else f" --threads {threads}"
    settings = known.settings
    told = ""
    if threads is None and settings.intra_op_threads >= 1:
        threads = settings.intra_op_threads
    if threads is not None:
        told += f" --threads {threads}"
        if threads > 1 and settings.allow_spinning is not None:
            told += " --spinning" if settings.allow_spinning else " --no-spinning"
    if (asked.ep or known.ep) == known.ep:
        name = split_ep(known.ep)[0]
        for key, value in settings.provider_options:
            told += f" --ep-option {quote(f'{name}.{key}={value}')}"
    return told + (f" --io {settings.io}" if settings.io != "host" else "")


def time_limit_of(workload: Workload, known: Measurement | None, asked: Asked) -> str:
    """Return the option for how long to measure where the usual time is too short; else nothing.

    Source: as many runs as settle the targets, twice as long as they took so far.
    """
    limit_s = asked.limit_s or 0.0
    runs = asked.runs or max((planned_runs(one.percentile) for one in workload.targets), default=0)
    some_s = known.processes[0].samples_s[:_SOME_RUNS] if known is not None else ()
    if known is not None and some_s:
        idle_s = known.gap_s or (MAX_GAP_S if workload.rate_hz is not None else 0.0)
        limit_s = max(limit_s, 2 * runs * (sum(some_s) / len(some_s) + idle_s))
    if limit_s <= DEFAULT_TIME_LIMIT_S:
        return ""
    return f" --time-limit {math.ceil(min(limit_s, _MOST_LIMIT_S) / 10) * 10}s"
