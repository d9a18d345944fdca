"""What was predicted for each placement against what was measured, and what the choice cost.

A prediction misses where the whole interval of what was measured lies outside of its own. It holds
where what was measured lies inside, with a bound of its own toward each end of the prediction.
Contention only adds time: slower while other programs ran is undecided, quicker misses all the
same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from placer.core.estimate import Candidate, Placement, Recommendation
from placer.core.finding import Effect
from placer.core.predicted import REUSE_FACTOR, Interval, is_far, predicted, why_no_interval
from placer.core.sequential import (
    NEAR_FACTOR,
    Floats,
    block_length,
    correlation_runs,
    quantile,
    quantile_bounds,
)
from placer.core.units import format_factor, format_percentile

PERCENTILES = (0.5, 0.9, 0.99)
_TIME_RULES = ("PLC201", "PLC202", "PLC6")
"""Rules that doubt times, which the run itself settles; requests in turn settle no capacity."""


class Outcome(StrEnum):
    """What a measurement says of a prediction; what weighs most is last."""

    WITHIN = "within"
    NOT_JUDGED = "not_judged"
    UNDECIDED = "undecided"
    MISSED = "missed"


_ORDER = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class QuantileCheck:
    """One quantile, predicted and measured."""

    percentile: float
    predicted: Interval
    measured: Interval
    outcome: Outcome
    reason: str
    """Why it is not judged, undecided or missed; else empty."""


@dataclass(frozen=True, slots=True)
class MeasuredStage:
    """One part of a placement that runs in several."""

    what: str
    p50_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """A placement that ran for real."""

    where: str
    """Execution provider and settings, or the URL."""
    segments_s: tuple[Floats, ...]
    """Latencies of the requests in their order, for each fresh process."""
    disturbed: tuple[str, ...] = ()
    """Why the run counts as disturbed; empty: quiet."""
    stages: tuple[MeasuredStage, ...] = ()
    """Empty: it has one part."""
    notes: tuple[str, ...] = ()
    """What differs from what was predicted, for people."""
    not_compared: str = ""
    """Why its times are not those of the prediction; empty: they are."""


@dataclass(frozen=True, slots=True)
class NotRun:
    """A placement that did not run."""

    reason: str
    is_failure: bool = False
    """It was tried."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One candidate of the recommendation."""

    id: str
    placement: Placement
    rank: int
    is_chosen: bool
    outcome: Outcome
    """The worst of its quantiles: missed, undecided, within, not judged."""
    reason: str
    """Why it is not judged; else empty."""
    quantiles: tuple[QuantileCheck, ...]
    """Empty: it did not run."""
    where: str | None
    """None: it did not run."""
    runs: int
    disturbed: tuple[str, ...]
    stages: tuple[MeasuredStage, ...]
    notes: tuple[str, ...]
    barred: str
    """Why it may not be chosen in place of the chosen one; empty: it may."""
    is_barred_by_time: bool
    """Its predicted time alone bars it: a miss of that counts all the same."""

    @property
    def p50_s(self) -> float | None:
        """Measured median of the whole request; None: it did not run as a whole."""
        if self.reason:
            return None
        return next((one.measured.value_s for one in self.quantiles if one.percentile == 0.5), None)


@dataclass(frozen=True, slots=True)
class Verification:
    """The whole answer."""

    recommendation: str
    """Path of the saved answer."""
    model: str
    model_sha256: str
    chosen: str | None
    """Id; None: every candidate violated something."""
    outcome: Outcome
    """Missed: a prediction missed its interval; undecided: of the chosen one, or of all where none
    was chosen, something is neither confirmed nor missed; not judged: nothing of it was."""
    reason: str
    """One sentence."""
    reuse_factor: float
    """By which the saved intervals of what was measured are widened on both sides."""
    candidates: tuple[Checked, ...]
    """Ascending by rank."""
    best: str | None
    """Id of the one with the least measured median of those that may be chosen; None: none ran."""
    regret_ratio: float | None
    """Measured median of the chosen one over the least of those that may be chosen, minus 1; None:
    the chosen did not run, or not as a whole."""


def percentiles_of(answer: Recommendation) -> tuple[float, ...]:
    """Return the quantiles to compare: p50, p90, p99 and those of the targets, ascending."""
    return tuple(sorted({*PERCENTILES, *(target.percentile for target in answer.targets)}))


