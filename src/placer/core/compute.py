"""Time of a model on a site where it was not measured, and how far to trust any evidence.

Every estimate carries an evidence level, E0 (measured there, this build) to E7 (nothing), with
the factor f for which the truth lies within [estimate / f, estimate x f] nine times in ten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from placer.core.coverage import Coverage
from placer.core.environment import Basis, ChipClass, CloudOffer, Device, Roofline
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary
from placer.core.runtime import split_ep

FloatArray = npt.NDArray[np.float64]

STALE_DAYS = 61
"""Two months: evidence older than this carries E1."""
OLD_DAYS = 183
"""Six months: evidence older than this carries OLD_FACTOR."""
OLD_FACTOR = 2.0
"""Nine in ten times of the same model on the same device moved by up to x 1.8 to 3.4 in 8 months
of runtime releases, x 1.1 to 1.4 in 2 to 3.5 (Qualcomm AI Hub, 2025-06 to 2026-02)."""

HALF_PRECISION_EPS = frozenset({"qnn"})
"""Execution providers that run float32 models in float16 by default (QNN on Hexagon)."""

FALLBACK_FACTOR = 7.0
"""By how much longer a model may take on an NPU if it is not known which nodes run there.

17.7 % of the ONNX Runtime rows of Qualcomm AI Hub (quic/ai-hub-models@52c080d2) ran mainly on the
CPU: 7.3 times longer in the median than on the NPU of the same device, over 139 pairs.
"""
FALLBACK_MEDIAN, FALLBACK_P90 = 7.3, 24.0
"""How many times longer the same pairs took on the CPU: in the median, and nine in ten."""

LARGEST_CACHE_BYTES = 64 * 2**20
"""Weights up to this size may stay in a cache, so that memory bandwidth does not bound them (L2
of the NVIDIA H100: 50 MB)."""

_READ_IN_PART = frozenset({"Gather", "GatherElements", "GatherND", "If", "Loop", "Scan"})
"""Operators that may leave a part of their weights unread."""
_Z95 = 1.6448536269514722


class Level(StrEnum):
    """How close the evidence is to the model on the site, best first."""

    E0 = "E0"
    E1 = "E1"
    E2 = "E2"
    E3 = "E3"
    E4 = "E4"
    E5 = "E5"
    E6 = "E6"
    E7 = "E7"


MEANINGS = {
    Level.E0: "measured on the target with this build of the runtime",
    Level.E1: "measured on the target, another build or more than two months ago",
    Level.E2: "measured on another device of the same type",
    Level.E3: "transferred within the class and the runtime from models measured on both devices",
    Level.E4: "three-parameter roofline fitted to models measured on the chip",
    Level.E5: "specifications of a known family of chips, with the efficiency of that family",
    Level.E6: "specifications, with the efficiency of the class",
    Level.E7: "no evidence: always unproven",
}

_FACTORS_90 = {
    Level.E0: 1.10,  # quiet machine, back to back: the floor of what repeats
    Level.E1: 1.20,  # x 1.11 to 1.44 in 2 to 3.5 months of AI Hub releases
    Level.E2: 1.30,  # MLPerf max/min over submissions of one device: median 1.26
    Level.E5: 2.5,  # leave-one-device-out over 9 and 7 NVIDIA GPUs: 1.93 and 1.45, rounded up
    Level.E6: 5.0,  # peak rate only, same devices: 3.3, worst 6.6
}
_FITTED_FACTORS_90 = {
    ChipClass.CPU: 1.6,  # 5 to 8 calibration models, timm: 1.38 to 1.86
    ChipClass.GPU: 1.7,  # the same: 1.60 to 1.70
    ChipClass.NPU: 2.4,  # AI Hub on Hexagon: 2.13 to 2.43
}


def factor_90(level: Level, chip_class: ChipClass) -> float | None:
    """Return the multiplicative 90 % factor of a level.

    None: E3, whose factor comes with the transfer (1.2 to 2.5, by the models shared), and E7,
    which has none.

    Source: widths at nominal 90 % measured on held-out models and devices of the published timm,
    MLPerf Inference, Qualcomm AI Hub and NeuSight tables; per level in the table above.
    """
    if level is Level.E4:
        return _FITTED_FACTORS_90[chip_class]
    return _FACTORS_90.get(level)


def basis_of(level: Level) -> Basis:
    """Return the basis that reports show for a level."""
    match level:
        case Level.E0 | Level.E1:
            return Basis.MEASURED
        case Level.E2 | Level.E3:
            return Basis.TRANSFERRED
        case Level.E4 | Level.E5 | Level.E6:
            return Basis.CATALOGUE
        case Level.E7:
            return Basis.ASSUMED


def level_of_evidence(
    measured_at: str, as_of: date, *, same_machine: bool, same_runtime: bool
) -> tuple[Level, float]:
    """Return level and 90 % factor of a stored measurement of the very model.

    Parameters
    ----------
    measured_at
        ISO 8601 date, with or without time.
    as_of
        The day for which the question is asked; distance in time counts in both directions.
    same_machine
        False: another device of the same type.
    same_runtime
        The same version of the runtime that is asked about.

    Raises
    ------
    UsageError
        `measured_at` is not a date.
    """
    try:
        measured_on = datetime.fromisoformat(measured_at).date()
    except ValueError as error:
        raise UsageError(
            f"the evidence was measured at '{measured_at}', which is not a date",
            hint="dates are written like 2026-11-23",
        ) from error
    age_days = abs((as_of - measured_on).days)
    if same_machine:
        is_fresh = same_runtime and age_days <= STALE_DAYS
        level = Level.E0 if is_fresh else Level.E1
    else:
        level = Level.E2
    return level, OLD_FACTOR if age_days > OLD_DAYS else _FACTORS_90[level]


@dataclass(frozen=True, slots=True)
class ComputeEstimate:
    """The modelled time of one inference on a site."""

    median_s: float
    low_s: float
    """Lower end of the central 90 %."""
    high_s: float
    level: Level
    basis: Basis
    source: str
    note: str
    """What a reader must know to trust it; empty: nothing beyond the level."""


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """Why the time of a model on a site cannot be estimated: level E7."""

    reason: str


def roofline_s(
    roofline: Roofline, *, flops: int | None, bytes_moved: int | None, n_ops: int
) -> float | None:
    """Return ``flops/F + bytes/B + ops*o`` in seconds.

    None: a figure that one of the terms needs is unknown, or no term is left. Additive, not the
    maximum of the terms: operators alternate between both limits.
    """
    total_s = n_ops * roofline.s_per_op
    for work, rate in ((flops, roofline.flops_per_s), (bytes_moved, roofline.bytes_per_s)):
        if rate is None:
            continue
        if work is None:
            return None
        total_s += work / rate
    return total_s or None


def estimate_compute(
    site: Device | CloudOffer,
    model: ModelSummary,
    *,
    dtype: str,
    ep: str,
    coverage: Coverage | None = None,
) -> ComputeEstimate | NoEstimate:
    """Estimate the time of one inference from the roofline of a site.

    Parameters
    ----------
    dtype
        Type of the model's arithmetic: ``float32``, ``float16``, ``int8``, ...
    ep
        Short name of the execution provider.
    coverage
        Which nodes an NPU runs; None: not known, which widens the estimate of an NPU upwards.

    Raises
    ------
    UsageError
        The roofline has an unknown level.
    """
    roofline = site.roofline
    if roofline is None:
        return NoEstimate(f"no figures of the compute rate of {site.name} are known")
    factor = factor_90(_level(site.name, roofline), site.chip_class)
    if factor is None:
        return NoEstimate(f"the figures of {site.name} are of level {roofline.level}: no interval")
    runs_in_half = dtype == "float32" and split_ep(ep)[0] in HALF_PRECISION_EPS
    run_dtype = "float16" if runs_in_half else dtype
    if roofline.dtype != run_dtype:
        return NoEstimate(
            f"the compute rate of {site.name} is known for {roofline.dtype}, the model runs in"
            f" {run_dtype}: one says nothing about the other"
        )
    median_s = roofline_s(
        roofline, flops=model.flops, bytes_moved=model.bytes_moved, n_ops=model.n_nodes
    )
    if median_s is None:
        unknown = ", ".join(model.unknown_operators) or "a shape is not known"
        return NoEstimate(f"the work of the model is not known ({unknown})")
    peaks = peaks_of(site, run_dtype)
    median_s, low_s, high_s = clip_by_physics(
        median_s,
        median_s / factor,
        median_s * factor,
        peak_flops_per_s=peaks[0],
        peak_bytes_per_s=peaks[1],
        flops=model.flops,
        weight_bytes=_streamed_weight_bytes(model, halved=runs_in_half),
    )
    notes = [f"{ep} runs this float32 model in float16"] if runs_in_half else []
    if site.chip_class is ChipClass.NPU:
        median_s, high_s, note = with_fallback(median_s, high_s, coverage)
        notes.append(note)
    level = _level(site.name, roofline)
    return ComputeEstimate(
        median_s=median_s,
        low_s=low_s,
        high_s=high_s,
        level=level,
        basis=basis_of(level),
        source=roofline.source,
        note="; ".join(notes),
    )


def with_fallback(
    median_s: float, high_s: float, coverage: Coverage | None
) -> tuple[float, float, str]:
    """Return median and upper end of a time on an NPU with what falls back to the CPU, and why.

    A share s of the nodes on the CPU makes the time (1 - s) + s x k times as long, k in the median
    FALLBACK_MEDIAN and in nine of ten cases at most FALLBACK_P90. Nodes differ in work, and data
    crosses at each of them, so that the lower end stays where nothing falls back.

    Parameters
    ----------
    coverage
        None: not known, which makes the upper end FALLBACK_FACTOR times as long.
    """
    if coverage is None:
        note = "whether all nodes run on the NPU is not known"
        return median_s, high_s * FALLBACK_FACTOR, note
    if not coverage.left_out:
        note = f"all {coverage.n_nodes} nodes compile for the NPU of {coverage.soc}"
        return median_s, high_s, note
    operators = ", ".join(name for name, _ in coverage.operators_left_out[:4])
    share = len(coverage.left_out) / coverage.n_nodes
    return (
        median_s * (1 + share * (FALLBACK_MEDIAN - 1)),
        high_s * (1 + share * (FALLBACK_P90 - 1)),
        f"{len(coverage.left_out)} of {coverage.n_nodes} nodes would fall back to the CPU "
        f"({operators}), where they are counted {FALLBACK_MEDIAN:g} times as long, at most "
        f"{FALLBACK_P90:g} times",
    )


def clip_by_physics(
    median_s: float,
    low_s: float,
    high_s: float,
    *,
    peak_flops_per_s: float | None,
    peak_bytes_per_s: float | None,
    flops: int | None,
    weight_bytes: int | None,
) -> tuple[float, float, float]:
    """Raise an estimate to what the peak rates allow at best; unknown figures bound nothing.

    The upper end keeps its factor to the median, so that an estimate that was too low to be
    possible does not become a certain one.
    """
    floor_s = 0.0
    if flops is not None and peak_flops_per_s is not None:
        floor_s = flops / peak_flops_per_s
    if (
        weight_bytes is not None
        and peak_bytes_per_s is not None
        and weight_bytes > LARGEST_CACHE_BYTES
    ):
        floor_s = max(floor_s, weight_bytes / peak_bytes_per_s)
    raised_s = max(median_s, floor_s)
    return raised_s, max(low_s, floor_s), raised_s * (high_s / median_s)


def draw_factor(rng: np.random.Generator, n: int, factor_90: float) -> FloatArray:
    """Return n log-normal factors whose central 90 % is [1/factor_90, factor_90], shape (n,)."""
    z = rng.standard_normal(n)
    return np.asarray(np.exp(math.log(factor_90) / _Z95 * z), dtype=np.float64)


def _level(name: str, roofline: Roofline) -> Level:
    try:
        return Level(roofline.level)
    except ValueError as error:
        raise UsageError(
            f"the compute figures of '{name}' have the unknown level '{roofline.level}'",
            hint=f"levels: {' '.join(Level)}",
        ) from error


def peaks_of(site: Device | CloudOffer, dtype: str) -> tuple[float | None, float | None]:
    """Return what a site cannot exceed: operations and bytes per second; None: not known."""
    return _peak_flops_per_s(site, dtype), site.memory_bytes_per_s


def _peak_flops_per_s(site: Device | CloudOffer, dtype: str) -> float | None:
    """Return a rate that arithmetic of this type cannot exceed; None: not known."""
    match dtype:
        case "float32" if site.chip_class is ChipClass.CPU:
            return site.peak_fp32_flops_per_s
        case "float32" | "float16":  # tensor cores run float32 as TF32, at up to half of float16
            return site.peak_fp16_flops_per_s
        case "int8" | "uint8":
            return site.peak_int8_ops_per_s
        case _:
            return None


def _streamed_weight_bytes(model: ModelSummary, *, halved: bool) -> int | None:
    """Return the bytes of weights that every inference reads; None: perhaps not all of them."""
    if any(op.op_type in _READ_IN_PART for op in model.operators):
        return None
    return model.n_bytes // 2 if halved else model.n_bytes
