"""The host that a URL names, and whether it lies within the cluster."""

from __future__ import annotations

import re

PLAIN_SCHEMES = frozenset({"http", "grpc", "ws", "mqtt", "amqp"})
"""Schemes that say themselves that nothing is encrypted: of each there is one with TLS."""
_CLUSTER = (".svc", ".cluster.local")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)


def scheme_of(url: str) -> str | None:
    """Return the scheme of a URL in lower case; None: it is none."""
    match = _SCHEME.match(url)
    return None if match is None else match.group().lower()


def host_of(url: str) -> str | None:
    """Return the host of a URL in lower case, without user, port and last dot; None: it has none.

    An address of IPv6 stands without its brackets.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None
    authority = re.split(r"[/?#\\]", url[scheme.end() + 3 :], maxsplit=1)[0].rpartition("@")[2]
    if authority.startswith("["):
        host = authority[1:].partition("]")[0]
    else:
        host = authority.partition(":")[0]
    return host.lower().removesuffix(".") or None


def is_same_host(host: str) -> bool:
    """Tell whether a host is the one that asks."""
    return (
        host in ("localhost", "::1")
        or host.endswith(".localhost")
        or re.fullmatch(r"127(?:\.\d{1,3}){1,3}", host) is not None
    )


def is_in_cluster(host: str) -> bool:
    """Tell whether a host is a service of the same cluster: ``NAME.NAMESPACE.svc`` or a bare name.

    A bare number is an address.
    """
    return host.endswith(_CLUSTER) or not ("." in host or ":" in host or host[:1].isdigit())
