"""``placer check``: what it says is true of the manifest and leads out of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import onnx
import pytest
from onnx import helper

from placer.files.evidence import to_statement
from tests import builders, gate_project, models
from tests.cli.conftest import Make, Run
from tests.cli.test_check_causes import NETWORK
from tests.gate_project import CLOUD_LABEL, manifest, project, workload

EVIDENCE = (gate_project.Evidence(builders.measurement()),)
OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
KSERVE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: counter}}
spec:
  predictor:
    nodeSelector: {{node-role.kubernetes.io/edge: ""}}
    model:
      modelFormat: {{name: onnx}}
      storageUri: s3://m/model.onnx
      resources: {{limits: {{memory: 512Mi}}}}
{line}
"""


def kserve(line: str = "") -> str:
    return KSERVE.format(line=line)


def findings(run: Run, *options: str) -> dict[str, dict[str, Any]]:
    """Check, and return the last finding of each rule."""
    result = run("check", "deploy", *(options or OPTIONS), "--format", "json")
    assert result.out, result.err
    return {one["rule"]: one for one in json.loads(result.out)["findings"]}


@pytest.mark.parametrize("percentile", ["p50", "p99", "p99.9"])
def test_the_latency_is_told_at_the_percentile_of_the_target(
    run: Run, make: Make, percentile: str
) -> None:
    make(manifest(), workload_file=workload(latency={percentile: "30 ms"}))
    said = " ".join(run("check", "deploy", *OPTIONS).out.split())
    assert f"; {percentile} " in said
    assert ("p99 " in said) == (percentile == "p99")
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)["checked"][0]
    assert f"p{100 * found['percentile']:g}" == percentile


def test_evidence_that_was_not_locked_is_told_and_not_asked_for_again(run: Run, make: Make) -> None:
    folder = make(manifest(), evidence=EVIDENCE)
    lock = json.loads((folder / "placer.lock").read_text())
    lock["workloads"]["counter"]["evidence"] = []
    (folder / "placer.lock").write_text(json.dumps(lock))
    (folder / "evidence" / "broken.json").write_text("{")
    found = findings(run)["PLC611"]
    assert found["outcome"] == "inconclusive"
    assert "evidence/edge.json is evidence of " in found["message"]
    assert "placer.lock does not bind it" in found["message"]
    assert found["remedy"] == "where the model is: placer lock; and commit placer.lock"


