"""What a TCP connection over Ethernet is made of: sizes, windows and timers of Linux.

Every constant is a fact of a protocol or a default of the kernel, with its source; none is fitted.
"""

from __future__ import annotations

import math

MSS_BYTES = 1448
"""TCP payload of a packet: MTU 1500 less IPv4 (20) and TCP with timestamps (RFC 7323; 32)."""
PACKET_OVERHEAD_BYTES = 66
"""Ethernet (14), IPv4 (20) and TCP with timestamps (32); also the size of a bare ACK."""
PACKET_BYTES = MSS_BYTES + PACKET_OVERHEAD_BYTES
"""A full packet on the link."""
SYN_BYTES = 74
"""A SYN or SYN-ACK as Linux sends it: its options take 8 bytes more than those of an ACK."""
INITIAL_WINDOW_SEGMENTS = 10
"""RFC 6928; Linux also restarts there after an idle time (RFC 5681 section 4.1)."""
TCP_RMEM_BYTES = 6 * 2**20
"""Linux default of net.ipv4.tcp_rmem[2]."""
TCP_WMEM_BYTES = 4 * 2**20
"""Linux default of net.ipv4.tcp_wmem[2]."""
MAX_WINDOW_SEGMENTS = int(min(0.5 * TCP_RMEM_BYTES, 0.4 * TCP_WMEM_BYTES) / MSS_BYTES)
"""What the default buffers let be in flight; held within 1 % over 15 measured capped cells."""

TICK_S = 0.004
"""A jiffy of a kernel with HZ=250, as most distributions build it."""
SYN_TIMEOUT_S = 1.0
"""Retransmission timeout before the first round trip is known (RFC 6298; TCP_TIMEOUT_INIT)."""
MIN_RTO_S = 0.2
"""TCP_RTO_MIN: least that the retransmission timeout adds to the smoothed round trip."""
MAX_RTO_S = 120.0
"""TCP_RTO_MAX."""
DUPLICATE_ACKS = 3
"""Packets that must arrive after a lost one before it is sent again at once (tcp_reordering)."""
REORDER_RATIO = 0.25
"""Share of the least round trip that RACK waits where fewer have arrived (RFC 8985 section 6.2)."""

WHEEL_LEVELS = ((64, 1), (512, 8), (4096, 64))
"""Linux timer wheel (kernel/time/timer.c): below so many ticks a timer is late by up to so many."""
WHEEL_LAST = 512
"""The same for all that is longer."""


def wire_bytes(n_bytes: int, head_bytes: int) -> int:
    """Return what a body takes of a link: with its head and what every packet adds."""
    whole = n_bytes + head_bytes
    return whole + math.ceil(whole / MSS_BYTES) * PACKET_OVERHEAD_BYTES
