"""``placer check``: which container runs the model, and on what, is what is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import builders, gate_project
from tests.cli.conftest import Run
from tests.gate_project import Evidence, project

BY_IMAGE = project(models=[{"uri": "registry.example/counter*", "workload": "counter"}])
ON_CUDA = Evidence(builders.measurement(ep="cuda", nodes_by_ep=(("cuda", 66),)))
SIDE = "{name: side, image: 'registry.example/proxy@sha256:%s'%s}"
MODEL = "{name: infer, image: 'registry.example/counter@sha256:%s'%s}"


def container(kind: str, memory: str | None, *, more: str = "") -> str:
    limits = [f"memory: {memory}"] if memory else []
    granted = [*limits, more] if more else limits
    said = f", resources: {{limits: {{{', '.join(granted)}}}}}" if granted else ""
    return kind % ("0" * 64, said)


def pod(*containers: str, inits: str = "[]", annotation: str = "{}") -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\n"
        f"metadata: {{name: counter, annotations: {annotation}}}\n"
        "spec:\n  template:\n    spec:\n"
        "      nodeSelector: {node-role.kubernetes.io/edge: ''}\n"
        f"      initContainers: {inits}\n"
        f"      containers: [{', '.join(containers)}]\n"
    )


def predictor(*containers: str) -> str:
    return (
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: counter}\n"
        "spec:\n  predictor:\n    nodeSelector: {node-role.kubernetes.io/edge: ''}\n"
        f"    containers: [{', '.join(containers)}]\n"
    )


@pytest.fixture
def told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check one manifest: exit code, rules, and the deployments."""

    def check(
        text: str, *, name: str = "a.yaml", **arguments: Any
    ) -> tuple[int, list[tuple[str, str]], list[str]]:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        gate_project.make(folder, {name: text}, **{"project_file": BY_IMAGE, **arguments})
        monkeypatch.chdir(folder)
        result = run("check", "deploy", "--locked", "--as-of", gate_project.TODAY, "--format=json")
        assert result.out, result.err
        document = json.loads(result.out)
        rules = [(one["rule"], one["outcome"]) for one in document["findings"]]
        return result.code, rules, [one["id"] for one in document["checked"]]

    return check


BIG, SMALL, NO_LIMIT = "1Gi", "1Mi", None


@pytest.mark.parametrize("write", [pod, predictor])
def test_a_limit_of_a_sidecar_is_not_that_of_the_model(told: Any, write: Any) -> None:
    for order in (1, -1):
        parts = [container(SIDE, BIG), container(MODEL, SMALL)][::order]
        code, rules, _ = told(write(*parts))
        assert (code, ("PLC706", "fail") in rules) == (1, True), rules


@pytest.mark.parametrize("side", [NO_LIMIT, SMALL])
@pytest.mark.parametrize("write", [pod, predictor])
def test_what_a_sidecar_may_take_is_nothing_to_the_model(
    told: Any, write: Any, side: str | None
) -> None:
    code, rules, _ = told(write(container(SIDE, side), container(MODEL, BIG)))
    assert (code, rules) == (0, [])


def test_each_container_that_runs_the_model_is_judged(told: Any) -> None:
    other = container(MODEL, SMALL).replace("infer", "second")
    code, rules, ids = told(pod(container(MODEL, BIG), other))
    assert code == 1
    assert [one for one in rules if one[0] == "PLC706"] == [("PLC706", "fail")]
    assert ids == ["deployment/counter/infer", "deployment/counter/second"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [((BIG, BIG), 0), ((BIG, SMALL), 5), ((SMALL, SMALL), 1), ((NO_LIMIT, SMALL), 5)],
)
def test_where_nothing_says_which_runs_it_nothing_is_guessed(
    told: Any, limits: tuple[str | None, str | None], code: int
) -> None:
    first, second = limits
    parts = (container(SIDE, first), container(MODEL, second))
    text = pod(*parts, annotation="{placer/workload: counter}")
    got, rules, _ = told(text, project_file=project())
    assert got == code, rules
    fetch = "[{name: fetch, image: f, args: ['s3://b/model.onnx', /m]}]"
    got, rules, _ = told(pod(*parts, inits=fetch), project_file=project())
    assert got == code, rules


