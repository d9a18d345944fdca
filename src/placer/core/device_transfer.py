"""The time of a model on one device from its time on another of the same class and runtime.

Not by a ratio of the two devices: each has its own three parameters, and what is carried over is
by how much the model is slower or faster than they say, its residual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.calibration import (
    LEAST_MODELS,
    Calibration,
    FloatArray,
    Prediction,
    Timing,
    Work,
    interval_factor,
    least_s,
)
from placer.core.errors import UsageError

SHRINKING_MODELS = 5.0
"""So many shared models weigh as much as the doubt that residuals have anything in common: with
few, a correlation is found by chance. Between two CPUs it was 0.47 and 1.21, between GPUs 0.96 to
1.06 (timm's published tables, about 1,300 models each)."""
MOST_CORRELATION = 1.25
"""Least squares on few models may find any; no pair that was measured had more."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How residuals carry over from one device to another."""

    correlation: float
    """Share of a residual there that is expected here, shrunk towards 0."""
    factor_90: float
    """The truth lies within [prediction / f, prediction x f] nine times in ten."""
    shared: int
    """Models measured on both."""
    source: Calibration
    target: Calibration

    def predict(self, work: Work, measured_s: float) -> Prediction:
        """Return the time on the target of a model that takes so long on the source."""
        residual = math.log(measured_s / self.source.predict(work).median_s)
        floor_s = least_s(work, self.target.limits)
        median_s = self.target.predict(work).median_s * math.exp(self.correlation * residual)
        median_s = max(median_s, floor_s)
        return Prediction(
            work.model,
            median_s,
            max(median_s / self.factor_90, floor_s),
            median_s * self.factor_90,
        )


def transfer(source: Calibration, target: Calibration) -> Transfer:
    """Learn from the models that were measured on both how residuals carry over.

    The interval is ``interval_factor`` of what is off when each shared model in turn is unknown to
    both.

    Raises
    ------
    UsageError
        Fewer than LEAST_MODELS models were measured on both.
    """
    there = {row.work.model: row for row in source.timings}
    shared = [
        (there[row.work.model], row)
        for row in target.timings
        if row.work.model in there and _is_same(there[row.work.model].work, row.work)
    ]
    if len(shared) < LEAST_MODELS:
        raise UsageError(
            f"{len(shared)} model(s) were measured on both devices, and at least {LEAST_MODELS} "
            "are needed to carry a time over",
            hint="`placer calibrate` measures the same models everywhere: run it on both",
        )
    source_residuals = _residuals(source, [row for row, _ in shared])
    target_residuals = _residuals(target, [row for _, row in shared])
    off = np.empty(len(shared))
    for index in range(len(shared)):
        keep = np.arange(len(shared)) != index
        correlation = _correlation(source_residuals[keep], target_residuals[keep])
        # of the model that is left out, neither device's own fit may know anything
        off[index] = _left_out(target, shared[index][1].work.model) - correlation * _left_out(
            source, shared[index][0].work.model
        )
    return Transfer(
        correlation=_correlation(source_residuals, target_residuals),
        factor_90=interval_factor(off, target.pace_log_sd),
        shared=len(shared),
        source=source,
        target=target,
    )


def _is_same(one: Work, other: Work) -> bool:
    """Tell whether two models of one name do the same work; the graph may differ a little."""
    pairs = ((one.flops, other.flops), (one.bytes_moved, other.bytes_moved))
    return all(math.isclose(a, b, rel_tol=0.02) for a, b in pairs)


def _residuals(calibration: Calibration, rows: Sequence[Timing]) -> FloatArray:
    return np.array(
        [math.log(row.latency_s / calibration.predict(row.work).median_s) for row in rows]
    )


def _left_out(calibration: Calibration, model: str) -> float:
    """Return the residual of a model by the fit of all others."""
    names = [row.work.model for row in calibration.timings]
    return calibration.residuals[names.index(model)]


def _correlation(source: FloatArray, target: FloatArray) -> float:
    """Return the slope of the target's residuals over the source's, shrunk by their number."""
    power = float(source @ source)
    if power == 0:
        return 0.0
    slope = float(source @ target) / power * len(source) / (len(source) + SHRINKING_MODELS)
    return min(MOST_CORRELATION, max(0.0, slope))
