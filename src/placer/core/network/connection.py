"""What the sending sides of many TCP connections remember, as arrays over the connections."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from placer.core.network.wire import (
    INITIAL_WINDOW_SEGMENTS,
    MIN_RTO_S,
    MSS_BYTES,
    PACKET_OVERHEAD_BYTES,
    TICK_S,
    WHEEL_LAST,
    WHEEL_LEVELS,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

some = np.count_nonzero
"""Tell whether any is true; four times as fast as `any` of a short array."""
OPEN, RECOVERY, LOSS = 0, 1, 2
"""Nothing lost, fast recovery, recovery after a retransmission timeout."""
NEVER = np.inf
BBR_ROUNDS = 10
"""Round trips over which BBR takes the highest rate of delivery."""


@dataclass(slots=True)
class Connections:
    """One direction of each connection; arrays of shape (connections,) unless said otherwise.

    Windows and counts are in packets; times in seconds, on one clock.
    """

    rtt_s: Floats
    """Two propagation delays."""
    packet_s: Floats
    """What a full packet takes of the link."""
    ack_s: Floats
    """What an acknowledgement takes of the link in the other direction."""
    buffer_s: Floats
    """Time in which the link sends what the queue before it holds."""
    cwnd: Floats
    ssthresh: Floats
    srtt_s: Floats
    rttvar_s: Floats
    min_rtt_s: Floats
    link_free_s: Floats
    last_sent_s: Floats
    ack_free_s: Floats
    """When the link in the other direction has sent all acknowledgements."""
    state: Ints
    seen_state: Ints
    """The state at the acknowledgement before."""
    is_limited: Bools
    """The window, not the application, held packets back lately."""
    max_out: Floats
    """Most packets that were on their way in the last round."""
    delivered: Floats
    """Packets acknowledged over the life of the connection."""
    delivered_s: Floats
    """When the last one was."""
    first_sent_s: Floats
    """When the packets of the last sample of the rate began to be sent."""
    limited_until: Floats
    """Samples of the rate up to so many delivered packets are bound by the application; 0: none."""
    segments_out: Floats
    """Packets sent over the life of the connection."""
    is_bad: Bools
    """The link is in the bad state of a loss that comes in bursts."""
    # CUBIC
    w_max: Floats
    epoch_s: Floats
    """When the present growth began; NaN: it has not."""
    k_s: Floats
    origin: Floats
    reno_cwnd: Floats
    reno_acks: Floats
    credit: Floats
    """Acknowledged packets not yet turned into window."""
    delay_min_s: Floats
    round_end: Floats
    """HyStart: packets delivered at which the round ends."""
    round_start_s: Floats
    round_last_s: Floats
    round_rtt_s: Floats
    round_samples: Floats
    # BBR
    mode: Ints
    gain: Floats
    """Of the pacing rate."""
    pacing: Floats
    """Packets per second."""
    pace_s: Floats
    """When the next packet may be sent."""
    rates: Floats
    """Highest rate of each of the last rounds, packets per second, (connections, BBR_ROUNDS)."""
    rate: Floats
    """Highest of them."""
    rounds: Ints
    round_mark: Floats
    full_rate: Floats
    full_count: Ints
    is_full: Bools
    cycle: Ints
    cycle_s: Floats
    """When the present phase of the cycle began."""
    floor_rtt_s: Floats
    """Least round trip of the last ten seconds."""
    floor_s: Floats
    """When that was measured."""
    probe_done_s: Floats
    """When the probing of the round trip ends; NaN: not known yet."""
    probe_round_done: Bools
    restarts: Bools
    """Sending again after an idle time."""
    conserves: Bools
    """First round of a recovery: one packet sent for each delivered."""
    saved_cwnd: Floats

    def take(self, index: Ints) -> Connections:
        """Return a copy of some connections."""
        return Connections(**{one.name: getattr(self, one.name)[index] for one in fields(self)})

    def put(self, index: Ints, other: Connections) -> None:
        """Take over what `take` gave and has changed since."""
        for one in fields(self):
            getattr(self, one.name)[index] = getattr(other, one.name)


def connections(
    rtt_s: Floats,
    rate_bytes_per_s: Floats,
    reverse_bytes_per_s: Floats,
    *,
    buffer_bytes: Floats,
) -> Connections:
    """Return connections whose handshake has just ended, at time 0.

    Parameters
    ----------
    rtt_s, rate_bytes_per_s, reverse_bytes_per_s, buffer_bytes
        Shape (connections,).
    """
    n = len(rtt_s)
    ack_bytes = PACKET_OVERHEAD_BYTES
    syn_rtt_s = rtt_s + ack_bytes / rate_bytes_per_s + ack_bytes / reverse_bytes_per_s

    def full(value: float) -> Floats:
        return np.full(n, value, dtype=np.float64)

    def no() -> Bools:
        return np.zeros(n, dtype=np.bool_)

    def none() -> Ints:
        return np.zeros(n, dtype=np.int64)

    return Connections(
        rtt_s=rtt_s.astype(np.float64),
        packet_s=(MSS_BYTES + PACKET_OVERHEAD_BYTES) / rate_bytes_per_s,
        ack_s=PACKET_OVERHEAD_BYTES / reverse_bytes_per_s,
        buffer_s=buffer_bytes / rate_bytes_per_s,
        cwnd=full(INITIAL_WINDOW_SEGMENTS),
        ssthresh=full(np.inf),
        srtt_s=syn_rtt_s.copy(),
        rttvar_s=syn_rtt_s / 2,
        min_rtt_s=syn_rtt_s.copy(),
        link_free_s=full(0),
        last_sent_s=full(0),
        ack_free_s=full(0),
        state=none(),
        seen_state=none(),
        is_limited=no(),
        max_out=full(0),
        delivered=full(1),
        delivered_s=full(0),
        first_sent_s=full(0),
        limited_until=full(0),
        segments_out=full(0),
        is_bad=no(),
        w_max=full(0),
        epoch_s=full(np.nan),
        k_s=full(0),
        origin=full(0),
        reno_cwnd=full(0),
        reno_acks=full(0),
        credit=full(0),
        delay_min_s=full(np.inf),
        round_end=full(0),
        round_start_s=full(0),
        round_last_s=full(0),
        round_rtt_s=full(np.inf),
        round_samples=full(0),
        mode=none(),
        gain=full(0),
        pacing=full(0),
        pace_s=full(0),
        rates=np.zeros((n, BBR_ROUNDS)),
        rate=full(0),
        rounds=none(),
        round_mark=full(0),
        full_rate=full(0),
        full_count=none(),
        is_full=no(),
        cycle=none(),
        cycle_s=full(0),
        floor_rtt_s=syn_rtt_s.copy(),
        floor_s=full(0),
        probe_done_s=full(np.nan),
        probe_round_done=no(),
        restarts=no(),
        conserves=no(),
        saved_cwnd=full(0),
    )


def rto_s(srtt_s: Floats, rttvar_s: Floats) -> Floats:
    """Return the retransmission timeout (RFC 6298 with the floor of Linux)."""
    return srtt_s + np.maximum(MIN_RTO_S, 4 * rttvar_s)


def late_s(timeout_s: Floats, u: Floats) -> Floats:
    """Return when a kernel timer fires: rounded up to ticks, and to the slots of its wheel.

    Parameters
    ----------
    u
        Where between two slots it was set: uniform in [0, 1).
    """
    ticks = np.ceil(timeout_s / TICK_S)
    slot = np.full(ticks.shape, float(WHEEL_LAST))
    for limit, step in reversed(WHEEL_LEVELS):
        slot = np.where(ticks < limit, float(step), slot)
    return np.asarray((ticks + slot * u) * TICK_S)
