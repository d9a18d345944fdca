"""Published measurements: the tables in ``profiles/measured``, and what their words mean here.

Which device of a source is which of the catalogue, and which runtime which execution provider,
stands in the tables below and nowhere else; the files have the words of the source.
"""

from __future__ import annotations

import csv
import datetime
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from placer.core.errors import InputError, UsageError, near_match
from placer.core.measured_rows import MeasuredRow, Published
from placer.files.catalogue import profiles_folder


@dataclass(frozen=True, slots=True)
class Source:
    """Who measured, and how the figures are to be read."""

    key: str
    """Stem of the file, first part of the names of its rows."""
    title: str
    version_word: str
    """What the version of a row is one of; empty: of the publication itself."""
    statistic: str
    """What its latencies are."""
    npu_runtimes: bool = False
    """Every runtime of it is one for an NPU: what ran elsewhere fell back."""


SOURCES = (
    Source(
        "aihub",
        "Qualcomm AI Hub Models v0.46.1 (quic/ai-hub-models@52c080d2)",
        "QAIRT",
        "the fastest of many runs back to back",
        npu_runtimes=True,
    ),
    Source(
        "mlperf",
        "MLPerf Inference, closed division (mlcommons/cm4mlperf-results@84d8b84c)",
        "round",
        "the 90th percentile of a single stream",
    ),
    Source(
        "openvino",
        "OpenVINO performance benchmarks (openvinotoolkit/openvino@16867e9e)",
        "OpenVINO",
        "the latency of benchmark_app, one input at a time",
    ),
    Source(
        "rknn",
        "RKNN Model Zoo (airockchip/rknn_model_zoo@bad6c73)",
        "",
        "a rate, not a latency",
    ),
)

SITES = {
    ("aihub", "Samsung Galaxy S24", ""): "sd-8gen3",  # phones with this chip
    ("aihub", "Samsung Galaxy S25", ""): "sd-8elite",
    ("aihub", "Snapdragon X Elite CRD", ""): "sd-x-elite",  # Qualcomm's reference computer
    ("mlperf", "NVIDIA Xavier NX", ""): "xavier-nx",
    ("mlperf", "NVIDIA Orin NX 16G", ""): "orin-nx-16",
    ("mlperf", "NVIDIA Jetson AGX Orin 64G", ""): "agx-orin-64",
    ("mlperf", "BCM2835 Arm Cortex-A72 r0p3", ""): "rpi4",  # the system is a Raspberry Pi 4
    # rented machines: the accelerator in another server is not the same machine
    ("mlperf", "NVIDIA T4", "AWS cloud instance g4dn.xlarge"): "aws-g4dn.xlarge",
    ("mlperf", "NVIDIA L4", "Google Cloud Platform (g2.standard.4)"): "gcp-g2-standard-4",
    ("openvino", "Atom x7425E CPU", ""): "x86-x7425e",
    ("openvino", "Core i7-1360P CPU", ""): "x86-1360p",
    ("openvino", "Core i7-12700H CPU", ""): "x86-12700h",
    ("openvino", "Core Ultra 7-165H NPU", ""): "core-ultra-165h-npu",
    ("rknn", "RK3588@1core", ""): "rk3588",  # one of its three cores
}
"""(source, device, system) in its words -> name in the catalogue; system "": whichever it is."""

NOT_SITES = {
    ("aihub", "QCS8550 (Proxy)"): "a board that stands in for the Snapdragon 8 Gen 2, not sd-8gen2",
    ("aihub", "QCS8450 (Proxy)"): "a board that stands in for another chip",
    ("aihub", "QCS8275 (Proxy)"): "a board that stands in for another chip",
    ("mlperf", "NVIDIA Orin"): "the module and its memory are not stated",
    ("mlperf", "NVIDIA Jetson AGX Orin"): "its memory is not stated: not taken for agx-orin-64",
    ("mlperf", "NVIDIA Jetson AGX Orin 32G"): "another module than agx-orin-64",
    ("mlperf", "NVIDIA Orin NX"): "its memory is not stated: not taken for orin-nx-16",
    ("mlperf", "NVIDIA T4"): "in another server than those of the catalogue",
    ("mlperf", "NVIDIA L4"): "in another server than those of the catalogue",
    ("openvino", "Core Ultra 7-165H CPU"): "core-ultra-165h-npu is the NPU beside it",
    ("openvino", "Core Ultra 7-165H iGPU"): "core-ultra-165h-npu is the NPU beside it",
    ("openvino", "Atom x7425E iGPU"): "x86-x7425e is the CPU beside it",
    ("openvino", "Core i7-12700H iGPU"): "x86-12700h is the CPU beside it",
}
"""Devices that look like one of the catalogue, and why they are not."""