def measured(
    segments_s: Sequence[Floats], percentile: float, ends_s: Sequence[float] = ()
) -> Interval:
    """Return a quantile of what was measured with its bounds, each one-sided with 95 %.

    Parameters
    ----------
    ends_s
        Ends of the prediction. On which side of one the quantile lies can be told where the bound
        itself cannot: a drift far from it says nothing about crossing it, and counts as none.
    """
    joined = np.concatenate([np.asarray(one, dtype=float) for one in segments_s])
    block = block_length(correlation_runs(segments_s))
    low_s, high_s = quantile_bounds(joined, percentile, block_runs=block)
    lows_s, highs_s = [low_s], [high_s]
    for end_s in ends_s:
        floor_s, ceiling_s = end_s / NEAR_FACTOR, end_s * NEAR_FACTOR
        near = block_length(correlation_runs(segments_s, near_s=end_s))
        low_s, high_s = quantile_bounds(joined, percentile, block_runs=near)
        if low_s is not None and low_s >= floor_s:
            lows_s.append(min(low_s, ceiling_s))
        if high_s is not None and high_s <= ceiling_s:
            highs_s.append(max(high_s, floor_s))
    return Interval(
        quantile(joined, percentile),
        max((one for one in lows_s if one is not None), default=None),
        min((one for one in highs_s if one is not None), default=None),
    )


def check_quantile(candidate: Candidate, run: Run, percentile: float) -> QuantileCheck:
    """Hold one quantile of a run against its prediction."""
    expected = predicted(candidate, percentile)
    ends_s = [one for one in (expected.low_s, expected.high_s) if one is not None]
    found = measured(run.segments_s, percentile, ends_s)
    why = why_no_interval(candidate, percentile)
    outcome, reason = _judged(expected, found, run, why)
    return QuantileCheck(percentile, expected, found, outcome, reason)


def _judged(expected: Interval, found: Interval, run: Run, why: str) -> tuple[Outcome, str]:
    low_s, high_s = expected.low_s, expected.high_s
    if run.not_compared:
        return Outcome.NOT_JUDGED, run.not_compared
    if low_s is None and high_s is None:
        return Outcome.NOT_JUDGED, why
    assert found.value_s is not None
    if low_s is not None and found.high_s is not None and found.high_s < low_s:
        return Outcome.MISSED, "quicker than predicted"
    is_slower = high_s is not None and found.low_s is not None and found.low_s > high_s
    if is_slower and not run.disturbed:
        return Outcome.MISSED, "slower than predicted"
    if is_slower:
        return Outcome.UNDECIDED, "slower than predicted, but other programs disturbed the run"
    is_above = low_s is None or found.value_s >= low_s
    is_inside = is_above and (high_s is None or found.value_s <= high_s)
    is_open = (low_s is not None and found.low_s is None) or (
        high_s is not None and found.high_s is None
    )
    if is_inside and not is_open:
        return Outcome.WITHIN, ""
    if is_open:
        where = "inside" if is_inside else "outside"
        return Outcome.UNDECIDED, f"{where}, but its requests do not bound it: raise --time-limit"
    return Outcome.UNDECIDED, "outside, but its own interval reaches into the predicted one"


def _barred(candidate: Candidate, chosen: Candidate | None) -> tuple[str, bool]:
    """Say why a candidate may not be chosen in place of the chosen one, and whether by time alone.

    What the chosen one is not proven in either bars nothing.
    """
    if chosen is None or candidate is chosen:
        return "", False
    violated = [one for one in candidate.findings if one.effect is Effect.VIOLATED]
    if candidate.feasible is False:
        reasons = dict.fromkeys(one.message for one in violated)
        is_by_time = bool(violated) and all(one.rule.startswith(_TIME_RULES) for one in violated)
        return "; ".join(reasons) or "it is not feasible", is_by_time
    shared = {one.rule for one in chosen.findings if one.effect is Effect.UNPROVEN}
    doubts = dict.fromkeys(
        one.message
        for one in candidate.findings
        if one.effect is Effect.UNPROVEN
        and one.rule not in shared
        and not one.rule.startswith(_TIME_RULES)
    )
    return "; ".join(doubts), False


def check_candidate(
    candidate: Candidate,
    run: Run | NotRun,
    percentiles: Sequence[float],
    *,
    chosen: Candidate | None,
) -> Checked:
    """Hold a candidate against its run."""
    is_chosen = candidate is chosen
    barred, is_by_time = _barred(candidate, chosen)
    if isinstance(run, NotRun):
        return Checked(
            candidate.id, candidate.placement, candidate.rank, is_chosen,
            Outcome.NOT_JUDGED, run.reason, (), None, 0, (), (), (), barred, is_by_time,
        )  # fmt: skip
    quantiles = tuple(check_quantile(candidate, run, one) for one in percentiles)
    judged = [one.outcome for one in quantiles if one.outcome is not Outcome.NOT_JUDGED]
    return Checked(
        id=candidate.id,
        placement=candidate.placement,
        rank=candidate.rank,
        is_chosen=is_chosen,
        outcome=max(judged, key=_ORDER.index) if judged else Outcome.NOT_JUDGED,
        reason=run.not_compared,
        quantiles=quantiles,
        where=run.where,
        runs=sum(len(one) for one in run.segments_s),
        disturbed=run.disturbed,
        stages=run.stages,
        notes=run.notes,
        barred=barred,
        is_barred_by_time=is_by_time,
    )


