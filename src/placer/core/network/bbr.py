"""BBR, version 1, on many connections at once.

Source: net/ipv4/tcp_bbr.c and tcp_rate.c of Linux 6.1, whose constants these are; Cardwell et al.,
ACM Queue 14 (2016). Left out: policer detection (lt_bw) and the allowance for aggregated
acknowledgements, which a link without either never uses.
"""

from __future__ import annotations

import numpy as np

from placer.core.network.connection import (
    BBR_ROUNDS,
    LOSS,
    OPEN,
    RECOVERY,
    Bools,
    Connections,
    Floats,
    Ints,
    some,
)
from placer.core.network.wire import INITIAL_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS

STARTUP, DRAIN, PROBE_RATE, PROBE_RTT = 0, 1, 2, 3
HIGH_GAIN = 2885 / 1000 + 1 / 256
"""2 / ln 2, as the kernel rounds it."""
DRAIN_GAIN = 88 / 256
CYCLE = np.array([1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
CWND_GAIN = 2.0
PACING_RATIO = 0.99
"""The pacing rate stays 1 % below the rate found."""
FULL_GROWTH = 1.25
"""The pipe counts as full after three rounds without such growth."""
FULL_ROUNDS = 3
MIN_CWND = 4.0
FLOOR_WINDOW_S = 10.0
PROBE_RTT_S = 0.2
UNPACED_PACKETS = 10
"""The first ten packets of a connection are not paced (tcp_output.c)."""


def opened(c: Connections) -> None:
    """Pace the first window over a round trip."""
    c.gain[:] = HIGH_GAIN
    c.pacing = PACING_RATIO * HIGH_GAIN * INITIAL_WINDOW_SEGMENTS / c.srtt_s
    c.round_mark[:] = 0


def started(c: Connections, where: Bools, now_s: Floats) -> None:
    """Begin to send after a pause."""
    c.restarts |= where
    in_cycle = where & (c.mode == PROBE_RATE)
    np.putmask(c.pacing, in_cycle, PACING_RATIO * c.rate)
    _end_probe(c, where & (c.mode == PROBE_RTT), now_s)


def paced(c: Connections, where: Bools, now_s: Floats) -> None:
    """Set when the next packet may go after one was sent now."""
    before_s = np.where(where, c.pace_s, now_s)
    begins_s = np.maximum(before_s, now_s)
    length_s = 1 / c.pacing
    length_s = length_s - np.minimum(length_s / 2, begins_s - before_s)
    length_s = np.where(c.segments_out > UNPACED_PACKETS, length_s, 0.0)
    np.putmask(c.pace_s, where, begins_s + length_s)


def _target(c: Connections, rate: Floats, gain: Floats | float) -> Floats:
    """Return the window that fills the pipe so many times, with the kernel's allowance."""
    packets = np.ceil(rate * c.floor_rtt_s * gain) + 3.0  # three bursts of one packet
    packets = 2 * np.ceil(packets / 2)  # even; the remainder of floats is slow
    return np.where(np.isinf(c.floor_rtt_s), float(INITIAL_WINDOW_SEGMENTS), packets)


def acknowledged(
    c: Connections,
    where: Bools,
    now_s: Floats,
    *,
    rate: Floats,
    is_app_limited: Bools,
    sent_delivered: Floats,
    rtt_s: Floats,
    losses: Floats,
    in_flight: Floats,
    draws: Floats,
) -> None:
    """Update the model of the path with one acknowledged packet, then pacing and window.

    Parameters
    ----------
    rate
        Delivery rate of the sample, packets per second; NaN: none.
    is_app_limited
        The application had held the sample back.
    sent_delivered
        Packets delivered when this one was sent.
    rtt_s
        NaN: none.
    losses
        Packets newly found to be lost.
    in_flight
        After the acknowledgement.
    draws
        Uniform random numbers, for the phase at which a cycle begins.
    """
    is_round = where & (sent_delivered >= c.round_mark)
    if some(is_round):
        np.putmask(c.round_mark, is_round, c.delivered)
        c.rounds += is_round
        c.conserves &= ~is_round
        rows = np.flatnonzero(is_round)
        c.rates[rows, c.rounds[rows] % BBR_ROUNDS] = 0.0
        c.rate[rows] = c.rates[rows].max(axis=1)
    takes = where & (~is_app_limited | (rate >= c.rate)) & (rate > 0)
    slots = np.arange(len(rate)), c.rounds % BBR_ROUNDS
    found = c.rates[slots]
    np.putmask(found, takes, np.fmax(found, rate))
    c.rates[slots] = found
    c.rate = np.maximum(c.rate, found)
    _cycle(c, where & (c.mode == PROBE_RATE), now_s, losses, in_flight)
    checks = is_round & ~c.is_full & ~is_app_limited
    if some(checks):
        grows = checks & (c.rate >= FULL_GROWTH * c.full_rate)
        np.putmask(c.full_rate, grows, c.rate)
        c.full_count = np.where(grows, 0, c.full_count + (checks & ~grows))
        c.is_full |= c.full_count >= FULL_ROUNDS
    drains = where & (c.mode == STARTUP) & c.is_full
    if some(drains):
        np.putmask(c.mode, drains, DRAIN)
        np.putmask(c.gain, drains, DRAIN_GAIN)
    draining = where & (c.mode == DRAIN)
    if some(draining):
        _begin_cycle(c, draining & (in_flight <= _target(c, c.rate, 1.0)), now_s, draws)
    _floor(c, where, now_s, rtt_s, in_flight, is_round, draws)
    wanted = PACING_RATIO * c.gain * c.rate
    c.pacing = np.where(where & (wanted > 0) & (c.is_full | (wanted > c.pacing)), wanted, c.pacing)
    _window(c, where, losses, in_flight)


def _cycle(c: Connections, where: Bools, now_s: Floats, losses: Floats, in_flight: Floats) -> None:
    if not some(where):
        return
    is_long = now_s - c.cycle_s > c.floor_rtt_s
    up = is_long & ((losses > 0) | (in_flight >= _target(c, c.rate, c.gain)))
    down = is_long | (in_flight <= _target(c, c.rate, 1.0))
    moves = where & np.where(c.gain > 1, up, np.where(c.gain < 1, down, is_long))
    np.putmask(c.cycle, moves, (c.cycle + 1) % len(CYCLE))
    np.putmask(c.cycle_s, moves, now_s)
    np.putmask(c.gain, where, CYCLE[c.cycle])


def _begin_cycle(c: Connections, where: Bools, now_s: Floats, draws: Floats) -> None:
    np.putmask(c.mode, where, PROBE_RATE)
    # the kernel draws any phase but that of 0.75
    first: Ints = (len(CYCLE) - np.floor(draws * (len(CYCLE) - 1)).astype(np.int64)) % len(CYCLE)
    np.putmask(c.cycle, where, first)
    np.putmask(c.cycle_s, where, now_s)
    np.putmask(c.gain, where, CYCLE[c.cycle])


def _floor(
    c: Connections,
    where: Bools,
    now_s: Floats,
    rtt_s: Floats,
    in_flight: Floats,
    is_round: Bools,
    draws: Floats,
) -> None:
    """Follow the least round trip; where it is old, empty the pipe to see it again."""
    is_old = now_s - c.floor_s > FLOOR_WINDOW_S
    lower = where & ((rtt_s < c.floor_rtt_s) | (is_old & (rtt_s > 0)))
    np.putmask(c.floor_rtt_s, lower, rtt_s)
    np.putmask(c.floor_s, lower, now_s)
    probes = where & is_old & ~c.restarts & (c.mode != PROBE_RTT)
    if some(probes):
        np.putmask(c.saved_cwnd, probes, np.maximum(c.saved_cwnd, c.cwnd))
        np.putmask(c.mode, probes, PROBE_RTT)
        np.putmask(c.gain, probes, 1.0)
        np.putmask(c.probe_done_s, probes, np.nan)
    probing = where & (c.mode == PROBE_RTT)
    if some(probing):
        np.putmask(c.limited_until, probing, c.delivered + in_flight)
        reaches = probing & np.isnan(c.probe_done_s) & (in_flight <= MIN_CWND)
        c.probe_round_done |= probing & is_round & ~np.isnan(c.probe_done_s)
        np.putmask(c.probe_done_s, reaches, now_s + PROBE_RTT_S)
        c.probe_round_done &= ~reaches
        np.putmask(c.round_mark, reaches, c.delivered)
        _end_probe(c, probing & c.probe_round_done, now_s, draws)
    c.restarts &= ~where


def _end_probe(c: Connections, where: Bools, now_s: Floats, draws: Floats | None = None) -> None:
    done = where & (now_s > c.probe_done_s)
    if not some(done):
        return
    np.putmask(c.floor_s, done, now_s)
    np.putmask(c.cwnd, done, np.maximum(c.cwnd, c.saved_cwnd))
    np.putmask(c.probe_done_s, done, np.nan)
    _begin_cycle(c, done & c.is_full, now_s, np.zeros(len(now_s)) if draws is None else draws)
    again = done & ~c.is_full
    np.putmask(c.mode, again, STARTUP)
    np.putmask(c.gain, again, HIGH_GAIN)


def _window(
    c: Connections,
    where: Bools,
    losses: Floats,
    in_flight: Floats,
) -> None:
    begins = (c.state == RECOVERY) & (c.seen_state != RECOVERY)
    ends = (c.state == OPEN) & (c.seen_state != OPEN)
    np.putmask(c.seen_state, where, c.state)
    cwnd = np.where(losses > 0, np.maximum(c.cwnd - losses, 1.0), c.cwnd)
    starts = where & begins
    c.conserves |= starts
    np.putmask(c.round_mark, starts, c.delivered)
    cwnd = np.where(starts, in_flight + 1, cwnd)
    leaves = where & ends
    cwnd = np.where(leaves, np.maximum(cwnd, c.saved_cwnd), cwnd)
    c.conserves &= ~leaves
    gain = np.where(
        c.mode == PROBE_RATE,
        CWND_GAIN,
        np.where(c.mode == PROBE_RTT, 1.0, HIGH_GAIN),
    )
    target = _target(c, c.rate, gain)
    target = target + np.where((c.mode == PROBE_RATE) & (c.cycle == 0), 2.0, 0.0)
    grown = np.where(
        c.is_full,
        np.minimum(cwnd + 1, target),
        np.where((cwnd < target) | (c.delivered < INITIAL_WINDOW_SEGMENTS), cwnd + 1, cwnd),
    )
    grown = np.maximum(grown, MIN_CWND)
    cwnd = np.where(c.conserves, np.maximum(cwnd, in_flight + 1), grown)
    cwnd = np.where(c.mode == PROBE_RTT, np.minimum(cwnd, MIN_CWND), cwnd)
    np.putmask(c.cwnd, where, np.minimum(cwnd, MAX_WINDOW_SEGMENTS))


def saved(c: Connections, where: Bools) -> None:
    """Remember the window before a recovery."""
    keeps = (c.state == OPEN) & (c.mode != PROBE_RTT)
    window = np.where(keeps, c.cwnd, np.maximum(c.saved_cwnd, c.cwnd))
    np.putmask(c.saved_cwnd, where, window)


def timed_out(c: Connections, where: Bools) -> None:
    """Find the rate anew after a retransmission timeout."""
    np.putmask(c.full_rate, where, 0.0)
    np.putmask(c.seen_state, where, LOSS)
