"""PLC614: in the evidence, nodes ran on another execution provider."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record, served = case.chosen, case.served
    if record is None or record.measurement is None or served is None:
        return ()
    measurement = record.measurement
    total = sum(count for _, count in measurement.nodes_by_ep)
    elsewhere = total - dict(measurement.nodes_by_ep).get(measurement.ep, 0)
    if measurement.ep == "cpu" or not elsewhere:
        return ()
    limit = served.workload.max_fallback_ratio
    is_over = limit is not None and elsewhere > limit * total
    kinds = ", ".join(name for name, _ in measurement.fallback[:3])
    return found(
        "PLC614",
        case,
        f"{elsewhere} of {total} nodes did not run on "
        f"{measurement.ep}{f' ({kinds})' if kinds else ''}",
        f"export the model for {measurement.ep}, or see which: {case.measure}",
        outcome=Outcome.FAIL if is_over else Outcome.PASS,
        severity=Severity.ERROR if is_over else Severity.WARNING,
        place=case.where,
        value=f"{elsewhere}/{total}",
        limit=None if limit is None else f"{100 * limit:g} %",
        evidence=record.sha256,
        excess_ratio=elsewhere / total,
    )


RULE = GateRule(
    id="PLC614",
    title="fallback seen in the evidence",
    severity=Severity.ERROR,
    what="Whether all nodes ran on the execution provider that the evidence names; more than "
    "`device: max_fallback:` of the workload is a violation, less a warning.",
    why="A time with fallback is right, and brittle: the next runtime may move other nodes.",
    example="12 of 66 nodes on the CPU beside `qnn`: a warning.",
    fix="Replace the operators that fall back, or export for another opset.",
    check=_check,
)
