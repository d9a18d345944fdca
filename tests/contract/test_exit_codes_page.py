"""``docs/exit-codes.md``: the codes are those of the program, and every example ends as told."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from placer import cli
from placer.cli import app, main
from placer.cli.app import COMMANDS
from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.files.evidence import to_statement
from placer.runtimes.onnxruntime import available_eps
from tests import builders, gate_project, models, pages

PAGE = pages.read("exit-codes.md")
README = (pages.ROOT / "README.md").read_text(encoding="utf-8")
ROWS = [row.strip("| ").split(" | ") for row in pages.table(PAGE, "| Code | Meaning | Commands |")]
EXAMPLES = [
    (row.split("`")[1], int(row.split(" | ")[1]))
    for row in pages.table(PAGE, "| Command | Code | Because |")
]
OF_THE_ANSWER = {0, 1, 5}
"""Of recommend and compare: the examples give each."""


def test_lists_every_code_that_the_program_has() -> None:
    errors = {kind.exit_code for kind in (PlacerError, UsageError, InputError, MeasuringError)}
    constants = {
        value
        for module in (cli, app)
        for name, value in vars(module).items()
        if name.startswith("EXIT_")
    }
    assert [int(row[0]) for row in ROWS] == sorted(OF_THE_ANSWER | errors | constants)


def test_every_code_of_an_answer_or_an_error_has_an_example() -> None:
    assert {code for _, code in EXAMPLES} == {0, 1, 2, 3, 4, 5}


def test_names_commands_that_exist() -> None:
    for row in ROWS:
        assert set(re.findall(r"`(\w+)`", row[2])) <= set(COMMANDS)


def test_the_readme_has_the_same_codes_and_leads_here() -> None:
    found = re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)
    assert found == [row[0] for row in ROWS]
    assert "](docs/exit-codes.md)" in README


@pytest.mark.parametrize(("command", "code"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example_ends_as_told(
    command: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = re.search(r"--ep (\w+)", command)
    if named is not None and named[1] in available_eps():
        pytest.skip(f"{named[1]} runs here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gate_project.make(tmp_path, {"a.yaml": gate_project.manifest()})
    for folder, text in (
        ("deploy-moved", gate_project.manifest(gate_project.CLOUD_LABEL)),
        ("empty", ""),
    ):
        Path(folder).mkdir()
        Path(folder, "a.yaml").write_text(text)
    models.mlp("model.onnx", width=64, layers=2)
    for name, median_s in (("before", 0.010), ("after", 0.020)):
        statement = to_statement(builders.measurement(median_s), tool="tests")
        Path(f"{name}.json").write_bytes(statement)
    assert main(shlex.split(command)[1:]) == code
