"""Which candidate is better: by feasibility, then by the objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from placer.core.estimate import Candidate, Placement, StageKind, TargetVerdict, Verdict
from placer.core.finding import Effect
from placer.core.workload import Objective, Workload

_Rest = tuple[float, int, tuple[str, ...], float, float, float, float]
_FEASIBLE_ORDER = (True, None, False)
_PLACEMENT_ORDER = (
    Placement.EDGE,
    Placement.CLOUD,
    Placement.FALLBACK,
    Placement.CASCADE,
    Placement.SPLIT,
)


def objective_of(workload: Workload, candidates: Sequence[Candidate]) -> Objective:
    """Return the objective that ranks: as stated, else cost where it is known, else margin.

    Without a stated objective cost ranks only where a rate is known and none of the candidates
    that are proven (if none is: that are not infeasible) lacks a price that decides: one whose
    known items alone cost more than another in all cannot be the cheapest.
    """
    if workload.objective is not None:
        return workload.objective
    if workload.rate_hz is None:
        return Objective.MARGIN
    proven = [one for one in candidates if one.feasible]  # they rank before all others
    rivals = proven or [one for one in candidates if one.feasible is None]
    cheapest_usd = min((_known(one.usd_per_month) for one in rivals), default=0.0)
    is_open = any(
        one.usd_per_month is None and least_usd_per_month(one) < cheapest_usd for one in rivals
    )
    return Objective.MARGIN if is_open else Objective.COST


def least_usd_per_month(candidate: Candidate) -> float:
    """Return what the known items of a candidate cost."""
    return sum(item.usd_per_month or 0.0 for item in candidate.costs)


def unpriced(candidate: Candidate) -> tuple[str, ...]:
    """Return the names of the items of a candidate whose cost is not known, in order."""
    return tuple(sorted(item.name for item in candidate.costs if item.usd_per_month is None))


def rank(candidates: Sequence[Candidate], objective: Objective) -> list[Candidate]:
    """Return the candidates, best first; equal ones in the order of `_PLACEMENT_ORDER`.

    Of the same placement cost, margin, latency and energy, in this order, decide between equal
    ones: of what is not priced in all, its known items where the same ones are unknown.

    What the objective needs and is unknown ranks last, never as zero. Of what is not proven, what
    misses a limit by its figures stands behind what may keep them, whatever it costs. A figure that
    cannot be claimed counts as the limit itself: a disturbed one above it, for contention only adds
    time, though no better than its median; and one below it that an assumption gave. Of the same
    kind the figures as they are decide.

    A split whose transfer alone takes no less than the whole on the device cannot be quicker: by
    latency and margin it stands behind that device, whatever the noise of their measurements.
    """

    def value(candidate: Candidate, targets: Sequence[TargetVerdict]) -> float:
        match objective:
            case Objective.COST:
                return _known(candidate.usd_per_month)
            case Objective.LATENCY:
                return _headline_s(candidate, targets)
            case Objective.ENERGY:
                return _known(candidate.joules)
            case _:
                return -_margin_ratio(candidate, targets)

    def place(one: Candidate) -> tuple[int, bool, float, int, float, _Rest, str]:
        claimed = [_claimed(target, one) for target in one.targets]
        return (
            _FEASIBLE_ORDER.index(one.feasible),
            one.feasible is None and any(_misses(target) for target in claimed),
            value(one, claimed),
            _PLACEMENT_ORDER.index(one.placement),
            value(one, one.targets),
            _by_all_objectives(one),
            one.id,
        )

    ordered = sorted(candidates, key=place)
    if objective not in (Objective.LATENCY, Objective.MARGIN):
        return ordered
    return _with_splits_behind(ordered)


def _by_all_objectives(candidate: Candidate) -> _Rest:
    return (
        *(_known(candidate.usd_per_month), len(unpriced(candidate)), unpriced(candidate)),
        *(least_usd_per_month(candidate), -margin_ratio(candidate)),
        *(headline_s(candidate), _known(candidate.joules)),
    )


def _with_splits_behind(ordered: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with each split behind the device that it cannot beat."""
    found = list(ordered)
    for split in reversed(ordered):  # so that they keep their order behind a device
        edges = [place for place, one in enumerate(found) if _is_slower(split, one)]
        place = found.index(split)
        if edges and place < max(edges):
            found.insert(max(edges), found.pop(place))
    return found


