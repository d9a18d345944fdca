"""``placer catalog``: the devices, networks, clouds, regions and workloads that placer knows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError, near_match

if TYPE_CHECKING:
    from placer.files.catalogue import Entry
    from placer.reports.measured_models import Fitting

app = typer.Typer(
    no_args_is_help=True, help="List and show devices, networks, clouds, regions and workloads."
)

LIST_FORMATS = ("text", "json")
SHOW_FORMATS = ("text", "json", "yaml")
SCHEMA = "placer/catalog/v1"


@app.command("list")
def list_entries(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="devices, networks, clouds, regions or workloads."),
    ] = None,
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text or json")] = None,
) -> None:
    """List what the catalogue has, with the figures that decide."""
    from placer.cli.catalog_tables import tables_of
    from placer.files import catalogue

    outputs = options.parse_outputs(output or (), format_, LIST_FORMATS)
    if kind is not None and kind not in list(catalogue.Kind):
        raise UsageError(
            f"unknown kind '{kind}'{near_match(kind, catalogue.Kind)}",
            hint=f"kinds: {' '.join(catalogue.Kind)}",
        )
    kinds = tuple(catalogue.Kind) if kind is None else (catalogue.Kind(kind),)
    entries = {one.value: catalogue.list_entries(one) for one in kinds}

    def render(name: str) -> str:
        if name == "json":
            facts = {key: [_facts(entry) for entry in rows] for key, rows in entries.items()}
            return _to_json({"schema": SCHEMA, **facts})
        return tables_of(entries, screen.width(), color=screen.wants_color())

    screen.emit(outputs, render)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `placer catalog list` has it.")],
    sla: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="List the models measured there within this time."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The day of --sla: measurements age (default: today)."),
    ] = None,
    format_: declared.Format = None,
    output: Annotated[list[str] | None, declared.outputs("text, json or yaml")] = None,
) -> None:
    """Show every figure of one entry and where it comes from; of a device also its roofline.

    With --format yaml it is the file itself: a start for a file of your own.
    """
    from placer.files.catalogue import find_entry
    from placer.reports import measured_models

    outputs = options.parse_outputs(output or (), format_, SHOW_FORMATS)
    entry = find_entry(name)
    models = _measured_models(entry, sla, as_of)
    if models is not None and any(kind == "yaml" for kind, _ in outputs):
        raise UsageError("--sla has no effect on yaml", hint="use --format text or json")

    def render(name: str) -> str:
        match name:
            case "json":
                known = None if models is None else measured_models.facts(models)
                facts = {"kind": entry.kind.singular, **_facts(entry), "measured_models": known}
                return _to_json({"schema": SCHEMA, **facts})
            case "yaml":
                return entry.text
            case _:
                return _entry_text(entry, models, screen.width())

    screen.emit(outputs, render)


def _measured_models(entry: Entry, sla: str | None, as_of: str | None) -> Fitting | None:
    """Return what was measured on the device or cloud within the limit; None: nobody asked."""
    from placer.core.workload import parse_limit_s
    from placer.files.catalogue import Kind
    from placer.files.measured import all_rows
    from placer.reports.measured_models import fitting

    date = options.parse_date(as_of)
    if sla is None:
        if date is not None:
            raise UsageError("--as-of has no effect without --sla", hint="leave it out")
        return None
    if entry.kind not in (Kind.DEVICES, Kind.CLOUDS):
        raise UsageError(
            f"--sla has no effect: no models are measured on a {entry.kind.singular}",
            hint="leave it out, or name a device or a cloud offer",
        )
    if "=" in sla:
        raise UsageError(
            f"--sla '{sla}': a published time is one figure, of no percentile",
            hint="state the limit alone: --sla 20ms",
        )
    limit_s = parse_limit_s(sla, what="--sla")
    today = date or datetime.datetime.now(tz=datetime.UTC).date()
    rows = [row for row in all_rows() if row.site == entry.spec.name]
    return fitting(rows, limit_s, today)


def _to_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _facts(entry: Entry) -> dict[str, Any]:
    """Return an entry in core's units, whose names say them."""
    from placer.files.specs import CloudSpec, NetworkSpec, RegionSpec

    spec = entry.spec
    facts: dict[str, Any]
    if isinstance(spec, CloudSpec):
        accelerator = spec.accelerator
        facts = {
            "name": spec.name,
            "title": spec.title or spec.name,
            "accelerator": None
            if accelerator is None
            else {
                "name": accelerator.name,
                "count": accelerator.count,
                "memory_bytes": accelerator.memory,
                "peak_fp32_flops_per_s": accelerator.peak_fp32,
                "peak_fp16_flops_per_s": accelerator.peak_fp16,
                "peak_int8_ops_per_s": accelerator.peak_int8,
                "memory_bytes_per_s": accelerator.memory_bandwidth,
                "power_w": accelerator.power,
                "source": accelerator.source,
            },
            "offers": [asdict(offer) for offer in spec.to_core()],
        }
    else:
        facts = asdict(spec.to_core())
        if isinstance(spec, RegionSpec):
            del facts["rtt_p95_s"]
            facts |= {"title": spec.title or spec.name, "rtt_p95_to_ms": dict(spec.rtt_p95_to_ms)}
            facts["as_of"] = spec.as_of
        elif isinstance(spec, NetworkSpec):
            del facts["backbone"]  # of a question, not of a network
    return facts | {"estimated": dict(spec.estimated), "note": spec.note}


