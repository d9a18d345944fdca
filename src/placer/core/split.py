"""The parts of a model that was cut: what each takes and gives, and whether they give the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from placer.core.graph import TensorSpec
from placer.core.wire_formats import Precision

PARTS_APART_RATIO = 1e-3
"""How far parts may answer from the whole model with tensors as they are, of the largest number of
an output. Chosen: thousands of times what other fusions of float32 cause (3e-7 at worst over the
architectures of bench/split_groups.py), far below an error."""


@dataclass(frozen=True, slots=True)
class Part:
    """A model file with the nodes of one tier."""

    tier: int
    files: tuple[tuple[str, str, int], ...]
    """(name, sha256, bytes): the model, then its external data."""
    nodes: tuple[str, ...]
    """Original nodes, by their first output; constant ones not included."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(size for _, _, size in self.files)


@dataclass(frozen=True, slots=True)
class SplitContract:
    """What the sides of a split agree on."""

    model: str
    """Name of the model's file."""
    model_sha256: str
    inputs: tuple[TensorSpec, ...]
    """Of the model; they are on tier 0."""
    outputs: tuple[TensorSpec, ...]
    """Of the model, each given by the part that makes it."""
    parts: tuple[Part, ...]
    """By tier; a tier that runs nothing has none."""
    links: tuple[tuple[TensorSpec, ...], ...]
    """Tensors that go from tier k to tier k + 1: made anywhere before, taken anywhere behind."""
    unused_nodes: tuple[str, ...] = ()
    """Nodes that are in no part, because no output needs them."""
    constant_nodes: tuple[str, ...] = ()
    """Nodes that no value of an input changes: in each part that needs them, or their values."""


@dataclass(frozen=True, slots=True)
class CutFacts:
    """Where a candidate cuts the model, and what is known of that."""

    tensors: tuple[str, ...]
    """That cross from the device to the cloud."""
    n_bytes: int
    """Of all of them as tensors, for one request."""
    raw: tuple[str, ...]
    """Those of them that show raw input, alone or together, by the structure of the graph."""
    tail_ratio: float
    """Share of the model's time that lies behind the cut, by the times of its groups here."""
    difference_ratio: float | None
    """Largest difference of the parts' outputs from the whole's, over the largest number there;
    None: not compared."""
    outputs_here: tuple[str, ...] = ()
    """Outputs of the model that the device makes although the cloud could, with the same cut."""
    wire: Precision | None = None
    """Format in which they are sent; None: as they are."""
    wire_bytes: int | None = None
    """Of all of them in that format; None: as they are."""
    wire_error_ratio: float | None = None
    """How far an output is off by that format at most, of its largest number, on the samples."""
    wire_samples: int = 0
    """Samples that this was measured on."""
    not_compared: str = field(default="", compare=False)
    """Why the parts were not compared with the whole, which a finding tells; empty: they were."""

    @property
    def sent_bytes(self) -> int:
        """Of all of them, as they are sent."""
        return self.n_bytes if self.wire_bytes is None else self.wire_bytes

    @property
    def is_sent_as_is(self) -> bool:
        """No number that crosses is changed on the way."""
        return self.wire is None or (self.sent_bytes == self.n_bytes and not self.wire_error_ratio)


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far the parts are from the whole model in one output, on the same samples."""

    name: str
    absolute: float
    """The largest difference of any number; infinite where one is not a number, or of text."""
    relative: float
    """The largest difference over the largest number that the whole model gives for its sample."""
    argmax_ratio: float | None
    """Share of the rows along the last axis whose largest number stands at the same place.

    None: the rows have one number each, or are no numbers.
    """


Arrays = Mapping[str, npt.NDArray[np.generic]]


def output_differences(whole: Arrays, parts: Arrays) -> tuple[OutputDifference, ...]:
    """Compare what the whole model and its parts gave for the same samples.

    Parameters
    ----------
    whole, parts
        Output name -> array of shape (samples, *output shape).
    """
    return tuple(_difference(name, array, parts[name]) for name, array in whole.items())


def _difference(
    name: str, whole: npt.NDArray[np.generic], given: npt.NDArray[np.generic]
) -> OutputDifference:
    if whole.shape != given.shape or whole.dtype != given.dtype:
        return OutputDifference(name, np.inf, np.inf, 0.0)
    if whole.dtype.kind not in "biuf":
        worst = 0.0 if np.array_equal(whole, given) else np.inf
        return OutputDifference(name, worst, worst, None)
    if whole.size == 0:
        return OutputDifference(name, 0.0, 0.0, None)
    worst, relative = largest_errors(whole, given)
    ratio = None
    if whole.ndim > 1 and whole.shape[-1] > 1:
        ratio = float(np.mean(whole.argmax(axis=-1) == given.argmax(axis=-1)))
    return OutputDifference(name, worst, relative, ratio)


def largest_errors(
    whole: npt.NDArray[np.generic], given: npt.NDArray[np.generic]
) -> tuple[float, float]:
    """Return the largest difference of a number, and that over the largest number of its sample.

    The samples must not hide each other: one with large numbers says nothing of the others. Where
    a sample has one number, or nothing but zeros, the largest number of all samples counts.
    Numbers that stand for "masked" hide none either: each is held to itself (``_masked``).

    Parameters
    ----------
    whole, given
        Of shape (samples, *output shape), numbers or truth values, not empty.

    Returns
    -------
    tuple of float
        Infinite where one is not finite and the other is another number.
    """
    first, second = (one.astype(np.float64).reshape(len(one), -1) for one in (whole, given))
    same = (first == second) | (np.isnan(first) & np.isnan(second))  # infinities as well
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(first - second))
    worst = np.max(np.nan_to_num(apart, nan=np.inf, posinf=np.inf), axis=1)
    masked = _masked(first)
    scale = np.max(np.abs(first), axis=1, initial=0.0, where=np.isfinite(first) & ~masked)
    overall = scale.max()
    if first.shape[1] == 1:
        scale[:] = overall
    scale[scale == 0] = overall or np.nan
    with np.errstate(invalid="ignore"):
        ratios = apart / np.where(masked, np.abs(first), scale[:, np.newaxis])
    relative = np.where(apart == 0, 0.0, np.nan_to_num(ratios, nan=np.inf, posinf=np.inf))
    return float(worst.max()), float(relative.max())


MASKED_FROM = -5e3
"""What is added to scores to mask them: -1e4, -65504, -1e9, the least number of a type."""
MASKED_FACTOR = 100.0
"""So many times the largest other number. Chosen: far above what scores of one sample differ."""


def _masked(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which numbers stand for "masked": very low ones, far from all others of their sample.

    Parameters
    ----------
    numbers
        Of shape (samples, numbers).
    """
    finite = np.isfinite(numbers)
    lowest = np.min(numbers, axis=1, initial=0.0, where=finite, keepdims=True)
    low = finite & (numbers <= np.minimum(lowest / 8, MASKED_FROM))  # scores are added, masks too
    others = np.max(np.abs(numbers), axis=1, initial=0.0, where=finite & ~low, keepdims=True)
    return np.asarray(low & (numbers <= -MASKED_FACTOR * others))
