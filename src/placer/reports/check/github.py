"""A check as annotations of a GitHub workflow run.

Source: GitHub documentation, workflow commands for GitHub Actions (``::error file=,line=::``) and
its limits: 10 errors, 10 warnings and 10 notices of a step are shown, the rest is dropped.
"""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import CheckResult, GateFinding, left_open
from placer.reports.check.context import Context, marked
from placer.reports.check.shortened import named, shortened

SHOWN = 10
"""Annotations of one kind that a step may have."""
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(result: CheckResult, context: Context) -> str:
    """Return one workflow command a line, the most severe first."""
    lines = []
    told = (*result.findings, *left_open(result))
    for severity, command in _COMMANDS.items():
        found = [one for one in told if one.severity is severity]
        shown = found if len(found) <= SHOWN else found[: SHOWN - 1]
        lines += [_command(command, one, context) for one in shown]
        if len(found) > len(shown):
            left = len(found) - len(shown)
            lines.append(f"::{command} title=placer::{left} more {command}s, see the other reports")
    return "".join(f"{line}\n" for line in lines)


def _command(command: str, one: GateFinding, context: Context) -> str:
    place = one.place
    rule = context.rules.get(one.rule)
    title = one.rule if rule is None else f"{one.rule}: {rule.title}"
    parts = (
        [] if place.path == "-" else [f"file={_escaped(named(context.in_repository(place.path)))}"]
    )
    parts += [f"line={place.line}", f"endLine={place.end_line}"]
    if place.end_line == place.line:
        parts += [f"col={place.column}", f"endColumn={max(place.column, place.end_column - 1)}"]
    parts.append(f"title={_property(title)}")
    where = f" [{one.deployed}]" if one.deployed else ""
    return f"::{command} {','.join(parts)}::{_data(f'{marked(one)}{where}; {one.remedy}')}"


def _data(text: str) -> str:
    return shortened(text).replace("%", "%25")


def _property(text: str) -> str:
    return _escaped(shortened(text))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
