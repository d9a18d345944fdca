"""Kubernetes workloads: what makes pods, and what scales it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from placer.core.deployment import Deployed, Scale, Unreadable
from placer.manifests import kustomize
from placer.manifests.format import Format, Found, merged
from placer.manifests.levels import Level, repeated_keys, unknown_keys
from placer.manifests.nodes import Field, Node
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
from placer.manifests.pods import POD, bad_counts, bad_values, below, workers_of
from placer.manifests.quantities import count_of

GROUPS = ("", "apps", "batch", "extensions", "apps.openshift.io", "autoscaling", "keda.sh")
POD_PATHS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "ReplicationController": ("spec", "template", "spec"),
    "DeploymentConfig": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Kind -> way to the specification of its pods."""
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
_KINDS = "|".join([*POD_PATHS, *SCALERS])

_RENDERED = "a patch is checked as it is rendered: `kubectl kustomize DIR | placer check -`"

_SPEC_KEYS = {
    "Deployment": "replicas selector strategy minReadySeconds revisionHistoryLimit paused"
    " progressDeadlineSeconds",
    "DaemonSet": "selector updateStrategy minReadySeconds revisionHistoryLimit",
    "StatefulSet": "replicas selector serviceName volumeClaimTemplates podManagementPolicy"
    " updateStrategy minReadySeconds revisionHistoryLimit ordinals"
    " persistentVolumeClaimRetentionPolicy",
    "ReplicaSet": "replicas selector minReadySeconds",
    "ReplicationController": "replicas selector minReadySeconds",
    "DeploymentConfig": "replicas selector strategy triggers minReadySeconds revisionHistoryLimit"
    " paused test",
    "Job": "parallelism completions completionMode activeDeadlineSeconds backoffLimit"
    " backoffLimitPerIndex maxFailedIndexes selector manualSelector ttlSecondsAfterFinished"
    " suspend podFailurePolicy podReplacementPolicy successPolicy managedBy",
    "CronJob": "schedule timeZone startingDeadlineSeconds concurrencyPolicy suspend"
    " successfulJobsHistoryLimit failedJobsHistoryLimit",
}


def claims(root: Field) -> bool:
    """Tell whether a document is a workload, what scales one, or what patches one.

    A workload's kind in a group of somebody else counts where it has containers.
    """
    kind = kind_of(root)
    is_ours = group_of(root) in GROUPS and root.at("apiVersion").text() is not None
    if kind in SCALERS:
        return is_ours
    if kind in POD_PATHS:
        return is_ours or root.at(*POD_PATHS[kind], "containers").is_list or _has_containers(root)
    return kustomize.claims(root)


def read(roots: Sequence[Field]) -> Found:
    """Read workloads, each with the scaler that names it."""
    scalers = Objects((*_target(root), root) for root in roots if kind_of(root) in SCALERS)
    parts: list[Found] = []
    for root in roots:
        kind = kind_of(root)
        if kind in POD_PATHS:
            parts.append(_workload(root, scalers))
        elif kind not in SCALERS:
            parts.append(Found(unreadable=tuple(kustomize.patches(root))))
    return merged(parts)


def _has_containers(root: Field) -> bool:
    """Tell whether something within an object has containers."""
    waiting: list[Node] = [] if root.node is None else [root.node]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        content = node.items if node.items is not None else node.pairs
        if content is None or id(content) in seen:
            continue
        seen.add(id(content))
        waiting += node.items or ()
        for key, value in node.pairs or ():
            if key.text == "containers" and value.items:
                return True
            waiting.append(value)
    return False


