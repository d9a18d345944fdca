"""``placer network probe``: measure the path to a server."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli import declared, options, screen
from placer.core.errors import InputError, UsageError
from placer.core.units import format_bytes, parse_bytes, parse_duration_s

if TYPE_CHECKING:
    from placer.core.probe import Probe
    from placer.probing.dialing import Access
    from placer.probing.question import Question
    from placer.probing.targets import Target

FORMATS = ("text", "yaml", "json")
LEAST_BYTES, MOST_BYTES = 1_000_000, 10**12
LEAST_S, MOST_S = 1.0, 86_400.0
_MODEL = "Inference server"
_REACH = "Reaching it"


def probe(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="http://, https://, grpc://, grpcs:// or iperf3://, then HOST:PORT/PATH.",
        ),
    ],
    duration: Annotated[str, typer.Option(metavar="TIME", help="How long it is measured.")] = "12s",
    max_data: Annotated[
        str, typer.Option(metavar="SIZE", help="Most bytes that are moved, both ways together.")
    ] = "20MB",
    upload_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where bytes are POSTed to; URL itself if left out."),
    ] = None,
    download_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A body of some MB to GET; URL itself if left out."),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload/--no-upload", help="Measure the uplink by sending bytes.")
    ] = True,
    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Measure the downlink.")
    ] = True,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Ask this model of an Open Inference Protocol server.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npz",
            help="Real samples, the first is sent; generated ones if left out.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    shape: declared.Shape = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of tensors over HTTP: json or binary; json if left out.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    metrics_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Metrics of the server (Prometheus), which tell its own time.",
            rich_help_panel=_MODEL,
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
        str,
        typer.Option(metavar="TIME", help="Longest silence of the server.", rich_help_panel=_REACH),
    ] = "5s",
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text, yaml or json")] = None,
) -> None:
    """Measure the network path to a server: round trips, rates, loss, phases of a request.

    `--output yaml=site.yaml` writes what `--network site.yaml` takes. What is sent at most is told
    before. Exit codes: 3 another protocol or an unknown model, 4 not reached or stalled.
    """
    from placer.probing.targets import parse_target

    outputs = options.parse_outputs(output or (), format_, FORMATS)
    reads = [one for one in (inputs, ca_cert) if one is not None]
    options.check_places([path for _, path in outputs if path is not None], reads)
    target = parse_target(url)
    question = _question(
        target,
        access_of(timeout, ca_cert, insecure, header or (), target),
        duration,
        max_data,
        (upload_url, download_url, metrics_url),
        (upload, download),
        model,
        inputs,
        shape or (),
        encoding,
    )
    others = (question.upload, question.download, question.metrics)
    check_tls_options(insecure, ca_cert, (target, *(one for one in others if one is not None)))
    _say_plan(question)
    _run(question, outputs)


def _run(question: Question, outputs: tuple[tuple[str, str | None], ...]) -> None:
    from placer.probing.session import Stopped
    from placer.probing.session import probe as probed

    try:
        with screen.Progress() as say:
            found = probed(question, say)
    except Stopped as stopped:
        if stopped.probe.address is not None:  # something was measured
            _emit(stopped.probe, outputs)
        raise stopped.cause from None
    _emit(found, outputs)


def _emit(found: Probe, outputs: tuple[tuple[str, str | None], ...]) -> None:
    from placer.reports.network_probe import render_text, render_yaml
    from placer.reports.network_probe_json import render_json

    if not found.rtt_samples_s and any(name == "yaml" for name, _ in outputs):
        screen.warn("no round trip was measured: no network file is written")
        outputs = tuple(one for one in outputs if one[0] != "yaml") or (("text", None),)
    renderers = {"text": render_text, "yaml": render_yaml, "json": render_json}
    if outputs and all(path is not None for _, path in outputs):
        outputs = (("text", None), *outputs)
    screen.emit(outputs, lambda name: renderers[name](found))


def _question(
    target: Target,
    access: Access,
    duration: str,
    max_data: str,
    urls: tuple[str | None, str | None, str | None],
    ways: tuple[bool, bool],
    model: str | None,
    inputs: str | None,
    shapes: list[str] | tuple[()],
    encoding: str | None,
) -> Question:
    from placer.api.probing import inputs_of
    from placer.onnx_files.reader import parse_shape_option
    from placer.probing.question import Question
    from placer.probing.targets import parse_target

    duration_s = parse_duration_s(duration, what="--duration")
    if not LEAST_S <= duration_s <= MOST_S:
        raise UsageError(f"--duration '{duration}' is out of range", hint="1s to 1d")
    max_bytes = parse_bytes(max_data, what="--max-data")
    if not LEAST_BYTES <= max_bytes <= MOST_BYTES:
        raise UsageError(f"--max-data '{max_data}' is out of range", hint="1MB to 1000GB")
    is_http = target.scheme in ("http", "https")
    for option, value, fits in (
        ("--model", model, target.scheme != "iperf3"),
        ("--encoding", encoding, is_http and model is not None),
        ("--inputs", inputs, model is not None),
        ("--shape", shapes or None, model is not None),
        ("--metrics-url", urls[2], model is not None),
    ):
        if value is not None and not fits:
            why = f"a {target.scheme}:// server" if model is not None else "a probe without --model"
            raise UsageError(f"{option} means nothing for {why}", hint=f"leave out {option}")
    if encoding not in (None, "json", "binary"):
        raise UsageError(f"--encoding '{encoding}' is unknown", hint="json or binary")
    if target.scheme == "iperf3" and (urls[0] or urls[1]):
        raise UsageError(
            "iperf3 needs neither --upload-url nor --download-url", hint="leave them out"
        )
    for option, value, is_wanted in (
        ("upload", urls[0], ways[0]),
        ("download", urls[1], ways[1]),
    ):
        if value is not None and not is_wanted:
            raise UsageError(f"--{option}-url and --no-{option} are both given", hint="give one")
    if inputs is not None and not os.path.isfile(inputs):  # noqa: PTH113  # as the reader says it
        raise InputError(f"no such file: {inputs}", hint="give the samples' .npz file")
    upload, download, metrics = (
        None if text is None else parse_target(text, what=option, schemes=("http", "https"))
        for option, text in zip(
            ("--upload-url", "--download-url", "--metrics-url"), urls, strict=True
        )
    )
    return Question(
        target,
        access,
        duration_s,
        max_bytes,
        model,
        encoding or "json",
        inputs_of(inputs, dict(parse_shape_option(text) for text in shapes)),
        upload,
        download,
        metrics,
        *ways,
    )


def check_tls_options(insecure: bool, ca_cert: str | None, targets: Iterable[Target]) -> None:
    """Raise UsageError for options of TLS where nothing speaks it."""
    if any(one.is_encrypted for one in targets):
        return
    for option, is_given in (("--insecure", insecure), ("--ca-cert", ca_cert is not None)):
        if is_given:
            raise UsageError(
                f"{option} means nothing without TLS",
                hint=f"leave out {option}, or name a server by https:// or grpcs://",
            )


def access_of(
    timeout: str,
    ca_cert: str | None,
    insecure: bool,
    headers: list[str] | tuple[()],
    target: Target,
) -> Access:
    """Return how a server is reached. Raises UsageError for options that make no sense."""
    from placer.probing.dialing import Access, tls_context

    timeout_s = parse_duration_s(timeout, what="--timeout")
    if not 0.1 <= timeout_s <= 3600:
        raise UsageError(f"--timeout '{timeout}' is out of range", hint="100ms to 1h")
    if insecure and ca_cert is not None:
        raise UsageError("--insecure and --ca-cert are both given", hint="give one")
    access = Access(
        timeout_s,
        ca_cert,
        insecure,
        tuple(_header(text) for text in headers),
        _proxy(target),
    )
    if ca_cert is not None:
        tls_context(access, ())
    return access


def _header(text: str) -> tuple[str, str]:
    """Parse ``Name: value``; messages never show the value."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    is_name = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    is_value = value.isprintable() and value.isascii()
    if not colon or not is_name or not is_value:
        raise UsageError(
            "--header is not a name and a value", hint="write --header 'Authorization: Bearer ...'"
        )
    if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        raise UsageError(f"--header {name} is set by placer", hint="leave it out")
    return name, value


