"""Variants of a model: read beside it, and judged on real samples."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from placer.api.formats import ONNX, read_model, runtime_of
from placer.api.making import MadeFile, make_variants
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.api.variant_plan import Judging, VariantOptions, not_made, plan_variants
from placer.core.cascade import Trials, trials_of
from placer.core.errors import InputError, UsageError
from placer.core.finding import Finding
from placer.core.graph import ModelSummary, TensorSpec
from placer.core.held_out import halves, not_among
from placer.core.variant import Accuracy, Agreement, Variant, accuracy, agreement


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of a model, judged by the same samples as the model itself."""

    variants: tuple[Variant, ...] = ()
    accuracy: Accuracy | None = None
    """Of the model itself; None: no labels, or not measured."""
    findings: tuple[Finding, ...] = ()
    """On the variants that were asked for and could not be made, and on samples."""


def gather_variants(
    paths: Sequence[str],
    model: ModelSummary,
    options: MeasuringOptions,
    asked: VariantOptions,
    read: Sequence[str],
    *,
    measure: bool,
    is_accuracy_asked: bool,
    progress: Say,
    warn: Say,
) -> Variants:
    """Make the variants that are asked for, read those of the user, and judge them all.

    Parameters
    ----------
    paths
        Variants of the user.
    read
        Files that are inputs of the question: none is written over.
    measure
        False: nothing runs here, so that none is made or judged.
    is_accuracy_asked
        The model itself is judged by the labels, also without a variant.

    Raises
    ------
    UsageError, MeasuringError
        As ``plan_variants``, ``make_variants`` and ``load_variants`` do.
    InputError
        A file cannot be read.
    """
    own = load_variants(paths, model, options)
    if not measure:
        if asked.make:
            warn("no variants are made without measuring")
        return Variants(own)
    if asked.make and model.format != ONNX:
        raise UsageError(
            f"{model.path} is no ONNX model, and variants are made of those alone",
            hint="convert it with the tools of its own format, and give it: --variant FILE",
        )
    is_judged = bool(paths) or (is_accuracy_asked and asked.labels is not None)
    plan = plan_variants(model, options, asked, has_variants=is_judged)
    made, findings = make_variants(plan, model, options, asked, (*read, *paths), progress)
    ours, unread = _load_made(made, model, options, own)
    every, model_accuracy = (*own, *ours), None
    if plan.judging is not None:
        every, model_accuracy = _judged(every, model, options, plan.judging, progress, warn)
    return Variants(every, model_accuracy, (*plan.findings, *findings, *unread))


def _load_made(
    files: Sequence[MadeFile],
    model: ModelSummary,
    options: MeasuringOptions,
    own: Sequence[Variant],
) -> tuple[tuple[Variant, ...], tuple[Finding, ...]]:
    """Read the variants that were made; one that is no variant after all is a finding."""
    from placer.onnx_files.reader import read_model

    variants, findings = [], []
    taken = {one.name for one in own} | {Path(model.path).stem}
    known = {_digests(one.model): one.path for one in own}
    for file in files:
        try:
            summary = read_model(file.path, shapes=dict(options.shapes or {}))
        except (InputError, UsageError) as error:
            findings.append(not_made(file.made.precision, error.message))
            continue
        if _digests(summary) in known:
            raise UsageError(
                f"the variant {known[_digests(summary)]} is the {file.made.precision} variant that "
                "placer makes",
                hint="name it once: leave --variant out, or --variants",
            )
        if any(
            [(one.name, one.dtype) for one in wanted] != [(one.name, one.dtype) for one in given]
            for wanted, given in ((model.inputs, summary.inputs), (model.outputs, summary.outputs))
        ):
            reason = "the tool changed its inputs or outputs"
            findings.append(not_made(file.made.precision, reason))
            continue
        stem = Path(file.path).stem
        name = file.path if stem in taken else stem
        variants.append(Variant(file.path, name, summary, made=file.made))
    return tuple(variants), tuple(findings)


