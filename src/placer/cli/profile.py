"""``placer profile``: measure a model here and keep the evidence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import MeasuringError, UsageError
from placer.core.units import parse_duration_s

FORMATS = ("text", "json")


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="ONNX or TensorFlow Lite model.")],
    sla: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[pN=]TIME",
            help="Measure until this target is settled: 20ms means p99 ≤ 20 ms; repeatable.",
        ),
    ] = None,
    ep: declared.Eps = None,
    shape: declared.Shape = None,
    inputs: declared.Inputs = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Idle between runs as at this rate, as 30/s.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    threads: declared.Threads = None,
    spinning: declared.Spinning = None,
    ep_option: declared.EpOptions = None,
    io: declared.Io = "host",
    tune: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Search for the best threads and spinning for so long.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    time_limit: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Longest time for each execution provider.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = "60s",
    fresh: declared.Fresh = False,
    coverage_only: Annotated[
        bool,
        typer.Option(
            "--coverage-only",
            help="Time nothing: say which nodes the NPU of a chip would run (--ep qnn --soc CHIP).",
        ),
    ] = False,
    soc: Annotated[
        str | None, typer.Option(metavar="CHIP", help="Chip to compile for, as SM8650.")
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The device or cloud offer that this machine is, for `recommend --evidence`.",
        ),
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write the evidence; a directory takes one file per execution provider.",
            rich_help_panel=declared.OUTPUT,
        ),
    ] = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
    format_: declared.Format = None,
) -> None:
    """Measure MODEL on the execution providers of this machine, and keep the evidence.

    Exit code 4 if an execution provider that was named, or every one, could not be measured.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    workload = options.parse_workload(sla=sla or (), rate=rate)
    options.check_threads(threads)
    search_s = options.parse_tune(tune, threads, spinning)
    io = options.parse_io(io)
    time_limit_s = parse_duration_s(time_limit, what="--time-limit")

    from placer import __version__, api
    from placer.api import formats
    from placer.api.evidence import misfit_here
    from placer.core.coverage import SOCS
    from placer.core.runtime import parse_ep
    from placer.files.evidence import to_statement
    from placer.files.writing import write_atomically
    from placer.onnx_files.reader import parse_shape_option
    from placer.reports import profile as report

    named = tuple(dict.fromkeys(parse_ep(name) for name in ep or ()))
    if coverage_only or soc is not None:
        if not coverage_only:
            raise UsageError("--soc is for --coverage-only", hint="add it, with --ep qnn")
        measuring = {
            "--sla": sla, "--inputs": inputs, "--rate": rate, "--threads": threads,
            "--spinning": spinning, "--fresh": fresh or None, "--site": site, "--save": save,
            "--ep-option": ep_option, "--io": io if io != "host" else None, "--tune": tune,
        }  # fmt: skip
        if given := [name for name, value in measuring.items() if value is not None]:
            raise UsageError(
                f"with --coverage-only nothing is measured: {', '.join(given)} would do nothing",
                hint=f"leave out {', '.join(given)}, or --coverage-only",
            )
        if named != ("qnn",) or soc is None:
            raise UsageError(
                "--coverage-only needs the execution provider and the chip",
                hint=f"--ep qnn --soc CHIP, one of {' '.join(SOCS)}",
            )
        _cover(model, soc, shape or (), time_limit_s, outputs)
        return
    if site is not None and not site.strip():
        raise UsageError("--site is empty", hint="name the device or cloud offer this machine is")
    if site is not None and (warning := misfit_here(site)):
        screen.warn(warning)
    is_directory = save is not None and (
        save.endswith("/") or (os.access(save, os.F_OK) and Path(save).is_dir())
    )
    options.check_places(
        [path for _, path in outputs if path is not None]
        + ([save] if save is not None and not is_directory else []),
        [model, *([inputs] if inputs is not None else [])],
    )
    if save is not None:
        here = formats.runtime_of(formats.format_of(model)).available_eps
        _check_place(save, is_directory, named or here())
    with screen.Progress() as progress:
        found = api.profile(
            model,
            workload=workload,
            options=api.MeasuringOptions(
                eps=named,
                shapes=dict(parse_shape_option(text) for text in shape or ()),
                inputs=inputs,
                threads=threads,
                spinning=spinning,
                ep_options=tuple(ep_option or ()),
                io=io,
                search_s=search_s,
                time_limit_s=time_limit_s,
                fresh=fresh,
                cache_directory=options.cache_directory(),
            ),
            progress=progress,
            warn=screen.warn,
        )
    tool = f"placer {__version__}"
    statements = [
        to_statement(measurement, tool=tool, site=site) for measurement in found.measurements
    ]
    failures = [(name, failure.kind, failure.message) for name, failure in found.failures]

    def render(name: str) -> str:
        if name == "json":
            return report.to_json(found.model, statements, failures)
        return report.to_text(
            found.model,
            found.times,
            failures,
            targets=workload.targets,
            width=screen.width(),
            color=screen.wants_color(),
        )

    screen.emit(outputs, render)
    if save is not None:
        for measurement, statement in zip(found.measurements, statements, strict=True):
            target = save
            if is_directory:
                target = str(Path(save) / f"{Path(model).stem}-{measurement.ep}.json")
            write_atomically(target, statement)
            screen.tell(f"evidence written to {target}")
    for name, failure in found.failures:
        if name in named or not found.measurements:
            raise MeasuringError(f"{name}: {failure.message}", hint=failure.remedy)


def _check_place(save: str, is_directory: bool, eps: tuple[str, ...]) -> None:
    """Refuse a place for the evidence before anything is measured."""
    from placer.files.writing import check_writable

    if not is_directory:
        if len(eps) > 1:
            raise UsageError(
                f"--save {save}: {len(eps)} execution providers would be measured "
                f"({', '.join(eps)})",
                hint="give a directory (with a / at the end), or choose one with --ep",
            )
        check_writable(save)
        return
    try:
        Path(save).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--save {save}: the directory cannot be made: {error.strerror}",
            hint="choose another place",
        ) from error
    check_writable(str(Path(save) / "evidence.json"))


def _cover(
    model: str,
    soc: str,
    shapes: Sequence[str],
    time_limit_s: float,
    outputs: Sequence[tuple[str, str | None]],
) -> None:
    """Report which nodes the NPU of a chip would run."""
    from placer.api.coverage import coverage
    from placer.onnx_files.reader import parse_shape_option
    from placer.reports import coverage as report

    options.check_places([path for _, path in outputs if path is not None], [model])
    with screen.Progress() as progress:
        summary, found = coverage(
            model,
            soc=soc,
            shapes=dict(parse_shape_option(text) for text in shapes),
            time_limit_s=time_limit_s,
            progress=progress,
        )
    screen.emit(
        outputs,
        lambda name: (
            report.to_json(summary, found)
            if name == "json"
            else report.to_text(summary, found, width=screen.width())
        ),
    )
