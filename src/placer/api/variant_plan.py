"""Which variants are asked for, and which real samples calibrate and judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placer.api.measuring import MeasuringOptions
from placer.core.errors import UsageError
from placer.core.finding import Effect, Finding, Severity
from placer.core.graph import ModelSummary
from placer.core.precision import Method, Precision, method_of, parse_precisions, why_not_made

if TYPE_CHECKING:
    from placer.files.workload import WorkloadFile
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.labels import Labels


@dataclass(frozen=True, slots=True)
class VariantOptions:
    """Which variants to make of the model, and what judges them besides ``inputs``."""

    make: tuple[str, ...] = ()
    """``int8``, ``fp16``."""
    directory: str | None = None
    """Where the files go; None: below the cache directory."""
    calibration: str | None = None
    """.npz file with real samples for the ranges of int8; None: a part of ``inputs``."""
    labels: str | None = None
    """.npy or .npz file: the class that each sample of ``inputs`` shows."""

    def over(self, file: WorkloadFile) -> VariantOptions:
        """Return these options, with what they leave open from a workload file."""
        make = self.make or file.make_variants
        own = file.calibration if Precision.INT8 in make else None  # else it has no use
        return replace(
            self,
            make=make,
            calibration=self.calibration or own,
            labels=self.labels or file.labels,
        )


@dataclass(frozen=True, slots=True)
class Judging:
    """The samples by which variants are judged; none of them calibrates."""

    inputs: Inputs
    labels: Labels | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made, of which samples, and by which samples it is judged."""

    methods: tuple[tuple[Precision, Method], ...]
    calibration: Inputs | None
    """None: nothing is calibrated."""
    calibrated_on: str
    """The calibration samples in words."""
    judging: Judging | None
    """None: there are no real samples."""
    findings: tuple[Finding, ...]


def plan_variants(
    summary: ModelSummary, options: MeasuringOptions, asked: VariantOptions, *, has_variants: bool
) -> Plan:
    """Decide what is made and split the samples, before anything is measured.

    Parameters
    ----------
    has_variants
        There is something to judge besides what is made: variants of the user, or the model by its
        labels.

    Raises
    ------
    UsageError
        An unknown precision; samples or labels that are missing, do not fit or have no use.
    InputError
        A file that cannot be read.
    """
    precisions = parse_precisions(asked.make, what="variant")
    _check_use(options, asked, precisions, has_variants=has_variants)
    refusal = why_not_made(summary) if precisions else None
    methods = tuple((one, method_of(one, summary)) for one in precisions if refusal is None)
    findings = tuple(not_made(one, refusal) for one in precisions if refusal is not None)
    is_static = any(method is Method.STATIC for _, method in methods)
    if not methods and not has_variants:
        return Plan((), None, "", None, findings)

    from placer.onnx_files.inputs import load_inputs
    from placer.onnx_files.labels import load_labels

    every = (
        None if options.inputs is None else load_inputs(options.inputs, summary.inputs, most=None)
    )
    labels = None
    if asked.labels is not None and every is not None and options.inputs is not None:
        labels = load_labels(asked.labels, summary.outputs, _count(every), options.inputs)
    calibration, words = None, ""
    if is_static:
        calibration, every_left, words, more = _calibration(summary, options, asked, every)
    else:
        every_left, more = None if every is None else range(_count(every)), ()
        if asked.calibration is not None:
            more = (
                _note(
                    "no calibration samples are taken: without a convolution the ranges of "
                    "int8 are found at each run",
                    "leave --calibration out",
                ),
            )
    judging = None
    if every is not None and every_left is not None:
        judging = Judging(
            _taken(every, every_left),
            None
            if labels is None
            else {name: array[list(every_left)] for name, array in labels.items()},
        )
    return Plan(methods, calibration, words, judging, (*findings, *more))


def _check_use(
    options: MeasuringOptions,
    asked: VariantOptions,
    precisions: Sequence[Precision],
    *,
    has_variants: bool,
) -> None:
    if asked.labels is not None and options.inputs is None:
        raise UsageError(
            f"{asked.labels} labels samples, but there are none",
            hint="give the samples: --inputs SAMPLES.npz",
        )
    if asked.labels is not None and not precisions and not has_variants:
        raise UsageError(
            "--labels without a variant", hint="add --variants int8,fp16, or --variant FILE"
        )
    if asked.calibration is not None and Precision.INT8 not in precisions:
        raise UsageError(
            "--calibration without an int8 variant to make", hint="add --variants int8"
        )
    if asked.directory is not None and not precisions:
        raise UsageError("--variants-to without a variant to make", hint="add --variants int8,fp16")


def _calibration(
    summary: ModelSummary, options: MeasuringOptions, asked: VariantOptions, every: Inputs | None
) -> tuple[Inputs, Sequence[int] | None, str, tuple[Finding, ...]]:
    """Return the calibration samples, the places of those that judge, words and findings."""
    from placer.core.held_out import not_among, set_aside
    from placer.onnx_files.inputs import load_inputs

    if asked.calibration is not None:
        own = load_inputs(asked.calibration, summary.inputs, most=None)
        words = f"calibrated on {_samples(_count(own))} of {_name(asked.calibration)}"
        if every is None:
            return own, None, words, ()
        left = not_among(every.samples, own.samples).tolist()
        shared = _count(every) - len(left)
        if not left:
            raise UsageError(
                f"every sample of {options.inputs} calibrates as well: none is left to judge by",
                hint="give samples of their own with --calibration, or leave it out",
            )
        if not shared:
            return own, left, words, ()
        note = _note(
            f"{_samples(shared)} of {options.inputs} calibrate as well and do not judge",
            "give other samples with --calibration",
        )
        return own, left, words, (note,)
    if every is None:
        raise UsageError(
            "an int8 variant of a convolutional network is calibrated on real samples, and there "
            "are none",
            hint="give them: --inputs SAMPLES.npz, of which a fifth is set aside, or --calibration "
            "SAMPLES.npz",
        )
    if _count(every) < 2:
        raise UsageError(
            f"{options.inputs} holds one sample, which cannot both calibrate and judge",
            hint="give more, or others with --calibration SAMPLES.npz",
        )
    aside = _taken(every, set_aside(_count(every))[0].tolist())
    left = not_among(every.samples, aside.samples).tolist()
    if not left:
        raise UsageError(
            f"the samples of {options.inputs} are all alike: none is left to judge by",
            hint="give samples that differ, or others with --calibration SAMPLES.npz",
        )
    words = (
        f"calibrated on {_count(aside)} of the {_samples(_count(every))} of "
        f"{_name(options.inputs or '')}, which do not judge"
    )
    return aside, left, words, ()


def _taken(inputs: Inputs, places: Sequence[int]) -> Inputs:
    chosen = list(places)
    return replace(inputs, samples={name: one[chosen] for name, one in inputs.samples.items()})


def _count(inputs: Inputs) -> int:
    return len(next(iter(inputs.samples.values()))) if inputs.samples else 1


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count:,} samples"


def _name(path: str) -> str:
    return Path(path).name


def _note(message: str, remedy: str) -> Finding:
    return Finding("PLC406", Severity.NOTE, Effect.NONE, message, remedy, None)


OTHER_VARIANT = "the model itself is judged; a variant of your own: --variant FILE"


def not_made(precision: Precision, reason: str, remedy: str = OTHER_VARIANT) -> Finding:
    """Return the finding on a variant that could not be made."""
    return Finding(
        "PLC406",
        Severity.WARNING,
        Effect.NONE,
        f"no {precision} variant was made: {reason}",
        remedy,
        None,
    )
