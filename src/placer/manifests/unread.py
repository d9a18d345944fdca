"""What runs a model and is of a kind that no format reads: it is told, not left out in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from placer.core.deployment import ModelRef, Unreadable
from placer.manifests.lookalikes import all_keys
from placer.manifests.models import model_of
from placer.manifests.named_models import models_named
from placer.manifests.nodes import Field
from placer.manifests.objects import group_of, kind_of, name_of, name_place
from placer.manifests.pods import models_of_container

_SERVING = frozenset(
    [
        *("FeatureExtractionService", "DNNPartitioningService", "MultiEdgeInferenceService"),
        *("LLMJointInferenceService", "KFService", "SeldonDeployment", "TrainedModel"),
    ]
)
"""Kinds of Sedna, of KServe, its predecessor and of Seldon that deploy a model however they say it.
"""
_CONFIG = "LLMInferenceServiceConfig"
"""Of KServe: it says how a server is started; which model it runs, a service says."""
_CONTAINERS = ("containers", "initContainers", "container", "script", "steps")
"""Of pods, of templates of Argo, of tasks of Tekton."""
_SCRIPTS = ("script", "source")
"""Of a step of Tekton, of a script of Argo."""
_WRITING = re.compile(
    r"(?:^|\s)--?(?:out|output|export|save|dest|target|upload)[\w-]*(?:=|\s+|$)", re.IGNORECASE
)
"""An option that says where something is written."""
_STORED = ("storageuri", "modeluri")
"""Keys, in lower case, that name a model: of TrainedModel, of Seldon."""
_BY_URL = ("kubeai.org", "Model")
"""Group and kind of KubeAI, whose ``url`` names a model."""
_MAX_NAME = 60
"""Characters of a model's name that are told."""


def unread_kind(root: Field) -> Iterator[Unreadable]:
    """Yield that an object deploys a model, of those that no format claims."""
    kind = kind_of(root)
    if not kind or not (root.at("spec") or root.at("template")) or not root.at("apiVersion"):
        return
    if kind == _CONFIG and group_of(root) == "serving.kserve.io":
        return
    model = next(_models(root), None)
    if model is None and kind not in _SERVING:
        return
    what = "a model" if model is None else f"the model {model.uri.value[:_MAX_NAME]}"
    yield Unreadable(
        name_place(root),
        f"{kind[:_MAX_NAME]} '{name_of(root)}' deploys {what}, and its kind is not read",
        "check the pods that it makes, or leave the file out",
    )


def _models(root: Field) -> Iterator[ModelRef]:
    """Yield the models that are named, and those of all containers, wherever a kind puts these."""
    spec = root.at("spec") or root.at("template", "spec")
    url = spec.at("url").stated()
    if url is not None and (group_of(root), kind_of(root)) == _BY_URL:
        yield model_of(url)
    for entry in all_keys(spec):
        if entry.name.lower() in _STORED and (uri := entry.stated()) is not None:
            yield model_of(uri)
        elif entry.name in _CONTAINERS:
            for container in entry.items() if entry.is_list else (entry,):
                if container.at("image"):
                    yield from _run_by(container)


def _run_by(container: Field) -> Iterator[ModelRef]:
    """Yield the models of a container that it is not told to write."""
    scripts = [one for key in _SCRIPTS if (one := container.at(key).stated()) is not None]
    models = [*models_of_container(container), *models_named(scripts, ())]
    words = [one.text() or "" for key in ("command", "args") for one in container.at(key).items()]
    line = " ".join([*words, *(one.value for one in scripts)])
    written = [line[match.end() :].lstrip("\"'") for match in _WRITING.finditer(line)]
    yield from (one for one in models if not any(it.startswith(one.uri.value) for it in written))
