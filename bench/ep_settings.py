"""What session settings buy on a mostly idle device: latency and CPU time of one inference.

    ./dev bench ep_settings [--rate 5] [--seconds 20]

For each of five models the settings of ``--tune`` take turns, with idle time between the runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.measuring_agreement import build_models
from placer import api
from placer.core.settings import settings_gain
from placer.core.workload import LatencyTarget, Workload

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits"


def main() -> int:
    """Print one line per model and setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of search for each model")
    arguments = parser.parse_args()
    asked = Workload(targets=(LatencyTarget(0.99, 1.0),), rate_hz=arguments.rate)
    print(f"{'model':8} {'settings':26} {'p50 ms':>8} {'relative':>22} {'CPU ms':>8} {'rounds':>6}")
    with tempfile.TemporaryDirectory() as folder:
        paths = {"digits": str(DIGITS / "digits.onnx"), **build_models(Path(folder))}
        for label, path in paths.items():
            found = api.profile(
                path,
                workload=asked,
                options=api.MeasuringOptions(
                    eps=("cpu",), search_s=arguments.seconds, time_limit_s=5.0
                ),
            )
            (measurement,) = found.measurements
            for one in measurement.screened:
                relative = f"{one.ratio:.2f}"
                if one.low_ratio is not None and one.high_ratio is not None:
                    relative += f" ({one.low_ratio:.2f} to {one.high_ratio:.2f})"
                cpu_ms = float("nan") if one.cpu_s_per_run is None else one.cpu_s_per_run * 1e3
                print(
                    f"{label:8} {one.settings.label:26} {one.median_s * 1e3:8.3f} {relative:>22} "
                    f"{cpu_ms:8.2f} {one.rounds:6}",
                    flush=True,
                )
            disturbed = "; ".join(measurement.instrument.reasons)
            print(f"{'':8} {settings_gain(measurement)}{disturbed and '; disturbed: '}{disturbed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
