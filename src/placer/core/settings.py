"""Session settings: which are worth trying, and which of those that were tried is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from placer.core.measurement import Measurement, ScreenedSetting, SessionSettings
from placer.core.units import format_duration

Options = tuple[tuple[str, str], ...]
"""(key, value) of an execution provider."""

GAIN_RATIO = 0.05
"""A setting replaces the default one only if its median latency is better by more than this."""
CPU_GAIN_RATIO = 0.2
"""One of the same latency replaces it if it takes less CPU time by more than this."""
IDLE_RATIO = 0.5
"""A device whose inference takes at most this share of the time between requests is idle mostly."""
EASY_RATIO = 0.25
"""A median of at most this share of the limit leaves room for the tail."""
MIN_BOUND_ROUNDS = 5
"""From so many rounds on the lowest and highest ratio bound their median with 90 % confidence."""


def default_settings(cores: int) -> SessionSettings:
    """Return what ONNX Runtime would use on a machine of ``cores`` usable cores."""
    return SessionSettings(intra_op_threads=cores, allow_spinning=cores > 1)


def usual_settings(cores: int) -> tuple[SessionSettings, ...]:
    """Return the settings worth a brief trial, the default first."""
    if cores == 1:
        return (default_settings(1),)
    return (
        default_settings(cores),
        SessionSettings(intra_op_threads=cores, allow_spinning=False),
        SessionSettings(intra_op_threads=1, allow_spinning=False),
    )


def searched_settings(
    cores: int,
    *,
    threads: int | None = None,
    spinning: bool | None = None,
) -> tuple[SessionSettings, ...]:
    """Return threads x spinning, the default first.

    Threads are the powers of two below the usable cores, half of them, and all.

    Parameters
    ----------
    threads, spinning
        Fixed, not searched for; None: searched for.
    """
    counts = {1, cores, max(1, cores // 2)}
    counts |= {2**power for power in range(cores.bit_length()) if 2**power <= cores}
    if threads is not None:
        counts = {threads}
    spins = (True, False) if spinning is None else (spinning,)
    return tuple(
        dict.fromkeys(
            SessionSettings(count, spin and count > 1)
            for count in sorted(counts, reverse=True)
            for spin in spins
        )
    )


def with_hints(
    settings: Sequence[SessionSettings], hints: Sequence[Options]
) -> tuple[SessionSettings, ...]:
    """Return the settings, and each once more with each of the hints to compute less precisely."""
    hinted = (replace(one, provider_options=hint) for hint in hints for one in settings)
    return (*settings, *hinted)


def ratio_bounds(ratios: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return the median of the ratios of rounds, and bounds of it; None: too few rounds.

    The lowest and the highest of n independent values enclose their distribution's median with
    probability 1 - 2 ** (1 - n): 94 % for five. Tighter order statistics are taken where they
    still enclose it with 90 %. Source: the sign test, as in David and Nagaraja, Order Statistics
    (2003), section 7.1.
    """
    ordered, count = sorted(ratios), len(ratios)
    if count < MIN_BOUND_ROUNDS:
        return median(ordered), None, None
    depth, outside, term = 0, 0.0, 0.5 ** (count - 1)
    while outside + term <= 0.1 and depth < count // 2:
        outside += term
        depth += 1
        term *= (count - depth + 1) / depth
    return median(ordered), ordered[depth - 1], ordered[count - depth]


def best_setting(
    tried: Sequence[ScreenedSetting],
    *,
    saves_cpu: bool = False,
    interval_s: float = 0.0,
    limit_s: float | None = None,
) -> ScreenedSetting:
    """Return the best of the settings that were tried, the default first.

    It is the default one unless another is faster by more than ``GAIN_RATIO``, and is not only so
    by chance. On a device that is mostly idle it is the one that takes the least CPU time: idle
    threads that spin keep a core busy for tens of milliseconds after each inference.

    Parameters
    ----------
    saves_cpu
        Prefer the one that takes the least CPU time among those that are as fast.
    interval_s
        Time between two requests; 0: back to back.
    limit_s
        The tightest target of the latency; None: there is none.
    """
    default = tried[0]
    fastest = min(tried, key=lambda one: one.ratio)
    is_gain = fastest.ratio < 1 - GAIN_RATIO
    is_chance = fastest.high_ratio is not None and fastest.high_ratio >= 1
    best = fastest if is_gain and not is_chance else default
    is_idle = best.median_s <= IDLE_RATIO * interval_s
    if not (saves_cpu or is_idle) or best.cpu_s_per_run is None:
        return best
    enough_s = best.median_s * (1 + GAIN_RATIO)
    if is_idle and limit_s is not None:
        enough_s = max(enough_s, EASY_RATIO * limit_s)
    least = min(
        (one for one in tried if one.cpu_s_per_run is not None and one.median_s <= enough_s),
        key=lambda one: one.cpu_s_per_run or 0.0,
        default=best,
    )
    saves = (least.cpu_s_per_run or 0.0) < (1 - CPU_GAIN_RATIO) * best.cpu_s_per_run
    return least if saves else best


def settings_gain(measurement: Measurement) -> str:
    """Say which of the settings that were tried is best, and what it buys; empty: none were."""
    if not measurement.screened:
        return ""
    default = measurement.screened[0]
    best = next(
        (one for one in measurement.screened if one.settings == measurement.settings), default
    )
    how = f"{best.rounds} rounds in turns" if best.rounds > 1 else "tried briefly"
    if best is default:
        return f"best of {len(measurement.screened)} settings: the default ({how})"
    said = f"best of {len(measurement.screened)} settings: {best.settings.label}; "
    said += f"median {best.ratio:.2f}×"
    if best.low_ratio is not None and best.high_ratio is not None:
        said += f" ({best.low_ratio:.2f} to {best.high_ratio:.2f})"
    said += f" of the default ({default.settings.label})"
    if best.cpu_s_per_run is not None and default.cpu_s_per_run is not None:
        said += (
            f", {format_duration(best.cpu_s_per_run)} of CPU time for an inference in place of "
            f"{format_duration(default.cpu_s_per_run)}"
        )
    return f"{said} ({how})"


def settings_of_label(label: str) -> SessionSettings | None:
    """Return the settings that ``SessionSettings.label`` tells; None: it is no such label."""
    parts = label.split(", ")
    count, _, word = parts[0].partition(" ")
    if not (count.isascii() and count.isdigit()) or word not in ("thread", "threads"):
        return None
    threads, spinning, io = int(count), None, "host"
    if threads < 1:
        return None
    given: list[list[str]] = []
    for part in parts[1:]:
        if part in ("spinning", "no spinning") and not given:
            spinning = part == "spinning"
        elif part == "inputs and outputs on the device":
            io = "device"
        elif "=" in part:
            given.append(part.split("=", 1))
        elif given:  # the value has a comma
            given[-1][1] += f", {part}"
        else:
            return None
    return SessionSettings(
        threads, spinning, provider_options=tuple((key, value) for key, value in given), io=io
    )
