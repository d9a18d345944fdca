"""A check as Markdown: a comment for a pull request, or the summary of a step.

A hidden tag lets a pipeline find and update its one comment. GitHub takes 65,536 characters for a
comment: whole rows and findings are left out, the least severe first, with their number.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from placer.core.gate import (
    Checked,
    CheckResult,
    GateFinding,
    Outcome,
    as_before,
    counted,
    excused,
    reason_of,
    unchanged,
    verdict_of,
)
from placer.core.units import format_duration
from placer.reports.check.context import Context, basis_of, help_of, latency_of, marked
from placer.reports.check.shortened import shortened

TAG = "<!-- placer-check -->"
MAX_CHARACTERS = 60_000
MAX_ROWS = 200
_TABLE_CHARACTERS = 30_000
"""Of the table: the rest is for the findings."""
_FIXED_CHARACTERS = 6_000
"""Of each list of what became of findings of the base."""
_MAX_TEXT = 600
"""Characters of one text of others."""
_SIGNS = {
    Outcome.PASS: "✅ pass",
    Outcome.FAIL: "❌ fail",
    Outcome.INCONCLUSIVE: "❔ inconclusive",
}
_WORST_FIRST = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
_LINKED = r"(?<![A-Za-z0-9_])@|#(?=\d)"
_SPECIAL = re.compile(rf"({_LINKED})|[\\`*_\[\]<>#|~$&]")
_INVISIBLE = "&#8203;"
"""Parts a sign from what follows: GitHub links ``@name`` and ``#1`` however they are escaped."""
_ENTITIES = {"<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;", "&": "&amp;"}


def render(result: CheckResult, context: Context) -> str:
    """Return the comment."""
    told = reason_of(result, context.fail_on)
    why = f"{escaped(told[:1].upper() + told[1:])}, see below." if told else ""
    verdict, old = verdict_of(result, context.fail_on), as_before(result)
    sign = "✅ nothing new fails" if old and verdict is Outcome.PASS else _SIGNS[verdict]
    title = "## placer check: " + ", ".join(filter(None, (sign, old, excused(result))))
    head = [TAG, title, why, _table(result), _changes(result)]
    tail = [
        _list("Fixed", result.fixed),
        _list("Ignored since", result.silenced),
        _list("No longer checked", result.unjudged),
    ]
    if result.suppressed:
        tail.append(f"Findings ignored, each with a reason: {len(result.suppressed)}.")
    room = MAX_CHARACTERS - sum(map(len, (*head, *tail)))
    files, left = _files(result.findings, context, room)
    if left:
        tail.insert(0, f"Findings left out here, see the other reports of this run: {left}.")
    return "\n\n".join(part for part in (*head, *files, *tail) if part) + "\n"


def _table(result: CheckResult) -> str:
    listed = [one for one in result.checked if not one.is_unchanged]
    same = f"{escaped(told)}." if (told := unchanged(result)) else ""
    if not listed:
        return same
    before_s = {(path, name): was_s for path, name, was_s, _ in result.worse}
    column = _column(listed)
    head = (
        f"| | Deployment | Declared | {column} | Limit | Recommended |\n|---|---|---|---|---|---|"
    )
    ordered = sorted(
        listed,
        key=lambda one: (_WORST_FIRST.index(one.outcome), (one.path, one.id) not in before_s),
    )
    rows = _fitting(
        (_row(one, before_s.get((one.path, one.id)), column) for one in ordered[:MAX_ROWS]),
        _TABLE_CHARACTERS,
    )
    left = len(ordered) - len(rows)
    more = f"\n\nDeployments left out here, the worst are shown: {left}." if left else ""
    return "\n".join([head, *rows]) + more + (f"\n\n{same}" if same else "")


def _column(checked: Sequence[Checked]) -> str:
    """Return the percentile of all times; of several, what each row says of itself."""
    known = {latency_of(one)[0] for one in checked if one.workload is not None}
    return known.pop() if len(known) == 1 else "Latency" if known else "p99"


