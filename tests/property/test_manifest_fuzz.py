"""Whatever the bytes are, reading ends and raises nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from placer.core.deployment import Manifests, Place
from placer.manifests.paths import SUFFIXES
from placer.manifests.reading import read_manifests

FIXTURES = sorted(
    path
    for path in (Path(__file__).parent.parent / "manifests").rglob("*")
    if path.name.endswith(SUFFIXES)
)
CONTENTS = [path.read_bytes() for path in FIXTURES]
SPLICES = [
    b"{{", b"}}", b"*a", b"&a ", b"<<: *a", b"!!binary ", b"!Ref ", b"\t", b"\r", b"\x00", b"\xff",
    b"\xe2\x80\xa8", b"\xf0\x9f\x9a\x97", b": ", b"- ", b"? ", b"|", b">-", b"'", b'"', b"#",
    b"# placer: ignore[PLC101] x", b"---\n", b"...\n", b"[", b"]", b"{", b"}", b",", b"null", b"~",
    b"\\u", b"\\ud83d", b"1e999", b"9" * 400, b"[" * 200, b"%YAML 9.9\n", b"\xef\xbb\xbf", b"\n",
    b"$", b"@", b"`", b"  ",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a fixture with a few cuts, copies and splices."""
    content = draw(st.sampled_from(CONTENTS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 60)))
        piece = draw(st.sampled_from([*SPLICES, b"", content[start:end], content[end : end + 60]]))
        content = content[:start] + piece + content[end:]
    return content


def read(content: bytes) -> Manifests:
    """Read bytes as standard input."""
    return read_manifests(["-"], stdin=io.BytesIO(content))


def assert_is_sound(found: Manifests, content: bytes) -> None:
    """Check what holds of every result."""
    lines = content.count(b"\n") + content.count(b"\r") + 2
    places: list[Place] = [
        *(one.place for one in found.deployed),
        *(one.place for one in found.defects),
        *(one.place for one in found.unreadable),
        *(one.place for one in found.suppressions),
        *(model.uri.place for one in found.deployed for model in one.models),
    ]
    for place in places:
        assert 1 <= place.line <= place.end_line <= lines
        assert place.column >= 1
        assert (place.line, place.column) <= (place.end_line, place.end_column)
    assert found.files + found.skipped == 1
    ids = [one.id for one in found.deployed]
    assert len(ids) == len(set(ids))


@given(st.binary(max_size=400))
def test_any_bytes_are_read(content: bytes) -> None:
    assert_is_sound(read(content), content)


@given(st.text(max_size=300))
def test_any_text_that_says_it_is_a_manifest_is_read(text: str) -> None:
    content = f"apiVersion: v1\nkind: Pod\n{text}".encode("utf-8", "replace")
    assert_is_sound(read(content), content)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_any_change_of_a_manifest_is_read(content: bytes) -> None:
    assert_is_sound(read(content), content)


@pytest.mark.parametrize("cut", [3, 7, 13])
def test_every_beginning_of_a_manifest_is_read(cut: int) -> None:
    for content in CONTENTS:
        for length in range(cut, len(content), max(cut * 5, len(content) // 40)):
            assert_is_sound(read(content[:length]), content[:length])
