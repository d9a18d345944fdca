"""``check``: what is deployed, held against what was measured."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from placer.api.base_revision import changed_unreadable, result_of_base
from placer.api.gate_cases import Lost, case_of
from placer.api.gate_inputs import GateInputs
from placer.api.gate_result import result_of
from placer.api.locking import is_there, load_workload_of, open_project
from placer.core.containers import that_run, with_named
from placer.core.deployment import Defect, Deployed, Manifests
from placer.core.errors import InputError, UsageError
from placer.core.gate import CheckResult, Other, counted
from placer.core.gate_rules.rule import GateCase, owned
from placer.core.globs import glob_of
from placer.core.project import DeclaredSite, Project, Unresolved
from placer.core.since import since
from placer.core.sites import RegionsOf, contradicted, placed_ways, site_of

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
    from placer.files.region_names import regions_named
    from placer.manifests.reading import MAX_BYTES, read_manifests

    start = next((path for path in paths if path != "-"), ".")
    file = open_project(project, _first_folder(start))
    lock = None
    if os.path.lexists(file.lock_path) or is_locked:
        lock = read_lock(file.lock_path)
    texts = []
    if stdin is not None:
        try:
            content = stdin.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise InputError(f"-: standard input cannot be read ({error})") from error
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
        for part in that_run(with_named(one, file.project), file.project, within[one.place.path])
    ]
    manifests = replace(manifests, deployed=tuple(running))
    sites = [
        _site_of(one, file.project, within[one.place.path], regions_named)
        for one in manifests.deployed
    ]
    manifests = replace(
        manifests,
        deployed=tuple(
            replace(one, egress=placed_ways(one, site, file.project, within[one.place.path]))
            if one.egress
            else one
            for one, site in zip(manifests.deployed, sites, strict=True)
        ),
    )
    entries = {
        (one.place.path, one.id): site.entry
        for one, site in zip(manifests.deployed, sites, strict=True)
        if not isinstance(site, Unresolved)
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
    lost = Lost(base or "", None if before is None else before.result)
    cases: list[GateCase] = []
    others: list[Other] = []
    for deployed, site in zip(manifests.deployed, sites, strict=True):
        case = case_of(checking, deployed, within[deployed.place.path], site, entries, lost)
        if case is None:
            others.append(Other(deployed.id, deployed.place.path, deployed.place))
        else:
            lying_in = own.get((deployed.place.path, deployed.id), ())
            cases.append(replace(case, defects=tuple(lying_in)) if lying_in else case)
    if not cases and not manifests.unreadable and not manifests.defects:
        raise _nothing(paths, manifests, file)
    result = result_of(checking, manifests, defects, cases, within, others, paths)
    if base is not None and before is not None:
        if before.result is None:
            result = replace(result, base=base, base_without=before.without)
        else:
            changed = changed_unreadable(result, before)
            result = since(result, before.result, base, changed=changed, is_there=is_there)
    return Check(result, file, tuple(texts))


def _site_of(
    deployed: Deployed, project: Project, path: str, regions_of: RegionsOf
) -> DeclaredSite | Unresolved:
    site = site_of(deployed, project, path)
    if isinstance(site, Unresolved):
        return site
    return contradicted(site, deployed, project, path, regions_of) or site


def _refuse_other_projects(file: ProjectFile, manifests: Manifests) -> None:
    """Raise UsageError where a manifest lies in another project than the one it is judged by."""
    from placer.files.project import nearest_project

    own = os.path.realpath(file.project.path)
    folders = {os.path.dirname(one.place.path) for one in manifests.deployed}  # noqa: PTH120  # text
    known: dict[str, str | None] = {}
    for folder in sorted(folders):
        other = nearest_project(os.path.realpath(folder), known)
        if other is not None and other != own and os.path.realpath(other) != own:
            raise UsageError(
                f"the manifests in {folder or '.'} are of the project "
                f"{os.path.relpath(other)}, the others of {file.project.path}",
                hint="check each project by itself, or judge all by one: --project FILE",
            )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a check reads and its reports could be written over."""

    files: tuple[str, ...]
    evidence_folder: str


def inputs_of(paths: Sequence[str], project: str | None, written: Sequence[str]) -> Inputs:
    """Return what a check reads and its reports could be written over.

    Parameters
    ----------
    written
        Files of reports. Of the manifests below a directory only these are looked at.
    """
    from placer.manifests.paths import SUFFIXES, files_of
    from placer.manifests.reading import read_manifests

    start = next((path for path in paths if path != "-"), ".")
    file = open_project(project, _first_folder(start))
    named = [path for path in paths if path != "-"]
    found = [file.project.path, file.lock_path, *file.model_files.values(), *file.site_files]
    found += [path for path in named if is_there(path)]
    for name, path in file.workloads.items():
        if is_there(path):
            workload = load_workload_of(file, name, may_lack_network=True)
            found += [path, *filter(None, (workload.model, workload.network, workload.device))]
            found += [one.partition("@")[0] for one in workload.clouds]
    existing = {os.path.realpath(one): one for one in written if one.endswith(SUFFIXES)}
    if any(map(is_there, existing)):
        below = (one for one in files_of(named) if isinstance(one, str))
        for path in below:
            if os.path.realpath(path) in existing:  # a report of before may be written anew
                read = read_manifests([path])
                found += [path] if read.files or read.unreadable else []
    return Inputs(tuple(found), file.evidence_folder)


def check_evidence_is_apart(written: Sequence[str], evidence_folder: str) -> None:
    """Raise UsageError where a report would lie among the evidence."""
    folder = os.path.realpath(evidence_folder)
    for path in written:
        if f"{os.path.realpath(path)}{os.sep}".startswith(f"{folder}{os.sep}"):
            raise UsageError(
                f"{path} lies in {evidence_folder}, where only evidence may be",
                hint="give another file to write",
            )


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
        skipped = f" ({counted(manifests.skipped, 'other file')})" if manifests.skipped else ""
        return InputError(
            f"nothing to check: no manifest in {where}{skipped}",
            hint="name the files or folder of what is deployed; `helm template | placer check -`",
        )
    first = next((one.id for one in manifests.deployed), "ID")
    return InputError(
        f"nothing to check: none of {len(manifests.deployed)} deployed things in {where} is known "
        f"to run a model",
        hint=f"say so in {file.project.path}: models: [{{uri: 'IMAGE-OR-URI', workload: NAME}}], "
        f"or deployments: [{{id: {glob_of(first)}, workload: NAME}}]",
    )
