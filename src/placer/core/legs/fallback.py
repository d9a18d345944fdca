"""The latency of device and cloud together, where one stands in for the other."""

from __future__ import annotations

from dataclasses import replace

from placer.core.backbone import doubt, violated_without_too
from placer.core.doubts import (
    doubt_assumed_path,
    is_saturated,
    link_doubts,
    loss_doubt,
    lossiest_path,
    path_doubts,
    slow_end_doubts,
)
from placer.core.estimate import TargetVerdict, Verdict
from placer.core.fleet import instances_for
from placer.core.graph import ModelSummary
from placer.core.latency import (
    Composed,
    Way,
    compose,
    is_disturbed,
    judge_composed,
    overflow_share,
    spread_over,
    uncertainty_factor,
)
from placer.core.legs.cloud import cloud_leg
from placer.core.legs.edge import edge_leg
from placer.core.legs.leg import VERDICT_ORDER, Leg, at_least, toward, unpriced, without_backbone
from placer.core.placement import CloudSite, EdgeSite, Environment
from placer.core.workings import Workings, demand_key, percentiles_of
from placer.core.workload import LatencyTarget, Workload

SHARE_TOLERANCE = 0.01
"""A share of the requests below which their way decides no percentile that is usual."""


def fallback_leg(
    edge: EdgeSite,
    cloud: CloudSite,
    prefers_device: bool,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> Leg:
    """Judge device and cloud together: in normal operation, or offline as well where required."""
    environment = unpriced(toward(environment, cloud))
    on_device = edge_leg(edge, workload, workings)
    share = slow_share = 1.0
    if prefers_device:
        share = cloud_share(edge, workload, workings)
        slow_share = cloud_share(edge, workload, workings, at_slow_end=True)
    in_cloud = cloud_leg(cloud, model, workload, environment, workings, share=share or 1.0)
    if share == 0:
        mean_s = cloud.time.mean_s
        in_cloud = replace(  # one instance stands by
            in_cloud,
            instances=None if workload.rate_hz is None else 1,
            capacity_hz=None if mean_s is None else 1 / mean_s,
        )
    if workload.throughput_hz is not None and on_device.capacity_hz is not None:
        mean_s = cloud.time.mean_s
        # the cloud makes up for what the devices lack
        sure_hz = on_device.capacity_hz / uncertainty_factor(edge.time)
        lacking_hz = max(0.0, workload.throughput_hz - sure_hz)
        instances = instances_for(lacking_hz, cloud.time, least=in_cloud.instances)
        if mean_s is not None and instances is not None:
            in_cloud = replace(in_cloud, instances=instances, capacity_hz=instances / mean_s)
    capacity_hz = None
    if on_device.capacity_hz is not None and in_cloud.capacity_hz is not None:
        capacity_hz = on_device.capacity_hz + in_cloud.capacity_hz
    if not prefers_device:
        first = in_cloud
    elif share == 0:
        first = on_device
    else:
        way = Way(workings.service(edge.time))
        ways = [(way, 1 - share), (in_cloud.way, share)]
        mixed = workings.once(
            ("mixed", id(edge.time), id(cloud.time), environment.path, in_cloud.way.up_bytes,
             in_cloud.way.down_bytes, id(in_cloud.way.waits_s), share, percentiles_of(workload)),
            lambda: compose(ways, percentiles_of(workload), is_brief=workings.is_brief),
        )  # fmt: skip
        sizes = (in_cloud.way.up_bytes, in_cloud.way.down_bytes)
        if is_saturated(environment.path, workload, share, *sizes):
            mixed = replace(mixed, is_lower_bound=True)
        backbone = environment.path.backbone
        if backbone is not None and backbone.is_exact:
            backbone = None
        targets = []
        held_back = False
        for target, alone in zip(workload.targets, in_cloud.targets, strict=True):
            doubts = mixture_doubts(
                mixed, way, in_cloud, cloud, workload, environment, target, alone, share=share
            )
            if slow_share > share + SHARE_TOLERANCE and alone.verdict is not Verdict.MET:
                doubts.append(_slow_share_text(slow_share))
            if in_cloud.deciding_assumption and alone.verdict is not Verdict.MET:
                doubts.append(in_cloud.deciding_assumption)
            quiet = not is_disturbed(edge.time) and not is_disturbed(cloud.time)
            verdict, held = judge_composed(mixed, target, doubts=doubts, may_claim_violated=quiet)
            held_back = held_back or held
            targets.append(verdict)
        if backbone is not None and any(one.verdict is Verdict.VIOLATED for one in targets):
            here = (edge, replace(cloud, backbone=None), prefers_device)
            nearest = without_backbone(environment)
            without = fallback_leg(*here, model, workload, nearest, workings).targets
            targets = violated_without_too(targets, without, backbone)
        deciding = in_cloud.deciding_assumption
        fastest = environment.fastest_path
        if fastest is not None and any(one.verdict is Verdict.VIOLATED for one in targets):
            known = replace(environment, path=fastest, fastest_path=None)
            at_best = fallback_leg(
                edge, cloud, prefers_device, model, workload, known, workings
            ).targets
            doubted, deciding = doubt_assumed_path(tuple(targets), at_best, environment)
            targets = list(doubted)
        return replace(
            on_device,
            latency=mixed.latency(),
            targets=_offline_as_well(tuple(targets), on_device.targets, workload),
            held_back=held_back,
            stages=(*on_device.stages, *in_cloud.stages),
            capacity_hz=capacity_hz,
            demand_hz=in_cloud.demand_hz,
            doubts=(*on_device.doubts, *in_cloud.doubts),
            deciding_assumption=deciding or in_cloud.deciding_assumption,
            instances=in_cloud.instances,
            spread=None
            if workings.is_brief
            else at_least(spread_over(ways), is_so=mixed.is_lower_bound),
            wait_s=in_cloud.wait_s,
        )
    targets_now = _offline_as_well(first.targets, on_device.targets, workload)
    if (
        prefers_device
        and slow_share > SHARE_TOLERANCE
        and any(target.verdict is not Verdict.MET for target in in_cloud.targets)
    ):
        targets_now = tuple(_if_not_slower(target, slow_share) for target in targets_now)
    return replace(
        first,
        targets=targets_now,
        capacity_hz=capacity_hz,
        held_back=first.held_back,
        instances=in_cloud.instances,
    )


def mixture_doubts(
    mixed: Composed,
    device: Way,
    in_cloud: Leg,
    cloud: CloudSite,
    workload: Workload,
    environment: Environment,
    target: LatencyTarget,
    alone: TargetVerdict,
    *,
    share: float,
) -> list[str]:
    """Say why a target that is kept by device and cloud together is not proven.

    Parameters
    ----------
    alone
        The verdict on the requests that go to the cloud, a share of all.
    """
    path, way = environment.path, in_cloud.way
    doubts = [
        *path_doubts(way.service, mixed, path, target),
        *slow_end_doubts(cloud.time, in_cloud.demand_hz, in_cloud.instances or 1),
        *link_doubts(path, workload, share, way.up_bytes, way.down_bytes),
    ]
    shortage = device.service.shortage(target.percentile, target.limit_s)
    if shortage:
        doubts.append(shortage)
    lossiest = lossiest_path(path)
    if lossiest is not None:
        doubts.append(loss_doubt(lossiest))
    backbone = path.backbone
    is_exact = backbone is None or backbone.is_exact
    if backbone is not None and not is_exact and alone.verdict is not Verdict.MET:
        doubts.append(doubt(backbone))
    return doubts


def cloud_share(
    edge: EdgeSite, workload: Workload, workings: Workings, *, at_slow_end: bool = False
) -> float:
    """Return the share of requests that find the device busy and go to the cloud.

    Parameters
    ----------
    at_slow_end
        With the device as slow as the uncertainty of its time allows.
    """
    slower_ratio = uncertainty_factor(edge.time) if at_slow_end else 1.0
    return workings.once(
        ("overflow", id(edge.time), slower_ratio, *demand_key(workload)),
        lambda: overflow_share(workings.service(edge.time), workload, slower_ratio=slower_ratio),
    )


def _slow_share_text(slow_share: float) -> str:
    return (
        f"at the slow end of its estimate the device sends {100 * slow_share:.0f} % of the "
        "requests to the cloud"
    )


def _if_not_slower(target: TargetVerdict, slow_share: float) -> TargetVerdict:
    """Take back a verdict that rests on the device being as fast as its estimate."""
    if target.verdict is not Verdict.MET:
        return target
    reason = _slow_share_text(slow_share)
    return replace(target, verdict=Verdict.UNPROVEN, high_s=None, reason=reason)


def _offline_as_well(
    targets: tuple[TargetVerdict, ...], on_device: tuple[TargetVerdict, ...], workload: Workload
) -> tuple[TargetVerdict, ...]:
    """Hold the device alone to the targets too where answers are needed while the link is down."""
    if not workload.must_work_offline:
        return targets
    return tuple(
        max(pair, key=lambda one: VERDICT_ORDER.index(one.verdict))
        for pair in zip(targets, on_device, strict=True)
    )
