"""HTTP/1.1 over a connection that is timed, and what answers it cannot make sense of."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from placer.core.errors import InputError, MeasuringError, PlacerError
from placer.probing.bounded import BoundedSocket, TooLong, TooMuch
from placer.probing.clock import now_s
from placer.probing.dialing import Access, closed, endless, printable, stalled, tls_failure
from placer.probing.targets import Target

HEAD_LIMIT_BYTES = 256 * 1024
"""Most of what stands before a body, or between its chunks."""
MAX_KEPT_BYTES = 4 * 2**20
"""Most of an answer that is kept; metadata and answers of models are smaller."""
AGENT = "placer-probe"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and when its parts came, in seconds after the request was begun to be sent."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Its first `MAX_KEPT_BYTES` at most."""
    n_bytes: int
    first_byte_s: float
    whole_s: float
    is_whole: bool
    """Whether it was read to its end; the connection is of use only then."""
    is_last: bool
    """Whether the server closes the connection after it."""


def open_client(
    target: Target, sock: socket.socket, *, window_bytes: int | None = None
) -> http.client.HTTPConnection:
    """Return an HTTP client on an open connection; it never opens one of its own.

    Parameters
    ----------
    window_bytes
        Most that the server may have on its way here; None: as the system does.
    """
    client = http.client.HTTPConnection(target.host, target.port)
    client.sock = BoundedSocket(sock, window_bytes=window_bytes)
    client.auto_open = 0
    return client


