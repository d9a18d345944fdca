"""The measuring process: opens one session, warms it up, times it, and answers in JSON lines.

Run as ``python -m placer.profiling.worker RUNTIME_MODULE``. It imports the runtime, says that it is
ready, and waits. Requests arrive on standard input, answers go to
what was standard output when the process started; whatever a runtime prints goes to standard
error. It ends when its input ends, and with its parent.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

from placer.core.measurement import SessionSettings
from placer.core.runtime import (
    MisconfiguredError,
    RuntimeSession,
    SessionRequest,
    UnavailableError,
    UnevenOutputsError,
    UnsupportedModelError,
)
from placer.profiling.counters import cpu_frequency_hz, peak_memory_bytes, read_counters

WARMUP_WINDOW_RUNS = 8
WARMUP_TOLERANCE_RATIO = 0.02
WARMUP_LIMIT_RUNS = 200
WARMUP_LIMIT_S = 5.0
REWARM_RUNS = 2
"""Runs before each block that are not recorded: the pause before it has cooled the caches."""
REWARM_LIMIT_S = 1e-3
"""Where the first of them is slower than this, it is enough: the pause was of the same length."""

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


class Worker:
    """One session and the operations on it."""

    def __init__(self, runtime_module: str) -> None:
        self._runtime = importlib.import_module(runtime_module)
        self._start = read_counters()
        self._session: RuntimeSession | None = None
        self._runs: tuple[Callable[[], object], ...] = ()
        self._next = 0

    def load(self) -> None:
        """Import the runtime, so that its own cost counts neither as session nor as model."""
        self._runtime.load()

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create the session and run it once."""
        self._start = read_counters()  # what the machine did while this process waited is past
        settings = request["settings"]
        session_request = SessionRequest(
            model_path=request["model_path"],
            ep=request["ep"],
            settings=SessionSettings(
                intra_op_threads=settings["intra_op_threads"],
                allow_spinning=settings["allow_spinning"],
                graph_optimization=settings["graph_optimization"],
                provider_options=tuple((k, v) for k, v in settings["provider_options"]),
                io=settings["io"],
            ),
            inputs_path=request["inputs_path"],
            dtypes=tuple((k, v) for k, v in request["dtypes"]),
            trace_prefix=request.get("trace_prefix", ""),
        )
        self.load()
        runtime_memory_bytes = peak_memory_bytes()
        start_ns = time.perf_counter_ns()
        self._session = self._runtime.open_session(session_request)
        created_ns = time.perf_counter_ns()
        nodes_by_ep = self._session.nodes_by_ep()
        self._runs = self._session.runs()
        self._session.prepare(0)
        first_start_ns = time.perf_counter_ns()
        self._runs[0]()
        first_ns = time.perf_counter_ns()
        return {
            "runtime": self._session.runtime,
            "session_creation_s": (created_ns - start_ns) / 1e9,
            "first_inference_s": (first_ns - first_start_ns) / 1e9,
            "runtime_memory_bytes": runtime_memory_bytes,
            "nodes_by_ep": nodes_by_ep,
            "fallback": self._session.fallback(),
            "device": self._session.device,
        }

    def warm_up(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run until two successive pairs of windows agree, or the budget ends.

        Windows shrink to 3 runs where a run is so slow that 8 would not fit the budget.
        """
        gap_s, limit_s = request["gap_s"], min(request["limit_s"], WARMUP_LIMIT_S)
        samples_ns: list[int] = []
        deadline_ns = time.perf_counter_ns() + int(limit_s * 1e9)
        is_steady, agreements, window = False, 0, WARMUP_WINDOW_RUNS
        while len(samples_ns) < WARMUP_LIMIT_RUNS and time.perf_counter_ns() < deadline_ns:
            samples_ns.append(self._timed(gap_s))
            if len(samples_ns) == 1 and (samples_ns[0] / 1e9 + gap_s) * 6 * window > limit_s:
                window = 3
            if len(samples_ns) >= 2 * window and len(samples_ns) % window == 0:
                recent = _median(samples_ns[-window:])
                before = _median(samples_ns[-2 * window : -window])
                close = abs(recent - before) <= WARMUP_TOLERANCE_RATIO * before
                agreements = agreements + 1 if close else 0
                if agreements == 2:
                    is_steady = True
                    break
        return {
            "runs": len(samples_ns),
            "is_steady": is_steady,
            "median_s": _median(samples_ns[-window:]) / 1e9,
        }

    def sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time up to ``runs`` runs in at most ``limit_s``, and what the machine did meanwhile."""
        runs, gap_s = request["runs"], request["gap_s"]
        limit_ns = int(request["limit_s"] * 1e9)
        if gap_s == 0:
            for _ in range(REWARM_RUNS):
                if self._timed(0.0) > REWARM_LIMIT_S * 1e9:
                    break
        samples_ns: list[int] = []
        gc_was_enabled = gc.isenabled()
        gc.disable()
        try:
            start = read_counters()
            start_ns = time.perf_counter_ns()
            while len(samples_ns) < runs:
                samples_ns.append(self._timed(gap_s))
                if time.perf_counter_ns() - start_ns > limit_ns:
                    break
            difference = read_counters().since(start)
        finally:
            if gc_was_enabled:
                gc.enable()
        return {
            "samples_ns": samples_ns,
            "counters": asdict(difference),
            "life": asdict(read_counters().since(self._start)),
            "frequency_hz": cpu_frequency_hz(),
            "peak_memory_bytes": peak_memory_bytes(),
        }

    def cover(self, request: dict[str, Any]) -> dict[str, Any]:
        """Compile a model for a chip that is not here; see ``placer.runtimes.qnn``."""
        answer: dict[str, Any] = self._runtime.cover(request)
        return answer

    def tensor_shapes(self, request: dict[str, Any]) -> dict[str, Any]:
        """Tell the shapes inside of a model; see ``placer.runtimes.litert``."""
        answer: dict[str, Any] = self._runtime.tensor_shapes(request)
        return answer

    def make(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write a variant of a model; see ``placer.runtimes.quantization``."""
        answer: dict[str, Any] = self._runtime.make(request)
        return answer

    def optimise(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the graph that the runtime makes; see ``placer.runtimes.onnxruntime``."""
        answer: dict[str, Any] = self._runtime.optimise(request)
        return answer

    def time_kernels(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time the nodes of the runtime's graph; see ``placer.runtimes.kernel_times``."""
        answer: dict[str, Any] = self._runtime.time_kernels(request)
        return answer

    def judge_parts(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hold parts of a model to the whole, and time them; see ``placer.runtimes.part_times``."""
        answer: dict[str, Any] = self._runtime.judge_parts(request)
        return answer

    def outputs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run every input sample once and write what the model gives to an .npz file."""
        import numpy as np

        assert self._session is not None
        found = self._session.outputs()
        # numbered: a name of the model may be no name for a file in an archive
        np.savez(request["path"], **{str(place): found[name] for place, name in enumerate(found)})
        return {"names": list(found), "executed_by_ep": self._session.executed_by_ep()}

    def _timed(self, gap_s: float) -> int:
        assert self._session is not None
        run = self._runs[self._next]
        self._session.prepare(self._next)
        self._next = (self._next + 1) % len(self._runs)
        if gap_s > 0:
            time.sleep(gap_s)
        start_ns = time.perf_counter_ns()
        run()
        return time.perf_counter_ns() - start_ns


def _median(values: list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _die_with_parent() -> None:
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def serve(runtime_module: str, requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until they end."""
    worker = Worker(runtime_module)
    with contextlib.suppress(Exception):  # told to who asks for a session
        worker.load()
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    operations = {
        "open": worker.open,
        "warm_up": worker.warm_up,
        "sample": worker.sample,
        "outputs": worker.outputs,
        "cover": worker.cover,
        "tensor_shapes": worker.tensor_shapes,
        "make": worker.make,
        "optimise": worker.optimise,
        "time_kernels": worker.time_kernels,
        "judge_parts": worker.judge_parts,
    }
    for line in requests:
        request = json.loads(line)
        try:
            answer = operations[request["operation"]](request)
        except (
            UnavailableError, MisconfiguredError, UnsupportedModelError, UnevenOutputsError,
            MemoryError,
        ) as error:  # fmt: skip
            answer = {"error": type(error).__name__, "message": str(error)}
        except Exception as error:
            answer = {"error": "RuntimeFailure", "message": f"{error}".strip()[:400]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Keep the protocol's channel apart from what native code prints, then serve."""
    _die_with_parent()
    channel = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(channel, "w") as answers:
        serve(sys.argv[1], sys.stdin, answers)
    if "coverage" not in sys.modules:  # it writes its data at exit
        os._exit(0)  # the samples are delivered: nobody waits for the runtime to tidy up


if __name__ == "__main__":
    main()
