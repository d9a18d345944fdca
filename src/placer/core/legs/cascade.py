"""The latency of a cascade: every request begins on the device, a share goes on to the cloud.

Samples are composed, then quantiles are read: with the share ``q`` a request takes the time on the
device, the way to the cloud and back and the time there, else the time on the device alone. ``q``
is drawn for each replicate from its interval.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.core.backbone import violated_without_too
from placer.core.cascade import Rate
from placer.core.cascade_mixture import escalation_draws, mixture_s
from placer.core.doubts import doubt_assumed_path, is_saturated, slow_end_doubts
from placer.core.estimate import TargetVerdict, Verdict
from placer.core.graph import ModelSummary
from placer.core.latency import (
    QUEUE_REPLICATES,
    Composed,
    Way,
    composed_of,
    draws_for,
    is_disturbed,
    judge_composed,
    normal_grid,
    percentiles_read,
    spread_of,
)
from placer.core.legs.cloud import cloud_leg
from placer.core.legs.edge import edge_leg
from placer.core.legs.fallback import mixture_doubts
from placer.core.legs.leg import Leg, toward, unpriced, without_backbone
from placer.core.placement import CloudSite, EdgeSite, Environment
from placer.core.queueing import FloatArray
from placer.core.transfer_draws import DRAWS, REPLICATES, SEED
from placer.core.workings import Workings, percentiles_of
from placer.core.workload import LatencyTarget, Workload

ALWAYS = Rate(1.0, 1.0, 1.0, 0)
"""Every request goes on, by construction."""


def cascade_leg(
    edge: EdgeSite,
    cloud: CloudSite,
    rate: Rate,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> Leg:
    """Judge a small model on the device that passes on to a big one in the cloud.

    Instances are planned for the upper end of the share of requests that are passed on.

    Parameters
    ----------
    rate
        Share of the requests that are passed on.
    model
        What runs in the cloud.
    """
    environment = unpriced(toward(environment, cloud))
    on_device = edge_leg(edge, workload, workings)
    share = rate.high_ratio
    in_cloud = cloud_leg(
        cloud, model, workload, environment, workings, share=share, before=edge.time
    )
    joined = replace(
        on_device,
        stages=(*on_device.stages, *in_cloud.stages),
        capacity_hz=_capacity_hz(on_device, in_cloud, share),
        doubts=(*on_device.doubts, *in_cloud.doubts),
        instances=in_cloud.instances,
        wait_s=in_cloud.wait_s,
    )
    if _is_over_capacity(edge, workload):
        return replace(joined, latency=None, way=in_cloud.way)
    device = on_device.way
    mixed = _composed(device, in_cloud.way, rate, workload, environment, workings)
    targets, held_back, deciding = _judged(
        (mixed, on_device, in_cloud), (edge, cloud, rate, model), workload, environment, workings
    )
    doubts = () if device.queue is None else slow_end_doubts(edge.time, workload.rate_hz, 1)
    targets = tuple(
        _without_cloud(found, target, device, rate, workings, doubts=doubts)
        for found, target in zip(targets, workload.targets, strict=True)
    )
    is_open = any(target.verdict is Verdict.UNPROVEN for target in targets)
    spread = None
    if not workings.is_brief:
        is_bound = mixed.is_lower_bound
        spread = spread_of(_mixed_s(device, in_cloud.way, rate, DRAWS), is_lower_bound=is_bound)
    return replace(
        joined,
        latency=mixed.latency(),
        targets=targets,
        held_back=held_back,
        deciding_assumption=deciding if is_open else None,
        spread=spread,
    )


def _judged(
    legs: tuple[Composed, Leg, Leg],
    cascade: tuple[EdgeSite, CloudSite, Rate, ModelSummary],
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> tuple[tuple[TargetVerdict, ...], bool, str | None]:
    """Return verdicts, whether contention holds one back, and the assumption that decides."""
    mixed, on_device, in_cloud = legs
    edge, cloud, rate, model = cascade
    backbone, fastest = environment.path.backbone, environment.fastest_path
    is_quiet = not is_disturbed(edge.time) and not is_disturbed(cloud.time)
    found: list[TargetVerdict] = []
    held_back = False
    for target, alone in zip(workload.targets, in_cloud.targets, strict=True):
        if on_device.way.queue is not None:  # they wait there first, which `alone` leaves out
            alone = replace(alone, verdict=Verdict.UNPROVEN)
        doubts = mixture_doubts(
            *(mixed, on_device.way, in_cloud, cloud, workload, environment, target, alone),
            share=rate.high_ratio,
        )
        if on_device.way.queue is not None:
            doubts += slow_end_doubts(edge.time, workload.rate_hz, 1)
        verdict, held = judge_composed(mixed, target, doubts=doubts, may_claim_violated=is_quiet)
        if held and rate == ALWAYS:  # what comes behind a disturbed device may be too slow already
            behind = cloud_leg(cloud, model, workload, environment, workings)
            verdict, held = _too_slow_behind(verdict, behind, target)
        held_back = held_back or held
        found.append(verdict)

    def judged_in(changed: Environment, site: CloudSite) -> tuple[TargetVerdict, ...]:
        return cascade_leg(edge, site, rate, model, workload, changed, workings).targets

    if (
        backbone is not None
        and not backbone.is_exact
        and any(one.verdict is Verdict.VIOLATED for one in found)
    ):
        nearest = judged_in(without_backbone(environment), replace(cloud, backbone=None))
        found = violated_without_too(found, nearest, backbone)
    targets, deciding = tuple(found), None
    if fastest is not None and targets:
        at_best = targets
        if any(one.verdict is Verdict.VIOLATED for one in targets):
            at_best = judged_in(replace(environment, path=fastest, fastest_path=None), cloud)
        targets, deciding = doubt_assumed_path(targets, at_best, environment)
    return targets, held_back, deciding


def _too_slow_behind(
    found: TargetVerdict, behind: Leg, target: LatencyTarget
) -> tuple[TargetVerdict, bool]:
    """Return a verdict that contention on the device holds back, and whether it still does."""
    alone = next(one for one in behind.targets if one.percentile == target.percentile)
    if alone.verdict is not Verdict.VIOLATED:
        return found, True
    reason = f"{alone.reason}, even without any time on the device"
    return replace(found, verdict=Verdict.VIOLATED, low_s=alone.low_s, reason=reason), False


def _without_cloud(
    found: TargetVerdict,
    target: LatencyTarget,
    device: Way,
    rate: Rate,
    workings: Workings,
    *,
    doubts: tuple[str, ...],
) -> TargetVerdict:
    """Return a verdict as far as the requests that stay on the device prove it by themselves.

    Where so many of them are in time that the others may come back whenever they like, nothing that
    is unknown of network and cloud matters.

    Parameters
    ----------
    doubts
        Why nothing can be proven of the device.
    """
    needed = target.percentile / max(1e-9, 1 - rate.high_ratio)
    if found.verdict is not Verdict.UNPROVEN or needed >= 1 or doubts:
        return found
    if not device.service.is_known or device.service.shortage(needed, target.limit_s):
        return found

    def work() -> Composed:
        wanted = (target.percentile,)
        alone_s = _alone_s(device, draws_for(wanted))
        never_s = np.full(alone_s.shape, np.inf)
        return composed_of(mixture_s(alone_s, never_s, _shares(rate, len(alone_s))), wanted)

    key = "cascade alone", id(device.service), device.queue, rate, target.percentile
    there, _ = judge_composed(workings.once(key, work), target, may_claim_violated=False)
    if there.verdict is not Verdict.MET:
        return found
    return replace(
        found,
        verdict=Verdict.MET,
        low_s=None,
        high_s=there.high_s,
        probability=there.probability,
        reason=f"{there.reason}, however long the requests take that are passed on, "
        f"{100 * rate.high_ratio:.3g} % at most",
    )


def _composed(
    device: Way,
    way: Way,
    rate: Rate,
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> Composed:
    """Return the quantiles of a cascade's latency, worked out once for the same parts."""
    percentiles = percentiles_of(workload)
    sizes = way.up_bytes, way.down_bytes
    places = id(device.service), device.queue, id(way.service), way.path, id(way.waits_s)

    def work() -> Composed:
        wanted = percentiles_read(percentiles, is_brief=workings.is_brief)
        return composed_of(
            _mixed_s(device, way, rate, draws_for(wanted)),
            wanted,
            unknowns=way.unknowns,
            is_lower_bound=way.is_lower_bound,
        )

    composed = workings.once(("cascade", *places, *sizes, rate, percentiles), work)
    if is_saturated(environment.path, workload, rate.high_ratio, *sizes):
        composed = replace(composed, is_lower_bound=True)
    return composed


