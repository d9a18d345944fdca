"""OpenVINO as a real second execution provider: the build of ONNX Runtime that has it inside.

It takes the place of the onnxruntime package, so it is installed apart and put first on the path.
The plugin package (onnxruntime-ep-openvino) offers a device on Intel's processors only; this build
runs on any x86-64 one.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.reader import read_model
from tests import models

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
BUILD = "onnxruntime-openvino==1.24.1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with that build of ONNX Runtime."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"there is no {BUILD} for {sys.platform} on {platform.machine()}")
    folder = tmp_path_factory.mktemp("openvino")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    installed = subprocess.run(
        [*command, str(folder / "site"), BUILD], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        reason = f"{BUILD} could not be installed: {installed.stderr[-300:]}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return folder / "site"


@pytest.fixture(scope="module")
def profiled(site: Path) -> dict[str, Any]:
    """The digit classifier, profiled on both execution providers with its real samples."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "XDG_CACHE_HOME": str(site.parent / "cache"),
    }
    command = [sys.executable, "-m", "placer", "profile", str(DIGITS / "digits.onnx")]
    command += ["--ep", "openvino", "--ep", "cpu", "--inputs", str(DIGITS / "samples.npz")]
    command += ["--sla", "1s", "--threads", "2", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["failures"] == []
    return {one["predicate"]["runtime"]["ep"]: one["predicate"] for one in document["measurements"]}


def test_every_node_ran_on_it(profiled: dict[str, Any]) -> None:
    runtime = profiled["openvino"]["runtime"]
    assert list(runtime["nodes_by_ep"]) == ["openvino"]
    assert runtime["fallback"] == {}
    assert profiled["cpu"]["runtime"]["nodes_by_ep"] == {"cpu": 17}


def test_its_outputs_are_those_of_the_cpu(profiled: dict[str, Any]) -> None:
    parity = profiled["openvino"]["runtime"]["parity"]
    assert parity["samples"] == 64
    assert parity["max_difference"] > 0  # another library: not the CPU under another name
    assert parity["relative_difference"] < 0.01
    assert parity["agreement_ratio"] == 1.0
    assert profiled["cpu"]["runtime"]["parity"] is None


def test_it_uses_as_many_threads_as_its_settings_say(site: Path, tmp_path: Path) -> None:
    """CPU time per wall time of a model that fills its threads: with one thread at most one."""
    path, inputs = str(tmp_path / "wide.onnx"), str(tmp_path / "inputs.npz")
    models.mlp(path, width=1024, layers=8)
    generate_inputs(path, read_model(path).inputs).save(inputs)
    script = (
        "import sys, time\n"
        "from placer.core.measurement import SessionSettings\n"
        "from placer.core.runtime import SessionRequest\n"
        "from placer.runtimes.onnxruntime import open_session\n"
        "settings = SessionSettings(1, False)\n"
        "session = open_session(SessionRequest(*sys.argv[1:2], 'openvino', settings,"
        " sys.argv[2], ()))\n"
        "(run,) = session.runs()\n"
        "run()\n"
        "cpu, wall = time.process_time(), time.perf_counter()\n"
        "while time.perf_counter() - wall < 1: run()\n"
        "print((time.process_time() - cpu) / (time.perf_counter() - wall))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path, inputs],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert float(done.stdout.splitlines()[-1]) < 1.2


def test_both_were_measured(profiled: dict[str, Any]) -> None:
    for predicate in profiled.values():
        samples = [s for run in predicate["results"]["processes"] for s in run["samples_s"]]
        assert len(predicate["results"]["processes"]) == 3
        assert len(samples) >= 449
