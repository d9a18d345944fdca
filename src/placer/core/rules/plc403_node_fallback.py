"""PLC403: some nodes run on another execution provider."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    most = case.workload.max_fallback_ratio
    total = sum(count for _, count in case.nodes_by_ep)
    others = [(ep, count) for ep, count in case.nodes_by_ep if ep != case.edge_ep]
    if case.edge_ep is None or case.edge_ep == "cpu":
        return ()
    if not total:
        if most is None:
            return ()
        return finding(
            "PLC403",
            case,
            f"it is not known how many nodes run on {case.edge_ep}; at most {100 * most:.4g} % may "
            "run elsewhere",
            f"measure there: placer profile MODEL --ep {case.edge_ep} --save FILE",
            effect=Effect.UNPROVEN,
        )
    if not others:
        return ()
    listed = ", ".join(f"{count} of {total} nodes run on {ep}" for ep, count in others)
    is_too_much = most is not None and sum(count for _, count in others) > most * total
    return finding(
        "PLC403",
        case,
        f"not everything runs on {case.edge_ep}: {listed}"
        + (f", at most {100 * most:.4g} % may" if most is not None else ""),
        "replace the operators that fell back, or choose the other execution provider",
        effect=Effect.VIOLATED if is_too_much else Effect.NONE,
        severity=Severity.ERROR if is_too_much else Severity.WARNING,
    )


RULE = Rule(
    id="PLC403",
    title="nodes fell back to another execution provider",
    severity=Severity.ERROR,
    what="Whether the runtime gave nodes to another execution provider than the one asked for; "
    "violated if it gave away more than --max-fallback.",
    why="The time is then not that of the execution provider in its name.",
    example="12 of 66 nodes run on cpu although cuda was asked for.",
    fix="Replace the operators that fell back, or compare with the other execution provider.",
    check=_check,
)