_WITHOUT_ORT = "it runs without ONNX Runtime, and on one chip another runtime is another time"
RUNTIMES: Mapping[tuple[str, str], tuple[str | None, str]] = {
    ("aihub", "onnx"): ("qnn", "ONNX Runtime with the QNN execution provider"),
    ("aihub", "precompiled_qnn_onnx"): (None, "a context compiled before, not an ONNX model"),
    ("aihub", "qnn_dlc"): (None, _WITHOUT_ORT),
    ("aihub", "qnn_context_binary"): (None, _WITHOUT_ORT),
    ("aihub", "tflite"): (None, "LiteRT with the QNN delegate, which placer does not use"),
    ("mlperf", "tensorrt"): ("tensorrt", "the execution provider builds its engine with it"),
    ("openvino", "openvino"): ("openvino", "the execution provider compiles the model with it"),
    ("rknn", "rknn"): (None, "ONNX Runtime has no execution provider for it"),
}
"""(source, word of the runtime) -> execution provider whose time it is; and why, or why none."""
_OTHER_RUNTIME = (None, "a benchmark program that is not ONNX Runtime's, or does not say which")

DTYPES: Mapping[tuple[str, str, str], str] = {
    ("aihub", "float", "NPU"): "float16",  # Hexagon runs float models in half precision
    ("aihub", "float", "CPU"): "float32",
    ("aihub", "w8a8", "NPU"): "int8",
    ("aihub", "w8a8", "CPU"): "int8",
    ("openvino", "INT8", "CPU"): "int8",
    ("openvino", "INT8", "GPU"): "int8",
    ("openvino", "INT8", "NPU"): "int8",
    ("openvino", "FP32", "CPU"): "float32",
    ("rknn", "INT8", "NPU"): "int8",
    ("rknn", "FP16", "NPU"): "float16",
}
"""(source, precision, unit) -> arithmetic; what is not here is mixed, or not stated."""

_COLUMNS = {
    *("model", "component", "device", "runtime", "precision", "latency_ms", "throughput_per_s"),
    *("unit", "nodes", "version", "submitter", "system", "input", "date"),
}
_NEEDED = ("model", "device", "runtime", "date")
_UNITS = ("", "NPU", "GPU", "CPU")


@cache
def rows_of(source: Source) -> tuple[MeasuredRow, ...]:
    """Read one table; every row is checked.

    Raises
    ------
    InputError
        The table is damaged; the message says in which line.
    """
    path = f"profiles/measured/{source.key}.csv"
    text = profiles_folder().joinpath("measured", f"{source.key}.csv").read_text(encoding="utf-8")
    return parse_rows(source, text, path=path)


def parse_rows(source: Source, text: str, *, path: str) -> tuple[MeasuredRow, ...]:
    """Return the rows of a table. Raises as `rows_of`."""
    reader = csv.DictReader(text.splitlines(), strict=True)
    header = frozenset(reader.fieldnames or ())
    if not header.issuperset(_NEEDED) or not header <= _COLUMNS:
        wrong = sorted(header - _COLUMNS) or sorted(set(_NEEDED) - header)
        raise InputError(f"{path}:1: the header is wrong about {', '.join(wrong)}")
    lines = []
    try:
        for cells in reader:
            if None in cells or None in cells.values():
                raise InputError(f"{path}:{reader.line_num}: has not as many cells as the header")
            lines.append((reader.line_num, cells))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num + 1}: {error}") from error
    components: defaultdict[str, set[str]] = defaultdict(set)
    for _, cells in lines:
        components[cells["model"]].add(cells.get("component", ""))
    return tuple(
        _row(source, cells, f"{path}:{line}", has_parts=len(components[cells["model"]]) > 1)
        for line, cells in lines
    )


