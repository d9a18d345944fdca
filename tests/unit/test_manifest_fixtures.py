"""What is read of every fixture, held to a file that was reviewed: PLACER_GOLDEN writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from placer.manifests.formats import FORMATS
from placer.manifests.paths import SUFFIXES
from placer.manifests.reading import read_manifests
from tests.manifest_summary import summary

FIXTURES = Path(__file__).parent.parent / "manifests"
GOLDEN = Path(__file__).parent.parent / "golden" / "manifests"


def fixtures(format: str) -> list[Path]:
    """Return what stands directly below the folder of a format: files, and folders as a whole."""
    return sorted(
        path
        for path in (FIXTURES / format).iterdir()
        if path.is_dir() or path.name.endswith(SUFFIXES)
    )


ALL = [(one.id, path) for one in FORMATS for path in fixtures(one.id)]


def golden(format: str, path: Path) -> Path:
    """Return the file that says what is read of a fixture."""
    return GOLDEN / format / f"{path.name}.golden.json"


@pytest.mark.parametrize(("format", "path"), ALL, ids=lambda one: getattr(one, "name", one))
def test_reads_of_a_fixture_what_was_reviewed(
    format: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FIXTURES / format)
    found = json.dumps(summary(read_manifests([path.name])), indent=2, ensure_ascii=False) + "\n"
    expected = golden(format, path)
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


def test_no_golden_file_is_left_behind() -> None:
    wanted = {golden(format, path) for format, path in ALL}
    assert set(GOLDEN.rglob("*.json")) == wanted


def test_every_fixture_belongs_to_a_format() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == {one.id for one in FORMATS}
