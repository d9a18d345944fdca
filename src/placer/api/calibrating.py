"""Learn a device from the times of a few models, and predict others on it."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.measuring import Say, say_nothing
from placer.api.predicting import work_of
from placer.core.calibration import (
    FASTEST_BYTES_PER_S,
    FASTEST_FLOPS_PER_S,
    FASTEST_MEMORY_BYTES_PER_S,
    LEAST_MODELS,
    LONE_FACTOR,
    Calibration,
    FloatArray,
    Limits,
    Timing,
    calibrate,
    changed_pace,
    is_suspiciously_slow,
    worst_row,
)
from placer.core.environment import ChipClass, Device
from placer.core.errors import MeasuringError, UsageError
from placer.core.graph import ModelSummary
from placer.core.measurement import Measurement
from placer.core.units import format_factor

if TYPE_CHECKING:
    from placer.files.calibration import CalibrationFile
    from placer.profiling.plan import Plan

P99_RUNS = 100
"""Fewer runs hold no p99."""
TIME_LIMIT_S = 2.4
"""Of one calibration model, in three processes: 17 of them take about 45 s."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A device that was learnt."""

    calibration: Calibration
    source: str
    """What the timings are from, for people."""
    warnings: tuple[str, ...] = ()
    file: CalibrationFile | None = None
    """None: of a table, which does not say what was measured with what."""


def calibrate_from(path: str, *, device: str | None = None) -> Calibrated:
    """Learn a device from a table (CSV) or a calibration file.

    Parameters
    ----------
    device
        Name or file of the device that was measured; None: only what no chip exceeds is known.

    Raises
    ------
    UsageError, InputError
        A file that cannot be read, or timings that cannot be.
    """
    from placer.files.calibration import read_calibration
    from placer.files.tables import read_timings

    limits = _limits(device)
    if path.endswith(".json"):
        file = read_calibration(path)
        calibration = calibrate(file.timings, limits=limits, pace_log_sd=file.pace_log_sd or 0.0)
        return Calibrated(
            calibration, f"{file.device}, {file.runtime}", _warnings(calibration), file
        )
    calibration = calibrate(read_timings(path), limits=limits)
    return Calibrated(calibration, path, _warnings(calibration))


def calibrate_here(
    ep: str,
    threads: int | None,
    *,
    device: str | None = None,
    site: str | None = None,
    progress: Say = say_nothing,
) -> Calibrated:
    """Measure the calibration models on this machine, interleaved, and learn it from them.

    Parameters
    ----------
    threads
        Of one inference; None: every core.
    site
        The device or cloud offer of the catalogue that this machine is.

    Raises
    ------
    UsageError
        An execution provider that is not here, or times that cannot be.
    MeasuringError
        Too few of the models could be measured.
    """
    from placer.core.runtime import parse_ep, processor_kind
    from placer.files.calibration import CalibrationFile
    from placer.profiling.child import Child
    from placer.profiling.machine import describe_machine, usable_cores
    from placer.profiling.sampling import measure_in_turns
    from placer.runtimes import onnxruntime

    if site is not None:
        check_site(site)
    name = parse_ep(ep)
    why = onnxruntime.why_unavailable(name)
    if why is not None:
        raise UsageError(f"{name}: {why}", hint="`placer doctor` shows what is here")
    chip_class = ChipClass(processor_kind(name))
    count = usable_cores() if threads is None else threads
    machine = describe_machine()
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        progress("making the calibration models")
        models = _write_models(folder)
        with Child(onnxruntime.MODULE) as child:
            works = [replace(work_of(model, child), model=key) for key, model in models.items()]
        results = measure_in_turns(
            [plan_of(model, folder, key, name, count) for key, model in models.items()],
            machine=machine,
            today=today,
            progress=progress,
        )
    measured, failed = [], []
    for work, (result,) in zip(works, results, strict=True):
        if isinstance(result, Measurement):
            measured.append((work, result))
        else:
            failed.append(result.message)
    if len(measured) < LEAST_MODELS:
        raise MeasuringError(f"{name}: {failed[0]}")
    timings = tuple(Timing(work, median_s(result), work.model) for work, result in measured)
    pace_log_sd = changed_pace(_rounds_s([result for _, result in measured]))
    calibration = calibrate(timings, limits=_limits(device), pace_log_sd=pace_log_sd)
    disturbed = sum(result.instrument.is_disturbed for _, result in measured)
    file = CalibrationFile(
        device=machine.cpu,
        chip_class=chip_class,
        ep=name,
        runtime=measured[0][1].runtime,
        dtype="float32",
        threads=count,
        measured_at=today,
        timings=timings,
        machine_id=machine.machine_id,
        site=site,
        disturbed_models=disturbed,
        p99_ratio=_p99_ratio([result for _, result in measured]),
        pace_log_sd=pace_log_sd,
    )
    warnings = _warnings(calibration)
    if disturbed:
        warnings += (f"{disturbed} of {len(measured)} models were disturbed by other programs",)
    return Calibrated(calibration, f"{machine.cpu}, {name}, {count} thread(s)", warnings, file)


def _write_models(folder: str) -> dict[str, ModelSummary]:
    import onnx

    from placer.onnx_files.calibration_models import CALIBRATION_MODELS
    from placer.onnx_files.reader import read_model

    found = {}
    for key, make in CALIBRATION_MODELS.items():
        path = str(Path(folder) / f"{key}.onnx")
        onnx.save(make(), path)
        found[key] = read_model(path)
    return found


