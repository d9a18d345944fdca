"""PLC616: the evidence is too weak to decide."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.gate_rules.settling import measured_anew
from placer.core.sequential import planned_runs


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record, served, candidate = case.chosen, case.served, case.candidate
    if record is None or record.measurement is None or served is None or candidate is None:
        return ()
    if candidate.feasible is not None or not served.workload.targets:
        return ()
    measurement = record.measurement
    runs = len(measurement.samples_s)
    needed = max(planned_runs(target.percentile) for target in served.workload.targets)
    if runs < needed:
        why = f"{runs} runs, {needed} without a miss are the fewest that can prove the target"
    elif measurement.instrument.is_disturbed:
        why = f"measured while disturbed: {measurement.instrument.reasons[0]}"
    else:
        return ()
    return found(
        "PLC616",
        case,
        why,
        measured_anew(case, measurement, candidate.targets),
        outcome=Outcome.INCONCLUSIVE,
        place=case.where,
        value=str(runs),
        limit=str(needed),
        evidence=record.sha256,
        excess_ratio=needed / max(1, runs),
    )


RULE = GateRule(
    id="PLC616",
    title="evidence too weak",
    severity=Severity.WARNING,
    what="Whether the samples suffice to prove the targets, on a machine that nothing disturbed, "
    "where the verdict is open.",
    why="A hundred runs say nothing of p99.",
    example="120 runs and a target of p99: inconclusive, 449 are the fewest.",
    fix="Measure again with the target as an option, on a quiet device: it runs until it is "
    "settled.",
    check=_check,
)
