"""Triton Inference Server: ``config.pbtxt`` and the repository of models in which it lies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placer.core.deployment import Defect, Deployed, Resources, Scale, Stated
from placer.core.project import templates_in
from placer.manifests.accelerators import first_open
from placer.manifests.containers import is_open
from placer.manifests.format import Format, Found, merged
from placer.manifests.nodes import Field
from placer.manifests.triton_keys import refused_fields
from placer.manifests.triton_models import (
    KINDS,
    Named,
    backend_of,
    kind_of,
    models_of,
    name_of,
    repeated,
    repository_of,
)

_EPS = {"tensorrt": "tensorrt", "tensorrt_plan": "tensorrt", "openvino": "openvino"}
"""Backend, platform or accelerator -> execution provider that runs the model."""
_ON_GPU_ALONE = ("tensorrt", "tensorrt_plan")
_TYPES = {
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{
        f"{sign}INT{bits}": f"{sign.lower()}int{bits}"
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
    "BF16": "bfloat16",
    "BOOL": "bool",
    "STRING": "string",
}
"""Type of a tensor without ``TYPE_`` -> as models name it."""
_FILE = "config.pbtxt"
_CLAIMED = (
    "backend", "platform", "max_batch_size", "instance_group", "input", "output",
    "ensemble_scheduling", "default_model_filename",
)  # fmt: skip
_ONCE = ("name", "platform", "backend", "max_batch_size", "default_model_filename",
         "version_policy", "dynamic_batching", "ensemble_scheduling")  # fmt: skip
_ONCE_IN_A_GROUP = ("kind", "count")


def claims(root: Field) -> bool:
    """Tell whether a document configures a model: only text protocol buffers do."""
    is_own = root.document.path.rpartition("/")[2] == _FILE  # a server completes what is left out
    said = root.first_of(*_CLAIMED, *(("name",) if is_own else ()))
    return root.document.repeats_keys and bool(said)


def read(roots: Sequence[Field]) -> Found:
    """Read each model; an ensemble names those of its repository."""
    named: Named = {}
    for root in roots:
        if not root.at("ensemble_scheduling"):
            named.setdefault((repository_of(root), name_of(root)), []).append(root)
    return merged([_model(root, named) for root in roots])


def _model(root: Field, named: Named) -> Found:
    name = root.at("name")
    groups = [*repeated(root, "instance_group")]
    inputs = [] if root.at("ensemble_scheduling") else [*repeated(root, "input")]
    names = [one.at("name").stated() for one in inputs]
    one = Deployed(
        id=f"model/{name_of(root)}",
        format="triton",
        kind="Model",
        name=name_of(root),
        place=(name if name.text() else root).place(),
        models=models_of(root, named),
        resources=_resources(root, groups),
        scale=_scale(groups),
        input_names=tuple(one for one in names if one is not None),
        inputs=tuple(_shapes(root, inputs)),
        input_types=tuple(_types(inputs)),
        batching=_batching(root),
        steps=_steps(root),
    )
    defects = [
        *refused_fields(root),
        *_given_twice(root, _ONCE),
        *(defect for group in groups for defect in _given_twice(group, _ONCE_IN_A_GROUP)),
        *(defect for group in groups for defect in _bad_values(group)),
    ]
    return Found((one,), tuple(defects))


def _steps(root: Field) -> Stated[int] | None:
    """Return the steps of an ensemble of several."""
    scheduling = [*root.all_of("ensemble_scheduling")]
    steps = [step for one in scheduling for step in repeated(one, "step")]
    return Stated(len(steps), scheduling[0].key_place()) if len(steps) > 1 else None


def _resources(root: Field, groups: Sequence[Field]) -> Resources:
    accelerators = [*_accelerators(root, groups)]
    opened = first_open(accelerators, ()) or next(_filled_in(root, groups), None)
    return Resources(
        accelerators=tuple(accelerators),
        ep=_ep(root, groups),
        accelerators_unread=opened,
        left_to_machine=next(_left_to_machine(root, groups), None),
    )


def _filled_in(root: Field, groups: Sequence[Field]) -> Iterator[Stated[str]]:
    """Yield what chooses an accelerator or a backend and is filled in later."""
    kinds = {kind_of(group) for group in groups}
    optimization = root.at("optimization")
    chosen = optimization.at("execution_accelerators")
    never = {"KIND_CPU": "gpu", "KIND_GPU": "cpu"}.get(next(iter(kinds), None) or "")
    lists = [
        one
        for processor in ("gpu", "cpu")
        if len(kinds) != 1 or processor != never
        for one in repeated(chosen, f"{processor}_execution_accelerator")
    ]
    for field in (
        root.at("backend"),
        root.at("platform"),
        *groups,
        *(group.at("kind") for group in groups),
        optimization,
        chosen,
        *lists,
        *(one.at("name") for one in lists),
    ):
        text = field.text() or ""
        if is_open(text) or templates_in(text):
            name = field.name if field.key is not None else "instance_group"
            yield Stated(f"{name}: {text}", field.place())


def _ep(root: Field, groups: Sequence[Field]) -> Stated[str] | None:
    """Return the execution provider that the configuration chooses.

    An accelerator of GPUs is for instances on a GPU, one of CPUs for those on a CPU.
    """
    backend = backend_of(root)
    if backend is not None and (known := _EPS.get(backend.value)) is not None:
        return replace(backend, value=known)
    accelerators = root.at("optimization", "execution_accelerators")
    kinds = {kind_of(group) for group in groups} or {None}
    for name, never in (
        ("gpu_execution_accelerator", {"KIND_CPU"}),
        ("cpu_execution_accelerator", {"KIND_GPU"}),
    ):
        for one in () if kinds == never else repeated(accelerators, name):
            stated = one.at("name").stated()
            if stated is not None and (known := _EPS.get(stated.value)) is not None:
                return replace(stated, value=known)
    return None


def _types(inputs: Sequence[Field]) -> Iterator[Stated[tuple[str, str]]]:
    """Yield name and type of each input, as numpy calls it; what is no type is left out."""
    for one in inputs:
        name, stated = one.at("name").text(), one.at("data_type").stated()
        known = None if stated is None else _TYPES.get(stated.value.removeprefix("TYPE_"))
        if name and stated is not None and known is not None:
            yield Stated((name, known), stated.place)


def _shapes(
    root: Field, inputs: Sequence[Field]
) -> Iterator[Stated[tuple[str, tuple[int | None, ...]]]]:
    """Yield name and shape of each input as the model gets it: after a reshape, with the batch."""
    is_batched = (root.at("max_batch_size").integer() or 0) > 0
    for one in inputs:
        name, reshape = one.at("name").text(), one.at("reshape")
        sizes = [*repeated(reshape, "shape")] if reshape else [*repeated(one, "dims")]
        if name and (sizes or reshape):
            numbers = [size.integer() for size in sizes]
            shape = [number if number is None or number >= 0 else None for number in numbers]
            batch = [None] if is_batched else []
            place = (sizes[0] if sizes else reshape).place()
            yield Stated((name, (*batch, *shape)), place)


def _batching(root: Field) -> Stated[int | None] | None:
    """Return the largest batch that Triton makes of requests; None: it makes none.

    A scheduler that is filled in later may be there.
    """
    scheduler = root.first_of("dynamic_batching", "sequence_batching")
    size = root.at("max_batch_size")
    most = size.integer()
    if not scheduler or scheduler.is_null or (most is None and not is_open(size.text() or "")):
        return None
    return None if most is not None and most < 2 else Stated(most, scheduler.key_place())


# instances


def _accelerators(root: Field, groups: Sequence[Field]) -> Iterator[Stated[tuple[str, int]]]:
    """Yield the GPUs on which instances run, and other devices beside them."""
    on_gpu = [group for group in groups if kind_of(group) == "KIND_GPU"]
    backend = backend_of(root)
    if on_gpu:
        named = {one.text() for group in on_gpu for one in repeated(group, "gpus")}
        place = on_gpu[0].first_of("kind", "gpus").place()
        yield Stated(("KIND_GPU", max(len(named), 1)), place)
    elif backend is not None and backend.value in _ON_GPU_ALONE:
        yield Stated(("KIND_GPU", 1), backend.place)
    for group in groups:
        for one in repeated(group, "secondary_devices"):
            kind = one.at("kind").stated()
            if kind is not None:
                yield Stated((kind.value, 1), kind.place)


def _left_to_machine(root: Field, groups: Sequence[Field]) -> Iterator[Stated[str]]:
    """Yield what runs on a GPU where the machine has one, and on the CPU elsewhere."""
    if not groups:
        yield Stated("no 'instance_group'", (root.at("name") or root).place())
    for group in groups:
        if kind_of(group) is None and group.is_mapping:
            yield Stated("'instance_group' without a kind", group.place())
        elif kind_of(group) in ("KIND_AUTO", "KIND_MODEL"):
            yield Stated(f"kind: {kind_of(group)}", group.at("kind").place())


def _scale(groups: Sequence[Field]) -> Scale:
    """Return the instances on one server; those of a group run on each of its GPUs."""
    if not groups:
        return Scale()
    total, is_known = 0, True
    for group in groups:
        count = group.at("count")
        number = count.integer() if count else 1
        if number is None or number < 1:
            return Scale()
        gpus = len([*repeated(group, "gpus")])
        total += number * max(gpus, 1)
        is_known = is_known and (gpus > 0 or kind_of(group) == "KIND_CPU")
    place = (groups[0].at("count") or groups[0]).place()
    return Scale(Stated(total, place), Stated(total, place) if is_known else None)


# defects


def _given_twice(holder: Field, names: Sequence[str]) -> Iterator[Defect]:
    for name in names:
        found = [*holder.all_of(name)]
        for one in found[:-1]:
            last = found[-1].key_place()
            yield Defect(
                "duplicate_key",
                f"'{name}' is given twice, and that of {last.line}:{last.column} as well: Triton"
                " refuses the file",
                "keep one of the two",
                one.key_place(),
            )


def _bad_values(group: Field) -> Iterator[Defect]:
    kind, count = group.at("kind"), group.at("count")
    said = kind.text()
    if said is not None and not is_open(said):
        is_text = kind.kind() == "text" and kind.node is not None and not kind.node.is_plain
        if kind_of(group) not in KINDS or is_text:
            close = difflib.get_close_matches(said.upper(), KINDS, n=1)
            remedy = f"write {close[0]}" if close else f"write one of {', '.join(KINDS)}"
            what = "is text, and Triton takes a word here" if is_text else "is no kind of instances"
            yield Defect("bad_value", f"'{said[:40]}' {what}", remedy, kind.place())
    amount = count.text()
    if amount is not None and not is_open(amount) and (count.integer() or 0) < 1:
        message = f"'count: {amount[:40]}' is no number of instances"
        yield Defect("bad_value", message, "write a whole number from 1 on", count.place())


FORMAT = Format(
    id="triton",
    name="Triton model configurations",
    mark=re.compile(
        rb"\b(?:max_batch_size|instance_group|ensemble_scheduling|default_model_filename)\b"
        rb"|\b(?:platform|backend)\s*:|\bTYPE_(?:BOOL|U?INT|FP|BF|STRING)"
    ),
    words=(
        b"max_batch_size",
        b"instance_group",
        b"ensemble_scheduling",
        b"default_model_filename",
        b"platform",
        b"backend",
        b"type_",
    ),
    claims=claims,
    read=read,
    page="triton-model-configurations",
    suffix=".pbtxt",
    file_name=_FILE,
)
