"""PLC706: the memory limit is below what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from placer.core.deployment import Stated
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, Record, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or record.measurement is None:
        return ()
    peak_bytes = record.measurement.peak_memory_bytes
    stated = [one.memory_limit_bytes for one in case.deployed.granted]
    limits = [one for one in stated if one is not None]
    if peak_bytes is None:
        return _unknown_peak(case, record, limits)
    low = [one for one in limits if one.value < peak_bytes]
    if not low:
        return ()
    limit = max(low, key=lambda one: one.value)
    if len(low) < len(stated):
        return found(
            "PLC706",
            case,
            f"it is not known which of {len(stated)} containers runs the model, which was measured "
            f"to need {mebibytes(peak_bytes)}; the limit of one is {mebibytes(limit.value)}",
            f"name the image that runs it in {case.project.path} under `models`",
            outcome=Outcome.INCONCLUSIVE,
            place=limit.place,
            value=mebibytes(peak_bytes),
            limit=mebibytes(limit.value),
            evidence=record.sha256,
        )
    return found(
        "PLC706",
        case,
        f"the limit is {mebibytes(limit.value)}, the model was measured to need "
        f"{mebibytes(peak_bytes)}",
        f"raise the limit to {suggested_limit(peak_bytes)} or more, or deploy a smaller model",
        outcome=Outcome.FAIL,
        place=limit.place,
        value=mebibytes(peak_bytes),
        limit=mebibytes(limit.value),
        evidence=record.sha256,
        excess_ratio=peak_bytes / max(1, limit.value),
    )


def _unknown_peak(
    case: GateCase, record: Record, limits: Sequence[Stated[int]]
) -> tuple[GateFinding, ...]:
    if not limits:
        return ()
    limit = min(limits, key=lambda one: one.value)
    return found(
        "PLC706",
        case,
        f"the evidence does not say how much memory the model needs, the limit is "
        f"{mebibytes(limit.value)}",
        f"measure where the system tells the peak, which Windows does not: {case.measure}",
        outcome=Outcome.INCONCLUSIVE,
        place=limit.place,
        limit=mebibytes(limit.value),
        evidence=record.sha256,
        subject="peak",
    )


def mebibytes(n_bytes: int) -> str:
    """Return a size as manifests write limits, with three digits: ``61.9 MiB``."""
    return f"{n_bytes / 2**20:.3g} MiB"


def suggested_limit(peak_bytes: int) -> str:
    """Return the measured peak with a quarter more, in whole MiB: ``112Mi``."""
    return f"{math.ceil(1.25 * peak_bytes / 2**20)}Mi"


RULE = GateRule(
    id="PLC706",
    title="memory limit below the measured peak",
    severity=Severity.ERROR,
    what="Whether the limit of the container is at least the peak memory of the process that was "
    "measured on the site. Of several containers it is the one that runs the model, by what it "
    "names or by its image in `placer.yaml`; where neither tells, and only some limits are too "
    "low, that is inconclusive, and so is a limit where the evidence has no peak (Windows).",
    why="The kernel kills a container at its limit, in the field, with the first large request.",
    example="`limits: {memory: 64Mi}` and a measured peak of 90 MB: violated.",
    fix="Raise the limit; the message suggests the peak and a quarter more.",
    check=_check,
)
