"""The way from an access network on to a cloud region: its round trip, and what it proves.

Only the 95th percentile of the round trip between regions is published, so a backbone is counted
as that in every request. The two sides of that figure prove different things:

- In 5 % of the time the backbone may be slower by any amount. A target on a percentile is met
  for sure only if the rest of the request meets it 5 points higher (the union bound; whether slow
  moments of access and backbone coincide does not matter).
- In 95 % of the time it may be faster by any amount, but 5 % of the requests do pay the figure. A
  target on p99 is violated for sure if a fifth of the requests exceed the limit with it: one fifth
  of 5 % is 1 %. Here access and backbone are taken to be slow independently of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from placer.core.environment import Backbone, Basis, NetworkPath, Place, Region
from placer.core.estimate import TargetVerdict, Verdict
from placer.core.units import format_duration, format_percentile
from placer.core.workload import LatencyTarget

METRO_S = 0.0029
"""Longest mean round trip between two zones of a metropolitan area.

Source: IBM Cloud VPC documentation, network latency between regions and zones, periods of 30 days
ending 2024-08-25 and 2024-09-29: 0.6 to 2.9 ms.
"""
P95 = 0.95
LEAST_PERCENTILE = 0.01

Judged = list[tuple[TargetVerdict, bool]]
Judge = Callable[[NetworkPath, tuple[LatencyTarget, ...]], Judged]
"""Judge targets over a path: verdicts, and whether contention holds one back."""


def between(place: Place, end: Region, regions: Mapping[str, Region]) -> Backbone:
    """Return the way from a place to a region.

    Parameters
    ----------
    regions
        All that are known, by their key.
    """
    starts = place.regions
    if place.is_country:  # those of other providers stand beside one with figures of its own
        starts = tuple(one for one in starts if one.rtt_p95_s) or starts
    found = [_between(start, end, regions) for start in starts]
    known = [one for one in found if one is not None]
    if not known:
        return unknown(place.name, end.key)
    source = "; ".join(dict.fromkeys(text for *_, texts in known for text in texts))
    high_s, estimated_s = max((high_s, estimated_s) for _, high_s, estimated_s, _ in known)
    if place.is_country:
        return Backbone(place.name, end.key, high_s, 0.0, high_s, 0.0, source, Basis.ASSUMED)
    low_s = min(low_s for low_s, *_ in known)
    return Backbone(place.name, end.key, high_s, low_s, estimated_s, P95, source)


def unknown(start: str, end: str) -> Backbone:
    """Return a way of which nothing is known."""
    return Backbone(
        start, end, None, known_percentile=0.0, source="no round trip between the two is known"
    )


def _between(
    start: Region, end: Region, regions: Mapping[str, Region]
) -> tuple[float, float, float, tuple[str, ...]] | None:
    """Return (lower end, upper end, its estimated part, sources) of the p95; None: not known."""
    if start.key == end.key:
        return (
            0.0,
            METRO_S,
            METRO_S,
            ("within one region: IBM Cloud VPC documentation, 2024-09-29",),
        )
    first, last = (_with_figures(one, regions) for one in (start, end))
    if first is None or last is None:
        return None
    beside = [one for one in (start, end) if not one.rtt_p95_s]
    beside_s = sum(one.near_s for one in beside)
    sources = tuple(f"{one.key} as {one.near}: {one.near_source}" for one in beside)
    if first.key == last.key:
        return 0.0, beside_s, beside_s, sources
    both_ways = dict(first.rtt_p95_s).get(last.name), dict(last.rtt_p95_s).get(first.name)
    known_s = [one for one in both_ways if one is not None]
    if first.provider != last.provider or not known_s:
        return None
    low_s = max(0.0, min(known_s) - beside_s)
    return low_s, max(known_s) + beside_s, beside_s, (first.rtt_source, *sources)


def _with_figures(region: Region, regions: Mapping[str, Region]) -> Region | None:
    """Return the region, or the one near to it, of which round trips are published."""
    if region.rtt_p95_s:
        return region
    return None if region.near is None else regions.get(region.near)


def as_measured(backbone: Backbone | None) -> Backbone | None:
    """Return a backbone as a measurement could find it: at its figure, without doubt."""
    if backbone is None or backbone.high_s is None:
        return None
    high_s = backbone.high_s
    return replace(backbone, low_s=high_s, known_percentile=1.0, basis=Basis.MEASURED)


def certain(path: NetworkPath) -> NetworkPath:
    """Return the path as if the figure of its backbone held always; an unknown one stays so."""
    backbone = path.backbone
    if backbone is None or backbone.high_s is None or backbone.is_exact:
        return path
    return replace(path, backbone=replace(backbone, low_s=backbone.high_s, known_percentile=1.0))


def _met_at(percentile: float, backbone: Backbone) -> float:
    return round(percentile + 1 - backbone.known_percentile, 9)


def _violated_at(percentile: float, backbone: Backbone) -> float:
    """Return the percentile that must exceed a limit with the backbone's figure in each request."""
    share = 1 - backbone.known_percentile
    return max(LEAST_PERCENTILE, round(1 - (1 - percentile) / share, 9))


