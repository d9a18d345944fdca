"""PLC708: the evidence used an accelerator that the manifest does not grant."""

from __future__ import annotations

from placer.core import accelerators
from placer.core.accelerators import HIDING, ep_of, is_part
from placer.core.deployment import Place, Resources, Stated, runs_models
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.measuring import Asked
from placer.core.gate_rules.rule import GateCase, GateRule, Record, found
from placer.core.rendering import render_of
from placer.core.runtime import EXECUTION_PROVIDERS, processor_kind, split_ep


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
        return (
            _not_granted(case, record)
            or _hidden(case, record)
            or (() if named is not None else _another_granted(case, record))
        )
    granted = resources.processor
    if granted is None or named is not None:
        return ()
    name = granted.value[0]
    return _not_measured(case, record, f"asks for {name}", ep_of(name), granted.place)


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


def runs_on(record: Record, resources: Resources) -> bool:
    """Tell whether what was measured would run on one of the accelerators that are granted."""
    return _runs_on(record, resources) is True


def _runs_on(record: Record, resources: Resources) -> bool | None:
    """Tell whether one of the accelerators ran the evidence; None: of none is it known."""
    told = [_may_run(record, one.value[0]) for one in resources.accelerators if one.value[1] > 0]
    return True if True in told else None if None in told else False


def _may_run(record: Record, accelerator: str) -> bool | None:
    if split_ep(record.ep)[0] in EXECUTION_PROVIDERS:
        return accelerators.runs_on(record.ep, accelerator)
    return runs_models(accelerator) or not _is_on_gpu(record) or None  # one of a plugin


def _is_on_gpu(record: Record) -> bool:
    return processor_kind(record.ep) == "gpu" or _device_of(record).startswith("GPU")


def _device_of(record: Record) -> str:
    return "" if record.measurement is None else record.measurement.ep_device


def _hidden(case: GateCase, record: Record) -> tuple[GateFinding, ...]:
    """Return that a variable hides what is granted.

    Of ``NVIDIA_VISIBLE_DEVICES`` the node decides: where devices come by CDI it says nothing.
    """
    granted = case.deployed.granted
    told = [one.hiding for one in granted if one.hiding is not None]
    hiding = next((one for one in told if split_ep(record.ep)[0] in HIDING[one.value[0]]), None)
    if hiding is None:
        return ()
    name, value = hiding.value
    is_certain = len(told) == len(granted) and not name.startswith("NVIDIA")
    return found(
        "PLC708",
        case,
        f"the evidence ran on {record.ep}, and {name}={value} "
        f"{'hides' if is_certain else 'may hide'} the accelerator",
        f"take the variable out, or measure what runs without {case.measuring(Asked(ep='cpu'))}",
        outcome=Outcome.FAIL if is_certain else Outcome.INCONCLUSIVE,
        place=hiding.place,
        value=f"{name}={value}",
        limit=record.ep,
        evidence=record.sha256,
    )


def _another_granted(case: GateCase, record: Record) -> tuple[GateFinding, ...]:
    """Return that an accelerator is granted which did not run the evidence, or may not have."""
    granted = case.deployed.granted
    known = [_runs_on(record, one) for one in granted]
    if all(known):
        return _part_granted(case, record)
    other = granted[next(i for i, is_fit in enumerate(known) if not is_fit)]
    asked = other.processor or next(one for one in other.accelerators if one.value[1] > 0)
    name = asked.value[0]
    is_left = any(one.left_to_machine for one in granted)
    if not is_left and all(one is False for one in known):
        what = f"{record.ep} does not run on {name}, which the manifest grants: it falls back"
        return _doubted(case, record, f"{what} to the CPU", asked, Outcome.FAIL)
    if False in known:
        return _not_measured(case, record, f"asks for {name}", ep_of(name), asked.place)
    what = f"of {name}, which the manifest grants, it is not known that {record.ep} runs on it"
    return _doubted(case, record, what, asked, Outcome.INCONCLUSIVE)


def _part_granted(case: GateCase, record: Record) -> tuple[GateFinding, ...]:
    """Return that only a part of what was measured is granted."""
    every = (one for granted in case.deployed.granted for one in granted.accelerators)
    part = next((one for one in every if one.value[1] > 0 and is_part(one.value[0])), None)
    if part is None:
        return ()
    what = f"{part.value[0]} is a part of a GPU, and evidence does not tell of which it is"
    return _doubted(case, record, what, part, Outcome.INCONCLUSIVE)


def _doubted(
    case: GateCase, record: Record, what: str, asked: Stated[tuple[str, int]], outcome: Outcome
) -> tuple[GateFinding, ...]:
    """Return what is wrong with an accelerator that is granted."""
    return found(
        "PLC708",
        case,
        f"the evidence ran on {record.ep}, and {what}",
        _request_it(case) + (_WHERE_MEASURED if is_part(asked.value[0]) else ""),
        outcome=outcome,
        place=asked.place,
        value=asked.value[0],
        limit=record.ep,
        evidence=record.sha256,
    )


_WHERE_MEASURED = "; where just that part was measured, ignore PLC708 there and say so"


def _request_it(case: GateCase) -> str:
    example = _EXAMPLES.get(case.deployed.format, "limits: {nvidia.com/gpu: 1}")
    measured = case.measuring(Asked(ep="cpu"))
    return f"request it (for instance {example}), or measure what runs without {measured}"


_EXAMPLES = {
    "compose": "gpus: all",
    "iotedge": 'DeviceRequests: [{"Count": -1, "Capabilities": [["gpu"]]}]',
    "triton": "instance_group { kind: KIND_GPU }",
}


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
    left = next((one.left_to_machine for one in granted if one.left_to_machine), None)
    if left is not None:
        return found(
            "PLC708",
            case,
            f"{ran}, and with {left.value} only a machine that has an accelerator uses one",
            _request_it(case),
            outcome=Outcome.INCONCLUSIVE,
            place=left.place,
            value=left.value,
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
    is_its_own = processor_kind(record.ep) != "cpu"
    return is_its_own or _device_of(record).startswith(("GPU", "NPU"))


RULE = GateRule(
    id="PLC708",
    title="accelerators of manifest and evidence differ",
    severity=Severity.ERROR,
    what="Whether the manifest requests the accelerator that the measurement of the site used, and "
    "no variable hides it (`CUDA_VISIBLE_DEVICES=-1`); and, where it requests one, or chooses an "
    "execution provider (Triton), whether that was measured.",
    why="Without the request the container does not see the accelerator, and ONNX Runtime falls "
    "back to the CPU without a word. With one that was not measured, other times hold.",
    example="Evidence on `cuda`, and no `nvidia.com/gpu` in the limits, or `amd.com/gpu` in its "
    "place: violated. The request, and evidence of the CPU alone: inconclusive, as is evidence on "
    "`cuda`, and an accelerator that is not known, a device that may be a camera, a part of a GPU "
    "(`nvidia.com/mig-1g.5gb`), or what takes a GPU where the machine has one (`privileged: true`, "
    "Triton's `KIND_AUTO`).",
    fix="Request the accelerator, or bring evidence of what runs at that site.",
    check=_check,
)
