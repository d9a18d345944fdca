"""PLC708: the evidence used an accelerator that the manifest does not grant."""

from __future__ import annotations

from placer.core.deployment import Place, Resources, runs_models
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.measuring import Asked
from placer.core.gate_rules.rule import GateCase, GateRule, Record, found
from placer.core.rendering import render_of
from placer.core.runtime import processor_kind


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    record = case.chosen
    if record is None:
        return ()
    resources = case.deployed.resources
    named = resources.ep
    if named is not None and named.value != record.ep:
        return _not_measured(case, record, f"chooses {named.value}", named.value, named.place)
    opened = resources.accelerators_unread
    if opened is not None and named is None:
        return _filled_in(case, record, opened.value, opened.place)
    if needs_accelerator(record):
        return _not_granted(case, record) or (
            () if named is not None else _another_granted(case, record)
        )
    granted = resources.processor
    if granted is None or named is not None:
        return ()
    name = granted.value[0]
    return _not_measured(case, record, f"asks for {name}", _ep_of(name), granted.place)


def _filled_in(case: GateCase, record: Record, what: str, place: Place) -> tuple[GateFinding, ...]:
    """Return that nobody knows yet whether an accelerator is granted."""
    return found(
        "PLC708",
        case,
        f"{what} is filled in later: whether that grants or chooses an accelerator is not known, "
        f"and the evidence ran on {record.ep}",
        f"{render_of(case.deployed)}; or write the value",
        outcome=Outcome.INCONCLUSIVE,
        place=place,
        value=record.ep,
        evidence=record.sha256,
        subject=f"{case.declared_site} {what}",
    )


def _not_measured(
    case: GateCase, record: Record, what: str, ep: str | None, place: Place
) -> tuple[GateFinding, ...]:
    """Return that what would run is not what was measured."""
    return found(
        "PLC708",
        case,
        f"the manifest {what}, the evidence ran on {record.ep}: what would run was not measured",
        f"take that out of the manifest, or measure with it {case.measuring(Asked(ep=ep or 'EP'))}",
        outcome=Outcome.INCONCLUSIVE,
        place=place,
        value=record.ep,
        limit=ep,
        evidence=record.sha256,
        subject=f"{case.declared_site} {what}",
    )


def _ep_of(accelerator: str) -> str | None:
    """Return the execution provider that uses an accelerator; None: there are several."""
    name = accelerator.lower()
    return next((ep for word, ep in _EPS.items() if word in name), None)


_EPS = {"nvidia": "cuda", "kind_gpu": "cuda", "/dev/nv": "cuda", "amd.com": "migraphx",
        "kfd": "migraphx", "rocm": "migraphx"}  # fmt: skip
_ALSO = {
    "cuda": frozenset({"tensorrt", "tensorrt_rtx", "dml", "webgpu"}),
    "migraphx": frozenset({"rocm", "dml", "webgpu"}),
}
"""Execution provider -> others that run on the same accelerators."""


def runs_on(record: Record, resources: Resources) -> bool:
    """Tell whether what was measured would run on one of the accelerators that are granted."""
    return any(_may_run(record, one.value[0]) for one in resources.accelerators if one.value[1] > 0)


def _may_run(record: Record, accelerator: str) -> bool:
    ep = _ep_of(accelerator)
    if ep is not None:
        return record.ep == ep or record.ep in _ALSO[ep]
    return runs_models(accelerator) or not _is_on_gpu(record)


def _is_on_gpu(record: Record) -> bool:
    return processor_kind(record.ep) == "gpu" or _device_of(record).startswith("GPU")


def _device_of(record: Record) -> str:
    return "" if record.measurement is None else record.measurement.ep_device


def _another_granted(case: GateCase, record: Record) -> tuple[GateFinding, ...]:
    """Return that an accelerator is granted which did not run the evidence, or may be a camera."""
    granted = case.deployed.granted
    other = next((one for one in granted if not runs_on(record, one)), None)
    if other is None:
        return ()
    asked = other.processor
    if asked is not None:
        name = asked.value[0]
        return _not_measured(case, record, f"asks for {name}", _ep_of(name), asked.place)
    asked = next(one for one in other.accelerators if one.value[1] > 0)
    return found(
        "PLC708",
        case,
        f"the evidence ran on {record.ep}, and of {asked.value[0]}, which the manifest grants, it "
        "is not known that it runs models",
        _request_it(case),
        outcome=Outcome.INCONCLUSIVE,
        place=asked.place,
        value=asked.value[0],
        limit=record.ep,
        evidence=record.sha256,
    )


def _request_it(case: GateCase) -> str:
    return (
        "request it (for instance limits: {nvidia.com/gpu: 1}), or measure what runs without "
        f"{case.measuring(Asked(ep='cpu'))}"
    )


def _not_granted(case: GateCase, record: Record) -> tuple[GateFinding, ...]:
    granted = case.deployed.granted
    granting = [one for one in granted if one.grants_accelerator]
    if len(granting) == len(granted):
        return ()
    device = _device_of(record)
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
        _request_it(case),
        outcome=Outcome.FAIL,
        value="none",
        limit=record.ep,
        evidence=record.sha256,
    )


def needs_accelerator(record: Record) -> bool:
    """Tell whether a record was measured on something else than the CPU."""
    if record.ep in _ACCELERATED:
        return True
    return _device_of(record).startswith(("GPU", "NPU"))


_ACCELERATED = frozenset({"cuda", "tensorrt", "migraphx", "rocm", "qnn", "coreml", "dml", "webgpu"})
"""Execution providers that run on a processor of their own."""

RULE = GateRule(
    id="PLC708",
    title="accelerators of manifest and evidence differ",
    severity=Severity.ERROR,
    what="Whether the manifest requests the accelerator that the measurement of the site used; "
    "and, where it requests one, or chooses an execution provider (Triton), whether that "
    "was measured.",
    why="Without the request the container does not see the accelerator, and ONNX Runtime falls "
    "back to the CPU without a word. With one that was not measured, other times hold.",
    example="Evidence on `cuda`, and no `nvidia.com/gpu` in the limits: violated. The "
    "request, and evidence of the CPU alone: inconclusive, as is `amd.com/gpu` or a device that "
    "may be a camera, and evidence on `cuda`.",
    fix="Request the accelerator, or bring evidence of what runs at that site.",
    check=_check,
)
