"""Acknowledgements and timers of a sender: what they tell of lost packets, and what it does then.

Source: net/ipv4/tcp_input.c, tcp_recovery.c and tcp_timer.c of Linux 6.1; RFC 6675 (SACK), RFC
8985 (RACK and TLP), RFC 6937 (PRR), RFC 6298 (RTO).
"""

from __future__ import annotations

import numpy as np

from placer.core.network import bbr, cubic
from placer.core.network.connection import (
    LOSS,
    NEVER,
    OPEN,
    RECOVERY,
    Bools,
    Floats,
    Ints,
    rto_s,
)
from placer.core.network.flow import PROBE, REORDER, RETRANSMIT, Flow
from placer.core.network.sending import probe, recover
from placer.core.network.wire import DUPLICATE_ACKS, MAX_RTO_S, MIN_RTO_S, REORDER_RATIO, TICK_S

MAX_BACKOFF = 2.0**20
"""No timeout is longer than MAX_RTO_S, whatever doubles."""
SLOT_STEP = 0.6180339887498949
"""Golden ratio less 1: moves a connection to another place between two slots of the wheel."""


def acknowledge(f: Flow, where: Bools) -> None:
    """Handle one acknowledgement of each connection in `where`."""
    c, m, rows = f.c, f.m, f.rows
    now_s = m.now_s
    at = rows * (f.packets + 1) + m.read
    packet = m.packet.reshape(-1)[at]
    again = m.is_again.reshape(-1)[at]
    before = m.holes_before.reshape(-1)[at]
    m.read += where
    m.acked += where
    m.in_flight -= where
    m.is_refused &= ~where
    c.delivered += where
    rtt_s = np.where(where & ~again, now_s - m.sent_s.reshape(-1)[at], np.nan)
    _follow_rtt(f, where & ~again, rtt_s)
    # what was lost before the packet
    open_hole = where & (before > m.found)
    losses = np.zeros(len(rows))
    if open_hole.any():
        m.duplicates += open_hole
        finds = open_hole & ((m.duplicates >= DUPLICATE_ACKS) | (c.state != OPEN))
        losses = np.where(finds, before - m.found, 0).astype(np.float64)
        m.found = np.where(finds, before, m.found)
        m.in_flight -= losses
        m.duplicates[finds] = 0.0
        m.last_holes = np.where(open_hole, before, m.last_holes)
    begins = (losses > 0) & (c.state == OPEN)
    if begins.any():
        recover(f, begins)
    recovering = where & (c.state != OPEN)
    ends = np.zeros(len(rows), dtype=np.bool_)
    if recovering.any():
        m.missing -= recovering & ~begins & (packet < m.high)
        ends = recovering & ~begins & (m.missing <= 0)
        if not f.is_bbr:
            _reduce(f, recovering & ~ends & (c.state == RECOVERY), again, losses)
            c.cwnd = np.where(ends & (c.state == RECOVERY), c.ssthresh, c.cwnd)
        c.state[ends] = OPEN
    probed = where & again & (packet == m.probe_packet)
    if probed.any():
        m.probe_packet[probed] = -1
        if not f.is_bbr:  # the probe repaired a loss
            repairs = probed & (c.state == OPEN) & (m.found <= m.repaired)
            cubic.reduced(c, repairs)
            c.cwnd = np.where(repairs, c.ssthresh, c.cwnd)
    m.has_probed &= ~where
    if f.is_bbr:
        _sample(f, where, at, rtt_s, losses)
    else:
        grows = where & (c.state != RECOVERY)
        cubic.acknowledged(c, grows, now_s, rtt_s, m.in_flight)
        c.is_limited &= ~(where & (m.acked > m.limit_mark))
    if (m.backoff > 1).any():
        m.backoff[where] = 1.0
    _arm(f, where, begins, ends, again)


def _follow_rtt(f: Flow, where: Bools, rtt_s: Floats) -> None:
    c, m = f.c, f.m
    error_s = rtt_s - c.srtt_s
    c.srtt_s = np.where(where, c.srtt_s + error_s / 8, c.srtt_s)
    rounds = where & (m.acked >= m.rtt_mark)  # its spread decays once for each round trip
    wide = where & (np.abs(error_s) > c.rttvar_s)
    spread_s = c.rttvar_s + (np.abs(error_s) - c.rttvar_s) / 4
    c.rttvar_s = np.where(rounds | wide, spread_s, c.rttvar_s)
    m.rtt_mark = np.where(rounds, m.acked + m.in_flight, m.rtt_mark)
    c.min_rtt_s = np.where(where, np.minimum(c.min_rtt_s, rtt_s), c.min_rtt_s)


