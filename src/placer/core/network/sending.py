"""Putting packets on the link, through the queue of the sending host.

What that queue refuses Linux sends again by itself after the next acknowledgement, with a smaller
window, and nothing is lost (tcp_transmit_skb, tcp_enter_cwr); measured so behind netem.
"""

from __future__ import annotations

import numpy as np

from placer.core.network import bbr, cubic
from placer.core.network.connection import NEVER, OPEN, RECOVERY, Bools, Ints, some
from placer.core.network.flow import PROBE, RETRANSMIT, Flow


def send(f: Flow, active: Bools) -> None:
    """Send one packet over each connection that may."""
    c, m, rows = f.c, f.m, f.rows
    has_again = m.repaired < m.found
    wants = active & (has_again | (m.next < f.packets))
    sends = wants & (m.in_flight < c.cwnd) & (has_again | ~m.is_refused)
    if f.is_bbr:
        sends &= c.pace_s <= m.now_s
    if not some(sends):
        return
    again = sends & has_again
    new = sends & ~has_again
    refused = new & (m.in_flight > 0) & (c.link_free_s - m.now_s > c.buffer_s)
    if some(refused):
        m.is_refused |= refused
        calm = refused & (c.state == OPEN)
        if some(calm):
            recover(f, calm)
        sends &= ~refused
        new &= ~refused
    packet = m.next.astype(np.int64)
    if some(again):
        holes = m.repaired * again
        packet = np.where(again, m.lost[rows, holes], packet)
        m.repaired += again
    _put(f, sends, new, packet, again)
    if f.is_bbr:
        return
    is_blocked = (sends | refused) & (m.next < f.packets) & (m.in_flight >= c.cwnd)
    c.is_limited |= is_blocked
    np.putmask(m.limit_mark, is_blocked, m.next)


def recover(f: Flow, where: Bools) -> None:
    """Begin a fast recovery, or the same reduction because the own queue is full (CWR)."""
    c, m = f.c, f.m
    np.putmask(m.prior_cwnd, where, c.cwnd)
    if f.is_bbr:
        bbr.saved(c, where)
    else:
        cubic.reduced(c, where)
    c.state[where] = RECOVERY
    np.putmask(m.high, where, m.next)
    np.putmask(m.missing, where, m.next - m.acked)
    m.prr_delivered[where] = 0.0
    m.prr_out[where] = 0.0


def probe(f: Flow, where: Bools) -> None:
    """Send one packet beyond the window: a new one, else the last one again."""
    m, rows = f.m, f.rows
    new = where & (m.next < f.packets)
    if some(new):
        _put(f, new, new, m.next.astype(np.int64), np.zeros(len(rows), dtype=np.bool_))
    old = where & ~new & (m.holes > m.found)
    if some(old):
        m.holes -= old
        packet = np.where(old, m.lost[rows, np.where(old, m.holes, 0)], 0)
        np.putmask(m.probe_packet, old, packet)
        m.in_flight -= old
        _put(f, old, np.zeros(len(rows), dtype=np.bool_), packet, old)


def _put(f: Flow, where: Bools, new: Bools, packet: Ints, again: Bools) -> None:
    """Put one packet of each connection in `where` on the link."""
    c, m, rows = f.c, f.m, f.rows
    now_s = m.now_s
    if f.is_bbr:
        fresh = where & (m.in_flight <= 0) & (m.acked >= m.next)
        np.putmask(c.first_sent_s, fresh, now_s)
        np.putmask(c.delivered_s, fresh, now_s)
        bbr.paced(c, where, now_s)
    else:
        m.prr_out += where & (c.state == RECOVERY)
    m.next += new
    m.in_flight += where
    c.segments_out += where
    np.putmask(c.last_sent_s, where, now_s)
    starts_s = np.maximum(c.link_free_s, now_s)
    drawn = f.losses()
    if f.loss.burst_packets > 1:
        np.putmask(c.is_bad, where, drawn)
    lost = where & drawn
    goes = where & ~lost
    takes_s = np.where(packet == f.packets - 1, c.packet_s * f.last_ratio, c.packet_s)
    free_s = starts_s + takes_s
    np.putmask(c.link_free_s, goes, free_s)
    ack_free_s = np.maximum(free_s + c.rtt_s / 2, c.ack_free_s) + c.ack_s
    np.putmask(c.ack_free_s, goes, ack_free_s)
    m.arrived += goes
    last = goes & (m.arrived >= f.packets)
    np.putmask(m.done_s, last, free_s + c.rtt_s / 2)
    # written for all; where nothing goes the place is written again by the next packet
    to = rows * (f.packets + 1) + m.written
    m.ack_s.reshape(-1)[to] = np.where(goes, ack_free_s + c.rtt_s / 2, NEVER)
    m.sent_s.reshape(-1)[to] = now_s
    m.packet.reshape(-1)[to] = packet
    m.holes_before.reshape(-1)[to] = m.holes
    m.is_again.reshape(-1)[to] = again
    if f.is_bbr:
        m.rate_first_s.reshape(-1)[to] = c.first_sent_s
        m.rate_delivered_s.reshape(-1)[to] = c.delivered_s
        m.rate_delivered.reshape(-1)[to] = c.delivered
        m.rate_limited.reshape(-1)[to] = c.limited_until > 0
    m.written += goes
    if some(lost):
        if m.holes.max() >= m.lost.shape[1]:
            m.lost = np.pad(m.lost, ((0, 0), (0, m.lost.shape[1])))
        m.lost[rows[lost], m.holes[lost]] = packet[lost]
        m.holes += lost
    arms = where & (c.state == OPEN) & (m.duplicates == 0) & ~m.has_probed
    first = where & np.isinf(m.armed_s)
    np.putmask(m.armed_s, arms | first, now_s)
    m.timer = np.where(arms, PROBE, np.where(first, RETRANSMIT, m.timer))
    rises = where & ((m.acked >= m.out_mark) | (m.in_flight > c.max_out))
    np.putmask(c.max_out, rises, m.in_flight)
    np.putmask(m.out_mark, rises, m.next)
