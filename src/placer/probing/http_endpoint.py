"""Web servers, and inference servers over HTTP: how they are greeted and called."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from placer.core.errors import MeasuringError, PlacerError
from placer.core.network.losses import LossEvidence
from placer.core.units import format_bytes
from placer.probing import inference
from placer.probing.answers import http_outputs
from placer.probing.connects import RATE_HZ
from placer.probing.counting import counted_time, metrics_of, open_line
from placer.probing.exchange import Line
from placer.probing.http import MAX_KEPT_BYTES, Answer, Client, ask, check_status
from placer.probing.question import (
    CALL_BYTES_SHARE,
    Found,
    Question,
    check_room,
    first_bytes,
    metadata_bytes,
)
from placer.probing.server_time import Counted, ServerTime, of_headers
from placer.probing.targets import Target
from placer.probing.tcp_info import tcp_info
from placer.probing.tensors import least_bytes


class HttpEndpoint:
    """A web server, or an inference server over HTTP."""

    connect_rate_hz = RATE_HZ

    def __init__(self, question: Question, found: Found, sock: socket.socket) -> None:
        self._question, self._found = question, found
        self._target, self._access = question.target, question.access
        self._first_bytes = first_bytes(question)
        self._line = Line(sock, self._access, found.meter)
        self._client = Client(self._target, self._line)
        self._headers: list[Mapping[str, str]] = []
        self._before: Counted | None = None
        self._root = inference.root_of(self._target)
        self._lost_before = LossEvidence()
        self.upload: Target | None = None
        self.download: Target | None = None
        self.no_upload = "no place to send bytes to is known: give --upload-url"
        self.no_download = "answers of models are small: give --download-url a body of some MB"
        self.call_bytes = (0, 0)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._line.hang_up()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        kept_bytes: int = MAX_KEPT_BYTES,
    ) -> Answer:
        """Ask over the connection that is kept, or over a new one where the server closed it.

        Parameters
        ----------
        max_bytes
            Where reading the answer ends; None: where no metadata do.
        kept_bytes
            How much of it is kept.
        """
        try:
            answer = ask(
                self._target.at(path),
                self._client,
                self._access,
                method=method,
                body=body,
                headers=headers,
                max_bytes=metadata_bytes(self._question) if max_bytes is None else max_bytes,
                kept_bytes=kept_bytes,
            )
        except PlacerError:
            self._line.hang_up()
            raise
        if answer.is_last or not answer.is_whole:
            self._open_again()
        return answer

    def _open_again(self) -> None:
        self._lost_before = self.loss()
        self._line.hang_up()
        self._line = open_line(self._question, self._target, self._found.meter)
        self._client = Client(self._target, self._line)

    def _greet(self) -> None:
        """Ask for the first time, and find out whether an inference server answers."""
        path, meta = self._target.path, f"{self._root}/v2"
        if self._question.model is not None:
            self._greet_model(meta, self._question.model)
            return
        answer = self._ask("GET", path, max_bytes=self._first_bytes)
        self._told(answer)
        about = inference.server_metadata(answer)
        if about is None and path == "/":
            about = self._metadata(meta)
        if about is not None:
            self._confirmed(about)
            self.what = f"GET {meta}/health/live"
            self._method, self._path = "GET", f"{meta}/health/live"
            self.no_upload = "give --model to send real requests, or --upload-url"
            return
        shown = path.partition("?")[0]
        check_status(self._target, answer, what=f"GET {shown}")
        self._method, self._path = "HEAD", path
        self.what = f"HEAD {shown}"
        self.upload = self.download = self._target

    def _greet_model(self, meta: str, model: str) -> None:
        first = self._ask("GET", meta, max_bytes=self._first_bytes)
        self._told(first)
        about = inference.server_metadata(first)
        if about is not None:
            self._confirmed(about)
        elif first.status in (401, 403, 407):
            check_status(self._target, first, what=f"GET {meta}")
        self._open_model(model)

    def _metadata(self, meta: str) -> dict[str, object] | None:
        """Return what an inference server says of itself; None: it is another one."""
        try:
            return inference.server_metadata(self._ask("GET", meta, max_bytes=self._first_bytes))
        except (
            PlacerError
        ):  # any server may do with a path that the user did not name what it likes
            self._open_again()
            return None

    def _confirmed(self, about: Mapping[str, object] | None = None) -> None:
        self._found.update(protocol="HTTP/1.1, Open Inference Protocol")
        if about is not None:
            self._found.update(server=f"{about['name']} {about.get('version', '')}".strip())

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
        told = inference.model_inputs(self._target, self._ask, self._root, model)
        self._confirmed()
        check_room(self._question, least_bytes(told))
        assert self._question.inputs is not None
        specs, arrays = self._question.inputs(told)
        self._body, self._body_headers = inference.make_request(
            specs, arrays, self._question.encoding
        )
        answer = self._infer(is_kept=self._question.has_outputs)
        if self._question.has_outputs:
            self._found.outputs = http_outputs(self._target, model, answer.headers, answer.body)
        self.call_bytes = (len(self._body), answer.n_bytes)
        check_room(self._question, sum(self.call_bytes))
        self.what = f"inference of {model}"
        self._model: str | None = model
        self._method = "POST"
        self.upload = self._target.at(f"{inference.model_path(self._root, model)}/infer")
        self._headers.clear()
        if of_headers([answer.headers], [answer.whole_s])[0] is None:
            self._before = self._counted()

    def _infer(self, *, is_kept: bool = False) -> Answer:
        model = self._question.model
        assert model is not None
        check_room(self._question, len(self._body))
        most = int(CALL_BYTES_SHARE * self._question.max_bytes / 2) - len(self._body)

        def asked(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
            answer = self._ask(
                *(method, path, body, headers),
                max_bytes=max(1, most),
                kept_bytes=max(most, MAX_KEPT_BYTES) if is_kept else MAX_KEPT_BYTES,
            )
            if not answer.is_whole:
                raise MeasuringError(
                    f"{self._target.authority} answers an inference of '{model}' with more than "
                    f"{format_bytes(answer.n_bytes)}: --max-data leaves no room for two",
                    hint="raise --max-data",
                )
            return answer

        return inference.infer(
            self._target, asked, self._root, model, self._body, self._body_headers
        )

    def _counted(self) -> Counted | None:
        model = self._question.model
        if model is None:
            return None
        if self._question.metrics is not None:
            return metrics_of(self._question, self._found.meter, model)
        try:
            return inference.counted(self._ask, self._root, model, self._found.note)
        except PlacerError as error:
            self._found.note(f"what the server counts is left out: {error.message}")
            self._open_again()
            return None

    def call(self) -> float:
        """Make one call and return how long it took."""
        if self._method == "POST":
            answer = self._infer()
        else:
            answer = self._ask(self._method, self._path, max_bytes=self._first_bytes)
        self._headers.append(answer.headers)
        return answer.whole_s

    def ack_at_once(self, is_on: bool, /) -> bool:
        """Acknowledge as soon as something comes, or not, where the system lets us."""
        self._line.acks_at_once = is_on
        return sys.platform == "linux"

    def server_time(self, times_s: Sequence[float]) -> ServerTime | None:
        """Return what the server took for the calls so far, where it tells."""
        told, ignored = of_headers(self._headers, times_s)
        if ignored:
            self._found.note(f"the server's own time is left out: {ignored}")
        if told is not None or self._method != "POST":
            return told
        return counted_time(self._found, self._before, self._counted(), times_s)

    def loss(self) -> LossEvidence:
        """Return what the packets of its connection tell of loss."""
        sock = self._line.sock
        info = tcp_info(sock) if sock.fileno() >= 0 else None
        if info is None:
            return self._lost_before
        lost = info.lost
        return self._lost_before + LossEvidence(info.data_segs_out, lost)
