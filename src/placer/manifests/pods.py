"""The specification of a pod, which Kubernetes workloads, KServe and Sedna share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import Defect, ModelRef, Place, Resources, Stated, Where
from placer.manifests.levels import Level, level
from placer.manifests.models import (
    Sources,
    everywhere,
    format_of,
    is_model_file,
    model_of,
    models_of_arguments,
    models_of_variable,
)
from placer.manifests.nodes import Field
from placer.manifests.quantities import bytes_of, cpus_of, quantity

_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")
_ACCELERATED_RUNTIME = re.compile(r".*(?:nvidia|habana|rocm).*")
_ARCH = ("kubernetes.io/arch", "beta.kubernetes.io/arch")
_OS = ("kubernetes.io/os", "beta.kubernetes.io/os")

PLACEMENT_KEYS = "nodeSelector nodeName affinity runtimeClassName"
"""Keys of a pod's specification that decide where it runs."""

_MATCH = level("key operator values")
_TERMS = level("matchExpressions matchFields", "", {"matchExpressions": _MATCH})
_AFFINITY = level(
    "podAffinity podAntiAffinity",
    "",
    {
        "nodeAffinity": level(
            "preferredDuringSchedulingIgnoredDuringExecution",
            "",
            {
                "requiredDuringSchedulingIgnoredDuringExecution": level(
                    "", "", {"nodeSelectorTerms": _TERMS}
                )
            },
        )
    },
)
RESOURCES = level(
    "claims",
    "",
    {name: level("ephemeral-storage storage", "cpu memory") for name in ("limits", "requests")},
)
CONTAINER = level(
    "name workingDir ports envFrom resizePolicy restartPolicy restartPolicyRules volumeMounts"
    " volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath"
    " terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty",
    "image command args",
    {"env": level("name value valueFrom"), "resources": RESOURCES},
    {
        **dict.fromkeys(PLACEMENT_KEYS.split(), "the pod's spec"),
        **dict.fromkeys(("limits", "requests"), "'resources' of the container"),
    },
)
POD = level(
    "activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks"
    " ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname"
    " hostnameOverride imagePullSecrets os overhead preemptionPolicy priority priorityClassName"
    " readinessGates resourceClaims restartPolicy schedulerName schedulingGates securityContext"
    " serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain"
    " terminationGracePeriodSeconds tolerations topologySpreadConstraints workloadRef",
    "nodeSelector nodeName runtimeClassName volumes resources",
    {"affinity": _AFFINITY, "containers": CONTAINER, "initContainers": CONTAINER},
    {
        "nodeAffinity": "'affinity' of the pod's spec",
        "nodeSelectorTerms": "'affinity.nodeAffinity' of the pod's spec",
        "limits": "'resources' of a container",
        "image": "a container",
    },
)
"""Keys of Kubernetes 1.34's PodSpec and Container (core/v1)."""

MISPLACED_POD_KEYS = (*PLACEMENT_KEYS.split(), "containers", "initContainers", "volumes",
                      "resources", "image", "tolerations")  # fmt: skip
"""Keys of a pod that people write above or below its level."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One container that runs a model, or all of a pod that names none."""

    container: str | None
    """Name, where it is one of several that run a model."""
    models: tuple[ModelRef, ...]
    images: tuple[Stated[str], ...]
    resources: Resources


def workers_of(pod: Field) -> tuple[Worker, ...]:
    """Return what of a pod runs a model; a pod that names none is one worker."""
    sidecars = [
        one
        for one in pod.at("initContainers").items()
        if one.at("restartPolicy").text() == "Always"
    ]
    containers = [*pod.at("containers").items(), *sidecars]
    sources = Sources(
        model for one in pod.at("initContainers").items() for model in models_of_container(one)
    )
    volumes = {one.at("name").text(): one for one in pod.at("volumes").items()}
    running = [(one, sources.of(models)) for one in containers if (models := _models(one, volumes))]
    rest = sources.rest()
    if rest and containers:  # a folder, or a name that the server knows by itself
        first, models = running[0] if running else (containers[0], [])
        running[:1] = [(first, [*models, *rest])]
    if not running:
        images = tuple(one for container in containers for one in _image(container))
        resources = _together(pod, [resources_of(one) for one in containers])
        return (Worker(None, (), images, resources),)
    return tuple(
        Worker(
            one.at("name").text() if len(running) > 1 else None,
            tuple(models),
            tuple(_image(one)),
            _with_runtime(pod, resources_of(one)),
        )
        for one, models in running
    )


