"""PLC714: the CPU limit is below what the evidence used."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.measuring import Asked
from placer.core.gate_rules.plc708_accelerator import needs_accelerator
from placer.core.gate_rules.rule import GateCase, GateRule, Record, found
from placer.core.rendering import render_of


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None:
        return ()
    used = _cores_used(record)
    granted = case.deployed.granted
    unread = next((one.cpus_limit_unread for one in granted if one.cpus_limit_unread), None)
    if unread is not None and any(one.place == unread.place for one in case.defects):
        return ()  # another rule says what is wrong with it
    if unread is not None:
        return found(
            "PLC714",
            case,
            f"the CPU limit {unread.value[:40]} cannot be read, the evidence used {_cores(used)}",
            f"{render_of(case.deployed)}; or write an amount such as 2 or 500m",
            outcome=Outcome.INCONCLUSIVE,
            place=unread.place,
            value=_cores(used),
            evidence=record.sha256,
            subject="unread",
        )
    low = [
        one.cpus_limit
        for one in granted
        if one.cpus_limit is not None and 0 < one.cpus_limit.value < used
    ]
    if not low:
        return ()
    limit = max(low, key=lambda one: one.value)
    threads = 0 if needs_accelerator(record) else int(limit.value)  # of less than one there is none
    asked = [one.cpus_request.value for one in granted if one.cpus_request is not None]
    several = "" if len(granted) == 1 else f", or of one of {len(granted)} containers"
    return found(
        "PLC714",
        case,
        f"the limit{several} is {_cores(limit.value)}, the evidence used {_cores(used)}: its times "
        "do not hold where the kernel stops the model in between",
        f"grant {max([used, *asked]):g} or take the limit out"
        + (f"; or with fewer threads, {case.measuring(Asked(threads=threads))}" if threads else ""),
        outcome=Outcome.INCONCLUSIVE,
        place=limit.place,
        value=_cores(used),
        limit=_cores(limit.value),
        evidence=record.sha256,
        excess_ratio=used / limit.value,
    )


def _cores_used(record: Record) -> int:
    """Return the cores that a measurement could keep busy: its threads, of the cores it had.

    On an accelerator one thread of the CPU waits for it, however many there are.
    """
    assert record.measurement is not None
    cores, threads = record.measurement.machine.cores, record.measurement.settings.intra_op_threads
    if needs_accelerator(record):
        return 1
    return max(1, min(threads, cores) if threads > 0 else cores)


def _cores(number: float) -> str:
    return f"{number:.3g} core{'' if number == 1 else 's'}"


RULE = GateRule(
    id="PLC714",
    title="CPU limit below what was measured with",
    severity=Severity.WARNING,
    what="Whether the CPU limit of the container is at least the cores that the evidence used: its "
    "threads, as far as the machine had cores for them (one, where an accelerator ran the model). "
    "A limit that cannot be read is inconclusive as well. Requests are not judged: what a node "
    "gives beyond them depends on what else runs there.",
    why="The kernel stops a container for the rest of each period (100 ms) in which it used its "
    "limit up. A p99 that was measured with whole cores says nothing of that.",
    example="`limits: {cpu: 10m}`, and evidence with four threads: inconclusive.",
    fix="Grant the cores that the message names, or measure with no more threads than the limit.",
    check=_check,
)
