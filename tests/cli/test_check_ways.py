"""``placer check``: ways that stand elsewhere, are not written out, or carry answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import project, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: counter}
spec:
  predictor:
    nodeSelector: {node-role.kubernetes.io/edge: ''}
    %s
    model:
      modelFormat: {name: onnx}
      storageUri: s3://m/model.onnx
      resources: {limits: {memory: 512Mi}}
"""
OLD = """\
apiVersion: serving.kubeflow.org/v1alpha2
kind: InferenceService
metadata: {name: counter}
spec:
  default:
    predictor:
      onnx: {storageUri: s3://m/model.onnx, resources: {limits: {memory: 512Mi}}}
"""
GRAPH = """\
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: counter}
spec:
  nodeSelector: {node-role.kubernetes.io/edge: ''}
  resources: {limits: {memory: 512Mi}}
  nodes:
    root:
"""
RESIZE = "containers: [{name: kserve-container, image: 'registry.example/resize:2'}]"
LOGGER = "logger: {mode: all, url: 'https://logs.example.com'}"
SPECIAL = {"class": "special", "regions": ["EU"], "may_leave": "output"}
NOTHING = {**SPECIAL, "may_leave": "nothing"}
Told = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def told(run: Run, make: Make) -> Told:
    """Check one manifest: exit code, and the worst outcome of each rule."""

    def check(text: str, data: object = SPECIAL, **changes: object) -> tuple[int, dict[str, str]]:
        chosen = {"deployments": [{"id": "inferencegraph/*", "workload": "counter"}], **changes}
        make(text, workload_file=workload(data=data), project_file=project(**chosen))
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        found: list[dict[str, Any]] = json.loads(result.out)["findings"]
        return result.code, {one["rule"]: one["outcome"] for one in reversed(found)}

    return check


def service(more: str, *, in_predictor: str = "") -> str:
    return SERVICE % in_predictor + more


@pytest.mark.parametrize("name", ["transformer", "explainer"])
def test_a_logger_around_the_predictor_is_a_way_of_its_requests(told: Told, name: str) -> None:
    code, rules = told(service(f"  {name}:\n    {LOGGER}\n    {RESIZE}\n"))
    assert (code, rules["PLC704"], rules["PLC705"]) == (1, "fail", "inconclusive")


def test_a_component_without_a_logger_opens_no_way(told: Told) -> None:
    assert told(service(f"  transformer:\n    {RESIZE}\n  explainer: null\n"))[0] == 0


def test_a_logger_of_the_old_api_stands_around_its_predictor_as_well(told: Told) -> None:
    text = f"{OLD}    transformer:\n      {LOGGER}\n      {RESIZE}\n"
    code, rules = told(text, sites={"line": {"device": "rpi5", "match": [{"path": "**"}]}})
    assert (code, rules["PLC704"]) == (1, "fail")


@pytest.mark.parametrize("data", [SPECIAL, NOTHING, {"class": "personal", "regions": ["EU"]}])
@pytest.mark.parametrize(
    ("inside", "more"),
    [
        ('logger: "{{ toYaml .Values.logger }}"', ""),
        ("logger: ${LOGGER}", ""),
        ("logger: https://logs.example.com", ""),
        ("logger: [{mode: all}]", ""),
        ("", '  transformer: "{{ toYaml .Values.transformer }}"\n'),
        ("", "  explainer:\n    logger: {{ .Values.logger }}\n    containers: []\n"),
    ],
)
def test_a_logger_that_is_not_written_out_may_lead_anywhere(
    told: Told, inside: str, more: str, data: object
) -> None:
    code, rules = told(service(more, in_predictor=inside), data)
    assert code == 5 or (data == NOTHING and "$" not in inside and "{{" not in inside + more), rules
    assert rules["PLC705"] == "inconclusive"


@pytest.mark.parametrize("inside", ["loger: {url: 'https://logs.example.com'}", "Loggr: {}"])
def test_a_mistyped_logger_fails(told: Told, inside: str) -> None:
    code, rules = told(service("", in_predictor=inside))
    assert (code, rules["PLC710"]) == (1, "fail")


@pytest.mark.parametrize("key", ["stpes", "step"])
def test_mistyped_steps_of_a_graph_fail(told: Told, key: str) -> None:
    url = "https://logs.example.com/all"
    code, rules = told(f"{GRAPH}      {key}: [{{serviceUrl: '{url}'}}]\n")
    assert (code, rules["PLC710"]) == (1, "fail")


