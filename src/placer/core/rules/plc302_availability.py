"""PLC302: too many requests get no answer at all."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    wanted = case.workload.availability_ratio
    if wanted is None or case.availability.low_ratio >= wanted * (1 - 1e-12):
        return ()
    if case.availability.high_ratio < wanted:
        return finding(
            "PLC302",
            case,
            f"answers at most {_percent(case.availability.high_ratio)} of the time, "
            f"{_percent(wanted)} is asked",
            "a fallback: it fails only where device and cloud fail at once",
            effect=Effect.VIOLATED,
        )
    return finding(
        "PLC302",
        case,
        f"whether it answers {_percent(wanted)} of the time is not known: nothing says how often "
        f"{' and '.join(case.availability.missing)} {_are(case.availability.missing)} up",
        "state `availability:` in that profile, from its records or its maker's promise",
        effect=Effect.UNPROVEN,
    )


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.6g} %"


RULE = Rule(
    id="PLC302",
    title="availability not reached",
    severity=Severity.ERROR,
    what="Whether requests are answered as often as `availability:` of the workload asks: device, "
    "or link and cloud, or either of them in a fallback, or the device and for what is passed on "
    "link and cloud too in a cascade, taken to fail independently. What is "
    "unknown counts as up for violated and as down for met.",
    why="A chain is up less often than its weakest part; two ways are down only together.",
    example="`availability: 99.9%` over a link that is up 99 % of the time: the cloud is violated.",
    fix="A second way, or a better link. Profiles take `availability:`.",
    check=_check,
)
