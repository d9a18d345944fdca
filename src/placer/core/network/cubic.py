"""CUBIC with HyStart on many connections at once.

Source: RFC 9438; net/ipv4/tcp_cubic.c of Linux 6.1, whose constants these are.
"""

from __future__ import annotations

import numpy as np

from placer.core.network.connection import LOSS, Bools, Connections, Floats, some
from placer.core.network.wire import INITIAL_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS

BETA = 717 / 1024
"""What is left of the window after a loss."""
SCALE = 0.4
"""C of RFC 9438, packets per cubic second (bic_scale 41 gives 0.41)."""
RENO_ACKS = 8 * (1024 + 717) / 3 / (1024 - 717) / 8
"""Acknowledged windows for each packet that a Reno flow of the same loss would gain: 1.89."""
HYSTART_LOW_WINDOW = 16
HYSTART_SAMPLES = 8
HYSTART_MIN_S, HYSTART_MAX_S = 0.004, 0.016
HYSTART_TRAIN_S = 0.002
"""Acknowledgements closer than this belong to one train."""
IDLE_RATIO = 0.75
"""Share of the window below which slow start goes on after an idle time."""


def reduced(c: Connections, where: Bools) -> None:
    """Set the slow start threshold after a loss, and remember the window."""
    w_max = np.where(c.cwnd < c.w_max, c.cwnd * (1 + BETA) / 2, c.cwnd)
    np.putmask(c.w_max, where, w_max)
    np.putmask(c.ssthresh, where, np.maximum(np.floor(c.cwnd * BETA), 2.0))
    np.putmask(c.epoch_s, where, np.nan)


def forget(c: Connections, where: Bools) -> None:
    """Begin anew after a retransmission timeout."""
    np.putmask(c.w_max, where, 0.0)
    np.putmask(c.delay_min_s, where, np.inf)


def acknowledged(
    c: Connections, where: Bools, now_s: Floats, rtt_s: Floats, in_flight: Floats
) -> None:
    """Grow the window by one acknowledged packet.

    Parameters
    ----------
    where
        Connections that had an acknowledgement, outside of fast recovery.
    rtt_s
        Round trip of the packet; NaN where it had been sent twice.
    """
    is_fresh = where & (rtt_s > 0) & ~(now_s - c.epoch_s < 1.0)  # no samples right after a recovery
    np.putmask(c.delay_min_s, is_fresh, np.fmin(c.delay_min_s, rtt_s))
    is_slow = c.cwnd < c.ssthresh
    if some(is_fresh & is_slow):
        _hystart(
            c,
            is_fresh & is_slow & (c.cwnd >= HYSTART_LOW_WINDOW),
            where & is_slow,
            now_s,
            rtt_s,
            in_flight,
        )
        is_slow = c.cwnd < c.ssthresh
    grows = where & (c.is_limited | (is_slow & (c.cwnd < 2 * c.max_out)))
    slow = grows & is_slow
    c.cwnd += slow
    avoiding = grows & ~is_slow
    if some(avoiding):
        _avoid(c, avoiding, now_s)
    np.minimum(c.cwnd, MAX_WINDOW_SEGMENTS, out=c.cwnd)


def _hystart(
    c: Connections,
    counts: Bools,
    where: Bools,
    now_s: Floats,
    rtt_s: Floats,
    in_flight: Floats,
) -> None:
    """End slow start where the round trip grows, or a train of acknowledgements is long."""
    begins = where & (c.delivered > c.round_end)
    if some(begins):
        np.putmask(c.round_end, begins, c.delivered + in_flight)
        np.putmask(c.round_start_s, begins, now_s)
        np.putmask(c.round_last_s, begins, now_s)
        np.putmask(c.round_rtt_s, begins, np.inf)
        np.putmask(c.round_samples, begins, 0.0)
    is_train = counts & (now_s - c.round_last_s <= HYSTART_TRAIN_S)
    np.putmask(c.round_last_s, is_train, now_s)
    ends = is_train & (now_s - c.round_start_s > c.delay_min_s / 2)
    np.putmask(c.round_rtt_s, counts, np.fmin(c.round_rtt_s, rtt_s))
    is_enough = counts & (c.round_samples >= HYSTART_SAMPLES)
    c.round_samples += counts
    slack_s = np.clip(c.delay_min_s / 8, HYSTART_MIN_S, HYSTART_MAX_S)
    ends |= is_enough & (c.round_rtt_s > c.delay_min_s + slack_s)
    np.putmask(c.ssthresh, ends, c.cwnd)


