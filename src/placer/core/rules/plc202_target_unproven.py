"""PLC202: a latency target is neither met nor violated."""

from __future__ import annotations

from placer.core.estimate import Verdict
from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_duration, format_percentile


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    if case.deciding_assumption is not None:
        return found  # PLC602 says it
    for target in case.targets:
        if target.verdict is not Verdict.UNPROVEN:
            continue
        name = format_percentile(target.percentile)
        found += finding(
            "PLC202",
            case,
            f"{name} ≤ {format_duration(target.limit_s)} is not proven: {target.reason}",
            "see the next measurement",
            effect=Effect.UNPROVEN,
        )
    return found


RULE = Rule(
    id="PLC202",
    title="latency target unproven",
    severity=Severity.WARNING,
    what="Whether the limit lies between the confidence bounds, or there is no bound.",
    why="An answer that is not settled is not a yes. The finding says what would settle it.",
    example="40 runs, none slow: p99 is unproven, 409 more runs could prove it.",
    fix="Measure longer (--time-limit), on a quieter machine, or on the site itself (--evidence).",
    check=_check,
)