def test_no_logger_is_none(told: Told) -> None:
    assert told(service("", in_predictor="logger: null"))[0] == 0


@pytest.mark.parametrize(
    "root",
    [
        '"{{ toYaml .Values.root }}"',
        '{routerType: Sequence, steps: "{{ toYaml .Values.steps }}"}',
        '{routerType: Sequence, steps: ["{{ toYaml .Values.step }}"]}',
    ],
)
def test_steps_of_a_graph_that_are_not_written_out_may_lead_anywhere(told: Told, root: str) -> None:
    code, rules = told(f"{GRAPH.rstrip()} {root}\n")
    assert (code, rules["PLC704"]) == (5, "inconclusive"), rules


def test_a_mistyped_receiver_of_a_graph_fails(told: Told) -> None:
    step = "{serviceURI: 'https://infer.example.com'}"
    code, rules = told(f"{GRAPH.rstrip()} {{routerType: Sequence, steps: [{step}]}}\n")
    assert (code, rules["PLC710"]) == (1, "fail")


IN_THE_US = [{"to": "https://logs.*", "jurisdiction": "US"}]
IN_THE_EU = [{"to": "https://logs.*", "jurisdiction": "DE"}]
ANSWERS = "logger: {mode: response, url: 'https://logs.example.com'}"


def test_answers_that_go_outside_the_regions_are_told(told: Told, run: Run) -> None:
    code, rules = told(service("", in_predictor=ANSWERS), egress=IN_THE_US)
    assert (code, rules["PLC705"]) == (0, "pass")
    assert run("check", "deploy", *OPTIONS, "--fail-on", "warning").code == 1
    said = " ".join(run("check", "deploy", *OPTIONS[:3]).out.split())
    assert "outside the allowed regions (EU), which bind raw input alone" in said


def test_answers_that_stay_in_the_regions_are_no_finding(told: Told) -> None:
    assert "PLC705" not in told(service("", in_predictor=ANSWERS), egress=IN_THE_EU)[1]


def test_answers_to_public_data_may_go_anywhere(told: Told) -> None:
    public = {"class": "public", "regions": ["EU"]}
    assert "PLC705" not in told(service("", in_predictor=ANSWERS), public, egress=IN_THE_US)[1]


@pytest.mark.parametrize(
    ("more", "inside", "rule"),
    [
        (f"  transformr:\n    {RESIZE}\n", "", "PLC710"),
        ("  explaner: {logger: {url: 'https://x'}}\n", "", "PLC710"),
        ("  predictr: {model: {storageUri: s3://o/other}}\n", "", "PLC710"),
        ("  canary: {predictor: {onnx: {storageUri: s3://o/other}}}\n", "", "PLC709"),
        ("  storageUris: [{uri: s3://o/other}]\n", "", "PLC709"),
        ("", "storageUri: s3://o/other", "PLC709"),
        ("", "storageUrs: [{uri: s3://o/other}]", "PLC710"),
        ("  transformer: {loger: {url: 'https://x'}}\n", "", "PLC710"),
    ],
)
def test_a_mistyped_part_of_a_service_fails(told: Told, more: str, inside: str, rule: str) -> None:
    code, rules = told(service(more, in_predictor=inside))
    assert (code, rules[rule]) == (1, "fail")


@pytest.mark.parametrize("key", ["canry", "Canary"])
def test_a_mistyped_canary_of_the_old_api_fails(told: Told, key: str) -> None:
    text = f"{OLD}  {key}: {{predictor: {{onnx: {{storageUri: s3://o/other}}}}}}\n"
    code, rules = told(text, sites={"line": {"device": "rpi5", "match": [{"path": "**"}]}})
    assert (code, rules["PLC710"]) == (1, "fail")


@pytest.mark.parametrize("canary", ["'{{ c }}'", "{{ c }}", "{predictor: '{{ p }}'}"])
def test_a_canary_that_is_filled_in_later_cannot_be_read(told: Told, canary: str) -> None:
    site = {"line": {"device": "rpi5", "match": [{"path": "**"}]}}
    code, rules = told(f"{OLD}  canary: {canary}\n", sites=site)
    assert (code, rules["PLC712"]) == (1, "fail")


@pytest.mark.parametrize("line", ["storageUris: ['{{ uri }}']", "storageUris: '{{ uris }}'"])
def test_further_models_that_are_filled_in_later_are_not_known(told: Told, line: str) -> None:
    code, rules = told(service("", in_predictor=line))
    assert (code, rules["PLC702"]) == (5, "inconclusive")
