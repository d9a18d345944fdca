"""PLC105: the site keeps what it is sent for longer than allowed."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_duration
from placer.core.workload import Leaves


def _check(case: Case) -> tuple[Finding, ...]:
    limit_s, offer = case.workload.retention_limit_s, case.offer
    if limit_s is None or offer is None or case.leaves_device is Leaves.NOTHING:
        return ()
    if offer.retention_s is None:
        return finding(
            "PLC105",
            case,
            f"it is not known how long {offer.name} keeps what it is sent, "
            f"{format_duration(limit_s)} is allowed",
            "ask who runs it, and state `retention:` in the cloud's profile",
            effect=Effect.UNPROVEN,
        )
    if offer.retention_s <= limit_s:
        return ()
    return finding(
        "PLC105",
        case,
        f"{offer.name} keeps what it is sent for {format_duration(offer.retention_s)}, "
        f"{format_duration(limit_s)} is allowed",
        "have it deleted earlier, or keep the model on the device",
        effect=Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC105",
    title="kept too long",
    severity=Severity.ERROR,
    what="Whether the site keeps what it is sent for longer than `data: retention:` of the "
    "workload allows. A site that does not say is unproven.",
    why="Personal data may be kept no longer than its purpose needs (GDPR article 5(1)(e)); "
    "a request log outlives the request.",
    example="`retention: 24 h` and a cloud profile with `retention: 30 d`: violated.",
    fix="A site that deletes earlier, or the device.",
    check=_check,
)
