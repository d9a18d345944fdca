"""Judging placements: one that is declared, or all of them, by the same code.

A gate that calls ``evaluate`` and a recommendation therefore cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from placer.core.cascade import CascadeFacts, NoCascade, Rate, Wanted, choose
from placer.core.cost import Money, cloud_money, combined, edge_money, requests_per_month
from placer.core.doubts import link_load
from placer.core.energy import joules_per_request
from placer.core.environment import Basis, CloudOffer
from placer.core.estimate import (
    Candidate,
    Placement,
    Quality,
    Site,
    Verdict,
)
from placer.core.finding import Effect, Finding
from placer.core.graph import ModelSummary
from placer.core.latency import (
    basis_of_time,
    uncertainty_factor,
)
from placer.core.legs.cascade import ALWAYS, cascade_leg
from placer.core.legs.cloud import cloud_leg
from placer.core.legs.edge import edge_leg
from placer.core.legs.fallback import cloud_share, fallback_leg
from placer.core.legs.leg import VERDICT_ORDER, Leg
from placer.core.legs.split import split_leg
from placer.core.placement import (
    Cascade,
    Cloud,
    CloudSite,
    Edge,
    EdgeSite,
    Environment,
    Fallback,
    PlacementOption,
    Split,
)
from placer.core.privacy import leaves
from placer.core.ranking import objective_of, rank
from placer.core.rules import RULES
from placer.core.rules.rule import Availability, Case
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Variant
from placer.core.workings import Workings
from placer.core.workload import Leaves, Objective, Workload

_BASIS_ORDER = (Basis.MEASURED, Basis.TRANSFERRED, Basis.CATALOGUE, Basis.ASSUMED)


def evaluate(
    option: PlacementOption,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    workings: Workings | None = None,
) -> Candidate:
    """Judge one placement against the workload. Its rank is 0 until it is ranked.

    Parameters
    ----------
    workings
        What was worked out before for the same model and sites; new parts are added.
    """
    workings = workings or Workings()
    match option:
        case Edge(site):
            leg = edge_leg(site, workload, workings)
            return _candidate(
                option.id, Placement.EDGE, leg, site, None, model, workload, environment
            )
        case Cloud(cloud_site):
            leg = cloud_leg(
                cloud_site, _what_runs(cloud_site, model), workload, environment, workings
            )
            return _candidate(
                option.id, Placement.CLOUD, leg, None, cloud_site, model, workload, environment
            )
        case Fallback(edge_site, cloud_site, prefers_device):
            leg = fallback_leg(
                edge_site,
                cloud_site,
                prefers_device,
                _what_runs(cloud_site, model),
                workload,
                environment,
                workings,
            )
            return _candidate(
                option.id,
                Placement.FALLBACK,
                leg,
                edge_site,
                cloud_site,
                model,
                workload,
                environment,
                share=cloud_share(edge_site, workload, workings) if prefers_device else 1.0,
                slow_share=cloud_share(edge_site, workload, workings, at_slow_end=True)
                if prefers_device
                else 1.0,
            )
        case Cascade(edge_site, cloud_site, facts):
            in_cloud = _what_runs(cloud_site, model)
            leg = cascade_leg(
                *(edge_site, cloud_site, facts.escalation, in_cloud),
                *(workload, environment, workings),
            )
            return _candidate(
                option.id,
                Placement.CASCADE,
                leg,
                edge_site,
                cloud_site,
                model,
                workload,
                environment,
                share=facts.escalation.ratio,
                slow_share=facts.escalation.high_ratio,
                cascade=facts,
            )
        case Split(head, tail):
            return _candidate(
                option.id,
                Placement.SPLIT,
                split_leg(option, model, workload, environment, workings),
                head,
                tail,
                model,
                workload,
                environment,
                split=option,
            )


def rank_all(
    model: ModelSummary, workload: Workload, environment: Environment, workings: Workings
) -> tuple[list[Candidate], Objective]:
    """Judge every placement of the environment; return them best first, and by what.

    The fallbacks are those of the best device site and the best cloud site; the cascades pass on
    from the best device site of each variant to the best cloud site of the model itself; the splits
    are those of the environment.
    """

    def judged(options: Sequence[PlacementOption]) -> list[Candidate]:
        found = [evaluate(option, model, workload, environment, workings) for option in options]
        return rank(found, objective_of(workload, found))

    edges = judged([Edge(site) for site in environment.edges])
    clouds = judged([Cloud(site) for site in environment.clouds])
    fallbacks = []
    if edges and clouds:
        edge_site = next(site for site in environment.edges if Edge(site).id == edges[0].id)
        cloud_site = next(site for site in environment.clouds if Cloud(site).id == clouds[0].id)
        fallbacks = judged([Fallback(edge_site, cloud_site, prefers) for prefers in (True, False)])
    cascades = judged(_cascades(edges, clouds, workload, environment, workings))
    splits = judged(environment.splits)
    everything = [*edges, *clouds, *fallbacks, *cascades, *splits]
    objective = objective_of(workload, everything)
    return rank(everything, objective), objective


def _cascades(
    edges: Sequence[Candidate],
    clouds: Sequence[Candidate],
    workload: Workload,
    environment: Environment,
    workings: Workings,
) -> list[Cascade]:
    """Return the cascades worth judging; none without a wanted agreement and compared variants.

    Parameters
    ----------
    edges, clouds
        Candidates on the device alone and in the cloud alone, best first.
    """
    wanted = wanted_of(workload)
    in_cloud = {Cloud(site).id: site for site in environment.clouds if site.variant is None}
    cloud_site = next((in_cloud[one.id] for one in clouds if one.id in in_cloud), None)
    if wanted is None or cloud_site is None:
        return []
    on_device = {Edge(site).id: site for site in environment.edges}
    found: dict[str, Cascade] = {}
    for one in edges:
        site = on_device[one.id]
        if site.variant is None or site.variant.name in found:
            continue
        facts = threshold_of(site.variant, wanted, workings)
        if isinstance(facts, CascadeFacts):
            found[site.variant.name] = Cascade(site, cloud_site, facts)
    return list(found.values())


def threshold_of(variant: Variant, wanted: Wanted, workings: Workings) -> CascadeFacts | NoCascade:
    """Return when a variant passes on so that the answers agree often enough, or why never."""
    trials = variant.trials
    if trials is None:
        return NoCascade.NO_SCORES
    return workings.once(("threshold", id(trials), wanted), partial(choose, trials, wanted))


def wanted_of(workload: Workload) -> Wanted | None:
    """Return what the answers of a cascade must keep; None: nobody stated it."""
    if workload.min_agreement_ratio is None and workload.min_accuracy_ratio is None:
        return None
    return Wanted(workload.min_agreement_ratio, workload.min_accuracy_ratio)


def _candidate(
    candidate_id: str,
    placement: Placement,
    leg: Leg,
    edge: EdgeSite | None,
    cloud: CloudSite | None,
    model: ModelSummary,
    workload: Workload,
    environment: Environment,
    *,
    share: float = 1.0,
    slow_share: float = 1.0,
    cascade: CascadeFacts | None = None,
    split: Split | None = None,
) -> Candidate:
    device, offer = environment.device, None if cloud is None else cloud.offer
    uses_cloud = cloud is not None
    up_bytes: int | None = 0
    down_bytes: int | None = 0
    if cloud is not None:
        in_cloud = _what_runs(cloud, model)
        up_bytes, down_bytes = (
            workload.wire_input_bytes or in_cloud.input_bytes,
            in_cloud.output_bytes,
        )
    if split is not None:
        up_bytes, down_bytes = split.up_bytes(workload.wire_input_bytes), split.down_bytes
    uplink_per_month = None if uses_cloud else 0.0
    requests = requests_per_month(workload)
    if requests is not None and up_bytes is not None:
        uplink_per_month = requests * up_bytes * (share if uses_cloud else 0.0)
    money = _money(edge, cloud, leg, workload, environment, up_bytes, down_bytes, share)
    most_usd = money.usd_per_month
    if slow_share > share and cloud is not None and leg.instances:
        needed = max(leg.instances, _instances_at(cloud, workload, slow_share))
        slow_leg = replace(leg, instances=needed)
        most_usd = _money(
            edge, cloud, slow_leg, workload, environment, up_bytes, down_bytes, slow_share
        ).usd_per_month
    quality = _quality(edge, cloud)
    edge_measured = None if edge is None else edge.time.measurement
    cut = None if split is None else split.cut
    leaving = leaves(placement) if cut is None or not cut.raw else Leaves.RAW_INPUT
    edge_memory = None if edge_measured is None else edge_measured.peak_memory_bytes
    variants = tuple(
        dict.fromkeys(
            site.variant for site in (edge, cloud) if site is not None and site.variant is not None
        )
    )
    if cascade is None:
        agreements = [one.agreement.ratio for one in variants if one.agreement is not None]
    else:
        agreements = [cascade.agreement.ratio]
    accuracies = _accuracies(edge, cloud, environment, cascade, cut)
    known = [one.ratio for _, one in accuracies if one is not None]
    failures = tuple(
        site.failure for site in (edge, cloud) if site is not None and site.failure is not None
    )
    passed_on = ALWAYS if split is not None else None  # the share that needs both places
    passed_on = passed_on if cascade is None else cascade.escalation
    answers_offline = passed_on is None and _answers_offline(edge, leg, workload)
    case = Case(
        id=candidate_id,
        placement=placement,
        workload=workload,
        device=device,
        edge_ep=None if edge is None else edge.ep,
        eps=tuple(site.ep for site in (edge, cloud) if site is not None),
        offer=offer,
        path=environment.path,
        targets=leg.targets,
        leaves_device=leaving,
        answers_offline=answers_offline,
        availability=_availability(environment, edge, offer, answers_offline, passed_on),
        nodes_by_ep=() if edge is None else edge.nodes_by_ep,
        measurements=tuple(
            site.time.behind
            for site in (edge, cloud)
            if site is not None and site.time.behind is not None
        ),
        edge_memory_bytes=_needed_bytes(
            edge, model if split is None else replace(model, n_bytes=split.head_bytes)
        ),
        cloud_memory_bytes=_needed_bytes(
            cloud, model if split is None else replace(model, n_bytes=split.tail_bytes)
        ),
        variants=variants,
        capacity_hz=leg.capacity_hz,
        link_load_ratios=_link_loads(workload, environment, up_bytes, down_bytes, share, slow_share)
        if uses_cloud
        else (0.0, 0.0),
        is_path_assumed=environment.fastest_path is not None,
        capacity_factor_90=max(
            uncertainty_factor(site.time)
            for site in ((edge, cloud) if split is None else (edge,))
            if site is not None
        ),
        demand_hz=leg.demand_hz,
        usd_per_month=money.usd_per_month,
        most_usd_per_month=most_usd,
        least_usd_per_month=_least_usd_per_month(money, cloud, leg),
        missing_prices=money.missing,
        quality=quality,
        doubts=leg.doubts,
        is_settled_by_quiet=leg.held_back,
        deciding_assumption=leg.deciding_assumption,
        failures=failures,
        cascade=cascade,
        cut=cut,
        accuracies=accuracies,
    )
    findings = tuple(found for rule in RULES for found in rule.check(case))
    verdicts = [target.verdict for target in leg.targets]
    return Candidate(
        id=candidate_id,
        placement=placement,
        feasible=_feasible(findings),
        verdict=max(verdicts, key=VERDICT_ORDER.index, default=Verdict.MET),
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
        costs=money.items,
        joules=joules_per_request(
            device,
            environment.path,
            compute_s=_compute_s(
                edge, 1.0 if cloud is None or passed_on is not None else 1.0 - share
            ),
            cloud_share=share if uses_cloud else 0.0,
            sizes=(up_bytes, down_bytes),
            wait_s=leg.wait_s,
        ),
        peak_memory_bytes=edge_memory,
        agreement_ratio=min(agreements) if len(agreements) == len(variants) > 0 else None,
        accuracy_ratio=min(known) if len(known) == len(accuracies) else None,
        leaves_device=leaving,
        quality=quality,
        findings=findings,
        variant=" + ".join(one.path for one in variants) or None,
        variant_label=" + ".join(one.label for one in variants) or None,
        spread=leg.spread,
        cascade=cascade,
        cut=cut,
    )


def _accuracies(
    edge: EdgeSite | None,
    cloud: CloudSite | None,
    environment: Environment,
    cascade: CascadeFacts | None,
    cut: CutFacts | None,
) -> tuple[tuple[str, Accuracy | None], ...]:
    """Return what answers, and how often it is right; None: not known."""
    if cut is not None and cut.wire is not None and not cut.is_sent_as_is:
        return ((f"the split that sends {cut.wire.value}", None),)
    if cascade is not None and edge is not None and edge.variant is not None:
        return ((f"the cascade of {edge.variant.name} and the model", cascade.accuracy),)
    return tuple(
        ("the model", environment.accuracy)
        if site.variant is None
        else (site.variant.name, site.variant.accuracy)
        for site in (edge, cloud)
        if site is not None
    )


def _what_runs(site: EdgeSite | CloudSite, model: ModelSummary) -> ModelSummary:
    return model if site.variant is None else site.variant.model


def _needed_bytes(site: EdgeSite | CloudSite | None, model: ModelSummary) -> int | None:
    """Return the memory that a site needs: the measured peak, else the model's own size."""
    if site is None:
        return None
    measured = site.time.measurement
    peak_bytes = None if measured is None else measured.peak_memory_bytes
    return peak_bytes or _what_runs(site, model).n_bytes


