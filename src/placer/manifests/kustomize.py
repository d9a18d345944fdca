"""Patches of Kustomize: they change what other files deploy, and count once they are rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator

from placer.core.deployment import Unreadable
from placer.manifests.nodes import Field

FILES = ("kustomization.yaml", "kustomization.yml")
_KINDS = ("Kustomization", "Component")
_LISTS = ("patches", "patchesStrategicMerge", "patchesJson6902")
_KIND = re.compile(r"""(?:^|[\n{,])[ \t-]{0,80}["']?kind["']?[ \t]{0,80}:[ \t]{0,80}["']?(\w+)""")
_HARMLESS = frozenset(
    {
        "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Ingress", "Namespace", "NetworkPolicy",
        "PodDisruptionBudget", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount",
        "ServiceMonitor",
    }
)  # fmt: skip
"""Kinds that neither run a model nor say where or with what one runs."""
_OPERATIONS = frozenset({"add", "replace", "remove", "move", "copy"})
_OF_WORKLOADS = re.compile(
    r"/(?:template|jobTemplate|containers|initContainers|predictor|default|edgeWorker|cloudWorker"
    r"|nodeSelector|nodeName|affinity|nodes|replicas|minReplicas|maxReplicas)(?:/|$)"
)
"""A path of JSON Patch that leads into what runs a model."""
_REMEDY = "check what comes of it: `kubectl kustomize DIR | placer check -`"


def claims(root: Field) -> bool:
    """Tell whether a document is a patch, or a kustomization that holds some."""
    return next(patches(root), None) is not None


def patches(root: Field) -> Iterator[Unreadable]:
    """Yield the patches of a document that cannot be judged by themselves.

    A merge patch in a file of its own has the kind of what it changes, and is told as such.
    """
    if root.is_list:
        yield from _operations(root)
    elif _is_kustomization(root):
        for key in _LISTS:
            for entry in root.at(key).items():
                yield from _inline(entry)


def _is_kustomization(root: Field) -> bool:
    """Tell it by the kind, by the file's name where there is none."""
    kind = root.at("kind").text()
    if kind is not None:
        return kind in _KINDS
    return root.document.path.rpartition("/")[2] in FILES


def _inline(entry: Field) -> Iterator[Unreadable]:
    patch = entry.at("patch") if entry.is_mapping else entry
    text = patch.text() or ""
    if not any(sign in text for sign in "\n{["):  # the name of a file
        return
    target = entry.at("target", "kind").text()
    kinds = list(dict.fromkeys([target] if target is not None else _KIND.findall(text)))
    if kinds and all(kind in _HARMLESS for kind in kinds):
        return
    of = " and ".join(kinds)[:80] or "what other files deploy"
    yield Unreadable(
        patch.key_place(), f"a patch of {of} within a kustomization is not read", _REMEDY
    )


def _operations(root: Field) -> Iterator[Unreadable]:
    """Yield a JSON Patch (RFC 6902) of a workload once, at its first path that says so."""
    for one in root.items():
        path = one.at("path").text() or ""
        if one.at("op").text() in _OPERATIONS and _OF_WORKLOADS.search(path):
            yield Unreadable(one.at("path").place(), f"a patch of {path[:80]} is not read", _REMEDY)
            return
