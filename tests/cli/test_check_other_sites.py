"""``placer check``: what a request passes on another site than the one where the model runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import CLOUD, CLOUD_LABEL, EDGE_LABEL, project, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: counter}
spec:
  predictor:
    nodeSelector: {LABEL_OF_MODEL}
    model:
      modelFormat: {name: onnx}
      storageUri: s3://m/model.onnx
      resources: {limits: {memory: 512Mi}}
"""
TRANSFORMER = (
    SERVICE
    + """\
  transformer:
    nodeSelector: {LABEL}
    containers: [{name: kserve-container, image: 'registry.example/resize:2'}]
"""
)
SEDNA = """\
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: joint}
spec:
  edgeWorker:
    model: {name: model.onnx}
    hardExampleMining: {name: IBT}
    template:
      spec:
        nodeSelector: {LABEL_OF_MODEL}
        containers: [{name: e, image: 'registry.example/e:1', resources: {limits: {memory: 512Mi}}}]
  cloudWorker:
    model: {name: model.onnx}
    template:
      spec:
        nodeSelector: {LABEL}
        containers: [{name: c, image: 'registry.example/c:1', resources: {limits: {memory: 2Gi}}}]
"""
OLD = """\
apiVersion: serving.kubeflow.org/v1alpha2
kind: InferenceService
metadata: {name: counter}
spec:
  default:
    predictor:
      onnx: {storageUri: s3://m/model.onnx, resources: {limits: {memory: 512Mi}}}
    transformer:
      custom: {container: {name: kserve-container, image: 'registry.example/resize:2'}}
"""
GRAPH = (
    SERVICE
    + """\
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: chain}
spec:
  nodeSelector: {LABEL}
  nodes:
    root:
      routerType: Switch
      steps: [STEPS]
"""
)
FAR = "site: far"
SLOW = {"latency": {"p99": "5 s"}}
FORMATS = pytest.mark.parametrize(
    ("text", "id_"),
    [(TRANSFORMER, "inferenceservice/counter"), (SEDNA, "jointinferenceservice/joint/edge")],
)
Found = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def found(run: Run, make: Make) -> Found:
    """Check a manifest: rule -> the finding of it on one thing that is deployed."""

    def check(
        text: str, id_: str, label: str = CLOUD_LABEL, of_model: str = EDGE_LABEL, **changes: Any
    ) -> dict[str, dict[str, Any]]:
        asked = {"data": {"class": "internal", "regions": ["EU"]}, **changes.pop("asked", {})}
        text = text.replace("LABEL_OF_MODEL", of_model).replace("LABEL", label)
        make(text, workload_file=workload(**asked), project_file=project(**changes))
        result = run("check", "deploy", *OPTIONS)
        assert result.out, result.err
        told = json.loads(result.out)
        rules = {one["rule"]: one for one in told["findings"] if one["deployed"] == id_}
        (checked,) = (one for one in told["checked"] if one["id"] == id_)
        return {**rules, "checked": checked}

    return check


def in_regions(*regions: str) -> dict[str, object]:
    return {"data": {"class": "internal", "regions": list(regions)}}


def sites(**more: object) -> dict[str, object]:
    """The sites of the project, and a far one."""
    stated = project()["sites"]
    assert isinstance(stated, dict)
    return {**stated, "far": {"match": [{"labels": {"site": "far"}}], **more}}


@FORMATS
@pytest.mark.parametrize(
    ("region", "outcome"),
    [
        ("DE", "fail"),
        ("SE", None),
        ("EU", None),
        ("eu-north-1", None),
        ("eu-central-1", "fail"),
    ],
)
def test_a_part_on_another_site_lies_where_that_site_does(
    found: Found, text: str, id_: str, region: str, outcome: str | None
) -> None:
    told = found(text, id_, asked=in_regions(region)).get("PLC705")
    assert (told and told["outcome"]) == outcome
    if told is not None:
        assert "lies in eu-north-1 (SE, EU), outside the allowed regions" in told["message"]


@FORMATS
def test_no_entry_of_the_project_takes_a_part_from_its_site(
    found: Found, text: str, id_: str
) -> None:
    entry = [{"to": "*/counter/transformer", "jurisdiction": "DE"}]
    entry += [{"to": "*/joint/cloud", "jurisdiction": "DE"}]
    told = found(text, id_, asked=in_regions("DE"), egress=entry)["PLC705"]
    assert told["outcome"] == "fail"
    assert "it runs on the site north, and `egress` in placer.yaml (DE)" in told["remedy"]


