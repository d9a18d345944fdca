"""What was seen while the link was filled in one direction, and what it says of its rate."""

from __future__ import annotations

import enum
import http.client
from dataclasses import dataclass, field

import numpy as np

from placer.core.network.link_rate import QUEUE_RATIO, QUEUE_S, LinkRate, link_rate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import MSS_BYTES
from placer.core.probe import Rate
from placer.core.units import format_bytes, format_rate
from placer.probing.budget import BLOCK_BYTES
from placer.probing.dialing import Access
from placer.probing.exchange import Line, TooMuch
from placer.probing.http import explained
from placer.probing.targets import Target
from placer.probing.tcp_info import TcpInfo, tcp_info

MAX_IDLE_RATIO = 0.25
"""Share of a request without bytes on the link up to which four of them leave it never empty."""
LEAST_PACKETS = 50
LEAST_BYTES = 300_000
"""What a server takes in that does not read a body."""
LEAST_EARLY_S = 0.25
"""Of an upload that is refused before it is read: a shorter one went into buffers."""
MAX_HELD_RATIO = 0.5
"""Share of the time that the receiver may hold the sender back."""
MAX_PAUSED_RATIO = 0.1
"""Share of the time of a download without anything: more is a server that sends now and then, or
flows that lost packets, unless connects beside it find a queue (radio links send in bursts)."""
LEAST_CONNECTS = 3
"""Beside a download, after the first third, to tell whether there is a queue."""
_PLACES = {"up": "a place that reads a body", "down": "a body of some MB"}
_OPTIONS = {"up": "--upload-url", "down": "--download-url"}


