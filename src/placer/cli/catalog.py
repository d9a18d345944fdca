"""``placer catalog``: the devices, networks, clouds, regions and workloads that placer knows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from placer.cli import declared, options, screen
from placer.core.errors import UsageError, near_match

if TYPE_CHECKING:
    from placer.files.catalogue import Entry
    from placer.files.specs import CloudSpec, DeviceSpec, NetworkSpec, RegionSpec
    from placer.files.workload import WorkloadSpec
    from placer.reports.measured_models import Fitting

app = typer.Typer(
    no_args_is_help=True, help="List and show devices, networks, clouds, regions and workloads."
)

LIST_FORMATS = ("text", "json")
SHOW_FORMATS = ("text", "json", "yaml")
SCHEMA = "placer/catalog/v1"
UNKNOWN = "-"
GAP = 2
LEAST_SOURCE = 30
"""Room for a source below which a table leaves the column out."""


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
        return _tables(entries, screen.width(), color=screen.wants_color())

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


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its head in two lines, and one text for each row."""

    head: tuple[str, str]
    texts: Sequence[str]
    is_right: bool = False
    is_extra: bool = False
    """Only where there is room for it."""

    @property
    def width(self) -> int:
        """The width of its widest line."""
        return max(map(len, (*self.head, *self.texts)))

    def line(self, text: str) -> str:
        """Align a text in the column."""
        return text.rjust(self.width) if self.is_right else text.ljust(self.width)


def _columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], sources: Sequence[str]
) -> list[_Column]:
    """Build columns; a head that begins with ``>`` is aligned right, with ``+`` it is extra."""
    columns = []
    for head, texts in zip(heads, zip(*rows, strict=True), strict=True):
        first, _, second = head.lstrip("+>").rpartition("\n")
        columns.append(
            _Column((first, second), texts, is_right=">" in head, is_extra=head.startswith("+"))
        )
    return [*columns, _Column(("", "source"), sources, is_extra=True)]


def _table(columns: Sequence[_Column], width: int, *, color: bool) -> list[str]:
    """Lay out what fits: extra columns in their order, the last one cut to the room left."""
    room = width - sum(column.width + GAP for column in columns if not column.is_extra) + GAP
    shown = []
    for column in columns:
        if column.is_extra:
            is_cut = column is columns[-1] and room >= LEAST_SOURCE + GAP
            if column.width + GAP > room and not is_cut:
                continue
            limit = max(room - GAP, 0)
            texts = [one if len(one) <= limit else f"{one[: limit - 1]}…" for one in column.texts]
            column = replace(column, texts=texts)
            room -= column.width + GAP
        shown.append(column)
    lines = [
        (" " * GAP).join(column.line(column.head[number]) for column in shown).rstrip()
        for number in (0, 1)
    ]
    heads = [typer.style(line, bold=True) if color else line for line in lines if line]
    rows = zip(*([column.line(text) for text in column.texts] for column in shown), strict=True)
    return [*heads, *((" " * GAP).join(row).rstrip() for row in rows)]


def _tables(entries: Mapping[str, Sequence[Entry]], width: int, *, color: bool) -> str:
    lines = []
    for kind, rows in entries.items():
        title = f"{kind.capitalize()}: {_TITLES[kind]}"
        lines.append(typer.style(title, bold=True) if color else title)
        lines += [*_table(_TABLES[kind]([row.spec for row in rows]), width, color=color), ""]
    lines.append("- not known   ~ estimated   `placer catalog show NAME` tells sources and notes")
    if not {"devices", "clouds"}.isdisjoint(entries):
        lines.append("time: evidence level of the compute figures; - only a measurement tells it")
    return "\n".join(lines) + "\n"


def _figure(estimated: Mapping[str, str], key: str, value: float | None, scale: float) -> str:
    if value is None:
        return UNKNOWN
    return f"{'~' if key in estimated else ''}{value / scale:.4g}"


def _devices(specs: Sequence[DeviceSpec]) -> list[_Column]:
    heads = (
        *("name", "class", ">memory\nGB", ">memory\nGB/s", ">fp32\nTFLOP/s", ">int8\nTOP/s"),
        *(">power\nW", ">price\nUSD", "time", "+>fp16\nTFLOP/s", "+EPs", "+basis"),
    )
    rows = []
    for spec in specs:
        figures = (
            ("memory", spec.memory, 1e9),
            ("memory_bandwidth", spec.memory_bandwidth, 1e9),
            ("peak_fp32", spec.peak_fp32, 1e12),
            ("peak_int8", spec.peak_int8, 1e12),
            ("power", spec.power, 1.0),
            ("price", spec.price, 1.0),
        )
        rows.append(
            (
                *(spec.name, spec.chip_class.value),
                *(_figure(spec.estimated, *figure) for figure in figures),
                UNKNOWN if spec.compute is None else spec.compute.level,
                _figure(spec.estimated, "peak_fp16", spec.peak_fp16, 1e12),
                " ".join(spec.execution_providers) or UNKNOWN,
                spec.basis,
            )
        )
    return _columns(heads, rows, [spec.source or UNKNOWN for spec in specs])


