"""The rate of a link from how many bytes had arrived at which time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.network.wire import MSS_BYTES, PACKET_BYTES

WINDOW_S = 0.1
"""Rates are taken over windows of this and of a round trip at least."""
LEAST_WINDOWS = 5
LEAST_WINDOWS_P5 = 20
"""Windows from which the 5th percentile is told."""
LEAST_WINDOW_S = 0.02
PLATEAU_RATIO = 0.8
"""Slow start is over where a window reaches this share of the fastest tenth."""
FLAT_RATIO = 0.75
"""A link that is full all the time has a 10th percentile of at least this share of the median."""


@dataclass(frozen=True, slots=True)
class LinkRate:
    """Rate of a link, of packets with their headers."""

    median_bytes_per_s: float
    p5_bytes_per_s: float | None
    """5th percentile of the windows; None: too few."""
    windows: int
    window_s: float
    is_flat: bool
    """Whether the windows differ so little that the link was full in nearly all of them."""


def link_rate(
    times_s: Sequence[float], arrived_bytes: Sequence[float], *, rtt_s: float
) -> LinkRate | str:
    """Return the rate after slow start, or why it cannot be told.

    Parameters
    ----------
    times_s
        Ascending, shape (n,).
    arrived_bytes
        Payload of TCP that had arrived by then, of all connections together, shape (n,).
    rtt_s
        Round trip of the path.
    """
    times = np.asarray(times_s, dtype=np.float64)
    arrived = np.asarray(arrived_bytes, dtype=np.float64)
    moves = np.flatnonzero(np.diff(arrived) > 0)
    if len(moves) < 2:
        return "too few bytes were moved"
    first, last = moves[0], moves[-1] + 1
    span_s = float(times[last] - times[first])
    window_s = max(WINDOW_S, rtt_s)
    if span_s < 2 * LEAST_WINDOWS * window_s:
        window_s = max(LEAST_WINDOW_S, rtt_s, span_s / (2 * LEAST_WINDOWS))
    edges = times[first] + window_s * np.arange(int(span_s / window_s + 1e-9) + 1)
    if len(edges) <= LEAST_WINDOWS:
        return f"the transfer was over in {1e3 * span_s:.0f} ms"
    rates = np.diff(np.interp(edges, times, arrived)) / window_s
    high = float(np.quantile(rates, 0.9))
    steady = rates[int(np.argmax(rates >= PLATEAU_RATIO * high)) :]
    if len(steady) < LEAST_WINDOWS:
        return f"it grew until {1e3 * span_s:.0f} ms, where the transfer was over"
    packets = PACKET_BYTES / MSS_BYTES
    median = float(np.median(steady))
    p5 = float(np.quantile(steady, 0.05)) if len(steady) >= LEAST_WINDOWS_P5 else None
    return LinkRate(
        median * packets,
        None if p5 is None else min(p5, median) * packets,
        len(steady),
        window_s,
        bool(np.quantile(steady, 0.1) >= FLAT_RATIO * median),
    )
