"""Compare placer's median with a bare loop, and a call with IOBinding alone.

    ./dev bench measuring_agreement [--rounds 5]

Five models from about 0.1 ms to 200 ms. In each round a fresh process of placer's and a fresh
process with a bare loop (same session options, IOBinding, ``perf_counter_ns``) measure the same
model one after the other, in random order. Printed: both medians of medians and their ratio.
Run it on a quiet machine; the last lines say whether the figures were reached.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from placer.core.measurement import SessionSettings
from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.reader import read_model
from placer.profiling.child import Child
from placer.profiling.machine import usable_cores
from placer.profiling.quietness import probe_quietness
from placer.profiling.worker import Worker
from tests import models

AGREEMENT_LIMIT_RATIO = 0.02
OVERHEAD_LIMIT_S = 3e-6

BARE_LOOP = """
import json, sys, time
import numpy as np, onnxruntime as ort
path, inputs, threads, spinning, runs, limit_s = json.loads(sys.argv[1])
options = ort.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
binding = session.io_binding()
with np.load(inputs) as archive:
    for name in archive.files:
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(archive[name][0]))
for output in session.get_outputs():
    binding.bind_output(output.name, "cpu")
end = time.perf_counter() + min(1.0, limit_s / 2)
while time.perf_counter() < end:
    session.run_with_iobinding(binding)
samples = []
end = time.perf_counter() + limit_s
while len(samples) < runs and time.perf_counter() < end:
    start_ns = time.perf_counter_ns()
    session.run_with_iobinding(binding)
    samples.append(time.perf_counter_ns() - start_ns)
print(json.dumps(samples))
"""


def build_models(directory: Path) -> dict[str, str]:
    """Build five models whose latencies span 0.1 to 200 ms."""
    builders: dict[str, Callable[[str], object]] = {
        "mlp 4x512": lambda path: models.mlp(path, width=512, layers=4),
        "conv 32": lambda path: models.conv_net(path, size=32, channels=32, layers=4),
        "conv 56": lambda path: models.conv_net(path, size=56, channels=64, layers=6),
        "conv 112": lambda path: models.conv_net(path, size=112, channels=64, layers=8),
        "conv 224": lambda path: models.conv_net(path, size=224, channels=96, layers=8),
    }
    paths = {}
    for name, build in builders.items():
        path = str(directory / f"{name.replace(' ', '_')}.onnx")
        build(path)
        paths[name] = path
    return paths


def placer_median_s(path: str, inputs: str, settings: SessionSettings, runs: int) -> float:
    """Measure with a fresh measuring process, as placer does."""
    with Child("placer.runtimes.onnxruntime") as child:
        opening: dict[str, Any] = {
            "model_path": path,
            "ep": "cpu",
            "settings": asdict(settings),
            "inputs_path": inputs,
            "dtypes": [],
        }
        child.ask("open", deadline_s=60, **opening)
        child.ask("warm_up", deadline_s=60, gap_s=0.0, limit_s=5.0)
        samples: list[int] = []
        while len(samples) < runs:
            answer = child.ask(
                "sample", deadline_s=60, gap_s=0.0, limit_s=0.2, runs=runs - len(samples)
            )
            samples += answer["samples_ns"]
    return float(np.median(samples)) / 1e9


def bare_median_s(path: str, inputs: str, settings: SessionSettings, runs: int) -> float:
    """Measure with a loop that knows nothing of placer."""
    arguments = json.dumps(
        [path, inputs, settings.intra_op_threads, settings.allow_spinning, runs, 30.0]
    )
    done = subprocess.run(
        [sys.executable, "-c", BARE_LOOP, arguments], capture_output=True, text=True, check=True
    )
    return float(np.median(json.loads(done.stdout))) / 1e9


def overhead_s(path: str, inputs: str, rounds: int) -> tuple[float, float]:
    """Return (time per call of placer's loop, time per bare IOBinding call), medians."""
    worker = Worker("placer.runtimes.onnxruntime")
    worker.open(
        {
            "model_path": path,
            "ep": "cpu",
            "settings": asdict(SessionSettings(1, False)),
            "inputs_path": inputs,
            "dtypes": [],
        }
    )
    run = worker._runs[0]
    runs = 20_000
    ours, bare = [], []
    for _ in range(rounds):
        start_ns = time.perf_counter_ns()
        worker.sample({"runs": runs, "gap_s": 0.0, "limit_s": 60.0})
        ours.append((time.perf_counter_ns() - start_ns) / runs)
        start_ns = time.perf_counter_ns()
        for _ in range(runs):
            run()
        bare.append((time.perf_counter_ns() - start_ns) / runs)
    return float(np.median(ours)) / 1e9, float(np.median(bare)) / 1e9


def main() -> int:
    """Print the table and say whether the figures were reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    quiet = probe_quietness()
    print(f"machine {'quiet' if quiet.is_quiet else 'NOT QUIET'} at the start: {quiet}")
    settings = SessionSettings(usable_cores(), usable_cores() > 1)
    print(f"{settings.label}, {rounds} rounds\n")
    print(f"{'model':12} {'placer ms':>10} {'bare ms':>10} {'ratio':>8}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for label, path in build_models(directory).items():
            inputs = str(directory / "inputs.npz")
            generate_inputs(path, read_model(path).inputs).save(inputs)
            runs = 2000 if label.startswith("mlp") else 60 if label.endswith("224") else 300
            ours: list[float] = []
            bare: list[float] = []
            for round_ in range(rounds):
                pair = [(ours, placer_median_s), (bare, bare_median_s)]
                random.Random(round_).shuffle(pair)
                for kept, measure in pair:
                    kept.append(measure(path, inputs, settings, runs))
            ratio = float(np.median(ours) / np.median(bare))
            worst = max(worst, abs(ratio - 1))
            print(
                f"{label:12} {np.median(ours) * 1e3:10.3f} {np.median(bare) * 1e3:10.3f} "
                f"{ratio:8.4f}"
            )
        tiny = str(directory / "tiny.onnx")
        models.mlp(tiny, width=4, layers=1)
        generate_inputs(tiny, read_model(tiny).inputs).save(inputs)
        with_placer_s, bare_s = overhead_s(tiny, inputs, rounds)
    extra_s = with_placer_s - bare_s
    print(
        f"\nper call: placer's loop {with_placer_s * 1e6:.2f} µs, IOBinding alone "
        f"{bare_s * 1e6:.2f} µs"
    )
    good = worst <= AGREEMENT_LIMIT_RATIO
    cheap = extra_s <= OVERHEAD_LIMIT_S
    print(f"{'PASS' if good else 'FAIL'}: worst disagreement {worst:.2%} (limit 2 %)")
    print(f"{'PASS' if cheap else 'FAIL'}: overhead {extra_s * 1e6:.2f} µs per call (limit 3 µs)")
    return 0 if good and cheap else 1


if __name__ == "__main__":
    sys.exit(main())
