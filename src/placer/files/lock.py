"""``placer.lock``: which model and which evidence a workload is judged by, each by its digest.

Written by ``placer lock``, reviewed and committed like any lock file. With it, the manifests, the
evidence and the workload files a check needs nothing else: no model file, no runtime, no network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from placer.core.errors import InputError
from placer.core.graph import ModelSummary, contradiction
from placer.files.evidence import read_json, read_text
from placer.files.project import EVIDENCE_FOLDER

SCHEMA_ID = "placer/lock/v1"
_AGAIN = "written by: placer lock"
_BY_HAND = "it is written by `placer lock`, never by hand: write it anew"
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_SUMMARY: TypeAdapter[ModelSummary] = TypeAdapter(ModelSummary)


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedRecord(_Spec):
    """One evidence file, by its path within the project."""

    path: str
    sha256: _Sha256
    site: str | None
    """The device or cloud offer that was measured."""
    ep: str
    measured_at: str

    @field_validator("path")
    @classmethod
    def _is_of_the_project(cls, path: str) -> str:
        parts = path.replace("\\", "/").split("/")
        if parts[0] != EVIDENCE_FOLDER or ".." in parts:
            raise ValueError(f"'{path}' does not lie in the folder {EVIDENCE_FOLDER}")
        return path


class LockedNetwork(_Spec):
    """The network file of a workload."""

    path: str
    sha256: _Sha256


class LockedWorkload(_Spec):
    """What one workload is bound to."""

    model: dict[str, Any]
    """The model as its file says: digests, tensors, work. No weights."""
    evidence: tuple[LockedRecord, ...]
    network: LockedNetwork | None
    """Null: a network of the catalogue, or none stated."""

    def summary(self) -> ModelSummary:
        """Return the model."""
        return _SUMMARY.validate_python(self.model)


class Lock(_Spec):
    """The whole lock."""

    schema_id: Literal["placer/lock/v1"] = Field(default="placer/lock/v1", alias="schema")
    tool: str
    """Name and version of the program that wrote it."""
    models: dict[str, _Sha256]
    """File of an entry of ``models`` in ``placer.yaml`` -> digest."""
    workloads: dict[str, LockedWorkload]


def locked_model(summary: ModelSummary) -> dict[str, Any]:
    """Return a model as the lock keeps it."""
    model: dict[str, Any] = json.loads(json.dumps(asdict(summary)))
    return model


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock and where it was read."""

    path: str
    lock: Lock


def to_text(lock: Lock) -> str:
    """Return the lock as text: sorted, one value a line, so that a review shows what changed."""
    return json.dumps(lock.model_dump(by_alias=True, mode="json"), indent=1, sort_keys=True) + "\n"


def read_lock(path: str) -> LockFile:
    """Read a lock.

    Raises
    ------
    InputError
        Missing, unreadable, no lock, or of a later version.
    """
    document = read_json(read_text(path, hint=_AGAIN), path, hint=_AGAIN)
    if not isinstance(document, dict):
        raise InputError(f"{path}: a lock is a JSON object", hint=_AGAIN)
    schema = document.get("schema")
    if schema != SCHEMA_ID:
        raise InputError(
            f"{path}: schema is {json.dumps(schema)}, this placer reads '{SCHEMA_ID}'",
            hint="update placer, or write it anew: placer lock",
        )
    try:
        lock = Lock.model_validate(document)
        for name, one in lock.workloads.items():
            try:
                wrong = contradiction(one.summary())
                if wrong:
                    raise InputError(f"{path}: workloads.{name}.model: {wrong}", hint=_BY_HAND)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, ("workloads", name, "model", *first["loc"])))
                raise InputError(f"{path}: {where}: {first['msg'].lower()}", hint=_AGAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg'].lower()}", hint=_AGAIN) from error
    return LockFile(path, lock)
