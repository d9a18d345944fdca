"""PLC708: the evidence used an accelerator that the manifest does not grant."""

from __future__ import annotations

from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.rule import GateCase, GateRule, Record, found


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None or not needs_accelerator(record):
        return ()
    granted = [one.resources for one in case.deployed.containers] or [case.deployed.resources]
    granting = [one for one in granted if one.grants_accelerator]
    if len(granting) == len(granted):
        return ()
    device = "" if record.measurement is None else record.measurement.ep_device
    ran = f"the evidence ran on {record.ep}{f' ({device})' if device else ''}"
    if granting:
        return found(
            "PLC708",
            case,
            f"{ran}, and the manifest grants an accelerator to {len(granting)} of {len(granted)} "
            "containers; which of them runs the model is not known",
            f"name the image that runs it in {case.project.path} under `models`",
            outcome=Outcome.INCONCLUSIVE,
            place=granting[0].accelerators[0].place,
            limit=record.ep,
            evidence=record.sha256,
        )
    return found(
        "PLC708",
        case,
        f"{ran}, the manifest grants no accelerator",
        f"request it (for instance limits: {{nvidia.com/gpu: 1}}), or measure what runs without: "
        f"placer profile --ep cpu --site {case.site_name}",
        outcome=Outcome.FAIL,
        value="none",
        limit=record.ep,
        evidence=record.sha256,
    )


def needs_accelerator(record: Record) -> bool:
    """Tell whether a record was measured on something else than the CPU."""
    if record.ep in _ACCELERATED:
        return True
    device = "" if record.measurement is None else record.measurement.ep_device
    return device.startswith(("GPU", "NPU"))


_ACCELERATED = frozenset({"cuda", "tensorrt", "migraphx", "rocm", "qnn", "coreml", "dml", "webgpu"})
"""Execution providers that run on a processor of their own."""

RULE = GateRule(
    id="PLC708",
    title="accelerator of the evidence not granted",
    severity=Severity.ERROR,
    what="Whether the manifest requests the accelerator that the measurement of the site used.",
    why="Without the request the container does not see the accelerator, and ONNX Runtime falls "
    "back to the CPU without a word.",
    example="Evidence on `cuda`, and no `nvidia.com/gpu` in the limits: violated.",
    fix="Request the accelerator, or bring evidence of the CPU of that site.",
    check=_check,
)
