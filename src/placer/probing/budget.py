"""Bytes that threads may move together."""

from __future__ import annotations

import threading


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
