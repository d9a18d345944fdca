"""Mounts of a container: what lies at the path of a model is what they bring there."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import ModelRef, Stated
from placer.core.globs import globbed
from placer.core.project import TEMPLATE, templates_in
from placer.manifests.containers import bind_of, open_models
from placer.manifests.models import everywhere, hidden_model, is_model_file, is_uri, model_of
from placer.manifests.nodes import Field

_FILE = "file://"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_WITH_DEFAULT = re.compile(r"\$\{\w+:?-(?P<value>[^${}]*)\}")
_HERE = re.compile(r"\$(?:PWD|HOME|\{(?:PWD|HOME)\})(?=/|$)")
"""The folder of the manifest, or of the user: as much is said by ``./`` and ``~/``."""
_MAX_PARTS = 10_000
"""Values of a volume's definition that are looked through."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Something that is put at a path of a container."""

    source: Stated[str]
    """File or folder of the host, name of a volume, or what is filled in for it."""
    target: str
    """Path in the container."""
    is_whole: bool = False
    """The source itself lies there, whatever its name looks like: a config, an image."""
    is_read_only: bool = False


def mounts_of(holder: Field, *, source: str = "source", target: str = "target") -> Iterator[Mount]:
    """Yield the mounts of a list: ``source:target:mode``, or objects with these keys."""
    for one in holder.items():
        stated = one.stated()
        if stated is not None and (bind := bind_of(stated)) is not None:
            mode = stated.value.rpartition(":")[2].split(",")
            yield Mount(*bind, is_read_only="ro" in mode)
        said, path = one.at(source).stated(), one.at(target).text()
        if said is not None and path:
            is_image = one.at("type").text() == "image"
            is_read_only = one.first_of("read_only", "ReadOnly").truth() or False
            yield Mount(said, path, is_whole=is_image, is_read_only=is_read_only)


