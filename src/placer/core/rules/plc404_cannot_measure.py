"""PLC404: the execution provider could not be measured."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    for failure in case.failures:
        if failure.kind in ("unsupported", "killed"):
            continue  # PLC402 and PLC401 say it
        found += finding(
            "PLC404",
            case,
            f"{case.edge_ep} could not be measured: {failure.message}",
            failure.remedy,
            effect=Effect.UNPROVEN if failure.kind == "hung" else Effect.VIOLATED,
        )
    return found


RULE = Rule(
    id="PLC404",
    title="execution provider could not be measured",
    severity=Severity.ERROR,
    what="Whether an execution provider of this machine was unavailable, crashed or hung.",
    why="No time is ever reported under the name of something that did not run.",
    example="CUDA is in the build, its driver is not: edge:cuda is violated, edge:cpu is judged.",
    fix="`placer doctor` says what is missing; a hang may need a longer --time-limit.",
    check=_check,
)
