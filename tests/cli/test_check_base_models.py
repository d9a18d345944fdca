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
EVERY = [
    {"uri": "*model.onnx", "workload": "counter"},
    {"uri": "registry/*", "workload": "counter"},
]
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


UNKNOWN = (
    "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: counter}\n"
    "spec:\n  predictor:\n    nodeSelector: {node-role.kubernetes.io/edge: ''}\n"
    "    model:\n      modelFormat: {name: onnx}\n      storageUri: s3://elsewhere/m/\n"
    "      resources: {limits: {memory: 512Mi}}\n"
)
LOGGED = "    logger: {mode: all, url: 'http://logs.us.example'}\n    model:"
MOVED = ("node-role.kubernetes.io/edge: ''", "topology.kubernetes.io/region: eu-north-1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("    model:", LOGGED), "other ways out"),
        (MOVED, "another place"),
        (("512Mi", "1Mi"), "other resources"),
        (("    model:", "    batcher: {maxBatchSize: 64}\n    model:"), "other batches"),
    ],
)
@pytest.mark.parametrize("ignored", ["", "# placer: ignore-file[PLC702] we know\n"])
def test_what_nobody_could_judge_is_open_again_where_it_is_declared_anew(
    run: Run, make: Make, change: tuple[str, str], said: str, ignored: str
) -> None:
    before = ignored + UNKNOWN
    folder = make(manifest(), before)
    committed(folder)
    assert before.replace(*change) != before
    (folder / "deploy" / "1.yaml").write_text(before.replace(*change))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 5
    found = {one["rule"]: one for one in json.loads(result.out)["findings"]}
    assert ("PLC702" in found) is not ignored.startswith("#")
    if not ignored:
        assert found["PLC702"]["before"] == f"declared with {said}"


def test_what_nobody_can_judge_is_as_before_where_only_its_order_changed(
    run: Run, make: Make
) -> None:
    labels = "{node-role.kubernetes.io/edge: '', disk: ssd}"
    before = UNKNOWN.replace("{node-role.kubernetes.io/edge: ''}", labels)
    folder = make(manifest(), before)
    committed(folder)
    other = UNKNOWN.replace(
        "{node-role.kubernetes.io/edge: ''}", "{disk: ssd, node-role.kubernetes.io/edge: ''}"
    )
    (folder / "deploy" / "1.yaml").write_text(f"# moved\n{other}")
    result = run("check", "deploy", *OPTIONS)
    assert (result.code, json.loads(result.out)["findings"]) == (0, [])


def test_a_memory_limit_has_no_slack(run: Run, make: Make) -> None:
    folder = make(manifest().replace("512Mi", "40960Ki"))
    committed(folder)
    (folder / "deploy" / "0.yaml").write_text(manifest().replace("512Mi", "40200Ki"))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert [one["rule"] for one in json.loads(result.out)["findings"]] == ["PLC706"]
