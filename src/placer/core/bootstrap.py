"""How many times as long B takes as A, with an interval: a bootstrap of quantile ratios.

Fresh processes differ from each other and runs within one depend on each other, so a replicate
draws processes and, within each, blocks of consecutive runs. Few processes show too little of
their spread: deviations are stretched by ``sqrt(n / (n - 1))`` on each side and by Student's t over
the normal quantile, with Welch's degrees of freedom.

Source: Davison and Hinkley 1997, section 3.8 (hierarchical data) and 8.2.3 (blocks, in a circle);
Hesterberg, Amer. Statist. 69 (2015) 371 (few draws); Welch, Biometrika 34 (1947) 28.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from placer.core.beta import student_quantile
from placer.core.sequential import Floats, block_length, correlation_runs, quantile, quantile_bounds

MIN_PROCESSES = 2
"""Fewer do not show how far fresh processes differ."""
REPLICATES = 1000
MIN_REPLICATES = 200
"""For long series, whose replicates take long: the ends of the interval are then known to 10 %."""

_TAIL = 0.025
_MAX_DRAWS = 50_000_000


@dataclass(frozen=True, slots=True)
class QuantileRatio:
    """A quantile of B over that of A, with its 95 % interval."""

    percentile: float
    a_s: float
    b_s: float
    low: float | None
    """None: unbounded below, as the upper end of A's quantile is not known."""
    high: float | None
    """None: unbounded above, as the upper end of B's quantile is not known."""

    @property
    def ratio(self) -> float:
        """Estimate of B over A."""
        return self.b_s / self.a_s


def quantile_ratios(
    a: Sequence[Floats],
    b: Sequence[Floats],
    percentiles: Sequence[float],
    *,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> tuple[QuantileRatio, ...]:
    """Compare quantiles of two series of samples, one ratio for each percentile.

    Parameters
    ----------
    a, b
        One array of seconds, in the order they were taken, for each fresh process.

    Raises
    ------
    InputError
        No samples, or one that is negative or not finite.
    UsageError
        Percentile outside (0, 1).
    """
    sides = (a, b)
    joined = [np.concatenate([np.asarray(segment) for segment in side]) for side in sides]
    blocks = [block_length(correlation_runs(side)) for side in sides]
    values_s = [[quantile(samples, one) for one in percentiles] for samples in joined]
    deviations = [
        _log_deviations(side, percentiles, block, rng, replicates) - np.log(side_values_s)
        for side, block, side_values_s in zip(sides, blocks, values_s, strict=True)
    ]
    found = []
    for index, percentile in enumerate(percentiles):
        low, high = _interval(*(side[:, index] for side in deviations), processes=(len(a), len(b)))
        a_s, b_s = (side_values_s[index] for side_values_s in values_s)
        (a_low_s, a_high_s), (b_low_s, b_high_s) = (
            quantile_bounds(samples, percentile, block_runs=block, confidence=1 - _TAIL)
            for samples, block in zip(joined, blocks, strict=True)
        )
        is_spread_known = min(len(a), len(b)) >= MIN_PROCESSES
        found.append(
            QuantileRatio(
                percentile,
                a_s,
                b_s,
                None
                if not is_spread_known or a_high_s is None or b_low_s is None
                else b_s / a_s * math.exp(low),
                None
                if not is_spread_known or b_high_s is None or a_low_s is None
                else b_s / a_s * math.exp(high),
            )
        )
    return tuple(found)


def runs_for_bounds(segments: Sequence[Floats], percentile: float) -> int:
    """Return about how many runs of this kind bound the quantile on both sides: 368 for p99."""
    rare = min(percentile, 1 - percentile)
    blocks = math.ceil(math.log(_TAIL) / math.log1p(-rare))
    return blocks * block_length(correlation_runs(segments))


def _log_deviations(
    segments: Sequence[Floats],
    percentiles: Sequence[float],
    block: int,
    rng: np.random.Generator,
    replicates: int,
) -> Floats:
    """Return the logarithms of the quantiles of each replicate, shape (replicates, percentiles)."""
    runs = sum(segment.size for segment in segments)
    count = min(replicates, max(MIN_REPLICATES, _MAX_DRAWS // runs))
    found = np.empty((count, len(percentiles)))
    for number in range(count):
        drawn = [
            _redrawn(segments[index], block, rng)
            for index in rng.integers(len(segments), size=len(segments))
        ]
        values = np.concatenate(drawn)
        places = [max(0, math.ceil(values.size * one - 1e-9) - 1) for one in percentiles]
        found[number] = np.partition(values, places)[places]
    return np.log(found)


def _redrawn(segment: Floats, block: int, rng: np.random.Generator) -> Floats:
    """Return as many runs as the segment has, in blocks that go round its end."""
    starts = rng.integers(segment.size, size=-(-segment.size // block))
    places = (starts[:, None] + np.arange(block)).ravel()[: segment.size]
    return np.asarray(segment[places % segment.size])


def _interval(a: Floats, b: Floats, *, processes: tuple[int, int]) -> tuple[float, float]:
    """Return how far the logarithm of the ratio may lie below (<= 0) and above (>= 0)."""
    count = min(a.size, b.size)
    stretched = [
        side[:count] * math.sqrt(size / max(1, size - 1))
        for side, size in zip((a, b), processes, strict=True)
    ]
    variances = [float(np.mean(side**2)) for side in stretched]
    total = sum(variances)
    if total == 0:
        return 0.0, 0.0
    freedom = total**2 / sum(
        variance**2 / max(1, size - 1) for variance, size in zip(variances, processes, strict=True)
    )
    factor = student_quantile(1 - _TAIL, freedom) / NormalDist().inv_cdf(1 - _TAIL)
    low, high = np.quantile(stretched[1] - stretched[0], [_TAIL, 1 - _TAIL]) * factor
    return min(0.0, float(low)), max(0.0, float(high))
