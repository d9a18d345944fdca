"""A typing error that makes a file no manifest is told; what only resembles one is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from placer.core.deployment import Manifests
from placer.core.gate_rules.rule import owned
from placer.manifests.lookalikes import is_near
from placer.manifests.reading import read_manifests

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
spec:
  template:
    metadata: {labels: {app: a}}
    spec:
      containers: [{name: c, image: i}]
"""
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: a}
spec: {predictor: {model: {modelFormat: {name: onnx}, storageUri: s3://m/a}}}
"""
COMPOSE = "services:\n  web:\n    image: web:1\n"
LIST = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment}\n"


def read(text: str) -> Manifests:
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


@pytest.mark.parametrize(
    ("typed", "word", "near"),
    [
        ("Deploymnet", "Deployment", True),
        ("deployment", "Deployment", True),
        ("Deployment ", "Deployment", True),
        ("Deploy", "Deployment", False),
        ("AppDeployment", "Deployment", False),
        ("FlinkDeployment", "Deployment", False),
        ("knd", "kind", True),
        ("kidn", "kind", True),
        ("kinds", "kind", True),
        ("kd", "kind", False),
        ("CronTab", "CronJob", False),
        ("servces", "services", True),
        ("devices", "services", False),
        ("", "kind", False),
    ],
)
def test_a_word_is_near_another_by_few_letters(typed: str, word: str, *, near: bool) -> None:
    assert is_near(typed, word) is near


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        (WORKLOAD.replace("Deployment", "Deploymnet"), "Deploymnet"),
        (WORKLOAD.replace("Deployment", "deployment"), "deployment"),
        (WORKLOAD.replace("Deployment", '"Deployment "'), "Deployment "),
        (WORKLOAD.replace("Deployment", "DeploymentLst"), "DeploymentLst"),
        (WORKLOAD.replace("kind:", "Kind:"), "Kind"),
        (WORKLOAD.replace("kind:", "knd:"), "knd"),
        (SERVICE.replace("Service", "Services"), "InferenceServices"),
        (SERVICE.replace("apiVersion", "apiVerson"), "apiVerson"),
        (SERVICE.replace("InferenceService", "JointInferenceServise"), "JointInferenceServise"),
        (LIST.replace("items", "itmes"), "itmes"),
        (LIST.replace("Deployment}", "Deploymnet, metadata: {}, spec: {}}"), "Deploymnet"),
        (COMPOSE.replace("services", "servces"), "servces"),
        (COMPOSE.replace("services", "Services"), "Services"),
        ('{"servces": {"web": {"build": "."}}}', "servces"),
    ],
)
def test_a_mistyped_word_that_makes_a_manifest_is_told(text: str, subject: str) -> None:
    found = read(text)
    assert [(one.kind, one.subject) for one in found.defects] == [("unknown_model_key", subject)]
    assert (found.files, found.skipped) == (1, 0)


@pytest.mark.parametrize(
    "text",
    [
        WORKLOAD.replace("kind: Deployment\n", ""),
        WORKLOAD.replace("kind: Deployment", "type: Deployment"),
        WORKLOAD.replace("Deployment", "'{{ .Values.kind }}'"),
        WORKLOAD.replace("Deployment", "${KIND}"),
        SERVICE.replace("serving.kserve.io", "serving.kserv.io"),
        SERVICE.replace("apiVersion: serving.kserve.io/v1beta1\n", ""),
    ],
)
def test_what_runs_something_of_no_known_kind_cannot_be_read(text: str) -> None:
    found = read(text)
    assert len(found.unreadable) == 1
    assert (found.files, found.skipped, found.deployed) == (1, 0, ())


@pytest.mark.parametrize(
    "text",
    [
        WORKLOAD.replace("Deployment", "FlinkDeployment"),
        WORKLOAD.replace("Deployment", "CronTab"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: []}\n",
        "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {}\nspec: {}\n",
        "apiVersion: v2\nname: chart\nkinds: [Deploymnet]\n",
        "apiVersion: x/v1\nmetadata: {name: a}\nspec: {find: all}\n",
        "kind: Deploymnet\n",
        "service:\n  type: ClusterIP\n  image: web:1\n",
        "devices:\n  web:\n    image: web:1\n",
        "jobs:\n  web:\n    services:\n      db: {image: db}\n",
    ],
)
def test_what_only_resembles_a_manifest_is_skipped(text: str) -> None:
    found = read(text)
    assert (found.files, found.skipped, found.defects, found.unreadable) == (0, 1, (), ())


def test_a_kind_in_base64_is_what_it_stands_for() -> None:
    found = read(WORKLOAD.replace("Deployment", "!!binary RGVwbG95bWVudA=="))
    assert [one.id for one in found.deployed] == ["deployment/a"]


def test_services_under_a_mistyped_key_are_read_and_each_has_the_defect() -> None:
    ((_, owners),) = owned(read(COMPOSE.replace("services", "servces")))
    assert [one.id for one in owners] == ["service/web"]


def annotated(line: str) -> Manifests:
    return read(WORKLOAD.replace("  name: a\n", f"  name: a\n  {line}\n"))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("annotation: {placer/workload: b}", "unknown_place_key"),
        ("annotatoins: {placer/workload: b}", "unknown_place_key"),
        ("Annotations: {placer/workload: b}", "unknown_place_key"),
        ("annotations: {Placer/workload: b}", "unknown_place_key"),
        ("annotations: {placr/workload: b}", "unknown_place_key"),
        ("annotations: {placer.io/ignore: PLC707 why}", "unknown_place_key"),
        ("placer/workload: b", "ignored_level"),
        ("labels: {Placer/workload: b}", "ignored_level"),
    ],
)
def test_what_was_meant_for_placer_and_is_not_read_is_told(line: str, kind: str) -> None:
    ((defect, owners),) = owned(annotated(line))
    assert defect.kind == kind
    assert [one.id for one in owners] == ["deployment/a"]


@pytest.mark.parametrize(
    "line",
    [
        "annotations: {placer/workload: b}",
        "annotations: {placer.ai/team: b}",
        "annotations: {player/skin: b}",
        "annotations: {example.com/workload: b}",
        "annotation: {example.com/workload: b}",
    ],
)
def test_an_annotation_for_others_is_not_told(line: str) -> None:
    assert annotated(line).defects == ()


def test_an_annotation_of_what_placer_does_not_look_at_is_told() -> None:
    text = f"{COMPOSE}    annotations: {{placer/workload: b}}\n"
    assert [one.kind for one in read(text).defects] == ["ignored_level"]


def test_a_mistyped_file_is_told_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(WORKLOAD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(COMPOSE.replace("services", "sevices"), encoding="utf-8")
    (tmp_path / "c.yaml").write_text("name: other\n", encoding="utf-8")
    found = read_manifests([str(tmp_path)])
    assert (found.files, found.skipped, len(found.defects)) == (2, 1, 1)
