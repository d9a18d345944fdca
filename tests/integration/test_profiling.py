"""Measuring with the real runtime in real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from placer.core.measurement import Measurement, SessionSettings
from placer.core.settings import default_settings, usual_settings
from placer.core.workload import LatencyTarget
from placer.profiling.child import Child, ChildError, Spares
from placer.profiling.machine import describe_machine, usable_cores
from placer.profiling.plan import MAX_GAP_S, Plan
from placer.profiling.sampling import Failure, measure, measure_in_turns
from tests import models

ONE_THREAD = SessionSettings(1, False)


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A small model and its inputs, as paths."""
    directory = tmp_path_factory.mktemp("mlp")
    path, inputs = str(directory / "mlp.onnx"), str(directory / "inputs.npz")
    models.mlp(path, width=64, layers=2)
    _write_inputs(path, inputs)
    return path, inputs


def _write_inputs(path: str, inputs: str) -> None:
    from placer.onnx_files.inputs import generate_inputs
    from placer.onnx_files.reader import read_model

    generate_inputs(path, read_model(path).inputs).save(inputs)


def _plan(mlp: tuple[str, str], **changes: Any) -> Plan:
    base = Plan(
        model_path=mlp[0],
        subjects=(("mlp.onnx", "0" * 64),),
        runtime_module="placer.runtimes.onnxruntime",
        eps=("cpu",),
        targets=(LatencyTarget(0.99, 1.0),),
        inputs_path=mlp[1],
        dtypes=(),
        input_shapes=(),
        input_source="seed:7",
        interval_s=0.0,
        settings=ONE_THREAD,
        time_limit_s=20.0,
    )
    return replace(base, **changes)


def _measured(plan: Plan) -> Measurement:
    (result,) = measure(plan, machine=describe_machine(), today="2026-01-01")
    assert isinstance(result, Measurement), result
    return result


def _failed(plan: Plan) -> Failure:
    (result,) = measure(plan, machine=describe_machine(), today="2026-01-01")
    assert isinstance(result, Failure), result
    return result


def _opening(mlp: tuple[str, str], **changes: Any) -> dict[str, Any]:
    return {
        "model_path": mlp[0],
        "ep": "cpu",
        "settings": asdict(ONE_THREAD),
        "inputs_path": mlp[1],
        "dtypes": [],
        **changes,
    }


def test_a_model_and_its_variants_take_turns_and_one_that_fails_stops_no_other(
    mlp: tuple[str, str], tmp_path: Path
) -> None:
    other, broken = str(tmp_path / "other.onnx"), str(tmp_path / "broken.onnx")
    models.mlp(other, width=64, layers=1)
    models.custom_op(broken)
    told: list[str] = []
    first, second, third = measure_in_turns(
        [_plan(mlp), _plan((broken, mlp[1])), _plan((other, mlp[1]))],
        machine=describe_machine(),
        today="2026-01-01",
        progress=told.append,
    )
    assert isinstance(first[0], Measurement)
    assert isinstance(third[0], Measurement)
    assert isinstance(second[0], Failure)
    assert second[0].kind == "unsupported"
    starts = [
        text.partition(",")[0]
        for text in told
        if "creating the session" in text and not text.startswith("broken")
    ]
    assert starts[:6] == ["mlp", "other"] * 3


def test_three_fresh_processes_share_the_runs(mlp: tuple[str, str]) -> None:
    found = _measured(_plan(mlp))
    assert len(found.processes) == 3
    assert all(len(run.samples_s) >= 20 for run in found.processes)
    assert len(found.samples_s) >= 449
    assert found.nodes_by_ep == (("cpu", found.nodes_by_ep[0][1]),)
    assert found.nodes_by_ep[0][1] > 0
    assert found.runtime.startswith("onnxruntime ")
    assert found.settings == ONE_THREAD
    assert all(run.session_creation_s > 0 for run in found.processes)
    assert all(run.first_inference_s > 0 for run in found.processes)


def test_peak_memory_includes_the_model(tmp_path: Path) -> None:
    path, inputs = str(tmp_path / "wide.onnx"), str(tmp_path / "i.npz")
    models.mlp(path, width=2048, layers=3)
    _write_inputs(path, inputs)
    found = _measured(_plan((path, inputs), targets=(), time_limit_s=1.5))
    run = found.processes[0]
    assert run.peak_memory_bytes is not None
    assert run.runtime_memory_bytes is not None
    assert run.peak_memory_bytes - run.runtime_memory_bytes > 0.8 * Path(path).stat().st_size


def test_model_far_over_its_limit_is_violated_within_60_runs(mlp: tuple[str, str]) -> None:
    found = _measured(_plan(mlp, targets=(LatencyTarget(0.99, 1e-7),)))
    if not found.instrument.is_disturbed:
        assert len(found.samples_s) <= 60


def test_no_target_stops_at_a_known_median_or_the_time_limit(mlp: tuple[str, str]) -> None:
    start = time.perf_counter()
    found = _measured(_plan(mlp, targets=(), time_limit_s=3.0))
    assert len(found.samples_s) >= 60
    assert time.perf_counter() - start < 30


def test_idle_time_follows_the_rate_up_to_its_cap(mlp: tuple[str, str]) -> None:
    found = _measured(_plan(mlp, interval_s=0.005, targets=(), time_limit_s=1.5))
    assert 0.003 < found.gap_s < 0.005
    rare = _measured(_plan(mlp, interval_s=10.0, targets=(), time_limit_s=1.5))
    assert rare.gap_s == MAX_GAP_S


