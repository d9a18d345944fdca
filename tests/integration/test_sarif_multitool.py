"""SARIF of checks, judged by Microsoft's own validator from npm with GitHub's rules."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from placer.core.gate_rules import GATE_RULES
from placer.core.rules import RULES
from placer.reports.check import render
from placer.reports.check.context import Context, texts_of
from tests.unit import test_check_reports as samples

PACKAGE = "@microsoft/sarif-multitool@5.7.0"
Validate = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Install the validator and return what it says of a log."""
    folder = tmp_path_factory.mktemp("multitool")
    npm = shutil.which("npm")
    if npm is None or sys.platform != "linux":
        pytest.skip("the SARIF multitool needs npm on Linux: apt-get install npm")
    installed = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    tool = folder / "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
    assert tool.exists(), f"{PACKAGE} cannot be installed: {installed.stderr}"

    def run(report: str) -> list[dict[str, Any]]:
        log, said = folder / "log.sarif", folder / "said.sarif"
        log.write_text(report, encoding="utf-8")
        done = subprocess.run(
            [
                *(str(tool), "validate", str(log), "--rule-kind", "Sarif;Ghas"),
                *("--output", str(said), "--log", "ForceOverwrite"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.exists(), done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(said.read_text(encoding="utf-8-sig"))["runs"][0][
            "results"
        ]
        return found

    return run


def test_every_rule_passes_without_an_error(validate: Validate) -> None:
    texts = {**texts_of(RULES), **texts_of(GATE_RULES)}
    findings = tuple(replace(samples.FINDING, rule=rule) for rule in texts)
    result = replace(samples.CHANGED, findings=(*findings, samples.OPEN))
    for shown in (False, True):
        context = Context(texts, {}, "0.1.0", with_suppressed=shown)
        found = {one["ruleId"] for one in validate(render(result, "sarif", context))}
        assert found <= {"SARIF2005"}  # a page of the tool: the project has no address yet


def test_hostile_texts_pass(validate: Validate) -> None:
    report = render(samples.hostile("a%20\x1b[31m|]]>"), "sarif", samples.CONTEXT)
    assert [one for one in validate(report) if one.get("level") == "error"] == []


def test_the_validator_sees_what_is_wrong(validate: Validate) -> None:
    log = json.loads(render(samples.RESULT, "sarif", samples.CONTEXT))
    del log["runs"][0]["tool"]["driver"]["rules"][0]["help"]
    del log["runs"][0]["results"][0]["locations"]
    assert validate(json.dumps(log)) != []
