"""What threads that move bytes share: how many are left, and whether an answer comes."""

from __future__ import annotations

import re
import select
import ssl
import threading

from placer.probing.exchange import Line

BLOCK_BYTES = 65536
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)")


class Budget:
    """Bytes that may still be moved, shared by threads."""

    def __init__(self, n_bytes: int) -> None:
        self.left = n_bytes
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> int:
        """Take some and return what is left then."""
        with self._lock:
            self.left -= n_bytes
            return self.left


def status_of(line: Line, wait_s: float) -> int | None:
    """Return the status of an answer that has begun to come, else None.

    What comes on a TLS connection may be a session ticket alone.
    """
    if not select.select([line.sock], [], [], wait_s)[0]:
        return None
    data = bytearray(BLOCK_BYTES)
    try:
        n_bytes = line.receive_into(memoryview(data), at_once=True)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None
    if not n_bytes:
        raise ConnectionResetError("closed by the server")
    found = _STATUS.match(data)
    return int(found.group(1)) if found else None
