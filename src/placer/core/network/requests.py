"""Requests that are simulated packet by packet: with loss, under BBR, or with a short queue."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placer.core.network import bbr, cubic
from placer.core.network.connection import Connections, Floats, connections, late_s
from placer.core.network.exchange import (
    DEFAULT_BUFFER_PACKETS,
    REQUEST_HOST_S,
    Exchange,
    lossfree_s,
    syn_s,
    turn_s,
)
from placer.core.network.framing import opening_flights
from placer.core.network.simulation import send_message
from placer.core.network.wire import MSS_BYTES, PACKET_BYTES, SYN_TIMEOUT_S

WARM_UP = 4
"""Requests on a kept connection before those that count."""
REQUESTS = 20
"""Requests of a kept connection that count: with loss its window shrinks from one to the next."""
LOSSFREE_REQUESTS = 4
IDLE_S = 5.0
"""Pause before a request on an idle connection: longer than any retransmission timeout."""
MAX_CELLS = 2_000_000
"""Connections by packets that are simulated at once: about 100 MB."""
NEIGHBOURS = 2
"""Requests on connections this near in rank stand for each other."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated."""

    samples: int = 2000
    """Requests at most."""
    history_packets: int = 1500
    """Packets over which a kept connection is followed; large messages fill it alone."""
    max_packets: int = 4000
    """Longer messages are simulated up to here and stretched: the rate of a long flow is steady."""
    is_steady: bool = False
    """A kept connection under CUBIC begins with the window that loss leaves it in the long run,
    instead of the one that it was opened with."""


FULL = Effort()
QUICK = Effort(samples=1000, history_packets=300, max_packets=1000, is_steady=True)
"""For questions about many paths."""


def needs_simulation(exchange: Exchange) -> bool:
    """Tell whether the closed form does not hold: loss, BBR, or a queue that may run over."""
    if exchange.is_bbr or exchange.loss.ratio > 0:
        return True
    buffer_bytes = exchange.buffer_bytes
    return buffer_bytes is not None and exchange.packets * PACKET_BYTES > buffer_bytes


