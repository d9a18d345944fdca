"""``placer lock``: what a check will miss of the evidence is told as it is bound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import gate_project, models
from tests.cli.conftest import Make, Run
from tests.cli.test_check_causes import NETWORK
from tests.gate_project import manifest

FILES = {"counter": "counter", "second": "counter"}


@pytest.mark.parametrize(
    ("site", "told"),
    [
        (gate_project.EDGE, ""),
        ("line", ""),
        ("aws-g6.xlarge", ""),
        (gate_project.CLOUD, ""),
        ("lines", "evidence of the site 'lines' (did you mean 'line'?), and no site of "),
        ("jetson-orin-nano", "evidence of the site 'jetson-orin-nano', and no site of "),
    ],
)
def test_evidence_of_a_site_that_the_project_does_not_have_is_told(
    run: Run, make: Make, site: str, told: str
) -> None:
    folder = make(manifest())
    gate_project.measured(folder, site)
    result = run("lock")
    assert result.code == 0, result.err
    said = " ".join(result.err.split())
    assert ("no site of placer.yaml is called that: no check takes it" in said) == bool(told)
    assert told in said


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_a_model_that_is_gone_is_told_with_the_key_that_names_it(
    run: Run, make: Make, flags: tuple[str, ...]
) -> None:
    make(manifest())
    result = run("lock", *flags)
    said = " ".join(result.err.split())
    assert (result.code, "no such file" in said) == (3, True)
    assert "git lfs pull" in said
    assert "or correct `model: path:` of workloads/counter.yaml" in said


def test_a_file_of_an_entry_that_is_gone_is_told_with_its_place(run: Run, make: Make) -> None:
    entry = {"uri": "s3://models/a", "workload": "counter", "file": "gone.onnx"}
    folder = make(manifest(), project_file=gate_project.project(models=[entry]))
    gate_project.measured(folder)
    result = run("lock")
    said = " ".join(result.err.split())
    assert (result.code, "gone.onnx: cannot be read" in said) == (3, True)
    assert "or correct `file:` at placer.yaml:" in said


def test_what_is_no_model_is_told_with_the_key_that_names_it(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "model.onnx").write_bytes(b"\x89PNG")
    said = " ".join(run("lock").err.split())
    assert "give the path of an .onnx file (`model: path:` of workloads/counter.yaml)" in said


def locked(run: Run, folder: Path) -> None:
    gate_project.measured(folder)
    assert run("lock").code == 0
    assert run("lock", "--check").code == 0


def test_a_check_of_the_lock_tells_edited_evidence_and_does_not_bless_it(
    run: Run, make: Make
) -> None:
    folder = make(manifest())
    locked(run, folder)
    path = folder / "evidence" / "edge.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    result = run("lock", "--check")
    assert result.code == 1
    assert "counter: the evidence evidence/edge.json was changed" in result.out
    assert "restore the file, or measure again" in result.out
    assert "run `placer lock`" not in result.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("model", "counter: the model model.onnx is "),
        ("evidence", "counter: the evidence evidence/edge.json is gone"),
        ("project", "second: the workload is new"),
        ("network", "counter: the network workloads/site.yaml is new"),
        ("lock", "no such file"),
    ],
)
def test_a_check_of_the_lock_tells_what_differs(
    run: Run, make: Make, change: str, told: str
) -> None:
    folder = make(manifest())
    locked(run, folder)
    workloads = {name: f"workloads/{file}.yaml" for name, file in FILES.items()}
    if change == "model":
        models.mlp(str(folder / "model.onnx"), 8, 2)
    elif change == "evidence":
        (folder / "evidence" / "edge.json").unlink()
    elif change == "project":
        gate_project._write(folder / "placer.yaml", gate_project.project(workloads=workloads))
    elif change == "network":
        gate_project._write(folder / "workloads" / "site.yaml", NETWORK)
        stated = gate_project.workload(network="site.yaml")
        gate_project._write(folder / "workloads" / "counter.yaml", stated)
    else:
        (folder / "placer.lock").unlink()
    result = run("lock", "--check")
    assert result.code == 1
    assert told in result.out
    assert "if that is meant, run `placer lock`" in result.out
