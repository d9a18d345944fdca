"""``placer check``: entries under ``suppressions`` of placer.yaml that can silence nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests import builders, gate_project
from tests.cli.conftest import Make, Result, Run
from tests.gate_project import Evidence, manifest, project

OPTIONS = ("--locked", "--as-of", gate_project.TODAY, "--format", "json")
BEHIND = "  # placer: ignore[PLC706] only for a"
SMALL = manifest().replace("512Mi", "1Mi")
GOOD = Evidence(builders.measurement())
TAMPERED = replace(GOOD, tampering=("2026-11-23", "2026-11-22"))


@pytest.mark.parametrize(
    ("rule", "evidence", "code", "said"),
    [
        ("PLC618", TAMPERED, 1, "PLC618 cannot be ignored"),
        ("PLC618", GOOD, 0, "PLC618 cannot be ignored"),
        ("PLC711", GOOD, 0, "PLC711 cannot be ignored"),
        ("PLC777", GOOD, 0, "PLC777 is no rule"),
        ("PLC777", TAMPERED, 1, "PLC777 is no rule"),
    ],
)
def test_an_entry_that_can_silence_nothing_is_told(
    run: Run, make: Make, rule: str, evidence: Evidence, code: int, said: str
) -> None:
    entry = {"rule": rule, "path": "deploy/*", "reason": "we know"}
    make(manifest(), project_file=project(suppressions=[entry]), evidence=(evidence,))
    result = run("check", "deploy", *OPTIONS)
    found = {one["rule"]: one for one in json.loads(result.out)["findings"]}
    assert ("PLC618" in found) == (evidence is TAMPERED)
    assert found["PLC721"]["message"].startswith(said)
    assert found["PLC721"]["place"]["path"] == "placer.yaml"
    assert result.code == code


def test_an_entry_of_other_files_is_told_where_it_is_of_no_rule(run: Run, make: Make) -> None:
    entry = {"rule": "PLC777", "path": "elsewhere/*", "reason": "we know"}
    make(manifest(), project_file=project(suppressions=[entry]))
    found = json.loads(run("check", "deploy", *OPTIONS).out)["findings"]
    assert [one["rule"] for one in found] == ["PLC721"]


def found_by(result: Result) -> dict[str, list[int]]:
    """Return rule -> lines of its findings."""
    rules: dict[str, list[int]] = {}
    for one in json.loads(result.out)["findings"]:
        rules.setdefault(one["rule"], []).append(one["place"]["line"])
    return rules


def test_a_comment_behind_an_entry_is_not_for_the_next_line(run: Run, make: Make) -> None:
    line = next(one for one in SMALL.splitlines() if "1Mi" in one)
    model = "args: [--model, /models/model.onnx], resources: {limits: {memory: 1Mi}}"
    other = f"        - {{name: second, image: 'r.example/b@sha256:{'1' * 64}', {model}}}\n"
    make(SMALL.replace(line, f"{line}{BEHIND}") + other)
    result = run("check", "deploy", *OPTIONS)
    assert found_by(result)["PLC706"] == [18]
    assert result.code == 1


def test_a_comment_behind_what_is_above_silences_nothing(run: Run, make: Make) -> None:
    make(SMALL.replace("resources:", f"resources:{BEHIND}"))
    result = run("check", "deploy", *OPTIONS)
    assert found_by(result).keys() >= {"PLC706", "PLC721"}
    assert result.code == 1


def test_comments_that_stand_alone_are_for_the_next_entry(run: Run, make: Make) -> None:
    alone = [f"            # placer: ignore[{rule}] we know\n" for rule in ("PLC706", "PLC601")]
    line = "            limits"
    folder = make(SMALL.replace(line, f"{''.join(alone)}            # of the team\n{line}"))
    assert "PLC706" not in found_by(run("check", "deploy", *OPTIONS))
    (folder / "deploy" / "0.yaml").write_text(SMALL.replace(line, f"{alone[0]}\n{line}"))
    assert "PLC706" in found_by(run("check", "deploy", *OPTIONS))


COMMENT = "# placer: ignore[PLC707]"
FILE = "# placer: ignore-file[PLC707]"
GAP = "---\n"


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        (f"A{GAP}{COMMENT}\nB", "b"),
        (f"A{GAP}B{COMMENT}\n", "b"),
        (f"{COMMENT}\n{GAP}A{GAP}B", "a"),
        (f"{GAP}A{COMMENT}\n{GAP}B", "a"),
        (f"A{GAP}{GAP}# x\n{GAP}{COMMENT}\nB", "b"),
        (f"A...\n{COMMENT}\n{GAP}B", "b"),
        (f"A{GAP}B{FILE}\n", "ab"),
        (f"{FILE}\nA{GAP}B", "ab"),
    ],
)
def test_a_comment_without_a_reason_fails_the_document_that_it_stands_in(
    run: Run, make: Make, text: str, failing: str
) -> None:
    for name in "ab":
        one = manifest().replace("  name: counter", f"  name: {name}", 1)
        text = text.replace(name.upper(), one, 1)
    make(text)
    told = json.loads(run("check", "deploy", *OPTIONS).out)
    outcomes = {one["id"]: one["outcome"] for one in told["checked"]}
    expected = {f"deployment/{name}": "fail" if name in failing else "pass" for name in "ab"}
    assert outcomes == expected
    assert [one["rule"] for one in told["findings"]] == ["PLC711"]
