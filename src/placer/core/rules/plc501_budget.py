"""PLC501: the budget is exceeded, or cannot be checked."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_usd


def _check(case: Case) -> tuple[Finding, ...]:
    budget = case.workload.budget_usd_per_month
    if budget is None:
        return ()
    if case.least_usd_per_month > budget:
        least = "" if case.usd_per_month == case.least_usd_per_month else "at least "
        return finding(
            "PLC501",
            case,
            f"it costs {least}{format_usd(case.least_usd_per_month)} per month, "
            f"the budget is {format_usd(budget)}",
            "a cheaper site, a lower rate, smaller requests, or a larger budget",
            effect=Effect.VIOLATED,
        )
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
        if case.most_usd_per_month is not None and case.most_usd_per_month <= budget:
            return ()
        most = "an unknown amount"
        if case.most_usd_per_month is not None:
            most = format_usd(case.most_usd_per_month)
        device = case.device
        site = "" if device.is_this_machine else f" --site {device.name}"
        return finding(
            "PLC501",
            case,
            f"at the slow end of its estimate the device leaves so much to the cloud that it costs "
            f"{most} per month, the budget is {format_usd(budget)}",
            f"measure the model there: placer profile MODEL{site} --save FILE",
            effect=Effect.UNPROVEN,
        )
    return finding(
        "PLC501",
        case,
        f"it costs {format_usd(case.usd_per_month)} per month by the estimate, the budget is "
        f"{format_usd(budget)}, but it may be as little as {format_usd(case.least_usd_per_month)}",
        "measure the model on the site: placer profile MODEL --site NAME --save FILE",
        effect=Effect.UNPROVEN,
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
