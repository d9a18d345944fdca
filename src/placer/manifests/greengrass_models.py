"""Which models a component of Greengrass brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from placer.core.deployment import ModelRef, Stated
from placer.manifests.containers import models_of_variables, open_models
from placer.manifests.greengrass_artifacts import Recipes, artifacts_of, from_component
from placer.manifests.greengrass_paths import Lying, program_of
from placer.manifests.models import Sources, everywhere, model_of, models_of_variable
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.steps import Scripts

_CONFIGURED = re.compile(r"\{configuration:(?P<pointer>/[^}]*)\}")
_VARIABLES = "setenv"
"""Key of a lifecycle, in small letters."""
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
    lifecycles = (manifest.at("Lifecycle"), recipe.at("Lifecycle"))
    said = [one for lifecycle in lifecycles for one in _scripts(lifecycle)]
    variables = [one for lifecycle in lifecycles for one in _variables(lifecycle)]
    apart = [_resolved(one, configurations) for one in variables]
    apart += [one for models in configured.values() for one in models]
    own: list[ModelRef] = []
    of_component: list[ModelRef] = []
    for one in everywhere([_resolved(one, configurations) for one in said], apart):
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
    component = recipe.at("ComponentName").text() or ""
    programs = [
        program_of(stated, component)
        for lifecycle in lifecycles
        for one in _steps(lifecycle)
        if (stated := one.stated()) is not None
    ]
    lying = Lying(component, manifest, sources, programs, scripts)
    told = {one.uri.value for one in apart}
    models = [
        new
        for one in own
        for new in (
            lying.artefacts(one)
            if one.uri.value not in told and lying.is_but_written(one, own)
            else lying.at(one)
        )
    ]
    return everywhere(models, of_component, sources.rest(models))


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
        if not script and _is_platform(entry):
            yield from _steps(entry)
        else:
            yield script if script else entry


def _is_platform(entry: Field) -> bool:
    """Tell whether an entry of a lifecycle holds the steps of one platform, or settings of one."""
    return entry.name.lower() != _VARIABLES and entry.is_mapping and entry.text() is None


def _variables(lifecycle: Field) -> Iterator[ModelRef]:
    for entry in lifecycle.entries():
        if entry.name.lower() == _VARIABLES:
            yield from models_of_variables(entry)
        elif _is_platform(entry):
            yield from _variables(entry)


def _scripts(lifecycle: Field) -> Iterator[ModelRef]:
    for entry in lifecycle.entries():
        if _is_platform(entry):
            yield from _scripts(entry)
        elif entry.name.lower() != _VARIABLES and (stated := entry.stated()) is not None:
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
