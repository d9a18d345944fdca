"""PLC712: a manifest cannot be read."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    return tuple(
        GateFinding(
            rule="PLC712",
            severity=Severity.ERROR,
            outcome=Outcome.FAIL,
            message=one.message,
            remedy=one.remedy,
            place=one.place,
            deployed=None,
        )
        for one in case.manifests.unreadable
    )


RULE = GateRule(
    id="PLC712",
    title="manifest cannot be read",
    severity=Severity.ERROR,
    what="Whether every file that looks like a manifest can be read to its end.",
    why="A gate that skips what it cannot read passes what nobody checked.",
    example="A Helm template with `{{ .Values.model }}`: violated, with the command that renders "
    "it.",
    fix="Correct the file, or check what the template renders: helm template | placer check -",
    check_files=_check,
)
