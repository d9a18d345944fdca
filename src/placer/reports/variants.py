"""The model and its variants side by side, in words: shared by text and markdown."""

from __future__ import annotations

from dataclasses import dataclass

from placer.core.estimate import Candidate, Recommendation, StageKind, VariantFacts
from placer.core.units import format_bytes
from placer.core.variant import Accuracy, Agreement
from placer.core.wording import told_cascade
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
    candidates = {candidate.id: candidate for candidate in answer.candidates}
    runs = [candidates.get(one.candidate or "") for one in answer.variants]
    before = [run is not None and _is_of_before(run) for run in runs]
    is_mixed = any(before) and not all(before)
    return tuple(
        _row(one, _caveats(run, is_apart=is_mixed and was))
        for one, run, was in zip(answer.variants, runs, before, strict=True)
    )


def _is_of_before(run: Candidate) -> bool:
    """Tell whether the device was measured on another occasion."""
    return any(
        stage.kind is StageKind.COMPUTE and stage.source.startswith("measured here before")
        for stage in run.stages
    )


def _caveats(run: Candidate | None, *, is_apart: bool) -> list[str]:
    """Say what keeps the times of a row from being compared with those of the others."""
    caveats = []
    if is_apart:
        caveats.append("measured before, not in turns with the others: --fresh measures all anew")
    if run is not None and run.quality is not None and run.quality.is_disturbed:
        caveats.append("the measurement was disturbed")
    return caveats


def _row(one: VariantFacts, caveats: list[str]) -> VariantRow:
    memory = one.peak_memory_bytes
    name = THE_MODEL if one.name is None else facts.clean(one.name)
    remarks = [] if one.name is None else [facts.clean(one.path)]
    if one.how is not None:
        remarks.append(facts.clean(one.how))
    remarks += caveats
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


def cascade_texts(answer: Recommendation) -> tuple[str, ...]:
    """Say of each cascade when the device passes a request on, and what that keeps."""
    return tuple(
        f"{facts.clean(one.id)}: {told_cascade(one.cascade)}; chosen on "
        f"{one.cascade.chosen_on:,} others"
        for one in answer.candidates
        if one.cascade is not None
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