def all_rows() -> Iterable[MeasuredRow]:
    """Yield every row of every source."""
    for source in SOURCES:
        yield from rows_of(source)


def load_published(name: str, as_of: datetime.date, *, architecture: str = "") -> Published:
    """Return the model of this name with the table that has it.

    Parameters
    ----------
    architecture
        Whose structure the model has; empty: the user named it.

    Raises
    ------
    UsageError
        No row has the name.
    """
    key, separator, _ = name.partition("/")
    source = next((one for one in SOURCES if separator and one.key == key), None)
    rows = tuple(all_rows()) if source is None else rows_of(source)
    names = dict.fromkeys(row.name for row in rows)
    if source is None or name not in names:
        word = name.rpartition("/")[2].lower()
        same = [one for one in names if word and word in one.lower().split("/")]
        near = f" (did you mean '{same[0]}'?)" if same else near_match(name, names)
        raise UsageError(
            f"no published measurement is named '{name}'{near}",
            hint="`placer catalog show DEVICE --sla 20ms` lists those of a device by their names",
        )
    return Published(name, rows, as_of, architecture)


def _row(source: Source, cells: Mapping[str, str], where: str, *, has_parts: bool) -> MeasuredRow:
    for key in ("model", "device"):
        if not cells[key].strip():
            raise InputError(f"{where}: {key} is empty")
    latency_ms = _number(cells.get("latency_ms", ""), f"{where}: latency_ms")
    per_s = _number(cells.get("throughput_per_s", ""), f"{where}: throughput_per_s")
    if (latency_ms is None) == (per_s is None):
        raise InputError(f"{where}: states not one of latency_ms and throughput_per_s")
    unit = cells.get("unit", "")
    if unit not in _UNITS:
        raise InputError(f"{where}: unit '{unit}' is none of NPU, GPU, CPU")
    try:
        datetime.date.fromisoformat(cells["date"])
    except ValueError as error:
        raise InputError(f"{where}: '{cells['date']}' is no date") from error
    device, precision = cells["device"], cells.get("precision", "")
    system = cells.get("system", "")
    site = SITES.get((source.key, device, system), SITES.get((source.key, device, "")))
    words = re.split(r"[ ,]+", cells["runtime"].lower())
    means = (one for (key, word), one in RUNTIMES.items() if key == source.key and word in words)
    ep, why_no_ep = next(means, _OTHER_RUNTIME)
    if ep == "openvino" and unit:
        ep = f"openvino:{unit.lower()}"
    part = f"/{cells['component']}" if has_parts else ""
    version = f"{source.version_word} {cells['version']}" if cells.get("version") else ""
    cited = (source.title, version, cells.get("submitter", ""), system)
    return MeasuredRow(
        name=f"{source.key}/{cells['model']}{part}",
        device=device,
        site=site,
        runtime=cells["runtime"] or "not stated",
        ep=ep,
        precision=precision,
        dtype=DTYPES.get((source.key, precision, unit)),
        latency_s=None if latency_ms is None else latency_ms / 1e3,
        throughput_per_s=per_s,
        statistic=source.statistic,
        unit=unit,
        nodes=_nodes(cells.get("nodes", ""), where),
        is_fallback=source.npu_runtimes and unit != "NPU",
        measured_at=cells["date"],
        source=", ".join(part for part in cited if part),
        why_no_site="" if site is not None else NOT_SITES.get((source.key, device), ""),
        why_no_ep="" if ep is not None else why_no_ep,
    )


def _number(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{where}: '{text}' is no number") from error
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{where}: {text} is not above zero")
    return value


def _nodes(text: str, where: str) -> tuple[tuple[str, int], ...]:
    """Parse ``NPU:395 CPU:2``."""
    found = []
    for part in text.split():
        unit, _, count = part.partition(":")
        if unit not in _UNITS[1:] or not count.isdecimal() or int(count) == 0:
            raise InputError(f"{where}: nodes '{part}' is not UNIT:COUNT")
        found.append((unit, int(count)))
    return tuple(found)
