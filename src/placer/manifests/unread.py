"""What runs a model and is of a kind that no format reads: it is told, not left out in silence."""

from __future__ import annotations

from collections.abc import Iterator

from placer.core.deployment import ModelRef, Unreadable
from placer.manifests.lookalikes import all_keys
from placer.manifests.nodes import Field
from placer.manifests.objects import name_of, name_place
from placer.manifests.pods import models_of_container

_SERVING = frozenset(
    [
        *("FeatureExtractionService", "DNNPartitioningService", "MultiEdgeInferenceService"),
        *("LLMJointInferenceService", "KFService", "SeldonDeployment"),
    ]
)
"""Kinds of Sedna, of KServe's predecessor and of Seldon that deploy a model however they say it."""
_CONTAINERS = ("containers", "initContainers")
_MAX_NAME = 60
"""Characters of a model's name that are told."""


def unread_kind(root: Field) -> Iterator[Unreadable]:
    """Yield that an object deploys a model, of those that no format claims."""
    kind = root.at("kind").text() or ""
    if not kind or not root.at("spec") or not root.at("apiVersion"):
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
    """Yield the models of all containers within, wherever a kind puts its pods."""
    for entry in all_keys(spec):
        if entry.name in _CONTAINERS and entry.is_list:
            for container in entry.items():
                if container.at("image"):
                    yield from models_of_container(container)
