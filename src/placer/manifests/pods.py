"""The specification of a pod, which Kubernetes workloads, KServe and Sedna share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import Container, Defect, ModelRef, Place, Resources, Stated, Where
from placer.core.project import templates_in
from placer.manifests.containers import placeholder
from placer.manifests.levels import Level, level
from placer.manifests.models import (
    Sources,
    everywhere,
    hidden_model,
    is_model_variable,
)
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.pod_volumes import filled_in, mounted, placed, written_out
from placer.manifests.quantities import amount_in, bytes_of, cpus_of, least, quantity, unread

_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")
_ACCELERATED_RUNTIME = re.compile(r".*(?:nvidia|habana|rocm).*")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_REFERENCE = re.compile(r"\$\$|\$\((?P<name>[^()]*)\)")
_MAX_EXPANDED = 10_000
"""Characters: variables that name each other double their length with each line."""
_TERMS_WAY = (
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
)
_ARCH = ("kubernetes.io/arch", "beta.kubernetes.io/arch")
_OS = ("kubernetes.io/os", "beta.kubernetes.io/os")

_TEMPLATES = {"<command>": "command", "<args>": "args", "<env>": "env"}
"""How a model is called that may stand in a template of a key -> the key."""
_LISTS = {"env": "[{name: NAME, value: VALUE}]"}
"""What a key takes, as messages show it; else words."""

PLACEMENT_KEYS = "nodeSelector nodeName affinity runtimeClassName"
"""Keys of a pod's specification that decide where it runs."""

_MATCH = level("", "key operator values")
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
        "affinity": _AFFINITY,
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


