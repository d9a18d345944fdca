"""What runs a model and is of a kind that no format reads: it is told, not left out in silence."""

from __future__ import annotations

from collections.abc import Iterator

from placer.core.deployment import ModelRef, Unreadable
from placer.manifests.lookalikes import all_keys
from placer.manifests.models import model_of
from placer.manifests.nodes import Field
from placer.manifests.objects import group_of, name_of, name_place
from placer.manifests.pods import models_of_container

_SERVING = frozenset(
    [
        *("FeatureExtractionService", "DNNPartitioningService", "MultiEdgeInferenceService"),
        *("LLMJointInferenceService", "KFService", "SeldonDeployment", "TrainedModel"),
    ]
)
"""Kinds of Sedna, of KServe, its predecessor and of Seldon that deploy a model however they say it.
"""
_RUNTIMES = ("ServingRuntime", "ClusterServingRuntime", "LLMInferenceServiceConfig")
"""Kinds of KServe that say how a server is started: which model it runs, a service says."""
_CONTAINERS = ("containers", "initContainers")
_MAX_NAME = 60
"""Characters of a model's name that are told."""


def unread_kind(root: Field) -> Iterator[Unreadable]:
    """Yield that an object deploys a model, of those that no format claims."""
    kind = root.at("kind").text() or ""
    if not kind or not root.at("spec") or not root.at("apiVersion"):
        return
    if kind in _RUNTIMES and group_of(root) == "serving.kserve.io":
        return
    model = next(_models(root.at("spec")), None)
    if model is None and kind not in _SERVING:
        return
    what = "a model" if model is None else f"the model {model.uri.value[:_MAX_NAME]}"
    yield Unreadable(
        name_place(root),
        f"{kind[:_MAX_NAME]} '{name_of(root)}' deploys {what}, and its kind is not read",
        "check the pods that it makes, or leave the file out",
    )


def _models(spec: Field) -> Iterator[ModelRef]:
    """Yield the model that is named, and those of all containers, wherever a kind puts its pods."""
    uri = spec.at("model", "storageUri").stated()
    if uri is not None:
        yield model_of(uri)
    for entry in all_keys(spec):
        if entry.name in _CONTAINERS and entry.is_list:
            for container in entry.items():
                if container.at("image"):
                    yield from models_of_container(container)