def _entry_text(entry: Entry, models: Fitting | None, width: int) -> str:
    """Lay out one entry: its values as they are written, the unknown ones last.

    Then the roofline of a device, and what was measured on it.
    """
    from placer.files.specs import DeviceSpec
    from placer.reports.measured_models import table
    from placer.reports.roofline import roofline

    spec = entry.spec
    lines = [f"{spec.name} ({entry.kind.singular}){f': {spec.title}' if spec.title else ''}"]
    hidden = ("name", "title", "estimated")
    values = {key: value for key, value in entry.data.items() if key not in hidden}
    lines += _block(values, width, "  ", spec.estimated)
    if isinstance(spec, DeviceSpec):
        lines += ["", *roofline(spec.to_core(), width)]
    if models is not None:
        lines += ["", *table(models, spec.name, width)]
    return "\n".join(lines) + "\n"


def _block(
    values: Mapping[str, Any], width: int, indent: str, estimated: Mapping[str, str]
) -> list[str]:
    from placer.reports.layout import wrap

    known = {key: value for key, value in values.items() if value not in (None, [], {})}
    column = len(indent) + max(map(len, known), default=0) + 2
    lines: list[str] = []
    for key, value in known.items():
        if isinstance(value, Mapping):
            inner = {name.removeprefix(f"{key}."): why for name, why in estimated.items()}
            lines += [f"{indent}{key}", *_block(value, width, indent + "  ", inner)]
        elif isinstance(value, list) and isinstance(value[0], Mapping):
            for number, item in enumerate(value, start=1):
                lines += [
                    f"{indent}{key.removesuffix('s')} {number}",
                    *_block(item, width, indent + "  ", {}),
                ]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            text = text.lower() if isinstance(value, bool) else text  # as YAML writes it
            if key in estimated:
                text = f"~{text} (estimated: {estimated[key]})"
            wrapped = wrap(text, max(width - column, 20))
            lines += [
                (f"{indent}{key}" if number == 0 else "").ljust(column) + line
                for number, line in enumerate(wrapped)
            ]
    unknown = [key for key in values if key not in known]
    if unknown:
        text = f"not known: {', '.join(unknown)}"
        lines += [f"{indent}{line}" for line in wrap(text, max(width - len(indent), 20))]
    return lines
