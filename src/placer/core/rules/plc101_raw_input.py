"""PLC101: raw input leaves the device."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.privacy import LEAVES_WORDS, most_that_may_leave
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import DataClass, Leaves


def _check(case: Case) -> tuple[Finding, ...]:
    workload = case.workload
    most = most_that_may_leave(workload)
    order = tuple(Leaves)
    if order.index(case.leaves_device) > order.index(most):
        if workload.may_leave is None:
            return finding(
                "PLC101",
                case,
                "raw input of a special category leaves the device",
                "keep the model on the device",
                effect=Effect.VIOLATED,
            )
        allowed = (
            "nothing may" if most is Leaves.NOTHING else f"at most the {LEAVES_WORDS[most]} may"
        )
        return finding(
            "PLC101",
            case,
            f"the {LEAVES_WORDS[case.leaves_device]} leaves the device, {allowed}",
            "keep the model on the device, or allow more: `data: may_leave:` in the workload",
            effect=Effect.VIOLATED,
        )
    is_asked = workload.data_class is DataClass.PERSONAL and workload.may_leave is None
    if not is_asked or case.leaves_device is not Leaves.RAW_INPUT:
        return ()
    return finding(
        "PLC101",
        case,
        "raw personal data leaves the device",
        "keep the model on the device, or have the transfer covered by your legal basis",
        effect=Effect.NONE,
        severity=Severity.WARNING,
    )


RULE = Rule(
    id="PLC101",
    title="raw input leaves the device",
    severity=Severity.ERROR,
    what="Whether a placement sends raw input of class `special` (forbidden) or `personal` "
    "(a warning) away from the device, or more than `data: may_leave:` of the workload allows. "
    "What a split sends of class `special` is intermediate data: allowed unless `may_leave` says "
    "less.",
    why="Health data, biometrics and the like may be processed only under narrow conditions "
    "(GDPR article 9). An inference request that carries the picture carries the patient.",
    example="placer recommend scan.onnx --privacy special: cloud placements are violated, the "
    "device is chosen even where the cloud is faster.",
    fix="Run the model on the device. If the input is not special after all, state its class "
    "with --privacy. If an exception of article 9 holds, say so with `may_leave: raw_input`.",
    check=_check,
)