def _mixed_s(device: Way, way: Way, rate: Rate, draws: int) -> FloatArray:
    """Return latencies of all requests of a cascade, (rows, n).

    Parameters
    ----------
    way
        Of the requests that are passed on, from the device on.
    """
    alone_s = _alone_s(device, draws)
    if device.queue is None:
        # both begin with the same draws of the device, so that the way is what they differ by
        escalated_s = way.draw(draws)
    else:
        beyond_s = replace(way, before=None).draw(draws)
        # the replicates of a queue ascend in the uncertainty of the device's time
        step = REPLICATES // QUEUE_REPLICATES
        rows_s = beyond_s[np.argsort(normal_grid(), kind="stable")[step // 2 :: step]]
        picks = np.random.default_rng((SEED, 9)).integers(0, draws, alone_s.shape)
        escalated_s = alone_s + np.take_along_axis(rows_s, picks, axis=1)
    return mixture_s(alone_s, escalated_s, _shares(rate, len(alone_s)))


def _alone_s(device: Way, draws: int) -> FloatArray:
    if device.queue is None:
        return device.draw(draws)
    return device.queued_s(draws if draws > DRAWS else 0)


def _shares(rate: Rate, rows: int) -> FloatArray:
    if rate == ALWAYS:
        return np.ones(rows)
    return escalation_draws(round(rate.ratio * rate.samples), rate.samples, rows)


def _capacity_hz(on_device: Leg, in_cloud: Leg, share: float) -> float | None:
    """Return the requests per second of all devices: as many as both places can serve."""
    if on_device.capacity_hz is None or in_cloud.capacity_hz is None:
        return None
    if share == 0:
        return on_device.capacity_hz
    return min(on_device.capacity_hz, in_cloud.capacity_hz / share)


def _is_over_capacity(edge: EdgeSite, workload: Workload) -> bool:
    mean_s = edge.time.mean_s
    return workload.rate_hz is not None and mean_s is not None and workload.rate_hz * mean_s >= 1
