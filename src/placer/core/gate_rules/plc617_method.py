"""PLC617: the evidence was measured by another method."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    return tuple(
        one
        for record in case.records
        if record.defect in ("method", "unreadable")
        for one in found(
            "PLC617",
            case,
            record.message,
            f"measure again with this placer, or update it: {case.measure}",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            evidence=record.sha256,
        )
    )


RULE = GateRule(
    id="PLC617",
    title="method outdated",
    severity=Severity.WARNING,
    what="Whether this placer can interpret the evidence: its form, and the version of the "
    "measuring method.",
    why="Samples of another method are not comparable, and guessing what they mean is no evidence.",
    example="Evidence by method 2 and a placer that knows 1: inconclusive.",
    fix="Update placer, or measure again with this one.",
    check=_check,
)