def judge_over(path: NetworkPath, targets: tuple[LatencyTarget, ...], judge: Judge) -> Judged:
    """Judge targets over a path; a verdict that its backbone does not bear is taken back."""
    found = judge(path, targets)
    backbone = path.backbone
    if backbone is None or backbone.is_exact:
        return found
    return [
        (_borne(target, verdict, path, backbone, judge), held)
        for target, (verdict, held) in zip(targets, found, strict=True)
    ]


def _borne(
    target: LatencyTarget,
    found: TargetVerdict,
    path: NetworkPath,
    backbone: Backbone,
    judge: Judge,
) -> TargetVerdict:
    """Return a verdict as far as the backbone bears it; its bounds are those that are proven."""
    taken_back = _taken_back(found, backbone)
    if found.verdict is Verdict.MET:
        higher = replace(target, percentile=_met_at(target.percentile, backbone))
        ((there, _),) = judge(certain(path), (higher,))
        if there.verdict is Verdict.MET:
            return replace(found, low_s=None, high_s=there.high_s, reason=there.reason)
        return taken_back
    if found.verdict is Verdict.VIOLATED:
        if backbone.low_s and target.percentile >= backbone.known_percentile:
            least = replace(path, backbone=replace(backbone, high_s=backbone.low_s))
            lower = replace(target, percentile=_violated_at(target.percentile, backbone))
            ((there, _),) = judge(least, (lower,))
            if there.verdict is Verdict.VIOLATED:
                return replace(found, low_s=there.low_s, reason=there.reason)
        ((there, _),) = judge(replace(path, backbone=None), (target,))
        if there.verdict is Verdict.VIOLATED:
            return replace(found, low_s=there.low_s, reason=there.reason)
        return replace(taken_back, low_s=there.low_s)
    return replace(found, low_s=None)


def _taken_back(found: TargetVerdict, backbone: Backbone) -> TargetVerdict:
    return replace(
        found,
        verdict=Verdict.UNPROVEN,
        low_s=None,
        high_s=None,
        probability=None,
        reason=f"{found.reason}, with {_described(backbone)}",
    )


def violated_without_too(
    targets: Sequence[TargetVerdict], without: Sequence[TargetVerdict], backbone: Backbone
) -> list[TargetVerdict]:
    """Take back what is violated by the backbone alone, where only a part of the requests pays it.

    Parameters
    ----------
    without
        The verdicts without a backbone.
    """
    return [
        _taken_back(target, backbone)
        if target.verdict is Verdict.VIOLATED and least.verdict is not Verdict.VIOLATED
        else target
        for target, least in zip(targets, without, strict=True)
    ]


def doubt(backbone: Backbone) -> str:
    """Say that a verdict rests on the figure of a backbone."""
    return f"it rests on {_described(backbone)}"


def weakness(backbone: Backbone | None, percentile: float) -> str | None:
    """Say why a backbone cannot bear that a target is met; None: it can.

    That one is unknown is told where its time is composed: it counts nothing there.
    """
    if backbone is None or backbone.is_exact or backbone.high_s is None:
        return None
    way = f"the way from {backbone.start} to {backbone.end}"
    if backbone.known_percentile == 0:
        return f"{way} is a guess as long as no region says where in {backbone.start} it begins"
    if percentile >= backbone.known_percentile - 1e-12:
        return (
            f"{way} is known up to {format_percentile(backbone.known_percentile)},"
            f" not {format_percentile(percentile)}"
        )
    return None


def told_figure(backbone: Backbone) -> str:
    """Say what the figure of a backbone is, of a known way from a region."""
    name = format_percentile(backbone.known_percentile)
    if backbone.high_s is not None and backbone.estimated_s >= backbone.high_s:
        return f"an estimate of its {name}"
    if backbone.estimated_s:
        return f"its published {name} and an estimate of {format_duration(backbone.estimated_s)}"
    return f"its published {name}"


def _described(backbone: Backbone) -> str:
    """Return what is added for a backbone, as a part of a sentence."""
    if backbone.high_s is None:
        return f"nothing added for the unknown way to {backbone.end}"
    figure = f"{format_duration(backbone.high_s)} added for the way to {backbone.end}"
    if backbone.known_percentile == 0:
        return f"{figure}, which depends on where in {backbone.start} it begins"
    return f"{figure}, {told_figure(backbone)}"
