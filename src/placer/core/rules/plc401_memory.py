"""PLC401: the model does not fit into the site's memory."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_bytes


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    for failure in case.failures:
        if failure.kind == "killed":
            found += finding(
                "PLC401",
                case,
                failure.message,
                failure.remedy,
                effect=Effect.VIOLATED,
            )
    if case.edge_ep is not None:
        needed = case.edge_memory_bytes
        found += _fits(case, case.device.name, needed, case.device.memory_bytes, "device")
        limit_bytes = case.workload.memory_limit_bytes
        if limit_bytes is not None and needed is not None and needed > limit_bytes:
            found += finding(
                "PLC401",
                case,
                f"the model needs {format_bytes(needed)}, it may take {format_bytes(limit_bytes)}",
                "a smaller model or variant, or a higher limit",
                effect=Effect.VIOLATED,
            )
    if case.offer is not None:
        needed = case.cloud_memory_bytes
        found += _fits(case, case.offer.name, needed, case.offer.memory_bytes, "instance")
    return found


def _fits(
    case: Case, name: str, needed_bytes: int | None, has_bytes: int | None, kind: str
) -> tuple[Finding, ...]:
    if needed_bytes is None or has_bytes is None or needed_bytes <= has_bytes:
        return ()
    return finding(
        "PLC401",
        case,
        f"the model needs {format_bytes(needed_bytes)}, {name} has {format_bytes(has_bytes)}",
        f"a smaller model or variant, or a larger {kind}",
        effect=Effect.VIOLATED,
    )


RULE = Rule(
    id="PLC401",
    title="not enough memory",
    severity=Severity.ERROR,
    what="Whether the measured peak memory (without a measurement: the model's size, the least it "
    "can need) fits the site's memory, and `device: memory:` of the workload.",
    why="A process that outgrows its memory is killed, in the field, by someone else's process.",
    example="A device profile with `memory: 64 MiB` and a model that peaks at 90 MiB: violated.",
    fix="A smaller model or variant, or a larger device.",
    check=_check,
)
