"""How long each node of ONNX Runtime's own graph takes, with the profiler's cost taken off.

The profiler adds some microseconds to every node that runs, some of them inside of the node's own
time: a model of 200 small nodes becomes 18 times slower. So the model also runs without a profiler,
in turns with it, and a chain of small nodes, timed both ways, tells what to take off each node.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from placer.core.measurement import SessionSettings
from placer.core.runtime import SessionRequest
from placer.runtimes import onnxruntime

MODULE = __name__
"""The name under which a measuring process loads this runtime."""

WARM_UP_RUNS = 3
CHAIN_NODES = 100
CHAIN_RUNS = 30
_SUFFIX = "_kernel_time"


def load() -> None:
    """Import the runtime."""
    onnxruntime.load()


def time_kernels(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the graph that ONNX Runtime makes of a model, and time its nodes.

    Parameters
    ----------
    request
        ``model_path``, ``optimised_path``, ``inputs_path``, ``dtypes``, ``threads``, ``runs`` (0:
        only write the graph), ``limit_s``.

    Returns
    -------
    ``kernels``: [name, seconds] of each node, the profiler's cost taken off. ``whole_s``: of the
    model without a profiler. ``profiler_s``: what was taken off each node. ``runs``: how many.
    Times are means of the fastest tenth of the runs; that of the whole model with
    one thread is CPU time.

    Raises
    ------
    UnsupportedModelError, UnavailableError
        ONNX Runtime does not run the model.
    """
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        session = SessionRequest(
            model_path=request["model_path"],
            ep="cpu",
            settings=SessionSettings(request["threads"], allow_spinning=False),
            inputs_path=request["inputs_path"],
            dtypes=tuple((name, dtype) for name, dtype in request["dtypes"]),
        )
        if not request["runs"]:
            onnxruntime.OnnxRuntimeSession(
                replace(session, optimised_path=request["optimised_path"])
            )
            return {"kernels": [], "whole_s": 0.0, "profiler_s": 0.0, "runs": 0}
        profiler_s = _cost_of_profiler(Path(folder), request["threads"])
        whole_s, kernels_s, runs = _both_ways(
            session, Path(folder), request["runs"], request["limit_s"], request["optimised_path"]
        )
    return {
        "kernels": [[name, max(0.0, time_s - profiler_s)] for name, time_s in kernels_s.items()],
        "whole_s": whole_s,
        "profiler_s": profiler_s,
        "runs": runs,
    }


def _cost_of_profiler(folder: Path, threads: int) -> float:
    """Return what the profiler adds to the time that it tells of one node."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    names = [f"v{place}" for place in range(CHAIN_NODES + 1)]
    graph = helper.make_graph(
        [helper.make_node("Tanh", [names[i]], [names[i + 1]]) for i in range(CHAIN_NODES)],
        "chain",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, (1, 8))],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, (1, 8))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "chain.onnx")
    np.savez(folder / "chain.npz", v0=np.full((1, 1, 8), 0.5, np.float32))
    session = SessionRequest(
        model_path=str(folder / "chain.onnx"),
        ep="cpu",
        settings=SessionSettings(threads, allow_spinning=False),
        inputs_path=str(folder / "chain.npz"),
        dtypes=(),
    )
    whole_s, kernels_s, _ = _both_ways(session, folder, CHAIN_RUNS, 5.0, "")
    return max(0.0, (sum(kernels_s.values()) - whole_s) / CHAIN_NODES)


def _both_ways(
    request: SessionRequest, folder: Path, runs: int, limit_s: float, optimised_path: str
) -> tuple[float, dict[str, float], int]:
    """Run in turns without and with the profiler; return whole, nodes and the number of runs."""
    plain = onnxruntime.OnnxRuntimeSession(request)
    traced = onnxruntime.OnnxRuntimeSession(
        replace(request, trace_prefix=str(folder / "trace"), optimised_path=optimised_path)
    )
    run_plain, run_traced = plain.runs()[0], traced.runs()[0]
    start_ns, warm_up = time.perf_counter_ns(), 0
    while warm_up < WARM_UP_RUNS and time.perf_counter_ns() - start_ns < limit_s / 4 * 1e9:
        run_plain()
        run_traced()
        warm_up += 1
    # one thread is this one: its CPU time leaves out what other programs took of the core
    is_single = request.settings.intra_op_threads == 1
    clock_ns = time.thread_time_ns if is_single else time.perf_counter_ns
    whole_s: list[float] = []
    gc_was_enabled = gc.isenabled()
    gc.disable()
    try:
        start_ns = time.perf_counter_ns()
        while len(whole_s) < runs:
            whole_s.append(seconds(run_plain, clock_ns))
            run_traced()
            if time.perf_counter_ns() - start_ns > limit_s * 1e9:
                break
    finally:
        if gc_was_enabled:
            gc.enable()
    kernels: defaultdict[str, list[float]] = defaultdict(list)
    for event in traced.profile():
        if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
            kernels[event["name"].removesuffix(_SUFFIX)].append(event["dur"] * 1e-6)
    return (
        fast_mean(whole_s),
        {name: fast_mean(times[warm_up:]) for name, times in kernels.items()},
        len(whole_s),
    )


def seconds(run: Callable[[], object], clock_ns: Callable[[], int]) -> float:
    """Return how long a run takes by a clock."""
    start_ns = clock_ns()
    run()
    return (clock_ns() - start_ns) / 1e9


def fast_mean(values: Sequence[float]) -> float:
    """Return the mean of the fastest tenth, two at least: other programs only ever add time."""
    fastest = sorted(values)[: max(2, len(values) // 10)]
    return sum(fastest) / len(fastest) if values else 0.0
