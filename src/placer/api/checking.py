"""``check``: what is deployed, held against what was measured."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from placer.api.base_revision import changed_unreadable, result_of_base
from placer.api.gate_inputs import GateInputs, served_by
from placer.api.gate_sites import environment_of, names_of
from placer.api.locking import digest_of, is_there, load_workload_of, open_project
from placer.core.containers import that_run
from placer.core.deployment import Defect, Deployed, Manifests
from placer.core.errors import InputError, UsageError
from placer.core.gate import Checked, CheckResult, GateFinding, Other, Outcome
from placer.core.gate_rules import GATE_RULES
from placer.core.gate_rules.rule import FilesCase, GateCase, owned
from placer.core.judging import (
    eligible,
    ignored_of,
    is_without_basis,
    judged,
    outcomes_of,
    placement_findings,
    worst,
)
from placer.core.project import (
    DeclaredSite,
    DeclaredWorkload,
    Unresolved,
    globbed,
    site_of,
    workload_of,
)
from placer.core.rules import RULES
from placer.core.since import since
from placer.core.suppressing import entries_about, suppress

if TYPE_CHECKING:
    from placer.files.project import ProjectFile


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found, and the texts that its reports quote."""

    result: CheckResult
    project: ProjectFile
    stdin: tuple[tuple[str, str], ...] = ()
    """(``-``, text) where standard input was read."""


def check(
    paths: Sequence[str],
    *,
    project: str | None = None,
    is_locked: bool = False,
    base: str | None = None,
    as_of: datetime.date | None = None,
    stdin: BinaryIO | None = None,
) -> Check:
    """Hold deployment manifests to recorded evidence.

    Parameters
    ----------
    paths
        Files, directories and globs of manifests; ``-`` for standard input.
    project
        A ``placer.yaml``; None: the nearest one at or above the first path.
    is_locked
        Judge by ``placer.lock`` alone: no model file is read.
    base
        A git revision: only what changed since is told.
    as_of
        The day for which evidence is held against its age; None: today, in UTC.

    Raises
    ------
    UsageError
        The project, a workload or a site says something wrong.
    InputError
        A path or file is missing or unreadable, or there is nothing to check.
    """
    from placer.files.lock import read_lock
    from placer.manifests.reading import MAX_BYTES, read_manifests

    start = next((path for path in paths if path != "-"), ".")
    file = open_project(project, _first_folder(start))
    lock = None
    if os.path.lexists(file.lock_path) or is_locked:
        lock = read_lock(file.lock_path)
    texts = []
    if stdin is not None:
        content = stdin.read(MAX_BYTES + 1)
        texts.append(("-", content.decode("utf-8-sig", "replace")))
        stdin = BytesIO(content)
    manifests = read_manifests(paths, stdin=stdin)
    if project is None:
        _refuse_other_projects(file, manifests)
    today = as_of or datetime.datetime.now(tz=datetime.UTC).date()
    checking = GateInputs(file, lock, is_locked, today)
    files = dict.fromkeys(one.place.path for one in manifests.deployed)
    within = {path: file.within(path) for path in files}
    running = [
        part
        for one in manifests.deployed
        for part in that_run(one, file.project, within[one.place.path])
    ]
    manifests = replace(manifests, deployed=tuple(running))
    sites = [site_of(one, file.project, within[one.place.path]) for one in manifests.deployed]
    laws = {
        (one.place.path, one.id): site.entry.law
        for one, site in zip(manifests.deployed, sites, strict=True)
        if not isinstance(site, Unresolved) and site.entry.law is not None
    }
    defects = owned(manifests)
    own: dict[tuple[str, str], list[Defect]] = {}
    for defect, owners in defects:
        for owner in owners:
            own.setdefault((owner.place.path, owner.id), []).append(defect)
    before = None
    if base is not None:
        before = result_of_base(
            base,
            paths,
            file.project.path,
            lambda there, at: check(there, project=at, is_locked=True, as_of=today).result,
        )
    lost = _Lost(base or "", None if before is None else before.result)
    cases: list[GateCase] = []
    others: list[Other] = []
    for deployed, site in zip(manifests.deployed, sites, strict=True):
        case = _case(checking, deployed, within[deployed.place.path], site, laws, lost)
        if case is None:
            others.append(Other(deployed.id, deployed.place.path, deployed.place))
        else:
            lying_in = own.get((deployed.place.path, deployed.id), ())
            cases.append(replace(case, defects=tuple(lying_in)) if lying_in else case)
    if not cases and not manifests.unreadable and not manifests.defects:
        raise _nothing(paths, manifests, file)
    result = _result(checking, manifests, defects, cases, within, others, paths)
    if base is not None and before is not None:
        if before.result is None:
            result = replace(result, base=base, base_without=before.without)
        else:
            changed = changed_unreadable(result, before)
            result = since(result, before.result, base, changed=changed, is_there=is_there)
    return Check(result, file, tuple(texts))


