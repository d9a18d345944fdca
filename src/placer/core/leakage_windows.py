"""A linear attack on pictures that is the same at every place.

Each block of pixels is rebuilt from the tensors around it, by one ridge regression for all blocks.
A picture then counts as many samples as it has blocks, so that a few dozen pictures are enough
where an attack on whole pictures, which only mixes those that it has seen, learns next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

MAX_FEATURES = 600
"""Numbers that a block is rebuilt from: 3 x 3 places of 64 channels fit."""
MAX_ROWS = 12_000
"""Blocks to train on: twenty for each number."""
MIN_CELLS = 4
"""Places of a tensor that make it a map."""

_MAP_AXES = 4
_COLOURS = 4
"""A last axis of no more is that of the colours, if the second is longer."""
_ALIKE = 1.25

_ROUNDING = 1e-13
_PENALTIES = np.logspace(-9, 3, 49)
"""Over the mean eigenvalue of the training data."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """How the cells of a map lie over the pixels."""

    cells: tuple[int, int]
    step: tuple[int, int]
    """Pixels of a cell, along each axis."""
    offset: tuple[int, int]
    """Of the first cell; negative where the cells reach beyond the picture."""

    def blocks(self, pictures: Floats) -> Floats:
        """Return (pictures, cells, values of a block); 0 beyond the picture."""
        n, channels = pictures.shape[:2]
        (rows, columns), (high, wide) = self.cells, self.step
        canvas = np.zeros((n, channels, rows * high, columns * wide))
        inside, onto = zip(
            *(
                _overlap(size, full, offset)
                for size, full, offset in zip(
                    pictures.shape[2:], canvas.shape[2:], self.offset, strict=True
                )
            ),
            strict=True,
        )
        canvas[:, :, onto[0], onto[1]] = pictures[:, :, inside[0], inside[1]]
        parts = canvas.reshape(n, channels, rows, high, columns, wide)
        return parts.transpose(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, -1)


def window_errors(
    pictures: Array, tensors: Sequence[Array], fold_of: Places, rng: np.random.Generator
) -> tuple[Floats, ...]:
    """Return the squared error of each picture, rebuilt by the folds that it is not in.

    Once for each way in which the tensors can be read as maps; of none: the input or every tensor
    is no map.

    Parameters
    ----------
    pictures
        Shape (samples, channels, height, width), or (samples, 1, channels, ...) as stacked runs;
        the channels may be last.
    tensors
        What crosses the cut; maps with as many or fewer places are used: channels first, channels
        last, or places in a row (of tokens).
    fold_of
        The fold of each sample.
    rng
        Draws the blocks to train on, and a projection where there are too many channels.
    """
    pictures = _channels_first(_without_batch(pictures))
    if pictures.ndim != _MAP_AXES:
        return ()
    found = [forms for tensor in tensors if (forms := _as_maps(_without_batch(tensor), pictures))]
    ways = max(map(len, found), default=0)
    return tuple(
        _errors(pictures, [forms[min(way, len(forms) - 1)] for forms in found], fold_of, rng)
        for way in range(ways)
    )


def _errors(
    pictures: Array, maps: Sequence[Array], fold_of: Places, rng: np.random.Generator
) -> Floats:
    finest = max(maps, key=lambda tensor: tensor.shape[2] * tensor.shape[3])
    cells = (finest.shape[2], finest.shape[3])
    sizes = (pictures.shape[2], pictures.shape[3])
    step = (max(1, round(sizes[0] / cells[0])), max(1, round(sizes[1] / cells[1])))
    offset = ((sizes[0] - cells[0] * step[0]) // 2, (sizes[1] - cells[1] * step[1]) // 2)
    grid = _Grid(cells, step, offset)
    features = _features(maps, cells, rng)
    errors = np.zeros(len(pictures))
    for fold in range(int(fold_of.max()) + 1):
        seen, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        mean = pictures[seen].mean(axis=0, dtype=np.float64)
        places = rng.permutation(len(seen) * cells[0] * cells[1])[:MAX_ROWS]
        sample, cell = seen[places // (cells[0] * cells[1])], places % (cells[0] * cells[1])
        targets = np.empty((len(places), pictures.shape[1] * step[0] * step[1]))
        for one in np.unique(sample):
            chosen = sample == one
            targets[chosen] = grid.blocks((pictures[one] - mean)[None])[0][cell[chosen]]
        about = features.about(seen)
        rows = about.at(sample, cell)
        centre, bias = rows.mean(axis=0), targets.mean(axis=0)
        weights = _ridge(rows - centre, targets - bias)
        inside = grid.blocks(np.ones((1, *pictures.shape[1:])))[0]
        every = np.arange(cells[0] * cells[1])
        for one in held:
            left = (pictures[one] - mean)[None]
            wanted = grid.blocks(left)[0]
            guess = (about.at(np.full(len(every), one), every) - centre) @ weights + bias
            missed = float(np.sum(((wanted - guess) * inside) ** 2))
            errors[one] = float(np.sum(left**2)) - float(np.sum(wanted**2)) + missed
    return np.maximum(errors, 0.0)


def _without_batch(samples: Array) -> Array:
    """Return samples without the batch of one that each run had."""
    return samples[:, 0] if samples.ndim == 5 and samples.shape[1] == 1 else samples


def _channels_first(pictures: Array) -> Array:
    is_last = pictures.ndim == _MAP_AXES and pictures.shape[-1] <= _COLOURS < pictures.shape[1]
    return np.moveaxis(pictures, -1, 1) if is_last else pictures


def _as_maps(tensor: Array, pictures: Array) -> list[Array]:
    """Return a tensor in the ways in which it may be (samples, channels, rows, columns)."""
    if tensor.ndim == _MAP_AXES - 1:
        forms = [_of_places(tensor, pictures), _of_places(np.moveaxis(tensor, 1, -1), pictures)]
        return [form for form in forms if form is not None]
    if tensor.ndim != _MAP_AXES:
        return []
    maps = [one for one in (tensor, np.moveaxis(tensor, -1, 1)) if _is_map(one, pictures)]
    alike = [one for one in maps if _is_alike(one.shape[2:], pictures.shape[2:])]
    return alike or [one for one in maps if one is tensor]


def _of_places(tensor: Array, pictures: Array) -> Array | None:
    """Return (samples, places, channels) as a map, without a token before the places."""
    for ahead in (0, 1):
        count = tensor.shape[1] - ahead
        rows = round(math.sqrt(max(count, 0) * pictures.shape[2] / pictures.shape[3])) or 1
        if count % rows:
            continue
        cut = tensor[:, ahead:].reshape(len(tensor), rows, count // rows, tensor.shape[2])
        found = np.moveaxis(cut, -1, 1)
        if _is_map(found, pictures) and _is_alike(found.shape[2:], pictures.shape[2:]):
            return found
    return None


def _is_map(tensor: Array, pictures: Array) -> bool:
    return (
        tensor.shape[1] > 0
        and tensor.shape[2] * tensor.shape[3] >= MIN_CELLS
        and all(few <= many for few, many in zip(tensor.shape[2:], pictures.shape[2:], strict=True))
    )


def _is_alike(cells: Sequence[int], sizes: Sequence[int]) -> bool:
    """Tell whether places stand as pixels do: about as many rows for each column."""
    ratio = cells[0] * sizes[1] / (cells[1] * sizes[0])
    return 1 / _ALIKE < ratio < _ALIKE


def _overlap(size: int, full: int, offset: int) -> tuple[slice, slice]:
    """Return which pixels of an axis lie on the cells, and where there."""
    start, end = max(0, offset), min(size, offset + full)
    return slice(start, end), slice(start - offset, end - offset)


@dataclass(frozen=True, slots=True)
class _Features:
    """All maps on the cells of the finest, each of mean square 1, with a border of zeros."""

    values: npt.NDArray[np.float32]
    """(samples, channels, rows + 2, columns + 2)."""
    columns: int
    window: int
    """Places around a cell along an axis that it is rebuilt from: 1 or 3."""
    projection: Floats | None
    mean: npt.NDArray[np.float32]
    """(channels, rows + 2, columns + 2), taken from every sample."""

    def about(self, samples: Places) -> _Features:
        """Return them less the mean of some samples, as the pictures are taken: place by place."""
        return replace(self, mean=self.values[samples].mean(axis=0))

    def at(self, sample: Places, cell: Places) -> Floats:
        """Return (cells, numbers) of some cells of some samples."""
        row, column = cell // self.columns + 1, cell % self.columns + 1
        reach = range(-(self.window // 2), self.window // 2 + 1)
        near = [(row + down, column + right) for down in reach for right in reach]
        found = np.concatenate(
            [self.values[sample, :, y, x] - self.mean[:, y, x].T for y, x in near], axis=1
        ).astype(np.float64)
        return found if self.projection is None else found @ self.projection


def _features(maps: Sequence[Array], cells: tuple[int, int], rng: np.random.Generator) -> _Features:
    scaled = []
    for one in maps:
        down = np.arange(cells[0]) * one.shape[2] // cells[0]
        right = np.arange(cells[1]) * one.shape[3] // cells[1]
        mean = one.mean(axis=(0, 2, 3), dtype=np.float64)[:, None, None]
        size = math.sqrt(sum(float(np.sum((sample - mean) ** 2)) for sample in one) / one.size)
        each = [((sample - mean) / (size or 1.0))[:, down][:, :, right] for sample in one]
        scaled.append(np.stack([values.astype(np.float32) for values in each]))
    joined = np.concatenate(scaled, axis=1)
    channels = joined.shape[1]
    window = 3 if 9 * channels <= MAX_FEATURES else 1
    projection = None
    if channels > MAX_FEATURES:
        projection = rng.standard_normal((channels, MAX_FEATURES)) / np.sqrt(channels)
    border = ((0, 0), (0, 0), (1, 1), (1, 1))
    values = np.pad(joined, border)
    return _Features(values, cells[1], window, projection, np.zeros_like(values[0]))


def _ridge(rows: Floats, targets: Floats) -> Floats:
    """Return weights (numbers, values); the penalty by generalised cross-validation."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    values = np.where(values > _ROUNDING * values[-1], values, 0.0)
    if not values[-1] > 0:
        return np.zeros((rows.shape[1], targets.shape[1]))
    across = vectors.T @ (rows.T @ targets)
    penalties = _PENALTIES * values.mean()
    shrunk = values[None, :] / (values[None, :] + penalties[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):  # directions without data carry nothing
        explained = np.where(values > 0, np.sum(across**2, axis=1) / values, 0.0)
    unexplained = max(0.0, float(np.sum(targets**2)) - float(np.sum(explained)))
    missed = unexplained + (1 - shrunk) ** 2 @ explained
    score = missed / np.maximum(len(rows) - 1 - shrunk.sum(axis=1), 1.0) ** 2
    best = penalties[int(np.argmin(score))]
    return np.asarray(vectors @ (across / (values + best)[:, None]))
