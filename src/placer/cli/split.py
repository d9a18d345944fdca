"""``placer split``: where to cut a model between device and cloud."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError, near_match

if TYPE_CHECKING:
    from placer.core.wire_formats import Precision

FORMATS = ("text", "json")
EXIT_NOT_SPLIT = 1
WIRES = ("auto", "float32", "float16", "int8")


def command(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="ONNX model to split.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Write head, client, tail and contract there, where a split is quickest.",
        ),
    ] = None,
    cut: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENSOR", help="Cut here, whatever is quicker; repeatable: all that cross."
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Take model, samples, network, clouds, error limit and data policy from it.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Path to the cloud (default: fiber_100, assumed)."),
    ] = None,
    cloud: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[@REGION]|FILE",
            help="Cloud offer (default: the quickest of the cheapest, assumed).",
        ),
    ] = None,
    shape: declared.Shape = None,
    inputs: declared.Inputs = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Threads of one inference here (default: all cores).",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    wire: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="What crosses is sent as: float32, float16, int8, or auto: the smallest that "
            "--max-error allows (without it: unchanged).",
        ),
    ] = None,
    max_error: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO", help="The most an output may be off, of its largest number: 1%."
        ),
    ] = None,
    keep_raw_input: Annotated[
        bool,
        typer.Option(
            "--keep-raw-input", help="Nothing in which raw input can be read may leave the device."
        ),
    ] = False,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack",
            help="Try to rebuild the samples of --inputs from what crosses, and tell how well.",
        ),
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Cut and run so many of the best plans (default: 3).",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Longest time for each of two measurings, the groups and the parts (default: "
            "60s).",
            rich_help_panel=declared.MEASURING,
        ),
    ] = None,
    costs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="No model: times of nodes, sizes of tensors and links, as JSON "
            "(`placer schema costs`).",
        ),
    ] = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
    format_: declared.Format = None,
) -> None:
    """Find the best split of a model between this device and a cloud, and write both sides.

    The best plans are cut for real, held to the whole model and timed here in turns. Where not to
    split is quicker, this is said and nothing is written (exit code 1 with --to). With --costs the
    graph and all its figures come from a file, for any number of tiers.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    given = {
        "--to": to, "--cut": cut, "--workload": workload, "--network": network,
        "--cloud": cloud, "--shape": shape, "--inputs": inputs, "--threads": threads,
        "--wire": wire, "--max-error": max_error, "--top": top, "--time-limit": time_limit,
        "--attack": attack or None,
        "--keep-raw-input": keep_raw_input or None,
    }  # fmt: skip
    if costs is not None:
        extra = [name for name, value in given.items() if value is not None]
        if model is not None or extra:
            raise UsageError(
                f"--costs is a question of its own: {', '.join(extra) or model} would do nothing",
                hint="leave it out, or give a model in place of --costs",
            )
        _split_costs(costs, outputs)
        return
    file = None
    if workload is not None:
        from placer.files.catalogue import load_workload

        file = load_workload(workload)
        model, inputs = model or file.model, inputs or file.inputs
        network, threads = network or file.network, file.threads if threads is None else threads
    if model is None:
        raise UsageError(
            "nothing to split", hint="name an ONNX model, or a file of costs: --costs COSTS.json"
        )
    options.check_threads(threads)
    clouds = (cloud,) if cloud is not None else () if file is None else file.clouds
    read = [one for one in (model, inputs, workload, network, *clouds) if one is not None]
    options.check_places([path for _, path in outputs if path is not None], read)
    if to is not None:
        _check_apart(to, [path for _, path in outputs if path is not None])

    from placer.api.split_model import MOST_TOP, USUAL_TOP, SplitQuestion, split_model
    from placer.api.splitting import USUAL_TIME_LIMIT_S
    from placer.core.split_ranking import Kind
    from placer.core.units import parse_duration_s, parse_ratio
    from placer.onnx_files.reader import parse_shape_option
    from placer.reports import split_model as report

    if cut and (word := next((one for one in cut if one in ("auto", "none")), None)) is not None:
        raise UsageError(
            f"--cut {word} is of placer recommend: here the best cuts are looked for and held "
            "against not to split, unless --cut names a tensor",
            hint="leave --cut out",
        )
    if top is not None and cut:
        raise UsageError("--top is for plans of the solver", hint="leave out --top, or --cut")
    if top is not None and not 1 <= top <= MOST_TOP:
        raise UsageError(f"--top {top} is no number of plans", hint=f"1 to {MOST_TOP}")
    if attack and inputs is None:
        raise UsageError(
            "--attack rebuilds samples from what crosses, and there are none",
            hint="give real ones, 32 and more: --inputs SAMPLES.npz",
        )
    time_limit_s = None if file is None else file.time_limit_s
    if time_limit is not None:
        time_limit_s = parse_duration_s(time_limit, what="--time-limit")
    limit = None if max_error is None else parse_ratio(max_error, what="--max-error")
    asked = None if file is None else file.workload
    if limit is None and asked is not None:
        limit = asked.max_error_ratio
    shapes = dict(parse_shape_option(text) for text in shape or ())
    question = SplitQuestion(
        cut=tuple(cut or ()),
        network=network,
        clouds=clouds,
        shapes=shapes if file is None else {**file.shapes, **shapes},
        inputs=inputs,
        is_attacked=attack,
        threads=threads,
        precision=_precision(wire),
        max_error_ratio=limit,
        is_raw_kept=keep_raw_input,
        workload=asked,
        device=None if file is None else file.device,
        location=None if file is None else file.location,
        top=USUAL_TOP if top is None else top,
        time_limit_s=time_limit_s or USUAL_TIME_LIMIT_S,
    )
    with screen.Progress() as progress:
        answer = split_model(model, question, to=to, progress=progress)
    screen.emit(
        outputs,
        lambda name: report.to_json(answer, to) if name == "json" else report.to_text(answer, to),
    )
    if to is not None and answer.export is None:
        assert answer.best.kind is not Kind.SPLIT
        raise typer.Exit(EXIT_NOT_SPLIT)


def _precision(text: str | None) -> Precision | None:
    """Parse ``--wire``; None: auto."""
    from placer.core.wire_formats import Precision

    if text in (None, "auto"):
        return None
    if text not in WIRES:
        if text is not None and text.endswith("+zlib"):
            raise UsageError(
                f"--wire {text}: a server of the protocol inflates nothing that is compressed",
                hint=f"one of: {' '.join(WIRES)}",
            )
        raise UsageError(
            f"--wire '{text}' is unknown{near_match(str(text), WIRES)}",
            hint=f"one of: {' '.join(WIRES)}",
        )
    return Precision(text)


def _check_apart(to: str, written: Sequence[str]) -> None:
    """Refuse a report within the folder of the split: it would be gone, or foreign there."""
    folder = Path(os.path.realpath(to))
    for path in written:
        if folder in Path(os.path.realpath(path)).parents:
            raise UsageError(
                f"{path} lies in the folder of --to", hint="write the report beside it"
            )


def _split_costs(costs: str, outputs: Sequence[tuple[str, str | None]]) -> None:
    options.check_places([path for _, path in outputs if path is not None], [costs])

    from placer.api.split_costs import split_costs
    from placer.reports import split as report

    found = split_costs(costs)
    screen.emit(
        outputs,
        lambda name: (
            report.to_json(found.plan, found.unsplit, latency_limit_s=found.latency_limit_s)
            if name == "json"
            else report.to_text(
                found.problem, found.plan, found.unsplit, latency_limit_s=found.latency_limit_s
            )
        ),
    )
