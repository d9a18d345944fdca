"""Which models the services of compose files run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.containers import (
    models_of_variables,
    open_models,
    open_words,
    placeholder,
    words_of,
)
from placer.manifests.models import (
    everywhere,
    model_of,
    models_of_arguments,
    models_of_variable,
)
from placer.manifests.mounts import Mount, mounts_of, open_mounts, with_mounts
from placer.manifests.nodes import Field

_FILES = {"configs": "/", "secrets": "/run/secrets/"}
"""Key of a service whose files are mounted -> where, unless it is said."""


def models_of_service(root: Field, service: Field) -> tuple[ModelRef, ...]:
    """Return the models that a service names, each as what lies where it is named."""
    words = [*words_of(service.at("entrypoint")), *words_of(service.at("command"))]
    used = service.at("models")
    names = [*(one.text() or "" for one in used.items()), *(one.name for one in used.entries())]
    declared = [root.at("models", name, "model").stated() for name in names]
    provider = service.at("provider")
    if provider.at("type").text() == "model":
        declared.append(provider.at("options", "model").stated())
    environment = service.at("environment")
    unknown = [*open_models([environment, *environment.items(), used])]
    unknown += _from_the_shell(environment)
    for key in ("volumes", *_FILES):
        unknown += open_mounts(service.at(key))
    for command in (service.at("entrypoint"), service.at("command")):
        unknown += open_words(command)
    return everywhere(
        [model_of(one) for one in declared if one is not None],
        with_mounts(
            [*models_of_arguments(words), *models_of_variables(service.at("environment"))],
            [*mounts_of(service.at("volumes")), *_files(root, service)],
            service.at("working_dir").text(),
        ),
        unknown,
    )


def _from_the_shell(environment: Field) -> Iterator[ModelRef]:
    """Yield the models of variables without a value: it is that of whoever starts the services."""
    named = [(one.name, one) for one in environment.entries() if one.is_null]
    named += [(text, one) for one in environment.items() if "=" not in (text := one.text() or "=")]
    for name, one in named:
        yield from models_of_variable(name, Stated(f"${{{name}}}", one.key_place()))


def _files(root: Field, service: Field) -> Iterator[Mount]:
    """Yield the configs and secrets of a service: single files, of the host or of nobody knows."""
    for key, folder in _FILES.items():
        for one in service.at(key).items():
            name = one.stated() or one.at("source").stated()
            if name is None or placeholder(one) is not None:
                continue
            file = root.at(key, name.value, "file").stated()
            path = posixpath.join(folder, one.at("target").text() or name.value)
            unknown = replace(name, value=f"{key}/{name.value}")
            yield Mount(file or unknown, path, is_whole=True)
