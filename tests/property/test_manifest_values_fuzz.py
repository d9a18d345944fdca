"""Readers of formats take any value at any place, and text protocol buffers any text."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from placer.core.deployment import Place
from placer.manifests import triton
from placer.manifests.format import Found
from placer.manifests.formats import FORMATS
from placer.manifests.nodes import Field
from placer.manifests.reading import read_manifests
from placer.manifests.text_proto import parse_text_proto

FIXTURES = Path(__file__).parent.parent / "manifests"
PROTO = [path.read_text() for path in sorted((FIXTURES / "triton").rglob("*.pbtxt"))]


def _values(path: Path) -> list[Any]:
    try:
        return list(yaml.load_all(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader))
    except yaml.YAMLError:
        return []


VALUES = {
    one.id: [
        value
        for path in sorted((FIXTURES / one.id).rglob("*"))
        if path.suffix in (".yaml", ".yml", ".json")
        for value in _values(path)
        if isinstance(value, dict | list)
    ]
    for one in FORMATS
    if one.id != "triton"
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.sampled_from([
        "", "*", "$X", "${A:-b:c}", "{{ .x }}", "a.onnx", "//", "=", "==", ":", "::", "/", "{",
        '{"HostConfig": {"Memory": "x"}}', '{"accessControl": []}', "[1", "1e400", "0x", "-1",
        "FROM /* INTO $upstream", "FROM / WHERE x INTO", "docker:", "arn:aws:iot:::thing/", "all",
        "/a|b/", "{configuration:/}", "{configuration:/a/b}", "node.labels.==x", "io.balena.x=",
    ]),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.recursive(
        st.sampled_from(["x", "value", None, 1]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["", "name", "value", "."]), inner, max_size=3),
        ),
        max_leaves=6,
    ),
)  # fmt: skip


def ways(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values."""
    found = [way]
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            found += ways(below, (*way, key))
    return found


@st.composite
def with_odd_values(draw: st.DrawFn, format: str) -> Any:
    """Return the value of a fixture of which a few parts are something else."""
    value = copy.deepcopy(draw(st.sampled_from(VALUES[format])))
    for _ in range(draw(st.integers(1, 4))):
        *above, last = draw(st.sampled_from(ways(value)[1:] or [("none",)]))
        holder = value
        for key in above:
            holder = holder[key]
        if isinstance(holder, dict) and draw(st.booleans()):
            name = draw(st.sampled_from([last, str(last).upper(), f"{last}.x", f"{last}s", ""]))
            holder[name] = holder.pop(last) if last in holder else None
        elif last != "none":
            holder[last] = draw(ODD)
    return value


@pytest.mark.parametrize("format", VALUES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_at_any_place_is_read(format: str, data: st.DataObject) -> None:
    value = data.draw(with_odd_values(format))
    content = json.dumps(value).encode("utf-8", "replace")
    found = read_manifests(["-"], stdin=io.BytesIO(content))
    assert found.files + found.skipped == 1
    for one in found.deployed:
        assert one.name is not None
        assert one.place.line >= 1


# text protocol buffers


def read(text: str) -> Found:
    parsed = parse_text_proto(text, "nowhere/m/config.pbtxt")
    assert (parsed.unreadable is None) == (len(parsed.documents) == 1)
    if parsed.unreadable is not None:
        assert_within(parsed.unreadable.place, text)
    roots = [Field(document, document.root) for document in parsed.documents]
    found = triton.read([root for root in roots if triton.claims(root)])
    for one in found.deployed:
        assert_within(one.place, text)
    for defect in found.defects:
        assert_within(defect.place, text)
    return found


def assert_within(place: Place, text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert 1 <= place.line <= place.end_line <= len(lines)
    assert 1 <= place.column <= len(lines[place.line - 1]) + 1


@given(st.text(max_size=200))
def test_any_text_is_a_message_or_is_refused(text: str) -> None:
    read(text)


@given(
    st.lists(
        st.sampled_from([
            "name", "instance_group", "kind", "KIND_GPU", "count", "gpus", ":", "{", "}", "[", "]",
            "<", ">", ",", ";", "-", "1", "0x", "1.5f", "'a'", '"b"', "'", '"', "\\", "#", "\n",
            "\r", " ", "$", "${x}", "step", "ensemble_scheduling", "model_name", "parameters",
            "key", "value", "string_value", "version_policy", "specific", "versions", "é",
        ]),
        max_size=60,
    )
)  # fmt: skip
def test_any_tokens_are_a_message_or_are_refused(tokens: list[str]) -> None:
    read(" ".join(tokens))


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_a_configuration_is_read(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(PROTO))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        piece = data.draw(st.sampled_from(["", "{", "}", "[", "]", ":", '"', "-", text[start:end]]))
        text = text[:start] + piece + text[end:]
    read(text)


MESSAGES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: ["list", *items]),
        st.lists(st.tuples(st.sampled_from(["a", "b_2", "C"]), inner), max_size=3),
    ),
    max_leaves=12,
)


def written(value: Any) -> str:
    """Return a value as text: a text, a list that begins with ``list``, or pairs."""
    if isinstance(value, str):
        quoted = "".join(
            f"\\{ord(sign):03o}" if ord(sign) < 32 or sign in "\\'" else sign for sign in value
        )
        return f"'{quoted}'"
    if value and value[0] == "list":
        return f"[{', '.join(map(written, value[1:]))}]"
    return "{ " + " ".join(f"{name}: {written(one)}" for name, one in value) + " }"


def plain(field: Field) -> Any:
    if field.is_list:
        return ["list", *map(plain, field.items())]
    if field.is_mapping:
        return [(one.name, plain(one)) for one in field.pairs()]
    return field.text()


@given(MESSAGES)
def test_what_is_written_is_read(value: Any) -> None:
    parsed = parse_text_proto(f"it: {written(value)}", "x.pbtxt")
    (document,) = parsed.documents
    assert plain(Field(document, document.root).at("it")) == value
