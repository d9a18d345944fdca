"""The catalogue as tables, one of each kind: what is extra goes first where there is no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from placer.files.catalogue import Entry
    from placer.files.specs import CloudSpec, DeviceSpec, NetworkSpec, RegionSpec
    from placer.files.workload import WorkloadSpec

UNKNOWN = "-"
GAP = 2
LEAST_SOURCE = 30
"""Room for a source below which a table leaves the column out."""


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


def tables_of(entries: Mapping[str, Sequence[Entry]], width: int, *, color: bool) -> str:
    """Return the tables of kinds with their entries, and what their signs mean."""
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
