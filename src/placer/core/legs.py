"""One way of answering a request, judged: the part that all placements are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placer.core.backbone import (
    Judged,
    certain,
    doubt,
    judge_over,
    violated_without_too,
)
from placer.core.doubts import (
    doubt_assumed_path,
    doubt_loss,
    doubts_of_time,
    idle_doubts,
    is_saturated,
    link_doubts,
    loss_doubt,
    lossiest_path,
    path_doubts,
    slow_end_doubts,
)
from placer.core.environment import Basis, NetworkPath
from placer.core.estimate import (
    Latency,
    Spread,
    Stage,
    StageKind,
    TargetVerdict,
    Verdict,
)
from placer.core.fleet import Fleet, instances_for, size_fleet
from placer.core.graph import ModelSummary
from placer.core.latency import (
    Composed,
    ServiceDraws,
    Way,
    basis_of_time,
    compose,
    is_disturbed,
    judge_composed,
    judge_measured,
    overflow_share,
    probability_of,
    spread_of,
    spread_over,
    uncertainty_factor,
)
from placer.core.placement import (
    CloudSite,
    EdgeSite,
    Environment,
    SiteTime,
)
from placer.core.queueing import FloatArray
from placer.core.sequential import quantile
from placer.core.transfer import lower_bound_known
from placer.core.workings import Workings, composed_way, demand_key, percentiles_of
from placer.core.workload import Arrival, LatencyTarget, Workload

VERDICT_ORDER = (Verdict.MET, Verdict.UNPROVEN, Verdict.VIOLATED)
"""Best first."""


SHARE_TOLERANCE = 0.01
"""A share of the requests below which their way decides no percentile that is usual."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One way of answering, judged: the common part of all placements."""

    latency: Latency | None
    targets: tuple[TargetVerdict, ...]
    stages: tuple[Stage, ...]
    held_back: bool
    """Violated by the samples, but contention forbids the claim."""
    capacity_hz: float | None
    demand_hz: float | None
    way: Way
    doubts: tuple[str, ...] = ()
    deciding_assumption: str | None = None
    instances: int | None = None
    spread: Spread | None = None
    wait_s: float | None = None
    """Mean time that a request which goes to the cloud takes from the device on; None: unknown."""


def edge_leg(site: EdgeSite, workload: Workload, workings: Workings) -> Leg:
    """Judge the device alone: by its samples, with a queue where requests can meet."""
    key = ("edge", id(site.time), site.ep, *demand_key(workload), workload.targets)
    return workings.once(key, lambda: _edge_leg(site, workload, workings))


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


def toward(environment: Environment, site: CloudSite) -> Environment:
    """Return the sites with the paths that lead on to one cloud offer."""
    if site.backbone is None:
        return environment
    fastest = environment.fastest_path
    return replace(
        environment,
        path=replace(environment.path, backbone=site.backbone),
        fastest_path=None if fastest is None else replace(fastest, backbone=site.backbone),
    )


def without_backbone(environment: Environment) -> Environment:
    """Return the sites without what is added for the way on to a region."""
    fastest = environment.fastest_path
    return replace(
        environment,
        path=replace(environment.path, backbone=None),
        fastest_path=None if fastest is None else replace(fastest, backbone=None),
    )


def unpriced(environment: Environment) -> Environment:
    """Return the sites without the price of data, which no latency depends on."""
    path = replace(environment.path, data_usd_per_byte=None)
    return replace(environment, path=path)


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
        latency=_measured_latency(time)
        if composed is None or queue is None
        else composed.latency(),
        targets=tuple(targets),
        stages=()
        if workings.is_brief
        else _compute_stages(time, site.ep, "device", None if over else way),
        held_back=held_back,
        capacity_hz=None if capacity_hz is None else capacity_hz * workload.fleet,
        demand_hz=None if workload.rate_hz is None else workload.rate_hz * workload.fleet,
        way=way,
        doubts=(*doubts_of_time(time, "the device"), *idle_doubts(time, workload.rate_hz)),
        spread=None if workings.is_brief else _edge_spread(way, is_over=over),
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
        stages=() if workings.is_brief else _cloud_stages(site, way, environment, instances),
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


