"""HTTP/1.1 over a connection that is timed, and what answers it cannot make sense of."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from placer.core.errors import InputError, MeasuringError, PlacerError
from placer.probing.dialing import Access, closed, now_s, stalled, tls_failure
from placer.probing.exchange import MAX_HEAD_BYTES, Line, Overdue, TooMuch, overdue, too_much
from placer.probing.targets import Target

MAX_KEPT_BYTES = 4 * 2**20
"""Most of an answer that is kept; metadata and answers of models are smaller."""
READ_BYTES = 65536
AGENT = "placer-probe"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and when its parts came, in seconds after the request was begun to be sent."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Its first bytes, as many as were to be kept."""
    n_bytes: int
    first_byte_s: float
    whole_s: float
    is_whole: bool
    """Whether it was read to its end; the connection is of use only then."""
    is_last: bool
    """Whether the server closes the connection after it."""


class Client(http.client.HTTPConnection):
    """An HTTP client on an open connection; it never opens one of its own."""

    auto_open = 0

    def __init__(self, target: Target, line: Line) -> None:
        super().__init__(target.host, target.port)
        self.line = line
        self.sock = line


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
    client: Client,
    access: Access,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_KEPT_BYTES,
    kept_bytes: int = MAX_KEPT_BYTES,
) -> Answer:
    """Send a request and read its answer.

    Parameters
    ----------
    max_bytes
        Where reading a body ends.
    kept_bytes
        How much of it is kept.

    Raises
    ------
    MeasuringError
        The server stalls or closes, or its answer has no end.
    InputError
        It speaks another protocol.
    """
    what = f"{method} {target.path.partition('?')[0]}"
    client.line.begin(max_bytes + max_bytes // 8 + MAX_HEAD_BYTES)
    began_s = now_s()
    is_head = True
    try:
        client.request(
            method, target.path, body=body, headers=head_of(target, access, headers or {})
        )
        response = client.getresponse()
        first_s = now_s() - began_s
        is_head = False
        check_head(target, response, what)
        kept, n_bytes, is_whole = bytearray(), 0, True
        while chunk := response.read1(min(READ_BYTES, max_bytes - n_bytes)):
            n_bytes += len(chunk)
            if len(kept) < kept_bytes:
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
            {name.lower(): value for name, value in response.getheaders()},
            bytes(kept),
            n_bytes,
            first_s,
            whole_s,
            is_whole,
            response.will_close,
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_head and isinstance(error, TooMuch):
            raise InputError(
                f"{target.authority} answers {what} with headers that do not end",
                hint=_OTHER_SERVER,
            ) from error
        raise explained(target, error, what, access) from error


def check_head(target: Target, response: http.client.HTTPResponse, what: str) -> None:
    """Raise InputError where the head of an answer makes no sense."""
    if response.status < 200:
        raise InputError(
            f"{target.authority} answers {what} with {response.status} alone, which is no answer",
            hint="probe another path",
        )
    told = response.headers.get("Content-Length")
    if told is not None and not (told.isascii() and told.strip().isdigit()):
        raise InputError(
            f"{target.authority} answers {what} with the Content-Length '{told[:40]}', which is "
            "no number",
            hint=_OTHER_SERVER,
        )


_OTHER_SERVER = "give the URL of the inference server, or of a web server beside it"


def explained(target: Target, error: Exception, what: str, access: Access) -> PlacerError:
    """Return what an error in the middle of an exchange means."""
    if isinstance(error, Overdue):
        return overdue(target, error, what)
    if isinstance(error, TooMuch):
        return too_much(target, error, what)
    if isinstance(error, TimeoutError):
        return stalled(target, f"no answer to {what}", access)
    if isinstance(error, http.client.IncompleteRead):
        size = error.__context__  # http.client could not read the size of a chunk
        if isinstance(size, ValueError) and not str(size).endswith("b''"):
            return InputError(
                f"{target.authority} answers {what} in chunks whose sizes are no numbers",
                hint=_OTHER_SERVER,
            )
        return closed(target, f"instead of answering {what}")
    if isinstance(error, http.client.RemoteDisconnected):
        return closed(target, f"instead of answering {what}")
    if isinstance(error, http.client.BadStatusLine):
        return foreign(target, str(error.args[0]).encode("latin-1", "replace"))
    if isinstance(error, http.client.HTTPException):
        return InputError(
            f"{target.authority} answers {what} with what is no HTTP: {error or type(error)}",
            hint=_OTHER_SERVER,
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
        line = text.partition(b"\r")[0][:60].decode("ascii", "backslashreplace")
        return InputError(
            f"{where} begins its answer with '{line}', which is no status line of HTTP/1.1",
            hint=_OTHER_SERVER,
        )
    if text.startswith(b"HTTP/"):
        return InputError(
            f"{where} speaks HTTP/1.1, not {wanted}", hint=f"try http{secure}://{place}"
        )
    if first[:2] == b"\x15\x03":
        return InputError(f"{where} speaks TLS", hint=f"try {target.scheme}s://{place}")
    if _begins_http2(first):
        return InputError(
            f"{where} speaks HTTP/2 alone, as gRPC does, not {wanted}",
            hint=f"try grpc{secure}://{place}",
        )
    shown = repr(first[:40]).removeprefix("b")
    return InputError(
        f"{where} speaks neither HTTP nor gRPC: it begins with {shown}",
        hint="give the port of the inference server",
    )


def _begins_http2(first: bytes) -> bool:
    """Tell whether bytes are a frame SETTINGS: RFC 9113 sections 4.1 and 6.5.

    Length in three bytes, a multiple of six; type 4, no flags, stream 0. A line ends early.
    """
    is_settings = len(first) >= 4 and first[:2] == b"\0\0" and first[2] % 6 == 0 and first[3] == 4
    return is_settings and not any(first[4:9])


def _place(target: Target, location: str) -> str | None:
    """Return the address that a redirect names, where it is another one that can be probed."""
    try:
        place = urljoin(target.url, location.partition("?")[0])
    except ValueError:  # brackets around what is no address
        return None
    return place if place != target.url and place.startswith(("http://", "https://")) else None


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
        place = _place(target, answer.headers.get("location", ""))
        raise InputError(said, hint="probe another path" if place is None else f"probe {place}")
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
