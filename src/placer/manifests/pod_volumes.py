"""Volumes of a pod: what its containers mount at the path of a model."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.core.project import templates_in
from placer.manifests.containers import placeholder
from placer.manifests.fetching import brought
from placer.manifests.fetching_tools import tool_of
from placer.manifests.models import Sources, format_of, hidden_model, is_model_file
from placer.manifests.mounts import (
    Mount,
    is_absolute,
    mounted_from,
    on_mounts,
    open_part,
    parted,
    path_of,
    rest_below,
)
from placer.manifests.nodes import Field
from placer.manifests.steps import Program, Scripts
from placer.manifests.volume_storage import Spot, seen_at, spot_of, spots_of_pod, volumes_in

_OF_FILES = ("configMap", "secret")
_HOOKS = (("lifecycle", "postStart"), ("startupProbe",), ("livenessProbe",), ("readinessProbe",))
"""What else a container runs: a probe may download as well as any command."""
_NO_SOURCES = ("name", "emptyDir", "ephemeral")
"""Parts of a volume that say nothing of what lies in it."""


def mounted(
    container: Field,
    pod: Field,
    named: Sequence[ModelRef],
    sources: Sources,
    scripts: Scripts,
) -> tuple[list[ModelRef], list[ModelRef]]:
    """Return the models that are what a container calls them, and those that its volumes bring.

    Parameters
    ----------
    named
        Models that the container names.
    sources
        Where init containers get models from: what they put into a volume lies there, whatever
        the volume is.
    """
    folder = _folder_of(container, scripts)
    images, taken = _of_images(container, pod, named, folder)
    rest = [one for one in named if one.uri.value not in taken]
    fetched = _fetched(container, pod, rest, sources, scripts)
    ids = set(map(id, fetched))
    rest = [one for one in rest if id(one) not in ids]
    mounts = mounts_in(container, pod)
    kept, brought = parted(rest, mounts, folder)
    ids = set(map(id, kept))
    others = [one for one in rest if id(one) not in ids]
    for found in _put_at(container, pod, others, scripts):  # the host's file may be written as well
        brought += found
    unknown = [*_open_mounts(container, rest, folder)]
    return [*fetched, *on_mounts(kept, mounts, folder)], [*images, *brought, *unknown]


def _fetched(
    container: Field, pod: Field, named: Sequence[ModelRef], sources: Sources, scripts: Scripts
) -> list[ModelRef]:
    """Return the models that an init container surely gets, or may get: nobody knows where to."""
    able = [one for one in named if sources.of(one)]
    found: list[ModelRef] = []
    for one, others in zip(able, _put_at(container, pod, able, scripts), strict=True):
        got = {new.uri.value for new in sources.of(one)}
        is_there = any(new.uri.value in got for new in others)
        if is_there or (not others and _may_be_got(one, container, pod, scripts)):
            found.append(one)
    return found


def _may_be_got(model: ModelRef, container: Field, pod: Field, scripts: Scripts) -> bool:
    """Tell whether a file that init containers get may be a model: its path is filled in later.

    Or it is that of a folder which the image says, or the mounts are filled in later.
    """
    path = path_of(model.uri.value, _folder_of(container, scripts)) or ""
    spots = [*spots_of_pod(container, pod)]
    starting = [*written_out(pod.at("initContainers"))]
    if "$" in path or templates_in(path) or not is_absolute(path):
        others = [one for each in starting for one in spots_of_pod(each, pod)]
        others = [one for one in others if not one.is_read_only]
        is_shared = any(two.may_be_of(one) for one in spots for two in others)
        return is_shared or any(map(_mounts_later, (container, *starting)))
    return any(map(_mounts_later, starting if spot_of(path, spots) else [container]))


def _mounts_later(container: Field) -> bool:
    """Tell whether some of what a container mounts, or where, is filled in later."""
    mounts = container.at("volumeMounts")
    opened = any(placeholder(one) is not None for one in (mounts, *mounts.items()))
    return opened or any(templates_in(one.at("mountPath").text() or "") for one in mounts.items())


def _folder_of(container: Field, scripts: Scripts) -> str | None:
    """Return the folder that a container's program runs in; None: it is not known."""
    folder = container.at("workingDir").text()
    for one in scripts.read(_program(container, "containers")).steps or ():
        if one.run.program == "cd":
            folder = path_of(one.run.words[-1], folder) if one.run.words else None
    return folder


