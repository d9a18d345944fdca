"""Show that measurements under a hog on every core are marked, and verdicts stay true.

    ./dev bench cpu_hog [--repeats 5]

A model is measured quietly, then with a busy process pinned to every core, against limits of
half, 1.02, 1.5 and 10 times its quiet p99. Every measurement under the hog must be marked as
disturbed, and no verdict under the hog may contradict the quiet one (unproven contradicts
nothing). First it prints by how much a program that copies memory on another core slows a model of
one thread: what `CACHE_FACTOR` of placer.api.split_doubts bounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from placer.core.estimate import Verdict
from placer.core.latency import judge_measured
from placer.core.measurement import Measurement, SessionSettings
from placer.core.placement import SiteTime
from placer.core.workload import LatencyTarget
from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.reader import read_model
from placer.profiling.machine import describe_machine, usable_cores
from placer.profiling.plan import Plan
from placer.profiling.sampling import measure
from tests import models

FACTORS = (0.5, 1.02, 1.5, 10.0)


@contextlib.contextmanager
def hog() -> Iterator[None]:
    """Keep every core busy."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile 1: pass"]
        )
        for core in os.sched_getaffinity(0)
    ]
    try:
        time.sleep(1)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


_COPIER = """
import os, sys, numpy
os.sched_setaffinity(0, {int(sys.argv[1])})
source, target = numpy.ones(2**23), numpy.ones(2**23)
while True:
    target[:] = source
"""


def slowed_by_a_copier(path: str, inputs: str) -> float | None:
    """Return the median of a model beside a program that copies memory, over that without it.

    In turns of ten runs, each on a core of its own; None: there is one core.
    """
    import onnxruntime

    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        return None
    core, other = sorted(allowed)[:2]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    with np.load(inputs) as archive:
        feed = {one.name: archive[one.name][0] for one in session.get_inputs()}

    def times_s() -> list[float]:
        found = []
        for _ in range(10):
            start_s = time.perf_counter()
            session.run(None, feed)
            found.append(time.perf_counter() - start_s)
        return found

    alone: list[float] = []
    beside: list[float] = []
    os.sched_setaffinity(0, {core})
    try:
        for _ in range(6):
            alone += times_s()
            copier = subprocess.Popen([sys.executable, "-c", _COPIER, str(other)])
            time.sleep(0.5)
            try:
                beside += times_s()
            finally:
                copier.kill()
                copier.wait()
    finally:
        os.sched_setaffinity(0, allowed)
    return float(np.median(beside) / np.median(alone))


def measured(
    path: str, inputs: str, settings: SessionSettings, limit_s: float | None, interval_s: float
) -> Measurement:
    """Measure as placer does, with a short time limit."""
    targets = () if limit_s is None else (LatencyTarget(0.99, limit_s),)
    plan = Plan(
        model_path=path,
        subjects=(("model.onnx", "0" * 64),),
        runtime_module="placer.runtimes.onnxruntime",
        eps=("cpu",),
        targets=targets,
        inputs_path=inputs,
        dtypes=(),
        input_shapes=(),
        input_source="seed:7",
        interval_s=interval_s,
        settings=settings,
        time_limit_s=4.0,
        min_runs=600 if limit_s is None else 0,
    )
    (result,) = measure(plan, machine=describe_machine(), today="2026-01-01")
    assert isinstance(result, Measurement), result
    return result


def verdict(found: Measurement, limit_s: float) -> Verdict:
    """Judge the samples as ``recommend`` does."""
    return judge_measured(SiteTime(found), LatencyTarget(0.99, limit_s))[0].verdict


def main() -> int:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    marked = total = contradictions = 0
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as name:
        builders: dict[str, Callable[[str], None]] = {
            "mlp 4x512": lambda path: models.mlp(path, width=512, layers=4),
            "conv 56": lambda path: models.conv_net(path, size=56, channels=64, layers=6),
        }
        for label, builder in builders.items():
            path, inputs = str(Path(name) / "m.onnx"), str(Path(name) / "i.npz")
            builder(path)
            generate_inputs(path, read_model(path).inputs).save(inputs)
            slowed = slowed_by_a_copier(path, inputs)
            if slowed is not None:
                print(f"{label}: beside a copier of memory {slowed:.2f} times as long", flush=True)
            for settings in {SessionSettings(1, False), SessionSettings(cores, cores > 1)}:
                for interval_s in (0.0, 0.02):
                    quiet = measured(path, inputs, settings, None, interval_s)
                    p99_s = float(np.quantile(quiet.samples_s, 0.99))
                    state = "disturbed" if quiet.instrument.is_disturbed else "quiet"
                    for factor in FACTORS:
                        limit_s = factor * p99_s
                        alone = verdict(
                            measured(path, inputs, settings, limit_s, interval_s), limit_s
                        )
                        for _ in range(repeats if interval_s == 0 else 1):
                            with hog():
                                busy = measured(path, inputs, settings, limit_s, interval_s)
                            under = verdict(busy, limit_s)
                            total += 1
                            marked += busy.instrument.is_disturbed
                            clash = {alone, under} == {Verdict.MET, Verdict.VIOLATED}
                            contradictions += clash
                            print(
                                f"{label}, {settings.label}, gap {interval_s * 1e3:.0f} ms, "
                                f"({state}) limit {factor:g} x p99: quiet {alone}, hog {under}, "
                                f"{'marked' if busy.instrument.is_disturbed else 'NOT MARKED'}",
                                flush=True,
                            )
    print(f"\n{'PASS' if marked == total else 'FAIL'}: marked as disturbed {marked} of {total}")
    print(f"{'PASS' if not contradictions else 'FAIL'}: contradictions {contradictions} of {total}")
    return 0 if marked == total and not contradictions else 1


if __name__ == "__main__":
    sys.exit(main())
