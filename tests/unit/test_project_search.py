from __future__ import annotations

import os
from pathlib import Path

import pytest

from placer.files.project import find_project, nearest_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "deploy").mkdir(parents=True)
    (tmp_path / "own" / "placer.yaml").write_text("schema: placer/project/v1\n")
    return tmp_path


@pytest.mark.parametrize(
    "start", ["own", "own/deploy", "own/deploy/x.yaml", "own/none/at/all.yaml"]
)
@pytest.mark.usefixtures("project")
def test_a_project_is_found_at_or_above_a_path(start: str) -> None:
    assert find_project(start) == "own/placer.yaml"


def test_there_may_be_none(project: Path) -> None:
    assert find_project(".") is None
    assert find_project("") is None
    assert nearest_project(os.sep, {}) is None


def test_a_link_to_a_manifest_is_of_the_project_it_stands_in(project: Path) -> None:
    (project / "else").mkdir()
    (project / "else" / "x.yaml").write_text("a: 1\n")
    (project / "own" / "deploy" / "x.yaml").symlink_to(project / "else" / "x.yaml")
    assert find_project("own/deploy/x.yaml") == "own/placer.yaml"


def test_a_deep_folder_and_its_neighbours_are_answered_once(project: Path) -> None:
    known: dict[str, str | None] = {}
    root = os.path.realpath(project / "own")
    deep = root + "/a" * 1500
    assert nearest_project(deep, known) == f"{root}/placer.yaml"
    assert known[root + "/a/a"] == known[deep] == known[root]
    assert nearest_project(root + "/a/b", known) == known[root]
