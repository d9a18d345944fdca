"""Which models the services of compose files run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.containers import (
    open_models,
    open_words,
    placeholder,
    variables_of,
    words_of,
    words_of_health,
)
from placer.manifests.fetching import brought, with_brought
from placer.manifests.fetching_tools import tool_of
from placer.manifests.models import everywhere, model_of, models_of_variable
from placer.manifests.mounts import Mount, mounts_of, open_mounts, open_part, path_of, with_mounts
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.served_models import pulled_models
from placer.manifests.steps import Program, Scripts
from placer.manifests.volume_storage import Spot, seen_at, spot_of, spots_of_service

_OF_OTHERS = re.compile(r"\$\{?([A-Za-z_]\w*)")
_FILES = {"configs": "/", "secrets": "/run/secrets/"}
"""Key of a service whose files are mounted -> where, unless it is said."""


def models_of_service(root: Field, service: Field, scripts: Scripts) -> tuple[ModelRef, ...]:
    """Return the models that a service names, each as what lies where it is named."""
    words = [*words_of(service.at("entrypoint")), *words_of(service.at("command"))]
    used = service.at("models")
    names = [*(one.text() or "" for one in used.items()), *(one.name for one in used.entries())]
    declared = [root.at("models", name, "model").stated() for name in names]
    provider = service.at("provider")
    if provider.at("type").text() == "model":
        declared.append(provider.at("options", "model").stated())
    environment = service.at("environment")
    unknown = [*open_models([environment, *environment.items(), used, *used.items()])]
    unknown += _from_the_shell(environment)
    for key in ("volumes", "volumes_from"):
        unknown += open_mounts(service.at(key))
    unknown += open_models(map(service.at, _FILES))
    for command in (service.at("entrypoint"), service.at("command")):
        unknown += open_words(command)
    image = None if service.at("entrypoint") else service.at("image").stated()
    named = _named(words, [*variables_of(environment)], image)
    for one in service.at("post_start").items():
        named += pulled_models(words_of(one.at("command")))
    mounts = [*_volumes(root, service), *_files(root, service)]
    folder = service.at("working_dir").text()
    return everywhere(
        [model_of(one) for one in declared if one is not None],
        with_mounts(_placed(named, root, service, scripts), mounts, folder),
        unknown,
    )


def _named(
    words: Sequence[Stated[str]],
    variables: Sequence[tuple[str, Stated[str]]],
    image: Stated[str] | None,
) -> list[ModelRef]:
    """Return the models of a command line and of variables.

    ``$$NAME`` is a variable of the container, ``$NAME`` one of whoever starts the services.
    """
    others = {name for one in words for name in _OF_OTHERS.findall(one.value.replace("$$", ""))}
    own = [replace(one, value=one.value.replace("$$", "$")) for one in words]
    seen = {name: value.value for name, value in variables if name not in others}
    return models_named(own, variables, image, seen=seen)


def _from_the_shell(environment: Field) -> Iterator[ModelRef]:
    """Yield the models of variables without a value: it is that of whoever starts the services."""
    named = [(one.name, one) for one in environment.entries() if one.is_null]
    named += [(text, one) for one in environment.items() if "=" not in (text := one.text() or "=")]
    for name, one in named:
        yield from models_of_variable(name, Stated(f"${{{name}}}", one.key_place()))


def _volumes(root: Field, service: Field) -> Iterator[Mount]:
    """Yield the volumes of a service and of those that it takes them from.

    One whose definition is filled in later is that.
    """
    others = [(one.text() or "").partition(":")[0] for one in service.at("volumes_from").items()]
    holders = [service, *(root.at("services", name) for name in others)]
    for one in (one for holder in holders for one in mounts_of(holder.at("volumes"))):
        opened = open_part([root.at("volumes", one.source.value)])
        yield one if opened is None else replace(one, source=opened)


def _files(root: Field, service: Field) -> Iterator[Mount]:
    """Yield the configs and secrets of a service: single files, of the host or of nobody knows."""
    for key, folder in _FILES.items():
        for one in service.at(key).items():
            name = one.stated() or one.at("source").stated()
            if name is None or placeholder(one) is not None:  # it lies by its name in one folder
                continue
            file = root.at(key, name.value, "file").stated()
            path = posixpath.join(folder, one.at("target").text() or name.value)
            unknown = replace(name, value=f"{key}/{name.value}")
            yield Mount(file or unknown, path, is_whole=True)


def _placed(
    models: Sequence[ModelRef], root: Field, service: Field, scripts: Scripts
) -> Iterator[ModelRef]:
    """Yield the models, each as what is put at its path: by the service itself, or another one.

    Another one counts that shares the volume; what must have ended before this one starts is there
    to prepare it.
    """
    folder = service.at("working_dir").text()
    programs = [_own(service), *_beside(service)]
    own = [*spots_of_service(_volumes(root, service), root.at("volumes"))]
    sharing = [*_sharing(root, service)] if own else []
    for model in models:
        path = path_of(model.uri.value, folder)
        found = with_brought([model], programs, folder, scripts=scripts)
        spot = None if path is None else spot_of(path, own)
        others = [] if spot is None else [*_by_others(spot, sharing, scripts)]
        yield from [one for one in found if not others or one is not model]
        yield from others


def _by_others(
    spot: Spot, sharing: Sequence[tuple[Program, Sequence[Spot]]], scripts: Scripts
) -> Iterator[ModelRef]:
    """Yield what other services put at a path that lies in a volume which they share."""
    for program, spots in sharing:
        for way, mount in seen_at(spot, spots):
            yield from brought(program, way, mount, scripts=scripts)


def _sharing(root: Field, service: Field) -> Iterator[tuple[Program, Sequence[Spot]]]:
    """Yield what each other service runs, and what it mounts."""
    for other in root.at("services").entries():
        spots = [*spots_of_service(_volumes(root, other), root.at("volumes"))]
        if other.name == service.name or not spots:
            continue
        waits = service.at("depends_on", other.name, "condition").text()
        is_first = waits == "service_completed_successfully"
        program = _own(other)
        if program.image is not None and not other.at("entrypoint"):
            program = replace(program, tool=tool_of(program.image.value))
        yield replace(program, is_first=is_first), spots
        for one in _beside(other):
            yield one, spots


def _own(service: Field) -> Program:
    words = [*words_of(service.at("entrypoint")), *words_of(service.at("command"))]
    return _program(service, words)


def _beside(service: Field) -> Iterator[Program]:
    """Yield what runs in a service beside its command: hooks and its health check."""
    told = [words_of(one.at("command")) for one in service.at("post_start").items()]
    health = service.at("healthcheck")
    if health.at("disable").text() != "true":
        told.append(words_of_health(health.at("test")))
    yield from (_program(service, words) for words in told if words)


def _program(service: Field, words: Sequence[Stated[str]]) -> Program:
    variables: dict[str, str] = {}
    for one in service.at("environment").entries():
        variables[one.name] = one.text() or ""
    for one in service.at("environment").items():
        name, _, value = (one.text() or "").partition("=")
        variables[name] = value
    return Program(
        f"service.{service.name}",
        tuple(words),
        service.key_place(),
        service.at("image").stated(),
        variables,
        folder=service.at("working_dir").text(),
    )
