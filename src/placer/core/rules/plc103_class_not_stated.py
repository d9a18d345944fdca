"""PLC103: the data class is not stated."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import Leaves


def _check(case: Case) -> tuple[Finding, ...]:
    if case.workload.data_class is not None or case.leaves_device is Leaves.NOTHING:
        return ()
    return finding(
        "PLC103",
        case,
        "the class of the input is not stated, so nothing forbids sending it to the cloud",
        "state it: --privacy public|internal|personal|special",
        effect=Effect.NONE,
        severity=Severity.WARNING,
    )


RULE = Rule(
    id="PLC103",
    title="data class not stated",
    severity=Severity.WARNING,
    what="Whether a placement sends data away while nobody said how sensitive it is.",
    why="placer then assumes nothing: the cloud stays allowed, and you should know it.",
    example="placer recommend face.onnx: reported. With --privacy special the cloud is violated.",
    fix="Add --privacy with the class of the raw input.",
    check=_check,
)
