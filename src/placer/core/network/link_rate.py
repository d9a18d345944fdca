"""The rate of a link from how many bytes had arrived at which time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from placer.core.network.wire import MSS_BYTES, PACKET_BYTES

Floats = npt.NDArray[np.float64]

WINDOW_S = 0.1
"""Rates are taken over windows of this and of a round trip at least; in short transfers of half."""
WANTED_WINDOWS = 30
"""A transfer that is too short for so many has shorter windows: slow start takes some of them."""
LEAST_WINDOWS = 5
LEAST_WINDOWS_P5 = 20
"""Windows from which the 5th percentile is told."""
FEW_WINDOWS, FEW_QUANTILE = 10, 0.75
"""With fewer windows this quantile is taken for the median: a flow that has just filled the queue
loses packets and leaves gaps, and no window holds more than the link carries."""
LEAST_WINDOW_S = 0.02
PLATEAU_RATIO = 0.9
"""Slow start is over where a window reaches this share of the fastest tenth."""
QUEUE_S, QUEUE_RATIO = 1e-3, 0.05
"""A flow whose round trip is this longer than that of the path, or this share of it, finds a queue
before it: the link is full."""
WAITING_RATIO = 0.9
"""Share of a window in which that is seen, from which the window counts as full."""
HELD_RATIO = 0.25
"""Share of a window for which a receiver may hold the flows back, if the window is to count."""
PAUSE_PACKETS = 4
"""So many packets' time without any is a pause: a link that is full has none."""


@dataclass(frozen=True, slots=True)
class LinkRate:
    """Rate of a link, of packets with their headers."""

    median_bytes_per_s: float
    p5_bytes_per_s: float | None
    """5th percentile of the windows in which the flows kept the link busy; None: too few."""
    windows: int
    window_s: float
    is_seen_full: bool
    """Whether a queue was seen in all windows; else nobody could tell."""
    paused_ratio: float = 0.0
    """Share of the time, after slow start, in pauses: nothing arrived."""