def _of_images(
    container: Field, pod: Field, named: Sequence[ModelRef], folder: str | None
) -> tuple[list[ModelRef], set[str]]:
    """Return the image volumes that hold a model, and the names of the models within them."""
    found: list[ModelRef] = []
    taken: set[str] = set()
    paths = [(one, path) for one in named if (path := path_of(one.uri.value, folder)) is not None]
    for mount, volume in volumes_in(container, pod):
        image = volume.at("image", "reference").stated()
        if image is None:
            continue
        target = mount.at("mountPath").text()
        inside = [one for one, path in paths if target and rest_below(target, path) is not None]
        taken |= {one.uri.value for one in inside}
        if inside or "model" in image.value.lower():
            format = inside[0].format if inside else format_of(image)
            found.append(mounted_from(image, format=format))
    return found, taken


def mounts_in(container: Field, pod: Field) -> list[Mount]:
    """Return what a container mounts: single files, folders of the host, volumes by their name."""
    found: list[Mount] = []
    volumes = pod.at("volumes")
    opened = next(filter(None, map(placeholder, (volumes, *volumes.items()))), None)
    for mount, volume in volumes_in(container, pod):
        path, name = mount.at("mountPath").text(), mount.at("name").stated()
        if path is None or name is None or volume.at("image"):
            continue
        if not volume:
            is_open = opened is not None and not templates_in(name.value)
            found.append(Mount(opened if opened is not None and is_open else name, path))
            continue
        inside = mount.first_of("subPath", "subPathExpr").stated()
        host = volume.at("hostPath", "path").stated()
        if host is not None:
            below = "" if inside is None else f"/{inside.value.lstrip('/')}"
            found.append(Mount(replace(host, value=f"{host.value.rstrip('/')}{below}"), path))
            continue
        found += _single_files(volume, path, inside)
        parts = (one for one in volume.entries() if one.name not in _NO_SOURCES)
        opened_part = open_part(parts) or open_part([mount.first_of("subPath", "subPathExpr")])
        found.append(Mount(opened_part or name, path))
    return found


def _single_files(volume: Field, path: str, inside: Stated[str] | None) -> Iterator[Mount]:
    """Yield the files of a volume that lie in the container under another name."""
    holders = [volume, *volume.at("projected", "sources").items()]
    sources = [(kind, one.at(kind)) for one in holders for kind in _OF_FILES if one.at(kind)]
    for kind, source in sources:
        name = source.first_of("name", "secretName").text() or "unnamed"
        for item in source.at("items").items():
            key, at = item.at("key").stated(), item.at("path").text()
            if key is not None and at and (inside is None or inside.value == at):
                target = path if inside is not None else posixpath.join(path, at)
                yield from _renamed(key, f"{kind.lower()}/{name}", target)
        if inside is not None and not source.at("items"):
            yield from _renamed(inside, f"{kind.lower()}/{name}", path)
    if not sources and inside is not None and is_model_file(path):
        yield from _renamed(inside, f"volume/{volume.at('name').text()}", path)


def _renamed(key: Stated[str], holder: str, target: str) -> Iterator[Mount]:
    if posixpath.basename(key.value) != posixpath.basename(target.rstrip("/")):
        yield Mount(replace(key, value=f"{holder}/{key.value}"), target, is_whole=True)


