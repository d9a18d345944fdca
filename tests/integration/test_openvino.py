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

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
BUILD = "onnxruntime-openvino==1.24.1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The digit classifier, profiled on both execution providers with its real samples."""
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
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "site"),
        "XDG_CACHE_HOME": str(folder / "cache"),
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


def test_both_were_measured(profiled: dict[str, Any]) -> None:
    for predicate in profiled.values():
        samples = [s for run in predicate["results"]["processes"] for s in run["samples_s"]]
        assert len(predicate["results"]["processes"]) == 3
        assert len(samples) >= 449
