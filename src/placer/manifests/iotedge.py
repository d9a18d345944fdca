"""Azure IoT Edge: deployments, layered ones and their templates, with the routes to the cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import Defect, Deployed, ModelRef, Stated, Tier, Unreadable, Where
from placer.core.project import templates_in
from placer.core.rendering import rendered_by
from placer.manifests.containers import (
    is_object,
    open_models,
    open_words,
    placeholder,
    variables_of,
    words_of,
    words_of_health,
)
from placer.manifests.embedded import case_blind, json_in
from placer.manifests.fetching import with_brought
from placer.manifests.format import Format, Found, merged
from placer.manifests.iotedge_keys import (
    AGENT,
    CREATE_OPTIONS,
    DEPLOYMENT,
    HUB,
    MODULE,
    OF_THE_AGENT,
    OF_THE_HUB,
    content_keys,
    desired_keys,
    holds_the_system,
    twin_keys,
)
from placer.manifests.iotedge_resources import bad_amounts, resources_of
from placer.manifests.iotedge_routes import Routes, routes_of
from placer.manifests.levels import no_object, repeated_keys, unknown_keys
from placer.manifests.models import everywhere, is_model_variable, model_of, models_of_variable
from placer.manifests.mounts import mounts_of, open_mounts, with_mounts
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.steps import Program, Scripts
from placer.manifests.told_uris import uris_told

_CONTENT = ("modulesContent", "moduleContent")
_MODULES = "properties.desired.modules"
_ROUTES = "properties.desired.routes"
_SPLIT = re.compile(r"createOptions[0-9]{2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Module:
    """One module: values, each with the keys that lead to it (none: it is all of the module)."""

    name: str
    parts: tuple[tuple[str, Field], ...]

    def at(self, way: str) -> Field:
        """Follow keys with dots between them, some of which may stand in one key."""
        found = _nothing(self.parts[0][1])
        for before, part in self.parts:
            if not before:
                found = part.at(*way.split(".")) or found
            elif way == before:
                found = part
            elif way.startswith(f"{before}."):
                found = part.at(*way[len(before) + 1 :].split(".")) or found
        return found


def claims(root: Field) -> bool:
    """Tell whether a document holds deployments: modules for the agent of a device."""
    return next(_deployments(root), None) is not None


def read(roots: Sequence[Field]) -> Found:
    """Read each deployment of each document."""
    return merged([_deployment(one) for root in roots for one in _deployments(root)])


def _deployments(root: Field) -> Iterator[Field]:
    """Yield a deployment, or those of a list as the command line of Azure prints it."""
    for one in root.items() if root.is_list else [root]:
        content = _modules_content(one)
        if content and not content.is_null:
            yield one


def _modules_content(root: Field) -> Field:
    """Return what holds the modules, under a mistyped key as well, or a placeholder for it."""
    content = root.at("content")
    if content and root.at("targetCondition") and placeholder(content) is not None:
        return content
    holder = content if content.is_mapping else root
    exact = holder.first_of(*_CONTENT)
    return exact or next((one for one in holder.entries() if holds_the_system(one)), exact)


def _deployment(root: Field) -> Found:
    content = _modules_content(root)
    if not is_object(content):
        return _unknown([content], root, what="what is deployed")
    agent, hub = content.at("$edgeAgent"), content.at("$edgeHub")
    modules = [*_modules(agent)]
    defects = [*repeated_keys(root)]
    if root.at("content").is_mapping:
        defects += unknown_keys(root, DEPLOYMENT, reader="IoT Hub")
    names = {one.name for one in modules}
    of_all = [*content_keys(content, names)]
    of_all += [*desired_keys(agent, OF_THE_AGENT, AGENT), *desired_keys(hub, OF_THE_HUB, HUB)]
    cut_off = [*_cut_off(hub, _ROUTES)]
    opened = [stated for one in cut_off if (stated := placeholder(one)) is not None]
    of_all += [no_object(one) for one in cut_off if placeholder(one) is None]
    routes, problems = routes_of([*_below(hub, _ROUTES)], opened)
    defects += [replace(one, concerns=root.pointer) for one in [*of_all, *problems]]
    deployed = []
    for module in modules:
        options, opaque, problems = _create_options(module)
        defects += [*problems, *_module_defects(module, content.at(module.name))]
        deployed.append(_deployed(root, module, options, opaque, content, routes))
    unknown = _unknown([*_cut_off(agent, _MODULES)], root, what="which modules are deployed")
    return merged([Found(tuple(deployed), tuple(defects)), unknown])


def _unknown(cut_off: Sequence[Field], root: Field, *, what: str) -> Found:
    """Return what is wrong where modules belong and something else stands."""
    unreadable = [
        Unreadable(
            one.place(),
            f"'{one.name}' is filled in later ({stated.value[:40]}): nobody knows {what}",
            rendered_by("iotedge"),
        )
        for one in cut_off
        if (stated := placeholder(one)) is not None
    ]
    others = [no_object(one) for one in cut_off if placeholder(one) is None]
    return Found(
        defects=tuple(replace(one, concerns=root.pointer) for one in others),
        unreadable=tuple(unreadable),
    )


def _cut_off(holder: Field, way: str) -> Iterator[Field]:
    """Yield what stands on a way, with dots between its keys, and is no object that goes on."""
    if holder and not holder.is_null and not is_object(holder):
        yield holder
        return
    for entry in holder.entries():
        if entry.name == way:
            yield from _cut_off(entry, "")
        elif way.startswith(f"{entry.name}."):
            yield from _cut_off(entry, way[len(entry.name) + 1 :])


def _deployed(
    root: Field,
    module: _Module,
    options: Field,
    opaque: Stated[str] | None,
    content: Field,
    routes: Routes,
) -> Deployed:
    image = module.at("settings.image").stated()
    place = module.parts[0][1].key_place()
    deployment = root.at("id").text() if root.at("content") else None
    return Deployed(
        id="/".join(part for part in ("module", deployment, module.name) if part),
        format="iotedge",
        kind="Module",
        name=module.name,
        place=place,
        models=_models(module, options, opaque, content.at(module.name)),
        uris=uris_told(
            map(options.at, ("Entrypoint", "Cmd")),
            _variables(module, options),
            None if words_of(options.at("Entrypoint")) else image,
        ),
        images=() if image is None else (image,),
        where=Where(
            group=root.at("targetCondition").stated(),
            tier=Stated(Tier.EDGE, place),
        ),
        resources=resources_of(
            options.at("HostConfig"),
            opaque,
            _variables(module, options),
            [*words_of(options.at("Entrypoint")), *words_of(options.at("Cmd"))],
        ),
        egress=tuple(routes.egress(module.name)),
        labels=tuple(sorted((one.name, one.text() or "") for one in root.at("labels").entries())),
    )


def _below(holder: Field, way: str) -> Iterator[tuple[str, Field]]:
    """Yield (name, value) of what stands below keys that may be joined by dots.

    Layered deployments say ``properties.desired.modules.NAME`` in one key.
    """
    for entry in holder.entries():
        if entry.name == way:
            for one in entry.entries():
                yield one.name, one
        elif way.startswith(f"{entry.name}."):
            yield from _below(entry, way[len(entry.name) + 1 :])
        elif entry.name.startswith(f"{way}."):
            yield entry.name[len(way) + 1 :], entry


def _modules(agent: Field) -> Iterator[_Module]:
    parts: dict[str, list[tuple[str, Field]]] = {}
    for name, field in _below(agent, _MODULES):
        module, _, before = name.partition(".")
        parts.setdefault(module, []).append((before, case_blind(field)))
    for module, found in parts.items():
        yield _Module(module, tuple(found))


def _create_options(module: _Module) -> tuple[Field, Stated[str] | None, list[Defect]]:
    """Return the options with which Docker creates the container, and what is wrong with them.

    The second is what of them is filled in later, where it keeps the others from being read.
    """
    defects: list[Defect] = []
    opaque = None
    for before, part in module.parts:
        if not before:
            defects += unknown_keys(part, MODULE, reader="IoT Edge")
    options = module.at("settings.createOptions")
    if options.text() is not None:
        rest = sorted(
            (one for one in module.at("settings").entries() if _SPLIT.fullmatch(one.name)),
            key=lambda one: one.name.lower(),
        )
        text = "".join(one.text() or "" for one in [options, *rest])
        parsed = json_in([options, *rest])
        if parsed is not None:
            defects += repeated_keys(parsed)
        elif templates := templates_in(text):
            opaque = Stated(templates[0], options.place())
        elif text.strip():
            message = "'createOptions' is no JSON, and is not read"
            remedy = 'write one object; quotes within a string are written as \\"'
            defects.append(Defect("bad_value", message, remedy, options.place()))
        options = parsed if parsed is not None else _nothing(options)
    defects += unknown_keys(options, CREATE_OPTIONS, reader="Docker")
    defects += bad_amounts(options.at("HostConfig"))
    return options, opaque or placeholder(options.at("HostConfig")), defects


def _nothing(beside: Field) -> Field:
    return Field(beside.document, None)


def _module_defects(module: _Module, twin: Field) -> Iterator[Defect]:
    """Yield what stands in a module, or in its twin, where an object belongs."""
    parts = [part for before, part in module.parts if not before]
    env = module.at("env")
    for one in (*parts, module.at("settings"), env, *env.entries()):
        if one and not (one.is_null or is_object(one) or placeholder(one)):
            wrong = no_object(one)
            is_variable = one.pointer.startswith(f"{env.pointer}/")
            yield replace(wrong, remedy='write {"value": ...}') if is_variable else wrong
    own = module.parts[0][1].pointer
    for defect in twin_keys(twin):
        yield replace(defect, concerns=own)


def _models(
    module: _Module, options: Field, opaque: Stated[str] | None, twin: Field
) -> tuple[ModelRef, ...]:
    words = [*words_of(options.at("Entrypoint")), *words_of(options.at("Cmd"))]
    variables = _variables(module, options)
    desired = [
        model
        for name, entry in _below(twin, "properties.desired")
        for model in _desired(*name.rpartition(".")[::2], entry)
    ]
    image = module.at("settings.image").stated()
    own_program = None if words_of(options.at("Entrypoint")) else image
    found = everywhere(models_named(words, variables, own_program, has_defaults=True), desired)
    holders = [part for before, part in module.parts if not before]
    holders += [module.at("settings"), module.at("env"), *_cut_off(twin, "properties.desired")]
    environment = options.at("Env")
    holders += [environment, *environment.items()]
    unknown = [*open_models(holders), *([] if opaque is None else [model_of(opaque)])]
    for command in (options.at("Entrypoint"), options.at("Cmd")):
        unknown += open_words(command)
    config = options.at("HostConfig")
    binds, others = config.at("Binds"), config.at("Mounts")
    mounts = [*mounts_of(binds), *mounts_of(others, source="Source", target="Target")]
    for holder in (binds, others):
        unknown += open_mounts(holder)
    folder = options.at("WorkingDir").text()
    own = Program(f"module.{module.name}", tuple(words), module.parts[0][1].key_place(), image)
    health = replace(own, words=tuple(words_of_health(options.at("Healthcheck", "Test"))))
    programs = [own, health] if health.words else [own]
    put = with_brought(found, programs, folder, scripts=Scripts())
    return everywhere(with_mounts(put, mounts, folder), unknown)


def _variables(module: _Module, options: Field) -> list[tuple[str, Stated[str]]]:
    """Return (name, value) of the variables of a module, those of its options first."""
    told = [
        (entry.name, entry.at("value") if entry.is_mapping else entry)
        for entry in module.at("env").entries()
    ]
    for before, part in module.parts:
        if before.startswith("env."):
            name = before.split(".")[1]
            told.append((name, part.at("value") if part.is_mapping else part))
    added = ((name, one, one.text()) for name, one in told)
    return [
        *variables_of(options.at("Env")),
        *((name, Stated(text, one.place())) for name, one, text in added if text is not None),
    ]


def _desired(above: str, name: str, value: Field) -> Iterator[ModelRef]:
    """Yield the models of a desired property, however deep: ``model: {uri: ...}`` names one too.

    Parameters
    ----------
    above
        The key around its own.
    """
    both = f"{above.rpartition('.')[2]}_{name}"
    yield from _variable(name if is_model_variable(name) else both, value)
    for one in value.entries() if is_object(value) else ():
        yield from _desired(name, one.name, one)
    for one in value.items():
        yield from _desired(above, name, one)


def _variable(name: str, value: Field) -> list[ModelRef]:
    stated = value.stated()
    return [] if stated is None else models_of_variable(name, stated)


FORMAT = Format(
    id="iotedge",
    name="Azure IoT Edge deployments",
    mark=re.compile(
        rb"\bmodules?Content\b|\$edge(?:Agent|Hub)\b|\btargetCondition\b", re.IGNORECASE
    ),
    words=(b"modulecontent", b"modulescontent", b"$edgeagent", b"$edgehub", b"targetcondition"),
    claims=claims,
    read=read,
    page="azure-iot-edge-deployments",
)
