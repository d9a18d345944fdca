"""A check for people at a terminal: findings with the lines that they are about, then verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.deployment import Place
from placer.core.finding import Severity
from placer.core.gate import Checked, CheckResult, GateFinding, Outcome
from placer.core.units import format_duration
from placer.reports.check.context import Context
from placer.reports.facts import Cell, Tone, clean
from placer.reports.layout import Line, display_width, paragraph, wrap
from placer.reports.text import MAX_WIDTH, to_text

MAX_EXCERPT = 96
"""Cells of a quoted line; of a longer one the part around the place."""
_SIGNS = {
    Outcome.PASS: ("✔", "pass", Tone.GOOD),
    Outcome.FAIL: ("✖", "fail", Tone.BAD),
    Outcome.INCONCLUSIVE: ("?", "inconclusive", Tone.UNSURE),
}
_TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.UNSURE, Severity.NOTE: Tone.FAINT}


def render(result: CheckResult, context: Context, *, width: int, color: bool) -> str:
    """Return the report, with a newline at its end."""
    width = min(width, MAX_WIDTH)
    lines: list[Line] = []
    for one in result.findings:
        lines += [*_finding(one, context, width), []]
    if context.with_suppressed:
        for one in result.suppressed:
            lines += [*_finding(one, context, width), []]
    lines += _verdicts(result, width)
    lines += _changes(result, width)
    lines += [[], *paragraph(_summary(result), width)]
    return to_text(lines, color=color)


def _finding(one: GateFinding, context: Context, width: int) -> list[Line]:
    word = "ignored" if one.suppressed is not None else one.severity.label
    head = f"{word}[{one.rule}]"
    tone = Tone.FAINT if one.suppressed is not None else _TONES[one.severity]
    first, *others = wrap(f"{head} {clean(one.message)}", width - 2)
    lines: list[Line] = [
        [Cell(head, tone), Cell(first.removeprefix(head), Tone.STRONG)],
        *([Cell(f"  {text}", Tone.STRONG)] for text in others),
    ]
    lines += _excerpt(one.place, context, "-->")
    for related in one.related:
        lines += _excerpt(related.place, context, ":::", clean(related.label))
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
    lines += paragraph(f"help: {clean(one.remedy)}", width, indent=5, first="   =")
    if one.suppressed is not None:
        until = f", until {one.suppressed.until}" if one.suppressed.until else ""
        text = f"ignored at {one.suppressed.place}: {clean(one.suppressed.reason)}{until}"
        lines += paragraph(text, width, indent=5, first="   =", tone=Tone.FAINT)
    return lines


def _excerpt(place: Place, context: Context, arrow: str, label: str = "") -> list[Line]:
    """Return the place, and its line underlined where the file is known."""
    lines: list[Line] = [[Cell(f"  {arrow} {clean(str(place))}", Tone.FAINT)]]
    source = context.sources.get(place.path)
    texts = [] if source is None else source.splitlines()
    if not 1 <= place.line <= len(texts):
        return [*lines, [Cell(f"      {label}", Tone.FAINT)]] if label else lines
    text = texts[place.line - 1].replace("\t", " ")
    start = place.column - 1
    end = place.end_column - 1 if place.end_line == place.line else len(text)
    cut = max(0, min(start - MAX_EXCERPT // 3, len(text) - MAX_EXCERPT))
    shown = "".join(c if c.isprintable() else " " for c in text[cut : cut + MAX_EXCERPT])
    before = display_width(shown[: max(0, start - cut)])
    marked = max(1, display_width(shown[max(0, start - cut) : max(start + 1, end) - cut]))
    number = str(place.line)
    bar = " " * len(number)
    return [
        *lines,
        [Cell(f" {bar} │", Tone.FAINT)],
        [Cell(f" {number} │ ", Tone.FAINT), Cell(shown)],
        [
            Cell(f" {bar} │ ", Tone.FAINT),
            Cell(" " * before + "^" * marked, Tone.STRONG),
            Cell(f" {label}" if label else ""),
        ],
    ]


def _verdicts(result: CheckResult, width: int) -> list[Line]:
    lines: list[Line] = []
    for one in result.checked:
        sign, word, tone = _SIGNS[one.outcome]
        name = f"{clean(one.path)}: {clean(one.id)}"
        lines.append([Cell(f"{sign} {word:13}", tone), Cell(name, Tone.STRONG)])
        lines += paragraph(_told(one), width, indent=15)
    return lines


def _told(one: Checked) -> str:
    """Say what is declared, how it does, and what would be better."""
    place = f"on {one.site} ({one.tier}{f', {one.region}' if one.region else ''})"
    parts = [place if one.site else "site not resolved"]
    parts.insert(0, f"workload {one.workload}" if one.workload else "model not resolved")
    if one.p99_s is not None:
        limit = f", limit {format_duration(one.limit_s)}" if one.limit_s is not None else ""
        parts.append(f"p99 {format_duration(one.p99_s)}{limit}")
    if one.recommended is not None and one.recommended != one.declared:
        p99 = one.recommended_p99_s
        at = "" if p99 is None else f", p99 {format_duration(p99)}"
        parts.append(f"recommended: {one.recommended}{at}")
    return clean("; ".join(parts))


def _changes(result: CheckResult, width: int) -> list[Line]:
    """Say what changed since the base."""
    if result.base is None:
        return []
    lines: list[Line] = [[]]
    for path, name, before_s, now_s in result.worse:
        text = f"{clean(path)}: {clean(name)}: p99 {format_duration(before_s)} -> "
        text += f"{format_duration(now_s)} since {clean(result.base)}"
        lines += paragraph(text, width, indent=2, first="", tone=Tone.BAD)
    for one in result.fixed:
        text = f"fixed since {clean(result.base)}: {one.rule} {clean(str(one.place))}"
        lines += paragraph(f"{text} {clean(one.message)}", width, tone=Tone.GOOD)
    return lines if len(lines) > 1 else []


def counted(number: int, what: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _summary(result: CheckResult) -> str:
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
    if result.base is not None:
        told[1] += f" new since {clean(result.base)}"
    if result.suppressed:
        told.append(f"{len(result.suppressed)} ignored")
    if result.others:
        told.append(f"{result.others} others run no model that is known")
    files = counted(result.files, "manifest file")
    if result.skipped:
        files += f", {counted(result.skipped, 'other file')} skipped"
    return "; ".join([*told, files])
