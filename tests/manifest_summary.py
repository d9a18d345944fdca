"""What was read of manifests, in few lines that a person can review."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from placer.core.deployment import (
    Deployed,
    Egress,
    Manifests,
    ModelRef,
    Place,
    Resources,
    Stated,
    Where,
)

Summary = dict[str, Any]


def summary(manifests: Manifests) -> Summary:
    """Return everything that was read; places are ``line:column-end`` or ``line:column-l:c``."""
    return {
        "files": manifests.files,
        "skipped": manifests.skipped,
        "deployed": [_deployed(one) for one in manifests.deployed],
        "defects": [
            f"{at(one.place)} {one.kind}: {one.message} -> {one.remedy}"
            for one in manifests.defects
        ],
        "unreadable": [
            f"{at(one.place)} {one.message} -> {one.remedy}" for one in manifests.unreadable
        ],
        "suppressions": [
            f"{at(one.place)} {one.rule} {one.covers} until {one.until}: {one.reason}"
            for one in manifests.suppressions
        ],
    }


def at(place: Place) -> str:
    """Return where something stands."""
    end = f"{place.end_column}"
    if place.end_line != place.line:
        end = f"{place.end_line}:{place.end_column}"
    return f"{place.line}:{place.column}-{end}"


def said(stated: Stated[Any] | None) -> str | None:
    """Return a value with its place."""
    if stated is None:
        return None
    value = stated.value
    if isinstance(value, tuple):
        value = " = ".join(
            str(part) if not isinstance(part, tuple) else "|".join(part) for part in value
        )
    return f"{at(stated.place)} {value}"


def _deployed(one: Deployed) -> Summary:
    found = {
        "id": f"{at(one.place)} {one.id}",
        "format": one.format,
        "models": [_model(model) for model in one.models],
        "images": [said(image) for image in one.images],
        "where": _where(one.where),
        "resources": _resources(one.resources),
        "containers": [
            _without_nothing({"name": part.name, **_resources(part.resources)}.items())
            for part in one.containers
        ],
        "inputs": [
            f"{at(part.place)} {name} = {'|'.join(map(str, shape))}"
            for part in one.inputs
            for name, shape in [part.value]
        ],
        "scale": [said(one.scale.least), said(one.scale.most)],
        "egress": [_way(way) for way in one.egress],
        "labels": [f"{key}={value}" for key, value in one.labels],
        "annotations": [said(annotation) for annotation in one.annotations],
        "file": one.place.path,
        "document": one.place.document,
        "pointer": one.place.pointer,
    }
    return _without_nothing(found.items())


def _way(way: Egress) -> str:
    through = f" through {', '.join(way.through)}" if way.through else ""
    open_ = " open" if way.is_open else ""
    return f"{way.kind} {way.carries}{open_}: {said(way.to)}{through}"


def _model(model: ModelRef) -> str:
    format = f" ({model.format.value})" if model.format else ""
    digest = f" sha256:{model.sha256[:8]}" if model.sha256 else ""
    return f"{said(model.uri)}{format}{digest}"


def _where(where: Where) -> Summary:
    return _without_nothing(
        {
            "labels": [said(label) for label in where.labels],
            "any_of": [said(label) for label in where.any_of],
            "none_of": [said(label) for label in where.none_of],
            "node": said(where.node),
            "group": said(where.group),
            "instance_type": said(where.instance_type),
            "platform": said(where.platform),
            "tier": said(where.tier),
        }.items()
    )


def _resources(resources: Resources) -> Summary:
    return _without_nothing(
        {
            "memory_limit": said(resources.memory_limit_bytes),
            "memory_request": said(resources.memory_request_bytes),
            "cpus_limit": said(resources.cpus_limit),
            "accelerators": [said(one) for one in resources.accelerators],
        }.items()
    )


def _without_nothing(items: Iterable[tuple[str, Any]]) -> Summary:
    return {key: value for key, value in items if value not in (None, [], {}, [None, None], 0)}
