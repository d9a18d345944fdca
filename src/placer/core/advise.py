"""The decision: judge every placement, rank them, and say why.

``evaluate`` judges one declared placement; ``recommend`` judges all and picks one. Both use the
same code, so that a gate and a recommendation cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from placer.core.cost import Money, cloud_money, combined, edge_money, requests_per_month
from placer.core.environment import Basis, Device, NetworkPath
from placer.core.estimate import (
    Candidate,
    Decision,
    Latency,
    ModelFacts,
    NextMeasurement,
    Placement,
    Quality,
    Recommendation,
    Site,
    Stage,
    StageKind,
    TargetVerdict,
    Verdict,
)
from placer.core.finding import Effect, Finding
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
    mean_service_s,
    overflow_share,
    segments_of,
    shared_instances,
)
from placer.core.placement import (
    Cloud,
    CloudSite,
    Edge,
    EdgeSite,
    Environment,
    Fallback,
    PlacementOption,
    SiteTime,
)
from placer.core.privacy import leaves
from placer.core.rules import RULES
from placer.core.rules.rule import Case
from placer.core.sequential import quantile
from placer.core.transfer import lower_bound_known, weaknesses
from placer.core.units import (
    SECONDS_PER_MONTH,
    format_duration,
    format_percentile,
    format_usd,
)
from placer.core.workload import Arrival, LatencyTarget, Objective, Workload

_BASIS_ORDER = (Basis.MEASURED, Basis.TRANSFERRED, Basis.CATALOGUE, Basis.ASSUMED)
_VERDICT_ORDER = (Verdict.MET, Verdict.UNPROVEN, Verdict.VIOLATED)
_FEASIBLE_ORDER = (True, None, False)
_PLACEMENT_ORDER = (Placement.EDGE, Placement.CLOUD, Placement.FALLBACK)


@dataclass(frozen=True, slots=True)
class _Leg:
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


def evaluate(
    option: PlacementOption, model: ModelSummary, workload: Workload, environment: Environment
) -> Candidate:
    """Judge one placement against the workload. Its rank is 0 until it is ranked."""
    match option:
        case Edge(site):
            leg = _edge_leg(site, workload)
            return _candidate(
                option.id, Placement.EDGE, leg, site, None, model, workload, environment
            )
        case Cloud(cloud_site):
            leg = _cloud_leg(cloud_site, model, workload, environment)
            return _candidate(
                option.id, Placement.CLOUD, leg, None, cloud_site, model, workload, environment
            )
        case Fallback(edge_site, cloud_site, prefers_device):
            leg = _fallback_leg(edge_site, cloud_site, prefers_device, model, workload, environment)
            return _candidate(
                option.id,
                Placement.FALLBACK,
                leg,
                edge_site,
                cloud_site,
                model,
                workload,
                environment,
                prefers_device=prefers_device,
            )


def recommend(model: ModelSummary, workload: Workload, environment: Environment) -> Recommendation:
    """Judge every placement of the environment, rank them and decide."""
    edges = _rank(
        [evaluate(Edge(site), model, workload, environment) for site in environment.edges], workload
    )
    clouds = _rank(
        [evaluate(Cloud(site), model, workload, environment) for site in environment.clouds],
        workload,
    )
    fallbacks = []
    if edges and clouds:
        edge_site = next(site for site in environment.edges if Edge(site).id == edges[0].id)
        cloud_site = next(site for site in environment.clouds if Cloud(site).id == clouds[0].id)
        fallbacks = [
            evaluate(Fallback(edge_site, cloud_site, prefers), model, workload, environment)
            for prefers in (True, False)
        ]
    ranked = _rank([*edges, *clouds, *fallbacks], workload)
    best = ranked[0] if ranked else None
    chosen = best if best is not None and best.feasible is not False else None
    candidates = tuple(
        replace(
            candidate,
            rank=rank,
            why_not=None if candidate is chosen else _why_not(candidate, chosen, workload),
        )
        for rank, candidate in enumerate(ranked, start=1)
    )
    decision = _decide(candidates, chosen is not None, workload)
    return Recommendation(
        model=_facts(model),
        targets=workload.targets,
        decision=decision,
        candidates=candidates,
        flips=(),
        next_measurement=_next_measurement(candidates[0], model, workload, environment)
        if chosen is not None and chosen.feasible is None
        else None,
        findings=environment.findings,
        assumptions=environment.assumptions,
    )


def objective_of(workload: Workload) -> Objective:
    """Return the objective: as stated, else cost where a rate is known, else margin."""
    if workload.objective is not None:
        return workload.objective
    return Objective.COST if workload.rate_hz is not None else Objective.MARGIN


def _edge_leg(site: EdgeSite, workload: Workload) -> _Leg:
    time = site.time
    service = ServiceDraws(time)
    mean_s = mean_service_s(time)
    capacity_hz = None if mean_s is None else 1 / mean_s
    queue = _queue(time, workload)
    over = (
        capacity_hz is not None
        and workload.rate_hz is not None
        and (workload.rate_hz >= capacity_hz)
    )
    way = Way(service, queue=None if over else queue)
    composed = compose([(way, 1.0)], workload.targets)
    targets, held_back = [], False
    for target in workload.targets:
        if over:
            verdict, held = _over_capacity(target), False
        elif time.measurement is not None and queue is None:
            verdict, held = judge_measured(time, target)
        else:
            shortage = service.shortage(target.percentile, service.left_of(composed, target))
            verdict, held = judge_composed(
                composed,
                target,
                doubts=(shortage,) if shortage else (),
                may_claim_violated=not is_disturbed(time),
            )
        targets.append(verdict)
        held_back = held_back or held
    return _Leg(
        latency=_measured_latency(time) if queue is None or over else composed.latency(),
        targets=tuple(targets),
        stages=_compute_stages(time, site.ep, "device", composed if queue and not over else None),
        held_back=held_back,
        capacity_hz=capacity_hz,
        demand_hz=workload.rate_hz,
        way=way,
        doubts=_doubts_of_time(time, "the device"),
    )


def _cloud_leg(
    site: CloudSite,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    *,
    share: float = 1.0,
) -> _Leg:
    time = site.time
    service = ServiceDraws(time)
    mean_s = mean_service_s(time)
    shared = None
    if mean_s is not None:
        shared = shared_instances(mean_s, workload, workload.targets, share=share)
    up_bytes = workload.wire_input_bytes or model.input_bytes

    def way_over(path: NetworkPath) -> Way:
        return Way(
            service,
            path=path,
            up_bytes=up_bytes,
            down_bytes=model.output_bytes,
            waits_s=shared[1] if shared is not None else None,
        )

    def judged(path: NetworkPath) -> tuple[Composed, list[tuple[TargetVerdict, bool]]]:
        composed = compose([(way_over(path), 1.0)], workload.targets)
        return composed, [
            judge_composed(
                composed,
                target,
                doubts=_path_doubts(service, composed, path, target),
                may_claim_violated=not is_disturbed(time),
            )
            for target in workload.targets
        ]

    composed, verdicts = judged(environment.path)
    targets = tuple(verdict for verdict, _ in verdicts)
    deciding = None
    if environment.fastest_path is not None and targets:
        _, at_best = judged(environment.fastest_path)
        targets, deciding = _doubt_assumed_path(
            targets, tuple(verdict for verdict, _ in at_best), environment
        )
    return _Leg(
        latency=composed.latency(),
        targets=targets,
        stages=_cloud_stages(site, way_over(environment.path), environment, shared),
        held_back=any(held for _, held in verdicts),
        capacity_hz=None if mean_s is None else (1 / mean_s) * (shared[0] if shared else 1),
        demand_hz=None if workload.rate_hz is None else workload.rate_hz * workload.fleet * share,
        way=way_over(environment.path),
        doubts=_doubts_of_time(time, site.offer.name),
        deciding_assumption=deciding,
        instances=None if shared is None else shared[0],
    )


def _fallback_leg(
    edge: EdgeSite,
    cloud: CloudSite,
    prefers_device: bool,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
) -> _Leg:
    edge_leg = _edge_leg(edge, workload)
    share = overflow_share(edge.time, workload) if prefers_device else 1.0
    cloud_leg = _cloud_leg(cloud, model, workload, environment, share=share)
    capacity_hz = None
    if edge_leg.capacity_hz is not None and cloud_leg.capacity_hz is not None:
        capacity_hz = edge_leg.capacity_hz * workload.fleet + cloud_leg.capacity_hz
    if not prefers_device:
        first, other = cloud_leg, edge_leg
    elif share == 0:
        first, other = edge_leg, cloud_leg
    else:
        way = Way(ServiceDraws(edge.time))
        mixed = compose([(way, 1 - share), (cloud_leg.way, share)], workload.targets)
        targets = []
        for target, alone in zip(workload.targets, cloud_leg.targets, strict=True):
            doubts = [*_path_doubts(cloud_leg.way.service, mixed, environment.path, target)]
            shortage = way.service.shortage(target.percentile, target.limit_s)
            if shortage:
                doubts.append(shortage)
            if cloud_leg.deciding_assumption and alone.verdict is not Verdict.MET:
                doubts.append(cloud_leg.deciding_assumption)
            targets.append(judge_composed(mixed, target, doubts=doubts)[0])
        return replace(
            edge_leg,
            latency=mixed.latency(),
            targets=tuple(targets),
            stages=(*edge_leg.stages, *cloud_leg.stages),
            capacity_hz=capacity_hz,
            demand_hz=cloud_leg.demand_hz,
            doubts=(*edge_leg.doubts, *cloud_leg.doubts),
            deciding_assumption=cloud_leg.deciding_assumption,
            instances=cloud_leg.instances,
        )
    targets_now = first.targets
    if workload.must_work_offline and not prefers_device:
        # while the link is down the device answers everything: its verdict counts as well
        targets_now = tuple(
            max(pair, key=lambda one: _VERDICT_ORDER.index(one.verdict))
            for pair in zip(first.targets, other.targets, strict=True)
        )
    return replace(
        first,
        targets=targets_now,
        capacity_hz=capacity_hz,
        held_back=first.held_back,
        instances=cloud_leg.instances,
    )


def _candidate(
    candidate_id: str,
    placement: Placement,
    leg: _Leg,
    edge: EdgeSite | None,
    cloud: CloudSite | None,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    *,
    prefers_device: bool = False,
) -> Candidate:
    device, offer = environment.device, None if cloud is None else cloud.offer
    uses_cloud = cloud is not None
    up_bytes = (workload.wire_input_bytes or model.input_bytes) if uses_cloud else 0
    down_bytes = model.output_bytes if uses_cloud else 0
    cloud_share = 1.0
    if edge is not None and cloud is not None and prefers_device:
        cloud_share = overflow_share(edge.time, workload)
    uplink_per_month = None
    if workload.rate_hz is not None and up_bytes is not None:
        requests = workload.rate_hz * workload.fleet * SECONDS_PER_MONTH
        uplink_per_month = requests * up_bytes * (cloud_share if uses_cloud else 0.0)
    money = _money(edge, cloud, leg, workload, environment, up_bytes, down_bytes, cloud_share)
    quality = _quality(edge, cloud)
    edge_measured = None if edge is None else edge.time.measurement
    cloud_measured = None if cloud is None else cloud.time.measurement
    leaving = leaves(placement)
    edge_memory = None if edge_measured is None else edge_measured.peak_memory_bytes
    failures = tuple(
        site.failure for site in (edge, cloud) if site is not None and site.failure is not None
    )
    case = Case(
        id=candidate_id,
        placement=placement,
        workload=workload,
        device=device,
        edge_ep=None if edge is None else edge.ep,
        offer=offer,
        path=environment.path,
        targets=leg.targets,
        leaves_device=leaving,
        answers_offline=_answers_offline(edge, leg, workload),
        nodes_by_ep=() if edge_measured is None else edge_measured.nodes_by_ep,
        edge_memory_bytes=edge_memory,
        cloud_memory_bytes=None if cloud_measured is None else cloud_measured.peak_memory_bytes,
        model_bytes=model.n_bytes,
        capacity_hz=leg.capacity_hz,
        demand_hz=leg.demand_hz,
        usd_per_month=money.usd_per_month,
        missing_prices=money.missing,
        quality=quality,
        doubts=leg.doubts,
        is_settled_by_quiet=leg.held_back,
        deciding_assumption=leg.deciding_assumption,
        failures=failures,
    )
    findings = tuple(found for rule in RULES for found in rule.check(case))
    verdicts = [target.verdict for target in leg.targets]
    return Candidate(
        id=candidate_id,
        placement=placement,
        feasible=_feasible(findings),
        verdict=max(verdicts, key=_VERDICT_ORDER.index, default=Verdict.MET),
        basis=_worst_basis(edge, cloud, environment, leg),
        rank=0,
        why_not=None,
        sites=_sites(edge, cloud, environment),
        latency=leg.latency,
        targets=leg.targets,
        stages=leg.stages,
        bytes_up=up_bytes,
        bytes_down=down_bytes,
        uplink_bytes_per_month=uplink_per_month,
        capacity_hz=leg.capacity_hz,
        instances=leg.instances if uses_cloud else None,
        usd_per_month=money.usd_per_month,
        usd_per_million=money.usd_per_million,
        joules=_joules(edge, device),
        peak_memory_bytes=edge_memory,
        agreement_ratio=None,
        leaves_device=leaving,
        quality=quality,
        findings=findings,
    )


def _feasible(findings: Sequence[Finding]) -> bool | None:
    effects = {found.effect for found in findings}
    if Effect.VIOLATED in effects:
        return False
    return None if Effect.UNPROVEN in effects else True


def _queue(time: SiteTime, workload: Workload) -> tuple[float, Arrival] | None:
    """Return the arrivals that can make a request wait for an earlier one; None: none can."""
    if workload.rate_hz is None:
        return None
    if workload.arrival is Arrival.PERIODIC:
        segments = segments_of(time)
        if segments and max(float(segment.max()) for segment in segments) < 1 / workload.rate_hz:
            return None
        if not segments and time.estimate and time.estimate.high_s < 1 / workload.rate_hz:
            return None
    return workload.rate_hz, workload.arrival


def _over_capacity(target: LatencyTarget) -> TargetVerdict:
    return TargetVerdict(
        percentile=target.percentile,
        limit_s=target.limit_s,
        value_s=None,
        low_s=None,
        high_s=None,
        verdict=Verdict.VIOLATED,
        probability=0.0,
        reason="more requests arrive than are served, so the wait grows without end",
    )


def _measured_latency(time: SiteTime) -> Latency | None:
    segments = segments_of(time)
    if not segments:
        estimate = time.estimate
        if estimate is None:
            return None
        return Latency(*(estimate.median_s,) * 5)
    import numpy as np

    samples_s = np.concatenate(segments)
    p50, p90, p95, p99 = (quantile(samples_s, p) for p in (0.5, 0.9, 0.95, 0.99))
    return Latency(p50, p90, p95, p99, float(samples_s.mean()))


def _compute_stages(
    time: SiteTime, ep: str, site: str, with_queue: Composed | None
) -> tuple[Stage, ...]:
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
    if with_queue is None:
        return (stage,)
    total = with_queue.latency()
    if total is None:
        return (stage,)
    queue = Stage(
        StageKind.QUEUE,
        f"{site} ({ep})",
        None,
        max(0.0, total.p50_s - latency.p50_s),
        max(0.0, total.p99_s - latency.p99_s),
        basis_of_time(time),
        "simulated first-come-first-served queue on the service samples",
    )
    return (queue, stage)


def _cloud_stages(
    site: CloudSite,
    way: Way,
    environment: Environment,
    shared: tuple[int, object] | None,
) -> tuple[Stage, ...]:
    stages: tuple[Stage, ...] = ()
    path = environment.path
    transfer = compose([(replace(way, service=ServiceDraws(SiteTime()), waits_s=None), 1.0)], ())
    if lower_bound_known(path) and way.up_bytes is not None and way.down_bytes is not None:
        known = replace(transfer, is_lower_bound=False).latency()
        assert known is not None
        basis = Basis.ASSUMED if environment.fastest_path is not None else path.basis
        stages += (
            Stage(
                StageKind.TRANSFER,
                None,
                path.name,
                known.p50_s,
                known.p99_s,
                basis,
                path.source,
            ),
        )
    if way.waits_s is not None and shared is not None:
        stages += (
            Stage(
                StageKind.QUEUE,
                site.offer.name,
                None,
                quantile(way.waits_s, 0.5),
                quantile(way.waits_s, 0.99),
                basis_of_time(site.time),
                f"simulated queue at {shared[0]} instance(s)",
            ),
        )
    return stages + _compute_stages(site.time, site.offer.ep, site.offer.name, None)


def _path_doubts(
    service: ServiceDraws, composed: Composed, path: NetworkPath, target: LatencyTarget
) -> tuple[str, ...]:
    left_s = service.left_of(composed, target)
    shortage = service.shortage(target.percentile, left_s)
    return (*weaknesses(path, target.percentile), *((shortage,) if shortage else ()))


def _doubt_assumed_path(
    targets: tuple[TargetVerdict, ...],
    at_best: tuple[TargetVerdict, ...],
    environment: Environment,
) -> tuple[tuple[TargetVerdict, ...], str | None]:
    """Take back verdicts that hold only on the assumed path."""
    fastest = environment.fastest_path
    assert fastest is not None
    kept: list[TargetVerdict] = []
    changed: list[str] = []
    for target, best in zip(targets, at_best, strict=True):
        if target.verdict is Verdict.VIOLATED and best.verdict is Verdict.VIOLATED:
            kept.append(target)
            continue
        name, limit = format_percentile(target.percentile), format_duration(target.limit_s)
        changed.append(
            f"{name} ≤ {limit} depends on the network, which nobody stated: on "
            f"{environment.path.name} {_as_clause(target)}"
        )
        kept.append(
            replace(
                target,
                verdict=Verdict.UNPROVEN,
                reason=f"on the assumed network {environment.path.name} {_as_clause(target)}",
            )
        )
    return tuple(kept), "; ".join(changed) or None


def _as_clause(target: TargetVerdict) -> str:
    """Return what the figures say, as the end of a sentence."""
    match target.verdict:
        case Verdict.VIOLATED:
            return f"it is {target.reason}, too slow"
        case Verdict.MET:
            return f"it is {target.reason}, fast enough"
        case _:
            return f"it is not settled either ({target.reason})"


def _doubts_of_time(time: SiteTime, where: str) -> tuple[str, ...]:
    if time.measurement is not None:
        if time.measurement.is_reused and time.factor_90 > 1.1:
            return (
                f"the measurement of {where} dates from {time.measurement.measured_at} "
                f"({time.level}: ×/÷ {time.factor_90:.2g})",
            )
        return ()
    if time.estimate is None:
        return (f"nothing tells how fast the model runs on {where} (E7): {time.source}",)
    factor = (time.estimate.high_s / time.estimate.low_s) ** 0.5
    return (
        f"the time on {where} is an estimate of level {time.estimate.level} (×/÷ {factor:.2g})",
    )


def _answers_offline(edge: EdgeSite | None, leg: _Leg, workload: Workload) -> bool:
    if edge is None:
        return False
    mean_s = mean_service_s(edge.time)
    if workload.rate_hz is None or mean_s is None:
        return edge.failure is None
    return workload.rate_hz * mean_s < 1


def _quality(edge: EdgeSite | None, cloud: CloudSite | None) -> Quality | None:
    instruments = [
        site.time.measurement.instrument
        for site in (edge, cloud)
        if site is not None and site.time.measurement is not None
    ]
    if not instruments:
        return None
    reasons = tuple(reason for instrument in instruments for reason in instrument.reasons)
    return Quality(is_disturbed=bool(reasons), reasons=reasons)


def _worst_basis(
    edge: EdgeSite | None, cloud: CloudSite | None, environment: Environment, leg: _Leg
) -> Basis:
    found = [basis_of_time(site.time) for site in (edge, cloud) if site is not None]
    if cloud is not None:
        found.append(
            Basis.ASSUMED if environment.fastest_path is not None else environment.path.basis
        )
    return max(found, key=_BASIS_ORDER.index)


def _sites(
    edge: EdgeSite | None, cloud: CloudSite | None, environment: Environment
) -> tuple[Site, ...]:
    sites: tuple[Site, ...] = ()
    if edge is not None:
        measured = edge.time.measurement
        sites += (
            Site(
                0,
                environment.device.name,
                environment.device.title,
                edge.ep,
                None if measured is None else measured.settings.label,
                None,
                () if measured is None else measured.nodes_by_ep,
            ),
        )
    if cloud is not None:
        measured, offer = cloud.time.measurement, cloud.offer
        sites += (
            Site(
                1,
                offer.name,
                f"{offer.provider} {offer.instance}",
                offer.ep,
                None if measured is None else measured.settings.label,
                offer.region,
                () if measured is None else measured.nodes_by_ep,
            ),
        )
    return sites


def _joules(edge: EdgeSite | None, device: Device) -> float | None:
    if edge is None or device.power_w is None:
        return None
    mean_s = mean_service_s(edge.time)
    return None if mean_s is None else device.power_w * mean_s


def _money(
    edge: EdgeSite | None,
    cloud: CloudSite | None,
    leg: _Leg,
    workload: Workload,
    environment: Environment,
    up_bytes: int | None,
    down_bytes: int | None,
    cloud_share: float,
) -> Money:
    requests = None
    if workload.rate_hz is not None:
        requests = requests_per_month(workload.rate_hz, workload.fleet)
    parts = []
    if edge is not None:
        parts.append(
            edge_money(
                environment.device,
                electricity_usd_per_kwh=environment.electricity_usd_per_kwh,
                fleet=workload.fleet,
                requests=requests,
            )
        )
    if cloud is not None:
        capacity_hz = leg.capacity_hz
        parts.append(
            cloud_money(
                cloud.offer,
                environment.path,
                up_bytes=up_bytes,
                down_bytes=down_bytes,
                instances=leg.instances,
                requests=None if requests is None else requests * cloud_share,
                capacity_hz=capacity_hz,
            )
        )
    return parts[0] if len(parts) == 1 else combined(parts, requests=requests)


def _rank(candidates: Sequence[Candidate], workload: Workload) -> list[Candidate]:
    objective = objective_of(workload)
    use_cost = objective is Objective.COST and _cost_decides(candidates)

    def value(candidate: Candidate) -> float:
        if use_cost:
            cost = candidate.usd_per_month
            return float("inf") if cost is None else cost
        if objective is Objective.LATENCY:
            return _headline_s(candidate)
        if objective is Objective.ENERGY:
            return float("inf") if candidate.joules is None else candidate.joules
        return -margin_ratio(candidate)

    return sorted(
        candidates,
        key=lambda one: (
            _FEASIBLE_ORDER.index(one.feasible),
            value(one),
            _PLACEMENT_ORDER.index(one.placement),
            one.id,
        ),
    )


def _cost_decides(candidates: Sequence[Candidate]) -> bool:
    """Tell whether cost can rank: every candidate that is not infeasible has a known cost."""
    return all(one.usd_per_month is not None for one in candidates if one.feasible is not False)


def _headline_s(candidate: Candidate) -> float:
    """Return the value of the most demanding target's percentile, or the median."""
    values = [target.value_s for target in candidate.targets]
    if values and all(value is not None for value in values):
        return max(value for value in values if value is not None)
    return float("inf") if candidate.latency is None else candidate.latency.p50_s


