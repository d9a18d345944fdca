"""The model and its variants side by side, in words: shared by text and markdown."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.estimate import Recommendation, VariantFacts
from placer.core.units import format_bytes
from placer.core.variant import Accuracy, Agreement
from placer.reports import facts
from placer.reports.facts import GLUE, Cell, Tone

HEADS = ("", "size", "p50", "p99", "memory", "agrees", "accuracy")
"""Of the columns of a row's cells."""
THE_MODEL = "the model"


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One file of the model."""

    cells: tuple[Cell, ...]
    """One for each of HEADS; empty: the column does not apply."""
    remarks: tuple[str, ...]
    """Where the file is, and how it was made."""


def variant_rows(answer: Recommendation) -> tuple[VariantRow, ...]:
    """Return the model and its variants; empty: it has none."""
    return tuple(_row(one) for one in answer.variants)


def _row(one: VariantFacts) -> VariantRow:
    memory = one.peak_memory_bytes
    name = THE_MODEL if one.name is None else facts.clean(one.name)
    remarks = [] if one.name is None else [facts.clean(one.path)]
    if one.how is not None:
        remarks.append(facts.clean(one.how))
    return VariantRow(
        cells=(
            Cell(name, Tone.STRONG),
            Cell(facts.glued(format_bytes(one.n_bytes))),
            Cell(facts.duration(one.p50_s, unknown="-")),
            Cell(facts.duration(one.p99_s, unknown="-")),
            Cell("-" if memory is None else facts.glued(format_bytes(memory))),
            Cell("" if one.name is None else _share(one.agreement)),
            Cell("" if one.accuracy is None else _share(one.accuracy)),
        ),
        remarks=tuple(remarks),
    )


def judged_on(answer: Recommendation) -> str:
    """Say how many samples judge; empty: none does."""
    counts = {
        share.samples
        for one in answer.variants
        for share in (one.agreement, one.accuracy)
        if share is not None
    }
    if not counts:
        return ""
    count = facts.counted(max(counts), "sample").replace(str(max(counts)), f"{max(counts):,}")
    return f"judged on {count}, {facts.BOUNDS_NOTE}"


def _share(share: Agreement | Accuracy | None) -> str:
    """Write a share with its bounds: ``99.5 % (98.4–99.9 %)``."""
    if share is None:
        return facts.UNKNOWN
    bounds = f"({_percent(share.low_ratio)}–{_percent(share.high_ratio)}{GLUE}%)"
    return f"{_percent(share.ratio)}{GLUE}% {bounds}"


def _percent(ratio: float) -> str:
    """Write a share so that only all is 100."""
    text = f"{100 * ratio:.1f}"
    if text != "100.0":
        return text
    return "100" if ratio == 1 else f"{min(99.99, 100 * ratio):.2f}"