def _reduce(f: Flow, where: Bools, again: Bools, losses: Floats) -> None:
    """Set the window during a fast recovery (RFC 6937)."""
    c, m = f.c, f.m
    m.prr_delivered += where
    ssthresh = np.where(where, c.ssthresh, 0.0)
    room = ssthresh - m.in_flight
    share = np.ceil(ssthresh * m.prr_delivered / np.maximum(m.prior_cwnd, 1.0)) - m.prr_out
    catch_up = np.maximum(m.prr_delivered - m.prr_out, 1.0) + (again & (losses == 0))
    send = np.where(room < 0, share, np.minimum(room, catch_up))
    send = np.maximum(send, np.where(m.prr_out > 0, 0.0, 1.0))
    c.cwnd = np.where(where, m.in_flight + send, c.cwnd)


def _sample(f: Flow, where: Bools, at: Ints, rtt_s: Floats, losses: Floats) -> None:
    """Take a sample of the rate of delivery (tcp_rate.c) and let BBR use it."""
    c, m = f.c, f.m
    sent_s = m.sent_s.reshape(-1)[at]
    delivered_before = m.rate_delivered.reshape(-1)[at]
    send_s = sent_s - m.rate_first_s.reshape(-1)[at]
    ack_s = m.now_s - m.rate_delivered_s.reshape(-1)[at]
    interval_s = np.maximum(send_s, ack_s)
    c.first_sent_s = np.where(where, sent_s, c.first_sent_s)
    c.delivered_s = np.where(where, m.now_s, c.delivered_s)
    c.limited_until = np.where(where & (c.delivered > c.limited_until), 0.0, c.limited_until)
    is_known = where & (interval_s >= c.min_rtt_s)
    rate = np.where(
        is_known, (c.delivered - delivered_before) / np.where(is_known, interval_s, 1.0), np.nan
    )
    bbr.acknowledged(
        c,
        where,
        m.now_s,
        rate=rate,
        is_app_limited=m.rate_limited.reshape(-1)[at],
        sent_delivered=delivered_before,
        rtt_s=rtt_s,
        losses=losses,
        in_flight=m.in_flight,
        draws=m.slot,
    )


def _arm(f: Flow, where: Bools, begins: Bools, ends: Bools, again: Bools) -> None:
    c, m = f.c, f.m
    is_open = where & (c.state == OPEN)
    waits = is_open & (m.duplicates > 0)
    moves = where & (is_open | begins | ends | again)
    m.armed_s = np.where(moves, m.now_s, m.armed_s)
    m.timer = np.where(
        moves, np.where(waits, REORDER, np.where(is_open, PROBE, RETRANSMIT)), m.timer
    )
    m.armed_s = np.where(where & (m.acked >= m.next), NEVER, m.armed_s)


def timeouts_s(f: Flow) -> Floats:
    """Return after which silence the timer of each connection would fire, without its lateness."""
    c, m = f.c, f.m
    silent_s = np.minimum(rto_s(c) * m.backoff, MAX_RTO_S)
    extra_s = np.where(m.in_flight == 1, MIN_RTO_S, 2 * TICK_S)  # tcp_schedule_loss_probe
    silent_s = np.where(m.timer == PROBE, np.minimum(silent_s, 2 * c.srtt_s + extra_s), silent_s)
    return np.where(m.timer == REORDER, REORDER_RATIO * c.min_rtt_s, silent_s)


def expire(f: Flow, where: Bools) -> None:
    """Handle the timers that fire."""
    c, m, rows = f.c, f.m, f.rows
    pending = m.read < m.written  # an acknowledgement is on its way all the same
    reorders = where & (m.timer == REORDER)
    if reorders.any():
        losses = np.where(reorders, m.last_holes - m.found, 0)
        m.in_flight -= losses
        m.found = np.where(reorders, m.last_holes, m.found)
        m.duplicates[reorders] = 0.0
        recover(f, reorders)
        if not f.is_bbr:
            _reduce(f, reorders, np.zeros(len(rows), dtype=np.bool_), losses.astype(np.float64))
    probes = where & (m.timer == PROBE)
    if probes.any():
        probe(f, probes & ~pending)
        m.has_probed |= probes
    fails = where & (m.timer == RETRANSMIT)
    dead = fails & ~pending
    if dead.any():
        if f.is_bbr:
            bbr.saved(c, dead)
            bbr.timed_out(c, dead)
        else:
            cubic.reduced(c, dead & (c.state != LOSS))
            cubic.forget(c, dead)
        c.state[dead] = LOSS
        c.cwnd[dead] = 1.0
        m.in_flight[dead] = 0.0
        m.found = np.where(dead, m.holes, m.found)
        m.duplicates[dead] = 0.0
        m.high = np.where(dead, m.next, m.high)
        m.missing = np.where(dead, m.next - m.acked, m.missing)
    m.backoff = np.where(fails, np.minimum(2 * m.backoff, MAX_BACKOFF), m.backoff)
    m.armed_s = np.where(where, m.now_s, m.armed_s)
    m.timer = np.where(where, RETRANSMIT, m.timer)
    m.slot = np.where(where, (m.slot + SLOT_STEP) % 1.0, m.slot)