def _least_usd_per_month(money: Money, cloud: CloudSite | None, leg: Leg) -> float:
    """Return what the placement costs at least: fewer instances if an estimate is at its fast end.

    Unknown items count as nothing.
    """
    least_usd = money.least_usd_per_month
    estimate = None if cloud is None or cloud.time.measurement else cloud.time.estimate
    rent_usd = next((item.usd_per_month for item in money.items if item.name == "instances"), None)
    if estimate is None or rent_usd is None or not leg.instances:
        return least_usd
    fewest = max(1, math.floor(leg.instances * estimate.low_s / estimate.median_s))
    return least_usd - rent_usd * (1 - fewest / leg.instances)


def _feasible(findings: Sequence[Finding]) -> bool | None:
    effects = {found.effect for found in findings}
    if Effect.VIOLATED in effects:
        return False
    return None if Effect.UNPROVEN in effects else True


def _answers_offline(edge: EdgeSite | None, leg: Leg, workload: Workload) -> bool:
    if edge is None:
        return False
    mean_s = edge.time.mean_s
    if workload.rate_hz is None or mean_s is None:
        return edge.failure is None
    return workload.rate_hz * mean_s < 1


def _availability(
    environment: Environment,
    edge: EdgeSite | None,
    offer: CloudOffer | None,
    offline: bool,
    passed_on: Rate | None,
) -> Availability:
    """Return the share of requests that are answered: by the device, or over link and cloud.

    A device that cannot serve the whole rate alone does not count as a way of its own beside the
    cloud. Device, link and cloud are taken to fail independently of each other.

    Parameters
    ----------
    passed_on
        Of a cascade or a split, which needs the device for each request: the share of those that
        need link and cloud as well. None: device and cloud each answer alone.
    """
    if passed_on is not None:
        on_device = _availability(environment, edge, None, True, None)
        in_cloud = _availability(environment, None, offer, False, None)
        return Availability(
            on_device.low_ratio * (1 - passed_on.high_ratio * (1 - in_cloud.low_ratio)),
            on_device.high_ratio * (1 - passed_on.low_ratio * (1 - in_cloud.high_ratio)),
            (*on_device.missing, *in_cloud.missing),
        )
    missing = []
    ways: list[tuple[float, float]] = []
    if edge is not None and (offline or offer is None):
        ratio = environment.device.availability_ratio
        if ratio is None:
            missing.append(f"device {environment.device.name}")
        ways.append((ratio or 0.0, 1.0 if ratio is None else ratio))
    if offer is not None:
        parts = {
            f"network {environment.path.name}": environment.path.availability_ratio,
            f"cloud {offer.name}": offer.availability_ratio,
        }
        missing += [name for name, ratio in parts.items() if ratio is None]
        low = math.prod(ratio or 0.0 for ratio in parts.values())
        ways.append((low, math.prod(1.0 if one is None else one for one in parts.values())))
    return Availability(
        1 - math.prod(1 - low for low, _ in ways),
        1 - math.prod(1 - high for _, high in ways),
        tuple(missing),
    )