def head_of(target: Target, access: Access, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request; what the user gives goes first."""
    head = {"Host": target.authority, "User-Agent": AGENT, "Accept": "*/*"}
    head |= {"Accept-Encoding": "identity"} | dict(extra)
    given = {name.lower() for name, _ in access.headers}
    return {name: value for name, value in head.items() if name.lower() not in given} | dict(
        access.headers
    )


def ask(
    target: Target,
    client: http.client.HTTPConnection,
    access: Access,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_KEPT_BYTES,
) -> Answer:
    """Send a request and read its answer.

    Parameters
    ----------
    max_bytes
        Where reading ends.

    Raises
    ------
    MeasuringError
        The server stalls or closes.
    InputError
        It speaks another protocol.
    """
    what = f"{method} {target.path.partition('?')[0]}"
    bounds = client.sock
    assert isinstance(bounds, BoundedSocket)
    bounds.begin(
        until_s=access.until_s,
        silence_s=access.timeout_s,
        max_bytes=max_bytes + HEAD_LIMIT_BYTES,
    )
    began_s = now_s()
    try:
        client.request(
            method, target.path, body=body, headers=head_of(target, access, headers or {})
        )
        response = client.getresponse()
        first_s = now_s() - began_s
        length = response.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise InputError(
                f"{target.authority} answers {what} with the length '{printable(length)}'",
                hint="look into the server: Content-Length is a number of bytes",
            )
        kept, n_bytes, is_whole = bytearray(), 0, True
        while chunk := response.read1(65536):
            n_bytes += len(chunk)
            if len(kept) < MAX_KEPT_BYTES:
                kept += chunk
            if n_bytes >= max_bytes:
                is_whole = response.isclosed() or response.length == 0
                break
        whole_s = now_s() - began_s
        if is_whole:
            if response.length:
                told = f"{n_bytes:,} of {n_bytes + response.length:,} bytes of its answer"
                raise closed(target, f"after {told}")
            response.read()  # nothing is left, which makes the connection ready again
        return Answer(
            response.status,
            {name.lower(): printable(value) for name, value in response.getheaders()},
            bytes(kept),
            n_bytes,
            first_s,
            whole_s,
            is_whole,
            response.will_close,
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        first = bounds.first_bytes
        if isinstance(error, TimeoutError) and first and not first.startswith(b"HTTP/"):
            raise foreign(target, first) from error
        raise explained(target, error, what, access) from error


def explained(target: Target, error: Exception, what: str, access: Access) -> PlacerError:
    """Return what an error in the middle of an exchange means."""
    if isinstance(error, TooLong):
        return endless(target, what)
    if isinstance(error, TooMuch):
        return MeasuringError(
            f"{target.authority} sends on and on in answer to {what}, and no whole answer",
            hint="look into the server's log; is it the right port?",
        )
    if isinstance(error, TimeoutError):
        return stalled(target, f"no answer to {what}", access)
    if isinstance(error, http.client.IncompleteRead):
        return MeasuringError(
            f"{target.authority} breaks off its answer to {what}", hint="look into the server's log"
        )
    if isinstance(error, http.client.RemoteDisconnected):
        return closed(target, f"instead of answering {what}")
    if isinstance(error, http.client.BadStatusLine):
        return foreign(target, str(error.args[0]).encode("latin-1", "replace"))
    if isinstance(error, http.client.HTTPException):
        return InputError(
            f"{target.authority} answers {what} with what is no HTTP: "
            f"{printable(str(error)) or type(error).__name__}",
            hint="give the port of a web server or an inference server",
        )
    if isinstance(error, ssl.SSLError):
        return tls_failure(target, error, access)
    if isinstance(error, OSError):
        return closed(target, f"instead of answering {what}")
    return InputError(f"{what} cannot be sent: {error}", hint="check the URL and --header")


def foreign(target: Target, first: bytes) -> InputError:
    """Return which protocol a server speaks that does not speak the asked one."""
    text = first.strip().strip(b"'\"")
    where = f"{target.host} port {target.port}"
    wanted = {"http": "HTTP", "https": "HTTP", "grpc": "gRPC", "grpcs": "gRPC"}[target.scheme]
    place = f"{target.host}:{target.port}"
    secure = "s" if target.is_encrypted else ""
    if text.startswith(b"SSH-"):
        return InputError(
            f"{where} speaks SSH, not {wanted}", hint="give the port of the inference server"
        )
    if text.startswith(b"HTTP/") and wanted == "HTTP":
        return InputError(
            f"{where} answers with a broken status line, "
            f"{text[:40].decode('ascii', 'backslashreplace')!r}",
            hint="look into the server: HTTP/1.1 200 OK",
        )
    if text.startswith(b"HTTP/"):
        return InputError(
            f"{where} speaks HTTP/1.1, not {wanted}", hint=f"try http{secure}://{place}"
        )
    if first[:2] == b"\x15\x03":
        return InputError(f"{where} speaks TLS", hint=f"try {target.scheme}s://{place}")
    # a frame SETTINGS of HTTP/2 (RFC 9113 section 4.1): length, type 4, no flags, stream 0
    if len(first) >= 9 and first[0] == 0 and first[3] == 4 and first[5:9] == bytes(4):
        return InputError(
            f"{where} speaks HTTP/2 alone, as gRPC does, not {wanted}",
            hint=f"try grpc{secure}://{place}",
        )
    shown = repr(first[:40].decode("ascii", "backslashreplace"))
    return InputError(
        f"{where} speaks neither HTTP nor gRPC: it begins with {shown}",
        hint="give the port of the inference server",
    )


def check_status(target: Target, answer: Answer, *, what: str) -> None:
    """Raise what an answer that is no success means; 405 tells of the path as well as any."""
    status, phrase = answer.status, http.client.responses.get(answer.status, "")
    if status < 300 or status in (304, 405):
        return
    said = f"{target.authority} answers {what} with {status} {phrase}".rstrip()
    via = answer.headers.get("via") or answer.headers.get("proxy-agent")
    if status == 407:
        raise MeasuringError(
            f"{said}: a proxy stands between",
            hint="measure from where the server is reached directly",
        )
    if status < 400:
        place = answer.headers.get("location", "").partition("?")[0]
        raise InputError(f"{said}", hint=f"probe {place}" if place else None)
    if status == 401:
        hint = "sign in: --header 'Authorization: Bearer ...'"
        raise InputError(said, hint=hint)
    if status == 403:
        raise InputError(said, hint="check what the credentials of --header may do")
    if b"plain HTTP request was sent to HTTPS port" in answer.body or (
        status == 400 and b"HTTP request to an HTTPS server" in answer.body
    ):
        raise InputError(
            f"{target.host} port {target.port} speaks TLS",
            hint=f"try https://{target.host}:{target.port}",
        )
    if status == 404:
        raise InputError(said, hint="check the path, or probe another: any page will do")
    if status >= 500:
        by = f" (through {via})" if via else ""
        raise MeasuringError(f"{said}{by}", hint="look into the server's log")
    raise InputError(said, hint="probe another path")


def quiet_close(sock: socket.socket) -> None:
    """Close a socket whatever state it is in."""
    with contextlib.suppress(OSError):
        sock.close()
