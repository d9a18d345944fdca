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
    some,
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
    if some(open_hole):
        m.duplicates += open_hole
        finds = open_hole & ((m.duplicates >= DUPLICATE_ACKS) | (c.state != OPEN))
        losses = ((before - m.found) * finds).astype(np.float64)
        np.putmask(m.found, finds, before)
        m.in_flight -= losses
        m.duplicates[finds] = 0.0
        np.putmask(m.last_holes, open_hole, before)
    begins = (losses > 0) & (c.state == OPEN)
    if some(begins):
        recover(f, begins)
    recovering = where & (c.state != OPEN)
    ends = np.zeros(len(rows), dtype=np.bool_)
    if some(recovering):
        m.missing -= recovering & ~begins & (packet < m.high)
        ends = recovering & ~begins & (m.missing <= 0)
        if not f.is_bbr:
            _reduce(f, recovering & ~ends & (c.state == RECOVERY), again, losses)
            np.putmask(c.cwnd, ends & (c.state == RECOVERY), c.ssthresh)
        c.state[ends] = OPEN
    probed = where & again & (packet == m.probe_packet)
    if some(probed):
        m.probe_packet[probed] = -1
        if not f.is_bbr:  # the probe repaired a loss
            repairs = probed & (c.state == OPEN) & (m.found <= m.repaired)
            cubic.reduced(c, repairs)
            np.putmask(c.cwnd, repairs, c.ssthresh)
    m.has_probed &= ~where
    if f.is_bbr:
        _sample(f, where, at, rtt_s, losses)
    else:
        grows = where & (c.state != RECOVERY)
        cubic.acknowledged(c, grows, now_s, rtt_s, m.in_flight)
        c.is_limited &= ~(where & (m.acked > m.limit_mark))
    if some(m.backoff > 1):
        m.backoff[where] = 1.0
    _arm(f, where, begins, ends, again)


def _follow_rtt(f: Flow, where: Bools, rtt_s: Floats) -> None:
    c, m = f.c, f.m
    error_s = rtt_s - c.srtt_s
    np.putmask(c.srtt_s, where, c.srtt_s + error_s / 8)
    rounds = where & (m.acked >= m.rtt_mark)  # its spread decays once for each round trip
    wide = where & (np.abs(error_s) > c.rttvar_s)
    spread_s = c.rttvar_s + (np.abs(error_s) - c.rttvar_s) / 4
    np.putmask(c.rttvar_s, rounds | wide, spread_s)
    np.putmask(m.rtt_mark, rounds, m.acked + m.in_flight)
    np.putmask(c.min_rtt_s, where, np.minimum(c.min_rtt_s, rtt_s))


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
    np.putmask(c.cwnd, where, m.in_flight + send)


def _sample(f: Flow, where: Bools, at: Ints, rtt_s: Floats, losses: Floats) -> None:
    """Take a sample of the rate of delivery (tcp_rate.c) and let BBR use it."""
    c, m = f.c, f.m
    sent_s = m.sent_s.reshape(-1)[at]
    delivered_before = m.rate_delivered.reshape(-1)[at]
    send_s = sent_s - m.rate_first_s.reshape(-1)[at]
    ack_s = m.now_s - m.rate_delivered_s.reshape(-1)[at]
    interval_s = np.maximum(send_s, ack_s)
    np.putmask(c.first_sent_s, where, sent_s)
    np.putmask(c.delivered_s, where, m.now_s)
    np.putmask(c.limited_until, where & (c.delivered > c.limited_until), 0.0)
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
    np.putmask(m.armed_s, moves, m.now_s)
    np.putmask(m.timer, moves, np.where(waits, REORDER, np.where(is_open, PROBE, RETRANSMIT)))
    np.putmask(m.armed_s, where & (m.acked >= m.next), NEVER)


def timeouts_s(f: Flow, rows: Ints) -> Floats:
    """Return after which silence the timer of some connections would fire, without its lateness."""
    c, m = f.c, f.m
    timer, srtt_s = m.timer[rows], c.srtt_s[rows]
    silent_s = np.minimum(rto_s(srtt_s, c.rttvar_s[rows]) * m.backoff[rows], MAX_RTO_S)
    extra_s = np.where(m.in_flight[rows] == 1, MIN_RTO_S, 2 * TICK_S)  # tcp_schedule_loss_probe
    silent_s = np.where(timer == PROBE, np.minimum(silent_s, 2 * srtt_s + extra_s), silent_s)
    return np.where(timer == REORDER, REORDER_RATIO * c.min_rtt_s[rows], silent_s)


def expire(f: Flow, where: Bools) -> None:
    """Handle the timers that fire."""
    c, m, rows = f.c, f.m, f.rows
    pending = m.read < m.written  # an acknowledgement is on its way all the same
    reorders = where & (m.timer == REORDER)
    if some(reorders):
        losses = np.where(reorders, m.last_holes - m.found, 0)
        m.in_flight -= losses
        np.putmask(m.found, reorders, m.last_holes)
        m.duplicates[reorders] = 0.0
        recover(f, reorders)
        if not f.is_bbr:
            _reduce(f, reorders, np.zeros(len(rows), dtype=np.bool_), losses.astype(np.float64))
    probes = where & (m.timer == PROBE)
    if some(probes):
        probe(f, probes & ~pending)
        m.has_probed |= probes
    fails = where & (m.timer == RETRANSMIT)
    dead = fails & ~pending
    if some(dead):
        if f.is_bbr:
            bbr.saved(c, dead)
            bbr.timed_out(c, dead)
        else:
            cubic.reduced(c, dead & (c.state != LOSS))
            cubic.forget(c, dead)
        c.state[dead] = LOSS
        c.cwnd[dead] = 1.0
        m.in_flight[dead] = 0.0
        np.putmask(m.found, dead, m.holes)
        m.duplicates[dead] = 0.0
        np.putmask(m.high, dead, m.next)
        np.putmask(m.missing, dead, m.next - m.acked)
    np.putmask(m.backoff, fails, np.minimum(2 * m.backoff, MAX_BACKOFF))
    np.putmask(m.armed_s, where, m.now_s)
    np.putmask(m.timer, where, RETRANSMIT)
    np.putmask(m.slot, where, (m.slot + SLOT_STEP) % 1.0)
