"""PLC501: the budget is exceeded, or cannot be checked."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_usd


def _check(case: Case) -> tuple[Finding, ...]:
    budget = case.workload.budget_usd_per_month
    if budget is None:
        return ()
    if case.usd_per_month is None:
        missing = ", ".join(case.missing_prices) or "a price"
        return finding(
            "PLC501",
            case,
            f"the cost is unknown ({missing}), so the budget of {format_usd(budget)} per month "
            "cannot be checked",
            "give the missing figure in the device, network or cloud profile, or --rate",
            effect=Effect.UNPROVEN,
        )
    if case.usd_per_month <= budget:
        return ()
    return finding(
        "PLC501",
        case,
        f"it costs {format_usd(case.usd_per_month)} per month, the budget is {format_usd(budget)}",
        "a cheaper site, a lower rate, smaller requests, or a larger budget",
        effect=Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC501",
    title="over budget",
    severity=Severity.ERROR,
    what="Whether the monthly cost for the whole fleet stays within --budget.",
    why="Cellular data alone can cost a thousand times the cloud machine.",
    example="--rate 30/s --budget 50USD/month: a GPU instance at $384 per month is violated.",
    fix="A cheaper placement, a lower rate, smaller requests, or a larger budget.",
    check=_check,
)
