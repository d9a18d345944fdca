"""PLC721: a suppression that silences nothing."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule
from placer.core.suppressing import is_expired


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    used = {one.suppressed for one in case.findings if one.suppressed is not None}
    return tuple(
        GateFinding(
            rule="PLC721",
            severity=Severity.WARNING,
            outcome=Outcome.PASS,
            message=f"nothing here breaks {one.rule}, which is ignored ({one.reason})",
            remedy="remove the suppression",
            place=one.place,
            deployed=None,
        )
        for one in case.suppressions
        if one not in used and not is_expired(one, case.today)
    )


RULE = GateRule(
    id="PLC721",
    title="suppression unused",
    severity=Severity.WARNING,
    what="Whether each suppression silences a finding.",
    why="One that is left over silences the next fault at its place, unseen.",
    example="`# placer: ignore[PLC707] limit is set by the operator` above a container with a "
    "limit.",
    fix="Remove it.",
    check_files=_check,
)
