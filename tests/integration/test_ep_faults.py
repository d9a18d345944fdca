"""Every way in which an execution provider can be absent or half there, with real packages.

The faults are in copies of the packages: a file taken away, or a library put before the real one
that crashes or stops the process at a certain moment. Whatever happens there must be no time under
the name of an execution provider that did not run, and the command must live on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits" / "digits.onnx"
CPU_PLUGIN = "libopenvino_intel_cpu_plugin.so"
AT_ONCE = "raise(SIGSEGV);"
HANG = "for (;;) pause();"
LATER = """
    pthread_t thread;
    pthread_create(&thread, 0, later, 0);
"""
SOURCE = """
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Whether the main thread sleeps; between two runs it does so for long. */
static int sleeps(void) {{
    char name[64];
    long call = -1;
    snprintf(name, sizeof name, "/proc/self/task/%d/syscall", (int)getpid());
    FILE *file = fopen(name, "r");
    if (file) {{ if (fscanf(file, "%ld", &call) != 1) call = -1; fclose(file); }}
    return call == SYS_clock_nanosleep;
}}
static void *later(void *none) {{
    for (int asleep = 0; asleep < 40; asleep = sleeps() ? asleep + 1 : 0) usleep(1000);
    kill(getpid(), {signal});
    return none;
}}
__attribute__((constructor)) static void load(void) {{ (void)later; {body} }}
"""
RATE = "10/s"
"""Of runs, so that there are gaps between them, longer than any sleep while a session is made."""

Install = Callable[..., Path]


def _copy(folder: Path, to: Path, without: str = "") -> None:
    """Copy a package as hard links: gigabytes at no cost."""

    def link(source: str, target: str) -> None:
        if Path(source).name != without:
            os.link(source, target)

    shutil.copytree(folder, to, copy_function=link)


def _compile(target: Path, body: str, *, signal: str = "SIGSEGV") -> None:
    """Make a library that does something when it is loaded, and passes on all of the real one."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    real = target.with_name(f"real_{target.name}")
    target.rename(real)
    source = target.with_suffix(".c")
    source.write_text(SOURCE.format(body=body, signal=signal))
    command = ["gcc", "-shared", "-fPIC", "-pthread", "-o", str(target), str(source)]
    command += ["-Wl,--no-as-needed", f"-L{target.parent}", f"-l:{real.name}"]
    # nodelete: the thread outlives the backend, which is let go and loaded again
    command += ["-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined", "-Wl,-z,nodelete"]
    subprocess.run(command, check=True)


@pytest.fixture
def openvino(openvino_site: Path, tmp_path: Path) -> Install:
    """Copy ONNX Runtime with OpenVINO, without a file or with one that misbehaves."""

    def call(without: str = "", **shim: Any) -> Path:
        _copy(openvino_site, tmp_path / "site", without)
        if shim:
            _compile(tmp_path / "site" / "onnxruntime" / "capi" / CPU_PLUGIN, **shim)
        return tmp_path / "site"

    return call


def _placer(site: Path, *arguments: str, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "placer", *arguments],
        capture_output=True, text=True, check=False, timeout=limit_s,
        env={**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(site / "cache")},
    )  # fmt: skip


def _profile(
    site: Path, model: Path = DIGITS, *more: str, limit: str = "5s"
) -> tuple[dict[str, Any], str]:
    """Profile on OpenVINO and on the CPU; return what went wrong with OpenVINO, and the errors."""
    done = _placer(
        site, "profile", str(model), "--ep", "openvino", "--ep", "cpu", "--sla", "1s",
        "--threads", "1", "--time-limit", limit, "--format", "json", *more,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == 4, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert [one["predicate"]["runtime"]["ep"] for one in document["measurements"]] == ["cpu"]
    (failure,) = document["failures"]
    assert failure["ep"] == "openvino"
    assert failure["message"] in done.stderr
    return failure, done.stderr


def _model(path: Path, *op_types: str) -> Path:
    names = ["x", *(f"t{place}" for place in range(1, len(op_types))), "y"]
    nodes = [
        helper.make_node(op_type, [names[place]], [names[place + 1]])
        for place, op_type in enumerate(op_types)
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "missing",
    ["libonnxruntime_providers_openvino.so", CPU_PLUGIN, "libopenvino.so.2541"],
    ids=["the provider", "its backend", "a library that it needs"],
)
def test_a_library_that_is_missing(openvino: Install, missing: str) -> None:
    failure, _ = _profile(openvino(without=missing))
    assert failure["kind"] == "unavailable"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("openvino.bogus=1", "Invalid OpenVINO EP option: bogus"),
        ("openvino.device_type=GPU", "Device GPU is not available"),
        ("openvino.precision=FP16", "CPU only supports FP32, ACCURACY"),
        ("openvino.load_config=/nowhere.json", "JSON parsing error"),
    ],
)
def test_wrong_options(openvino_site: Path, option: str, words: str) -> None:
    failure, errors = _profile(openvino_site, DIGITS, "--ep-option", option)
    assert failure["kind"] == "misconfigured"
    assert words in failure["message"]
    assert "--ep-option" in errors


