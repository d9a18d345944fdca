"""Which models, images and archives a component of Greengrass brings along."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.containers import models_of_variables, open_models
from placer.manifests.fetching import brought
from placer.manifests.models import (
    Sources,
    everywhere,
    is_model_file,
    model_of,
    models_of_arguments,
    models_of_variable,
)
from placer.manifests.mounts import path_of
from placer.manifests.nodes import Field
from placer.manifests.steps import Program, Scripts

_CONFIGURED = re.compile(r"\{configuration:(?P<pointer>/[^}]*)\}")
_DOCKER = "docker:"
_NO_MODELS = (".py", ".pyc", ".sh", ".js", ".whl", ".pem", ".crt", ".cer", ".key")
"""Ends of artifacts that hold code or a certificate; any other may be or hold a model."""
_MAX_DEPTH = 6
"""Of a configuration, so far as models are looked for."""

Recipes = dict[str, list[Field]]
"""Name of a component -> its recipes, one for each version."""


def models_of_component(
    recipe: Field,
    manifest: Field,
    configurations: Sequence[Field],
    recipes: Recipes,
    scripts: Scripts,
) -> tuple[ModelRef, ...]:
    """Return the models of scripts and configurations, each as the artefact or URI it is from."""
    configured: dict[str, list[ModelRef]] = {}
    for configuration in configurations:
        for pointer, models in _configured(configuration, "", _MAX_DEPTH):
            configured.setdefault(pointer, models)
    said = [*_scripts(manifest.at("Lifecycle")), *_scripts(recipe.at("Lifecycle"))]
    named = [_resolved(one, configurations) for one in said]
    found = everywhere(named, [one for models in configured.values() for one in models])
    others = [
        model
        for needed in recipe.at("ComponentDependencies").entries()
        for other in recipes.get(needed.name, ())
        for one in other.at("Manifests").items()
        for model in _artifacts(one)
    ]
    names = {one.uri.value.rpartition("/")[2] for one in found}
    of_others = [one for one in others if one.uri.value.rpartition("/")[2] in names]
    sources = Sources([*of_others, *_artifacts(manifest)])
    steps = [*_steps(manifest.at("Lifecycle")), *_steps(recipe.at("Lifecycle"))]
    programs = [
        Program("script", (stated,), stated.place)
        for one in steps
        if (stated := one.stated()) is not None
    ]
    models = [new for one in found for new in _fetched(one, programs, sources, scripts)]
    return everywhere(sources.of(models), sources.rest())


def _fetched(
    model: ModelRef, programs: Sequence[Program], sources: Sources, scripts: Scripts
) -> list[ModelRef]:
    """Return what scripts download to the path of a model; none: the model itself.

    What they copy there is an artefact of the component, whose name it has.
    """
    path = path_of(model.uri.value)
    if path is None or sources.has(model):
        return [model]
    found = [
        new
        for one in programs
        for new in brought(replace(one, image=model.uri), path, scripts=scripts)
    ]
    return [one for one in found if one.uri.value != model.uri.value] or [model]


def open_parts(recipe: Field, manifest: Field, opened: Sequence[Stated[str]]) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each placeholder where one could be named."""
    yield from map(model_of, opened)
    artifacts = manifest.at("Artifacts")
    yield from open_models([recipe.at("Manifests"), manifest, artifacts, *artifacts.items()])
    for lifecycle in (manifest.at("Lifecycle"), recipe.at("Lifecycle")):
        yield from open_models([lifecycle, *_steps(lifecycle)])


def _steps(lifecycle: Field) -> Iterator[Field]:
    """Yield the scripts of a lifecycle, and what stands for them."""
    for entry in lifecycle.entries():
        script = entry.at("script")
        yield script if script else entry


def _artifacts(manifest: Field) -> Iterator[ModelRef]:
    for artifact in manifest.at("Artifacts").items():
        stated = artifact.at("Uri").stated()
        if stated is not None and is_model_file(stated.value):
            model = model_of(stated)
            yield replace(model, sha256=model.sha256 or _sha256(artifact))


def _sha256(artifact: Field) -> str | None:
    """Return the digest that the cloud writes into a recipe: base64 of SHA-256."""
    text, algorithm = artifact.at("Digest").text(), artifact.at("Algorithm").text() or "SHA-256"
    if text is None or algorithm.upper() != "SHA-256":
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


def images_of(manifest: Field) -> Iterator[tuple[Stated[str], bool]]:
    """Yield what may hold a model, images and archives, and whether a digest beside it pins it."""
    for artifact in manifest.at("Artifacts").items():
        stated = artifact.at("Uri").stated()
        if stated is None or is_model_file(stated.value):
            continue
        if not stated.value.lower().endswith(_NO_MODELS):
            is_pinned = _sha256(artifact) is not None
            yield replace(stated, value=stated.value.removeprefix(_DOCKER)), is_pinned


def _scripts(lifecycle: Field) -> Iterator[ModelRef]:
    for entry in lifecycle.entries():
        if entry.name.lower() == "setenv":
            yield from models_of_variables(entry)
        elif entry.is_mapping and entry.text() is None:
            yield from _scripts(entry)
        elif (stated := entry.stated()) is not None:
            yield from models_of_arguments([stated])


def _configured(field: Field, pointer: str, depth: int) -> Iterator[tuple[str, list[ModelRef]]]:
    """Yield (pointer, models) of a configuration's values."""
    for entry in field.entries():
        if entry.name.lower() == "accesscontrol" or depth == 0:
            continue
        below = f"{pointer}/{entry.name.lower()}"
        stated = entry.stated()
        if stated is not None:
            yield below, models_of_variable(entry.name, stated)
        yield from _configured(entry, below, depth - 1)


def _resolved(model: ModelRef, configurations: Sequence[Field]) -> ModelRef:
    """Return the model that ``{configuration:/ModelPath}`` stands for, where it is known."""
    match = _CONFIGURED.fullmatch(model.uri.value)
    if match is None:
        return model
    way = match["pointer"].strip("/").split("/")
    said = (one.at(*way).stated() for one in configurations)
    return next((model_of(stated) for stated in said if stated is not None), model)
