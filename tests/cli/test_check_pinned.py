"""``placer check``: a model on a volume is not pinned by the digest of the image."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
IMAGE = f"registry.example/serve@sha256:{'a' * 64}"
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: counter}}
spec:
  nodeSelector: {{node-role.kubernetes.io/edge: ""}}
  containers:
    - name: serve
      image: {IMAGE}
      command: [serve, --model, /models/model.onnx]
      resources: {{limits: {{memory: 512Mi}}}}
      volumeMounts: [{{name: m, mountPath: %s}}]
  volumes:
    - {{name: m, %s}}
"""
COMPOSE = f"""\
services:
  counter:
    image: {IMAGE}
    command: [serve, --model, /models/model.onnx]
    volumes: ["%s"]
volumes: {{models: {{}}}}
"""
MODULE = f"""\
modulesContent:
  $edgeAgent:
    properties.desired.modules.counter:
      settings:
        image: {IMAGE}
        createOptions: {{Cmd: [serve, --model, /models/model.onnx], HostConfig: {{Binds: [%s]}}}}
"""


def is_loose(run: Run, make: Make, text: str) -> bool:
    """Tell whether PLC713 is told of the only thing that is deployed."""
    models = [{"uri": uri, "workload": "counter"} for uri in ("*model.onnx", "*models:1")]
    make(text, project_file=gate_project.project(models=models))
    result = run("check", "deploy", *OPTIONS)
    found = json.loads(result.out)
    assert [one["workload"] for one in found["checked"]] == ["counter"], result.out
    return "PLC713" in {one["rule"] for one in found["findings"]}


@pytest.mark.parametrize(
    "volume",
    [
        *("persistentVolumeClaim: {claimName: models}", "hostPath: {path: /srv/models}"),
        *("nfs: {server: files, path: /models}", "emptyDir: {}", "configMap: {name: models}"),
        "image: {reference: 'registry.example/models:1'}",
    ],
)
def test_a_model_on_a_volume_of_a_pod_is_not_pinned(run: Run, make: Make, volume: str) -> None:
    assert is_loose(run, make, POD % ("/models", volume))


def test_a_model_beside_the_volumes_is_in_the_pinned_image(run: Run, make: Make) -> None:
    assert not is_loose(run, make, POD % ("/cache", "emptyDir: {}"))


@pytest.mark.parametrize(
    ("volume", "is_told"),
    [("models:/models", True), ("./models:/models:ro", True), ("models:/cache", False)],
)
def test_a_model_on_a_volume_of_a_service_is_not_pinned(
    run: Run, make: Make, volume: str, is_told: bool
) -> None:
    assert is_loose(run, make, COMPOSE % volume) == is_told


@pytest.mark.parametrize(("binds", "is_told"), [("'/srv/m:/models'", True), ("", False)])
def test_a_model_in_a_folder_that_a_module_binds_is_not_pinned(
    run: Run, make: Make, binds: str, is_told: bool
) -> None:
    assert is_loose(run, make, MODULE % binds) == is_told
