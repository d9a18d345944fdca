"""Putting packets on the link, through the queue of the sending host.

What that queue refuses Linux sends again by itself after the next acknowledgement, with a smaller
window, and nothing is lost (tcp_transmit_skb, tcp_enter_cwr); measured so behind netem.
"""

from __future__ import annotations

import numpy as np

from placer.core.network import bbr, cubic
from placer.core.network.connection import NEVER, OPEN, RECOVERY, Bools, Ints
from placer.core.network.flow import PROBE, RETRANSMIT, Flow


def send(f: Flow, active: Bools) -> None:
    """Send one packet over each connection that may."""
    c, m, rows = f.c, f.m, f.rows
    has_again = m.repaired < m.found
    wants = active & (has_again | (m.next < f.packets))
    sends = wants & (m.in_flight < c.cwnd) & (has_again | ~m.is_refused)
    if f.is_bbr:
        sends &= c.pace_s <= m.now_s
    if not sends.any():
        return
    again = sends & has_again
    new = sends & ~has_again
    refused = new & (m.in_flight > 0) & (c.link_free_s - m.now_s > c.buffer_s)
    if refused.any():
        m.is_refused |= refused
        calm = refused & (c.state == OPEN)
        if calm.any():
            recover(f, calm)
        sends &= ~refused
        new &= ~refused
    packet = m.next.astype(np.int64)
    if again.any():
        holes = np.where(again, m.repaired, 0)
        packet = np.where(again, m.lost[rows, holes], packet)
        m.repaired += again
    _put(f, sends, new, packet, again)
    if f.is_bbr:
        return
    is_blocked = (sends | refused) & (m.next < f.packets) & (m.in_flight >= c.cwnd)
    c.is_limited |= is_blocked
    m.limit_mark = np.where(is_blocked, m.next, m.limit_mark)


def recover(f: Flow, where: Bools) -> None:
    """Begin a fast recovery, or the same reduction because the own queue is full (CWR)."""
    c, m = f.c, f.m
    m.prior_cwnd = np.where(where, c.cwnd, m.prior_cwnd)
    if f.is_bbr:
        bbr.saved(c, where)
    else:
        cubic.reduced(c, where)
    c.state[where] = RECOVERY
    m.high = np.where(where, m.next, m.high)
    m.missing = np.where(where, m.next - m.acked, m.missing)
    m.prr_delivered[where] = 0.0
    m.prr_out[where] = 0.0


def probe(f: Flow, where: Bools) -> None:
    """Send one packet beyond the window: a new one, else the last one again."""
    m, rows = f.m, f.rows
    new = where & (m.next < f.packets)
    if new.any():
        _put(f, new, new, m.next.astype(np.int64), np.zeros(len(rows), dtype=np.bool_))
    old = where & ~new & (m.holes > m.found)
    if old.any():
        m.holes -= old
        packet = np.where(old, m.lost[rows, np.where(old, m.holes, 0)], 0)
        m.probe_packet = np.where(old, packet, m.probe_packet)
        m.in_flight -= old
        _put(f, old, np.zeros(len(rows), dtype=np.bool_), packet, old)


def _put(f: Flow, where: Bools, new: Bools, packet: Ints, again: Bools) -> None:
    """Put one packet of each connection in `where` on the link."""
    c, m, rows = f.c, f.m, f.rows
    now_s = m.now_s
    if f.is_bbr:
        fresh = where & (m.in_flight <= 0) & (m.acked >= m.next)
        c.first_sent_s = np.where(fresh, now_s, c.first_sent_s)
        c.delivered_s = np.where(fresh, now_s, c.delivered_s)
        bbr.paced(c, where, now_s)
    else:
        m.prr_out += where & (c.state == RECOVERY)
    m.next += new
    m.in_flight += where
    c.segments_out += where
    c.last_sent_s = np.where(where, now_s, c.last_sent_s)
    starts_s = np.maximum(c.link_free_s, now_s)
    drawn = f.losses()
    if f.loss.burst_packets > 1:
        c.is_bad = np.where(where, drawn, c.is_bad)
    lost = where & drawn
    goes = where & ~lost
    takes_s = np.where(packet == f.packets - 1, c.packet_s * f.last_ratio, c.packet_s)
    free_s = starts_s + takes_s
    c.link_free_s = np.where(goes, free_s, c.link_free_s)
    ack_free_s = np.maximum(free_s + c.rtt_s / 2, c.ack_free_s) + c.ack_s
    c.ack_free_s = np.where(goes, ack_free_s, c.ack_free_s)
    m.arrived += goes
    last = goes & (m.arrived >= f.packets)
    m.done_s = np.where(last, free_s + c.rtt_s / 2, m.done_s)
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
    if lost.any():
        if m.holes.max() >= m.lost.shape[1]:
            m.lost = np.pad(m.lost, ((0, 0), (0, m.lost.shape[1])))
        m.lost[rows[lost], m.holes[lost]] = packet[lost]
        m.holes += lost
    arms = where & (c.state == OPEN) & (m.duplicates == 0) & ~m.has_probed
    first = where & np.isinf(m.armed_s)
    m.armed_s = np.where(arms | first, now_s, m.armed_s)
    m.timer = np.where(arms, PROBE, np.where(first, RETRANSMIT, m.timer))
    rises = where & ((m.acked >= m.out_mark) | (m.in_flight > c.max_out))
    c.max_out = np.where(rises, m.in_flight, c.max_out)
    m.out_mark = np.where(rises, m.next, m.out_mark)
