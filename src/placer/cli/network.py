"""``placer network``: how long a request takes over a network path."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from placer.cli import declared, network_path, network_probe, options, screen
from placer.core.errors import UsageError
from placer.core.units import format_bytes, format_duration, format_rate, parse_bytes

if TYPE_CHECKING:
    from placer.core.environment import NetworkPath
    from placer.core.network_estimate import NetworkEstimate, Request
    from placer.files.network_cases import Case

app = typer.Typer(no_args_is_help=True, help="Tell how long a request takes over a network.")


@app.callback()
def _group() -> None:
    """Tell how long a request takes over a network."""


app.command("probe")(network_probe.probe)
FORMATS = ("text", "json")
_PATH = "Path"
_REQUEST = "Request"


@app.command("estimate")
def estimate(
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="From the catalogue or a file.", rich_help_panel=_PATH
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Where the device is, a country (DE) or a region (azure-westeurope).",
            rich_help_panel=_PATH,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="Cloud region that answers, as aws-us-east-1: adds the way from --from to it.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    rtt: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Two propagation delays, without serialisation: 20ms.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    uplink: Annotated[
        str | None, typer.Option(metavar="RATE", help="10Mbit/s.", rich_help_panel=_PATH)
    ] = None,
    downlink: Annotated[
        str | None, typer.Option(metavar="RATE", help="50Mbit/s.", rich_help_panel=_PATH)
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO",
            help="Share of packets lost, in both directions: 0.5%.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    loss_burst: Annotated[
        float | None,
        typer.Option(
            metavar="PACKETS",
            help="Mean length of a burst of losses; left out, --loss loses each packet by itself.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    buffer: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Queue of the sending host: 64KB; one bandwidth-delay product and at least 1,000 "
            "packets if left out.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    cc: Annotated[
        str | None,
        typer.Option(
            "--cc",
            metavar="NAME",
            help="Congestion control: cubic or bbr; cubic if left out.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="new, warm or idle when a request starts; warm if left out.",
            rich_help_panel=_PATH,
        ),
    ] = None,
    tls: Annotated[
        bool | None,
        typer.Option("--tls/--no-tls", help="TLS 1.3; on if left out.", rich_help_panel=_PATH),
    ] = None,
    up: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE|TENSOR",
            help="Body of the request: 150KB, or float32[1,3,224,224].",
            rich_help_panel=_REQUEST,
        ),
    ] = None,
    down: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE|TENSOR", help="Body of the answer, likewise.", rich_help_panel=_REQUEST
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of tensors: binary, json, json-short (Open Inference Protocol) or raw; binary if "
            "left out.",
            rich_help_panel=_REQUEST,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="http1, http2, grpc or raw.", rich_help_panel=_REQUEST),
    ] = "http1",
    server_time: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Between the last byte of the request and the first of the answer.",
            rich_help_panel=_REQUEST,
        ),
    ] = "0s",
    in_flight: Annotated[
        int,
        typer.Option(
            metavar="N", help="Requests at a time that share the link.", rich_help_panel=_REQUEST
        ),
    ] = 1,
    cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv|-",
            help="One request a line (-: of standard input): JSON Lines. Columns: rtt_ms "
            "up_mbps down_mbps loss_pct cc connection up_bytes down_bytes tls buffer_pkts protocol "
            "server_time_ms in_flight; what is left out is as the options say.",
        ),
    ] = None,
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
) -> None:
    """Tell how long a request and its answer take over a network path, as a distribution.

    The path is --network, or stated in options, which override the file.
    """
    from placer.core.network.framing import Protocol
    from placer.core.network.limits import parse_server_s
    from placer.core.network_estimate import MAX_IN_FLIGHT, Request
    from placer.core.network_estimate import estimate as estimated

    outputs = _outputs(output or [], format_, is_many=cases is not None)
    reads = [one for one in (network, cases) if one not in (None, "-")]
    options.check_places(
        [path for _, path in outputs if path is not None], [one for one in reads if one is not None]
    )
    path = network_path.named(network)
    path = network_path.stated(
        path, rtt, uplink, downlink, loss, loss_burst, buffer, cc, connection, tls
    )
    path = network_path.on_to(path, from_, to)
    coding = _encoding(encoding, up, down)
    up_bytes, up_s = _body(up, coding, "--up")
    down_bytes, down_s = _body(down, coding, "--down")
    word = options.parse_word(protocol, Protocol, what="--protocol")
    assert word is not None
    if not 1 <= in_flight <= MAX_IN_FLIGHT:
        raise UsageError(f"--in-flight {in_flight} is out of range", hint=f"1 to {MAX_IN_FLIGHT}")
    request = Request(
        up_bytes or 1,
        down_bytes or 1,
        word,
        parse_server_s(server_time, what="--server-time"),
        in_flight,
        up_s + down_s,
    )
    taken = _taken(network, loss, connection, tls, cc)
    if cases is not None:
        from placer.files.network_cases import read_cases

        found_cases = read_cases(
            cases,
            path,
            request,
            (up_bytes, down_bytes),
            burst_packets=1.0 if loss_burst is None else loss_burst,
            stdin=None if sys.stdin is None else sys.stdin.buffer,
        )
        if loss_burst is not None and not any(one.path.loss_ratio for one in found_cases):
            raise _no_burst(f"no line of {cases} loses packets", loss_burst)
        _emit_cases(found_cases, outputs, taken)
        return
    if loss_burst is not None and not path.loss_ratio:
        raise _no_burst(_why_no_loss(path, loss), loss_burst)
    if up_bytes is None or down_bytes is None:
        option = "--up" if up_bytes is None else "--down"
        raise UsageError(f"{option} is missing", hint=f"the body's size: {option} 150KB")
    found = estimated(path, request)
    found = replace(found, assumptions=(*taken.values(), *found.assumptions))
    screen.emit(
        outputs,
        lambda name: _text(path, request, found) if name == "text" else _json(found) + "\n",
    )


def _outputs(
    output: list[str], format_: str | None, *, is_many: bool
) -> tuple[tuple[str, str | None], ...]:
    if is_many and any(one.partition("=")[0] == "text" for one in (*output, format_ or "")):
        raise UsageError(
            "--cases gives one JSON object a line, no text", hint="leave the format out"
        )
    return options.parse_outputs(output, format_, ("json",) if is_many else FORMATS)


def _taken(
    network: str | None,
    loss: str | None,
    connection: str | None,
    tls: bool | None,
    cc: str | None,
) -> dict[str, str]:
    """Return what no option states and is taken: column of the cases -> what is told."""
    if network is not None:
        return {}
    told = {
        "loss_pct": (loss, "packet loss: none"),
        "connection": (connection, "connection: warm"),
        "tls": (tls, "TLS: on"),
        "cc": (cc, "congestion control: cubic"),
    }
    return {column: text for column, (value, text) in told.items() if value is None}


def _no_burst(why: str, loss_burst: float) -> UsageError:
    return UsageError(
        f"--loss-burst {loss_burst:g} has no effect: {why}", hint="state a loss: --loss 1%"
    )


def _why_no_loss(path: NetworkPath, loss: str | None) -> str:
    if loss is not None:
        return f"--loss is {loss}"
    if path.loss_ratio is None:
        return f"the loss of network '{path.name}' is unknown"
    return f"network '{path.name}' loses no packets"


def _encoding(text: str | None, up: str | None, down: str | None) -> Any:
    """Return the encoding of tensors."""
    from placer.core.network.tensors import Encoding

    if text is not None and not any("[" in (size or "") for size in (up, down)):
        raise UsageError(
            "--encoding is given, but neither --up nor --down is a tensor",
            hint="write a tensor like --up float32[1,3,224,224]",
        )
    return options.parse_word(text, Encoding, what="--encoding") or Encoding.BINARY


def _body(text: str | None, encoding: Any, what: str) -> tuple[int | None, float]:
    """Return the bytes of a body, and what encoding and decoding it take."""
    from placer.core.network.tensors import encoded_bytes, encoding_s, parse_tensor

    if text is None:
        return None, 0.0
    if "[" not in text:
        return parse_bytes(text, what=what), 0.0
    tensor = parse_tensor(text, what=what)
    return encoded_bytes(tensor, encoding), encoding_s(tensor, encoding)


def _json(found: NetworkEstimate, **extra: str) -> str:
    return json.dumps({**extra, **asdict(found)}, ensure_ascii=False)


def _emit_cases(
    cases: tuple[Case, ...], outputs: tuple[tuple[str, str | None], ...], taken: dict[str, str]
) -> None:
    """Write one line for each case, on standard output as soon as it is known.

    Equal ones are estimated once.

    Parameters
    ----------
    taken
        What no option states: column -> what is told where the line does not state it either.
    """
    from placer.core.network_estimate import estimate as estimated
    from placer.files.writing import write_atomically

    lines = []
    known: dict[tuple[NetworkPath, Request], NetworkEstimate] = {}
    is_shown = any(path is None for _, path in outputs)
    if is_shown:
        screen.check_stdout("json")
    different = len({(one.path, one.request) for one in cases})
    with screen.Progress() as say:
        if not is_shown or not sys.stdout.isatty():
            say(f"{len(cases):,} cases, {different:,} of them different")
        for number, case in enumerate(cases, 1):
            asked = (case.path, case.request)
            if asked not in known:
                known[asked] = estimated(case.path, case.request)
            found = known[asked]
            told = [text for column, text in taken.items() if column not in case.stated]
            found = replace(found, assumptions=(*told, *found.assumptions))
            lines.append(_json(found, **case.extra))
            if is_shown:
                typer.echo(lines[-1])
            if not is_shown or not sys.stdout.isatty():
                say(f"{number:,} of {len(cases):,} cases")
    for _, path in outputs:
        if path is not None:
            write_atomically(path, "\n".join(lines) + "\n")


def _figures(path: NetworkPath) -> str:
    """Tell the figures of the path that the estimate is for."""
    from placer.core.transfer import median_rtt_s

    rates = (("up", path.uplink_bytes_per_s), ("down", path.downlink_bytes_per_s))
    told = [f"round trip {format_duration(median_rtt_s(path))}"]
    told += [f"{way} {format_rate(rate)}" for way, rate in rates if rate is not None]
    if path.loss_ratio is None:
        told.append("loss unknown")
    else:
        told.append(f"loss {100 * path.loss_ratio:.3g} %" if path.loss_ratio else "no loss")
    return f"  {', '.join(told)} (medians)"


def _text(path: NetworkPath, request: Request, found: NetworkEstimate) -> str:
    way = f"{path.connection} connection, {'TLS' if path.is_encrypted else 'no TLS'}"
    figures = {
        "p50": found.p50_s,
        "p90": found.p90_s,
        "p95": found.p95_s,
        "p99": found.p99_s,
        "mean": found.mean_s,
    }
    lines = [
        f"{format_bytes(request.up_bytes)} up, {format_bytes(request.down_bytes)} down over "
        f"{path.name} ({request.protocol.value}, {way}, {path.congestion_control})",
        _figures(path),
        *(f"  {name:5} {format_duration(value_s)}" for name, value_s in figures.items()),
    ]
    if found.serialisation_s:
        lines.append(f"  of it encoding and decoding: {format_duration(found.serialisation_s)}")
    lines += [f"assumed: {text}" for text in found.assumptions]
    return "\n".join(lines) + "\n"