def _instances_at(cloud: CloudSite, workload: Workload, share: float) -> int:
    """Return the fewest instances that serve a share of the requests at all."""
    mean_s = cloud.time.mean_s
    if mean_s is None or workload.rate_hz is None:
        return 1
    return max(1, math.ceil(workload.rate_hz * workload.fleet * share * mean_s))


def _link_loads(
    workload: Workload,
    environment: Environment,
    up_bytes: int | None,
    down_bytes: int | None,
    share: float,
    slow_share: float,
) -> tuple[float, float]:
    if workload.rate_hz is None:
        return 0.0, 0.0
    path, rate_hz = environment.path, workload.rate_hz
    usual, _ = link_load(path, rate_hz * share, up_bytes, down_bytes)
    _, slow = link_load(path, rate_hz * slow_share, up_bytes, down_bytes)
    return usual, slow


def _quality(edge: EdgeSite | None, cloud: CloudSite | None) -> Quality | None:
    instruments = [
        site.time.behind.instrument
        for site in (edge, cloud)
        if site is not None and site.time.behind is not None
    ]
    if not instruments:
        return None
    reasons = tuple(reason for instrument in instruments for reason in instrument.reasons)
    return Quality(is_disturbed=bool(reasons), reasons=reasons)


def _worst_basis(
    edge: EdgeSite | None, cloud: CloudSite | None, environment: Environment, leg: Leg
) -> Basis:
    found = [basis_of_time(site.time) for site in (edge, cloud) if site is not None]
    if cloud is not None:
        found.append(
            Basis.ASSUMED if environment.fastest_path is not None else environment.path.basis
        )
        if cloud.backbone is not None:
            found.append(Basis.ASSUMED if cloud.backbone.high_s is None else cloud.backbone.basis)
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
                edge.nodes_by_ep,
            ),
        )
    if cloud is not None:
        measured, offer = cloud.time.measurement, cloud.offer
        sites += (
            Site(
                1,
                offer.name,
                f"{offer.provider} {offer.instance}",
                cloud.ep,
                None if measured is None else measured.settings.label,
                offer.region,
                () if measured is None else measured.nodes_by_ep,
                jurisdiction=offer.jurisdiction,
                country=offer.country,
            ),
        )
    return sites


