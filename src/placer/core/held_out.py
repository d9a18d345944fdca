"""Which real samples calibrate or choose, and which judge: no sample does both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

MOST_CALIBRATING = 128
"""More change the ranges of activations little, and each costs a run of the model."""
CALIBRATING_RATIO = 0.2
"""The share of the samples that is set aside where none are named for calibrating."""
_SEED = 7

Indices = npt.NDArray[np.intp]


def set_aside(count: int) -> tuple[Indices, Indices]:
    """Split the places of samples into those that calibrate and those that judge.

    One is drawn, always the same, from each of as many equal parts of the file as calibrate: they
    are spread over a file that is sorted, and hit no period of it.

    Parameters
    ----------
    count
        Samples there are, at least 2.
    """
    n_calibrating = min(MOST_CALIBRATING, max(1, int(count * CALIBRATING_RATIO)))
    edges = np.linspace(0, count, n_calibrating + 1).astype(np.intp)
    calibrating = np.random.default_rng(_SEED).integers(edges[:-1], edges[1:])
    return calibrating, np.setdiff1d(np.arange(count), calibrating)


def halves(count: int) -> tuple[Indices, Indices]:
    """Split the places of samples into those that choose a threshold and those that judge it.

    Of each two neighbours one is drawn, always the same; an odd last one judges.

    Parameters
    ----------
    count
        Samples there are.
    """
    pairs = count // 2
    choosing = 2 * np.arange(pairs) + np.random.default_rng(_SEED).integers(0, 2, pairs)
    return choosing.astype(np.intp), np.setdiff1d(np.arange(count), choosing)


def not_among(
    samples: Mapping[str, npt.NDArray[np.generic]], others: Mapping[str, npt.NDArray[np.generic]]
) -> Indices:
    """Return the places of the samples of which no other has the same values.

    Parameters
    ----------
    samples, others
        Input name -> array of shape (samples, *input shape), the same names.
    """
    known = set(_digests(others, sorted(samples)))
    return np.array(
        [at for at, one in enumerate(_digests(samples, sorted(samples))) if one not in known],
        dtype=np.intp,
    )


def digest_of(samples: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Return one SHA-256 of all samples, in their order."""
    return hashlib.sha256("".join(_digests(samples, sorted(samples))).encode()).hexdigest()


def _digests(samples: Mapping[str, npt.NDArray[np.generic]], names: list[str]) -> list[str]:
    count = len(samples[names[0]]) if names else 0
    found = []
    for at in range(count):
        digest = hashlib.sha256()
        for name in names:
            one = np.ascontiguousarray(samples[name][at])
            digest.update(f"{name} {one.dtype} {one.shape}:".encode())
            digest.update(one.tobytes())
        found.append(digest.hexdigest())
    return found
