"""PLC204: the placement gives fewer answers a second than asked."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_frequency


def _check(case: Case) -> tuple[Finding, ...]:
    wanted_hz = case.workload.throughput_hz
    if wanted_hz is None:
        return ()
    if case.capacity_hz is None:
        return finding(
            "PLC204",
            case,
            f"it is not known whether it can give {format_frequency(wanted_hz)}",
            "measure it there: placer profile MODEL --site NAME --save FILE, then --evidence FILE",
            effect=Effect.UNPROVEN,
        )
    if case.capacity_hz / case.capacity_factor_90 >= wanted_hz * (1 - 1e-9):
        return ()
    disturbed = case.quality is not None and case.quality.is_disturbed
    within = case.capacity_hz * case.capacity_factor_90 >= wanted_hz
    spread = f" (× or ÷ {case.capacity_factor_90:.3g})" if case.capacity_factor_90 > 1 else ""
    return finding(
        "PLC204",
        case,
        f"gives {format_frequency(case.capacity_hz)}{spread}, "
        f"{format_frequency(wanted_hz)} are asked",
        "measure it when the machine is quiet"
        if disturbed
        else "a faster site, more devices, or a fallback that sends what is too much to the cloud",
        effect=Effect.UNPROVEN if disturbed or within else Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC204",
    title="throughput not reached",
    severity=Severity.ERROR,
    what="Whether all devices, and the cloud instances planned for it, together give the answers "
    "per second that `throughput:` of the workload asks for (1 / mean service time each, at the "
    "slow end of its uncertainty).",
    why="A batch is due at a time, however fast a single answer is.",
    example="`throughput: 500/s` on a device that serves 80/s: the device is violated, a cloud "
    "gets as many instances as it takes.",
    fix="A faster site, more devices, or the cloud.",
    check=_check,
)
