"""AWS IoT Greengrass v2: recipes of components, and the deployments that put them on devices."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import (
    Defect,
    Deployed,
    Egress,
    ModelRef,
    Resources,
    Stated,
    Tier,
    Where,
)
from placer.manifests.containers import is_open, models_of_variables
from placer.manifests.embedded import case_blind, json_in
from placer.manifests.format import Format, Found, merged, nearest
from placer.manifests.greengrass_keys import COMPONENT, DEPLOYMENT, RECIPE
from placer.manifests.levels import repeated_keys, unknown_keys
from placer.manifests.models import (
    Sources,
    everywhere,
    is_model_file,
    model_of,
    models_of_arguments,
    models_of_variable,
)
from placer.manifests.nodes import Field
from placer.manifests.quantities import unread

_MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
_PUBLISHES = ("aws.greengrass#publishtoiotcore", "*")
_NUCLEUS = "aws.greengrass.Nucleus"
_SYSTEM = "aws.greengrass."
"""Components of the runtime itself begin so."""
_TARGET = re.compile(r"arn:[^:]*:iot:[^:]*:[^:]*:(?P<what>thing|thinggroup)/(?P<name>.+)")
_ANY_OF = re.compile(r"/\^?\(?(?P<values>[\w.-]+(?:\|[\w.-]+)*)\)?\$?/")
_CONFIGURED = re.compile(r"\{configuration:(?P<pointer>/[^}]*)\}")
_DOCKER = "docker:"
_KB_BYTES = 1024
"""Source: Greengrass nucleus, ``SystemResourceController``: limits are given in units of 1024."""
_MAX_DEPTH = 6
"""Of a configuration, so far as models are looked for."""

Recipes = dict[str, list[Field]]
"""Name of a component -> its recipes, one for each version."""


def claims(root: Field) -> bool:
    """Tell whether a document is a recipe or a deployment."""
    root = case_blind(root)
    return _is_recipe(root) or any(
        one.at("componentVersion") for one in root.at("components").entries()
    )


def read(roots: Sequence[Field]) -> Found:
    """Read deployments with the recipes of their components, and recipes that none deploys."""
    roots = [case_blind(root) for root in roots]
    recipes: Recipes = {}
    for root in roots:
        if _is_recipe(root):
            recipes.setdefault(_name(root), []).append(root)
    found: list[Found] = []
    deployed: set[int] = set()
    for root in roots:
        if not _is_recipe(root):
            part, used = _deployment(root, recipes)
            found.append(part)
            deployed |= {id(one) for one in used}
    for root in roots:
        if _is_recipe(root):
            alone = () if id(root) in deployed else tuple(_components(None, root, recipes))
            defects = (*repeated_keys(root), *unknown_keys(root, RECIPE, reader="Greengrass"))
            found.append(Found(alone, defects))
    return merged(found)


def _is_recipe(root: Field) -> bool:
    return bool(root.at("ComponentName")) and bool(
        root.first_of("RecipeFormatVersion", "Manifests", "ComponentVersion")
    )


@dataclass(frozen=True, slots=True)
class _Use:
    """What a deployment says of a component."""

    root: Field
    entry: Field
    """The component."""
    update: Field
    """Its configuration, as far as the deployment changes it."""
    resources: Resources


def _deployment(root: Field, recipes: Recipes) -> tuple[Found, list[Field]]:
    """Return what a deployment puts on its target, and the recipes that it uses."""
    defects = [*repeated_keys(root), *unknown_keys(root, DEPLOYMENT, reader="Greengrass")]
    updates: dict[str, Field] = {}
    for entry in root.at("components").entries():
        defects += unknown_keys(entry, COMPONENT, reader="Greengrass")
        updates[entry.name], problems = _merge(entry)
        defects += problems
    shared = updates.get(_NUCLEUS)
    for_all = None if shared is None else shared.at("runWithDefault", "systemResourceLimits")
    deployed: list[Deployed] = []
    used: list[Field] = []
    for entry in root.at("components").entries():
        limits = entry.at("runWith", "systemResourceLimits")
        defects += _bad_limits(limits)
        if entry.name.startswith(_SYSTEM):
            continue
        use = _Use(root, entry, updates[entry.name], _resources(limits, for_all))
        recipe = _recipe_of(entry, recipes)
        if recipe is not None:
            used.append(recipe)
        deployed += _components(use, recipe, recipes)
    return Found(tuple(deployed), tuple(defects)), used


def _merge(entry: Field) -> tuple[Field, list[Defect]]:
    """Return the configuration that a deployment merges: an object, or JSON in a string."""
    merge = entry.at("configurationUpdate", "merge")
    text = merge.text()
    if text is None:
        return merge, []
    parsed = json_in([merge])
    if parsed is not None:
        return parsed, list(repeated_keys(parsed))
    defects = []
    if not is_open(text):
        message = f"'merge' of '{entry.name}' is no JSON, and is not read"
        remedy = 'write one object; quotes within a string are written as \\"'
        defects.append(Defect("bad_value", message, remedy, merge.place()))
    return Field(merge.document, None), defects


def _recipe_of(entry: Field, recipes: Recipes) -> Field | None:
    """Return the recipe of a component in the version that is deployed."""
    named = recipes.get(entry.name, [])
    version = entry.at("componentVersion").text()
    equal = [one for one in named if one.at("ComponentVersion").text() == version]
    open_ones = [one for one in named if not _is_version(one.at("ComponentVersion").text())]
    if not equal and version is not None and not _is_version(version):
        equal = named
    return nearest(equal or open_ones, entry)


def _is_version(text: str | None) -> bool:
    """Tell whether a version is one, and no word that a build fills in."""
    return text is not None and text[:1].isdigit()


def _name(recipe: Field) -> str:
    return recipe.at("ComponentName").text() or "unnamed"


def _components(use: _Use | None, recipe: Field | None, recipes: Recipes) -> Iterator[Deployed]:
    """Yield a component once for each platform that its recipe has a manifest for."""
    anchor = use.entry if use is not None else recipe
    if anchor is None:
        return
    nothing = Field(anchor.document, None)
    manifests = [*recipe.at("Manifests").items()] if recipe is not None else []
    manifests = manifests or [nothing]
    defaults = nothing
    if recipe is not None:
        defaults = recipe.at("ComponentConfiguration", "DefaultConfiguration")
    configurations = [defaults] if use is None else [use.update, defaults]
    if use is not None:
        name, place = use.entry.name, use.entry.key_place()
        id = f"deployment/{_deployment_name(use.root)}/{name}"
    else:
        name = _name(anchor)
        place = (anchor.at("ComponentName") or anchor).place()
        id = f"component/{name}"
    for index, manifest in enumerate(manifests):
        one_of = manifest.at("Name").text() or str(index)
        yield Deployed(
            id=f"{id}/{one_of}" if len(manifests) > 1 else id,
            format="greengrass",
            kind="Component",
            name=name,
            place=place,
            models=_models(recipe or nothing, manifest, configurations, recipes),
            images=tuple(_images(manifest)),
            where=_where(
                manifest.at("Platform"),
                nothing if use is None else use.root.at("targetArn"),
                Stated(Tier.EDGE, place),
            ),
            resources=Resources() if use is None else use.resources,
            egress=tuple(_egress(configurations)),
        )


def _deployment_name(root: Field) -> str:
    text = root.at("targetArn").text() or "local"
    return root.at("deploymentName").text() or text.rpartition("/")[2]


# models


def _models(
    recipe: Field, manifest: Field, configurations: Sequence[Field], recipes: Recipes
) -> tuple[ModelRef, ...]:
    configured: dict[str, list[ModelRef]] = {}
    for configuration in configurations:
        for pointer, models in _configured(configuration, "", _MAX_DEPTH):
            configured.setdefault(pointer, models)
    scripts = [*_scripts(manifest.at("Lifecycle")), *_scripts(recipe.at("Lifecycle"))]
    named = [_resolved(one, configurations) for one in scripts]
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
    return (*sources.of(found), *sources.rest())


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


def _images(manifest: Field) -> Iterator[Stated[str]]:
    """Yield what a component brings along: images, and archives that may hold a model."""
    for artifact in manifest.at("Artifacts").items():
        stated = artifact.at("Uri").stated()
        if stated is not None and not is_model_file(stated.value):
            yield replace(stated, value=stated.value.removeprefix(_DOCKER))


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


# place, resources, egress


def _where(platform: Field, target: Field, tier: Stated[Tier]) -> Where:
    labels: list[Stated[tuple[str, str]]] = []
    any_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    said: dict[str, Stated[str]] = {}
    for entry in platform.entries():
        text, name = entry.text(), entry.name
        is_common = name.lower() in ("os", "architecture", "runtime")
        if text is None or (text == "*" and is_common):
            continue
        if text == "*":
            any_of.append(Stated((name, ()), entry.pair_place()))
        elif text.startswith("/"):
            match = _ANY_OF.fullmatch(text)
            values = tuple(match["values"].split("|")) if match else ()
            any_of.append(Stated((name, values), entry.pair_place()))
        elif name.lower() in ("os", "architecture"):
            said[name.lower()] = Stated(text, entry.place())
        else:
            labels.append(Stated((name, text), entry.pair_place()))
    system, arch = said.get("os"), said.get("architecture")
    platform_said = arch or system
    if arch is not None and system is not None:
        platform_said = Stated(f"{system.value}/{arch.value}", arch.place)
    stated = target.stated()
    match = _TARGET.fullmatch(stated.value) if stated is not None else None
    if stated is not None and match is not None:
        stated = replace(stated, value=match["name"])
    is_thing = match is not None and match["what"] == "thing"
    return Where(
        labels=tuple(labels),
        any_of=tuple(any_of),
        node=stated if is_thing else None,
        group=None if is_thing else stated,
        platform=platform_said,
        tier=tier,
    )


def _resources(limits: Field, for_all: Field | None) -> Resources:
    memory = _first_number("memory", limits, for_all)
    limit = None if memory is None else Stated(int(memory.value * _KB_BYTES), memory.place)
    stated = [one.at("memory") for one in (limits, for_all) if one is not None]
    return Resources(
        memory_limit_bytes=limit,
        memory_limit_unread=unread(limit, *stated),
        cpus_limit=_first_number("cpus", limits, for_all),
    )


def _first_number(name: str, *holders: Field | None) -> Stated[float] | None:
    for holder in holders:
        amount = None if holder is None else holder.at(name)
        number = None if amount is None else amount.number()
        if amount is not None and number is not None and number > 0:
            return Stated(number, amount.place())
    return None


def _bad_limits(limits: Field) -> Iterator[Defect]:
    for name, write in (("cpus", "a number of cores"), ("memory", "a number of kilobytes")):
        amount = limits.at(name)
        text = amount.text()
        if text is None or is_open(text):
            continue
        if (amount.number() or 0.0) <= 0:
            message = f"'{name}: {text[:40]}' is no amount that Greengrass reads"
            yield Defect("bad_value", message, f"write {write}", amount.place())


def _egress(configurations: Sequence[Field]) -> Iterator[Egress]:
    """Yield the topics of the cloud to which a component may publish."""
    policies: dict[str, list[Field]] = {}
    for configuration in configurations:
        for policy in configuration.at("accessControl", _MQTT_PROXY).entries():
            policies.setdefault(policy.name.lower(), []).append(policy)
    for parts in policies.values():
        operations = _first_list("operations", parts)
        if not any((one.text() or "").lower() in _PUBLISHES for one in operations):
            continue
        for topic in _first_list("resources", parts):
            stated = topic.stated()
            if stated is not None:
                yield Egress("mqtt", stated, "messages")


def _first_list(name: str, holders: Sequence[Field]) -> list[Field]:
    """Return a list of the first that has it: a merge replaces lists as a whole."""
    return next(([*one.at(name).items()] for one in holders if one.at(name)), [])


FORMAT = Format(
    id="greengrass",
    name="AWS IoT Greengrass v2 recipes and deployments",
    mark=re.compile(rb"componentversion|recipeformatversion", re.IGNORECASE),
    words=(b"componentversion", b"recipeformatversion"),
    claims=claims,
    read=read,
    page="aws-iot-greengrass-v2-recipes-and-deployments",
)