def test_a_limit_of_the_whole_pod_is_one_of_the_model(told: Any) -> None:
    for amount, code, expected in (
        (BIG, 0, []),
        (SMALL, 1, [("PLC706", "fail")]),
        ("'{{ m }}'", 5, [("PLC707", "inconclusive")]),
    ):
        whole = f"      resources: {{limits: {{memory: {amount}}}}}\n"
        assert told(pod(container(MODEL, NO_LIMIT)) + whole)[:2] == (code, expected)


def test_a_key_that_is_mistyped_in_the_limits_of_a_pod_is_told(told: Any) -> None:
    whole = "      resources: {limits: {memroy: 1Gi}}\n"
    _, rules, _ = told(pod(container(MODEL, NO_LIMIT)) + whole)
    assert [rule for rule, _ in rules] == ["PLC707", "PLC710"]


@pytest.mark.parametrize("side", [NO_LIMIT, SMALL])
def test_a_sidecar_among_the_init_containers_is_a_container(told: Any, side: str | None) -> None:
    starting = container(SIDE, side)[:-1] + ", restartPolicy: Always}"
    naming = container(MODEL, SMALL)[:-1] + ", restartPolicy: Always}"
    assert told(pod(container(MODEL, BIG), inits=f"[{starting}]"))[:2] == (0, [])
    code, rules, _ = told(pod(container(SIDE, BIG), inits=f"[{naming}]"))
    assert (code, rules) == (1, [("PLC706", "fail")])


def test_a_sidecar_beside_a_server_of_models_is_deployed_too(told: Any) -> None:
    sidecar = "{name: b, image: r/b:1, restartPolicy: Always, args: [/m/other.onnx]}"
    text = predictor("").replace("containers: []", f"initContainers: [{sidecar}]")
    text += "    model: {modelFormat: {name: onnx}, storageUri: s3://m/model.onnx}\n"
    both = project(models=[{"uri": "*model.onnx", "workload": "counter"}])
    _, rules, ids = told(text, project_file=both)
    assert ids == ["inferenceservice/counter", "inferenceservice/counter/b"]
    assert ("PLC702", "inconclusive") in rules


def test_a_model_that_is_fetched_runs_where_its_volume_is_mounted(told: Any) -> None:
    mount = "volumeMounts: [{name: m, mountPath: /m}]"
    fetch = f"[{{name: fetch, image: f, args: ['s3://b/model.onnx', /m], {mount}}}]"
    infer = container(MODEL, SMALL).removesuffix("}") + f", {mount}}}"
    code, rules, _ = told(pod(container(SIDE, BIG), infer, inits=fetch), project_file=project())
    assert (code, ("PLC706", "fail") in rules) == (1, True), rules


def test_an_accelerator_of_a_sidecar_is_not_that_of_the_model(told: Any) -> None:
    gpu = "nvidia.com/gpu: 1"
    with_gpu = (container(SIDE, BIG, more=gpu), container(MODEL, BIG))
    code, rules, _ = told(pod(*with_gpu), evidence=(ON_CUDA,))
    assert (code, rules) == (1, [("PLC708", "fail")])
    text = pod(*with_gpu, annotation="{placer/workload: counter}")
    code, rules, _ = told(text, project_file=project(), evidence=(ON_CUDA,))
    assert (code, rules) == (5, [("PLC708", "inconclusive")])
    own = (container(SIDE, BIG), container(MODEL, BIG, more=gpu))
    assert told(pod(*own), evidence=(ON_CUDA,))[:2] == (0, [])


ON_CPU = Evidence(builders.measurement(), file="cpu.json")


def test_an_accelerator_that_was_not_measured_is_not_judged_by_the_cpu(told: Any) -> None:
    gpu = pod(container(MODEL, BIG, more="nvidia.com/gpu: 1"))
    assert told(gpu)[:2] == (5, [("PLC708", "inconclusive")])
    assert told(gpu, evidence=(ON_CPU, ON_CUDA))[:2] == (0, [])
    assert told(pod(container(MODEL, BIG, more="nvidia.com/gpu: 0")))[:2] == (0, [])


