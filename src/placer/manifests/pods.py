"""The specification of a pod, which Kubernetes workloads, KServe and Sedna share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import Container, Defect, ModelRef, Resources, Stated
from placer.core.project import templates_in
from placer.manifests.containers import is_open, placeholder
from placer.manifests.levels import Level, level
from placer.manifests.models import Sources, everywhere, hidden_model, is_model_variable
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.pod_place import AFFINITY, bad_words
from placer.manifests.pod_resources import bad_amounts, granted_to, in_pod, limit_of_pod, together
from placer.manifests.pod_volumes import filled_in, is_in_memory, mounted, placed, written_out
from placer.manifests.served_models import pulled_models
from placer.manifests.steps import Scripts
from placer.manifests.told_uris import each_once, uris_told

_REFERENCE = re.compile(r"\$\$|\$\((?P<name>[^()]*)\)")
_MAX_EXPANDED = 10_000
"""Characters: variables that name each other double their length with each line."""

_TEMPLATES = {"<command>": "command", "<args>": "args", "<env>": "env"}
"""How a model is called that may stand in a template of a key -> the key."""
_LISTS = {"env": "[{name: NAME, value: VALUE}]"}
"""What a key takes, as messages show it; else words."""

PLACEMENT_KEYS = "nodeSelector nodeName affinity runtimeClassName"
"""Keys of a pod's specification that decide where it runs."""

