"""``placer check``: what a manifest grants is an accelerator on which the evidence ran."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders, gate_project
from tests.cli.conftest import Run
from tests.gate_project import Evidence, project

IMAGE = f"registry.example/counter@sha256:{'0' * 64}"
HERE = project(
    sites={"line": {"device": gate_project.EDGE, "match": [{"path": "deploy/**"}]}},
    models=[{"uri": uri, "workload": "counter"} for uri in ("registry.example/counter*", "m*")],
)
Told = Callable[..., str]


def ran_on(ep: str) -> Evidence:
    return Evidence(builders.measurement(ep=ep, nodes_by_ep=((ep, 66),)), file=f"{ep}.json")


@pytest.fixture
def told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Check one manifest on evidence of CUDA: what PLC708 says; nothing else is found."""

    def check(text: object, ep: str = "cuda", *, name: str = "a.json") -> str:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        written = text if isinstance(text, str) else json.dumps(text)
        gate_project.make(folder, {name: written}, project_file=HERE, evidence=(ran_on(ep),))
        monkeypatch.chdir(folder)
        result = run("check", "deploy", "--locked", "--as-of", gate_project.TODAY, "--format=json")
        assert result.out, result.err
        outcomes = {one["rule"]: one["outcome"] for one in json.loads(result.out)["findings"]}
        assert {*outcomes} <= {"PLC708", "PLC713"}  # a name of Triton pins no bytes
        return str(outcomes.get("PLC708", "pass"))

    return check


LIMITS = {"memory": "1Gi"}


def pod(*names: str, **container: object) -> object:
    limits = {**LIMITS, **dict.fromkeys(names, 1)}
    one = {"name": "a", "image": IMAGE, "resources": {"limits": limits}, **container}
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "counter"}}
    return {**head, "spec": {"containers": [one]}}


def service(**keys: object) -> object:
    return {"services": {"counter": {"image": IMAGE, "mem_limit": "1g", **keys}}}


def reserving(**request: object) -> object:
    limits = {"memory": "1g"}
    resources = {"limits": limits, "reservations": {"devices": [request]}}
    return {"services": {"counter": {"image": IMAGE, "deploy": {"resources": resources}}}}


def module(*, variables: tuple[str, ...] = (), **config: object) -> object:
    options = {"Env": variables, "HostConfig": {"Memory": 2**30, **config}}
    one = {"settings": {"image": IMAGE, "createOptions": options}}
    return {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"counter": one}}}}}


@pytest.mark.parametrize(
    ("accelerator", "outcome"),
    [
        ("nvidia.com/gpu", "pass"),
        ("amd.com/gpu", "fail"),
        ("gpu.intel.com/i915", "fail"),
        ("gpu.intel.com/xe", "fail"),
        ("google.com/tpu", "fail"),
        ("habana.ai/gaudi", "fail"),
        ("aws.amazon.com/neuron", "fail"),
        ("huawei.com/Ascend910", "fail"),
        ("hailo.ai/h8", "fail"),
        ("coral.ai/tpu", "fail"),
        ("qualcomm.com/qaic", "fail"),
        ("squat.ai/npu", "inconclusive"),
        ("example.com/gpu", "inconclusive"),
        ("smarter-devices/video0", "inconclusive"),
        ("nvidia.com/mig-1g.5gb", "inconclusive"),
        ("nvidia.com/gpu.shared", "inconclusive"),
        ("k8s.amazonaws.com/vgpu", "inconclusive"),
        ("aliyun.com/gpu-mem", "inconclusive"),
    ],
)
def test_an_accelerator_of_another_maker_did_not_run_the_evidence(
    told: Told, accelerator: str, outcome: str
) -> None:
    assert told(pod(accelerator)) == outcome


@pytest.mark.parametrize(
    ("manifest", "outcome"),
    [
        (service(devices=["/dev/nvidia0"]), "pass"),
        (service(devices=["/dev/dxg"]), "pass"),
        (service(devices=["/dev/nvidia0", "/dev/dri"]), "pass"),
        (service(devices=["/dev/apex_0"]), "fail"),
        (service(devices=["/dev/dri/renderD128"]), "fail"),
        (service(devices=["/dev/kfd", "/dev/dri"]), "fail"),
        (service(devices=["/dev/nvme0n1"]), "inconclusive"),
        (service(gpus="all"), "pass"),
        (service(runtime="nvidia"), "pass"),
        (service(runtime="habana"), "fail"),
        (reserving(driver="nvidia", capabilities=["gpu"]), "pass"),
        (reserving(capabilities=["gpu"]), "pass"),
        (reserving(driver="amd", capabilities=["gpu"]), "fail"),
        (module(Devices=[{"PathOnHost": "/dev/apex_0", "PathInContainer": "/dev/a"}]), "fail"),
    ],
)
def test_a_device_of_another_maker_did_not_run_the_evidence(
    told: Told, manifest: object, outcome: str
) -> None:
    assert told(manifest) == outcome


