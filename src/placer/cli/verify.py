"""``placer verify``: run what was recommended, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError
from placer.core.units import format_bytes, parse_bytes, parse_duration_s
from placer.core.workload import parse_rate_hz

if TYPE_CHECKING:
    from placer.probing.targets import Target

FORMATS = ("text", "json")
LEAST_BYTES, MOST_BYTES = 100_000, 10**12

_HERE = "What runs here"
_SERVERS = "What runs on a server"
_REACH = "Reaching it"


def command(
    recommendation: Annotated[
        str,
        typer.Argument(metavar="RECOMMENDATION", help="Written by `placer recommend --save`."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where the model is (default: where the recommendation says).",
            rich_help_panel=_HERE,
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="SAMPLES.npz",
            help="Real samples to run (default: generated ones).",
            rich_help_panel=_HERE,
        ),
    ] = None,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="This machine is the device of the recommendation.",
            rich_help_panel=_HERE,
        ),
    ] = False,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Requests as in the question: 30/s (default: one after the other).",
            rich_help_panel=_HERE,
        ),
    ] = None,
    time_limit: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Longest measuring time for each candidate.",
            rich_help_panel=_HERE,
        ),
    ] = "60s",
    local_tail: Annotated[
        bool,
        typer.Option(
            "--local-tail",
            help="Run the tails of splits here, in a process of their own.",
            rich_help_panel=_HERE,
        ),
    ] = False,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SITE=]URL",
            help="Server of a cloud candidate: http://, https://, grpc:// or grpcs://; repeatable.",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    endpoint_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="As the servers call the model (default: its file without the ending).",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    tail_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="As they call the tail of a split.",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of tensors over HTTP: binary (default) or json.",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    max_data: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Most bytes that are moved for each candidate (default: 200MB).",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            help="Sent with each request, written nowhere. Repeatable.",
            rich_help_panel=_REACH,
        ),
    ] = None,
    ca_cert: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Authorities to trust instead of the system's (PEM).",
            rich_help_panel=_REACH,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Do not check certificates.", rich_help_panel=_REACH),
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Longest silence of a server (default: 5s).",
            rich_help_panel=_REACH,
        ),
    ] = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
    format_: declared.Format = None,
    save: declared.Save = None,
) -> None:
    """Run what was recommended and its rivals for real, and hold the times to the predictions.

    What runs on the device runs here; the cloud is asked at `--endpoint`; what cannot run is told,
    never guessed. Exit code 1: a prediction misses its interval; 5: undecided.
    """
    outputs = options.parse_outputs(output or (), format_, FORMATS)
    time_limit_s = parse_duration_s(time_limit, what="--time-limit")
    rate_hz = None if rate is None else parse_rate_hz(rate, what="--rate")
    for name, given in (
        ("--endpoint-model", endpoint_model is not None),
        ("--tail-model", tail_model is not None),
        ("--encoding", encoding is not None),
        ("--max-data", max_data is not None),
        ("--header", bool(header)),
        ("--ca-cert", ca_cert is not None),
        ("--insecure", insecure),
        ("--timeout", timeout is not None),
    ):
        if given and not endpoint:
            raise UsageError(
                f"{name} has no effect without --endpoint", hint="leave it out, or name a server"
            )
    if local_tail and tail_model is not None:
        raise UsageError("--local-tail and --tail-model are both given", hint="give one")
    if encoding not in (None, "json", "binary"):
        raise UsageError(f"--encoding '{encoding}' is unknown", hint="json or binary")
    max_bytes = parse_bytes(max_data or "200MB", what="--max-data")
    if not LEAST_BYTES <= max_bytes <= MOST_BYTES:
        raise UsageError(f"--max-data '{max_data}' is out of range", hint="100kB to 1000GB")
    endpoints = tuple(_endpoint(text) for text in endpoint or ())
    is_http = any(target.scheme in ("http", "https") for _, target in endpoints)
    if encoding is not None and not is_http:
        raise UsageError("--encoding has no effect over gRPC", hint="leave it out")
    options.check_places(
        [path for path in (save, *(path for _, path in outputs)) if path is not None],
        [path for path in (recommendation, model, inputs, ca_cert) if path is not None],
    )

    from placer.api.verifying import verify
    from placer.api.verifying_runs import VerifyingOptions
    from placer.cli.network_probe import access_of, check_tls_options
    from placer.files.writing import write_atomically
    from placer.reports import verification as report

    access = None
    if endpoints:
        check_tls_options(insecure, ca_cert, [target for _, target in endpoints])
        access = access_of(timeout or "5s", ca_cert, insecure, header or (), endpoints[0][1])
        servers = ", ".join(target.url for _, target in endpoints)
        screen.tell(f"plan: at most {format_bytes(max_bytes)} for each candidate to {servers}")
    with screen.Progress() as progress:
        found = verify(
            recommendation,
            options=VerifyingOptions(
                model=model,
                inputs=inputs,
                is_here=here,
                rate_hz=rate_hz,
                time_limit_s=time_limit_s,
                endpoints=endpoints,
                endpoint_model=endpoint_model,
                tail_model=tail_model,
                is_tail_local=local_tail,
                encoding=encoding or "binary",
                max_bytes=max_bytes,
            ),
            access=access,
            progress=progress,
            warn=screen.warn,
        )
    screen.emit(
        outputs,
        lambda name: report.render(
            found.verification, name, width=screen.width(), color=screen.wants_color()
        ),
    )
    if save is not None:
        write_atomically(save, report.render(found.verification, "json"))
    if found.failure is not None:
        raise found.failure
    raise typer.Exit(report.EXIT_CODES[found.verification.outcome])


def _endpoint(text: str) -> tuple[str | None, Target]:
    """Parse ``[SITE=]URL``."""
    from placer.probing.targets import parse_target

    schemes = ("http", "https", "grpc", "grpcs")
    before, separator, _ = text.partition("://")
    site, equals, _ = before.rpartition("=")
    if not (separator and equals):
        return None, parse_target(text, what="--endpoint", schemes=schemes)
    if not site.strip():
        raise UsageError(f"--endpoint {text} names no site", hint="write SITE=URL, or URL alone")
    url = text[len(site) + 1 :]
    return site.strip(), parse_target(url, what="--endpoint", schemes=schemes)
