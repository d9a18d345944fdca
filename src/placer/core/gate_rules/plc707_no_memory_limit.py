"""PLC707: no memory limit is stated, or none that can be read."""

from __future__ import annotations

from placer.core.deployment import Deployed, Place
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.plc706_memory_limit import (
    asked_bytes_of,
    mebibytes,
    suggested_limit,
    written,
)
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.rendering import render_of


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if case.deployed.is_router:
        return ()
    record = case.chosen
    granted = case.deployed.granted
    unread = next((one.memory_limit_unread for one in granted if one.memory_limit_unread), None)
    if unread is not None and any(one.place == unread.place for one in case.defects):
        return ()  # another rule says what is wrong with it
    if unread is not None:
        amount = written(512, case.deployed.format)
        return found(
            "PLC707",
            case,
            f"the memory limit '{unread.value}' is no amount that can be read",
            f"{render_of(case.deployed)}; or write an amount such as {amount}",
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.WARNING,
            place=unread.place,
            value=unread.value,
            subject="unread",
        )
    if any(one.memory_limit_bytes is not None for one in granted) or record is None:
        return ()
    if case.deployed.format in FORMATS_WITHOUT_LIMITS or record.measurement is None:
        return ()
    peak_bytes = record.measurement.peak_memory_bytes
    if peak_bytes is None:
        needed = "how much the model needs was not measured"
        remedy = f"measure where the system tells the peak, then limit it: {case.measure}"
    else:
        needed = f"the model was measured to need {mebibytes(peak_bytes)}"
        asked_bytes = asked_bytes_of(case.deployed)
        suggested = suggested_limit(peak_bytes, case.deployed.format, asked_bytes=asked_bytes)
        why = "the measured peak and a quarter more"
        if asked_bytes > 1.25 * peak_bytes:
            why = "as much as is requested, which a limit may not be below"
        remedy = f"limit it to {suggested}: {why}"
    return found(
        "PLC707",
        case,
        f"no memory limit; {needed}",
        remedy,
        outcome=Outcome.PASS,
        severity=Severity.WARNING,
        place=_place_of(case.deployed),
        value=None if peak_bytes is None else mebibytes(peak_bytes),
        evidence=record.sha256,
    )


def _place_of(deployed: Deployed) -> Place:
    """Return the nearest to where a limit would be: another resource, else the image, the model."""
    granted = deployed.resources
    near = [one for one in (granted.memory_request_bytes, granted.cpus_limit) if one is not None]
    places = [one.place for one in (*near, *granted.accelerators, *deployed.images)]
    places += [one.uri.place for one in deployed.models]
    own = (one for one in places if one.path == deployed.place.path)
    return next(own, deployed.place)


FORMATS_WITHOUT_LIMITS = frozenset({"triton"})
"""Where a manifest has no place for a limit."""

RULE = GateRule(
    id="PLC707",
    title="memory limit missing",
    severity=Severity.WARNING,
    what="Whether a container has a memory limit at all, and one that can be read: a template that "
    "was not rendered is inconclusive.",
    why="Without one a leak takes the device's memory, and the kernel chooses who dies.",
    example="An IoT Edge module without `HostConfig: Memory`: a warning that suggests 117440512.",
    fix="State the limit that the message suggests: the measured peak and a quarter more, and no "
    "less than is requested.",
    check=_check,
)
