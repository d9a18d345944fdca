"""The decision: every placement judged and ranked, why, what would change it, what to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from placer.core.cascade import NoCascade, Wanted
from placer.core.cascade_proof import samples_that_judge
from placer.core.estimate import (
    Candidate,
    Flip,
    ModelFacts,
    Placement,
    Recommendation,
    VariantFacts,
)
from placer.core.evaluate import evaluate, rank_all, threshold_of, wanted_of
from placer.core.finding import Effect, Finding, Severity
from placer.core.flips import find_flips
from placer.core.graph import ModelSummary
from placer.core.next_measurement import next_measurement
from placer.core.placement import Environment
from placer.core.wording import decide, why_not
from placer.core.workings import Workings
from placer.core.workload import Objective, Workload

__all__ = ["evaluate", "recommend"]


_NO_CASCADE_REMEDIES = {
    NoCascade.NEVER_SURE: "another variant, or ask for less",
    NoCascade.UNPROVABLE: "give more samples with labels, or ask for less",
    NoCascade.TOO_FEW: "give more samples, or ask for less",
    NoCascade.NO_LABELS: "give them: --labels LABELS.npy",
    NoCascade.NO_SCORES: "export the model with its scores as an output",
}


def recommend(
    model: ModelSummary, workload: Workload, environment: Environment, *, with_flips: bool = True
) -> Recommendation:
    """Judge every placement of the environment, rank them and decide.

    Parameters
    ----------
    with_flips
        Also solve for what would change the decision, and for what to measure next.
    """
    workings = Workings()
    ranked, objective = rank_all(model, workload, environment, workings)
    best = ranked[0] if ranked else None
    chosen = best if best is not None and best.feasible is not False else None
    candidates = tuple(
        replace(
            candidate,
            rank=place,
            why_not=None if candidate is chosen else why_not(candidate, chosen, objective),
        )
        for place, candidate in enumerate(ranked, start=1)
    )
    flips: tuple[Flip, ...] = ()
    following = None
    if with_flips and best is not None:
        brief = workings.brief()
        flips = find_flips(model, workload, environment, best, brief)
        following = next_measurement(best, model, workload, environment, brief)
    return Recommendation(
        model=_facts(model),
        targets=workload.targets,
        decision=decide(candidates, chosen is not None, objective),
        candidates=candidates,
        flips=flips,
        next_measurement=following,
        findings=(
            *environment.findings,
            *_cost_is_left_out(workload, objective, ranked),
            *_no_cascades(workload, environment, workings),
        ),
        assumptions=environment.assumptions,
        variants=_variants(model, environment, candidates),
        crossovers=environment.crossovers,
    )


def _variants(
    model: ModelSummary, environment: Environment, candidates: Sequence[Candidate]
) -> tuple[VariantFacts, ...]:
    """Return the model and its variants, each with what its best candidate on the device takes."""
    runs = [site.variant for site in environment.edges]
    runs += [site.variant for site in environment.clouds]
    variants = dict.fromkeys(variant for variant in runs if variant is not None)
    if not variants:
        return ()
    facts = []
    for variant in (None, *variants):
        path = None if variant is None else variant.path
        best = next(
            (one for one in candidates if one.placement is Placement.EDGE and one.variant == path),
            None,
        )
        latency = None if best is None else best.latency
        made = None if variant is None else variant.made
        facts.append(
            VariantFacts(
                path=path or model.path,
                name=None if variant is None else variant.name,
                n_bytes=(model if variant is None else variant.model).n_bytes,
                precision=None if made is None else made.precision,
                how=None if made is None else made.how,
                candidate=None if best is None else best.id,
                p50_s=None if latency is None else latency.p50_s,
                p99_s=None if latency is None else latency.p99_s,
                peak_memory_bytes=None if best is None else best.peak_memory_bytes,
                agreement=None if variant is None else variant.agreement,
                accuracy=environment.accuracy if variant is None else variant.accuracy,
            )
        )
    return tuple(facts)


def _no_cascades(
    workload: Workload, environment: Environment, workings: Workings
) -> tuple[Finding, ...]:
    """Say of which compared variants no cascade is offered, and why.

    That one needs none is not worth telling: it is a candidate by itself.
    """
    wanted = wanted_of(workload)
    if wanted is None or not any(site.variant is None for site in environment.clouds):
        return ()
    on_device = dict.fromkeys(site.variant for site in environment.edges)
    findings = []
    for variant in on_device:
        if variant is None or variant.agreement is None:
            continue
        why = threshold_of(variant, wanted, workings)
        if isinstance(why, NoCascade) and why is not NoCascade.NEEDLESS:
            findings.append(
                Finding(
                    "PLC406",
                    Severity.NOTE,
                    Effect.NONE,
                    f"no cascade of {variant.name} and the model is offered: {why}"
                    + (_needed(wanted) if why is NoCascade.TOO_FEW else ""),
                    _NO_CASCADE_REMEDIES[why],
                    None,
                )
            )
    return tuple(findings)


def _needed(wanted: Wanted) -> str:
    """Say how many samples a proof takes."""
    most = max(wanted.agreement_ratio or 0.0, wanted.accuracy_ratio or 0.0)
    judging = samples_that_judge(most)
    if judging is None:
        return "; no number of samples proves 100 %"
    return f"; it takes {judging:,} that judge and as many that choose: {2 * judging:,} in all"


def _cost_is_left_out(
    workload: Workload, objective: Objective, ranked: Sequence[Candidate]
) -> tuple[Finding, ...]:
    """Say so where cost would rank by default and a missing price forbids it."""
    if workload.rate_hz is None or workload.objective is not None or objective is Objective.COST:
        return ()
    missing = [one.id for one in ranked if one.usd_per_month is None and one.feasible is not False]
    return (
        Finding(
            "PLC502",
            Severity.NOTE,
            Effect.NONE,
            f"ranked by margin to the target, not by cost: no price for {', '.join(missing)}",
            "give the missing price in a profile file, or choose: --objective cost",
            None,
        ),
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
