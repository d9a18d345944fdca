"""Calibration files in a question: the time of a model on a site that was learnt."""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.calibrating import Calibrated, calibrate_from
from placer.api.predicting import work_of
from placer.core.calibration import Prediction, Work
from placer.core.compute import (
    HALF_PRECISION_EPS,
    ComputeEstimate,
    Level,
    NoEstimate,
    basis_of,
    clip_by_physics,
    level_of_evidence,
    peaks_of,
    with_fallback,
)
from placer.core.coverage import Coverage
from placer.core.device_transfer import transfer
from placer.core.environment import ChipClass, CloudOffer, Device
from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import ModelSummary
from placer.core.runtime import split_ep
from placer.core.units import format_factor

if TYPE_CHECKING:
    from placer.files.calibration import CalibrationFile
    from placer.files.evidence import Evidence

_HEAD_BYTES = 4096
"""The schema of a calibration file stands in its first lines."""


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What was learnt of sites; None as a site is this machine."""

    by_site: Mapping[str | None, Calibrated]
    today: datetime.date
    _works: dict[str, Work] = field(default_factory=dict)
    """Digest of a model -> its work, counted once."""

    def time_of(
        self,
        site: Device | CloudOffer,
        summary: ModelSummary,
        dtype: str,
        ep: str,
        records: Sequence[tuple[str | None, Evidence]],
        coverage: Coverage | None,
    ) -> ComputeEstimate | NoEstimate | None:
        """Return the time by the calibration of a site; None: it has none.

        Carried over from where the model was measured if that tells more than the calibration
        alone.

        Raises
        ------
        UsageError
            The work of the model is not known.
        """
        found = next((one for name, one in self.by_site.items() if name in names_of(site)), None)
        if found is None or found.file is None:
            return None
        runs_in_half = dtype == "float32" and split_ep(ep)[0] in HALF_PRECISION_EPS
        halves = ("float16", "float32") if runs_in_half else (dtype,)
        why = _why_not(found.file, site, halves, ep)
        if why:
            return NoEstimate(why)
        work = self._work(summary)
        level, told = Level.E4, found.calibration.predict(work)
        factor = told.high_s / told.median_s
        note = f"{len(found.calibration.timings)} models measured on {found.file.device}, "
        note += f"this one not{_doubts_of(found, told)}"
        for place, record in records:
            carried = self._carried(found, place, record, work)
            if carried is not None and carried[1] < factor:
                (told, factor, note), level = carried, Level.E3
        return _estimate(self.today, site, summary, told, factor, level, found, note, coverage)

    def _work(self, summary: ModelSummary) -> Work:
        from placer.profiling.child import Child
        from placer.runtimes import onnxruntime

        if summary.sha256 not in self._works:
            with Child(onnxruntime.MODULE) as child:
                self._works[summary.sha256] = work_of(summary, child)
        return self._works[summary.sha256]

    def _carried(
        self, target: Calibrated, place: str | None, record: Evidence, work: Work
    ) -> tuple[Prediction, float, str] | None:
        """Return the time carried over from evidence of another site; None: it tells nothing.

        Never between classes, runtimes, execution providers or types of arithmetic.
        """
        source = self.by_site.get(place)
        if source is None or source.file is None or target.file is None or source is target:
            return None
        measured = record.measurement
        kinds = [
            (one.chip_class, _runtime_of(one.runtime), one.ep, one.dtype)
            for one in (source.file, target.file)
        ]
        if kinds[0] != kinds[1] or measured.ep != source.file.ep:
            return None
        if measured.settings.intra_op_threads != source.file.threads:
            return None
        try:
            carry = transfer(source.calibration, target.calibration)
        except UsageError:  # too few models in common
            return None
        from placer.api.calibrating import median_s

        where = place or "this machine"
        note = (
            f"carried over from {where}, where it was measured, by {carry.shared} models that were "
            "measured on both"
        )
        return carry.predict(work, median_s(measured)), carry.factor_90, note


def take_calibrations(
    texts: Sequence[str], device: Device, today: datetime.date
) -> tuple[tuple[str, ...], Calibrations]:
    """Return the texts that name evidence, and the calibrations among them.

    Parameters
    ----------
    texts
        ``[SITE=]PATH`` each.

    Raises
    ------
    UsageError
        One site twice, or a file of another machine that does not say which site that is.
    InputError
        A calibration file cannot be read.
    """
    from placer.profiling.machine import describe_machine

    rest: list[str] = []
    found: dict[str | None, Calibrated] = {}
    for text in texts:
        named, separator, path = text.partition("=")
        if not separator or Path(text).exists():
            named, path = "", text
        if not _is_calibration(path):
            rest.append(text)
            continue
        limits_of = device.name if named == device.name and not device.is_this_machine else None
        one = calibrate_from(path, device=limits_of)
        assert one.file is not None
        _check_date(one.file, today)
        is_here = one.file.machine_id == describe_machine().machine_id
        if named and one.file.site not in (None, named):
            raise UsageError(
                f"{path} is the calibration of {one.file.site}, as it says itself, not of {named}",
                hint=f"--evidence {path}, or calibrate {named}: placer calibrate --site {named}",
            )
        site: str | None = named or one.file.site
        if is_here and named and one.file.site is None:
            raise UsageError(
                f"{path} was measured on this machine ({one.file.device}) and does not say that "
                f"this is {named}",
                hint=f"if it is: placer calibrate --site {named}; else calibrate there",
            )
        if site is None and not is_here:
            raise UsageError(
                f"{path} is the calibration of another machine ({one.file.device}) and does not "
                "say which site that is",
                hint=f"name the device or cloud offer: --evidence NAME={path}",
            )
        if site in found:
            raise UsageError(
                f"two calibrations of {site or 'this machine'}", hint="give the one that counts"
            )
        found[site] = one
    return tuple(rest), Calibrations(found, today)


def check_all_asked(
    calibrations: Calibrations,
    device: Device,
    offers: Sequence[CloudOffer],
    measured: Collection[str | None],
) -> None:
    """Raise UsageError for the calibration of a site that the question does not touch.

    Parameters
    ----------
    measured
        Sites with evidence of the model: their times may be carried over.
    """
    sites: tuple[Device | CloudOffer, ...] = (device, *offers)
    known = {name for site in sites for name in names_of(site)} | set(measured)
    for site, one in calibrations.by_site.items():
        if site not in known:
            assert one.file is not None
            texts = sorted(name for name in known if name is not None)
            what = "this machine" if site is None else f"the site '{site}'"
            raise UsageError(
                f"{one.file.path} is the calibration of {what}, which is not asked about"
                f"{near_match(site or '', texts)}",
                hint="add it with --cloud or --device, or say what it is: --evidence NAME=FILE",
            )


def _check_date(file: CalibrationFile, today: datetime.date) -> None:
    """Raise InputError for a calibration of a day to come."""
    try:
        is_to_come = datetime.date.fromisoformat(file.measured_at) > today
    except ValueError:
        is_to_come = True
    if is_to_come:
        raise InputError(
            f"{file.path}: measured_at: {file.measured_at} is no day up to {today}",
            hint="measure anew: placer calibrate --to FILE; --as-of states another day",
        )


def names_of(site: Device | CloudOffer) -> tuple[str | None, ...]:
    """Return by which names a site is told."""
    if isinstance(site, Device):
        return (None, site.name) if site.is_this_machine else (site.name,)
    return (f"{site.name}@{site.region}", site.name, site.instance)


def _is_calibration(path: str) -> bool:
    from placer.files.calibration import SCHEMA

    if not path.endswith(".json") or not Path(path).is_file():
        return False
    with Path(path).open("rb") as stream:
        return SCHEMA.encode() in stream.read(_HEAD_BYTES)


def _runtime_of(text: str) -> str:
    """Return ``onnxruntime`` of ``onnxruntime 1.27.0``: releases age, they are no other runtime."""
    return text.partition(" ")[0]


def _why_not(
    file: CalibrationFile, site: Device | CloudOffer, dtypes: Sequence[str], ep: str
) -> str:
    """Say why a calibration tells nothing of a model on a site; empty: it does."""
    if file.chip_class is not site.chip_class:
        return (
            f"{file.path} was measured on a {file.chip_class.value}, {site.name} runs on a "
            f"{site.chip_class.value}: one says nothing about the other; `placer calibrate` there"
        )
    if file.ep != ep:
        return (
            f"{file.path} was measured with {file.ep}, the question is about {ep}: one says "
            f"nothing about the other; placer calibrate --ep {ep} there"
        )
    if _runtime_of(file.runtime) != "onnxruntime":
        return (
            f"{file.path} was measured with {file.runtime}, the model runs in ONNX Runtime: one "
            "says nothing about the other"
        )
    if file.dtype not in dtypes:
        return (
            f"{file.path} was measured in {file.dtype}, the model runs in {dtypes[0]}: one says "
            "nothing about the other; measure the model there: placer profile"
        )
    return ""


def _doubts_of(found: Calibrated, told: Prediction) -> str:
    """Say what makes a calibration doubtful, as the end of a sentence."""
    assert found.file is not None
    said = []
    if found.calibration.left_out:
        said.append(f"{len(found.calibration.left_out)} of them left out, far off the others")
    if found.file.disturbed_models:
        said.append(f"{found.file.disturbed_models} disturbed by other programs")
    if told.beyond_ratio > 1:
        said.append(f"which is {format_factor(told.beyond_ratio)} times beyond their range")
    return "".join(f", {one}" for one in said)


def _estimate(
    today: datetime.date,
    site: Device | CloudOffer,
    summary: ModelSummary,
    told: Prediction,
    factor: float,
    level: Level,
    found: Calibrated,
    note: str,
    coverage: Coverage | None,
) -> ComputeEstimate:
    assert found.file is not None
    _, age_factor = level_of_evidence(
        found.file.measured_at, today, same_machine=True, same_runtime=True
    )
    widened = math.exp(math.hypot(math.log(factor), math.log(age_factor)))
    peaks = peaks_of(site, found.file.dtype)
    tail_ratio = found.file.p99_ratio or 1.0
    if found.file.p99_ratio is None:
        note += "; medians alone, so that p99 may be higher"
    else:
        times = format_factor(tail_ratio)
        note += f"; p99 was {times} times the median there, which the upper end holds"
    median_s, low_s, high_s = clip_by_physics(
        told.median_s,
        told.median_s / widened,
        told.median_s * widened * tail_ratio,
        peak_flops_per_s=peaks[0],
        peak_bytes_per_s=peaks[1],
        flops=summary.flops,
        weight_bytes=None,
    )
    if site.chip_class is ChipClass.NPU:
        median_s, high_s, told_of = with_fallback(median_s, high_s, coverage)
        note += f"; {told_of}"
    return ComputeEstimate(
        median_s=median_s,
        low_s=low_s,
        high_s=high_s,
        level=level,
        basis=basis_of(level),
        source=f"{found.file.path}, {found.file.runtime}, {found.file.measured_at}",
        note=note,
    )
