"""Compare two measurements, or two answers: whether B is slower, and which verdicts worsened.

A change of latency is claimed only where the whole interval of B over A lies beyond 1. Contention
only adds time: what was disturbed may be faster than measured, so its side of the interval is open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placer.core.bootstrap import (
    MIN_PROCESSES,
    REPLICATES,
    QuantileRatio,
    quantile_ratios,
    runs_for_bounds,
)
from placer.core.comparison import (
    Change,
    Comparison,
    DecisionChange,
    Difference,
    Item,
    Kind,
    QuantileChange,
    Side,
    TargetChange,
    Trend,
)
from placer.core.estimate import Candidate, Decision, Recommendation, TargetVerdict, Verdict
from placer.core.measurement import Measurement
from placer.core.sequential import Floats, planned_runs
from placer.core.units import format_bytes, format_duration, format_percentile

PERCENTILES = (0.5, 0.99)
DEFAULT_TOLERANCE_RATIO = 0.02


def compare_measurements(
    a: Measurement,
    b: Measurement,
    *,
    paths: tuple[str, str],
    sites: tuple[str | None, str | None] = (None, None),
    tolerance_ratio: float = DEFAULT_TOLERANCE_RATIO,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> Comparison:
    """Compare two measurements by their samples.

    Parameters
    ----------
    paths
        Files of A and B, as typed.
    sites
        The device or cloud offer that each was taken on, where stated.
    tolerance_ratio
        A change up to this ratio counts as none.
    replicates
        Of the bootstrap.
    """
    segments_a, segments_b = (
        [np.asarray(run.samples_s) for run in one.processes] for one in (a, b)
    )
    quantiles = tuple(
        _same_samples(found)
        if a.processes == b.processes
        else _quantile_change(found, (a, b), (segments_a, segments_b), tolerance_ratio)
        for found in quantile_ratios(
            segments_a, segments_b, PERCENTILES, rng=rng, replicates=replicates
        )
    )
    change = _worst(quantiles)
    name = a.ep if a.ep == b.ep else f"{a.ep} → {b.ep}"
    sides = [_measured_side(one, path) for one, path in zip((a, b), paths, strict=True)]
    return Comparison(
        kind=Kind.EVIDENCE,
        tolerance_ratio=tolerance_ratio,
        a=sides[0],
        b=sides[1],
        is_same_model=_digests(a) == _digests(b),
        is_worse=change is Change.SLOWER,
        reason=_measured_reason(name, change, quantiles, tolerance_ratio),
        decision=None,
        items=(
            Item(
                id=name,
                change=change,
                quantiles=quantiles,
                targets=(),
                a_feasible=None,
                b_feasible=None,
                feasible_trend=Trend.UNCHANGED,
                a_usd_per_month=None,
                b_usd_per_month=None,
            ),
        ),
        only_in_a=(),
        only_in_b=(),
        differences=_measured_differences(a, b, sites),
    )


def compare_recommendations(
    a: Recommendation,
    b: Recommendation,
    *,
    paths: tuple[str, str],
    tolerance_ratio: float = DEFAULT_TOLERANCE_RATIO,
) -> Comparison:
    """Compare two answers candidate by candidate; parameters as ``compare_measurements``.

    Latencies have intervals only where both answers judge a target of the same percentile. There B
    is slower, or faster, as soon as the two intervals do not overlap.
    """
    of_b = {candidate.id: candidate for candidate in b.candidates}
    ids_a = {candidate.id for candidate in a.candidates}
    items = tuple(
        _candidate_item(one, of_b[one.id], tolerance_ratio)
        for one in a.candidates
        if one.id in of_b
    )
    decision = DecisionChange(
        is_changed=(a.decision.placement, a.decision.candidate, a.decision.feasible)
        != (b.decision.placement, b.decision.candidate, b.decision.feasible),
        trend=_feasible_trend(a.decision.feasible, b.decision.feasible),
        a=a.decision,
        b=b.decision,
    )
    trends = [decision.trend, *(trend for item in items for trend in _trends(item))]
    sides = [
        Side(path, one.model.path, one.model.sha256, None, None, None, ())
        for one, path in zip((a, b), paths, strict=True)
    ]
    return Comparison(
        kind=Kind.RECOMMENDATION,
        tolerance_ratio=tolerance_ratio,
        a=sides[0],
        b=sides[1],
        is_same_model=a.model.sha256 == b.model.sha256,
        is_worse=Trend.WORSENED in trends or any(item.change is Change.SLOWER for item in items),
        reason=_answered_reason(decision, items, trends),
        decision=decision,
        items=items,
        only_in_a=tuple(one.id for one in a.candidates if one.id not in of_b),
        only_in_b=tuple(one.id for one in b.candidates if one.id not in ids_a),
        differences=_answered_differences(a, b),
    )


def _change(
    low: float | None, high: float | None, *, beyond_ratio: float, within_ratio: float
) -> Change:
    if low is not None and low > 1 + beyond_ratio:
        return Change.SLOWER
    if high is not None and high < 1 / (1 + beyond_ratio):
        return Change.FASTER
    if low is not None and high is not None:
        is_within = 1 / (1 + within_ratio) <= low and high <= 1 + within_ratio
        return Change.SAME if is_within else Change.UNDECIDED
    return Change.UNDECIDED


def _worst(quantiles: Sequence[QuantileChange]) -> Change:
    found = {quantile.change for quantile in quantiles}
    return next((change for change in Change if change in found), Change.UNDECIDED)


def _same_samples(found: QuantileRatio) -> QuantileChange:
    return QuantileChange(
        found.percentile, found.a_s, found.b_s, 1.0, 1.0, 1.0, Change.SAME,
        "A and B hold the same samples; `placer profile --fresh` takes new ones", "",
    )  # fmt: skip


def _quantile_change(
    found: QuantileRatio,
    sides: tuple[Measurement, Measurement],
    segments: Sequence[Sequence[Floats]],
    tolerance_ratio: float,
) -> QuantileChange:
    a, b = sides
    low = None if b.instrument.is_disturbed else found.low
    high = None if a.instrument.is_disturbed else found.high
    change = _change(low, high, beyond_ratio=tolerance_ratio, within_ratio=tolerance_ratio)
    result = QuantileChange(
        found.percentile, found.a_s, found.b_s, found.ratio, low, high, change, "", ""
    )
    if change is not Change.UNDECIDED:
        return result
    again = [f"placer profile MODEL --ep {one.ep} --fresh --save FILE" for one in sides]
    for name, one, command in zip("AB", sides, again, strict=True):
        if len(one.processes) < MIN_PROCESSES:
            return replace(
                result,
                reason=f"{name} was measured in one process, and fresh processes differ",
                remedy=f"measure {name} again in several: `{command}`",
            )
    disturbed = _disturbed([one.instrument.is_disturbed for one in sides])
    if disturbed:
        return replace(
            result,
            reason=f"{disturbed} disturbed, and contention only adds time",
            remedy="measure again while nothing else runs: "
            f"`{again[1] if b.instrument.is_disturbed else again[0]}`",
        )
    quantile = format_percentile(found.percentile)
    for name, side, command in zip("AB", segments, again, strict=True):
        runs, needed = sum(part.size for part in side), runs_for_bounds(side, found.percentile)
        if runs < needed:
            factor = 2 if needed <= planned_runs(found.percentile) else 1
            target = _target(found.percentile, factor * max(found.a_s, found.b_s))
            return replace(
                result,
                reason=f"{runs:,} runs of {name} are too few to bound {quantile}, it takes about "
                f"{needed:,}",
                remedy=f"measure {name} longer: `{command} --sla {target}`",
            )
    return replace(result, reason=_straddles(result, tolerance_ratio), remedy=_narrower(result))


def _disturbed(is_disturbed: Sequence[bool]) -> str:
    """Return ``A was``, ``B was`` or ``A and B were``; empty: neither."""
    names = [name for name, is_so in zip("AB", is_disturbed, strict=True) if is_so]
    return " and ".join(names) + (" were" if len(names) == 2 else " was") if names else ""


def _straddles(result: QuantileChange, tolerance_ratio: float) -> str:
    ends = [
        "unknown" if end is None else f"{end:.3f}" for end in (result.low_ratio, result.high_ratio)
    ]
    return (
        f"the interval of B over A, {ends[0]} to {ends[1]}, lies neither beyond nor within "
        f"{tolerance_ratio * 100:.3g} %"
    )


def _narrower(result: QuantileChange) -> str:
    advice = "measure both again, one after the other, on a quiet machine"
    low, high = result.low_ratio, result.high_ratio
    if low is not None and high is not None:
        enough = math.ceil(1000 * (max(1 / low, high) - 1) + 1e-6) / 10
        if enough < 50:
            advice += f"; with --tolerance {enough:g}% it is the same"
    return advice


def _target(percentile: float, limit_s: float) -> str:
    """Return a target for --sla: a far one is soon bounded, a near one takes the whole time."""
    limit = format_duration(limit_s).replace(" ", "").replace(",", "")
    return f"{format_percentile(percentile)}={limit}"


def _digests(measurement: Measurement) -> list[str]:
    return sorted(sha256 for _, sha256 in measurement.subjects)


def _measured_side(measurement: Measurement, path: str) -> Side:
    name, sha256 = measurement.subjects[0]
    return Side(
        path=path,
        model=name,
        sha256=sha256,
        measured_at=measurement.measured_at,
        runs=len(measurement.samples_s),
        processes=len(measurement.processes),
        disturbed=measurement.instrument.reasons,
    )


def _measured_reason(
    name: str, change: Change, quantiles: Sequence[QuantileChange], tolerance_ratio: float
) -> str:
    said = []
    for kind in Change:
        names = [format_percentile(one.percentile) for one in quantiles if one.change is kind]
        if not names:
            continue
        where = " and ".join(names)
        match kind:
            case Change.SAME:
                said.append(f"the same at {where}, within {tolerance_ratio * 100:.3g} %")
            case Change.UNDECIDED:
                said.append(f"undecided at {where}")
            case _:
                factors = " and ".join(
                    f"{one.ratio:.3g} times" for one in quantiles if one.change is kind
                )
                said.append(f"{kind.value} at {where}, {factors} as long")
    sentence = "; ".join(said)
    if change is Change.UNDECIDED and len(said) == 1:
        return f"Whether B is faster or slower than A on {name} is {sentence}."
    return f"On {name}, B is {sentence}."


def _measured_differences(
    a: Measurement, b: Measurement, sites: tuple[str | None, str | None]
) -> tuple[Difference, ...]:
    def facts(one: Measurement, site: str | None) -> dict[str, str | None]:
        machine, settings = one.machine, one.settings
        return {
            "model": ", ".join(f"{name} ({sha256[:12]})" for name, sha256 in one.subjects),
            "input shapes": _shapes(one.input_shapes),
            "inputs": one.input_source,
            "site": site,
            "machine": machine.machine_id or None,
            "processor": machine.cpu,
            "architecture": machine.architecture,
            "cores": str(machine.cores),
            "memory": None if machine.memory_bytes is None else format_bytes(machine.memory_bytes),
            "operating system": machine.os,
            "accelerators": ", ".join(machine.accelerators) or None,
            "runtime": one.runtime,
            "execution provider": one.ep,
            "nodes": _counts(one.nodes_by_ep),
            "threads": str(settings.intra_op_threads),
            "spinning": {True: "yes", False: "no", None: "no setting"}[settings.allow_spinning],
            "graph optimisation": settings.graph_optimization,
            "provider options": ", ".join(
                f"{key}={value}" for key, value in settings.provider_options
            )
            or None,
            "idle before each run": format_duration(one.gap_s) if one.gap_s else "none",
            "processes": str(len(one.processes)),
            "date": one.measured_at,
            "disturbed": "yes" if one.instrument.is_disturbed else "no",
        }

    found = _differing(facts(a, sites[0]), facts(b, sites[1]))
    is_same_model = _digests(a) == _digests(b)
    return tuple(one for one in found if one.what != "model" or not is_same_model)


def _differing(
    a: dict[str, str | None], b: dict[str, str | None], *, prefix: str = ""
) -> tuple[Difference, ...]:
    return tuple(
        Difference(f"{prefix}{what}", a.get(what), b.get(what))
        for what in dict.fromkeys((*a, *b))
        if a.get(what) != b.get(what)
    )


def _shapes(shapes: Sequence[tuple[str, Sequence[int]]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in shapes)


def _counts(nodes_by_ep: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{count} on {ep}" for ep, count in nodes_by_ep) or "unknown"


def _trend(a: int, b: int) -> Trend:
    return Trend.WORSENED if b > a else Trend.IMPROVED if b < a else Trend.UNCHANGED


def _feasible_trend(a: bool | None, b: bool | None) -> Trend:
    order = (True, None, False)
    return _trend(order.index(a), order.index(b))


def _target_change(a: TargetVerdict, b: TargetVerdict) -> TargetChange:
    order = (Verdict.MET, Verdict.UNPROVEN, Verdict.VIOLATED)
    return TargetChange(
        percentile=a.percentile,
        a_limit_s=a.limit_s,
        b_limit_s=b.limit_s,
        a_verdict=a.verdict,
        b_verdict=b.verdict,
        trend=_trend(order.index(a.verdict), order.index(b.verdict)),
    )


def _trends(item: Item) -> list[Trend]:
    return [item.feasible_trend, *(target.trend for target in item.targets)]


def _candidate_item(a: Candidate, b: Candidate, tolerance_ratio: float) -> Item:
    targets = [{one.percentile: one for one in side.targets} for side in (a, b)]
    judged = sorted(targets[0].keys() & targets[1].keys())
    quantiles = tuple(
        _judged_change(percentile, (a, b), tolerance_ratio)
        for percentile in sorted({*PERCENTILES, *judged})
    )
    return Item(
        id=a.id,
        change=_worst([one for one in quantiles if one.percentile in judged] or quantiles),
        quantiles=quantiles,
        targets=tuple(
            _target_change(targets[0][percentile], targets[1][percentile]) for percentile in judged
        ),
        a_feasible=a.feasible,
        b_feasible=b.feasible,
        feasible_trend=_feasible_trend(a.feasible, b.feasible),
        a_usd_per_month=a.usd_per_month,
        b_usd_per_month=b.usd_per_month,
    )


def _judged_change(
    percentile: float, sides: tuple[Candidate, Candidate], tolerance_ratio: float
) -> QuantileChange:
    (a_s, a_low_s, a_high_s), (b_s, b_low_s, b_high_s) = (
        _bounds(candidate, percentile) for candidate in sides
    )
    ratio = _over(b_s, a_s)
    a, b = sides
    of_a, of_b = (a.latency, a_s, a_low_s, a_high_s), (b.latency, b_s, b_low_s, b_high_s)
    if a_s is not None and of_a == of_b:
        return QuantileChange(
            percentile, a_s, b_s, 1.0, 1.0, 1.0, Change.SAME, "A and B have the same figures", ""
        )
    low, high = _over(b_low_s, a_high_s), _over(b_high_s, a_low_s)
    is_disturbed = [one.quality is not None and one.quality.is_disturbed for one in sides]
    low = None if is_disturbed[1] else low
    high = None if is_disturbed[0] else high
    change = _change(low, high, beyond_ratio=0, within_ratio=tolerance_ratio)
    result = QuantileChange(percentile, a_s, b_s, ratio, low, high, change, "", "")
    if change is not Change.UNDECIDED:
        return result
    name = format_percentile(percentile)
    if a_s is None or b_s is None:
        return replace(
            result, reason="its latency is not known", remedy="measure it where it is to run"
        )
    disturbed = _disturbed(is_disturbed)
    if disturbed:
        return replace(
            result,
            reason=f"{disturbed} disturbed, and contention only adds time",
            remedy="ask again while nothing else runs, with --fresh",
        )
    if any(bound_s is None for bound_s in (a_low_s, a_high_s, b_low_s, b_high_s)):
        return replace(
            result,
            reason=f"{name} has no interval, or one that is open, in A or B",
            remedy=f"ask both times with a target at {name}: --sla {name}=TIME",
        )
    return replace(
        result,
        reason="the intervals of A and B overlap",
        remedy="narrow them: measure what is estimated, longer and on a quiet machine",
    )


def _bounds(
    candidate: Candidate, percentile: float
) -> tuple[float | None, float | None, float | None]:
    """Return (value, low, high) of a quantile; without a target there are no bounds."""
    for target in candidate.targets:
        if target.percentile == percentile:
            return target.value_s, target.low_s, target.high_s
    latency = candidate.latency
    if latency is None:
        return None, None, None
    value_s = {0.5: latency.p50_s, 0.99: latency.p99_s}[percentile]
    return (value_s if math.isfinite(value_s) else None), None, None


def _over(upper_s: float | None, lower_s: float | None) -> float | None:
    return None if upper_s is None or not lower_s else upper_s / lower_s


def _answered_reason(
    decision: DecisionChange, items: Sequence[Item], trends: Sequence[Trend]
) -> str:
    before, after = (_decided(one) for one in (decision.a, decision.b))
    said = [
        f"The decision changed from {before} to {after}"
        if decision.is_changed
        else f"The decision is {after}, as before"
    ]
    worsened, improved = (trends.count(one) for one in (Trend.WORSENED, Trend.IMPROVED))
    verdicts = [
        f"{number} {'verdict' if number == 1 else 'verdicts'} {trend.value}"
        for number, trend in ((worsened, Trend.WORSENED), (improved, Trend.IMPROVED))
        if number
    ]
    said.append(" and ".join(verdicts) or "no verdict changed")
    counts = [(sum(item.change is change for item in items), change.value) for change in Change]
    of_both = ", ".join(f"{number} {word}" for number, word in counts if number)
    said.append(f"of the candidates in both, {of_both}" if items else "no candidate in both")
    return "; ".join(said) + "."


def _decided(decision: Decision) -> str:
    words = {True: "feasible", None: "unproven", False: "nothing feasible"}
    if decision.candidate is None:
        return words[decision.feasible]
    return f"{decision.candidate} ({words[decision.feasible]})"


def _answered_differences(a: Recommendation, b: Recommendation) -> tuple[Difference, ...]:
    def facts(one: Recommendation) -> dict[str, str | None]:
        return {
            "model": one.model.sha256[:12],
            "input shapes": _shapes([(spec.name, spec.shape) for spec in one.model.inputs]),
            "targets": ", ".join(
                f"{format_percentile(target.percentile)} ≤ {format_duration(target.limit_s)}"
                for target in one.targets
            )
            or None,
        }

    def assumed(one: Recommendation) -> dict[str, str | None]:
        names: dict[str, str | None] = {}
        for item in one.assumptions:
            value = f"{item.value} {item.unit}".strip()
            names[item.name] = f"{names[item.name]}, {value}" if item.name in names else value
        return names

    def placed(one: Candidate) -> dict[str, str | None]:
        return {
            "runs on": ", ".join(f"{site.name} ({site.device})" for site in one.sites),
            "region": ", ".join(site.region for site in one.sites if site.region) or None,
            "session settings": ", ".join(site.options for site in one.sites if site.options)
            or None,
            "nodes": ", ".join(_counts(site.nodes_by_ep) for site in one.sites if site.nodes_by_ep)
            or None,
            "basis": one.basis.value,
            "disturbed": ("yes" if one.quality.is_disturbed else "no") if one.quality else None,
        }

    of_b = {candidate.id: candidate for candidate in b.candidates}
    found = [
        *_differing(facts(a), facts(b)),
        *_differing(assumed(a), assumed(b), prefix="assumed "),
    ]
    for one in a.candidates:
        if one.id in of_b:
            found += _differing(placed(one), placed(of_b[one.id]), prefix=f"{one.id}: ")
    return tuple(found)
