"""The time of a request over a network path, as the distribution that people ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from placer.core.backbone import told_figure
from placer.core.environment import Backbone, NetworkPath
from placer.core.errors import UsageError
from placer.core.network.envelope import Envelope, envelope_of
from placer.core.network.exchange import lossfree_s
from placer.core.network.framing import Protocol, framed_bytes
from placer.core.network.requests import QUICK, REQUESTS, WARM_UP, Effort, needs_simulation
from placer.core.network.wire import MSS_BYTES
from placer.core.sequential import quantile
from placer.core.transfer import (
    SEED,
    burst_unknown,
    draw_rates,
    draw_rtt_s,
    exchange_over,
    known_percentile,
    request_s,
)
from placer.core.units import format_duration, format_known

DRAWS = 20_000
"""Draws of round trip and rates."""
SAMPLES = 10_000
"""Requests that are simulated, fewer where messages are large."""
LEAST_SAMPLES = 500
ENVELOPE_SAMPLES = 200
"""Requests that are simulated for one size of an envelope: it tells a median."""
MAX_WORK = 1_000_000
"""Packets that all of them have together."""
MAX_IN_FLIGHT = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent over the path and answered."""

    up_bytes: int
    """Body of the request."""
    down_bytes: int
    """Body of the answer."""
    protocol: Protocol = Protocol.HTTP1
    server_s: float = 0.0
    """Time of the server between the request and its answer."""
    in_flight: int = 1
    """Requests at a time that share the link."""
    serialisation_s: float = 0.0
    """Encoding and decoding of tensors, on both sides."""


@dataclass(frozen=True, slots=True)
class NetworkEstimate:
    """Quantiles and mean of the time of a request, in seconds."""

    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    mean_s: float
    serialisation_s: float
    """Part of each of them."""
    assumptions: tuple[str, ...]
    """What nobody stated, and what was taken instead."""


def estimate(path: NetworkPath, request: Request) -> NetworkEstimate:
    """Return how long a request takes over a path.

    Raises
    ------
    UsageError
        The round trip or a rate of the path is unknown, or a word of it.
    """
    stated = path
    path, assumptions = _completed(path)
    rtt_s, uplink, downlink = _draws(path, DRAWS)
    n = max(len(rtt_s), np.size(uplink), np.size(downlink))
    packets = max(framed_bytes(request.up_bytes, request.down_bytes, request.protocol, is_new=True))
    samples = int(np.clip(MAX_WORK * MSS_BYTES / packets, LEAST_SAMPLES, SAMPLES))

    def times_over(path: NetworkPath) -> np.ndarray:
        return request_s(
            path,
            up_bytes=request.up_bytes,
            down_bytes=request.down_bytes,
            rtt_s=np.broadcast_to(rtt_s, (n,)),
            uplink_bytes_per_s=uplink,
            downlink_bytes_per_s=downlink,
            protocol=request.protocol,
            server_s=request.server_s + request.serialisation_s,
            in_flight=request.in_flight,
            effort=Effort(samples),
        )

    times_s = times_over(path)
    unknown = burst_unknown(stated)
    if unknown is not None:
        least_s = times_over(replace(path, loss_ratio=0.0))
        assumptions = (_one_by_one(unknown, least_s), *assumptions)
    p50_s, p90_s, p95_s, p99_s = (quantile(times_s, p) for p in (0.5, 0.9, 0.95, 0.99))
    return NetworkEstimate(
        p50_s,
        p90_s,
        p95_s,
        p99_s,
        float(np.mean(times_s)),
        request.serialisation_s,
        assumptions,
    )


def check_figures(path: NetworkPath) -> None:
    """Raise UsageError where the round trip or a rate of a path is unknown."""
    _completed(path)


def upload_envelope(path: NetworkPath, request: Request, *, max_bytes: int) -> Envelope:
    """Return the concave envelope of the median time against the body of the request.

    At the median of the path's round trip and rates, and with the losses that `placer recommend`
    counts: none where nobody knows whether they come in bursts.

    Parameters
    ----------
    request
        Its `up_bytes` do not count.
    max_bytes
        Largest body.

    Raises
    ------
    UsageError
        As `estimate`.
    """
    if burst_unknown(path) is not None:
        path = replace(path, loss_ratio=0.0)
    path, _ = _completed(path)
    return _envelope(path, request, max_bytes)


