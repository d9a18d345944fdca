"""Compose files, and balena's: what services run, on which nodes and with what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import (
    NODE_NAME,
    Defect,
    Deployed,
    Scale,
    Stated,
    Tier,
    Unreadable,
    Where,
)
from placer.core.project import templates_in
from placer.manifests.compose_keys import BALENA, FILE, SERVICE
from placer.manifests.compose_models import models_of_service
from placer.manifests.compose_overrides import base_of, is_override, merged_with, shared_with
from placer.manifests.compose_resources import bad_amounts, resources_of
from placer.manifests.containers import is_open, placeholder, variables_of
from placer.manifests.format import Format, Found, merged, nearest
from placer.manifests.levels import repeated_keys, unknown_keys
from placer.manifests.lookalikes import is_near
from placer.manifests.nodes import Field
from placer.manifests.pods import bad_counts
from placer.manifests.quantities import count_of
from placer.manifests.steps import Scripts
from placer.manifests.told_uris import uris_told

_CONSTRAINT = re.compile(r"\s*(?P<key>[\w.\-/]+)\s*(?P<operator>==|!=)\s*(?P<value>[^=\s].*?)\s*")
"""Source: moby/swarmkit, manager/constraint."""
_NODE_LABEL = "node.labels."
_HOST_NAME = "node.hostname"
_OF_BALENA = ("io.balena.", "io.resin.")
_OF_A_SERVICE = (
    "image build extends deploy container_name models provider mem_limit runtime devices gpus"
    " command environment volumes ports"
)
_RENDERED = "`docker compose config | placer check -` checks what comes of all files"


def claims(root: Field) -> bool:
    """Tell whether a document has services of containers, or tells balena what it is."""
    return _is_balena(root) or (not root.at("apiVersion") and bool(_services(root)))


def read(roots: Sequence[Field]) -> Found:
    """Read the services of each file, each with the file for balena that lies beside it."""
    fleets: dict[str, list[Field]] = {}
    files: dict[str, list[Field]] = {}
    for root in roots:
        of_its_kind = fleets if _is_balena(root) else files
        of_its_kind.setdefault(root.document.path.rpartition("/")[0], []).append(root)
    found = []
    for directory, beside in files.items():
        fleet = nearest(fleets.get(directory, []), beside[0])
        for root in beside:  # balena takes docker-compose.yml alone
            base = None if directory in fleets else base_of(root, beside)
            found.append(_file(root, fleet, base))
    for directory, some in fleets.items():
        found += [_fleet(fleet, has_services=directory in files) for fleet in some]
    return merged(found)


def _services(root: Field) -> Field:
    """Return the services of a file, under a mistyped key as well; nothing: there are none."""
    exact = root.at("services")
    nothing = Field(root.document, None)
    if placeholder(exact) is not None or any(_is_service(one) for one in exact.entries()):
        return exact
    if is_override(root) and any(one.is_mapping for one in exact.entries()):
        return exact
    if exact:
        return nothing
    for entry in root.entries():
        if is_near(entry.name, "services") and any(
            one.first_of("image", "build") for one in entry.entries()
        ):
            return entry
    return nothing


def _is_service(entry: Field) -> bool:
    return bool(entry.first_of(*_OF_A_SERVICE.split())) or any(
        one.text() is not None and (is_near(one.name, "image") or is_near(one.name, "build"))
        for one in entry.entries()
    )


def _is_balena(root: Field) -> bool:
    return (root.at("type").text() or "").startswith("sw.") and root.at("name").text() is not None


def _fleet(fleet: Field, *, has_services: bool) -> Found:
    """Return what a file for balena says; without services it deploys one container."""
    defects = (*repeated_keys(fleet), *unknown_keys(fleet, BALENA, reader="balena"))
    if has_services:
        return Found(defects=defects)
    name = fleet.at("name")
    one = Deployed(
        id=f"fleet/{name.text()}",
        format="compose",
        kind="Fleet",
        name=name.text() or "",
        place=name.place(),
        models=(),
        where=_where(Field(fleet.document, None), fleet),
    )
    return Found((one,), defects)


def _file(root: Field, fleet: Field | None, base: Field | None) -> Found:
    """Read a file; what is in its `base` as well is told, not judged."""
    defects = [*repeated_keys(root)]
    of_all = unknown_keys(root, FILE, reader="Compose")
    defects += [replace(one, concerns=root.pointer) for one in of_all]
    unreadable = []
    include = root.at("include")
    if include and not include.is_null:
        message = "'include' names other files, which are not followed"
        unreadable.append(Unreadable(include.key_place(), message, _RENDERED))
    services = _services(root)
    if (stated := placeholder(services)) is not None:
        message = f"'services' is filled in later ({stated.value[:40]}): nobody knows which run"
        unreadable.append(Unreadable(stated.place, message, _RENDERED))
    if base is not None:
        unreadable += shared_with(base, root, _RENDERED)
    scripts = Scripts()
    deployed = []
    for service in services.entries():
        if service.name.startswith("x-"):
            continue
        defects += unknown_keys(service, SERVICE, reader="Compose")
        defects += _bad_values(service)
        problem = None if base is None else merged_with(base, service, _RENDERED)
        problem = problem or _open_end(service)
        if problem is not None:
            unreadable.append(problem)
        else:
            deployed.append(_service(root, service, fleet, scripts))
    return Found(tuple(deployed), tuple(defects), tuple(unreadable))


def _open_end(service: Field) -> Unreadable | None:
    """Return why what runs is not to be seen in this file alone."""
    if service.at("extends"):
        message = f"service '{service.name}' extends another, which is not followed"
        return Unreadable(service.at("extends").key_place(), message, _RENDERED)
    if not service.first_of("image", "build", "provider"):
        message = f"service '{service.name}' has neither image nor build: it changes another file's"
        return Unreadable(service.key_place(), message, _RENDERED)
    return None


def _service(root: Field, service: Field, fleet: Field | None, scripts: Scripts) -> Deployed:
    project = root.at("name").text()
    image = service.at("image").stated()
    return Deployed(
        id="/".join(part for part in ("service", project, service.name) if part),
        format="compose",
        kind="Service",
        name=service.name,
        place=service.key_place(),
        models=models_of_service(root, service, scripts),
        uris=uris_told(
            map(service.at, ("entrypoint", "command")),
            [*variables_of(service.at("environment"))],
            None if service.at("entrypoint") else image,
        ),
        images=() if image is None else (image,),
        where=_where(service, fleet),
        resources=resources_of(service),
        scale=_scale(service),
        labels=tuple(sorted((name, one.value) for name, one in _labels(service).items())),
    )


# place


def _where(service: Field, fleet: Field | None) -> Where:
    labels: list[Stated[tuple[str, str]]] = []
    none_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    node = None
    said: dict[str, Stated[str]] = {}
    for constraint, key, is_equal, value in _constraints(service):
        place = constraint.place()
        name = key.removeprefix(_NODE_LABEL)
        if not is_equal:
            none_of.append(Stated((NODE_NAME if key == _HOST_NAME else name, (value,)), place))
        elif key == _HOST_NAME:
            node = Stated(value, place)
        elif key in ("node.platform.os", "node.platform.arch"):
            said[key] = Stated(value, place)
        else:
            labels.append(Stated((name, value), place))
    return Where(
        labels=tuple(labels),
        none_of=tuple(none_of),
        node=node,
        group=None if fleet is None else fleet.at("name").stated(),
        instance_type=None if fleet is None else fleet.at("data", "defaultDeviceType").stated(),
        platform=service.at("platform").stated() or _platform(said),
        tier=_tier(service, fleet),
        unread=tuple(_unread(service)),
    )


def _unread(service: Field) -> Iterator[Stated[str]]:
    """Yield what is filled in later where constraints of the place belong."""
    deploy, placement = service.at("deploy"), service.at("deploy", "placement")
    constraints = placement.at("constraints")
    for one in (deploy, placement, constraints, *constraints.items()):
        text = one.text() or ""
        if templates_in(text) and _CONSTRAINT.fullmatch(text) is None:
            yield Stated(f"{one.name if one.key else 'constraint'} {text}", one.place())


def _constraints(service: Field) -> Iterator[tuple[Field, str, bool, str]]:
    """Yield (constraint, key, whether it must be the value, value)."""
    for one in service.at("deploy", "placement", "constraints").items():
        match = _CONSTRAINT.fullmatch(one.text() or "")
        if match is not None:
            yield one, match["key"], match["operator"] == "==", match["value"]


def _platform(said: dict[str, Stated[str]]) -> Stated[str] | None:
    system, arch = said.get("node.platform.os"), said.get("node.platform.arch")
    if system is None or arch is None:
        return arch or system
    return Stated(f"{system.value}/{arch.value}", arch.place)


def _tier(service: Field, fleet: Field | None) -> Stated[Tier] | None:
    """Return edge for what balena runs: it knows devices alone."""
    if fleet is not None:
        return Stated(Tier.EDGE, fleet.at("type").pair_place())
    for name, one in _labels(service).items():
        if name.startswith(_OF_BALENA):
            return Stated(Tier.EDGE, one.place)
    return None


def _labels(service: Field) -> dict[str, Stated[str]]:
    labels = {
        one.name: Stated(one.text() or "", one.pair_place())
        for one in service.at("labels").entries()
    }
    for item in service.at("labels").items():
        name, _, value = (item.text() or "").partition("=")
        if name:
            labels[name] = Stated(value, item.place())
    return labels


def _scale(service: Field) -> Scale:
    count = count_of(service.at("deploy", "replicas")) or count_of(service.at("scale"))
    return Scale(count, count)


def _bad_values(service: Field) -> Iterator[Defect]:
    """Yield amounts, numbers and constraints that are none."""
    yield from bad_amounts(service)
    yield from bad_counts(service.at("deploy", "replicas"), service.at("scale"), of="containers")
    for constraint in service.at("deploy", "placement", "constraints").items():
        text = constraint.text()
        if text is not None and not is_open(text) and _CONSTRAINT.fullmatch(text) is None:
            message = f"'{text[:60]}' is no constraint"
            remedy = "write one such as node.labels.site==line-3"
            yield Defect("bad_value", message, remedy, constraint.place())


FORMAT = Format(
    id="compose",
    name="Compose and balena",
    mark=re.compile(
        rb"""(?:^|\xef\xbb\xbf|\xff\xfe)services\s*:|"services"\s*:"""
        rb"""|\btype["']?\s*:\s*["']?sw\.[a-z]""",
        re.MULTILINE,
    ),
    words=(b"services", b"sw."),
    claims=claims,
    read=read,
    page="compose-and-balena",
)
