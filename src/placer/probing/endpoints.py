"""Kinds of endpoint: how each is greeted, what a call of it is, and where bytes can go."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from placer.core.network.losses import LossEvidence
from placer.probing import grpc_calls
from placer.probing.answers import grpc_outputs
from placer.probing.connects import IPERF3_RATE_HZ, RATE_HZ
from placer.probing.counting import counted_time, metrics_of
from placer.probing.exchange import Line
from placer.probing.http_endpoint import HttpEndpoint
from placer.probing.question import CALL_BYTES_SHARE, Found, Question, check_room
from placer.probing.server_time import Counted, ServerTime
from placer.probing.targets import Target
from placer.probing.tensors import least_bytes


class Endpoint(Protocol):
    """A server that was greeted."""

    what: str
    """What a call is."""
    call_bytes: tuple[int, int]
    """Bodies of a call, up and down; 0: not known before the first."""
    upload: Target | None
    download: Target | None
    no_upload: str
    """Why there is no upload, and what to do."""
    no_download: str
    connect_rate_hz: float

    def call(self) -> float:
        """Make one call and return how long it took."""

    def ack_at_once(self, is_on: bool, /) -> bool:
        """Acknowledge as soon as something comes, or not; False: that cannot be done."""

    def server_time(self, times_s: Sequence[float]) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells.

        Parameters
        ----------
        times_s
            How long they took as they were seen here.
        """

    def loss(self) -> LossEvidence:
        """Return what the packets with payload that were sent tell of loss.

        Those that came here did come, and a lost acknowledgement does not show: neither counts.
        """


class GrpcEndpoint:
    """An inference server over gRPC."""

    connect_rate_hz = RATE_HZ

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        self._question, self._found = question, found
        line = Line(sock, question.access, found.meter)
        try:
            seconds = grpc_calls.greet(question.target, line, question.access)
        finally:
            line.hang_up()
        found.update(phases=replace(found.probe.phases, first_byte_s=seconds), protocol="gRPC")
        self.upload: Target | None = None
        self.download: Target | None = None
        self.no_upload = "gRPC does not show its packets: give --upload-url an HTTP server there"
        self.no_download = (
            "gRPC does not show its packets: give --download-url an HTTP server there"
        )
        self.call_bytes = (0, 0)
        self._before: Counted | None = None
        most = int(CALL_BYTES_SHARE * question.max_bytes / 2)
        self._client = grpc_calls.GrpcClient(question.target, question.access, found.meter, most)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the channel."""
        self._client.__exit__(None, None, None)

    def _open(self) -> None:
        server, _ = self._client.server_metadata()
        self._found.update(server=server or None, protocol="gRPC, Open Inference Protocol")
        model = self._question.model
        self.what = "ServerMetadata"
        if model is None:
            return
        assert self._question.inputs is not None
        told = self._client.model_inputs(model)
        check_room(self._question, least_bytes(told))
        specs, arrays = self._question.inputs(told)
        self._request = self._client.request(model, specs, arrays)
        answer, _ = self._client.infer(model, self._request)
        if self._question.has_outputs:
            self._found.outputs = grpc_outputs(self._question.target, model, answer)
        self.call_bytes = (self._request.ByteSize(), answer.ByteSize())
        check_room(self._question, sum(self.call_bytes))
        self.what = f"inference of {model}"
        self._before = self._counted()

    def _counted(self) -> Counted | None:
        model = self._question.model
        if model is None:
            return None
        if self._question.metrics is not None:
            return metrics_of(self._question, self._found.meter, model)
        return self._client.counted(model)

    def call(self) -> float:
        """Make one call and return how long it took."""
        if self._question.model is None:
            return self._client.server_metadata()[1]
        return self._client.infer(self._question.model, self._request)[1]

    def ack_at_once(self, is_on: bool, /) -> bool:
        """Return False: gRPC does not show its packets."""
        return False

    def server_time(self, times_s: Sequence[float]) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells."""
        return counted_time(self._found, self._before, self._counted(), times_s)

    def loss(self) -> LossEvidence:
        """Return nothing: gRPC does not show its packets."""
        return LossEvidence()


class IperfEndpoint:
    """A server of iperf3, which is left alone but for its transfers."""

    connect_rate_hz = IPERF3_RATE_HZ

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        sock.close()
        found.update(protocol="iperf3")
        self.upload: Target | None = question.target
        self.download: Target | None = question.target
        self.no_upload = self.no_download = ""
        self.what = ""
        self.call_bytes = (2**40, 0)

    def close(self) -> None:
        """Nothing is open."""

    def call(self) -> float:
        """Do nothing: it has no calls."""
        return 0.0

    def ack_at_once(self, is_on: bool, /) -> bool:
        """Return False: it has no calls."""
        return False

    def server_time(self, times_s: Sequence[float]) -> ServerTime | None:
        """Return None: it has no calls."""
        return None

    def loss(self) -> LossEvidence:
        """Return nothing: its connections are those of a program."""
        return LossEvidence()


def _closing(
    kind: Callable[[Question, Found, socket.socket], HttpEndpoint | GrpcEndpoint | IperfEndpoint],
) -> Callable[[Question, Found, socket.socket], AbstractContextManager[Endpoint]]:
    @contextlib.contextmanager
    def opened(question: Question, found: Found, sock: socket.socket) -> Iterator[Endpoint]:
        with contextlib.closing(kind(question, found, sock)) as endpoint:
            yield endpoint

    return opened


ENDPOINTS = {
    "http": _closing(HttpEndpoint),
    "https": _closing(HttpEndpoint),
    "grpc": _closing(GrpcEndpoint),
    "grpcs": _closing(GrpcEndpoint),
    "iperf3": _closing(IperfEndpoint),
}
"""Scheme -> how its servers are greeted."""
