"""What weakens the answer of ``placer split MODEL``: noise, other programs, a rough estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from placer.core.split_ranking import Kind, Placed
from placer.core.units import format_duration, format_durations_apart, format_ratio
from placer.core.wire_formats import Precision

if TYPE_CHECKING:
    from placer.api.part_runs import PartsRuns
    from placer.api.split_model import SplitQuestion
    from placer.api.split_where import Where
    from placer.api.splitting import MeasuredGraph


def disturbance(judged: PartsRuns, threads: int) -> str:
    """Tell of other programs that took cores while the parts ran; empty: none were missing."""
    from placer.profiling.instrument import FREE_CORE_LIMIT_RATIO
    from placer.profiling.machine import usable_cores

    cores, others = usable_cores(), judged.others_cores
    if others is None or cores - others >= FREE_CORE_LIMIT_RATIO * min(threads, cores):
        return ""
    return (
        f"other programs used {others:.1f} of {cores} cores while the parts ran, and they need "
        f"{min(threads, cores)}"
    )


CACHE_FACTOR = 2.0
"""Other programs also take caches and memory from what runs beside them, on another core: at most
so much, as ``bench/cpu_hog`` prints it."""


def quiet_ratio(judged: PartsRuns, threads: int) -> float:
    """Return the least share of its time that the device would have taken without other programs.

    They cannot have taken more than the cores that they used, and what caches and memory cost.
    """
    from placer.profiling.machine import usable_cores

    cores, others = usable_cores(), judged.others_cores
    if others is None or not disturbance(judged, threads):
        return 1.0
    return max(0.0, cores - others) / min(threads, cores) / CACHE_FACTOR


def weak_inputs(question: SplitQuestion, measured: MeasuredGraph) -> Sequence[str]:
    """Tell what is weak in the times of the groups, or was asked without real samples."""
    notes = []
    if measured.is_disturbed:
        notes.append(
            "other programs ran inside of the measuring, so the shares of the groups are rough: "
            "measure again on a quiet machine"
        )
    if question.inputs is not None:
        return notes
    if question.precision is None and question.max_error_ratio is not None:
        notes.append(
            "what crosses is sent as it is: without real samples no smaller format is known to "
            f"keep an output within {format_ratio(question.max_error_ratio)} of its largest "
            "number: give real samples, --inputs SAMPLES.npz"
        )
    elif question.precision in (Precision.FLOAT16, Precision.INT8):
        notes.append(
            "the error of the wire format is that of one generated sample: give real ones, --inputs"
        )
    return notes


ODD_RESIDUAL_RATIO = 0.1
"""Head and tail may be so far from the whole. Chosen: above the 8 % that they were off at worst
on a quiet machine (bench/split_groups.py)."""
ODD_PREDICTION_RATIO = 1.5
"""A measured plan may need so many times its prediction. Chosen: well above the 17 % of nine in ten
placements (bench/split_regret.py)."""


def oddities(placed: Sequence[Placed], whole_s: float) -> list[str]:
    """Tell where the times do not fit together."""
    notes = []
    for one in placed:
        residual = one.residual_ratio(whole_s) or 0.0
        if abs(residual) > ODD_RESIDUAL_RATIO:
            more = (
                "more than the whole model: a second call costs time (much in a tiny "
                "model), fusions break there, or"
                if residual > 0
                else "less than the whole model: its caches differ, or"
            )
            notes.append(
                f"{one.name}: head and tail here take "
                f"{abs(residual):.1%} {more} other programs had a part in it: measure again"
            )
        if one.kind is Kind.EDGE and one.head_s and one.predicted_s is not None:
            ratio = one.predicted_s / one.head_s
            if not 1 / ODD_PREDICTION_RATIO <= ratio <= ODD_PREDICTION_RATIO:
                notes.append(
                    f"the groups add up to {format_duration(one.predicted_s)} and the whole model "
                    f"takes {format_duration(one.head_s)}: which plans were tried is a rough "
                    "guess, measure again on a quiet machine"
                )
    return notes


def estimate_decides(placed: Sequence[Placed]) -> list[str]:
    """Tell where the range of the cloud's estimate changes what is quickest."""
    best = placed[0]
    for other in placed[1:]:
        if other.kind is best.kind:
            continue
        if best.range_s is None or other.range_s is None:
            continue
        if other.range_s[0] < best.range_s[1] and Kind.EDGE in (best.kind, other.kind):
            return [
                f"the estimate of the cloud decides between {_name(best)} and {_name(other)}: "
                "their ranges overlap; measure the model there (placer verify, or recommend "
                "--evidence)"
            ]
    return []


def other_ways(placed: Sequence[Placed], ways: int) -> list[str]:
    """Tell of a cut that was asked for which of its ways is taken, and that there are others.

    Parameters
    ----------
    ways
        In which the tensors that were named cross, and no others.
    """
    if ways < 2:
        return []
    taken, *others = (one for one in placed if one.kind is Kind.SPLIT)
    if taken.total_s is None:
        return [f"{taken.name} is taken: {ways - 1} more with other outputs made here"]
    times = format_durations_apart(*(one.total_s or 0.0 for one in (taken, *others)))
    told = [f"{one.name} takes {time}" for one, time in zip(others, times[1:], strict=True)]
    untried = ways - 1 - len(others)
    told += [f"{untried} more {'was' if untried == 1 else 'were'} not run"] if untried else []
    return [
        f"{taken.name} is taken ({times[0]}), the quickest of {ways} ways to cut there: "
        f"{', '.join(told)}"
    ]


def _name(one: Placed) -> str:
    return f"the {one.name}" if one.kind is Kind.SPLIT else one.name


def tail_range_s(where: Where, tail_s: float) -> tuple[float, float]:
    """Return the range of what runs on the cloud, as ``recommend`` takes it."""
    from placer.core.legs.split import is_like_here, tail_time
    from placer.core.placement import CloudSite, SiteTime

    whole = where.estimate
    if whole is None or not where.whole_s:
        return tail_s, tail_s
    ratio = tail_s / where.whole_s
    if ratio >= 1:
        return whole.low_s, whole.high_s
    site = CloudSite(where.offer, SiteTime(estimate=whole))
    part = tail_time(site.time, ratio, is_same_class=is_like_here(site)).estimate
    if part is None:
        return tail_s, tail_s
    return min(part.low_s, tail_s), max(part.high_s, tail_s)  # there a tail takes a thousandth
