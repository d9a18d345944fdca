"""A request and its answer over one connection, without loss: the closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from placer.core.network.connection import Floats
from placer.core.network.flow import Loss
from placer.core.network.framing import Protocol, framed_bytes, opening_flights
from placer.core.network.wire import (
    INITIAL_WINDOW_SEGMENTS,
    MAX_WINDOW_SEGMENTS,
    MSS_BYTES,
    PACKET_BYTES,
    PACKET_OVERHEAD_BYTES,
    SYN_BYTES,
)

NO_LOSS = Loss(0.0)
REQUEST_HOST_S = 50e-6
"""What the two hosts add to a request. Fitted: measured requests of 1 and 10 kB at RTT 5, 50 and
200 ms and 100 Mbit/s took at most so much longer than their packets."""
CONNECT_HOST_S = 300e-6
"""What they add to a new connection, fitted likewise."""
DEFAULT_BUFFER_PACKETS = 1000
"""txqueuelen of a Linux network device, the least that a queue is taken to hold."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, and the connection that carries them."""

    up_bytes: int
    """Body of the request."""
    down_bytes: int
    """Body of the answer."""
    connection: str
    """``new``, ``warm`` or ``idle``."""
    is_encrypted: bool = False
    is_bbr: bool = False
    """BBR instead of CUBIC."""
    loss: Loss = NO_LOSS
    buffer_bytes: int | None = None
    """Queue of the sending host; None: one bandwidth-delay product and at least 1,000 packets."""
    protocol: Protocol = Protocol.HTTP1
    server_s: float = 0.0
    """Time between the last byte of the request and the first of the answer."""
    in_flight: int = 1
    """Requests at a time that share the link: HTTP/1.1 gives each a connection and so a share of
    the rate, the others interleave them on one connection."""

    @property
    def is_new(self) -> bool:
        """Whether the connection is opened for the request."""
        return self.connection == "new"

    @property
    def sent_bytes(self) -> tuple[int, int]:
        """Bytes up and down that TCP carries, of all requests that share the connection."""
        up, down = framed_bytes(self.up_bytes, self.down_bytes, self.protocol, is_new=self.is_new)
        return up * self._interleaved, down * self._interleaved

    @property
    def sharing(self) -> int:
        """Connections that share the link."""
        return self.in_flight if self.protocol is Protocol.HTTP1 else 1

    @property
    def _interleaved(self) -> int:
        return 1 if self.protocol is Protocol.HTTP1 else self.in_flight

    @property
    def packets(self) -> int:
        """Packets of the larger direction."""
        return math.ceil(max(self.sent_bytes) / MSS_BYTES)


def one_way_s(
    n_bytes: int,
    rtt_s: Floats,
    rate_bytes_per_s: Floats | float,
    *,
    initial_window_segments: int | None,
    reverse_bytes_per_s: Floats | float,
) -> Floats:
    """Return the time from the first byte sent to the last byte received, without loss.

    Half a round trip, the serialisation of all packets, and one stall per congestion window
    that is sent before its first ACK returns; windows double up to MAX_WINDOW_SEGMENTS.

    Parameters
    ----------
    n_bytes
        Body and head.
    rtt_s
        Round-trip time in seconds, shape (n,).
    rate_bytes_per_s
        Bottleneck rate in the direction of the data, shape (n,) or scalar.
    initial_window_segments
        Congestion window at the first byte; None: as wide as it gets (a warm connection).
    reverse_bytes_per_s
        Rate of the link that carries the ACKs, shape (n,) or scalar.

    Source: RFC 5681 slow start; constants and validation as the modules say.
    """
    packets = math.ceil(n_bytes / MSS_BYTES)
    time_s = rtt_s / 2 + (n_bytes + packets * PACKET_OVERHEAD_BYTES) / rate_bytes_per_s
    window = min(initial_window_segments or MAX_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS)
    left = packets - window
    if left <= 0:
        return np.asarray(time_s, dtype=np.float64)
    packet_s = PACKET_BYTES / rate_bytes_per_s
    ack_after_s = rtt_s + packet_s + PACKET_OVERHEAD_BYTES / reverse_bytes_per_s
    while left > 0:
        is_capped = window == MAX_WINDOW_SEGMENTS
        stalls = math.ceil(left / window) if is_capped else 1
        time_s = time_s + stalls * np.maximum(0.0, ack_after_s - window * packet_s)
        window = min(2 * window, MAX_WINDOW_SEGMENTS)
        left -= stalls * window
    return np.asarray(time_s, dtype=np.float64)


def lossfree_s(
    exchange: Exchange,
    rtt_s: Floats,
    uplink_bytes_per_s: Floats | float,
    downlink_bytes_per_s: Floats | float,
) -> Floats:
    """Return the time of requests without loss, and of BBR without its pacing, shape (n,).

    Parameters
    ----------
    rtt_s
        Two propagation delays, shape (n,).
    uplink_bytes_per_s, downlink_bytes_per_s
        Shape (n,) or scalar; ``inf`` counts serialisation as nothing.
    """
    up_rate = uplink_bytes_per_s / exchange.sharing
    down_rate = downlink_bytes_per_s / exchange.sharing
    restarts = exchange.connection == "idle" and not exchange.is_bbr
    window = INITIAL_WINDOW_SEGMENTS if exchange.is_new or restarts else None
    up_bytes, down_bytes = exchange.sent_bytes
    total_s = one_way_s(
        up_bytes,
        rtt_s,
        up_rate,
        initial_window_segments=window,
        reverse_bytes_per_s=down_rate,
    )
    total_s += one_way_s(
        down_bytes,
        rtt_s,
        down_rate,
        initial_window_segments=window,
        reverse_bytes_per_s=up_rate,
    )
    total_s += REQUEST_HOST_S + exchange.server_s + turn_s(exchange, down_rate)
    if exchange.is_new:
        total_s += handshake_s(exchange, rtt_s, up_rate, down_rate)
    return total_s


def turn_s(exchange: Exchange, down_rate: Floats | float) -> Floats | float:
    """Return what the ACK of a request of several packets takes of the link before the answer."""
    several = exchange.sent_bytes[0] > MSS_BYTES
    return PACKET_OVERHEAD_BYTES / down_rate if several else 0.0


def syn_s(rtt_s: Floats, up_rate: Floats | float, down_rate: Floats | float) -> Floats:
    """Return the time of a TCP handshake, to the end of its ACK."""
    up_bytes = SYN_BYTES + PACKET_OVERHEAD_BYTES
    return CONNECT_HOST_S + rtt_s + up_bytes / up_rate + SYN_BYTES / down_rate


def handshake_s(
    exchange: Exchange, rtt_s: Floats, up_rate: Floats | float, down_rate: Floats | float
) -> Floats:
    """Return the time before the first byte of a request on a new connection, without loss."""
    total_s = syn_s(rtt_s, up_rate, down_rate)
    for up, down in opening_flights(exchange.protocol, is_encrypted=exchange.is_encrypted):
        up_bytes, down_bytes = up + PACKET_OVERHEAD_BYTES, down + PACKET_OVERHEAD_BYTES
        total_s = total_s + rtt_s + up_bytes / up_rate + down_bytes / down_rate
    return total_s
