"""How quiet this machine is now: a short busy loop and what was taken from it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from placer.profiling.counters import read_counters
from placer.profiling.instrument import RUN_DELAY_LIMIT_RATIO, STEAL_LIMIT_RATIO

PROBE_S = 0.5


@dataclass(frozen=True, slots=True)
class Quietness:
    """What a busy loop of one thread saw; None where the platform does not tell."""

    run_delay_ratio: float | None
    cpu_pressure_ratio: float | None
    steal_ratio: float | None
    longest_gap_s: float
    """The longest interruption that the loop saw."""
    is_quiet: bool


def probe_quietness(duration_s: float = PROBE_S) -> Quietness:
    """Keep one core busy for a moment and see how often it was taken away."""
    start = read_counters()
    end_ns = time.perf_counter_ns() + int(duration_s * 1e9)
    last_ns, longest_ns = time.perf_counter_ns(), 0
    while last_ns < end_ns:
        now_ns = time.perf_counter_ns()
        longest_ns = max(longest_ns, now_ns - last_ns)
        last_ns = now_ns
    seen = read_counters().since(start)
    run_delay = None if seen.run_delay_s is None else seen.run_delay_s / seen.wall_s
    steal = None if seen.stolen_s is None else seen.stolen_s / seen.wall_s
    pressure = None if seen.cpu_pressure_s is None else seen.cpu_pressure_s / seen.wall_s
    busy = max(run_delay or 0.0, pressure or 0.0) > RUN_DELAY_LIMIT_RATIO
    return Quietness(
        run_delay_ratio=run_delay,
        cpu_pressure_ratio=pressure,
        steal_ratio=steal,
        longest_gap_s=longest_ns / 1e9,
        is_quiet=not busy and (steal or 0.0) <= STEAL_LIMIT_RATIO,
    )
