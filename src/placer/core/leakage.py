"""How much of raw input can be read off the tensors of a cut, by measures that need numpy only.

Two figures, both on real samples. Distance correlation says whether input and tensors depend on
each other at all; it is bias-corrected, since the plain one is near 1 for independent data of many
dimensions. A linear attack (ridge regression) rebuilds inputs that it has not seen, and is judged
against guessing the mean input. An attack that succeeds is proof of a leak. One that fails shows
nothing about a stronger one: published attacks invert networks more than 40 layers deep
(arXiv 2107.06304). So nothing here is ever called private.

Source: Szekely and Rizzo, J. Multivariate Analysis 117 (2013) 193 (the corrected distance
correlation); Golub, Heath and Wahba, Technometrics 21 (1979) 215 (generalised cross-validation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from placer.core.errors import InputError
from placer.core.leakage_windows import window_errors

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]

MIN_SAMPLES = 32
"""Different inputs. With fewer an attack cannot learn and its figure is no more than luck: each
fold trains on three quarters, and the lower bound of the gain comes from all that are held out."""
FOLDS = 4
"""Each input is rebuilt once, by an attack that was trained on the other folds."""
RAW_PSNR_DB = 48.1
"""Rebuilt to within one of 256 levels: 20 log10 255."""
MIN_GAIN_DB = 1.0
"""Above guessing the mean, as a lower bound: a fifth of the variance of the inputs (R² 0.21).
With tensors that are independent of the input, the bound stayed below 0.1 dB
(``bench/split_leakage``)."""
MAX_PSNR_DB = 120.0
"""What is rebuilt better is told as this: beyond it float32 rounds."""
CONFIDENCE = 0.95
"""Of the lower bound of the gain, one-sided."""

_DRAWS = 1000
_PENALTIES = np.logspace(-9, 3, 49)
"""Over the mean eigenvalue of the training kernel."""
_BLOCK_ELEMENTS = 4_000_000
_MIN_CORRELATED = 4
"""Source: Szekely and Rizzo 2013; the correction divides by n (n - 3)."""


class Attack(StrEnum):
    """What a linear attack rebuilds at once."""

    WHOLE = "whole inputs"
    WINDOWS = "windows"
    """Blocks of a picture, alike at every place (``leakage_windows``)."""


class Leak(StrEnum):
    """What is said of a cut."""

    RAW = "raw"
    LINEARLY_RECOVERABLE = "linearly recoverable"
    NOT_SHOWN = "not shown recoverable by this attack"
    NO_CLAIM = "no claim"


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """How well the best linear attack rebuilds inputs that it has not seen."""

    attack: Attack
    samples: int
    """Different inputs."""
    psnr_db: float
    """10 log10(range² / mean squared error); range: highest less lowest value of the inputs."""
    mean_psnr_db: float
    """Of guessing the mean of the training inputs."""
    gain_low_db: float
    """Lower 95 % bound of the difference, by a bootstrap over the inputs; wider where the best of
    several attacks was taken (Bonferroni)."""

    @property
    def gain_db(self) -> float:
        """How much better than guessing the mean."""
        return self.psnr_db - self.mean_psnr_db


@dataclass(frozen=True, slots=True)
class Leakage:
    """What is shown of a cut, and by what."""

    leak: Leak
    reason: str
    samples: int
    """Different inputs that were looked at; 0: none was needed."""
    needed_samples: int
    """More different inputs for a claim; 0: there is one."""
    distance_correlation: float | None = None
    """Bias-corrected; near 0: independent, 1: the same up to scale. None: not computed."""
    reconstruction: Reconstruction | None = None

    @property
    def text(self) -> str:
        """``raw``, ``linearly recoverable (PSNR 21.3 dB)``, ..."""
        if self.leak is Leak.LINEARLY_RECOVERABLE and self.reconstruction is not None:
            return f"{self.leak} (PSNR {self.reconstruction.psnr_db:.1f} dB)"
        return str(self.leak)


@dataclass(frozen=True, slots=True)
class InputLeakage:
    """What a cut shows of one input."""

    name: str
    leakage: Leakage


def distance_correlation(first: Array, second: Array) -> float | None:
    """Return the bias-corrected distance correlation (its square, as usual) of paired samples.

    ``<A, B> / sqrt(<A, A> <B, B>)`` with U-centred matrices of distances and
    ``<A, B> = sum of A_ij B_ij over i != j / (n (n - 3))``. Its mean is about 0 for independent
    data, whatever the dimensions, so it may be slightly negative. None where one side is constant.

    Parameters
    ----------
    first, second
        Shape (samples, ...), as many samples, at least 4.

    Raises
    ------
    InputError
        Too few samples, another number of them, or a value that is not finite.
    """
    _check_pairs(first, [second])
    if len(first) < _MIN_CORRELATED:
        raise InputError(
            f"{len(first)} samples have no distance correlation",
            hint=f"give at least {_MIN_CORRELATED}",
        )
    return _correlation(_gram(first), _gram(second))


def reconstruct_linearly(
    inputs: Array, tensors: Sequence[Array], *, seed: int = 0
) -> Reconstruction:
    """Rebuild inputs from the tensors of a cut by ridge regression, on folds that are held out.

    The regression is solved in its dual form, as samples are fewer than values; its penalty is
    chosen on the training folds by generalised cross-validation. Each tensor is scaled to the same
    variance, so that none drowns another. An input that stands twice counts once: the attack would
    have seen it. Pictures (samples, channels, height, width), or with channels last, are attacked
    by windows too, if a tensor can be read as a map of their places; the best attack is told.

    Parameters
    ----------
    inputs
        Shape (samples, ...).
    tensors
        What crosses the cut, each of shape (samples, ...).
    seed
        Deals the inputs into folds and draws the bootstrap.

    Raises
    ------
    InputError
        Fewer than ``MIN_SAMPLES`` different inputs, inputs that are all the same, another number of
        samples, or a value that is not finite.
    """
    _check_pairs(inputs, tensors)
    kept = _distinct(inputs)
    if len(kept) < MIN_SAMPLES:
        raise InputError(
            f"{len(kept)} different inputs are too few for an attack",
            hint=f"give at least {MIN_SAMPLES}",
        )
    chosen, crossing = inputs[kept], [tensor[kept] for tensor in tensors]
    return _attack(chosen, crossing, _gram(chosen), _kernel(crossing), seed)


def judge_leakage(
    inputs: Array, tensors: Sequence[Array], *, raw_reason: str | None = None, seed: int = 0
) -> Leakage:
    """Say what is shown of a cut.

    Parameters
    ----------
    inputs, tensors, seed
        As ``reconstruct_linearly`` takes them.
    raw_reason
        How the graph shows that a crossing tensor is raw input, as ``x -> Pad -> Cast``; None: it
        does not.

    Raises
    ------
    InputError
        Another number of samples, or a value that is not finite.
    """
    if raw_reason is not None:
        return Leakage(Leak.RAW, f"the graph shows it: {raw_reason}", 0, 0)
    _check_pairs(inputs, tensors)
    kept = _distinct(inputs)
    if len(kept) < MIN_SAMPLES:
        missing = MIN_SAMPLES - len(kept)
        reason = f"{len(kept)} different inputs of the {MIN_SAMPLES} that a claim needs"
        return Leakage(Leak.NO_CLAIM, reason, len(kept), missing)
    chosen, crossing = inputs[kept], [tensor[kept] for tensor in tensors]
    gram, kernel = _gram(chosen), _kernel(crossing)
    correlation = _correlation(gram, kernel)
    found = _attack(chosen, crossing, gram, kernel, seed)
    if found.psnr_db >= RAW_PSNR_DB and found.gain_low_db >= MIN_GAIN_DB:
        leak = Leak.RAW
        reason = f"a linear attack rebuilds inputs to {found.psnr_db:.1f} dB, one of 256 levels"
    elif found.gain_low_db >= MIN_GAIN_DB:
        leak = Leak.LINEARLY_RECOVERABLE
        reason = (
            f"{found.psnr_db:.1f} dB, at least {found.gain_low_db:.1f} dB above guessing the mean "
            f"({found.mean_psnr_db:.1f} dB)"
        )
    else:
        leak = Leak.NOT_SHOWN
        reason = (
            f"a linear attack trained on {len(kept)} inputs reaches {found.psnr_db:.1f} dB, "
            f"guessing the mean {found.mean_psnr_db:.1f} dB; a stronger one may do better"
        )
    return Leakage(leak, reason, len(kept), 0, correlation, found)


# --- samples --------------------------------------------------------------------------------


def _check_pairs(inputs: Array, tensors: Sequence[Array]) -> None:
    if not tensors:
        raise InputError("no tensor crosses", hint="give the tensors of the cut")
    for array in (inputs, *tensors):
        if not array.ndim or array.shape[:1] != inputs.shape[:1]:
            raise InputError(
                f"an array of the shape {array.shape} stands beside inputs of {inputs.shape}",
                hint="stack the samples of every tensor along a first axis",
            )
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"{array.dtype} values have no distances", hint="give numbers or booleans"
            )
        if not np.isfinite(array).all():
            raise InputError(
                "a sample holds a NaN or an infinity", hint="leave such samples out, or mend them"
            )


def _distinct(inputs: Array) -> list[int]:
    """Return the places of the inputs, the first of equal ones."""
    first: dict[bytes, int] = {}
    for place, one in enumerate(inputs):
        first.setdefault(np.ascontiguousarray(one).tobytes(), place)
    return sorted(first.values())


def _gram(samples: Array) -> Floats:
    """Return the products (n, n) of samples after centring, block by block: they may be large."""
    flat = samples.reshape(len(samples), -1)
    total = np.zeros((len(flat), len(flat)))
    width = max(1, _BLOCK_ELEMENTS // max(1, len(flat)))
    for start in range(0, flat.shape[1], width):
        block = flat[:, start : start + width].astype(np.float64)
        block -= block.mean(axis=0)
        total += block @ block.T
    return total


def _kernel(tensors: Sequence[Array]) -> Floats:
    """Add the products of all tensors, each scaled to a mean square of 1."""
    grams = [_gram(tensor) for tensor in tensors]
    sizes = [float(np.trace(gram)) / len(gram) for gram in grams]
    total = np.zeros_like(grams[0])
    for gram, size in zip(grams, sizes, strict=True):
        if size > 0:  # a constant tensor says nothing
            total += gram / size
    return total


# --- distance correlation -------------------------------------------------------------------


def _correlation(first: Floats, second: Floats) -> float | None:
    a, b = _u_centred(first), _u_centred(second)
    squares = float(np.sum(a * a)) * float(np.sum(b * b))
    return float(np.sum(a * b)) / math.sqrt(squares) if squares > 0 else None


def _u_centred(gram: Floats) -> Floats:
    """Return the U-centred distances of samples with these products."""
    n = len(gram)
    squared = np.diag(gram)
    distances = np.sqrt(np.maximum(squared[:, None] + squared[None, :] - 2 * gram, 0.0))
    np.fill_diagonal(distances, 0.0)
    rows = distances.sum(axis=0)
    centred = distances - (rows[:, None] + rows[None, :]) / (n - 2)
    centred += rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred)


# --- the attack -----------------------------------------------------------------------------


def _attack(
    inputs: Array, tensors: Sequence[Array], gram: Floats, kernel: Floats, seed: int
) -> Reconstruction:
    """Rebuild every input by the folds that it is not in.

    An error on whole inputs is a combination of inputs: its square needs their products alone.
    """
    n = len(gram)
    spread = float(np.max(inputs)) - float(np.min(inputs)) if inputs.size else 0.0
    if spread == 0.0:
        raise InputError("all inputs are the same", hint="give inputs that differ")
    rng = np.random.default_rng(seed)
    fold_of = rng.permutation(n) % FOLDS
    errors, guesses = np.zeros(n), np.zeros(n)
    for fold in range(FOLDS):
        held, seen = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        weights = _ridge_weights(gram, kernel, seen, held)
        for out, rebuilt in ((errors, weights), (guesses, np.full_like(weights, 1 / len(seen)))):
            difference = np.zeros((len(held), n))
            difference[np.arange(len(held)), held] = 1.0
            difference[:, seen] -= rebuilt
            out[held] = np.sum((difference @ gram) * difference, axis=1)
    by_windows = window_errors(inputs, tensors, fold_of, rng)
    attack, bound = Attack.WHOLE, (1 - CONFIDENCE) / (1 + len(by_windows))
    for one in by_windows:
        if one.sum() < errors.sum():
            attack, errors = Attack.WINDOWS, one
    values = inputs[0].size
    floor = values * spread**2 * 10 ** (-MAX_PSNR_DB / 10)
    errors, guesses = np.maximum(errors, floor), np.maximum(guesses, floor)
    drawn = rng.integers(0, n, (_DRAWS, n))
    gains = 10 * np.log10(guesses[drawn].sum(axis=1) / errors[drawn].sum(axis=1))
    peak = values * spread**2
    return Reconstruction(
        attack=attack,
        samples=n,
        psnr_db=float(10 * np.log10(peak / errors.mean())),
        mean_psnr_db=float(10 * np.log10(peak / guesses.mean())),
        gain_low_db=float(np.quantile(gains, bound)),
    )


def _ridge_weights(
    gram: Floats, kernel: Floats, seen: npt.NDArray[np.intp], held: npt.NDArray[np.intp]
) -> Floats:
    """Return how much of each seen input (columns) goes into each held-out one (rows)."""
    m = len(seen)
    basis = _contrasts(m)  # of what is left after the mean: centring without a null direction
    inner, across = kernel[np.ix_(seen, seen)], kernel[np.ix_(held, seen)]
    values, vectors = np.linalg.eigh(basis.T @ inner @ basis)
    values = np.maximum(values, 0.0)
    if not values[-1] > 0:
        return np.full((len(held), m), 1 / m)
    turned = basis @ vectors
    targets = turned.T @ gram[np.ix_(seen, seen)]
    power = np.einsum("ij,ji->i", targets, turned)  # of the inputs, along each direction
    penalties = _PENALTIES * values.mean()
    left = penalties[:, None] / (values[None, :] + penalties[:, None])
    score = (left**2 @ power) / left.sum(axis=1) ** 2
    best = penalties[int(np.argmin(score))]
    weights = ((across - inner.mean(axis=0)) @ turned / (values + best)) @ turned.T
    return np.asarray(weights + 1 / m, dtype=np.float64)


def _contrasts(m: int) -> Floats:
    """Return an orthonormal basis (m, m - 1) of the vectors whose sum is 0 (Householder)."""
    mirror = np.full(m, -1 / math.sqrt(m))
    mirror[0] += 1.0
    size = float(mirror @ mirror)
    turned = np.eye(m) - 2 / size * np.outer(mirror, mirror) if size else np.eye(m)
    return np.asarray(turned[:, 1:])
