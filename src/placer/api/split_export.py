"""Writing a split as something that runs: a client with the head, a repository with the tail."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placer.core.cuts import crossing
from placer.core.errors import MeasuringError, UsageError
from placer.core.graph import TensorSpec
from placer.core.split import (
    PARTS_APART_RATIO,
    OutputDifference,
    Part,
    SplitContract,
    output_differences,
)
from placer.core.split_export import Crossing, Export
from placer.core.wire_formats import Precision

if TYPE_CHECKING:
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.split_source import SplitSource

HEAD_FILE = "head.onnx"
CLIENT_FILE = "client.py"
README_FILE = "README.txt"
SAMPLE_FILE = "sample.npz"


def export_split(
    source: SplitSource,
    tiers: Mapping[str, int],
    precision: Precision,
    folder: str,
    *,
    samples: Inputs,
    max_error_ratio: float | None,
    time_limit_s: float,
) -> Export:
    """Write a split into a folder, run both of its parts, and hold them to the whole model.

    Parameters
    ----------
    tiers
        Node -> 0 on the device or 1 on the server.
    samples
        That both are run on; none of them is written.
    max_error_ratio
        The most that an output may be off, of its largest number; None: no limit of the user's.

    Raises
    ------
    UsageError
        The folder holds foreign files or cannot be written; or the tail cannot take the precision.
    MeasuringError
        A part does not run, or answers differently; or the disk is full.
    """
    from placer.files.model_repository import (
        FOLDER,
        MODEL_FILE,
        VERSION,
        readme,
        server_name,
        triton_config,
    )
    from placer.files.split_contract import CONTRACT_NAME, write_contract
    from placer.files.split_folder import replacing
    from placer.onnx_files import split_client
    from placer.onnx_files.inputs import generate_inputs
    from placer.onnx_files.splitter import digest_of, write_parts
    from placer.onnx_files.wire_inputs import take_from_wire

    summary, specs = source.summary, source.specs
    link = tuple(specs[one.name] for one in crossing(source.graph, tiers, 2)[0])
    name = server_name(Path(summary.path).name)
    with replacing(folder) as place:
        served = place / FOLDER / name
        weights = served / VERSION
        weights.mkdir(parents=True)
        names = {0: HEAD_FILE, 1: MODEL_FILE}
        head, tail = write_parts(source, tiers, str(place), names=names)
        for file, _, _ in tail.files:
            (place / file).replace(weights / file)
        crossings = take_from_wire(weights / MODEL_FILE, link, precision)
        taken = taken_by_tail(crossings)
        (served / "config.pbtxt").write_text(
            triton_config(name, taken, tail.outputs), encoding="utf-8"
        )
        shutil.copyfile(split_client.__file__, place / CLIENT_FILE)
        (place / README_FILE).write_text(readme(name), encoding="utf-8")
        generate_inputs(summary.path, summary.inputs).save(str(place / SAMPLE_FILE))
        files = tuple(
            (path.relative_to(place).as_posix(), *digest_of(path))
            for path in sorted(place.rglob("*"))
            if path.is_file()
        )
        digests = {path: (path, digest, size) for path, digest, size in files}
        inside = weights.relative_to(place).as_posix()
        tail = replace(
            tail,
            files=tuple(digests[f"{inside}/{file}"] for file, _, _ in tail.files),
            inputs=taken,
        )
        contract = SplitContract(
            model=Path(summary.path).name,
            model_sha256=summary.sha256,
            inputs=summary.inputs,
            outputs=summary.outputs,
            parts=(head, tail),
            links=(link,),
            unused_nodes=source.graph.unused_nodes,
            constant_nodes=source.constant_nodes,
        )
        differences = _held_to_whole(
            source, place, (head, tail), crossings, samples, time_limit_s=time_limit_s
        )
        export = Export(contract, name, precision, crossings, files, differences)
        _check(export, max_error_ratio)
        write_contract(contract, str(place / CONTRACT_NAME), export)
    return export


def _held_to_whole(
    source: SplitSource,
    place: Path,
    parts: tuple[Part, Part],
    crossings: tuple[Crossing, ...],
    samples: Inputs,
    *,
    time_limit_s: float,
) -> tuple[OutputDifference, ...]:
    """Run the parts as client and server would, with the client's own encoding."""
    from placer.api.part_runs import answering

    head, tail = parts
    with answering(time_limit_s=time_limit_s) as answer:
        whole = answer(source.summary.path, samples.samples)
        known = dict(samples.samples)
        taken = {one.name: known[one.name] for one in head.inputs}
        known.update(answer(str(place / head.files[0][0]), taken))
        sent = sent_over_wire(crossings, known)
        known.update(answer(str(place / tail.files[0][0]), sent))
    return output_differences(whole, known)


def sent_over_wire(crossings: Sequence[Crossing], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the tail takes for samples of the tensors that cross, as the client sends it.

    Parameters
    ----------
    known
        Name -> array of shape (samples, *tensor shape), other tensors as well.

    Raises
    ------
    MeasuringError
        The format cannot hold a number.
    """
    import numpy as np

    from placer.onnx_files.split_client import ClientError, encode

    tensors = [
        {
            "name": one.tensor.name,
            "wire": {
                "value": {
                    "name": one.value.name, "dtype": one.value.dtype, "shape": one.value.shape
                },
                "scale": None if one.scale is None else {"name": one.scale.name},
            },
        }
        for one in crossings
    ]  # fmt: skip
    count = len(known[crossings[0].tensor.name])
    try:
        sent = [
            encode(tensors, {one.tensor.name: known[one.tensor.name][at] for one in crossings})
            for at in range(count)
        ]
    except ClientError as error:
        raise MeasuringError(str(error), hint="choose another --wire") from error
    return {name: np.stack([one[name] for one in sent]) for name in sent[0]}


def taken_by_tail(crossings: Sequence[Crossing]) -> tuple[TensorSpec, ...]:
    """Return the inputs of the tail."""
    return tuple(spec for one in crossings for spec in (one.value, one.scale) if spec is not None)


def _check(export: Export, max_error_ratio: float | None) -> None:
    is_exact = all(one.tensor.dtype == one.value.dtype for one in export.crossings)
    limit = max_error_ratio if max_error_ratio is not None else PARTS_APART_RATIO
    if max_error_ratio is None and not is_exact:
        return
    worst = max(export.differences, key=lambda one: one.relative, default=None)
    if worst is not None and worst.relative > limit:
        raise MeasuringError(
            f"the parts give '{worst.name}' {worst.relative:.2g} of its largest number apart from "
            f"the whole model, and {limit:.2g} is allowed: nothing was written",
            hint="cut elsewhere, or allow more: --max-error RATIO"
            + ("" if is_exact else ", or choose a wider --wire"),
        )


def check_sendable(source: SplitSource) -> None:
    """Refuse a model whose inputs or outputs no client can handle.

    Raises
    ------
    UsageError
        One has a type that the protocol or numpy lacks.
    """
    from placer.core.split_export import can_be_sent

    for spec in (*source.summary.inputs, *source.summary.outputs):
        if not can_be_sent(spec.dtype):
            raise UsageError(
                f"'{spec.name}' is {spec.dtype}, which the client of a split cannot handle",
                hint="export the model with float32 or float16 inputs and outputs",
            )
