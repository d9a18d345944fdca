"""The latency of the device alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.core.doubts import doubts_of_time, idle_doubts, slow_end_doubts
from placer.core.estimate import Spread, TargetVerdict, Verdict
from placer.core.latency import (
    Way,
    compose,
    is_disturbed,
    judge_composed,
    judge_measured,
    probability_of,
    spread_of,
    spread_over,
    uncertainty_factor,
)
from placer.core.legs.leg import Leg, at_least
from placer.core.legs.stages import compute_stages, measured_latency
from placer.core.placement import EdgeSite, SiteTime
from placer.core.workings import Workings, demand_key, percentiles_of
from placer.core.workload import Arrival, LatencyTarget, Workload


def edge_leg(site: EdgeSite, workload: Workload, workings: Workings) -> Leg:
    """Judge the device alone: by its samples, with a queue where requests can meet."""
    key = ("edge", id(site.time), site.ep, *demand_key(workload), workload.targets)
    return workings.once(key, lambda: _edge_leg(site, workload, workings))


def _edge_leg(site: EdgeSite, workload: Workload, workings: Workings) -> Leg:
    time = site.time
    service = workings.service(time)
    mean_s = time.mean_s
    capacity_hz = None if mean_s is None else 1 / mean_s
    queue = _queue(time, workload)
    over = surely_over = False
    if capacity_hz is not None and workload.rate_hz is not None:
        over = workload.rate_hz >= capacity_hz
        surely_over = workload.rate_hz >= capacity_hz * uncertainty_factor(time)
    way = Way(service, queue=None if over else queue)
    composed = None
    if not over and (queue is not None or time.measurement is None):
        composed = workings.once(
            ("alone", id(service), queue, percentiles_of(workload)),
            lambda: compose([(way, 1.0)], percentiles_of(workload), is_brief=workings.is_brief),
        )
    targets, held_back = [], False
    for target in workload.targets:
        if over:
            held = is_disturbed(time)
            verdict = _over_capacity(target, may_claim_violated=not held and surely_over)
        elif composed is None:
            verdict, held = judge_measured(time, target)
            is_sure = verdict.verdict is Verdict.MET or not is_disturbed(
                time
            )  # as in judge_composed
            if is_sure and not workings.is_brief:
                verdict = replace(verdict, probability=probability_of(time, service, target))
        else:
            shortage = service.shortage(target.percentile, service.left_of(composed, target))
            verdict, held = judge_composed(
                composed,
                target,
                doubts=(
                    *((shortage,) if shortage else ()),
                    *slow_end_doubts(time, workload.rate_hz, 1),
                ),
                may_claim_violated=not is_disturbed(time),
            )
        targets.append(verdict)
        held_back = held_back or held
    return Leg(
        latency=measured_latency(time) if composed is None or queue is None else composed.latency(),
        targets=tuple(targets),
        stages=()
        if workings.is_brief
        else compute_stages(time, site.ep, "device", None if over else way),
        held_back=held_back,
        capacity_hz=None if capacity_hz is None else capacity_hz * workload.fleet,
        demand_hz=None if workload.rate_hz is None else workload.rate_hz * workload.fleet,
        way=way,
        doubts=(*doubts_of_time(time, "the device"), *idle_doubts(time, workload.rate_hz)),
        spread=None if workings.is_brief else _edge_spread(way, is_over=over),
    )


def _queue(time: SiteTime, workload: Workload) -> tuple[float, Arrival] | None:
    """Return the arrivals that can make a request wait for an earlier one; None: none can."""
    if workload.rate_hz is None:
        return None
    if workload.arrival is Arrival.PERIODIC:
        segments = time.segments_s
        if segments and max(float(segment.max()) for segment in segments) < 1 / workload.rate_hz:
            return None
        if not segments and time.estimate and time.estimate.high_s < 1 / workload.rate_hz:
            return None
    return workload.rate_hz, workload.arrival


def _over_capacity(target: LatencyTarget, *, may_claim_violated: bool) -> TargetVerdict:
    return TargetVerdict(
        percentile=target.percentile,
        limit_s=target.limit_s,
        value_s=None,
        low_s=None,
        high_s=None,
        verdict=Verdict.VIOLATED if may_claim_violated else Verdict.UNPROVEN,
        probability=0.0 if may_claim_violated else None,
        reason="more requests arrive than are served, so the wait grows without end",
    )


def _edge_spread(way: Way, *, is_over: bool) -> Spread | None:
    if not way.service.segments_s or way.queue is not None:
        spread = spread_over([(way, 1.0)])
    else:
        spread = spread_of(np.concatenate(way.service.segments_s), is_lower_bound=False)
    # where the wait grows without end, the service alone is the least that a request takes
    return at_least(spread, is_so=is_over)
