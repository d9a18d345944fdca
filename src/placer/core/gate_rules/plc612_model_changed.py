"""PLC612: the model is not the one that was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from placer.core.deployment import Deployed, Stated
from placer.core.finding import Severity
from placer.core.gate import GateFinding, Outcome
from placer.core.gate_rules.measuring import Asked
from placer.core.gate_rules.rule import GateCase, GateRule, found
from placer.core.graph import ModelSummary
from placer.core.project import Unresolved


def _check(case: GateCase) -> tuple[GateFinding, ...]:
    served = case.served
    if served is None or served.model is None:
        return ()
    locked = served.model.sha256
    now = served.model_now_sha256
    if now is not None and now != locked:
        return found(
            "PLC612",
            case,
            f"{served.model.path} is {now[:12]}, placer.lock and its evidence are of {locked[:12]}",
            case.measure,
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.ERROR,
            place=case.model_place,
            value=now,
            limit=locked,
        )
    declared = None if isinstance(case.workload, Unresolved) else case.workload.sha256
    if declared is not None and declared != locked:
        return found(
            "PLC612",
            case,
            f"the manifest deploys {declared[:12]}, what was measured is {locked[:12]} "
            f"({served.model.path})",
            f"deploy that, or {_to_measure(case)}",
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.ERROR,
            place=case.model_place,
            value=declared,
            limit=locked,
        )
    return (
        *_other_data(case, served.model),
        *_other_inputs(case, served.model),
        *_other_batch(case, served.model),
    )


def _to_measure(case: GateCase) -> str:
    """Return how what is deployed becomes what was measured: it is no file of the workload yet."""
    assert case.served is not None
    known = None if isinstance(case.workload, Unresolved) else case.workload.file
    file = known or "FILE"
    return (
        f"name {known or 'the file that is deployed'} as `model: path:` of {case.served.path} and "
        f"measure it: {case.measuring(Asked(model=file))}"
    )


def _other_data(case: GateCase, model: ModelSummary) -> tuple[GateFinding, ...]:
    """Return the external data beside the model's file that is not what was measured."""
    measured = dict(model.subjects[1:])
    findings: tuple[GateFinding, ...] = ()
    for one in case.deployed.models:
        for name, digest in one.beside:
            if digest == measured.get(name, digest):
                continue
            findings += found(
                "PLC612",
                case,
                f"{name} beside {one.uri.value} is {digest[:12]}, what was measured is "
                f"{measured[name][:12]}",
                f"deploy that, or {_to_measure(case)}",
                outcome=Outcome.INCONCLUSIVE,
                severity=Severity.ERROR,
                place=one.uri.place,
                value=digest,
                limit=measured[name],
                subject=name,
            )
    return findings


def _other_inputs(case: GateCase, model: ModelSummary) -> tuple[GateFinding, ...]:
    """Return the inputs that the manifest states by another name, type or shape."""
    types = {spec.name: spec.dtype for spec in model.inputs}
    told = [
        (one.value, one.place, f"an input '{one.value}'", f"has {', '.join(sorted(types))}")
        for one in case.deployed.input_names
        if one.value not in types
    ]
    told += [
        (one.value[0], one.place, f"the input '{one.value[0]}' as {one.value[1]}", f"is {known}")
        for one in case.deployed.input_types
        if (known := types.get(one.value[0], one.value[1])) != one.value[1]
    ]
    findings = _other_shapes(case, model)
    for name, place, what, was in told:
        findings += found(
            "PLC612",
            case,
            f"the manifest states {what}, what was measured {was}",
            f"correct it; if another model is meant, {_to_measure(case)}",
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.ERROR,
            place=place,
            value=what,
            limit=was,
            subject=f"{name} {was.partition(' ')[0]}",
        )
    return findings


def _other_shapes(case: GateCase, model: ModelSummary) -> tuple[GateFinding, ...]:
    """Return the inputs that the manifest states in a shape that was not measured."""
    measured = {spec.name: spec.shape for spec in model.inputs}
    findings: tuple[GateFinding, ...] = ()
    for stated, meant in other_shapes(case.deployed, model):
        name, shape = stated.value
        told = ", ".join("any" if size is None else str(size) for size in shape)
        was = ", ".join(map(str, measured[name]))
        findings += found(
            "PLC612",
            case,
            f"the manifest states the input '{name}' as [{told}], what was measured is [{was}]",
            _to_take_shape(case, name, was, meant),
            outcome=Outcome.INCONCLUSIVE,
            severity=Severity.ERROR,
            place=stated.place,
            value=f"[{told}]",
            limit=f"[{was}]",
            subject=name,
        )
    return findings


