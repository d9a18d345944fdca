"""A check as Markdown: a comment for a pull request, or the summary of a step.

A hidden tag lets a pipeline find and update its one comment. GitHub takes 65,536 characters for a
comment: whole findings are left out, with their number, and never cut.
"""

from __future__ import annotations

import re

from placer.core.gate import Checked, CheckResult, GateFinding, Outcome
from placer.core.units import format_duration
from placer.reports.check.context import Context
from placer.reports.facts import clean

TAG = "<!-- placer-check -->"
MAX_CHARACTERS = 60_000
MAX_ROWS = 200
_SIGNS = {
    Outcome.PASS: "✅ pass",
    Outcome.FAIL: "❌ fail",
    Outcome.INCONCLUSIVE: "❔ inconclusive",
}
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$@])")


def render(result: CheckResult, context: Context) -> str:
    """Return the comment."""
    parts = [TAG, f"## placer check: {_SIGNS[result.outcome]}", _table(result), _changes(result)]
    parts = [part for part in parts if part]
    left = len(result.findings)
    room = MAX_CHARACTERS - sum(map(len, parts))
    for path in dict.fromkeys(one.place.path for one in result.findings):
        own = [one for one in result.findings if one.place.path == path]
        block = _file(path, own, context)
        if len(block) > room:
            continue
        parts.append(block)
        room -= len(block)
        left -= len(own)
    if left:
        parts.append(f"Findings left out here, see the other reports of this run: {left}.")
    if result.suppressed:
        parts.append(f"Findings ignored, each with a reason: {len(result.suppressed)}.")
    return "\n\n".join(parts) + "\n"


def _table(result: CheckResult) -> str:
    if not result.checked:
        return ""
    before_s = {(path, name): was_s for path, name, was_s, _ in result.worse}
    head = "| | Deployment | Declared | p99 | Limit | Recommended |\n|---|---|---|---|---|---|\n"
    rows = sorted(result.checked, key=lambda one: _SEVERITY[one.outcome])
    shown = "".join(_row(one, before_s.get((one.path, one.id))) for one in rows[:MAX_ROWS])
    more = (
        f"\n{len(rows) - MAX_ROWS} more deployments are left out." if len(rows) > MAX_ROWS else ""
    )
    return head + shown.rstrip("\n") + (f"\n{more}" if more else "")


_SEVERITY = {Outcome.FAIL: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASS: 2}


def _row(one: Checked, before_s: float | None) -> str:
    place = escaped(one.site or "not resolved")
    if one.tier:
        place += f" ({one.tier}{f', {escaped(one.region)}' if one.region else ''})"
    p99 = "?" if one.p99_s is None else format_duration(one.p99_s)
    if before_s is not None:
        p99 = f"{format_duration(before_s)} → **{p99}**"
    limit = "" if one.limit_s is None else format_duration(one.limit_s)
    best = ""
    if one.recommended is not None and one.recommended != one.declared:
        at = "" if one.recommended_p99_s is None else f" ({format_duration(one.recommended_p99_s)})"
        best = f"{escaped(one.recommended)}{at}"
    name = f"{escaped(one.id)}<br><sub>{escaped(one.path)}</sub>"
    return f"| {_SIGNS[one.outcome]} | {name} | {place} | {p99} | {limit} | {best} |\n"


def _changes(result: CheckResult) -> str:
    if result.base is None:
        return ""
    new = len(result.findings)
    text = f"Since {escaped(result.base)}: {new} new, {len(result.fixed)} fixed"
    return f"{text}, {len(result.worse)} slower."


def _file(path: str, findings: list[GateFinding], context: Context) -> str:
    lines = [f"<details open><summary>{escaped(path)}: {len(findings)}</summary>\n"]
    for one in findings:
        rule = context.rules.get(one.rule)
        title = "" if rule is None else f" {escaped(rule.title)}"
        where = f" ({escaped(one.deployed)})" if one.deployed else ""
        lines.append(
            f"- **{one.severity.label} {one.rule}**{title}, line {one.place.line}{where}: "
            f"{escaped(one.message)}<br>{escaped(one.remedy)}"
        )
    return "\n".join([*lines, "\n</details>"])


def escaped(text: str) -> str:
    """Return text of others as Markdown shows it, with no markup, mention or link of its own."""
    shown = clean(text).replace("&", "&amp;")
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found.group(1), "\\" + found.group(1)), shown)


_ENTITIES = {"<": "&lt;", ">": "&gt;", "|": "&#124;", "@": "&#64;", "$": "&#36;"}
