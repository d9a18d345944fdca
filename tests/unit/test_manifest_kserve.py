"""Which components of a KServe service run a model, and what they are granted."""

from __future__ import annotations

import io
import json

import pytest

from placer.core.deployment import Deployed, Manifests
from placer.manifests.reading import read_manifests

NEW, OLD = "serving.kserve.io/v1beta1", "serving.kubeflow.org/v1alpha2"
SERVED = {"sklearn": {"storageUri": "s3://p/m"}}
GRANTED = {"limits": {"memory": "1Mi", "nvidia.com/gpu": 1}}


def read(api: str, components: dict[str, object]) -> Manifests:
    spec = {"default": components} if api == OLD else components
    service = {"apiVersion": api, "kind": "InferenceService", "metadata": {"name": "i"}}
    return read_manifests(["-"], stdin=io.BytesIO(json.dumps({**service, "spec": spec}).encode()))


def granted(one: Deployed) -> tuple[int | None, list[str]]:
    resources = one.resources
    limit = resources.memory_limit_bytes
    return None if limit is None else limit.value, [
        asked.value[0] for asked in resources.accelerators
    ]


def uris(found: Manifests) -> dict[str, list[str]]:
    return {one.id: [model.uri.value for model in one.models] for one in found.deployed}


ONE = "inferenceservice/i"


@pytest.mark.parametrize("api", [NEW, OLD])
@pytest.mark.parametrize("kind", ["alibi", "art", "aix"])
def test_an_explainer_on_a_server_of_kserve_runs_its_model(api: str, kind: str) -> None:
    explainer = {kind: {"type": "Any", "storageUri": "s3://e/x", "resources": GRANTED}}
    found = read(api, {"predictor": SERVED, "explainer": explainer})
    assert uris(found) == {ONE: ["s3://p/m"], f"{ONE}/explainer": ["s3://e/x"]}
    assert granted(found.deployed[1]) == (2**20, ["nvidia.com/gpu"])
    assert found.defects == ()


def test_an_explainer_that_names_no_model_is_none_that_is_deployed() -> None:
    found = read(NEW, {"predictor": SERVED, "explainer": {"art": {"type": "SquareAttack"}}})
    assert uris(found) == {ONE: ["s3://p/m"]}


@pytest.mark.parametrize(
    ("art", "uri"),
    [
        ("${ART}", "${ART}"),
        ({"storageUri": "${URI}"}, "${URI}"),
        ({"env": [{"name": "STORAGE_URI", "value": "s3://e/x"}]}, "s3://e/x"),
        ({"args": "${ARGS}", "storageUri": "s3://e/x"}, "s3://e/x"),
    ],
)
def test_an_explainer_that_is_filled_in_later_may_run_any_model(art: object, uri: str) -> None:
    found = read(NEW, {"predictor": SERVED, "explainer": {"art": art}})
    assert uris(found)[f"{ONE}/explainer"] == [uri]


def test_a_container_beside_the_server_of_an_explainer_may_run_a_model_too() -> None:
    side = {"name": "side", "image": "a:1", "args": ["--model", "/m/a.onnx"]}
    explainer = {"art": {"storageUri": "s3://e/x"}, "containers": [side]}
    found = read(NEW, {"predictor": SERVED, "explainer": explainer})
    assert uris(found)[f"{ONE}/explainer/side"] == ["/m/a.onnx"]


def test_a_predictor_has_no_key_of_an_explainer() -> None:
    found = read(NEW, {"predictor": {"art": {"storageUri": "s3://e/x"}}})
    assert uris(found) == {ONE: ["<model>"]}


def test_amounts_and_keys_of_an_explainer_are_judged() -> None:
    art = {"storageUr": "s3://e/x", "resources": {"limits": {"memory": "1 GB"}}, "nodeName": "a"}
    found = read(NEW, {"predictor": SERVED, "explainer": {"art": art | {"storageUri": "s3://e/x"}}})
    kinds = sorted(one.kind for one in found.defects)
    assert kinds == ["bad_value", "ignored_level", "unknown_model_key"]