def other_shapes(
    deployed: Deployed, model: ModelSummary
) -> Iterator[tuple[Stated[tuple[str, tuple[int | None, ...]]], tuple[int, ...]]]:
    """Yield each input that is stated in a shape that was not measured, and the shape it means."""
    measured = {spec.name: spec.shape for spec in model.inputs}
    for stated in deployed.inputs:
        name, shape = stated.value
        known = measured.get(name)
        if known is None or _fits(known, shape):
            continue
        usual = (*known, *(1 for _ in shape))
        yield stated, tuple(size or usual[index] for index, size in enumerate(shape))


def _to_take_shape(case: GateCase, name: str, was: str, meant: tuple[int, ...]) -> str:
    """Return what settles a shape: a model of a fixed one cannot be measured with another."""
    assert case.served is not None
    assert case.served.model is not None
    path = case.served.model.path
    taken = case.takes_shapes.get(name)
    if taken is False:
        return (
            f"state [{was}] in the manifest: {path} is fixed at that; or export it with the other "
            "shape and measure that"
        )
    free = "" if taken else f" (where the input of {path} is fixed at [{was}], export it anew)"
    return (
        f"correct the shape, or state `model: {{shapes: {{{name}: {[*meant]}}}}}` in "
        f"{case.served.path} and measure that{free}: {case.measuring(Asked(shapes={name: meant}))}"
    )


def _other_batch(case: GateCase, model: ModelSummary) -> tuple[GateFinding, ...]:
    """Return that the server makes batches of requests that are larger than what was measured.

    A request then takes as long as the whole batch, which nobody timed.
    """
    stated = case.deployed.batching
    measured = min((spec.shape[0] for spec in model.inputs if spec.shape), default=1)
    if stated is None or (stated.value is not None and stated.value <= measured):
        return ()
    most = stated.value
    if most is None:
        told = "how many requests the server runs as one batch is filled in later"
        remedy = "write the number, or take the batching out of the manifest"
    else:
        told = f"the server runs up to {most} requests as one batch"
        remedy = _to_take_batch(case, batch_shapes(model, most), most)
    return found(
        "PLC612",
        case,
        f"{told}, what was measured is a batch of {measured}: how long a request takes in a larger "
        "one is not known",
        remedy,
        outcome=Outcome.INCONCLUSIVE,
        severity=Severity.ERROR,
        place=stated.place,
        value=None if most is None else str(most),
        limit=str(measured),
        subject="batch",
        excess_ratio=None if most is None else most / max(1, measured),
    )


def batch_shapes(model: ModelSummary, most: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's inputs with another batch, the first dimension of each."""
    return {spec.name: (most, *spec.shape[1:]) for spec in model.inputs if spec.shape}


def _to_take_batch(case: GateCase, wide: Mapping[str, tuple[int, ...]], most: int) -> str:
    """Return what settles a batch: a model of a fixed one cannot be measured with another."""
    assert case.served is not None
    assert case.served.model is not None
    path = case.served.model.path
    without = "take the batching out of the manifest, or set the batch to what was measured"
    if case.takes_batch is False:
        return (
            f"{path} takes no batch of {most}, its batch dimension is fixed: {without}; or export "
            "it with a free one and measure that"
        )
    stating = ", ".join(f"{name}: {[*shape]}" for name, shape in wide.items())
    fixed = "" if case.takes_batch else f" (a fixed one takes no batch of {most}: export it anew)"
    free = "" if case.takes_batch else f", where the batch dimension of {path} is free{fixed},"
    return (
        f"{without}; or{free} state `model: {{shapes: {{{stating}}}}}` in {case.served.path} and "
        f"measure that: {case.measuring(Asked(shapes=wide))}"
    )


def _fits(measured: tuple[int, ...], stated: tuple[int | None, ...]) -> bool:
    return len(measured) == len(stated) and all(
        size is None or size == known for known, size in zip(measured, stated, strict=True)
    )


RULE = GateRule(
    id="PLC612",
    title="model changed since it was measured",
    severity=Severity.ERROR,
    what="Whether the digest of the model that is deployed (in the manifest, in `placer.yaml`, of "
    "the file if it is in the repository) is that of the evidence, and whether names, "
    "types and shapes of inputs that a manifest states (Triton) are those that were measured. A "
    "file that lies in a repository of Triton which is checked counts with `--locked` too, and so "
    "does the external data beside it; a pointer of Git LFS is the file that it names. A server "
    "that makes batches of requests (`dynamic_batching` and `sequence_batching` of Triton, "
    "`batcher` of KServe) runs what was measured only where they are no larger than that.",
    why="Another graph takes another time; even new weights may, where the work depends on the "
    "data.",
    example="A retrained model was committed and not measured: inconclusive.",
    fix="Name the file as `model: path:` of the workload, measure it on its sites, then `placer "
    "lock`.",
    check=_check,
)
