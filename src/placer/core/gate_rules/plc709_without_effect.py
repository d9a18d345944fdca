"""PLC709: declared without effect."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import FilesCase, GateRule, defect_findings


def _check(case: FilesCase) -> tuple[GateFinding, ...]:
    return defect_findings(
        "PLC709", Severity.ERROR, Outcome.FAIL, case, ("duplicate_key", "ignored_level")
    )


RULE = GateRule(
    id="PLC709",
    title="declared without effect",
    severity=Severity.ERROR,
    what="Keys that say where a model runs or what it gets, and that the consumer drops: the "
    "first of two equal keys, a key at a level where nobody reads it, or a label `placer/workload` "
    "instead of an annotation.",
    why="The manifest reads as if the model were placed there, and it is not. No schema check "
    "tells.",
    example="Two `nodeSelector` keys in one pod template: the last one wins; `nodeName` under "
    "`spec` of an InferenceService: dropped.",
    fix="Keep one key, at the level that the message names.",
    check_files=_check,
)
