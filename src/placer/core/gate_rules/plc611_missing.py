"""PLC611: there is no evidence of the model on the declared site."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.project import Unresolved


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    if served is None or served.model is None or isinstance(case.site, Unresolved):
        return ()
    gone = [record for record in case.records if record.defect == "missing"]
    if gone:
        return found(
            "PLC611",
            case,
            f"{gone[0].path} is in placer.lock and not in the repository",
            f"commit it, or measure again: {case.measure}",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            evidence=gone[0].sha256,
        )
    if case.records:
        return ()
    if case.unlocked:
        lying = ", ".join(case.unlocked)
        return found(
            "PLC611",
            case,
            f"{lying} is evidence of {served.model.path} on {case.site_name}, and placer.lock does "
            "not bind it",
            "where the model is: placer lock; and commit placer.lock",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
        )
    known = sorted({record.site for record in served.records if record.site is not None})
    others = f"; measured were {', '.join(known)}" if known else ""
    return found(
        "PLC611",
        case,
        f"no evidence of {served.model.path} on {case.site_name}{others}",
        case.measure,
        outcome=Outcome.INCONCLUSIVE,
        place=case.where,
    )


RULE = GateRule(
    id="PLC611",
    title="evidence missing",
    severity=Severity.WARNING,
    what="Whether `placer.lock` binds a measurement of the workload's model on the declared site, "
    "and whether its file is there. Evidence that lies in its folder and was not locked is told: "
    "it needs no measuring.",
    why="Without a measurement the verdict rests on an estimate, which proves little.",
    example="A deployment moved to another kind of device: inconclusive, with the command that "
    "measures there.",
    fix="Measure on that device, put the file under `evidence/`, and lock.",
    check=_check,
)
