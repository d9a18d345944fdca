"""What a server tells of its own time: headers of answers, statistics, metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ServerTime:
    """Time of the server for one request, and who says so."""

    server_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests that a server counted and the time that they took together."""

    count: float
    total_s: float
    source: str


_METRICS = {
    "request_predict_seconds": 1.0,
    "model_infer_request_duration": 1.0,
    "nv_inference_request_duration_us": 1e-6,
}
"""Name before ``_sum`` -> seconds of its unit: KServe, MLServer; Triton has a plain counter, whose
requests are `nv_inference_request_success`."""
MAX_COUNT = 2**64
"""Counters of the statistics extension are unsigned and have 64 bits."""
_TRITON = ("nv_inference_request_duration_us", "nv_inference_request_success")
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)", re.ASCII)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_DURATION = re.compile(r"^\s*([^;\s]+)\s*(?:;.*?)?;\s*dur\s*=\s*([^;\s]*)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+")
"""Python's own has underscores, digits of all scripts and ``inf``."""
_ENVOY = "x-envoy-upstream-service-time"


def of_headers(
    headers: Sequence[Mapping[str, str]], times_s: Sequence[float]
) -> tuple[ServerTime | None, str]:
    """Return the mean of what the headers of answers tell, and what of it was ignored.

    `Server-Timing` (W3C): its `total`, else its longest part, as parts may lie within others;
    `x-envoy-upstream-service-time`. A time that is none, or that the call cannot hold, is ignored.

    Parameters
    ----------
    times_s
        How long the calls took as they were seen here, shape (n,).
    """
    told: list[float] = []
    source = ignored = ""
    for one, time_s in zip(headers, times_s, strict=True):
        parts = {}
        for part in one.get("server-timing", "").split(","):
            found = _DURATION.match(part)
            if found is None:
                continue
            value_s = _within(found.group(2).strip('"'), time_s)
            if value_s is None:
                ignored = ignored or _ignored("Server-Timing", part.strip(), time_s)
            else:
                parts[found.group(1)] = value_s
        if parts:
            name = "total" if "total" in parts else max(parts, key=lambda key: parts[key])
            told.append(parts[name])
            source = f"Server-Timing: {name}"
        elif _ENVOY in one:
            value_s = _within(one[_ENVOY], time_s)
            if value_s is None:
                ignored = ignored or _ignored(_ENVOY, one[_ENVOY], time_s)
            else:
                told.append(value_s)
                source = _ENVOY
    if not told or len(told) < len(headers):
        return None, ignored
    return ServerTime(float(np.mean(told)), source), ignored


def _within(text: str, time_s: float) -> float | None:
    """Return milliseconds as seconds; None: that is no time, or the call cannot hold it."""
    if _NUMBER.fullmatch(text.strip()) is None:
        return None
    value_s = float(text) / 1e3
    return value_s if 0 <= value_s <= time_s else None  # NaN is neither


def _ignored(header: str, text: str, time_s: float) -> str:
    return f"'{text[:60]}' of {header} is no time that a call of {1e3 * time_s:.4g} ms can hold"


def of_metrics(text: str, model: str) -> Counted | None:
    """Return requests and time of a model from metrics in Prometheus' text format."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        name, labels, value = found.groups()
        named = dict(_LABEL.findall(labels or ""))
        if named.get("model_name", named.get("model", model)) != model:
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        if 0 <= number < math.inf:  # a counter is nothing else
            sums[name] = sums.get(name, 0.0) + number
    for base, unit_s in _METRICS.items():
        total, count = f"{base}_sum", f"{base}_count"
        if base == _TRITON[0]:
            total, count = _TRITON
        if total in sums and count in sums:
            return Counted(sums[count], sums[total] * unit_s, f"metric {base}")
    return None


def of_statistics(body: object) -> Counted | None:
    """Return requests and time of a model from Triton's statistics extension; None: no sense."""
    if not isinstance(body, dict) or not isinstance(body.get("model_stats"), list):
        return None
    count, total_s = 0, 0.0
    for one in body["model_stats"]:
        n, time_ns = (_counter(one, key) for key in ("count", "ns"))
        if n is None or time_ns is None:
            return None
        count += n
        total_s += time_ns / 1e9
    return Counted(count, total_s, "statistics extension")


def _counter(one: object, key: str) -> int | None:
    for name in ("inference_stats", "success"):
        one = one.get(name, {}) if isinstance(one, dict) else None
    value = one.get(key, 0) if isinstance(one, dict) else None
    return value if type(value) is int and 0 <= value < MAX_COUNT else None


def between(before: Counted | None, after: Counted | None) -> ServerTime | None:
    """Return the mean time of the requests between two counts; None: none were counted."""
    if after is None:
        return None
    if before is None:  # the model was not asked before
        before = Counted(0, 0.0, after.source)
    count = after.count - before.count
    if before.source != after.source or count <= 0:
        return None
    return ServerTime((after.total_s - before.total_s) / count, after.source)
