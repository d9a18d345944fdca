"""A socket whose exchanges end: each has a time by which it is over and a most of bytes."""

from __future__ import annotations

import contextlib
import io
import math
import socket
import sys
from typing import Any

from placer.probing.clock import now_s

FIRST_BYTES = 64


class TooLong(TimeoutError):
    """The server goes on sending beyond the time of the exchange."""


class TooMuch(OSError):
    """The server goes on sending beyond the bytes of the exchange."""


class BoundedSocket:
    """What ``http.client`` needs of a socket, with the bounds of the exchange that is under way.

    The socket is closed by who opened it: ``http.client`` lets go of it in the middle of an answer
    after which the connection ends.
    """

    def __init__(self, sock: socket.socket, *, window_bytes: int | None = None) -> None:
        self._sock = sock
        self._window_bytes = window_bytes
        self._until_s = math.inf
        self._silence_s: float | None = sock.gettimeout()
        self._left_bytes = 0
        self.first_bytes = b""
        """Of the answer: they tell what a server speaks that does not go on."""

    def begin(self, *, until_s: float, silence_s: float, max_bytes: int) -> None:
        """Bound the next exchange.

        Parameters
        ----------
        until_s
            On the clock of ``now_s``.
        silence_s
            Longest wait for the next bytes.
        max_bytes
            Of the whole answer: status, headers and what stands before them as well.
        """
        self._until_s, self._silence_s, self._left_bytes = until_s, silence_s, max_bytes
        self.first_bytes = b""
        clamp(self._sock, self._window_bytes)

    def sendall(self, data: Any) -> None:
        """Send within the time."""
        self._sock.settimeout(self._wait_s())
        self._sock.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        """Receive within time and bytes."""
        wait_s = self._wait_s()
        self._sock.settimeout(wait_s)
        try:
            n_bytes = self._sock.recv_into(buffer)
        except TimeoutError:
            if now_s() >= self._until_s:
                raise TooLong from None
            raise
        clamp(self._sock, self._window_bytes)
        if len(self.first_bytes) < FIRST_BYTES:
            self.first_bytes += bytes(buffer[: min(n_bytes, FIRST_BYTES)])
        self._left_bytes -= n_bytes
        if self._left_bytes < 0:
            raise TooMuch
        return n_bytes

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Return what is read from."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Leave the socket to who opened it."""

    def _wait_s(self) -> float | None:
        left_s = self._until_s - now_s()
        if left_s <= 0:
            raise TooLong
        return left_s if self._silence_s is None else min(self._silence_s, left_s)


class _Reader(io.RawIOBase):
    def __init__(self, sock: BoundedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.receive_into(buffer)


def clamp(sock: socket.socket, window_bytes: int | None) -> None:
    """Hold the window that is advertised; asked for again, as Linux lifts it while it is read."""
    if window_bytes is not None and sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, window_bytes)
