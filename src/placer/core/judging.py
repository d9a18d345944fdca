"""The declared placement, judged by the code that recommends, and what that says of a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import Place, Resources, Tier
from placer.core.estimate import Candidate, TargetVerdict, Verdict
from placer.core.evaluate import evaluate, rank_all
from placer.core.finding import Effect, Finding, Severity
from placer.core.gate import Excerpt, GateFinding, Outcome, concerned
from placer.core.gate_rules.plc102_site import region_findings
from placer.core.gate_rules.plc104_ways import plain_text_findings
from placer.core.gate_rules.plc618_tampered import uses_network
from placer.core.gate_rules.plc708_accelerator import needs_accelerator, runs_on
from placer.core.gate_rules.rule import GateCase, Record, Served
from placer.core.gate_rules.settling import remedy_of
from placer.core.placement import Cloud, Edge, Environment
from placer.core.project import SiteEntry
from placer.core.ranking import objective_of, rank
from placer.core.units import format_duration, format_percentile, format_usd
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
        for key in concerned(one):
            found.setdefault(key, []).append(one.outcome)
    return {key: worst(outcomes) for key, outcomes in found.items()}


def ignored_of(
    findings: Iterable[GateFinding],
) -> dict[tuple[str, str | None], dict[str, Outcome]]:
    """Return the silenced rules that would have decided a verdict, by path and id.

    Parameters
    ----------
    findings
        Those that are silenced.
    """
    found: dict[tuple[str, str | None], dict[str, Outcome]] = {}
    for one in findings:
        for key in concerned(one) if one.outcome is not Outcome.PASS else ():
            rules = found.setdefault(key, {})
            is_open = Outcome.INCONCLUSIVE in (one.outcome, rules.get(one.rule))
            rules[one.rule] = Outcome.INCONCLUSIVE if is_open else one.outcome
    return found


def judged(
    entry: SiteEntry,
    served: Served,
    records: Sequence[Record],
    environment: Environment,
    workings: Workings,
    *,
    resources: Resources,
) -> tuple[Record | None, Candidate | None, Candidate | None]:
    """Judge the declared site and find the best placement on the same evidence.

    Parameters
    ----------
    records
        Of the declared site.
    resources
        What the manifest grants, as in `eligible`.

    Returns
    -------
    The record that it is judged by (None: an estimate), the declared candidate (None: the site is
    not among the environment's), the best one.
    """
    assert served.model is not None
    model, workload = served.model, served.workload
    usable = [one for one in records if one.measurement is not None]
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
    names = {one.ep for one in eligible(usable, resources)}
    sites = [one for one in environment.edges if not names or one.ep in names]
    found = [evaluate(Edge(one), model, workload, environment, workings) for one in sites]
    if not found:
        return None, None, best
    declared = rank(found, objective_of(workload, found))[0]
    chosen = next(one for one in sites if Edge(one).id == declared.id)
    return _of(usable, chosen.time.evidence_path), declared, best


def eligible(usable: Sequence[Record], resources: Resources) -> Sequence[Record]:
    """Return the records of what would run; of those that there are, if it was not measured.

    An execution provider or a processor that the manifest chooses goes before all others; without
    an accelerator only what ran on the CPU counts.
    """
    on_cpu = [one for one in usable if not needs_accelerator(one)]
    accelerated = [one for one in usable if needs_accelerator(one)]
    chosen = resources.ep
    named = [one for one in usable if chosen is not None and one.ep == chosen.value]
    if named:
        return named
    if resources.processor is not None:
        fitting = [one for one in accelerated if runs_on(one, resources)]
        return fitting or accelerated or usable
    return usable if resources.grants_accelerator else on_cpu or usable


def is_without_basis(case: GateCase) -> bool:
    """Tell whether what the declared placement would be judged by was locked and cannot be used.

    A rule tells that; a verdict on an estimate instead, or on bytes that nobody reviewed, would
    only lead away from it.
    """
    served = case.served
    assert served is not None
    network = served.network_record
    is_cut_off = network is not None and bool(network.defect) and uses_network(case)
    is_unusable = bool(case.records) and all(one.defect for one in case.records)
    return bool(served.lock_defect) or is_cut_off or is_unusable


def _of(records: Sequence[Record], path: str | None) -> Record | None:
    return next((one for one in records if one.path == path), None)


def placement_findings(case: GateCase) -> tuple[GateFinding, ...]:
    """Return what the rules of placements say of the declared one, at the keys of the manifest.

    Notes are left out: a gate says what to act on. Where nothing was measured, which another rule
    tells, it is not told again that an estimate proves no target.
    """
    candidate = case.candidate
    apart = (*plain_text_findings(case), *region_findings(case), *_of_the_way(case))
    if candidate is None:
        return apart
    targets = {  # each has a finding of its own, in their order
        rule: iter([one for one in candidate.targets if one.verdict is verdict])
        for rule, verdict in (("PLC201", Verdict.VIOLATED), ("PLC202", Verdict.UNPROVEN))
    }
    told = [(one, next(targets.get(one.rule, iter(())), None)) for one in candidate.findings]
    return apart + tuple(
        _at_the_manifest(case, candidate, one, target)
        for one, target in told
        if (one.effect is not Effect.NONE or one.severity >= Severity.WARNING)
        and (case.records or one.rule not in ("PLC202", "PLC601"))
        and (not case.deployed.is_router or one.rule.startswith("PLC1"))  # it runs no model
    )


_OF_THE_WAY = ("PLC201", "PLC301", "PLC302")
"""What the way to a site violates, whatever is done there: time, a link that is down."""


def _of_the_way(case: GateCase) -> Iterator[GateFinding]:
    """Yield what the way to that violates by itself which each request passes on another site."""
    detour = case.detour
    if detour is None or detour.way is None:
        return
    targets = iter([one for one in detour.way.targets if one.verdict is Verdict.VIOLATED])
    for finding in detour.way.findings:
        if finding.rule not in _OF_THE_WAY or finding.effect is not Effect.VIOLATED:
            continue
        target = next(targets) if finding.rule == "PLC201" else None
        subject = f"{detour.what} {detour.site.name}"
        if target is not None:
            subject += f" {format_percentile(target.percentile)}"
        yield replace(
            _at_the_manifest(case, detour.way, finding, target),
            message=f"{finding.message} (the way to the {detour.what} on {detour.site.name} and "
            "back)",
            remedy=f"place the {detour.what} where {detour.before}",
            place=detour.place,
            evidence=None,
            subject=subject,
        )


def _at_the_manifest(
    case: GateCase, candidate: Candidate, finding: Finding, target: TargetVerdict | None
) -> GateFinding:
    served = case.served
    assert served is not None
    value, excess_ratio = _degree(candidate, served, finding.rule, target)
    subject, limit = case.declared_site, None
    if target is not None:
        subject += f" {format_percentile(target.percentile)}"
    related: tuple[Excerpt, ...] = ()
    if finding.rule.startswith("PLC2") and served.limit is not None:
        related = (served.limit,)
        limit = served.limit.label
    return GateFinding(
        rule=finding.rule,
        severity=finding.severity,
        outcome=_OUTCOMES[finding.effect],
        message=finding.message,
        remedy=remedy_of(case, candidate, finding, target),
        place=_place_of(case, finding.rule),
        deployed=case.deployed.id,
        deployed_in=case.deployed.place.path,
        workload=served.name,
        value=value,
        limit=limit,
        evidence=None if case.chosen is None else case.chosen.sha256,
        related=related,
        subject=subject,
        excess_ratio=excess_ratio,
    )


def _degree(
    candidate: Candidate, served: Served, rule: str, target: TargetVerdict | None
) -> tuple[str | None, float | None]:
    """Return what was found, as text and as a ratio of what is allowed, where it has a degree."""
    found = allowed = None
    text = ""
    if target is not None:
        found, allowed = target.value_s or target.low_s, target.limit_s
        text = "" if found is None else format_duration(found)
    elif rule == "PLC501":
        found, allowed = candidate.usd_per_month, served.workload.budget_usd_per_month
        text = "" if found is None else f"{format_usd(found)} per month"
    if found is None or not allowed:
        return None, None
    return text, found / allowed


def _place_of(case: GateCase, rule: str) -> Place:
    """Return the smallest key of the manifest that a rule of placements is about."""
    memory = case.deployed.resources.memory_limit_bytes
    if rule == "PLC401" and memory is not None:
        return memory.place
    if rule in ("PLC406", "PLC408"):
        return case.model_place
    return case.where
