"""PLC601: the evidence is weak or the measurement was disturbed."""

from __future__ import annotations

from placer.core.estimate import Verdict
from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    unproven = any(target.verdict is Verdict.UNPROVEN for target in case.targets)
    if case.quality is not None and case.quality.is_disturbed:
        found += finding(
            "PLC601",
            case,
            "the measurement was disturbed: "
            + "; ".join(case.quality.reasons)
            + (
                " (it looks violated, but contention only adds time)"
                if case.is_settled_by_quiet
                else ""
            ),
            "measure again while nothing else runs: --fresh",
            effect=Effect.UNPROVEN if unproven and case.is_settled_by_quiet else Effect.NONE,
            severity=Severity.WARNING,
        )
    for doubt in case.doubts:
        found += finding(
            "PLC601",
            case,
            doubt,
            "replace it by a measurement: --evidence FILE, --network FILE",
            effect=Effect.NONE,
            severity=Severity.WARNING if unproven else Severity.NOTE,
        )
    return found


RULE = Rule(
    id="PLC601",
    title="weak or disturbed evidence",
    severity=Severity.WARNING,
    what="Whether contention, throttling or drift was seen while measuring, and which inputs are "
    "weaker than a measurement.",
    why="Contention only adds time: `met` may be claimed from a disturbed measurement, "
    "`violated` may not.",
    example="Another job holds both cores and the model takes twice the limit: unproven, measure "
    "again; on the quiet machine the same limit is met or violated.",
    fix="Measure on a quiet machine (--fresh), or on the site itself (--evidence).",
    check=_check,
)
