"""Whether to believe a measurement: what the machine did while it was taken."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from placer.core.measurement import Instrument
from placer.core.units import format_duration
from placer.profiling.counters import Counters

RUN_DELAY_LIMIT_RATIO = 0.05
"""Above it a 5 ms inference is measurably slower (21 % run delay: +28 %; see docs/measuring.md)."""
OTHERS_LIMIT_CORES = 0.1
"""Cores used by other programs up to which a machine counts as left to us."""
FREE_CORE_LIMIT_RATIO = 0.9
"""Free cores per thread of ours below which other programs are in the way."""
STEAL_LIMIT_RATIO = 0.02
THROTTLED_LIMIT_RATIO = 0.01
FREQUENCY_LIMIT_RATIO = 0.75
"""nvbench discards samples below 75 % of the default clock."""
DRIFT_LIMIT_RATIO = 0.05
MIN_DRIFT_RUNS = 30
NO_SCHEDSTAT_SWITCHES_PER_S = 50.0
"""Involuntary switches that count as contention where the kernel tells no run delay."""


def judge_instrument(
    segments_s: Sequence[np.ndarray],
    counters: Counters,
    *,
    correlation_runs: float,
    frequencies_hz: Sequence[float],
    others_cores: float | None,
    threads: int,
    cores: int,
) -> Instrument:
    """Judge the counters of all blocks together.

    Parameters
    ----------
    segments_s
        Samples of each process, shape (n,) each.
    counters
        Sums of the differences over all blocks.
    correlation_runs
        Correlation time of the series, in runs.
    frequencies_hz
        CPU clock after each block; empty where unknown.
    others_cores
        Cores that other programs used on average while the measuring processes lived: a run of
        milliseconds may slip between two time slices of a busy machine. None: unknown.
    threads, cores
        Threads of one inference, and cores of this machine.
    """
    samples_s = np.concatenate(segments_s)
    wall_s = max(counters.wall_s, 1e-9)
    run_delay_ratio = None if counters.run_delay_s is None else counters.run_delay_s / wall_s
    pressure_ratio = _over(counters.cpu_pressure_s, wall_s)
    steal_ratio = _over(counters.stolen_s, wall_s)
    throttled_ratio = _over(counters.throttled_s, wall_s)
    switches_per_s = (
        None if counters.involuntary_switches is None else counters.involuntary_switches / wall_s
    )
    frequency_ratio = min(frequencies_hz) / max(frequencies_hz) if frequencies_hz else None
    drift_ratio, drift_is_real = drift(segments_s)
    reasons = []
    # threads of ours that share a core until the scheduler spreads them are not contention
    others_ran = others_cores is None or others_cores > OTHERS_LIMIT_CORES
    if run_delay_ratio is not None and run_delay_ratio > RUN_DELAY_LIMIT_RATIO and others_ran:
        reasons.append(
            f"other programs held the cores: our threads waited for a core {run_delay_ratio:.2f} s "
            "per second of measuring, summed over threads"
        )
    elif run_delay_ratio is None and (switches_per_s or 0) > NO_SCHEDSTAT_SWITCHES_PER_S:
        reasons.append(f"other programs took the core {switches_per_s:.0f} times per second")
    if others_cores is not None and cores - others_cores < FREE_CORE_LIMIT_RATIO * min(
        threads, cores
    ):
        reasons.append(
            f"other programs used {others_cores:.1f} of {cores} cores, "
            f"the model needs {min(threads, cores)}"
        )
    # the kernel counts stolen time in ticks of 10 ms: one tick in a short run says nothing
    if steal_ratio is not None and steal_ratio > STEAL_LIMIT_RATIO and wall_s > 1:
        reasons.append(f"the hypervisor took {steal_ratio:.0%} of the CPU time")
    if throttled_ratio is not None and throttled_ratio > THROTTLED_LIMIT_RATIO:
        reasons.append(f"the CPU quota stopped us {throttled_ratio:.0%} of the time")
    if frequency_ratio is not None and frequency_ratio < FREQUENCY_LIMIT_RATIO:
        reasons.append(f"the CPU clock fell to {frequency_ratio:.0%} of its highest")
    if drift_is_real:
        reasons.append(f"the median drifted by {drift_ratio:+.0%} during the run")
    return Instrument(
        run_delay_ratio=run_delay_ratio,
        cpu_pressure_ratio=pressure_ratio,
        steal_ratio=steal_ratio,
        throttled_ratio=throttled_ratio,
        involuntary_switches_per_s=switches_per_s,
        frequency_ratio=frequency_ratio,
        drift_ratio=drift_ratio,
        correlation_runs=correlation_runs,
        clock_resolution_s=_clock_resolution_s(float(np.median(samples_s)), reasons),
        reasons=tuple(reasons),
    )


def drift(segments_s: Sequence[np.ndarray]) -> tuple[float, bool]:
    """Return the relative change of the median over a run, and whether it is beyond noise.

    Per process, so that the level differences between processes do not count: the median of the
    last third over that of the first third, minus 1; then the median over the processes. It is
    real if it exceeds 5 % and four standard errors of a difference of two medians.
    """
    changes, errors = [], []
    for segment in segments_s:
        if len(segment) < MIN_DRIFT_RUNS:
            continue
        third = len(segment) // 3
        first, last = segment[:third], segment[-third:]
        middle = float(np.median(first))
        changes.append(float(np.median(last)) / middle - 1)
        deviation = 1.4826 * float(np.median(np.abs(segment - np.median(segment))))
        errors.append(1.2533 * deviation / middle * (2 / third) ** 0.5)
    if not changes:
        return 0.0, False
    change = float(np.median(changes))
    noise = float(np.median(errors)) / len(errors) ** 0.5
    return change, abs(change) > max(DRIFT_LIMIT_RATIO, 4 * noise)


def _clock_resolution_s(median_s: float, reasons: list[str]) -> float:
    resolution_s = max(time.get_clock_info("perf_counter").resolution, 1e-9)
    if resolution_s > 0.01 * median_s:
        reasons.append(
            f"the clock's steps of {format_duration(resolution_s)} are coarse for a run of "
            f"{format_duration(median_s)}"
        )
    return resolution_s


def _over(value: float | None, wall_s: float) -> float | None:
    return None if value is None else min(1.0, value / wall_s)
