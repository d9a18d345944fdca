"""Opening a connection phase by phase, and what went wrong where it cannot be opened."""

from __future__ import annotations

import contextlib
import errno
import math
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from placer.core.errors import InputError, MeasuringError, PlacerError, UsageError
from placer.probing.targets import Target, is_address

NS_PER_S = 1e9
EXCHANGE_RATIO = 2.0
"""An exchange lasts at most so many times the longest silence (`--timeout`), and the whole probe at
most so much longer than `--duration`: a server that drips holds nobody."""
LEAST_WAIT_S = 0.02
MOST_SET_BYTES = 2 * 212_992
"""Twice net.core.rmem_max as Linux comes: the largest buffer that anybody may set."""

_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
)


def now_s() -> float:
    """Return the time of a clock that never goes back."""
    return time.perf_counter_ns() / NS_PER_S


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached."""

    timeout_s: float = 5.0
    """Longest silence."""
    ca_cert: str | None = None
    """File with the authorities to trust instead of the system's."""
    is_insecure: bool = False
    """Do not check certificates."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with each request; they are secret."""
    proxy: str | None = None
    """Environment variable that names a proxy, which is not used."""
    until_s: float = math.inf
    """When the whole probe is over, by `now_s`."""

    def deadline_s(self) -> float:
        """Return when an exchange that begins now must be over, by `now_s`."""
        return min(now_s() + EXCHANGE_RATIO * self.timeout_s, self.until_s)

    def wait_s(self) -> float:
        """Return how long a step that begins now may take: the longest silence, or what is left."""
        return max(LEAST_WAIT_S, min(self.timeout_s, self.until_s - now_s()))


@dataclass(frozen=True, slots=True)
class Address:
    """Where a name leads."""

    family: int
    place: tuple[object, ...]
    look_up_s: float | None
    """None: it was an address."""

    @property
    def text(self) -> str:
        """The address alone."""
        return str(self.place[0])


@dataclass(slots=True)
class Connection:
    """An open connection and how long it took to open."""

    sock: socket.socket
    """Wrapped where TLS is spoken."""
    connect_s: float
    tls_s: float | None
    tls_version: str | None


def look_up(target: Target, access: Access) -> tuple[Address, ...]:
    """Return the addresses of a host.

    Raises
    ------
    MeasuringError
        The name is not known, or nobody could be asked in time.
    """
    began_s = now_s()
    try:
        found = _resolved(target, access)
    except (socket.gaierror, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == socket.EAI_AGAIN:
            reason = "no name server answers"
        elif number in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
            reason = "the name is not known"
        else:
            reason = str(getattr(error, "strerror", None) or error).lower()
        raise MeasuringError(
            f"host '{target.host}' was not found: {reason}",
            hint=_with_proxy("check its spelling, or give its address", access),
        ) from error
    look_up_s = None if is_address(target.host) else now_s() - began_s
    return tuple(Address(int(family), place, look_up_s) for family, _, _, _, place in found)


Resolved = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]


def _resolved(target: Target, access: Access) -> Resolved:
    """Return what the resolver finds; it has no time-out of its own, hence the thread."""
    found: list[Resolved | Exception] = []

    def resolve() -> None:
        try:
            found.append(
                list(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
            )
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    wait_s = access.wait_s()
    thread.start()
    thread.join(wait_s)
    if not found:
        raise MeasuringError(
            f"host '{target.host}' was not found: no name server answers within {wait_s:.3g} s",
            hint=_with_proxy("check the name server, or give the host's address", access),
        )
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def hold(sock: socket.socket, window_bytes: int) -> None:
    """Bound what may come before it is read, before the connect.

    A buffer that is set holds for good, what is not read included; but no more than
    `MOST_SET_BYTES` can be set. Beyond, the window that is advertised is all that can be held.
    """
    if window_bytes <= MOST_SET_BYTES:
        with contextlib.suppress(OSError):  # Linux doubles it, for what packets take beside payload
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes // 2)
    clamp(sock, window_bytes)


def clamp(sock: socket.socket, window_bytes: int) -> None:
    """Hold the window that is advertised, asked for again as Linux lifts it while it is read."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, window_bytes)


def connect(
    target: Target,
    addresses: tuple[Address, ...],
    access: Access,
    *,
    window_bytes: int | None = None,
) -> tuple[Address, socket.socket, float]:
    """Open a TCP connection to the first address that answers.

    Parameters
    ----------
    window_bytes
        What may be on its way here, unread; None: as the system likes.

    Returns
    -------
    The address, the socket, and how long its connect took.

    Raises
    ------
    MeasuringError
        Refused, unreachable, or no answer.
    """
    failed: OSError | None = None
    for address in addresses:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(access.wait_s())
            if window_bytes is not None:
                hold(sock, window_bytes)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began_s = now_s()
            sock.connect(address.place)
            connect_s = now_s() - began_s
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
        else:
            return address, sock, connect_s
    assert failed is not None
    raise unreachable(target, failed, access) from failed


def unreachable(target: Target, error: OSError, access: Access) -> MeasuringError:
    """Return what a failed connect means."""
    where = f"{target.host} port {target.port}"
    if isinstance(error, TimeoutError):
        return MeasuringError(
            f"{where} does not answer: no connection within {access.timeout_s:g} s",
            hint=_with_proxy(
                "check host and port, and whether a firewall drops the packets", access
            ),
        )
    if error.errno == errno.ECONNREFUSED:
        return MeasuringError(
            f"{where} refuses connections",
            hint=_with_proxy("check the port, and that the server runs", access),
        )
    reason = (error.strerror or str(error)).lower()
    return MeasuringError(
        f"{where} cannot be reached: {reason}",
        hint=_with_proxy("check the network and the address", access),
    )


def _with_proxy(hint: str, access: Access) -> str:
    if access.proxy is None:
        return hint
    return (
        f"{access.proxy} names a proxy, and the direct way is measured: probably only the proxy "
        f"leads there. Else {hint}"
    )


def tls_context(access: Access, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return how TLS is spoken.

    Parameters
    ----------
    protocols
        ALPN.

    Raises
    ------
    InputError
        The file of authorities is missing.
    UsageError
        It holds none.
    """
    if access.ca_cert is not None and not Path(access.ca_cert).is_file():
        raise InputError(f"no such file: {access.ca_cert}", hint="--ca-cert names a PEM file")
    try:
        context = ssl.create_default_context(cafile=access.ca_cert)
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"{access.ca_cert} has no certificate: {error}", hint="--ca-cert names a PEM file"
        ) from error
    if access.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context


