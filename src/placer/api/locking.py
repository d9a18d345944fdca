"""Binding the workloads of a project to their models and evidence."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.lock_changes import Change, changes
from placer.api.measuring import Say, say_nothing
from placer.core.errors import InputError, UsageError, near_match

if TYPE_CHECKING:
    from placer.core.graph import ModelSummary
    from placer.files.evidence import Evidence
    from placer.files.lock import Lock, LockedNetwork, LockedRecord, LockedWorkload
    from placer.files.project import ProjectFile
    from placer.files.workload import WorkloadFile

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Locked:
    """A lock, ready to be written."""

    project: ProjectFile
    lock: Lock
    text: str
    is_current: bool
    """The file that is there says the same."""
    notes: tuple[str, ...]
    """What a check will miss."""
    changes: tuple[Change, ...] = ()
    """What the file that is there says otherwise."""


def open_project(path: str | None, start: str = ".") -> ProjectFile:
    """Read the project file that is named, or the nearest one at or above a path.

    Raises
    ------
    InputError
        There is none, or it is unreadable.
    UsageError
        It says something wrong.
    """
    from placer.files.project import FILE_NAME, find_project, read_project

    found = path or find_project(start)
    if found is None:
        raise InputError(
            f"no {FILE_NAME} at or above {start}",
            hint="write one: it says what the names in manifests mean; `placer schema project`, "
            "docs/gate.md",
        )
    return read_project(found)


def lock_project(path: str | None = None, *, tool: str, progress: Say = say_nothing) -> Locked:
    """Bind each workload of a project to the digests of its model and of its evidence.

    Reads the model files; writes nothing.

    Parameters
    ----------
    path
        A ``placer.yaml``; None: the nearest one at or above the working directory.
    tool
        Name and version of the program that locks, as ``placer 0.1.0``.

    Raises
    ------
    UsageError, InputError
        A file of the project is wrong, missing or unreadable; a workload names no model.
    """
    from placer.files.lock import Lock, read_lock, to_text

    file = open_project(path)
    records = evidence_of(file)
    notes: list[str] = []
    workloads = {}
    for name in file.workloads:
        progress(f"{name}: reading its model")
        workload = load_workload_of(file, name)
        workloads[name] = locked_workload(file, name, workload, records, notes)
    used = {record.sha256 for one in workloads.values() for record in one.evidence}
    notes += [
        f"{record.path} is evidence of no model of this project"
        for record in records
        if record.id not in used
    ]
    lock = Lock(
        tool=tool,
        models={
            file.within(one): _digest_of_model(file, index, one)
            for index, one in file.model_files.items()
        },
        workloads=workloads,
    )
    text = to_text(lock)
    try:
        was = read_lock(file.lock_path).lock
        is_current = was.model_dump(exclude={"tool"}) == lock.model_dump(exclude={"tool"})
        differing = changes(was, lock)
    except InputError as error:
        is_current, differing = False, (Change(error.message),)
    return Locked(file, lock, text, is_current, tuple(dict.fromkeys(notes)), differing)


def evidence_of(file: ProjectFile) -> tuple[Evidence, ...]:
    """Return all evidence of a project's folder; none where there is no folder."""
    from placer.files.evidence import read_evidence

    folder = Path(file.evidence_folder)
    if not folder.is_dir() or not any(folder.glob("*.json")):
        return ()
    return read_evidence([file.evidence_folder])


def locked_workload(
    file: ProjectFile,
    name: str,
    workload: WorkloadFile,
    records: Sequence[Evidence],
    notes: list[str],
) -> LockedWorkload:
    """Return what a workload is bound to; what is missing is added to the notes."""
    from placer.files.lock import LockedRecord, LockedWorkload, locked_model

    summary = _summary_of(file, name, workload)
    digests = sorted(digest for _, digest in summary.subjects)
    shapes = {(spec.name, spec.shape) for spec in summary.inputs}
    bound = []
    for record in records:
        measurement = record.measurement
        if sorted(digest for _, digest in measurement.subjects) != digests:
            continue
        if set(measurement.input_shapes) != shapes:
            notes.append(f"{record.path} is of other input shapes than the workload '{name}'")
            continue
        if record.site is None:
            notes.append(
                f"{record.path} does not say which site was measured, so it is of no use: measure "
                "with --site NAME"
            )
        else:
            notes += _of_no_site(file, record.path, record.site)
        notes += _misfits(file, record)
        bound.append(
            LockedRecord(
                path=file.within(record.path),
                sha256=record.id,
                site=record.site,
                ep=measurement.ep,
                measured_at=measurement.measured_at,
            )
        )
    _refuse_two_of_one(bound, file)
    if not bound:
        notes.append(
            f"{name}: no evidence of {summary.path} in {file.evidence_folder}; `placer check` "
            "will be inconclusive"
        )
    return LockedWorkload(
        model=locked_model(replace(summary, path=file.within(summary.path))),
        evidence=tuple(bound),
        network=_network_of(file, workload),
    )


