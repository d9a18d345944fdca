"""The time of models that were never run on a device, from a few that were.

Three parameters fitted to the models measured there: time = operations / F + bytes / B +
operators x o. Where the graphs are known, matrix products may have a rate of their own. How far
off a prediction may be is told by leaving out one model at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.core.beta import student_quantile
from placer.core.errors import UsageError

FloatArray = npt.NDArray[np.float64]

LEAST_MODELS = 5
"""With fewer, three parameters leave nothing to tell the error by. On timm's published CPU tables
three models gave nine in ten predictions within x 1.7 to 2.1, five to eight within 1.4 to 1.9."""
LEAST_SPLIT_MODELS = 10
"""From here on a fourth parameter can be told: with five, nine parameters were two to three times
worse than three on the same tables."""
LEAST_OF_A_KIND = 3
FLOOR_FACTOR = 1.10
"""No interval is narrower: that is by how much a measurement repeats."""
NOMINAL = 0.90
"""Share of the times that the interval is to hold."""
LONE_FACTOR = 30.0
"""A row further off the fit of the others has other units, or ran elsewhere. CPU fallback, the
largest error known, is x 24 in its 90th percentile (Qualcomm AI Hub, 139 pairs)."""
FASTEST_FLOPS_PER_S = 2.0e16
"""No single accelerator computes faster: NVIDIA states 9 PFLOP/s of dense FP4 for its B200, and 18
with sparsity (DGX B200 data sheet, 2024)."""
FASTEST_BYTES_PER_S = 1.0e14
"""No single chip reads faster: Groq states 80 TB/s for the on-chip memory of its LPU (GroqChip
product brief, 2022), NVIDIA 8 TB/s for the HBM3e of its B200."""
LEAST_CALL_S = 1e-6
"""No runtime answers a call in less: ONNX Runtime's takes three times as long for a single Relu."""
NEAR_RATIO = 2.0
"""A model counts as one of the measured kind up to this factor beyond their range."""
MOST_FITS = 100
"""Fits that tell the interval; with so many rows, one more or less in each changes nothing."""
FASTEST_MEMORY_BYTES_PER_S = 8.0e12
"""What NVIDIA states for the memory of its B200; fitted rates beyond it look like other units."""
SLOWEST_FLOPS_PER_S = 1.0e9
"""Below this in the median a table is suspected to be in other units: a Raspberry Pi 4 reaches ten
times as much (ResNet-50, 8.2 GFLOP, in 573 ms with TensorFlow Lite: 14 GFLOP/s)."""
_TOLERANCE_RATIO = 0.02
"""Relative residuals below this weigh as this much: least absolute deviations, smoothed."""
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Work:
    """What a model makes a device do in one inference, counted on the optimised graph."""

    model: str
    flops: float
    bytes_moved: float
    n_ops: float
    matrix_flops: float | None = None
    """The part of ``flops`` that is in products of matrices; None: not known."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One model measured on the device."""

    work: Work
    latency_s: float
    where: str = ""
    """``table.csv:7``, for messages."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The time of one model."""

    model: str
    median_s: float
    low_s: float
    """Lower end of the central 90 %."""
    high_s: float
    beyond_ratio: float = 1.0
    """How far the model lies beyond those that were measured, which widens the interval."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What no chip, or this one, can exceed; None: not known, so nothing is bounded."""

    flops_per_s: float | None = None
    bytes_per_s: float | None = None
    name: str = "any chip"
    """Whose figures they are, for messages."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A device and runtime as its own measurements describe it."""

    s_per_flop: float
    """0: not identifiable from these models."""
    s_per_matrix_flop: float
    """Of operations in products of matrices; the same as of all others, unless that is seen."""
    s_per_byte: float
    """0: not identifiable."""
    s_per_op: float
    factor_90: float
    """The truth lies within [prediction / f, prediction x f] nine times in ten."""
    residuals: tuple[float, ...]
    """log(measured / predicted) of each row when it was left out of the fit, in their order."""
    timings: tuple[Timing, ...]
    """The rows that it rests on."""
    left_out: tuple[Timing, ...] = ()
    """Rows that are so far off the others that their units or their processor differ."""
    limits: Limits = Limits()
    pace_log_sd: float = 0.0
    """As ``calibrate`` takes it."""

    @property
    def median_error_ratio(self) -> float:
        """Median of |predicted / measured - 1| of the rows, each left out of its fit."""
        return float(np.median(np.abs(np.expm1(-np.array(self.residuals)))))

    def predict(self, work: Work) -> Prediction:
        """Return the time of a model, never faster than the limits allow.

        Raises
        ------
        UsageError
            The model has no work that the fitted parameters know the time of.
        """
        matrix_flops = work.matrix_flops or 0.0
        median_s = (
            (work.flops - matrix_flops) * self.s_per_flop
            + matrix_flops * self.s_per_matrix_flop
            + work.bytes_moved * self.s_per_byte
            + work.n_ops * self.s_per_op
        )
        if not median_s > 0:
            raise UsageError(
                f"the time of '{work.model}' cannot be told: it has none of the work that the "
                "calibration knows the time of"
            )
        floor_s = least_s(work, self.limits)
        beyond = self.beyond_ratio(work, median_s)
        factor = self.factor_90 * beyond
        median_s = max(median_s, floor_s)
        return Prediction(
            work.model,
            median_s,
            max(median_s / factor, floor_s),
            median_s * factor,
            beyond,
        )

    def beyond_ratio(self, work: Work, median_s: float) -> float:
        """Return how far a model lies beyond those that were measured, as a factor; 1: among them.

        Its time against their range, and its bytes and operators for each operation against their
        largest; NEAR_RATIO of that is free. Times grow with the work and no faster than it, so
        that a part which none of the measured models shows is off by this factor at most.
        """
        times_s = [row.latency_s for row in self.timings]
        beyond = [min(times_s) / median_s, median_s / max(times_s)]
        for amount, known in (
            (work.bytes_moved, [row.work.bytes_moved for row in self.timings]),
            (work.n_ops, [row.work.n_ops for row in self.timings]),
        ):
            most = (
                max(
                    one / row.work.flops
                    for one, row in zip(known, self.timings, strict=True)
                    if row.work.flops
                )
                if any(row.work.flops for row in self.timings)
                else math.inf
            )
            is_known = (
                work.flops
                and most > 0
                and not any(
                    one and not row.work.flops for one, row in zip(known, self.timings, strict=True)
                )
            )
            if is_known:
                beyond.append(amount / work.flops / most)
        return max(1.0, max(beyond) / NEAR_RATIO)


