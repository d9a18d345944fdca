"""``placer check``: a memory limit is told and suggested as its format takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import gate_project
from tests.cli.conftest import Run
from tests.gate_project import manifest, project

IMAGE = f"registry.example/counter@sha256:{'0' * 64}"
HERE = project(
    sites={"line": {"device": gate_project.EDGE, "match": [{"path": "**"}]}},
    deployments=[{"path": "**", "workload": "counter"}],
)
Told = Callable[[str], dict[str, tuple[str, str]]]


@pytest.fixture
def told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Check one manifest, whose model needs 90 MB: (message, remedy) of each rule."""

    def check(text: str) -> dict[str, tuple[str, str]]:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        gate_project.make(folder, {"a.yaml": text}, project_file=HERE)
        monkeypatch.chdir(folder)
        result = run("check", "deploy", "--locked", "--as-of", gate_project.TODAY, "--format=json")
        assert result.out, result.err
        found = json.loads(result.out)["findings"]
        return {one["rule"]: (one["message"], one["remedy"]) for one in found}

    return check


def service(limit: str | None) -> str:
    return json.dumps({"services": {"counter": {"image": IMAGE, "mem_limit": limit}}})


def module(limit: int | None) -> str:
    config = {"HostConfig": {"Memory": limit}}
    one = {"settings": {"image": IMAGE, "createOptions": config}}
    agent = {"properties.desired": {"modules": {"counter": one}}}
    return json.dumps({"modulesContent": {"$edgeAgent": agent}})


def component(limit: int | None) -> str:
    limits = {} if limit is None else {"memory": limit}
    one = {"componentVersion": "1.0.0", "runWith": {"systemResourceLimits": limits}}
    target = "arn:aws:iot:eu-north-1:1:thinggroup/line"
    return json.dumps({"targetArn": target, "components": {"com.example.Counter": one}})


@pytest.mark.parametrize(
    ("low", "missing", "suggested"),
    [
        (manifest().replace("512Mi", "64Mi"), manifest().replace("memory: 512Mi", ""), "108Mi"),
        (service("64m"), service(None), "108m"),
        (module(2**26), module(None), "113246208 (bytes)"),
        (component(2**16), component(None), "110592 (KiB)"),
    ],
)
def test_a_limit_is_suggested_as_its_format_takes_it(
    told: Told, low: str, missing: str, suggested: str
) -> None:
    assert told(low)["PLC706"][1].startswith(f"raise the limit to {suggested} or more")
    assert told(missing)["PLC707"][1].startswith(f"limit it to {suggested}: ")


REQUESTED = manifest(more="}\n            requests: {memory: 300M")


@pytest.mark.parametrize(
    ("without", "suggested"),
    [
        (REQUESTED.replace("memory: 512Mi", ""), "287Mi"),
        (service(None).replace('"mem_limit": null', '"mem_reservation": "300m"'), "300m"),
        (
            module(None).replace('"Memory": null', f'"MemoryReservation": {300 * 2**20}'),
            "314572800",
        ),
    ],
)
def test_no_limit_below_what_is_requested_is_suggested(
    told: Told, without: str, suggested: str
) -> None:
    remedy = told(without)["PLC707"][1]
    assert remedy.startswith(f"limit it to {suggested}")
    assert remedy.endswith(": as much as is requested, which a limit may not be below")


def test_a_limit_below_what_is_requested_fails(told: Told) -> None:
    found = told(REQUESTED.replace("512Mi", "64Mi"))
    assert found["PLC711"] == (
        "'memory: 300M' is asked for, and the limit is 64Mi: Kubernetes refuses the pod",
        "raise the limit to 300M, or ask for no more than 64Mi",
    )
    assert found["PLC706"][1].startswith("raise the limit to 287Mi or more")


def test_two_sizes_that_look_alike_are_told_in_bytes(told: Told) -> None:
    message = told(manifest().replace("512Mi", "89990000"))["PLC706"][0]
    assert message == ("the limit is 89990000 bytes, the model was measured to need 90000000 bytes")


def test_an_amount_that_compose_refuses_is_one_finding(told: Told) -> None:
    assert [*told(service("512Mi"))] == ["PLC711"]


POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: counter}}
spec:
  nodeSelector: {{node-role.kubernetes.io/edge: ''}}
  initContainers:
    - name: fetch
      image: registry.example/fetch:1
      command: [wget, -O, /models/model.onnx, 's3://m/model.onnx']
      resources: {first}
      volumeMounts: [{{name: v, mountPath: /models}}]
  containers:
    - name: infer
      image: {image}
      args: [--model, /models/model.onnx]
      resources: {{limits: {{memory: "90000100"}}}}
      volumeMounts: [{{name: v, mountPath: /models}}]
  volumes: [{{name: v, emptyDir: {volume}}}]
"""


@pytest.mark.parametrize(
    ("volume", "first", "is_told"),
    [
        ("{medium: Memory}", "{limits: {memory: 16Mi}}", True),
        ("{medium: Memory, sizeLimit: 1Mi}", "{limits: {memory: 16Mi}}", True),
        ("{medium: Memory}", "{limits: {memory: 512Mi}}", False),
        ("{medium: Memory}", "{}", False),
        ("{}", "{limits: {memory: 16Mi}}", False),
    ],
)
def test_a_model_in_a_volume_of_memory_counts_to_the_limit_of_the_pod(
    told: Told, volume: str, first: str, *, is_told: bool
) -> None:
    rules = told(POD.format(image=IMAGE, volume=volume, first=first))
    assert ("PLC706" in rules) == is_told, rules
    if is_told:
        assert "in a volume of memory" in rules["PLC706"][0]
