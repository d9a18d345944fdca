"""The answer for a terminal: the decision first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from placer.core.estimate import Candidate, Recommendation
from placer.core.finding import Finding, Severity
from placer.reports import facts
from placer.reports.crossovers import TITLE, crossover_note, crossover_rows
from placer.reports.facts import Cell, RankedRow, Tone
from placer.reports.layout import (
    GAP,
    Line,
    display_width,
    natural_width,
    paragraph,
    row,
    wrap,
    wrap_command,
)
from placer.reports.plot import Distribution, plot
from placer.reports.variants import HEADS, cascade_texts, judged_on, variant_rows

if TYPE_CHECKING:
    from rich.text import Text

MIN_WIDTH = 60
"""Narrower terminals get lines of this width."""
MAX_WIDTH = 120
"""Wider terminals are not filled: long lines are hard to read."""
MAX_CANDIDATES = 8
MAX_WARNINGS = 6
MAX_NOTES = 3
MAX_ASSUMPTIONS = 6
_MORE = "all of it: --output json"
_STYLES = {
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.UNSURE: "yellow",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}


def render(recommendation: Recommendation, *, width: int = 80, color: bool = False) -> str:
    """Render an answer for a terminal of ``width`` columns.

    Parameters
    ----------
    recommendation
        What to show.
    width
        Columns of the terminal; from 60 to 120 of them are used.
    color
        With ANSI colours; without, the text holds no escape codes.
    """
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    sections = (
        _decision(recommendation, width),
        _comparison(recommendation, width),
        _split(recommendation, width),
        _distributions(recommendation, width),
        _candidates(recommendation, width),
        _variants(recommendation, width),
        _stages(recommendation, width),
        _costs(recommendation, width),
        _flips(recommendation, width),
        _crossovers(recommendation, width),
        _findings(recommendation, width),
        _assumptions(recommendation, width),
        _settle(recommendation, width),
    )
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return to_text(lines, color=color)


def to_text(lines: list[Line], *, color: bool) -> str:
    """Write lines for a terminal, with ANSI colours or without any escape code."""
    return _colored(lines) if color else "".join(f"{_plain(line)}\n" for line in lines)


def _decision(answer: Recommendation, width: int) -> list[Line]:
    sign, _, reason = facts.headline(answer).partition(" ")
    tone = facts.tone(answer.decision.feasible)
    first, *others = wrap(reason, width - 2)
    lines: list[Line] = [[Cell(f"{sign} ", tone), Cell(first, Tone.STRONG)]]
    lines += [[Cell("  "), Cell(line, Tone.STRONG)] for line in others]
    size = f"{facts.clean(answer.model.path)} ({facts.model_facts(answer)})"
    lines += paragraph(size, width, indent=10, first="  model")
    lines += paragraph(facts.targets_text(answer), width, indent=10, first="  target")
    return lines


def _comparison(answer: Recommendation, width: int) -> list[Line]:
    rows = facts.comparison(answer)
    if len(rows) == 1:
        return []
    first = max(natural_width([Cell(label)]) for label, _ in rows)
    room = (width - 2 - first - GAP * 3) // 3
    widths = [first] + [
        min(room, max(12, natural_width([cells[column] for _, cells in rows])))
        for column in range(3)
    ]
    lines: list[Line] = []
    for label, cells in rows:
        lines += _indented(row([Cell(label, Tone.FAINT), *cells], widths, right=frozenset()))
    if answer.targets:
        lines += paragraph(f"({facts.BOUNDS_NOTE})", width, indent=2, tone=Tone.FAINT)
    return lines


def _split(answer: Recommendation, width: int) -> list[Line]:
    told = facts.told_split(answer)
    return [] if told is None else paragraph(told, width, indent=2)


def _distributions(answer: Recommendation, width: int) -> list[Line]:
    rows = []
    for candidate in filter(None, facts.best_of_families(answer)):
        spread, latency = candidate.spread, candidate.latency
        is_lower_bound = spread is not None and spread.is_lower_bound
        rows.append(
            Distribution(
                label=f"{candidate.placement.family} #{candidate.rank}",
                remark="at least" if is_lower_bound else candidate.basis.value,
                points_s=spread.points_s if spread else (),
                p50_s=latency.p50_s if latency and not is_lower_bound else None,
                p99_s=latency.p99_s if latency and not is_lower_bound else None,
            )
        )
    return plot("Latency of requests", rows, answer.targets, width)


def _candidates(answer: Recommendation, width: int) -> list[Line]:
    shown = facts.ranked(answer)[:MAX_CANDIDATES]
    if not shown:
        return []
    columns = {
        head: [Cell(head, Tone.FAINT), *(item.cells[head] for item in shown)]
        for head in shown[0].cells
    }
    longest = natural_width(columns["candidate"])
    dropped: list[str] = []
    for step in ("", "verdict", "basis", "p50", "$/month"):
        if step == "verdict":
            columns[step] = [Cell(cell.text[0], cell.tone) for cell in columns[step]]
            columns[step][0] = Cell("")
        elif columns.pop(step, None):
            dropped.append(step)
        widths = {head: natural_width(column) for head, column in columns.items()}
        room = width - 2 - sum(widths.values()) + longest - GAP * (len(widths) - 1)
        if room >= min(longest, 28):
            break
    widths["candidate"] = min(room, longest)
    right = frozenset(
        number
        for number, head in enumerate(columns)
        if head not in ("verdict", "candidate", "basis")
    )
    lines: list[Line] = []
    for number in range(len(shown) + 1):
        cells = [column[number] for column in columns.values()]
        lines += _indented(row(cells, list(widths.values()), right=right))
        if number and (remark := _remark(shown[number - 1], dropped)):
            if number > 1 and remark == _remark(shown[number - 2], dropped):
                remark = "the same"
            indent = 2 + widths["#"] + GAP + widths["verdict"] + GAP
            lines += paragraph(remark, width, indent=indent, tone=Tone.FAINT)
    hidden = len(answer.candidates) - len(shown)
    if hidden:
        lines += _folded(f"{facts.counted(hidden, 'candidate')} of lower rank", width)
    return lines


def _remark(item: RankedRow, dropped: Sequence[str]) -> str:
    said = []
    for head in dropped:
        text = item.cells[head].text
        if text != "-":
            words = {"p50": f"p50 {text}", "$/month": f"{text} per month"}
            said.append(facts.glued(words.get(head, text)))
    return " · ".join(part for part in (", ".join(said), item.remark) if part)


def _variants(answer: Recommendation, width: int) -> list[Line]:
    """Lay out the variants; where the terminal is narrow, the last columns wrap first."""
    rows = variant_rows(answer)
    if not rows:
        return []
    kept = [place for place, head in enumerate(HEADS) if any(one.cells[place].text for one in rows)]
    table = [[Cell(HEADS[place], Tone.FAINT) for place in kept]]
    table += [[one.cells[place] for place in kept] for one in rows]
    widths = [natural_width([line[number] for line in table]) for number in range(len(kept))]
    room = width - 2 - GAP * (len(widths) - 1)
    for number in range(len(kept) - 1, -1, -1):
        words = [word for line in table for word in line[number].text.split(" ")]
        longest = max(map(display_width, words))
        widths[number] = max(widths[number] - max(0, sum(widths) - room), longest)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    right = frozenset(
        number for number, place in enumerate(kept) if 0 < place < HEADS.index("agrees")
    )
    lines: list[Line] = [[Cell("Variants of the model", Tone.STRONG)]]
    for number, cells in enumerate(table):
        lines += _indented(row(cells, widths, right=right))
        for remark in rows[number - 1].remarks if number else ():
            lines += paragraph(remark, width, indent=4, tone=Tone.FAINT)
    if note := judged_on(answer):
        lines += paragraph(f"({note})", width, indent=2, tone=Tone.FAINT)
    for text in cascade_texts(answer):
        lines += paragraph(text, width, indent=4, first="  →")
    return lines


def _stages(answer: Recommendation, width: int) -> list[Line]:
    shown = facts.shown_candidate(answer)
    if shown is None or not shown.stages:
        return []
    title = "Where the time goes"
    if answer.decision.candidate is None:
        title += f" in {facts.clean(shown.id)}"
    bar = 10 if width < 76 else 16
    table = [
        [
            Cell(facts.stage_name(stage)),
            Cell(_bar(facts.share(stage, shown.stages), bar)),
            Cell(facts.duration(stage.p50_s, unknown="-")),
            Cell(facts.duration(stage.p99_s, unknown="-")),
            Cell(stage.basis.value),
        ]
        for stage in shown.stages
    ]
    heads = [Cell("p50", Tone.FAINT), Cell("p99", Tone.FAINT), Cell("basis", Tone.FAINT)]
    last = [
        natural_width([head, *(line[number] for line in table)])
        for number, head in enumerate(heads, start=2)
    ]
    room = width - 2 - bar - sum(last) - GAP * 4
    first = min(room, max(20, natural_width([line[0] for line in table])))
    lines = row(
        [Cell(title, Tone.STRONG), *heads], [2 + first + GAP + bar, *last], right=frozenset({1, 2})
    )
    told: set[tuple[str, str]] = set()
    for stage, cells in zip(shown.stages, table, strict=True):
        lines += _indented(row(cells, [first, bar, *last], right=frozenset({2, 3})))
        source = facts.clean(stage.source)
        if source and (cells[0].text, source) not in told:
            told.add((cells[0].text, source))
            lines += paragraph(source, width, indent=4, tone=Tone.FAINT)
    return lines + _disturbed(shown, width)


def _costs(answer: Recommendation, width: int) -> list[Line]:
    shown, costs = facts.shown_candidate(answer), facts.costs_shown(answer)
    if shown is None or not costs:
        return []
    lines: list[Line] = [[Cell("Where the money goes in a month", Tone.STRONG)]]
    widths = [10, 12, width - 2 - 10 - 12 - 2 * GAP]
    for cost in costs:
        cells = [
            Cell(facts.clean(cost.name)),
            Cell(facts.money_text(cost.usd_per_month)),
            Cell(facts.price_text(cost, shown.instances)),
        ]
        lines += _indented(row(cells, widths, right=frozenset({1})))
    return lines


def _disturbed(shown: Candidate, width: int) -> list[Line]:
    if shown.quality is None or not shown.quality.is_disturbed:
        return []
    reasons = "; ".join(facts.clean(reason) for reason in shown.quality.reasons)
    return paragraph(
        f"the measurement was disturbed: {reasons}", width, indent=4, first="  !", tone=Tone.UNSURE
    )


def _bar(ratio: float, width: int) -> str:
    eighths = round(ratio * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _settle(answer: Recommendation, width: int) -> list[Line]:
    questions, following = facts.open_questions(answer), answer.next_measurement
    if not questions and following is None:
        return []
    title = "What would settle it" if answer.decision.feasible is None else "Measure next"
    lines: list[Line] = [[Cell(title, Tone.STRONG)]]
    for question in questions:
        lines += paragraph(question, width, indent=4, first="  ?")
    if following is not None:
        what = f"{facts.clean(following.what)}: {facts.clean(following.why)}"
        lines += paragraph(what, width, indent=4, first="  →")
        command = facts.clean(following.command)
        if not command.startswith("placer "):  # said in words: "on the device: placer ..."
            return lines + paragraph(command, width, indent=6, tone=Tone.STRONG)
        lines += [
            [Cell("      " if number else "    $ "), Cell(line, Tone.STRONG)]
            for number, line in enumerate(wrap_command(command, width - 6))
        ]
    return lines


def _flips(answer: Recommendation, width: int) -> list[Line]:
    if not answer.flips:
        return []
    lines: list[Line] = [[Cell("What would change the answer", Tone.STRONG)]]
    for flip in answer.flips:
        lines += paragraph(facts.flip_text(flip), width, indent=4, first="  ⇄")
    return lines


def _crossovers(answer: Recommendation, width: int) -> list[Line]:
    rows = crossover_rows(answer)
    if not rows:
        return []
    lines: list[Line] = [[Cell(TITLE, Tone.STRONG)]]
    first, second = (max(natural_width([Cell(one[column])]) for one in rows) for column in (0, 1))
    widths = [first, second, width - 2 - first - second - 2 * GAP]
    told = ""
    for figure, span, where in rows:
        cells = [Cell("" if figure == told else figure, Tone.FAINT), Cell(span), Cell(where)]
        lines += _indented(row(cells, widths, right=frozenset()))
        told = figure
    return lines + paragraph(f"({crossover_note(answer)})", width, indent=2, tone=Tone.FAINT)


def _findings(answer: Recommendation, width: int) -> list[Line]:
    findings = facts.findings_shown(answer)
    elsewhere = facts.findings_elsewhere(answer)
    if not findings and not elsewhere:
        return []
    title = f"Findings: {facts.findings_title(findings) or 'none on this placement'}"
    lines: list[Line] = [[Cell(title, Tone.STRONG)]]
    limits = {Severity.ERROR: len(findings), Severity.WARNING: MAX_WARNINGS}
    hidden = []
    for severity in reversed(Severity):
        group = [finding for finding in findings if finding.severity is severity]
        limit = limits.get(severity, MAX_NOTES)
        for finding in group[:limit]:
            lines += _finding(finding, answer, width)
        if len(group) > limit:
            hidden.append(facts.counted(len(group) - limit, severity.label))
    if elsewhere:
        hidden.append(f"{facts.counted(elsewhere, 'finding')} on other candidates")
    return lines + (_folded(", ".join(hidden), width) if hidden else [])


def _finding(finding: Finding, answer: Recommendation, width: int) -> list[Line]:
    sign, tone = {
        Severity.ERROR: ("✖", Tone.BAD),
        Severity.WARNING: ("!", Tone.UNSURE),
        Severity.NOTE: ("·", Tone.FAINT),
    }[finding.severity]
    place = ""
    if finding.location is not None and finding.location != answer.decision.candidate:
        place = f"{facts.clean(finding.location)}: "
    text = f"{facts.clean(finding.rule)} {place}{facts.clean(finding.message)}"
    lines = paragraph(text, width, indent=4)
    lines[0] = [Cell("  "), Cell(f"{sign} ", tone), *lines[0][1:]]
    remedy = facts.clean(finding.remedy)
    return lines + (paragraph(remedy, width, indent=6, first="    →") if remedy else [])


def _assumptions(answer: Recommendation, width: int) -> list[Line]:
    if not answer.assumptions:
        return []
    shown = answer.assumptions[:MAX_ASSUMPTIONS]
    lines: list[Line] = [[Cell("Assumed, as nobody stated it", Tone.STRONG)]]
    for item in shown:
        lines += paragraph(facts.assumption_text(item), width, indent=4, first="  ·")
    if len(answer.assumptions) > len(shown):
        lines += _folded(f"{len(answer.assumptions) - len(shown)} more", width)
    return lines


def _folded(what: str, width: int) -> list[Line]:
    return paragraph(f"+ {what} ({_MORE})", width, indent=4, tone=Tone.FAINT)


def _indented(lines: list[Line]) -> list[Line]:
    return [[Cell("  "), *line] for line in lines]


def _plain(line: Line) -> str:
    return "".join(cell.text for cell in line).rstrip()


def _colored(lines: list[Line]) -> str:
    """Let rich write the escape codes; the environment has no say."""
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    console = Console(
        file=buffer,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        highlight=False,
        legacy_windows=False,
        width=MAX_WIDTH * 4,
        _environ={},
    )
    for line in lines:
        console.print(styled(line), soft_wrap=True)
    return buffer.getvalue()


def styled(line: Line) -> Text:
    """Return a line as rich writes it."""
    from rich.text import Text

    text = Text()
    for cell in line:
        text.append(cell.text, style=_STYLES.get(cell.tone, ""))
    text.rstrip()
    return text
