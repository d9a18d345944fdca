"""PLC703: another placement is recommended."""

from __future__ import annotations

from placer.core.estimate import Candidate, Placement
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.units import format_durations_apart, format_usd


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    declared, best = case.candidate, case.recommended
    if not case.is_timed:
        return ()
    if declared is None or best is None or best.id == declared.id or best.feasible is not True:
        return ()
    if best.placement is declared.placement and declared.placement is Placement.EDGE:
        return ()  # the same device: which execution provider runs is not for the manifest
    texts = [f"{best.id} is recommended, {declared.id} is declared"]
    was, would = _p99(declared), _p99(best)
    if was is not None and would is not None:
        times = format_durations_apart(would, was)
        texts.append(f"p99 {times[0]} against {times[1]}")
    if best.usd_per_month is not None and declared.usd_per_month is not None:
        money = format_usd(best.usd_per_month), format_usd(declared.usd_per_month)
        texts.append(f"{money[0]} against {money[1]} per month")
    return found(
        "PLC703",
        case,
        "; ".join(texts),
        "deploy there, or state what speaks for this place in the workload (objective, budget, "
        "privacy, offline)",
        outcome=Outcome.PASS,
        severity=Severity.WARNING,
        place=case.where,
        value=declared.id,
        limit=best.id,
        evidence=None if case.chosen is None else case.chosen.sha256,
    )


def _p99(candidate: Candidate) -> float | None:
    return None if candidate.latency is None else candidate.latency.p99_s


RULE = GateRule(
    id="PLC703",
    title="another placement is recommended",
    severity=Severity.WARNING,
    what="Whether `recommend`, on the same evidence, would choose the declared placement.",
    why="A placement may keep its targets and still be dearer or slower than one that keeps them "
    "too.",
    example="A model declared in the cloud for $690 per month that the device serves in 4 ms for "
    "$6: a warning with both figures.",
    fix="Deploy where it is recommended, or write into the workload why not.",
    check=_check,
)
