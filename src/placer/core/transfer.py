"""Time to move a request and its answer over a network path.

Inference requests are short flows: whether the connection is new, idle or warm decides more
than bandwidth does. Without loss and BBR a closed form holds (`core.network.exchange`); else the
packets of many requests are simulated (`core.network.requests`). Both were compared with requests
measured on Linux 6.1 behind netem: docs/network.md has the errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from placer.core.backbone import weakness
from placer.core.environment import NETWORK_MAX_AGE_DAYS, NetworkPath
from placer.core.errors import UsageError, near_match
from placer.core.network.exchange import Exchange, lossfree_s
from placer.core.network.flow import Loss
from placer.core.network.framing import Protocol
from placer.core.network.requests import FULL, Effort, needs_simulation, simulated_s
from placer.core.units import format_known, format_percentile

FloatArray = npt.NDArray[np.float64]

SEED = 20261126
MAX_PROVEN_LOSS = 0.03
"""Requests were measured up to a loss of 2 %, the model was developed up to 3 %."""
MAX_PROVEN_PERCENTILE = 0.99
"""Cells have 20 requests with loss each: what lies beyond was not compared."""

_Z95 = 1.6448536269514722
SAMPLES_BEYOND = 10
"""Samples wanted beyond a percentile before it counts as known."""


def request_s(
    path: NetworkPath,
    *,
    up_bytes: int,
    down_bytes: int,
    rtt_s: FloatArray,
    uplink_bytes_per_s: FloatArray | float,
    downlink_bytes_per_s: FloatArray | float,
    protocol: Protocol = Protocol.HTTP1,
    server_s: float = 0.0,
    in_flight: int = 1,
    effort: Effort = FULL,
) -> FloatArray:
    """Return the time of one request for each draw of the path, of the shape of `rtt_s`.

    A new connection pays a TCP and, if encrypted, a TLS 1.3 handshake, and starts with a small
    window; an idle one restarts with that window (not under BBR); a warm one does neither. Where
    the loss of the path is unknown, or whether it comes in bursts, it counts nothing; so it does
    where a rate or the round trip is unknown.

    Parameters
    ----------
    up_bytes, down_bytes
        Bodies of the request and the answer.
    rtt_s
        Two propagation delays in seconds.
    uplink_bytes_per_s, downlink_bytes_per_s
        Of the shape of `rtt_s` or scalar; ``inf`` counts serialisation as nothing.
    server_s
        Time of the server between the request and its answer.
    in_flight
        Requests at a time that share the link.
    effort
        How much is simulated where the closed form does not hold.

    Raises
    ------
    UsageError
        The path has an unknown connection state or congestion control.
    """
    exchange = exchange_over(path, up_bytes, down_bytes, protocol, server_s, in_flight)
    rates = (uplink_bytes_per_s, downlink_bytes_per_s)
    is_known = all(np.isfinite(rate).all() for rate in rates) and bool(np.all(rtt_s > 0))
    if not is_known or not needs_simulation(exchange):
        return lossfree_s(exchange, rtt_s, *rates)
    rng = np.random.default_rng(SEED)
    return simulated_s(exchange, rtt_s, *rates, rng=rng, effort=effort)


def exchange_over(
    path: NetworkPath,
    up_bytes: int,
    down_bytes: int,
    protocol: Protocol = Protocol.HTTP1,
    server_s: float = 0.0,
    in_flight: int = 1,
) -> Exchange:
    """Return a request and its answer over a path. Raises as `request_s`."""
    check_words(path)
    return Exchange(
        up_bytes,
        down_bytes,
        path.connection,
        is_encrypted=path.is_encrypted,
        is_bbr=path.congestion_control == "bbr",
        loss=_loss(path),
        buffer_bytes=path.buffer_bytes,
        protocol=protocol,
        server_s=server_s,
        in_flight=in_flight,
    )


def _loss(path: NetworkPath) -> Loss:
    if path.loss_ratio is None or path.loss_burst_packets is None:
        return Loss(0.0)
    return Loss(path.loss_ratio, path.loss_burst_packets)


def check_words(path: NetworkPath) -> None:
    """Raise UsageError for an unknown connection state or congestion control."""
    _known(path, "connection state", path.connection, ("new", "warm", "idle"))
    _known(path, "congestion control", path.congestion_control, ("cubic", "bbr"))


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
    A backbone adds its figure to each.

    Raises
    ------
    UsageError
        The path gives neither samples nor quantiles.
    """
    beyond_access_s = backbone_s(path)
    if path.rtt_samples_s:
        ordered = np.sort(np.asarray(path.rtt_samples_s, dtype=np.float64))
        # u x n may land a rounding error above a whole number and would pick one too high
        index = np.ceil(u * len(ordered) - 1e-9).astype(np.int64) - 1
        return np.asarray(ordered[np.clip(index, 0, len(ordered) - 1)] + beyond_access_s)
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
    return np.asarray(rtt_s + beyond_access_s, dtype=np.float64)