def models_of_container(container: Field) -> tuple[ModelRef, ...]:
    """Return the models that the command, the arguments and the environment name."""
    arguments = [
        stated
        for key in ("command", "args")
        for one in container.at(key).items()
        if (stated := one.stated()) is not None
    ]
    variables = [
        model
        for one in container.at("env").items()
        if (value := one.at("value").stated()) is not None
        for model in models_of_variable(one.at("name").text() or "", value)
    ]
    return everywhere(models_of_arguments(arguments), variables)


def resources_of(holder: Field) -> Resources:
    """Return what ``resources`` of a container grants."""
    resources = holder.at("resources")
    limits, requests = resources.at("limits"), resources.at("requests")
    accelerators: dict[str, Stated[tuple[str, int]]] = {}
    for amounts in (limits, requests):
        for one in amounts.entries():
            count = one.integer()
            if one.name in _PLAIN_RESOURCES or "/" not in one.name or not count or count < 0:
                continue
            accelerators.setdefault(one.name, Stated((one.name, count), one.pair_place()))
    return Resources(
        bytes_of(limits.at("memory")),
        bytes_of(requests.at("memory")),
        cpus_of(limits.at("cpu")),
        tuple(accelerators.values()),
    )


def where_of(pod: Field) -> Where:
    """Return where the scheduler may put a pod: what it must, not what it prefers."""
    labels = {
        one.name: Stated((one.name, one.text() or ""), one.pair_place())
        for one in pod.at("nodeSelector").entries()
    }
    node = pod.at("nodeName").stated()
    any_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    none_of: list[Stated[tuple[str, tuple[str, ...]]]] = []
    for key, (is_wanted, values, place) in _required(pod).items():
        if not is_wanted:
            none_of.append(Stated((key, values), place))
        elif key == "metadata.name":
            if len(values) == 1 and node is None:
                node = Stated(values[0], place)
            else:
                any_of.append(Stated((key, values), place))
        elif len(values) == 1:
            labels.setdefault(key, Stated((key, values[0]), place))
        else:
            any_of.append(Stated((key, values), place))
    said = tuple(labels.values())
    return Where(
        labels=said,
        any_of=tuple(any_of),
        none_of=tuple(none_of),
        node=node,
        instance_type=_label(said, "node.kubernetes.io/instance-type"),
        platform=_platform(said, pod.at("os", "name").stated()),
    )


def bad_values(pod: Field) -> Iterator[Defect]:
    """Yield the values that Kubernetes refuses where a place or an amount is said."""
    for one in [*pod.at("nodeSelector").entries(), pod.at("nodeName")]:
        if one and one.kind() in ("truth value", "number", "list", "mapping"):
            yield Defect(
                "bad_value",
                f"'{one.name}' is a {one.kind()}, and Kubernetes takes text alone here",
                f'write "{one.text()}" in quotes' if one.text() else "write text in quotes",
                one.pair_place(),
            )
    for key in ("containers", "initContainers"):
        for container in pod.at(key).items():
            yield from bad_amounts(container)


def bad_amounts(holder: Field) -> Iterator[Defect]:
    """Yield the amounts of ``resources`` that are no quantities."""
    for amounts in (holder.at("resources", "limits"), holder.at("resources", "requests")):
        for one in amounts.entries():
            text = one.text()
            if one.name not in ("cpu", "memory") or text is None or _is_open(text):
                continue
            if quantity(text) is None:
                yield Defect(
                    "bad_value",
                    f"'{one.name}: {text[:40]}' is no amount",
                    "write one such as 512Mi or 500m" if one.name == "memory" else "write 500m",
                    one.place(),
                )


def below(keys: Sequence[str], last: Level, *, known: str, watched: str = "", where: str) -> Level:
    """Return the level whose `keys` lead to `last`; pod keys have no effect on the way."""
    return level(
        known,
        watched,
        dict.fromkeys(keys, last),
        dict.fromkeys(MISPLACED_POD_KEYS, where),
    )


