"""``.pre-commit-hooks.yaml``: each hook has an entry that runs, and files that start it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from placer.core.rendering import FORMAT_OF_SUFFIX

ROOT = Path(__file__).parents[2]
HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path / "examples" / "03_gate"


def ran(hook: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a hook as pre-commit does: entry, args, and no file names."""
    command = [*shlex.split(HOOKS[hook]["entry"]), *HOOKS[hook].get("args", []), *more]
    scripts = Path(sys.executable).parent
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_hooks_are_the_two_that_the_page_names() -> None:
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    assert set(HOOKS) == {"placer-check", "placer-lock-check"}
    assert set(re.findall(r"- id: (\S+)", page)) == set(HOOKS)
    for hook in HOOKS.values():
        assert hook["language"] == "python"
        assert hook["pass_filenames"] is False


@pytest.mark.parametrize(
    ("hook", "starts", "does_not"),
    [
        (
            "placer-check",
            [
                *("deploy/a.yaml", "b.yml", "c.json", "m/config.pbtxt", "placer.lock"),
                *("repo/m/1/model.onnx", "repo/m/12/model.plan", "m/1/model.onnx.data"),
                *("m/1/model.savedmodel/saved_model.pb", "1/model.graphdef"),
            ],
            ["README.md", "a.py", "model.onnx", "v1/a.py", "m/01/a.py"],
        ),
        (
            "placer-lock-check",
            [
                *("placer.yaml", "placer.lock", "models/a.onnx", "a.tflite", "evidence/a.json"),
                *("a.onnx.data", "a.onnx_data", "weights.bin", "a.plan", "model.graphdef"),
                *(f"a.{suffix}" for suffix in FORMAT_OF_SUFFIX),
            ],
            ["deploy/a.json", "README.md", "a.py"],
        ),
    ],
)
def test_files_of_a_commit_start_a_hook(hook: str, starts: list[str], does_not: list[str]) -> None:
    pattern = re.compile(HOOKS[hook]["files"])  # searched for, as pre-commit does
    assert all(pattern.search(path) for path in starts)
    assert not any(pattern.search(path) for path in does_not)


def test_check_passes_and_then_fails_the_change(project: Path) -> None:
    day = "--as-of=2026-11-26"
    done = ran("placer-check", project, day)
    assert done.returncode == 0, done.stdout + done.stderr
    path = project / "deploy" / "digit-reader.yaml"
    edge = 'node-role.kubernetes.io/edge: ""'
    assert edge in path.read_text()
    cloud = path.read_text().replace(edge, "topology.kubernetes.io/region: eu-north-1")
    path.write_text(cloud)
    assert ran("placer-check", project, day).returncode == 1


def test_lock_check_passes_and_then_fails_other_evidence(project: Path) -> None:
    done = ran("placer-lock-check", project)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (project / "evidence").iterdir()
    path.write_text(path.read_text().replace('"drift_ratio":', '"drift_ratio": '))
    done = ran("placer-lock-check", project)
    assert done.returncode == 1
    assert "restore the file, or measure again and lock that" in done.stdout