def backbone_s(path: NetworkPath) -> float:
    """Return what the backbone of a path adds to each round trip; an unknown one adds nothing."""
    return (path.backbone.high_s if path.backbone is not None else None) or 0.0


def known_percentile(path: NetworkPath) -> float:
    """Return the highest percentile of the RTT that the figures of the path support.

    n samples support 1 - 10/n (ten lie beyond it), quantiles their last one; 0: none.
    """
    if path.rtt_samples_s:
        return max(0.0, 1 - SAMPLES_BEYOND / len(path.rtt_samples_s))
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


def median_rtt_s(path: NetworkPath) -> float:
    """Return the median of a known round trip, with what a backbone adds."""
    return float(draw_rtt_s(path, np.array([0.5]))[0])


def burst_unknown(path: NetworkPath) -> str | None:
    """Say that nobody knows how the losses of a path come; None: they are known, or there are none.

    Then `request_s` counts none of them. Without loss no request is slower than with it, so that
    what is violated is so for sure. With losses one by one more requests are delayed than with
    bursts, and the slowest ones less: these times bound nothing.
    """
    if not path.loss_ratio or path.loss_burst_packets is not None:
        return None
    return f"whether its packet loss of {100 * path.loss_ratio:.2g} % comes in bursts is unknown"


def weaknesses(path: NetworkPath, percentile: float) -> tuple[str, ...]:
    """Return why `met` cannot be claimed at this percentile over this path; empty: it can."""
    found: list[str] = []
    if path.age_days is not None and path.age_days > NETWORK_MAX_AGE_DAYS:
        found.append(
            f"it was measured {path.age_days:,} days ago, at most {NETWORK_MAX_AGE_DAYS:g} count: "
            "measure it again (placer network probe)"
        )
    if path.loss_ratio is None:
        found.append("its packet loss is unknown")
    elif (unknown := burst_unknown(path)) is not None:
        found.append(
            f"{unknown}: its times are those without loss, which are the least; "
            "`placer network estimate` tells those with losses one by one"
        )
    elif path.loss_ratio > 0 and path.loss_burst_packets != 1:
        found.append("its losses come in bursts, whose slowest requests are not told rightly")
    elif path.loss_ratio > MAX_PROVEN_LOSS:
        found.append(
            f"requests with a packet loss of {100 * path.loss_ratio:.2g} % were not measured"
        )
    is_simulated = bool(path.loss_ratio) or path.congestion_control == "bbr"
    if is_simulated and percentile > MAX_PROVEN_PERCENTILE:
        found.append(
            f"loss and BBR were compared with measured requests up to "
            f"{format_percentile(MAX_PROVEN_PERCENTILE)}, not {format_percentile(percentile)}"
        )
    if path.buffer_bytes is not None:
        found.append("a short queue beyond the sending host may lose packets: that is not modelled")
    if not (path.rtt_samples_s or path.rtt_quantiles_s):
        found.append("its round-trip time is unknown")
    elif known_percentile(path) < percentile - 1e-12:
        found.append(
            f"its round-trip time is known up to {format_known(known_percentile(path))},"
            f" not {format_percentile(percentile)}"
        )
    beyond_access = weakness(path.backbone, percentile)
    if beyond_access is not None:
        found.append(beyond_access)
    if path.uplink_bytes_per_s is None:
        found.append("its uplink is unknown")
    if path.downlink_bytes_per_s is None:
        found.append("its downlink is unknown")
    return tuple(f"network '{path.name}': {reason}" for reason in found)


def lower_bound_known(path: NetworkPath) -> bool:
    """Return whether the time without what is unknown bounds the true one from below.

    Then `violated` can be claimed even where loss, which only adds time, is not known. Both rates
    must be known, and the RTT at its median or below: held from a higher quantile down, it would
    bound from above.
    """
    has_rtt = bool(path.rtt_samples_s) or any(p <= 0.5 for p, _ in path.rtt_quantiles_s)
    return has_rtt and None not in (path.uplink_bytes_per_s, path.downlink_bytes_per_s)