def load_variants(
    paths: Sequence[str], model: ModelSummary, options: MeasuringOptions
) -> tuple[Variant, ...]:
    """Read the variants of the user.

    Raises
    ------
    UsageError
        A variant is the model itself, is named twice, or takes or gives other tensors.
    InputError
        A file cannot be read.
    """
    if not paths:
        return ()
    variants: list[Variant] = []
    known = {_digests(model): model.path}
    stems = [Path(path).stem for path in paths]
    for path in paths:
        summary = read_model(path, shapes=dict(options.shapes or {}))
        if summary.format != model.format:
            raise UsageError(
                f"the variant {path} has the format {summary.format}, {model.path} has "
                f"{model.format}: their inputs are laid out in different ways",
                hint=f"give a variant in the format of the model, or ask about {path} by itself",
            )
        digests = _digests(summary)
        if digests in known:
            raise UsageError(
                f"the variant {path} is the same model as {known[digests]}",
                hint="name another file, or leave it out",
            )
        known[digests] = path
        for what, wanted, given in (
            ("inputs", model.inputs, summary.inputs),
            ("outputs", model.outputs, summary.outputs),
        ):
            if _told(wanted) != _told(given):
                raise UsageError(
                    f"the variant {path} has other {what} than {model.path}: "
                    f"{_told(given)} in place of {_told(wanted)}",
                    hint="a variant takes the place of the model: export it with the same tensors",
                )
        stem = Path(path).stem
        name = stem if stems.count(stem) == 1 and stem != Path(model.path).stem else path
        variants.append(Variant(path, name, summary))
    return tuple(variants)


def _digests(model: ModelSummary) -> tuple[str, ...]:
    return tuple(digest for _, digest in model.subjects)


def _told(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(
        f"{one.name} {one.dtype} {'x'.join(map(str, one.shape))}".rstrip() for one in tensors
    )


def _judged(
    variants: Sequence[Variant],
    model: ModelSummary,
    options: MeasuringOptions,
    judging: Judging,
    progress: Say,
    warn: Say,
) -> tuple[tuple[Variant, ...], Accuracy | None]:
    """Return the variants with their agreement and accuracy, and the accuracy of the model."""
    from placer.profiling.child import ChildError
    from placer.profiling.outputs import read_outputs

    limit_s = options.time_limit_s or DEFAULT_TIME_LIMIT_S
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        path = str(Path(folder) / "inputs.npz")
        judging.inputs.save(path)

        def outputs(summary: ModelSummary) -> Mapping[str, Any]:
            progress(f"answers of {summary.path} on the CPU (at most {limit_s:.0f} s)")
            found = read_outputs(
                runtime_of(summary.format).MODULE,
                str(Path(summary.path).resolve()),
                "cpu",
                path,
                judging.inputs.dtypes,
                time_limit_s=limit_s,
            )
            if summary.format == ONNX:
                return found
            # LiteRT gives outputs by place: its files may call two of them the same
            return {one.name: found[str(place)] for place, one in enumerate(summary.outputs)}

        def right(given: Mapping[str, Any], whose: str) -> Accuracy | None:
            if judging.labels is None:
                return None
            try:
                return accuracy(given, judging.labels)
            except ValueError:  # the shape of an output depends on the data
                warn(f"{whose}: a labelled output gives more than one answer for a sample")
                return None

        samples = judging.inputs.samples
        choosing, rest = halves(len(next(iter(samples.values()))) if samples else 1)
        apart = not_among(
            {name: array[rest] for name, array in samples.items()},
            {name: array[choosing] for name, array in samples.items()},
        )
        try:
            expected = outputs(model)
        except ChildError as error:
            warn(f"{model.path}: its answers cannot be compared: {error.message}")
            return tuple(variants), None
        judged = []
        for variant in variants:
            found: Agreement | None = None
            share: Accuracy | None = None
            trials: Trials | None = None
            try:
                given = outputs(variant.model)
                found, share = agreement(expected, given), right(given, variant.path)
                labels = None if share is None else judging.labels
                trials = trials_of(expected, given, choosing, rest[apart], labels)
            except ChildError as error:
                warn(f"{variant.path}: its answers cannot be compared: {error.message}")
            judged.append(replace(variant, agreement=found, accuracy=share, trials=trials))
    return tuple(judged), right(expected, model.path)
