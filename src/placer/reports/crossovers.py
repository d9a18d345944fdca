"""Where the quickest of device, cloud and split changes, in words: shared by text and markdown."""

from __future__ import annotations

from placer.core.estimate import Candidate, Crossover, Placement, Recommendation
from placer.core.finding import Effect
from placer.core.units import format_duration, format_rate
from placer.reports import facts

TITLE = "Where the network decides what is quickest"
NOTE = "by medians, a round trip plus bytes by rate, all else as it is; no target is judged"
HEADS = ("figure", "range", "quickest")
_FIGURES = {"network.uplink": "uplink", "network.rtt": "round trip"}


def crossover_rows(answer: Recommendation) -> tuple[tuple[str, str, str], ...]:
    """Return figure, range and what is quickest in it; empty: not asked for."""
    firsts = {one.parameter: one for one in reversed(answer.crossovers)}
    lasts = {one.parameter: one for one in answer.crossovers}
    return tuple(
        (
            _FIGURES.get(one.parameter, facts.clean(one.parameter)),
            _range(one, is_first=one is firsts[one.parameter], is_last=one is lasts[one.parameter]),
            _where(one),
        )
        for one in answer.crossovers
    )


def crossover_note(answer: Recommendation) -> str:
    """Say against which offer the device is held, and what the table leaves out."""
    offer = answer.crossovers[0].offer
    more = ""
    if any(one.id == offer and _is_forbidden(one) for one in answer.candidates):
        more = "; without the cloud and splits that send raw input, which a rule of privacy forbids"
    is_narrowed = any(one.cut is not None and one.cut.wire for one in answer.candidates)
    more += "; what crosses is taken as it is, not in a smaller format" if is_narrowed else ""
    is_disturbed = any(
        one.quality is not None and one.quality.is_disturbed
        for one in answer.candidates
        if one.placement in (Placement.EDGE, Placement.SPLIT)
    )
    if is_disturbed:
        more += "; other programs lengthened times that it rests on, so the ranges will move"
    return f"{facts.clean(offer.removeprefix('cloud:'))}; {NOTE}{more}"


def _is_forbidden(candidate: Candidate) -> bool:
    """Tell whether a rule of privacy forbids it."""
    return any(
        one.rule.startswith("PLC1") and one.effect is Effect.VIOLATED for one in candidate.findings
    )


def _range(one: Crossover, *, is_first: bool, is_last: bool) -> str:
    written = format_rate if one.unit == "bytes_per_s" else format_duration
    low, high = facts.glued(written(one.low)), facts.glued(written(one.high))
    if is_first and is_last:
        return f"up to {high}"
    if is_first:
        return f"below {high}"
    return f"above {low}" if is_last else f"{low} to {high}"


def _where(one: Crossover) -> str:
    match one.placement:
        case Placement.EDGE:
            return "on the device"
        case Placement.CLOUD:
            return "in the cloud"
        case _:
            return f"split at {facts.clean(', '.join(one.tensors)) or 'no tensor'}"
