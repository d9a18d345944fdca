"""PLC201: a latency target is violated."""

from __future__ import annotations

from placer.core.estimate import Verdict
from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.units import format_duration, format_percentile


def _check(case: Case) -> tuple[Finding, ...]:
    found: tuple[Finding, ...] = ()
    for target in case.targets:
        if target.verdict is not Verdict.VIOLATED:
            continue
        name = format_percentile(target.percentile)
        limit = format_duration(target.limit_s)
        found += finding(
            "PLC201",
            case,
            f"{name} is over the limit of {limit}: {target.reason}",
            "a faster execution provider or site, a smaller model, or a wider limit",
            effect=Effect.VIOLATED,
        )
    return found


RULE = Rule(
    id="PLC201",
    title="latency target violated",
    severity=Severity.ERROR,
    what="Whether the lower confidence bound of the target's percentile lies above its limit.",
    why="A target is a percentile and a limit. Above the bound the promise is broken with at "
    "least 95 % confidence, so more measuring does not help.",
    example="--sla 5ms on a model that takes 10 ms: violated within 60 runs.",
    fix="Another placement, a faster setting or model, or a limit that the model can keep.",
    check=_check,
)
