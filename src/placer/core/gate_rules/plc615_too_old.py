"""PLC615: the evidence is too old."""

from __future__ import annotations

from datetime import date

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, day_of, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None:
        return ()
    measured_on = day_of(record.measurement.measured_at)
    age_days, most_days = (case.today - measured_on).days, case.project.max_age_days
    if age_days < 0:
        return found(
            "PLC615",
            case,
            f"measured on {measured_on}, after the day that is asked about ({case.today})",
            from_the_future(measured_on),
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            value=str(measured_on),
            limit=str(case.today),
            evidence=record.sha256,
        )
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
        excess_ratio=age_days / most_days,
    )


def from_the_future(measured_on: date) -> str:
    """Return the remedy for what was measured after the day that is asked about."""
    return f"ask about a day from {measured_on} on (--as-of), or correct the clock that it was by"


RULE = GateRule(
    id="PLC615",
    title="evidence too old",
    severity=Severity.WARNING,
    what="Whether the measurement is younger than `max_age: measurement:` of `placer.yaml` (90 "
    "days if left out), and not of a day after the one that is asked about (`--as-of`, or today).",
    why="Devices get new firmware, drivers and neighbours; nobody writes that into a manifest.",
    example="Evidence of January, checked in June: inconclusive.",
    fix="Measure again, or raise `max_age` if nothing changes on that device.",
    check=_check,
)
