"""Latencies of a cascade: those of requests that the device answers and of those passed on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

_SEED = 20261127
_DRAWS_PER_ROW = 100

FloatArray = npt.NDArray[np.float64]


@lru_cache(maxsize=64)
def escalation_draws(passed_on: int, samples: int, rows: int) -> FloatArray:
    """Return the share of requests that are passed on, drawn once for each of so many replicates.

    The draws have the bounds of Clopper and Pearson as their quantiles, those below the middle the
    lower and those above it the upper ones: Beta(k, n - k + 1) and Beta(k + 1, n - k).
    """
    rng = np.random.default_rng((_SEED, 1))
    count = rows * _DRAWS_PER_ROW
    low = rng.beta(passed_on, samples - passed_on + 1, count) if passed_on else np.zeros(count)
    high = np.ones(count)
    if passed_on < samples:
        high = rng.beta(passed_on + 1, samples - passed_on, count)
    middles = np.arange(rows) * _DRAWS_PER_ROW + _DRAWS_PER_ROW // 2
    ordered = np.where(np.arange(rows) < rows / 2, np.sort(low)[middles], np.sort(high)[middles])
    drawn = rng.permutation(ordered)
    drawn.setflags(write=False)
    return drawn


def mixture_s(alone_s: FloatArray, escalated_s: FloatArray, shares: FloatArray) -> FloatArray:
    """Return latencies of which in each row a share is that of requests that were passed on.

    Parameters
    ----------
    alone_s, escalated_s
        Latencies of requests that the device answers, and of those that are passed on, which begin
        on the device as well; shape (rows, n).
    shares
        Of those that are passed on, shape (rows,).
    """
    n = alone_s.shape[1]
    counts = np.rint(shares * n)[:, np.newaxis]
    return np.where(_ranks(n) < counts, escalated_s, alone_s)


@lru_cache(maxsize=8)
def _ranks(n: int) -> npt.NDArray[np.intp]:
    """Return the order in which requests are passed on as the share grows: any, always the same."""
    return np.random.default_rng((_SEED, 2)).permutation(n)