@pytest.mark.parametrize(
    ("stands", "stated", "outcome"),
    [
        (None, None, "inconclusive"),
        (None, "DE", None),
        (None, "US", "fail"),
        ("DE", None, None),
        ("DE", "US", "fail"),
        ("EU", "DE", "inconclusive"),
        ("US", "DE", "fail"),
    ],
)
@FORMATS
def test_an_entry_of_the_project_counts_where_the_site_says_nothing_or_it_says_outside(
    found: Found, text: str, id_: str, stands: str | None, stated: str | None, outcome: str | None
) -> None:
    far: dict[str, object] = {"device": gate_project.EDGE}
    entries = [{"to": "*", "jurisdiction": stated}] if stated else []
    told = found(
        *(text, id_, FAR),
        sites=sites(**far, **({"jurisdiction": stands} if stands else {})),
        egress=entries,
        asked=in_regions("DE"),
    ).get("PLC705")
    assert (told and told["outcome"]) == outcome
    if told is not None and outcome == "inconclusive" and stands:
        assert "state the `jurisdiction` of the site far in placer.yaml" in told["remedy"]


def test_what_the_project_says_of_the_site_of_a_part_counts_beside_its_region(found: Found) -> None:
    text, id_ = TRANSFORMER, "inferenceservice/counter"
    cloud = {"cloud": CLOUD, "jurisdiction": "US"}
    assert found(text, id_, FAR, sites=sites(**cloud))["PLC705"]["value"] == (
        "eu-north-1 (SE, EU, US)"
    )


SERVICE = "inferenceservice/counter"


def test_the_way_to_a_transformer_in_the_cloud_violates_a_target_by_itself(found: Found) -> None:
    told = found(TRANSFORMER, SERVICE)
    assert told["PLC201"]["outcome"] == "fail"
    assert "the way to the transformer on north and back" in told["PLC201"]["message"]
    assert (told["checked"]["outcome"], told["checked"]["p99_s"]) == ("fail", None)
    assert "PLC611" not in told


def test_a_transformer_beside_the_predictor_changes_no_verdict(found: Found) -> None:
    beside = found(TRANSFORMER, SERVICE, EDGE_LABEL)
    assert beside["checked"]["outcome"] == "pass"
    assert beside["checked"]["p99_s"] is not None


@pytest.mark.parametrize(
    ("label", "asked"), [(CLOUD_LABEL, SLOW), (FAR, {}), (CLOUD_LABEL, {"network": "gone.yaml"})]
)
def test_a_transformer_whose_way_violates_nothing_by_itself_was_not_measured(
    found: Found, label: str, asked: dict[str, object]
) -> None:
    far = sites(device=gate_project.EDGE, jurisdiction="DE")
    told = found(TRANSFORMER, SERVICE, label, sites=far, asked=asked)
    assert told["PLC611"]["outcome"] == told["checked"]["outcome"] == "inconclusive"
    assert "each request passes the transformer on " in told["PLC611"]["message"]
    assert told["checked"]["p99_s"] is None
    assert "PLC201" not in told


@pytest.mark.parametrize(("size", "is_over"), [({}, False), ({"request_size": "20 MB"}, True)])
def test_what_is_sent_to_a_transformer_has_the_size_that_is_stated(
    found: Found, size: dict[str, object], is_over: bool
) -> None:
    told = found(TRANSFORMER, SERVICE, asked={"latency": {"p99": "300 ms"}, **size})
    assert ("PLC201" in told) == is_over


@pytest.mark.parametrize(("label", "outcome"), [(CLOUD_LABEL, "fail"), (EDGE_LABEL, None)])
def test_a_transformer_in_the_cloud_answers_nothing_while_the_link_is_down(
    found: Found, label: str, outcome: str | None
) -> None:
    told = found(TRANSFORMER, SERVICE, label, asked={**SLOW, "must_work_offline": True})
    assert told.get("PLC301", {}).get("outcome") == outcome


def test_without_a_target_no_time_is_asked_of_a_transformer(found: Found) -> None:
    told = found(TRANSFORMER, SERVICE, asked={"latency": {}})
    assert told["checked"]["outcome"] == "pass"


@pytest.mark.parametrize(
    ("text", "label", "of_model"),
    [
        (TRANSFORMER, "pool: big", EDGE_LABEL),  # nobody knows where
        (TRANSFORMER, EDGE_LABEL, CLOUD_LABEL),  # the way from a device to the cloud is judged
        (TRANSFORMER, CLOUD_LABEL, CLOUD_LABEL),
        (OLD, "", ""),
    ],
)
def test_no_way_is_judged_that_is_no_other_than_that_of_the_model(
    found: Found, text: str, label: str, of_model: str
) -> None:
    everywhere = {} if label else {"line": {"device": gate_project.EDGE, "match": [{"path": "*"}]}}
    told = found(text, SERVICE, label, of_model, **({"sites": everywhere} if everywhere else {}))
    assert "each request passes" not in told.get("PLC611", {}).get("message", "")
    assert "(the way to" not in told.get("PLC201", {}).get("message", "")
    if of_model != CLOUD_LABEL:
        assert told["checked"]["p99_s"] is not None


