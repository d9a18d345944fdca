"""A value of another kind than its key takes is an error at that key, and never a pass."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import EDGE_LABEL, manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
POD = manifest()
LABELS = f"nodeSelector:\n        {EDGE_LABEL}"
EXPRESSIONS = "matchExpressions: [{key: node-role.kubernetes.io/edge, operator: In, values: [a]}]"
AFFINITY = manifest().replace(
    LABELS,
    f"affinity: {{nodeAffinity: {{{REQUIRED}: {{nodeSelectorTerms: [{{{EXPRESSIONS}}}]}}}}}}",
)
PREDICTOR = (
    "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: counter}\n"
    "spec:\n  predictor:\n    nodeSelector: {node-role.kubernetes.io/edge: ''}\n    model:\n"
    "      modelFormat: {name: onnx}\n      storageUri: s3://m/model.onnx\n"
    "      resources: {limits: {memory: 512Mi}}\n"
)
COMPOSE = (
    f"services:\n  counter:\n    image: counter@sha256:{'0' * 64}\n"
    "    command: --model /models/model.onnx\n    deploy:\n"
    "      placement: {constraints: [node.labels.edge == a]}\n"
    "      resources: {limits: {memory: 512M}}\n"
)
MODULE = (
    "content: {modulesContent: {$edgeAgent: {properties.desired: {modules: {counter: {\n"
    f"  settings: {{image: 'counter@sha256:{'0' * 64}', createOptions: {{\n"
    "    HostConfig: {Memory: 536870912, Binds: ['/models:/models']}}},\n"
    "  env: {MODEL_PATH: {value: /models/model.onnx}}}}}}}}\ntargetCondition: line-3\n"
)
MATCHES = [
    {"labels": {"node-role.kubernetes.io/edge": "*"}},
    {"labels": {"edge": "a"}},
    {"group": "line-*"},
]
PROJECT = project(
    sites={"line": {"device": gate_project.EDGE, "match": MATCHES}},
    models=[{"uri": "*/model.onnx", "workload": "counter"}],
)


def found(run: Run, make: Make, text: str) -> list[tuple[str, str]]:
    """Check a manifest: (rule, key) of what fails."""
    make(text, project_file=PROJECT)
    lines = text.split("\n")
    report = json.loads(run("check", "deploy", *OPTIONS).out)
    return [
        (
            one["rule"],
            lines[(at := one["place"])["line"] - 1][at["column"] - 1 : at["end_column"] - 1],
        )
        for one in report["findings"]
        if one["outcome"] == "fail"
    ]


@pytest.mark.parametrize("text", [POD, AFFINITY, PREDICTOR, COMPOSE, MODULE])
def test_values_of_the_kinds_that_their_keys_take_are_no_errors(
    run: Run, make: Make, text: str
) -> None:
    assert found(run, make, text) == []


@pytest.mark.parametrize(
    ("text", "old", "new", "key"),
    [
        (POD, LABELS, "nodeSelector: [{node-role.kubernetes.io/edge: ''}]", "nodeSelector"),
        (POD, LABELS, 'nodeSelector: "edge=a"', "nodeSelector"),
        (POD, "limits: {memory: 512Mi}", "limits: [{memory: 512Mi}]", "limits"),
        (POD, "resources:\n", "resources:\n          -\n", "resources"),
        (AFFINITY, "affinity: {", "affinity: [{", "affinity"),
        (AFFINITY, "nodeAffinity: {", "nodeAffinity: [{", "nodeAffinity"),
        (AFFINITY, f"{{nodeSelectorTerms: [{{{EXPRESSIONS}}}]}}", f"[{{{EXPRESSIONS}}}]", REQUIRED),
        (AFFINITY, f"[{{{EXPRESSIONS}}}]", f"{{{EXPRESSIONS}}}", "nodeSelectorTerms"),
        (AFFINITY, "values: [a]", "values: a", "values"),
        (PREDICTOR, "{node-role.kubernetes.io/edge: ''}", "[{edge: a}]", "nodeSelector"),
        (PREDICTOR, "{limits: {memory: 512Mi}}", "[{limits: {memory: 512Mi}}]", "resources"),
        (COMPOSE, "[node.labels.edge == a]", "node.labels.edge == a", "constraints"),
        (COMPOSE, "[node.labels.edge == a]", "{node.labels.edge: a}", "constraints"),
        (COMPOSE, "{constraints: [node.labels.edge == a]}", "[node.labels.edge == a]", "placement"),
        (COMPOSE, "{memory: 512M}", "[memory=512M]", "limits"),
        (MODULE, "{Memory: 536870912, Binds: ['/models:/models']}", "[a]", "HostConfig"),
        (MODULE, "['/models:/models']", "'/models:/models'", "Binds"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_an_error_at_its_key(
    run: Run, make: Make, text: str, old: str, new: str, key: str
) -> None:
    assert text.count(old) == 1
    changed = text.replace(old, new)
    if new.endswith("[{"):
        changed = changed.replace("\n      containers", "]\n      containers")
        changed = changed.replace("}}]\n", "}]}\n") if key == "nodeAffinity" else changed
    assert ("PLC711", key) in found(run, make, changed)


OLD = (
    "apiVersion: serving.kubeflow.org/v1alpha2\nkind: InferenceService\n"
    "metadata: {name: counter}\nspec:\n  default:\n    predictor:\n"
    "      custom: {container: {image: 'counter:1', resources: {limits: {memory: 512Mi}}}}\n"
)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (POD, "resources:\n", "env: {A: b}\n          resources:\n"),
        (PREDICTOR, "      modelFormat", "      env: {A: b}\n      modelFormat"),
        (OLD, "resources: {", "env: {A: b}, resources: {"),
    ],
)
def test_variables_that_are_no_list_are_one_error(
    run: Run, make: Make, text: str, old: str, new: str
) -> None:
    assert text.count(old) == 1
    assert found(run, make, text.replace(old, new)) == [("PLC711", "env: {A: b}")]


def test_a_level_of_an_affinity_that_is_left_out_has_no_effect(run: Run, make: Make) -> None:
    text = AFFINITY.replace("nodeAffinity: {", "").replace("}]}}}", "}]}}")
    assert ("PLC709", REQUIRED) in found(run, make, text)


@pytest.mark.parametrize("template", ["{{ .Values.a }}", "${A}"])
@pytest.mark.parametrize(
    ("text", "old"),
    [
        (POD, f"\n        {EDGE_LABEL}"),
        (AFFINITY, "[a]"),
        (COMPOSE, "[node.labels.edge == a]"),
    ],
)
def test_a_value_that_is_filled_in_later_is_of_no_other_kind(
    run: Run, make: Make, text: str, old: str, template: str
) -> None:
    assert found(run, make, text.replace(old, f" '{template}'")) == []
