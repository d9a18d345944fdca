"""What probing a network found as JSON, and its JSON Schema.

Version 1 may gain keys; it never loses, renames or retypes one. Every key is always written:
unknown is null, none is ``[]``.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from placer.core.probe import Probe, Rate, round_trips_s, server_estimate_s, supported_percentile

SCHEMA_ID: Final = "placer/network-probe/v1"


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class PhasesPart(_Part):
    """The first request, phase by phase; null: did not happen or is not known."""

    look_up_s: float | None
    """Name look-up."""
    connect_s: float | None
    """TCP handshake."""
    tls_s: float | None
    """TLS handshake."""
    first_byte_s: float | None
    """From the request to the first byte of its answer."""
    whole_answer_s: float | None
    """From the request to the last byte of its answer."""
    answer_bytes: int | None
    """Body of that answer."""


class RttPart(_Part):
    """Round trips, without what their packets take of the link."""

    samples_s: tuple[float, ...]
    """One for each connect."""
    p50_s: float | None
    """Null: no samples."""
    supported_percentile: float
    """Highest percentile that so many samples support, as a ratio."""


class CallsPart(_Part):
    """Requests over a connection in use, each after the answer to the one before."""

    what: str
    """`HEAD /`, or `inference of MODEL`."""
    times_s: tuple[float, ...]
    """From sending to the whole answer."""
    up_bytes: int | None
    """Body of a request."""
    down_bytes: int | None
    """Body of an answer."""
    server_s: float | None
    """Of the server for one call in the mean, as it reports it; null: it does not."""
    server_source: str | None
    """Who reported that."""
    server_estimate_s: float | None
    """Median call less round trip and sending."""


class RatePart(_Part):
    """Rate of the link in one direction, with the headers of packets."""

    bytes_per_s: float | None
    """Median of the windows; null: unknown."""
    p5_bytes_per_s: float | None
    """5th percentile of the windows; null: too few of them."""
    windows: int | None
    """In which the link was full."""
    moved_bytes: int
    """In this direction, while its rate was measured."""
    reason: str | None
    """Why the rate is unknown and what to do, or what weakens it."""


class LossPart(_Part):
    """Packets whose fate is known, of both directions together."""

    ratio: float | None
    """Share of them that was lost; null: there were none."""
    at_most_ratio: float | None
    """Its upper end, one-sided 95 %."""
    lost: int
    """Packets that did not arrive."""
    packets: int
    """Packets whose fate is known."""
    bulk_retransmissions: int | None
    """Sent again while the link was full, not counted above (of a download over HTTP only 0 is
    known); null: not known."""


class ProbeDocument(_Part):
    """What probing a network path found."""

    model_config = ConfigDict(title="placer network probe, version 1")

    schema_id: Literal["placer/network-probe/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    target: str
    """The URL, without credentials."""
    address: str | None
    """Of the server."""
    protocol: str | None
    """`HTTP/1.1`, `gRPC`, with `Open Inference Protocol` where it is one."""
    server: str | None
    """What the server calls itself."""
    tls_version: str | None
    """Null: no TLS."""
    started_at: str
    """Date and time, UTC, ISO 8601."""
    duration_s: float
    """Of the whole probe."""
    sent_bytes: int
    """Of the whole probe."""
    received_bytes: int
    """Of the whole probe."""
    is_partial: bool
    """Whether it ended early: what was measured until then is kept."""
    error: str | None
    """Why it ended early."""
    phases: PhasesPart
    rtt: RttPart
    calls: CallsPart | None
    """Null: none were made."""
    uplink: RatePart
    downlink: RatePart
    loss: LossPart
    congestion_control: str | None
    """Of this host; null: not known."""
    notes: tuple[str, ...]
    """What else a reader should know."""


def render_json(probe: Probe) -> str:
    """Return all figures as JSON."""
    document = ProbeDocument(
        target=probe.target,
        address=probe.address,
        protocol=probe.protocol or None,
        server=probe.server,
        tls_version=probe.tls_version,
        started_at=probe.started_at,
        duration_s=probe.duration_s,
        sent_bytes=probe.sent_bytes,
        received_bytes=probe.received_bytes,
        is_partial=probe.is_partial,
        error=probe.error,
        phases=PhasesPart.model_validate(probe.phases),
        rtt=_rtt(probe),
        calls=_calls(probe),
        uplink=_rate(probe.uplink),
        downlink=_rate(probe.downlink),
        loss=LossPart(
            ratio=probe.loss.ratio,
            at_most_ratio=probe.loss.at_most_ratio,
            lost=probe.loss.lost,
            packets=probe.loss.packets,
            bulk_retransmissions=probe.bulk_retransmissions,
        ),
        congestion_control=probe.congestion_control,
        notes=probe.notes,
    )
    data = document.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def probe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `render_json` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:network-probe:v1",
        **ProbeDocument.model_json_schema(mode="serialization", by_alias=True),
    }


def _rtt(probe: Probe) -> RttPart:
    times_s = round_trips_s(probe)
    return RttPart(
        samples_s=times_s,
        p50_s=float(np.median(times_s)) if times_s else None,
        supported_percentile=supported_percentile(len(times_s)),
    )


def _calls(probe: Probe) -> CallsPart | None:
    calls = probe.calls
    if calls is None:
        return None
    return CallsPart(
        what=calls.what,
        times_s=calls.times_s,
        up_bytes=calls.up_bytes,
        down_bytes=calls.down_bytes,
        server_s=calls.server_s,
        server_source=calls.server_source or None,
        server_estimate_s=server_estimate_s(probe),
    )


def _rate(side: Rate) -> RatePart:
    rate = side.rate
    return RatePart(
        bytes_per_s=None if rate is None else rate.median_bytes_per_s,
        p5_bytes_per_s=None if rate is None else rate.p5_bytes_per_s,
        windows=None if rate is None else rate.windows,
        moved_bytes=side.moved_bytes,
        reason=side.reason or None,
    )
