"""The roofline of a device, drawn in plain characters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.core.environment import ChipClass, Device, Roofline
from placer.files import catalogue
from placer.files.catalogue import Kind
from placer.reports.roofline import HEIGHT, roofline

DEVICE = Device(
    "d", "D", ChipClass.CPU, peak_fp32_flops_per_s=100e9, memory_bytes_per_s=10e9
)  # fmt: skip
NAMES = catalogue.list_names(Kind.DEVICES)


def picture(device: Device, width: int = 80) -> list[str]:
    lines = roofline(device, width)
    (first,) = [number for number, line in enumerate(lines) if line.startswith("        +")]
    return [line[9:] for line in lines[first - HEIGHT : first]]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", NAMES)
def test_every_device_of_the_catalogue_fits_the_width_in_ascii(name: str, width: int) -> None:
    lines = roofline(catalogue.load_device(name), width)
    assert lines
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in lines)


def test_memory_rises_to_the_peak_where_they_meet() -> None:
    rows = picture(DEVICE)
    (top,) = [row for row in rows if "s" in row]
    # from 1 to 100 operations for each byte they meet in the middle, at 10
    assert 33 <= top.index("s") <= 37
    assert len(top) == 71
    slope = [row.index("/") for row in rows if "/" in row]
    assert slope == sorted(slope, reverse=True)
    assert slope[-1] == 0


def test_decades_are_labelled() -> None:
    lines = roofline(DEVICE, 80)
    assert any(line.startswith("  100 G |") for line in lines)
    assert lines[-1].split() == ["1", "10", "100"]


def test_the_effective_model_lies_below_both_roofs() -> None:
    fitted = Roofline(50e9, 5e9, 5e-6, "E4", "ort", "here")
    lines = roofline(replace(DEVICE, roofline=fitted), 80)
    told = "  e effective in float32 50 GFLOP/s and 5 GB/s (E4), without the 5 us of each operator"
    assert " ".join(told.split()) in " ".join(" ".join(lines).split())
    rows = picture(replace(DEVICE, roofline=fitted))
    highest = {sign: min(n for n, row in enumerate(rows) if sign in row) for sign in "se"}
    assert highest["e"] > highest["s"]


def test_a_fit_without_a_memory_term_is_bounded_by_the_memory_of_the_chip() -> None:
    lines = picture(catalogue.load_device("sd-8gen3"))
    row = next(line for line in lines if "e" in line)
    assert row.index("e") > 10


def test_peaks_without_a_bandwidth_are_flat() -> None:
    device = replace(DEVICE, memory_bytes_per_s=None)
    assert [row for row in picture(device) if row.strip()] == ["s" * 71]


def test_nothing_known_is_said_and_a_narrow_terminal_gets_nothing() -> None:
    (line,) = roofline(Device("d", "D", ChipClass.NPU), 100)
    assert "neither a peak nor the memory bandwidth is known" in line
    assert roofline(DEVICE, 30) == []