def _compute_s(edge: EdgeSite | None, device_share: float) -> float | None:
    """Return how long the device computes for a request in the mean; None: unknown."""
    if edge is None or device_share == 0:
        return 0.0
    return None if edge.time.mean_s is None else edge.time.mean_s * device_share


def _money(
    edge: EdgeSite | None,
    cloud: CloudSite | None,
    leg: Leg,
    workload: Workload,
    environment: Environment,
    up_bytes: int | None,
    down_bytes: int | None,
    share: float,
) -> Money:
    requests = requests_per_month(workload)
    parts = []
    if edge is not None:
        parts.append(
            edge_money(
                environment.device,
                electricity_usd_per_kwh=environment.electricity_usd_per_kwh,
                fleet=workload.fleet,
                requests=requests,
                electricity_source=environment.electricity_source,
                active_ratio=workload.active_ratio,
            )
        )
    if cloud is not None:
        mean_s = cloud.time.mean_s
        parts.append(
            cloud_money(
                cloud.offer,
                environment.path,
                up_bytes=up_bytes,
                down_bytes=down_bytes,
                instances=leg.instances,
                requests=None if requests is None else requests * share,
                active_ratio=workload.active_ratio,
                capacity_hz=None if mean_s is None else 1 / mean_s,
            )
        )
    return parts[0] if len(parts) == 1 else combined(parts, requests=requests)
