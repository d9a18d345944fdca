"""Network times of many requests, drawn for each replicate of their uncertain inputs.

What is drawn is the same in every call, so that two paths differ by their figures alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, lru_cache, partial

import numpy as np
import numpy.typing as npt

from placer.core.environment import NetworkPath
from placer.core.network.exchange import lossfree_s
from placer.core.network.requests import QUICK, needs_simulation
from placer.core.network.wire import MSS_BYTES
from placer.core.transfer import (
    FloatArray,
    backbone_s,
    draw_rates,
    draw_rtt_s,
    exchange_over,
    lower_bound_known,
    request_s,
)

SEED = 20261123
REPLICATES = 200
DRAWS = 1000
FAR_TAIL_DRAWS = 10_000
"""Draws where a percentile above p99 is asked for: p99.9 needs ten draws beyond it."""
NEAR_STEP = 1.2
"""Paths and sizes are simulated at powers of this."""
EVERY_PACKET_COUNTS = 16
"""Messages of fewer packets are simulated at their own size."""
SATURATION = 8
"""A link that sends the whole message in so small a part of a round trip is as good as any."""


@lru_cache(maxsize=16)
def transfer_draws_s(path: NetworkPath, up_bytes: int, down_bytes: int, n: int) -> FloatArray:
    """Return network times of a request and its answer for each replicate, (REPLICATES, n)."""
    rtt_s, uplink, downlink = _path_draws(path, n)
    exchange = exchange_over(path, up_bytes, down_bytes)
    times_s = lossfree_s(exchange, rtt_s, uplink, downlink)
    if needs_simulation(exchange) and lower_bound_known(path) and rtt_s.all():
        times_s *= _excess_ratios(*_nearby(path, up_bytes, down_bytes), n)
    return times_s


def typical_transfer_s(path: NetworkPath, up_bytes: int, down_bytes: int) -> float:
    """Return the median network time of a request and its answer."""
    return float(np.median(transfer_draws_s(path, up_bytes, down_bytes, DRAWS)))


def _path_draws(
    path: NetworkPath, n: int
) -> tuple[FloatArray, FloatArray | float, FloatArray | float]:
    """Return round trips, (REPLICATES, n), and rates; what is unknown counts nothing."""
    uniform = _stratified(n)
    if path.rtt_samples_s:
        samples_s = np.asarray(path.rtt_samples_s)
        count = len(samples_s)
        picked = np.random.default_rng((SEED, 6)).integers(0, count, (REPLICATES, count))
        resampled_s = np.sort(samples_s[picked], axis=1)
        rtt_s = np.take_along_axis(resampled_s, (uniform * count).astype(np.int64), axis=1)
    elif any(percentile <= 0.5 for percentile, _ in path.rtt_quantiles_s):
        rtt_s = _rtt_of_quantiles_s(path.rtt_quantiles_s, n)
    else:
        rtt_s = np.zeros((REPLICATES, n))
    added_s = backbone_s(path)
    if added_s:
        rtt_s = rtt_s + added_s
    rates = draw_rates(path, partial(_lognormal, n))
    uplink, downlink = (np.inf if rate is None else rate for rate in rates)
    return rtt_s, uplink, downlink


@lru_cache(maxsize=32)
def _excess_ratios(
    path: NetworkPath, up_bytes: int, down_bytes: int, n: int
) -> npt.NDArray[np.float32]:
    """Return by what loss and pacing lengthen each request over its loss-free time."""
    rtt_s, uplink, downlink = _path_draws(path, n)
    times_s = request_s(
        path,
        up_bytes=up_bytes,
        down_bytes=down_bytes,
        rtt_s=rtt_s,
        uplink_bytes_per_s=uplink,
        downlink_bytes_per_s=downlink,
        effort=QUICK,
    )
    times_s /= lossfree_s(exchange_over(path, up_bytes, down_bytes), rtt_s, uplink, downlink)
    return times_s.astype(np.float32)


def _nearby(path: NetworkPath, up_bytes: int, down_bytes: int) -> tuple[NetworkPath, int, int]:
    """Return the path and the sizes that are simulated in place of all that are near to them.

    A flip asks about hundreds of paths that differ by a factor. By what loss and pacing lengthen a
    request changes little with these, and hardly within a step of NEAR_STEP.
    """
    path = _with_backbone_inside(path)
    if path.rtt_samples_s:
        median_s = float(np.median(path.rtt_samples_s))
    else:
        median_s = max(value for p, value in path.rtt_quantiles_s if p <= 0.5)
    scale = _stepped(median_s) / median_s
    quantiles_s = tuple((p, _rounded(value * scale)) for p, value in path.rtt_quantiles_s)
    samples_s = tuple(_rounded(value * scale) for value in path.rtt_samples_s)
    near = replace(path, rtt_quantiles_s=quantiles_s, rtt_samples_s=samples_s)
    assert path.uplink_bytes_per_s is not None
    assert path.downlink_bytes_per_s is not None
    uplink, downlink = (
        _rate_ratio(rate, size, median_s)
        for rate, size in (
            (path.uplink_bytes_per_s, up_bytes),
            (path.downlink_bytes_per_s, down_bytes),
        )
    )
    return (
        replace(
            near,
            uplink_bytes_per_s=_rounded(path.uplink_bytes_per_s * uplink),
            uplink_p5_bytes_per_s=_scaled(path.uplink_p5_bytes_per_s, uplink),
            downlink_bytes_per_s=_rounded(path.downlink_bytes_per_s * downlink),
            downlink_p5_bytes_per_s=_scaled(path.downlink_p5_bytes_per_s, downlink),
        ),
        _near_size(up_bytes),
        _near_size(down_bytes),
    )


def _with_backbone_inside(path: NetworkPath) -> NetworkPath:
    """Return the path with its backbone as a part of its round trips."""
    added_s = backbone_s(path)
    return replace(
        path,
        rtt_quantiles_s=tuple((p, value_s + added_s) for p, value_s in path.rtt_quantiles_s),
        rtt_samples_s=tuple(value_s + added_s for value_s in path.rtt_samples_s),
        backbone=None,
    )


def _rate_ratio(rate: float, size: int, rtt_s: float) -> float:
    """Return the factor to the rate that stands for this one."""
    enough = SATURATION * max(size, MSS_BYTES) / rtt_s
    return _stepped(min(rate, enough)) / rate


def _near_size(n_bytes: int) -> int:
    if n_bytes < EVERY_PACKET_COUNTS * MSS_BYTES:
        return n_bytes
    return round(_stepped(n_bytes))


def _stepped(value: float) -> float:
    """Return the nearest power of NEAR_STEP."""
    return float(NEAR_STEP ** round(math.log(value, NEAR_STEP)))


def _rounded(value: float) -> float:
    """Return the value without its last digits, so that paths at the same step are the same."""
    return float(f"{value:.9g}")


def _scaled(value: float | None, ratio: float) -> float | None:
    return None if value is None else _rounded(value * ratio)


def _rtt_of_quantiles_s(quantiles_s: tuple[tuple[float, float], ...], n: int) -> FloatArray:
    # drawn once for all paths that differ by a factor, as those of a flip do
    scale_s = quantiles_s[-1][1]
    if scale_s <= 0:
        return np.zeros((REPLICATES, n))
    return scale_s * _rtt_shape(tuple((p, round(x / scale_s, 12)) for p, x in quantiles_s), n)


@lru_cache(maxsize=8)
def _rtt_shape(quantiles: tuple[tuple[float, float], ...], n: int) -> FloatArray:
    return draw_rtt_s(NetworkPath("", "", rtt_quantiles_s=quantiles), _stratified(n))


@cache
def _stratified(n: int) -> FloatArray:
    """One uniform in each of n equal strata, in random order, for each replicate."""
    rng = np.random.default_rng((SEED, 3))
    strata = rng.permuted(np.tile(np.arange(n), (REPLICATES, 1)), axis=1)
    return np.asarray((strata + rng.random((REPLICATES, n))) / n)


@lru_cache(maxsize=8)
def _lognormal(n: int, sigma: float) -> FloatArray:
    """Return factors of median 1, (REPLICATES, n)."""
    return np.exp(sigma * _normal(n))


@cache
def _normal(n: int) -> FloatArray:
    return np.random.default_rng((SEED, 7)).standard_normal((REPLICATES, n))