def margin_ratio(candidate: Candidate) -> float:
    """Return the smallest distance to a limit, relative to it; without targets: minus the p50.

    The upper bound counts where there is one, else the estimate.
    """
    margins = []
    for target in candidate.targets:
        bound_s = target.high_s if target.high_s is not None else target.value_s
        margins.append(float("-inf") if bound_s is None else 1 - bound_s / target.limit_s)
    if margins:
        return min(margins)
    return float("-inf") if candidate.latency is None else -candidate.latency.p50_s


def _why_not(candidate: Candidate, chosen: Candidate | None, workload: Workload) -> str:
    blocking = [found for found in candidate.findings if found.effect is Effect.VIOLATED]
    if blocking:
        return "; ".join(dict.fromkeys(found.message for found in blocking))
    doubtful = [found for found in candidate.findings if found.effect is Effect.UNPROVEN]
    if doubtful and (chosen is None or chosen.feasible is True):
        return "; ".join(dict.fromkeys(found.message for found in doubtful))
    if chosen is None:
        return ""
    if objective_of(workload) is Objective.COST and None not in (
        candidate.usd_per_month,
        chosen.usd_per_month,
    ):
        mine, other = candidate.usd_per_month or 0.0, chosen.usd_per_month or 0.0
        if mine != other:
            return f"costs {format_usd(mine)} per month, the choice {format_usd(other)}"
    mine_s, other_s = _headline_s(candidate), _headline_s(chosen)
    if mine_s != other_s and mine_s != float("inf"):
        return f"slower: {format_duration(mine_s)} against {format_duration(other_s)}"
    if mine_s == float("inf"):
        return "; ".join(found.message for found in doubtful) or "its latency is unknown"
    if candidate.placement is Placement.FALLBACK and chosen.placement is Placement.CLOUD:
        return "no faster, and it needs the device as well"
    return "no faster, and it needs the network as well"


