"""PLC303: requests come faster than the link carries them."""

from __future__ import annotations

from placer.core.finding import Effect, Finding, Severity
from placer.core.rules.rule import Case, Rule, finding


def _check(case: Case) -> tuple[Finding, ...]:
    usual, slow = case.link_load_ratios
    if max(usual, slow) < 1:
        return ()
    is_sure = usual >= 1 and not case.is_path_assumed
    ratio = usual if usual >= 1 else slow
    when = "" if usual >= 1 else ", at the slow end of the link or of the device's estimate"
    return finding(
        "PLC303",
        case,
        f"the requests of one device need {ratio:.3g} times what {case.path.name} "
        f"carries{when}: the queue grows without end",
        "smaller requests (--wire-input), a lower rate, a faster link, or the device",
        effect=Effect.VIOLATED if is_sure else Effect.UNPROVEN,
    )


RULE = Rule(
    id="PLC303",
    title="link saturated",
    severity=Severity.ERROR,
    what="Whether rate × request size (or answer size) reaches what one device's link carries.",
    why="A camera can see more than its uplink carries; no latency is kept then.",
    example="--rate 30/s --wire-input 600KB on an uplink of 10 Mbit/s: the cloud is violated.",
    fix="Compress, ask less often, send only what the device is unsure of, or run on the device.",
    check=_check,
)
