"""Objects of kinds that no format reads: those that deploy a model are told."""

from __future__ import annotations

import io

import pytest

from placer.core.deployment import Manifests
from placer.manifests.reading import read_manifests

ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: vision}
spec:
  template:
    spec:
      containers:
        - {name: web, image: web:1, args: [ARGUMENT]}
"""


def read(text: str) -> Manifests:
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


def test_a_model_in_the_pods_of_an_unknown_kind_is_told_at_its_name() -> None:
    found = read(ROLLOUT.replace("ARGUMENT", "--model=/m/net.onnx"))
    (problem,) = found.unreadable
    assert problem.message == (
        "Rollout 'vision' deploys the model /m/net.onnx, and its kind is not read"
    )
    assert (problem.place.line, problem.place.column) == (3, 18)
    assert (found.files, found.skipped) == (1, 0)


def test_what_runs_no_model_is_left_out() -> None:
    found = read(ROLLOUT.replace("ARGUMENT", "--port=80"))
    assert not found.unreadable
    assert (found.files, found.skipped) == (0, 1)


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("sedna.io/v1alpha1", "FeatureExtractionService", "{model: {name: reid}}"),
        ("sedna.io/v1alpha1", "MultiEdgeInferenceService", "{}"),
        ("serving.kubeflow.org/v1alpha1", "KFService", "{default: {onnx: {}}}"),
        ("serving.kserve.io/v1alpha1", "TrainedModel", "{inferenceService: a}"),
        ("machinelearning.seldon.io/v1", "SeldonDeployment", "{predictors: [{name: default}]}"),
    ],
)
def test_kinds_that_serve_are_told_however_they_say_the_model(
    version: str, kind: str, spec: str
) -> None:
    found = read(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n")
    (problem,) = found.unreadable
    assert problem.message == f"{kind} 'a' deploys a model, and its kind is not read"


def test_a_trained_model_of_kserve_is_told_with_its_uri() -> None:
    found = read(
        "apiVersion: serving.kserve.io/v1alpha1\nkind: TrainedModel\nmetadata: {name: a}\n"
        "spec: {inferenceService: b, model: {framework: onnx, storageUri: 's3://m/net'}}\n"
    )
    (problem,) = found.unreadable
    assert problem.message == (
        "TrainedModel 'a' deploys the model s3://m/net, and its kind is not read"
    )


SCRIPT = "exec serve --model s3://m/net"
CONTAINER = "{name: a, image: i, args: [--model=s3://m/net]}"


@pytest.mark.parametrize(
    ("version", "kind", "content"),
    [
        ("serving.kubeflow.org/v1alpha1", "KFService", "{default: {onnx: {modelUri: s3://m/net}}}"),
        ("machinelearning.seldon.io/v1", "SeldonDeployment", "{graph: {modelUri: s3://m/net}}"),
        ("mlops.seldon.io/v1alpha1", "Model", "{storageUri: s3://m/net}"),
        ("kubeai.org/v1", "Model", "{url: s3://m/net}"),
        ("argoproj.io/v1alpha1", "Workflow", f"{{templates: [{{container: {CONTAINER}}}]}}"),
        ("tekton.dev/v1", "Task", f"{{steps: [{CONTAINER}]}}"),
        ("tekton.dev/v1", "Task", f"{{steps: [{{image: i, script: '{SCRIPT}'}}]}}"),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            f"{{templates: [{{script: {{image: i, command: [sh], source: '{SCRIPT}'}}}}]}}",
        ),
    ],
)
def test_a_kind_that_is_not_read_is_told_with_its_model(
    version: str, kind: str, content: str
) -> None:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
    for found in (
        read(f"{text}spec: {content}\n"),
        read(f"{text}template: {{spec: {content}}}\n"),  # as v1 PodTemplate has it
    ):
        (problem,) = found.unreadable
        assert problem.message.startswith(f"{kind} 'a' deploys the model s3://m/net")


@pytest.mark.parametrize(
    "step",
    [
        "{image: i, args: [--epochs, '3', --export, /out/model.onnx]}",
        "{image: i, command: [python, export.py], args: [--out=/out/model.onnx]}",
        "{image: i, script: 'python export.py --output-path \"/out/model.onnx\"'}",
    ],
)
def test_a_step_that_writes_a_model_deploys_none(step: str) -> None:
    text = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec: {steps: [STEP]}\n"
    assert not read(text.replace("STEP", step)).unreadable
    ran = step.replace("--export", "--model").replace("--out=", "--model=")
    assert read(text.replace("STEP", ran.replace("--output-path", "--model"))).unreadable


def test_a_url_or_steps_without_an_image_name_no_model() -> None:
    for spec in ("{url: s3://m/net}", "{steps: [{name: a, args: [--model=s3://m/net]}]}"):
        found = read(
            f"apiVersion: example.com/v1\nkind: Page\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
        assert not found.unreadable


@pytest.mark.parametrize("kind", ["ServingRuntime", "ClusterServingRuntime"])
@pytest.mark.parametrize("option", ["--model-store=/mnt/models", "--model_dir=/mnt/models"])
def test_a_runtime_of_kserve_deploys_no_model(kind: str, option: str) -> None:
    container = f"{{name: kserve-container, image: triton, args: ['{option}']}}"
    text = (
        f"kind: {kind}\nmetadata: {{name: a}}\n"
        f"spec: {{supportedModelFormats: [{{name: onnx}}], containers: [{container}]}}\n"
    )
    assert not read(f"apiVersion: serving.kserve.io/v1alpha1\n{text}").unreadable
    assert read(f"apiVersion: example.com/v1\n{text}").unreadable


def test_other_services_of_knative_and_definitions_of_kinds_are_left_out() -> None:
    for text in (
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n"
        "spec: {template: {spec: {containers: [{image: web}]}}}\n",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata: {name: a}\nspec: {names: {kind: SeldonDeployment}, "
        "properties: {containers: {type: array}}}\n",
    ):
        assert not read(text).unreadable
