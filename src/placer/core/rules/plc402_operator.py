"""PLC402: the site's runtime does not have an operator of the model."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    for failure in case.failures:
        if failure.kind == "unsupported":
            found += finding(
                "PLC402",
                case,
                f"the runtime does not run this model: {failure.message}",
                failure.remedy,
                effect=Effect.VIOLATED,
            )
    return found


RULE = Rule(
    id="PLC402",
    title="operator not supported by the site's runtime",
    severity=Severity.ERROR,
    what="Whether the runtime refused the model: an unknown operator, opset or type.",
    why="Such a model cannot run on that site at any speed.",
    example="A node of the domain `my.ops` without its library: the device is violated; a cloud "
    "site with evidence that it ran there is not.",
    fix="Export for an older opset, or replace the operator.",
    check=_check,
)
