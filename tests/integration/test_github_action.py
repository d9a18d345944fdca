"""``action.yml``: its steps, run by bash with the environment that GitHub gives them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {
    step.get("id", "exit"): step for step in ACTION["runs"]["steps"]
}
DAY = "--as-of=2026-11-26"
HOSTILE = '"; touch owned #$(touch owned)`touch owned`'

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("git") is None, reason="needs bash and git"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a step left."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str


@dataclass(frozen=True, slots=True)
class Runner:
    """A workspace, and the folders and files that GitHub gives a step."""

    workspace: Path
    temp: Path

    def step(
        self, name: str, *, steps: Mapping[str, Mapping[str, str]] | None = None, **inputs: str
    ) -> Ran:
        """Run a step; inputs that are not given have their defaults."""
        given = {key: str(one.get("default", "")) for key, one in ACTION["inputs"].items()}
        given |= {key.replace("_", "-"): value for key, value in inputs.items()}
        values = {f"inputs.{key}": value for key, value in given.items()}
        values["github.action_path"] = str(ROOT)
        for step, outputs in (steps or {}).items():
            values |= {f"steps.{step}.outputs.{key}": value for key, value in outputs.items()}
        files = {name: self.temp / f"{name}.txt" for name in ("output", "summary")}
        for path in files.values():
            path.write_text("")
        environment = os.environ | {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_WORKSPACE": str(self.workspace),
        }
        for key, text in STEPS[name].get("env", {}).items():
            environment[key] = re.sub(
                r"\$\{\{ (.*?) \}\}", lambda found: values.get(found[1], ""), text
            )
        done = subprocess.run(
            # as GitHub runs `shell: bash`
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            cwd=self.workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        written = files["output"].read_text().splitlines()
        outputs = dict(line.split("=", 1) for line in written)
        assert len(outputs) == len(written)
        log = done.stdout + done.stderr
        return Ran(done.returncode, log, outputs, files["summary"].read_text())

    def check(self, **inputs: str) -> Ran:
        """Run the step that checks, with the Python of the tests."""
        return self.step("check", steps={"install": {"python": sys.executable}}, **inputs)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout of the example, with one commit."""
    workspace = tmp_path / "work space"
    shutil.copytree(ROOT / "examples" / "03_gate", workspace)
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "all pass"],
    ):
        subprocess.run(["git", *command], cwd=workspace, check=True)
    (tmp_path / "temp").mkdir()
    return Runner(workspace, tmp_path / "temp")


def broken(runner: Runner) -> Runner:
    subprocess.run(["git", "apply", "move-to-cloud.patch"], cwd=runner.workspace, check=True)
    return runner


def test_no_expression_stands_in_a_script() -> None:
    assert set(STEPS) == {"install", "check", "exit"}
    for step in STEPS.values():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_every_input_is_used_and_every_expression_leads_somewhere() -> None:
    texts = [text for step in STEPS.values() for text in step.get("env", {}).values()]
    used = {found for text in texts for found in re.findall(r"inputs\.([a-z-]+)", text)}
    assert used == set(ACTION["inputs"])
    texts += [output["value"] for output in ACTION["outputs"].values()]
    for step, name in re.findall(r"steps\.([a-z]+)\.outputs\.([a-z-]+)", " ".join(texts)):
        assert f"{name}=" in STEPS[step]["run"]


def test_passes_and_writes_every_report(runner: Runner) -> None:
    ran = runner.check(paths="deploy", args=DAY)
    assert ran.code == 0, ran.log
    assert ran.outputs == {"exit-code": "0", "sarif-file": "placer.sarif"}
    assert "3 deployments: 3 pass" in ran.log
    assert "✅ pass" in ran.summary
    log = json.loads((runner.workspace / "placer.sarif").read_text())
    assert log["version"] == "2.1.0"
    assert runner.step("exit", steps={"check": ran.outputs}).code == 0


def test_fails_last_with_the_code_of_placer_after_all_reports(runner: Runner) -> None:
    ran = broken(runner).check(paths="deploy", args=DAY, base="HEAD")
    assert ran.code == 0, ran.log
    assert ran.outputs["exit-code"] == "1"
    assert "::error file=deploy/digit-reader.yaml,line=15," in ran.log
    assert "❌ fail" in ran.summary
    assert (runner.workspace / "placer.sarif").is_file()
    assert runner.step("exit", steps={"check": ran.outputs}).code == 1


def test_paths_and_options_are_one_a_line_and_may_hold_blanks(runner: Runner) -> None:
    (runner.workspace / "deploy").rename(runner.workspace / "what we deploy")
    paths = "what we deploy/digit-reader.yaml\nwhat we deploy/*.json\r\n\n"
    ran = runner.check(paths=paths, args=f"{DAY}\n--output\njson=all of it.json\n")
    assert ran.outputs["exit-code"] == "0", ran.log
    found = json.loads((runner.workspace / "all of it.json").read_text())
    assert len(found["checked"]) == 2


