"""Verdicts on latency targets from a growing series of samples.

A run that is slower than the limit is a miss. ``p99 <= limit`` is the claim that at most 1 run in
100 misses. Two e-processes, mixture likelihood ratios against that border, weigh the claim and
its opposite. They may be looked at after every run: each crosses ``1 / ALPHA`` with probability at
most ``ALPHA`` where its claim is wrong (Ville's inequality).

Runs depend on each other, so ``block`` of them count as one: the series splits into ``block``
phases of every ``block``-th run, and the geometric mean of their likelihood ratios is again one
(Hoelder's inequality, whatever the dependence between the phases). For Bernoulli runs that mean is
the likelihood ratio of ``misses / block`` in ``runs / block``, a closed form.

Source: Ville 1939; Robbins, Ann. Math. Statist. 41 (1970) 1397 (mixtures); Vovk and Wang, Ann.
Statist. 49 (2021) 1736 (merging e-values); Sokal 1997 (integrated autocorrelation time).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from placer.core.beta import binomial_cdf, log_beta, log_beta_cdf
from placer.core.errors import InputError, UsageError
from placer.core.estimate import Verdict
from placer.core.units import format_duration, format_percentile
from placer.core.workload import LatencyTarget

ALPHA = 0.05
"""Probability, over all looks, of each of the two wrong verdicts."""
MIN_RUNS = 20
"""Fewer runs settle nothing: their dependence cannot be seen."""
MIN_BLOCKS = 3
"""Fewer independent blocks settle nothing."""
MAX_CORRELATION_RATIO = 1 / 30
"""A correlation time above this share of the series is not known well enough to be used as is."""
NEAR_FACTOR = 1.25
"""Runs under the limit divided by this, or over the limit times this, count as equal when their
dependence is estimated: a slow drift far from the limit says nothing about crossing it."""

_SLOW_SHARES = (0.10, 0.05, 0.01)
_MIN_SLOW_RUNS = 5
_SIGNIFICANCE = 3.0
_MAX_POINTS = 8192
_MAX_RANKS = 256
_MAX_FORECAST_RUNS = 1_000_000
_DRIFT_RATIO = 0.1
_DRIFT_MIN_RUNS = 300
_LOG_MAX = 700.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesVerdict:
    """What a series of samples says about one latency target."""

    verdict: Verdict
    value_s: float | None
    """Sample quantile at the target's percentile; None: no samples."""
    low_s: float | None
    """Lower bound of the quantile (one-sided 95 %, valid at every look), with the margin factor
    taken off. Violated iff above the limit. None: no bound, or disturbed."""
    high_s: float | None
    """Upper bound, likewise, with the margin factor put on. Met iff at most the limit."""
    exceedances: int
    """Samples above the limit."""
    runs: int
    correlation_runs: float
    block_runs: int
    """Runs that counted as one; above ``block_length`` where the series is short for its
    correlation time."""
    runs_needed: int | None
    """Further runs that would settle an unproven verdict if misses go on at the rate seen so far;
    0 if settled; None if more runs of this kind are not expected to settle it."""
    evidence_met: float
    """E-value against "the target is missed"; ``1 / ALPHA`` proves it met."""
    evidence_violated: float
    """E-value against "the target is met"."""
    reason: str


def _checked_percentile(percentile: float) -> float:
    if not 0 < percentile < 1:
        raise UsageError(
            f"percentile {percentile} is not between 0 and 1", hint="p99 is the ratio 0.99"
        )
    return 1 - percentile


def _checked_segments(segments: Sequence[Floats]) -> tuple[Floats, list[int]]:
    """Return the joined samples and the lengths of the segments."""
    arrays = [array for segment in segments if (array := np.asarray(segment, dtype=float)).size]
    if any(array.ndim != 1 for array in arrays):
        raise InputError("samples are not a flat series", hint="pass one 1-d array per process")
    joined = np.concatenate(arrays) if arrays else np.empty(0)
    if not (np.isfinite(joined) & (joined >= 0)).all():
        where = int(np.flatnonzero(~(np.isfinite(joined) & (joined >= 0)))[0])
        raise InputError(
            f"sample {where} is {joined[where]} s, not a finite time",
            hint="measure again, or remove the broken evidence",
        )
    return joined, [array.size for array in arrays]


