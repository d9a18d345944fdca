"""Which candidate is better: by feasibility, then by the objective."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.estimate import (
    Candidate,
    Placement,
)
from placer.core.workload import Objective, Workload

_FEASIBLE_ORDER = (True, None, False)
_PLACEMENT_ORDER = (Placement.EDGE, Placement.CLOUD, Placement.FALLBACK)


def objective_of(workload: Workload, candidates: Sequence[Candidate]) -> Objective:
    """Return the objective that ranks: as stated, else cost where it is known, else margin.

    Without a stated objective cost ranks only where a rate is known and no candidate that may be
    feasible lacks a price.
    """
    if workload.objective is not None:
        return workload.objective
    priced = [one.usd_per_month is not None for one in candidates if one.feasible is not False]
    return Objective.COST if workload.rate_hz is not None and all(priced) else Objective.MARGIN


def rank(candidates: Sequence[Candidate], objective: Objective) -> list[Candidate]:
    """Return the candidates, best first; equal ones in the order edge, cloud, fallback.

    What the objective needs and is unknown ranks last, never as zero.
    """

    def value(candidate: Candidate) -> float:
        match objective:
            case Objective.COST:
                return _known(candidate.usd_per_month)
            case Objective.LATENCY:
                return headline_s(candidate)
            case Objective.ENERGY:
                return _known(candidate.joules)
            case _:
                return -margin_ratio(candidate)

    return sorted(
        candidates,
        key=lambda one: (
            _FEASIBLE_ORDER.index(one.feasible),
            value(one),
            _PLACEMENT_ORDER.index(one.placement),
            one.id,
        ),
    )


def _known(value: float | None) -> float:
    return float("inf") if value is None else value


def headline_s(candidate: Candidate) -> float:
    """Return the value of the most demanding target's percentile, or the median."""
    values = [target.value_s for target in candidate.targets]
    if values and all(value is not None for value in values):
        return max(value for value in values if value is not None)
    return float("inf") if candidate.latency is None else candidate.latency.p50_s


def margin_ratio(candidate: Candidate) -> float:
    """Return the smallest distance to a limit, relative to it; without targets: minus the p50.

    The upper bound counts where there is one, else the estimate.
    """
    margins = []
    for target in candidate.targets:
        bound_s = target.high_s if target.high_s is not None else target.value_s
        margins.append(float("-inf") if bound_s is None else 1 - bound_s / target.limit_s)
    if margins:
        return min(margins)
    return float("-inf") if candidate.latency is None else -candidate.latency.p50_s
