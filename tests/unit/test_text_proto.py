from __future__ import annotations

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import MAX_DEPTH
from placer.manifests.text_proto import parse_text_proto
from tests.manifest_summary import at


def root(text: str) -> Field:
    parsed = parse_text_proto(text, "config.pbtxt")
    assert parsed.unreadable is None
    (document,) = parsed.documents
    return Field(document, document.root)


def plain(field: Field) -> object:
    """Return lists, texts, and (key, value) of messages."""
    if field.is_list:
        return [plain(one) for one in field.items()]
    if field.is_mapping:
        return [(one.name, plain(one)) for one in field.pairs()]
    return field.text()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", []),
        ("# nothing\n", []),
        ('a: "b"', [("a", "b")]),
        ("a: 1, b: -2; c: 0x1F d: 1.5f e: -inf f: .5", [
            ("a", "1"), ("b", "-2"), ("c", "0x1F"), ("d", "1.5"), ("e", "-inf"), ("f", ".5")]),
        ("a { b: 1 }", [("a", [("b", "1")])]),
        ("a: { b: 1 }", [("a", [("b", "1")])]),
        ("a < b: 1 >", [("a", [("b", "1")])]),
        ("a [ { b: 1 }, < c: 2 > ]", [("a", [[("b", "1")], [("c", "2")]])]),
        ("a: []", [("a", [])]),
        ("a: 1 a: 2", [("a", "1"), ("a", "2")]),
        ("a: KIND_GPU # b: 1\nc: true", [("a", "KIND_GPU"), ("c", "true")]),
        ("a: 'x' \"y\"\n  'z'", [("a", "xyz")]),
        ("[com.example.x]: 1 [type.googleapis.com/a.B] { c: 1 }", [
            ("[com.example.x]", "1"), ("[type.googleapis.com/a.B]", [("c", "1")])]),
        ("a: ${b} c: [ ${d}, 1 ]", [("a", "${b}"), ("c", ["${d}", "1"])]),
    ],
)  # fmt: skip
def test_reads_what_the_format_allows(text: str, read: object) -> None:
    assert plain(root(text)) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"\n\t\\\"\'\?"', "\n\t\\\"'?"),
        (r'"\303\251"', "é"),
        (r'"\xc3\xa9"', "é"),
        (r'"\u00e9\U0001F600"', "é😀"),
        (r'"\x41B"', "AB"),
        (r'"\ud800\U00110000\377"', "?\ufffd\ufffd"),
        ("'\"#'", '"#'),
        ("'äöü'", "äöü"),
    ],
)
def test_reads_escapes(written: str, read: str) -> None:
    assert root(f"a: {written}").at("a").text() == read


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a", "1:2", "':' is missing after 'a'"),
        ("a:\n  ", "2:3", "a value is expected, and the file ends"),
        ("a {\n b: 1", "2:6", "'}' is missing at the end"),
        ("a: [1 2]", "1:7", "',' or ']' is expected"),
        ("a: [1,", "1:7", "a value is expected"),
        ('b: 1\r\na: "x', "2:4", "a string without an end on its line"),
        ("a: 1b", "1:4", "no number"),
        ("}", "1:1", "a field's name is expected"),
        ("a: 'x\\q'", "1:6", "'\\q' is no escape"),
        ("a: @", "1:4", "'@' is not allowed here"),
        ("[a", "1:3", "']' is missing at the end"),
        ("name: {{ .Values.name }}", "1:8", "a field's name is expected"),
        ("{{ .Values.all }}", "1:1", "a field's name is expected"),
    ],
)
def test_says_where_a_text_is_none(text: str, where: str, message: str) -> None:
    found = parse_text_proto(text, "x.pbtxt")
    assert found.documents == ()
    assert found.unreadable is not None
    assert str(found.unreadable.place) == f"x.pbtxt:{where}"
    assert message in found.unreadable.message
    assert found.unreadable.remedy


def test_a_template_is_to_be_rendered_first() -> None:
    for text in ("name: {{ .Values.name }}", "{{ .Values.all }}", "a: [ {{ x }} ]"):
        found = parse_text_proto(text, "x.pbtxt").unreadable
        assert found is not None
        assert found.remedy == "render the template and check what comes of it"


def test_values_know_where_they_stand() -> None:
    config = root("name: \"ä\" platform: 'x'\ngroup [\n  {\n    count: 2 } ]\n")
    assert at(config.at("name").place()) == "1:7-10"
    assert at(config.at("platform").pair_place()) == "1:11-24"
    assert at(config.at("group").place()) == "2:1-6"
    (group,) = config.at("group").items()
    assert at(group.at("count").place()) == "4:12-13"
    assert group.at("count").place().pointer == "/group/0/count"


def test_repeated_keys_have_pointers_of_their_own() -> None:
    config = root("a: 1 b: 2 a: 3")
    assert [one.pointer for one in config.all_of("a")] == ["/a/0", "/a/1"]
    assert config.at("a").text() == "3"


def test_deep_nesting_is_told_and_not_followed() -> None:
    for opening in ("a {", "a [", "a: [" + "[" * 10):
        found = parse_text_proto(opening * 50_000, "x.pbtxt").unreadable
        assert found is not None
        assert found.message in (f"nested deeper than {MAX_DEPTH} levels",) or "expected" in (
            found.message
        )
