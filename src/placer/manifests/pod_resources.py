"""What the specification of a pod grants: memory, cores and accelerators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import Defect, Resources, Stated
from placer.core.project import templates_in
from placer.manifests.accelerators import hiding, is_left_open, left_to_machine, mounted_devices
from placer.manifests.containers import is_open, words_of
from placer.manifests.nodes import Field
from placer.manifests.pod_volumes import mounts_in
from placer.manifests.quantities import (
    above_limit,
    amount_in,
    bytes_of,
    cpus_of,
    is_milli_by_mistake,
    least,
    quantity,
    unread,
)

_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")
_CLAIM = "a resource claim"
"""What dynamic allocation grants: a device, whose class alone tells whether it runs models."""
_ACCELERATED_RUNTIME = re.compile(r".*(?:nvidia|habana|rocm).*")


def resources_of(holder: Field) -> Resources:
    """Return what ``resources`` of a container grants."""
    resources = holder.at("resources")
    limits, requests = resources.at("limits"), resources.at("requests")
    accelerators: dict[str, Stated[tuple[str, int]]] = {}
    opened: list[Stated[str]] = []
    for amounts in (limits, requests):
        for one in amounts.entries():
            count, name = one.integer(), one.name
            if "/" in name and templates_in(one.text() or ""):
                opened.append(Stated(f"{name}: {one.text()}", one.pair_place()))
            elif is_left_open(name):
                opened.append(Stated(name, one.pair_place()))
            elif name in _PLAIN_RESOURCES or "/" not in name or not count or count < 0:
                continue
            accelerators.setdefault(name, Stated((name, count or 1), one.pair_place()))
    claims = [Stated((_CLAIM, 1), one.place()) for one in resources.at("claims").items()]
    limit, cpus = bytes_of(limits.at("memory")), cpus_of(limits.at("cpu"))
    holders = (limits, resources)  # a whole one may be a template
    return Resources(
        limit,
        unread(limit, limits.at("memory"), *holders),
        bytes_of(requests.at("memory")),
        cpus,
        (*accelerators.values(), *claims),
        cpus_limit_unread=unread(cpus, limits.at("cpu"), *holders),
        cpus_request=cpus_of(requests.at("cpu")),
        accelerators_unread=next(iter(opened), None),
    )


def granted_to(container: Field, pod: Field) -> Resources:
    """Return what a container is granted: its ``resources``, and devices of the host."""
    privileged = container.at("securityContext", "privileged")
    resources = replace(
        resources_of(container),
        left_to_machine=left_to_machine(privileged),
        hiding=hiding(
            _variables(container),
            [*words_of(container.at("command")), *words_of(container.at("args"))],
        ),
    )
    if not privileged:
        return resources
    devices = [*mounted_devices(mounts_in(container, pod), privileged)]
    opened = next((one for one in devices if is_left_open(one.value[0])), None)
    if opened is not None and resources.accelerators_unread is None:
        unknown = Stated(f"privileged: {opened.value[0]}", opened.place)
        resources = replace(resources, accelerators_unread=unknown)
    return replace(resources, accelerators=(*resources.accelerators, *devices))


def _variables(container: Field) -> Iterator[tuple[str, Stated[str]]]:
    """Yield the variables that have a value here: without any it is empty."""
    for one in container.at("env").items():
        name, value = one.at("name").text(), one.at("value").text()
        if name is not None and not (value is None and one.at("valueFrom")):
            yield name, Stated(value or "", one.place())


def bad_amounts(holder: Field) -> Iterator[Defect]:
    """Yield the amounts of ``resources`` that are no quantities, and requests above a limit.

    Source: Kubernetes, ``ValidateContainerResourceRequirements`` of pkg/apis/core/validation.
    """
    limits, requests = holder.at("resources", "limits"), holder.at("resources", "requests")
    for name, read in (("memory", bytes_of), ("cpu", cpus_of)):
        refused = "Kubernetes refuses the pod"
        yield from above_limit(requests.at(name), limits.at(name), read, refused)
    for amounts in (limits, requests):
        for one in amounts.entries():
            text = amount_in(one)
            if one.name not in ("cpu", "memory") or one.is_null or (text and is_open(text)):
                continue
            if text is None:
                text = one.kind()
            if one.name == "memory" and is_milli_by_mistake(text):
                yield Defect(
                    "bad_value",
                    f"'memory: {text[:40]}' is thousandths of a byte: 'm' is milli",
                    f"write {text[:-1][:40]}Mi",
                    one.place(),
                )
            elif quantity(text) is None:
                yield Defect(
                    "bad_value",
                    f"'{one.name}: {text[:40]}' is no amount",
                    _amount_like(text) if one.name == "memory" else "write 500m",
                    one.place(),
                )


def _amount_like(text: str) -> str:
    """Return how an amount of memory is written: Kubernetes has no ``B`` after ``M`` or ``Mi``."""
    bare = text.removesuffix("B")[:40]
    if bare != text and quantity(bare) is not None:
        return f"write {bare}"
    return "write one such as 512Mi"


def together(pod: Field, parts: Sequence[Resources]) -> Resources:
    """Return the resources of a pod: a sum is known where every container states its part."""
    if len(parts) == 1:
        return in_pod(pod, parts[0])
    limits = [one.memory_limit_bytes for one in parts if one.memory_limit_bytes is not None]
    granted = Resources(
        accelerators=tuple(one for part in parts for one in part.accelerators),
        accelerators_unread=next(
            (one.accelerators_unread for one in parts if one.accelerators_unread), None
        ),
    )
    if not limits or len(limits) < len(parts):
        odd = next((one.memory_limit_unread for one in parts if one.memory_limit_unread), None)
        return in_pod(pod, replace(granted, memory_limit_unread=odd))
    total = Stated(sum(one.value for one in limits), limits[0].place)
    return in_pod(pod, replace(granted, memory_limit_bytes=total))


def limit_of_pod(pod: Field, lasting: Sequence[Field], starting: Sequence[Field]) -> int | None:
    """Return the bytes that all of a pod may take; None: it says none, or not of each container.

    Source: Kubernetes 1.34, ``pkg/kubelet/cm/helpers_linux.go``, ``ResourceConfigForPod``: the sum
    of the containers, or more where one that starts before them may take more.
    """
    whole = bytes_of(pod.at("resources", "limits", "memory"))
    if whole is not None:
        return whole.value
    limits = [bytes_of(one.at("resources", "limits", "memory")) for one in (*lasting, *starting)]
    known = [one.value for one in limits if one is not None]
    if len(known) < len(limits):
        return None
    together = sum(known[: len(lasting)])
    return max([together, *known[len(lasting) :]])


def in_pod(pod: Field, resources: Resources) -> Resources:
    """Add what a pod states for all its containers: limits, and a runtime with an accelerator.

    Its limits are of memory and cores alone, and Kubernetes refuses those below a container's.
    Source: Kubernetes, KEP-2837, "Pod level resource specifications".
    """
    whole = resources_of(pod)
    limit = least(resources.memory_limit_bytes, whole.memory_limit_bytes)
    cpus = least(resources.cpus_limit, whole.cpus_limit)
    resources = replace(
        resources,
        memory_limit_bytes=limit,
        memory_limit_unread=resources.memory_limit_unread
        or (whole.memory_limit_unread if limit is None else None),
        memory_request_bytes=resources.memory_request_bytes or whole.memory_request_bytes,
        cpus_limit=cpus,
        cpus_limit_unread=resources.cpus_limit_unread
        or (whole.cpus_limit_unread if cpus is None else None),
        cpus_request=resources.cpus_request or whole.cpus_request,
    )
    runtime = pod.at("runtimeClassName").stated()
    is_open = runtime is not None and bool(templates_in(runtime.value))
    if runtime is None or not (is_open or _ACCELERATED_RUNTIME.fullmatch(runtime.value)):
        return resources
    added = Stated((runtime.value, 1), runtime.place)
    opened = resources.accelerators_unread or (runtime if is_open else None)
    accelerators = (*resources.accelerators, added)
    return replace(resources, accelerators=accelerators, accelerators_unread=opened)
