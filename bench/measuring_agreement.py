"""Compare placer's median with a bare loop, and a call with IOBinding alone.

    ./dev bench measuring_agreement [--rounds 7]

Five models from about 0.1 ms to 200 ms. In each round a fresh process of placer's and a fresh
process with a bare loop (same session options, IOBinding, ``perf_counter_ns``) measure the same
model in turns of BLOCK_RUNS runs, in random order, so that a machine that changes its speed
changes it for both. Threads do not spin: those of the one process would slow the other. Printed:
both medians, and the median over the rounds of their ratio.
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
BLOCK_RUNS = 20

BARE_LOOP = """
import json, sys, time
import numpy as np, onnxruntime as ort
path, inputs, threads, spinning = json.loads(sys.argv[1])
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
end = time.perf_counter() + 1.0
while time.perf_counter() < end:
    session.run_with_iobinding(binding)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(2):
        session.run_with_iobinding(binding)
    samples = []
    for _ in range(int(line)):
        start_ns = time.perf_counter_ns()
        session.run_with_iobinding(binding)
        samples.append(time.perf_counter_ns() - start_ns)
    print(json.dumps(samples), flush=True)
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


def one_round_s(
    path: str, inputs: str, settings: SessionSettings, blocks: int, chance: random.Random
) -> tuple[float, float]:
    """Return the medians (placer's, bare) of fresh processes that measure in turns."""
    arguments = json.dumps([path, inputs, settings.intra_op_threads, settings.allow_spinning])
    with (
        Child("placer.runtimes.onnxruntime") as child,
        subprocess.Popen(
            [sys.executable, "-c", BARE_LOOP, arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as bare_loop,
    ):
        assert bare_loop.stdin is not None
        assert bare_loop.stdout is not None
        bare_loop.stdout.readline()
        opening: dict[str, Any] = {
            "model_path": path,
            "ep": "cpu",
            "settings": asdict(settings),
            "inputs_path": inputs,
            "dtypes": [],
        }
        child.ask("open", deadline_s=60, **opening)
        child.ask("warm_up", deadline_s=60, gap_s=0.0, limit_s=5.0)
        ours: list[int] = []
        bare: list[int] = []
        for _ in range(blocks):
            for is_ours in chance.sample((True, False), 2):
                if is_ours:
                    answer = child.ask(
                        "sample", deadline_s=60, gap_s=0.0, limit_s=60.0, runs=BLOCK_RUNS
                    )
                    ours += answer["samples_ns"]
                else:
                    bare_loop.stdin.write(f"{BLOCK_RUNS}\n")
                    bare_loop.stdin.flush()
                    bare += json.loads(bare_loop.stdout.readline())
        bare_loop.stdin.close()
    return float(np.median(ours)) / 1e9, float(np.median(bare)) / 1e9


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
    parser.add_argument("--rounds", type=int, default=15, help="half for slow models")
    parser.add_argument("--model", help="only this one of them")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    quiet = probe_quietness()
    print(f"machine {'quiet' if quiet.is_quiet else 'NOT QUIET'} at the start: {quiet}")
    settings = SessionSettings(usable_cores(), allow_spinning=False)
    print(f"{settings.label}, {rounds} rounds\n")
    print(f"{'model':12} {'placer ms':>10} {'bare ms':>10} {'ratio':>8}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        inputs = str(directory / "inputs.npz")
        for label, path in build_models(directory).items():
            if arguments.model not in (None, label):
                continue
            generate_inputs(path, read_model(path).inputs).save(inputs)
            blocks = {"conv 56": 20, "conv 112": 6, "conv 224": 3}.get(label, 60)
            chance = random.Random(label)
            turns = rounds if blocks > 6 else max(1, rounds // 2)
            medians_s = np.array(
                [one_round_s(path, inputs, settings, blocks, chance) for _ in range(turns)]
            )
            ours_s, bare_s = np.median(medians_s, axis=0)
            ratio = float(np.median(medians_s[:, 0] / medians_s[:, 1]))
            worst = max(worst, abs(ratio - 1))
            ratios = np.sort(medians_s[:, 0] / medians_s[:, 1])
            print(
                f"{label:12} {ours_s * 1e3:10.3f} {bare_s * 1e3:10.3f} {ratio:8.4f}   "
                f"rounds {ratios[0]:.3f} to {ratios[-1]:.3f}",
                flush=True,
            )
        tiny = str(directory / "tiny.onnx")
        models.mlp(tiny, width=4, layers=1)
        generate_inputs(tiny, read_model(tiny).inputs).save(inputs)
        with_placer_s, alone_s = overhead_s(tiny, inputs, rounds)
    extra_s = with_placer_s - alone_s
    print(
        f"\nper call: placer's loop {with_placer_s * 1e6:.2f} µs, IOBinding alone "
        f"{alone_s * 1e6:.2f} µs"
    )
    good = worst <= AGREEMENT_LIMIT_RATIO
    cheap = extra_s <= OVERHEAD_LIMIT_S
    print(f"{'PASS' if good else 'FAIL'}: worst disagreement {worst:.2%} (limit 2 %)")
    print(f"{'PASS' if cheap else 'FAIL'}: overhead {extra_s * 1e6:.2f} µs per call (limit 3 µs)")
    return 0 if good and cheap else 1


if __name__ == "__main__":
    sys.exit(main())