def test_evidence_of_another_site_or_model_that_lies_there_is_not_it(run: Run, make: Make) -> None:
    other = builders.measurement(subjects=(("model.onnx", "9" * 64),))
    lying = (
        gate_project.Evidence(builders.measurement(), "orin", "orin.json"),
        gate_project.Evidence(other, file="other.json"),
    )
    folder = make(manifest(), evidence=lying)
    lock = json.loads((folder / "placer.lock").read_text())
    lock["workloads"]["counter"]["evidence"] = []
    (folder / "placer.lock").write_text(json.dumps(lock))
    found = findings(run)["PLC611"]
    assert found["message"].startswith("no evidence of ")
    assert "placer profile" in found["remedy"]


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize("is_locked", [True, False])
def test_a_batch_is_measured_only_of_a_model_that_takes_one(
    run: Run, make: Make, batch: int | str, is_locked: bool
) -> None:
    folder = make(
        kserve("    batcher: {maxBatchSize: 8}"),
        evidence=(),
        workload_file=workload(model={"path": "../model.onnx", "shapes": {"x": [1, 8]}}),
    )
    identity = helper.make_node("Relu", ["x"], ["y"])
    inputs, outputs = models.tensor("x", [batch, 8]), models.tensor("y", [batch, 8])
    onnx.save(models.build([identity], [inputs], [outputs], []), str(folder / "model.onnx"))
    assert run("lock").code == 0
    remedy = findings(run, *(OPTIONS if is_locked else OPTIONS[1:]))["PLC612"]["remedy"]
    assert "take the batching out of the manifest" in remedy
    is_fixed = "model.onnx takes no batch of 8, its batch dimension is fixed" in remedy
    assert is_fixed == (not is_locked and batch == 1)
    assert ("--shape x=8,8" in remedy) != is_fixed
    assert ("where the batch dimension of model.onnx is free" in remedy) == is_locked


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize("is_locked", [True, False])
def test_a_shape_is_measured_only_of_a_model_that_takes_it(
    run: Run, make: Make, batch: int | str, is_locked: bool
) -> None:
    folder = make(
        evidence=(),
        project_file=gate_project.project(
            sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/*"}]}},
            models=[{"uri": "counter*", "workload": "counter"}],
        ),
        workload_file=workload(model={"path": "../model.onnx", "shapes": {"x": [1, 8]}}),
    )
    config = 'name: "counter" platform: "onnxruntime_onnx" input { name: "x" dims: [ 4, 8 ] }'
    (folder / "deploy" / "config.pbtxt").write_text(config)
    relu = helper.make_node("Relu", ["x"], ["y"])
    inputs, outputs = models.tensor("x", [batch, 8]), models.tensor("y", [batch, 8])
    onnx.save(models.build([relu], [inputs], [outputs], []), str(folder / "model.onnx"))
    assert run("lock").code == 0
    remedy = findings(run, *(OPTIONS if is_locked else OPTIONS[1:]))["PLC612"]["remedy"]
    is_fixed = "state [1, 8] in the manifest: model.onnx is fixed at that" in remedy
    assert is_fixed == (not is_locked and batch == 1)
    assert ("--shape x=4,8" in remedy) != is_fixed
    assert ("where the input of model.onnx is fixed at [1, 8]" in remedy) == is_locked


@pytest.mark.parametrize(
    ("image", "is_other"),
    [
        ("mcr.microsoft.com/onnxruntime/server:v1.4.0", True),
        ("mcr.microsoft.com/onnxruntime:v1.4.0", True),
        ("ghcr.io/a/onnxruntime-server:1.20", True),
        ("mcr.microsoft.com/onnxruntime/server:v1.32.0", False),
        ("onnxruntime.example/counter:1.4", False),
    ],
)
def test_the_tag_of_an_image_of_onnx_runtime_is_its_version(
    run: Run, make: Make, image: str, is_other: bool
) -> None:
    make(manifest().replace("registry.example/counter", image))
    found = findings(run).get("PLC613")
    assert (found is not None) == is_other
    assert found is None or found["outcome"] == "inconclusive"


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("256MB", "write 256M"),
        ("1GiB", "write 1Gi"),
        ("256mb", "write one such as 512Mi"),
        ("much", "write one such as 512Mi"),
    ],
)
def test_an_amount_of_memory_is_answered_with_one(
    run: Run, make: Make, amount: str, told: str
) -> None:
    make(manifest().replace("512Mi", amount))
    assert findings(run)["PLC711"]["remedy"] == told


@pytest.mark.parametrize(
    ("key", "wrong", "told"),
    [
        ("workloads", "worklods", "unknown key 'worklods' (did you mean 'workloads'?)"),
        ("schema", "shema", "unknown key 'shema' (did you mean 'schema'?)"),
        ("rule", "rules", "unknown key 'rules' (did you mean 'rule'?)"),
    ],
)
def test_a_required_key_that_is_misspelt_is_told_as_that(
    run: Run, make: Make, key: str, wrong: str, told: str
) -> None:
    silent = [{"rule": "PLC707", "path": "**", "reason": "the operator limits it"}]
    folder = make(manifest(), project_file=project(suppressions=silent))
    text = (folder / "placer.yaml").read_text()
    (folder / "placer.yaml").write_text(text.replace(f"{key}:", f"{wrong}:", 1))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 2
    assert told in " ".join(result.err.split())
    assert "more)" not in result.err


def test_an_annotation_of_a_workload_that_is_not_known_is_told_where_it_stands(
    run: Run, make: Make
) -> None:
    lines = "  name: counter\n  annotations:\n    placer/workload: countr\n"
    make(manifest().replace("  name: counter\n", lines, 1))
    found = findings(run)["PLC702"]
    assert found["message"] == "no workload 'countr' in placer.yaml (did you mean 'counter'?)"
    assert found["place"]["line"] == 6
    assert found["place"]["pointer"].endswith("placer~1workload")


TERMS = (
    "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: "
    "{{nodeSelectorTerms: {}}}}}}}"
)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (
            "[{matchExpressions: [{key: zone, operator: NotIn, values: [a, b]}]}]",
            "the manifest says only where it does not run (zone not in a|b)",
        ),
        (
            "[{matchExpressions: [{key: gpu, operator: DoesNotExist}]}]",
            "the manifest says only where it does not run (no gpu)",
        ),
        (
            "[{matchExpressions: [{key: zone, operator: In, values: [a]}]},"
            " {matchExpressions: [{key: room, operator: Exists}]}]",
            "several terms of which one is enough (zone in a; or room with any value)",
        ),
    ],
)
def test_what_is_said_of_the_place_and_decides_nothing_is_told(
    run: Run, make: Make, terms: str, told: str
) -> None:
    selector = 'nodeSelector:\n        node-role.kubernetes.io/edge: ""'
    make(manifest().replace(selector, TERMS.format(terms)))
    found = findings(run)["PLC701"]
    assert told in found["message"]
    assert found["place"]["line"] == 10


def test_a_manifest_without_a_place_says_nothing_of_it(run: Run, make: Make) -> None:
    selector = 'nodeSelector:\n        node-role.kubernetes.io/edge: ""'
    make(manifest().replace(selector, "hostNetwork: false"))
    assert findings(run)["PLC701"]["message"] == "the manifest says nothing of the place"


@pytest.mark.parametrize(
    "lines",
    [
        'image: "${IMAGE}"\n    command: --model model.onnx\n    platform: "${PLATFORM}"',
        'image: registry/counter:1\n    command: --model "${MODEL}"',
        'image: registry/counter:1\n    command: --model model.onnx\n    mem_limit: "${LIMIT}"',
    ],
)
def test_what_is_not_rendered_of_compose_is_rendered_by_its_own_tool(
    run: Run, make: Make, lines: str
) -> None:
    make(f"services:\n  counter:\n    {lines}\n")
    told = " ".join(one["remedy"] for one in findings(run).values())
    assert "`docker compose config | placer check -`" in told
    assert "helm" not in told


@pytest.mark.parametrize("is_noisy", [True, False])
@pytest.mark.parametrize("runs", [60, 3000])
def test_an_unknown_loss_asks_for_a_probe_whatever_the_evidence_is(
    run: Run, make: Make, is_noisy: bool, runs: int
) -> None:
    measured = builders.measurement(0.001, runs=runs, ep="cuda")
    noisy = replace(measured.instrument, reasons=("other processes ran",) if is_noisy else ())
    evidence = gate_project.Evidence(
        replace(measured, instrument=noisy), gate_project.CLOUD, "cloud.json"
    )
    lossless = {key: value for key, value in NETWORK.items() if key != "loss"}
    make(
        manifest(CLOUD_LABEL, more=', nvidia.com/gpu: "1"'),
        evidence=(evidence,),
        networks={"site.yaml": lossless},
        workload_file=workload(network="site.yaml"),
    )
    found = findings(run)
    assert "packet loss is unknown" in found["PLC202"]["message"]
    assert "placer network probe" in found["PLC202"]["remedy"]
    assert "placer profile" not in found["PLC202"]["remedy"]
    if is_noisy or runs == 60:
        assert "placer profile" in found["PLC616"]["remedy"]


def test_a_batch_beyond_all_numbers_of_a_server_is_told_all_the_same(run: Run, make: Make) -> None:
    folder = make(kserve(f"    batcher: {{maxBatchSize: {2**70}}}"), evidence=())
    models.mlp(str(folder / "model.onnx"), 8, 1)
    assert run("lock").code == 0
    assert findings(run, *OPTIONS[1:])["PLC612"]["value"] == str(2**70)


def test_a_folder_called_like_evidence_is_none(run: Run, make: Make) -> None:
    folder = make(manifest(), evidence=())
    inner = folder / "evidence" / "old.json"
    inner.mkdir()
    data = to_statement(builders.measurement(), tool="placer test", site=gate_project.EDGE)
    (inner / "edge.json").write_bytes(data)
    assert findings(run)["PLC611"]["message"].startswith("no evidence of ")


SERVICE = kserve().replace("counter", "reader")
GRAPH = """\
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {{name: chain}}
spec:
  nodeSelector: {{{label}}}
  resources: {{limits: {{memory: 16Mi}}}}
  nodes:
    root:
      routerType: {router}
      steps:
{steps}
"""
NORTH = "topology.kubernetes.io/region: eu-north-1"


def graph(router: str, *steps: str, label: str = 'node-role.kubernetes.io/edge: ""') -> str:
    return GRAPH.format(
        router=router, label=label, steps="\n".join(f"        - {{{one}}}" for one in steps)
    )


def verdicts(run: Run) -> dict[str, Any]:
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    return {one["id"]: one for one in json.loads(result.out)["checked"]}


@pytest.mark.parametrize(
    ("label", "outcome"), [('node-role.kubernetes.io/edge: ""', "pass"), (NORTH, "fail")]
)
def test_the_router_of_a_graph_runs_no_model(
    run: Run, make: Make, label: str, outcome: str
) -> None:
    text = SERVICE + graph("Sequence", "serviceName: reader", label=label)
    make(text, workload_file=workload(data={"class": "public"}))
    assert not {"PLC611", "PLC706", "PLC707", "PLC708"} & findings(run).keys()
    found = verdicts(run)
    assert found["inferencegraph/chain"]["outcome"] == outcome
    assert found["inferencegraph/chain"]["p99_s"] is None
    assert found["inferenceservice/reader"]["p99_s"] is not None


def test_a_router_in_the_cloud_gets_the_raw_data_all_the_same(run: Run, make: Make) -> None:
    text = SERVICE + graph("Sequence", "serviceName: reader", label=NORTH)
    make(text, workload_file=workload(data={"class": "special", "may_leave": "nothing"}))
    assert verdicts(run)["inferencegraph/chain"]["outcome"] == "fail"


def test_a_router_of_a_service_that_is_not_read_proves_nothing(run: Run, make: Make) -> None:
    models_ = [{"uri": "reader", "workload": "counter"}]
    make(graph("Sequence", "serviceName: reader"), project_file=project(models=models_))
    found = findings(run)["PLC611"]
    assert "the service reader is not among what is checked" in found["message"]


@pytest.mark.parametrize(
    ("router", "number", "is_open"),
    [
        ("Sequence", 4, True),
        ("Ensemble", 2, True),
        ("Switch", 2, False),
        ("Splitter", 2, False),
        ("Sequence", 1, False),
    ],
)
def test_several_steps_of_a_graph_are_not_measured_by_one(
    run: Run, make: Make, router: str, number: int, is_open: bool
) -> None:
    make(SERVICE + graph(router, *["serviceName: reader"] * number))
    assert verdicts(run)["inferencegraph/chain"]["outcome"] == (
        "inconclusive" if is_open else "pass"
    )
    if is_open:
        told = findings(run)["PLC611"]["message"]
        assert f"a request runs through {number} steps" in told


@pytest.mark.parametrize("number", [1, 4])
def test_several_steps_of_an_ensemble_are_not_measured_by_one(
    run: Run, make: Make, number: int
) -> None:
    step = '{ model_name: "counter" model_version: -1 }'
    text = f'name: "chain" ensemble_scheduling {{ step [ {", ".join([step] * number)} ] }}'
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    models_ = [{"uri": "counter", "workload": "counter"}]
    folder = make(project_file=project(sites=sites, models=models_))
    (folder / "deploy" / "chain.pbtxt").write_text(text)
    found = verdicts(run)["model/chain"]
    assert found["outcome"] == ("pass" if number == 1 else "inconclusive")
    assert (found["p99_s"] is None) == (number > 1)
