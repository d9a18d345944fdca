"""Patches of Kustomize: they change what other files deploy, and count once they are rendered."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from placer.core.deployment import Unreadable
from placer.manifests.nodes import Field
from placer.manifests.objects import kind_of, name_of, name_place

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
_SIGNS = "\n{["
"""A patch has one of them, and the name of a file has none."""
_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
"""What they say is read and not judged."""
_REMEDY = "check what comes of it: `kubectl kustomize DIR | placer check -`"


@dataclass(frozen=True, slots=True)
class Patch:
    """A file that a kustomization names as a patch."""

    path: str
    """Absolute, without ``..``."""
    named: Field
    """Where the kustomization names it."""
    target: str | None
    """Kind of what it changes; None: the patch itself says so."""


def claims(root: Field) -> bool:
    """Tell whether a document is a patch, or a kustomization that holds some."""
    return next(patches(root), None) is not None


def patches(root: Field) -> Iterator[Unreadable]:
    """Yield the patches of a document that cannot be judged by themselves.

    A merge patch in a file of its own has the kind of what it changes: `patches_in_files` tells it.
    """
    if root.is_list:
        yield from _operations(root)
    elif _is_kustomization(root):
        for key in _LISTS:
            for entry in root.at(key).items():
                yield from _inline(entry)


def files_named(root: Field) -> Iterator[Patch]:
    """Yield the files that a kustomization names as patches."""
    if not root.is_mapping or not _is_kustomization(root):
        return
    for key in _LISTS:
        for entry in root.at(key).items():
            named = entry.at("path") if entry.is_mapping else entry
            text = named.text() or ""
            if text and not any(sign in text for sign in _SIGNS):
                folder = os.path.dirname(root.document.path)  # noqa: PTH120  # text as typed
                path = _absolute(os.path.join(folder, text))  # noqa: PTH118
                yield Patch(path, named, entry.at("target", "kind").text())


def patches_in_files(
    named: Sequence[Patch],
    claimed: Sequence[Field],
    others: Collection[str],
    paths: Collection[str],
) -> tuple[list[Field], list[Unreadable]]:
    """Return the documents that are patches, and what is told of them.

    Parameters
    ----------
    named
        Files that kustomizations of the run name.
    claimed
        Documents that formats read.
    others
        Files with an object of another kind, which a patch may give where its target is said.
    paths
        All files of the run.
    """
    wanted = {one.path for one in named}
    found = [
        root
        for root in (claimed if wanted else ())
        if _absolute(root.document.path) in wanted
        and kind_of(root) not in _SCALERS
        and not claims(root)
    ]
    told = [
        Unreadable(
            name_place(root),
            f"a patch of {kind_of(root)} '{name_of(root)}', which a kustomization names, "
            "is not read",
            _REMEDY,
        )
        for root in found
    ]
    read = {_absolute(root.document.path) for root in (claimed if wanted else ())}
    absent = wanted - {_absolute(path) for path in (paths if wanted else ())}
    unknown = (absent | {_absolute(path) for path in others}) - read
    told += [
        Unreadable(
            one.named.place(), f"a patch of {one.target[:80]} in a file is not read", _REMEDY
        )
        for one in named
        if one.path in unknown and one.target is not None and one.target not in _HARMLESS
    ]
    return found, told


def is_harmless(kind: str) -> bool:
    """Tell whether objects of a kind neither run a model nor say where or with what one runs."""
    return kind in _HARMLESS


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # links are not followed


def _is_kustomization(root: Field) -> bool:
    """Tell it by the kind, by the file's name where there is none."""
    kind = root.at("kind").text()
    if kind is not None:
        return kind in _KINDS
    return root.document.path.rpartition("/")[2] in FILES


def _inline(entry: Field) -> Iterator[Unreadable]:
    patch = entry.at("patch") if entry.is_mapping else entry
    text = patch.text() or ""
    if not any(sign in text for sign in _SIGNS):  # the name of a file
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
