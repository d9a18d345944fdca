"""The candidate that a placement makes: held to every rule, with all its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from placer.core.candidates.availability import answers_offline, availability_of
from placer.core.candidates.money import least_usd_per_month, money_of, most_usd_per_month
from placer.core.candidates.timed import TimedPlacement, what_runs
from placer.core.cost import Money, requests_per_month
from placer.core.doubts import link_load
from placer.core.energy import joules_per_request
from placer.core.environment import Basis
from placer.core.estimate import Candidate, Quality, Site, Verdict
from placer.core.finding import Effect, Finding
from placer.core.graph import ModelSummary
from placer.core.latency import basis_of_time, uncertainty_factor
from placer.core.legs.leg import VERDICT_ORDER
from placer.core.placement import CloudSite, EdgeSite, Environment
from placer.core.privacy import leaves
from placer.core.rules import RULES
from placer.core.rules.rule import Case
from placer.core.variant import Accuracy
from placer.core.workload import Leaves

_BASIS_ORDER = (Basis.MEASURED, Basis.TRANSFERRED, Basis.CATALOGUE, Basis.ASSUMED)


def candidate_of(timed: TimedPlacement) -> Candidate:
    """Judge a placement whose latency is known. Its rank is 0 until it is ranked."""
    edge, cloud, leg, cut = timed.edge, timed.cloud, timed.leg, timed.cut
    money = money_of(timed)
    case = _case(timed, money)
    findings = tuple(found for rule in RULES for found in rule.check(case))
    verdicts = [target.verdict for target in leg.targets]
    up_bytes, down_bytes = timed.sizes
    return Candidate(
        id=timed.id,
        placement=timed.placement,
        feasible=_feasible(findings),
        verdict=max(verdicts, key=VERDICT_ORDER.index, default=Verdict.MET),
        basis=_worst_basis(timed),
        rank=0,
        why_not=None,
        sites=_sites(edge, cloud, timed.environment),
        latency=leg.latency,
        targets=leg.targets,
        stages=leg.stages,
        bytes_up=up_bytes,
        bytes_down=down_bytes,
        uplink_bytes_per_month=_uplink_bytes_per_month(timed),
        capacity_hz=leg.capacity_hz,
        instances=None if cloud is None else leg.instances,
        usd_per_month=money.usd_per_month,
        usd_per_million=money.usd_per_million,
        costs=money.items,
        joules=_joules(timed),
        peak_memory_bytes=_peak_bytes(edge),
        agreement_ratio=_agreement_ratio(timed),
        accuracy_ratio=_accuracy_ratio(case.accuracies),
        leaves_device=case.leaves_device,
        quality=case.quality,
        findings=findings,
        variant=" + ".join(one.path for one in timed.variants) or None,
        variant_label=" + ".join(one.label for one in timed.variants) or None,
        spread=leg.spread,
        cascade=timed.cascade,
        cut=cut,
    )


def _case(timed: TimedPlacement, money: Money) -> Case:
    """Return the placement as the rules see it."""
    edge, cloud, leg, cut = timed.edge, timed.cloud, timed.leg, timed.cut
    workload, environment = timed.workload, timed.environment
    head, tail = _models(timed)
    estimated = timed.sites if cut is None else timed.sites[:1]
    behind = (site.time.behind for site in timed.sites)
    raw = cut is not None and bool(cut.raw)
    return Case(
        id=timed.id,
        placement=timed.placement,
        workload=workload,
        device=environment.device,
        edge_ep=None if edge is None else edge.ep,
        eps=tuple(site.ep for site in timed.sites),
        offer=None if cloud is None else cloud.offer,
        path=environment.path,
        targets=leg.targets,
        leaves_device=Leaves.RAW_INPUT if raw else leaves(timed.placement),
        answers_offline=answers_offline(timed),
        availability=availability_of(timed),
        nodes_by_ep=() if edge is None else edge.nodes_by_ep,
        measurements=tuple(one for one in behind if one is not None),
        edge_memory_bytes=_needed_bytes(edge, head),
        cloud_memory_bytes=_needed_bytes(cloud, tail),
        variants=timed.variants,
        capacity_hz=leg.capacity_hz,
        link_load_ratios=_link_loads(timed),
        is_path_assumed=environment.fastest_path is not None,
        capacity_factor_90=max(uncertainty_factor(site.time) for site in estimated),
        demand_hz=leg.demand_hz,
        usd_per_month=money.usd_per_month,
        most_usd_per_month=most_usd_per_month(timed, money),
        least_usd_per_month=least_usd_per_month(timed, money),
        missing_prices=money.missing,
        quality=_quality(timed),
        doubts=leg.doubts,
        is_settled_by_quiet=leg.held_back,
        deciding_assumption=leg.deciding_assumption,
        failures=tuple(site.failure for site in timed.sites if site.failure is not None),
        cascade=timed.cascade,
        cut=cut,
        accuracies=_accuracies(timed),
    )


def _accuracies(timed: TimedPlacement) -> tuple[tuple[str, Accuracy | None], ...]:
    """Return what answers, and how often it is right; None: not known."""
    cut, cascade, edge = timed.cut, timed.cascade, timed.edge
    if cut is not None and cut.wire is not None and not cut.is_sent_as_is:
        return ((f"the split that sends {cut.wire.value}", None),)
    if cascade is not None and edge is not None and edge.variant is not None:
        return ((f"the cascade of {edge.variant.name} and the model", cascade.accuracy),)
    return tuple(
        ("the model", timed.environment.accuracy)
        if site.variant is None
        else (site.variant.name, site.variant.accuracy)
        for site in timed.sites
    )


def _accuracy_ratio(accuracies: Sequence[tuple[str, Accuracy | None]]) -> float | None:
    """Return the least of all that answers; None: of something it is not known."""
    known = [one.ratio for _, one in accuracies if one is not None]
    return min(known) if len(known) == len(accuracies) else None


def _agreement_ratio(timed: TimedPlacement) -> float | None:
    """Return how often it answers as the model does; None: it is the model, or nobody knows."""
    if timed.cascade is not None:
        agreements = [timed.cascade.agreement.ratio]
    else:
        agreements = [one.agreement.ratio for one in timed.variants if one.agreement is not None]
    return min(agreements) if len(agreements) == len(timed.variants) > 0 else None


def _uplink_bytes_per_month(timed: TimedPlacement) -> float | None:
    requests, (up_bytes, _) = requests_per_month(timed.workload), timed.sizes
    if timed.cloud is None:
        return 0.0
    return None if requests is None or up_bytes is None else requests * up_bytes * timed.share


def _joules(timed: TimedPlacement) -> float | None:
    edge, is_needed = timed.edge, timed.cloud is None or timed.passed_on is not None
    share = 1.0 if is_needed else 1.0 - timed.share
    compute_s: float | None = 0.0
    if edge is not None and share != 0:
        compute_s = None if edge.time.mean_s is None else edge.time.mean_s * share
    return joules_per_request(
        timed.environment.device,
        timed.environment.path,
        compute_s=compute_s,
        cloud_share=timed.cloud_share,
        sizes=timed.sizes,
        wait_s=timed.leg.wait_s,
    )


def _peak_bytes(site: EdgeSite | CloudSite | None) -> int | None:
    measured = None if site is None else site.time.measurement
    return None if measured is None else measured.peak_memory_bytes


def _models(timed: TimedPlacement) -> tuple[ModelSummary, ModelSummary]:
    """Return the model, or its parts: on the device and in the cloud."""
    model, split = timed.model, timed.split
    if split is None:
        return model, model
    return replace(model, n_bytes=split.head_bytes), replace(model, n_bytes=split.tail_bytes)


def _needed_bytes(site: EdgeSite | CloudSite | None, model: ModelSummary) -> int | None:
    """Return the memory that a site needs: the measured peak, else the model's own size."""
    if site is None:
        return None
    return _peak_bytes(site) or what_runs(site, model).n_bytes


def _feasible(findings: Sequence[Finding]) -> bool | None:
    effects = {found.effect for found in findings}
    if Effect.VIOLATED in effects:
        return False
    return None if Effect.UNPROVEN in effects else True


def _link_loads(timed: TimedPlacement) -> tuple[float, float]:
    rate_hz = timed.workload.rate_hz
    if timed.cloud is None or rate_hz is None:
        return 0.0, 0.0
    path = timed.environment.path
    usual, _ = link_load(path, rate_hz * timed.share, *timed.sizes)
    _, slow = link_load(path, rate_hz * timed.slow_share, *timed.sizes)
    return usual, slow


def _quality(timed: TimedPlacement) -> Quality | None:
    behind = (site.time.behind for site in timed.sites)
    instruments = [one.instrument for one in behind if one is not None]
    if not instruments:
        return None
    reasons = tuple(reason for instrument in instruments for reason in instrument.reasons)
    return Quality(is_disturbed=bool(reasons), reasons=reasons)


def _worst_basis(timed: TimedPlacement) -> Basis:
    cloud, environment = timed.cloud, timed.environment
    found = [basis_of_time(site.time) for site in timed.sites]
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
