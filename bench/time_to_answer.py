"""Compare the time of ``placer recommend`` with what it has to measure.

    ./dev bench time_to_answer [MODEL ...]

For one execution provider, one setting and one target the answer may take at most
1.5 x (planned runs x latency + session creation + warm-up) + 2 s, the whole command from start
to exit. Planned runs: those that prove p99 if no run is slow. Latency, session creation and
warm-up are those of the timed run itself, from the evidence that it leaves in the cache, so that
a machine that changes its speed between two runs does not count. Each model is asked three times
in turn; the median of the shares counts. Byte code is cached as on any machine of a user.
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

REPEATS = 3


def main() -> int:
    """Print one line per model."""
    chosen = sys.argv[1:]
    shares: dict[str, list[float]] = {}
    print(f"{'model':12} {'median ms':>9} {'took s':>8} {'limit s':>8} {'share':>7}")
    with tempfile.TemporaryDirectory() as name:
        paths = build_models(Path(name))
        for repeat in range(REPEATS):
            for label, path in paths.items():
                if chosen and label not in chosen:
                    continue
                cache = Path(name) / f"cache-{repeat}-{label}"
                took_s = _ask(path, cache)
                median_s, limit_s = _limit_s(cache)
                shares.setdefault(label, []).append(took_s / limit_s)
                print(
                    f"{label:12} {median_s * 1e3:9.3f} {took_s:8.2f} {limit_s:8.2f} "
                    f"{took_s / limit_s:7.0%}",
                    flush=True,
                )
    medians = {label: float(np.median(values)) for label, values in shares.items()}
    for label, median in medians.items():
        print(f"{label:12} median share {median:.0%}")
    worst = max(medians.values())
    print(f"{'PASS' if worst <= 1 else 'FAIL'}: at most {worst:.0%} of the limit")
    return 0 if worst <= 1 else 1


def _ask(path: str, cache: Path) -> float:
    """Return how long ``placer recommend`` takes with an empty cache."""
    command = [sys.executable, "-m", "placer", "recommend", path, "--ep", "cpu"]
    command += ["--threads", str(usable_cores()), "--sla", "5s", "--time-limit", "300s"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start_ns = time.perf_counter_ns()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return (time.perf_counter_ns() - start_ns) / 1e9


def _limit_s(cache: Path) -> tuple[float, float]:
    """Return (median latency, time that the answer may take), both in seconds."""
    (evidence,) = (cache / "placer").glob("*.json")
    processes = json.loads(evidence.read_text())["predicate"]["results"]["processes"]
    median_s = float(np.median([sample for run in processes for sample in run["samples_s"]]))
    creation_s = float(np.median([run["session_creation_s"] for run in processes]))
    warmup_s = median_s * float(np.median([run["warmup_runs"] for run in processes]))
    return median_s, 1.5 * (planned_runs(0.99) * median_s + creation_s + warmup_s) + 2.0


if __name__ == "__main__":
    sys.exit(main())
