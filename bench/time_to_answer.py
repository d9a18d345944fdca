"""Compare the time of ``placer recommend`` with what it has to measure.

    ./dev bench time_to_answer

For one execution provider, one setting and one target the answer may take at most
1.5 x (planned runs x latency + session creation + warm-up) + 2 s, the whole command from start
to exit. Planned runs: those that prove p99 if no run is slow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.measuring_agreement import build_models
from placer.core.sequential import planned_runs
from placer.profiling.machine import usable_cores


def main() -> int:
    """Print one line per model."""
    worst = 0.0
    print(f"{'model':12} {'took s':>8} {'limit s':>8} {'share':>7}")
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "XDG_CACHE_HOME": name}
        for label, path in build_models(Path(name)).items():
            saved = str(Path(name) / "evidence.json")
            command = [sys.executable, "-m", "placer"]
            cores = str(usable_cores())
            settings = ["--ep", "cpu", "--threads", cores, "--sla", "5s", "--time-limit", "300s"]
            subprocess.run(
                [*command, "profile", path, *settings, "--save", saved],
                check=True,
                capture_output=True,
                env=environment,
            )
            start_ns = time.perf_counter_ns()
            subprocess.run(
                [*command, "recommend", path, *settings, "--fresh"],
                check=True,
                capture_output=True,
                env=environment,
            )
            took_s = (time.perf_counter_ns() - start_ns) / 1e9
            processes = json.loads(Path(saved).read_text())["predicate"]["results"]["processes"]
            samples_s = [sample for run in processes for sample in run["samples_s"]]
            median_s = float(np.median(samples_s))
            creation_s = float(np.median([run["session_creation_s"] for run in processes]))
            warmup_s = median_s * float(np.median([run["warmup_runs"] for run in processes]))
            limit_s = 1.5 * (planned_runs(0.99) * median_s + creation_s + warmup_s) + 2.0
            worst = max(worst, took_s / limit_s)
            print(f"{label:12} {took_s:8.2f} {limit_s:8.2f} {took_s / limit_s:7.0%}", flush=True)
    print(f"{'PASS' if worst <= 1 else 'FAIL'}: at most {worst:.0%} of the limit")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
