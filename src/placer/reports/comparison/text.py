"""The comparison for a terminal: what changed first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.comparison import Comparison, Item, Kind
from placer.reports import facts
from placer.reports.comparison import words
from placer.reports.facts import Cell, Tone
from placer.reports.layout import GAP, Line, natural_width, paragraph, row, wrap
from placer.reports.text import MAX_WIDTH, MIN_WIDTH, to_text

MAX_ITEMS = 8
MAX_QUESTIONS = 4
MAX_DIFFERENCES = 20
_MORE = "all of it: --output json"


def render(comparison: Comparison, *, width: int = 80, color: bool = False) -> str:
    """Render a comparison for a terminal of ``width`` columns; 60 to 120 of them are used."""
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    sections = (
        _headline(comparison, width),
        _items(comparison, width),
        _questions(comparison, width),
        _differences(comparison, width),
    )
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return to_text(lines, color=color)


def _headline(comparison: Comparison, width: int) -> list[Line]:
    sign, _, reason = words.headline(comparison).partition(" ")
    first, *others = wrap(reason, width - 2)
    lines: list[Line] = [
        [Cell(f"{sign} ", facts.tone(words.holds(comparison))), Cell(first, Tone.STRONG)]
    ]
    lines += [[Cell("  "), Cell(line, Tone.STRONG)] for line in others]
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        lines += paragraph(words.side_text(side), width, indent=5, first=f"  {name}")
    for label, said in words.decision_rows(comparison):
        lines += paragraph(said, width, indent=10, first=f"  {label}")
    return lines


def _items(comparison: Comparison, width: int) -> list[Line]:
    same = words.unchanged(comparison.items) if comparison.kind is Kind.RECOMMENDATION else []
    changed = [item for item in words.shown_first(comparison.items) if item not in same]
    lines = _table(changed[:MAX_ITEMS], width) if changed else []
    for note in words.notes(comparison):
        lines += paragraph(f"({note})", width, indent=2, tone=Tone.FAINT)
    if len(changed) > MAX_ITEMS:
        hidden = facts.counted(len(changed) - MAX_ITEMS, "candidate")
        lines += _folded(f"{hidden} that changed less", width)
    if same:
        names = ", ".join(facts.clean(item.id) for item in same)
        lines += paragraph(f"the same in both: {names}", width, indent=2, tone=Tone.FAINT)
    return lines


def _table(shown: Sequence[Item], width: int) -> list[Line]:
    tables = [words.quantile_cells(item) for item in shown]
    # the name of an item stands on a line of its own where a column for it would be too wide
    names = natural_width([table[0][0] for table in tables])
    is_narrow = names > 12
    heads = [Cell(head, Tone.FAINT) for head in words.HEADS]
    start = 1 if is_narrow else 0
    columns = list(zip(heads, *(cells for table in tables for cells in table), strict=True))
    widths = [natural_width(column) for column in columns][start:]
    right = frozenset(number - start for number in (2, 3, 4))
    lines = _indented(row(heads[start:], widths, right=right))
    for item, table in zip(shown, tables, strict=True):
        if is_narrow:
            lines += paragraph(table[0][0].text, width, indent=2, tone=Tone.STRONG)
        for cells in table:
            lines += _indented(row(cells[start:], widths, right=right))
        for remark in words.remarks(item):
            lines += paragraph(remark.text, width, indent=2 + widths[0] + GAP, tone=remark.tone)
    return lines


def _questions(comparison: Comparison, width: int) -> list[Line]:
    questions = words.open_questions(comparison)
    if not questions:
        return []
    lines: list[Line] = [[Cell("What would settle it", Tone.STRONG)]]
    for question, remedy in questions[:MAX_QUESTIONS]:
        lines += paragraph(question, width, indent=4, first="  ?")
        lines += paragraph(remedy, width, indent=6, first="    →")
    hidden = len(questions) - MAX_QUESTIONS
    return lines + (_folded(facts.counted(hidden, "question"), width) if hidden > 0 else [])


def _differences(comparison: Comparison, width: int) -> list[Line]:
    rows = words.difference_rows(comparison)
    if not rows:
        return [[Cell("Nothing else differs", Tone.FAINT)]]
    lines: list[Line] = [[Cell("What else differs", Tone.STRONG)]]
    for what, in_a, in_b in rows[:MAX_DIFFERENCES]:
        lines += paragraph(f"{what}: {in_a} → {in_b}", width, indent=4, first="  ·")
    hidden = len(rows) - MAX_DIFFERENCES
    return lines + (_folded(facts.counted(hidden, "difference"), width) if hidden > 0 else [])


def _folded(what: str, width: int) -> list[Line]:
    return paragraph(f"+ {what} ({_MORE})", width, indent=4, tone=Tone.FAINT)


def _indented(lines: list[Line]) -> list[Line]:
    return [[Cell("  "), *line] for line in lines]