RESOURCES = level(
    "claims",
    "",
    {name: level("ephemeral-storage storage", "cpu memory") for name in ("limits", "requests")},
    objects="limits requests",
)
_MOUNT = level("name readOnly recursiveReadOnly mountPropagation", "mountPath subPath subPathExpr")
CONTAINER = level(
    "name workingDir ports envFrom resizePolicy restartPolicy restartPolicyRules"
    " volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath"
    " terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty",
    "image command args",
    {"env": level("name value valueFrom"), "resources": RESOURCES, "volumeMounts": _MOUNT},
    {
        **dict.fromkeys(PLACEMENT_KEYS.split(), "the pod's spec"),
        **dict.fromkeys(("limits", "requests"), "'resources' of the container"),
    },
    objects="resources",
    lists="volumeMounts",
)
POD = level(
    "activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks"
    " ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname"
    " hostnameOverride imagePullSecrets os overhead preemptionPolicy priority priorityClassName"
    " readinessGates resourceClaims restartPolicy schedulerName schedulingGates securityContext"
    " serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain"
    " terminationGracePeriodSeconds tolerations topologySpreadConstraints workloadRef",
    "nodeSelector nodeName runtimeClassName volumes",
    {
        "affinity": AFFINITY,
        "containers": CONTAINER,
        "initContainers": CONTAINER,
        "resources": RESOURCES,
    },
    {
        "nodeAffinity": "'affinity' of the pod's spec",
        "nodeSelectorTerms": "'affinity.nodeAffinity' of the pod's spec",
        "limits": "'resources' of a container",
        "image": "a container",
    },
    objects="affinity nodeSelector resources",
    lists="volumes",
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
    containers: tuple[Container, ...] = ()
    """Those that may run the model, where the pod does not say which."""
    uris: tuple[Stated[str], ...] = ()
    """As `Deployed.uris`."""


def workers_of(pod: Field) -> tuple[Worker, ...]:
    """Return what of a pod runs a model; a pod that names none is one worker."""
    containers = lasting_of(pod)
    opened = [*filled_in(pod.at("containers"))]
    sources = Sources(
        model for one in pod.at("initContainers").items() for model in models_of_container(one)
    )
    scripts = Scripts()
    running = []
    for one in containers:
        named, brought = mounted(one, pod, models_of_container(one), sources, scripts)
        if named or brought:
            models = everywhere(placed(one, pod, named, sources, scripts), brought, _filled_in(one))
            running.append((one, models))
    first_ones = [*pod.at("initContainers").items()]
    all_ones = (*containers, *(one for one in first_ones if not _is_sidecar(one)))
    uris = {id(one): uris_of_container(one) for one in all_ones}
    pulled = [new for one in first_ones for new in _pulled(one, is_first=True)]
    rest = [
        *sources.rest(model for _, models in running for model in models),
        *pulled,
        *opened,
    ]  # a folder, or a name that the server knows by itself
    if rest and running:
        first, models = running[0]
        running[0] = (first, everywhere(models, rest))
    if not running:
        starting = [one for one in pod.at("initContainers").items() if not _is_sidecar(one)]
        rest += [
            model for one in starting for model in models_of_container(one) if model.hidden
        ] or [model for one in (*containers, *starting) for model in _filled_in(one)]
        rest += filled_in(pod.at("initContainers"))
        able = (_sharing(pod) or [*written_out(pod.at("containers"))] if rest else []) or containers
        all_of = each_once(uri for ones in uris.values() for uri in ones)
        return (replace(_any_of(pod, able, tuple(rest)), uris=all_of),)
    running_ones = {id(one) for one, _ in running}
    others = [uri for of, ones in uris.items() if of not in running_ones for uri in ones]
    return tuple(
        Worker(
            one.at("name").text() if len(running) > 1 else None,
            models,
            tuple(_image(one)),
            _granted_beside_model(one, pod),
            uris=each_once([*uris[id(one)], *([] if number else others)]),
        )
        for number, (one, models) in enumerate(running)
    )


def _granted_beside_model(container: Field, pod: Field) -> Resources:
    """Return what a container is granted, and the pod where the model takes memory of it."""
    granted = in_pod(pod, granted_to(container, pod))
    if not is_in_memory(container, pod, models_of_container(container)):
        return granted
    starting = [one for one in pod.at("initContainers").items() if not _is_sidecar(one)]
    limit = limit_of_pod(pod, lasting_of(pod), starting)
    return replace(granted, limit_with_model_bytes=limit)


def worker_alone(container: Field, pod: Field) -> Worker:
    """Return what a container runs that has no others beside it."""
    sources, scripts = Sources(()), Scripts()
    named, brought = mounted(container, pod, models_of_container(container), sources, scripts)
    there = placed(container, pod, named, sources, scripts)
    models = everywhere(there, brought, _filled_in(container))
    images, uris = tuple(_image(container)), uris_of_container(container)
    return Worker(None, models, images, granted_to(container, pod), uris=uris)


def uris_of_container(container: Field) -> tuple[Stated[str], ...]:
    """Return the URIs that a container is told."""
    variables = [
        (one.at("name").text() or "", value)
        for one in container.at("env").items()
        if (value := one.at("value").stated()) is not None
    ]
    image = None if container.at("command") else container.at("image").stated()
    return uris_told(map(container.at, ("command", "args")), variables, image)


def lasting_of(pod: Field) -> list[Field]:
    """Return the containers that run as long as the pod: native sidecars start with the first."""
    starting = pod.at("initContainers").items()
    return [*written_out(pod.at("containers")), *filter(_is_sidecar, starting)]


def _is_sidecar(starting: Field) -> bool:
    """Tell whether an init container runs on, or may: a template can become that."""
    policy = starting.at("restartPolicy")
    return policy.text() == "Always" or _is_placeholder(policy)


def _sharing(pod: Field) -> list[Field]:
    """Return the containers that mount a volume which an init container with a model mounts."""
    filled = {
        mount.at("name").text()
        for one in pod.at("initContainers").items()
        if models_of_container(one)
        for mount in one.at("volumeMounts").items()
    }
    return [
        one
        for one in lasting_of(pod)
        if any(mount.at("name").text() in filled for mount in one.at("volumeMounts").items())
    ]


def _any_of(pod: Field, able: Sequence[Field], models: tuple[ModelRef, ...]) -> Worker:
    """Return containers of which the pod does not say which runs the model."""
    parts = [(one, granted_to(one, pod)) for one in able]
    return Worker(
        None,
        models,
        tuple(image for one in able for image in _image(one)),
        together(pod, [resources for _, resources in parts]),
        tuple(
            Container(
                one.at("name").text(),
                tuple(_image(one)),
                in_pod(pod, resources),
                uris_of_container(one),
            )
            for one, resources in parts
        )
        if len(parts) > 1
        else (),
    )


def models_of_container(container: Field) -> tuple[ModelRef, ...]:
    """Return the models that the command, the arguments and the environment name."""
    known: dict[str, str] = {}
    variables: list[tuple[str, Stated[str]]] = []
    hidden: list[ModelRef] = []
    for one in container.at("env").items():
        name, value = one.at("name").text() or "", one.at("value").stated()
        if value is None:
            known.pop(name, None)
            source = one.at("valueFrom")
            if source and not source.is_null and is_model_variable(name):
                why = f"{name} gets its value from elsewhere (valueFrom)"
                hidden.append(
                    hidden_model(f"$({name})", source.key_place(), why, told=source.dump())
                )
            continue
        value = _expanded(value, known)
        known[name] = value.value
        variables.append((name, value))
    arguments = [
        _expanded(stated, known)
        for key in ("command", "args")
        for one in _words_of(container.at(key))
        if (stated := one.stated()) is not None
    ]
    image = None if container.at("command") else container.at("image").stated()
    named = models_named(arguments, variables, image, has_defaults=_tells_all(container))
    return everywhere(hidden, named, _pulled(container))


def _tells_all(container: Field) -> bool:
    """Tell whether a container says what each variable is that it sets."""
    return not container.at("envFrom") and not any(
        one.at("valueFrom") for one in container.at("env").items()
    )


def _pulled(container: Field, *, is_first: bool = False) -> Iterator[ModelRef]:
    """Yield the models that a hook gets for the server, or what is there to prepare something."""
    hook = container.at("lifecycle", "postStart", "exec", "command")
    yield from pulled_models([one for word in hook.items() if (one := word.stated()) is not None])
    if is_first:
        words = (one for key in ("command", "args") for one in container.at(key).items())
        image = None if container.at("command") else container.at("image").stated()
        told = [stated for one in words if (stated := one.stated()) is not None]
        yield from pulled_models(told, image)


def _words_of(words: Field) -> Iterator[Field]:
    """Yield the items of a list, and a text in its place, which Kubernetes refuses."""
    yield from words.items()
    if not words.is_list and not _is_placeholder(words):
        yield words


def _is_placeholder(field: Field) -> bool:
    """Tell whether a value is nothing but a template that something else fills in."""
    text = (field.text() or "").strip()
    return field.kind() == "template" or (bool(text) and templates_in(text)[:1] == [text])


def _filled_in(container: Field) -> Iterator[ModelRef]:
    """Yield the model that may stand in a template: ``args: {{ toYaml .Values.args }}``."""
    for uri, key in _TEMPLATES.items():
        field = container.at(key)
        items = field.items() if key == "env" else ()
        opened = [one for one in items if placeholder(one) is not None]
        if _is_placeholder(field) or opened:
            why = f"'{key}' stands in a template, and may name a model"
            told = ",".join(one.dump() for one in opened) or field.dump()
            yield hidden_model(uri, field.key_place(), why, told=told)


def _expanded(stated: Stated[str], known: Mapping[str, str]) -> Stated[str]:
    """Put the variables of the container in, as Kubernetes does: ``$(NAME)``, not ``$$(NAME)``."""
    if "$(" not in stated.value or len(stated.value) > _MAX_EXPANDED:
        return stated
    text = _REFERENCE.sub(lambda one: known.get(one["name"] or "", one.group()), stated.value)
    return replace(stated, value=text) if len(text) <= _MAX_EXPANDED else stated


def is_template_alone(model: ModelRef) -> bool:
    """Tell whether a model is but what may stand in a template of ``args`` or the like."""
    return bool(model.hidden) and model.uri.value in _TEMPLATES


def bad_values(pod: Field) -> Iterator[Defect]:
    """Yield the values that Kubernetes refuses where a place or an amount is said."""
    yield from bad_words(pod)
    yield from bad_amounts(pod)
    for key in ("containers", "initContainers"):
        for container in pod.at(key).items():
            yield from bad_amounts(container)
            yield from bad_lists(container)


def bad_lists(container: Field) -> Iterator[Defect]:
    """Yield what stands in the place of a list of words or variables."""
    for key in ("command", "args", "env"):
        field = container.at(key)
        if not field or field.is_list or field.is_null or _is_placeholder(field):
            continue
        yield Defect(
            "bad_value",
            f"'{key}' is a {field.kind()}, and Kubernetes takes a list alone here",
            f"write {_LISTS.get(key, '[WORD, WORD]')}",
            field.pair_place(),
        )


def bad_counts(*counts: Field, of: str = "pods") -> Iterator[Defect]:
    """Yield the numbers of pods, or of something else, that are none."""
    for one in counts:
        text = one.text()
        if text is None or is_open(text) or templates_in(text):
            continue
        number = one.integer()
        if number is None or number < 0:
            yield Defect(
                "bad_value",
                f"'{one.name}: {text[:40]}' is no number of {of}",
                "write a whole number such as 2",
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


def _image(container: Field) -> Iterator[Stated[str]]:
    stated = container.at("image").stated()
    if stated is not None:
        yield stated
