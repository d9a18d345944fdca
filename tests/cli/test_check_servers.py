"""``placer check``: what a server of models leaves open, or runs otherwise than was measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placer.core.graph import TensorSpec
from tests import builders, gate_project
from tests.cli.conftest import Run
from tests.gate_project import Evidence, project

HERE = project(
    sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}},
    models=[{"uri": uri, "workload": "counter"} for uri in ("counter*", "s3://m/model.onnx")],
)
Told = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Check one of Triton or KServe: exit code, and what does not pass."""

    def check(text: str, **arguments: Any) -> tuple[int, dict[str, str]]:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        is_triton = not text.startswith("apiVersion")
        files = {"a.pbtxt": f'name: "counter" {text}'} if is_triton else {"a.yaml": text}
        gate_project.make(folder, files, project_file=HERE, **arguments)
        monkeypatch.chdir(folder)
        result = run("check", "deploy", "--locked", "--as-of", gate_project.TODAY, "--format=json")
        assert result.out, result.err
        found = json.loads(result.out)["findings"]
        return result.code, {
            one["rule"]: one["outcome"] for one in found if one["outcome"] != "pass"
        }

    return check


PLATFORM = 'platform: "onnxruntime_onnx"'
CHOOSING = f"{PLATFORM} optimization {{ execution_accelerators"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{PLATFORM} instance_group [{{ kind: ${{KIND}} }}]", 5),
        (f'{PLATFORM} instance_group {{ kind: "$KIND" }}', 5),
        (f"{PLATFORM} instance_group: ${{IG}}", 5),
        (f"{PLATFORM} instance_group [ {{ kind: KIND_CPU }}, ${{IG}} ]", 5),
        (f"{PLATFORM} instance_group {{ secondary_devices {{ kind: ${{K}} }} }}", 5),
        ("backend: ${BACKEND} default_model_filename: 'model.onnx'", 5),
        (f"{PLATFORM} optimization: ${{O}}", 5),
        (f"{CHOOSING}: ${{E}} }}", 5),
        (f"{CHOOSING} {{ gpu_execution_accelerator: ${{G}} }} }}", 5),
        (f'{CHOOSING} {{ gpu_execution_accelerator: [ {{ name: "${{A}}" }} ] }} }}', 5),
        (f"{CHOOSING} {{ cpu_execution_accelerator {{ name: ${{A}} }} }} }}", 5),
        (
            f"{CHOOSING} {{ gpu_execution_accelerator {{ name: ${{A}} }} }} }}"
            " instance_group { kind: KIND_CPU }",
            0,
        ),
        (f"{PLATFORM} instance_group {{ kind: KIND_CPU count: ${{N}} }}", 0),
    ],
)
def test_what_a_server_of_models_leaves_to_be_filled_in_is_not_known(
    told: Told, text: str, code: int
) -> None:
    got, rules = told(text)
    assert (got, rules) == (code, {"PLC708": "inconclusive"} if code else {})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("max_batch_size: 8", 0),
        ("max_batch_size: 8 dynamic_batching { }", 5),
        ("max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4 ] }", 5),
        ("max_batch_size: 2 sequence_batching { oldest { } }", 5),
        ("max_batch_size: 8 dynamic_batching: ${D}", 5),
        ("max_batch_size: ${B} dynamic_batching { }", 5),
        ("max_batch_size: 1 dynamic_batching { }", 0),
        ("max_batch_size: 0 dynamic_batching { }", 0),
        ("dynamic_batching { }", 0),
    ],
)
def test_a_batch_that_was_not_measured_proves_nothing(told: Told, text: str, code: int) -> None:
    got, rules = told(f"{PLATFORM} {text}")
    assert (got, rules) == (code, {"PLC612": "inconclusive"} if code else {})


def test_a_batch_that_was_measured_holds(told: Told) -> None:
    model = builders.model(inputs=(TensorSpec("x", "float32", (8, 3, 64, 64), 393_216),))
    evidence = (Evidence(builders.measurement(input_shapes=(("x", model.inputs[0].shape),))),)
    for size, code in ((8, 0), (9, 5)):
        text = f"{PLATFORM} max_batch_size: {size} dynamic_batching {{ }}"
        assert told(text, model=model, evidence=evidence)[0] == code


SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: counter}
spec:
  predictor:
    model:
      modelFormat: {name: onnx}
      storageUri: s3://m/model.onnx
      resources: {limits: {memory: 512Mi}}
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("minReplicas: 1", 0),
        ("batcher: {maxBatchSize: 8, maxLatency: 500}", 5),
        ("batcher: {}", 5),
        ("batcher: {maxBatchSize: '${N}'}", 5),
        ("batcher: '${B}'", 5),
        ("batcher: {{ toYaml .Values.batcher }}", 5),
        ("batcher: {maxBatchSize: 1}", 0),
        ("batcher:", 0),
    ],
)
def test_a_batch_of_kserve_that_was_not_measured_proves_nothing(
    told: Told, line: str, code: int
) -> None:
    got, rules = told(f"{SERVICE}    {line}\n")
    assert (got, rules) == (code, {"PLC612": "inconclusive"} if code else {})


def test_the_batches_of_a_transformer_count(told: Told) -> None:
    around = "  transformer: {containers: [{name: a, image: b}], batcher: {maxBatchSize: 4}}\n"
    assert told(f"{SERVICE}{around}") == (5, {"PLC612": "inconclusive"})


@pytest.mark.parametrize(
    "predictor",
    [
        "apiVersion: serving.kserve.io/v1beta1\n{}spec:\n"
        "  predictor:\n    containers: [{{image: '{}'}}]\n",
        "apiVersion: serving.kubeflow.org/v1alpha2\n{}spec:\n  default:\n"
        "    predictor:\n      custom: {{container: {{image: '{}'}}}}\n",
    ],
)
def test_a_predictor_of_an_image_that_nobody_knows_runs_a_model_all_the_same(
    told: Told, predictor: str
) -> None:
    head = "kind: InferenceService\nmetadata: {name: a}\n"
    assert "PLC702" not in told(predictor.format(head, "counter:1"))[1]
    code, rules = told(predictor.format(head, "registry.example/other:1"))
    assert (code, rules["PLC702"]) == (5, "inconclusive")
