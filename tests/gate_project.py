"""A project for tests of the gate: placer.yaml, placer.lock, a workload, evidence and manifests.

The model is never read: the lock holds what is known of it, as in a pipeline.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from placer.core.graph import ModelSummary
from placer.core.measurement import Measurement
from placer.files.evidence import to_statement
from placer.files.lock import (
    Lock,
    LockedNetwork,
    LockedRecord,
    LockedWorkload,
    locked_model,
    to_text,
)
from placer.onnx_files.reader import read_model
from tests import builders, models

EDGE = "rpi5"
CLOUD = "aws-g6.xlarge@eu-north-1"
TODAY = "2026-11-26"
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: counter
spec:
  selector: {{matchLabels: {{app: counter}}}}
  template:
    metadata: {{labels: {{app: counter}}}}
    spec:
      nodeSelector:
        {label}
      containers:
        - name: infer
          image: registry.example/counter@sha256:{sha}
          args: ["--model", "/models/model.onnx"]
          resources:
            limits: {{memory: 512Mi{more}}}
"""
EDGE_LABEL = 'node-role.kubernetes.io/edge: ""'
CLOUD_LABEL = "topology.kubernetes.io/region: eu-north-1"


def manifest(label: str = EDGE_LABEL, *, more: str = "") -> str:
    """A deployment whose place is one line."""
    return MANIFEST.format(label=label, sha="0" * 64, more=more)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measurement of a site, and what is wrong with its file."""

    measurement: Measurement
    site: str | None = EDGE
    file: str = "edge.json"
    is_missing: bool = False
    change: tuple[str, str] | None = None
    """Text that was replaced before it was locked."""
    tampering: tuple[str, str] | None = None
    """Text that was replaced after it was locked."""
    architecture: str | None = None
    """Of the machine; None: that of its site."""


def project(**changes: object) -> dict[str, object]:
    """The content of placer.yaml."""
    base: dict[str, object] = {
        "schema": "placer/project/v1",
        "workloads": {"counter": "workloads/counter.yaml"},
        "sites": {
            "line": {
                "device": EDGE,
                "match": [{"labels": {"node-role.kubernetes.io/edge": "*"}}, {"node": "line-*"}],
            },
            "north": {
                "cloud": CLOUD,
                "match": [{"labels": {"topology.kubernetes.io/region": "eu-north-1"}}],
            },
        },
        "models": [{"uri": "*model.onnx", "workload": "counter"}],
    }
    return {**base, **changes}


def workload(**changes: object) -> dict[str, object]:
    """The content of the workload file: the device keeps it, the cloud behind it does not."""
    base: dict[str, object] = {
        "schema": "placer/workload/v1",
        "name": "counter",
        "model": {"path": "../model.onnx"},
        "latency": {"p99": "30 ms"},
        "data": {"class": "internal", "regions": ["EU"]},
        "network": "lte_us",
    }
    return {**base, **changes}


def make(
    folder: Path,
    manifests: Mapping[str, str],
    *,
    evidence: Sequence[Evidence] = (Evidence(builders.measurement()),),
    model: ModelSummary | None = None,
    project_file: Mapping[str, object] | None = None,
    workload_file: Mapping[str, object] | None = None,
    networks: Mapping[str, Mapping[str, object]] | None = None,
    is_locked: bool = True,
) -> Path:
    """Write a project, and return its folder.

    Parameters
    ----------
    manifests
        File name -> text.
    networks
        File name in ``workloads/`` -> content; the first is locked.
    """
    for name in ("workloads", "evidence", "deploy"):
        (folder / name).mkdir(parents=True)
    for name, text in manifests.items():
        (folder / "deploy" / name).write_text(text, encoding="utf-8")
    _write(folder / "placer.yaml", project_file or project())
    _write(folder / "workloads" / "counter.yaml", workload_file or workload())
    records = []
    for one in evidence:
        path = folder / "evidence" / one.file
        own = "aarch64" if one.site == EDGE else "x86_64"
        machine = replace(one.measurement.machine, architecture=one.architecture or own)
        measured = replace(one.measurement, machine=machine)
        data = to_statement(measured, tool="placer test", site=one.site).decode()
        if one.change is not None:
            data = _replaced(data, one.change)
        records.append(
            LockedRecord(
                path=f"evidence/{one.file}",
                sha256=hashlib.sha256(data.encode()).hexdigest(),
                site=one.site,
                ep=one.measurement.ep,
                measured_at=one.measurement.measured_at,
            )
        )
        if one.tampering is not None:
            data = _replaced(data, one.tampering)
        if not one.is_missing:
            path.write_text(data, encoding="utf-8")
    network = None
    for name, content in (networks or {}).items():
        path = folder / "workloads" / name
        _write(path, content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        network = network or LockedNetwork(path=f"workloads/{name}", sha256=digest)
    if is_locked:
        locked = LockedWorkload(
            model=locked_model(model or builders.model()), evidence=tuple(records), network=network
        )
        lock = Lock(tool="placer test", models={}, workloads={"counter": locked})
        (folder / "placer.lock").write_text(to_text(lock), encoding="utf-8")
    return folder


def measured(folder: Path, site: str = EDGE) -> None:
    """Write a small model, and what was measured of it on a site."""
    models.mlp(str(folder / "model.onnx"), 8, 1)
    summary = read_model(str(folder / "model.onnx"), shapes={})
    found = builders.measurement(
        subjects=summary.subjects,
        input_shapes=tuple((spec.name, spec.shape) for spec in summary.inputs),
    )
    data = to_statement(found, tool="placer test", site=site)
    (folder / "evidence" / "edge.json").write_bytes(data)


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")


def _replaced(text: str, change: tuple[str, str]) -> str:
    assert change[0] in text
    return text.replace(*change)


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def committed(folder: Path, message: str = "before") -> None:
    """Commit all that is in a folder."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-qm", message)


def edited_lock(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the lock states of models."""
    lock = json.loads((folder / "placer.lock").read_text())
    for one in lock["workloads"].values():
        change(one["model"])
    (folder / "placer.lock").write_text(json.dumps(lock))
