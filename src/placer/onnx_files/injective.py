"""Proofs that a linear operator with constant weights loses nothing of its input.

The rank of a matrix is counted as numpy's ``matrix_rank`` does for float32: a singular value below
``max(rows, columns) * eps * largest`` is zero, since rounding hides what it carries.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

MAX_COLUMNS = 2048
"""The time of a proof grows with its cube: seconds on one core."""
MAX_BLOCK = 4
"""Neighbouring outputs of a convolution, along each axis, that are solved together."""

_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether an operator is shown to lose nothing, and why."""

    is_shown: bool
    reason: str


class OutOfWorkError(Exception):
    """More proofs were asked for than their limit allows."""


class Work:
    """What the proofs of a model may take in all."""

    def __init__(self, limit: float = float("inf")) -> None:
        self._left = limit

    def spend(self, operations: float) -> None:
        """Take off what a proof is about to cost.

        Raises
        ------
        OutOfWorkError
            That is more than is left.
        """
        self._left -= operations
        if self._left < 0:
            raise OutOfWorkError


MAX_WORK = 5e11
"""Multiplications of all proofs of a model: about half a minute on one core."""


@dataclass(slots=True)
class Proofs:
    """The proofs of a model: of each constant once, and of all no more than ``MAX_WORK``."""

    work: Work = field(default_factory=lambda: Work(MAX_WORK))
    _kept: dict[tuple[object, ...], Proof] = field(default_factory=dict)

    def matrix(self, matrix: Floats) -> Proof:
        """Return what ``matrix_proof`` says."""
        return self._once(matrix, (), lambda: matrix_proof(matrix, work=self.work))

    def convolution(
        self,
        weights: Floats,
        *,
        strides: Sequence[int],
        dilations: Sequence[int],
        groups: int,
        output_sizes: Sequence[int | None],
    ) -> Proof:
        """Return what ``convolution_proof`` says."""
        return self._once(
            weights,
            (tuple(strides), tuple(dilations), groups, tuple(output_sizes)),
            lambda: convolution_proof(
                weights,
                strides=strides,
                dilations=dilations,
                groups=groups,
                output_sizes=output_sizes,
                work=self.work,
            ),
        )

    def _once(
        self, weights: Floats, words: tuple[object, ...], prove: Callable[[], Proof]
    ) -> Proof:
        """Return a proof, or that of the same numbers; one that ran out is not kept."""
        digest = hashlib.blake2b(weights.tobytes()).digest()
        key = (weights.dtype.str, weights.shape, digest, words)
        if key not in self._kept:
            try:
                self._kept[key] = prove()
            except OutOfWorkError:
                return Proof(False, "the proofs of this model take too long")
        return self._kept[key]


def matrix_proof(matrix: Floats, *, work: Work | None = None) -> Proof:
    """Tell whether ``y = matrix @ x`` determines x. ``matrix``: (outputs, inputs)."""
    rows, columns = matrix.shape
    if rows < columns:
        return Proof(False, f"{rows} values of {columns}")
    if columns > MAX_COLUMNS:
        return Proof(False, f"{columns} columns are too many to show a rank")
    rank = _rank(matrix, work or Work())
    return Proof(rank == columns, f"rank {rank} of {columns}")


def convolution_proof(
    weights: Floats,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    output_sizes: Sequence[int | None],
    work: Work | None = None,
) -> Proof:
    """Tell whether a convolution determines every input value that it reads.

    A block of m x m neighbouring outputs reads a window of the input, and every value that is read
    lies in such a window. So the input is determined if the linear map from window to block has
    full column rank for some m. m = 1 is the case of patches: rank of the weights equal to the
    values of a patch. What is shown is exact; what is not may still be injective.

    Parameters
    ----------
    weights
        (output channels, input channels / groups, *kernel).
    output_sizes
        Along each spatial axis; None: unknown, taken to be at least ``MAX_BLOCK``.
    """
    out_channels, in_channels, *kernel = weights.shape
    per_group = out_channels // groups
    seen = f"{per_group} channels of {in_channels * int(np.prod(kernel))} values"
    smallest = min((MAX_BLOCK if size is None else size for size in output_sizes), default=1)
    for block in range(1, min(MAX_BLOCK, smallest) + 1):
        taps = [
            [[stride * i + dilation * k for k in range(size)] for i in range(block)]
            for stride, dilation, size in zip(strides, dilations, kernel, strict=True)
        ]
        read = [sorted(set(itertools.chain(*axis))) for axis in taps]
        columns = in_channels * int(np.prod([len(axis) for axis in read]))
        rows = per_group * block ** len(kernel)
        if rows < columns:
            continue
        if columns > MAX_COLUMNS:
            break
        ranks = [
            _rank(_window_matrix(part, taps, read), work or Work())
            for part in np.split(weights, groups, axis=0)
        ]
        reason = f"rank {min(ranks)} of {columns} in blocks of {block}"
        if min(ranks) == columns:
            return Proof(True, reason)
        seen = reason if "rank" not in seen else seen  # the smallest block says most
    return Proof(False, seen)


def _window_matrix(
    weights: Floats, taps: Sequence[Sequence[Sequence[int]]], read: Sequence[Sequence[int]]
) -> Floats:
    """Return the map from a window (channels, *read) to a block (*block, channels)."""
    out_channels, in_channels, *_ = weights.shape
    sizes = [len(axis) for axis in read]
    place = [{position: index for index, position in enumerate(axis)} for axis in read]
    blocks = []
    for outputs in itertools.product(*taps):
        part = np.zeros((out_channels, in_channels, *sizes), dtype=np.float64)
        where = [[place[axis][p] for p in positions] for axis, positions in enumerate(outputs)]
        channels = (range(out_channels), range(in_channels))
        part[np.ix_(*channels, *where)] = weights
        blocks.append(part.reshape(out_channels, -1))
    return np.concatenate(blocks)


_EIGENVALUES = 10
"""Their time as a multiple of that of a product of square matrices."""


def _rank(matrix: Floats, work: Work) -> int:
    """Count singular values by the Gram matrix, whose eigenvalues are their squares.

    float64 is exact enough for that: its rounding is far below the square of float32's.
    """
    if not np.isfinite(matrix).all():
        return 0
    rows, columns = matrix.shape
    work.spend(rows * columns**2 + columns**3 / 3)
    wide = matrix.astype(np.float64)
    gram = wide.T @ wide
    zero_ratio = (max(matrix.shape) * _EPS) ** 2
    highest = float(np.abs(gram).sum(axis=1).max(initial=0.0))  # no eigenvalue is above this
    if highest == 0.0:
        return 0
    try:  # ten times as fast; where it succeeds, all eigenvalues are above the limit
        np.linalg.cholesky(gram - zero_ratio * highest * np.eye(len(gram)))
    except np.linalg.LinAlgError:
        work.spend(_EIGENVALUES * columns**3)
        squares = np.linalg.eigvalsh(gram)
        return int(np.count_nonzero(squares > zero_ratio * squares[-1]))
    return len(gram)
