"""PLC620: placer.lock does not hold what is asked."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    if served is None or served.model is not None:
        return ()
    return found(
        "PLC620",
        case,
        served.unbound
        or f"placer.lock has no workload '{served.name}', or another model or network for it",
        "where the model is: placer lock; and commit placer.lock"
        if served.unbound
        else "placer lock",
        outcome=Outcome.INCONCLUSIVE,
        severity=Severity.ERROR,
        place=case.model_place,
    )


RULE = GateRule(
    id="PLC620",
    title="workload not locked",
    severity=Severity.ERROR,
    what="Whether `placer.lock` binds the workload that a deployment serves.",
    why="The lock is what a reviewer has seen: models and evidence by digest. What it lacks was "
    "not reviewed.",
    example="A workload added to `placer.yaml` without `placer lock`: inconclusive.",
    fix="Run `placer lock` where the model file is, and commit `placer.lock`.",
    check=_check,
)