def _rank(count: int, percentile: float) -> int:
    # 0.07 * 100 is 7.000000000000001, whose quantile is the 7th sample all the same
    return max(1, math.ceil(count * percentile - 1e-9))


def quantile(samples: Floats, percentile: float) -> float:
    """Return the smallest sample x with at least ``percentile`` of the samples at or below it.

    The inverted empirical distribution function (type 1 of Hyndman and Fan 1996): always a value
    that was measured; p99 of 100 samples is the 99th. ``samples``: ``(n,)`` in any unit.

    Raises
    ------
    InputError
        No samples, or one that is negative or not finite.
    UsageError
        Percentile outside (0, 1).
    """
    _checked_percentile(percentile)
    values, _ = _checked_segments([samples])
    if not values.size:
        raise InputError("no samples to take a quantile of", hint="measure at least one run")
    rank = _rank(values.size, percentile)
    return float(np.partition(values, rank - 1)[rank - 1])


def quantile_bounds(
    samples: Floats, percentile: float, *, block_runs: int = 1, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Return lower and upper order-statistic bounds of a quantile, each one-sided.

    Counts ``n // block_runs`` independent runs. Valid for one look that was planned before;
    ``judge`` gives bounds that hold at every look. None where the samples give no bound: an upper
    bound of p99 at 95 % needs 299 runs. Raises as ``quantile``.

    Source: David and Nagaraja, Order Statistics (2003), section 7.1.
    """
    _checked_percentile(percentile)
    values, _ = _checked_segments([samples])
    ordered = np.sort(values)
    count = ordered.size
    blocks = count // block_runs
    if not blocks:
        return None, None
    upper = _binomial_quantile(confidence, blocks, percentile) + 1
    lower = _binomial_quantile(1 - confidence, blocks, percentile)
    # rank r of the blocks is rank r * count / blocks of all runs, rounded to the safe side
    low = float(ordered[(lower - 1) * count // blocks]) if lower >= 1 else None
    high = float(ordered[-(-upper * count // blocks) - 1]) if upper <= blocks else None
    return low, high


@lru_cache(maxsize=1024)
def _binomial_quantile(probability: float, count: int, chance: float) -> int:
    """Return the smallest number of successes whose distribution function exceeds a probability.

    Strictly: where the tail equals the level but for rounding, the next number is meant.
    """
    return bisect_left(
        range(count), True, key=lambda number: binomial_cdf(number, count, chance) > probability
    )


def _midranks(values: Floats, ordered: Floats) -> Floats:
    """Rank the values, ties sharing one; long series are ranked on a grid of their quantiles."""
    grid = ordered if ordered.size <= _MAX_POINTS else ordered[:: ordered.size // _MAX_RANKS]
    ranks = np.searchsorted(grid, values, "left") + np.searchsorted(grid, values, "right")
    return ranks.astype(float)


def _slow_rows(values: Floats, ordered: Floats) -> list[Floats]:
    """Mark the slowest runs, one row for every share that has enough of them."""
    rows = []
    for share in _SLOW_SHARES:
        row = (values > ordered[values.size - 1 - int(share * values.size)]).astype(float)
        if row.sum() >= _MIN_SLOW_RUNS:
            rows.append(row)
    return rows


def _pieces(lengths: Sequence[int], group: int) -> list[tuple[int, int]]:
    """Cut the joined series into (start, groups) of similar length, never across segments.

    Segments too short to show any dependence are read as one series.
    """
    total = sum(lengths)
    if total / len(lengths) < MIN_RUNS * group:
        return [(0, total // group)]
    longest = max(64 * group, 4 * total // len(lengths))  # bounds the zero padding of the transform
    pieces = []
    start = 0
    for length in lengths:
        parts = -(-length // longest)
        edges = [start + length * part // parts for part in range(parts + 1)]
        pieces += [(low, (high - low) // group) for low, high in pairwise(edges)]
        start += length
    return pieces


def _autocorrelation_time(rows: list[Floats], lengths: Sequence[int]) -> float:
    """Return the longest integrated autocorrelation time of the rows, in runs; 0 if independent.

    ``1/2 + sum of the autocorrelations``, summed to the lag (a power of two) where it is largest
    among the sums that exceed 3 standard errors of independent runs. Long series are first
    averaged over groups of runs, which keeps the variance of long sums (batch means).
    """
    series = np.stack(rows)
    total = series.shape[1]
    group = -(-total // _MAX_POINTS)
    pieces = _pieces(lengths, group)
    longest = max(count for _, count in pieces)
    padded = np.zeros((len(rows), len(pieces), longest))
    kept = 0
    within = np.zeros(len(rows))
    for index, (start, count) in enumerate(pieces):
        if count:
            part = series[:, start : start + count * group]
            within += count * part.var(axis=1)
            part = part.reshape(len(rows), count, group).mean(axis=2)
            padded[:, index, :count] = part - part.mean(axis=1, keepdims=True)
            kept += count
    size = 1 << (2 * longest - 1).bit_length()
    spectrum = np.fft.rfft(padded, size)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    products = np.fft.irfft(power, size)[:, : longest // 4 + 1]
    variance = products[:, 0] / kept
    within /= kept
    varies = variance > 1e-12 * np.maximum(within, 1e-300)
    if not varies.any():
        return 0.0
    products, variance, within, padded = (
        array[varies] for array in (products, variance, within, padded)
    )
    lags = np.arange(1, products.shape[1])
    counts = np.array([count for _, count in pieces])
    pairs = np.maximum(counts[:, None] - lags, 0).sum(axis=0)
    ends = 2 ** np.arange(lags.size.bit_length()) - 1
    ends = ends[ends < lags.size]
    sums = np.cumsum(products[:, 1:] / pairs / variance[:, None], axis=1)[:, ends]
    noise = np.sqrt(np.cumsum(1 / pairs))[ends]
    # variance of the group means over that of independent runs
    inflation = np.ones(len(within))
    if group > 1:
        kurtosis = (padded**4).sum(axis=(1, 2)) / kept / variance**2
        error = np.sqrt(np.maximum(kurtosis - 1, 0) / kept)
        ratio = group * variance / within
        inflation = np.where(ratio > 1 + _SIGNIFICANCE * error, ratio, 1.0)
    time = np.full(len(within), 0.5)
    for _ in range(2):  # subtracting the mean of a piece hides about 2 time / length at each lag
        bias = 2 * time[:, None] * (ends + 1) * len(pieces) / kept
        seen = np.where(sums + bias > _SIGNIFICANCE * noise, sums + bias, 0.0)
        time = 0.5 + seen.max(axis=1)
    longest_time = float((time * inflation).max())
    return longest_time if longest_time > 0.5 else 0.0


def correlation_runs(segments: Sequence[Floats], *, near_s: float | None = None) -> float:
    """Return the correlation time of a series in runs; 0 where runs are independent within noise.

    The integrated autocorrelation time (``1/2 + sum of autocorrelations``), estimated within each
    segment (a fresh process), of the ranks and of the indicators of the slowest 10, 5 and 1 %, so
    that clustered slow runs count even where the bulk is independent: the longest of them. An
    autoregressive series of coefficient r has ``(1 + r) / (1 - r) / 2``.

    Parameters
    ----------
    near_s
        Runs beyond a factor of ``NEAR_FACTOR`` of it count as equal; None: every difference counts.

    Raises
    ------
    InputError
        A sample is negative or not finite.
    """
    values, lengths = _checked_segments(segments)
    if values.size < MIN_RUNS:
        return 0.0
    if near_s is not None:
        values = np.clip(values, near_s / NEAR_FACTOR, near_s * NEAR_FACTOR)
    ordered = np.sort(values)
    rows = [_midranks(values, ordered), *_slow_rows(values, ordered)]
    return _autocorrelation_time(rows, lengths)


def block_length(correlation_runs: float) -> int:
    """Return how many runs count as one: twice the correlation time, at least 1."""
    return max(1, math.ceil(2 * correlation_runs))


def _cautious_block(correlation: float, runs: int) -> int:
    """Return ``block_length``, longer by the factor by which the series is too short to tell it."""
    return block_length(correlation * max(1.0, correlation / (MAX_CORRELATION_RATIO * runs)))


def _log_evidence(misses: float, runs: float, allowed: float, block: float) -> tuple[float, float]:
    """Return the logarithms of the e-values (met, violated).

    Uniform mixtures of the likelihood ratio against a miss probability of ``allowed``: over
    [0, allowed] for met, [allowed, 1] for violated.
    """
    a = misses / block + 1
    c = (runs - misses) / block + 1
    log_allowed, log_rest = math.log(allowed), math.log1p(-allowed)
    ratio = log_beta(a, c) - (a - 1) * log_allowed - (c - 1) * log_rest
    met = ratio + log_beta_cdf(a, c, allowed) - log_allowed
    violated = ratio + log_beta_cdf(c, a, 1 - allowed) - log_rest
    return met, violated


@lru_cache(maxsize=64)
def planned_runs(percentile: float, alpha: float = ALPHA) -> int:
    """Return the runs without a miss that settle ``met`` if runs are independent: 449 for p99.

    Raises
    ------
    UsageError
        Percentile outside (0, 1).
    """
    allowed = _checked_percentile(percentile)
    settled = -math.log(alpha)
    ceiling = math.ceil(20 * settled / allowed)
    runs = bisect_left(
        range(ceiling), True, key=lambda n: _log_evidence(0, n, allowed, 1)[0] >= settled
    )
    return max(MIN_RUNS, runs)


def required_runs(
    runs: int, misses: int, percentile: float, *, correlation_runs: float = 0.0
) -> int | None:
    """Return the further runs that would settle a target if misses go on at the rate so far.

    0: settled by these. None: beyond a million runs, as where the rate is the allowed one.

    Raises
    ------
    UsageError
        Percentile outside (0, 1).
    """
    allowed = _checked_percentile(percentile)
    rate = misses / runs if runs else 0.0
    start = max(runs, MIN_RUNS)

    def is_settled(count: int) -> bool:
        block = _cautious_block(correlation_runs, count)
        evidence = max(_log_evidence(rate * count, count, allowed, block))
        return evidence >= -math.log(ALPHA) and count >= MIN_BLOCKS * block

    end = start
    while not is_settled(end):
        if end >= _MAX_FORECAST_RUNS:
            return None
        end *= 2
    return start - runs + bisect_left(range(start, end + 1), True, key=is_settled)


def judge(
    segments: Sequence[Floats],
    target: LatencyTarget,
    *,
    may_claim_violated: bool = True,
    margin_factor: float = 1.0,
) -> SeriesVerdict:
    """Judge a latency target by the samples so far; sound at every look, as often as one likes.

    Slow runs that come in bursts are told by the bursts seen. Bursts that begin less often than
    about once in ``planned_runs / 3`` runs may all lie outside the series: no test that settles
    within ``planned_runs`` can allow for them (rates in ``bench/verdict_error.py``).

    Dependence is estimated within a factor of 1.25 of the limit; runs beyond count as equal.
    A bound beyond counts the dependence of all runs, or is the least limit that would be met.

    Parameters
    ----------
    segments
        Samples in seconds in the order they were taken, ``(n_i,)`` for each fresh process.
    target
        Percentile and limit.
    may_claim_violated
        False for a disturbed measurement: contention only adds time, so it may still prove ``met``.
    margin_factor
        For reused evidence (1.10): met must hold with the samples times the factor,
        violated with the samples divided by it.

    Raises
    ------
    InputError
        A sample is negative or not finite.
    UsageError
        Percentile outside (0, 1), or a margin factor below 1.
    """
    allowed = _checked_percentile(target.percentile)
    if not margin_factor >= 1:
        raise UsageError(f"margin factor {margin_factor} is below 1", hint="1 takes times as read")
    values, lengths = _checked_segments(segments)
    runs = values.size
    if not runs:
        planned = planned_runs(target.percentile)
        return SeriesVerdict(
            Verdict.UNPROVEN, None, None, None, 0, 0, 0.0, 1, planned, 1.0, 1.0,
            f"no runs yet; needs about {planned}",
        )  # fmt: skip
    ordered = np.sort(values)
    if_slower = int((values * margin_factor > target.limit_s).sum())
    if_faster = int((values / margin_factor > target.limit_s).sum())

    floor_s, ceiling_s = target.limit_s / NEAR_FACTOR, target.limit_s * NEAR_FACTOR
    correlation = 0.0
    if runs >= MIN_RUNS:
        near, near_ordered = (
            np.clip(series, floor_s / margin_factor, ceiling_s * margin_factor)
            for series in (values, ordered)
        )
        rows = [_midranks(near, near_ordered), *_slow_rows(near, near_ordered)]
        scales = {margin_factor, 1 / margin_factor}
        rows += [(values * scale > target.limit_s).astype(float) for scale in sorted(scales)]
        correlation = _autocorrelation_time(rows, lengths)
    block = _cautious_block(correlation, runs)

    low_s, high_s = _valid_bounds(ordered, allowed, block, margin_factor)
    is_low_far = low_s is not None and low_s > ceiling_s
    is_high_far = high_s is not None and high_s < floor_s
    if is_low_far or is_high_far:
        # the dependence of runs so far away was left out: a bound out there has to count it
        rows = [_midranks(values, ordered), *_slow_rows(values, ordered)]
        whole = max(block, _cautious_block(_autocorrelation_time(rows, lengths), runs))
        whole_low_s, whole_high_s = _valid_bounds(ordered, allowed, whole, margin_factor)
        if is_low_far:
            low_s = ceiling_s if whole_low_s is None else max(ceiling_s, whole_low_s)
        if is_high_far:
            high_s = floor_s if whole_high_s is None else min(floor_s, whole_high_s)
            least_s = _least_met_s(values.tobytes(), tuple(lengths), allowed, margin_factor)
            high_s = min(high_s, least_s)
    if not may_claim_violated:
        low_s = None
    if high_s is not None and high_s <= target.limit_s:
        verdict = Verdict.MET
    elif low_s is not None and low_s > target.limit_s:
        verdict = Verdict.VIOLATED
    else:
        verdict = Verdict.UNPROVEN

    needed: int | None = 0
    if verdict is Verdict.UNPROVEN:
        is_adrift = runs >= _DRIFT_MIN_RUNS and correlation > _DRIFT_RATIO * runs
        if is_adrift:
            needed = None
        elif if_slower < allowed * runs:
            needed = required_runs(runs, if_slower, target.percentile, correlation_runs=correlation)
        elif may_claim_violated and if_faster > allowed * runs:
            needed = required_runs(runs, if_faster, target.percentile, correlation_runs=correlation)
        else:
            needed = None
    misses = int((values > target.limit_s).sum())
    return SeriesVerdict(
        verdict=verdict,
        value_s=float(ordered[_rank(runs, target.percentile) - 1]),
        low_s=low_s,
        high_s=high_s,
        exceedances=misses,
        runs=runs,
        correlation_runs=correlation,
        block_runs=block,
        runs_needed=needed,
        evidence_met=math.exp(min(_LOG_MAX, _log_evidence(if_slower, runs, allowed, block)[0])),
        evidence_violated=math.exp(
            min(_LOG_MAX, _log_evidence(if_faster, runs, allowed, block)[1])
        ),
        reason=_reason(
            verdict, target, misses, runs, correlation, block, needed, low_s, high_s,
            may_claim_violated=may_claim_violated, margin_factor=margin_factor,
        ),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _least_met_s(
    series: bytes, lengths: tuple[int, ...], allowed: float, margin_factor: float
) -> float:
    """Return about the least limit that the samples prove, each limit judged by what is near it.

    Found between the quantile and a limit that no sample is near, to 2 %. The samples come as
    bytes, so that the same series need not be searched again for another limit.
    """
    values = np.frombuffer(series)
    ordered = np.sort(values)

    def is_met(limit_s: float) -> bool:
        borders = (limit_s / NEAR_FACTOR / margin_factor, limit_s * NEAR_FACTOR * margin_factor)
        near, near_ordered = np.clip(values, *borders), np.clip(ordered, *borders)
        rows = [_midranks(near, near_ordered), *_slow_rows(near, near_ordered)]
        rows.append((values * margin_factor > limit_s).astype(float))
        block = _cautious_block(_autocorrelation_time(rows, lengths), values.size)
        _, high_s = _valid_bounds(ordered, allowed, block, margin_factor)
        return high_s is not None and high_s <= limit_s

    low_s = float(ordered[_rank(values.size, 1 - allowed) - 1]) * margin_factor
    high_s = float(ordered[-1]) * margin_factor * NEAR_FACTOR * 1.001
    if not is_met(high_s):
        return math.inf
    while high_s > 1.02 * low_s:
        middle_s = low_s**0.5 * high_s**0.5
        if is_met(middle_s):
            high_s = middle_s
        else:
            low_s = middle_s
    return high_s


def _valid_bounds(
    ordered: Floats, allowed: float, block: int, margin_factor: float
) -> tuple[float | None, float | None]:
    """Return the bounds of the quantile that hold at every look, from the sorted samples."""
    runs = ordered.size
    if runs < max(MIN_RUNS, MIN_BLOCKS * block):
        return None, None
    too_many, enough = _bound_misses(runs, allowed, block)
    return (
        float(ordered[runs - enough] / margin_factor) if enough <= runs else None,
        float(ordered[runs - too_many] * margin_factor) if too_many > 0 else None,
    )


@lru_cache(maxsize=1024)
def _bound_misses(runs: int, allowed: float, block: int) -> tuple[int, int]:
    """Return the fewest misses that do not prove met, and the fewest that prove violated."""
    settled = -math.log(ALPHA)
    too_many = bisect_left(
        range(runs + 1),
        True,
        key=lambda misses: _log_evidence(misses, runs, allowed, block)[0] < settled,
    )
    enough = bisect_left(
        range(runs + 1),
        True,
        key=lambda misses: _log_evidence(misses, runs, allowed, block)[1] >= settled,
    )
    return too_many, enough


def _reason(
    verdict: Verdict,
    target: LatencyTarget,
    misses: int,
    runs: int,
    correlation: float,
    block: int,
    needed: int | None,
    low_s: float | None,
    high_s: float | None,
    *,
    may_claim_violated: bool,
    margin_factor: float,
) -> str:
    share = Fraction(1 - Decimal(str(target.percentile)))
    parts = [
        f"{misses:,} of {runs:,} runs above {format_duration(target.limit_s)}",
        f"at most {share.numerator:,} in {share.denominator:,} allowed",
    ]
    name = format_percentile(target.percentile)
    if verdict is Verdict.MET and high_s is not None:
        parts.append(f"{name} is at most {format_duration(high_s)}")
    elif verdict is Verdict.VIOLATED and low_s is not None:
        parts.append(f"{name} is at least {format_duration(low_s)}")
    if margin_factor > 1:
        parts.append(f"must hold with times {margin_factor:g} times longer or shorter")
    if block > 1:
        parts.append(
            f"runs depend on each other over about {correlation:.1f} runs, so {block:,} count as 1"
        )
    if verdict is Verdict.UNPROVEN:
        is_over = misses > (1 - target.percentile) * runs
        if is_over and not may_claim_violated:
            parts.append("the machine was disturbed, so a violation cannot be claimed")
        if needed is None:
            parts.append("more runs like these would not settle it")
        else:
            parts.append(f"needs about {_two_digits(needed):,} more")
    return "; ".join(parts)


def _two_digits(count: int) -> int:
    """Round up to two significant digits: a forecast claims no more."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def median_settled(segments: Sequence[Floats], relative_width: float = 0.02) -> bool:
    """Tell whether the 95 % order-statistic interval of the median is narrower than a share of it.

    The stop of runs without a target. ``relative_width`` is the whole width over the median.
    Raises InputError for a sample that is negative or not finite.
    """
    values, _ = _checked_segments(segments)
    correlation = correlation_runs(segments)
    block = _cautious_block(correlation, max(1, values.size))
    if values.size < max(MIN_RUNS, MIN_BLOCKS * block):
        return False
    low, high = quantile_bounds(values, 0.5, block_runs=block, confidence=0.975)
    return (
        low is not None
        and high is not None
        and high - low <= relative_width * quantile(values, 0.5)
    )
