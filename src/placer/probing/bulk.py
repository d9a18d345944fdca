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
from dataclasses import dataclass, field

import numpy as np

from placer.core.network.link_rate import LinkRate, link_rate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import MSS_BYTES
from placer.core.probe import Rate
from placer.core.units import format_bytes, format_rate
from placer.probing.budget import BLOCK_BYTES, Budget, status_of
from placer.probing.dialing import Access, Address, clamp, dial, now_s
from placer.probing.exchange import MAX_HEAD_BYTES, Line, Meter, TooMuch
from placer.probing.http import Client, explained, head_of
from placer.probing.targets import Target
from placer.probing.tcp_info import TcpInfo, tcp_info

CONNECTIONS = 4
"""Connections at a time: one alone does not fill a link that loses packets."""
TICK_S = 0.005
MAX_IDLE_RATIO = 0.25
"""Share of a request without bytes on the link up to which four of them leave it never empty."""
LEAST_PACKETS = 50
LEAST_BYTES = 300_000
"""What a server takes in that does not read a body."""
_PLACES = {"up": "a place that reads a body", "down": "a body of some MB"}
MAX_HELD_RATIO = 0.5
"""Share of the time that the receiver may hold the sender back."""
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


@dataclass(slots=True)
class Stream:
    """One connection of a transfer."""

    line: Line
    base: TcpInfo | None
    moved_bytes: int = 0
    """As the application sees it."""
    idle_s: float = 0.0
    """Waiting for first bytes of answers."""
    busy_s: float = 0.0
    status: int | None = None
    error: Exception | None = None
    arrived_bytes: int = 0
    """Of a download: in the kernel's hands or read."""

    def newly_arrived_bytes(self) -> int:
        """Return what has arrived since the last call, read or not."""
        info = tcp_info(self.line.sock) if self.base is not None else None
        if info is None or self.base is None:
            arrived_bytes = self.moved_bytes
        else:
            arrived_bytes = max(info.bytes_received - self.base.bytes_received, self.moved_bytes)
        new_bytes = arrived_bytes - self.arrived_bytes
        self.arrived_bytes = arrived_bytes
        return new_bytes


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer found."""

    rate: Rate
    loss: LossEvidence
    """Of packets whose fate is known: those of a direction without retransmissions."""
    retransmissions: int | None


@dataclass(slots=True)
class _Watched:
    streams: list[Stream] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    bytes_: list[float] = field(default_factory=list)
    packets: list[float] = field(default_factory=list)
    rtt_s: list[float] = field(default_factory=list)
    """Of the slowest stream."""
    in_flight: list[int] = field(default_factory=list)
    """Packets of an upload that are on their way."""


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
            stream.status = status_of(line, 0.0)
            if stream.status is not None:
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
    watched = _Watched()
    threads: list[threading.Thread] = []

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
        began_s = now_s()
        fed_s = None
        last, last_at_s = -1.0, began_s
        while True:
            time_s = now_s()
            states = [_state(stream, way) for stream in watched.streams]
            arrived = sum(n_bytes for n_bytes, _, _, _ in states)
            watched.times_s.append(time_s)
            watched.bytes_.append(arrived)
            watched.packets.append(sum(packets for _, packets, _, _ in states))
            watched.rtt_s.append(max(rtt_s for _, _, rtt_s, _ in states))
            watched.in_flight.append(sum(count for _, _, _, count in states))
            if arrived != last:
                last, last_at_s = arrived, time_s
            say(int(arrived))
            alive = any(thread.is_alive() for thread in threads)
            # what is in the queue by then arrives within the time
            queue_s = max(0.0, watched.rtt_s[-1] - rtt_s) if way == "up" else 0.0
            fed_for_s = max(seconds - queue_s, LEAST_FED_RATIO * seconds)
            if fed_s is None and (time_s - began_s >= fed_for_s or budget.left <= 0 or not alive):
                fed_s = time_s
                stop.set()
            if fed_s is not None:
                is_drained = way == "down" or all(_is_sent(one) for one in watched.streams)
                if is_drained or time_s - fed_s > min(DRAIN_S, access.timeout_s):
                    break
            if time_s - last_at_s > access.timeout_s:
                break
            threading.Event().wait(TICK_S)
    finally:
        stop.set()
        ends = [tcp_info(stream.line.sock) for stream in watched.streams]
        for stream in watched.streams:
            with contextlib.suppress(OSError):
                stream.line.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=2)
        for stream in watched.streams:
            stream.line.hang_up()
    if way == "down":
        most = min(n_connections * window_bytes, meter.left_bytes)
        meter.add(0, min(_on_its_way(watched), most))
    return _found(way, target, access, watched, ends, rtt_s)


def _state(stream: Stream, way: str) -> tuple[float, float, float, int]:
    """Return what has arrived, in bytes and packets, the round trip in s, and packets in flight.

    As the kernel tells it, else as the sockets show it, without the latter three. Bytes
    stand still behind a packet that was lost, packets go on.
    """
    info = tcp_info(stream.line.sock) if stream.base is not None else None
    base = stream.base
    if info is None or base is None:
        return stream.moved_bytes, 0.0, 0.0, 0
    if way == "up":
        packets = info.delivered - base.delivered
        arrived = max(0, info.bytes_acked - base.bytes_acked)
        return arrived, packets, info.rtt_s, info.in_flight
    packets = info.data_segs_in - base.data_segs_in
    return max(0, info.bytes_received - base.bytes_received), packets, info.rcv_rtt_s, 0


def _on_its_way(watched: _Watched) -> int:
    """Return about what the server had sent of a download when it was cut: one round trip of it."""
    if len(watched.times_s) < 2:
        return 0
    before = float(
        np.interp(watched.times_s[-1] - watched.rtt_s[-1], watched.times_s, watched.bytes_)
    )
    return max(0, int(watched.bytes_[-1] - before))


def _is_sent(stream: Stream) -> bool:
    info = tcp_info(stream.line.sock) if stream.base is not None else None
    return info is None or (info.unacked == 0 and info.notsent_bytes == 0)


def _found(
    way: str,
    target: Target,
    access: Access,
    watched: _Watched,
    ends: list[TcpInfo | None],
    rtt_s: float,
) -> Transfer:
    moved = int(watched.bytes_[-1]) if watched.bytes_ else 0
    errors = [
        stream.error
        for stream in watched.streams
        if stream.error is not None and not isinstance(stream.error, TooMuch)  # that was the plan
    ]
    statuses = [stream.status for stream in watched.streams if stream.status is not None]
    is_long = moved > BLOCK_BYTES
    if errors and not is_long and not statuses:
        refusal = (ConnectionError, http.client.RemoteDisconnected)
        if way == "up" and isinstance(
            errors[0], refusal
        ):  # the downlink can be measured all the same
            reason = (
                "the server closes the connection instead of reading a POST; give --upload-url "
            )
            return Transfer(Rate(None, moved, reason + _PLACES["up"]), LossEvidence(), None)
        raise explained(target, errors[0], "GET" if way == "down" else "POST", access)
    known = [
        (end, stream.base)
        for end, stream in zip(ends, watched.streams, strict=True)
        if end is not None and stream.base is not None
    ]
    again = None
    packets = 0
    if len(known) == len(watched.streams):
        if way == "up":
            again = sum(end.lost - base.lost for end, base in known)
            packets = sum(end.segs_out - base.segs_out for end, base in known)
        else:
            again = sum(end.rcv_ooopack - base.rcv_ooopack for end, base in known)
            packets = sum(end.segs_in - base.segs_in for end, base in known)
    # a packet lost while the link is full may be one that its queue refused
    loss = LossEvidence(packets, 0) if again == 0 else LossEvidence()
    rate = _rate(way, watched, known, rtt_s, statuses)
    return Transfer(Rate(rate[0], moved, rate[1]), loss, again)


def _rate(
    way: str,
    watched: _Watched,
    known: list[tuple[TcpInfo, TcpInfo]],
    rtt_s: float,
    statuses: list[int],
) -> tuple[LinkRate | None, str]:
    moved = watched.bytes_[-1] if watched.bytes_ else 0.0
    option = "--upload-url" if way == "up" else "--download-url"
    is_told = len(known) == len(watched.streams)
    rate = link_rate(
        watched.times_s,
        _smoothed(watched) if is_told else watched.bytes_,
        rtt_s=rtt_s,
        flow_rtt_s=watched.rtt_s if is_told else None,
        in_flight_bytes=[MSS_BYTES * one for one in watched.in_flight]
        if is_told and way == "up"
        else None,
    )
    reason = _why_not(way, watched, known, statuses)
    if isinstance(rate, str):
        hint = f"give {option} {_PLACES[way]}, or raise --max-data"
        return None, f"{format_bytes(moved)} moved, {reason or rate}; {hint}"
    if reason:
        reached = format_rate(rate.median_bytes_per_s)
        return None, f"{reason}: {reached} reached; give {option} {_PLACES[way]}"
    if not is_told:
        return rate, "as the sockets show it: this system does not tell what was acknowledged"
    return rate, ""


def _smoothed(watched: _Watched) -> list[float]:
    """Return the bytes that had arrived by each time, from the packets and their payload.

    The payload is the largest mean so far: behind a lost packet fewer bytes are counted.
    """
    means = (
        n_bytes / packets
        for n_bytes, packets in zip(watched.bytes_, watched.packets, strict=True)
        if packets >= LEAST_PACKETS
    )
    each = max(means, default=0.0)
    return [each * count for count in watched.packets]


def _why_not(
    way: str, watched: _Watched, known: list[tuple[TcpInfo, TcpInfo]], statuses: list[int]
) -> str:
    """Return what kept the link from being full, if that is seen."""
    refused = [status for status in statuses if status >= 400]
    if way == "down":
        if refused:
            return f"the server answers GET with {refused[0]}"
        idle_s = sum(stream.idle_s for stream in watched.streams)
        busy_s = sum(stream.busy_s for stream in watched.streams)
        if busy_s and idle_s > MAX_IDLE_RATIO * busy_s:
            return "the link was idle between answers: the body is small, or the link very fast"
        return ""
    busy_s = sum(end.busy_s - base.busy_s for end, base in known)
    held_s = sum(end.rwnd_limited_s - base.rwnd_limited_s for end, base in known)
    if busy_s and held_s > MAX_HELD_RATIO * busy_s:
        said = f" (it answers POST with {refused[0]})" if refused else ""
        return f"the server reads more slowly than the link carries{said}"
    moved = watched.bytes_[-1] if watched.bytes_ else 0.0
    if refused and moved < LEAST_BYTES:
        return f"the server answers POST with {refused[0]}"
    return ""