@pytest.mark.parametrize(
    ("ep", "accelerator", "outcome"),
    [
        ("tensorrt_rtx", "nvidia.com/gpu", "pass"),
        ("tensorrt_rtx", "amd.com/gpu", "fail"),
        ("migraphx", "amd.com/gpu", "pass"),
        ("migraphx", "nvidia.com/gpu", "fail"),
        ("openvino:gpu", "gpu.intel.com/i915", "pass"),
        ("openvino:gpu", "nvidia.com/gpu", "fail"),
        ("webgpu", "amd.com/gpu", "pass"),
        ("vitisai", "xilinx.com/fpga", "pass"),
        ("qnn", "nvidia.com/gpu", "fail"),
    ],
)
def test_each_provider_has_the_accelerators_of_its_makers(
    told: Told, ep: str, accelerator: str, outcome: str
) -> None:
    assert told(pod(accelerator), ep) == outcome


def test_without_an_accelerator_none_ran_the_evidence(told: Told) -> None:
    for ep in ("cuda", "tensorrt_rtx", "vitisai", "openvino:gpu"):
        assert told(pod(), ep) == "fail"


@pytest.mark.parametrize(
    ("manifest", "outcome"),
    [
        (reserving(driver="nvidia", count=0, capabilities=["gpu"]), "fail"),
        (reserving(driver="nvidia", count=1, capabilities=["gpu"]), "pass"),
        (reserving(capabilities=["gpu"], device_ids=["0"]), "pass"),
        (service(gpus=0), "fail"),
        (service(gpus=[{"count": 0}]), "fail"),
        (service(gpus=[{"driver": "nvidia"}]), "pass"),
        (module(DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}]), "pass"),
        (module(DeviceRequests=[{"DeviceIDs": ["0"], "Capabilities": [["gpu"]]}]), "pass"),
        (module(DeviceRequests=[{"Count": 0, "Capabilities": [["gpu"]]}]), "fail"),
        (module(DeviceRequests=[{"Driver": "nvidia", "Capabilities": [["gpu"]]}]), "fail"),
    ],
)
def test_a_request_for_no_gpu_grants_none(told: Told, manifest: object, outcome: str) -> None:
    assert told(manifest) == outcome


def pod_with(name: str, value: object) -> object:
    return pod("nvidia.com/gpu", env=[{"name": name, "value": value}])


def service_with(*variables: str, **keys: object) -> object:
    return service(environment=[*variables], **keys)


CUDA, NVIDIA = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("manifest", "outcome"),
    [
        (pod_with(CUDA, "0"), "pass"),
        (pod_with(CUDA, "-1"), "fail"),
        (pod_with(CUDA, ""), "fail"),
        (pod("nvidia.com/gpu", env=[{"name": CUDA}]), "fail"),
        (pod("nvidia.com/gpu", env=[{"name": CUDA, "valueFrom": {"fieldRef": {}}}]), "pass"),
        (pod_with(CUDA, "$(GPUS)"), "pass"),
        (pod_with("HIP_VISIBLE_DEVICES", "-1"), "pass"),
        (pod_with(NVIDIA, "all"), "pass"),
        (pod_with(NVIDIA, "none"), "inconclusive"),
        (pod_with(NVIDIA, "void"), "inconclusive"),
        (service_with(f"{CUDA}=-1", runtime="nvidia"), "fail"),
        (service_with(f"{CUDA}=", gpus="all"), "fail"),
        (service_with(CUDA, gpus="all"), "pass"),
        (service_with(f"{CUDA}=-1", f"{CUDA}=0", gpus="all"), "pass"),
        (service(environment={CUDA: ""}, gpus="all"), "fail"),
        (service(environment={CUDA: None}, gpus="all"), "pass"),
        (service_with(f"{NVIDIA}=void", runtime="nvidia"), "fail"),
        (service_with(f"{NVIDIA}=none", runtime="nvidia"), "fail"),
        (service_with(f"{NVIDIA}=${{GPUS:-all}}", runtime="nvidia"), "pass"),
        (service_with(f"{NVIDIA}=all", runtime="nvidia"), "pass"),
        (module(Runtime="nvidia", variables=(f"{NVIDIA}=all",)), "pass"),
        (module(Runtime="nvidia", variables=(f"{NVIDIA}=void",)), "fail"),
        (module(Runtime="nvidia", variables=(f"{CUDA}=-1",)), "fail"),
    ],
)
def test_a_gpu_that_a_variable_hides_runs_nothing(
    told: Told, manifest: object, outcome: str
) -> None:
    assert told(manifest) == outcome


