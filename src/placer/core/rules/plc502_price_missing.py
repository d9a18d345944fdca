"""PLC502: a price is missing."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    if not case.missing_prices or case.workload.rate_hz is None:
        return ()
    return finding(
        "PLC502",
        case,
        f"the monthly cost is unknown: no figure for {', '.join(case.missing_prices)}",
        "give it in the device, network or cloud profile",
        effect=Effect.NONE,
        severity=Severity.NOTE,
    )


RULE = Rule(
    id="PLC502",
    title="price missing",
    severity=Severity.NOTE,
    what="Whether a price that the monthly cost needs is unknown.",
    why="A missing price is unknown, not zero: totals that leave it out look cheap.",
    example="A device without `price` and `power`: its cost per month is null.",
    fix="Give the figure in a profile file of your own.",
    check=_check,
)
