"""Making variants of a model: in a child process, once for each recipe, and where they go."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from placer.api.measuring import DEFAULT_TIME_LIMIT_S, MeasuringOptions, Say
from placer.api.variant_plan import OTHER_VARIANT, Plan, VariantOptions, not_made
from placer.core.errors import UsageError
from placer.core.finding import Finding
from placer.core.graph import ModelSummary
from placer.core.precision import Made, Method, Precision

CHECK_SAMPLES = 4
"""Samples on which a new variant is run once before anybody relies on it."""
_REMEDIES = {
    "hung": "give it more time: --time-limit",
    "killed": "make it on a machine with more memory, and give it: --variant FILE",
}


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A variant that was made, now or before."""

    path: str
    made: Made


def make_variants(
    plan: Plan,
    summary: ModelSummary,
    options: MeasuringOptions,
    asked: VariantOptions,
    read: Sequence[str],
    progress: Say,
) -> tuple[tuple[MadeFile, ...], tuple[Finding, ...]]:
    """Make each variant in a child process, or take the file that was made the same way before.

    Parameters
    ----------
    read
        Files that are inputs of the question: none is written over.

    Returns
    -------
    The files, and one finding for each variant that could not be made.

    Raises
    ------
    UsageError
        A file cannot be written, or is there and was not made by placer.
    MeasuringError
        The disk is full.
    """
    from placer.runtimes import quantization

    placed = [
        (precision, method, recipe, _place(precision, recipe, summary, options, asked))
        for precision, method in plan.methods
        for recipe in [_recipe(precision, method, plan, summary)]
    ]
    for _, _, _, path in placed:
        _check_place(path, read, is_cache=asked.directory is None)
    files, findings = [], []
    for precision, method, recipe, path in placed:
        known = quantization.recipe_of(path)
        if known is not None and known[0] == recipe and not options.fresh:
            progress(f"{precision}: made before, reused (--fresh makes it again)")
            files.append(MadeFile(path, Made(precision, known[1])))
            continue
        found = _make(plan, summary, options, precision, method, recipe, path, progress)
        if isinstance(found, Finding):
            findings.append(found)
        else:
            files.append(found)
    return tuple(files), tuple(findings)


def _recipe(precision: Precision, method: Method, plan: Plan, summary: ModelSummary) -> str:
    """Return all on which the content of a variant depends, as JSON."""
    from placer.core.held_out import digest_of
    from placer.runtimes import quantization

    is_static = method is Method.STATIC and plan.calibration is not None
    return json.dumps(
        {
            "recipe": quantization.RECIPE_VERSION,
            "precision": precision,
            "method": method,
            "types": None if precision is Precision.FP16 else quantization.integer_types(),
            "tools": quantization.tools_version(),
            "model": [digest for _, digest in summary.subjects],
            "calibration": digest_of(plan.calibration.samples)
            if is_static and plan.calibration is not None
            else None,
        },
        sort_keys=True,
    )


def _place(
    precision: Precision,
    recipe: str,
    summary: ModelSummary,
    options: MeasuringOptions,
    asked: VariantOptions,
) -> str:
    name = f"{Path(summary.path).stem}-{precision}.onnx"
    if asked.directory is not None:
        return str(Path(asked.directory) / name)
    if options.cache_directory is None:
        raise UsageError(
            "there is no place for the variants",
            hint="name a directory for them (--variants-to), or one for the cache",
        )
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    folder = Path(options.cache_directory) / "variants" / summary.sha256[:16] / digest[:12]
    return str(folder / name)


def _check_place(path: str, read: Sequence[str], *, is_cache: bool) -> None:
    """Make the folder; raise UsageError where the file must not or cannot be written."""
    from placer.files.writing import check_writable
    from placer.runtimes.quantization import recipe_of

    if os.path.realpath(path) in {os.path.realpath(one) for one in read}:
        raise UsageError(
            f"{path} is an input and would be overwritten",
            hint="name another directory with --variants-to",
        )
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the directory '{folder}': {(error.strerror or str(error)).lower()}",
            hint="name another with --variants-to",
        ) from error
    if not is_cache and Path(path).exists() and recipe_of(path) is None:
        raise UsageError(
            f"{path} is there and was not made by placer",
            hint="move it away, or name another directory with --variants-to",
        )
    check_writable(path)


def _make(
    plan: Plan,
    summary: ModelSummary,
    options: MeasuringOptions,
    precision: Precision,
    method: Method,
    recipe: str,
    path: str,
    progress: Say,
) -> MadeFile | Finding:
    from placer.files.writing import write_atomically
    from placer.onnx_files.inputs import generate_inputs, load_inputs
    from placer.profiling.child import Child, ChildError
    from placer.runtimes import quantization

    limit_s = options.time_limit_s or DEFAULT_TIME_LIMIT_S
    progress(f"{precision}: making the variant of {summary.path} (at most {limit_s:.0f} s)")
    said = f", {plan.calibrated_on}" if method is Method.STATIC else ""
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        calibration, check, output = (
            str(Path(folder) / name) for name in ("calibration.npz", "check.npz", "made.onnx")
        )
        (
            generate_inputs(summary.path, summary.inputs)
            if options.inputs is None
            else load_inputs(options.inputs, summary.inputs, most=CHECK_SAMPLES)
        ).save(check)
        if method is Method.STATIC and plan.calibration is not None:
            plan.calibration.save(calibration)
        try:
            with Child(quantization.MODULE) as child:
                answer = child.ask(
                    "make",
                    model_path=str(Path(summary.path).resolve()),
                    output_path=output,
                    method=method,
                    calibration_path=calibration,
                    check_path=check,
                    recipe=recipe,
                    said=said,
                    deadline_s=limit_s,
                )
        except ChildError as error:
            remedy = _REMEDIES.get(error.kind, OTHER_VARIANT)
            return not_made(precision, error.message, remedy)
        write_atomically(path, Path(output).read_bytes())
    return MadeFile(path, Made(precision, answer["how"]))
