"""PLC101: raw input leaves the device."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import DataClass, Leaves

_WORDS = {
    Leaves.NOTHING: "nothing",
    Leaves.OUTPUT: "output",
    Leaves.INTERMEDIATE: "intermediate data",
    Leaves.RAW_INPUT: "raw input",
}


def _check(case: Case) -> tuple[Finding, ...]:
    most = case.workload.may_leave
    if most is not None:
        order = tuple(Leaves)
        if order.index(case.leaves_device) <= order.index(most):
            return ()
        allowed = "nothing may" if most is Leaves.NOTHING else f"at most the {_WORDS[most]} may"
        return finding(
            "PLC101",
            case,
            f"the {_WORDS[case.leaves_device]} leaves the device, {allowed}",
            "keep the model on the device, or allow more: `data: may_leave:` in the workload",
            effect=Effect.VIOLATED,
        )
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
    "(a warning) away from the device, or more than `data: may_leave:` of the workload allows.",
    why="Health data, biometrics and the like may be processed only under narrow conditions "
    "(GDPR article 9). An inference request that carries the picture carries the patient.",
    example="placer recommend scan.onnx --privacy special: cloud placements are violated, the "
    "device is chosen even where the cloud is faster.",
    fix="Run the model on the device. If the input is not special after all, state its class "
    "with --privacy. If an exception of article 9 holds, say so with `may_leave: raw_input`.",
    check=_check,
)
