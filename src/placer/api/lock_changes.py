"""What a project has otherwise than its lock says: who reviews must know before it is locked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placer.files.lock import Lock, LockedWorkload

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    message: str
    is_edited: bool = False
    """A file of evidence has other bytes: to lock it would hide that."""


def changes(was: Lock, now: Lock) -> tuple[Change, ...]:
    """Return what differs, the tool that wrote them apart."""
    return tuple(_changes(was, now))


def _changes(was: Lock, now: Lock) -> Iterator[Change]:
    yield from _of_files("placer.yaml: models:", was.models, now.models)
    for name in sorted({*was.workloads, *now.workloads}):
        before, after = was.workloads.get(name), now.workloads.get(name)
        if before is None or after is None:
            yield Change(f"{name}: the workload is {'new' if before is None else 'gone'}")
        elif before != after:
            yield from _of_workload(name, before, after)


def _of_files(what: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for path in sorted({*was, *now}):
        before, after = was.get(path), now.get(path)
        if before is None or after is None:
            yield Change(f"{what} {path} is {'new' if before is None else 'gone'}")
        elif before != after:
            yield Change(f"{what} {path} is {after[:_DIGITS]}, locked was {before[:_DIGITS]}")


def _of_workload(name: str, was: LockedWorkload, now: LockedWorkload) -> Iterator[Change]:
    model, before = now.model, was.model
    if model["path"] != before["path"]:
        yield Change(f"{name}: the model is {model['path']}, locked was {before['path']}")
    elif model["sha256"] != before["sha256"]:
        digests = f"{model['sha256'][:_DIGITS]}, locked was {before['sha256'][:_DIGITS]}"
        yield Change(f"{name}: the model {model['path']} is {digests}")
    elif model != before:
        keys = sorted(key for key in {*model, *before} if model.get(key) != before.get(key))
        told = ", ".join(keys)
        yield Change(f"{name}: the model {model['path']} has other {told} than the lock states")
    records = {one.path: one for one in was.evidence}
    found = {one.path: one for one in now.evidence}
    for path in sorted({*records, *found}):
        old, new = records.get(path), found.get(path)
        if old is None:
            yield Change(f"{name}: the evidence {path} is new")
        elif new is None:
            yield Change(f"{name}: the evidence {path} is gone, or no longer of this model")
        elif new.sha256 != old.sha256:
            digests = f"{new.sha256[:_DIGITS]}, locked was {old.sha256[:_DIGITS]}"
            yield Change(f"{name}: the evidence {path} was changed: it is {digests}", True)
        elif new != old:
            yield Change(f"{name}: the lock states {path} otherwise than the file says")
    network, other = (
        {} if one is None else {one.path: one.sha256} for one in (was.network, now.network)
    )
    yield from _of_files(f"{name}: the network", network, other)
