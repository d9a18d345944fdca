"""Round trips of a path, from TCP connects: the kernel of the server answers, not the server."""

from __future__ import annotations

import errno
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from placer.core.network.losses import LossEvidence
from placer.core.probe import split_retried
from placer.probing.dialing import Address, now_s
from placer.probing.tcp_info import tcp_info

RATE_HZ = 20.0
"""Connects that are started per second at most: more could look like an attack."""
IPERF3_RATE_HZ = 10.0
"""To an iperf3 server, which takes each for a client. Fewer find both kernels asleep: on a link of
20 ms, 4 a second measure 20.2 to 20.7 ms, 10 a second 20.1 to 20.2 ms."""
BYTES_EACH = 2 * 74 + 3 * 66
"""SYN, its answer, and what closes the connection, with headers; both directions."""
AWAKE_S = 0.1
"""Longest that the processor is kept awake for an answer, which one asleep takes tenths of a
millisecond late: that matters less the longer the way is."""
DRAIN_S = 1.5
"""Longest wait for what is under way at the end: a SYN lost then is sent again after 1 s."""


@dataclass(slots=True)
class Connects:
    """What connects found so far."""

    times_s: list[float] = field(default_factory=list)
    retries: list[int | None] = field(default_factory=list)
    failed: int = 0
    """Connects without an answer, or refused."""
    started: int = 0
    unanswered: int = 0
    """SYNs of failed connects that were sent, all of them lost."""

    def found(self) -> tuple[tuple[float, ...], LossEvidence]:
        """Return the round trips, and what the connects tell of loss."""
        round_trips_s, lost = split_retried(self.times_s, self.retries)
        # a SYN and its answer each; one sent again is one more
        lost += self.unanswered
        return round_trips_s, LossEvidence(2 * len(self.times_s) + lost, lost)


def connect_often(
    address: Address,
    found: Connects,
    *,
    seconds: float,
    timeout_s: float,
    rate_hz: float = RATE_HZ,
    say: Callable[[], None],
    stop: threading.Event | None = None,
) -> None:
    """Connect again and again for a time, each closed at once; several may be under way.

    Parameters
    ----------
    found
        Added to.
    seconds
        How long connects are started. Those under way are waited for, at most `timeout_s`.
    stop
        Ends it before; those under way are given up.
    """
    began_s = now_s()
    number = 0
    with selectors.DefaultSelector() as selector:
        open_: dict[socket.socket, float] = {}
        try:
            while True:
                if stop is not None and stop.is_set():
                    return
                time_s = now_s()
                due_s = began_s + number / rate_hz
                is_over = due_s > began_s + seconds
                if not is_over and time_s >= due_s:
                    number += 1
                    _start(address, open_, selector, found)
                    say()
                    continue
                if is_over and not open_:
                    return
                patience_s = min(timeout_s, DRAIN_S) if is_over else timeout_s
                until_s = min(open_.values(), default=time_s) + patience_s
                wait_s = (until_s if is_over else min(due_s, until_s)) - time_s
                if open_ and time_s < min(open_.values()) + AWAKE_S:
                    wait_s = 0.0
                for key, _ in selector.select(max(0.0, wait_s)):
                    _finish(key.fileobj, open_, selector, found)  # type: ignore[arg-type]  # sockets alone are registered
                for sock in [one for one, at_s in open_.items() if now_s() - at_s > patience_s]:
                    info = tcp_info(sock)
                    found.failed += 1
                    found.unanswered += 0 if info is None else info.total_retrans
                    _close(sock, open_, selector)
        finally:
            for sock in list(open_):
                _close(sock, open_, selector)


def _start(
    address: Address,
    open_: dict[socket.socket, float],
    selector: selectors.BaseSelector,
    found: Connects,
) -> None:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    found.started += 1
    at_s = now_s()
    code = sock.connect_ex(address.place)
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        found.failed += 1
        sock.close()
        return
    open_[sock] = at_s
    selector.register(sock, selectors.EVENT_WRITE)


def _finish(
    sock: socket.socket,
    open_: dict[socket.socket, float],
    selector: selectors.BaseSelector,
    found: Connects,
) -> None:
    time_s = now_s() - open_[sock]
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code == errno.ECONNREFUSED:  # an answer of the kernel there as well
        found.times_s.append(time_s)
        found.retries.append(None)
    elif code:
        found.failed += 1
    else:
        info = tcp_info(sock)
        if info is not None and 0 < info.rtt_s <= time_s and not info.total_retrans:
            time_s = info.rtt_s  # the kernel's clock: without the time until we were woken
        found.times_s.append(time_s)
        found.retries.append(None if info is None else info.total_retrans)
    _close(sock, open_, selector)


def _close(
    sock: socket.socket, open_: dict[socket.socket, float], selector: selectors.BaseSelector
) -> None:
    selector.unregister(sock)
    del open_[sock]
    sock.close()