@pytest.mark.parametrize(
    ("amount", "code"),
    [("0100000000", 1), ("16777216", 1), ("010000000000", 0), ("[1]", 1), ("{a: 1}", 1)],
)
def test_a_number_of_yaml_is_the_amount_that_it_stands_for(
    told: Any, amount: str, code: int
) -> None:
    """Octal: 16 MB and 1 GB."""
    assert told(pod(container(MODEL, amount)))[0] == code


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/models/model.onnx", "mountPath: /models"),
        ("/models/model.onnx", "mountPath: /models/model.onnx, subPath: other.bin"),
        ("model.onnx", "mountPath: /models"),
        ("/models/../models/model.onnx", "mountPath: /models/"),
    ],
)
def test_a_model_in_a_mounted_image_is_that_image_s(told: Any, path: str, mount: str) -> None:
    infer = MODEL % ("0" * 64, ", resources: {limits: {memory: 2Gi}}, workingDir: /models")
    infer = infer[:-1] + f", args: [--model, {path}], volumeMounts: [{{name: m, {mount}}}]}}"
    volumes = "      volumes: [{name: m, image: {reference: 'registry.example/other:1'}}]\n"
    code, rules, _ = told(pod(infer) + volumes, project_file=project())
    assert (code, ("PLC702", "inconclusive") in rules) == (5, True), rules


@pytest.mark.parametrize(
    ("storage", "code"),
    [
        ("path: model.onnx, parameters: {type: s3, bucket: ours}", 0),
        ("path: model.onnx, parameters: {type: s3, bucket: other}", 5),
        ("path: model.onnx, key: ours", 0),
        ("path: model.onnx, key: other", 5),
    ],
)
def test_the_bucket_of_a_storage_is_part_of_the_model(told: Any, storage: str, code: int) -> None:
    server = (
        f"    model: {{modelFormat: {{name: onnx}}, storage: {{{storage}}},"
        " resources: {limits: {memory: 2Gi}}}\n"
    )
    text = predictor("").replace("    containers: []\n", server)
    models = [{"uri": uri, "workload": "counter"} for uri in ("s3://ours/*", "storage://ours/*")]
    found = told(text, project_file=project(models=models))
    assert found[0] == code, found[1]


@pytest.mark.parametrize(
    "more", ["nvidia.com/gpu: '{{ .Values.gpus }}'", "'{{ .Values.resource }}': 1"]
)
def test_an_accelerator_that_is_filled_in_later_is_not_known(told: Any, more: str) -> None:
    for evidence in (ON_CPU, ON_CUDA):
        found = told(pod(container(MODEL, BIG, more=more)), evidence=(evidence,))
        assert found[:2] == (5, [("PLC708", "inconclusive")])
    for plain in ("cpu: '{{ c }}'", "hugepages-2Mi: '{{ h }}'"):
        _, rules, _ = told(pod(container(MODEL, BIG, more=plain)))
        assert ("PLC708", "inconclusive") not in rules


def test_a_runtime_that_is_filled_in_later_may_have_an_accelerator(told: Any) -> None:
    whole = "      runtimeClassName: '{{ .Values.runtime }}'\n"
    found = told(pod(container(MODEL, BIG)) + whole)
    assert found[:2] == (5, [("PLC708", "inconclusive")])


RESERVED = "deploy: {resources: {reservations: {"
SPEC = "{kind: gpu, value: '${N}'}"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("", 0),
        ("runtime: '${RT}'", 5),
        ("deploy: {resources: {reservations: {devices: '${D}'}}}", 5),
        ("devices: ['/dev/video${N}:/dev/video0']", 0),
        ("devices: ['/dev/${N}:/dev/video0']", 5),
        ("gpus: '${N}'", 5),
        (f"{RESERVED}devices: [{{capabilities: [gpu], count: '${{N}}'}}]}}}}}}", 5),
        (f"{RESERVED}generic_resources: [{{discrete_resource_spec: {SPEC}}}]}}}}}}", 5),
    ],
)
def test_what_compose_fills_in_later_may_be_an_accelerator(told: Any, more: str, code: int) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    models = [{"uri": "registry.example/counter*", "workload": "counter"}]
    text = (
        f"services:\n  counter:\n    image: 'registry.example/counter@sha256:{'0' * 64}'\n"
        f"    mem_limit: 2g\n    {more}\n"
    )
    found = told(text, name="compose.yaml", project_file=project(sites=sites, models=models))
    assert found[0] == code, found[1]
    assert (("PLC708", "inconclusive") in found[1]) == (code == 5)


