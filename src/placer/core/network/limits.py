"""What a path and a request may state, as options, in network files and in cases alike.

Beyond these no figure is one of a network that carries requests, and times would lose their sense.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from placer.core.errors import UsageError
from placer.core.network.wire import PACKET_BYTES
from placer.core.units import (
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration_s,
    parse_rate_bytes_per_s,
    parse_ratio,
)

MAX_RTT_S = 1000.0
MIN_RATE_BYTES_PER_S = 1 / 8
"""1 bit/s."""
MAX_RATE_BYTES_PER_S = 1e12 / 8
"""1 Tbit/s."""
MAX_LOSS_RATIO = 0.5
"""With more no connection lives."""
MIN_BURST_PACKETS, MAX_BURST_PACKETS = 1.0, 1000.0
MAX_BUFFER_PACKETS = 10**7
MAX_SERVER_S = 1e6

_Number = TypeVar("_Number", int, float)


def parse_rtt_s(text: str, *, what: str, allow_zero: bool = False) -> float:
    """Parse a round trip. Raises UsageError as parse_duration_s, and beyond `MAX_RTT_S`."""
    value_s = parse_duration_s(text, what=what, allow_zero=allow_zero)
    return _at_most(value_s, MAX_RTT_S, what, text, format_duration)


def parse_link_rate_bytes_per_s(text: str, *, what: str) -> float:
    """Parse the rate of a link.

    Raises
    ------
    UsageError
        As parse_rate_bytes_per_s, below `MIN_RATE_BYTES_PER_S` or above `MAX_RATE_BYTES_PER_S`.
    """
    value = parse_rate_bytes_per_s(text, what=what)
    if value < MIN_RATE_BYTES_PER_S:
        raise UsageError(
            f"{what} '{text}' is out of range", hint=f"at least {format_rate(MIN_RATE_BYTES_PER_S)}"
        )
    return _at_most(value, MAX_RATE_BYTES_PER_S, what, text, format_rate)


def parse_loss_ratio(text: str, *, what: str) -> float:
    """Parse a share of lost packets. Raises UsageError as parse_ratio, and above the maximum."""
    ratio = parse_ratio(text, what=what)
    if ratio > MAX_LOSS_RATIO:
        raise UsageError(
            f"{what} '{text}' leaves no connection", hint=f"at most {100 * MAX_LOSS_RATIO:g}%"
        )
    return ratio


def parse_buffer_bytes(text: str, *, what: str) -> int:
    """Parse the size of a queue. Raises UsageError as parse_bytes, and beyond its limits."""
    value, most = parse_bytes(text, what=what), MAX_BUFFER_PACKETS * PACKET_BYTES
    if value < PACKET_BYTES:
        raise UsageError(
            f"{what} '{text}' holds no packet", hint=f"at least {PACKET_BYTES}B, one packet"
        )
    return _at_most(value, most, what, text, lambda value: f"{value / 1e9:g}GB")


def parse_server_s(text: str, *, what: str) -> float:
    """Parse the time of a server. Raises UsageError as parse_duration_s, and above the maximum."""
    value_s = parse_duration_s(text, what=what, allow_zero=True)
    return _at_most(value_s, MAX_SERVER_S, what, text, lambda value: f"{value:g}s")


def _at_most(
    value: _Number, most: _Number, what: str, text: str, told: Callable[[float], str]
) -> _Number:
    if value > most:
        raise UsageError(f"{what} '{text}' is out of range", hint=f"at most {told(most)}")
    return value
