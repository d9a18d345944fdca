"""Every rule of the gate: a project that breaks it, one that does not, texts, and the page."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placer.api.checking import check
from placer.core.gate import CheckResult
from placer.core.gate_rules import GATE_RULES
from placer.core.rules import RULES
from tests import builders, gate_project, pages
from tests.gate_project import CLOUD, CLOUD_LABEL, EDGE_LABEL, Evidence, manifest, project, workload

Arguments = dict[str, Any]
GOOD = Evidence(builders.measurement())
ON_CUDA = Evidence(builders.measurement(ep="cuda", nodes_by_ep=(("cuda", 66),)))
NETWORK = {
    "name": "site",
    "rtt": {"p50": "5 ms", "p99": "8 ms"},
    "uplink": "100 Mbit/s",
    "downlink": "100 Mbit/s",
    "loss": "0%",
    "basis": "measured",
    "source": "test",
}
IN_CLOUD = Evidence(builders.measurement(0.001, ep="cuda"), CLOUD, "cloud.json")


def one(text: str = "", **arguments: Any) -> Arguments:
    return {"manifests": {"a.yaml": text or manifest()}, **arguments}


def at_cloud(measured_at: str, **arguments: Any) -> Arguments:
    return one(
        manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"'),
        evidence=(GOOD, IN_CLOUD),
        networks={"site.yaml": {**NETWORK, "measured_at": measured_at}},
        workload_file=workload(network="site.yaml"),
        **arguments,
    )


def kserve(logger: str) -> str:
    return (
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: counter}\n"
        "spec:\n  predictor:\n    nodeSelector: {node-role.kubernetes.io/edge: ''}\n" + logger + ""
        "    model:\n      modelFormat: {name: onnx}\n      storageUri: s3://m/model.onnx\n"
        "      resources: {limits: {memory: 512Mi}}\n"
    )


LOGGER = "    logger: {url: https://logs.example.com, mode: request}\n"
COMMENT = "# placer: ignore[PLC707] the operator limits it{until}\n"
UNLIMITED = manifest().replace("limits: {memory: 512Mi}", "limits: {cpu: 4}")
OLD = replace(builders.measurement(), measured_at="2026-01-02")
WEAK = builders.measurement(runs=120)
NODES = (("qnn", 60), ("cpu", 6))
OTHER_MODEL = builders.model(sha256="cd" * 32, subjects=(("model.onnx", "cd" * 32),))
PINNED = project(models=[{"uri": "*model.onnx", "workload": "counter", "sha256": "ab" * 32}])
LOOSE = manifest().replace("@sha256:" + "0" * 64, ":1.4")
RUNTIME = project(
    sites={
        "line": {
            "device": gate_project.EDGE,
            "runtime": "onnxruntime 1.26",
            "match": [{"labels": {"node-role.kubernetes.io/edge": "*"}}],
        }
    }
)
UNLOCKED = project(
    workloads={"counter": "workloads/counter.yaml", "b": "workloads/counter.yaml"},
    models=[{"uri": "*model.onnx", "workload": "b"}],
)

FIXTURES: Mapping[str, tuple[Arguments, Arguments]] = {
    "PLC611": (one(evidence=()), one()),
    "PLC612": (
        one(project_file=PINNED, model=OTHER_MODEL, evidence=()),
        one(project_file=PINNED),
    ),
    "PLC613": (one(project_file=RUNTIME), one()),
    "PLC614": (
        one(
            manifest(more=", example.com/npu: 1"),
            evidence=(Evidence(builders.measurement(ep="qnn", nodes_by_ep=NODES)),),
        ),
        one(
            manifest(more=", example.com/npu: 1"),
            evidence=(Evidence(builders.measurement(ep="qnn")),),
        ),
    ),
    "PLC615": (one(evidence=(Evidence(OLD),)), one()),
    "PLC616": (one(evidence=(Evidence(WEAK),)), one()),
    "PLC617": (
        one(evidence=(replace(GOOD, change=('"method_version":1', '"method_version":9')),)),
        one(),
    ),
    "PLC618": (one(evidence=(replace(GOOD, tampering=("2026-11-23", "2026-11-22")),)), one()),
    "PLC619": (at_cloud("2026-10-01"), at_cloud("2026-11-25")),
    "PLC620": (one(project_file=UNLOCKED), one()),
    "PLC621": (one(evidence=(replace(GOOD, architecture="x86_64"),)), one()),
    "PLC701": (one(manifest("disk: ssd")), one()),
    "PLC702": (one(manifest().replace("model.onnx", "other.onnx")), one()),
    "PLC703": (
        at_cloud("2026-11-25"),
        one(),
    ),
    "PLC704": (
        one(kserve(LOGGER), workload_file=workload(data={"class": "special", "regions": ["EU"]})),
        one(kserve(""), workload_file=workload(data={"class": "special", "regions": ["EU"]})),
    ),
    "PLC705": (
        one(kserve(LOGGER)),
        one(
            kserve(LOGGER),
            project_file=project(egress=[{"to": "https://logs.*", "jurisdiction": "DE"}]),
        ),
    ),
    "PLC706": (one(manifest().replace("512Mi", "64Mi")), one()),
    "PLC707": (one(UNLIMITED), one()),
    "PLC708": (
        one(evidence=(ON_CUDA,)),
        one(manifest(more=", nvidia.com/gpu: 1"), evidence=(ON_CUDA,)),
    ),
    "PLC709": (
        one(
            manifest().replace("      containers:", "      nodeSelector: {a: b}\n      containers:")
        ),
        one(),
    ),
    "PLC710": (one(manifest().replace("nodeSelector", "nodeSelecter")), one()),
    "PLC711": (one(manifest().replace("512Mi", "512 Megs")), one()),
    "PLC712": (one(manifest() + "---\nkind: Deployment\nspec: {{ .Values.spec }\n"), one()),
    "PLC713": (one(LOOSE), one()),
    "PLC714": (one(manifest(more=", cpu: 10m")), one(manifest(more=", cpu: 4"))),
    "PLC715": (
        one(manifest(f"{EDGE_LABEL}\n        kubernetes.io/arch: amd64")),
        one(manifest(f"{EDGE_LABEL}\n        kubernetes.io/arch: arm64")),
    ),
    "PLC721": (
        one(COMMENT.format(until="") + manifest()),
        one(
            UNLIMITED.replace(
                "            limits",
                "            " + COMMENT.format(until="") + "            limits",
            )
        ),
    ),
    "PLC722": (
        one(COMMENT.format(until="; until=2026-06-30") + manifest()),
        one(COMMENT.format(until="; until=2027-06-30") + manifest()),
    ),
}


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Arguments], CheckResult]:
    def run(arguments: Arguments) -> CheckResult:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        gate_project.make(folder, **arguments)
        monkeypatch.chdir(folder)
        day = datetime.date.fromisoformat(gate_project.TODAY)
        return check(["deploy"], is_locked=True, as_of=day).result

    return run


def rules_of(result: CheckResult) -> set[str]:
    return {found.rule for found in (*result.findings, *result.suppressed)}


@pytest.mark.parametrize("rule", GATE_RULES, ids=lambda rule: rule.id)
def test_has_a_project_that_breaks_it_and_one_that_does_not(
    rule: Any, checked: Callable[[Arguments], CheckResult]
) -> None:
    failing, passing = FIXTURES[rule.id]
    broken = checked(failing)
    assert rule.id in rules_of(broken), [f.rule + " " + f.message for f in broken.findings]
    for found in broken.findings:
        if found.rule == rule.id:
            assert found.severity <= rule.severity
            assert found.message
            assert found.remedy
    kept = checked(passing)
    assert rule.id not in rules_of(kept), [f.rule + " " + f.message for f in kept.findings]


def test_none_of_an_accelerator_is_no_accelerator(
    checked: Callable[[Arguments], CheckResult],
) -> None:
    result = checked(one(manifest(more=", nvidia.com/gpu: 0"), evidence=(ON_CUDA,)))
    assert "PLC708" in rules_of(result)


def test_a_project_that_breaks_nothing_passes(checked: Callable[[Arguments], CheckResult]) -> None:
    result = checked(one())
    assert rules_of(result) == set()
    assert result.outcome == "pass"


def test_ids_are_unique_over_both_kinds_of_rules_and_stand_in_order() -> None:
    ids = [*(rule.id for rule in RULES), *(rule.id for rule in GATE_RULES)]
    assert len(set(ids)) == len(ids)
    gate = [rule.id for rule in GATE_RULES]
    assert gate == sorted(gate)


@pytest.mark.parametrize("rule", GATE_RULES, ids=lambda rule: rule.id)
def test_is_explained_on_the_page(rule: Any) -> None:
    page = pages.read("rules.md")
    assert f"## {rule.id}: {rule.title}\n" in page
    for text in (rule.what, rule.why, rule.example, rule.fix):
        assert text in page
        assert re.search(r"\w", text)
    assert (rule.check is None) != (rule.check_files is None)
