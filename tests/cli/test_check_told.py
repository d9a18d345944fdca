"""``placer check``: what it says is true of the manifest and leads out of it."""

from __future__ import annotations

import json
from typing import Any

import onnx
import pytest
from onnx import helper

from tests import builders, gate_project, models
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest, workload

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
