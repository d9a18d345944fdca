"""Learn a device from the times of a few models, and predict others on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from placer.core.calibration import (
    FASTEST_BYTES_PER_S,
    FASTEST_FLOPS_PER_S,
    Calibration,
    Limits,
    Prediction,
    Work,
    calibrate,
    is_suspiciously_slow,
)
from placer.core.environment import ChipClass, Device
from placer.core.errors import UsageError

if TYPE_CHECKING:
    from placer.files.calibration import CalibrationFile


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
        calibration = calibrate(file.timings, limits=limits)
        return Calibrated(
            calibration, f"{file.device}, {file.runtime}", _warnings(calibration), file
        )
    calibration = calibrate(read_timings(path), limits=limits)
    return Calibrated(calibration, path, _warnings(calibration))


def _limits(name: str | None) -> Limits:
    """Return what a device cannot exceed; unknown figures bound it by the fastest chips."""
    fastest = Limits(FASTEST_FLOPS_PER_S, FASTEST_BYTES_PER_S)
    if name is None:
        return fastest
    from placer.files.catalogue import load_device

    flops_per_s = _peak_flops_per_s(load_device(name))
    return fastest if flops_per_s is None else replace(fastest, flops_per_s=flops_per_s)


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
            f"{calibration.factor_90:.2g}. More models, or those of one kind, say more"
        )
    return tuple(warnings)


WIDE_FACTOR = 3.0
"""An interval wider than this in both directions tells little more than the order of magnitude."""


def predict(calibrated: Calibrated, path: str) -> tuple[Prediction, ...]:
    """Predict the models of a CSV file, or one ONNX model.

    Raises
    ------
    UsageError, InputError
        The file cannot be read, or the work of a model is not known.
    """
    return tuple(calibrated.calibration.predict(work) for work in _works(path))


def _works(path: str) -> tuple[Work, ...]:
    if path.endswith(".csv"):
        from placer.files.tables import read_works

        return read_works(path)
    from placer.onnx_files.reader import read_model

    model = read_model(path)
    if model.flops is None or model.bytes_moved is None:
        unknown = ", ".join(model.unknown_operators) or "a shape is not known"
        raise UsageError(f"the work of {path} is not known ({unknown})")
    return (Work(path, model.flops, model.bytes_moved, model.n_nodes),)


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
