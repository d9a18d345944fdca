"""What a server tells of its own time: headers of answers, statistics, metrics."""

from __future__ import annotations

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
_TRITON = ("nv_inference_request_duration_us", "nv_inference_request_success")
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)", re.ASCII)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_DURATION = re.compile(
    r"^\s*([^;\s]+)\s*(?:;.*?)?;\s*dur\s*=\s*\"?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?![\w.])",
    re.IGNORECASE,
)


def of_headers(headers: Sequence[Mapping[str, str]]) -> ServerTime | None:
    """Return the mean of what the headers of answers tell.

    `Server-Timing` (W3C): its `total`, else its longest part, as parts may lie within others;
    `x-envoy-upstream-service-time`.
    """
    told: list[float] = []
    source = ""
    for one in headers:
        parts = {}
        for part in one.get("server-timing", "").split(","):
            found = _DURATION.match(part)
            if found:
                parts[found.group(1)] = float(found.group(2)) / 1e3
        if parts:
            name = "total" if "total" in parts else max(parts, key=lambda key: parts[key])
            told.append(parts[name])
            source = f"Server-Timing: {name}"
        elif re.fullmatch(r"\d+", one.get("x-envoy-upstream-service-time", "")):
            told.append(int(one["x-envoy-upstream-service-time"]) / 1e3)
            source = "x-envoy-upstream-service-time"
    if not told or len(told) < len(headers):
        return None
    return ServerTime(float(np.mean(told)), source)


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
            sums[name] = sums.get(name, 0.0) + float(value)
        except ValueError:
            continue
    for base, unit_s in _METRICS.items():
        total, count = f"{base}_sum", f"{base}_count"
        if base == _TRITON[0]:
            total, count = _TRITON
        if total in sums and count in sums:
            return Counted(sums[count], sums[total] * unit_s, f"metric {base}")
    return None


def of_statistics(body: object) -> Counted | None:
    """Return requests and time of a model from Triton's statistics extension."""
    if not isinstance(body, dict) or not isinstance(body.get("model_stats"), list):
        return None
    count, total_s = 0, 0.0
    try:
        for one in body["model_stats"]:
            success = one.get("inference_stats", {}).get("success", {})
            count += int(success.get("count", 0))
            total_s += int(success.get("ns", 0)) / 1e9
    except (AttributeError, TypeError, ValueError, OverflowError):  # no such statistics
        return None
    return Counted(count, total_s, "statistics extension")


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
