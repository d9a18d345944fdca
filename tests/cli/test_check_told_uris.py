"""``placer check``: a URI that `models` name counts wherever a program is told it."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
ARGS = 'args: ["--model", "/models/model.onnx"]'
URI = "s3://models/counter/v3"
STORED = {"uri": "s3://models/counter/*", "workload": "counter"}
MODELS = [*project()["models"], STORED, {"uri": "registry.example/whole*", "workload": "counter"}]  # type: ignore[misc]  # a list


def judged(run: Run, make: Make, *texts: str) -> dict[str, str]:
    """Id -> workload of all that runs a model; ``unknown`` where it is not known which."""
    make(*texts, project_file=project(models=MODELS))
    result = run("check", "deploy", *OPTIONS)
    assert result.out, result.err
    report = json.loads(result.out)
    is_unknown = any(one["rule"] == "PLC702" for one in report["findings"])
    return {one["id"]: "unknown" if is_unknown else one["workload"] for one in report["checked"]}


@pytest.mark.parametrize(
    "line",
    [
        f"env: [{{name: MODEL_SOURCE, value: '{URI}'}}]",
        f"env: [{{name: ARTIFACT_URI, value: '{URI}'}}]",
        f"env: [{{name: S3_PATH, value: '{URI}'}}]",
        f"args: [serve, '{URI}']",
        f"args: [serve, --from, '{URI}']",
        f"args: ['--checkpoint={URI}']",
        f"command: [sh, -c, 'fetch {URI} | serve']",
    ],
)
def test_a_uri_of_the_project_is_a_model_wherever_it_stands(
    run: Run, make: Make, line: str
) -> None:
    assert judged(run, make, manifest().replace(ARGS, line)) == {"deployment/counter": "counter"}


@pytest.mark.parametrize(
    "line",
    [
        "env: [{name: MODEL_SOURCE, value: 's3://other/v3'}]",
        "args: [serve, 'https://counter/s3']",
        f"env: [{{name: OUTPUT_URI, value: '{URI}'}}]",
    ],
)
def test_other_uris_are_none(run: Run, make: Make, line: str) -> None:
    both = (manifest().replace(ARGS, line), manifest().replace("name: counter", "name: b"))
    assert judged(run, make, *both) == {"deployment/b": "counter"}


AWAY = "s3://other/copy"
OUT = "/out/x.bin"


@pytest.mark.parametrize(
    ("line", "is_run"),
    [
        (f"command: [aws, s3, cp, {OUT}, '{URI}']", False),
        (f"command: [sh, -c, 'train --epochs 3 && aws s3 cp {OUT} {URI}']", False),
        (f"command: [train, --output-uri, '{URI}']", False),
        (f"command: [train, '--dest={URI}']", False),
        (f"command: [sh, -c, 'train --export_path {URI}']", False),
        (f"command: [aws, s3, sync, '{URI}', '{AWAY}']", False),
        (
            f"command: [sh, -c, 'gsutil -m cp -r {OUT} $T'], env: [{{name: T, value: '{URI}'}}]",
            False,
        ),
        (f"env: [{{name: TARGET_URI, value: '{URI}'}}]", False),
        (f"command: [aws, s3, cp, '{URI}', /models/x]", True),
        (f"command: [aws, s3, cp, '{URI}', models]", True),
        (f"command: [aws, s3, cp, --quiet, '{URI}', --recursive, models]", True),
        (f"command: [sh, -c, 'aws s3 cp {URI} - | serve']", True),
        (f"command: [sh, -c, 'aws s3 cp {URI} $TO']", True),
        (f"command: [az, storage, copy, -d, /models, --source, '{URI}']", True),
        (f"command: [sh, -c, 'aws s3 cp {OUT} {URI}; serve --from {URI}']", True),
        (f"command: [train, --output, '{URI}', --base, '{URI}']", True),
        (f"command: [serve, --target-model, '{URI}']", True),
        (f"command: [serve, --disable-log-requests, '{URI}']", True),
        (f"command: [serve, --save-txt, '{URI}']", True),
        (f"command: [serve, --no-export, '{URI}']", True),
        (f"command: [train, --log-dir, '{URI}']", False),
        (f"command: [train, --output-uri, '{URI}?v=1']", False),
        (f"command: [train, --upload-to=s3, --push, '{URI}']", False),
        (f"command: [rclone, copy, '{URI}', 'local:/models']", True),
        (f"command: [hdfs, dfs, -get, '{URI}', 'file:///models']", True),
    ],
)
def test_a_uri_that_is_written_to_is_no_model_that_runs(
    run: Run, make: Make, line: str, *, is_run: bool
) -> None:
    text = manifest().replace(ARGS, line.replace("], env:", "]\n          env:"))
    found = judged(run, make, text, manifest().replace("name: counter", "name: b"))
    assert ("deployment/counter" in found) == is_run


@pytest.mark.parametrize(("to", "is_run"), [(AWAY, False), ("/models", True)])
def test_what_the_image_of_a_tool_copies_elsewhere_is_no_model(
    run: Run, make: Make, to: str, *, is_run: bool
) -> None:
    image, words = "rclone/rclone:1", ["sync", f"{URI}/", f"{to}/"]
    other = manifest().replace("name: counter", "name: b")
    text = manifest().replace(ARGS, f"args: {json.dumps(words)}")
    text = text.replace("registry.example/counter@sha256:" + "0" * 64, image)
    compose = json.dumps({"services": {"s": {"image": image, "command": words}}})
    module = {"settings": {"image": image, "createOptions": json.dumps({"Cmd": words})}}
    agent = {"properties.desired": {"modules": {"m": module}}}
    edge = json.dumps({"modulesContent": {"$edgeAgent": agent}})
    found = {*judged(run, make, text, compose, edge, other)}
    running = {"deployment/counter", "service/s", "module/m"} if is_run else set()
    assert found == {"deployment/b", *running}


def test_what_an_init_container_is_told_counts(run: Run, make: Make) -> None:
    inits = f"initContainers: [{{name: i, image: c, args: [get, '{URI}']}}]\n      containers:"
    text = manifest().replace(ARGS, "args: [serve]").replace("containers:", inits)
    assert judged(run, make, text) == {"deployment/counter": "counter"}


def test_a_second_model_that_is_not_known_is_told(run: Run, make: Make) -> None:
    env = "env: [{name: MODEL_S3_URI, value: 's3://other/model-v9/'}]"
    text = manifest().replace(ARGS, f"{ARGS}\n          {env}")
    assert judged(run, make, text) == {"deployment/counter": "unknown"}


def test_of_several_containers_the_one_that_is_told_the_uri_runs_it(run: Run, make: Make) -> None:
    side = f"- {{name: side, image: s}}\n        - name: infer\n          args: ['{URI}']"
    text = manifest().replace(ARGS, "").replace("- name: infer", side)
    assert judged(run, make, text) == {"deployment/counter": "counter"}


def test_a_uri_counts_in_compose_and_on_iot_edge_alike(run: Run, make: Make) -> None:
    compose = f"services: {{s: {{image: a, environment: ['STORAGE_PATH={URI}']}}}}"
    module = {"settings": {"image": "a", "createOptions": json.dumps({"Cmd": ["serve", URI]})}}
    agent = {"properties.desired": {"modules": {"m": module}}}
    edge = json.dumps({"modulesContent": {"$edgeAgent": agent}})
    found = judged(run, make, compose, edge)
    assert found == {"service/s": "counter", "module/m": "counter"}


@pytest.mark.parametrize(
    ("path", "workload"), [("/m/v3.onnx", "counter"), ("/host/v3.onnx", "unknown")]
)
def test_a_uri_is_a_path_only_where_it_is_fetched_to_it(
    run: Run, make: Make, path: str, workload: str
) -> None:
    fetch = {"name": "i", "image": "f", "args": [f"{URI}.onnx", "/models/v3.onnx"]}
    server = {"name": "s", "image": "s", "args": ["--model", path]}
    both = {
        "initContainers": [{**fetch, "volumeMounts": [{"name": "v", "mountPath": "/models"}]}],
        "containers": [{**server, "volumeMounts": [{"name": "v", "mountPath": "/m"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    }
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": both}
    service = {
        "kind": "InferenceService",
        "apiVersion": "serving.kserve.io/v1beta1",
        "metadata": {"name": "i"},
        "spec": {"predictor": both},
    }
    found = judged(run, make, json.dumps(pod), json.dumps(service))
    assert found == dict.fromkeys(("pod/p", "inferenceservice/i"), workload)


@pytest.mark.parametrize(
    ("path", "workload"), [("{artifacts:path}/v3.onnx", "counter"), ("/opt/v3.onnx", "unknown")]
)
def test_an_artefact_is_a_path_only_in_its_folder(
    run: Run, make: Make, path: str, workload: str
) -> None:
    steps = {"run": f"serve --model {path}"}
    recipe = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "c",
        "ComponentVersion": "1.0.0",
        "Manifests": [{"Lifecycle": steps, "Artifacts": [{"Uri": f"{URI}.onnx"}]}],
    }
    assert judged(run, make, json.dumps(recipe)) == {"component/c": workload}
