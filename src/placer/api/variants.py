"""Variants of a model: read beside it, and compared with it on real samples."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from placer.api.formats import read_model, runtime_of
from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.core.errors import UsageError
from placer.core.graph import ModelSummary, TensorSpec
from placer.core.variant import Agreement, Variant, agreement


def load_variants(
    paths: Sequence[str],
    model: ModelSummary,
    options: MeasuringOptions,
    *,
    measure: bool,
    progress: Say,
    warn: Say,
) -> tuple[Variant, ...]:
    """Read the variants, and measure their agreement where there are real samples.

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
                f"the variant {path} is a {summary.format} file, {model.path} is "
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
    if not measure or options.inputs is None:
        return tuple(variants)
    return _compared(variants, model, options, progress, warn)


def _digests(model: ModelSummary) -> tuple[str, ...]:
    return tuple(digest for _, digest in model.subjects)


def _told(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(
        f"{one.name} {one.dtype} {'x'.join(map(str, one.shape))}".rstrip() for one in tensors
    )


def _compared(
    variants: Sequence[Variant],
    model: ModelSummary,
    options: MeasuringOptions,
    progress: Say,
    warn: Say,
) -> tuple[Variant, ...]:
    from placer.onnx_files.inputs import load_inputs
    from placer.profiling.child import ChildError
    from placer.profiling.outputs import read_outputs

    assert options.inputs is not None
    inputs = load_inputs(options.inputs, model.inputs, most=None)
    limit_s = options.time_limit_s or DEFAULT_TIME_LIMIT_S
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        path = str(Path(folder) / "inputs.npz")
        inputs.save(path)

        def outputs(summary: ModelSummary) -> Mapping[str, Any]:
            progress(f"answers of {summary.path} on the CPU (at most {limit_s:.0f} s)")
            return read_outputs(
                runtime_of(summary.format).MODULE,
                str(Path(summary.path).resolve()),
                "cpu",
                path,
                inputs.dtypes,
                time_limit_s=limit_s,
            )

        try:
            expected = outputs(model)
        except ChildError as error:
            warn(f"{model.path}: its answers cannot be compared: {error.message}")
            return tuple(variants)
        compared = []
        for variant in variants:
            found: Agreement | None = None
            try:
                found = agreement(expected, outputs(variant.model))
            except ChildError as error:
                warn(f"{variant.path}: its answers cannot be compared: {error.message}")
            compared.append(replace(variant, agreement=found))
    return tuple(compared)
