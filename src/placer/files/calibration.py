"""Calibration files: what was measured of a device, so that others can predict with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from placer.core.calibration import Timing, Work
from placer.core.environment import ChipClass
from placer.core.errors import InputError
from placer.files.evidence import read_json, read_text
from placer.files.writing import write_atomically

SCHEMA = "placer/calibration/v1"
_HINT = "`placer calibrate --to FILE` writes one"


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """The models measured on one device with one runtime."""

    device: str
    """The chip, as the machine names it."""
    chip_class: ChipClass
    ep: str
    """Short name of the execution provider."""
    runtime: str
    """``onnxruntime 1.27.0``."""
    dtype: str
    threads: int
    measured_at: str
    """ISO 8601 date."""
    timings: tuple[Timing, ...]
    machine_id: str = ""
    """Salted hash of the host's identity; empty: not told."""
    site: str | None = None
    """The device or cloud offer that this machine is; None: not stated."""
    disturbed_models: int | None = None
    """Models that other programs disturbed; None: not told."""
    p99_ratio: float | None = None
    """p99 over median of one model, median over all; None: not told."""
    pace_log_sd: float | None = None
    """Standard deviation of the log of the pace at another time over that of the calibration."""
    path: str = ""


class _TimingSpec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1, max_length=200, description="Name of the model.")]
    flops: Annotated[
        FiniteFloat,
        Field(ge=0, description="Operations of one inference, 2 for each multiply-accumulate."),
    ]
    bytes_moved: Annotated[
        FiniteFloat,
        Field(ge=0, description="Bytes that its operators read and write, weights included."),
    ]
    n_ops: Annotated[FiniteFloat, Field(ge=0, description="Operators that run.")]
    matrix_flops: Annotated[
        FiniteFloat | None,
        Field(ge=0, description="Operations in products of matrices; null: not told."),
    ] = None
    latency_s: Annotated[FiniteFloat, Field(gt=0, le=1e6, description="Median of one inference.")]


class _CalibrationSpec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    schema_: Annotated[
        Literal["placer/calibration/v1"],
        Field(alias="schema", description="Name and version of this format."),
    ]
    device: Annotated[
        str, Field(min_length=1, max_length=200, description="The chip, as the machine names it.")
    ]
    chip_class: Annotated[
        Literal["cpu", "gpu", "npu"], Field(description="What the models ran on.")
    ]
    ep: Annotated[
        str,
        Field(pattern=r"^[a-z0-9_:]+$", description="Short name of the execution provider."),
    ]
    runtime: Annotated[
        str,
        Field(min_length=1, max_length=200, description="Name and version of the runtime."),
    ]
    dtype: Annotated[
        Literal["float32", "float16", "int8"], Field(description="Arithmetic of the models.")
    ]
    threads: Annotated[int, Field(ge=1, le=4096, description="Of one inference.")]
    measured_at: Annotated[
        str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="Day of the measurement.")
    ]
    machine_id: Annotated[
        str,
        Field(
            max_length=200,
            description="Salted hash that tells machines apart; empty: not told.",
        ),
    ] = ""
    site: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="Device or cloud offer that this machine is; null: not stated.",
        ),
    ] = None
    disturbed_models: Annotated[
        int | None,
        Field(ge=0, description="Models that other programs disturbed; null: not told."),
    ] = None
    p99_ratio: Annotated[
        FiniteFloat | None,
        Field(
            ge=1,
            le=1000,
            description="p99 over median of a model, the median over all; null: not told.",
        ),
    ] = None
    pace_log_sd: Annotated[
        FiniteFloat | None,
        Field(
            ge=0,
            le=10,
            description="Standard deviation of the log of the pace at another time over that of "
            "the calibration, from its rounds; null: not told.",
        ),
    ] = None
    timings: Annotated[
        list[_TimingSpec],
        Field(min_length=1, max_length=100_000, description="The models, one each."),
    ]


def read_calibration(path: str) -> CalibrationFile:
    """Read a calibration file.

    Raises
    ------
    InputError
        Missing, unreadable, or not what ``placer calibrate --to`` writes.
    """
    document = read_json(read_text(path, hint=_HINT), path, hint=_HINT)
    try:
        spec = _CalibrationSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        said = str(first["msg"])
        if first["type"] == "model_type":
            said = "this is no object of keys"
        raise InputError(f"{path}: {place}: {said[:1].lower()}{said[1:]}", hint=_HINT) from error
    for index, one in enumerate(spec.timings):
        if one.matrix_flops is not None and one.matrix_flops > one.flops:
            raise InputError(
                f"{path}: timings.{index}.matrix_flops: '{one.model}' has more operations in "
                "matrices than in all",
                hint=_HINT,
            )
    return CalibrationFile(
        device=spec.device,
        chip_class=ChipClass(spec.chip_class),
        ep=spec.ep,
        runtime=spec.runtime,
        dtype=spec.dtype,
        threads=spec.threads,
        measured_at=spec.measured_at,
        timings=tuple(
            Timing(
                Work(one.model, one.flops, one.bytes_moved, one.n_ops, one.matrix_flops),
                one.latency_s,
                f"{path}: timings.{index}",
            )
            for index, one in enumerate(spec.timings)
        ),
        machine_id=spec.machine_id,
        site=spec.site,
        disturbed_models=spec.disturbed_models,
        p99_ratio=spec.p99_ratio,
        pace_log_sd=spec.pace_log_sd,
        path=path,
    )


def write_calibration(path: str, file: CalibrationFile) -> None:
    """Write a calibration file whole or not at all. Raises as ``write_atomically``."""
    write_atomically(path, json.dumps(_document(file), indent=2) + "\n")


def _document(file: CalibrationFile) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "device": file.device,
        "chip_class": file.chip_class.value,
        "ep": file.ep,
        "runtime": file.runtime,
        "dtype": file.dtype,
        "threads": file.threads,
        "measured_at": file.measured_at,
        "machine_id": file.machine_id,
        "site": file.site,
        "disturbed_models": file.disturbed_models,
        "p99_ratio": file.p99_ratio,
        "pace_log_sd": file.pace_log_sd,
        "timings": _timing_rows(file.timings),
    }


def _timing_rows(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Return timings as JSON has them."""
    return [
        {
            "model": one.work.model,
            "flops": one.work.flops,
            "bytes_moved": one.work.bytes_moved,
            "n_ops": one.work.n_ops,
            "matrix_flops": one.work.matrix_flops,
            "latency_s": one.latency_s,
        }
        for one in timings
    ]


def calibration_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:calibration:v1",
        **_CalibrationSpec.model_json_schema(by_alias=True),
    }