class Ended(enum.Enum):
    """What ended a transfer."""

    BYTES = "--max-data"
    TIME = "--duration"
    SERVER = ""


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
    is_answered_early: bool = False
    """Before all of the request was sent."""
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

    @property
    def is_sent(self) -> bool:
        """Whether all that was written has been acknowledged, as far as the system tells."""
        info = tcp_info(self.line.sock) if self.base is not None else None
        return info is None or (info.unacked == 0 and info.notsent_bytes == 0)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer found."""

    rate: Rate
    loss: LossEvidence
    """Of packets whose fate is known: those of a direction without retransmissions."""
    retransmissions: int | None
    """Packets that were lost and sent again; None: not known, as of a download over HTTP."""


@dataclass(slots=True)
class Watched:
    """A transfer as it was seen at times."""

    way: str
    """``up`` or ``down``."""
    streams: list[Stream] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    bytes_: list[float] = field(default_factory=list)
    packets: list[float] = field(default_factory=list)
    rtt_s: list[float] = field(default_factory=list)
    """Of the slowest stream."""
    in_flight: list[int] = field(default_factory=list)
    """Packets of an upload that are on their way."""
    held_s: list[float] = field(default_factory=list)
    """For how long the receiver of an upload has held the streams back, in the mean."""
    loaded_rtts_s: list[float] = field(default_factory=list)
    """Of connects beside a download."""
    ends: list[TcpInfo | None] = field(default_factory=list)
    ended: Ended = Ended.SERVER

    def look(self, time_s: float) -> float:
        """Note what has arrived by now; return the bytes of it.

        As the kernel tells it, else as the sockets show it, with nothing else known. Bytes stand
        still behind a packet that was lost, packets go on.
        """
        arrived = packets = rtt_s = held_s = 0.0
        in_flight = 0
        for stream in self.streams:
            info, base = tcp_info(stream.line.sock), stream.base
            if info is None or base is None:
                arrived += stream.moved_bytes
            elif self.way == "up":
                arrived += max(0, info.bytes_acked - base.bytes_acked)
                packets += info.delivered - base.delivered
                rtt_s = max(rtt_s, info.rtt_s)
                in_flight += info.in_flight
                held_s += (info.rwnd_limited_s - base.rwnd_limited_s) / len(self.streams)
            else:
                arrived += max(0, info.bytes_received - base.bytes_received)
                packets += info.data_segs_in - base.data_segs_in
                rtt_s = max(rtt_s, info.rcv_rtt_s)
        self.times_s.append(time_s)
        self.bytes_.append(arrived)
        self.packets.append(packets)
        self.rtt_s.append(rtt_s)
        self.in_flight.append(in_flight)
        self.held_s.append(held_s)
        return arrived

    @property
    def moved_bytes(self) -> int:
        """What has arrived by the last time."""
        return int(self.bytes_[-1]) if self.bytes_ else 0

    @property
    def on_its_way_bytes(self) -> int:
        """About what the server had sent of a download when it was cut: one round trip of it."""
        if len(self.times_s) < 2:
            return 0
        before = float(np.interp(self.times_s[-1] - self.rtt_s[-1], self.times_s, self.bytes_))
        return max(0, int(self.bytes_[-1] - before))

    def found(self, target: Target, access: Access, rtt_s: float) -> Transfer:
        """Return what the transfer tells.

        Raises
        ------
        PlacerError
            All connections failed before anything was moved.
        """
        moved = self.moved_bytes
        errors = [
            stream.error
            for stream in self.streams
            if stream.error is not None
            and not isinstance(stream.error, TooMuch)  # that was the plan
        ]
        if errors and moved <= BLOCK_BYTES and not self._statuses:
            refusal = (ConnectionError, http.client.RemoteDisconnected)
            if self.way == "up" and isinstance(
                errors[0], refusal
            ):  # the downlink can be measured all the same
                reason = "the server closes the connection instead of reading a POST; give "
                reason += f"{_OPTIONS['up']} {_PLACES['up']}"
                return Transfer(Rate(None, moved, reason), LossEvidence(), None)
            raise explained(target, errors[0], "GET" if self.way == "down" else "POST", access)
        again = None
        packets = disordered = 0
        if self._is_told:
            for end, base in self._known:
                if self.way == "up":
                    again = (again or 0) + end.lost - base.lost
                    packets += end.segs_out - base.segs_out
                else:  # how many of a gap were lost, and how many late, the receiver cannot tell
                    disordered += end.rcv_ooopack - base.rcv_ooopack
                    packets += end.segs_in - base.segs_in
        # a packet lost while the link is full may be one that its queue refused
        is_clean = self._is_told and not again and not disordered
        loss = LossEvidence(packets, 0) if is_clean else LossEvidence()
        if is_clean and self.way == "down":
            again = 0
        rate, reason = self._rate(rtt_s)
        return Transfer(Rate(rate, moved, reason), loss, again)

    @property
    def _known(self) -> list[tuple[TcpInfo, TcpInfo]]:
        return [
            (end, stream.base)
            for end, stream in zip(self.ends, self.streams, strict=True)
            if end is not None and stream.base is not None
        ]

    @property
    def _is_told(self) -> bool:
        """Whether the system tells what was acknowledged."""
        return len(self._known) == len(self.streams)

    @property
    def _statuses(self) -> list[int]:
        return [stream.status for stream in self.streams if stream.status is not None]

    def _rate(self, rtt_s: float) -> tuple[LinkRate | None, str]:
        is_up = self.way == "up"
        is_told = self._is_told
        rate = link_rate(
            self.times_s,
            self._smoothed_bytes() if is_told else self.bytes_,
            rtt_s=rtt_s,
            flow_rtt_s=self.rtt_s if is_told else None,
            in_flight_bytes=[MSS_BYTES * one for one in self.in_flight]
            if is_told and is_up
            else None,
            held_s=self.held_s if is_told and is_up else None,
        )
        elsewhere = f"give {_OPTIONS[self.way]} {_PLACES[self.way]}"
        reason = self._why_not(rate, rtt_s)
        moved = f"{format_bytes(self.moved_bytes)} moved"
        if reason:
            reached = ""
            if isinstance(rate, LinkRate):
                reached = f": {format_rate(rate.median_bytes_per_s)} reached"
            return None, f"{moved}, {reason}{reached}; {elsewhere}"
        if isinstance(rate, str):
            bound = self.ended.value
            hint = f"raise {bound}, or {elsewhere}" if bound else elsewhere
            return None, f"{moved}, {rate}; {hint}"
        if not is_told:
            return rate, "as the sockets show it: this system does not tell what was acknowledged"
        return rate, ""

    def _smoothed_bytes(self) -> list[float]:
        """Return the bytes that had arrived by each time, from the packets and their payload.

        The payload is the largest mean so far: behind a lost packet fewer bytes are counted.
        """
        means = (
            n_bytes / packets
            for n_bytes, packets in zip(self.bytes_, self.packets, strict=True)
            if packets >= LEAST_PACKETS
        )
        each = max(means, default=0.0)
        return [each * count for count in self.packets]

    def _why_not(self, rate: LinkRate | str, rtt_s: float) -> str:
        """Return what kept the link from being full, if that is seen."""
        refused = [status for status in self._statuses if status >= 400]
        if self.way == "down":
            if refused:
                return f"the server answers GET with {refused[0]}"
            idle_s = sum(stream.idle_s for stream in self.streams)
            busy_s = sum(stream.busy_s for stream in self.streams)
            if busy_s and idle_s > MAX_IDLE_RATIO * busy_s:
                return "the link was idle between answers: the body is small, or the link very fast"
            paused_ratio = rate.paused_ratio if isinstance(rate, LinkRate) else 0.0
            if paused_ratio > MAX_PAUSED_RATIO and not self._is_queued(rtt_s):
                return (
                    f"nothing came for {100 * paused_ratio:.0f} % of the time and no queue was "
                    "seen: the server sends more slowly than the link carries"
                )
            return ""
        busy_s = sum(end.busy_s - base.busy_s for end, base in self._known)
        held_s = sum(end.rwnd_limited_s - base.rwnd_limited_s for end, base in self._known)
        said = f" (it answers POST with {refused[0]})" if refused else ""
        if busy_s and held_s > MAX_HELD_RATIO * busy_s:
            return f"the server reads more slowly than the link carries{said}"
        if refused and self.moved_bytes < LEAST_BYTES:
            return f"the server answers POST with {refused[0]}"
        full_s = rate.windows * rate.window_s if isinstance(rate, LinkRate) else 0.0
        if full_s < LEAST_EARLY_S and any(one.is_answered_early for one in self.streams):
            status = f" with {refused[0]}" if refused else ""
            return f"the server answers POST{status} before it has read the body"
        return ""

    def _is_queued(self, rtt_s: float) -> bool:
        """Whether connects beside the download had to wait, as behind a full link."""
        loaded_s = self.loaded_rtts_s[len(self.loaded_rtts_s) // 3 :]
        if len(loaded_s) < LEAST_CONNECTS:
            return False
        return float(np.median(loaded_s)) > rtt_s + max(QUEUE_S, QUEUE_RATIO * rtt_s)
