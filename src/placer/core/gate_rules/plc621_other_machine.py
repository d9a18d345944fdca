"""PLC621: the evidence is of another kind of machine than its site is."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.machine_fit import misfit
from placer.core.project import Unresolved


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None or isinstance(case.site, Unresolved):
        return ()
    stated = case.site.entry.device or case.site.entry.offer
    wrong = None if stated is None else misfit(record.measurement.machine, stated)
    if wrong is None:
        return ()
    return found(
        "PLC621",
        case,
        f"{record.path} is called evidence of {case.site_name}, and was measured on "
        f"{record.measurement.machine.cpu}: {wrong}",
        f"measure {case.measure}, or name a device file of what that machine is as `device:` of "
        "the site",
        outcome=Outcome.INCONCLUSIVE if wrong.is_of_other_architecture else Outcome.PASS,
        severity=Severity.WARNING,
        place=case.where,
        value=wrong.found,
        limit=wrong.stated,
        evidence=record.sha256,
    )


RULE = GateRule(
    id="PLC621",
    title="evidence of another kind of machine",
    severity=Severity.WARNING,
    what="Whether the machine that was measured can be the device or cloud offer that its evidence "
    "names: inconclusive where its processor is of another architecture; a warning where it has "
    "more cores, or more than four times the memory.",
    why="`--site` is what somebody typed. Typed on the laptop at hand, it makes the laptop's times "
    "those of a small board.",
    example="`placer profile model.onnx --site rpi5` on an x86_64 machine: inconclusive.",
    fix="Measure on the device itself, or describe the machine that was measured in a device file.",
    check=_check,
)
