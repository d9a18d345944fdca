"""PLC619: the network was measured too long ago, or not at all."""

from __future__ import annotations

from placer.core.environment import Basis
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.plc615_too_old import from_the_future
from placer.core.gate_rules.plc618_tampered import uses_network
from placer.core.gate_rules.rule import GateCase, GateRule, day_of, found

PROBE = "placer network probe URL --output yaml=FILE, named as `network:` in the workload"


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    if served is None or not uses_network(case):
        return ()
    record = served.network_record
    if record is not None and record.defect == "missing":
        return found(
            "PLC619",
            case,
            f"{record.path} is {'in placer.lock' if record.sha256 else f'named in {served.path}'} "
            "and not in the repository",
            f"commit it, or measure again at the device: {PROBE}; then: placer lock",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            evidence=record.sha256 or None,
        )
    if served.is_network_assumed:
        return found(
            "PLC619",
            case,
            f"the network is assumed ({served.network.name}), which proves nothing",
            f"measure it at the device: {PROBE}",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
        )
    measured_at = served.network.measured_at
    if measured_at is None and served.network.basis is not Basis.MEASURED:
        return ()
    if measured_at is None:
        where = served.network.name if record is None else record.path
        return found(
            "PLC619",
            case,
            f"the network {served.network.name} is called measured, and nothing says when",
            f"state the day in {where} (`measured_at: YYYY-MM-DD`), or measure it again at the "
            f"device: {PROBE}; then: placer lock",
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            evidence=None if record is None else record.sha256,
        )
    measured_on = day_of(measured_at)
    age_days = (case.today - measured_on).days
    most_days = case.project.network_max_age_days
    if age_days < 0:
        return found(
            "PLC619",
            case,
            f"the network {served.network.name} was measured on {measured_on}, after the day that "
            f"is asked about ({case.today})",
            from_the_future(measured_on),
            outcome=Outcome.INCONCLUSIVE,
            place=case.where,
            value=str(measured_on),
            limit=str(case.today),
            evidence=None if record is None else record.sha256,
        )
    if age_days <= most_days:
        return ()
    return found(
        "PLC619",
        case,
        f"the network {served.network.name} was measured {age_days} days ago, at most "
        f"{most_days:g} count",
        f"measure it again at the device: {PROBE}; then: placer lock",
        outcome=Outcome.INCONCLUSIVE,
        place=case.where,
        value=f"{age_days} d",
        limit=f"{most_days:g} d",
        evidence=None if record is None else record.sha256,
        excess_ratio=age_days / most_days,
    )


RULE = GateRule(
    id="PLC619",
    title="network measurement too old",
    severity=Severity.WARNING,
    what="Whether the network of a cloud placement was measured within `max_age: network:` of "
    "`placer.yaml` (7 days if left out). Networks of the catalogue are figures of others and do "
    "not age; an assumed one proves nothing, nor does one of after the day that is asked about, "
    "nor a measured one that does not say its day.",
    why="A path changes with the hour; its measurement ages much faster than a model's.",
    example="A probe of last month: inconclusive.",
    fix="Probe again from the device, replace the file, lock. Or state a longer `max_age`.",
    check=_check,
)
