"""The answer in words: where, how sure, and why not elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from placer.core.cascade import CascadeFacts, Measure
from placer.core.cut_names import cut_name
from placer.core.environment import Basis
from placer.core.estimate import Candidate, Decision, Placement, StageKind
from placer.core.finding import Effect
from placer.core.ranking import (
    headline_percentile,
    headline_s,
    is_held_back,
    least_usd_per_month,
    margin_ratio,
    unpriced,
)
from placer.core.units import (
    format_bytes,
    format_duration,
    format_durations_apart,
    format_percentile,
    format_usd,
)
from placer.core.workload import Objective

_NAMES = {
    Measure.TOP_PROBABILITY: "its top probability",
    Measure.MARGIN: "the margin of its two highest scores",
}


def why_not(candidate: Candidate, chosen: Candidate | None, objective: Objective) -> str:
    """Say why a candidate is not the choice."""
    blocking = [found for found in candidate.findings if found.effect is Effect.VIOLATED]
    if blocking:
        return "; ".join(dict.fromkeys(found.message for found in blocking))
    doubtful = [found for found in candidate.findings if found.effect is Effect.UNPROVEN]
    doubts = dict.fromkeys(found.message for found in doubtful)
    if doubts and (chosen is None or chosen.feasible is True):
        return "; ".join(doubts)
    if chosen is None:
        return ""
    if is_held_back(chosen):  # its figure cannot be compared with those of others
        shared = {found.message for found in chosen.findings}
        if own := [message for message in doubts if message not in shared]:
            return "; ".join(own)
    return _by_objective(candidate, chosen, objective) or _as_good(candidate, chosen)


def _by_objective(candidate: Candidate, chosen: Candidate, objective: Objective) -> str | None:
    match objective:
        case Objective.COST:
            mine, other = candidate.usd_per_month, chosen.usd_per_month
            if mine is None:
                return _dearer(candidate, chosen) or "its cost is unknown"
            if other is not None and format_usd(mine) != format_usd(other):
                return f"costs {format_usd(mine)} per month, the choice {format_usd(other)}"
        case Objective.ENERGY:
            mine, other = candidate.joules, chosen.joules
            if mine is None:
                return "the device's energy is unknown"
            if other is not None and mine != other:
                return f"takes {mine:.3g} J of the device, the choice {other:.3g} J"
        case Objective.MARGIN if candidate.targets:
            mine, other = margin_ratio(candidate), margin_ratio(chosen)
            if (
                not (math.isfinite(mine) and math.isfinite(other))
                or f"{mine:.0%}" == f"{other:.0%}"
            ):
                return None
            if mine < other:
                bounded = all(target.high_s is not None for target in candidate.targets)
                what = "its bound" if bounded else "its estimate"
                return f"{what} {_kept(mine)}, that of the choice {_kept(other)}"
            shared = {found.message for found in chosen.findings}
            doubts = dict.fromkeys(
                found.message
                for found in candidate.findings
                if found.effect is Effect.UNPROVEN and found.message not in shared
            )
            return "; ".join(doubts) or None
        case _:
            pass
    return None


def _kept(margin_ratio: float) -> str:
    if margin_ratio < 0:
        return f"exceeds the limit by {-margin_ratio:.0%}"
    return f"keeps {margin_ratio:.0%} of the limit free"


def _dearer(candidate: Candidate, chosen: Candidate) -> str:
    """Say how much more a candidate costs than the choice; empty: it does not, as far as known."""
    mine, other = candidate.usd_per_month, chosen.usd_per_month
    if other is None and (mine is not None or unpriced(candidate) != unpriced(chosen)):
        return ""
    mine_usd = least_usd_per_month(candidate) if mine is None else mine
    other_usd = least_usd_per_month(chosen) if other is None else other
    shown = (format_usd(mine_usd), format_usd(other_usd))
    if mine_usd <= other_usd or shown[0] == shown[1]:
        return ""
    if other is None:
        return f"its known costs are {shown[0]} per month, those of the choice {shown[1]}"
    return f"costs {'at least ' if mine is None else ''}{shown[0]} per month, the choice {shown[1]}"


def _as_good(candidate: Candidate, chosen: Candidate) -> str:
    """Say what is against a candidate whose figure of the objective is that of the choice."""
    mine_s, other_s = headline_s(candidate), headline_s(chosen)
    if mine_s == math.inf:
        return "its latency is unknown"
    mine, other = format_duration(mine_s), format_duration(other_s)
    if other_s < mine_s and mine != other:
        return f"slower: {mine} against {other}"
    if dearer := _dearer(candidate, chosen):
        return dearer
    is_hybrid = candidate.placement.family == "hybrid"
    if is_hybrid and chosen.placement is Placement.CLOUD:
        return "no better, and it needs the device as well"
    if candidate.placement is not Placement.EDGE and chosen.placement is Placement.EDGE:
        return "no better, and it needs the network as well"
    return "no better by the objective"


def decide(
    candidates: Sequence[Candidate], is_chosen: bool, objective: Objective = Objective.MARGIN
) -> Decision:
    """Say where the model should run, how sure that is and why, in one sentence."""
    if not candidates or not is_chosen:
        reason = "No placement is feasible"
        if candidates:
            first = candidates[0]
            reason += f"; the nearest, {first.id}: {first.why_not}"
        return Decision(Placement.NONE, None, False, reason + ".")
    best = candidates[0]
    where = _where(best)
    if best.feasible is None:
        blocking = [found for found in best.findings if found.effect is Effect.UNPROVEN]
        again = ""
        if is_held_back(best):
            blocking = [found for found in blocking if found.rule == "PLC601"]
            again = "; measure again when the machine is quiet"
        why = "; ".join(dict.fromkeys(found.message for found in blocking[:2]))
        return Decision(
            best.placement,
            best.id,
            None,
            f"Nothing is proven; {where} is the best guess: {why}{again}"
            f"{_device_is_quicker(best, candidates)}{_unsplit(best, candidates, objective)}.",
        )
    if best.targets:
        tightest = min(best.targets, key=lambda one: 1 - (one.high_s or one.limit_s) / one.limit_s)
        name = format_percentile(tightest.percentile)
        assert tightest.high_s is not None
        proof = (
            f"{name} is at most {format_duration(tightest.high_s)} with 95 % confidence, "
            f"the limit is {format_duration(tightest.limit_s)}"
        )
    elif best.latency is not None:
        median = format_duration(best.latency.p50_s)
        proof = f"its median latency is {median}; no latency target was set"
    else:
        proof = "no latency target was set"
    read = {
        stage.kind
        for stage in best.stages
        if stage.basis is Basis.CATALOGUE
        or (stage.basis is Basis.TRANSFERRED and stage.kind is StageKind.COMPUTE)
    }
    if read:
        network = ["the network"] if StageKind.TRANSFER in read else []
        model = ["the time of the model"] if StageKind.COMPUTE in read else []
        which = " and ".join(network + model)
        are = "are" if network and model else "is"
        proof += f" ({which} {are} estimated, not measured)"
    rival = next(
        (
            one
            for one in candidates[1:]
            if one.feasible is None
            and one.usd_per_month is not None
            and best.usd_per_month is not None
            and one.usd_per_month < best.usd_per_month
        ),
        None,
    )
    proof += f"; {told_cascade(best.cascade)}" if best.cascade is not None else ""
    tail = f"; {rival.id} would be cheaper but is unproven" if rival is not None else ""
    tail += _much_quicker(best, candidates) or _device_is_quicker(best, candidates)
    tail += _unsplit(best, candidates, objective)
    return Decision(best.placement, best.id, True, f"Run it {where}: {proof}{tail}.")


MUCH_QUICKER_RATIO = 0.5
"""Of the chosen latency: what needs less and only lacks a proof is named. Chosen: half the time is
worth a measurement."""


def _much_quicker(best: Candidate, candidates: Sequence[Candidate]) -> str:
    """Name what is much quicker than the choice and only lacks a proof; empty: nothing is."""
    found = _quickest(best, [one for one in candidates if one.feasible is None])
    if found is None:
        return ""
    quick, against = found
    doubts = (one.message for one in quick.findings if one.effect is Effect.UNPROVEN)
    return (
        f"; {quick.id} is much quicker ({against}) and only not proven: "
        f"{next(doubts, 'its evidence does not suffice')}"
    )


def _device_is_quicker(best: Candidate, candidates: Sequence[Candidate]) -> str:
    """Say of a split that is chosen where the whole is much quicker on the device; else empty."""
    if best.placement is not Placement.SPLIT:
        return ""
    able = [
        one for one in candidates if one.placement is Placement.EDGE and one.feasible is not False
    ]
    found = _quickest(best, able)
    if found is None:
        return ""
    quick, against = found
    why = f": {quick.why_not}" if quick.why_not else ""
    return f"; {quick.id} is much quicker ({against}), but not better{why}"


def _quickest(best: Candidate, candidates: Sequence[Candidate]) -> tuple[Candidate, str] | None:
    """Return what is much quicker than the choice, and how much; None: nothing is.

    In the median and in the mean: most answers of a cascade are quick, and some cost more than all
    of another placement.
    """
    if best.latency is None:
        return None
    p50_s, mean_s = best.latency.p50_s, best.latency.mean_s
    known = [
        (one.latency.p50_s, one)
        for one in candidates
        if one.latency is not None
        and (one.spread is None or not one.spread.is_lower_bound)
        and one.latency.p50_s <= MUCH_QUICKER_RATIO * p50_s
        and one.latency.mean_s <= MUCH_QUICKER_RATIO * mean_s
    ]
    if not known:
        return None
    quick_s, quick = min(known, key=lambda pair: pair[0])
    return quick, f"p50 {format_duration(quick_s)} against {format_duration(p50_s)}"


def _unsplit(best: Candidate, candidates: Sequence[Candidate], objective: Objective) -> str:
    """Say why the model is not split; empty: no split was judged, or it is chosen.

    Of the splits that are quicker than the choice the best is named, else the best of all.
    """
    splits = [one for one in candidates if one.placement is Placement.SPLIT]
    if best.placement is Placement.SPLIT or not splits:
        return ""
    other_s = headline_s(best)
    split = next((one for one in splits if headline_s(one) < other_s), splits[0])
    mine_s = headline_s(split)
    if mine_s == math.inf or other_s == math.inf:
        return f"; do not split: {split.why_not}" if split.why_not else ""
    mine, other = (format_percentile(headline_percentile(one)) for one in (split, best))
    shown = format_durations_apart(mine_s, other_s)
    against = f"{mine} {shown[0]} against {'' if other == mine else f'{other} '}{shown[1]}"
    is_alike = mine == other and shown[0] == shown[1]
    why = f": {split.why_not}" if split.why_not else ""
    if mine_s < other_s and not is_alike:
        return f"; do not split: {split.id} is quicker, {against}, but not better{why}"
    if objective in (Objective.COST, Objective.ENERGY) and why:
        return f"; do not split: the best split judged, {split.id}, is no better{why}"
    takes = "takes as long," if is_alike else "takes"
    return f"; do not split: the best split judged, {split.id}, {takes} {against}"


def told_cut(candidate: Candidate) -> str:
    """Say where a split cuts and what crosses."""
    cut = candidate.cut
    assert cut is not None
    what = "raw input with it" if cut.raw else "no raw input as far as the graph shows"
    made = f", {cut_name(cut.outputs_here)} made on the device" if cut.outputs_here else ""
    return (
        f"cut at {cut_name(cut.tensors) or 'no tensor'}, {format_bytes(cut.sent_bytes)} for each "
        f"request, {what}{made}"
    )


def told_cascade(facts: CascadeFacts) -> str:
    """Say when the device passes a request on, how often, and how often the answer is the same."""
    rate, kept, right = facts.escalation, facts.agreement, facts.accuracy
    accuracy = ""
    if right is not None:
        accuracy = f", {100 * right.ratio:.4g} % are right (at least {100 * right.low_ratio:.4g} %)"
    return (
        f"it answers by itself where {_NAMES[facts.confidence]} is at least {facts.threshold:.6g} "
        f"and passes on {100 * rate.ratio:.3g} % of the requests ({100 * rate.low_ratio:.3g} to "
        f"{100 * rate.high_ratio:.3g} %), with the answers of the model in "
        f"{100 * kept.ratio:.4g} % (at least {100 * kept.low_ratio:.4g} %) of "
        f"{kept.samples:,} samples{accuracy}"
    )


def _where(candidate: Candidate) -> str:
    first = candidate.sites[0]
    setting = f", {first.options}" if first.options else ""
    if candidate.variant_label is not None:
        setting += f", {candidate.variant_label}"
    match candidate.placement:
        case Placement.EDGE:
            return f"on the device ({first.ep}{setting})"
        case Placement.CLOUD:
            region = f" in {first.region}" if first.region else ""
            variant = "" if candidate.variant_label is None else f", {candidate.variant_label}"
            return f"in the cloud ({first.name}{region}{variant})"
        case Placement.CASCADE:
            return (
                f"on the device ({first.ep}{setting}), which passes on what it is not sure of to "
                f"the model in the cloud ({candidate.sites[-1].name})"
            )
        case Placement.SPLIT:
            return (
                f"split: its head on the device ({first.ep}{setting}), its tail in the cloud "
                f"({candidate.sites[-1].name}), {told_cut(candidate)}"
            )
        case _:
            last = candidate.sites[-1]
            if ":prefer_device:" in candidate.id:
                return f"on the device ({first.ep}{setting}) with {last.name} as fallback"
            variant = "" if candidate.variant_label is None else f", {candidate.variant_label}"
            return f"in the cloud ({last.name}) with the device ({first.ep}{variant}) as fallback"
