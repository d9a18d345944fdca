"""Kinds of endpoint: how each is greeted, what a call of it is, and where bytes can go."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Protocol

from placer.core.errors import InputError, PlacerError, UsageError
from placer.core.network.losses import LossEvidence
from placer.core.units import format_bytes
from placer.probing import grpc_calls, inference
from placer.probing.connects import RATE_HZ
from placer.probing.dialing import connect, encrypt, look_up, printable, tls_context
from placer.probing.http import Answer, ask, check_status, open_client, quiet_close
from placer.probing.question import CALL_BYTES_SHARE, PAGE_SHARE, Found, Question
from placer.probing.server_time import Counted, ServerTime, between, of_headers, of_metrics
from placer.probing.targets import Target
from placer.probing.tcp_info import tcp_info

FIRST_ANSWER_BYTES = 256 * 1024
"""Where reading the first answer ends."""
LEAST_ANSWER_BYTES = 65_536
"""Room for what a server says of itself or of a model."""
HEAD_BYTES = 250
"""About what a request or an answer without a body takes."""


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

    def server_time(self) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells."""

    def loss(self) -> LossEvidence:
        """Return what the packets with payload that were sent tell of loss.

        Those that came here did come, and a lost acknowledgement does not show: neither counts.
        """


class HttpEndpoint:
    """A web server, or an inference server over HTTP."""

    connect_rate_hz = RATE_HZ

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        self._question, self._found = question, found
        self._target, self._access = question.target, question.access
        self._first_bytes = min(FIRST_ANSWER_BYTES, int(PAGE_SHARE * question.max_bytes))
        self._use(sock)
        self._headers: list[Mapping[str, str]] = []
        self._before: Counted | None = None
        self._root = inference.root_of(self._target)
        self._lost_before = LossEvidence()
        self.upload: Target | None = None
        self.download: Target | None = None
        self.no_upload = "no place to send bytes to is known: give --upload-url"
        self.no_download = "answers of models are small: give --download-url a body of some MB"
        self.call_bytes = (0, 0)
        self._greet()

    def close(self) -> None:
        """Close the connection."""
        self._count_unread()
        quiet_close(self._sock)

    def _use(self, sock: socket.socket) -> None:
        self._sock = sock
        self._client = open_client(self._target, sock, window_bytes=self._question.window_bytes)
        self._counted_bytes = 0

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Ask over the connection that is kept, or over a new one where the server closed it.

        Without a most of bytes it is something that a server says of itself.
        """
        most = max(LEAST_ANSWER_BYTES, self._first_bytes) if max_bytes is None else max_bytes
        try:
            answer = ask(
                self._target.at(path),
                self._client,
                self._access,
                method=method,
                body=body,
                headers=headers,
                max_bytes=most,
            )
        finally:
            self._found.moved(HEAD_BYTES + len(body or b""), 0)
            self._count_unread()
        self._count(HEAD_BYTES + answer.n_bytes)
        if answer.is_last or not answer.is_whole:
            self._open_again()
        return answer

    def _count(self, n_bytes: int) -> None:
        if tcp_info(self._sock) is None:  # else the kernel tells
            self._found.moved(0, n_bytes)

    def _count_unread(self) -> None:
        """Count what has come, whether it was read or not."""
        info = tcp_info(self._sock) if self._sock.fileno() >= 0 else None
        if info is not None:
            self._found.moved(0, max(0, info.bytes_received - self._counted_bytes))
            self._counted_bytes = max(self._counted_bytes, info.bytes_received)

    def _open_again(self) -> None:
        self._lost_before = self.loss()
        self._count_unread()
        quiet_close(self._sock)
        address = look_up(self._target, self._access)
        _, sock, _ = connect(
            self._target, address, self._access, window_bytes=self._question.window_bytes
        )
        if self._target.is_encrypted:
            context = tls_context(self._access, ("http/1.1",))
            sock, _ = encrypt(self._target, sock, context, self._access)
        self._use(sock)

    def _greet(self) -> None:
        """Ask for the first time, and find out whether an inference server answers."""
        if self._question.model is not None:
            self._open_model(self._question.model)
            return
        path = self._target.path
        shown = path.partition("?")[0]
        first = self._ask("GET", path, max_bytes=self._first_bytes)
        self._told(first)
        if path in ("/", self._root + "/v2") and self._is_inference_server(first):
            self.what = f"GET {self._root}/v2/health/live"
            self._method, self._path = "GET", f"{self._root}/v2/health/live"
            self.no_upload = "give --model to send real requests, or --upload-url"
            return
        check_status(self._target, first, what=f"GET {shown}")
        self._method, self._path = "HEAD", path
        self.what = f"HEAD {shown}"
        self.upload = self.download = self._target

    def _is_inference_server(self, first: Answer) -> bool:
        """Ask whether it speaks the Open Inference Protocol; many web servers refuse to answer."""
        about = inference.server_metadata(first)
        if about is None and self._target.path == "/":
            try:
                answer = self._ask("GET", f"{self._root}/v2", max_bytes=self._first_bytes)
            except PlacerError:
                self._open_again()
                return False
            about = inference.server_metadata(answer)
        if about is None:
            return False
        self._is_inference(about)
        return True

    def _is_inference(self, about: Mapping[str, object] | None) -> None:
        self._found.update(protocol="HTTP/1.1, Open Inference Protocol")
        if about is not None:
            name = printable(f"{about['name']} {about.get('version', '')}".strip())
            self._found.update(server=name)

    def _told(self, answer: Answer) -> None:
        phases = replace(
            self._found.probe.phases,
            first_byte_s=answer.first_byte_s,
            whole_answer_s=answer.whole_s if answer.is_whole else None,
            answer_bytes=answer.n_bytes if answer.is_whole else None,
        )
        server = self._found.probe.server or answer.headers.get("server")
        protocol = self._found.probe.protocol or "HTTP/1.1"
        self._found.update(phases=phases, server=server, protocol=protocol)
        via = answer.headers.get("via")
        if via:
            self._found.note(f"a proxy stands between: the answer came via {via}")

    def _open_model(self, model: str) -> None:
        first = self._ask("GET", f"{self._root}/v2", max_bytes=self._first_bytes)
        self._told(first)
        if first.status in (401, 403, 407):
            check_status(self._target, first, what=f"GET {self._root}/v2")
        told = inference.model_inputs(self._target, self._ask, self._root, model)
        self._is_inference(inference.server_metadata(first))
        assert self._question.inputs is not None
        specs, arrays = self._question.inputs(told)
        self._body, self._body_headers = inference.make_request(
            specs, arrays, self._question.encoding
        )
        answer = self._infer()
        self.call_bytes = (len(self._body), answer.n_bytes)
        check_room(self._question, sum(self.call_bytes))
        self.what = f"inference of {model}"
        self._model: str | None = model
        self._method = "POST"
        self.upload = self._target.at(f"{inference.model_path(self._root, model)}/infer")
        self._headers.clear()
        if of_headers([answer.headers]) is None:
            self._before = self._counted()

    def _infer(self) -> Answer:
        model = self._question.model
        assert model is not None
        room = int(CALL_BYTES_SHARE * self._question.max_bytes) - len(self._body)
        ask = partial(self._ask, max_bytes=max(LEAST_ANSWER_BYTES, room))
        return inference.infer(self._target, ask, self._root, model, self._body, self._body_headers)

    def _counted(self) -> Counted | None:
        model = self._question.model
        if model is None:
            return None
        if self._question.metrics is not None:
            return metrics_of(self._question, model)
        return inference.counted(self._ask, self._root, model)

    def call(self) -> float:
        """Make one call and return how long it took."""
        if self._method == "POST":
            answer = self._infer()
        else:
            answer = self._ask(self._method, self._path, max_bytes=self._first_bytes)
        self._headers.append(answer.headers)
        return answer.whole_s

    def server_time(self) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells."""
        told = of_headers(self._headers)
        if told is not None or self._method != "POST":
            return told
        return between(self._before, self._counted())

    def loss(self) -> LossEvidence:
        """Return what the packets of its connection tell of loss."""
        info = tcp_info(self._sock) if self._sock.fileno() >= 0 else None
        if info is None:
            return self._lost_before
        lost = info.lost
        return self._lost_before + LossEvidence(info.data_segs_out, lost)


