"""Variants of a model, and how often they answer as the model itself does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placer.core.beta import binomial_cdf
from placer.core.graph import ModelSummary
from placer.core.precision import Made

if TYPE_CHECKING:
    from placer.core.cascade import Trials

SCALAR_TOLERANCE_RATIO = 0.01
"""A single number agrees within this share of the largest one that the model gave."""
CONFIDENCE = 0.95

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of answers in which a variant agrees with the model, on the same samples."""

    ratio: float
    low_ratio: float
    """One-sided 95 % bound, as ``high_ratio``."""
    high_ratio: float
    samples: int
    worst_difference: float
    """The largest difference of any number that they gave."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of labelled samples that a model answers rightly."""

    ratio: float
    low_ratio: float
    """One-sided 95 % bound, as ``high_ratio``."""
    high_ratio: float
    samples: int


@dataclass(frozen=True, slots=True)
class Variant:
    """Another file of the same model: quantised, pruned, smaller."""

    path: str
    """As typed."""
    name: str
    """What tells it from the others: the file's stem, or the path where two have the same."""
    model: ModelSummary
    agreement: Agreement | None = None
    """With the model itself; None: not measured."""
    accuracy: Accuracy | None = None
    """None: no labels, or not measured."""
    made: Made | None = None
    """How placer made it; None: the user did."""
    trials: Trials | None = None
    """What it and the model answered, sample by sample, for a cascade of the two; None: not
    compared, or nothing tells how sure it is."""

    @property
    def label(self) -> str:
        """How sentences call it: by the path as typed, or by its name where placer made it."""
        return self.path if self.made is None else self.name


def agreement(model: Arrays, variant: Arrays) -> Agreement:
    """Compare what a model and a variant of it gave for the same samples.

    What is answered is the position of the highest number along an output's last axis, where it
    has more than one; of a single number its value, within ``SCALAR_TOLERANCE_RATIO``; of
    integers, booleans and text the value itself. A sample counts by the share of its answers that
    agree, in the output where fewest do.

    Parameters
    ----------
    model, variant
        Output name -> array of shape (samples, *output shape), the same names and shapes.

    Source of the bounds: Clopper and Pearson (1934) where each sample agrees or not; Hoeffding
    (1963) where samples agree in part.
    """
    scores = agreeing(model, variant)
    count = len(scores)
    ratio = float(scores.mean())
    if np.isin(scores, (0.0, 1.0)).all():
        low, high = binomial_bounds(round(float(scores.sum())), count)
    else:
        low, high = agreement_bounds(ratio, count)
    differences = [
        float(np.max(np.abs(model[name].astype(np.float64) - variant[name].astype(np.float64))))
        for name in model
        if model[name].dtype.kind == "f" and model[name].size
    ]
    return Agreement(ratio, low, high, count, max(differences, default=0.0))


def agreeing(model: Arrays, variant: Arrays) -> npt.NDArray[np.float64]:
    """Return for each sample the share of its answers that agree, as ``agreement`` counts them.

    Shape (samples,); parameters as ``agreement``.
    """
    return np.asarray(np.minimum.reduce([_scores(model[name], variant[name]) for name in model]))


def agreement_bounds(ratio: float, samples: int) -> tuple[float, float]:
    """Return one-sided 95 % bounds of a share of answers, from its mean over samples alone.

    Those of Clopper and Pearson where the share is that of whole samples, else Hoeffding's, which
    hold for samples that agree in part.
    """
    whole = ratio * samples
    if abs(whole - round(whole)) < 1e-6:
        return binomial_bounds(round(whole), samples)
    return partly_bounds(ratio, samples)


def samples_that_prove(ratio: float, wanted: float) -> int | None:
    """Return about how many samples, agreeing as often, decide a share; None: over a million."""
    for exponent in range(8, 21):
        samples = int(2**exponent)
        low, high = agreement_bounds(round(ratio * samples) / samples, samples)
        if low >= wanted or high < wanted:
            return samples
    return None


def partly_bounds(ratio: float, samples: int) -> tuple[float, float]:
    """Return Hoeffding's one-sided 95 % bounds, which hold for samples that agree in part."""
    margin = math.sqrt(math.log(1 / (1 - CONFIDENCE)) / (2 * samples))
    return max(0.0, ratio - margin), min(1.0, ratio + margin)


def _scores(model: npt.NDArray[np.generic], variant: npt.NDArray[np.generic]) -> np.ndarray:
    """Return, for each sample, the share of its answers that agree."""
    if model.dtype.kind == "f" and model.ndim > 1 and model.shape[-1] > 1:
        same = np.argmax(model, axis=-1) == np.argmax(variant, axis=-1)
        same &= ~(np.isnan(model) | np.isnan(variant)).any(axis=-1)  # NaN is no answer
    elif model.dtype.kind == "f":
        expected = model.astype(np.float64)
        largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
        allowed = SCALAR_TOLERANCE_RATIO * largest
        same = np.abs(expected - variant.astype(np.float64)) <= allowed
    else:
        same = model == variant
    return np.asarray(np.asarray(same, dtype=np.float64).reshape(len(model), -1).mean(axis=1))


def binomial_bounds(agreeing: int, count: int) -> tuple[float, float]:
    """Return the one-sided 95 % bounds of a probability by bisecting the distribution.

    Source: Clopper and Pearson (1934).
    """
    tail = 1 - CONFIDENCE

    def found(*, is_below: bool) -> float:
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            if is_below:
                # the lowest probability that gives so many or more in 1 of 20 cases
                inside = 1 - binomial_cdf(agreeing - 1, count, middle) >= tail
                low, high = (low, middle) if inside else (middle, high)
            else:
                inside = binomial_cdf(agreeing, count, middle) >= tail
                low, high = (middle, high) if inside else (low, middle)
        return (low + high) / 2

    return (
        0.0 if agreeing == 0 else found(is_below=True),
        1.0 if agreeing == count else found(is_below=False),
    )


def accuracy(outputs: Arrays, labels: Mapping[str, npt.NDArray[np.int64]]) -> Accuracy:
    """Compare what a model gave with what is right.

    A sample is right if every labelled output is: if the position of its highest number along the
    last axis is the label or, of an output of integers, if it is the label itself.

    Parameters
    ----------
    outputs
        Output name -> array of shape (samples, *output shape), of one answer for each sample.
    labels
        Output name -> array of shape (samples,); at least one.

    Source of the bounds: Clopper and Pearson (1934).
    """
    right = right_answers(outputs, labels)
    n_right, count = int(right.sum()), len(right)
    low, high = binomial_bounds(n_right, count)
    return Accuracy(n_right / count, low, high, count)


def right_answers(
    outputs: Arrays, labels: Mapping[str, npt.NDArray[np.int64]]
) -> npt.NDArray[np.bool_]:
    """Return which samples are answered rightly, as ``accuracy`` counts them; shape (samples,)."""
    return np.asarray(
        np.logical_and.reduce(
            [_answers(outputs[name]) == expected for name, expected in labels.items()]
        )
    )


def _answers(output: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return the class that each sample was given, shape (samples,); -1: NaN, which is none."""
    found = output
    if output.dtype.kind == "f":
        found = np.where(np.isnan(output).any(axis=-1), -1, np.argmax(output, axis=-1))
    return np.asarray(found.reshape(len(output)))
