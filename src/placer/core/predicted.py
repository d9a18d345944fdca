"""What a saved recommendation predicted for a quantile, and why it may have no interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.core.compute import Level, factor_90
from placer.core.environment import Basis, ChipClass
from placer.core.estimate import Candidate, TargetVerdict, Verdict
from placer.core.units import format_percentile

REUSE_FACTOR = factor_90(Level.E0, ChipClass.CPU) or 1.0
"""How far what was measured repeats later on the same machine, with 90 %."""
_OVERLOAD = "PLC203"
_FAR_FACTOR = 2.0
"""A time this much off its prediction is told, although nothing judges it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A quantile of the latency with its 90 % interval."""

    value_s: float | None
    """None: not known."""
    low_s: float | None
    """None: unbounded below."""
    high_s: float | None
    """None: unbounded above."""


def predicted(candidate: Candidate, percentile: float) -> Interval:
    """Return what a candidate was predicted to take.

    The interval is that of the target of this percentile; of the median of what was measured
    itself, without a target, the factor of reuse. What was disturbed then has no lower end, unless
    the target was violated: no verdict of that rests on what was disturbed.
    """
    is_measured = candidate.basis is Basis.MEASURED
    factor = REUSE_FACTOR if is_measured else 1.0
    was_disturbed = candidate.quality is not None and candidate.quality.is_disturbed
    latency = candidate.latency
    values_s = {} if latency is None else {
        0.5: latency.p50_s, 0.9: latency.p90_s, 0.95: latency.p95_s, 0.99: latency.p99_s
    }  # fmt: skip
    value_s = values_s.get(percentile)
    value_s = value_s if value_s is not None and np.isfinite(value_s) else None
    for target in candidate.targets:
        if target.percentile == percentile:
            is_firm = not was_disturbed or _is_violated(target)
            return Interval(
                target.value_s if target.value_s is not None else value_s,
                target.low_s / factor if target.low_s is not None and is_firm else None,
                None if target.high_s is None else target.high_s * factor,
            )
    if percentile == 0.5 and value_s is not None and is_measured:
        return Interval(value_s, None if was_disturbed else value_s / factor, value_s * factor)
    return Interval(value_s, None, None)


def _is_violated(target: TargetVerdict) -> bool:
    """Tell whether the lower end alone is too slow, of what no contention made slower."""
    return target.verdict is Verdict.VIOLATED


def why_no_interval(candidate: Candidate, percentile: float) -> str:
    """Say why no end of a prediction can be missed, and what helps."""
    name = format_percentile(percentile)
    target = next((one for one in candidate.targets if one.percentile == percentile), None)
    if target is None:
        return f"no interval was saved: recommend with --sla {name}=TIME"
    if target.value_s is None and any(one.rule == _OVERLOAD for one in candidate.findings):
        return f"no time was saved, {target.reason}: recommend again with a lower --rate"
    was_disturbed = candidate.quality is not None and candidate.quality.is_disturbed
    if candidate.basis is Basis.MEASURED:
        quiet = " on a quiet machine" if was_disturbed else ""
        return f"too few runs bounded it: recommend again{quiet} with a longer --time-limit"
    ends = []
    if target.low_s is not None and was_disturbed and not _is_violated(target):
        ends.append(
            "its lower end does not count, as other programs disturbed what was measured for it: "
            "recommend again on a quiet machine"
        )
    if target.high_s is None:
        helps = ": probe that network, or ask for a percentile that it tells"
        is_network = target.reason.startswith("network ")
        ends.append(f"it has no upper end ({target.reason}){helps if is_network else ''}")
    return "; ".join(ends)


def is_far(ratio: float) -> bool:
    """Tell whether a time over its prediction is so far from 1 that people want to know."""
    return not 1 / _FAR_FACTOR <= ratio <= _FAR_FACTOR
