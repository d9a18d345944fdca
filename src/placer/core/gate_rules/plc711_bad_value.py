"""PLC711: value cannot be used."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule, defect_findings


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    return defect_findings("PLC711", Severity.ERROR, Outcome.FAIL, case, ("bad_value",))


RULE = GateRule(
    id="PLC711",
    title="value cannot be used",
    severity=Severity.ERROR,
    what="Values of the right key that nobody can read: a quantity without a number, "
    "createOptions that are no JSON, a suppression without a reason; and amounts that are refused "
    "together: a request above its limit.",
    why="What cannot be read is not checked, and what is refused does not run.",
    example="`memory: 64 Megs`: violated, with what a quantity looks like.",
    fix="Write the value as the message says.",
    check_files=_check,
)
