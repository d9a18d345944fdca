"""The roofline of a device in plain characters: what it reaches at most, by bytes moved.

Both axes are logarithmic. A roof rises with the memory bandwidth until it meets the peak of its
type; the effective one is the additive model of the catalogue, without its time per operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from placer.core.environment import Device, Roofline
from placer.reports.layout import wrap

HEIGHT = 12
"""Lines of the picture, without its axis."""
MIN_COLUMNS = 24
"""Where fewer are left for the curves, there is no picture."""
_LABEL = 7
"""Columns of the labels on the left, ``100 T``."""
_LEAST_DECADES, _MOST_DECADES = 2, 6
_WITHOUT_MEMORY = (0.1, 1000.0)
"""Operations for each byte of the axis where no bandwidth is known."""
_PREFIXES = {9: "G", 12: "T", 15: "P"}


@dataclass(frozen=True, slots=True)
class _Roof:
    sign: str
    told: str
    height: Callable[[float], float]
    """Operations for each byte -> operations per second."""
    corner: float | None
    """Operations for each byte at which memory stops to be the limit; None: it never is."""


def roofline(device: Device, width: int) -> list[str]:
    """Draw the roofs of a device; one line that says why not where too little is known."""
    roofs = _roofs(device)
    columns = width - _LABEL - 2
    if not roofs:
        told = "Roofline: neither a peak nor the memory bandwidth is known, there is none to draw"
        return wrap(told, width)
    if columns < MIN_COLUMNS:
        return []
    low_x, high_x = _span(roofs)
    places = [low_x * (high_x / low_x) ** (n / (columns - 1)) for n in range(columns)]
    heights = {roof.sign: [roof.height(place) for place in places] for roof in roofs}
    top = math.log10(max(max(one) for one in heights.values())) + 0.15
    lowest = math.log10(min(min(one) for one in heights.values())) - 0.05
    bottom = max(lowest, top - _MOST_DECADES)
    bottom = min(bottom, top - _LEAST_DECADES)
    step = (top - bottom) / HEIGHT
    grid = [[" "] * columns for _ in range(HEIGHT)]
    for roof in roofs:
        for column, value in enumerate(heights[roof.sign]):
            line = math.floor((top - math.log10(value)) / step)
            if 0 <= line < HEIGHT:
                is_memory = roof.corner is not None and places[column] < roof.corner
                grid[line][column] = "/" if is_memory and roof.sign != "e" else roof.sign
    lines = wrap("Roofline: operations/s over operations for each byte moved, logarithmic", width)
    for roof in roofs:
        first, *more = wrap(roof.told, width - 4)
        lines += [f"  {roof.sign} {first}", *(f"    {line}" for line in more)]
    labels = _labels(top, bottom, step)
    lines += [
        f"{labels.get(number, ''):>{_LABEL}} |{''.join(row)}".rstrip()
        for number, row in enumerate(grid)
    ]
    return [*lines, *_axis(low_x, high_x, columns)]


def _roofs(device: Device) -> list[_Roof]:
    memory = device.memory_bytes_per_s
    at = "" if memory is None else f", / memory {_rate(memory, 'B/s')}"
    roofs = []
    for sign, name, unit, peak in (
        ("8", "int8", "OP/s", device.peak_int8_ops_per_s),
        ("h", "float16", "FLOP/s", device.peak_fp16_flops_per_s),
        ("s", "float32", "FLOP/s", device.peak_fp32_flops_per_s),
    ):
        if peak is not None:
            told = f"{name} peak {_rate(peak, unit)}{at}"
            corner = None if memory is None else peak / memory
            roofs.append(_Roof(sign, told, _sharp(peak, memory), corner))
    if not roofs and memory is not None:
        told = f"memory {_rate(memory, 'B/s')}; no peak is known"
        roofs.append(_Roof("/", told, _sharp(None, memory), None))
    fitted = device.roofline
    if fitted is not None and (fitted.flops_per_s or fitted.bytes_per_s):
        known = [
            *([_rate(fitted.flops_per_s, "FLOP/s")] if fitted.flops_per_s else []),
            *([_rate(fitted.bytes_per_s, "B/s")] if fitted.bytes_per_s else []),
        ]
        told = f"effective in {fitted.dtype} {' and '.join(known)} ({fitted.level})"
        if fitted.s_per_op:
            told += f", without the {1e6 * fitted.s_per_op:g} us of each operator"
        roofs.append(_effective(fitted, memory, told))
    return roofs


def _effective(fitted: Roofline, memory: float | None, told: str) -> _Roof:
    flops, rate = fitted.flops_per_s, fitted.bytes_per_s
    if flops is not None and rate is not None:
        return _Roof("e", told, _additive(flops, rate), flops / rate)
    # the term that is not known is bounded by the chip
    limit = rate or memory
    corner = None if flops is None or limit is None else flops / limit
    return _Roof("e", told, _sharp(flops, limit), corner)


def _sharp(peak: float | None, memory: float | None) -> Callable[[float], float]:
    return lambda place: min(peak or math.inf, math.inf if memory is None else memory * place)


def _additive(peak: float, memory: float) -> Callable[[float], float]:
    """Return the model of the catalogue: arithmetic and memory one after the other."""
    return lambda place: 1 / (1 / peak + 1 / (memory * place))


def _span(roofs: Sequence[_Roof]) -> tuple[float, float]:
    corners = [roof.corner for roof in roofs if roof.corner is not None]
    if not corners:
        return _WITHOUT_MEMORY
    low = 10 ** (math.floor(math.log10(min(corners))) - 1)
    return low, 10 ** (math.ceil(math.log10(max(corners))) + 1)


def _labels(top: float, bottom: float, step: float) -> dict[int, str]:
    """Return the line of each decade with its text."""
    found = {}
    for power in range(math.ceil(bottom), math.floor(top) + 1):
        line = math.floor((top - power) / step)
        if 0 <= line < HEIGHT:
            prefix = next((one for one in sorted(_PREFIXES, reverse=True) if power >= one), 9)
            found[line] = f"{10.0 ** (power - prefix):g} {_PREFIXES[prefix]}"
    return found


def _axis(low: float, high: float, columns: int) -> list[str]:
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    ticks, labels = ["-"] * columns, ""
    for power in decades:
        share = (power - math.log10(low)) / (math.log10(high) - math.log10(low))
        column = round(share * (columns - 1))
        ticks[column] = "+"
        text = f"{10.0**power:g}"
        start = min(column, columns - len(text))
        if start > len(labels) or not labels:
            labels = f"{labels.ljust(start)}{text}"
    return [f"{'':>{_LABEL}} +{''.join(ticks)}", f"{'':>{_LABEL}}  {labels}"]


def _rate(value: float, unit: str) -> str:
    prefix = next((one for one in sorted(_PREFIXES, reverse=True) if value >= 10.0**one), 9)
    return f"{value / 10.0**prefix:.4g} {_PREFIXES[prefix]}{unit}"