def _decide(candidates: Sequence[Candidate], is_chosen: bool, workload: Workload) -> Decision:
    if not candidates or not is_chosen:
        reason = "No placement is feasible"
        if candidates:
            first = candidates[0]
            reason += f"; the nearest, {first.id}: {first.why_not}"
        return Decision(Placement.NONE, None, False, reason + ".")
    best = candidates[0]
    where = _where(best)
    if best.feasible is None:
        blocking = [found for found in best.findings if found.effect is Effect.UNPROVEN]
        why = "; ".join(dict.fromkeys(found.message for found in blocking[:2]))
        return Decision(
            best.placement, best.id, None, f"Nothing is proven; {where} is the best guess: {why}."
        )
    if best.targets:
        tightest = min(best.targets, key=lambda one: 1 - (one.high_s or one.limit_s) / one.limit_s)
        name = format_percentile(tightest.percentile)
        assert tightest.high_s is not None
        proof = (
            f"{name} is at most {format_duration(tightest.high_s)} with 95 % confidence, "
            f"the limit is {format_duration(tightest.limit_s)}"
        )
    elif best.latency is not None:
        proof = f"its median latency is {format_duration(best.latency.p50_s)}; no target was set"
    else:
        proof = "no target was set"
    rival = next(
        (
            one
            for one in candidates[1:]
            if one.feasible is None
            and one.usd_per_month is not None
            and best.usd_per_month is not None
            and one.usd_per_month < best.usd_per_month
        ),
        None,
    )
    tail = f"; {rival.id} would be cheaper but is unproven" if rival is not None else ""
    return Decision(best.placement, best.id, True, f"Run it {where}: {proof}{tail}.")


