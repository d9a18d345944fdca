"""Builders of core values for tests: a model, measurements with known samples, sites, paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from placer.core.cascade import CascadeFacts, Measure, Rate, ScoreKind, Wanted
from placer.core.environment import (
    Basis,
    ChipClass,
    CloudOffer,
    Device,
    NetworkPath,
    Roofline,
)
from placer.core.graph import ModelSummary, OperatorWork, TensorSpec
from placer.core.measurement import (
    Instrument,
    Machine,
    Measurement,
    Parity,
    ProcessRun,
    SessionSettings,
)
from placer.core.placement import CloudSite, EdgeSite, Environment, SiteTime
from placer.core.variant import binomial_bounds

SHA = "ab" * 32


def model(**changes: Any) -> ModelSummary:
    """A model of 1 GFLOP with a float32 picture as input."""
    base = ModelSummary(
        path="model.onnx",
        sha256=SHA,
        n_bytes=4_000_000,
        subjects=(("model.onnx", SHA),),
        opset=17,
        parameters=1_000_000,
        inputs=(TensorSpec("x", "float32", (1, 3, 64, 64), 49_152),),
        outputs=(TensorSpec("y", "float32", (1, 10), 40),),
        operators=(OperatorWork("Conv", 10, 1_000_000_000, 20_000_000, "test"),),
    )
    return replace(base, **changes)


def quiet(**changes: Any) -> Instrument:
    """An instrument that saw nothing."""
    base = Instrument(
        run_delay_ratio=0.001,
        cpu_pressure_ratio=0.0,
        steal_ratio=0.0,
        throttled_ratio=None,
        involuntary_switches_per_s=0.0,
        frequency_ratio=None,
        drift_ratio=0.0,
        correlation_runs=0.0,
        clock_resolution_s=1e-9,
        reasons=(),
    )
    return replace(base, **changes)


def samples(
    median_s: float, *, runs: int = 1500, spread: float = 0.05, seed: int = 1
) -> np.ndarray:
    """Lognormal samples with a given median, shape (runs,)."""
    rng = np.random.default_rng(seed)
    return np.asarray(median_s * np.exp(spread * rng.standard_normal(runs)))


def measurement(
    median_s: float = 0.01,
    *,
    values_s: Sequence[float] | np.ndarray | None = None,
    runs: int = 1500,
    spread: float = 0.05,
    ep: str = "cpu",
    peak_memory_bytes: int | None = 90_000_000,
    **changes: Any,
) -> Measurement:
    """A quiet measurement of three processes."""
    values = samples(median_s, runs=runs, spread=spread) if values_s is None else values_s
    parts = np.array_split(np.asarray(values), 3)
    base = Measurement(
        subjects=(("model.onnx", SHA),),
        machine=Machine(
            cpu="Test CPU",
            architecture="x86_64",
            cores=4,
            memory_bytes=8 * 10**9,
            os="Linux 6",
            machine_id="0123456789abcdef",
        ),
        runtime="onnxruntime 1.32.0",
        ep=ep,
        nodes_by_ep=((ep, 66),),
        settings=SessionSettings(4, True),
        screened=(),
        input_shapes=(("x", (1, 3, 64, 64)),),
        input_source="seed:7",
        gap_s=0.0,
        processes=tuple(
            ProcessRun(tuple(part.tolist()), 0.05, 0.02, 24, True, peak_memory_bytes, 50_000_000)
            for part in parts
        ),
        instrument=quiet(),
        measured_at="2026-11-23",
        parity=None if ep == "cpu" else Parity(20, 1e-6, 1e-7, 1.0),
    )
    return replace(base, **changes)


def device(**changes: Any) -> Device:
    """This machine, with everything known."""
    base = Device(
        name="this-machine",
        title="Test CPU, 4 core(s)",
        chip_class=ChipClass.CPU,
        is_this_machine=True,
        cores=4,
        memory_bytes=8 * 10**9,
        power_w=10.0,
        price_usd=200.0,
        source="test",
        basis=Basis.MEASURED,
    )
    return replace(base, **changes)


def path(**changes: Any) -> NetworkPath:
    """A measured line of 10 ms that loses nothing, with every figure known."""
    base = NetworkPath(
        name="line",
        title="A measured line",
        rtt_quantiles_s=((0.5, 0.010), (0.9, 0.011), (0.99, 0.013), (0.999, 0.016)),
        uplink_bytes_per_s=12.5e6,
        downlink_bytes_per_s=12.5e6,
        loss_ratio=0.0,
        data_usd_per_byte=0.0,
        source="test",
        basis=Basis.MEASURED,
    )
    return replace(base, **changes)


def offer(**changes: Any) -> CloudOffer:
    """A GPU instance with a roofline of level E5."""
    base = CloudOffer(
        name="aws-g4dn.xlarge",
        provider="aws",
        instance="g4dn.xlarge",
        region="us-east-1",
        jurisdiction="US",
        chip_class=ChipClass.GPU,
        ep="cuda",
        vcpus=4,
        memory_bytes=16 * 10**9,
        accelerator="T4",
        accelerators=1,
        usd_per_hour=0.526,
        egress_usd_per_byte=0.09e-9,
        roofline=Roofline(
            flops_per_s=6.8e12,
            bytes_per_s=2.27e11,
            s_per_op=6.9e-6,
            level="E5",
            runtime="onnxruntime",
            source="test roofline",
        ),
        source="test",
    )
    return replace(base, **changes)


def edge(median_s: float = 0.01, **changes: Any) -> EdgeSite:
    """A device site measured in this run."""
    measured = measurement(median_s, **changes)
    return EdgeSite(measured.ep, SiteTime(measured, 1.0, "E0", "measured here"))


def cloud(median_s: float = 0.002, *, the_offer: CloudOffer | None = None) -> CloudSite:
    """A cloud site with evidence measured on it."""
    measured = measurement(median_s, ep="cuda", is_reused=True)
    return CloudSite(the_offer or offer(), SiteTime(measured, 1.10, "E0", "evidence"))


def cascade_facts(
    escalated: int = 200, samples: int = 1000, *, agreeing: int = 995
) -> CascadeFacts:
    """A cascade whose small model passed on so many of the samples that judged."""
    return CascadeFacts(
        confidence=Measure.TOP_PROBABILITY,
        scores=ScoreKind.LOGITS,
        threshold=0.9,
        escalation=Rate(escalated / samples, *binomial_bounds(escalated, samples), samples),
        agreement=Rate(agreeing / samples, *binomial_bounds(agreeing, samples), samples),
        accuracy=None,
        wanted=Wanted(0.98),
        chosen_on=samples,
        curve=(),
    )


def environment(**changes: Any) -> Environment:
    """An edge of 10 ms and a cloud of 2 ms behind a 10 ms line."""
    base = Environment(
        device=device(),
        path=path(),
        edges=(edge(),),
        clouds=(cloud(),),
        electricity_usd_per_kwh=0.1648,
    )
    return replace(base, **changes)