def open_mounts(holder: Field) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each mount that is filled in later as a whole."""
    yield from open_models([holder, *holder.items()])


def open_part(fields: Iterable[Field]) -> Stated[str] | None:
    """Return the first text, however deep, that is filled in later or holds what is."""
    waiting = deque(fields)
    for _ in range(_MAX_PARTS):
        if not waiting:
            break
        one = waiting.popleft()
        stated = one.stated()
        if stated is not None and templates_in(stated.value):
            return stated
        waiting += [*one.entries(), *one.items()]
    return None


def with_mounts(
    models: Iterable[ModelRef], mounts: Sequence[Mount], folder: str | None = None
) -> tuple[ModelRef, ...]:
    """Return the models; a path in the container at which a mount puts something is that.

    Of a folder that is bound nothing is known: a path in it stays what it is called.

    Parameters
    ----------
    folder
        The working directory of the container; None: it is not known.
    """
    kept, brought = parted(models, mounts, folder)
    return everywhere(on_mounts(kept, mounts, folder), brought)


def on_mounts(
    models: Iterable[ModelRef], mounts: Sequence[Mount], folder: str | None = None
) -> list[ModelRef]:
    """Return the models, those in whose path something is mounted with the word that it is."""
    paths = ((one, None if one.hidden else path_of(one.uri.value, folder)) for one in models)
    return [
        one if path is None or nearest(mounts, path) is None else replace(one, is_mounted=True)
        for one, path in paths
    ]


def parted(
    models: Iterable[ModelRef], mounts: Sequence[Mount], folder: str | None = None
) -> tuple[list[ModelRef], list[ModelRef]]:
    """Return the models of `with_mounts`: those that are what they are called, and the others."""
    kept: list[ModelRef] = []
    brought: list[ModelRef] = []
    for model in models:
        if model.hidden:
            kept.append(model)
            continue
        over = _over(model, mounts, folder)
        if over is None:
            kept.append(model)
        else:
            brought += over
        brought += _perhaps_over(model, mounts, folder)
    files = [mounted_from(one.source) for one in mounts if is_model_file(one.source.value)]
    return kept, [*brought, *files]


def mounted_from(source: Stated[str], *, format: Stated[str] | None = None) -> ModelRef:
    """Return the reference to what a mount brings."""
    return replace(model_of(source, format=format), is_mounted=True)


def path_of(uri: str, folder: str | None = None) -> str | None:
    """Return the path in the container that a model is named by; None: it is named otherwise.

    Without the working directory a relative path stays one.
    """
    if uri.startswith(_FILE):
        uri = uri.removeprefix(_FILE)
    elif is_uri(uri):
        return None
    return normal_path(posixpath.join(folder, uri) if folder else uri)


def rest_below(target: str, path: str) -> str | None:
    """Return what of a path is below a target, empty where it is that; None: it is not below.

    Of a relative path it is only seen whether the target ends with it.
    """
    return rest_of(normal_path(target), path)


def rest_of(target: str, path: str) -> str | None:
    """Return what `rest_below` does, of a target that is a `normal_path` already."""
    if target == path or (not is_absolute(path) and target.endswith(f"/{path}")):
        return ""
    above = f"{target.rstrip('/')}/"
    return path[len(above) - 1 :] if path.startswith(above) else None


def nearest(mounts: Iterable[Mount], path: str) -> tuple[Mount, str] | None:
    """Return the mount that a path lies in, and the rest of the path; None: it lies in none."""
    found = [
        (one, rest)
        for one in mounts
        if not templates_in(one.target) and (rest := rest_below(one.target, path)) is not None
    ]
    return min(found, key=lambda pair: len(pair[1]), default=None)


def _over(model: ModelRef, mounts: Sequence[Mount], folder: str | None) -> list[ModelRef] | None:
    """Return what a mount puts at the path of a model; None: nothing else."""
    path = path_of(model.uri.value, folder)
    found = None if path is None else nearest(mounts, path)
    if path is None or found is None:
        return None
    mount, rest = found
    source = mount.source
    if mount.is_whole:
        format = model.format if rest else None
        return [mounted_from(source, format=format)]
    if not rest and is_model_file(source.value):
        return []  # it counts wherever it is bound
    if is_left_open(source.value):
        return [mounted_from(replace(source, value=f"{source.value.rstrip('/')}{rest}"))]
    is_file = not rest and is_model_file(path) and is_path(source.value)
    return [mounted_from(source)] if is_file else None


def _perhaps_over(
    model: ModelRef, mounts: Sequence[Mount], folder: str | None
) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each target that may become the path of a model."""
    path = path_of(model.uri.value, folder)
    if path is None:
        return
    for one in mounts:
        if not is_model_file(one.source.value) and _may_hold(one, path):
            why = f"what is mounted at {one.target[:60]} may lie over {path[:60]}"
            yield hidden_model(one.target, one.source.place, why, told=one.source.value)


def _may_hold(mount: Mount, path: str) -> bool:
    """Tell whether a target that is filled in later may become a path, or a folder above it."""
    target = mount.target
    if not templates_in(target):
        return False
    parts = TEMPLATE.split(target)
    if not is_absolute(path):
        return not parts[0].strip("/")
    above = path.rstrip("/").split("/")
    pattern = "*".join(parts).rstrip("/")
    least = len(above) if mount.is_whole else 2  # a single file is no folder
    return any(globbed("/".join(above[:end]), pattern) for end in range(least, len(above) + 1))


def is_left_open(source: str) -> bool:
    """Tell whether a source is filled in later, and neither a default nor a folder stands for it.

    ``${DIR:-/srv}`` is ``/srv`` unless somebody says otherwise, ``$PWD`` the folder at hand.
    """
    said = _WITH_DEFAULT.sub(lambda one: one["value"], source)
    return bool(templates_in(_HERE.sub("", said)))


def is_path(source: str) -> bool:
    """Tell whether a source is of the host, and no name of a volume."""
    return "/" in source or "\\" in source or source.startswith((".", "~"))


def is_absolute(path: str) -> bool:
    """Tell whether a path begins at the root, or at that of a drive."""
    return path.startswith("/") or _DRIVE.match(path) is not None


def normal_path(path: str) -> str:
    """Return a path in the form in which it is compared."""
    if _DRIVE.match(path):
        path = path.replace("\\", "/")
    return re.sub("^//", "/", posixpath.normpath(path))