@pytest.mark.slow
def test_a_device_that_is_not_there(openvino_site: Path) -> None:
    done = _placer(openvino_site, "profile", str(DIGITS), "--ep", "openvino:npu")
    assert done.returncode == 4
    assert "openvino has no device 'npu' to choose here: it finds cpu" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shim", "kind", "words"),
    [
        ({"body": AT_ONCE}, "crashed", "ended by SIGSEGV"),
        ({"body": LATER}, "crashed", "ended by SIGSEGV while warming up"),
        ({"body": "_exit(0);"}, "crashed", "ended with exit status 0"),
        ({"body": LATER, "signal": "SIGKILL"}, "killed", "was killed"),
        ({"body": HANG}, "hung", "no answer"),
        ({"body": LATER, "signal": "SIGSTOP"}, "hung", "no answer"),
    ],
    ids=["crash at creation", "crash at run", "exit", "killed", "hang at creation", "hang at run"],
)
def test_native_code_that_ends_or_stops_the_process(
    openvino: Install, shim: dict[str, Any], kind: str, words: str
) -> None:
    more = ("--rate", RATE) if shim["body"] is LATER else ()
    failure, _ = _profile(openvino(**shim), DIGITS, *more, limit="9s")
    assert (failure["kind"], words in failure["message"]) == (kind, True), failure


@pytest.mark.slow
def test_a_model_that_falls_back_whole(openvino_site: Path, tmp_path: Path) -> None:
    failure, _ = _profile(openvino_site, _model(tmp_path / "det.onnx", "Det"))
    assert "none of the 1 nodes ran on openvino: all fell back to cpu" in failure["message"]


@pytest.mark.slow
def test_a_model_of_which_nothing_is_left_ran_nowhere(openvino_site: Path, tmp_path: Path) -> None:
    tensor = helper.make_tensor("c", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph(
        [helper.make_node("Add", ["c", "c"], ["y"])], "g", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])], [tensor],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "const.onnx"
    onnx.save(model, path)
    done = _placer(openvino_site, "recommend", str(path), "--sla", "1s", "--ep", "openvino")
    assert done.returncode == 4
    assert "nothing ran on openvino" in done.stderr


@pytest.mark.slow
def test_a_model_that_falls_back_in_part(openvino_site: Path, tmp_path: Path) -> None:
    """The time is told, with what it is made of, and a limit of the caller refuses it."""
    path = str(_model(tmp_path / "mixed.onnx", "Relu", "Det", "Exp"))
    done = _placer(
        openvino_site, "profile", path, "--ep", "openvino", "--sla", "1s", "--threads", "1",
        "--format", "json",
    )  # fmt: skip
    (found,) = json.loads(done.stdout)["measurements"]
    runtime = found["predicate"]["runtime"]
    assert runtime["nodes_by_ep"] == {"cpu": 2, "openvino": 1}
    assert runtime["fallback"] == {"Det": 1, "Relu": 1}
    assert runtime["executed_by_ep"] == {"cpu": 2, "openvino": 1}
    ask = "recommend", path, "--ep", "openvino", "--sla", "1s", "--threads", "1", "--format", "json"
    allowed, refused = (
        json.loads(_placer(openvino_site, *ask, "--max-fallback", share).stdout)
        for share in ("70%", "60%")
    )
    verdicts = [
        next(one["feasible"] for one in answer["candidates"] if one["id"] == "edge:openvino")
        for answer in (allowed, refused)
    ]
    assert verdicts == [True, False]


@pytest.mark.slow
def test_its_options_reach_it_and_the_evidence(openvino_site: Path) -> None:
    done = _placer(
        openvino_site, "profile", str(DIGITS), "--ep", "openvino", "--sla", "1s",
        "--ep-option", "openvino.num_streams=1", "--time-limit", "5s", "--format", "json",
    )  # fmt: skip
    (found,) = json.loads(done.stdout)["measurements"]
    runtime = found["predicate"]["runtime"]
    assert runtime["settings"]["provider_options"] == {"num_streams": "1"}
    assert runtime["ep_device"] == "CPU"
    assert runtime["executed_by_ep"] == {"openvino": 1}
    for tried in found["predicate"]["method"]["screened"]:
        assert tried["settings"]["provider_options"] == {"num_streams": "1"}


@pytest.fixture
def qnn(tmp_path: Path) -> Install:
    """Copy Qualcomm's package, without a file or with one that misbehaves."""
    spec = find_spec("onnxruntime_qnn")
    if spec is None or spec.origin is None or sys.platform != "linux":
        pytest.skip("onnxruntime-qnn is not installed")
    whole = Path(spec.origin).parent

    def call(without: str = "", **shim: Any) -> Path:
        try:
            _copy(whole, tmp_path / "site" / whole.name, without)
        except OSError:  # another file system
            shutil.copytree(
                whole, tmp_path / "site" / whole.name, ignore=lambda _, names: {without} & {*names}
            )
        if shim:
            _compile(tmp_path / "site" / whole.name / "libQnnHtp.so", **shim)
        return tmp_path / "site"

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"without": "libQnnHtp.so"}, "libQnnHtp.so"),
        ({"without": "libonnxruntime_providers_qnn.so"}, "libonnxruntime_providers_qnn.so"),
        ({"body": AT_ONCE}, "ended by SIGSEGV while compiling"),
        ({"body": HANG}, "no answer"),
    ],
    ids=["no backend", "no provider", "crash", "hang"],
)
def test_a_compiler_that_is_half_there(qnn: Install, fault: dict[str, str], words: str) -> None:
    site = qnn(**fault)
    done = _placer(
        site, "profile", str(DIGITS), "--ep", "qnn", "--coverage-only", "--soc", "SM8650",
        "--time-limit", "6s",
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
