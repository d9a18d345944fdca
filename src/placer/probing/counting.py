"""Asking a server what it counted, and whether the calls can hold that."""

from __future__ import annotations

from collections.abc import Sequence

from placer.core.errors import InputError, MeasuringError
from placer.core.units import format_bytes
from placer.probing.dialing import connect, encrypt, look_up, tls_context
from placer.probing.exchange import Line, Meter
from placer.probing.http import Client, ask, check_status
from placer.probing.question import Found, Question, metadata_bytes, window_bytes
from placer.probing.server_time import Counted, ServerTime, between, of_metrics
from placer.probing.targets import Target


def open_line(question: Question, target: Target, meter: Meter) -> Line:
    """Open a connection to a server of the question. Raises PlacerError."""
    access = question.access
    _, sock, _ = connect(
        target, look_up(target, access), access, window_bytes=window_bytes(question)
    )
    if target.is_encrypted:
        sock, _ = encrypt(target, sock, tls_context(access, ("http/1.1",)), access)
    return Line(sock, access, meter)


def counted_time(
    found: Found, before: Counted | None, after: Counted | None, times_s: Sequence[float]
) -> ServerTime | None:
    """Return the mean time that a server counted; None: it is no time that the calls can hold."""
    told = between(before, after)
    if told is None or (times_s and 0 <= told.server_s <= max(times_s)):
        return told
    found.note(
        f"the server's own time is left out: {told.server_s:.3g} s by its {told.source}, which "
        f"calls of at most {max(times_s, default=0.0):.3g} s cannot hold"
    )
    return None


def metrics_of(question: Question, meter: Meter, model: str) -> Counted | None:
    """Return what the metrics at --metrics-url tell. Raises PlacerError."""
    target = question.metrics
    assert target is not None
    most = metadata_bytes(question)
    line = open_line(question, target, meter)
    try:
        answer = ask(target, Client(target, line), question.access, max_bytes=most)
    finally:
        line.hang_up()
    check_status(target, answer, what="--metrics-url")
    if not answer.is_whole:
        raise MeasuringError(
            f"{target.authority} answers --metrics-url with more than {format_bytes(most)}",
            hint="raise --max-data, or leave out --metrics-url",
        )
    found = of_metrics(answer.body.decode("utf-8", "replace"), model)
    if found is None:
        raise InputError(
            f"{target.url} has no metric that tells the time of requests to '{model}'",
            hint="leave out --metrics-url",
        )
    return found