def test_settings_are_screened_when_none_are_given(mlp: tuple[str, str]) -> None:
    found = _measured(_plan(mlp, settings=None))
    expected = usual_settings(usable_cores())
    if len(expected) == 1:
        assert found.screened == ()
    else:
        assert tuple(one.settings for one in found.screened) == expected
        best = min(found.screened, key=lambda one: one.median_s)
        assert found.settings in (best.settings, expected[0])


def test_one_core_is_not_screened() -> None:
    assert len(usual_settings(1)) == 1
    assert default_settings(1) == SessionSettings(1, False)


def test_sampling_gives_back_known_times() -> None:
    with Child("tests.fake_runtime") as child:
        child.ask("open", deadline_s=30, **_sleeper(0.01))
        answer = child.ask("sample", deadline_s=30, runs=20, gap_s=0.0, limit_s=5.0)
    samples_s = np.asarray(answer["samples_ns"]) / 1e9
    assert 0.0100 <= np.median(samples_s) < 0.012


def test_slow_runs_shorten_the_warm_up_windows() -> None:
    with Child("tests.fake_runtime") as child:
        child.ask("open", deadline_s=30, **_sleeper(0.05))
        warm = child.ask("warm_up", deadline_s=30, gap_s=0.0, limit_s=1.0)
    assert warm["runs"] <= 21


def _sleeper(seconds: float) -> dict[str, Any]:
    """A session of the runtime in tests/fake_runtime.py that sleeps, crashes or hangs."""
    return {
        "model_path": f"sleep:{seconds}",
        "ep": "cpu",
        "settings": asdict(ONE_THREAD),
        "inputs_path": "",
        "dtypes": [],
    }


@pytest.fixture(autouse=True)
def _find_tests_in_children(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("crash", "crashed", "SIGSEGV"),
        ("exit", "crashed", "exit status 3"),
        ("kill", "killed", "out of memory?"),
        ("memory", "killed", ""),
        ("refuse", "unsupported", "my.ops"),
        ("unavailable", "unavailable", "no such device"),
        ("fail", "failed", "broken input"),
        ("crash_later", "crashed", "SIGSEGV"),
    ],
)
def test_failing_runtime_is_a_failure_with_its_reason(model: str, kind: str, words: str) -> None:
    failure = _failed(_plan((model, ""), runtime_module="tests.fake_runtime", time_limit_s=5.0))
    assert failure.kind == kind
    assert words in failure.message


@pytest.mark.slow
def test_hanging_runtime_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placer.profiling.sampling.GRACE_S", 0.5)
    failure = _failed(_plan(("hang", ""), runtime_module="tests.fake_runtime", time_limit_s=1.0))
    assert failure.kind == "hung"
    assert not _workers()


def test_processes_that_never_start_are_ended_together_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("placer.profiling.child.START_LIMIT_S", 1.0)
    with Spares("placer.runtimes.onnxruntime", 3) as spares:
        for child in spares._children:
            os.kill(child.pid, signal.SIGSTOP)
        begin_s = time.monotonic()
        spares.settle()
        assert time.monotonic() - begin_s < 2.5
        with spares.take() as child, pytest.raises(ChildError, match="did not start") as caught:
            child.ask("open", deadline_s=1.0)
    assert caught.value.kind == "hung"
    assert not _workers()


def test_one_failing_provider_does_not_stop_the_others(mlp: tuple[str, str]) -> None:
    results = measure(
        _plan(mlp, eps=("cuda", "cpu")), machine=describe_machine(), today="2026-01-01"
    )
    if isinstance(results[0], Failure):
        assert results[0].kind == "unavailable"
    assert isinstance(results[1], Measurement)


def test_model_with_unknown_operator_is_unsupported(tmp_path: Path) -> None:
    path, inputs = str(tmp_path / "custom.onnx"), str(tmp_path / "i.npz")
    models.custom_op(path)
    _write_inputs(path, inputs)
    failure = _failed(_plan((path, inputs)))
    assert failure.kind == "unsupported"
    assert "not a registered function" in failure.message


def test_child_is_gone_after_its_block_even_after_an_error() -> None:
    with Child("tests.fake_runtime") as child:
        pid = child.pid
        with pytest.raises(ChildError):
            child.ask("open", deadline_s=30, **{**_sleeper(0), "model_path": "fail"})
    assert not psutil.pid_exists(pid)


def test_child_dies_with_a_parent_that_is_killed(mlp: tuple[str, str]) -> None:
    if sys.platform != "linux":
        pytest.skip("the death signal of the parent exists on Linux only")
    script = (
        "import sys, time\n"
        "from placer.profiling.child import Child\n"
        "with Child('placer.runtimes.onnxruntime') as child:\n"
        f"    child.ask('open', deadline_s=30, **{_opening(mlp)!r})\n"
        "    print(child.pid, flush=True)\n"
        "    child.ask('sample', deadline_s=60, runs=10**9, gap_s=0.0, limit_s=60.0)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child_pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _is_running(child_pid):
        time.sleep(0.05)
    assert not _is_running(child_pid)


def test_what_a_runtime_prints_does_not_disturb_the_protocol() -> None:
    with Child("tests.fake_runtime") as child:
        child.ask("open", deadline_s=30, **{**_sleeper(0), "model_path": "print"})
        answer = child.ask("sample", deadline_s=30, runs=5, gap_s=0.0, limit_s=5.0)
    assert len(answer["samples_ns"]) == 5


def test_interrupt_leaves_no_child() -> None:
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            measure(
                _plan(
                    ("sleep:0.01", ""),
                    runtime_module="tests.fake_runtime",
                    min_runs=10**9,
                    time_limit_s=60.0,
                ),
                machine=describe_machine(),
                today="2026-01-01",
            )
    finally:
        timer.cancel()
    assert not _workers()


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _workers() -> list[int]:
    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    ]