SERVING = "exec serve --port 80"


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (["sh", "-c", f"{CUDA}= {SERVING}"], "fail"),
        (["sh", "-c", f"export {CUDA}=-1; python warm.py; {SERVING} | tee /log"], "fail"),
        (["sh", "-c", f"cd /app && {CUDA}='' {SERVING}"], "fail"),
        (["env", f"{CUDA}=-1", "serve"], "fail"),
        (["sh", "-c", f"{CUDA}=0 {SERVING}"], "pass"),
        (["sh", "-c", f"{CUDA}=-1 python warm.py; {SERVING}"], "pass"),
        (["sh", "-c", f"[ -e /dev/nvidia0 ] || export {CUDA}=-1; {SERVING}"], "pass"),
        (["sh", "-c", f"if lspci | grep VGA; then export {CUDA}=-1; fi; {SERVING}"], "pass"),
        (["sh", "-c", f"export {CUDA}=$(gpus); {SERVING}"], "pass"),
        (["sh", "-c", f"export {NVIDIA}=none; {SERVING}"], "pass"),
        (["sh", "-c", f"export HIP_VISIBLE_DEVICES=-1; {SERVING}"], "pass"),
    ],
)
def test_a_gpu_that_a_command_line_hides_runs_nothing(
    told: Told, words: list[str], outcome: str
) -> None:
    options = {"Cmd": words, "HostConfig": {"Memory": 2**30, "Runtime": "nvidia"}}
    one = {"settings": {"image": IMAGE, "createOptions": options}}
    modules = {"$edgeAgent": {"properties.desired": {"modules": {"counter": one}}}}
    assert told(pod("nvidia.com/gpu", command=words)) == outcome
    assert told(service(gpus="all", command=words)) == outcome
    assert told({"modulesContent": modules}) == outcome


def test_a_command_line_gives_the_gpu_back(told: Told) -> None:
    command = ["sh", "-c", f"export {CUDA}=0; {SERVING}"]
    hidden = [{"name": CUDA, "value": "-1"}]
    assert told(pod("nvidia.com/gpu", env=hidden, command=command)) == "pass"


def test_of_a_request_for_devices_docker_sets_what_is_to_be_seen(told: Told) -> None:
    assert told(service_with(f"{NVIDIA}=none", gpus="all")) == "pass"


@pytest.mark.parametrize(
    ("groups", "outcome"),
    [
        ("instance_group { kind: KIND_GPU }", "pass"),
        ("instance_group [ { gpus: [ 0 ] } ]", "pass"),
        ("instance_group [ { kind: KIND_AUTO gpus: [ 0 ] } ]", "pass"),
        ("instance_group { kind: KIND_CPU }", "fail"),
        ("", "inconclusive"),
        ("instance_group [ { count: 2 } ]", "inconclusive"),
        ("instance_group { kind: KIND_AUTO }", "inconclusive"),
        ("instance_group { kind: KIND_MODEL }", "inconclusive"),
        ("instance_group [ { kind: KIND_CPU }, { count: 1 } ]", "inconclusive"),
    ],
)
def test_what_a_server_does_on_any_machine_is_no_request_for_a_gpu(
    told: Told, groups: str, outcome: str
) -> None:
    assert told(f'name: "m" platform: "onnxruntime_onnx" {groups}', name="a.pbtxt") == outcome


def test_the_gpus_of_a_group_are_none_of_the_cpu(told: Told) -> None:
    for groups, outcome in (("{ gpus: [ 0 ] }", "inconclusive"), ("{ count: 2 }", "pass")):
        text = f'name: "m" platform: "onnxruntime_onnx" instance_group [ {groups} ]'
        assert told(text, "cpu", name="a.pbtxt") == outcome


def test_a_backend_that_runs_on_gpus_alone_asks_for_one(told: Told) -> None:
    for group, outcome in (("", "pass"), ("instance_group { kind: KIND_GPU }", "pass")):
        text = f'name: "m" backend: "tensorrt" {group}'
        assert told(text, "tensorrt", name="a.pbtxt") == outcome


@pytest.mark.parametrize(
    ("manifest", "ep", "outcome"),
    [
        (pod(securityContext={"privileged": True}), "cuda", "inconclusive"),
        (pod(securityContext={"privileged": False}), "cuda", "fail"),
        (pod(resources={"limits": LIMITS, "claims": [{"name": "gpu"}]}), "cuda", "inconclusive"),
        (pod(resources={"limits": LIMITS, "claims": [{"name": "gpu"}]}), "cpu", "pass"),
        (pod(resources={"limits": LIMITS, "claims": []}), "cuda", "fail"),
        (pod(securityContext={"privileged": True}), "cpu", "pass"),
        (pod("nvidia.com/gpu", securityContext={"privileged": True}), "cuda", "pass"),
        (pod("amd.com/gpu", securityContext={"privileged": True}), "cuda", "inconclusive"),
        (service(privileged=True), "cuda", "inconclusive"),
        (service(privileged=True), "cpu", "pass"),
        (module(Privileged=True), "cuda", "inconclusive"),
    ],
)
def test_what_may_bring_an_accelerator_is_not_known_to(
    told: Told, manifest: object, ep: str, outcome: str
) -> None:
    assert told(manifest, ep) == outcome