def least_s(work: Work, limits: Limits) -> float:
    """Return the time below which no inference is possible; 0: nothing is known.

    Bytes moved count each tensor at each operator that reads it, much of it in caches: a bound on
    the memory they are read from says little, that of the fastest chip's caches always holds.
    """
    flops_s = 0.0 if limits.flops_per_s is None else work.flops / limits.flops_per_s
    return max(flops_s, work.bytes_moved / FASTEST_BYTES_PER_S, LEAST_CALL_S)


def calibrate(
    timings: Sequence[Timing],
    *,
    limits: Limits = Limits(FASTEST_FLOPS_PER_S, FASTEST_BYTES_PER_S),
    pace_log_sd: float = 0.0,
) -> Calibration:
    """Fit the three parameters and tell the interval of what they predict.

    The fit is by non-negative least squares on relative error, reweighted to least absolute
    deviations, so that one odd model does not bend it. The interval is ``interval_factor`` of the
    leave-one-out log residuals.

    Parameters
    ----------
    timings
        At least LEAST_MODELS different models. The same row twice counts once.
    pace_log_sd
        Standard deviation of the log of the device's pace at another time over its pace during
        the calibration (``changed_pace``); 0: not told.

    Raises
    ------
    UsageError
        Too few models, one model twice with different times, or a time that no chip reaches.
    """
    kept = _distinct(timings)
    for timing in kept:
        _check_physics(timing, limits)
    _check_count(kept)
    lone = _lone_rows(kept)
    rows = [timing for timing in kept if timing not in lone]
    if lone:
        _check_count(rows)
    latencies_s = _latencies_s(rows)
    works = [row.work for row in rows]
    is_split = False
    features = _features(works)
    residuals = _leave_one_out(features, latencies_s)
    if _may_be_split(works):
        apart = _features(works, is_split=True)
        found = _leave_one_out(apart, latencies_s)
        if _root_mean_square(found) < _root_mean_square(residuals):
            is_split, features, residuals = True, apart, found
    *rates, s_per_byte, s_per_op = map(float, _fit(features, latencies_s))
    return Calibration(
        s_per_flop=rates[0],
        s_per_matrix_flop=rates[1] if is_split else rates[0],
        s_per_byte=s_per_byte,
        s_per_op=s_per_op,
        factor_90=interval_factor(residuals, pace_log_sd),
        residuals=tuple(map(float, residuals)),
        timings=tuple(rows),
        left_out=lone,
        limits=limits,
        pace_log_sd=pace_log_sd,
    )