def at_least(spread: Spread | None, *, is_so: bool) -> Spread | None:
    """Return a distribution, marked as a lower bound where it is one."""
    return replace(spread, is_lower_bound=True) if spread is not None and is_so else spread


def _waits_of(fleet: Fleet | None) -> FloatArray | None:
    return None if fleet is None else fleet.waits_s


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


def _measured_latency(time: SiteTime) -> Latency | None:
    segments = time.segments_s
    if not segments:
        estimate = time.estimate
        if estimate is None:
            return None
        return Latency(*(estimate.median_s,) * 5)
    samples_s = np.concatenate(segments)
    p50, p90, p95, p99 = (quantile(samples_s, p) for p in (0.5, 0.9, 0.95, 0.99))
    return Latency(p50, p90, p95, p99, float(samples_s.mean()))


def _compute_stages(time: SiteTime, ep: str, site: str, way: Way | None) -> tuple[Stage, ...]:
    latency = _measured_latency(time)
    if latency is None:
        return ()
    source = time.source if time.measurement is not None else ""
    if time.measurement is None and time.estimate is not None:
        source = f"{time.estimate.level}: {time.estimate.source}"
    stage = Stage(
        StageKind.COMPUTE,
        f"{site} ({ep})",
        None,
        latency.p50_s,
        latency.p99_s,
        basis_of_time(time),
        source,
    )
    if way is None or way.queue is None:
        return (stage,)
    waits_s, _ = way.own_waits_s()
    # as the quantiles of the whole: the middle of what the replicates give
    p50_s, p99_s = (float(np.median(np.quantile(waits_s, one, axis=1))) for one in (0.5, 0.99))
    queue = Stage(
        StageKind.QUEUE,
        f"{site} ({ep})",
        None,
        p50_s,
        p99_s,
        basis_of_time(time),
        "simulated first-come-first-served queue on the service samples",
    )
    return (queue, stage)


def _cloud_stages(
    site: CloudSite,
    way: Way,
    environment: Environment,
    instances: int | None,
) -> tuple[Stage, ...]:
    stages: tuple[Stage, ...] = ()
    path = environment.path
    backbone = path.backbone
    if lower_bound_known(path) and way.up_bytes is not None and way.down_bytes is not None:
        basis = Basis.ASSUMED if environment.fastest_path is not None else path.basis
        access = _moving(way, replace(path, backbone=None))
        stages += (
            Stage(
                StageKind.TRANSFER,
                None,
                path.name,
                access.p50_s,
                access.p99_s,
                basis,
                path.source,
            ),
        )
        if backbone is not None and backbone.high_s:
            whole = _moving(way, path)
            stages += (
                Stage(
                    StageKind.TRANSFER,
                    None,
                    f"the way from {backbone.start} to {backbone.end}",
                    whole.p50_s - access.p50_s,
                    whole.p99_s - access.p99_s,
                    backbone.basis,
                    backbone.source,
                ),
            )
    if way.waits_s is not None and instances is not None:
        stages += (
            Stage(
                StageKind.QUEUE,
                site.offer.name,
                None,
                quantile(way.waits_s, 0.5),
                quantile(way.waits_s, 0.99),
                basis_of_time(site.time),
                f"simulated queue at {instances} instance(s)",
            ),
        )
    return stages + _compute_stages(site.time, site.ep, site.offer.name, None)


def _moving(way: Way, path: NetworkPath) -> Latency:
    """Return the time that moving a request and its answer takes alone."""
    moving = Way(
        ServiceDraws(SiteTime()), path=path, up_bytes=way.up_bytes, down_bytes=way.down_bytes
    )
    found = replace(compose([(moving, 1.0)], ()), is_lower_bound=False).latency()
    assert found is not None
    return found
