"""OpenVINO against ONNX Runtime's CPU execution provider: time, nodes, parity of the outputs.

    python -m pip install --no-deps --target DIR onnxruntime-openvino
    PYTHONPATH=DIR ./dev bench ep_openvino

The two take turns, process by process, as in ``placer profile``. The build of ONNX Runtime with
OpenVINO inside takes the place of the onnxruntime package: hence a directory of its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.measuring_agreement import build_models
from placer import api
from placer.profiling.machine import usable_cores

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits"


def main() -> int:
    """Print one line per model."""
    print(
        f"{'model':12} {'cpu ms':>9} {'openvino ms':>12} {'ratio':>6} {'nodes':>11} "
        f"{'largest relative difference':>28} {'answers':>8}"
    )
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        paths = {"digits": str(DIGITS / "digits.onnx"), **build_models(Path(folder))}
        for label, path in paths.items():
            found = api.profile(
                path,
                options=api.MeasuringOptions(
                    eps=("cpu", "openvino"),
                    threads=usable_cores(),
                    inputs=str(DIGITS / "samples.npz") if label == "digits" else None,
                    time_limit_s=15.0,
                ),
            )
            for ep, failure in found.failures:
                failed += 1
                print(f"{label:12} {ep}: {failure.message}")
            if found.failures:
                continue
            cpu, openvino = found.measurements
            medians_s = [float(np.median(one.samples_s)) for one in (cpu, openvino)]
            parity = openvino.parity
            disturbed = any(one.instrument.is_disturbed for one in (cpu, openvino))
            nodes = "+".join(str(count) for _, count in openvino.nodes_by_ep)
            compared = "not compared" if parity is None else f"{parity.relative_difference:.1e}"
            answers = "" if parity is None else f"{parity.agreement_ratio:.0%}"
            print(
                f"{label:12} {medians_s[0] * 1e3:9.3f} {medians_s[1] * 1e3:12.3f} "
                f"{medians_s[1] / medians_s[0]:6.2f} {nodes:>11} {compared:>28} {answers:>8}"
                f"{'  disturbed' if disturbed else ''}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
