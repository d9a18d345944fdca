"""PLC722: a suppression whose time is over."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule
from placer.core.suppressing import is_expired


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    return tuple(
        GateFinding(
            rule="PLC722",
            severity=Severity.WARNING,
            outcome=Outcome.PASS,
            message=f"{one.rule} was ignored until {one.until} ({one.reason})",
            remedy="mend what it hid, or decide anew until when it may be ignored",
            place=one.place,
            deployed=None,
            value=str(case.today),
            limit=one.until,
            subject=one.rule,
        )
        for one in case.suppressions
        if is_expired(one, case.today)
    )


RULE = GateRule(
    id="PLC722",
    title="suppression expired",
    severity=Severity.WARNING,
    what="Whether the date of a suppression has passed. From then on it silences nothing.",
    why="An exception was granted for a time, and nobody keeps a calendar of them.",
    example="`until=2026-06-30`, checked in July: the finding is back, and this warning with it.",
    fix="Mend what it hid, or set a new date.",
    check_files=_check,
)
