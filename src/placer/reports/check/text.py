"""A check for people at a terminal: findings with the lines that they are about, then verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from placer.core.deployment import Place
from placer.core.finding import Severity
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
)
from placer.core.units import format_duration
from placer.reports.check.context import (
    Context,
    basis_of,
    help_of,
    latency_of,
    marked,
    told_latency,
)
from placer.reports.facts import Cell, Tone, clean
from placer.reports.layout import Line, display_width, paragraph, wrap
from placer.reports.text import MAX_WIDTH, MIN_WIDTH, to_text

MAX_PASSES = 20
"""Deployments that pass and are listed; the others are counted."""
MAX_OTHERS = 5
"""Deployments without a model that are named."""
_BREAK = re.compile(r"\r\n|\r|\n")
"""As editors, and the places of findings, count lines."""
_COMMAND = re.compile(r"[:▂]{2}")
_LOG_COMMAND = re.compile(r"([#█▋▊▉]{2}\w*)\[")
"""What runners of pipelines obey: ``::stop-commands::x`` where a line begins after blanks,
``##[group]`` and ``##vso[task]`` anywhere. Blocks stand for themselves and for what they become
where a terminal takes ASCII alone. Source: actions/runner, src/Runner.Common/ActionCommand.cs."""
_SIGNS = {
    Outcome.PASS: ("✔", "pass", Tone.GOOD),
    Outcome.FAIL: ("✖", "fail", Tone.BAD),
    Outcome.INCONCLUSIVE: ("?", "inconclusive", Tone.UNSURE),
}
Sources = Mapping[str, Sequence[str]]
"""Path as typed -> lines of the file."""
_TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.UNSURE, Severity.NOTE: Tone.FAINT}


def render(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    """Return the report, with a newline at its end."""
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    told = result.findings + (result.suppressed if context.with_suppressed else ())
    sources = {path: _BREAK.split(text) for path, text in context.sources.items()}
    lines: list[Line] = []
    seen: set[tuple[str, str, str, str | None]] = set()
    helped: dict[str, str] = {}
    for one in told:
        same = one.rule, one.message, one.remedy, one.evidence
        is_again = one.evidence is not None and one.suppressed is None and same in seen
        if is_again:
            lines += [*_again(one, width), []]
        else:
            lines += [*_finding(one, sources, width, help_of(one, helped)), []]
        if one.suppressed is None:
            seen.add(same)
    lines += _verdicts(result, width)
    lines += _changes(result, width)
    lines += [[], *paragraph(summary_of(result, context.fail_on), width)]
    return to_text([_obeyed_by_none(line) for line in lines], color=color)


def _obeyed_by_none(line: Line) -> Line:
    """Return a line of the same width that no runner of a pipeline takes for a command.

    What others wrote may be wrapped so that a line begins with it: a mark stands before it then.
    """
    cells = [replace(one, text=_LOG_COMMAND.sub(r"\1⟦", one.text)) for one in line]
    at = next((n for n, one in enumerate(cells) if one.text.strip()), None)
    if at is None:
        return cells
    text = cells[at].text
    start = len(text) - len(text.lstrip())
    if _COMMAND.match(text, start):
        cells[at] = replace(cells[at], text=f"{text[: max(0, start - 1)]}\\{text[start:]}")
    return cells


def _finding(one: GateFinding, sources: Sources, width: int, help: str) -> list[Line]:
    word = "ignored" if one.suppressed is not None else one.severity.label
    head = f"{word}[{one.rule}]"
    tone = Tone.FAINT if one.suppressed is not None else _TONES[one.severity]
    first, *others = wrap(f"{head} {clean(marked(one))}", width - 2)
    lines: list[Line] = [
        [Cell(head, tone), Cell(first.removeprefix(head), Tone.STRONG)],
        *([Cell(f"  {text}", Tone.STRONG)] for text in others),
    ]
    lines += _excerpt(one.place, sources, width, "-->")
    for related in one.related:
        lines += _excerpt(related.place, sources, width, "==>", clean(related.label))
    facts = [
        text
        for text in (
            f"in {clean(one.deployed)}" if one.deployed else "",
            f"workload {clean(one.workload)}" if one.workload else "",
            f"evidence {one.evidence[:12]}" if one.evidence else "",
        )
        if text
    ]
    if facts:
        lines += paragraph(", ".join(facts), width, indent=5, first="   =", tone=Tone.FAINT)
    lines += paragraph(f"help: {clean(help)}", width, indent=5, first="   =")
    if one.suppressed is not None:
        until = f", until {one.suppressed.until}" if one.suppressed.until else ""
        text = f"ignored at {one.suppressed.place}: {one.suppressed.reason}{until}"
        lines += paragraph(clean(text), width, indent=5, first="   =", tone=Tone.FAINT)
    return lines


def _again(one: GateFinding, width: int) -> list[Line]:
    """Return what the same evidence says of another deployment in two lines."""
    head = f"{one.severity.label}[{one.rule}]"
    mark = "inconclusive, " if one.outcome is Outcome.INCONCLUSIVE else ""
    lines: list[Line] = [[Cell(head, _TONES[one.severity]), Cell(f" {mark}as above", Tone.STRONG)]]
    named = f" in {clean(one.deployed)}" if one.deployed else ""
    text = f"{clean(str(one.place))}{named}"
    return lines + paragraph(text, width, indent=6, first="  -->", tone=Tone.FAINT)


def _excerpt(place: Place, sources: Sources, width: int, arrow: str, label: str = "") -> list[Line]:
    """Return the place, and its line underlined where the file is known."""
    lines: list[Line] = [[Cell(f"  {arrow} {clean(str(place))}", Tone.FAINT)]]
    texts = sources.get(place.path, ())
    if not 1 <= place.line <= len(texts):
        return lines + (paragraph(label, width, indent=6, tone=Tone.FAINT) if label else [])
    number = str(place.line)
    bar = f" {' ' * len(number)} │"
    room = width - len(bar) - 1
    line = texts[place.line - 1]
    start = min(place.column - 1, len(line))
    end = place.end_column - 1 if place.end_line == place.line else len(line)
    if len(line) > room or display_width(line) > room:  # the part around the place
        cut = max(0, start - room // 3)
        line, start, end = line[cut : cut + room], start - cut, end - cut
    text = _fitting("".join(c if c.isprintable() else " " for c in line), room)
    before = display_width(text[:start])
    marked = max(1, display_width(text[start:end]))
    mark: Line = [
        Cell(f"{bar} ", Tone.FAINT),
        Cell(" " * before + "^" * marked, Tone.STRONG),
    ]
    lines += [[Cell(bar, Tone.FAINT)], [Cell(f" {number} │ ", Tone.FAINT), Cell(text)], mark]
    if label and before + marked + 1 + display_width(label) <= room:
        mark.append(Cell(f" {label}"))
    elif label:
        lines += [[Cell(f"{bar} ", Tone.FAINT), Cell(said)] for said in wrap(label, room)]
    return lines


def _fitting(text: str, room: int) -> str:
    """Return the beginning of text that takes at most ``room`` cells."""
    cells = 0
    for number, character in enumerate(text):
        cells += display_width(character)
        if cells > room:
            return text[:number]
    return text


def _verdicts(result: CheckResult, width: int) -> list[Line]:
    lines: list[Line] = []
    passes = 0
    for one in result.checked:
        if one.is_unchanged:
            continue
        if one.outcome is Outcome.PASS:
            passes += 1
            if passes > MAX_PASSES:
                continue
        sign, word, tone = _SIGNS[one.outcome]
        name = f"{clean(one.path)}: {clean(one.id)}"
        lines.append([Cell(f"{sign} {word:13}", tone), Cell(name, Tone.STRONG)])
        said = _told(one) + ("; as before" if one.is_as_before else "")
        lines += paragraph(said, width, indent=15)
    if passes > MAX_PASSES:
        text = f"+ {passes - MAX_PASSES} more that pass (all of them: --output json)"
        lines += paragraph(text, width, indent=15, tone=Tone.FAINT)
    if told := unchanged(result):
        text = f"{clean(told)} (all of them: --output json)"
        lines += paragraph(text, width, indent=15, tone=Tone.FAINT)
    if result.others:
        named = [f"{clean(one.path)}: {clean(one.id)}" for one in result.others[:MAX_OTHERS]]
        if (left := len(result.others) - len(named)) > 0:
            named.append(f"and {left} more (all of them: --output json)")
        text = f"no model that is known: {', '.join(named)}"
        lines += paragraph(text, width, indent=15, tone=Tone.FAINT)
    return lines


def _told(one: Checked) -> str:
    """Say what is declared, how it does, and what would be better."""
    place = ", ".join(filter(None, (one.tier, one.region)))
    place = f"on {one.site} ({place})" if place else f"on {one.site}"
    parts = [place if one.site else "site not resolved"]
    parts.insert(0, f"workload {one.workload}" if one.workload else "model not resolved")
    if latency := told_latency(one):
        parts.append(latency)
    if one.recommended is not None and one.recommended != one.declared:
        name, _, best_s = latency_of(one)
        basis = basis_of(one.recommended_basis)
        at = "" if best_s is None else f", {name} {format_duration(best_s)}{basis}"
        parts.append(f"recommended: {one.recommended}{at}")
    if one.ignored:
        parts.append(f"ignored: {', '.join(one.ignored)}")
    return clean("; ".join(parts))


def _changes(result: CheckResult, width: int) -> list[Line]:
    """Say what changed since the base."""
    if result.base is None:
        return []
    lines: list[Line] = [[]]
    if result.base_without:
        text = f"{clean(result.base)} could not be checked, so all counts as new: "
        lines += paragraph(f"{text}{clean(result.base_without)}", width)
    for path, name, before_s, now_s in result.worse:
        text = f"{clean(path)}: {clean(name)}: p99 {format_duration(before_s)} -> "
        text += f"{format_duration(now_s)} since {clean(result.base)}"
        lines += paragraph(text, width, indent=2, first="", tone=Tone.BAD)
    for what, findings, tone in (
        ("fixed", result.fixed, Tone.GOOD),
        ("ignored", result.silenced, Tone.UNSURE),
        ("no longer checked", result.unjudged, Tone.UNSURE),
    ):
        for one in findings:
            text = f"{what} since {clean(result.base)}: {one.rule} {clean(str(one.place))}"
            lines += paragraph(f"{text} {clean(one.message)}", width, tone=tone)
    for other in result.gone:
        text = f"no longer deployed since {clean(result.base)}: {clean(other.path)}"
        lines += paragraph(f"{text}: {clean(other.id)}", width, tone=Tone.UNSURE)
    return lines if len(lines) > 1 else []


def summary_of(result: CheckResult, fail_on: Severity) -> str:
    """Return the whole check in one line."""
    parts = [
        f"{sum(one.outcome is outcome for one in result.checked)} {word}"
        for outcome, (_, word, _) in _SIGNS.items()
        if any(one.outcome is outcome for one in result.checked)
    ]
    said = f"{counted(len(result.checked), 'deployment')}"
    said += f": {', '.join(parts)}" if parts else ""
    found: Sequence[str] = [
        counted(n, severity.label)
        for severity in reversed(Severity)
        if (n := sum(one.severity is severity for one in result.findings))
    ]
    told = [said, ", ".join(found) or "no findings"]
    if why := reason_of(result, fail_on):
        told[0] += f"; {why}"
    if result.base is not None:
        worse = " or worse" if any(one.before for one in result.findings) else ""
        told[1] += f" new{worse} since {clean(result.base)}"
        if old := as_before(result):
            told.insert(1, old)
    if result.suppressed:
        told.append(f"{len(result.suppressed)} ignored")
    if left := excused(result):
        told.append(left)
    if result.others:
        told.append(
            "1 other runs no model that is known"
            if len(result.others) == 1
            else f"{len(result.others)} others run no model that is known"
        )
    files = counted(result.files, "manifest file")
    if result.skipped:
        files += f", {counted(result.skipped, 'other file')} skipped"
    return "; ".join([*told, files])