def _is_slower(split: Candidate, edge: Candidate) -> bool:
    """Tell whether the network alone takes a split as long as the device takes the whole."""
    if split.placement is not Placement.SPLIT or edge.placement is not Placement.EDGE:
        return False
    is_same = edge.variant == split.variant and edge.sites[0].ep == split.sites[0].ep
    is_known = edge.latency is not None and not (edge.spread and edge.spread.is_lower_bound)
    if not (is_same and is_known) or edge.feasible is not split.feasible:
        return False
    assert edge.latency is not None
    transfer_s = sum(one.p50_s for one in split.stages if one.kind is StageKind.TRANSFER)
    return transfer_s >= edge.latency.p50_s


def is_held_back(candidate: Candidate) -> bool:
    """Tell whether its samples violate a target, and only contention forbids the claim."""
    return _is_unproven_by(candidate, "PLC601")


def _is_unproven_by(candidate: Candidate, rule: str) -> bool:
    return any(
        found.rule == rule and found.effect is Effect.UNPROVEN for found in candidate.findings
    )


def _claimed(target: TargetVerdict, candidate: Candidate) -> TargetVerdict:
    """Return a target with figures that count as the limit where they cannot be claimed."""
    if target.verdict is not Verdict.UNPROVEN:
        return target
    is_disturbed = candidate.quality is not None and candidate.quality.is_disturbed
    is_assumed = _is_unproven_by(candidate, "PLC602")
    median_s = 0.0 if candidate.latency is None else candidate.latency.p50_s

    def claimed(figure_s: float | None) -> float | None:
        if figure_s is None:
            return None
        if is_disturbed:  # others lengthen the tail first: what half of the runs took is the least
            figure_s = min(figure_s, max(target.limit_s, median_s))
        return max(figure_s, target.limit_s) if is_assumed else figure_s

    value_s = target.value_s
    if value_s is None and target.low_s is None and is_held_back(candidate):
        value_s = target.limit_s  # more requests than were served while others held the cores
    return replace(target, value_s=claimed(value_s), high_s=claimed(target.high_s))


def _misses(target: TargetVerdict) -> bool:
    """Tell whether the figure of a target is over its limit; not where it is unknown."""
    return target.value_s is not None and target.value_s > target.limit_s


def _known(value: float | None) -> float:
    return float("inf") if value is None else value


def headline_s(candidate: Candidate) -> float:
    """Return the value of the most demanding target's percentile, or the median."""
    return _headline_s(candidate, candidate.targets)


def headline_percentile(candidate: Candidate) -> float:
    """Return the percentile that `headline_s` is of."""
    values = [(one.value_s, one.percentile) for one in candidate.targets if one.value_s is not None]
    return max(values)[1] if values and len(values) == len(candidate.targets) else 0.5


def _headline_s(candidate: Candidate, targets: Sequence[TargetVerdict]) -> float:
    values = [target.value_s for target in targets]
    if values and all(value is not None for value in values):
        return max(value for value in values if value is not None)
    return float("inf") if candidate.latency is None else candidate.latency.p50_s


def margin_ratio(candidate: Candidate) -> float:
    """Return the smallest distance to a limit, relative to it; without targets: minus the p50.

    The upper bound counts where there is one, else the estimate.
    """
    return _margin_ratio(candidate, candidate.targets)


def _margin_ratio(candidate: Candidate, targets: Sequence[TargetVerdict]) -> float:
    margins = []
    for target in targets:
        bound_s = target.high_s if target.high_s is not None else target.value_s
        margins.append(float("-inf") if bound_s is None else 1 - bound_s / target.limit_s)
    if margins:
        return min(margins)
    return float("-inf") if candidate.latency is None else -candidate.latency.p50_s