def _open_mounts(
    container: Field, named: Sequence[ModelRef], folder: str | None
) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each mount that may lie over the path of one."""
    if any(path_of(one.uri.value, folder) is not None for one in named):
        mounts = container.at("volumeMounts")
        for one in (mounts, *mounts.items()):
            if (stated := placeholder(one)) is not None:
                why = f"what is mounted by {stated.value[:60]} may lie over the model"
                yield hidden_model(stated.value, stated.place, why)


def is_in_memory(container: Field, pod: Field, named: Sequence[ModelRef]) -> bool:
    """Tell whether a model that a container names by its path lies in a volume of memory."""
    folder = container.at("workingDir").text()
    targets = [(one.at("mountPath").text() or "/", it) for one, it in volumes_in(container, pod)]
    for one in named:
        path = None if one.hidden else path_of(one.uri.value, folder)
        over = [(to, it) for to, it in targets if path and rest_below(to, path) is not None]
        deepest = max(over, key=lambda pair: len(pair[0]), default=None)
        if deepest is not None and deepest[1].at("emptyDir", "medium").text() == "Memory":
            return True
    return False


def placed(
    container: Field,
    pod: Field,
    named: Sequence[ModelRef],
    sources: Sources,
    scripts: Scripts,
) -> list[ModelRef]:
    """Return the models that a container names, each as what is put at its path before it runs.

    By an init container or another one that shares the volume, a hook or its own command.
    """
    found: list[ModelRef] = []
    for model, others in zip(named, _put_at(container, pod, named, scripts), strict=True):
        got = sources.of(model)
        is_got = not others and got and _may_be_got(model, container, pod, scripts)
        found += others or (got if is_got else [model])
    return found


def _put_at(
    container: Field, pod: Field, models: Sequence[ModelRef], scripts: Scripts
) -> Iterator[list[ModelRef]]:
    """Yield what is put at the path of each model."""
    folder = _folder_of(container, scripts)
    paths = [None if one.hidden else path_of(one.uri.value, folder) for one in models]
    if not any(paths):
        yield from ([] for _ in paths)
        return
    spots = [*spots_of_pod(container, pod)]
    own = [replace(one, tool=None) for one in _programs(container, "containers")]  # no tool serves
    sharing = [*_sharing(container, pod)] if spots else []
    opened = [*filled_in(pod.at("initContainers"))]
    for path in paths:
        found: list[ModelRef] = []
        spot = None if path is None else spot_of(path, spots)
        ways = [] if spot is None else [way for way, _ in seen_at(spot, spots)]
        for program in own if path is not None else ():
            for way in dict.fromkeys([path or "", *ways]):
                found += brought(program, way, scripts=scripts)
        if spot is not None:
            found += opened
            for programs, others in sharing:
                for way, root in seen_at(spot, others):
                    for program in programs:
                        found += brought(program, way, root, scripts=scripts)
        yield found


def _sharing(container: Field, pod: Field) -> Iterator[tuple[list[Program], list[Spot]]]:
    """Yield what each other container runs, and what it mounts."""
    for key in ("initContainers", "containers"):
        for other in written_out(pod.at(key)):
            spots = [*spots_of_pod(other, pod)]
            if other.pointer != container.pointer and spots:
                yield [*_programs(other, key)], spots


def _programs(container: Field, key: str) -> Iterator[Program]:
    """Yield what a container runs: its command, or that of its image, hook and probes."""
    yield _program(container, key)
    for way in _HOOKS:
        if words := _said(container.at(*way, "exec", "command")):
            yield replace(_program(container, way[-1]), words=words, tool=None)


def _program(container: Field, key: str) -> Program:
    is_sidecar = container.at("restartPolicy").text() == "Always"
    image = container.at("image").stated()
    return Program(
        f"{key}.{container.at('name').text() or 'unnamed'}",
        (*_said(container.at("command")), *_said(container.at("args"))),
        container.place(),
        image,
        {
            name: one.at("value").text() or ""
            for one in container.at("env").items()
            if (name := one.at("name").text()) and one.at("value")
        },
        tool=None if image is None or _said(container.at("command")) else tool_of(image.value),
        is_first=key == "initContainers" and not is_sidecar,
        folder=container.at("workingDir").text(),
    )


def _said(words: Field) -> tuple[Stated[str], ...]:
    return tuple(stated for one in words.items() if (stated := one.stated()) is not None)


def written_out(containers: Field) -> Iterator[Field]:
    """Yield the containers of a list without those that are filled in later."""
    return (one for one in containers.items() if placeholder(one) is None)


def filled_in(containers: Field) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each container that is filled in later."""
    for one in (containers, *containers.items()):
        if (stated := placeholder(one)) is not None:
            why = f"the container {stated.value[:60]} is filled in later, and may bring a model"
            yield hidden_model(stated.value, stated.place, why)
