"""What samples prove of a cascade: how many wrong answers may choose, and how many must judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

from placer.core.beta import binomial_cdf, log_beta
from placer.core.variant import CONFIDENCE, binomial_bounds

CHANCES_OF_PROOF = (0.8, 0.7, 0.6, 0.5)
"""The threshold is chosen so that the other half of the samples proves it with the first of these
probabilities that any threshold leaves; a proof that is less likely than the last is not sought."""
NONE_FITS = -1.0


def proves(samples: int, wanted_ratio: float) -> bool:
    """Tell whether so many samples prove a share if every answer is as it should be."""
    return binomial_bounds(samples, samples)[0] >= wanted_ratio


def samples_that_judge(wanted_ratio: float) -> int | None:
    """Return how many samples prove a share if every answer is as it should be; None: no number.

    Source: Clopper and Pearson (1934): ``ratio ** n`` is 5 %.
    """
    if wanted_ratio >= 1:
        return None
    needed = max(1, math.ceil(math.log(1 - CONFIDENCE) / math.log(wanted_ratio)))
    return needed if proves(needed, wanted_ratio) else needed + 1


@lru_cache(maxsize=64)
def allowed_wrong(
    choosing: int, judging: int, wanted_ratio: float, chance: float, *, is_whole: bool = True
) -> float:
    """Return how many samples that choose may be answered wrongly; NONE_FITS: not even none.

    As many as leave the chance that the samples that judge prove the wanted share of right ones.
    With every share of wrong answers as likely beforehand, those among the samples that judge
    follow the beta-binomial distribution.

    Parameters
    ----------
    choosing, judging
        Numbers of samples.
    is_whole
        Each sample agrees or not; else samples that agree in part are judged by Hoeffding's bound,
        and the normal distribution tells the chance. Where no answer is wrong, even in part, they
        are whole.
    """
    if wanted_ratio >= 1:
        return NONE_FITS
    tail = 1 - CONFIDENCE
    most = _largest(judging, lambda wrong: binomial_cdf(wrong, judging, 1 - wanted_ratio) <= tail)
    if most is None:
        return NONE_FITS

    def is_likely(wrong: int) -> bool:
        return _at_most(most, judging, wrong + 1, choosing - wrong + 1) >= chance - 1e-9

    if not is_whole:
        margin = math.sqrt(math.log(1 / tail) / (2 * judging))
        spread = math.sqrt(wanted_ratio * (1 - wanted_ratio) * (1 / choosing + 1 / judging))
        beyond = NormalDist().inv_cdf(chance) * spread
        partly = choosing * (1 - wanted_ratio - margin - beyond)
        return partly if partly > 0 else 0.0 if is_likely(0) else NONE_FITS
    found = _largest(choosing, is_likely)
    return NONE_FITS if found is None else float(found)


def _largest(end: int, holds: Callable[[int], bool]) -> int | None:
    """Return the largest number from 0 to ``end`` for which something holds that holds up to it."""
    if not holds(0):
        return None
    low, high = 0, end + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _at_most(most: int, count: int, a: float, b: float) -> float:
    """Return the probability of at most so many of a beta-binomial distribution."""
    whole = math.lgamma(count + 1) - log_beta(a, b)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(one + 1)
            - math.lgamma(count - one + 1)
            + log_beta(one + a, count - one + b)
        )
        for one in range(most + 1)
    )
