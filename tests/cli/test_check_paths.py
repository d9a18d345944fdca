"""Paths in reports that hosts of repositories read are those of the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import git, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
SMALL = manifest().replace("512Mi", "64Mi")


def paths(run: Run, *asked: str) -> dict[str, str]:
    """Return the path of the one finding in each report."""
    words = ("check", *asked, *OPTIONS, "--format")
    sarif: Any = json.loads(run(*words, "sarif").out)
    (result,) = sarif["runs"][0]["results"]
    (gitlab,) = json.loads(run(*words, "gitlab").out)
    return {
        "sarif": result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "github": run(*words, "github").out.partition("file=")[2].partition(",")[0],
        "gitlab": gitlab["location"]["path"],
        "marks": gitlab["fingerprint"] + result["partialFingerprints"]["placerFinding/v1"],
    }


def test_they_are_relative_to_its_root_wherever_the_check_runs(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(SMALL)
    git(folder.parent, "init", "-q")
    below = paths(run, "deploy")
    assert {below[name] for name in ("sarif", "github", "gitlab")} == {"project/deploy/0.yaml"}
    monkeypatch.chdir(folder / "deploy")
    assert paths(run, "0.yaml") == below
    assert paths(run, str(folder / "deploy" / "0.yaml")) == below
    monkeypatch.chdir(folder.parent)
    assert paths(run, "./project/deploy") == below


def test_without_a_repository_they_are_relative_to_the_folder(run: Run, make: Make) -> None:
    folder = make(SMALL)
    assert not any((one / ".git").exists() for one in folder.parents)
    expected = {"deploy/0.yaml"}
    found = paths(run, str(folder / "deploy"))
    assert {found[name] for name in ("sarif", "github", "gitlab")} == expected


def test_text_and_json_name_files_as_they_were_typed(run: Run, make: Make) -> None:
    folder = make(SMALL)
    git(folder.parent, "init", "-q")
    assert "--> deploy/0.yaml:17:30" in run("check", "deploy", *OPTIONS).out
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)
    assert found["findings"][0]["place"]["path"] == str(Path("deploy") / "0.yaml")


def test_one_thing_that_runs_no_model_is_one(run: Run, make: Make) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
    pod += "spec: {containers: [{name: a, image: b}]}\n"
    make(manifest(), pod)
    assert "1 other runs no model that is known" in run("check", "deploy", *OPTIONS).out
