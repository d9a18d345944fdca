"""Files ``.json``: what YAML takes and their consumers refuse is told, at its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.manifests.reading import read_manifests

MODULE = {"settings": {"image": "i:1"}, "env": {"MODEL_PATH": {"value": "/m/a.onnx"}}}
EDGE = {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"reader": MODULE}}}}}
TEXT = json.dumps(EDGE, indent=1)
POD = (
    '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": '
    '[{"name": "c", "image": "i:1", "args": ["--model", "/m/a.onnx"]}]}}'
)
COMPOSE = '{"services": {"a": {"image": "i:1", "command": ["--model", "/m/a.onnx"],}}}'


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(text: str, name: str = "deployment.json") -> tuple[int, list[str]]:
    """Read one file: how much is deployed, and what is unreadable."""
    Path(name).write_text(text, encoding="utf-8")
    found = read_manifests([name])
    return len(found.deployed), [f"{one.place}: {one.message}" for one in found.unreadable]


IMAGE = '"image": "i:1"'


@pytest.mark.parametrize(
    ("wrong", "place", "message"),
    [
        (f"{IMAGE},", "8:22", "not JSON: a comma behind the last entry"),
        (f"{IMAGE},\n  ", "8:22", "not JSON: a comma behind the last entry"),
        ("'image': 'i:1'", "8:8", "not JSON: a text stands in double quotes"),
        ("\"image\": 'i:1'", "8:17", "not JSON: a text stands in double quotes"),
        ("image: i", "8:8", "not JSON: expecting property name enclosed in double quotes"),
        (f"{IMAGE} # of the line", "8:23", "not JSON: it has no comments"),
        ('"image": .NaN, "restart": NaN', "8:17", "not JSON: expecting value"),
        ('"image": NaN', "8:17", "not JSON: NaN is no value"),
    ],
)
@pytest.mark.parametrize("name", ["deployment.json", "deployment.template.json"])
def test_what_is_yaml_alone_is_told(name: str, wrong: str, place: str, message: str) -> None:
    assert told(TEXT.replace(IMAGE, wrong), name) == (1, [f"{name}:{place}: {message}"])


@pytest.mark.parametrize(
    ("text", "place"),
    [(TEXT[:-1], "20:1"), (TEXT.replace(f"{IMAGE}", f"{IMAGE} 7"), "8:23")],
)
def test_what_is_neither_is_told_as_json(text: str, place: str) -> None:
    (problem,) = told(text)[1]
    assert problem.startswith(f"deployment.json:{place}: not JSON: expecting ',' delimiter")


@pytest.mark.parametrize("comment", ["// of the line, 'it'", "/* of\n the line */"])
def test_comments_are_allowed_where_the_tools_take_them_out(comment: str) -> None:
    text = TEXT.replace(IMAGE, f"{comment}\n{IMAGE.replace('i:1', 'http://i//j:1')}")
    assert told(text, "deployment.template.json") == (1, [])
    assert told(text, "deployment.debug.template.json") == (1, [])
    (problem,) = told(text)[1]
    assert problem == "deployment.json:8:8: not JSON: it has no comments"


def test_places_behind_a_comment_hold() -> None:
    Path("a.template.json").write_text(TEXT.replace(IMAGE, f"/* x */ {IMAGE}"), encoding="utf-8")
    (one,) = read_manifests(["a.template.json"]).deployed
    assert str(one.images[0].place) == "a.template.json:8:25"


@pytest.mark.parametrize("value", ["${CPUS}", "{{ cpus }}", "__CPUS__", "@cpus@"])
def test_what_is_filled_in_later_is_judged_as_elsewhere(value: str) -> None:
    text = TEXT.replace(IMAGE, f'{IMAGE}, "restart": {value}')
    assert not [one for one in told(text)[1] if "JSON" in one]


def test_an_object_of_kubernetes_is_held_to_json_where_it_is_meant_as_json() -> None:
    assert told(POD) == (1, [])
    assert told(f"{POD}\n---\n{POD}") == (2, [])
    assert told(f"{POD[:-1]},}}")[1] == [
        f"deployment.json:1:{len(POD)}: not JSON: a comma behind the last entry"
    ]
    assert (
        told("# yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n")[1]
        == []
    )


@pytest.mark.parametrize("comment", ["// line 3", "/* line\n 3 */", "\n// line\n//3", "//{ // ["])
@pytest.mark.parametrize("text", [TEXT, POD, POD.replace(": ", ":"), f"[{json.dumps(EDGE)}]"])
def test_a_comment_above_the_first_value_is_told_as_one(comment: str, text: str) -> None:
    line = 1 + comment.startswith("\n")
    assert told(f"{comment}\n{text}") == (
        0,
        [f"deployment.json:{line}:1: not JSON: it has no comments"],
    )
    assert told(f"{comment}\n{text}", "deployment.template.json") == (1, [])


def test_a_file_that_is_no_manifest_may_begin_with_a_comment() -> None:
    assert told('// of the editor\n{"compilerOptions":{}}', "tsconfig.json") == (0, [])


def test_many_comments_take_linear_time() -> None:
    assert told("/**/ // a // b\n" * 20_000 + POD[1:])[0] == 0


def test_other_files_are_yaml() -> None:
    text = TEXT.replace(IMAGE, f"{IMAGE},")
    assert told(text, "deployment.yaml") == (1, [])
    assert told(COMPOSE, "compose.json") == (1, [])  # docker compose reads it as YAML
    assert told('{"a": 1,}', "settings.json") == (0, [])


def test_a_deployment_of_iot_edge_in_yaml_is_no_json_whatever_it_begins_with() -> None:
    text = "modulesContent: {$edgeAgent: {properties.desired: {modules: {a: {}}}}}\n"
    assert told(text)[1] == ["deployment.json:1:1: not JSON: expecting value"]
