"""What a check judges by: workloads with their models, evidence and networks, each read once."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api import formats
from placer.api.locking import digest_of, evidence_of, is_there, load_workload_of, locked_workload
from placer.api.paths import load_path
from placer.core.deployment import Deployed, Place
from placer.core.errors import PlacerError, UsageError
from placer.core.estimate import Candidate
from placer.core.gate import Excerpt
from placer.core.gate_rules.plc612_model_changed import batch_shapes, other_shapes
from placer.core.gate_rules.rule import NetworkRecord, Record, Served
from placer.core.graph import ModelSummary
from placer.core.placement import Environment
from placer.core.units import format_duration, format_percentile, parse_percentile
from placer.core.workings import Workings

if TYPE_CHECKING:
    from placer.files.evidence import Evidence
    from placer.files.lock import LockedRecord, LockedWorkload, LockFile
    from placer.files.project import ProjectFile
    from placer.files.workload import WorkloadFile

Running = tuple[str, str, frozenset[str]]
"""Workload, site, and the evidence of what would run there."""
_MOST_BATCH = 2**31
"""Servers keep the size of a batch as an int32."""
Judgement = tuple[Record | None, Candidate | None, Candidate | None]


@dataclass(slots=True)
class GateInputs:
    """The project and its lock, and what one check has read and worked out so far."""

    file: ProjectFile
    lock: LockFile | None
    is_locked: bool
    today: datetime.date
    served: dict[str, Served] = field(default_factory=dict)
    workloads: dict[str, WorkloadFile] = field(default_factory=dict)
    environments: dict[Running, tuple[Environment, Workings]] = field(default_factory=dict)
    judgements: dict[Running, Judgement] = field(default_factory=dict)
    ways: dict[tuple[str, str], Candidate] = field(default_factory=dict)
    """(workload, site in the cloud) -> the way there alone."""
    lying: list[Evidence] | None = None
    """All evidence in the project's folder; None: it was not looked at yet."""


def served_by(checking: GateInputs, name: str) -> Served:
    """Return a workload with its model, evidence and network, read once."""
    from placer.files.catalogue import is_gone

    if name in checking.served:
        return checking.served[name]
    file = checking.file
    workload = load_workload_of(file, name, may_lack_network=True)
    bound, now_sha256 = _bound(checking, name, workload)
    network_record = _network_record(file, workload, bound)
    if workload.network is not None and is_gone(workload.network):
        workload = replace(workload, network=None)
    checking.workloads[name] = workload
    path, _, _ = load_path(workload.network)
    defect, is_work = "", False
    if bound is not None and checking.lock is not None:
        defect, is_work = _difference(bound.summary(), workload, now_sha256)
    served = Served(
        name=name,
        path=file.workloads[name],
        workload=workload.workload,
        model=None if bound is None else bound.summary(),
        records=()
        if bound is None
        else tuple(_record(file, one, bound.summary()) for one in bound.evidence),
        network=path,
        network_record=network_record,
        is_network_assumed=workload.network is None,
        model_now_sha256=now_sha256,
        lock_defect=defect,
        is_of_other_placer=is_work and _is_of_other_placer(checking.lock),
        limit=_limit_of(workload),
        shapes=workload.shapes,
        inputs=None if workload.inputs is None else file.within(workload.inputs),
        unbound="" if bound is not None or checking.lock is not None else _unbound(file, workload),
    )
    checking.served[name] = served
    return served


def _bound(
    checking: GateInputs, name: str, workload: WorkloadFile
) -> tuple[LockedWorkload | None, str | None]:
    """Return what binds a workload, and the digest of its model's file where that was read."""
    from placer.files.catalogue import is_gone

    file, lock = checking.file, checking.lock
    model = workload.model
    now = None
    if model is not None and not checking.is_locked and is_there(model):
        now = digest_of(model)
    if lock is None:
        if model is None or now is None:
            return None, None
        return locked_workload(file, name, workload, evidence_of(file), []), now
    bound = lock.lock.workloads.get(name)
    if bound is not None and model is not None and bound.model["path"] != file.within(model):
        bound = None
    if bound is not None and not _is_of_shapes(bound.summary(), workload):
        bound = None
    network = workload.network
    if bound is not None and not (network is not None and is_gone(network)):
        named = file.within(network) if network is not None and is_there(network) else None
        locked = None if bound.network is None else bound.network.path
        if locked != named:  # another network than was locked
            bound = None
    return bound, now