def workers_of(pod: Field) -> tuple[Worker, ...]:
    """Return what of a pod runs a model; a pod that names none is one worker."""
    containers = lasting_of(pod)
    opened = [*filled_in(pod.at("containers"))]
    sources = Sources(
        model for one in pod.at("initContainers").items() for model in models_of_container(one)
    )
    running = []
    for one in containers:
        named, brought = mounted(one, pod, models_of_container(one), sources)
        if named or brought:
            models = everywhere(placed(one, pod, named, sources), brought, _filled_in(one))
            running.append((one, models))
    rest = [*sources.rest(), *opened]  # a folder, or a name that the server knows by itself
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
        return (_any_of(pod, able, tuple(rest)),)
    return tuple(
        Worker(
            one.at("name").text() if len(running) > 1 else None,
            models,
            tuple(_image(one)),
            _in_pod(pod, resources_of(one)),
        )
        for one, models in running
    )


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
    parts = [(one, resources_of(one)) for one in able]
    return Worker(
        None,
        models,
        tuple(image for one in able for image in _image(one)),
        _together(pod, [resources for _, resources in parts]),
        tuple(
            Container(one.at("name").text(), tuple(_image(one)), _in_pod(pod, resources))
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
                hidden.append(hidden_model(f"$({name})", source.key_place(), why))
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
    return everywhere(hidden, models_named(arguments, variables))


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
        if _is_placeholder(field) or any(placeholder(one) is not None for one in items):
            why = f"'{key}' stands in a template, and may name a model"
            yield hidden_model(uri, field.key_place(), why)


def _expanded(stated: Stated[str], known: Mapping[str, str]) -> Stated[str]:
    """Put the variables of the container in, as Kubernetes does: ``$(NAME)``, not ``$$(NAME)``."""
    if "$(" not in stated.value or len(stated.value) > _MAX_EXPANDED:
        return stated
    text = _REFERENCE.sub(lambda one: known.get(one["name"] or "", one.group()), stated.value)
    return replace(stated, value=text) if len(text) <= _MAX_EXPANDED else stated


def is_template_alone(model: ModelRef) -> bool:
    """Tell whether a model is but what may stand in a template of ``args`` or the like."""
    return bool(model.hidden) and model.uri.value in _TEMPLATES


def resources_of(holder: Field) -> Resources:
    """Return what ``resources`` of a container grants."""
    resources = holder.at("resources")
    limits, requests = resources.at("limits"), resources.at("requests")
    accelerators: dict[str, Stated[tuple[str, int]]] = {}
    for amounts in (limits, requests):
        for one in amounts.entries():
            count, name = one.integer(), one.name
            if "/" in name and templates_in(one.text() or ""):
                name, count = f"{name}: {one.text()}", 1  # nobody knows whether it is granted
            elif templates_in(name):
                count = 1
            elif name in _PLAIN_RESOURCES or "/" not in name or not count or count < 0:
                continue
            accelerators.setdefault(name, Stated((name, count or 1), one.pair_place()))
    limit, cpus = bytes_of(limits.at("memory")), cpus_of(limits.at("cpu"))
    holders = (limits, resources)  # a whole one may be a template
    return Resources(
        limit,
        unread(limit, limits.at("memory"), *holders),
        bytes_of(requests.at("memory")),
        cpus,
        tuple(accelerators.values()),
        cpus_limit_unread=unread(cpus, limits.at("cpu"), *holders),
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
        elif len(values) == 1 and key not in labels:
            labels[key] = Stated((key, values[0]), place)
        else:
            any_of.append(Stated((key, values), place))
    any_of = [one for one in any_of if not _is_said(labels.get(one.value[0]), one.value[1])]
    said = tuple(labels.values())
    return Where(
        labels=said,
        any_of=tuple(any_of),
        none_of=tuple(none_of),
        node=node,
        instance_type=_label(said, "node.kubernetes.io/instance-type"),
        platform=_platform(said, pod.at("os", "name").stated()),
    )


def _is_said(label: Stated[tuple[str, str]] | None, values: tuple[str, ...]) -> bool:
    """Tell whether a label that the node must have lets it fit as well."""
    return label is not None and (not values or label.value[1] in values)


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
    for term in pod.at(*_TERMS_WAY).items():
        for expression in (*term.at("matchExpressions").items(), *term.at("matchFields").items()):
            yield from _bad_expression(expression)
    yield from bad_amounts(pod)
    for key in ("containers", "initContainers"):
        for container in pod.at(key).items():
            yield from bad_amounts(container)
            yield from bad_lists(container)


def _bad_expression(expression: Field) -> Iterator[Defect]:
    operator, values = expression.at("operator"), expression.at("values")
    text = operator.text()
    if text is not None and text not in _OPERATORS and not _is_open(text):
        yield Defect(
            "bad_value",
            f"'operator: {text[:40]}' is none that Kubernetes knows",
            f"write one of {', '.join(_OPERATORS)}",
            operator.place(),
        )
    elif text in ("In", "NotIn") and not next(values.items(), None) and not values.text():
        remedy = f"write the values, or {'Exists' if text == 'In' else 'DoesNotExist'}"
        yield Defect(
            "bad_value", f"'operator: {text}' has no values", remedy, (values or operator).place()
        )


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


def bad_amounts(holder: Field) -> Iterator[Defect]:
    """Yield the amounts of ``resources`` that are no quantities."""
    for amounts in (holder.at("resources", "limits"), holder.at("resources", "requests")):
        for one in amounts.entries():
            text = amount_in(one)
            if one.name not in ("cpu", "memory") or one.is_null or (text and _is_open(text)):
                continue
            if text is None:
                text = one.kind()
            if one.name == "memory" and text.endswith("m") and quantity(text) is not None:
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
                    "write one such as 512Mi or 500m" if one.name == "memory" else "write 500m",
                    one.place(),
                )


def bad_counts(*counts: Field, of: str = "pods") -> Iterator[Defect]:
    """Yield the numbers of pods, or of something else, that are none."""
    for one in counts:
        text = one.text()
        if text is None or _is_open(text) or templates_in(text):
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


def _together(pod: Field, parts: Sequence[Resources]) -> Resources:
    """Return the resources of a pod: a sum is known where every container states its part."""
    if len(parts) == 1:
        return _in_pod(pod, parts[0])
    limits = [one.memory_limit_bytes for one in parts if one.memory_limit_bytes is not None]
    accelerators = tuple(one for part in parts for one in part.accelerators)
    if not limits or len(limits) < len(parts):
        odd = next((one.memory_limit_unread for one in parts if one.memory_limit_unread), None)
        found = Resources(memory_limit_unread=odd, accelerators=accelerators)
        return _in_pod(pod, found)
    total = Stated(sum(one.value for one in limits), limits[0].place)
    return _in_pod(pod, Resources(memory_limit_bytes=total, accelerators=accelerators))


def _in_pod(pod: Field, resources: Resources) -> Resources:
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
    )
    runtime = pod.at("runtimeClassName").stated()
    if runtime is None or not (
        templates_in(runtime.value) or _ACCELERATED_RUNTIME.fullmatch(runtime.value)
    ):
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
        for term in pod.at(*_TERMS_WAY).items()
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
    """Return what is demanded of each label; of several demands the values that all of them allow.

    Of ``Gt`` and ``Lt`` it is only known that the label is there.
    """
    rules: dict[str, _Rule] = {}
    for one in expressions.items():
        key, operator = one.at("key").text(), one.at("operator").text()
        if key is None or operator not in _OPERATORS:
            continue
        has_values = operator in ("In", "NotIn")
        # an empty value is one, and Kubernetes takes null for it
        values = tuple(value.text() or "" for value in one.at("values").items())
        if not values and (template := one.at("values").text()) is not None:
            values = (template,)
        if not has_values:
            values = ()
        is_wanted = operator not in ("NotIn", "DoesNotExist")
        place = one.at("values").place() if has_values and one.at("values") else one.place()
        known = rules.get(key)
        if known is not None and known[0]:
            if not is_wanted:
                continue
            if known[1]:
                both = tuple(value for value in known[1] if value in values)
                values, place = both or known[1], known[2]
        rules[key] = (is_wanted, values, place)
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