def _of_no_site(file: ProjectFile, path: str, site: str) -> list[str]:
    """Say of evidence that the project has no site which it names: no check is judged by it."""
    from placer.api.gate_sites import names_of

    known = sorted({name for entry in file.project.sites for name in names_of(entry)})
    if site in known:
        return []
    return [
        f"{path} is evidence of the site '{site}'{near_match(site, known)}, and no site of "
        f"{file.project.path} is called that: no check takes it"
    ]


def _misfits(file: ProjectFile, record: Evidence) -> list[str]:
    """Say of evidence that its machine cannot be the site of the project that it names."""
    from placer.api.gate_sites import names_of
    from placer.core.machine_fit import misfit

    told = []
    for entry in file.project.sites:
        stated = entry.device or entry.offer
        if stated is not None and record.site in names_of(entry):
            machine = record.measurement.machine
            if wrong := misfit(machine, stated):
                told.append(
                    f"{record.path} is called evidence of {record.site}, and was measured on "
                    f"{machine.cpu}: {wrong} (PLC621)"
                )
    return list(dict.fromkeys(told))


def load_workload_of(
    file: ProjectFile, name: str, *, may_lack_network: bool = False
) -> WorkloadFile:
    """Return a workload of the project, what is wrong in it told with its place.

    Parameters
    ----------
    may_lack_network
        As in `load_workload` of the catalogue.
    """
    from placer.core.errors import PlacerError
    from placer.files import catalogue

    path = file.workloads[name]
    try:
        return catalogue.load_workload(path, may_lack_network=may_lack_network)
    except PlacerError as error:
        if error.message.startswith(path) and not catalogue.is_gone(path):
            raise
        where = file.document.where(("workloads", name))
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error


def _summary_of(file: ProjectFile, name: str, workload: WorkloadFile) -> ModelSummary:
    where = file.document.where(("workloads", name))
    if workload.model is None:
        raise UsageError(
            f"{where}: the workload '{name}' names no model",
            hint=f"add `model: {{path: MODEL.onnx}}` to {file.workloads[name]}",
        )
    try:
        return formats.read_model(workload.model, shapes=dict(workload.shapes))
    except InputError as error:
        raise _named(error, workload.model, f"`model: path:` of {file.workloads[name]}") from error


def _digest_of_model(file: ProjectFile, index: int, path: str) -> str:
    try:
        return digest_of(path)
    except InputError as error:
        where = file.document.where(("models", index, "file"))
        raise _named(error, path, f"`file:` at {where}") from error


def _named(error: InputError, path: str, key: str) -> InputError:
    """Return what is wrong with a model's file with the key that names it: `lock` takes no path."""
    hint = f"{error.hint} ({key})"
    if not Path(path).exists():
        hint = f"put the file there (`git lfs pull`, `dvc pull`, a download), or correct {key}"
    return InputError(error.message, hint=hint)


def _network_of(file: ProjectFile, workload: WorkloadFile) -> LockedNetwork | None:
    from placer.files.lock import LockedNetwork

    if workload.network is None or not Path(workload.network).is_file():
        return None
    return LockedNetwork(path=file.within(workload.network), sha256=digest_of(workload.network))


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file in hex.

    Raises
    ------
    InputError
        Missing or unreadable.
    """
    sha256 = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # a path is text as typed
            raise InputError(f"{path} is not a regular file", hint="name a file on disk")
        with Path(path).open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                sha256.update(chunk)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {(error.strerror or str(error)).lower()}",
            hint="check the path and who may read it",
        ) from error
    return sha256.hexdigest()


def _refuse_two_of_one(records: Sequence[LockedRecord], file: ProjectFile) -> None:
    """Raise UsageError where two files say what one site and execution provider takes.

    A site of the project and its device or offer are the same.
    """
    own = {}
    for entry in file.project.sites:
        if entry.device is not None:
            own[entry.name] = entry.device.name
        elif entry.offer is not None:
            own[entry.name] = f"{entry.offer.name}@{entry.offer.region}"
    seen: dict[tuple[str | None, str], str] = {}
    for record in records:
        key = (own.get(record.site or "", record.site), record.ep)
        if record.site is not None and key in seen:
            raise UsageError(
                f"{seen[key]} and {record.path} are both evidence of {record.site} ({record.ep})",
                hint="keep the one that counts: remove the other, or move it out of the folder",
            )
        seen[key] = record.path


def is_there(path: str) -> bool:
    """Tell whether a file is at hand."""
    return os.path.isfile(path)  # noqa: PTH113  # a path is text as typed
