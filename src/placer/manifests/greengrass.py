"""AWS IoT Greengrass v2: recipes of components, and the deployments that put them on devices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import Defect, Deployed, ModelRef, Resources, Stated, Tier, Unreadable
from placer.core.project import templates_in
from placer.core.rendering import rendered_by
from placer.manifests.containers import placeholder
from placer.manifests.embedded import case_blind, json_in
from placer.manifests.format import Format, Found, merged, nearest
from placer.manifests.greengrass_access import egress_of, mistyped_rights
from placer.manifests.greengrass_artifacts import Recipes, images_of
from placer.manifests.greengrass_keys import COMPONENT, DEPLOYMENT, RECIPE, bad_parts
from placer.manifests.greengrass_models import models_of_component, open_parts
from placer.manifests.greengrass_place import bad_limits, resources_of, where_of
from placer.manifests.levels import no_object, repeated_keys, unknown_keys
from placer.manifests.lookalikes import is_near
from placer.manifests.models import everywhere, hidden_model
from placer.manifests.nodes import Field
from placer.manifests.steps import Scripts
from placer.manifests.told_uris import uris_told

_NUCLEUS = "aws.greengrass.Nucleus"
_SYSTEM = "aws.greengrass."
"""Components of the runtime itself begin so."""


def claims(root: Field) -> bool:
    """Tell whether a document is a recipe or a deployment."""
    root = case_blind(root)
    return _is_recipe(root) or _is_deployment(root)


def read(roots: Sequence[Field]) -> Found:
    """Read deployments with the recipes of their components, and recipes that none deploys."""
    roots = [case_blind(root) for root in roots]
    recipes: dict[str, list[Field]] = {}
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
            defects = [*repeated_keys(root), *unknown_keys(root, RECIPE, reader="Greengrass")]
            defects += bad_parts(root)
            defects += mistyped_rights(root.at("ComponentConfiguration", "DefaultConfiguration"))
            of_all = tuple(replace(one, concerns=root.pointer) for one in defects)
            found.append(Found(alone, of_all))
    return merged(found)


def _is_recipe(root: Field) -> bool:
    """Tell it by two of its keys: one may be mistyped."""
    named = [bool(root.at(key)) for key in ("ComponentName", "RecipeFormatVersion")]
    return sum(named) == 2 or (any(named) and bool(root.first_of("Manifests", "ComponentVersion")))


def _is_deployment(root: Field) -> bool:
    components = _components_of(root)
    if placeholder(components) is not None:
        return bool(root.at("targetArn"))
    return _holds_components(components) or (
        components.is_mapping and ":iot:" in (root.at("targetArn").text() or "")
    )


def _components_of(root: Field) -> Field:
    """Return what holds the components of a deployment, under a mistyped key as well."""
    exact = root.at("components")
    if exact:
        return exact
    near = (one for one in root.entries() if is_near(one.name, "components"))
    return next((one for one in near if _holds_components(one)), exact)


def _holds_components(field: Field) -> bool:
    return any(one.at("componentVersion") for one in field.entries())


@dataclass(frozen=True, slots=True)
class _Use:
    """What a deployment says of a component."""

    root: Field
    entry: Field
    """The component."""
    update: Field
    """Its configuration, as far as the deployment changes it."""
    resources: Resources
    opened: tuple[Stated[str], ...]
    """Placeholders where it would say the configuration."""


def _deployment(root: Field, recipes: Recipes) -> tuple[Found, list[Field]]:
    """Return what a deployment puts on its target, and the recipes that it uses."""
    defects = [*repeated_keys(root), *unknown_keys(root, DEPLOYMENT, reader="Greengrass")]
    components = _components_of(root)
    if (stated := placeholder(components)) is not None:
        message = f"'components' is filled in later ({stated.value[:40]}): nobody knows which are"
        problem = Unreadable(stated.place, f"{message} deployed", rendered_by("greengrass"))
        return Found(defects=tuple(defects), unreadable=(problem,)), []
    updates: dict[str, Field] = {}
    opened: dict[str, tuple[Stated[str], ...]] = {}
    for entry in components.entries():
        defects += unknown_keys(entry, COMPONENT, reader="Greengrass")
        updates[entry.name], opened[entry.name], problems = _merge(entry)
        defects += [*problems, *mistyped_rights(updates[entry.name])]
    shared = updates.get(_NUCLEUS)
    for_all = None if shared is None else shared.at("runWithDefault", "systemResourceLimits")
    deployed: list[Deployed] = []
    used: list[Field] = []
    for entry in components.entries():
        limits = entry.at("runWith", "systemResourceLimits")
        defects += bad_limits(limits)
        if entry.name.startswith(_SYSTEM):
            continue
        resources = resources_of(limits, for_all)
        use = _Use(root, entry, updates[entry.name], resources, opened[entry.name])
        recipe = _recipe_of(entry, recipes)
        if recipe is not None:
            used.append(recipe)
        deployed += _components(use, recipe, recipes)
    return Found(tuple(deployed), tuple(defects)), used


def _merge(entry: Field) -> tuple[Field, tuple[Stated[str], ...], list[Defect]]:
    """Return the configuration that a deployment merges: an object, or JSON in a string.

    The second are the placeholders that stand for it, or for what holds it.
    """
    nothing = Field(entry.document, None)
    update = entry.at("configurationUpdate")
    for outer in (entry, update):
        if (stated := placeholder(outer)) is not None:
            return nothing, (stated,), []
        if outer and not (outer.is_null or outer.is_mapping):
            return nothing, (), [no_object(outer)]
    merge = update.at("merge")
    text = merge.text()
    parsed = merge if text is None else json_in([merge])
    if parsed is None:
        if templates := templates_in(text or ""):
            return nothing, (Stated(templates[0], merge.place()),), []
        message = f"'merge' of '{entry.name}' is no JSON, and is not read"
        remedy = 'write one object; quotes within a string are written as \\"'
        return nothing, (), [Defect("bad_value", message, remedy, merge.place())]
    if parsed and not (parsed.is_null or parsed.is_mapping):
        return nothing, (), [no_object(merge)]
    return parsed, (), [] if text is None else list(repeated_keys(parsed))


def _recipe_of(entry: Field, recipes: Recipes) -> Field | None:
    """Return the recipe of a component in the version that is deployed."""
    named = [*recipes.get(entry.name, ())]
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
    opened = [] if use is None else [*use.opened]
    if recipe is not None:
        holders = (recipe.at("ComponentConfiguration"), defaults)
        opened += [stated for one in holders if (stated := placeholder(one)) is not None]
    if use is not None:
        name, place = use.entry.name, use.entry.key_place()
        id = f"deployment/{_deployment_name(use.root)}/{name}"
    else:
        name = _name(anchor)
        place = (anchor.at("ComponentName") or anchor).place()
        id = f"component/{name}"
    scripts = Scripts()
    for index, manifest in enumerate(manifests):
        one_of = manifest.at("Name").text() or str(index)
        yield Deployed(
            id=f"{id}/{one_of}" if len(manifests) > 1 else id,
            format="greengrass",
            kind="Component",
            name=name,
            place=place,
            models=everywhere(
                models_of_component(recipe or nothing, manifest, configurations, recipes, scripts),
                open_parts(recipe or nothing, manifest, opened),
                [] if use is None or recipe is not None else _of_other_versions(use, recipes),
            ),
            uris=uris_told(
                (manifest.at("Lifecycle"), (recipe or nothing).at("Lifecycle"), *configurations)
            ),
            images=tuple(image for image, _ in images_of(manifest)),
            pinned=frozenset(image.value for image, is_pinned in images_of(manifest) if is_pinned),
            where=where_of(
                manifest.at("Platform"),
                nothing if use is None else use.root.at("targetArn"),
                Stated(Tier.EDGE, place),
            ),
            resources=Resources() if use is None else use.resources,
            egress=tuple(egress_of(configurations, opened)),
            beside=() if use is None or recipe is None else (_document(recipe),),
        )


def _of_other_versions(use: _Use, recipes: Recipes) -> Iterator[ModelRef]:
    """Yield the model of a component whose recipes at hand are those of other versions."""
    if use.entry.name in recipes:
        version = use.entry.at("componentVersion").text() or "without a version"
        name = f"{use.entry.name[:60]} {version[:40]}"
        why = f"which recipe is that of {name} is not to be seen among those of the component"
        told = f"{use.entry.name} {version}"
        yield hidden_model("<recipe>", use.entry.key_place(), why, told=told)


def _document(root: Field) -> tuple[str, int]:
    return root.document.path, root.document.index


def _deployment_name(root: Field) -> str:
    text = root.at("targetArn").text() or "local"
    return root.at("deploymentName").text() or text.rpartition("/")[2]


FORMAT = Format(
    id="greengrass",
    name="AWS IoT Greengrass v2 recipes and deployments",
    mark=re.compile(
        rb"component(?:version|name)\b|recipeformatversion|\btargetarn\b", re.IGNORECASE
    ),
    words=(b"componentversion", b"componentname", b"recipeformatversion", b"targetarn"),
    claims=claims,
    read=read,
    page="aws-iot-greengrass-v2-recipes-and-deployments",
)
