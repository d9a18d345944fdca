"""OpenVINO as a real second execution provider: the build of ONNX Runtime that has it inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.reader import read_model
from tests import models

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profiled(openvino_site: Path) -> dict[str, Any]:
    """The digit classifier, profiled on both execution providers with its real samples."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(openvino_site),
        "XDG_CACHE_HOME": str(openvino_site.parent / "cache"),
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
    assert parity["samples"] == 500
    assert parity["max_difference"] > 0  # another library: not the CPU under another name
    assert parity["relative_difference"] < 0.01
    assert parity["agreement_ratio"] == 1.0
    assert profiled["cpu"]["runtime"]["parity"] is None


def test_it_uses_as_many_threads_as_its_settings_say(openvino_site: Path, tmp_path: Path) -> None:
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
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(openvino_site)},
    )  # fmt: skip
    assert float(done.stdout.splitlines()[-1]) < 1.2


def test_outputs_whose_shape_depends_on_the_sample_are_measured_but_not_compared(
    openvino_site: Path, tmp_path: Path
) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("NonZero", ["r"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [2, None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "uneven.onnx")
    samples = np.array([[[1, 0, 0, 0]], [[1, 1, 0, 0]]], dtype=np.float32)
    np.savez(tmp_path / "samples.npz", x=samples)
    done = subprocess.run(
        [
            sys.executable, "-m", "placer", "profile", str(tmp_path / "uneven.onnx"),
            "--ep", "openvino", "--inputs", str(tmp_path / "samples.npz"), "--sla", "1s",
            "--threads", "1", "--format", "json",
        ],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(openvino_site), "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the shape of an output depends on the sample" in done.stderr
    (found,) = json.loads(done.stdout)["measurements"]
    assert found["predicate"]["runtime"]["parity"] is None


def test_both_were_measured(profiled: dict[str, Any]) -> None:
    for predicate in profiled.values():
        samples = [s for run in predicate["results"]["processes"] for s in run["samples_s"]]
        assert len(predicate["results"]["processes"]) == 3
        assert len(samples) >= 449