def verify(
    answer: Recommendation, runs: Sequence[Run | NotRun], *, recommendation: str, model: str
) -> Verification:
    """Hold every candidate of an answer against its run; ``runs``: one for each candidate."""
    chosen = next((one for one in answer.candidates if one.id == answer.decision.candidate), None)
    percentiles = percentiles_of(answer)
    candidates = tuple(
        check_candidate(one, run, percentiles, chosen=chosen)
        for one, run in zip(answer.candidates, runs, strict=True)
    )
    p50s_s = {one.id: one.p50_s for one in candidates if one.p50_s is not None and not one.barred}
    name = answer.decision.candidate
    best = min(p50s_s, key=lambda one: p50s_s[one]) if p50s_s else None
    chosen_s = p50s_s.get(name or "")
    has_rival = chosen_s is not None and len(p50s_s) > 1
    regret = chosen_s / p50s_s[best] - 1 if chosen_s and best and has_rival else None
    outcome = _outcome(candidates)
    return Verification(
        recommendation=recommendation,
        model=model,
        model_sha256=answer.model.sha256,
        chosen=name,
        outcome=outcome,
        reason=_reason(outcome, candidates, name),
        reuse_factor=REUSE_FACTOR,
        candidates=candidates,
        best=best,
        regret_ratio=regret,
    )


def _missed(candidates: Sequence[Checked], *, counts: bool) -> list[str]:
    """Return whose prediction misses, of those that count, or of those that may not be chosen."""
    return [
        one.id
        for one in candidates
        if one.outcome is Outcome.MISSED and counts is (not one.barred or one.is_barred_by_time)
    ]


def _asked(candidates: Sequence[Checked]) -> list[Checked]:
    """Return the chosen one; without one all that were judged."""
    return [one for one in candidates if one.is_chosen] or [
        one for one in candidates if one.outcome is not Outcome.NOT_JUDGED
    ]


def _outcome(candidates: Sequence[Checked]) -> Outcome:
    if _missed(candidates, counts=True):
        return Outcome.MISSED
    outcomes = (one.outcome for one in _asked(candidates))
    return max(outcomes, key=_ORDER.index, default=Outcome.NOT_JUDGED)


def _reason(outcome: Outcome, candidates: Sequence[Checked], chosen: str | None) -> str:
    what = "what ran" if chosen is None else chosen
    apart = _missed(candidates, counts=False)
    also = f" {', '.join(apart)}, which may not be chosen, misses its interval." if apart else ""
    if outcome is Outcome.MISSED:
        missed = _missed(candidates, counts=True)
        return f"A prediction misses its interval: {', '.join(missed)}.{also}"
    if outcome is Outcome.WITHIN:
        return f"{_holds(candidates, what)}{also}"
    if outcome is Outcome.UNDECIDED:
        return f"Whether the prediction for {what} holds is undecided.{also}"
    why = next((one.reason for one in candidates if one.is_chosen and one.reason), "") or _far(
        [check for one in candidates if one.is_chosen for check in one.quantiles]
    )
    return (
        f"Nothing that was predicted for {what} could be judged{f': {why}' if why else ''}.{also}"
    )


def _far(checks: Sequence[QuantileCheck]) -> str:
    """Say which quantiles were predicted far off, although no interval says what is too far."""
    ratios = [
        (one, one.measured.value_s / one.predicted.value_s)
        for one in checks
        if one.measured.value_s and one.predicted.value_s
    ]
    return ", ".join(
        f"its {format_percentile(one.percentile)} is {format_factor(ratio)} times the prediction"
        for one, ratio in ratios
        if is_far(ratio)
    )


def _holds(candidates: Sequence[Checked], what: str) -> str:
    """Say which quantiles hold, which of them could miss to one side only, and which are open."""
    asked = _asked(candidates)
    checks = [check for one in asked for check in one.quantiles]
    held = [one for one in checks if one.outcome is Outcome.WITHIN]
    names = _names(held)
    text = f"The measured {names} of {what} lie" + ("s" if " " not in names else "")
    text += " within what was predicted"
    only_slower = _names([one for one in held if one.predicted.low_s is None])
    only_quicker = _names([one for one in held if one.predicted.high_s is None])
    left = _names([one for one in checks if one.outcome is Outcome.NOT_JUDGED])
    text += f"; of {only_slower} only slower would have missed" if only_slower else ""
    text += f"; of {only_quicker} only quicker would have missed" if only_quicker else ""
    text += f"; not judged: {left}" if left else ""
    text += "; other programs disturbed the run" if any(one.disturbed for one in asked) else ""
    return f"{text}."


def _names(checks: Sequence[QuantileCheck]) -> str:
    found = sorted({one.percentile for one in checks})
    *others, last = [format_percentile(one) for one in found] or [""]
    return f"{', '.join(others)} and {last}" if others else last