def _refuse_other_projects(file: ProjectFile, manifests: Manifests) -> None:
    """Raise UsageError where a manifest lies in another project than the one it is judged by."""
    from placer.files.project import find_project

    own = os.path.realpath(file.project.path)
    folders = {os.path.dirname(one.place.path) for one in manifests.deployed}  # noqa: PTH120  # text
    for folder in sorted(folders):
        other = find_project(folder or ".")
        if other is not None and os.path.realpath(other) != own:
            raise UsageError(
                f"the manifests in {folder or '.'} are of the project {other}, the others of "
                f"{file.project.path}",
                hint="check each project by itself, or judge all by one: --project FILE",
            )


def inputs_of(paths: Sequence[str], project: str | None, written: Sequence[str]) -> tuple[str, ...]:
    """Return the files that a check reads and that its reports could be written over.

    Parameters
    ----------
    written
        Files of reports. Of the manifests below a directory only these are looked at.

    Raises
    ------
    UsageError
        A report would lie among the evidence.
    """
    from placer.manifests.paths import SUFFIXES, files_of
    from placer.manifests.reading import read_manifests

    start = next((path for path in paths if path != "-"), ".")
    file = open_project(project, _first_folder(start))
    folder = os.path.realpath(file.evidence_folder)
    for path in written:
        if f"{os.path.realpath(path)}{os.sep}".startswith(f"{folder}{os.sep}"):
            raise UsageError(
                f"{path} lies in {file.evidence_folder}, where only evidence may be",
                hint="give another file to write",
            )
    named = [path for path in paths if path != "-"]
    found = [file.project.path, file.lock_path, *file.model_files.values(), *file.site_files]
    found += [path for path in named if is_there(path)]
    for name, path in file.workloads.items():
        if is_there(path):
            workload = load_workload_of(file, name)
            found += [path, *filter(None, (workload.model, workload.network, workload.device))]
            found += [one.partition("@")[0] for one in workload.clouds]
    existing = {os.path.realpath(one): one for one in written if one.endswith(SUFFIXES)}
    if any(map(is_there, existing)):
        below = (one for one in files_of(named) if isinstance(one, str))
        for path in below:
            if os.path.realpath(path) in existing:  # a report of before may be written anew
                read = read_manifests([path])
                found += [path] if read.files or read.unreadable else []
    return tuple(found)


def _first_folder(path: str) -> str:
    """Return the part of a path before any glob."""
    parts = path.split("/")
    kept = []
    for part in parts:
        if any(character in part for character in "*?["):
            break
        kept.append(part)
    return "/".join(kept) or ("/" if path.startswith("/") else ".")


def _nothing(paths: Sequence[str], manifests: Manifests, file: ProjectFile) -> InputError:
    where = ", ".join(paths)
    if not manifests.files:
        skipped = f" ({manifests.skipped} other file(s))" if manifests.skipped else ""
        return InputError(
            f"nothing to check: no manifest in {where}{skipped}",
            hint="name the files or folder of what is deployed; `helm template | placer check -`",
        )
    first = next((one.id for one in manifests.deployed), "ID")
    return InputError(
        f"nothing to check: none of {len(manifests.deployed)} deployed things in {where} is known "
        f"to run a model",
        hint=f"say so in {file.project.path}: models: [{{uri: 'IMAGE-OR-URI', workload: NAME}}], "
        f"or deployments: [{{id: '{first}', workload: NAME}}]",
    )


class _Lost:
    """What was judged at the base: where nothing says now that it runs a model, that is told."""

    def __init__(self, revision: str, before: CheckResult | None) -> None:
        checked = () if before is None else before.checked
        self._revision = revision
        self._known = {(one.path, one.id): one for one in checked}
        self._moved = {one.id: one for one in checked if not is_there(one.path)}
        self._others = {(one.path, one.id) for one in (() if before is None else before.others)}

    def of(self, deployed: Deployed, project: str) -> Unresolved | None:
        """Return why its model is not known; None: it was not judged at the base either."""
        key = (deployed.place.path, deployed.id)
        was = self._known.get(key) or self._moved.get(deployed.id)
        if was is None or key in self._others:
            return None
        known = f"as the workload '{was.workload}'" if was.workload else "as a model"
        return Unresolved(
            f"{self._revision} knows it {known}, and nothing says now that it runs a model",
            f"add what it runs to {project} under models, or deployments: "
            f"[{{id: '{deployed.id}', workload: NAME}}]; if it runs no model any more, ignore this "
            "with that reason",
        )


