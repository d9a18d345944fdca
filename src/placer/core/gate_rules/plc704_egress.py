"""PLC704: data leaves by a way that the manifest opens."""

from __future__ import annotations

from placer.core.deployment import Egress, Tier
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.plc705_receiver import to_say
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.privacy import LEAVES_WORDS, most_that_may_leave
from placer.core.project import Unresolved, templates_in
from placer.core.receivers import Receiver, carried, contradiction, is_inside, receiver_of
from placer.core.rendering import render_of
from placer.core.workload import DataClass, Leaves


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    if case.served is None:
        return ()
    ways = case.deployed.egress
    if not isinstance(case.site, Unresolved) and case.site.entry.tier is Tier.CLOUD:
        # raw input has left already, which the placement is judged by
        ways = tuple(one for one in ways if _is_unknown(one, receiver_of(one, case.project)))
    most = most_that_may_leave(case.served.workload)
    return tuple(one for egress in ways for one in _judged(case, egress, most))


def _judged(case: GateCase, egress: Egress, most: Leaves) -> tuple[GateFinding, ...]:
    entry = receiver_of(egress, case.project)
    carries = carried(egress, entry)
    what, but = way_of(egress), contradiction(egress, entry, case.project.path)
    if _is_unknown(egress, entry):
        return found(
            "PLC704",
            case,
            f"{_OPEN.get(egress.kind, 'where data goes')} is filled in later "
            f"({egress.to.value[:80]}): nobody knows whether data leaves",
            f"{render_of(case.deployed)}; or "
            + to_say(case.project.path, egress.to.value, "carries: answer", entry.disputed),
            outcome=Outcome.INCONCLUSIVE,
            place=egress.to.place,
            value="not known",
            subject=egress.to.value,
        )
    if most is Leaves.RAW_INPUT:
        return _of_persons(case, egress, carries, entry)
    if most is not Leaves.NOTHING and carries == "answer":
        return ()
    allowed = "nothing may" if most is Leaves.NOTHING else f"at most the {LEAVES_WORDS[most]} may"
    is_open = most is not Leaves.NOTHING or bool(templates_in(egress.to.value))
    if carries == "messages" and is_open:
        return found(
            "PLC704",
            case,
            f"what the {what} carries is not known; {allowed} leave the device",
            to_say(case.project.path, egress.to.value, "carries: answer", entry.disputed),
            outcome=Outcome.INCONCLUSIVE,
            place=egress.to.place,
            value="messages",
            limit=most.value,
            subject=egress.to.value,
        )
    if egress.where is not None and carries != "answer" and entry.jurisdiction is None:
        return found(
            "PLC704",
            case,
            f"where the {egress.kind} runs is not known, and it gets every request; {allowed} "
            f"leave the device{but}",
            f"state its place as that of the predictor is stated: nodeSelector of '{egress.kind}'",
            outcome=Outcome.INCONCLUSIVE,
            place=egress.to.place,
            value="not known",
            limit=most.value,
            subject=egress.to.value,
        )
    sent = {"answer": "the output", "messages": "messages"}.get(carries, "raw input")
    return found(
        "PLC704",
        case,
        f"the {what} carries {sent} away, {allowed} leave the device{but}",
        "take the way out, or allow more: `data: may_leave:` in the workload",
        outcome=Outcome.FAIL,
        place=egress.to.place,
        value=carries,
        limit=most.value,
        subject=egress.to.value,
    )


def _is_unknown(egress: Egress, entry: Receiver) -> bool:
    """Tell whether a way is filled in later, and no entry of the project says what it becomes."""
    return egress.is_open and entry.jurisdiction is None and entry.carries is None


def _of_persons(
    case: GateCase, egress: Egress, carries: str, entry: Receiver
) -> tuple[GateFinding, ...]:
    """Warn of raw personal data that leaves, as of a placement that sends it (PLC101)."""
    assert case.served is not None
    workload = case.served.workload
    is_asked = workload.data_class is DataClass.PERSONAL and workload.may_leave is None
    if not is_asked or carries == "answer" or is_inside(egress):
        return ()
    if egress.where is not None:  # where it runs is asked of PLC705
        return ()
    sends, remedy = "carries", "take the way out, or have the transfer covered by your legal basis"
    if carries == "messages":
        sends = "may carry"
        remedy = to_say(case.project.path, egress.to.value, "carries: answer", entry.disputed)
        remedy += "; or have the transfer covered by your legal basis"
    return found(
        "PLC704",
        case,
        f"the {way_of(egress)} {sends} raw personal data away"
        + contradiction(egress, entry, case.project.path),
        f"{remedy} and allow it: `data: may_leave: raw_input` in the workload",
        outcome=Outcome.PASS,
        severity=Severity.WARNING,
        place=egress.to.place,
        value=carries,
        subject=egress.to.value,
    )


def way_of(egress: Egress) -> str:
    """Return a way out and its receiver as sentences name them."""
    told = f"{_WAYS.get(egress.kind, egress.kind)} to {egress.to.value}"
    return f"{told} (through {', '.join(egress.through)})" if egress.through else told


_OPEN = {
    "route": "where a route leads",
    "mqtt": "what it may publish to the cloud",
}
_WAYS = {
    "route": "route",
    "logger": "logger",
    "service": "call of a service",
    "mqtt": "MQTT proxy",
    "worker": "worker in the cloud",
    "transformer": "request",
}

RULE = GateRule(
    id="PLC704",
    title="data leaves by a way that the manifest opens",
    severity=Severity.ERROR,
    what="Whether a route to `$upstream`, a logger, a service URL, an MQTT proxy, a worker in the "
    "cloud, or a transformer of KServe that runs on another site, takes more off the device than "
    "the workload allows (`data: may_leave:`, else its class). Raw personal data that leaves is a "
    "warning. A way that is filled in later is not known, whatever the class.",
    why="The model stays on the device and the picture leaves it all the same, by one line of the "
    "manifest that nobody reads as a transfer.",
    example="A KServe logger with `mode: all` at an edge site and class `special`: violated. A "
    "route of IoT Edge to a module that has a route to `$upstream`: inconclusive, as it may pass "
    "on what it gets.",
    fix="Remove the way, send the output alone, or say in `placer.yaml` under `egress` what it "
    "carries, where the manifest does not say it.",
    check=_check,
)
