"""Of each format two manifests that differ in the declared placement alone: the verdict flips.

On the same evidence and through the same ``evaluate`` that recommends: what the device keeps the
cloud behind a slow network does not.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from placer.api.checking import check
from placer.core.gate import Outcome
from placer.core.graph import TensorSpec
from placer.core.measurement import SessionSettings
from placer.manifests.formats import FORMATS
from tests import builders, gate_project
from tests.gate_project import CLOUD, EDGE, Evidence

FIXTURES = Path(__file__).parent.parent / "manifests"
EDGE_WORDS: list[dict[str, Any]] = [
    {"labels": {"site": "line-3"}},
    {"labels": {"node-role.kubernetes.io/edge": "*"}},
    {"group": "line-3"},
    {"group": "deviceId='line-3-jetson'"},
    {"node": "box-17"},
]
CLOUD_WORDS: list[dict[str, Any]] = [
    {"labels": {"site": "eu-west"}},
    {"labels": {"topology.kubernetes.io/region": "eu-west-1"}},
    {"group": "test-vms"},
    {"group": "deviceId='vm-westeurope-1'"},
    {"node": "server-*"},
]
PROJECT = gate_project.project(
    sites={
        "line": {"device": EDGE, "match": EDGE_WORDS},
        "cloud": {"cloud": CLOUD, "match": CLOUD_WORDS},
    },
    models=[{"uri": "*", "workload": "counter"}],
)
ON_CPU = Evidence(builders.measurement(settings=SessionSettings(1, None)), file="edge.json")
RANKER = builders.model(inputs=(TensorSpec("features", "float32", (1, 128), 512),))
SHAPES = tuple((spec.name, spec.shape) for spec in RANKER.inputs)
ON_GPU = Evidence(builders.measurement(ep="cuda", input_shapes=SHAPES), file="cuda.json")
IN_CLOUD = Evidence(builders.measurement(0.001, ep="cuda"), CLOUD, "cloud.json")


def outcomes(
    folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> list[tuple[str, str | None, Outcome]]:
    text = path.read_text(encoding="utf-8")
    name = "config.pbtxt" if path.suffix == ".pbtxt" else f"deployment{path.suffix}"
    gate_project.make(folder, {name: text}, **arguments)
    monkeypatch.chdir(folder)
    day = datetime.date.fromisoformat(gate_project.TODAY)
    result = check(["deploy"], is_locked=True, as_of=day).result
    return [(one.id, one.site, one.outcome) for one in result.checked]


def pair(format_id: str) -> tuple[Path, Path]:
    (edge,) = [path for path in (FIXTURES / format_id).iterdir() if "-edge." in path.name]
    return edge, edge.with_name(edge.name.replace("-edge.", "-cloud."))


@pytest.mark.parametrize("format_id", [one.id for one in FORMATS if one.id != "triton"])
def test_the_verdict_follows_the_declared_place(
    format_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge, cloud = pair(format_id)
    arguments = {"project_file": PROJECT, "evidence": (ON_CPU, IN_CLOUD)}
    on_edge = outcomes(tmp_path / "edge", edge, monkeypatch, **arguments)
    in_cloud = outcomes(tmp_path / "cloud", cloud, monkeypatch, **arguments)
    assert on_edge[0][1:] == ("line", Outcome.PASS)
    assert in_cloud[0][1:] == ("cloud", Outcome.FAIL)
    assert on_edge[0][0] == in_cloud[0][0]
    assert on_edge[1:] == in_cloud[1:]  # Sedna's worker in the cloud is the same in both


def test_the_verdict_follows_the_device_class_where_a_format_says_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, gpu = pair("triton")
    sites = {"line": {"device": EDGE, "match": [{"path": "deploy/*"}]}}
    arguments = {
        "project_file": gate_project.project(
            sites=sites, models=[{"uri": "*", "workload": "counter"}]
        ),
        "evidence": (ON_GPU,),
        "model": RANKER,
    }
    assert outcomes(tmp_path / "gpu", gpu, monkeypatch, **arguments)[0][2] is Outcome.PASS
    assert outcomes(tmp_path / "cpu", cpu, monkeypatch, **arguments)[0][2] is Outcome.FAIL
