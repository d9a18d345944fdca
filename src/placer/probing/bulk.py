"""Filling the link in one direction, and watching how many bytes arrive."""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable

from placer.core.network.losses import LossEvidence
from placer.core.probe import Rate
from placer.probing.budget import BLOCK_BYTES, Budget, status_of
from placer.probing.connects import BYTES_EACH, Connects, connect_often
from placer.probing.dialing import Access, Address, clamp, dial, now_s
from placer.probing.exchange import MAX_HEAD_BYTES, Line, Meter
from placer.probing.http import Client, head_of
from placer.probing.targets import Target
from placer.probing.tcp_info import tcp_info
from placer.probing.watched import Ended, Stream, Transfer, Watched

CONNECTIONS = 4
"""Connections at a time: one alone does not fill a link that loses packets."""
TICK_S = 0.005
WINDOWS = 4
"""Parts of the bytes of a download, one of which may be on its way, unread."""
LEAST_WINDOW_BYTES = 131_072
LEAST_BYTES_EACH = 250_000
"""Of a download, for a connection: of less there are fewer."""
_NOTSENT_LOWAT = 25
"""TCP_NOTSENT_LOWAT of Linux, where Python does not have it."""
LEAST_FED_RATIO = 0.3
"""Share of the time of an upload in which bytes are sent however long the queue is."""
DRAIN_S = 2.0
"""Longest wait for what is still on its way after sending has ended."""


