"""PLC615: the evidence is too old."""

from __future__ import annotations

from datetime import datetime

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None:
        return ()
    measured_on = datetime.fromisoformat(record.measurement.measured_at).date()
    age_days, most_days = (case.today - measured_on).days, case.project.max_age_days
    if age_days <= most_days:
        return ()
    return found(
        "PLC615",
        case,
        f"measured {age_days} days ago ({measured_on}), at most {most_days:g} count",
        case.measure,
        outcome=Outcome.INCONCLUSIVE,
        place=case.where,
        value=f"{age_days} d",
        limit=f"{most_days:g} d",
        evidence=record.sha256,
    )


RULE = GateRule(
    id="PLC615",
    title="evidence too old",
    severity=Severity.WARNING,
    what="Whether the measurement is younger than `max_age: measurement:` of `placer.yaml` (90 "
    "days if left out).",
    why="Devices get new firmware, drivers and neighbours; nobody writes that into a manifest.",
    example="Evidence of January, checked in June: inconclusive.",
    fix="Measure again, or raise `max_age` if nothing changes on that device.",
    check=_check,
)
