"""Whether rows of tables of words that are looked up, or of functions of them, tell the words.

A function of several words, as a sum of BERT's word, segment and place, tells one of them if its
rows differ from all rows with another one there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

MAX_SUMS = 2**18
"""Rows that are compared; of more as many are drawn."""
_VIEWS = 16
"""Directions in which rows are compared: what differs in one of them differs."""
_ROUNDING = 1e-5
"""Of the largest: float32 tells apart what is farther apart."""
_MAX_ALIKE = 512
"""Rows that agree in the first direction; of more nothing is shown."""


def chosen(sizes: Mapping[str, int], first: str, count: int) -> dict[str, np.ndarray]:
    """Return which words of each index stand together: all that can, or as many as are compared.

    Of the words of ``first`` all are there, or as many as can be.
    """
    if math.prod(sizes.values()) <= count:
        every = np.indices(tuple(sizes.values())).reshape(len(sizes), -1)
        return dict(zip(sizes, every, strict=True))
    rng = np.random.default_rng(0)
    drawn = {name: rng.integers(0, size, count) for name, size in sizes.items()}
    return {**drawn, first: np.resize(rng.permutation(sizes[first]), count)}


def views(rows: np.ndarray) -> np.ndarray:
    """Return rows in some directions, the same in every call."""
    directions = np.random.default_rng(0).standard_normal((rows.shape[1], _VIEWS))
    numbers = rows.astype(np.float32, copy=False)
    if not np.isfinite(numbers).all():
        numbers = np.nan_to_num(numbers, posinf=0.0, neginf=0.0)
    return np.asarray(numbers @ directions.astype(np.float32))


def differ(rows: np.ndarray, words: np.ndarray) -> bool:
    """Tell whether the rows of most words differ from those of all others.

    Parameters
    ----------
    rows
        (rows, directions).
    words
        The word of each.
    """
    near = _ROUNDING * float(np.abs(rows).max(initial=0.0))
    order = np.argsort(rows[:, 0], kind="stable")
    every, words = np.unique(words, return_inverse=True)
    rows, words = rows[order], words[order]
    is_alike = np.zeros(len(every), dtype=bool)
    for by in range(1, _MAX_ALIKE + 1):
        first = np.flatnonzero(rows[by:, 0] - rows[:-by, 0] <= near)
        if not len(first):
            return True
        for view in rows.T[1:]:
            first = first[np.abs(view[first + by] - view[first]) <= near]
        other = first[words[first] != words[first + by]]
        is_alike[words[other]] = is_alike[words[other + by]] = True
        if 2 * is_alike.sum() > len(is_alike):
            return False
    return False