def interval_factor(residuals: FloatArray, pace_log_sd: float) -> float:
    """Return the half-width, as a factor, of the interval that holds nine times in ten.

    Student's t at 90 % times the root mean square of the residuals, at least FLOOR_FACTOR. A pace
    that changes hits all models of a calibration alike, so that their residuals do not show it:
    its variance is added.

    Parameters
    ----------
    residuals
        log(measured / predicted) of models that the prediction did not know, shape (models,).
    """
    t = student_quantile((1 + NOMINAL) / 2, len(residuals) - 1)
    return max(FLOOR_FACTOR, math.exp(t * math.hypot(_root_mean_square(residuals), pace_log_sd)))


def changed_pace(rounds_s: FloatArray) -> float:
    """Return how far a device's pace at another time is from that of its calibration.

    As the standard deviation of its log: of a round over the mean of so many others, where each
    round's pace is what its models have in common (their median), relative to their own means.

    Parameters
    ----------
    rounds_s
        Time of each model in each round, shape (models, rounds); with one round 0 is returned.
    """
    count = rounds_s.shape[1]
    if count < 2:
        return 0.0
    logs = np.log(rounds_s)
    paces = np.median(logs - logs.mean(axis=1, keepdims=True), axis=0)
    return float(np.std(paces, ddof=1)) * math.sqrt(1 + 1 / count)


def _may_be_split(works: Sequence[Work]) -> bool:
    """Tell whether enough models consist of either kind of work to tell their rates apart."""
    shares = [
        0.0 if work.matrix_flops is None or not work.flops else work.matrix_flops / work.flops
        for work in works
    ]
    return (
        all(work.matrix_flops is not None for work in works)
        and len(works) >= LEAST_SPLIT_MODELS
        and sum(share > 0.5 for share in shares) >= LEAST_OF_A_KIND
        and sum(share < 0.5 for share in shares) >= LEAST_OF_A_KIND
    )


def _root_mean_square(values: FloatArray) -> float:
    return math.sqrt(float(np.mean(values**2)))


def is_suspiciously_slow(calibration: Calibration) -> bool:
    """Tell whether the times of a whole table look as if they were in other units."""
    rates = [row.work.flops / row.latency_s for row in calibration.timings if row.work.flops]
    return bool(rates) and float(np.median(rates)) < SLOWEST_FLOPS_PER_S


def worst_row(calibration: Calibration) -> tuple[Timing, float]:
    """Return the row that is furthest off what the others tell, and by which factor."""
    off = np.abs(calibration.residuals)
    place = int(np.argmax(off))
    return calibration.timings[place], float(np.exp(off[place]))


def _distinct(timings: Sequence[Timing]) -> list[Timing]:
    seen: dict[str, list[Timing]] = {}
    for timing in timings:
        of_name = seen.setdefault(timing.work.model, [])
        before = next((one for one in of_name if _is_same_work(one.work, timing.work)), None)
        if before is None:
            of_name.append(timing)
        elif before.latency_s != timing.latency_s:
            raise UsageError(
                f"{timing.where}: '{timing.work.model}' takes {timing.latency_s:g} s here and "
                f"{before.latency_s:g} s at {before.where}",
                hint="keep one of the two; of repeated measurements their median",
            )
    kept = {id(one) for of_name in seen.values() for one in of_name}
    return [one for one in timings if id(one) in kept]


SAME_WORK_RATIO = 0.02
"""By so much two counts of the same model may differ: by what a rounding or a tool makes of it."""


def _is_same_work(one: Work, other: Work) -> bool:
    pairs = (
        (one.flops, other.flops),
        (one.bytes_moved, other.bytes_moved),
        (one.n_ops, other.n_ops),
    )
    return all(math.isclose(a, b, rel_tol=SAME_WORK_RATIO) for a, b in pairs)


