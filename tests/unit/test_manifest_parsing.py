"""YAML and JSON as manifests are written: positions, aliases, limits, and what is no YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from placer.core.deployment import Place, Unreadable
from placer.manifests.nodes import Field
from placer.manifests.parsing import MAX_DEPTH, Parsed, decoded, parse_yaml

FIXTURES = Path(__file__).parent.parent / "manifests"


def root(text: str, document: int = 0) -> Field:
    """Return the root of a document that can be read."""
    parsed = parse_yaml(text, "m.yaml")
    assert parsed.unreadable is None
    found = parsed.documents[document]
    return Field(found, found.root)


def problem(text: str, path: str = "m.yaml") -> Unreadable:
    """Return what is said of a text that cannot be read."""
    unreadable = parse_yaml(text, path).unreadable
    assert unreadable is not None
    return unreadable


def span(place: Place) -> tuple[int, int, int, int]:
    return place.line, place.column, place.end_line, place.end_column


def test_a_value_knows_its_place_pointer_and_document() -> None:
    field = root("a: 1\n---\nb:\n  - x/y~z: {c: word}\n", 1).at("b")
    value = next(field.items()).at("x/y~z", "c")
    assert value.text() == "word"
    assert span(value.place()) == (4, 16, 4, 20)
    assert value.place().pointer == "/b/0/x~1y~0z/c"
    assert value.place().document == 1
    assert span(value.key_place()) == (4, 13, 4, 14)
    assert span(value.pair_place()) == (4, 13, 4, 20)


@pytest.mark.parametrize("text", ["k: 🚗, v\nx: {é🚗: 'w'}\n", '{"k": "🚗",\n"é🚗": "w"}'])
def test_columns_count_characters(text: str) -> None:
    value = root(text).at("é🚗") or root(text).at("x", "é🚗")
    line = text.splitlines()[value.place().line - 1]
    assert line[value.place().column - 1 : value.place().end_column - 1].strip("\"'") == "w"


def test_lines_are_those_of_an_editor_where_libyaml_counts_others() -> None:
    value = root("a: 'x\u2028y\x85z'\nb: word\n").at("b")
    assert span(value.place()) == (2, 4, 2, 8)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems_count_alike(newline: str) -> None:
    text = newline.join(["a: 1", "b:", "  c: word", ""])
    assert span(root(text).at("b", "c").place()) == (3, 6, 3, 10)


def test_a_block_stands_where_its_key_does() -> None:
    value = root("a:\n  b:\n    c: 1\n  d: [1,\n 2]\n  e: |\n    text\nf: 1\n").at("a")
    assert span(value.at("b").place()) == (2, 3, 2, 4)
    assert span(value.at("d").place()) == (4, 6, 5, 4)
    assert span(value.at("e").place()) == (6, 6, 6, 7)


def test_an_alias_stands_where_it_is_used_and_its_parts_where_they_are_written() -> None:
    field = root("a: &x {b: word}\nc: *x\n")
    assert span(field.at("c").place()) == (2, 4, 2, 6)
    assert span(field.at("c", "b").place()) == (1, 11, 1, 15)
    assert field.at("c", "b").place().pointer == "/c/b"


def test_merge_keys_give_what_is_not_there_and_the_earlier_wins() -> None:
    text = "a: &a {k: 1, l: 1, m: 1}\nb: &b {l: 2, n: 2}\nc: {k: 3, <<: [*b, *a]}\n"
    field = root(text).at("c")
    assert {one.name: one.integer() for one in field.entries()} == {"k": 3, "l": 2, "n": 2, "m": 1}
    assert field.at("l").integer() == 2


@pytest.mark.parametrize("key", ["!!merge <<", "!<tag:yaml.org,2002:merge> '<<'", "!m!merge <<"])
def test_a_key_that_is_tagged_as_a_merge_merges(key: str) -> None:
    head = "%TAG !m! tag:yaml.org,2002:\n---\n" if "!m!" in key else ""
    field = root(f"{head}a: &a {{k: 1}}\nb: {{? {key} : *a, l: 2}}\n").at("b")
    assert {one.name: one.integer() for one in field.entries()} == {"k": 1, "l": 2}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert root("a: {'<<': {k: 1}}\n").at("a", "k").integer() is None


def test_the_last_of_a_repeated_key_counts() -> None:
    field = root("a: 1\nb: 2\na: 3\n")
    assert field.at("a").integer() == 3
    assert [one.name for one in field.entries()] == ["a", "b"]


@pytest.mark.parametrize("text", ["? [a, b]\n: 1\nk: 2\n", "{{a: b}: 1, k: 2}", "1: 1\nk: 2\n"])
def test_keys_that_are_no_words_do_no_harm(text: str) -> None:
    assert root(text).at("k").integer() == 2


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("yes", "truth value", True),
        ("off", "truth value", False),
        ("'true'", "text", True),
        ("0o17", "number", None),
        ("2024-01-31", "text", None),
        ("1e3", "number", None),
        ("~", "null", None),
        ("", "null", None),
        ("'~'", "text", None),
    ],
)
def test_scalars_are_what_kubernetes_makes_of_them(
    text: str, kind: str, value: bool | None
) -> None:
    field = root(f"k: {text}\n").at("k")
    assert field.kind() == kind
    assert field.truth() is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 8),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-5", -5),
        ("'7'", 7),
        ("1.5", None),
        ("9" * 50, None),
    ],
)
def test_whole_numbers_are_read_and_nothing_else(text: str, value: int | None) -> None:
    assert root(f"k: {text}\n").at("k").integer() == value


def test_a_template_in_the_place_of_a_value_is_kept_as_said() -> None:
    field = root("k: {{ .Values.replicas }}\n").at("k")
    assert field.text() == "{{ .Values.replicas }}"
    assert field.kind() == "template"
    assert field.integer() is None


def test_ways_through_nothing_end_nowhere() -> None:
    field = root("a: [1]\n")
    missing = field.at("a", "b", "c")
    assert not missing
    assert missing.text() is None
    assert list(missing.items()) == []
    assert list(missing.entries()) == []
    assert missing.place().pointer == "/a/b/c"


def test_halves_of_characters_in_json_do_not_shift_columns() -> None:
    value = root('{"a": "\\ud83d\\ude00", "b": "w"}').at("b")
    assert span(value.place()) == (1, 28, 1, 31)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_and_wide_characters_are_read(encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    text = decoded(mark + "a: é\n".encode(encoding), "m.yaml")
    assert text == "a: é\n"


@pytest.mark.parametrize(
    ("content", "message", "line", "column"),
    [
        (b"a: 1\nb: \xc3\xa9\xff\n", "not UTF-8 text", 2, 5),
        (b"a: 1\nb: \x00\n", "the character U+0000 is not allowed in a manifest", 2, 4),
        (b"\xff\xfea", "not UTF-8 text", 1, 1),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_place(
    content: bytes, message: str, line: int, column: int
) -> None:
    found = decoded(content, "m.yaml")
    assert isinstance(found, Unreadable)
    assert (found.message, found.place.line, found.place.column) == (message, line, column)


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\n b: 2\n", "mapping values are not allowed", 2, 3),
        ("a:\n\tb: 1\n", "a tab in the indentation", 2, 1),
        ("a: [1, 2\nb: 3\n", "did not find expected ',' or ']'", 2, 2),
        ("a: *b\n", "unknown alias '*b'", 1, 4),
        ("a: &a [*a]\n", "the alias '*a' stands within what it names", 1, 8),
        ("é: {'🚗': @}\n", "found character that cannot start any token", 1, 10),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(
    text: str, message: str, line: int, column: int
) -> None:
    found = problem(text)
    assert message in found.message
    assert (found.place.line, found.place.column) == (line, column)
    assert found.remedy


def test_a_template_that_is_no_yaml_is_sent_to_helm() -> None:
    found = problem("a: 1\n{{- if .Values.x }}\nb: 2\n{{- end }}\n")
    assert "helm template" in found.remedy


def test_documents_before_a_broken_one_are_read() -> None:
    parsed = parse_yaml("a: 1\n---\nb: [\n---\nc: 1\n", "m.yaml")
    assert len(parsed.documents) == 1
    assert parsed.unreadable is not None
    assert parsed.unreadable.place.document == 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 5000,
        "- " * 5000 + "a",
        "".join(" " * i + "a:\n" for i in range(MAX_DEPTH + 10)),
        '{"a":' * 5000 + "1" + "}" * 5000,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested" in problem(text).message


def test_depth_that_aliases_make_is_refused() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, MAX_DEPTH + 2)]
    assert "nested deeper" in problem("\n".join(lines)).message


def test_aliases_that_expand_to_billions_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    assert "aliases that expand" in problem("\n".join(lines)).message


def test_more_values_than_memory_should_hold_are_refused() -> None:
    assert "more than 500,000 values" in problem("[" + "a," * 600_000 + "]").message


def test_a_comment_is_found_and_text_that_looks_like_one_is_not() -> None:
    text = (
        "a: 'it # placer: ignore[A]'  # placer: ignore[B] one\n"
        "b: |\n  # placer: ignore[C]\n  x # placer: ignore[D]\n"
        "# placer: ignore[E] two\n"
        "c: x#placer:no\n"
        "d: >-\n  words\n\n  # placer: ignore[F]\ne: 1 # see # placer: none\n"
        'f: "a\n  # placer: ignore[G]"\n'
    )
    comments = parse_yaml(text, "m.yaml").comments
    assert [(one.line, one.column, one.text) for one in comments] == [
        (1, 30, " placer: ignore[B] one"),
        (5, 1, " placer: ignore[E] two"),
        (11, 6, " see # placer: none"),
    ]


def test_comments_are_not_looked_for_behind_what_can_be_read() -> None:
    text = "a: 1 # placer: ignore[A] x\n---\nb: [\n# placer: ignore[B] x\n"
    assert [one.line for one in parse_yaml(text, "m.yaml").comments] == [1]


def plain(parsed: Parsed) -> object:
    """Return what a parse gives, with every place."""
    return [_plain(Field(one, one.root)) for one in parsed.documents]


def _plain(field: Field) -> object:
    children = [*field.items(), *field.entries()]
    return field.place(), field.key_place(), field.text(), [_plain(one) for one in children]


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_without_libyaml_the_same_is_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ours = parse_yaml(text, "m.yaml")
    slow = parse_yaml(text, "m.yaml", loader=yaml.BaseLoader)
    if ours.unreadable is None:
        assert plain(ours) == plain(slow)
    else:
        assert slow.unreadable is not None


def test_json_means_what_json_says() -> None:
    text = json.dumps({"a": [1, {"b\t": "c\u00e9\\/\n"}], "d": None, "e": {}}, indent="\t")
    field = root(text)
    assert next(field.at("a").items()).text() == "1"
    assert list(field.at("a").items())[1].at("b\t").text() == "cé\\/\n"
    assert field.at("d").is_null
    assert field.at("e").is_mapping
