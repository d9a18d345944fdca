"""PLC403: some nodes run on another execution provider."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    total = sum(count for _, count in case.nodes_by_ep)
    others = [(ep, count) for ep, count in case.nodes_by_ep if ep != case.edge_ep]
    if case.edge_ep is None or not others or not total:
        return ()
    listed = ", ".join(f"{count} of {total} nodes run on {ep}" for ep, count in others)
    return finding(
        "PLC403",
        case,
        f"not everything runs on {case.edge_ep}: {listed}",
        "replace the operators that fell back, or choose the other execution provider",
        effect=Effect.NONE,
        severity=Severity.WARNING,
    )


RULE = Rule(
    id="PLC403",
    title="nodes fell back to another execution provider",
    severity=Severity.WARNING,
    what="Whether the runtime gave nodes to another execution provider than the one asked for.",
    why="The time is then not that of the execution provider in its name.",
    example="12 of 66 nodes run on cpu although cuda was asked for.",
    fix="Replace the operators that fell back, or compare with the other execution provider.",
    check=_check,
)