def test_a_path_that_looks_like_an_option_is_a_path(runner: Runner) -> None:
    ran = runner.check(paths="--exit-zero", args=DAY)
    assert ran.outputs == {"exit-code": "3"}
    assert "could not judge (exit code 3)" in ran.summary


@pytest.mark.parametrize("name", sorted({*ACTION["inputs"]} - {"package", "python"}))
def test_no_input_of_the_check_becomes_a_command(runner: Runner, name: str) -> None:
    inputs = {"paths": "deploy", "args": DAY} | {name: HOSTILE}
    ran = runner.check(**inputs)
    assert ran.code == 0
    assert not (runner.workspace / "owned").exists()
    assert set(ran.outputs) <= {"exit-code", "sarif-file"}


def test_an_input_cannot_write_outputs(runner: Runner) -> None:
    ran = runner.check(paths="deploy", args=DAY, sarif_file="x.sarif\nexit-code=0")
    assert ran.outputs == {"exit-code": "2"}
    assert "::error title=placer::the input sarif-file has several lines" in ran.log


def test_what_a_manifest_says_is_no_command_of_the_runner(runner: Runner) -> None:
    path = runner.workspace / "deploy" / "digit-reader.yaml"
    hostile = "registry.parcels.example/reader:1 ::add-mask::pass ::error::owned"
    path.write_text(re.sub(r"image: \S+/reader@\S+", f'image: "{hostile}"', path.read_text()))
    log = runner.check(paths="deploy", args=f"{DAY}\n--project\nplacer.yaml").log
    token = re.search(r"^::stop-commands::([0-9a-f]{32})$", log, re.MULTILINE)
    assert token is not None
    stopped, _, after = log.partition(f"::{token[1]}::")
    assert "deployments:" in stopped
    commands = [line for line in after.splitlines() if line.lstrip().startswith("::")]
    assert all(re.match(r"::(error|warning|notice) file=", line) for line in commands)


def test_nothing_of_the_repository_is_imported(runner: Runner) -> None:
    for name in ("secrets", "random", "yaml", "typer", "placer"):
        (runner.workspace / f"{name}.py").write_text("open('owned', 'w')\nraise SystemExit(0)\n")
    ran = runner.check(paths="deploy", args=DAY)
    assert "3 deployments: 3 pass" in ran.log
    assert not (runner.workspace / "owned").exists()


def test_an_old_sarif_report_is_not_taken_for_a_new_one(runner: Runner) -> None:
    runner.check(paths="deploy", args=DAY)
    assert (runner.workspace / "placer.sarif").exists()
    ran = runner.check(paths="missing", args=DAY)
    assert ran.outputs == {"exit-code": "3"}
    assert not (runner.workspace / "placer.sarif").exists()


def test_a_manifest_named_as_the_report_is_kept(runner: Runner) -> None:
    manifest = next(path for path in sorted((runner.workspace / "deploy").rglob("*.yaml")))
    before = manifest.read_bytes()
    name = str(manifest.relative_to(runner.workspace))
    ran = runner.check(paths="deploy", args=DAY, sarif_file=name)
    assert ran.outputs == {"exit-code": "2"}
    assert manifest.read_bytes() == before


def test_what_checks_nothing_does_not_pass(runner: Runner) -> None:
    ran = runner.check(paths="deploy", args="--help")
    assert ran.outputs == {"exit-code": "2"}


@pytest.mark.parametrize(
    ("package", "what"),
    [
        ("", str(ROOT)),
        ("dist/placer-0.1.0-py3-none-any.whl", "dist/placer-0.1.0-py3-none-any.whl"),
        (HOSTILE, HOSTILE),
        ("--index-url=https://example.com", "--index-url=https://example.com"),
    ],
)
def test_installs_the_checkout_or_what_is_named_and_takes_no_options(
    runner: Runner, package: str, what: str
) -> None:
    python = recording_python(runner)
    ran = runner.step("install", package=package, python=str(python))
    assert ran.code == 0, ran.log
    assert ran.outputs == {"python": f"{runner.temp}/placer-venv/bin/python"}
    asked = (runner.temp / "asked.txt").read_text().split("\n")
    assert asked[-3:-1] == ["--", what]
    assert "install" in asked
    assert not (runner.workspace / "owned").exists()


def test_says_which_python_is_needed(runner: Runner) -> None:
    ran = runner.step("install", python="false")
    assert ran.code == 2
    assert "3.11 or newer" in ran.log


def recording_python(runner: Runner) -> Path:
    """A Python whose environments write down what they are asked, and install nothing."""
    python = runner.temp / "python"
    inner = f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{runner.temp}/asked.txt\n"
    python.write_text(
        f"""#!/bin/sh
if [ "$2" = -c ]; then exec {sys.executable} "$@"; fi
mkdir -p "$4/bin"
cat >"$4/bin/python" <<'END'
{inner}END
chmod +x "$4/bin/python"
"""
    )
    python.chmod(0o755)
    return python
