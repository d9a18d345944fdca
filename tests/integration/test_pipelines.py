"""The action and the hooks for pipelines, as far as they run without the service."""

from __future__ import annotations

import json
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

from placer.cli.app import COMMANDS
from tests import gate_project
from tests.gate_project import manifest

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
)
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
SMALL = manifest().replace("512Mi", "64Mi")


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's folder, with this placer where the action installs one."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("the action needs bash")
    programs = tmp_path / "temp" / "placer" / "bin"
    programs.mkdir(parents=True)
    placer = programs / "placer"
    placer.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m placer "$@"\n')
    placer.chmod(0o755)
    return tmp_path


def run_check(runner: Path, folder: Path, **inputs: str) -> tuple[int, str, dict[str, str], str]:
    """Run the step as GitHub would: inputs by the environment, outputs in files."""
    step = STEPS["check"]
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    env = {**os.environ, "RUNNER_TEMP": str(runner / "temp")}
    for name, value in step["env"].items():
        found = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)
        assert found is not None
        env[name] = given[found.group(1)]
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        env[name] = str(runner / name)
        Path(env[name]).write_text("")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = Path(env["GITHUB_OUTPUT"]).read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return done.returncode, done.stdout, outputs, Path(env["GITHUB_STEP_SUMMARY"]).read_text()


def test_the_action_reports_first_and_fails_last(runner: Path) -> None:
    folder = gate_project.make(runner / "project", {"a.yaml": SMALL, "b.yaml": manifest()})
    code, out, outputs, summary = run_check(runner, folder, paths="deploy/a.yaml\ndeploy/b.yaml")
    assert code == 1
    assert out.startswith("::error file=deploy/a.yaml,line=17,")
    assert outputs == {"exit-code": "1", "sarif-file": "placer.sarif"}
    assert summary.startswith("<!-- placer-check -->")
    assert json.loads((folder / "placer.sarif").read_text())["runs"][0]["results"]


def test_the_action_passes_options_on(runner: Path) -> None:
    folder = gate_project.make(runner / "project", {"a.yaml": manifest("disk: ssd")})
    assert run_check(runner, folder, paths="deploy/*.yaml")[0] == 5
    assert run_check(runner, folder, paths="deploy", allow_inconclusive="true")[0] == 0
    assert run_check(runner, folder, paths="deploy", fail_on="never")[0] == 2
    assert run_check(runner, folder, paths="deploy", project="none.yaml")[0] == 3


def test_hostile_inputs_run_nothing(runner: Path) -> None:
    folder = gate_project.make(runner / "project", {"a.yaml": manifest()})
    hostile = "$(touch x) `touch x` ; touch x"
    for name in ("paths", "project", "base", "fail_on", "sarif_file"):
        given = {"paths": "deploy", name: hostile}
        run_check(runner, folder, **given)
        assert not (folder / "x").exists(), name
    run_check(runner, folder, paths="--output=json=x")
    assert not (folder / "x").exists()


def test_no_script_of_the_action_holds_an_expression() -> None:
    for step in STEPS.values():
        assert "${{" not in step["run"]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_calls_a_command_that_exists(hook: dict[str, Any], tmp_path: Path) -> None:
    words = shlex.split(hook["entry"])
    assert words[0] == "placer"
    assert words[1] in COMMANDS
    re.compile(hook["files"])
    folder = gate_project.make(tmp_path / "project", {"a.yaml": SMALL})
    more = ["deploy"] if words[1] == "check" else []
    done = subprocess.run(
        [sys.executable, "-m", *words, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    # the lock of the project was made without its model file
    assert done.returncode == (1 if words[1] == "check" else 3), done.stderr
