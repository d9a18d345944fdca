"""PLC203: the site is asked for more than it can serve."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_frequency


def _check(case: Case) -> tuple[Finding, ...]:
    if case.demand_hz is None:
        return ()
    if case.capacity_hz is None:
        return finding(
            "PLC203",
            case,
            f"it is not known whether it can serve {format_frequency(case.demand_hz)}",
            "measure it there: placer profile MODEL --site NAME --save FILE, then --evidence FILE",
            effect=Effect.UNPROVEN,
        )
    # of shared instances as many as it takes are planned: how many is then the estimate
    begins_here = case.cascade is not None or case.cut is not None
    is_fixed = case.offer is None or begins_here
    sure_hz = case.capacity_hz / (case.capacity_factor_90 if is_fixed else 1.0)
    if case.demand_hz < sure_hz:
        return ()
    disturbed = case.quality is not None and case.quality.is_disturbed
    within = case.demand_hz < case.capacity_hz * case.capacity_factor_90
    spread = f" (× or ÷ {case.capacity_factor_90:.3g})" if case.capacity_factor_90 > 1 else ""
    grows = "the queue may grow" if within and case.capacity_factor_90 > 1 else "the queue grows"
    return finding(
        "PLC203",
        case,
        f"asked for {format_frequency(case.demand_hz)}, it serves at most "
        f"{format_frequency(case.capacity_hz)}{spread}: {grows} without end",
        "a faster site, a lower rate, or a fallback that sends what is too much to the cloud",
        effect=Effect.UNPROVEN if disturbed or within else Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC203",
    title="over capacity",
    severity=Severity.ERROR,
    what="Whether the demand reaches the rate that the site can serve (1 / mean service time). "
    "Within the uncertainty of that time it is unproven.",
    why="At or above capacity no latency is kept, however fast a single request is.",
    example="--rate 200/s on a model that takes 10 ms: the device is violated.",
    fix="Spread the load, choose a faster site, or let a fallback take the overflow.",
    check=_check,
)
