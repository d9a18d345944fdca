"""Predict architectures that were not measured, from `placer calibrate`, and measure them.

    ./dev bench compute_here [--threads N] [--only NAME ...]

Calibrates this machine as the command does (its time is printed), then measures each architecture
of tests/architectures.py as `placer profile` does, and prints predicted against measured, the
median error, and the share of the measured times in the 90 % interval. A busy machine shows. One
calibration model is measured again in turns with each: how much slower or faster it is than during
the calibration is the pace of the machine, and the error at the pace of the calibration is printed
beside the other, to tell what the machine did from what the prediction is off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from placer.api import calibrating, predicting
from placer.core.measurement import Measurement
from placer.onnx_files.calibration_models import CALIBRATION_MODELS
from placer.onnx_files.reader import read_model
from placer.profiling.child import Child
from placer.profiling.machine import describe_machine, usable_cores
from placer.profiling.sampling import measure_in_turns
from placer.runtimes import onnxruntime
from tests.architectures import ARCHITECTURES

WANTED_S = 60.0
WANTED_RATIO = 0.10
LIMIT_S = 6.0
"""For each architecture."""
PACE_MODEL = "bottlenecks"


def main() -> int:
    """Run and print; the exit status is 1 if a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--only", nargs="*", default=sorted(ARCHITECTURES))
    asked = parser.parse_args()
    start_ns = time.perf_counter_ns()
    found = calibrating.calibrate_here("cpu", asked.threads)
    took_s = (time.perf_counter_ns() - start_ns) / 1e9
    print(f"placer calibrate: {took_s:.0f} s (wanted: under {WANTED_S:.0f} s), {found.source}")
    for warning in found.warnings:
        print(f"  {warning}")
    with tempfile.TemporaryDirectory() as folder, Child(onnxruntime.MODULE) as child:
        models = {}
        for name in asked.only:
            path = str(Path(folder) / f"{name}.onnx")
            onnx.save(ARCHITECTURES[name](), path)
            models[name] = read_model(path)
        works = {n: replace(predicting.work_of(m, child), model=n) for n, m in models.items()}
        results, paces = {}, {}
        known = {one.work.model: one.latency_s for one in found.calibration.timings}
        path = str(Path(folder) / "pace.onnx")
        onnx.save(CALIBRATION_MODELS[PACE_MODEL](), path)
        pace_plan = calibrating.plan_of(read_model(path), folder, "pace", "cpu", asked.threads)
        for name, model in models.items():  # few at a time: together they would not fit memory
            plan = calibrating.plan_of(model, folder, name, "cpu", asked.threads)
            (result,), (pace,) = measure_in_turns(
                [replace(one, time_limit_s=LIMIT_S) for one in (plan, pace_plan)],
                machine=describe_machine(),
                today="",
            )
            results[name] = result
            if isinstance(pace, Measurement) and PACE_MODEL in known:
                paces[name] = calibrating.median_s(pace) / known[PACE_MODEL]
    errors, paced, held = [], [], []
    for name, result in results.items():
        if not isinstance(result, Measurement):
            print(f"{name}: {result.message}")
            continue
        measured_s = calibrating.median_s(result)
        told = found.calibration.predict(works[name])
        errors.append(told.median_s / measured_s - 1)
        held.append(told.low_s <= measured_s <= told.high_s)
        pace_ratio = paces.get(name, 1.0)
        paced.append(told.median_s * pace_ratio / measured_s - 1)
        print(
            f"{name:22} {works[name].flops / 1e9:6.2f} GFLOP  measured {1e3 * measured_s:7.2f} ms"
            f"  predicted {1e3 * told.median_s:7.2f} ms  {100 * errors[-1]:+6.1f} %"
            f"  pace x {pace_ratio:.2f}"
            f"{'' if held[-1] else '  outside'}"
            f"{'  (disturbed)' if result.instrument.is_disturbed else ''}"
        )
    middle = float(np.median(np.abs(errors)))
    print(
        f"{len(errors)} architectures: median error {100 * middle:.1f} % (wanted: under "
        f"{100 * WANTED_RATIO:.0f}), bias {100 * float(np.median(errors)):+.1f} %, "
        f"{100 * float(np.mean(held)):.0f} % in the 90 % interval of "
        f"x/÷ {found.calibration.factor_90:.2f}"
    )
    print(
        f"at the pace of the calibration: {100 * float(np.median(np.abs(paced))):.1f} %, bias "
        f"{100 * float(np.median(paced)):+.1f} %; pace x {min(paces.values(), default=1.0):.2f} to "
        f"{max(paces.values(), default=1.0):.2f}"
    )
    is_met = took_s < WANTED_S and middle < WANTED_RATIO
    print("PASS" if is_met else "MISS")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
