"""PLC706: the memory limit is below what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from placer.core.deployment import Deployed, Stated
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
        return _beside_model(case, record, peak_bytes)
    limit = max(low, key=lambda one: one.value)
    given, needed = told_apart(limit.value, peak_bytes)
    if len(low) < len(stated):
        return found(
            "PLC706",
            case,
            f"it is not known which of {len(stated)} containers runs the model, which was measured "
            f"to need {needed}; the limit of one is {given}",
            f"name the image that runs it in {case.project.path} under `models`",
            outcome=Outcome.INCONCLUSIVE,
            place=limit.place,
            value=needed,
            limit=given,
            evidence=record.sha256,
        )
    asked_bytes = asked_bytes_of(case.deployed)
    suggested = suggested_limit(peak_bytes, case.deployed.format, asked_bytes=asked_bytes)
    return found(
        "PLC706",
        case,
        f"the limit is {given}, the model was measured to need {needed}",
        f"raise the limit to {suggested} or more, or deploy a smaller model",
        outcome=Outcome.FAIL,
        place=limit.place,
        value=needed,
        limit=given,
        evidence=record.sha256,
        excess_ratio=peak_bytes / max(1, limit.value),
    )


def _beside_model(case: GateCase, record: Record, peak_bytes: int) -> tuple[GateFinding, ...]:
    """Tell where the model lies in a volume of memory, and fits the limit only without that.

    What the process maps of it was measured as well, so that some of it may count twice.
    """
    granted = case.deployed.resources
    limit, model = granted.limit_with_model_bytes, case.served and case.served.model
    stated = granted.memory_limit_bytes
    if limit is None or not model or stated is None or peak_bytes + model.n_bytes <= limit:
        return ()
    needed = peak_bytes + model.n_bytes
    asked_bytes = asked_bytes_of(case.deployed)
    enough = suggested_limit(needed, case.deployed.format, asked_bytes=asked_bytes)
    return found(
        "PLC706",
        case,
        f"the limit of the pod is {mebibytes(limit)}; the model was measured to need "
        f"{mebibytes(peak_bytes)}, and its file takes {mebibytes(model.n_bytes)} more in a volume "
        "of memory",
        f"raise the limit to {enough} or more, or take `medium: Memory` away",
        outcome=Outcome.INCONCLUSIVE,
        place=stated.place,
        value=mebibytes(needed),
        limit=mebibytes(limit),
        evidence=record.sha256,
        subject="in memory",
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


def told_apart(limit_bytes: int, peak_bytes: int) -> tuple[str, str]:
    """Return two sizes as `mebibytes`, or in bytes where those look alike."""
    if mebibytes(limit_bytes) == mebibytes(peak_bytes):
        return f"{limit_bytes} bytes", f"{peak_bytes} bytes"
    return mebibytes(limit_bytes), mebibytes(peak_bytes)


def suggested_limit(peak_bytes: int, format: str, *, asked_bytes: int = 0) -> str:
    """Return the measured peak with a quarter more, in whole MiB, as the format writes it.

    It is no less than is asked for: Kubernetes and Docker refuse a limit below that.
    """
    return written(math.ceil(max(1.25 * peak_bytes, asked_bytes) / 2**20), format)


def asked_bytes_of(deployed: Deployed) -> int:
    """Return the memory that a manifest requests for what may run the model; 0: none."""
    requests = [one.memory_request_bytes for one in deployed.granted]
    return max((one.value for one in requests if one is not None), default=0)


def written(limit_mebibytes: int, format: str) -> str:
    """Return a limit as a format of manifests takes it: ``112Mi``, ``112m``, a number."""
    match format:
        case "compose":
            return f"{limit_mebibytes}m"
        case "iotedge":
            return f"{limit_mebibytes * 2**20} (bytes)"
        case "greengrass":
            return f"{limit_mebibytes * 2**10} (KiB)"
    return f"{limit_mebibytes}Mi"


RULE = GateRule(
    id="PLC706",
    title="memory limit below the measured peak",
    severity=Severity.ERROR,
    what="Whether the limit of the container is at least the peak memory of the process that was "
    "measured on the site. Of several containers it is the one that runs the model, by what it "
    "names or by its image in `placer.yaml`; where neither tells, and only some limits are too "
    "low, that is inconclusive, and so is a limit where the evidence has no peak (Windows). "
    "A model's file in an `emptyDir` with `medium: Memory` counts to the limit of the pod as well "
    "(it has one where each of its containers has): where that is too low for both, it is "
    "inconclusive.",
    why="The kernel kills a container at its limit, in the field, with the first large request.",
    example="`limits: {memory: 64Mi}` and a measured peak of 90 MB: violated.",
    fix="Raise the limit; the message suggests the peak and a quarter more, and no less than "
    "is requested.",
    check=_check,
)
