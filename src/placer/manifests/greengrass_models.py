"""Which models a component of Greengrass brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.manifests.containers import models_of_variables, open_models
from placer.manifests.fetching import brought
from placer.manifests.greengrass_artifacts import (
    Recipes,
    artifacts_of,
    from_archive,
    from_component,
)
from placer.manifests.models import Sources, everywhere, model_of, models_of_variable
from placer.manifests.mounts import path_of
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.steps import Program, Scripts

_CONFIGURED = re.compile(r"\{configuration:(?P<pointer>/[^}]*)\}")
_MAX_DEPTH = 6
"""Of a configuration, so far as models are looked for."""


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
    configured_ones = [one for models in configured.values() for one in models]
    own: list[ModelRef] = []
    of_component: list[ModelRef] = []
    for one in everywhere(named, configured_ones):
        found = from_component(one, manifest, recipes)
        (own if found is None else of_component).extend([one] if found is None else found)
    others = [
        model
        for needed in recipe.at("ComponentDependencies").entries()
        for other in recipes.get(needed.name, ())
        for one in other.at("Manifests").items()
        for model in artifacts_of(one)
    ]
    names = {one.uri.value.rpartition("/")[2] for one in own}
    of_others = [one for one in others if one.uri.value.rpartition("/")[2] in names]
    sources = Sources([*of_others, *artifacts_of(manifest)])
    steps = [*_steps(manifest.at("Lifecycle")), *_steps(recipe.at("Lifecycle"))]
    programs = [
        Program("script", (stated,), stated.place)
        for one in steps
        if (stated := one.stated()) is not None
    ]
    models = [
        unpacked
        for one in own
        for new in _fetched(one, programs, sources, scripts)
        for unpacked in from_archive(new, manifest, is_file=sources.has(new))
    ]
    return everywhere(sources.of(models), of_component, sources.rest())


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


def _scripts(lifecycle: Field) -> Iterator[ModelRef]:
    for entry in lifecycle.entries():
        if entry.name.lower() == "setenv":
            yield from models_of_variables(entry)
        elif entry.is_mapping and entry.text() is None:
            yield from _scripts(entry)
        elif (stated := entry.stated()) is not None:
            yield from models_named([stated], ())


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
