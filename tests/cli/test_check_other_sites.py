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
TRANSFORMER = """\
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
  transformer:
    nodeSelector: {LABEL}
    containers: [{name: kserve-container, image: 'registry.example/resize:2'}]
"""
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
FAR = "site: far"
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
