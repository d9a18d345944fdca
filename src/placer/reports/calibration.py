"""Reports of ``placer calibrate``: what was learnt of a device, and what it predicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from placer.core.calibration import NOMINAL, Calibration, Prediction
from placer.core.printable import printable
from placer.core.units import format_duration, format_factor

SCHEMA = "placer/calibrated/v1"


def to_json(
    calibration: Calibration,
    source: str,
    predictions: Sequence[Prediction],
    warnings: Sequence[str] = (),
) -> str:
    """Return parameters, interval and predictions, the latter in the order they were asked.

    Parameters
    ----------
    source
        What the timings are from.
    warnings
        What makes them doubtful.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "source": source,
        "models": len(calibration.timings),
        "warnings": list(warnings),
        "left_out": [timing.work.model for timing in calibration.left_out],
        "flops_per_s": _rate(calibration.s_per_flop),
        "matrix_flops_per_s": _rate(calibration.s_per_matrix_flop),
        "bytes_per_s": _rate(calibration.s_per_byte),
        "s_per_op": calibration.s_per_op,
        "nominal_ratio": NOMINAL,
        "factor_90": calibration.factor_90,
        "median_error_ratio": calibration.median_error_ratio,
        "predictions": [
            {
                "model": one.model,
                "median_s": one.median_s,
                "low_s": one.low_s,
                "high_s": one.high_s,
                "beyond_ratio": one.beyond_ratio,
            }
            for one in predictions
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_text(calibration: Calibration, source: str, predictions: Sequence[Prediction]) -> str:
    """Return the same for people."""
    rates = [
        ("operations", _rate(calibration.s_per_flop), 1e9, "GFLOP/s"),
        ("memory", _rate(calibration.s_per_byte), 1e9, "GB/s"),
    ]
    if calibration.s_per_matrix_flop != calibration.s_per_flop:
        matrices = _rate(calibration.s_per_matrix_flop)
        rates.insert(1, ("of matrices", matrices, 1e9, "GFLOP/s"))
    lines = [f"{source}: {len(calibration.timings)} models"]
    lines += [
        f"  {what:<11} {unknown if rate is None else f'{rate / scale:.3g} {unit}'}"
        for what, rate, scale, unit in rates
        for unknown in ("not identifiable from these models",)
    ]
    per_op = format_duration(calibration.s_per_op) if calibration.s_per_op else "nothing to see"
    lines += [
        f"  {'operator':<11} {per_op}",
        f"  left out one at a time, half of the models are off by at most "
        f"{100 * calibration.median_error_ratio:.0f} %;",
        f"  nine in ten times lie within x/÷ {calibration.factor_90:.2f} of what is predicted",
    ]
    if predictions:
        names = [printable(one.model) for one in predictions]
        width = max(len("model"), *map(len, names))
        lines += ["", f"{'model':<{width}}  {'median':>10}  90 % interval"]
        lines += [
            f"{name:<{width}}  {format_duration(one.median_s):>10}  "
            f"{format_duration(one.low_s)} to {format_duration(one.high_s)}"
            + (
                f"  {format_factor(one.beyond_ratio)} times beyond what was measured"
                if one.beyond_ratio > 1
                else ""
            )
            for name, one in zip(names, predictions, strict=True)
        ]
    return "\n".join(lines) + "\n"


def _rate(s_per_unit: float) -> float | None:
    """Return units per second; None: the models do not tell it."""
    return 1 / s_per_unit if s_per_unit else None
