"""Exported splits as two processes: the client on one side, a real inference server on the other.

The server is KServe's (``tests/inference_server.py``); nothing of placer runs on either side.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from placer.cli import main
from tests import inference_server, split_models
from tests.ports import free_port
from tests.split_exports import scalar_between

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A model, its cut, and how near the answers must be to the whole model's."""

    model: Callable[[], Any]
    cut: tuple[str, ...]
    wire: str = "float32"
    relative: float = 1e-5


CASES = {
    "exact": Case(split_models.straight, ("v5",)),
    "halves": Case(split_models.straight, ("v5",), "float16", 2e-3),
    "quantised": Case(split_models.straight, ("v5",), "int8", 5e-2),
    "input_on_both_sides": Case(split_models.skip_from_input, ("v1", "x")),
    "quantised_input_on_both_sides": Case(split_models.skip_from_input, ("v1", "x"), "int8", 5e-2),
    "output_of_the_device": Case(split_models.two_outputs, ("v3",)),
    "no_dimensions": Case(scalar_between, ("squashed", "x"), "int8", 5e-2),
}
"""``input_on_both_sides`` has two tensors that cross."""


@dataclass(frozen=True)
class Exported:
    """Folders of the exports, by case, and where their tails are served."""

    folders: dict[str, Path]
    url: str


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    inference_server.need()
    base = tmp_path_factory.mktemp("exports")
    folders, served = {}, {}
    for name, case in CASES.items():
        model = base / f"{name}.onnx"
        onnx.save(case.model(), model)
        cuts = [word for tensor in case.cut for word in ("--cut", tensor)]
        to = ("--to", str(base / name), "--format", f"json={base / 'answer.json'}")
        assert main(["split", str(model), *cuts, "--wire", case.wire, *to]) == 0
        folders[name] = base / name
        (repository,) = (base / name / "repository").iterdir()
        served[repository.name] = repository / "1" / "model.onnx"
    with inference_server.serving_all(served, base / "log") as server:
        yield Exported(folders, f"http://127.0.0.1:{server.http_port}")


def client(folder: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the client as its user does."""
    return subprocess.run(
        [sys.executable, "client.py", "--url", url, *options],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def samples_of(model: Any, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    shapes = {
        one.name: [size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in model.graph.input
    }
    return {
        name: rng.standard_normal((count, *shape), dtype=np.float32)
        for name, shape in shapes.items()
    }


def answers_of(model: Any, samples: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    count = len(next(iter(samples.values())))
    found = [session.run(names, {n: a[at] for n, a in samples.items()}) for at in range(count)]
    return {name: np.stack([one[at] for one in found]) for at, name in enumerate(names)}


@pytest.mark.parametrize("encoding", ["auto", "binary", "json"])
@pytest.mark.parametrize("name", CASES)
def test_head_and_tail_answer_as_the_whole_model(
    name: str, encoding: str, exported: Exported, tmp_path: Path
) -> None:
    case = CASES[name]
    model = case.model()
    samples = samples_of(model, 3)
    np.savez(tmp_path / "samples.npz", **samples)
    done = client(
        exported.folders[name], exported.url, "--encoding", encoding,
        *("--inputs", str(tmp_path / "samples.npz"), "--save", str(tmp_path / "found.npz")),
    )  # fmt: skip
    if case.wire == "float16" and encoding == "json":
        assert done.returncode == 1  # the protocol has no halves in JSON
        assert "the server answers the inference with 4" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    steps = re.findall(
        r"head [\d.]+ ms, encode .*, send and tail .*, decode .*, total", done.stdout
    )
    assert len(steps) == 3
    as_sent = "JSON" if encoding == "json" else "binary"  # KServe does not list that it knows it
    assert done.stdout.count(f" bytes as {as_sent}") == 3
    assert done.stderr == ""
    with np.load(tmp_path / "found.npz") as found:
        expected = answers_of(model, samples)
        assert set(found.files) == set(expected)
        for output, wanted in expected.items():
            apart = np.max(np.abs(found[output] - wanted)) / np.max(np.abs(wanted))
            assert apart <= case.relative, output
            if case.wire == "int8":
                assert apart > 0


def test_the_client_needs_no_samples(exported: Exported) -> None:
    done = client(exported.folders["exact"], exported.url, "--runs", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("total") == 3


def test_what_the_client_is_told_wrongly_is_said(exported: Exported, tmp_path: Path) -> None:
    folder = exported.folders["exact"]
    done = client(folder, f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "is not reached: [Errno 111] Connection refused" in done.stderr
    done = client(folder, "ftp://here")
    assert done.returncode == 2
    np.savez(tmp_path / "odd.npz", x=np.zeros((1, 3, 4, 4), np.float32))
    done = client(folder, exported.url, "--inputs", str(tmp_path / "odd.npz"))
    assert done.returncode == 2
    assert "'x' has shape (1, 3, 4, 4)" in done.stderr
    np.savez(tmp_path / "nan.npz", x=np.full((1, 3, 16, 16), np.nan, np.float32))
    done = client(
        exported.folders["quantised"], exported.url, "--inputs", str(tmp_path / "nan.npz")
    )
    assert done.returncode == 1
    assert "numbers that int8 with a scale cannot hold" in done.stderr
    assert "Traceback" not in done.stderr


def test_sides_of_different_exports_do_not_run_together(exported: Exported, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(exported.folders["quantised"], mixed)
    contract = json.loads((mixed / "contract.json").read_text())
    contract["server"]["model"] = "exact_tail"
    (mixed / "contract.json").write_text(json.dumps(contract))
    done = client(mixed, exported.url)
    assert done.returncode == 1
    assert "they are of different exports" in done.stderr
    contract["server"]["model"] = "none"
    (mixed / "contract.json").write_text(json.dumps(contract))
    done = client(mixed, exported.url)
    assert done.returncode == 1
    assert "does not have the model 'none'" in done.stderr
    with (mixed / "head.onnx").open("ab") as file:
        file.write(b"\0")
    done = client(mixed, exported.url)
    assert done.returncode == 2
    assert "head.onnx is not the file of the contract" in done.stderr