def simulated_s(
    exchange: Exchange,
    rtt_s: Floats,
    uplink_bytes_per_s: Floats | float,
    downlink_bytes_per_s: Floats | float,
    *,
    rng: np.random.Generator,
    effort: Effort = FULL,
) -> Floats:
    """Return times of requests, one for each draw of the path, of its shape.

    At most about `effort.samples` requests are simulated, at draws that lie evenly in the order of
    their loss-free times; each draw takes the time of a random one near to it in that order, in
    proportion to its own loss-free time.

    Parameters
    ----------
    rtt_s
        Two propagation delays, any shape.
    uplink_bytes_per_s, downlink_bytes_per_s
        Of the same shape, or scalar; finite.
    """
    shape = np.broadcast(rtt_s, uplink_bytes_per_s, downlink_bytes_per_s).shape
    rtt, up, down = (
        np.broadcast_to(np.asarray(one, dtype=np.float64), shape).ravel()
        for one in (rtt_s, uplink_bytes_per_s, downlink_bytes_per_s)
    )
    short, stretch = _shortened(exchange, effort.max_packets)
    lossfree = lossfree_s(short, rtt, up, down)
    order = rng.permutation(len(rtt))
    order = order[np.argsort(lossfree[order], kind="stable")]
    wanted = min(effort.samples, len(rtt))
    warm_up, requests = _history(short, effort.history_packets)
    held = -(-wanted // requests)
    held = max(1, min(held, MAX_CELLS // max(1, short.packets)))
    places = ((np.arange(held) + 0.5) * len(rtt) / held).astype(np.int64)
    chosen = order[places]
    found_s = simulate(
        short,
        rtt[chosen],
        up[chosen],
        down[chosen],
        rng=rng,
        warm_up=warm_up,
        requests=requests,
        is_steady=effort.is_steady,
    )
    if len(rtt) == 1:
        return np.full(shape, float(np.median(found_s)) * stretch)
    ratios = found_s / lossfree[chosen][:, np.newaxis]
    rank = np.empty(len(rtt), dtype=np.int64)
    rank[order] = np.arange(len(rtt)) * held // len(rtt)
    if held * requests < len(rtt):
        rank = rank + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, len(rtt))
        column = rng.integers(0, requests, len(rtt))
    else:
        column = np.empty(len(rtt), dtype=np.int64)
        column[order] = np.arange(len(rtt)) % requests
    picked = ratios[np.clip(rank, 0, held - 1), column]
    return np.asarray(lossfree * picked * stretch).reshape(shape)


def _shortened(exchange: Exchange, max_packets: int) -> tuple[Exchange, float]:
    """Return the exchange with so many packets at most, and by what to stretch its time."""
    most = max_packets * MSS_BYTES
    larger = max(exchange.sent_bytes)
    if larger <= most:
        return exchange, 1.0
    ratio = larger / most
    return (
        replace(
            exchange,
            up_bytes=max(1, int(exchange.up_bytes / ratio)),
            down_bytes=max(1, int(exchange.down_bytes / ratio)),
        ),
        ratio,
    )


def _history(exchange: Exchange, packets: int) -> tuple[int, int]:
    """Return how many requests of a connection go before, and how many count."""
    if exchange.is_new:
        return 0, 1
    most = REQUESTS if exchange.loss.ratio > 0 else LOSSFREE_REQUESTS
    room = packets // max(1, exchange.packets)
    return min(WARM_UP, max(1, room)), min(most, max(1, room))


def simulate(
    exchange: Exchange,
    rtt_s: Floats,
    uplink_bytes_per_s: Floats,
    downlink_bytes_per_s: Floats,
    *,
    rng: np.random.Generator,
    warm_up: int,
    requests: int,
    is_steady: bool = False,
) -> Floats:
    """Return the times of requests one after another on each connection, (connections, requests).

    Parameters
    ----------
    rtt_s, uplink_bytes_per_s, downlink_bytes_per_s
        Shape (connections,).
    warm_up
        Requests before those that count; a new connection has none.
    is_steady
        As `Effort.is_steady`.
    """
    n = len(rtt_s)
    up_rate = uplink_bytes_per_s / exchange.sharing
    down_rate = downlink_bytes_per_s / exchange.sharing
    client = _open(exchange, rtt_s, up_rate, down_rate)
    server = _open(exchange, rtt_s, down_rate, up_rate)
    for side in (client, server):
        side.is_bad = rng.random(n) < (
            exchange.loss.ratio if exchange.loss.burst_packets > 1 else 0.0
        )
        if is_steady and not exchange.is_new and not exchange.is_bbr and exchange.loss.ratio > 0:
            cubic.settle(side, exchange.loss.ratio)

    def send(side: Connections, start_s: Floats, n_bytes: int, *, is_last: bool) -> Floats:
        return send_message(
            side,
            start_s,
            n_bytes,
            loss=exchange.loss,
            is_bbr=exchange.is_bbr,
            rng=rng,
            is_last=is_last,
        )

    up_bytes, down_bytes = exchange.sent_bytes
    server_s = exchange.server_s + turn_s(exchange, down_rate)
    now_s = np.zeros(n)
    found = []
    for number in range(warm_up + requests):
        start_s = now_s
        if exchange.is_new:
            for up, down in opening_flights(exchange.protocol, is_encrypted=exchange.is_encrypted):
                now_s = send(client, now_s, up, is_last=True)
                now_s = send(server, now_s, down, is_last=True)
        elif exchange.connection == "idle":
            start_s = now_s = now_s + IDLE_S
        now_s = send(client, now_s, up_bytes, is_last=exchange.is_new)
        now_s = send(server, now_s + server_s, down_bytes, is_last=exchange.is_new)
        if number >= warm_up:
            found.append(now_s - start_s + REQUEST_HOST_S)
    times_s = np.stack(found, axis=1)
    if exchange.is_new:
        times_s += (syn_s(rtt_s, up_rate, down_rate) + _syn_losses_s(exchange, n, rng))[:, None]
    return times_s


def _open(exchange: Exchange, rtt_s: Floats, rate: Floats, reverse: Floats) -> Connections:
    default_bytes = np.maximum(DEFAULT_BUFFER_PACKETS * PACKET_BYTES, rtt_s * rate)
    buffer_bytes = (
        default_bytes
        if exchange.buffer_bytes is None
        else np.full(len(rtt_s), exchange.buffer_bytes / exchange.sharing)
    )
    side = connections(rtt_s, rate, reverse, buffer_bytes=buffer_bytes)
    if exchange.is_bbr:
        bbr.opened(side)
    return side


def _syn_losses_s(exchange: Exchange, n: int, rng: np.random.Generator) -> Floats:
    """Return what lost SYNs and SYN-ACKs cost: 1 s, then twice as long each time (RFC 6298)."""
    if exchange.loss.ratio <= 0:
        return np.zeros(n)
    arrives = (1 - exchange.loss.ratio) ** 2
    failures = np.minimum(rng.geometric(arrives, n) - 1, 6)  # tcp_syn_retries
    late = late_s(np.full(n, SYN_TIMEOUT_S), rng.random(n)) - SYN_TIMEOUT_S
    return np.where(failures > 0, SYN_TIMEOUT_S * (2.0**failures - 1) + late, 0.0)
