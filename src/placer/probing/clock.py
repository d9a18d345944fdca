"""The clock of a probe."""

from __future__ import annotations

import time

NS_PER_S = 1e9


def now_s() -> float:
    """Return the time of a clock that never goes back."""
    return time.perf_counter_ns() / NS_PER_S
