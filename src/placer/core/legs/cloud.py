"""The latency of one cloud offer behind the network path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.core.backbone import Judged, certain, judge_over
from placer.core.doubts import (
    doubt_assumed_path,
    doubt_loss,
    doubts_of_time,
    is_saturated,
    link_doubts,
    lossiest_path,
    path_doubts,
    slow_end_doubts,
)
from placer.core.environment import NetworkPath
from placer.core.estimate import Verdict
from placer.core.fleet import Fleet, instances_for, size_fleet
from placer.core.graph import ModelSummary
from placer.core.latency import Composed, Way, is_disturbed, judge_composed, spread_over
from placer.core.legs.leg import Leg, at_least, toward, unpriced
from placer.core.legs.stages import cloud_stages
from placer.core.placement import CloudSite, Environment, SiteTime
from placer.core.queueing import FloatArray
from placer.core.workings import Workings, composed_way, demand_key
from placer.core.workload import LatencyTarget, Workload


def cloud_leg(
    site: CloudSite,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
    *,
    share: float = 1.0,
    before: SiteTime | None = None,
) -> Leg:
    """Judge one cloud offer behind the network path.

    Parameters
    ----------
    share
        Share of the fleet's requests that come here.
    before
        Time on the device that each of these requests takes first; None: none.
    """
    environment = unpriced(toward(environment, site))
    key = (
        "cloud",
        id(site.time),
        site.offer.name,
        site.offer.region,
        site.ep,
        environment.path,
        environment.fastest_path,
        workload.wire_input_bytes,
        *demand_key(workload),
        workload.targets,
        share,
        id(before),
    )
    return workings.once(
        key, lambda: _cloud_leg(site, model, workload, environment, workings, share, before)
    )


def _cloud_leg(
    site: CloudSite,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
    share: float,
    before: SiteTime | None,
) -> Leg:
    time = site.time
    service = workings.service(time)
    mean_s = time.mean_s
    first = None if before is None else workings.service(before)
    up_bytes = workload.wire_input_bytes or model.input_bytes
    down_bytes = model.output_bytes
    demand_hz = None if workload.rate_hz is None else workload.rate_hz * workload.fleet * share

    def way_over(path: NetworkPath) -> Way:
        # what a backbone proves decides no draw: paths that differ in it alone share theirs
        return Way(
            service, path=certain(path), up_bytes=up_bytes, down_bytes=down_bytes, before=first
        )

    def judged_alike(path: NetworkPath, targets: tuple[LatencyTarget, ...]) -> Judged:
        composed = composed_over(path, targets)
        return [
            judge_composed(
                composed,
                target,
                doubts=(
                    *path_doubts(service, composed, path, target),
                    *slow_end_doubts(time, demand_hz, instances or 1),
                    *link_doubts(path, workload, share, up_bytes, down_bytes),
                ),
                may_claim_violated=not is_disturbed(time),
            )
            for target in targets
        ]

    def judged(path: NetworkPath) -> Judged:
        return judge_over(path, workload.targets, judged_alike)

    fleet = None
    if demand_hz is not None and mean_s is not None:
        fleet = size_fleet(
            way_over(environment.path),
            mean_s,
            workload,
            share,
            workings,
            # where only verdicts count and waiting cannot change them, it is not worked out
            is_lost_enough=workings.is_brief
            and share == 1.0
            and environment.fastest_path is None
            and (site.backbone is None or site.backbone.is_exact)
            and not is_disturbed(time),
        )

    def composed_over(path: NetworkPath, targets: tuple[LatencyTarget, ...]) -> Composed:
        way = replace(way_over(path), waits_s=_waits_of(fleet))
        composed = composed_way(way, targets, workings)
        if is_saturated(path, workload, share, up_bytes, down_bytes):
            composed = replace(composed, is_lower_bound=True)
        return composed

    composed = composed_over(environment.path, workload.targets)
    instances = instances_for(
        (workload.throughput_hz or 0.0) * share,
        time,
        least=None if fleet is None else fleet.instances,
    )
    verdicts = judged(environment.path)
    targets = tuple(verdict for verdict, _ in verdicts)
    deciding = None
    if environment.fastest_path is not None and targets:
        at_best = targets
        if any(target.verdict is Verdict.VIOLATED for target in targets):
            best = judged(environment.fastest_path)
            at_best = tuple(verdict for verdict, _ in best)
        targets, deciding = doubt_assumed_path(targets, at_best, environment)
    lossiest = lossiest_path(environment.path)
    if lossiest is not None and any(target.verdict is Verdict.MET for target in targets):
        worst = judged(lossiest)
        targets = doubt_loss(targets, tuple(verdict for verdict, _ in worst), lossiest)
    way = replace(way_over(environment.path), waits_s=_waits_of(fleet))
    return Leg(
        latency=composed.latency(),
        targets=targets,
        stages=() if workings.is_brief else cloud_stages(site, way, environment, instances),
        held_back=any(held for _, held in verdicts),
        capacity_hz=None if mean_s is None else (1 / mean_s) * (instances or 1),
        demand_hz=demand_hz,
        way=way,
        doubts=doubts_of_time(time, site.offer.name),
        deciding_assumption=deciding,
        instances=instances,
        spread=None
        if workings.is_brief
        else at_least(spread_over([(way, 1.0)]), is_so=composed.is_lower_bound),
        wait_s=_wait_s(composed, before),
    )


def _wait_s(composed: Composed, before: SiteTime | None) -> float | None:
    """Return the mean of a latency without the time on the device; None for a lower bound."""
    if composed.is_lower_bound:
        return None
    before_s = 0.0 if before is None else before.mean_s or 0.0
    return max(0.0, float(np.median(composed.means_s)) - before_s)


def _waits_of(fleet: Fleet | None) -> FloatArray | None:
    return None if fleet is None else fleet.waits_s
