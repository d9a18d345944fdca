"""``placer recommend``: where a model should run."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import MeasuringError, UsageError
from placer.core.units import parse_duration_s

FORMATS = ("text", "json", "markdown")

_QUESTION = "The question"
_SITES = "Sites and network"


def command(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="ONNX or TensorFlow Lite model; a workload file can name it."
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The whole question as YAML; options override what it says.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    sla: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[pN=]TIME",
            help="Latency target: 20ms means p99 ≤ 20 ms; repeatable, as p95=20ms.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    privacy: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Class of the raw input: public, internal, personal or special.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="Where raw input may be processed: EU, US, a provider's region; repeatable.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    must_work_offline: Annotated[
        bool | None,
        typer.Option(
            "--must-work-offline/--no-must-work-offline",
            help="An answer is needed while the link is down.",
            rich_help_panel=_QUESTION,
            show_default=False,
        ),
    ] = None,
    wire_input: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Request size as the application sends it, for instance 80KiB of JPEG.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Requests of one device: 30/s, 2/min, 100/day.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    arrival: Annotated[
        str | None,
        typer.Option(
            metavar="PROCESS",
            help="How requests arrive: periodic (default) or poisson.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    fleet: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Number of devices (default: 1).", rich_help_panel=_QUESTION
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="MONEY",
            help="For the whole fleet, for instance 500USD/month.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What the best is best in: cost, latency, energy or margin "
            "(default: cost with --rate, else margin).",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Another file of the model, quantised or smaller; repeatable.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            metavar="int8,fp16",
            help="Make these variants of MODEL with ONNX Runtime's tools, and judge them too.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    min_agreement: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Share of the answers in which a variant must agree with MODEL, as 99%.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    min_accuracy: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Share of the samples that must be answered as --labels say, as 97%.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    max_fallback: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Share of the nodes that may fall back from an execution provider to another.",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    cut: Annotated[
        list[str] | None,
        typer.Option(
            metavar="auto|none|TENSOR",
            help="Also judge MODEL cut in two, its head here and its tail in each cloud: at the "
            "best place (auto) or at this tensor; repeat it where several cross (default: none).",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO",
            help="The most an output of a split may be off, of its largest number: what crosses is "
            "sent in the smallest format that keeps it (default: as it is).",
            rich_help_panel=_QUESTION,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The device at the edge (default: this machine).",
            rich_help_panel=_SITES,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The way to the cloud (default: fiber_100, as an assumption).",
            rich_help_panel=_SITES,
        ),
    ] = None,
    cloud: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@REGION]|FILE",
            help="A cloud offer; repeatable (default: the cheapest CPU and GPU offer).",
            rich_help_panel=_SITES,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Where the device is, a country (DE) or a region (azure-westeurope): adds the way "
            "from there to each cloud region.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SITE=]PATH",
            help="Measurements made before, here or on another site; repeatable.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="ROW",
            help="The published measurement whose architecture MODEL is, as aihub/resnet50: the "
            "time of a device or cloud that is not measured (default: by the structure of MODEL); "
            "none: use no published time.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    ep: declared.Eps = None,
    shape: declared.Shape = None,
    inputs: declared.Inputs = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The class of each sample of --inputs, .npy or .npz: accuracy of all variants.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="SAMPLES.npz",
            help="Real samples for the ranges of int8 (default: a fifth of --inputs).",
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
            help="Search for the best threads, spinning and precision for so long.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Longest measuring time for each execution provider (default: 60s).",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    fresh: declared.Fresh = False,
    no_measure: Annotated[
        bool,
        typer.Option(
            "--no-measure",
            help="Use evidence and catalogue only.",
            rich_help_panel=declared.MEASURING,
        ),
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="The day of the question: evidence ages (default: today).",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    output: Annotated[list[str] | None, declared.outputs("text, json or markdown")] = None,
    format_: declared.Format = None,
    variants_to: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the files of --variants go (default: the cache).",
            rich_help_panel=declared.OUTPUT,
        ),
    ] = None,
    save: declared.Save = None,
) -> None:
    """Say where MODEL should run: on the device, in the cloud, in both, or with one as fallback.

    The model is measured here, the network is modelled, the cloud comes from evidence or the
    catalogue. Exit code 0: feasible; 1: every placement violates; 5: nothing is proven.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    file = None
    if workload is not None:
        from placer.files.catalogue import load_workload

        file = load_workload(workload)
    question = options.parse_workload(
        file,
        sla=sla or (),
        privacy=privacy,
        region=region or (),
        must_work_offline=must_work_offline,
        wire_input=wire_input,
        rate=rate,
        arrival=arrival,
        fleet=fleet,
        budget=budget,
        objective=objective,
        min_agreement=min_agreement,
        min_accuracy=min_accuracy,
        max_error=max_error,
        max_fallback=max_fallback,
    )
    if max_error is not None and (not cut or cut == ["none"]):
        raise UsageError(
            "--max-error has no effect without a split", hint="add --cut auto, or leave it out"
        )
    for name, given in (
        ("--ep", bool(ep)),
        ("--inputs", inputs is not None),
        ("--labels", labels is not None),
        ("--calibration", calibration is not None),
        ("--variants", bool(variants)),
        ("--variants-to", variants_to is not None),
        ("--threads", threads is not None),
        ("--spinning/--no-spinning", spinning is not None),
        ("--fresh", fresh),
        ("--time-limit", time_limit is not None),
        ("--ep-option", bool(ep_option)),
        ("--io device", io != "host"),
        ("--tune", tune is not None),
    ):
        if no_measure and given:
            raise UsageError(
                f"{name} has no effect with --no-measure", hint="leave one of the two out"
            )
    if variants_to is not None and not variants_to.strip():
        raise UsageError("--variants-to is empty", hint="name a directory")
    at_device = device or (None if file is None else file.device)
    for name, given in (
        ("--threads", threads is not None),
        ("--spinning/--no-spinning", spinning is not None),
        ("--ep-option", bool(ep_option)),
        ("--io device", io != "host"),
        ("--tune", tune is not None),
    ):
        if at_device is not None and given:
            raise UsageError(
                f"{name} has no effect with the device {at_device}: nothing is measured here",
                hint="leave one of the two out",
            )
    time_limit_s = None if time_limit is None else parse_duration_s(time_limit, what="--time-limit")
    options.check_threads(threads)
    search_s = options.parse_tune(tune, threads, spinning)
    date = options.parse_date(as_of)

    from placer import api
    from placer.core.precision import parse_precisions
    from placer.core.runtime import parse_ep
    from placer.onnx_files.reader import parse_shape_option

    for name in ep or ():
        parse_ep(name)
    making = api.VariantOptions(
        make=tuple(parse_precisions(variants or (), what="--variants")),
        directory=variants_to,
        calibration=calibration,
        labels=labels,
    )
    stated = (
        ()
        if file is None
        else (
            *(file.model, file.inputs, file.labels, file.calibration, file.device),
            file.network,
        )
    )
    options.check_places(
        [path for path in (save, *(path for _, path in outputs)) if path is not None],
        [
            *(
                one
                for one in (
                    *(model, workload, device, network, inputs, labels, calibration),
                    *stated,
                )
                if one is not None
            ),
            *(cloud or (() if file is None else file.clouds)),
            *(variant or (() if file is None else file.variants)),
            *(
                text.partition("=")[2] or text
                for text in evidence or (() if file is None else file.evidence)
            ),
        ],
    )
    measuring = api.MeasuringOptions(
        eps=tuple(ep or ()),
        shapes=dict(parse_shape_option(text) for text in shape or ()),
        inputs=inputs,
        threads=threads,
        spinning=spinning,
        ep_options=tuple(ep_option or ()),
        io=options.parse_io(io),
        search_s=search_s,
        time_limit_s=time_limit_s,
        fresh=fresh,
        cache_directory=options.cache_directory(),
    )
    with screen.Progress() as progress:
        answer = api.recommend(
            model,
            workload=question if file is None else replace(file, workload=question),
            device=device,
            network=network,
            location=from_,
            clouds=cloud or (),
            variants=variant or (),
            making=making,
            evidence=evidence or (),
            architecture=as_,
            cut=cut or (),
            measure=not no_measure,
            options=measuring,
            as_of=date,
            question=shlex.join(["placer", *sys.argv[1:]]) if len(sys.argv) > 1 else "",
            progress=progress,
            warn=screen.warn,
        )
    from placer import reports
    from placer.files.writing import write_atomically

    screen.emit(
        outputs,
        lambda name: reports.render(answer, name, width=screen.width(), color=screen.wants_color()),
    )
    if save is not None:
        write_atomically(save, reports.render(answer, "json"))
    failure = api.measuring_failure(answer, measuring.eps or (() if file is None else file.eps))
    if failure is not None:
        raise MeasuringError(failure.message, hint=failure.remedy)
    raise typer.Exit({True: 0, False: 1, None: 5}[answer.decision.feasible])
