"""PLC104: data that needs protection travels in plain text."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding
from placer.core.workload import DataClass, Leaves


def _check(case: Case) -> tuple[Finding, ...]:
    if case.leaves_device is Leaves.NOTHING or case.offer is None:
        return ()
    if case.path.is_encrypted and case.offer.is_encrypted:
        return ()
    data_class = case.workload.data_class
    is_asked = case.workload.needs_encryption
    if data_class is DataClass.PUBLIC and not is_asked:
        return ()
    what = f"{data_class} data" if data_class else "data of a class not stated"
    return finding(
        "PLC104",
        case,
        f"{what} travels to {case.offer.name} without TLS",
        "serve over TLS and set `tls: true` in the profile; it costs a new connection one RTT",
        effect=Effect.VIOLATED if data_class or is_asked else Effect.NONE,
        severity=Severity.ERROR if data_class or is_asked else Severity.WARNING,
    )


RULE = Rule(
    id="PLC104",
    title="plain-text transport",
    severity=Severity.ERROR,
    what="Whether anything of class internal, personal or special travels without TLS, or anything "
    "at all where the workload says `data: encryption: true`. In the gate also whether a logger, a "
    "service or another receiver of a manifest has a URL of `http:` or another scheme without TLS: "
    "outside of the cluster a violation, within it a warning. A scheme of which it is not known, "
    "or none, is inconclusive.",
    why="Whoever is on the path reads it. GDPR article 32 names encryption as a measure.",
    example="A network profile with `tls: false` and --privacy internal: the cloud is violated.",
    fix="Serve over TLS. A kept connection pays its handshake once.",
    check=_check,
)