def _models(container: Field, volumes: Mapping[str | None, Field]) -> list[ModelRef]:
    """Return the models of a container, with those of the volumes that it mounts."""
    named = models_of_container(container)
    found: list[ModelRef] = []
    taken: set[str] = set()
    for mount in container.at("volumeMounts").items():
        volume = volumes.get(mount.at("name").text())
        if volume is None:
            continue
        image = volume.at("image", "reference").stated()
        if image is not None:
            root = (mount.at("mountPath").text() or "").rstrip("/")
            inside = [one for one in named if root and one.uri.value.startswith(f"{root}/")]
            taken |= {one.uri.value for one in inside}
            if inside or "model" in image.value.lower():
                format = inside[0].format if inside else format_of(image)
                found.append(replace(model_of(image), format=format))
        host = volume.at("hostPath", "path").stated()
        if host is not None and is_model_file(host.value):
            target = mount.at("mountPath").text()
            taken |= {one.uri.value for one in named if one.uri.value == target}
            found.append(model_of(host))
    return [*(one for one in named if one.uri.value not in taken), *found]


def _image(container: Field) -> Iterator[Stated[str]]:
    stated = container.at("image").stated()
    if stated is not None:
        yield stated


def _together(pod: Field, parts: Sequence[Resources]) -> Resources:
    """Return the resources of a pod: a sum is known where every container states its part."""
    if len(parts) == 1:
        return _with_runtime(pod, parts[0])
    limits = [one.memory_limit_bytes for one in parts if one.memory_limit_bytes is not None]
    accelerators = tuple(one for part in parts for one in part.accelerators)
    if not limits or len(limits) < len(parts):
        return _with_runtime(pod, Resources(accelerators=accelerators))
    total = Stated(sum(one.value for one in limits), limits[0].place)
    return _with_runtime(pod, Resources(memory_limit_bytes=total, accelerators=accelerators))


def _with_runtime(pod: Field, resources: Resources) -> Resources:
    """Add the container runtime where it brings an accelerator."""
    runtime = pod.at("runtimeClassName").stated()
    if runtime is None or not _ACCELERATED_RUNTIME.fullmatch(runtime.value):
        return resources
    added = Stated((runtime.value, 1), runtime.place)
    return replace(resources, accelerators=(*resources.accelerators, added))


_Rule = tuple[bool, tuple[str, ...], Place]
"""Whether the node must have one of the values, or none; without values, the label as such."""


def _required(pod: Field) -> dict[str, _Rule]:
    """Return what node affinity demands of each label.

    A node fits if one of the terms fits; of several terms only what all demand of a label is kept
    (one of the values of any), which every node that fits has.
    """
    terms = [
        {**_rules(term.at("matchExpressions")), **_rules(term.at("matchFields"))}
        for term in pod.at(
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
        ).items()
    ]
    if len(terms) < 2:
        return terms[0] if terms else {}
    common: dict[str, _Rule] = {}
    for key, (is_wanted, values, place) in terms[0].items():
        others = [term[key] for term in terms[1:] if key in term and term[key][0]]
        if not is_wanted or len(others) < len(terms) - 1:
            continue
        lists = [values, *(one[1] for one in others)]
        union = tuple(dict.fromkeys(value for one in lists for value in one))
        common[key] = (True, union if all(lists) else (), place)
    return common


def _rules(expressions: Field) -> dict[str, _Rule]:
    rules: dict[str, _Rule] = {}
    for one in expressions.items():
        key, operator = one.at("key").text(), one.at("operator").text()
        if key is None or operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            continue  # Gt and Lt say nothing that a site could be found by
        values = tuple(text for value in one.at("values").items() if (text := value.text()))
        has_values = operator in ("In", "NotIn")
        is_wanted = operator in ("In", "Exists")
        place = one.at("values").place() if has_values and one.at("values") else one.place()
        if is_wanted or key not in rules:
            rules[key] = (is_wanted, values if has_values else (), place)
    return rules


def _label(labels: Sequence[Stated[tuple[str, str]]], *names: str) -> Stated[str] | None:
    return next((Stated(one.value[1], one.place) for one in labels if one.value[0] in names), None)


def _platform(
    labels: Sequence[Stated[tuple[str, str]]], system: Stated[str] | None
) -> Stated[str] | None:
    arch, system = _label(labels, *_ARCH), _label(labels, *_OS) or system
    if arch is None:
        return system
    return arch if system is None else Stated(f"{system.value}/{arch.value}", arch.place)


def _is_open(text: str) -> bool:
    """Tell whether a text is a template or a variable that something else fills in."""
    return "{{" in text or "$" in text
