"""Time to move a request and its answer over a network path.

Inference requests are short flows: whether the connection is new, idle or warm decides more
than bandwidth does. The closed form below was compared with loss-free CUBIC requests measured on
Linux 6.1 behind netem: docs/network.md has the errors. Loss and BBR pacing are not modelled: see
`weaknesses`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from placer.core.environment import NetworkPath
from placer.core.errors import UsageError, near_match
from placer.core.units import format_percentile

FloatArray = npt.NDArray[np.float64]

MSS_BYTES = 1448
"""TCP payload of a packet: MTU 1500 less IPv4 (20) and TCP with timestamps (RFC 7323; 32)."""
PACKET_OVERHEAD_BYTES = 66
"""Ethernet (14), IPv4 (20) and TCP with timestamps (32); also the size of a bare ACK."""
SYN_BYTES = 74
"""A SYN or SYN-ACK as Linux sends it: its options take 8 bytes more than those of an ACK."""
REQUEST_HEAD_BYTES = 165
"""HTTP/1.1 request line and headers of a KServe v2 inference call (measured, rounded)."""
RESPONSE_HEAD_BYTES = 105
"""HTTP/1.1 status line and headers of its answer (measured, rounded)."""
TLS_CLIENT_BYTES = 517
"""ClientHello as OpenSSL 3 pads it."""
TLS_SERVER_BYTES = 823
"""ServerHello to Finished with a self-signed certificate: what a TLS 1.3 handshake added on a
10 Mbit/s link, less the ClientHello. A public certificate chain is one to three kB longer."""
INITIAL_WINDOW_SEGMENTS = 10
"""RFC 6928; Linux also restarts there after an idle time (RFC 5681 section 4.1)."""
TCP_RMEM_BYTES = 6 * 2**20
"""Linux default of net.ipv4.tcp_rmem[2]."""
TCP_WMEM_BYTES = 4 * 2**20
"""Linux default of net.ipv4.tcp_wmem[2]."""
MAX_WINDOW_SEGMENTS = int(min(0.5 * TCP_RMEM_BYTES, 0.4 * TCP_WMEM_BYTES) / MSS_BYTES)
"""What the default buffers let be in flight; held within 1 % over 15 measured capped cells."""

_Z95 = 1.6448536269514722
_SAMPLES_BEYOND = 10
"""Samples wanted beyond a percentile before it counts as known."""


def one_way_s(
    n_bytes: int,
    rtt_s: FloatArray,
    rate_bytes_per_s: FloatArray | float,
    *,
    initial_window_segments: int | None,
    reverse_bytes_per_s: FloatArray | float,
) -> FloatArray:
    """Return the time from the first byte sent to the last byte received, without loss.

    Half a round trip, the serialisation of all packets, and one stall per congestion window
    that is sent before its first ACK returns; windows double up to MAX_WINDOW_SEGMENTS.

    Parameters
    ----------
    n_bytes
        Body and HTTP head.
    rtt_s
        Round-trip time in seconds, shape (n,).
    rate_bytes_per_s
        Bottleneck rate in the direction of the data, shape (n,) or scalar.
    initial_window_segments
        Congestion window at the first byte; None: as wide as it gets (a warm connection).
    reverse_bytes_per_s
        Rate of the link that carries the ACKs, shape (n,) or scalar.

    Source: RFC 5681 slow start; constants and validation as the module says.
    """
    packets = math.ceil(n_bytes / MSS_BYTES)
    time_s = rtt_s / 2 + (n_bytes + packets * PACKET_OVERHEAD_BYTES) / rate_bytes_per_s
    window = min(initial_window_segments or MAX_WINDOW_SEGMENTS, MAX_WINDOW_SEGMENTS)
    left = packets - window
    if left <= 0:
        return np.asarray(time_s, dtype=np.float64)
    packet_s = (MSS_BYTES + PACKET_OVERHEAD_BYTES) / rate_bytes_per_s
    ack_after_s = rtt_s + packet_s + PACKET_OVERHEAD_BYTES / reverse_bytes_per_s
    while left > 0:
        is_capped = window == MAX_WINDOW_SEGMENTS
        stalls = math.ceil(left / window) if is_capped else 1
        time_s = time_s + stalls * np.maximum(0.0, ack_after_s - window * packet_s)
        window = min(2 * window, MAX_WINDOW_SEGMENTS)
        left -= stalls * window
    return np.asarray(time_s, dtype=np.float64)


def wire_bytes(n_bytes: int, head_bytes: int) -> int:
    """Return what a body takes of a link: with its HTTP head and what every packet adds."""
    whole = n_bytes + head_bytes
    return whole + math.ceil(whole / MSS_BYTES) * PACKET_OVERHEAD_BYTES


def request_s(
    path: NetworkPath,
    *,
    up_bytes: int,
    down_bytes: int,
    rtt_s: FloatArray,
    uplink_bytes_per_s: FloatArray | float,
    downlink_bytes_per_s: FloatArray | float,
) -> FloatArray:
    """Return the network time of one request, shape (n,); the server's time is not in it.

    A new connection pays a TCP and, if encrypted, a TLS 1.3 handshake, and starts with a small
    window; an idle one restarts with that window (not under BBR); a warm one does neither.

    Parameters
    ----------
    up_bytes, down_bytes
        Bodies of the request and the answer.
    rtt_s
        Round-trip time in seconds, shape (n,).
    uplink_bytes_per_s, downlink_bytes_per_s
        Shape (n,) or scalar; ``inf`` counts serialisation as nothing.

    Raises
    ------
    UsageError
        The path has an unknown connection state or congestion control.
    """
    _known(path, "connection state", path.connection, ("new", "warm", "idle"))
    _known(path, "congestion control", path.congestion_control, ("cubic", "bbr"))
    restarts = path.connection == "idle" and path.congestion_control != "bbr"
    is_new = path.connection == "new"
    window = INITIAL_WINDOW_SEGMENTS if is_new or restarts else None
    up_s = one_way_s(
        up_bytes + REQUEST_HEAD_BYTES,
        rtt_s,
        uplink_bytes_per_s,
        initial_window_segments=window,
        reverse_bytes_per_s=downlink_bytes_per_s,
    )
    down_s = one_way_s(
        down_bytes + RESPONSE_HEAD_BYTES,
        rtt_s,
        downlink_bytes_per_s,
        initial_window_segments=window,
        reverse_bytes_per_s=uplink_bytes_per_s,
    )
    if not is_new:
        return up_s + down_s
    return up_s + down_s + _handshake_s(path, rtt_s, uplink_bytes_per_s, downlink_bytes_per_s)


def _handshake_s(
    path: NetworkPath,
    rtt_s: FloatArray,
    uplink: FloatArray | float,
    downlink: FloatArray | float,
) -> FloatArray:
    up_bytes, down_bytes, round_trips = SYN_BYTES + PACKET_OVERHEAD_BYTES, SYN_BYTES, 1
    if path.is_encrypted:  # TLS 1.3 (RFC 8446): one round trip before the request
        up_bytes += TLS_CLIENT_BYTES + PACKET_OVERHEAD_BYTES
        down_bytes += TLS_SERVER_BYTES + PACKET_OVERHEAD_BYTES
        round_trips = 2
    return round_trips * rtt_s + up_bytes / uplink + down_bytes / downlink


def _known(path: NetworkPath, what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(
            f"network '{path.name}' has the unknown {what} '{value}'{near_match(value, known)}",
            hint=f"known: {' '.join(known)}",
        )


def draw_rtt_s(path: NetworkPath, u: FloatArray) -> FloatArray:
    """Return round-trip times in seconds at the uniforms `u`, shape (n,) in [0, 1).

    Samples: inverse of their empirical distribution. Quantiles: straight lines between them.
    Below the lowest one it holds, which never makes a path look faster than its figures say.
    Beyond the highest one the last two are continued by an exponential tail (straight over
    -log(1 - u)); with only one it holds. `known_percentile` says where that begins.

    Raises
    ------
    UsageError
        The path gives neither samples nor quantiles.
    """
    if path.rtt_samples_s:
        ordered = np.sort(np.asarray(path.rtt_samples_s, dtype=np.float64))
        # u x n may land a rounding error above a whole number and would pick one too high
        index = np.ceil(u * len(ordered) - 1e-9).astype(np.int64) - 1
        return ordered[np.clip(index, 0, len(ordered) - 1)]
    if not path.rtt_quantiles_s:
        raise UsageError(
            f"the round-trip time of network '{path.name}' is unknown",
            hint="give `rtt:` or `rtt_samples:` in a network file",
        )
    percentiles, values = np.asarray(path.rtt_quantiles_s, dtype=np.float64).T
    rtt_s = np.interp(u, percentiles, values)
    if len(values) > 1:
        decades = -np.log1p(-percentiles)
        slope = (values[-1] - values[-2]) / (decades[-1] - decades[-2])
        beyond = -np.log1p(-np.minimum(u, np.nextafter(1.0, 0.0))) - decades[-1]
        rtt_s = rtt_s + slope * np.maximum(0.0, beyond)
    return np.asarray(rtt_s, dtype=np.float64)


def known_percentile(path: NetworkPath) -> float:
    """Return the highest percentile of the RTT that the figures of the path support.

    n samples support 1 - 10/n (ten lie beyond it), quantiles their last one; 0: none.
    """
    if path.rtt_samples_s:
        return max(0.0, 1 - _SAMPLES_BEYOND / len(path.rtt_samples_s))
    return path.rtt_quantiles_s[-1][0] if path.rtt_quantiles_s else 0.0


def draw_rates(
    path: NetworkPath, lognormal: Callable[[float], FloatArray]
) -> tuple[FloatArray | float | None, FloatArray | float | None]:
    """Return uplink and downlink in bytes per second.

    ``lognormal`` gives random factors of median 1 whose logarithms have the standard deviation it
    is called with; the rates take their shape. A rate that is known at its median alone is one
    number, an unknown one None.

    Log-normal through the median and the 5th percentile where both are known, else the median.
    Both directions share one draw: what slows a link down (distance, load) slows both.

    Raises
    ------
    UsageError
        A 5th percentile lies above its median.
    """
    return (
        _rate(path, "uplink", path.uplink_bytes_per_s, path.uplink_p5_bytes_per_s, lognormal),
        _rate(path, "downlink", path.downlink_bytes_per_s, path.downlink_p5_bytes_per_s, lognormal),
    )


def _rate(
    path: NetworkPath,
    what: str,
    median: float | None,
    p5: float | None,
    lognormal: Callable[[float], FloatArray],
) -> FloatArray | float | None:
    if median is None or p5 is None:
        return median
    if p5 > median:
        raise UsageError(
            f"the {what} of network '{path.name}' has its 5th percentile above its median",
            hint=f"{what}_p5 is the slow end: it must not exceed {what}",
        )
    # rounded, so that a path at another rate of the same spread meets the same factors
    return median * lognormal(round(math.log(median / p5) / _Z95, 9))


def weaknesses(path: NetworkPath, percentile: float) -> tuple[str, ...]:
    """Return why `met` cannot be claimed at this percentile over this path; empty: it can."""
    found: list[str] = []
    if path.loss_ratio is None:
        found.append("its packet loss is unknown")
    elif path.loss_ratio > 0:
        found.append(
            f"its packet loss of {100 * path.loss_ratio:.2g} % is not modelled and adds time"
        )
    if path.congestion_control != "cubic":
        found.append(f"the pacing of {path.congestion_control} is not modelled and adds time")
    if not (path.rtt_samples_s or path.rtt_quantiles_s):
        found.append("its round-trip time is unknown")
    elif known_percentile(path) < percentile - 1e-12:
        found.append(
            f"its round-trip time is known up to {format_percentile(known_percentile(path))},"
            f" not {format_percentile(percentile)}"
        )
    if path.uplink_bytes_per_s is None:
        found.append("its uplink is unknown")
    if path.downlink_bytes_per_s is None:
        found.append("its downlink is unknown")
    return tuple(f"network '{path.name}': {reason}" for reason in found)


def lower_bound_known(path: NetworkPath) -> bool:
    """Return whether the loss-free time bounds the true one from below.

    Then `violated` can be claimed even where loss or pacing, which only add time, are not
    modelled. Both rates must be known, and the RTT at its median or below: held from a higher
    quantile down, it would bound from above.
    """
    has_rtt = bool(path.rtt_samples_s) or any(p <= 0.5 for p, _ in path.rtt_quantiles_s)
    return has_rtt and None not in (path.uplink_bytes_per_s, path.downlink_bytes_per_s)
