"""KubeEdge Sedna: a small model at the edge that asks a large one in the cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import (
    Container,
    Defect,
    Deployed,
    Egress,
    ModelRef,
    Scale,
    Stated,
    Tier,
    Unreadable,
    Where,
)
from placer.manifests.format import Format, Found, merged
from placer.manifests.levels import Level, level, repeated_keys, unknown_keys
from placer.manifests.models import everywhere, format_of, hidden_model, model_of
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
)
from placer.manifests.pod_place import where_of
from placer.manifests.pods import MISPLACED_POD_KEYS, POD, Worker, bad_values, workers_of
from placer.manifests.quantities import count_of
from placer.manifests.told_uris import each_once

GROUP = "sedna.io"
KINDS = ("JointInferenceService", "Model")
WORKERS = {"edgeWorker": Tier.EDGE, "cloudWorker": Tier.CLOUD}

_IN_POD = "'template.spec'"


def claims(root: Field) -> bool:
    """Tell whether a document is a joint inference service or a model that one names."""
    return kind_of(root) in KINDS and group_of(root) == GROUP


def read(roots: Sequence[Field]) -> Found:
    """Read services; a model stands for itself nowhere: a worker names it."""
    models = [root for root in roots if kind_of(root) == "Model"]
    services = [root for root in roots if kind_of(root) == "JointInferenceService"]
    repeated = [Found(defects=(*repeated_keys(root), *_keys(root, _MODEL))) for root in models]
    named = Objects((kind_of(root), name_of(root), root) for root in models)
    return merged([*repeated, *(_service(root, named) for root in services)])


def _service(root: Field, models: Objects) -> Found:
    spec = root.at("spec")
    defects: list[Defect] = [*repeated_keys(root)]
    if not any(spec.at(name, "workerSpec") for name in WORKERS):
        defects += unknown_keys(root, _LEVELS, reader="Sedna")
    missing = [name for name in WORKERS if not spec.at(name).is_mapping]
    if missing:
        problem = Unreadable(
            name_place(root),
            f"JointInferenceService '{name_of(root)}' has no {' and no '.join(missing)}",
            "a patch is checked as it is rendered: `kubectl kustomize DIR | placer check -`",
        )
        return Found(defects=tuple(defects), unreadable=(problem,))
    deployed = []
    for name, tier in WORKERS.items():
        worker = spec.at(name)
        pod = worker.at("template", "spec")
        defects += [*bad_values(pod), *_keys(worker.at("model"), _NAMED)]
        deployed.append(_worker(root, worker, tier, models))
    return Found(tuple(deployed), tuple(defects))


def _keys(holder: Field, known: Level) -> Iterator[Defect]:
    """Yield the mistyped keys of what says which model it is."""
    for one in unknown_keys(holder, known, reader="Sedna"):
        yield replace(one, kind="unknown_model_key") if one.kind == "unknown_key" else one


def _worker(root: Field, worker: Field, tier: Tier, models: Objects) -> Deployed:
    parts = workers_of(worker.at("template", "spec"))
    return Deployed(
        id=f"{id_of(root)}/{tier.value}",
        format="sedna",
        kind=kind_of(root),
        name=name_of(root),
        place=name_place(root),
        models=everywhere(_models(root, worker, models), *(part.models for part in parts))
        or _unread(worker),
        uris=each_once(uri for part in parts for uri in part.uris),
        images=tuple(image for part in parts for image in part.images),
        where=_where(worker, tier),
        resources=parts[0].resources,
        containers=_able(parts),
        scale=Scale(
            count_of(worker.at("hpa", "minReplicas")), count_of(worker.at("hpa", "maxReplicas"))
        ),
        egress=_egress(root, worker, tier),
        labels=labels_of(root),
        annotations=annotations_of(root),
    )


def _where(worker: Field, tier: Tier) -> Where:
    pod = worker.at("template", "spec")
    where = replace(where_of(pod), tier=Stated(tier, worker.key_place()))
    if worker.at("workerSpec") and not pod:  # the first version of the API had no template
        return replace(where, node=worker.at("nodeName").stated())
    return where


def _able(parts: Sequence[Worker]) -> tuple[Container, ...]:
    """Return the containers that may run the model which the worker names."""
    if len(parts) == 1:
        return parts[0].containers
    return tuple(Container(one.container, one.images, one.resources, one.uris) for one in parts)


def _models(root: Field, worker: Field, models: Objects) -> list[ModelRef]:
    """Return the file that the named model is, else its name."""
    said = worker.at("model")
    name = said.at("name").stated()
    if name is None:
        return [] if not said or said.is_null else [*_unread(worker)]
    model = models.nearest("Model", name.value, beside=root)
    if model is None:
        return [ModelRef(name)]
    url = model.at("spec", "url").stated()
    if url is None:
        why = f"Model '{name.value[:60]}' has no url that can be read"
        told = f"{name.value} {model.at('spec').dump()}"
        return [hidden_model("<url>", name.place, why, told=told)]
    # the file's name says more than the framework's name that Sedna asks for (`pb`, `ckpt`)
    format = format_of(url) or model.at("spec", "format").stated()
    return [model_of(url, format=format)]


def _unread(worker: Field) -> tuple[ModelRef, ...]:
    """Return the model of a worker that names none: to run one is what it is for."""
    said, why = worker.at("model") or worker, "the worker names no model that can be read"
    return (hidden_model("<model>", said.key_place(), why, told=said.dump()),)


def _egress(root: Field, worker: Field, tier: Tier) -> tuple[Egress, ...]:
    """Return the way of hard examples: as they came, from the edge to the cloud."""
    if tier is Tier.CLOUD:
        return ()
    cloud = root.at("spec", "cloudWorker")
    said = worker.at("hardExampleMining") or cloud
    to = Stated(f"{id_of(root)}/{Tier.CLOUD.value}", said.key_place())
    return (Egress("worker", to, "request", where=_where(cloud, Tier.CLOUD)),)


def _worker_level() -> Level:
    return level(
        "hardExampleMining hpa workerSpec",
        "model",
        {
            "template": level(
                "metadata", "", {"spec": POD}, dict.fromkeys(MISPLACED_POD_KEYS, _IN_POD)
            )
        },
        dict.fromkeys(MISPLACED_POD_KEYS, _IN_POD),
    )


_MODEL = level(
    "apiVersion kind metadata status",
    "",
    {"spec": level("name format credentialName description devices", "url")},
    {"url": "'spec'"},
)
_NAMED = level("", "name", elsewhere={"url": "'spec' of the Model that it names"})
_LEVELS = level(
    "apiVersion kind metadata status",
    "",
    {
        "spec": level(
            "",
            "",
            dict.fromkeys(WORKERS, _worker_level()),
            dict.fromkeys(MISPLACED_POD_KEYS, f"{_IN_POD} of a worker"),
        )
    },
)

FORMAT = Format(
    id="sedna",
    name="KubeEdge Sedna",
    mark=re.compile(rb"""kind["']?\s*:\s*["']?JointInferenceService\b|sedna\.io/"""),
    words=(b"jointinferenceservice", b"sedna.io/"),
    claims=claims,
    read=read,
    page="kubeedge-sedna",
    kinds=KINDS,
)
