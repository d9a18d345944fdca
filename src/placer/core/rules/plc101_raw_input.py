"""PLC101: raw input leaves the device."""

from __future__ import annotations

from placer.core.estimate import Leaves
from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import DataClass


def _check(case: Case) -> tuple[Finding, ...]:
    if case.leaves_device is not Leaves.RAW_INPUT:
        return ()
    match case.workload.data_class:
        case DataClass.SPECIAL:
            return finding(
                "PLC101",
                case,
                "raw input of a special category leaves the device",
                "keep the model on the device",
                effect=Effect.VIOLATED,
            )
        case DataClass.PERSONAL:
            return finding(
                "PLC101",
                case,
                "raw personal data leaves the device",
                "keep the model on the device, or have the transfer covered by your legal basis",
                effect=Effect.NONE,
                severity=Severity.WARNING,
            )
        case _:
            return ()


RULE = Rule(
    id="PLC101",
    title="raw input leaves the device",
    severity=Severity.ERROR,
    what="Whether a placement sends raw input of class `special` (forbidden) or `personal` "
    "(a warning) away from the device.",
    why="Health data, biometrics and the like may be processed only under narrow conditions "
    "(GDPR article 9). An inference request that carries the picture carries the patient.",
    example="placer recommend scan.onnx --privacy special: cloud placements are violated, the "
    "device is chosen even where the cloud is faster.",
    fix="Run the model on the device. If the input is not special after all, state its class "
    "with --privacy.",
    check=_check,
)
