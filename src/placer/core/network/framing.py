"""What HTTP/1.1, HTTP/2 and gRPC add to a body, and what opening a connection exchanges first.

Source: RFC 9112, RFC 9113, RFC 7541, the gRPC protocol over HTTP/2; head sizes as each constant
says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

REQUEST_HEAD_BYTES = 165
"""HTTP/1.1 request line and headers of a KServe v2 inference call (measured, rounded)."""
RESPONSE_HEAD_BYTES = 105
"""HTTP/1.1 status line and headers of its answer (measured, rounded)."""
TLS_CLIENT_BYTES = 517
"""ClientHello as OpenSSL 3 pads it."""
TLS_SERVER_BYTES = 823
"""ServerHello to Finished with a self-signed certificate: what a TLS 1.3 handshake added on a
10 Mbit/s link, less the ClientHello. A public certificate chain is one to three kB longer."""
FRAME_HEAD_BYTES = 9
"""RFC 9113 section 4.1."""
FRAME_BYTES = 16384
"""Least, and usual, SETTINGS_MAX_FRAME_SIZE (RFC 9113 section 6.5.2)."""
PREFACE_BYTES = 24 + FRAME_HEAD_BYTES + 18
"""Connection preface and SETTINGS with three parameters, sent before the first request."""
SETTINGS_BYTES = 2 * FRAME_HEAD_BYTES + 18
"""SETTINGS of the server and its acknowledgement of the client's."""
GRPC_PREFIX_BYTES = 5
"""Compression flag and length before each message."""


class Protocol(StrEnum):
    """What carries a request."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    GRPC = "grpc"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Heads:
    """Bytes of the heads of a request and its answer, all frames that are no body."""

    request_bytes: int
    answer_bytes: int


_HPACK = {
    (Protocol.HTTP2, True): Heads(117, 83),
    (Protocol.HTTP2, False): Heads(10, 6),
    (Protocol.GRPC, True): Heads(160, 48 + FRAME_HEAD_BYTES + 24),
    (Protocol.GRPC, False): Heads(9, 3 + FRAME_HEAD_BYTES + 2),
}
"""Header blocks of an Open Inference Protocol call, encoded with hpack 4 (python-hyper): the first
of a connection, and a later one whose fields are in the dynamic table. gRPC answers with trailers
as well."""


def framed_bytes(
    up_bytes: int, down_bytes: int, protocol: Protocol, *, is_new: bool
) -> tuple[int, int]:
    """Return the bytes of a request and its answer as TCP is given them.

    Parameters
    ----------
    up_bytes, down_bytes
        Bodies.
    is_new
        First request of its connection.
    """
    match protocol:
        case Protocol.RAW:
            return up_bytes, down_bytes
        case Protocol.HTTP1:
            return up_bytes + REQUEST_HEAD_BYTES, down_bytes + RESPONSE_HEAD_BYTES
        case Protocol.HTTP2 | Protocol.GRPC:
            heads = _HPACK[protocol, is_new]
            prefix = GRPC_PREFIX_BYTES if protocol is Protocol.GRPC else 0
            # the settings of gRPC have a flight of their own, before the request
            opens = is_new and protocol is Protocol.HTTP2
            up, down = (_in_frames(n + prefix) for n in (up_bytes, down_bytes))
            return (
                up + FRAME_HEAD_BYTES + heads.request_bytes + (PREFACE_BYTES if opens else 0),
                down + FRAME_HEAD_BYTES + heads.answer_bytes + (SETTINGS_BYTES if opens else 0),
            )


def _in_frames(n_bytes: int) -> int:
    return n_bytes + max(1, math.ceil(n_bytes / FRAME_BYTES)) * FRAME_HEAD_BYTES


def opening_flights(protocol: Protocol, *, is_encrypted: bool) -> tuple[tuple[int, int], ...]:
    """Return the bytes up and down of each round trip between the TCP handshake and a request.

    TLS 1.3 takes one (RFC 8446). gRPC waits for the SETTINGS of the server, which takes another
    (measured with grpcio); HTTP/2 as such need not wait (RFC 9113 section 3.4).
    """
    flights: tuple[tuple[int, int], ...] = ()
    if is_encrypted:
        flights += ((TLS_CLIENT_BYTES, TLS_SERVER_BYTES),)
    if protocol is Protocol.GRPC:
        flights += ((PREFACE_BYTES, SETTINGS_BYTES),)
    return flights