def _unbound(file: ProjectFile, workload: WorkloadFile) -> str:
    of = (
        "the workload names no model" if workload.model is None else f"{workload.model} is not here"
    )
    return f"there is no {file.lock_path}, and {of}"


def _is_of_shapes(locked: ModelSummary, workload: WorkloadFile) -> bool:
    """Tell whether a lock was written with the input shapes that the workload states."""
    shapes = {spec.name: spec.shape for spec in locked.inputs}
    return all(shapes.get(name) == shape for name, shape in workload.shapes.items())


def _difference(
    locked: ModelSummary, workload: WorkloadFile, now_sha256: str | None
) -> tuple[str, bool]:
    """Say what the lock states of a model and its file does not; empty: nothing, or no file.

    Returns
    -------
    What differs, and whether it is the work of its operators alone, which is by placer's formulas.
    """
    if now_sha256 != locked.sha256 or workload.model is None:
        return "", False  # not at hand, or another one, which a rule tells
    found = formats.read_model(workload.model, shapes=dict(workload.shapes))
    # digests were compared above; the path is as typed, the structure and the like are not locked
    for one in fields(found):
        if one.name in ("path", "sha256", "operators") or not one.compare:
            continue
        if getattr(found, one.name) != getattr(locked, one.name):
            return f"the {one.name} of {workload.model}", False
    nodes = [(work.op_type, work.n_nodes) for work in found.operators]
    if nodes != [(work.op_type, work.n_nodes) for work in locked.operators]:
        return f"the operators of {workload.model}", False
    if found.operators != locked.operators:
        return f"the work of the operators of {workload.model}", True
    return "", False


def _is_of_other_placer(lock: LockFile | None) -> bool:
    from importlib.metadata import version

    return lock is not None and lock.lock.tool != f"placer {version('placer')}"


def _record(file: ProjectFile, locked: LockedRecord, model: ModelSummary) -> Record:
    """Read one evidence file of the lock; what is wrong with it is kept, not raised."""
    from placer.files.evidence import MAX_FILE_BYTES, to_evidence

    path = file.near(locked.path)
    blank = Record(locked.path, locked.sha256, locked.site, locked.ep, None)
    try:
        if not is_there(path):  # a device or a pipe would be waited for
            raise FileNotFoundError(path)
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return replace(blank, defect="missing", message=f"{path} is missing")
    if len(data) > MAX_FILE_BYTES:
        return replace(blank, defect="tampered", message=f"{path} was changed")
    if hashlib.sha256(data).hexdigest() != locked.sha256:
        return replace(blank, defect="tampered", message=f"{path} was changed")
    try:
        evidence = to_evidence(data.decode("utf-8"), path)
    except (PlacerError, UnicodeDecodeError) as error:
        message = error.message if isinstance(error, PlacerError) else f"{path}: not UTF-8"
        kind = "method" if "method_version" in message else "unreadable"
        return replace(blank, defect=kind, message=message)
    measurement = evidence.measurement
    of_model = sorted(digest for _, digest in measurement.subjects)
    if of_model != sorted(digest for _, digest in model.subjects):
        return replace(blank, defect="bound", message=f"{path} is evidence of another model")
    shapes = {(spec.name, spec.shape) for spec in model.inputs}
    if set(measurement.input_shapes) != shapes:
        return replace(
            blank,
            defect="bound",
            message=f"{path} is of other input shapes than the lock states of the model",
        )
    if (evidence.site, measurement.ep) != (locked.site, locked.ep):
        return replace(
            blank,
            defect="bound",
            message=f"{path} is of {evidence.site} ({measurement.ep}), not of {locked.site} "
            f"({locked.ep})",
        )
    return replace(blank, measurement=measurement)


