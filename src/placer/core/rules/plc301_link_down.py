"""PLC301: no answer while the link is down."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    if case.answers_offline:
        return ()
    required = case.workload.must_work_offline
    return finding(
        "PLC301",
        case,
        "there is no answer while the link is down"
        if case.cascade is None
        else "while the link is down there is no answer of which the device is not sure by itself",
        "run on the device, or use a fallback whose device can serve the whole rate",
        effect=Effect.VIOLATED if required else Effect.NONE,
        severity=Severity.ERROR if required else Severity.NOTE,
    )


RULE = Rule(
    id="PLC301",
    title="no answer when the link is down",
    severity=Severity.ERROR,
    what="Whether requests are answered while the network is away; an error with "
    "--must-work-offline, a note otherwise.",
    why="A robot does not stop needing its model where the signal ends.",
    example="--must-work-offline: cloud placements are violated, prefer_cloud fallbacks are not.",
    fix="The device, or a fallback that ends on the device.",
    check=_check,
)