CONTAINER = {
    "name": "c",
    "image": "r/x:1",
    "env": [{"name": "STORAGE_URI", "value": "s3://e/x"}],
    "resources": GRANTED,
}


@pytest.mark.parametrize("name", ["predictor", "transformer", "explainer"])
def test_a_custom_container_of_the_old_api_runs_its_model(name: str) -> None:
    found = read(OLD, {"predictor": SERVED, name: {"custom": {"container": CONTAINER}}})
    custom = found.deployed[-1]
    assert [model.uri.value for model in custom.models] == ["s3://e/x"]
    assert [image.value for image in custom.images] == ["r/x:1"]
    assert granted(custom) == (2**20, ["nvidia.com/gpu"])
    assert found.defects == ()


def test_a_custom_container_that_names_no_model_brings_its_image() -> None:
    found = read(OLD, {"predictor": {"custom": {"container": {"image": "r/x:1"}}}})
    (deployed,) = found.deployed
    assert (deployed.models, [one.value for one in deployed.images]) == ((), ["r/x:1"])


@pytest.mark.parametrize(
    ("custom", "uri"),
    [
        ("${X}", "${X}"),
        ({"container": "${X}"}, "${X}"),
        ({"container": {"image": "r/x:1", "args": "${X}"}}, "<args>"),
    ],
)
@pytest.mark.parametrize("name", ["predictor", "transformer"])
def test_a_custom_container_that_is_filled_in_later_may_run_any_model(
    custom: object, uri: str, name: str
) -> None:
    found = read(OLD, {"predictor": SERVED, name: {"custom": custom}})
    assert [model.uri.value for model in found.deployed[-1].models] == [uri]


@pytest.mark.parametrize("holder", ["predictor", "explainer"])
def test_a_request_above_its_limit_is_refused(holder: str) -> None:
    amounts = {"requests": {"memory": "96Mi"}, "limits": {"memory": "77Mi"}}
    key = "onnx" if holder == "predictor" else "art"
    server = {"storageUri": "s3://e/x", "resources": amounts}
    found = read(NEW, {"predictor": SERVED, holder: {key: server}})
    assert ["Kubernetes refuses" in one.message for one in found.defects] == [True]


def test_amounts_and_keys_of_a_custom_container_are_judged() -> None:
    container = {**CONTAINER, "resources": {"limits": {"memory": "1 GB"}}, "imag": "b:1"}
    found = read(OLD, {"predictor": {"custom": {"container": container}}})
    assert sorted(one.kind for one in found.defects) == ["bad_value", "unknown_model_key"]


def test_a_runtime_of_the_predictor_grants_its_server_an_accelerator() -> None:
    found = read(NEW, {"predictor": {**SERVED, "runtimeClassName": "nvidia"}})
    assert granted(found.deployed[0]) == (None, ["nvidia"])
    opened = read(NEW, {"predictor": {**SERVED, "runtimeClassName": "${RUNTIME}"}})
    assert opened.deployed[0].resources.accelerators_unread is not None


def test_a_limit_of_the_whole_pod_is_one_of_its_server() -> None:
    server = {"storageUri": "s3://p/m", "resources": {"limits": {"memory": "1Gi"}}}
    whole = {"limits": {"memory": "1Mi"}}
    found = read(NEW, {"predictor": {"onnx": server, "resources": whole}})
    assert granted(found.deployed[0]) == (2**20, [])


@pytest.mark.parametrize("key", ["nodeSelector", "runtimeClassName"])
def test_the_old_api_knows_nothing_of_the_pod(key: str) -> None:
    found = read(OLD, {"predictor": {**SERVED, key: "nvidia"}})
    assert [one.kind for one in found.defects] == ["ignored_level"]
    assert granted(found.deployed[0]) == (None, [])


