"""PLC405: the device draws more power than it may."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    limit_w = case.workload.power_limit_w
    if limit_w is None or case.edge_ep is None:
        return ()
    if case.device.power_w is None:
        return finding(
            "PLC405",
            case,
            f"it is not known what {case.device.name} draws under load, {limit_w:g} W are allowed",
            "measure it, and state `power:` in the device's profile",
            effect=Effect.UNPROVEN,
        )
    if case.device.power_w <= limit_w:
        return ()
    return finding(
        "PLC405",
        case,
        f"{case.device.name} draws {case.device.power_w:g} W under load, {limit_w:g} W are allowed",
        "a lower power mode of the device with its own profile, a smaller device, or the cloud",
        effect=Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC405",
    title="draws too much power",
    severity=Severity.ERROR,
    what="Whether the device's power under load stays within `device: power:` of the workload.",
    why="A battery, a PoE port or a sealed housing gives and takes only so much.",
    example="`power: 5 W` and a device profile with `power: 25 W`: the device is violated.",
    fix="A smaller device, or a power mode that keeps the limit, measured in that mode.",
    check=_check,
)