def _row(one: Checked, before_s: float | None, column: str) -> str:
    place = escaped(one.site or "not resolved")
    if one.tier:
        place += f" ({one.tier}{f', {escaped(one.region)}' if one.region else ''})"
    name, latency_s, best_s = latency_of(one)
    own = "" if name == column else f"{name} "
    told = "?" if latency_s is None else f"{own}{format_duration(latency_s)}"
    told += basis_of(one.basis)
    if before_s is not None and name == "p99":
        told = f"{own}{format_duration(before_s)} → **{told.removeprefix(own)}**"
    elif before_s is not None and one.p99_s is not None:
        told += f"<br>p99 {format_duration(before_s)} → **{format_duration(one.p99_s)}**"
    limit = "" if one.limit_s is None else format_duration(one.limit_s)
    best = ""
    if one.recommended is not None and one.recommended != one.declared:
        basis = basis_of(one.recommended_basis)
        at = "" if best_s is None else f" ({own}{format_duration(best_s)}){basis}"
        best = f"{escaped(one.recommended)}{at}"
    title = f"{escaped(one.id)}<br><sub>{escaped(one.path)}</sub>"
    sign = _SIGNS[one.outcome] + (" as before" if one.is_as_before else "")
    if one.ignored:
        sign += f"<br><sub>ignored: {', '.join(one.ignored)}</sub>"
    return f"| {sign} | {title} | {place} | {told} | {limit} | {best} |"


def _changes(result: CheckResult) -> str:
    if result.base is None:
        return ""
    new = len(result.findings)
    if result.base_without:
        why = escaped(result.base_without)
        return f"{escaped(result.base)} could not be checked ({why}): what is found ({new}) is new."
    changed = sum(one.before is not None for one in result.findings)
    parts = [f"{new - changed} new", f"{len(result.fixed)} fixed", f"{len(result.worse)} slower"]
    if changed:
        parts.insert(1, f"{changed} worse")
    if result.silenced:
        parts.append(f"{len(result.silenced)} ignored since")
    if result.unjudged:
        parts.append(f"{len(result.unjudged)} no longer checked")
    if result.gone:
        parts.append(f"{counted(len(result.gone), 'deployment')} gone")
    return f"Since {escaped(result.base)}: {', '.join(parts)}."


def _files(findings: Sequence[GateFinding], context: Context, room: int) -> tuple[list[str], int]:
    """Return a block for each file, of the most severe findings, and how many are left out."""
    severe_first = sorted(enumerate(findings), key=lambda one: -one[1].severity)
    shown: dict[str, dict[int, str]] = {}
    helped: dict[str, str] = {}
    for number, one in severe_first:
        path = one.place.path
        line = _finding(one, context, help_of(one, helped))
        needed = len(line) + 1
        if path not in shown:
            needed += len(_block(path, "999999 of 999999", ())) + 2
        if needed > room:
            break
        room -= needed
        shown.setdefault(path, {})[number] = line
    blocks = []
    for path, total in Counter(one.place.path for one in findings).items():
        if lines := shown.get(path):
            count = f"{total}" if len(lines) == total else f"{len(lines)} of {total}"
            blocks.append(_block(path, count, [lines[number] for number in sorted(lines)]))
    return blocks, len(findings) - sum(map(len, shown.values()))


def _block(path: str, count: str, lines: Sequence[str]) -> str:
    summary = f"<details open><summary>{_in_summary(path)}: {count}</summary>"
    return "\n".join([summary, "", *lines, "", "</details>"])


def _finding(one: GateFinding, context: Context, help: str) -> str:
    rule = context.rules.get(one.rule)
    title = "" if rule is None else f" {escaped(rule.title)}"
    where = f" ({escaped(one.deployed)})" if one.deployed else ""
    return (
        f"- **{one.severity.label} {one.rule}**{title}, line {one.place.line}{where}: "
        f"{escaped(marked(one))}<br>{escaped(help)}"
    )


def _list(word: str, findings: Sequence[GateFinding]) -> str:
    if not findings:
        return ""
    lines = _fitting(
        (f"- {one.rule} {escaped(one.place.path)}: {escaped(one.message)}" for one in findings),
        _FIXED_CHARACTERS,
    )
    left = len(findings) - len(lines)
    more = [f"- and {left} more"] if left else []
    summary = f"<details><summary>{word}: {len(findings)}</summary>"
    return "\n".join([summary, "", *lines, *more, "", "</details>"])


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    """Return the first lines that fit."""
    shown = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    return shown


def escaped(text: str) -> str:
    """Return text of others as Markdown shows it, without markup or mentions of its own."""
    return _SPECIAL.sub(_escape, shortened(text, _MAX_TEXT))


def _escape(found: re.Match[str]) -> str:
    sign = found.group()
    return f"{sign}{_INVISIBLE}" if found.group(1) else _ENTITIES.get(sign, f"\\{sign}")


def _in_summary(text: str) -> str:
    """Likewise within ``<summary>``, where Markdown is not read."""
    shown = html.escape(shortened(text, _MAX_TEXT), quote=False)
    return re.sub(_LINKED, rf"\g<0>{_INVISIBLE}", shown)
