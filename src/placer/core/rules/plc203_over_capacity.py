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
    if case.demand_hz < case.capacity_hz:
        return ()
    disturbed = case.quality is not None and case.quality.is_disturbed
    return finding(
        "PLC203",
        case,
        f"asked for {format_frequency(case.demand_hz)}, it serves at most "
        f"{format_frequency(case.capacity_hz)}: the queue grows without end",
        "a faster site, a lower rate, or a fallback that sends what is too much to the cloud",
        effect=Effect.UNPROVEN if disturbed else Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC203",
    title="over capacity",
    severity=Severity.ERROR,
    what="Whether the demand reaches the rate that the site can serve (1 / mean service time).",
    why="At or above capacity no latency is kept, however fast a single request is.",
    example="--rate 200/s on a model that takes 10 ms: the device is violated.",
    fix="Spread the load, choose a faster site, or let a fallback take the overflow.",
    check=_check,
)