def _check_count(timings: Sequence[Timing]) -> None:
    count = len({(row.work.flops, row.work.bytes_moved, row.work.n_ops) for row in timings})
    if count < LEAST_MODELS:
        raise UsageError(
            f"{count} different model(s), and at least {LEAST_MODELS} are needed: three "
            "parameters are fitted, and what is left tells how wrong they may be",
            hint="measure more models there, as different from each other as can be; 8 are good",
        )


def _check_physics(timing: Timing, limits: Limits) -> None:
    work = timing.work
    for amount, limit, unit in (
        (work.flops, limits.flops_per_s, "FLOP/s"),
        (work.bytes_moved, limits.bytes_per_s, "B/s"),
    ):
        if limit is not None and amount / timing.latency_s > limit:
            raise UsageError(
                f"{timing.where}: '{work.model}' in {timing.latency_s:g} s would be "
                f"{amount / timing.latency_s:.1e} {unit}, faster than {limits.name} ({limit:.1e})",
                hint="look at the units: latency in seconds, work in 10^9 FLOP and 10^9 bytes",
            )


def _lone_rows(timings: Sequence[Timing]) -> tuple[Timing, ...]:
    """Return the rows LONE_FACTOR off what the others tell, at most a quarter of them.

    A row that is far too fast draws the fit of all to itself, and then all others look slow: so
    the one goes first without which the others agree best.
    """
    rows = list(timings)
    lone: list[Timing] = []
    while len(lone) < len(timings) // 4:
        features, latencies_s = _features([row.work for row in rows]), _latencies_s(rows)
        off = _leave_one_out(features, latencies_s)
        far = np.flatnonzero(np.abs(off) > math.log(LONE_FACTOR))
        if not len(far):
            break
        index = int(min(far, key=lambda one: _disagreement(features, latencies_s, int(one))))
        lone.append(rows.pop(index))
    return tuple(row for row in timings if row in lone)


def _disagreement(features: FloatArray, latencies_s: FloatArray, index: int) -> float:
    """Return by how much the rows but one are off their own fit, in the median."""
    others, others_s = np.delete(features, index, 0), np.delete(latencies_s, index)
    predicted_s = _predicted_s(others, _fit(others, others_s))
    return float(np.median(np.abs(np.log(others_s / predicted_s))))


def _features(works: Sequence[Work], *, is_split: bool = False) -> FloatArray:
    """Return the work, shape (models, 3), or (models, 4) with matrix products apart."""
    rows = []
    for work in works:
        matrix_flops = work.matrix_flops or 0.0
        flops = (work.flops - matrix_flops, matrix_flops) if is_split else (work.flops,)
        rows.append((*flops, work.bytes_moved, work.n_ops))
    return np.array(rows, dtype=float)


def _latencies_s(timings: Sequence[Timing]) -> FloatArray:
    return np.array([timing.latency_s for timing in timings])


def _leave_one_out(features: FloatArray, latencies_s: FloatArray) -> FloatArray:
    """Return log(measured / predicted) of each row by the fit of the others, shape (n,).

    Of more than MOST_FITS rows several are left out at a time, spread over the table.
    """
    count = len(latencies_s)
    found = np.empty(count)
    groups = min(count, MOST_FITS)
    for group in range(groups):
        is_out = np.arange(count) % groups == group
        parameters = _fit(features[~is_out], latencies_s[~is_out])
        found[is_out] = np.log(latencies_s[is_out] / _predicted_s(features[is_out], parameters))
    return found


def _predicted_s(features: FloatArray, parameters: FloatArray) -> FloatArray:
    """Return the predictions, kept above 0 where a parameter is not identifiable."""
    return np.maximum(features @ parameters, 1e-12)


def _fit(features: FloatArray, latencies_s: FloatArray) -> FloatArray:
    """Return the non-negative parameters of least absolute relative error, one a column."""
    from scipy.optimize import nnls

    scale = features.max(axis=0)
    scale[scale == 0] = 1.0
    relative = features / scale / latencies_s[:, np.newaxis]
    weights = np.ones(len(latencies_s))
    parameters = np.zeros(features.shape[1])
    for _ in range(_ROUNDS):
        roots = np.sqrt(weights)
        parameters, _ = nnls(relative * roots[:, np.newaxis], roots)
        off = np.abs(relative @ parameters - 1)
        weights = np.minimum(1.0, _TOLERANCE_RATIO / np.maximum(off, 1e-12))
    return np.asarray(parameters / scale, dtype=np.float64)