def unlocked_evidence(
    checking: GateInputs, model: ModelSummary, names: Collection[str]
) -> tuple[str, ...]:
    """Return the evidence of a model on a site that `lock` would bind: somebody forgot to.

    Nothing is judged by it; a file that cannot be read is no evidence here.
    """
    from placer.files.evidence import read_evidence

    if checking.lock is None:
        return ()  # what lies there was taken
    if checking.lying is None:
        checking.lying = []
        files = Path(checking.file.evidence_folder).glob("*.json")
        for path in sorted(one for one in files if one.is_file()):
            with suppress(PlacerError):
                checking.lying += read_evidence([str(path)])
    digests = sorted(digest for _, digest in model.subjects)
    shapes = {(spec.name, spec.shape) for spec in model.inputs}
    return tuple(
        checking.file.within(one.path)
        for one in checking.lying
        if one.site in names
        and sorted(digest for _, digest in one.measurement.subjects) == digests
        and set(one.measurement.input_shapes) == shapes
    )


def takes_batch(checking: GateInputs, served: Served, most: int | None) -> bool | None:
    """Tell whether the file of a model takes a batch; None: it is not to be read here."""
    if most is None or not 0 < most < _MOST_BATCH or served.model is None:
        return None
    return _takes(checking, served, batch_shapes(served.model, most))


def takes_shapes(checking: GateInputs, served: Served, deployed: Deployed) -> dict[str, bool]:
    """Tell of the inputs in other shapes than were measured whether the model's file takes them."""
    if served.model is None:
        return {}
    measured = {spec.name: spec.shape for spec in served.model.inputs}
    asked = [(one.value[0], meant) for one, meant in other_shapes(deployed, served.model)]
    taken = {name: _takes(checking, served, {**measured, name: meant}) for name, meant in asked}
    return {name: one for name, one in taken.items() if one is not None}


def _takes(
    checking: GateInputs, served: Served, shapes: Mapping[str, tuple[int, ...]]
) -> bool | None:
    """Tell whether the file of a model takes shapes; None: it is not to be read here.

    Of TensorFlow Lite only a runtime could tell, and a check starts none.
    """
    path, model = checking.workloads[served.name].model, served.model
    if path is None or model is None or served.model_now_sha256 != model.sha256:
        return None
    if formats.format_of(path) != formats.ONNX:
        return None
    try:
        formats.read_model(path, shapes=shapes)
    except UsageError:
        return False
    except PlacerError:
        return None
    return True


def _network_record(
    file: ProjectFile, workload: WorkloadFile, bound: LockedWorkload | None
) -> NetworkRecord | None:
    from placer.files.catalogue import is_gone

    network = None if bound is None else bound.network
    named = workload.network
    if named is not None and is_gone(named):
        path = file.within(named)
        is_locked = network is not None and network.path == path
        return NetworkRecord(path, network.sha256 if network and is_locked else "", "missing")
    if network is None:
        return None
    path = file.near(network.path)
    if not is_there(path):
        return NetworkRecord(network.path, network.sha256, "missing")
    defect = "" if digest_of(path) == network.sha256 else "tampered"
    return NetworkRecord(network.path, network.sha256, defect)


def _limit_of(workload: WorkloadFile) -> Excerpt | None:
    """Return where a workload file states its highest percentile; None: it does not."""
    targets = workload.workload.targets
    if not targets:
        return None
    last = targets[-1]
    for location, (line, column) in workload.document.positions.items():
        if len(location) == 2 and location[0] == "latency":
            try:
                percentile = parse_percentile(str(location[1]))
            except UsageError:
                continue
            if percentile == last.percentile:
                text = f"{format_percentile(percentile)} at most {format_duration(last.limit_s)}"
                path = workload.document.path
                end = column + len(str(location[1]))
                return Excerpt(Place(path, line, column, line, end), text)
    return None
