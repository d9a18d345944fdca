"""What ``placer check`` and ``placer lock`` do with files that are none, or not what they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placer.reports.check import FORMATS
from tests import builders, gate_project, models
from tests.cli.conftest import Make, Run
from tests.gate_project import Evidence, edited_lock, manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
SMALL = manifest().replace("512Mi", "64Mi")


def set_input(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda model: model["inputs"][0].update(changes)


def set_operator(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda model: model["operators"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.update(sha256="ef" * 32),
        lambda model: model.update(subjects=[]),
        lambda model: model.update(n_bytes=-1),
        lambda model: model.update(n_bytes=2**60),
        lambda model: model.update(parameters=-5),
        lambda model: model["inputs"].append(model["inputs"][0]),
        set_input(dtype="float32x"),
        set_input(dtype="uintfoo"),
        set_input(n_bytes=None),
        set_input(shape=[-1]),
        set_input(shape=[-2, 3]),
        set_operator(flops=-1),
        set_operator(n_nodes=-1),
        set_operator(bytes_moved=2**70),
    ],
)
def test_a_lock_that_contradicts_itself_is_refused(
    run: Run, make: Make, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = make(manifest())
    edited_lock(folder, change)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3, result.out
    assert "placer.lock: workloads.counter.model: " in result.err
    assert "placer lock" in result.err


@pytest.mark.parametrize(
    "path", ["../elsewhere/edge.json", "/tmp/edge.json", "evidence/../../edge.json", "edge.json"]
)
def test_a_lock_that_binds_evidence_from_elsewhere_is_refused(
    run: Run, make: Make, path: str
) -> None:
    folder = make(manifest())
    lock = json.loads((folder / "placer.lock").read_text())
    lock["workloads"]["counter"]["evidence"][0]["path"] = path
    (folder / "placer.lock").write_text(json.dumps(lock))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3, result.out
    assert "does not lie in the folder evidence" in result.err


def real(make: Make) -> Path:
    """A project whose model is there."""
    folder = make(manifest())
    (folder / "evidence" / "edge.json").unlink()
    (folder / "placer.lock").unlink()
    models.mlp(str(folder / "model.onnx"), 8, 1)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.update(n_bytes=1),
        lambda model: model.update(parameters=1),
        lambda model: model["outputs"][0].update(name="other"),
        lambda model: model["operators"][0].update(n_nodes=77),
        lambda model: model["operators"][0].update(flops=1),
        lambda model: model["operators"][0].update(bytes_moved=1),
        lambda model: model.update(opset=1),
    ],
)
def test_a_lock_that_says_otherwise_than_the_model_fails(
    run: Run, make: Make, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = real(make)
    assert run("lock").code == 0
    assert "PLC618" not in run("check", "deploy").out
    edited_lock(folder, change)
    result = run("check", "deploy", "--allow-inconclusive")
    assert result.code == 1
    assert "PLC618" in result.out


def test_work_that_another_version_counted_is_inconclusive(run: Run, make: Make) -> None:
    folder = real(make)
    assert run("lock").code == 0
    edited_lock(folder, set_operator(flops=1))
    lock = json.loads((folder / "placer.lock").read_text())
    (folder / "placer.lock").write_text(json.dumps({**lock, "tool": "placer 0.0.1"}))
    result = run("check", "deploy")
    assert result.code == 5, result.out
    assert "was written by another version of placer" in " ".join(result.out.split())


@pytest.mark.parametrize("name", ["placer.lock", "model.onnx", "evidence/edge.json", "w", "file"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_nothing_that_is_no_file_is_waited_for(
    make: Make, tmp_path: Path, name: str, kind: str
) -> None:
    folder = make(SMALL)
    path = folder / {"w": "workloads/counter.yaml", "file": "served.onnx"}.get(name, name)
    if name == "file":
        text = (folder / "placer.yaml").read_text()
        (folder / "placer.yaml").write_text(
            text.replace("workload: counter", "workload: counter\n  file: served.onnx", 1)
        )
        models.mlp(str(folder / "model.onnx"), 8, 1)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    for words in (("lock",), ("check", "deploy")):
        done = subprocess.run(
            [sys.executable, "-m", "placer", *words],
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        )
        assert done.returncode in ((1, 2, 3, 5) if words[0] == "check" else (0, 2, 3)), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "a pipe, not a file"),
        ("folder", "is a directory"),
        ("link", "a link to nothing"),
        ("loop", "too many levels of symbolic links"),
    ],
)
def test_a_project_that_is_no_file_is_not_called_missing(
    run: Run, make: Make, kind: str, said: str
) -> None:
    path = make(SMALL) / "placer.yaml"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("placer.yaml" if kind == "loop" else "nowhere.yaml")
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert said in result.err.lower()


def test_a_manifest_from_a_pipe_is_read_once(make: Make) -> None:
    make(SMALL)
    os.mkfifo("rendered.yaml")
    done = subprocess.run(
        [
            "sh",
            "-c",
            'cat deploy/0.yaml > rendered.yaml & "$0" -m placer check rendered.yaml "$@"',
            sys.executable,
            *OPTIONS,
        ],
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "PLC706" in done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "placer.yaml",
        "placer.lock",
        "deploy/0.yaml",
        "workloads/counter.yaml",
        "evidence/edge.json",
        "evidence/new.json",
        "model.onnx",
    ],
)
@pytest.mark.parametrize("through", ["path", "link", "folder"])
@pytest.mark.parametrize("is_there", [True, False])
def test_no_report_is_written_over_what_a_check_reads(
    run: Run, make: Make, name: str, through: str, is_there: bool
) -> None:
    folder = make(SMALL)
    (folder / "model.onnx").write_bytes(b"a model")
    path = folder / name
    if not is_there and name in ("placer.lock", "model.onnx"):
        path.unlink()
    before = path.read_bytes() if path.exists() else None
    target = str(path)
    if through == "link":
        target = str(folder / "link.json")
        Path(target).symlink_to(path)
    elif through == "folder":
        (folder / "other").symlink_to(path.parent)
        target = f"other/{path.name}"
    result = run("check", "deploy", "--as-of", gate_project.TODAY, "--output", f"json={target}")
    assert result.code == 2, result.err
    assert "would be overwritten" in result.err or "only evidence may be" in result.err
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("where", [".", "deploy", "**/*"])
def test_a_report_of_before_is_written_anew(run: Run, make: Make, where: str) -> None:
    make(SMALL)
    outputs = [
        f"--output={name}={place}"
        for name, place in (
            ("json", "found.json"),
            ("json", "deploy/found.json"),
            ("sarif", "placer.sarif"),
            ("gitlab", "quality.json"),
            ("markdown", "deploy/comment.md"),
        )
    ]
    for _ in range(2):
        result = run("check", where, *OPTIONS, *outputs)
        assert result.code == 1, result.err


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "place", ["deploy/repository/1/model.onnx", "compose.yaml", ".gitattributes", "make.py"]
)
def test_no_report_is_written_over_what_is_no_report(
    run: Run, make: Make, place: str, name: str
) -> None:
    folder = make(SMALL)
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"services: {a: {image: b}} \xff")
    result = run("check", "deploy/0.yaml", *OPTIONS, "--output", f"{name}={place}")
    assert result.code == 2, result.out
    assert f"{place} is no earlier {name} report of a check" in result.err
    assert path.read_bytes() == b"services: {a: {image: b}} \xff"
    path.write_bytes(b"")
    again = run("check", "deploy/0.yaml", *OPTIONS, "--output", f"{name}={place}")
    assert again.code == (2 if place == ".gitattributes" else 1), again.err


@pytest.mark.parametrize("name", [one for one in FORMATS if one != "github"])
@pytest.mark.parametrize(
    ("broken", "code"),
    [("placer.lock", 3), ("placer.yaml", 2), ("workloads/counter.yaml", 2), ("deploy/0.yaml", 3)],
)
def test_a_check_that_cannot_judge_leaves_no_report_of_before(
    run: Run, make: Make, name: str, broken: str, code: int
) -> None:
    folder = make(manifest())
    output = f"{name}=found"
    assert run("check", "deploy", *OPTIONS, "--output", output).code == 0
    assert (folder / "found").exists()
    (folder / broken).write_text("sites: [")
    if broken.startswith("deploy"):
        (folder / broken).unlink()
    assert run("check", "deploy", *OPTIONS, "--output", output).code == code
    assert not (folder / "found").exists()


def test_a_refused_option_leaves_the_report_of_before(run: Run, make: Make) -> None:
    folder = make(manifest())
    (folder / "link").symlink_to("found")
    for output in ("json=found", "json=link"):
        assert run("check", "deploy", *OPTIONS, "--output", output).code == 0
    outputs = ("--output", "json=found", "--output", "json=placer.yaml")
    assert run("check", "deploy", *OPTIONS, *outputs).code == 2
    assert (folder / "found").exists()
    (folder / "placer.lock").unlink()
    assert run("check", "deploy", *OPTIONS, "--output", "json=link").code == 3
    assert not (folder / "found").exists()


def test_evidence_of_other_input_shapes_is_not_believed(run: Run, make: Make) -> None:
    make(manifest(), evidence=(Evidence(builders.measurement(input_shapes=(("x", (9, 9)),))),))
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 1
    assert "of other input shapes" in " ".join(result.out.split())


def test_a_project_that_is_not_there_is_told_plainly(run: Run, make: Make) -> None:
    make(manifest())
    result = run("check", "deploy", "--project", "nope.yaml")
    assert result.code == 3
    assert "nope.yaml: no such file" in result.err
    assert "catalogue" not in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_report_that_was_written_stays_where_a_later_one_cannot_be(run: Run, make: Make) -> None:
    make(manifest())
    outputs = ("json=new.json", "text", "sarif=old.sarif")
    words = ("check", "deploy", *OPTIONS, *(f"--output={one}" for one in outputs))
    assert run(*words).code == 0
    Path("new.json").write_text("")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "placer", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode != 0
    assert json.loads(Path("new.json").read_text())["outcome"] == "pass"
    assert not Path("old.sarif").exists()


def test_standard_input_that_is_closed_or_not_to_be_read_is_told(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(manifest())
    monkeypatch.setattr(sys, "stdin", None)
    for more in ((), ("--output", "json=out.json")):
        result = run("check", "-", *OPTIONS, *more)
        assert result.code == 3
        assert "there is no standard input" in result.err
    command = [sys.executable, "-m", "placer", "check", "-", *OPTIONS]
    for redirected in ("<&-", "0>/dev/null"):
        shell = ["sh", "-c", f'"$@" {redirected}', "sh", *command]
        done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 3, done.stderr
        assert "standard input" in done.stderr
