"""Runtimes of KServe: what a service that names one takes of its pod."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from placer.core.deployment import Resources, Where
from placer.manifests.nodes import Field
from placer.manifests.objects import Objects, kind_of, name_of
from placer.manifests.pod_place import where_of
from placer.manifests.pod_resources import granted_to

KINDS = ("ServingRuntime", "ClusterServingRuntime")
"""One of the service's namespace stands before one of the cluster."""
_SERVER = "kserve-container"
"""Source: KServe, pkg/constants, ``InferenceServiceContainerName``."""


class Runtimes:
    """The runtimes of a run.

    Source: KServe, pkg/controller/v1beta1/inferenceservice/utils, ``MergePodSpec`` and
    ``MergeRuntimeContainers``: of both pods, where they differ that of the service.
    """

    def __init__(self, roots: Iterable[Field]) -> None:
        self._named = Objects((kind_of(one), name_of(one), one) for one in roots)

    def merged(
        self, component: Field, root: Field, where: Where, resources: Resources
    ) -> tuple[Where, Resources]:
        """Return place and resources of a predictor with those of the runtime that it names.

        Without the runtime's limits of memory and cores: KServe gives a service its own defaults.
        """
        name = component.at("model", "runtime").text()
        if not name:
            return where, resources
        found = (self._named.nearest(kind, name, beside=root) for kind in KINDS)
        runtime = next((one for one in found if one is not None), None)
        if runtime is None:
            return where, resources
        pod = runtime.at("spec")
        other = granted_to(_server(pod), pod)
        return _placed(where, where_of(pod)), _granted(component.at("model"), resources, other)


def _placed(own: Where, other: Where) -> Where:
    said = {one.value[0] for one in own.labels}
    return replace(
        own,
        labels=(*own.labels, *(one for one in other.labels if one.value[0] not in said)),
        any_of=(*own.any_of, *other.any_of),
        none_of=(*own.none_of, *other.none_of),
        node=own.node or other.node,
        instance_type=own.instance_type or other.instance_type,
        platform=own.platform or other.platform,
        either=(*own.either, *other.either),
        unread=(*own.unread, *other.unread),
    )


def _granted(server: Field, own: Resources, other: Resources) -> Resources:
    amounts = [server.at("resources", key) for key in ("limits", "requests")]
    said = {one.name for each in amounts for one in each.entries()}  # also of no GPU
    others = (one for one in other.accelerators if one.value[0] not in said)
    hiding = other.hiding
    set_anew = {one.at("name").text() for one in server.at("env").items()}
    if hiding is not None and hiding.value[0] in set_anew:
        hiding = None
    return replace(
        own,
        accelerators=(*own.accelerators, *others),
        accelerators_unread=own.accelerators_unread or other.accelerators_unread,
        left_to_machine=own.left_to_machine or other.left_to_machine,
        hiding=own.hiding or hiding,
    )


def _server(pod: Field) -> Field:
    """Return the container that serves."""
    containers = [*pod.at("containers").items()]
    named = (one for one in containers if one.at("name").text() == _SERVER)
    return next(named, containers[0] if containers else pod.at("containers"))
