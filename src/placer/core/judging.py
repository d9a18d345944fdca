"""The declared placement, judged by the code that recommends, and what that says of a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from placer.core.deployment import Place, Tier
from placer.core.estimate import Candidate
from placer.core.evaluate import evaluate, rank_all
from placer.core.finding import Effect, Finding, Severity
from placer.core.gate import Excerpt, GateFinding, Outcome
from placer.core.gate_rules.plc708_accelerator import needs_accelerator
from placer.core.gate_rules.rule import GateCase, Record, Served
from placer.core.placement import Cloud, Edge, Environment
from placer.core.project import SiteEntry
from placer.core.ranking import objective_of, rank
from placer.core.workings import Workings

_ORDER = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL)
_OUTCOMES = {
    Effect.VIOLATED: Outcome.FAIL,
    Effect.UNPROVEN: Outcome.INCONCLUSIVE,
    Effect.NONE: Outcome.PASS,
}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of some outcomes; of none, PASS."""
    return max(outcomes, key=_ORDER.index, default=Outcome.PASS)


def outcomes_of(findings: Iterable[GateFinding]) -> dict[tuple[str, str | None], Outcome]:
    """Return the verdict on each thing that is deployed, by path and id.

    Parameters
    ----------
    findings
        Those that are not silenced; what has none passes and is left out.
    """
    found: dict[tuple[str, str | None], list[Outcome]] = {}
    for one in findings:
        if one.deployed_in is not None:
            found.setdefault((one.deployed_in, one.deployed), []).append(one.outcome)
    return {key: worst(outcomes) for key, outcomes in found.items()}


def judged(
    entry: SiteEntry,
    served: Served,
    records: Sequence[Record],
    environment: Environment,
    workings: Workings,
    *,
    grants_accelerator: bool,
) -> tuple[Record | None, Candidate | None, Candidate | None]:
    """Judge the declared site and find the best placement on the same evidence.

    Parameters
    ----------
    records
        Of the declared site.
    grants_accelerator
        The manifest requests an accelerator: without one only what ran on the CPU counts, if there
        is any such record.

    Returns
    -------
    The record that it is judged by (None: an estimate), the declared candidate (None: the site is
    not among the environment's), the best one.
    """
    assert served.model is not None
    model, workload = served.model, served.workload
    usable = [one for one in records if one.measurement is not None]
    on_cpu = [one for one in usable if not needs_accelerator(one)]
    eligible = usable if grants_accelerator or not on_cpu else on_cpu
    ranked, _ = rank_all(model, workload, environment, workings)
    best = ranked[0] if ranked else None
    if entry.tier is Tier.CLOUD:
        site = next(
            (
                one
                for one in environment.clouds
                if entry.offer is not None
                and (one.offer.name, one.offer.region) == (entry.offer.name, entry.offer.region)
            ),
            None,
        )
        if site is None:
            return None, None, best
        declared = evaluate(Cloud(site), model, workload, environment, workings)
        return _of(usable, site.time.evidence_path), declared, best
    names = {one.ep for one in eligible}
    sites = [one for one in environment.edges if not names or one.ep in names]
    found = [evaluate(Edge(one), model, workload, environment, workings) for one in sites]
    if not found:
        return None, None, best
    declared = rank(found, objective_of(workload, found))[0]
    chosen = next(one for one in sites if Edge(one).id == declared.id)
    return _of(usable, chosen.time.evidence_path), declared, best


def _of(records: Sequence[Record], path: str | None) -> Record | None:
    return next((one for one in records if one.path == path), None)


def placement_findings(case: GateCase) -> tuple[GateFinding, ...]:
    """Return what the rules of placements say of the declared one, at the keys of the manifest.

    Notes are left out: a gate says what to act on.
    """
    candidate = case.candidate
    if candidate is None:
        return ()
    return tuple(
        _at_the_manifest(case, one)
        for one in candidate.findings
        if one.effect is not Effect.NONE or one.severity >= Severity.WARNING
    )


def _at_the_manifest(case: GateCase, finding: Finding) -> GateFinding:
    served = case.served
    assert served is not None
    limit = value = None
    related: tuple[Excerpt, ...] = ()
    if finding.rule.startswith("PLC2") and served.limit is not None:
        related = (served.limit,)
        limit = served.limit.label
    return GateFinding(
        rule=finding.rule,
        severity=finding.severity,
        outcome=_OUTCOMES[finding.effect],
        message=finding.message,
        remedy=case.measure if finding.rule in ("PLC202", "PLC601") else finding.remedy,
        place=_place_of(case, finding.rule),
        deployed=case.deployed.id,
        deployed_in=case.deployed.place.path,
        workload=served.name,
        value=value,
        limit=limit,
        evidence=None if case.chosen is None else case.chosen.sha256,
        related=related,
    )


def _place_of(case: GateCase, rule: str) -> Place:
    """Return the smallest key of the manifest that a rule of placements is about."""
    memory = case.deployed.resources.memory_limit_bytes
    if rule == "PLC401" and memory is not None:
        return memory.place
    if rule in ("PLC406", "PLC408"):
        return case.model_place
    return case.where
