"""What probing a network path found, and the network path that follows from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placer.core.environment import ENDPOINT, Basis, NetworkPath
from placer.core.network.framing import REQUEST_HEAD_BYTES, RESPONSE_HEAD_BYTES
from placer.core.network.link_rate import LinkRate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import SYN_BYTES, wire_bytes
from placer.core.transfer import SAMPLES_BEYOND

GAP_S = 1.0
"""A connect that took so much longer than the others had its SYN lost (SYN_TIMEOUT_S)."""


@dataclass(frozen=True, slots=True)
class Phases:
    """The first request, phase by phase, in seconds; None: did not happen or is not known."""

    look_up_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None
    first_byte_s: float | None = None
    """From the request to the first byte of its answer."""
    whole_answer_s: float | None = None
    """From the request to the last byte of its answer."""
    answer_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests over a connection in use, each after the answer to the one before."""

    what: str
    """``HEAD /``, or ``inference of digits``."""
    times_s: tuple[float, ...]
    """From sending to the whole answer."""
    up_bytes: int | None = None
    down_bytes: int | None = None
    server_s: float | None = None
    """Of the server for one call, in the mean."""
    server_source: str = ""
    """Who reported that, or how it was derived."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Rate of the link in one direction; unknown: why."""

    rate: LinkRate | None = None
    moved_bytes: int = 0
    reason: str = ""
    """Why the rate is unknown and what to do, or what weakens it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """All that was found. What was not measured is None or empty."""

    target: str
    """The URL, without credentials."""
    kind: str
    """``http``, ``https``, ``grpc``, ``grpcs`` or ``iperf3``."""
    started_at: str
    """Date and time, UTC, ISO 8601."""
    address: str | None = None
    """Of the server."""
    tls_version: str | None = None
    protocol: str = ""
    """``HTTP/1.1``, ``gRPC``, with ``Open Inference Protocol`` where it is one."""
    server: str | None = None
    """What the server calls itself."""
    phases: Phases = Phases()
    rtt_samples_s: tuple[float, ...] = ()
    """As measured: with the serialisation of a SYN and its answer."""
    connect_rate_hz: float = 0.0
    """Connects per second that were started at most."""
    calls: Calls | None = None
    uplink: Rate = Rate()
    downlink: Rate = Rate()
    loss: LossEvidence = field(default_factory=LossEvidence)
    bulk_retransmissions: int | None = None
    """Packets sent again while the link was full; may be its queue. Of a download over HTTP only
    that there were none is known."""
    notes: tuple[str, ...] = ()
    sent_bytes: int = 0
    received_bytes: int = 0
    duration_s: float = 0.0
    asked_duration_s: float = 0.0
    """Over which it was to be measured; 0: not told."""
    error: str | None = None
    """Why it ended early: the rest is partial."""
    congestion_control: str | None = None
    """Of this host."""

    @property
    def is_partial(self) -> bool:
        """Whether it ended early."""
        return self.error is not None


def supported_percentile(samples: int) -> float:
    """Return the highest percentile that so many samples support: 1 - 10 / n."""
    return max(0.0, 1 - SAMPLES_BEYOND / samples) if samples else 0.0


def samples_for(percentile: float) -> int:
    """Return how many samples support a percentile."""
    return int(np.ceil(SAMPLES_BEYOND / (1 - percentile) - 1e-9))


def round_trips_s(probe: Probe) -> tuple[float, ...]:
    """Return the round trips without serialisation: what the SYN and its answer took of the link.

    Where a rate is unknown nothing is taken off for it.
    """
    serialisation_s = sum(
        SYN_BYTES / side.rate.median_bytes_per_s
        for side in (probe.uplink, probe.downlink)
        if side.rate is not None
    )
    # a rate that is too low must not take a round trip away
    return tuple(max(time_s - serialisation_s, time_s / 2) for time_s in probe.rtt_samples_s)


def split_retried(
    times_s: Sequence[float], retries: Sequence[int | None]
) -> tuple[tuple[float, ...], int]:
    """Return the round trips and how many SYNs (or their answers) were lost.

    Parameters
    ----------
    times_s
        How long each connect took.
    retries
        How often the kernel sent its SYN again; None: it does not tell, and one that took
        `GAP_S` longer than the median of the others counts as sent again.
    """
    known = [t for t, n in zip(times_s, retries, strict=True) if not n]
    typical_s = float(np.median(known)) if known else 0.0
    round_trips, lost = [], 0
    for time_s, count in zip(times_s, retries, strict=True):
        if count:
            lost += count
        elif count is None and time_s > typical_s + 0.9 * GAP_S:
            lost += max(1, int(np.log2(1 + (time_s - typical_s) / GAP_S + 0.1)))
        else:
            round_trips.append(time_s)
    return tuple(round_trips), lost


def network_name(target: str) -> str:
    """Return a name for a network file from a URL."""
    host = re.sub(r"^[a-z0-9+]+://", "", target).split("/")[0]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip("-._")
    return f"to-{name}" if name else "probed"


def path_of(probe: Probe) -> NetworkPath:
    """Return the network path that the probe found."""
    loss = probe.loss
    path = NetworkPath(
        name=network_name(probe.target),
        title=f"measured to {probe.target}",
        rtt_samples_s=round_trips_s(probe),
        loss_ratio=loss.ratio,
        loss_at_most_ratio=loss.at_most_ratio,
        loss_burst_packets=None if loss.lost else 1.0,
        is_encrypted=probe.kind in ("https", "grpcs"),
        measured_to=ENDPOINT,
        basis=Basis.MEASURED,
    )
    up, down = probe.uplink.rate, probe.downlink.rate
    if up is not None:
        path = replace(
            path, uplink_bytes_per_s=up.median_bytes_per_s, uplink_p5_bytes_per_s=up.p5_bytes_per_s
        )
    if down is not None:
        path = replace(
            path,
            downlink_bytes_per_s=down.median_bytes_per_s,
            downlink_p5_bytes_per_s=down.p5_bytes_per_s,
        )
    return path


def server_estimate_s(probe: Probe) -> float | None:
    """Return the median call less round trip and sending: about what the server takes.

    Where a rate is unknown its sending is not taken off. None: there were no calls.
    """
    calls = probe.calls
    if calls is None or not calls.times_s or not probe.rtt_samples_s:
        return None
    sending_s = sum(
        wire_bytes(size or 0, head) / side.rate.median_bytes_per_s
        for size, head, side in (
            (calls.up_bytes, REQUEST_HEAD_BYTES, probe.uplink),
            (calls.down_bytes, RESPONSE_HEAD_BYTES, probe.downlink),
        )
        if side.rate is not None
    )
    rtt_s = float(np.median(round_trips_s(probe)))
    return max(0.0, float(np.median(calls.times_s)) - rtt_s - sending_s)
