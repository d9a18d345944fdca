"""``placer check --base``: which model nobody knows is new where what decides it changed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import committed, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--base", "HEAD", "--format", "json")
ARGS = 'args: ["--model", "/models/model.onnx"]'
SHARED = "volumeMounts: [{name: m, mountPath: /models}]"
EVERY = [{"uri": "*model.onnx", "workload": "counter"}]
Told = Callable[[str, str], tuple[int, list[str]]]


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check a manifest against another one at the base: exit code and rules of what is new."""

    def check(before: str, now: str) -> tuple[int, list[str]]:
        folder = make(before, project_file=gate_project.project(models=EVERY))
        committed(folder)
        (folder / "deploy" / "0.yaml").write_text(now)
        result = run("check", "deploy", *OPTIONS)
        return result.code, [one["rule"] for one in json.loads(result.out)["findings"]]

    return check


def fetching(command: str, *, image: str = "fetch:1", url: str = "a", key: str = "args") -> str:
    inits = (
        f"initContainers:\n        - name: fetch\n          image: {image}\n"
        f"          env: [{{name: URL, value: {url}}}]\n          {SHARED}\n"
        f"          {key}: {command}\n"
    )
    text = manifest().replace(ARGS, f"{ARGS}\n          {SHARED}")
    return text.replace("      containers:", f"      {inits}      containers:")


def compose(command: str) -> str:
    return (
        "services:\n  fetch:\n    image: fetch:1\n    volumes: ['data:/models']\n"
        f"    command: {command}\n  counter:\n    image: counter\n    volumes: ['data:/models']\n"
        "    command: --model /models/model.onnx\n"
        "    depends_on: {fetch: {condition: service_completed_successfully}}\n"
    )


FROM = "env: [{{name: MODEL_URI, valueFrom: {{configMapKeyRef: {{name: {}, key: b}}}}}}]"
PREDICTOR = (
    "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {{name: counter}}\n"
    "spec: {{predictor: {{model: {{modelFormat: {{name: onnx}}, storage: {{key: {}}}}}}}}}\n"
)


def annotated(name: str) -> str:
    return manifest().replace(
        "  name: counter\n", f"  name: counter\n  annotations: {{placer/workload: {name}}}\n", 1
    )


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        pytest.param(
            fetching("[curl, $URL, -o, /models/model.onnx]"), "value: a", "value: b", id="url"
        ),
        pytest.param(fetching("[get-model, --name, a]"), "--name, a", "--name, b", id="name"),
        pytest.param(fetching("[get-model]"), "fetch:1", "fetch:2", id="image"),
        pytest.param(fetching("[cp, /a.bin, /models/model.onnx]"), "/a.bin", "/b.bin", id="copy"),
        pytest.param(compose("get-model a"), "get-model a", "get-model b", id="compose"),
        pytest.param(
            manifest().replace(ARGS, FROM.format("a")), "name: a,", "name: c,", id="variable"
        ),
        pytest.param(
            manifest().replace(ARGS, "args: {{ .Values.a }}"), "Values.a", "Values.b", id="template"
        ),
        pytest.param(
            manifest().replace(ARGS, "env: ['{{ .Values.a }}']"), "Values.a", "Values.b", id="entry"
        ),
        pytest.param(PREDICTOR.format("a"), "key: a", "key: b", id="kserve"),
        pytest.param(annotated("a"), "workload: a", "workload: b", id="annotation"),
        pytest.param(
            manifest().replace(ARGS, "").replace("registry", "${A}"), "${A}", "${B}", id="filled"
        ),
    ],
)
def test_what_decides_an_unknown_model_is_part_of_what_it_is(
    told: Told, text: str, old: str, new: str
) -> None:
    assert text.count(old) == 1
    code, rules = told(text, text.replace(old, new))
    assert code == 5
    assert "PLC702" in rules


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (
            fetching("[get-model, a]"),
            f"# one\n\n{fetching('[get-model, a]')}".replace("initC", "# two\n      initC"),
        ),
        (
            fetching("[get-model, a]"),
            fetching("\n          - get-model # that\n          - 'a'"),
        ),
        (
            manifest().replace(ARGS, FROM.format("a")),
            "# one\n"
            + manifest().replace(
                ARGS,
                "env:\n          - name: MODEL_URI\n            valueFrom:\n"
                "              configMapKeyRef:\n                name: a\n                key: b",
            ),
        ),
        (PREDICTOR.format("a"), f"# one\n{PREDICTOR.format('a')}"),
    ],
)
def test_an_unknown_model_that_only_moved_is_not_new(told: Told, before: str, now: str) -> None:
    assert told(before, now) == (0, [])
