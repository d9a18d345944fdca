"""KServe: inference services of both generations of its API, and graphs of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import (
    Defect,
    Deployed,
    Egress,
    ModelRef,
    Resources,
    Scale,
    Stated,
    Unreadable,
    Where,
)
from placer.manifests.containers import placeholder
from placer.manifests.format import Format, Found, merged
from placer.manifests.kserve_keys import EXPLAINERS, FRAMEWORKS, GRAPH, NODE, V1ALPHA2, V1BETA1
from placer.manifests.kserve_models import worker_of
from placer.manifests.kserve_runtimes import KINDS as RUNTIMES
from placer.manifests.kserve_runtimes import Runtimes
from placer.manifests.kserve_ways import (
    is_written_out,
    logged,
    of_nobody,
    passed,
    service_at,
    unknown_way,
)
from placer.manifests.levels import repeated_keys, unknown_keys
from placer.manifests.models import everywhere, hidden_model
from placer.manifests.nodes import Field
from placer.manifests.objects import (
    Objects,
    annotations_of,
    group_of,
    id_of,
    kind_of,
    labels_of,
    name_of,
    name_place,
    namespace_of,
    version_of,
)
from placer.manifests.pod_place import where_of
from placer.manifests.pod_resources import bad_amounts, in_pod, resources_of
from placer.manifests.pods import (
    PLACEMENT_KEYS,
    bad_counts,
    bad_lists,
    bad_values,
    is_template_alone,
    lasting_of,
    models_of_container,
    workers_of,
)
from placer.manifests.quantities import count_of

GROUPS = ("serving.kserve.io", "serving.kubeflow.org")
UNREAD = "LLMInferenceService"
"""It deploys a model as well, and is told."""
KINDS = ("InferenceService", "InferenceGraph", UNREAD, *RUNTIMES)
_BATCH = 32
"""Source: KServe, pkg/batcher/handler.go, ``MaxBatchSize``."""
_ACCELERATOR = re.compile(r"serving\.(?:kserve\.io|kubeflow\.org)/gke-accelerator")
_ACCELERATOR_LABEL = "cloud.google.com/gke-accelerator"

_OTHERS = ("transformer", "explainer")
"""Components that stand around a predictor: requests pass through them."""


def claims(root: Field) -> bool:
    """Tell whether a document is an inference service, a graph of them or a runtime."""
    return kind_of(root) in KINDS and group_of(root) in GROUPS


def read(roots: Sequence[Field]) -> Found:
    """Read services, and graphs with the models of the services that they call."""
    services = [root for root in roots if kind_of(root) == "InferenceService"]
    runtimes = Runtimes(root for root in roots if kind_of(root) in RUNTIMES)
    found = [_service(root, runtimes) for root in services]
    parts = {id(root): part for root, part in zip(services, found, strict=True)}
    named = Objects((kind_of(root), name_of(root), root) for root in services)

    def served(name: str, graph: Field, space: str | None = None) -> tuple[Deployed, ...]:
        """Return the parts of a service; none: it is not among what is read."""
        service = named.nearest("InferenceService", name, beside=graph)
        spaces = [space] if service is None else [space, namespace_of(service), namespace_of(graph)]
        is_it = len({one for one in spaces if one is not None}) <= 1
        return parts[id(service)].deployed if service is not None and is_it else ()

    graphs = [_graph(root, served) for root in roots if kind_of(root) == "InferenceGraph"]
    unread = [Found(unreadable=(_unread_kind(root),)) for root in roots if kind_of(root) == UNREAD]
    return merged([*found, *graphs, *unread])


def _unread_kind(root: Field) -> Unreadable:
    return Unreadable(
        name_place(root),
        f"{UNREAD} '{name_of(root)}' deploys a model, and is not read",
        "check the workloads that KServe makes of it, or ignore this with the reason",
    )


def _service(root: Field, runtimes: Runtimes) -> Found:
    if version_of(root) == "v1alpha2":
        variants = [
            (name, root.at("spec", name)) for name in ("default", "canary") if root.at("spec", name)
        ]
        is_old = True
    else:
        variants, is_old = [("", root.at("spec"))], False
    parts: list[Found] = []
    for variant, spec in variants:
        others = {name: one for name in _OTHERS if (one := spec.at(name)) and not one.is_null}
        apart = {
            name: one for name, one in others.items() if worker_of(one, is_old=is_old)[0].models
        }
        beside = [one for name, one in others.items() if name not in apart]
        suffix = variant if len(variants) > 1 else ""
        predictor = spec.at("predictor")
        if predictor.is_mapping:
            parts.append(
                _component(
                    *(root, predictor, "predictor", suffix),
                    runtimes,
                    is_old=is_old,
                    beside=beside,
                    first=others.get("transformer"),
                )
            )
        for name, one in apart.items():
            parts.append(_component(root, one, name, suffix, runtimes, is_old=is_old))
    known = V1ALPHA2 if is_old else V1BETA1
    defects = (*repeated_keys(root), *unknown_keys(root, known, reader="KServe"))
    unreadable = [*_filled_in([root.at("spec"), *(spec for _, spec in variants)])]
    if not unreadable and not any(spec.at("predictor").is_mapping for _, spec in variants):
        message = f"InferenceService '{name_of(root)}' has no predictor"
        remedy = "a patch is checked as it is rendered: `kubectl kustomize DIR | placer check -`"
        unreadable = [Unreadable(name_place(root), message, remedy)]
    return merged([Found(defects=defects, unreadable=tuple(unreadable)), *parts])


def _filled_in(specs: Sequence[Field]) -> Iterator[Unreadable]:
    """Yield what is filled in later and holds a predictor, or is one."""
    by_place = {one.pointer: one for spec in specs for one in (spec, spec.at("predictor"))}
    for one in by_place.values():
        stated = placeholder(one)
        if stated is not None and not (one.name == "predictor" and one.is_mapping):
            message = f"'{one.name}' is filled in later ({stated.value[:40]})"
            yield Unreadable(
                stated.place,
                f"{message}: nobody knows what is deployed",
                "check it as it is rendered: `helm template CHART | placer check -`",
            )


def _component(
    root: Field,
    component: Field,
    name: str,
    variant: str,
    runtimes: Runtimes,
    *,
    is_old: bool,
    beside: Sequence[Field] = (),
    first: Field | None = None,
) -> Found:
    """Read a predictor, or another component that names a model.

    Parameters
    ----------
    beside
        Components whose requests are those of this one, and which are not told apart.
    first
        The component that gets each request before this one, wherever it runs.
    """
    worker, server = worker_of(component, is_old=is_old)
    counts = (component.at("minReplicas"), component.at("maxReplicas"))
    defects: list[Defect] = [*bad_values(component), *bad_counts(*counts)]
    if server:
        defects += [*bad_amounts(server), *bad_lists(server)]
    if is_old:
        defects += _without_place(component)
        where = Where()
    else:
        where = where_of(component)
        if server.is_mapping:
            granted = in_pod(component, worker.resources)
            where, granted = runtimes.merged(component, root, where, granted)
            worker = replace(worker, resources=granted)
    suffix = "".join(f"/{part}" for part in (variant, "" if name == "predictor" else name) if part)
    deployed = Deployed(
        id=f"{id_of(root)}{suffix}",
        format="kserve",
        kind=kind_of(root),
        name=name_of(root),
        place=name_place(root),
        models=worker.models or (_unread(component) if not worker.images else ()),
        uris=worker.uris,
        images=worker.images,
        is_server=name == "predictor",
        where=_with_accelerator(where, root),
        resources=worker.resources,
        containers=worker.containers,
        scale=_scale(component),
        batching=next(filter(None, map(_batching, (component, *beside))), None),
        egress=(
            *(way for one in (component, *beside) for way in logged(one, root)),
            *passed(root, first, variant, is_old=is_old),
        ),
        labels=labels_of(root),
        annotations=annotations_of(root, component),
    )
    return Found((deployed, *_beside(component, deployed)), tuple(defects))


def _beside(component: Field, deployed: Deployed) -> Iterator[Deployed]:
    """Yield the containers beside KServe's own server that name models: they run them too."""
    is_served = any(component.at(name).is_mapping for name in ("model", *FRAMEWORKS, *EXPLAINERS))
    for one in workers_of(component) if is_served and lasting_of(component) else ():
        named = tuple(model for model in one.models if not is_template_alone(model))
        if named:
            yield replace(
                deployed,
                id=f"{deployed.id}/{one.container or _named(component)}",
                models=named,
                uris=one.uris,
                images=one.images,
                resources=one.resources,
                containers=one.containers,
                egress=(),
            )


