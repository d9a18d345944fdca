"""PLC602: an assumption decides."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    if case.deciding_assumption is None:
        return ()
    return finding(
        "PLC602",
        case,
        case.deciding_assumption,
        "state it: --network NAME|FILE (`placer catalog list networks`)",
        effect=Effect.UNPROVEN,
    )


RULE = Rule(
    id="PLC602",
    title="an assumption decides",
    severity=Severity.WARNING,
    what="Whether the verdict on a candidate changes over the plausible values of an input that "
    "nobody stated (the network of the bare command).",
    why="An answer that follows from a default is the default's answer, not yours.",
    example="Without --network the cloud meets 500 ms on the assumed fibre, not on a cellular "
    "link: unproven. With --network it is judged.",
    fix="State the input: a catalogue name, a profile file, or a measurement.",
    check=_check,
)