def link_rate(
    times_s: Sequence[float] | Floats,
    arrived_bytes: Sequence[float] | Floats,
    *,
    rtt_s: float,
    flow_rtt_s: Sequence[float] | Floats | None = None,
    in_flight_bytes: Sequence[float] | Floats | None = None,
    held_s: Sequence[float] | Floats | None = None,
    least_window_s: float = LEAST_WINDOW_S,
) -> LinkRate | str:
    """Return the rate while the link was full, or why it cannot be told.

    A window counts where a queue was seen in it: what the flows had to wait more than the path's
    round trip. Without that, all windows after slow start count.

    Parameters
    ----------
    times_s
        Ascending, shape (n,).
    arrived_bytes
        Payload of TCP that had arrived by then, of all connections together, shape (n,).
    rtt_s
        Round trip of the path without load.
    flow_rtt_s
        Round trip of the slowest of the flows at those times, shape (n,); None: not known.
    in_flight_bytes
        What was on its way at those times, of all flows together, shape (n,); None: not known.
        Where it falls below what the path holds at the median rate (rate x round trip), a flow that
        lost packets leaves the link idle: such a window tells nothing of the link's slow end.
    held_s
        For how long the receiver, which did not read, had held the flows back by then, mean of the
        flows, shape (n,); None: not known. What waits for the receiver looks like a queue.
    least_window_s
        Shortest window: what lies between two times.
    """
    times = np.asarray(times_s, dtype=np.float64)
    arrived = np.asarray(arrived_bytes, dtype=np.float64)
    moves = np.flatnonzero(np.diff(arrived) > 0)
    if len(moves) < 2:
        return "too few bytes were moved"
    first, last = moves[0], moves[-1] + 1
    span_s = float(times[last] - times[first])
    window_s = max(WINDOW_S, rtt_s)
    if span_s < WANTED_WINDOWS * window_s:
        window_s = max(least_window_s, rtt_s / 2, span_s / WANTED_WINDOWS)
    edges = times[first] + window_s * np.arange(int(span_s / window_s + 1e-9) + 1)
    if len(edges) <= LEAST_WINDOWS:
        return f"the transfer was over in {1e3 * span_s:.0f} ms"
    rates = np.diff(np.interp(edges, times, arrived)) / window_s
    if flow_rtt_s is None:
        is_full = np.ones(len(rates), dtype=np.bool_)
        said = f"it still grew when the transfer was over after {1e3 * span_s:.0f} ms"
    else:
        is_full = _is_full(times, edges, np.asarray(flow_rtt_s, dtype=np.float64), rtt_s)
        reached = 8e-6 * float(np.median(rates))
        said = f"the link was hardly ever full, {reached:.3g} Mbit/s reached: it may carry more"
    if held_s is not None:
        held = np.diff(np.interp(edges, times, np.asarray(held_s, dtype=np.float64)))
        is_held = held > HELD_RATIO * window_s
        if np.count_nonzero(is_full & ~is_held) < LEAST_WINDOWS and is_held.any():
            said = "the server reads more slowly than the link carries"
        is_full &= ~is_held
    if not is_full.any():
        return said
    # in slow start bursts queue as well, although the link is not full between them
    high = float(np.quantile(rates[is_full], 0.9))
    begins = int(np.argmax(is_full & (rates >= PLATEAU_RATIO * high)))
    full = rates[begins:][is_full[begins:]]
    counted = is_full.copy()
    counted[:begins] = False
    if len(full) < LEAST_WINDOWS:
        return said
    packets = PACKET_BYTES / MSS_BYTES
    few = len(full) < FEW_WINDOWS
    median = float(np.quantile(full, FEW_QUANTILE if few else 0.5))
    busy = full
    if in_flight_bytes is not None:
        least_bytes = _least_in(edges, times, np.asarray(in_flight_bytes, dtype=np.float64))
        busy = rates[counted & (least_bytes >= median * rtt_s)]
    p5 = float(np.quantile(busy, 0.05)) if len(busy) >= LEAST_WINDOWS_P5 else None
    return LinkRate(
        median * packets,
        None if p5 is None else min(p5, median) * packets,
        len(full),
        window_s,
        flow_rtt_s is not None,
        _paused_ratio(times, arrived, float(edges[begins]), PAUSE_PACKETS * MSS_BYTES / median),
    )


def _paused_ratio(times: Floats, arrived: Floats, start_s: float, pause_s: float) -> float:
    """Return the share of the time from a start to the last byte in which nothing arrived.

    Parameters
    ----------
    pause_s
        Shortest pause. Times that are further apart than that are taken as they are.
    """
    end = int(np.searchsorted(arrived, arrived[-1]))
    begin = int(np.searchsorted(times, start_s))
    tick_s = float(np.median(np.diff(times)))
    every = max(1, math.ceil(pause_s / tick_s)) if tick_s > 0 else 1
    at, bytes_ = times[begin : end + 1 : every], arrived[begin : end + 1 : every]
    if len(at) < 2:
        return 0.0
    lasts_s = np.diff(at)
    return float(lasts_s[np.diff(bytes_) <= 0].sum() / lasts_s.sum())


def _least_in(edges: Floats, times: Floats, values: Floats) -> Floats:
    """Return the least of the values at the times within each window, shape (windows,)."""
    places = np.searchsorted(times, edges)
    return np.array([values[max(0, start - 1) : end + 1].min() for start, end in pairwise(places)])


def _is_full(
    times: Floats, edges: Floats, flow_rtt_s: Floats, rtt_s: float
) -> npt.NDArray[np.bool_]:
    """Return in which windows the flows found a queue before them nearly all the time."""
    waits = flow_rtt_s >= rtt_s + max(QUEUE_S, QUEUE_RATIO * rtt_s)
    waiting, all_ = (
        np.diff(np.interp(edges, times, np.cumsum(one))) for one in (waits, np.ones(len(times)))
    )
    return np.asarray(waiting > WAITING_RATIO * all_, dtype=np.bool_)