def _networks(specs: Sequence[NetworkSpec]) -> list[_Column]:
    heads = (
        *("name", ">RTT\np50 ms", ">RTT\np95 ms", ">RTT\np99 ms", ">up\nMbit/s", ">down\nMbit/s"),
        *(">loss\n%", ">data\nUSD/GB", "+>up p5\nMbit/s", "+basis"),
    )
    rows = []
    for spec in specs:
        figures = (
            *((f"rtt.{key}", spec.rtt.get(key), 1e-3) for key in ("p50", "p95", "p99")),
            ("uplink", spec.uplink, 125_000),
            ("downlink", spec.downlink, 125_000),
            ("loss", spec.loss, 0.01),
            ("data_price", spec.data_price, 1e-9),
            ("uplink_p5", spec.uplink_p5, 125_000),
        )
        rows.append(
            (spec.name, *(_figure(spec.estimated, *figure) for figure in figures), spec.basis)
        )
    return _columns(heads, rows, [spec.source or UNKNOWN for spec in specs])


def _clouds(specs: Sequence[CloudSpec]) -> list[_Column]:
    heads = (
        *("name", "region", "in", "accelerator", ">price\nUSD/h", ">egress\nUSD/GB", "time"),
        *("+>vCPU", "+>memory\nGiB", "+basis"),
    )
    rows, sources = [], []
    for spec in specs:
        chip = spec.accelerator
        count = "" if chip is None or chip.count == 1 else f"{chip.count}× "
        for offer in spec.offers:
            rows.append(
                (
                    *(spec.name, offer.region or UNKNOWN, offer.jurisdiction or UNKNOWN),
                    UNKNOWN if chip is None else f"{count}{chip.name}",
                    *(_figure({}, "", offer.price, 1.0), _figure({}, "", offer.egress, 1e-9)),
                    UNKNOWN if spec.compute is None else spec.compute.level,
                    *(_figure({}, "", spec.vcpus, 1.0), _figure({}, "", spec.memory, 2**30)),
                    spec.basis,
                )
            )
            sources.append(offer.source or spec.source or UNKNOWN)
    return _columns(heads, rows, sources)


def _regions(specs: Sequence[RegionSpec]) -> list[_Column]:
    heads = ("name", "place", "in", "country", ">RTT to\nregions")
    rows = [
        (
            *(spec.name, spec.title or UNKNOWN, spec.jurisdiction, spec.country),
            str(len(spec.rtt_p95_to_ms) or UNKNOWN),
        )
        for spec in specs
    ]
    return _columns(heads, rows, [spec.source or UNKNOWN for spec in specs])


def _workloads(specs: Sequence[WorkloadSpec]) -> list[_Column]:
    heads = (*("name", "+situation", "asked", ">rate", "class", "network", "+device", "+offline"),)
    rows = [
        (
            *(spec.name, spec.title or UNKNOWN, _asked(spec), _demand(spec)),
            *(spec.data.data_class or UNKNOWN, spec.network or UNKNOWN),
            *(spec.device.name or "this machine", "yes" if spec.must_work_offline else "no"),
        )
        for spec in specs
    ]
    return _columns(heads, rows, [spec.source or UNKNOWN for spec in specs])


def _asked(spec: WorkloadSpec) -> str:
    """Return the limit of the highest percentile, else the throughput."""
    from placer.core.units import format_duration, format_frequency, format_percentile

    targets = spec.to_core().targets
    if targets:
        name, limit = format_percentile(targets[-1].percentile), targets[-1].limit_s
        return f"{_mark(spec, f'latency.{name}')}{name} ≤ {format_duration(limit)}"
    if spec.throughput is not None:
        return f"{_mark(spec, 'throughput')}≥ {format_frequency(spec.throughput)}"
    return UNKNOWN


def _demand(spec: WorkloadSpec) -> str:
    """Return the rate of one device, times the devices if there are several."""
    from placer.core.units import format_frequency

    if spec.demand.rate is None:
        return UNKNOWN
    times = "" if spec.demand.devices in (None, 1) else f" × {spec.demand.devices}"
    return f"{_mark(spec, 'demand.rate')}{format_frequency(spec.demand.rate)}{times}"


def _mark(spec: WorkloadSpec, key: str) -> str:
    return "~" if key in spec.estimated else ""


_TITLES = {
    "devices": "machines at the edge",
    "networks": "ways from a device to a site",
    "clouds": "machines for rent, one row for each NAME@REGION",
    "regions": "where clouds are, and in which jurisdiction",
    "workloads": "situations, for `placer recommend MODEL --workload NAME`",
}
_TABLES: Mapping[str, Any] = {
    "devices": _devices,
    "networks": _networks,
    "clouds": _clouds,
    "regions": _regions,
    "workloads": _workloads,
}


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
