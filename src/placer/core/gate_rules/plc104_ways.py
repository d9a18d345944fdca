"""PLC104 of the ways that a manifest opens: the scheme of a URL says whether it is encrypted.

The rule itself is one of placements; here it speaks of what no placement has.
"""

from __future__ import annotations

from placer.core.deployment import DEFAULT_LOGGER, Egress
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.plc704_egress import way_of
from placer.core.gate_rules.rule import GateCase, found
from placer.core.hosts import (
    ENCRYPTED_SCHEMES,
    PLAIN_SCHEMES,
    host_of,
    is_in_cluster,
    is_same_host,
    scheme_of,
)
from placer.core.privacy import TRANSPORT
from placer.core.project import templates_in


def plain_text_findings(case: GateCase) -> tuple[GateFinding, ...]:
    """Return what PLC104 says of loggers, services and other receivers that a manifest names."""
    if case.served is None:
        return ()
    workload = case.served.workload
    data_class = workload.data_class
    is_asked = workload.needs_encryption or (
        data_class is not None and TRANSPORT[data_class].needs_encryption
    )
    if data_class is not None and not is_asked:
        return ()
    what = f"{data_class} data" if data_class else "data of a class not stated"
    return tuple(
        one for egress in case.deployed.egress for one in _judged(case, egress, what, is_asked)
    )


def _judged(case: GateCase, egress: Egress, what: str, is_asked: bool) -> tuple[GateFinding, ...]:
    to = egress.to.value
    scheme, host = scheme_of(to), host_of(to)
    if egress.kind not in _BY_URL or to == DEFAULT_LOGGER or scheme in ENCRYPTED_SCHEMES:
        return ()
    if host is not None and is_same_host(host):
        return ()
    outcome, severity = Outcome.PASS, Severity.WARNING
    if scheme in PLAIN_SCHEMES:
        message = f"{what} travels without TLS: {way_of(egress)}"
    else:
        said = "no scheme" if scheme is None else f"'{scheme}:'"
        message = (
            f"{what} travels by {said}, which does not say whether it is TLS: {way_of(egress)}"
        )
    remedy = f"send it by {_WITH_TLS.get(scheme or '', 'https')}://"
    if host is not None and not templates_in(host) and is_in_cluster(host, egress.namespace):
        severity = Severity.WARNING if is_asked else Severity.NOTE
        message += ", within the cluster"
        remedy += ", or silence this with the reason, for instance a mesh that encrypts"
    elif scheme not in PLAIN_SCHEMES:
        outcome = Outcome.INCONCLUSIVE if is_asked else Outcome.PASS
    elif host is None or templates_in(host):
        outcome = Outcome.INCONCLUSIVE if is_asked else Outcome.PASS
        message += "; whether that is within the cluster is not known"
    else:
        outcome = Outcome.FAIL if is_asked else Outcome.PASS
        severity = Severity.ERROR if is_asked else Severity.WARNING
        remedy += "; a service of the cluster is named NAME.NAMESPACE.svc"
    return found(
        "PLC104",
        case,
        message,
        remedy,
        outcome=outcome,
        severity=severity,
        place=egress.to.place,
        value=scheme or "no scheme",
        subject=to,
    )


_BY_URL = ("logger", "service")
"""Ways whose receiver is a URL; the others are a cloud's own, with TLS."""
_WITH_TLS = {
    "grpc": "grpcs",
    "ws": "wss",
    "mqtt": "mqtts",
    "amqp": "amqps",
    "ftp": "ftps",
    "redis": "rediss",
    "wasb": "wasbs",
    "abfs": "abfss",
}
