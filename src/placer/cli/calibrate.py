"""``placer calibrate``: learn a device from a few models, and predict others on it."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError

FORMATS = ("text", "json")


def command(
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Measure nothing: take these timings, a CSV file (model,gflops,gbytes,n_ops,"
            "latency_s) or a calibration file.",
        ),
    ] = None,
    predict: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Predict these: an ONNX model, or a CSV file (model,gflops,gbytes,n_ops).",
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=DIMS",
            help="Shape of an input of the model of --predict that has symbolic dimensions; "
            "repeatable.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Device of the timings: no prediction is faster than its peak rates allow.",
        ),
    ] = None,
    ep: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Execution provider to measure here (default: cpu)."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of one inference (default: all cores)."),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The device or cloud offer that this machine is, for `recommend --evidence`.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the calibration, for `recommend --evidence`."),
    ] = None,
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
) -> None:
    """Learn how fast a device is from a few different models, and predict others.

    Measures a spread of small models here, in less than a minute, or takes the timings of --from.
    Three parameters are fitted: operations, bytes moved and operators. Every prediction has the
    90 % interval that leaving out each model in turn gives.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    options.check_threads(threads)
    for option, value in (("--ep", ep), ("--threads", threads), ("--site", site)):
        if from_ is not None and value is not None:
            raise UsageError(
                f"{option} is for measuring here, and --from measures nothing",
                hint=f"leave {option} or --from out",
            )
    if shape and (predict is None or predict.endswith(".csv")):
        raise UsageError(
            "--shape is for an ONNX model of --predict, and there is none",
            hint="leave --shape out, or name a model: --predict model.onnx",
        )
    if to is not None and not to.endswith(".json"):
        raise UsageError(f"--to '{to}' is no .json file", hint="a calibration file ends in .json")
    reads = [one for one in (from_, predict, device) if one is not None]
    written = [path for _, path in outputs if path is not None]
    options.check_places([*written, *([to] if to is not None else [])], reads)

    from placer.api import calibrating, predicting
    from placer.onnx_files.reader import parse_shape_option
    from placer.reports import calibration as report

    shapes = dict(parse_shape_option(text) for text in shape or ())
    if from_ is None:
        with screen.Progress() as progress:
            found = calibrating.calibrate_here(
                ep or "cpu", threads, device=device, site=site, progress=progress
            )
    else:
        found = calibrating.calibrate_from(from_, device=device)
    for warning in found.warnings:
        screen.warn(warning)
    predictions = () if predict is None else predicting.predict(found, predict, shapes=shapes)
    if to is not None:
        calibrating.save(found, to)
    screen.emit(
        outputs,
        lambda name: (
            report.to_json(found.calibration, found.source, predictions, found.warnings)
            if name == "json"
            else report.to_text(found.calibration, found.source, predictions)
        ),
    )