def plan_of(model: ModelSummary, folder: str, key: str, ep: str, threads: int) -> Plan:
    """Return how a model is measured for a calibration; its inputs go to the folder."""
    from placer.core.measurement import SessionSettings
    from placer.onnx_files.inputs import generate_inputs
    from placer.profiling.plan import Plan
    from placer.runtimes import onnxruntime

    inputs = generate_inputs(model.path, model.inputs)
    inputs_path = str(Path(folder) / f"{key}.npz")
    inputs.save(inputs_path)
    return Plan(
        model_path=model.path,
        subjects=model.subjects,
        runtime_module=onnxruntime.MODULE,
        eps=(ep,),
        targets=(),
        inputs_path=inputs_path,
        dtypes=inputs.dtypes,
        input_shapes=tuple((spec.name, spec.shape) for spec in model.inputs),
        input_source=inputs.source,
        interval_s=0.0,
        settings=SessionSettings(threads, threads > 1),
        time_limit_s=TIME_LIMIT_S,
    )


def median_s(measured: Measurement) -> float:
    """Return the median over all runs."""
    import numpy as np

    return float(np.median([run_s for run in measured.processes for run_s in run.samples_s]))


def _rounds_s(measured: Sequence[Measurement]) -> FloatArray:
    """Return the median of each model in each round that all have, shape (models, rounds).

    Each process of a model runs in a round of its own, in turns with those of the others.
    """
    import numpy as np

    count = min(len(one.processes) for one in measured)
    return np.array(
        [[np.median(run.samples_s) for run in one.processes[:count]] for one in measured]
    )


def _p99_ratio(measured: Sequence[Measurement]) -> float:
    """Return by how much the p99 of a model exceeds its median, median over the models.

    Of each with its P99_RUNS runs or more; with none, the largest run of each counts.
    """
    import numpy as np

    ratios = []
    for one in measured:
        runs_s = np.array([run_s for run in one.processes for run_s in run.samples_s])
        ratios.append((len(runs_s), float(np.quantile(runs_s, 0.99) / np.median(runs_s))))
    long = [ratio for count, ratio in ratios if count >= P99_RUNS]
    return max(1.0, float(np.median(long or [ratio for _, ratio in ratios])))


def check_site(name: str) -> None:
    """Raise UsageError if a name is neither a device nor a cloud offer of the catalogue, or file.

    The file of a device or an offer of your own counts by the name that it states.
    """
    from placer.core.errors import near_match
    from placer.files import catalogue

    known = [
        *catalogue.list_names(catalogue.Kind.DEVICES),
        *catalogue.list_names(catalogue.Kind.CLOUDS),
    ]
    if name.partition("@")[0] in known or Path(name).suffix in (".yaml", ".yml"):
        return
    raise UsageError(
        f"--site '{name}' is neither a device nor a cloud offer of the catalogue"
        f"{near_match(name, known)}",
        hint="`placer catalog list` shows them; leave it out and name the site when you use the "
        "file: --evidence NAME=FILE",
    )


def _limits(name: str | None) -> Limits:
    """Return what a device cannot exceed; unknown figures bound it by the fastest chips."""
    fastest = Limits(FASTEST_FLOPS_PER_S, FASTEST_BYTES_PER_S)
    if name is None:
        return fastest
    from placer.files.catalogue import load_device

    flops_per_s = _peak_flops_per_s(load_device(name))
    if flops_per_s is None:
        return fastest
    return replace(fastest, flops_per_s=flops_per_s, name=f"the peak of {name}")


def _peak_flops_per_s(device: Device) -> float | None:
    """Return the highest rate in any arithmetic that may run there; None: not known."""
    peaks = [device.peak_fp32_flops_per_s]
    if device.chip_class is not ChipClass.CPU:
        peaks += [device.peak_fp16_flops_per_s, device.peak_int8_ops_per_s]
    known = [peak for peak in peaks if peak is not None]
    return max(known) if known else None


def _warnings(calibration: Calibration) -> tuple[str, ...]:
    warnings = [
        f"{timing.where}: '{timing.work.model}' in {timing.latency_s:g} s is more than 30 times "
        "off what the other rows tell: other units, or it ran on another processor. It is left "
        "out: correct it or take it away"
        for timing in calibration.left_out
    ]
    if is_suspiciously_slow(calibration):
        warnings.append(
            "half of the models reach less than 1 GFLOP/s: are the times in seconds, and the work "
            "in 10^9 operations?"
        )
    if calibration.factor_90 > WIDE_FACTOR:
        warnings.append(
            f"the models do not follow one line: nine in ten predictions lie within x/÷ "
            f"{format_factor(calibration.factor_90)}. More models, or those of one kind, say more"
        )
    row, off = worst_row(calibration)
    if off > FAR_FACTOR:
        place = f"{row.where}: " if row.where else ""
        warnings.append(
            f"{place}'{row.work.model}' is {format_factor(off)} times off what the others tell, "
            "the furthest"
            + (": more than a quarter of the rows are: of two units?" if off > LONE_FACTOR else "")
        )
    if calibration.s_per_byte and 1 / calibration.s_per_byte > FASTEST_MEMORY_BYTES_PER_S:
        warnings.append(
            f"the models move {1e-9 / calibration.s_per_byte:.3g} GB/s, more than any memory: are "
            "the bytes in 10^9?"
        )
    return tuple(warnings)


FAR_FACTOR = 3.0
"""A row that is further off than this is named."""
WIDE_FACTOR = 3.0
"""An interval wider than this in both directions tells little more than the order of magnitude."""


def save(calibrated: Calibrated, path: str) -> None:
    """Write a calibration file.

    Raises
    ------
    UsageError
        The timings are of a table, which does not say what was measured with what.
    """
    from placer.files.calibration import write_calibration

    if calibrated.file is None:
        raise UsageError(
            "--to keeps what was measured here: a table does not say on which chip, with which "
            "runtime and when",
            hint="leave --to out, or leave --from out",
        )
    write_calibration(path, calibrated.file)
