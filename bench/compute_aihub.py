"""Judge the transfer of times between devices on Qualcomm AI Hub's published measurements.

    ./dev bench compute_aihub [--draws 2]

Every ordered pair of AI Hub devices with ONNX Runtime: the time of each float model on the second
is foretold from its time on the first, and from models of other families that both have. Family is
the first word of a model's name. Only rows that ran on the NPU alone count, and of devices that
give nearly equal times one stands for both. Printed for 5, 8, 12, 20 and all shared models: the
median error, how often the nominal 90 % interval covers the truth, and the median half-width.
Exit code 1: with all of them the error or the coverage is not as wanted.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from placer.core.measured_rows import LEAST_SHARED, MeasuredRow, transferred
from placer.files.measured import SOURCES, rows_of

RUNTIME, PRECISION = "onnx", "float"
ONE_DEVICE = {"QCS8275 (Proxy)": "SA7255P ADP"}
"""Devices whose rows are nearly those of another."""
COUNTS = (5, 8, 12, 20, None)
WANTED_ERROR_RATIO = 0.10
WANTED_COVERAGE = (0.85, 0.95)

Times = Mapping[str, Mapping[str, float]]


def family(name: str) -> str:
    """Return the first word of a model's name: ``aihub/mobilenet_v2`` is a mobilenet."""
    return name.split("/")[1].split("_")[0]


def times_s(rows: tuple[MeasuredRow, ...]) -> Times:
    """Return device -> model -> seconds."""
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        wanted = row.runtime == RUNTIME and row.precision == PRECISION and row.is_all_on_unit
        if wanted and row.latency_s is not None and row.device not in ONE_DEVICE:
            found[row.device][row.name] = row.latency_s
    return found


def foretold(
    devices: Times, count: int | None, draws: int, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Yield (log of foretold over true, half-width of the interval) of every pair and model."""
    for first, there_s in devices.items():
        for second, here_s in devices.items():
            both = sorted(there_s.keys() & here_s.keys())
            if first == second:
                continue
            for name in both:
                others = [one for one in both if family(one) != family(name)]
                for _ in range(1 if count is None else draws):
                    if len(others) < (count or LEAST_SHARED):
                        break
                    chosen = others if count is None else list(rng.choice(others, count, False))
                    found = transferred(
                        there_s[name], [(there_s[one], here_s[one]) for one in chosen]
                    )
                    assert found is not None
                    yield np.log(found.median_s / here_s[name]), np.log(found.factor_90)


def main() -> int:
    """Print one line for each number of shared models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=2, help="of the shared models (default: 2)")
    draws = parser.parse_args().draws
    (source,) = (one for one in SOURCES if one.key == "aihub")
    devices = times_s(rows_of(source))
    n_models = len({name for times in devices.values() for name in times})
    print(f"{len(devices)} devices, {n_models} models, {RUNTIME}, {PRECISION}, NPU alone")
    print(f"{'shared':>7} {'cases':>7} {'median error':>13} {'covered':>8} {'half-width':>11}")
    rng = np.random.default_rng(7)
    error = coverage = 0.0
    for count in COUNTS:
        logs = np.asarray(list(foretold(devices, count, draws, rng)))
        error = float(np.median(np.abs(np.expm1(logs[:, 0]))))
        coverage = float(np.mean(np.abs(logs[:, 0]) <= logs[:, 1]))
        width = float(np.exp(np.median(logs[:, 1])))
        print(
            f"{count or 'all':>7} {len(logs):>7} {error:>13.1%} {coverage:>8.1%}"
            f" {f'x/÷ {width:.2f}':>11}"
        )
    low, high = WANTED_COVERAGE
    is_good = error < WANTED_ERROR_RATIO and low <= coverage <= high
    print("as wanted" if is_good else "NOT as wanted")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
