"""A message under way over each of many TCP connections."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from placer.core.network.connection import NEVER, Bools, Connections, Floats, Ints
from placer.core.network.wire import MSS_BYTES, PACKET_BYTES, PACKET_OVERHEAD_BYTES

PROBE, RETRANSMIT, REORDER = 0, 1, 2
"""What a timer does: tail loss probe, timeout, or take the packets before the last one for lost."""
LOSSES = 16
"""Room for the lost packets of a message at first."""
DRAWS = 256
"""Steps for which random numbers are drawn at once."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Random loss of packets: of each with the same chance, or in bursts (Gilbert)."""

    ratio: float
    burst_packets: float = 1.0
    """Mean length of a burst; 1: independent of each other."""


@dataclass(slots=True)
class Message:
    """What is under way; arrays of shape (connections,) or (connections, packets)."""

    now_s: Floats
    next: Floats
    """First packet never sent."""
    acked: Floats
    arrived: Floats
    done_s: Floats
    """When the last packet arrived; NaN: not yet."""
    in_flight: Floats
    # delivered packets in the order they were sent
    read: Ints
    """Acknowledgements handled."""
    written: Ints
    ack_s: Floats
    sent_s: Floats
    packet: Ints
    holes_before: Ints
    """Lost packets sent before this one."""
    is_again: Bools
    rate_first_s: Floats
    rate_delivered_s: Floats
    rate_delivered: Floats
    rate_limited: Bools
    # lost packets in the order they were sent
    lost: Ints
    holes: Ints
    found: Ints
    """Holes that the sender knows of."""
    repaired: Ints
    """Holes that it has sent again."""
    last_holes: Ints
    """Holes before the last packet that was acknowledged."""
    duplicates: Floats
    """Packets acknowledged behind a hole that is not found yet."""
    high: Floats
    """First packet that does not belong to the recovery."""
    missing: Floats
    """Packets of the recovery not yet acknowledged."""
    prr_delivered: Floats
    prr_out: Floats
    prior_cwnd: Floats
    is_refused: Bools
    """The queue was full: nothing new is sent before the next acknowledgement."""
    has_probed: Bools
    probe_packet: Ints
    """Packet that a tail loss probe sent again; -1: none."""
    timer: Ints
    armed_s: Floats
    backoff: Floats
    slot: Floats
    """Where between two slots of the timer wheel the connection is, [0, 1)."""
    limit_mark: Floats
    out_mark: Floats
    rtt_mark: Floats

    def take(self, index: Ints) -> Message:
        """Return a copy of some connections."""
        return Message(**{one.name: getattr(self, one.name)[index] for one in fields(self)})


class Flow:
    """One message over each connection, and what holds for all of them.

    Parameters
    ----------
    connections
        Changed in place.
    start_s
        When the application hands over the message, shape (connections,).
    n_bytes
        Bytes of the message, of all layers above TCP.
    is_bbr
        BBR instead of CUBIC.
    """

    def __init__(
        self,
        connections: Connections,
        start_s: Floats,
        n_bytes: int,
        *,
        loss: Loss,
        is_bbr: bool,
        rng: np.random.Generator,
    ) -> None:
        self.c = connections
        self.packets = max(1, -(-n_bytes // MSS_BYTES))
        last_bytes = n_bytes - (self.packets - 1) * MSS_BYTES
        self.last_ratio = (last_bytes + PACKET_OVERHEAD_BYTES) / PACKET_BYTES
        self.loss = loss
        self.is_bbr = is_bbr
        self.rng = rng
        self.m = _message(start_s, self.packets, is_bbr=is_bbr, slot=rng.random(len(start_s)))
        self.rows = np.arange(len(start_s))
        self._draws = np.empty((0, 0))
        self._draw = 0

    def keep(self, index: Ints) -> None:
        """Go on with copies of some connections."""
        self.c, self.m = self.c.take(index), self.m.take(index)
        self.rows = np.arange(len(index))
        self._draw = len(self._draws)

    def losses(self) -> Bools:
        """Tell for each connection whether its next packet is lost."""
        if self.loss.ratio <= 0:
            return np.zeros(len(self.rows), dtype=np.bool_)
        u = self._uniforms()
        if self.loss.burst_packets <= 1:
            return np.asarray(u < self.loss.ratio)
        # one chain for each connection that steps with its packets (Gilbert 1960)
        leaves = 1 / self.loss.burst_packets
        enters = self.loss.ratio * leaves / max(1e-12, 1 - self.loss.ratio)
        return np.where(self.c.is_bad, u >= leaves, u < enters)

    def _uniforms(self) -> Floats:
        """Return uniform random numbers for one step, (connections,)."""
        if self._draw >= len(self._draws):
            steps = min(DRAWS, max(16, 2 * self.packets))
            self._draws = self.rng.random((steps, len(self.rows)))
            self._draw = 0
        self._draw += 1
        return np.asarray(self._draws[self._draw - 1])


def _message(start_s: Floats, packets: int, *, is_bbr: bool, slot: Floats) -> Message:
    n = len(start_s)

    def zero() -> Floats:
        return np.zeros(n)

    def none() -> Ints:
        return np.zeros(n, dtype=np.int64)

    def no() -> Bools:
        return np.zeros(n, dtype=np.bool_)

    w = packets
    w_rate = w + 1 if is_bbr else 1
    return Message(
        now_s=start_s.astype(np.float64),
        next=zero(),
        acked=zero(),
        arrived=zero(),
        done_s=np.full(n, np.nan),
        in_flight=zero(),
        read=none(),
        written=none(),
        ack_s=np.full((n, w + 1), NEVER),
        sent_s=np.zeros((n, w + 1)),
        packet=np.zeros((n, w + 1), dtype=np.int64),
        holes_before=np.zeros((n, w + 1), dtype=np.int64),
        is_again=np.zeros((n, w + 1), dtype=np.bool_),
        rate_first_s=np.zeros((n, w_rate)),
        rate_delivered_s=np.zeros((n, w_rate)),
        rate_delivered=np.zeros((n, w_rate)),
        rate_limited=np.zeros((n, w_rate), dtype=np.bool_),
        lost=np.zeros((n, LOSSES), dtype=np.int64),
        holes=none(),
        found=none(),
        repaired=none(),
        last_holes=none(),
        duplicates=zero(),
        high=zero(),
        missing=zero(),
        prr_delivered=zero(),
        prr_out=zero(),
        prior_cwnd=zero(),
        is_refused=no(),
        has_probed=no(),
        probe_packet=np.full(n, -1, dtype=np.int64),
        timer=none(),
        armed_s=np.full(n, NEVER),
        backoff=np.ones(n),
        slot=slot,
        limit_mark=zero(),
        out_mark=zero(),
        rtt_mark=zero(),
    )