def encrypt(
    target: Target, sock: socket.socket, context: ssl.SSLContext, access: Access
) -> tuple[ssl.SSLSocket, float]:
    """Do the TLS handshake; return the socket and how long it took.

    Raises
    ------
    MeasuringError
        The handshake failed, with its reason.
    InputError
        The port does not speak TLS.
    """
    began_s = now_s()
    try:
        sock.settimeout(access.wait_s())  # of the handshake as a whole
        wrapped = context.wrap_socket(sock, server_hostname=target.host)
        wrapped.settimeout(access.timeout_s)
    except (OSError, ValueError) as error:
        sock.close()
        raise tls_failure(target, error, access) from error
    return wrapped, now_s() - began_s


def tls_failure(target: Target, error: Exception, access: Access) -> PlacerError:
    """Return what a failed handshake means."""
    where = f"{target.host} port {target.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = _certificate(target, error)
        return MeasuringError(f"the certificate of {where} is not accepted: {reason}", hint=hint)
    plain = {"https": "http", "grpcs": "grpc"}[target.scheme]
    if isinstance(error, ssl.SSLError):
        name = error.reason or ""
        if name in _NOT_TLS:
            return InputError(
                f"{where} does not speak TLS",
                hint=f"try {plain}://{target.host}:{target.port}",
            )
        if name in _TOO_OLD:
            return MeasuringError(
                f"{where} offers no version of TLS that is safe", hint="let it speak TLS 1.2 or 1.3"
            )
        if isinstance(error, ssl.SSLEOFError) or "EOF" in name:
            return _closes_in_handshake(where, plain, target)
        return MeasuringError(
            f"the TLS handshake with {where} failed: {name.lower().replace('_', ' ') or error}"
        )
    if isinstance(error, TimeoutError):
        return MeasuringError(
            f"{where} stalls in the TLS handshake: not done after {access.timeout_s:g} s",
            hint="check that it speaks TLS there; without it: "
            f"{plain}://{target.host}:{target.port}",
        )
    if isinstance(error, ConnectionError):
        return _closes_in_handshake(where, plain, target)
    return MeasuringError(f"the TLS handshake with {where} failed: {error}")


def _closes_in_handshake(where: str, plain: str, target: Target) -> MeasuringError:
    return MeasuringError(
        f"{where} closes the connection in the TLS handshake",
        hint=f"check that it speaks TLS there; without it: {plain}://{target.host}:{target.port}",
    )


def _certificate(target: Target, error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    trust = "--ca-cert FILE names the authority that signed it; --insecure does not check it"
    match error.verify_code:
        case 10:
            return "it has expired", "renew it; --insecure does not check it"
        case 9:
            return "it is not valid yet", "check the clocks; --insecure does not check it"
        case 18:
            return "it is signed by itself", trust
        case 19 | 20 | 21:
            return "the authority that signed it is not known here", trust
        case 62 | 64:
            return (
                f"it was made for another host than {target.host}",
                "name the host as the certificate does; --insecure does not check it",
            )
        case _:
            return error.verify_message.lower(), trust


def stalled(target: Target, what: str, access: Access) -> MeasuringError:
    """Return that nothing comes any more."""
    return MeasuringError(
        f"{target.authority} stalls: {what}, silent for {access.timeout_s:g} s",
        hint="give it more time: --timeout",
    )


def closed(target: Target, what: str) -> MeasuringError:
    """Return that the server closed the connection."""
    hint = "look into the server's log"
    if not target.is_encrypted:
        hint += f"; if it speaks TLS: {target.scheme}s://{target.host}:{target.port}"
    return MeasuringError(f"{target.authority} closes the connection {what}", hint=hint)


def dial(
    target: Target,
    addresses: tuple[Address, ...],
    access: Access,
    context: ssl.SSLContext | None,
    *,
    window_bytes: int | None = None,
) -> Connection:
    """Open a connection, with TLS where there is a context. Raises as `connect` and `encrypt`."""
    _, sock, connect_s = connect(target, addresses, access, window_bytes=window_bytes)
    if context is None:
        return Connection(sock, connect_s, None, None)
    wrapped, tls_s = encrypt(target, sock, context, access)
    return Connection(wrapped, connect_s, tls_s, wrapped.version())
