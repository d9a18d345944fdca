"""What probing a network found: for people, and as a network file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placer.core.network.link_rate import LEAST_WINDOWS_P5
from placer.core.probe import (
    Probe,
    Rate,
    path_of,
    round_trips_s,
    samples_for,
    server_estimate_s,
    supported_percentile,
)
from placer.core.units import format_bytes, format_duration, format_percentile, format_rate

WANTED_PERCENTILE = 0.99
_COLUMN = 14


def render_text(probe: Probe) -> str:
    """Return the report for people."""
    rows = [("", *_heading(probe)), *_phases(probe), *_round_trips(probe), *_calls(probe)]
    for name, side in (("uplink", probe.uplink), ("downlink", probe.downlink)):
        if side != Rate() or not probe.is_partial:
            rows.append((name, *_rate(side)))
    if probe.loss.packets or not probe.is_partial:
        rows.append(("loss", *_loss(probe)))
    lines = []
    for name, *texts in rows:
        lines.append(f"{name:{_COLUMN}}{texts[0]}" if name else texts[0])
        lines += [f"{'':{_COLUMN}}{text}" for text in texts[1:]]
    lines += [f"note: {text}" for text in (*probe.notes, *_lacks(probe))]
    lines.append(
        f"{format_bytes(probe.sent_bytes)} sent, {format_bytes(probe.received_bytes)} received in "
        f"{format_duration(probe.duration_s)}"
    )
    if probe.error is not None:
        lines.append(f"partial: {probe.error}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _lacks(probe: Probe) -> list[str]:
    """Return what a network file of it cannot be used for."""
    names = [
        name
        for name, side in (("uplink", probe.uplink), ("downlink", probe.downlink))
        if side.rate is None
    ]
    if not names or probe.is_partial:
        return []
    return [f"without {' and '.join(names)} a network file of this proves no target"]


def _heading(probe: Probe) -> tuple[str, ...]:
    parts = [part for part in (probe.protocol, probe.tls_version, probe.server) if part]
    where = f" ({probe.address})" if probe.address else ""
    return (f"{probe.target}{where}: {', '.join(parts) or 'protocol unknown'}",)


def _phases(probe: Probe) -> list[tuple[str, ...]]:
    phases = probe.phases
    whole = "whole answer"
    if phases.answer_bytes is not None:
        whole = f"whole answer of {format_bytes(phases.answer_bytes)}"
    told = [
        f"{name} {format_duration(value_s)}"
        for name, value_s in (
            ("look-up", phases.look_up_s),
            ("TCP", phases.connect_s),
            ("TLS", phases.tls_s),
            ("first byte", phases.first_byte_s),
            (whole, phases.whole_answer_s),
        )
        if value_s is not None
    ]
    return [("first request", ", ".join(told))] if told else []


def _quantiles(times_s: Sequence[float]) -> str:
    """Return the quantiles that so many samples support, and the extremes."""
    supported = supported_percentile(len(times_s))
    told = [f"min {format_duration(min(times_s))}"]
    for percentile in (0.5, 0.9, 0.95, 0.99):
        if percentile <= max(0.5, supported):
            value_s = float(np.quantile(times_s, percentile, method="inverted_cdf"))
            told.append(f"{format_percentile(percentile)} {format_duration(value_s)}")
    told.append(f"max {format_duration(max(times_s))}")
    return ", ".join(told)


def _round_trips(probe: Probe) -> list[tuple[str, ...]]:
    times_s = round_trips_s(probe)
    if not times_s:
        return []
    n = len(times_s)
    texts = [_quantiles(times_s)]
    supported = supported_percentile(n)
    said = f"{n} connects, at most {probe.connect_rate_hz:g}/s; they support "
    said += f"p{100 * supported:.3g}" if supported > 0 else "no percentile"
    if supported < WANTED_PERCENTILE and probe.duration_s > 0:
        # a tenth more, as the share of connects differs between runs
        asked_s = probe.asked_duration_s or probe.duration_s
        needed_s = 1.1 * asked_s * samples_for(WANTED_PERCENTILE) / n
        said += f", {format_percentile(WANTED_PERCENTILE)} takes about --duration {needed_s:.0f}s"
    return [("round trip", *texts, said)]


def _calls(probe: Probe) -> list[tuple[str, ...]]:
    calls = probe.calls
    if calls is None:
        return []
    sizes = ""
    if calls.up_bytes and calls.down_bytes:
        sizes = f", {format_bytes(calls.up_bytes)} up, {format_bytes(calls.down_bytes)} down"
    texts = [_quantiles(calls.times_s), f"{len(calls.times_s)} x {calls.what}{sizes}"]
    estimate_s = server_estimate_s(probe)
    if calls.server_s is not None:
        texts.append(
            f"of it the server {format_duration(calls.server_s)} in the mean "
            f"({calls.server_source})"
        )
    elif estimate_s is not None:
        texts.append(
            f"of it the server about {format_duration(estimate_s)}: call less round trip and "
            "sending; it does not report its time"
        )
    return [("calls", *texts)]


def _rate(side: Rate) -> tuple[str, ...]:
    if side.rate is None:
        return (f"unknown: {side.reason or 'not measured'}",)
    rate = side.rate
    told = format_rate(rate.median_bytes_per_s)
    if rate.p5_bytes_per_s is not None:
        told += f", p5 {format_rate(rate.p5_bytes_per_s)}"
    weak = "" if rate.p5_bytes_per_s is not None else f" (p5 takes {LEAST_WINDOWS_P5})"
    texts = [
        told,
        f"{format_bytes(side.moved_bytes)} moved, median of {rate.windows} windows of "
        f"{format_duration(rate.window_s)}{weak}",
    ]
    return (*texts, side.reason) if side.reason else tuple(texts)


def _loss(probe: Probe) -> tuple[str, ...]:
    loss = probe.loss
    if loss.ratio is None or loss.at_most_ratio is None:
        return ("unknown: no packets whose fate is known",)
    at_most = f"at most {100 * loss.at_most_ratio:.2g} % (95 %)"
    if loss.lost:
        told = f"{100 * loss.ratio:.2g} %: {loss.lost} of {loss.packets:,} packets; {at_most}"
    else:
        told = f"none seen of {loss.packets:,} packets: {at_most}"
    if not probe.bulk_retransmissions:
        return (told,)
    n = probe.bulk_retransmissions
    return (
        told,
        f"not counted: {n:,} sent again while the link was full: its queue may have refused them",
    )


def render_yaml(probe: Probe) -> str:
    """Return a network file that `--network FILE` takes."""
    import yaml

    path = path_of(probe)
    file: dict[str, object] = {
        "name": path.name,
        "title": path.title,
        "basis": "measured",
        "measured_at": probe.started_at[:10],
        "source": (
            f"placer network probe {probe.target}, {probe.started_at}, "
            f"{len(path.rtt_samples_s)} round trips, {probe.loss.packets} packets"
        ),
    }
    if path.rtt_samples_s:
        file["rtt_samples"] = {
            "unit": "ms",
            "values": [float(f"{1e3 * value_s:.4f}") for value_s in path.rtt_samples_s],
        }
    for key, rate in (
        ("uplink", path.uplink_bytes_per_s),
        ("uplink_p5", path.uplink_p5_bytes_per_s),
        ("downlink", path.downlink_bytes_per_s),
        ("downlink_p5", path.downlink_p5_bytes_per_s),
    ):
        if rate is not None:
            file[key] = f"{8e-6 * rate:.6g} Mbit/s"
    if path.loss_ratio is not None and path.loss_at_most_ratio is not None:
        file["loss"] = f"{100 * path.loss_ratio:.3g}%"
        file["loss_at_most"] = f"{100 * path.loss_at_most_ratio:.3g}%"
        if path.loss_burst_packets is None:
            file["loss_burst"] = None
    if probe.congestion_control in ("cubic", "bbr"):
        file["congestion_control"] = probe.congestion_control
    file["tls"] = path.is_encrypted
    file["measured_to"] = path.measured_to
    notes = [
        *([f"partial: {probe.error}"] if probe.error else ()),
        *(
            f"{name} unknown: {side.reason}"
            for name, side in (("uplink", probe.uplink), ("downlink", probe.downlink))
            if side.rate is None and side.reason
        ),
        *probe.notes,
    ]
    if notes:
        file["note"] = "; ".join(notes)
    text = yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=100)
    return str(text)
