"""Variables of containers that ConfigMaps hold."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from placer.core.deployment import Manifests
from placer.manifests.reading import read_manifests

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: %s%s}
data:
  MODEL_URI: s3://other/big.onnx
  LEVEL: "1"
  model.onnx: a file
---"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: p%s}
spec:
  containers:
    - name: c
      image: a:1
      %s
"""
FROM = "envFrom: [{configMapRef: {name: m}}]"
FROM_KEY = "env: [{name: MODEL, valueFrom: {configMapKeyRef: {name: m, key: MODEL_URI}}}]"
OTHER = "s3://other/big.onnx"


def read(text: str) -> Manifests:
    return read_manifests(["-"], stdin=io.BytesIO(text.encode()))


def models(line: str, *, map: str = MAP % ("m", ""), space: str = "") -> list[str]:
    (one,) = read(map + POD % (space, line)).deployed
    return [model.uri.value for model in one.models]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (FROM, [OTHER]),
        ("envFrom: [{prefix: SOME_, configMapRef: {name: m}}]", [OTHER]),
        (FROM_KEY, [OTHER]),
        (f"args: [--model, $(MODEL_URI)]\n      {FROM}", [OTHER]),
        (f"command: [sh, -c, 'serve --model $MODEL_URI']\n      {FROM}", [OTHER]),
        (f"env: [{{name: MODEL_PATH, value: $(MODEL_URI)}}]\n      {FROM}", [OTHER]),
        (f"env: [{{name: MODEL_URI, value: s3://own/m}}]\n      {FROM}", ["s3://own/m"]),
        (f"env: '{{{{ env }}}}'\n      {FROM}", ["<env>"]),
        ("env: [{name: MODEL, valueFrom: {configMapKeyRef: {name: m, key: B}}}]", ["$(MODEL)"]),
        ("env: [{name: MODEL, valueFrom: {secretKeyRef: {name: m, key: MODEL}}}]", ["$(MODEL)"]),
        ("envFrom: [{secretRef: {name: m}}]", []),
        ("envFrom: [{configMapRef: {name: b}}]", []),
    ],
)
def test_a_config_map_is_read_as_the_variables_that_it_gives(
    line: str, expected: list[str]
) -> None:
    assert models(line) == expected


@pytest.mark.parametrize(
    ("of_map", "of_pod", "expected"),
    [
        ("", ", namespace: a", [OTHER]),
        (", namespace: a", ", namespace: a", [OTHER]),
        (", namespace: b", ", namespace: a", []),
    ],
)
def test_a_config_map_of_another_namespace_is_another(
    of_map: str, of_pod: str, expected: list[str]
) -> None:
    assert models(FROM, map=MAP % ("m", of_map), space=of_pod) == expected


def test_two_config_maps_of_one_name_are_not_told_apart() -> None:
    twice = MAP % ("m", "") + (MAP % ("m", "")).replace(OTHER, "s3://own/m")
    assert models(FROM, map=twice) == ["$(MODEL_URI)"]
    assert models(FROM_KEY, map=twice) == ["$(MODEL)"]
    prefixed = "envFrom: [{prefix: A_, configMapRef: {name: m}}]"
    assert models(prefixed, map=twice) == ["$(A_MODEL_URI)"]
    none = twice.replace("MODEL_URI", "LOG_URI").replace("model.onnx", "notes")
    assert models(FROM, map=none) == []
    assert models("envFrom: [{configMapRef: {name: b}}, {secretRef: {name: m}}]", map=twice) == []


def test_a_default_counts_where_the_config_map_tells_all_variables() -> None:
    line = "command: [sh, -c, 'serve --model ${M:-/m/a}']\n      envFrom: [%s]"
    empty = (MAP % ("m", "")).replace("MODEL_URI", "A").replace(OTHER, "b")
    known, unknown = "{configMapRef: {name: m}}", "{secretRef: {name: s}}"
    assert models(line % known, map=empty) == ["/m/a"]
    assert models(line % f"{known}, {unknown}", map=empty) == ["${M:-/m/a}"]


def test_a_model_of_a_config_map_stands_there() -> None:
    for text, line in (
        (MAP % ("m", "") + POD % ("", FROM), 6),
        (POD % ("", FROM) + "---" + MAP % ("m", ""), 15),
    ):
        (one,) = read(text).deployed
        assert [model.uri.place.line for model in one.models] == [line]


def test_kserve_takes_variables_from_a_config_map_alike() -> None:
    service = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: s}
spec:
  predictor:
    containers: [{name: c, image: a, envFrom: [{configMapRef: {name: m}}]}]
"""
    (one,) = read(MAP % ("m", "") + service).deployed
    assert [model.uri.value for model in one.models] == [OTHER]


@pytest.mark.parametrize("line", [FROM, FROM_KEY])
@pytest.mark.parametrize(("folder", "expected"), [("a", [OTHER]), ("b", None)])
def test_a_config_map_counts_that_lies_beside_the_file(
    tmp_path: Path, line: str, folder: str, expected: list[str] | None
) -> None:
    for name, text in (("a/pod.yaml", POD % ("", line)), (f"{folder}/map.yaml", MAP % ("m", ""))):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (one,) = read_manifests([str(tmp_path)]).deployed
    found = [model.uri for model in one.models]
    assert [uri.value for uri in found] == (expected or ([] if line == FROM else ["$(MODEL)"]))
    assert {uri.place.path for uri in found} <= {str(tmp_path / "a" / "pod.yaml")}