def _named(component: Field) -> str:
    """Return the name of the container that names a model."""
    naming = (one for one in lasting_of(component) if models_of_container(one))
    return next((text for one in naming if (text := one.at("name").text())), "containers")


def _unread(component: Field) -> tuple[ModelRef, ...]:
    """Return the model of a predictor that names none: to run one is what it is for."""
    said, why = component.at("model") or component, "the predictor names no model that can be read"
    return (hidden_model("<model>", said.key_place(), why, told=said.dump()),)


def _scale(holder: Field) -> Scale:
    return Scale(count_of(holder.at("minReplicas")), count_of(holder.at("maxReplicas")))


def _batching(component: Field) -> Stated[int | None] | None:
    """Return the largest batch that KServe makes of requests; None: it makes none."""
    batcher = component.at("batcher")
    if not batcher or batcher.is_null:
        return None
    size = batcher.at("maxBatchSize")
    most = None if placeholder(batcher) or placeholder(size) else size.integer() or _BATCH
    return None if most == 1 else Stated(most, batcher.key_place())


def _with_accelerator(where: Where, root: Field) -> Where:
    """Add the node label that KServe makes of an annotation."""
    labels = tuple(
        Stated((_ACCELERATOR_LABEL, one.text() or ""), one.pair_place())
        for one in root.at("metadata", "annotations").entries()
        if _ACCELERATOR.fullmatch(one.name)
    )
    return replace(where, labels=(*where.labels, *labels))


