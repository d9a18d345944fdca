"""Contract published architectures to the groups that ONNX Runtime makes of them, and cut them.

    ./dev bench split_groups [--only NAME ...] [--runs N] [--threads N]

For each architecture: nodes that run, kernels of the runtime, groups, tensors that alone divide the
groups (and more of them inside of groups), the largest share of the time that none of them divides,
the profiler's cost that was taken off each kernel, and the sum of the kernels over the time of the
whole model. Then it is cut at the point nearest to half of the time: answers of head and tail
against the whole model's; and the three timed in turns: each part over its groups' share of the
whole. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import onnx
import onnxruntime

from placer.api.splitting import (
    FAR_FROM_WHOLE_RATIO,
    MeasuredGraph,
    comparing,
    cut_at,
    measure_groups,
    open_to_split,
    write_split,
)
from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.split_source import SplitSource
from placer.profiling.quietness import probe_quietness
from tests.architectures import ARCHITECTURES
from tests.split_models import inception_v3

ALL: dict[str, Callable[[], Any]] = {**ARCHITECTURES, "inception_v3": lambda: inception_v3()[0]}
WANTED_RATIO = 0.05
"""Median error of the time of a part."""
SAME_RELATIVE = 1e-4


def main() -> int:
    """Run and print; the exit status is 1 if answers differ or a kernel is not led back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=sorted(ALL), choices=sorted(ALL))
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    quiet = probe_quietness()
    print(f"machine {'quiet' if quiet.is_quiet else 'NOT QUIET'} at the start: {quiet}")
    print(
        f"{'':20} nodes kernels groups points(+inner) largest  profiler    whole  sum/whole"
        "    apart   head   tail"
    )
    errors: list[float] = []
    disturbed: list[float] = []
    sums, is_right = [], True
    for name in asked.only:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / f"{name}.onnx")
            onnx.save(ALL[name](), path)
            source = open_to_split(path)
            found = measure_groups(source, runs=asked.runs, threads=asked.threads)
            apart, ratios = _cut_in_half(source, found, path, folder, asked.runs, asked.threads)
        assert found.whole_s is not None
        assert found.profiler_s is not None
        assert found.additivity_ratio is not None
        (disturbed if found.is_disturbed else errors).extend(abs(one - 1) for one in ratios)
        sums.append(found.additivity_ratio)
        is_right &= apart <= SAME_RELATIVE and not found.unknown_kernels
        print(
            f"{name:20} {len(source.nodes):5} {found.kernels:7} {len(found.graph.groups):6} "
            f"{len(found.points):6}(+{len(found.inner_points):2})   "
            f"{found.largest_uncuttable.ratio:6.1%} {1e6 * found.profiler_s:6.1f} us "
            f"{1e3 * found.whole_s:6.2f} ms {found.additivity_ratio:8.3f}   "
            f"{apart:8.1e} {ratios[0]:6.3f} {ratios[1]:6.3f}"
            f"{'  (disturbed)' if found.is_disturbed else ''}"
            f"{f'  {found.unknown_kernels} kernels unknown' if found.unknown_kernels else ''}",
            flush=True,
        )
    far = sum(abs(ratio - 1) > FAR_FROM_WHOLE_RATIO for ratio in sums)
    print(
        f"sum of the kernels over the whole: median {median(sums):.3f}, "
        f"{far} of {len(sums)} off by more than {FAR_FROM_WHOLE_RATIO:.0%}"
    )
    for name, some in (("", errors), (" of disturbed ones", disturbed)):
        if some:
            wanted = f"(wanted: at most {WANTED_RATIO:.0%})"
            print(f"time of a part{name}: median error {median(some):.1%} {wanted}")
    return 0 if is_right else 1


def _cut_in_half(
    source: SplitSource, found: MeasuredGraph, path: str, folder: str, runs: int, threads: int
) -> tuple[float, list[float]]:
    """Return how far the answers are apart, and measured over summed time of head and tail."""
    half_s = (found.graph.time_s or 0.0) / 2

    def head_s(point: str) -> float:
        tiers = cut_at(source, [[point]])
        return sum(g.time_s or 0.0 for g in found.graph.groups if tiers[g.name] == 0)

    point = min(found.points, key=lambda name: abs(head_s(name) - half_s))
    parts = str(Path(folder) / "parts")
    contract = write_split(source, cut_at(source, [[point]]), 1, parts)
    with comparing(source) as compare:
        apart = max(one.relative for one in compare(contract, parts))
    share = head_s(point) / (2 * half_s)
    files = [path, *(str(Path(parts) / part.files[0][0]) for part in contract.parts)]
    whole_s, *parts_s = _in_turns(source, files, runs, threads)
    return apart, [
        measured_s / (ratio * whole_s)
        for measured_s, ratio in zip(parts_s, (share, 1 - share), strict=True)
    ]


def _in_turns(source: SplitSource, files: list[str], runs: int, threads: int) -> list[float]:
    """Time the whole model, its head and its tail in turns: means of the fastest tenth."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = [
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for file in files
    ]
    known = {
        name: array[0]
        for name, array in generate_inputs(files[0], source.summary.inputs).samples.items()
    }
    clock_ns = time.thread_time_ns if threads == 1 else time.perf_counter_ns
    times_s: list[list[float]] = [[] for _ in sessions]
    for run in range(runs + 3):
        for session, times in zip(sessions, times_s, strict=True):
            feed = {value.name: known[value.name] for value in session.get_inputs()}
            names = [value.name for value in session.get_outputs()]
            start_ns = clock_ns()
            found = session.run(names, feed)
            if run >= 3:
                times.append((clock_ns() - start_ns) / 1e9)
            known.update(zip(names, found, strict=True))
    count = max(2, runs // 10)
    return [sum(sorted(times)[:count]) / count for times in times_s]


if __name__ == "__main__":
    sys.exit(main())
