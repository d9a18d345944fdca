"""The least concave function above the time of a transfer: what a split solver can bound with.

With slow start the time of a message jumps by a stall each time that it needs one window more, and
rises in between with the rate of the link. Windows double, so the jumps thin out and a concave
piecewise-linear function follows them closely from above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.core.network.wire import INITIAL_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS, MSS_BYTES

SIZES_PER_FACTOR = 8
"""Sizes between the jumps, for each doubling."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A concave piecewise-linear function of time against bytes, ascending in both."""

    n_bytes: tuple[int, ...]
    """Where its pieces meet, ascending; the first is the smallest message."""
    time_s: tuple[float, ...]
    """Its value there."""

    def at(self, n_bytes: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the time in seconds of messages of so many bytes, within the range it was built.

        Outside of it the outer pieces go on.
        """
        x = np.asarray(n_bytes, dtype=np.float64)
        inside = np.interp(x, self.n_bytes, self.time_s)
        if len(self.n_bytes) < 2:
            return np.asarray(inside)
        last = self.pieces[-1][1] * (x - self.n_bytes[-1])
        first = self.pieces[0][1] * (x - self.n_bytes[0])
        return np.asarray(
            inside
            + np.where(x > self.n_bytes[-1], last, 0)
            + np.where(x < self.n_bytes[0], first, 0)
        )

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """(intercept in seconds, slope in seconds per byte) of each line; their least is the time.

        A solver states them as ``time <= intercept + slope * bytes`` for an upper bound.
        """
        found = []
        for index in range(1, len(self.n_bytes)):
            run = self.n_bytes[index] - self.n_bytes[index - 1]
            slope = (self.time_s[index] - self.time_s[index - 1]) / run
            found.append((self.time_s[index] - slope * self.n_bytes[index], slope))
        return tuple(found)


def sizes_to(max_bytes: int, head_bytes: int = 0) -> tuple[int, ...]:
    """Return the bodies at which the time must be known: around its jumps, and between.

    Parameters
    ----------
    max_bytes
        Largest body.
    head_bytes
        What is sent before the body, which brings the jumps nearer.
    """
    found = {1, max_bytes}
    packets, window = INITIAL_WINDOW_SEGMENTS, INITIAL_WINDOW_SEGMENTS
    while packets * MSS_BYTES < max_bytes + head_bytes:
        found |= {packets * MSS_BYTES - head_bytes, packets * MSS_BYTES - head_bytes + 1}
        window = min(2 * window, MAX_WINDOW_SEGMENTS)
        packets += window if window < MAX_WINDOW_SEGMENTS else max(window, packets)
    between = np.geomspace(1, max_bytes, 2 + int(SIZES_PER_FACTOR * np.log2(max(2, max_bytes))))
    found |= {int(size) for size in between}
    return tuple(sorted(size for size in found if 1 <= size <= max_bytes))


def concave_envelope(n_bytes: Sequence[int], time_s: Sequence[float]) -> Envelope:
    """Return the least concave function that is nowhere below the points.

    Parameters
    ----------
    n_bytes
        Ascending, each once.

    Source: upper hull of the points, Andrew's monotone chain (1979).
    """
    hull: list[tuple[int, float]] = []
    highest = 0.0
    for size, time in zip(n_bytes, time_s, strict=True):
        highest = max(highest, time)  # more bytes never take less time
        while len(hull) >= 2 and _is_below(hull[-2], hull[-1], (size, highest)):
            hull.pop()
        hull.append((size, highest))
    return Envelope(tuple(size for size, _ in hull), tuple(time for _, time in hull))


def _is_below(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0])


def envelope_of(time_of: Callable[[int], float], max_bytes: int, head_bytes: int = 0) -> Envelope:
    """Return the envelope of a time that is asked for at the sizes that matter.

    Parameters
    ----------
    time_of
        Body in bytes -> seconds, never falling.
    """
    sizes = sizes_to(max_bytes, head_bytes)
    return concave_envelope(sizes, [time_of(size) for size in sizes])