def _without_place(component: Field) -> Iterator[Defect]:
    for name in PLACEMENT_KEYS.split():
        entry = component.at(name)
        if entry:
            yield Defect(
                "ignored_level",
                f"'{name}' has no effect here: v1alpha2 of KServe does not know it",
                "move the service to serving.kserve.io/v1beta1",
                entry.key_place(),
            )


def _graph(root: Field, served: Callable[..., tuple[Deployed, ...]]) -> Found:
    spec = root.at("spec")
    models: list[Sequence[ModelRef]] = []
    called: list[Deployed] = []
    egress: list[Egress] = []
    unknown: list[Defect] = []
    for node in spec.at("nodes").entries():
        is_sequence = node.at("routerType").text() == "Sequence"
        unknown += unknown_keys(node, NODE, reader="KServe")
        steps = node.at("steps") if is_written_out(node) else node
        if steps and not steps.is_list and not steps.is_null:
            egress.append(unknown_way("service", steps))
        for index, step in enumerate(steps.items()):
            if not is_written_out(step):
                egress.append(unknown_way("service", step))
            name = step.at("serviceName").stated()
            url = step.at("serviceUrl").stated()
            if name is not None:
                found = served(name.value, root)
                called += found
                models.append(everywhere(*(one.models for one in found)) or (ModelRef(name),))
            elif url is not None:
                is_answer = is_sequence and index > 0 and step.at("data").text() == "$response"
                carries = "answer" if is_answer else "request"
                way = Egress("service", url, carries, namespace=namespace_of(root))
                named = service_at(way)
                found = () if named is None else served(named[0], root, named[1])
                called += found
                models.append(everywhere(*(one.models for one in found)))
                if not found:  # else no way out, as by its name: it is judged where it runs
                    egress.append(way)
    defects = (*repeated_keys(root), *unknown_keys(root, GRAPH, reader="KServe"), *unknown)
    if not spec.at("nodes").is_mapping:
        mistyped = next((one for one in defects if one.kind == "unknown_way_key"), None)
        problem = Unreadable(
            name_place(root),
            f"InferenceGraph '{name_of(root)}' has no nodes",
            "a patch is checked as it is rendered: `kubectl kustomize DIR | placer check -`"
            if mistyped is None
            else mistyped.remedy,
        )
        return Found(defects=defects, unreadable=(problem,))
    deployed = Deployed(
        id=id_of(root),
        format="kserve",
        kind=kind_of(root),
        name=name_of(root),
        place=name_place(root),
        models=everywhere(*models) or (*of_nobody(egress),),
        where=where_of(spec),
        resources=resources_of(spec) if spec.at("resources") else Resources(),
        scale=_scale(spec),
        steps=_steps(spec),
        calls=tuple(dict.fromkeys((one.place.path, one.id) for one in called if one.is_server)),
        egress=tuple(egress),
        labels=labels_of(root),
        annotations=annotations_of(root),
    )
    return Found((deployed,), (*defects, *bad_values(spec)))


def _steps(spec: Field) -> Stated[int] | None:
    """Return the most steps that a node runs a request through; of a choice only one is run."""
    several = []
    for node in spec.at("nodes").entries():
        number = sum(1 for _ in node.at("steps").items())
        if number > 1 and node.at("routerType").text() not in ("Switch", "Splitter"):
            several.append(Stated(number, node.at("steps").key_place()))
    return max(several, key=lambda one: one.value, default=None)


FORMAT = Format(
    id="kserve",
    name="KServe",
    mark=re.compile(
        rb"""kind["']?\s*:\s*(?:[&!]\S{1,80}\s+)?["']?"""
        rb"""(?:(?:LLM)?Inference(?:Service|Graph)|(?:Cluster)?ServingRuntime)\b"""
    ),
    words=(b"inference", b"servingruntime"),
    claims=claims,
    read=read,
    page="kserve",
    kinds=KINDS,
)
