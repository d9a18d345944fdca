"""Reports of ``placer profile``: what was measured on each execution provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from placer.core.graph import ModelSummary
from placer.core.latency import judge_measured
from placer.core.measurement import Measurement, Parity
from placer.core.placement import SiteTime
from placer.core.runtime import usual_precision
from placer.core.sequential import quantile
from placer.core.settings import settings_gain
from placer.core.units import format_bytes, format_duration, format_percentile
from placer.core.workload import LatencyTarget
from placer.reports.plot import Distribution, plot
from placer.reports.text import MAX_WIDTH, styled

PERCENTILES = (0.5, 0.9, 0.95, 0.99)


def to_json(
    model: ModelSummary,
    statements: Sequence[bytes],
    failures: Sequence[tuple[str, str, str]],
) -> str:
    """Return the measurements as evidence statements, and what failed.

    Parameters
    ----------
    statements
        Evidence of each measurement, in-toto Statements in JSON.
    failures
        (execution provider, kind, message).
    """
    document: dict[str, Any] = {
        "schema": "placer/profile/v1",
        "model": {
            "path": model.path,
            "format": model.format,
            "sha256": model.sha256,
            "bytes": model.n_bytes,
            "parameters": model.parameters,
            "flops": model.flops,
            "bytes_moved": model.bytes_moved,
            "operators": [
                {
                    "op_type": work.op_type,
                    "nodes": work.n_nodes,
                    "flops": work.flops,
                    "bytes_moved": work.bytes_moved,
                    "source": work.source,
                }
                for work in model.operators
            ],
        },
        "measurements": [json.loads(statement) for statement in statements],
        "failures": [
            {"ep": ep, "kind": kind, "message": message} for ep, kind, message in failures
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_text(
    model: ModelSummary,
    times: Sequence[SiteTime],
    failures: Sequence[tuple[str, str, str]],
    *,
    targets: Sequence[LatencyTarget],
    width: int,
    color: bool,
) -> str:
    """Return the measurements as tables and plots for a terminal.

    Parameters
    ----------
    times
        The measurements, each with the uncertainty of its age.
    failures
        (execution provider, kind, message).
    targets
        What was asked: bounds are those by which the target of the percentile is judged.
    """
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    buffer = StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
    )
    work = f", {model.flops / 1e9:.3g} GFLOP" if model.flops is not None else ""
    console.print(
        Text(f"{model.path}: {model.parameters:,} parameters, {format_bytes(model.n_bytes)}{work}")
    )
    if model.unknown_operators:
        console.print(
            Text(f"work unknown for: {', '.join(model.unknown_operators)}", style="yellow")
        )
    for time in times:
        measurement = time.measurement
        assert measurement is not None
        console.print()
        console.print(_headline(time, measurement))
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("", "latency", "95 % bounds"):
            table.add_column(heading, justify="right" if heading else "left")
        for row in _rows(time, measurement, targets):
            table.add_row(*row)
        console.print(table)
        runs = Distribution("", "", measurement.samples_s)
        for drawn in plot("Latency of runs", [runs], targets, min(width, MAX_WIDTH)):
            console.print(styled(drawn))
        for line in _facts(measurement):
            console.print(Text(line))
        if measurement.screened:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for heading in ("settings tried", "p50", "relative", "CPU time of one"):
                table.add_column(heading, justify="left" if "tried" in heading else "right")
            for tried in _tried(measurement):
                table.add_row(*tried)
            console.print(table)
            console.print(Text(settings_gain(measurement)))
        if measurement.instrument.is_disturbed:
            reasons = "; ".join(measurement.instrument.reasons)
            console.print(Text(f"disturbed: {reasons}", style="yellow"))
            console.print(Text("measure again while nothing else runs: --fresh"))
        else:
            console.print(Text("quiet: nothing disturbed the measurement", style="green"))
    for ep, kind, message in failures:
        console.print()
        console.print(Text(f"{ep}: {kind}: {message}", style="red"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _headline(time: SiteTime, measurement: Measurement) -> str:
    factor = f"times ×/÷ {time.factor_90:.2f} for reuse"
    reused = f" (measured before, from the cache, {factor})" if measurement.is_reused else ""
    nodes = ", ".join(f"{count} nodes on {ep}" for ep, count in measurement.nodes_by_ep)
    device = f" ({measurement.ep_device})" if measurement.ep_device else ""
    return (
        f"{measurement.ep}{device}: {measurement.runtime}, {measurement.settings.label}, "
        f"{nodes}{reused}"
    )


def _rows(
    time: SiteTime, measurement: Measurement, targets: Sequence[LatencyTarget]
) -> list[tuple[str, str, str]]:
    samples_s = np.asarray(measurement.samples_s)
    # without a target the bounds are judged at the quantile itself
    judged = {p: LatencyTarget(p, quantile(samples_s, p)) for p in PERCENTILES}
    judged |= {target.percentile: target for target in targets}
    verdicts = {p: judge_measured(time, target)[0] for p, target in judged.items()}
    rows = []
    for percentile in sorted(judged):
        # what bounds a higher percentile from above bounds this one; and from below likewise
        highs = [one.high_s for p, one in verdicts.items() if p >= percentile and one.high_s]
        lows = [one.low_s for p, one in verdicts.items() if p <= percentile and one.low_s]
        bounds = " to ".join(
            "unknown" if bound is None else format_duration(bound)
            for bound in (max(lows, default=None), min(highs, default=None))
        )
        rows.append(
            (
                format_percentile(percentile),
                format_duration(quantile(samples_s, percentile)),
                bounds,
            )
        )
    rows.append(("mean", format_duration(float(samples_s.mean())), ""))
    return rows


def _parity(ep: str, found: Parity) -> str:
    usual = usual_precision(ep)
    precision = "less precise than float32" + ("" if usual is None else f" (usual there: {usual})")
    if found.is_float32:
        precision = "as float32"
    samples = "1 sample" if found.samples == 1 else f"{found.samples} samples"
    return (
        f"outputs against the CPU's on {samples}: {precision}, largest difference "
        f"{found.max_difference:.2g} ({found.relative_difference:.2g} of the largest output), "
        f"{100 * found.agreement_ratio:.4g} % of the answers the same"
    )


def _facts(measurement: Measurement) -> list[str]:
    runs = [len(run.samples_s) for run in measurement.processes]
    creation_s = float(np.median([run.session_creation_s for run in measurement.processes]))
    first_s = float(np.median([run.first_inference_s for run in measurement.processes]))
    warmup = ", ".join(str(run.warmup_runs) for run in measurement.processes)
    lines = [
        f"{sum(runs)} runs in {len(runs)} fresh processes, warm-up {warmup} runs",
        f"session creation {format_duration(creation_s)}, first inference "
        f"{format_duration(first_s)}",
    ]
    if not all(run.is_steady for run in measurement.processes):
        lines.append("the warm-up reached no plateau in at least one process")
    if measurement.gap_s > 0:
        lines.append(f"idle {format_duration(measurement.gap_s)} before each run")
    peak = measurement.peak_memory_bytes
    if peak is not None:
        base = measurement.processes[0].runtime_memory_bytes
        without = "" if base is None else f", of it {format_bytes(base)} without the model"
        lines.append(f"peak memory {format_bytes(peak)}{without}")
    if measurement.fallback:
        others = ", ".join(f"{count} × {op_type}" for op_type, count in measurement.fallback)
        lines.append(f"left to other execution providers: {others}")
    if measurement.parity is not None:
        lines.append(_parity(measurement.ep, measurement.parity))
    if measurement.executed_by_ep:
        ran = ", ".join(f"{count} on {ep}" for ep, count in measurement.executed_by_ep)
        lines.append(f"kernels that ran (nodes compiled together are one): {ran}")
    return lines


def _tried(measurement: Measurement) -> list[tuple[str, str, str, str]]:
    """Return rows of (setting, median, relative to the default, CPU time of an inference)."""
    rows = []
    for one in measurement.screened:
        relative = f"{one.ratio:.2f}×"
        if one is measurement.screened[0]:
            relative = "default"
        elif one.low_ratio is not None and one.high_ratio is not None:
            relative += f" ({one.low_ratio:.2f} to {one.high_ratio:.2f})"
        elif one.rounds != measurement.screened[0].rounds:
            relative += " (tried briefly)"
        cpu = "unknown" if one.cpu_s_per_run is None else format_duration(one.cpu_s_per_run)
        rows.append((one.settings.label, format_duration(one.median_s), relative, cpu))
    return rows
