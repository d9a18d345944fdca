"""``placer init``: the starter is valid as written, and with every line put in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from placer.files.catalogue import load_workload
from placer.files.workload import workload_schema
from tests import models
from tests.cli.conftest import Run


def test_the_starter_is_valid_and_runs(
    run: Run, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("init", small_model)
    assert result.code == 0
    assert "placer recommend --workload workload.yaml" in result.out
    text = (tmp_path / "workload.yaml").read_text()
    Draft202012Validator(workload_schema()).validate(yaml.safe_load(text))
    asked = run("recommend", "--workload", "workload.yaml", "--threads", "1", "--time-limit", "3s")
    assert asked.code == 0


def test_every_line_of_the_starter_can_be_put_in_force(
    run: Run, small_model: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.yaml"
    assert run("init", small_model, "--save", str(path)).code == 0
    text = path.read_text()
    every = re.sub(r"(?m)^( *)# ( *[a-z_0-9]+:)", r"\1\2", text)
    assert every.count("#") < text.count("#")
    path.write_text(every)
    Draft202012Validator(workload_schema()).validate(yaml.safe_load(every))
    file = load_workload(str(path))
    assert file.workload.rate_hz == 5.0
    assert file.device == "rpi5"
    known = set(workload_schema()["properties"]) - {
        *("title", "source", "note", "estimated", "basis"),
    }
    assert set(yaml.safe_load(every)) == known


def test_symbolic_dimensions_are_asked_for_and_kept(run: Run, tmp_path: Path) -> None:
    model = str(tmp_path / "m.onnx")
    models.symbolic(model)
    path = tmp_path / "w.yaml"
    refused = run("init", model, "--save", str(path))
    assert refused.code == 2
    assert "--shape" in refused.err
    assert not path.exists()
    assert run("init", model, "--save", str(path), "--shape", "x=2,3,32,32").code == 0
    assert load_workload(str(path)).shapes == {"x": (2, 3, 32, 32)}


def test_nothing_is_overwritten_unless_forced(run: Run, small_model: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("mine")
    refused = run("init", small_model, "--save", str(path))
    assert refused.code == 2
    assert "exists already" in refused.err
    assert path.read_text() == "mine"
    assert run("init", small_model, "--save", str(path), "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{model}", "--save", "{tmp}/w.txt"), 2, "does not end in .yaml"),
        (("{tmp}/none.onnx",), 3, "no such file"),
        (("{model}", "--save", "{tmp}/none/w.yaml"), 2, "none"),
    ],
)
def test_bad_input_is_told(
    run: Run,
    small_model: str,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [one.format(model=small_model, tmp=tmp_path) for one in arguments]
    result = run("init", *filled)
    assert result.code == code
    assert message in result.err
    assert list(tmp_path.glob("*.yaml")) == []
