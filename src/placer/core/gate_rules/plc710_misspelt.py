"""PLC710: key near a known one."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule, defect_findings


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    return (
        *defect_findings("PLC710", Severity.ERROR, Outcome.FAIL, case, _DECIDING),
        *defect_findings("PLC710", Severity.WARNING, Outcome.PASS, case, ("unknown_key",)),
    )


_DECIDING = ("unknown_place_key", "unknown_model_key", "unknown_way_key")

RULE = GateRule(
    id="PLC710",
    title="key near a known one",
    severity=Severity.ERROR,
    what="Keys and kinds that nobody knows, one or two letters from one that would place the model "
    "or give it resources, and annotations `placer/...` that are none. One that would decide the "
    "place, the model, the workload or a way of its data is a violation, another a warning. In "
    "`config.pbtxt` any unknown field is one: Triton refuses the file.",
    why="Consumers drop unknown keys without a word: the model runs elsewhere, a device is not "
    "mapped, a limit not set.",
    example="`nodeSelecter` in a pod: violated, any node may take it; `imge` in a "
    "container likewise, `kind: Deploymnet`, and `Routes` of `$edgeHub`. `PathnContainer` in "
    "createOptions: a warning, the device file is not mapped.",
    fix="Write the key as the message says.",
    check_files=_check,
)