def _avoid(c: Connections, where: Bools, now_s: Floats) -> None:
    begins = where & np.isnan(c.epoch_s)
    if some(begins):
        np.putmask(c.epoch_s, begins, now_s)
        np.putmask(c.reno_cwnd, begins, c.cwnd)
        np.putmask(c.reno_acks, begins, 0.0)
        c.k_s[begins] = np.cbrt(np.maximum(0.0, c.w_max[begins] - c.cwnd[begins]) / SCALE)
        np.putmask(c.origin, begins, np.maximum(c.w_max, c.cwnd))
    least_s = np.where(np.isinf(c.delay_min_s), 0.0, c.delay_min_s)
    since_s = now_s - c.epoch_s + least_s - c.k_s
    target = c.origin + SCALE * (since_s * since_s * since_s)  # a power of floats is slow
    count = np.where(target > c.cwnd, c.cwnd / np.maximum(target - c.cwnd, 1e-9), 100 * c.cwnd)
    unknown = c.w_max == 0
    if some(unknown):
        count = np.where(unknown, np.minimum(count, 20.0), count)
    # as a Reno flow would grow
    c.reno_acks += where
    step = c.cwnd * RENO_ACKS
    gains = where & (c.reno_acks > step)
    c.reno_acks -= step * gains
    c.reno_cwnd += gains
    ahead = c.reno_cwnd - c.cwnd
    count = np.where(ahead > 0, np.minimum(count, c.cwnd / np.maximum(ahead, 1e-9)), count)
    count = np.maximum(count, 2.0)
    c.credit += where
    full = where & (c.credit >= count)
    c.cwnd += full
    np.putmask(c.credit, full, 0.0)


def settle(c: Connections, loss_ratio: float) -> None:
    """Set the window that so much loss leaves in the long run.

    Source: RFC 9438, equations 5 (window of CUBIC) and, for its Reno-friendly region, the response
    function of Reno, ``sqrt(3 / 2 / p)``; the larger one holds.
    """
    of_cubic = 1.054 * (c.rtt_s / loss_ratio) ** 0.75
    window = np.maximum(of_cubic, np.sqrt(1.5 / loss_ratio))
    c.cwnd = np.clip(window, 2.0, MAX_WINDOW_SEGMENTS)
    c.ssthresh = c.cwnd.copy()
    c.w_max = c.cwnd * 2 / (1 + BETA)  # that mean lies between the window and what a loss leaves


def restarted(c: Connections, where: Bools, idle_s: Floats, rto_s: Floats) -> None:
    """Begin to send after a pause: longer than the timeout, with a small window (RFC 5681 4.1)."""
    np.putmask(c.epoch_s, where, c.epoch_s + np.maximum(0.0, idle_s))
    long = where & (idle_s > rto_s) & (c.state != LOSS)
    np.putmask(
        c.ssthresh, long & np.isfinite(c.ssthresh), np.maximum(c.ssthresh, IDLE_RATIO * c.cwnd)
    )
    halvings = np.floor(np.minimum(idle_s / rto_s, 60.0))
    least = np.minimum(float(INITIAL_WINDOW_SEGMENTS), c.cwnd)
    np.putmask(c.cwnd, long, np.maximum(least, np.floor(c.cwnd / 2**halvings)))