def test_a_camera_is_no_processor(told: Any) -> None:
    for name in ("smarter-devices/video0", "example.com/output", "example.com/fuse"):
        assert told(pod(container(MODEL, BIG, more=f"{name}: 1")))[:2] == (0, [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('platform: "onnxruntime_onnx"', 0),
        ('platform: "onnxruntime_onnx" instance_group { kind: KIND_CPU }', 0),
        ('platform: "onnxruntime_onnx" instance_group { kind: KIND_GPU }', 5),
        ('platform: "onnxruntime_onnx" backend: "tensorrt"', 5),
        ('backend: "openvino"', 5),
        (
            'backend: "onnxruntime" optimization { execution_accelerators {'
            ' gpu_execution_accelerator: [ { name: "tensorrt" } ] } }',
            5,
        ),
        (
            'backend: "onnxruntime" optimization { execution_accelerators {'
            ' cpu_execution_accelerator { name: "openvino" } } }',
            5,
        ),
    ],
)
def test_what_a_server_of_models_would_run_it_on_must_be_measured(
    told: Any, text: str, code: int
) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    here = project(sites=sites, models=[{"uri": "counter*", "workload": "counter"}])
    got, rules, _ = told(f'name: "counter" {text}', name="a.pbtxt", project_file=here)
    assert got == code, rules
    assert (("PLC708", "inconclusive") in rules) == (code == 5)


def test_the_provider_that_a_server_chooses_goes_before_a_quicker_one(told: Any) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    here = project(sites=sites, models=[{"uri": "counter*", "workload": "counter"}])
    slow = builders.measurement(0.1, ep="openvino", nodes_by_ep=(("openvino", 66),))
    evidence = (ON_CPU, Evidence(slow))
    text = 'name: "counter" backend: "openvino"'
    code, rules, _ = told(text, name="a.pbtxt", project_file=here, evidence=evidence)
    assert (code, ("PLC201", "fail") in rules) == (1, True), rules


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ('input { name: "x" dims: [ 1, 3, 64, 64 ] }', 0),
        ('input [ { name: "x" dims: [ -1, 3, -1, 64 ] } ]', 0),
        ('max_batch_size: 8 input { name: "x" dims: [ 3, 64, 64 ] }', 0),
        ('input { name: "x" dims: [ 12288 ] reshape { shape: [ 1, 3, 64, 64 ] } }', 0),
        ('input { name: "x" dims: [ 1, 3, 64, 128 ] }', 5),
        ('input { name: "x" dims: 1 dims: 3 dims: 128 dims: 64 }', 5),
        ('input { name: "x" dims: [ 3, 64, 64 ] }', 5),
        ('max_batch_size: 8 input { name: "x" dims: [ 1, 3, 64, 64 ] }', 5),
    ],
)
def test_the_shapes_of_inputs_are_those_that_were_measured(
    told: Any, inputs: str, code: int
) -> None:
    sites = {"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}}
    here = project(sites=sites, models=[{"uri": "counter*", "workload": "counter"}])
    text = f'name: "counter" platform: "onnxruntime_onnx" {inputs}'
    got, rules, _ = told(text, name="a.pbtxt", project_file=here)
    assert got == code, rules
    assert (("PLC612", "inconclusive") in rules) == (code == 5)


ON_MIGRAPHX = Evidence(
    builders.measurement(ep="migraphx", nodes_by_ep=(("migraphx", 66),)), file="amd.json"
)


def test_the_evidence_of_the_accelerator_that_is_granted_is_taken(told: Any) -> None:
    amd = pod(container(MODEL, BIG, more="amd.com/gpu: 1"))
    assert told(amd, evidence=(ON_CUDA, ON_MIGRAPHX))[:2] == (0, [])
    both = pod(container(MODEL, BIG, more="smarter-devices/video0: 1, nvidia.com/gpu: 1"))
    assert told(both, evidence=(ON_CUDA,))[:2] == (0, [])
    tensorrt = Evidence(builders.measurement(ep="tensorrt", nodes_by_ep=(("tensorrt", 66),)))
    nvidia = pod(container(MODEL, BIG, more="nvidia.com/gpu: 1"))
    assert told(nvidia, evidence=(tensorrt,))[:2] == (0, [])