def check_room(question: Question, n_bytes: int) -> None:
    """Raise UsageError where two calls take more than the bytes that they may."""
    least = 2 * n_bytes / CALL_BYTES_SHARE
    if least > question.max_bytes:
        raise UsageError(
            f"one call takes {format_bytes(n_bytes)}: --max-data leaves no room for two",
            hint=f"--max-data {int(least / 1e6) + 1}MB",
        )


def metrics_of(question: Question, model: str) -> Counted | None:
    """Return what the metrics at --metrics-url tell. Raises PlacerError."""
    target = question.metrics
    assert target is not None
    access = question.access
    _, sock, _ = connect(target, look_up(target, access), access)
    with sock:
        if target.is_encrypted:
            sock, _ = encrypt(target, sock, tls_context(access, ("http/1.1",)), access)
        with contextlib.closing(open_client(target, sock)) as client:
            answer = ask(target, client, access)
    check_status(target, answer, what="--metrics-url")
    found = of_metrics(answer.body.decode("utf-8", "replace"), model)
    if found is None:
        raise InputError(
            f"{target.url} has no metric that tells the time of requests to '{model}'",
            hint="leave out --metrics-url",
        )
    return found


class GrpcEndpoint:
    """An inference server over gRPC."""

    connect_rate_hz = RATE_HZ

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        self._question, self._found = question, found
        seconds = grpc_calls.greet(question.target, sock, question.access)
        found.update(phases=replace(found.probe.phases, first_byte_s=seconds), protocol="gRPC")
        quiet_close(sock)
        self.upload: Target | None = None
        self.download: Target | None = None
        self.no_upload = "gRPC does not show its packets: give --upload-url an HTTP server there"
        self.no_download = (
            "gRPC does not show its packets: give --download-url an HTTP server there"
        )
        self.call_bytes = (0, 0)
        self._before: Counted | None = None
        room = int(CALL_BYTES_SHARE * question.max_bytes)
        self._client = grpc_calls.GrpcClient(question.target, question.access, max_bytes=room)
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
        specs, arrays = self._question.inputs(self._client.model_inputs(model))
        self._request = self._client.request(model, specs, arrays)
        n_bytes, _ = self._client.infer(model, self._request)
        self.call_bytes = (self._request.ByteSize(), n_bytes)
        self._found.moved(*self.call_bytes)
        check_room(self._question, sum(self.call_bytes))
        self.what = f"inference of {model}"
        self._before = self._counted()

    def _counted(self) -> Counted | None:
        model = self._question.model
        if model is None:
            return None
        if self._question.metrics is not None:
            return metrics_of(self._question, model)
        return self._client.counted(model)

    def call(self) -> float:
        """Make one call and return how long it took."""
        if self._question.model is None:
            return self._client.server_metadata()[1]
        self._found.moved(*self.call_bytes)
        return self._client.infer(self._question.model, self._request)[1]

    def server_time(self) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells."""
        return between(self._before, self._counted())

    def loss(self) -> LossEvidence:
        """Return nothing: gRPC does not show its packets."""
        return LossEvidence()


class IperfEndpoint:
    """A server of iperf3, which is left alone but for its transfers."""

    connect_rate_hz = 4.0
    """It takes one client at a time and every connect for one."""

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        quiet_close(sock)
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

    def server_time(self) -> ServerTime | None:
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