def download(
    target: Target,
    addresses: tuple[Address, ...],
    access: Access,
    context: ssl.SSLContext | None,
    meter: Meter,
    *,
    max_bytes: int,
    seconds: float,
    rtt_s: float,
    say: Callable[[int], None],
) -> Transfer:
    """GET a body again and again over several connections, up to bytes and seconds.

    Raises
    ------
    PlacerError
        No connection could be opened, or all of them failed before anything was moved.
    """
    n_connections = min(CONNECTIONS, max_bytes // LEAST_BYTES_EACH)
    if not n_connections:
        reason = "no bytes are left for a download: raise --max-data"
        return Transfer(Rate(None, 0, reason), LossEvidence(), None)
    stop = threading.Event()
    window_bytes = max(LEAST_WINDOW_BYTES, max_bytes // (CONNECTIONS * WINDOWS))
    # what the windows hold by then arrives all the same, and a packet more (of loopback: 64 kB)
    budget = Budget(max_bytes - n_connections * window_bytes - BLOCK_BYTES)
    spare_bytes = max(0, meter.left_bytes - budget.left)

    def work(stream: Stream) -> None:
        client = Client(target, stream.line)
        while not stop.is_set() and budget.left > 0:
            stream.line.begin(max_bytes, deadline_s=math.inf, spare_bytes=spare_bytes)
            clamp(stream.line.sock, window_bytes)
            began_s = now_s()
            client.request("GET", target.path, headers=head_of(target, access, {}))
            response = client.getresponse()
            stream.status = response.status
            stream.idle_s += now_s() - began_s
            got = 0
            while not stop.is_set() and (chunk := response.read1(BLOCK_BYTES)):
                clamp(stream.line.sock, window_bytes)
                got += len(chunk)
                stream.moved_bytes += len(chunk)
                if budget.take(stream.newly_arrived_bytes()) <= 0:
                    break
            stream.busy_s += now_s() - began_s
            if budget.left > 0 and not stop.is_set():
                response.read()  # nothing is left, which makes the connection ready again
            if response.will_close or not got:
                return

    return _run(
        "down", target, addresses, access, context, meter, work, stop, budget,
        n_connections=n_connections, window_bytes=window_bytes,
        seconds=seconds, rtt_s=rtt_s, say=say,
    )  # fmt: skip


def upload(
    target: Target,
    addresses: tuple[Address, ...],
    access: Access,
    context: ssl.SSLContext | None,
    meter: Meter,
    *,
    max_bytes: int,
    seconds: float,
    rtt_s: float,
    say: Callable[[int], None],
) -> Transfer:
    """POST incompressible bytes over several connections, up to bytes and seconds.

    A request that the time ends is left unfinished, so that the server does nothing with it.

    Raises
    ------
    PlacerError
        As `download`.
    """
    stop = threading.Event()
    budget = Budget(max_bytes)
    block = os.urandom(BLOCK_BYTES)
    size = max(BLOCK_BYTES, max_bytes // CONNECTIONS // BLOCK_BYTES * BLOCK_BYTES)

    def work(stream: Stream) -> None:
        line = stream.line
        line.begin(MAX_HEAD_BYTES, deadline_s=math.inf)
        head = head_of(target, access, {"Content-Type": "application/octet-stream"})
        head["Content-Length"] = str(size)
        lines = [
            f"POST {target.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in head.items()),
        ]
        began_s = now_s()
        line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        sent = 0
        while not stop.is_set() and sent < size:
            if budget.take(len(block)) < 0:
                break
            line.sendall(block)
            sent += len(block)
            stream.moved_bytes += len(block)
            if stream.status is None:
                stream.status = status_of(line, 0.0)
                stream.is_answered_early = stream.status is not None
            if stream.status is not None and stream.status >= 400:
                break
        stream.busy_s += now_s() - began_s
        until_s = now_s() + access.timeout_s
        while sent >= size and stream.status is None and not stop.is_set() and now_s() < until_s:
            stream.status = status_of(line, TICK_S)

    return _run(
        "up", target, addresses, access, context, meter, work, stop, budget,
        n_connections=CONNECTIONS, window_bytes=LEAST_WINDOW_BYTES,
        seconds=seconds, rtt_s=rtt_s, say=say,
    )  # fmt: skip


def _run(
    way: str,
    target: Target,
    addresses: tuple[Address, ...],
    access: Access,
    context: ssl.SSLContext | None,
    meter: Meter,
    work: Callable[[Stream], None],
    stop: threading.Event,
    budget: Budget,
    *,
    n_connections: int,
    window_bytes: int,
    seconds: float,
    rtt_s: float,
    say: Callable[[int], None],
) -> Transfer:
    watched = Watched(way)
    threads: list[threading.Thread] = []
    beside = Connects()

    def connect_beside() -> None:
        connect_often(
            addresses[0], beside, seconds=seconds, timeout_s=access.timeout_s,
            say=lambda: None, stop=stop,
        )  # fmt: skip

    def guarded(stream: Stream) -> None:
        try:
            work(stream)
        except (OSError, http.client.HTTPException, ValueError) as error:
            stream.error = error

    try:
        for _ in range(n_connections):
            connection = dial(target, addresses, access, context, window_bytes=window_bytes)
            if sys.platform == "linux":
                # what is written is on its way soon: little is left when the time ends
                number = getattr(socket, "TCP_NOTSENT_LOWAT", _NOTSENT_LOWAT)
                connection.sock.setsockopt(socket.IPPROTO_TCP, number, 2 * BLOCK_BYTES)
                with contextlib.suppress(OSError):  # it grows until the link is full
                    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            line = Line(connection.sock, access, meter)
            watched.streams.append(Stream(line, tcp_info(line.sock)))
        for stream in watched.streams:
            thread = threading.Thread(target=guarded, args=(stream,), daemon=True)
            threads.append(thread)
            thread.start()
        asking = threading.Thread(target=connect_beside, daemon=True)
        if way == "down":
            asking.start()
        began_s = now_s()
        fed_s = None
        last, last_at_s = -1.0, began_s
        while True:
            time_s = now_s()
            arrived = watched.look(time_s)
            if arrived != last:
                last, last_at_s = arrived, time_s
            say(int(arrived))
            alive = any(thread.is_alive() for thread in threads)
            # what is in the queue by then arrives within the time
            queue_s = max(0.0, watched.rtt_s[-1] - rtt_s) if way == "up" else 0.0
            fed_for_s = max(seconds - queue_s, LEAST_FED_RATIO * seconds)
            is_late = time_s - began_s >= fed_for_s
            if fed_s is None and (is_late or budget.left <= 0 or not alive):
                fed_s = time_s
                watched.ended = (
                    Ended.BYTES if budget.left <= 0 else Ended.TIME if is_late else Ended.SERVER
                )
                stop.set()
            if fed_s is not None:
                is_drained = way == "down" or all(one.is_sent for one in watched.streams)
                if is_drained or time_s - fed_s > min(DRAIN_S, access.timeout_s):
                    break
            if time_s - last_at_s > access.timeout_s:
                break
            threading.Event().wait(TICK_S)
    finally:
        stop.set()
        watched.ends = [tcp_info(stream.line.sock) for stream in watched.streams]
        for stream in watched.streams:
            with contextlib.suppress(OSError):
                stream.line.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=2)
        for stream in watched.streams:
            stream.line.hang_up()
    if way == "down":
        asking.join(timeout=2)
        watched.loaded_rtts_s = list(beside.found()[0])
        each = beside.started * BYTES_EACH // 2
        meter.add(each, each)
        most = min(n_connections * window_bytes, meter.left_bytes)
        meter.add(0, min(watched.on_its_way_bytes, most))
    return watched.found(target, access, rtt_s)