def test_a_mistyped_key_of_the_model_of_an_explainer_is_told() -> None:
    explainer = {"model": {"modelFormat": {"name": "x"}, "storageUr": "s3://e/x"}}
    (defect,) = read(NEW, {"predictor": SERVED, "explainer": explainer}).defects
    assert defect.kind == "unknown_model_key"


def test_routes_of_a_graph_are_its_steps() -> None:
    node = {"routerType": "Sequence", "routes": [{"serviceUrl": "https://x.example/v1"}]}
    graph = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "InferenceGraph",
        "metadata": {"name": "g"},
        "spec": {"nodes": {"root": node}},
    }
    found = read_manifests(["-"], stdin=io.BytesIO(json.dumps(graph).encode()))
    assert [(one.kind, one.subject) for one in found.defects] == [("ignored_level", "routes")]


RUNTIME = """\
apiVersion: serving.kserve.io/v1alpha1
kind: {kind}
metadata: {{name: {name}}}
spec:
  nodeSelector: {{zone: factory, disk: ssd}}
  supportedModelFormats: [{{name: onnx}}]
  containers:
    - {{name: sidecar, image: log}}
    - name: kserve-container
      image: server:1
      args: [--model=/mnt/models]
      resources: {{limits: {{nvidia.com/gpu: 1, memory: 32Mi}}}}
"""
BY_RUNTIME = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: i, namespace: n}
spec:
  predictor:
    nodeSelector: {disk: hdd}
    model: {modelFormat: {name: onnx}, storageUri: s3://m/net, runtime: fast}
"""


@pytest.mark.parametrize("kind", ["ServingRuntime", "ClusterServingRuntime"])
def test_a_service_runs_where_its_runtime_does_and_with_its_accelerators(kind: str) -> None:
    text = "---\n".join([RUNTIME.format(kind=kind, name="fast"), BY_RUNTIME])
    found = read_manifests(["-"], stdin=io.BytesIO(text.encode()))
    (service,) = found.deployed
    assert [one.value for one in service.where.labels] == [("disk", "hdd"), ("zone", "factory")]
    assert granted(service) == (None, ["nvidia.com/gpu"])
    assert not found.defects
    assert not found.unreadable


HIDING = "[{name: CUDA_VISIBLE_DEVICES, value: '-1'}]"


@pytest.mark.parametrize(
    ("of_runtime", "of_service", "asked", "is_hidden"),
    [
        ("", "", ["nvidia.com/gpu"], False),
        ("", ", resources: {limits: {nvidia.com/gpu: 0}}", [], False),
        (f", env: {HIDING}", "", ["nvidia.com/gpu"], True),
        (
            f", env: {HIDING}",
            ", env: [{name: CUDA_VISIBLE_DEVICES, value: '0'}]",
            ["nvidia.com/gpu"],
            False,
        ),
    ],
)
def test_what_withdraws_the_accelerators_of_a_runtime(
    of_runtime: str, of_service: str, asked: list[str], is_hidden: bool
) -> None:
    runtime = (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: ServingRuntime\nmetadata: {name: fast}\n"
        f"spec: {{containers: [{{name: kserve-container, image: i{of_runtime}, "
        "resources: {limits: {nvidia.com/gpu: 1}}}]}\n"
    )
    served = BY_RUNTIME.replace("runtime: fast}", f"runtime: fast{of_service}}}")
    found = read_manifests(["-"], stdin=io.BytesIO(f"{runtime}---\n{served}".encode()))
    (service,) = found.deployed
    assert granted(service)[1] == asked
    assert (service.resources.hiding is not None) == is_hidden


def test_a_runtime_that_a_service_does_not_name_is_none_of_its() -> None:
    text = "---\n".join([RUNTIME.format(kind="ServingRuntime", name="other"), BY_RUNTIME])
    (service,) = read_manifests(["-"], stdin=io.BytesIO(text.encode())).deployed
    assert [one.value for one in service.where.labels] == [("disk", "hdd")]
    assert granted(service) == (None, [])
