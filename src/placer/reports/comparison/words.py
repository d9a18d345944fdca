"""What the reports of a comparison say, in words: shared by text and markdown."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.comparison import (
    Change,
    Comparison,
    Item,
    Kind,
    QuantileChange,
    Side,
    TargetChange,
    Trend,
)
from placer.core.units import format_percentile, format_usd
from placer.core.workload import LatencyTarget
from placer.reports.facts import (
    GLUE,
    UNKNOWN,
    Cell,
    Tone,
    clean,
    counted,
    duration,
    mark,
    target_text,
)

HEADS = ("", "", "A", "B", "B / A", "95 % interval", "B is")
TONES = {
    Change.SLOWER: Tone.BAD,
    Change.FASTER: Tone.GOOD,
    Change.SAME: Tone.PLAIN,
    Change.UNDECIDED: Tone.UNSURE,
}
_TREND_TONES = {Trend.WORSENED: Tone.BAD, Trend.IMPROVED: Tone.GOOD, Trend.UNCHANGED: Tone.PLAIN}


def holds(comparison: Comparison) -> bool | None:
    """Tell what the sign of the headline says: false: worse, none: a measurement is undecided."""
    if comparison.is_worse:
        return False
    is_open = comparison.kind is Kind.EVIDENCE and comparison.items[0].change is Change.UNDECIDED
    return None if is_open else True


def headline(comparison: Comparison) -> str:
    """Say what changed in one sentence, with a sign in front."""
    warning = "" if comparison.is_same_model else "Different models! "
    return f"{mark(holds(comparison))} {warning}{clean(comparison.reason)}"


def side_text(side: Side) -> str:
    """Say what one of the files is."""
    said = [clean(side.model)]
    if side.measured_at is not None:
        said.append(clean(side.measured_at))
    if side.runs is not None and side.processes is not None:
        processes = "process" if side.processes == 1 else "processes"
        said.append(f"{counted(side.runs, 'run')} in {side.processes} {processes}")
    disturbed = f", disturbed: {clean('; '.join(side.disturbed))}" if side.disturbed else ""
    return f"{clean(side.path)} ({', '.join(said)}){disturbed}"


def decision_rows(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Return what each side decided and why, where that changed."""
    change = comparison.decision
    if change is None or not change.is_changed:
        return ()
    return (("A said", clean(change.a.reason)), ("B says", clean(change.b.reason)))


def shown_first(items: Sequence[Item]) -> list[Item]:
    """Order candidates by how much their change matters: worse first, unchanged last."""
    order = (Change.SLOWER, Change.FASTER, Change.UNDECIDED, Change.SAME)

    def weight(item: Item) -> tuple[bool, bool, int]:
        trends = [item.feasible_trend, *(target.trend for target in item.targets)]
        return (
            Trend.WORSENED not in trends,
            Trend.IMPROVED not in trends,
            order.index(item.change),
        )

    return sorted(items, key=weight)


def unchanged(items: Sequence[Item]) -> list[Item]:
    """Return those that are the same in verdict, cost and latency."""
    return [item for item in items if item.change is Change.SAME and not remarks(item)]


def quantile_cells(item: Item) -> list[list[Cell]]:
    """Return the table rows of an item, one for each quantile, under HEADS."""
    rows = []
    for number, one in enumerate(item.quantiles):
        rows.append([
            Cell(clean(item.id) if number == 0 else "", Tone.STRONG),
            Cell(format_percentile(one.percentile)),
            Cell(duration(one.a_s)),
            Cell(duration(one.b_s)),
            Cell(UNKNOWN if one.ratio is None else f"{one.ratio:.3f}"),
            Cell(_interval(one)),
            Cell(one.change.value, TONES[one.change]),
        ])  # fmt: skip
    return rows


def remarks(item: Item) -> list[Cell]:
    """Say which verdicts and costs of an item changed."""
    said = [
        Cell(
            f"{target_text(LatencyTarget(target.percentile, target.a_limit_s))} "
            f"{target.a_verdict.value} → {_limit(target)}{target.b_verdict.value}",
            _TREND_TONES[target.trend],
        )
        for target in item.targets
        if target.trend is not Trend.UNCHANGED
    ]
    if item.feasible_trend is not Trend.UNCHANGED:
        words = {True: "feasible", None: "unproven", False: "violated"}
        said.append(
            Cell(
                f"with every rule: {words[item.a_feasible]} → {words[item.b_feasible]}",
                _TREND_TONES[item.feasible_trend],
            )
        )
    money = [
        UNKNOWN if usd is None else format_usd(usd)
        for usd in (item.a_usd_per_month, item.b_usd_per_month)
    ]
    if money[0] != money[1]:
        said.append(Cell(f"cost per month: {money[0]} → {money[1]}"))
    return said


def open_questions(comparison: Comparison) -> list[tuple[str, str]]:
    """Return (what is undecided and why, what would decide it), each said once."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in comparison.items:
        for one in item.quantiles:
            if one.change is Change.UNDECIDED:
                place = f"{clean(item.id)} {format_percentile(one.percentile)}"
                places.setdefault((clean(one.reason), clean(one.remedy)), []).append(place)
    return [(f"{_named(names)}: {reason}", remedy) for (reason, remedy), names in places.items()]


def notes(comparison: Comparison) -> list[str]:
    """Return what decided something without an interval, each said once."""
    found = {
        clean(one.reason): None
        for item in comparison.items
        for one in item.quantiles
        if one.reason and one.change is not Change.UNDECIDED
    }
    return list(found) if comparison.kind is Kind.EVIDENCE else []


def difference_rows(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return (what, in A, in B)."""
    rows = [(clean(one.what), _or_none(one.a), _or_none(one.b)) for one in comparison.differences]
    rows += [(clean(one), "there", "not there") for one in comparison.only_in_a]
    rows += [(clean(one), "not there", "there") for one in comparison.only_in_b]
    return rows


def _limit(target: TargetChange) -> str:
    if target.a_limit_s == target.b_limit_s:
        return ""
    return f"{target_text(LatencyTarget(target.percentile, target.b_limit_s))} "


def _interval(one: QuantileChange) -> str:
    low, high = one.low_ratio, one.high_ratio
    if low is None and high is None:
        return UNKNOWN
    if high is None:
        return f"≥{GLUE}{low:.3f}"
    if low is None:
        return f"≤{GLUE}{high:.3f}"
    return f"{low:.3f} to{GLUE}{high:.3f}"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"


def _or_none(text: str | None) -> str:
    return "not stated" if text is None else clean(text)
