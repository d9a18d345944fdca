"""The comparison as GitHub-flavoured Markdown, for a pull request."""

from __future__ import annotations

from placer.core.comparison import Comparison
from placer.reports.comparison import words
from placer.reports.facts import clean
from placer.reports.markdown import code, prose, to_table


def render(comparison: Comparison) -> str:
    """Render a comparison."""
    sections = (
        f"### {prose(words.headline(comparison))}",
        _sides(comparison),
        _items(comparison),
        _questions(comparison),
        _differences(comparison),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _sides(comparison: Comparison) -> str:
    lines = [
        f"- {name}: {prose(words.side_text(side))}"
        for name, side in (("A", comparison.a), ("B", comparison.b))
    ]
    lines += [f"- {label}: {prose(said)}" for label, said in words.decision_rows(comparison)]
    return "\n".join(lines)


def _items(comparison: Comparison) -> str:
    items = words.shown_first(comparison.items)
    if not items:
        return ""
    body = []
    for item in items:
        for cells in words.quantile_cells(item):
            name = code(clean(item.id)) if cells[0].text else ""
            body.append([name, *(prose(cell.text) for cell in cells[1:])])
    right = [head in ("A", "B", "B / A") for head in words.HEADS]
    table = to_table(words.HEADS, body, right=right)
    remarks = [
        f"- {code(clean(item.id))} {prose(remark.text)}"
        for item in items
        for remark in words.remarks(item)
    ]
    remarks += [f"- {prose(note)}" for note in words.notes(comparison)]
    return "\n\n".join(part for part in (table, "\n".join(remarks)) if part)


def _questions(comparison: Comparison) -> str:
    lines = [
        f"- {prose(question)} → {prose(remedy)}"
        for question, remedy in words.open_questions(comparison)
    ]
    return "\n".join(["**What would settle it**", "", *lines]) if lines else ""


def _differences(comparison: Comparison) -> str:
    rows = words.difference_rows(comparison)
    if not rows:
        return "Nothing else differs."
    table = to_table(["", "A", "B"], [[prose(cell) for cell in cells] for cells in rows])
    return f"**What else differs**\n\n{table}"
