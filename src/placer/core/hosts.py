"""The host that a URL names, and whether it lies within the cluster."""

from __future__ import annotations

import re

_ENCRYPTED_WORDS = """
https grpcs wss mqtts amqps ftps sftp ssh rediss ldaps tls ssl coaps rtsps smtps nntps imaps
s3 gs abfss wasbs
"""
ENCRYPTED_SCHEMES = frozenset(_ENCRYPTED_WORDS.split())
"""Schemes that say themselves that all is encrypted; stores of clouds are reached over HTTPS."""
_PLAIN_WORDS = """
http grpc ws mqtt amqp ftp tftp tcp udp redis syslog statsd h2c coap telnet ldap smtp rtsp rtmp
stomp graphite zmq memcached wasb abfs
"""
PLAIN_SCHEMES = frozenset(_PLAIN_WORDS.split())
"""Schemes that say themselves that nothing is encrypted. Of any other it is not known."""
_CLUSTER = (".svc", ".cluster.local")
_CLUSTER_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NAMESPACES = frozenset(
    {
        "default", "istio-system", "kafka", "knative-eventing", "knative-serving", "kserve",
        "kube-system", "kubeflow", "logging", "monitoring", "observability",
    }
)  # fmt: skip
"""Usual ones, of which none is a public top-level domain, as ``dev`` and ``app`` are."""
_NO_DOMAIN = re.compile(r"(?!xn--)[a-z](?=[a-z]*[0-9-])[a-z0-9-]*")
"""A namespace that can be no public top-level domain: those are of letters alone, or ``xn--...``.

Source: RFC 1123 section 2.1 (alphabetic); RFC 5890 section 2.3.2.1 (``xn--``).
"""
_MAX_USUAL_DOMAIN = 3
"""Letters of the domains that are used most: ``com``, ``dev``, ``app``, those of countries."""
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
"""Other characters that clients take for dots (UTS #46)."""
_CUT_OFF = "".join(map(chr, range(0x21)))
"""What clients cut off before and after a URL."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)


def scheme_of(url: str) -> str | None:
    """Return the scheme of a URL in lower case; None: it is none."""
    match = _SCHEME.match(url.strip(_CUT_OFF))
    return None if match is None else match.group().lower()


def host_of(url: str) -> str | None:
    """Return the host of a URL in lower case, without user, port and last dot; None: it has none.

    An address of IPv6 stands without its brackets.
    """
    url = url.strip(_CUT_OFF)
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None
    authority = re.split(r"[/?#\\]", url[scheme.end() + 3 :], maxsplit=1)[0].rpartition("@")[2]
    if authority.startswith("["):
        host = authority[1:].partition("]")[0]
    else:
        host = authority.partition(":")[0]
    return host.translate(_DOTS).lower().removesuffix(".") or None


def is_same_host(host: str) -> bool:
    """Tell whether a host is the one that asks."""
    return (
        host in ("localhost", "::1")
        or host.endswith(".localhost")
        or re.fullmatch(r"127(?:\.\d{1,3}){1,3}", host) is not None
    )


def is_in_cluster(host: str, namespace: str | None = None) -> bool:
    """Tell whether a host is a service of the same cluster: ``NAME.NAMESPACE.svc`` or a bare name.

    ``NAME.NAMESPACE`` is one where the namespace is that of who asks, a usual one, or can be no
    public domain. A bare number is an address, and names of services are of letters, digits and
    hyphens.

    Parameters
    ----------
    namespace
        Of who asks; one as short as ``dev``, ``app`` or ``io`` is taken for the domain it may be.
    """
    if _CLUSTER_NAME.fullmatch(host) is None:
        return False
    name, _, space = host.partition(".")
    is_own = space == namespace and len(space) > _MAX_USUAL_DOMAIN
    if name and (is_own or space in _NAMESPACES or _NO_DOMAIN.fullmatch(space)):
        return True
    return host.endswith(_CLUSTER) or not ("." in host or host[:1].isdigit())