def _proxy(target: Target) -> str | None:
    """Return the environment variable that names a proxy for the target."""
    names = ["https_proxy" if target.is_encrypted else "http_proxy", "all_proxy"]
    skipped = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [one.strip().lstrip(".").lower() for one in skipped.split(",") if one.strip()]
    host = target.host.lower()
    if "*" in hosts or any(host == one or host.endswith(f".{one}") for one in hosts):
        return None
    both = [*names, *(name.upper() for name in names)]
    return next((name for name in both if os.environ.get(name)), None)


def _say_plan(question: Question) -> None:
    """Say on standard error what is sent at most, before anything is."""
    from placer.probing.connects import IPERF3_RATE_HZ, RATE_HZ

    target = question.target
    place = None if question.upload is None else question.upload.url
    if place is None and target.scheme in ("http", "https"):
        place = target.url if question.model is None else f"the inference URL of {question.model}"
    posts = ""
    if question.has_upload and place is not None:
        posts = f"; random bytes are POSTed to {place} (--no-upload: none)"
    connects_hz = IPERF3_RATE_HZ if target.scheme == "iperf3" else RATE_HZ
    screen.tell(
        f"plan: at most {format_bytes(question.max_bytes)} and about {question.duration_s:g} s to "
        f"{target.url}, at most {connects_hz:g} connects a second{posts}"
    )
