"""What to measure on this machine, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from placer.core.measurement import MAX_GAP_S as MAX_GAP_S
from placer.core.measurement import SessionSettings
from placer.core.workload import LatencyTarget

PROCESSES = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and when to stop."""

    model_path: str
    subjects: tuple[tuple[str, str], ...]
    runtime_module: str
    eps: tuple[str, ...]
    targets: tuple[LatencyTarget, ...]
    inputs_path: str
    dtypes: tuple[tuple[str, str], ...]
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...]
    input_source: str
    interval_s: float
    """Time between two requests of the workload; 0: back to back."""
    settings: SessionSettings | None
    """None: try the usual ones briefly and take the best, or search for it."""
    time_limit_s: float
    """For each execution provider."""
    processes: int = PROCESSES
    min_runs: int = 0
    """Take at least this many runs even if the question is answered earlier."""
    provider_options: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Execution provider -> (key, value) that were asked for by name."""
    io: str = "host"
    """As ``SessionSettings.io``."""
    search_s: float = 0.0
    """Time to search for the best settings of each execution provider; 0: a brief trial."""
    candidates: tuple[SessionSettings, ...] = ()
    """Settings to try, the default first; empty: the usual ones."""
    hints: Mapping[str, Sequence[tuple[tuple[str, str], ...]]] = field(default_factory=dict)
    """Execution provider -> options, each by which it may compute less precisely."""