def _where(candidate: Candidate) -> str:
    first = candidate.sites[0]
    setting = f", {first.options}" if first.options else ""
    match candidate.placement:
        case Placement.EDGE:
            return f"on the device ({first.ep}{setting})"
        case Placement.CLOUD:
            region = f" in {first.region}" if first.region else ""
            return f"in the cloud ({first.name}{region})"
        case _:
            last = candidate.sites[-1]
            if ":prefer_device:" in candidate.id:
                return f"on the device ({first.ep}{setting}) with {last.name} as fallback"
            return f"in the cloud ({last.name}) with the device ({first.ep}) as fallback"


def _next_measurement(
    best: Candidate, model: ModelSummary, workload: Workload, environment: Environment
) -> NextMeasurement:
    limits = " ".join(
        f"--sla {format_percentile(target.percentile)}={target.limit_s * 1e3:g}ms"
        for target in workload.targets
    )
    again = f"placer recommend {model.path} {limits}".rstrip()
    effects = {found.rule for found in best.findings if found.effect is Effect.UNPROVEN}
    if "PLC602" in effects:
        return NextMeasurement(
            "the network between the device and the cloud",
            "it is assumed, and its value changes the verdict",
            f"{again} --network FILE",
        )
    if "PLC102" in effects:
        return NextMeasurement(
            "where the input may be processed",
            "its class allows only stated regions",
            f"{again} --region REGION",
        )
    device, last = environment.device, best.sites[-1]
    in_cloud = best.placement is not Placement.EDGE
    measured_compute = [
        stage.basis is Basis.MEASURED for stage in best.stages if stage.kind is StageKind.COMPUTE
    ]
    if in_cloud and all(measured_compute) and measured_compute:
        return NextMeasurement(
            "the network between the device and the cloud",
            "the figures of the path do not prove the target: a file with RTT samples, or "
            "quantiles up to the target's percentile, and the loss would",
            f"{again} --network FILE",
        )
    if in_cloud or not device.is_this_machine:
        return NextMeasurement(
            f"the model on {last.name}",
            f"its time there is not measured; run this there, then add --evidence {last.name}.json",
            f"placer profile {model.path} --site {last.name} --save {last.name}.json",
        )
    if best.quality is not None and best.quality.is_disturbed:
        return NextMeasurement(
            "the model on this device, while nothing else runs",
            "the measurement was disturbed: " + "; ".join(best.quality.reasons),
            f"{again} --fresh",
        )
    return NextMeasurement(
        "the model on this device, for longer",
        "; ".join(target.reason for target in best.targets) or "it could not be measured",
        f"{again} --fresh --time-limit 300s",
    )


def _facts(model: ModelSummary) -> ModelFacts:
    return ModelFacts(
        path=model.path,
        sha256=model.sha256,
        n_bytes=model.n_bytes,
        parameters=model.parameters,
        flops=model.flops,
        inputs=model.inputs,
        outputs=model.outputs,
        unknown_operators=model.unknown_operators,
    )