@lru_cache(maxsize=64)
def _envelope(path: NetworkPath, request: Request, max_bytes: int) -> Envelope:
    """Return the envelope over a path whose figures are all known."""
    rtt_s = draw_rtt_s(path, np.array([0.5]))
    rates = (path.uplink_bytes_per_s or np.inf, path.downlink_bytes_per_s or np.inf)
    given = (request.down_bytes, request.protocol, request.server_s, request.in_flight)
    head, _ = framed_bytes(1, 1, request.protocol, is_new=path.connection == "new")

    def lossfree(up_bytes: int) -> float:
        return float(lossfree_s(exchange_over(path, up_bytes, *given), rtt_s, *rates)[0])

    if not needs_simulation(exchange_over(path, max_bytes, *given)):
        return envelope_of(lossfree, max_bytes, head - 1)
    sizes = _doubling_sizes(max_bytes)
    times_s = [
        float(
            np.median(
                request_s(
                    path,
                    up_bytes=size,
                    down_bytes=request.down_bytes,
                    rtt_s=np.repeat(rtt_s, ENVELOPE_SAMPLES),
                    uplink_bytes_per_s=rates[0],
                    downlink_bytes_per_s=rates[1],
                    protocol=request.protocol,
                    server_s=request.server_s,
                    in_flight=request.in_flight,
                    effort=replace(QUICK, samples=ENVELOPE_SAMPLES),
                )
            )
        )
        for size in sizes
    ]
    longer = [time_s / lossfree(size) for size, time_s in zip(sizes, times_s, strict=True)]

    def median_s(up_bytes: int) -> float:
        if up_bytes > sizes[-1]:  # the rate of a long flow is steady
            return times_s[-1] * up_bytes / sizes[-1]
        return lossfree(up_bytes) * float(np.interp(np.log(up_bytes), np.log(sizes), longer))

    return envelope_of(median_s, max_bytes, head - 1)


def _doubling_sizes(max_bytes: int) -> tuple[int, ...]:
    """Return the bodies that are simulated: one, then each twice as large, up to a long one."""
    most = min(max_bytes, QUICK.max_packets * MSS_BYTES)
    found = [MSS_BYTES * 2**step for step in range(most.bit_length()) if MSS_BYTES * 2**step < most]
    return tuple(sorted({1, *found, most}))


_OPTIONS = {"round-trip time": "--rtt", "uplink": "--uplink", "downlink": "--downlink"}
"""Of `placer network estimate`, the one command that takes figures of a path."""


def _completed(path: NetworkPath) -> tuple[NetworkPath, tuple[str, ...]]:
    """Return the path with what it leaves open assumed, and what that is."""
    missing = [
        name
        for name, is_known in (
            ("round-trip time", bool(path.rtt_samples_s or path.rtt_quantiles_s)),
            ("uplink", path.uplink_bytes_per_s is not None),
            ("downlink", path.downlink_bytes_per_s is not None),
        )
        if not is_known
    ]
    if missing:
        raise UsageError(
            f"the {_listed(missing)} of network '{path.name}' {_verb(missing)} unknown",
            hint="take another network, or a file of your own that states "
            f"{'it' if len(missing) == 1 else 'them'} (placer network probe measures one, and says "
            "why a rate was not found); placer network estimate takes "
            f"{' and '.join(_OPTIONS[name] for name in missing)} as well",
        )
    found = []
    if path.loss_ratio is None:
        path = replace(path, loss_ratio=0.0)
        found.append("packet loss is unknown: none is taken")
    elif path.loss_burst_packets is None:
        path = replace(path, loss_burst_packets=1.0)
    elif path.loss_ratio and path.connection != "new" and path.congestion_control == "cubic":
        found.append(
            f"of a kept connection that loses packets the requests {WARM_UP + 1} to "
            f"{WARM_UP + REQUESTS} are taken; `placer recommend` takes the window that losses "
            "leave in the long run: slower for small messages"
        )
    if path.backbone is not None:
        found.append(_way_on(path.backbone))
    known = known_percentile(path)
    if known < 0.99 and len({x for _, x in path.rtt_quantiles_s} | set(path.rtt_samples_s)) > 1:
        found.append(f"the round-trip time beyond {format_known(known)} is extrapolated")
    return path, tuple(found)


def _one_by_one(unknown: str, least_s: np.ndarray) -> str:
    """Say what is taken for bursts of an unknown length, and what `recommend` takes."""
    p50, p99 = (format_duration(quantile(least_s, p)) for p in (0.5, 0.99))
    return (
        f"{unknown}: these are times with losses one by one, longer bursts delay fewer requests "
        f"for longer; `placer recommend` judges by the times without loss, p50 {p50} and p99 {p99},"
        " which are the least"
    )


def _way_on(backbone: Backbone) -> str:
    """Say what is added for a backbone."""
    added_s = backbone.high_s or 0.0
    what = (
        f"as from the farthest region in {backbone.start}"
        if backbone.known_percentile == 0
        else told_figure(backbone)
    )
    return (
        f"the way from {backbone.start} to {backbone.end} adds {format_duration(added_s)} to each "
        f"round trip, {what} ({backbone.source})"
    )


def _listed(missing: list[str]) -> str:
    *first, last = missing
    return f"{', the '.join(first)} and the {last}" if first else last


def _verb(missing: list[str]) -> str:
    return "are" if len(missing) > 1 else "is"


def _draws(path: NetworkPath, n: int) -> tuple[np.ndarray, np.ndarray | float, np.ndarray | float]:
    """Return draws of round trip (n,) and rates."""
    rng = np.random.default_rng(SEED)
    uniform = rng.permutation((np.arange(n) + rng.random(n)) / n)
    normal = rng.standard_normal(n)
    uplink, downlink = draw_rates(path, lambda sigma: np.exp(sigma * normal))
    assert uplink is not None
    assert downlink is not None
    return draw_rtt_s(path, uniform), uplink, downlink
