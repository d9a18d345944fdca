"""Judging placements: one that is declared, or all of them, by the same code.

A gate that calls ``evaluate`` and a recommendation therefore cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from placer.core.candidates.candidate import candidate_of
from placer.core.candidates.timed import TimedPlacement, what_runs
from placer.core.cascade import CascadeFacts, NoCascade, Wanted, choose
from placer.core.estimate import Candidate, Placement
from placer.core.graph import ModelSummary
from placer.core.legs.cascade import cascade_leg
from placer.core.legs.cloud import cloud_leg
from placer.core.legs.edge import edge_leg
from placer.core.legs.fallback import cloud_share, fallback_leg
from placer.core.legs.split import split_leg
from placer.core.placement import (
    Cascade,
    Cloud,
    Edge,
    Environment,
    Fallback,
    PlacementOption,
    Split,
)
from placer.core.ranking import objective_of, rank
from placer.core.variant import Variant
from placer.core.workings import Workings
from placer.core.workload import Objective, Workload


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
    timed = partial(
        TimedPlacement, id=option.id, model=model, workload=workload, environment=environment
    )
    match option:
        case Edge(site):
            leg = edge_leg(site, workload, workings)
            return candidate_of(timed(placement=Placement.EDGE, leg=leg, edge=site))
        case Cloud(cloud):
            leg = cloud_leg(cloud, what_runs(cloud, model), workload, environment, workings)
            return candidate_of(timed(placement=Placement.CLOUD, leg=leg, cloud=cloud))
        case Fallback(edge, cloud, prefers_device):
            in_cloud = what_runs(cloud, model)
            leg = fallback_leg(
                *(edge, cloud, prefers_device, in_cloud), *(workload, environment, workings)
            )
            share = slow_share = 1.0
            if prefers_device:
                share = cloud_share(edge, workload, workings)
                slow_share = cloud_share(edge, workload, workings, at_slow_end=True)
            return candidate_of(
                timed(
                    placement=Placement.FALLBACK,
                    leg=leg,
                    edge=edge,
                    cloud=cloud,
                    share=share,
                    slow_share=slow_share,
                )
            )
        case Cascade(edge, cloud, facts):
            in_cloud, rate = what_runs(cloud, model), facts.escalation
            leg = cascade_leg(edge, cloud, rate, in_cloud, workload, environment, workings)
            return candidate_of(
                timed(
                    placement=Placement.CASCADE,
                    leg=leg,
                    edge=edge,
                    cloud=cloud,
                    share=rate.ratio,
                    slow_share=rate.high_ratio,
                    cascade=facts,
                )
            )
        case Split(head, tail):
            leg = split_leg(option, model, workload, environment, workings)
            return candidate_of(
                timed(placement=Placement.SPLIT, leg=leg, edge=head, cloud=tail, split=option)
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
