"""Connections whose bytes are counted and bounded, and whose exchanges end in time.

Whatever a server sends comes through `Line`: nothing is read beyond the bytes of an exchange or of
the whole probe, nor after the time that `Access` gives it.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import threading

from placer.core.errors import MeasuringError
from placer.core.units import format_bytes
from placer.probing.dialing import Access, now_s
from placer.probing.targets import Target
from placer.probing.tcp_info import tcp_info

MAX_HEAD_BYTES = 64 * 1024
"""What the heads of an answer may take, and what stands between the parts of its body."""
SEND_BYTES = 65536
"""Written at a time."""


class Overdue(TimeoutError):
    """An exchange took its time although something comes now and then."""

    def __init__(self, seconds: float, came_bytes: int) -> None:
        super().__init__(f"{came_bytes:,} bytes came in {seconds:.3g} s")
        self.seconds = seconds
        self.came_bytes = came_bytes


class TooMuch(OSError):
    """A server sends more than an exchange may bring."""

    def __init__(self, came_bytes: int) -> None:
        super().__init__(f"{came_bytes:,} bytes came")
        self.came_bytes = came_bytes


class Meter:
    """Bytes that were moved, and those that still may be; shared by threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.sent_bytes = 0
        self.received_bytes = 0
        self._lock = threading.Lock()

    def add(self, sent_bytes: int, received_bytes: int) -> None:
        """Count bytes."""
        with self._lock:
            self.sent_bytes += sent_bytes
            self.received_bytes += received_bytes

    @property
    def left_bytes(self) -> int:
        """What may still be moved."""
        return max(0, self.max_bytes - self.sent_bytes - self.received_bytes)


class Line:
    """A connection, as `http.client` takes it."""

    def __init__(self, sock: socket.socket, access: Access, meter: Meter) -> None:
        self.sock = sock
        self.acks_at_once: bool | None = None
        """Acknowledge each part as soon as it is here, or delay it; None: as the system does."""
        self._access, self._meter = access, meter
        self._sent_bytes = self._received_bytes = 0
        self.is_open = True
        self._began_s = self._deadline_s = 0.0
        self._bound_bytes = 0
        self.begin(MAX_HEAD_BYTES)

    def begin(
        self, max_bytes: int, *, deadline_s: float | None = None, spare_bytes: int = 0
    ) -> None:
        """Begin an exchange.

        Parameters
        ----------
        max_bytes
            What it may bring.
        deadline_s
            When it must be over, by `now_s`; None: as `Access` tells.
        spare_bytes
            Of the whole probe: what must be left, as it may be on its way already.
        """
        self._spare_bytes = spare_bytes
        self._began_s = now_s()
        self._deadline_s = self._access.deadline_s() if deadline_s is None else deadline_s
        self._came_bytes = 0
        self._bound_bytes = max_bytes

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what reads from it."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it. Raises OSError."""
        view = memoryview(data).cast("B")
        while view:
            self._wait()
            try:
                n_bytes = self.sock.send(view[:SEND_BYTES])
            except TimeoutError:
                self._late()
                raise
            self._sent_bytes += n_bytes
            self._meter.add(n_bytes, 0)
            view = view[n_bytes:]
        self._acknowledge()

    def receive_into(self, buffer: memoryview, *, at_once: bool = False) -> int:
        """Receive what is there, within the bounds; 0: the server closed. Raises OSError.

        Parameters
        ----------
        at_once
            Do not wait for it: raise BlockingIOError.
        """
        left_bytes = self._meter.left_bytes - self._spare_bytes
        room = min(len(buffer), self._bound_bytes - self._came_bytes, left_bytes)
        if room <= 0:
            raise TooMuch(self._came_bytes)
        if at_once:
            self.sock.settimeout(0.0)
        else:
            self._wait()
        try:
            n_bytes = self.sock.recv_into(buffer[:room])
        except TimeoutError:
            self._late()
            raise
        self._acknowledge()
        self._came_bytes += n_bytes
        self._received_bytes += n_bytes
        self._meter.add(0, n_bytes)
        return n_bytes

    def close(self) -> None:
        """Leave it open: `http.client` closes it before the answer is read."""

    def hang_up(self) -> None:
        """Close it, and count what the kernel had received that nobody read."""
        if not self.is_open:
            return
        self.is_open = False
        info = tcp_info(self.sock) if self.sock.fileno() >= 0 else None
        if info is not None:
            self._meter.add(
                max(0, info.bytes_acked - self._sent_bytes),
                max(0, info.bytes_received - self._received_bytes),
            )
        with contextlib.suppress(OSError):
            self.sock.close()

    def _wait(self) -> None:
        """Let the next call last until the silence is too long or the time is over."""
        left_s = self._deadline_s - now_s()
        if left_s <= 0:
            raise self._overdue()
        self.sock.settimeout(min(self._access.timeout_s, left_s))

    def _late(self) -> None:
        """Raise Overdue where the time is over, not only the silence too long."""
        if now_s() >= self._deadline_s:
            raise self._overdue()

    def _overdue(self) -> Overdue:
        return Overdue(max(0.0, now_s() - self._began_s), self._came_bytes)

    def _acknowledge(self) -> None:
        if self.acks_at_once is not None and sys.platform == "linux":
            with contextlib.suppress(OSError):
                self.sock.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_QUICKACK, int(self.acks_at_once)
                )


class _Reader(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        """Receive into a buffer."""
        return self._line.receive_into(memoryview(buffer).cast("B"))


def overdue(target: Target, error: Overdue, what: str) -> MeasuringError:
    """Return that an exchange does not come to its end."""
    return MeasuringError(
        f"{target.authority} stalls: {what} is not over after {error.seconds:.2g} s, "
        f"{format_bytes(error.came_bytes)} came",
        hint="give it more time: --timeout",
    )


def too_much(target: Target, error: TooMuch, what: str) -> MeasuringError:
    """Return that an answer has no end within what it may take."""
    return MeasuringError(
        f"{target.authority} sends more than may be read: {what} brought "
        f"{format_bytes(error.came_bytes)} and goes on",
        hint="raise --max-data, or probe another path",
    )