def _case(
    checking: GateInputs,
    deployed: Deployed,
    path: str,
    site: DeclaredSite | Unresolved,
    laws: Mapping[tuple[str, str], str],
    lost: _Lost,
) -> GateCase | None:
    """Return what is known of something deployed; None: nothing says that it runs a model."""
    project = checking.file.project
    workload = workload_of(deployed, project, path) or lost.of(deployed, project.path)
    if workload is None:
        return None
    served = None
    if isinstance(workload, DeclaredWorkload):
        workload = _with_locked_digest(checking, deployed, workload)
    if isinstance(workload, DeclaredWorkload):
        if workload.name not in checking.file.workloads:
            workload = Unresolved(
                f"no workload '{workload.name}' in {project.path}",
                f"add it there under `workloads`: {', '.join(checking.file.workloads)} are known",
            )
        else:
            served = served_by(checking, workload.name)
    case = GateCase(
        deployed=deployed,
        project=project,
        workload=workload,
        site=site,
        served=served,
        records=(),
        chosen=None,
        candidate=None,
        recommended=None,
        today=checking.today,
        laws=laws,
    )
    if served is None or isinstance(site, Unresolved):
        return case
    names = names_of(site.entry)
    records = tuple(one for one in served.records if one.site in names)
    case = replace(case, records=records)
    if served.model is None or is_without_basis(case):
        return case
    usable = [one for one in records if one.measurement is not None]
    running = frozenset(one.path for one in eligible(usable, deployed.resources))
    key = (served.name, site.entry.name, running)
    if key not in checking.judgements:
        environment, workings = environment_of(checking, served, site.entry, running)
        checking.judgements[key] = judged(
            site.entry, served, records, environment, workings, resources=deployed.resources
        )
    chosen, candidate, best = checking.judgements[key]
    network = served.network_record
    if any(one.defect for one in (*served.records, *((network,) if network else ()))):
        best = None  # it may be another site's, of which a recommendation would know too little
    if not records and best is not None and best.feasible is not True:
        best = None  # one estimate against another
    return replace(case, chosen=chosen, candidate=candidate, recommended=best)


def _with_locked_digest(
    checking: GateInputs, deployed: Deployed, workload: DeclaredWorkload
) -> DeclaredWorkload | Unresolved:
    """Fill in the digest of a file that an entry of ``models`` names: of today, else as locked."""
    if workload.sha256 is not None:
        return workload
    texts = [model.uri for model in deployed.models] or list(deployed.images)
    for index, path in checking.file.model_files.items():
        entry = checking.file.project.models[index]
        if not any(globbed(text.value, entry.uri) for text in texts):
            continue
        locked = None if checking.lock is None else checking.lock.lock.models
        digest = None if locked is None else locked.get(checking.file.within(path))
        if locked is not None and digest is None:
            return Unresolved(f"{path}, which `models` names, is not in placer.lock", "placer lock")
        if not checking.is_locked and is_there(path):
            digest = digest_of(path)
        return replace(workload, sha256=digest)
    return workload


def _result(
    checking: GateInputs,
    manifests: Manifests,
    defects: tuple[tuple[Defect, tuple[Deployed, ...]], ...],
    cases: Sequence[GateCase],
    within: Mapping[str, str],
    others: Sequence[Other],
    asked: Sequence[str],
) -> CheckResult:
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
        outcome=worst(one.outcome for one in open_),
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
    targets = () if served is None else served.workload.targets
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
        p99_s=None if declared is None or declared.latency is None else declared.latency.p99_s,
        limit_s=targets[-1].limit_s if targets else None,
        recommended=None if best is None else best.id,
        recommended_p99_s=None if best is None or best.latency is None else best.latency.p99_s,
        declared=None if declared is None else declared.id,
        basis=None if declared is None or declared.latency is None else declared.basis,
        recommended_basis=None if best is None or best.latency is None else best.basis,
        ignored=tuple(sorted(closed)),
        is_excused=is_excused,
    )
