"""What is probed: a server and how it is spoken to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from placer.core.errors import UsageError, near_match

DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": 8001, "grpcs": 443, "iperf3": 5201}
"""Of HTTP by RFC 9110, of gRPC as Triton and iperf3 choose them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query; at least ``/``."""

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in ("https", "grpcs")

    @property
    def authority(self) -> str:
        """Host and port, for the Host header and for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.scheme in ("http", "https") and self.port == DEFAULT_PORTS[self.scheme]
        return host if is_default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without credentials and query, which may hold secrets."""
        path = self.path.partition("?")[0]
        return f"{self.scheme}://{self.authority}{'' if path == '/' else path}"

    def at(self, path: str) -> Target:
        """Return another path of the same server."""
        return Target(self.scheme, self.host, self.port, path)


def parse_target(text: str, *, what: str = "URL", schemes: tuple[str, ...] = ()) -> Target:
    """Parse a URL.

    Parameters
    ----------
    schemes
        Those that are taken; empty: all that can be probed.

    Raises
    ------
    UsageError
        No URL, a scheme that cannot be probed, or credentials in it.
    """
    known = schemes or tuple(DEFAULT_PORTS)
    choices = " ".join(f"{scheme}://" for scheme in known)
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        example = text if re.fullmatch(r"[^\s/]+(/\S*)?", text) else "HOST:PORT"
        raise UsageError(
            f"{what} '{text}' does not say what is spoken there",
            hint=f"write {known[0]}://{example}; known: {choices}",
        )
    scheme = scheme.lower()
    if scheme not in known:
        raise UsageError(
            f"{what} '{text}' has the unknown scheme '{scheme}'{near_match(scheme, known)}",
            hint=f"known: {choices}",
        )
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{what} is no URL: {error}", hint=f"write {scheme}://HOST:PORT") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{what} has credentials in it", hint="send them as --header 'Authorization: ...'"
        )
    if not host:
        raise UsageError(f"{what} '{text}' names no host", hint=f"write {scheme}://HOST:PORT")
    if re.search(r"[\s\x00-\x1f]", rest):
        raise UsageError(
            f"{what} '{text}' has a blank or a control character in it", hint="write it as %XX"
        )
    if port == 0:
        raise UsageError(f"{what} '{text}' has the port 0", hint="1 to 65535")
    path = parts.path or "/"
    if scheme in ("grpc", "grpcs", "iperf3") and (path != "/" or parts.query):
        raise UsageError(f"{what} '{text}' has a path", hint=f"write {scheme}://HOST:PORT")
    if parts.query:
        path = f"{path}?{parts.query}"
    if not path.isascii():
        raise UsageError(
            f"{what} '{text}' has other than ASCII in its path", hint="write it as %XX"
        )
    return Target(scheme, host, port or DEFAULT_PORTS[scheme], path)


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address, which needs no look-up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
