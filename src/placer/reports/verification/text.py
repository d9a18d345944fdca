"""The verification for a terminal: whether the predictions hold, then each candidate."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.predicted import Interval
from placer.core.units import format_duration, format_percentile
from placer.core.verification import Checked, Outcome, QuantileCheck, Verification
from placer.reports import facts
from placer.reports.facts import Cell, Tone
from placer.reports.layout import Line, natural_width, paragraph, row, wrap
from placer.reports.text import MAX_WIDTH, MIN_WIDTH, to_text

_SIGNS = {
    Outcome.WITHIN: ("✔", Tone.GOOD),
    Outcome.MISSED: ("✖", Tone.BAD),
    Outcome.UNDECIDED: ("?", Tone.UNSURE),
    Outcome.NOT_JUDGED: ("·", Tone.FAINT),
}
_WORDS = {
    Outcome.WITHIN: "within",
    Outcome.MISSED: "missed",
    Outcome.UNDECIDED: "undecided",
    Outcome.NOT_JUDGED: "not judged",
}
_OUTCOME_WIDTH = 10
"""Least width of the last column."""
_HEADS = ("", "predicted", "its 90 % interval", "measured", "its 90 % interval", "")


def render(verification: Verification, *, width: int = 80, color: bool = False) -> str:
    """Render a verification for a terminal of ``width`` columns; 60 to 120 of them are used."""
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    sections = [_headline(verification, width)]
    sections += [_candidate(one, width) for one in verification.candidates if one.quantiles]
    sections.append(_not_run(verification.candidates, width))
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return to_text(lines, color=color)


def _headline(verification: Verification, width: int) -> list[Line]:
    sign, tone = _SIGNS[verification.outcome]
    if verification.outcome is Outcome.NOT_JUDGED:
        sign, tone = "?", Tone.UNSURE
    first, *others = wrap(facts.clean(verification.reason), width - 2)
    lines: list[Line] = [[Cell(f"{sign} ", tone), Cell(first, Tone.STRONG)]]
    lines += [[Cell("  "), Cell(line, Tone.STRONG)] for line in others]
    return lines + paragraph(_regret(verification), width, indent=2, first="  ")


def _regret(verification: Verification) -> str:
    ran = [one for one in verification.candidates if one.p50_s is not None and not one.barred]
    text = _compared(verification, len(ran))
    apart = [one for one in verification.candidates if one.p50_s is not None and one.barred]
    if not apart:
        return text
    listed = ", ".join(
        f"{facts.clean(one.id)} ({format_duration(one.p50_s or 0.0)} in the median)"
        for one in apart
    )
    return f"{text} Not counted, since they may not be chosen: {listed}."


def _compared(verification: Verification, ran: int) -> str:
    ratio, best = verification.regret_ratio, verification.best
    if not ran or best is None:
        return "Nothing ran whose time could be compared."
    if ran == 1 and best == verification.chosen:
        return "No rival that may be chosen ran: what one would have gained is not known."
    if ratio is None:
        chosen = next((one for one in verification.candidates if one.is_chosen), None)
        if chosen is None:
            what = "Nothing was chosen"
        elif chosen.quantiles:
            what = "The chosen did not run as a whole"
        else:
            what = "The chosen did not run"
        in_parts = any(one.quantiles and one.p50_s is None for one in verification.candidates)
        whole = " as a whole" if in_parts else ""
        return f"{what}; of what ran{whole}, {facts.clean(best)} was the quickest."
    rivals = facts.counted(ran - 1, "rival")
    if ratio == 0:
        return f"Regret: none, of {rivals} that ran as well nothing was quicker in the median."
    return (
        f"Regret: {100 * ratio:.1f} %, {facts.clean(best)} was the quickest in the median of "
        f"{rivals} that ran as well."
    )


def _candidate(one: Checked, width: int) -> list[Line]:
    sign, tone = _SIGNS[one.outcome]
    chosen = ", the chosen one" if one.is_chosen else ""
    runs = facts.counted(one.runs, "request")
    title = f"{facts.clean(one.id)}{chosen}: {facts.clean(one.where or '')}, {runs}"
    first, *others = wrap(title, width - 2)
    lines: list[Line] = [[Cell(f"{sign} ", tone), Cell(first, Tone.STRONG)]]
    lines += [[Cell("  "), Cell(line, Tone.STRONG)] for line in others]
    lines += _table(one, width)
    for stage in one.stages:
        text = f"{facts.clean(stage.what)}: {format_duration(stage.p50_s)} in the median"
        lines += paragraph(text, width, indent=2, first="  ")
    barred = f"it may not be chosen: {one.barred}" if one.barred else ""
    said = [one.reason, barred, *(f"disturbed: {why}" for why in one.disturbed), *one.notes]
    told = dict.fromkeys(
        f"{format_percentile(check.percentile)}: {check.reason}"
        for check in one.quantiles
        if check.reason and check.reason != one.reason
    )
    for text in filter(None, (*said, *told)):
        lines += paragraph(facts.clean(text), width, indent=4, first="  ·", tone=Tone.FAINT)
    return lines


def _table(one: Checked, width: int) -> list[Line]:
    rows: list[list[Cell]] = [[Cell(head, Tone.FAINT) for head in _HEADS]]
    rows += [
        [
            Cell(f"  {format_percentile(check.percentile)}"),
            Cell(_value(check.predicted)),
            Cell(_range(check.predicted)),
            Cell(_value(check.measured), Tone.STRONG),
            Cell(_range(check.measured)),
            Cell(_told(check), _SIGNS[check.outcome][1]),
        ]
        for check in one.quantiles
    ]
    widths = [natural_width(column) for column in zip(*rows, strict=True)]
    free = width - sum(widths) - 2 * (len(widths) - 1)
    if free < 0:  # what could miss breaks first, then the intervals
        narrower = max(widths[5] + free, _OUTCOME_WIDTH)
        if narrower < widths[5]:
            free += widths[5] - narrower
            widths[5] = narrower
    if free < 0:
        widths[2] = max(9, widths[2] + free // 2)
        widths[4] = max(9, widths[4] + free - free // 2)
    return [line for cells in rows for line in row(cells, widths, right=frozenset({1, 3}))]


def _told(check: QuantileCheck) -> str:
    """Name the outcome; of what is within, also the one side that could have missed."""
    is_within = check.outcome is Outcome.WITHIN
    if is_within and check.predicted.high_s is None:
        return f"{_WORDS[check.outcome]} (only quicker could miss)"
    if is_within and check.predicted.low_s is None:
        return f"{_WORDS[check.outcome]} (only slower could miss)"
    return _WORDS[check.outcome]


def _value(interval: Interval) -> str:
    return "unknown" if interval.value_s is None else format_duration(interval.value_s)


def _range(interval: Interval) -> str:
    low_s, high_s = interval.low_s, interval.high_s
    if low_s is None and high_s is None:
        return "none"
    if low_s is None:
        return f"up to {format_duration(high_s or 0.0)}"
    if high_s is None:
        return f"from {format_duration(low_s)}"
    return f"{format_duration(low_s)} to {format_duration(high_s)}"


def _not_run(candidates: Sequence[Checked], width: int) -> list[Line]:
    missing = [one for one in candidates if not one.quantiles]
    if not missing:
        return []
    lines: list[Line] = [[Cell("Not verified", Tone.STRONG)]]
    for one in missing:
        chosen = ", the chosen one" if one.is_chosen else ""
        text = facts.clean(f"{one.id}{chosen}: {one.reason}")
        lines += paragraph(text, width, indent=4, first="  ·")
    return lines
