"""What a check answers: the findings of all rules, what silences them, the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from placer.api.gate_inputs import GateInputs
from placer.core.declaring import declared_by
from placer.core.deployment import Defect, Deployed, Manifests
from placer.core.errors import InputError
from placer.core.estimate import Candidate
from placer.core.gate import Checked, CheckResult, GateFinding, Other, Outcome
from placer.core.gate_rules import GATE_RULES
from placer.core.gate_rules.rule import FilesCase, GateCase
from placer.core.globs import globbed
from placer.core.judging import ignored_of, outcomes_of, placement_findings, worst
from placer.core.project import Unresolved
from placer.core.rules import RULES
from placer.core.suppressing import entries_about, suppress

if TYPE_CHECKING:
    from placer.files.project import ProjectFile


def result_of(
    checking: GateInputs,
    manifests: Manifests,
    defects: tuple[tuple[Defect, tuple[Deployed, ...]], ...],
    cases: Sequence[GateCase],
    within: Mapping[str, str],
    others: Sequence[Other],
    asked: Sequence[str],
) -> CheckResult:
    """Judge every case by every rule.

    Parameters
    ----------
    defects
        Of the manifests, each with what it is a defect of.
    within
        Path of a manifest, as typed, to its path within the project.
    asked
        Paths as typed.
    """
    project = checking.file.project
    findings = [
        one
        for case in cases
        for one in (
            *placement_findings(case),
            *(found for rule in GATE_RULES if rule.check for found in rule.check(case)),
        )
    ]
    rules = frozenset([*(one.id for one in RULES), *(one.id for one in GATE_RULES)])
    unasked = frozenset({"PLC612"} if checking.is_locked else ())
    files = FilesCase(
        manifests, defects, project, tuple(findings), (), checking.today, rules, unasked
    )
    for rule in GATE_RULES:
        if rule.check_files is not None and not rule.id.startswith("PLC72"):
            findings += rule.check_files(files)
    others_paths = {one.place.path for one in findings} - within.keys()
    paths = {**within, **{path: checking.file.within(path) for path in others_paths}}
    silenced = suppress(findings, manifests.suppressions, project, paths, checking.today)
    entries = entries_about(
        project.suppressions,
        paths,
        checking.today,
        silenced,
        rules,
        lambda pattern: _is_all_seen(checking.file, pattern, asked),
    )
    files = replace(files, findings=silenced, suppressions=(*manifests.suppressions, *entries))
    on_wishes = [
        one
        for rule in GATE_RULES
        if rule.check_files is not None and rule.id.startswith("PLC72")
        for one in rule.check_files(files)
    ]
    open_ = [one for one in silenced if one.suppressed is None] + on_wishes
    closed = [one for one in silenced if one.suppressed is not None]
    outcomes, ignored = outcomes_of(open_), ignored_of(closed)
    checked = tuple(_checked(case, outcomes, ignored) for case in cases)
    return CheckResult(
        outcome=worst(
            [*(one.outcome for one in open_), *(one.outcome for one in checked if one.is_excused)]
        ),
        checked=checked,
        findings=_in_order(open_, manifests),
        suppressed=_in_order(closed, manifests),
        files=manifests.files,
        skipped=manifests.skipped,
        unresolved=sum(
            isinstance(case.site, Unresolved) or isinstance(case.workload, Unresolved)
            for case in cases
        ),
        others=tuple(others),
    )


def _is_all_seen(file: ProjectFile, pattern: str, asked: Sequence[str]) -> bool:
    """Tell whether what was asked for holds all files of the project that a glob fits."""
    from placer.manifests.paths import files_of

    if not any(character in pattern for character in "*?"):
        return True
    named = [path for path in asked if path != "-"]
    seen = {file.within(path) for path in files_of(named) if isinstance(path, str)}
    try:
        below = [path for path in files_of([file.folder or "."]) if isinstance(path, str)]
    except InputError:  # too many to say so
        return False
    return all(path in seen or not globbed(path, pattern) for path in map(file.within, below))


def _in_order(findings: Sequence[GateFinding], manifests: Manifests) -> tuple[GateFinding, ...]:
    turns = {
        path: turn
        for turn, path in enumerate(dict.fromkeys(one.place.path for one in manifests.deployed))
    }
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda one: (
                turns.get(one.place.path, len(turns)),
                one.place.path,
                -one.severity,
                one.place.line,
                one.place.column,
                one.rule,
                one.deployed or "",
            ),
        )
    )


def _checked(
    case: GateCase,
    outcomes: Mapping[tuple[str, str | None], Outcome],
    ignored: Mapping[tuple[str, str | None], Mapping[str, Outcome]],
) -> Checked:
    key = (case.deployed.place.path, case.deployed.id)
    outcome, closed = outcomes.get(key, Outcome.PASS), ignored.get(key, {})
    # a violation may be accepted; what nobody knows is not known because somebody ignores it
    is_excused = outcome is Outcome.PASS and Outcome.INCONCLUSIVE in closed.values()
    site = None if isinstance(case.site, Unresolved) else case.site.entry
    models = case.deployed.models
    served, declared, best = case.served, case.candidate, case.recommended
    timed = declared if case.is_timed else None
    targets = () if served is None else served.workload.targets
    percentile = targets[-1].percentile if targets else None
    return Checked(
        id=case.deployed.id,
        path=case.deployed.place.path,
        place=case.deployed.place,
        workload=None if served is None else served.name,
        model=models[0].uri.value if models else None,
        sha256=None if served is None or served.model is None else served.model.sha256,
        site=None if site is None else site.name,
        tier=None if site is None else site.tier.value,
        region=None if site is None else site.region or site.law,
        outcome=Outcome.INCONCLUSIVE if is_excused else outcome,
        p99_s=None if timed is None or timed.latency is None else timed.latency.p99_s,
        limit_s=targets[-1].limit_s if targets else None,
        recommended=None if best is None else best.id,
        recommended_p99_s=None if best is None or best.latency is None else best.latency.p99_s,
        declared=None if declared is None else declared.id,
        basis=None if timed is None or timed.latency is None else timed.basis,
        recommended_basis=None if best is None or best.latency is None else best.basis,
        percentile=percentile,
        latency_s=_latency_at(timed, percentile),
        recommended_latency_s=_latency_at(best, percentile),
        ignored=tuple(sorted(closed)),
        is_excused=is_excused,
        declares=declared_by(case.deployed),
    )


def _latency_at(candidate: Candidate | None, percentile: float | None) -> float | None:
    """Return a placement's latency at the percentile of a target; None: it is not known."""
    targets = () if candidate is None else candidate.targets
    return next((one.value_s for one in targets if one.percentile == percentile), None)