def _workload(root: Field, scalers: Objects) -> Found:
    kind = kind_of(root)
    defects = (*repeated_keys(root), *unknown_keys(root, LEVELS[kind], reader="Kubernetes"))
    pod = root.at(*POD_PATHS[kind])
    is_mistyped = any(one.kind.startswith("unknown") for one in defects)
    if _is_patch(pod) and not is_mistyped:  # `imge` is told as such
        message = f"no container of {kind} '{name_of(root)}' has an image: it is a patch"
        return Found(
            defects=defects, unreadable=(Unreadable(name_place(root), message, _RENDERED),)
        )
    if not pod.at("containers").is_list:
        way = ".".join([*POD_PATHS[kind], "containers"])
        message = f"{kind} '{name_of(root)}' has no list {way}"
        remedy = _RENDERED
        if group_of(root) not in GROUPS:
            message = f"{kind} '{name_of(root)}' of {group_of(root)} has containers elsewhere than"
            message += f" in {way}, and is not read"
            remedy = "check the workload that is made of it, or leave the file out"
        problem = Unreadable(name_place(root), message, remedy)
        return Found(defects=defects, unreadable=(problem,))
    template = root.at(*POD_PATHS[kind][:-1])
    holders = (root, template) if kind != "Pod" else (root,)
    where, scale = where_of(pod), _scale(root, scalers)
    deployed = tuple(
        Deployed(
            id=id_of(root) + (f"/{worker.container}" if worker.container else ""),
            format="kubernetes",
            kind=kind,
            name=name_of(root),
            place=name_place(root),
            models=worker.models,
            uris=worker.uris,
            images=worker.images,
            where=where,
            resources=worker.resources,
            containers=worker.containers,
            scale=scale,
            labels=labels_of(*reversed(holders)),
            annotations=annotations_of(*holders),
        )
        for worker in workers_of(pod)
    )
    return Found(deployed, (*defects, *bad_values(pod), *bad_counts(*_counts(root))))


def _is_patch(pod: Field) -> bool:
    """Tell whether containers are those of another file: no image is said, or can be put in."""
    containers = [*pod.at("containers").items()]
    return bool(containers) and all(
        one.is_mapping and one.kind() != "template" and not one.at("image") for one in containers
    )


def _counts(root: Field) -> tuple[Field, ...]:
    """Return what says how many pods a workload has."""
    kind, spec = kind_of(root), root.at("spec")
    spec = spec.at("jobTemplate", "spec") if kind == "CronJob" else spec
    return (spec.at("parallelism" if kind in ("Job", "CronJob") else "replicas"),)


def _scale(root: Field, scalers: Objects) -> Scale:
    (count,) = map(count_of, _counts(root))
    scaler = scalers.nearest(kind_of(root), name_of(root), beside=root)
    if scaler is None:
        return Scale(count, count)
    least = scaler.at("spec").first_of("minReplicas", "minReplicaCount")
    most = scaler.at("spec").first_of("maxReplicas", "maxReplicaCount")
    return Scale(count_of(least), count_of(most))


def _target(scaler: Field) -> tuple[str, str]:
    """Return kind and name of what is scaled."""
    target = scaler.at("spec", "scaleTargetRef")
    kind = target.at("kind").text() or "Deployment"  # the default of ScaledObject
    return kind, target.at("name").text() or ""


def _levels() -> dict[str, Level]:
    levels: dict[str, Level] = {}
    for kind, way in POD_PATHS.items():
        where = f"'{'.'.join(way)}'"
        last = POD
        if kind != "Pod":
            last = below(["spec"], last, known="metadata apiVersion kind", where=where)
            keys = _SPEC_KEYS["Job" if kind == "CronJob" else kind]
            watched = "replicas" if "replicas" in keys else ""
            last = below(["template"], last, known=keys, watched=watched, where=where)
        if kind == "CronJob":
            last = below(["spec"], last, known="metadata", where=where)
            last = below(["jobTemplate"], last, known=_SPEC_KEYS[kind], where=where)
        known = "apiVersion kind status"
        levels[kind] = below(["spec"], last, known=f"{known} metadata", where=where)
    return levels


LEVELS = _levels()
"""Kind -> the keys of its levels."""

FORMAT = Format(
    id="kubernetes",
    name="Kubernetes workloads",
    mark=re.compile(
        rb"""kind["']?\s*:\s*(?:[&!]\S{1,80}\s+)?["']?(?:%s)(?:List)?\b""" % _KINDS.encode()
    ),
    words=(b"kind",),
    claims=claims,
    read=read,
    page="kubernetes-workloads",
    kinds=(*POD_PATHS, *SCALERS, "Kustomization"),
)
