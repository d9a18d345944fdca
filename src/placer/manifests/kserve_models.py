"""Which models the components of KServe run, on its own servers and in containers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import Container, ModelRef, Resources, Stated
from placer.manifests.containers import open_models, placeholder
from placer.manifests.kserve_keys import EXPLAINERS, FRAMEWORKS
from placer.manifests.models import Sources, everywhere, model_of
from placer.manifests.mounts import mounted_from, open_mounts, path_of, rest_below
from placer.manifests.nodes import Field
from placer.manifests.pod_resources import granted_to
from placer.manifests.pod_volumes import filled_in, mounted, mounts_in, placed
from placer.manifests.pods import (
    Worker,
    models_of_container,
    uris_of_container,
    worker_alone,
    workers_of,
)
from placer.manifests.steps import Scripts
from placer.manifests.told_uris import each_once

_MOUNT = "/mnt/models"
"""Where KServe puts what ``storageUri`` names: a path in it is that model."""


def worker_of(component: Field, *, is_old: bool) -> tuple[Worker, Field]:
    """Return what runs, and the field that configures KServe's own server; a pod has none.

    Parameters
    ----------
    is_old
        It is of v1alpha2, where ``custom`` holds the only container of a pod.
    """
    model = component.at("model")
    if model.is_mapping:
        return _served(component, model, model.at("modelFormat", "name").stated()), model
    for name, format in FRAMEWORKS.items():
        server = component.at(name)
        if server.is_mapping:
            stated = Stated(format, server.key_place()) if format else None
            return _served(component, server, stated), server
    if component.name == "explainer":
        for server in map(component.at, EXPLAINERS):
            if (opened := placeholder(server)) is not None:
                return Worker(None, (model_of(opened),), (), Resources()), server
            if server.is_mapping:
                return _served(component, server, None), server
    custom = component.at("custom")
    if is_old and custom and not custom.is_null:
        container = custom.at("container")
        unknown = (*filled_in(custom), *filled_in(container))
        worker = worker_alone(container, custom)
        return replace(worker, models=everywhere(worker.models, unknown)), container
    return _together(workers_of(component)), component.at("model")


def _served(component: Field, server: Field, format: Stated[str] | None) -> Worker:
    uris = [
        stated
        for holder in (server, component)
        for one in (
            holder.at("storageUri"),
            *(i.at("uri") for i in holder.at("storageUris").items()),
        )
        if (stated := one.stated()) is not None
    ]
    named = [model_of(one, format=format) for one in uris]
    named += _of_storage(server.at("storage"), format)
    others = models_of_container(server)
    inside = [one for one in others if named and _is_inside(one)]
    others = tuple(one for one in others if one not in inside)
    scripts = Scripts()
    told = [*named[:1], *inside]
    over = [*_over_storage(server, component, told, scripts)] if named else []
    sources = Sources(
        one for each in component.at("initContainers").items() for one in models_of_container(each)
    )
    kept, brought = mounted(server, component, others, sources, scripts)
    others = everywhere(placed(server, component, kept, sources, scripts), brought)
    holders = (server, component)
    unknown = open_models(
        one
        for holder in holders
        for key in ("storage", "storageUris")
        for one in (holder.at(key), *holder.at(key).items())
    )
    image = server.at("image").stated()
    return Worker(
        None,
        everywhere(named, over, others, unknown),
        () if image is None else (image,),
        granted_to(server, component),
        uris=uris_of_container(server),
    )


def _of_storage(storage: Field, format: Stated[str] | None) -> Iterator[ModelRef]:
    """Yield the model of ``storage``: a path in a bucket, or in that of a secret's key."""
    path = storage.at("path").stated()
    if path is None:
        return
    bucket = storage.at("parameters", "bucket").text()
    scheme = storage.at("parameters", "type").text() or "s3"
    if not bucket:
        scheme, bucket = "storage", storage.at("key").text() or "default"
    uri = f"{scheme}://{bucket}/{path.value.lstrip('/')}"
    yield model_of(replace(path, value=uri), format=format)


def _is_inside(model: ModelRef) -> bool:
    """Tell whether a path lies where KServe puts what ``storageUri`` names."""
    path = path_of(model.uri.value)
    return path is not None and rest_below(_MOUNT, path) is not None


def _over_storage(
    server: Field, component: Field, models: Sequence[ModelRef], scripts: Scripts
) -> Iterator[ModelRef]:
    """Yield what mounts and programs put into the folder that KServe fills, or over it.

    Of what lies in it nobody knows which file the server takes: each counts.

    Parameters
    ----------
    models
        That which ``storageUri`` names, and the paths in the folder that the server is told.
    """
    for one in mounts_in(server, component):
        if rest_below(_MOUNT, path_of(one.target) or "") is not None:
            yield mounted_from(one.source)
    yield from open_mounts(server.at("volumeMounts"))
    folder = replace(models[0], uri=replace(models[0].uri, value=_MOUNT), hidden="")
    told = [folder, *models[1:]]
    put = placed(server, component, told, Sources(()), scripts)
    yield from (one for one in put if one not in told)


def _together(workers: Sequence[Worker]) -> Worker:
    """Return the containers of a predictor as one: KServe sends requests to one of them."""
    if len(workers) == 1:
        return workers[0]
    return Worker(
        None,
        everywhere(*(one.models for one in workers)),
        tuple(image for one in workers for image in one.images),
        workers[0].resources,
        tuple(Container(one.container, one.images, one.resources, one.uris) for one in workers),
        each_once(uri for one in workers for uri in one.uris),
    )