ROUTER = "inferencegraph/chain"
STEPS = pytest.mark.parametrize("step", ["serviceName: counter", "serviceUrl: 'http://counter/v1'"])


@STEPS
@pytest.mark.parametrize(
    ("label", "asked", "rule", "outcome"),
    [
        (CLOUD_LABEL, {}, "PLC201", "fail"),
        (CLOUD_LABEL, SLOW, "PLC611", "inconclusive"),
        (CLOUD_LABEL, {**SLOW, "must_work_offline": True}, "PLC301", "fail"),
        (FAR, {}, "PLC611", "inconclusive"),
        (EDGE_LABEL, {}, None, "pass"),
        (EDGE_LABEL, {"must_work_offline": True}, None, "pass"),
        (CLOUD_LABEL, {"latency": {}}, None, "pass"),
    ],
)
def test_a_router_is_on_the_way_where_its_services_run_elsewhere(
    found: Found,
    step: str,
    label: str,
    asked: dict[str, object],
    rule: str | None,
    outcome: str,
) -> None:
    text = GRAPH.replace("STEPS", f"{{{step}}}")
    far = sites(device=gate_project.EDGE, jurisdiction="DE")
    told = found(text, ROUTER, label, sites=far, asked=asked)
    assert told["checked"]["outcome"] == outcome
    assert rule in told if rule else not {"PLC201", "PLC301", "PLC611"} & told.keys()
    if rule in ("PLC201", "PLC301"):
        assert "(the way to the router on north and back)" in told[rule]["message"]


@pytest.mark.parametrize("of_model", [EDGE_LABEL, CLOUD_LABEL])
def test_a_router_at_the_edge_is_on_the_way_to_the_cloud(found: Found, of_model: str) -> None:
    text = GRAPH.replace("STEPS", "{serviceName: counter}")
    assert found(text, ROUTER, EDGE_LABEL, of_model)["checked"]["outcome"] == "pass"


def test_one_service_elsewhere_is_enough(found: Found) -> None:
    second = GRAPH.partition("---")[0].replace("counter", "second")
    second = second.replace("LABEL_OF_MODEL", EDGE_LABEL)
    text = f"{second}---\n{GRAPH.replace('STEPS', '{serviceName: counter}, {serviceName: second}')}"
    told = found(text, ROUTER, CLOUD_LABEL, CLOUD_LABEL, asked=SLOW)
    assert told["PLC611"]["value"] == "north"


@pytest.mark.parametrize(("region", "outcome"), [("DE", "fail"), ("SE", None)])
def test_a_router_lies_where_its_site_does(found: Found, region: str, outcome: str | None) -> None:
    text = GRAPH.replace("STEPS", "{serviceName: counter}")
    asked = {**SLOW, **in_regions(region)}
    told = found(text, ROUTER, asked=asked)
    assert told.get("PLC102", {}).get("outcome") == outcome


@pytest.mark.parametrize(
    ("steps", "carries", "outcome"),
    [
        ("{serviceName: counter}", None, "pass"),
        ("{serviceName: counter}, {serviceUrl: 'https://far.example/v1'}", None, "inconclusive"),
        ("{serviceUrl: 'https://far.example/v1'}", None, "inconclusive"),
        ("{serviceName: counter}, {serviceUrl: 'http://far.lab.svc/v1'}", None, "inconclusive"),
        (
            "{serviceName: counter}, {serviceUrl: 'https://far.example/v1'}",
            "answer",  # contradicted by the manifest
            "inconclusive",
        ),
    ],
)
def test_a_step_that_anything_may_answer_leaves_a_graph_open(
    found: Found, steps: str, carries: str | None, outcome: str
) -> None:
    stated = {"jurisdiction": "DE", **({"carries": carries} if carries else {})}
    text = GRAPH.replace("STEPS", steps)
    told = found(
        *(text, ROUTER, EDGE_LABEL),
        asked={"data": {"class": "public"}},
        egress=[{"to": "https://far.example/*", **stated}],
        deployments=[{"id": "inferencegraph/*", "workload": "counter"}],
    )
    assert told["checked"]["outcome"] == outcome
    if outcome == "inconclusive":
        assert "is not among what is checked" in told["PLC611"]["message"]
