"""Session settings: which are worth trying, and which of those that were tried is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from placer.core.measurement import ScreenedSetting, SessionSettings

Options = tuple[tuple[str, str], ...]
"""(key, value) of an execution provider."""

GAIN_RATIO = 0.05
"""A setting replaces the default one only if its median latency is better by more than this."""
CPU_GAIN_RATIO = 0.2
"""One of the same latency replaces it if it takes less CPU time by more than this."""
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


def searched_settings(cores: int, hints: Sequence[Options] = ()) -> tuple[SessionSettings, ...]:
    """Return threads x spinning x precision hints, the default first.

    Threads are the powers of two below the usable cores, half of them, and all.

    Parameters
    ----------
    hints
        Options by which the execution provider may compute less precisely; each is tried as well.
    """
    counts = {1, cores, max(1, cores // 2)}
    counts |= {2**power for power in range(cores.bit_length()) if 2**power <= cores}
    plain = dict.fromkeys(
        (
            *usual_settings(cores),
            *(
                SessionSettings(count, spins)
                for count in sorted(counts, reverse=True)
                for spins in ((True, False) if count > 1 else (False,))
            ),
        )
    )
    hinted = (replace(one, provider_options=hint) for hint in hints for one in plain)
    return (*plain, *hinted)


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


def best_setting(tried: Sequence[ScreenedSetting], *, saves_cpu: bool) -> ScreenedSetting:
    """Return the best of the settings that were tried, the default first.

    It is the default one unless another is faster by more than ``GAIN_RATIO``, and is not only so
    by chance.

    Parameters
    ----------
    saves_cpu
        Prefer the one that takes the least CPU time among those that are as fast.
    """
    default = tried[0]
    fastest = min(tried, key=lambda one: one.ratio)
    is_gain = fastest.ratio < 1 - GAIN_RATIO
    is_chance = fastest.high_ratio is not None and fastest.high_ratio >= 1
    best = fastest if is_gain and not is_chance else default
    if not saves_cpu or best.cpu_s_per_run is None:
        return best
    as_fast = [
        one
        for one in tried
        if one.cpu_s_per_run is not None and one.ratio <= best.ratio * (1 + GAIN_RATIO)
    ]
    least = min(as_fast, key=lambda one: one.cpu_s_per_run or 0.0)
    saves = (least.cpu_s_per_run or 0.0) < (1 - CPU_GAIN_RATIO) * best.cpu_s_per_run
    return least if saves else best
