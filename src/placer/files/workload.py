"""Workload files: the question of ``placer recommend``, written down.

Paths in a file are relative to it. What is left out is asked or assumed as on the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from placer.core.errors import UsageError
from placer.core.precision import parse_precisions
from placer.core.units import format_duration, format_frequency, format_percentile, parse_percentile
from placer.core.workload import (
    MAX_FLEET,
    MAX_THREADS,
    Arrival,
    DataClass,
    LatencyTarget,
    Leaves,
    Objective,
    Workload,
    parse_budget_usd_per_month,
    parse_limit_s,
    parse_rate_hz,
    parse_search_s,
    parse_throughput_hz,
)
from placer.files import specs
from placer.files.positions import Document, joined
from placer.files.specs import figure, problem, shown_as

SCHEMA_ID: Final = "placer/workload/v1"

_Limit = Annotated[float, figure(parse_limit_s), shown_as("20 ms")]
_Rate = Annotated[float, figure(parse_rate_hz), shown_as("30/s")]
_Throughput = Annotated[float, figure(parse_throughput_hz), shown_as("500/s")]
_Budget = Annotated[float, figure(parse_budget_usd_per_month), shown_as("500 USD/month")]
_Limits = Annotated[
    Mapping[str, _Limit],
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {
                r"^[pP][0-9]+(\.[0-9]+)?$": {"type": "string", "examples": ["20 ms"]}
            },
            "additionalProperties": False,
            "description": "Percentile of the request latency -> the most it may be.",
        }
    ),
]


Listed = Annotated[tuple[specs.Text, ...], Field(min_length=1)]
"""A list that is left out where there is nothing to say: an empty one could mean none or any."""


class ModelSpec(specs.Spec):
    """The model and what it is run on."""

    path: specs.Text | None = Field(default=None, description="ONNX file.")
    variants: Listed = Field(
        default=(), description="Other files of the same model: quantised, pruned, smaller."
    )
    make_variants: Listed = Field(default=(), description="Variants to make of it: int8 and fp16.")
    min_agreement: specs.Ratio | None = Field(
        default=None,
        description="Share of the answers in which a variant, or an execution provider that "
        "computes less precisely, agrees with the model on the CPU.",
    )
    min_accuracy: specs.Ratio | None = Field(
        default=None,
        description="Share of the samples that the model, a variant or a cascade answers as "
        "`labels` say.",
    )
    max_error: specs.ErrorRatio | None = Field(
        default=None,
        description="Most that an output may be off, of its largest number, so that what crosses "
        "a split is sent smaller; left out: it is sent as it is.",
    )
    shapes: Mapping[str, tuple[specs.Count, ...]] = Field(
        default={}, description="Shapes of inputs with symbolic dimensions."
    )
    inputs: specs.Text | None = Field(default=None, description=".npz file with real samples.")
    labels: specs.Text | None = Field(
        default=None,
        description=".npy or .npz file with the class that each sample of `inputs` shows.",
    )
    calibration: specs.Text | None = Field(
        default=None,
        description=".npz file with real samples for the ranges of int8; left out: a part of "
        "`inputs`.",
    )

    @field_validator("make_variants")
    @classmethod
    def _are_known(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(one.value for one in parse_precisions(words, what="variant"))
        except UsageError as error:
            raise problem(f"make_variants: {error.message}", error.hint) from error

    @field_validator("labels")
    @classmethod
    def _label_samples(cls, labels: str | None, info: ValidationInfo) -> str | None:
        if labels is not None and info.data.get("inputs") is None:
            raise problem("labels without samples", "add `inputs: SAMPLES.npz`")
        if labels is not None and not _any_variant(info):
            raise problem(
                "labels without variants",
                "add `variants: [FILE]` or `make_variants: [int8, fp16]`",
            )
        return labels

    @field_validator("calibration")
    @classmethod
    def _calibrates(cls, calibration: str | None, info: ValidationInfo) -> str | None:
        if calibration is not None and "int8" not in info.data.get("make_variants", ()):
            raise problem("calibration without an int8 variant", "add `make_variants: [int8]`")
        return calibration


def _any_variant(info: ValidationInfo) -> bool:
    """Tell whether there are variants; a list that is wrong was told already."""
    keys = ("variants", "make_variants")
    return any(key not in info.data or info.data[key] for key in keys)


class DemandSpec(specs.Spec):
    """How often the model is asked."""

    rate: _Rate | None = Field(default=None, description="Requests of one device.")
    arrival: Arrival | None = Field(
        default=None, description="How requests come; periodic if left out."
    )
    devices: Annotated[int, Field(strict=True, ge=1, le=MAX_FLEET)] | None = Field(
        default=None, description="Devices that ask at that rate, each; 1 if left out."
    )
    hours_per_day: Annotated[float, Field(strict=True, gt=0, le=24)] | None = Field(
        default=None, description="Hours in which requests come at that rate; 24 if left out."
    )
    days_per_week: Annotated[float, Field(strict=True, gt=0, le=7)] | None = Field(
        default=None, description="Days in which requests come; 7 if left out."
    )

    @property
    def active_ratio(self) -> float:
        """The share of the month in which requests come."""
        hours = 24.0 if self.hours_per_day is None else self.hours_per_day
        days = 7.0 if self.days_per_week is None else self.days_per_week
        return hours / 24 * days / 7


class DataSpec(specs.Spec):
    """What the raw input is, and what may become of it."""

    data_class: DataClass | None = Field(
        default=None, alias="class", description="How sensitive the raw input is."
    )
    may_leave: Leaves | None = Field(
        default=None,
        description="The most that may leave the device; left out: all of it, of class special "
        "all but raw input.",
    )
    regions: Listed = Field(
        default=(), description="Where raw input may be processed: EU, US, a provider's region."
    )
    retention: Annotated[specs.Duration, shown_as("24 h")] | None = Field(
        default=None, description="Longest time that a site may keep what it is sent."
    )
    encryption: specs.Flag | None = Field(
        default=None, description="Whatever leaves the device is encrypted on its way."
    )

    @field_validator("encryption")
    @classmethod
    def _fits_the_class(cls, encryption: bool | None, info: ValidationInfo) -> bool | None:
        data_class = info.data.get("data_class")
        if encryption is False and data_class not in (None, DataClass.PUBLIC):
            raise problem(
                f"encryption is false, but {data_class} data must be encrypted (PLC104)",
                "leave it out, or correct the class",
            )
        return encryption


class DeviceSpec(specs.Spec):
    """The device at the edge and what the model may take of it."""

    name: specs.Text | None = Field(
        default=None,
        description="Catalogue name or device file; left out: the machine placer runs on.",
    )
    location: specs.Text | None = Field(
        default=None,
        description="Where it is: a country code or a region of the catalogue, from where the way "
        "to the cloud regions is counted.",
    )
    memory: Annotated[specs.Bytes, shown_as("2 GB")] | None = Field(
        default=None, description="What the model may take."
    )
    power: specs.Power | None = Field(
        default=None, description="What the device may draw under load."
    )
    max_fallback: specs.Ratio | None = Field(
        default=None,
        description="Share of the nodes that may run on another execution provider than the one "
        "asked for; left out: any, with a warning.",
    )


class MeasuringSpec(specs.Spec):
    """How to measure on this machine."""

    execution_providers: tuple[specs.Ep, ...] = Field(
        default=(), description="Those to measure, as --ep names them; left out: all that work."
    )
    threads: Annotated[int, Field(strict=True, ge=1, le=MAX_THREADS)] | None = Field(
        default=None, description="Of ONNX Runtime; left out: the fastest number is looked for."
    )
    spinning: specs.Flag | None = Field(
        default=None, description="Whether idle threads spin; left out: what is faster."
    )
    time_limit: Annotated[float, figure(parse_limit_s), shown_as("60 s")] | None = Field(
        default=None, description="Longest time to measure each execution provider."
    )
    tune: Annotated[float, figure(parse_search_s), shown_as("30 s")] | None = Field(
        default=None,
        description="Time to search for the best session settings of each execution provider; "
        "left out: three are tried briefly, if none is fixed.",
    )
    options: Mapping[specs.Ep, Mapping[specs.Text, specs.OptionValue]] = Field(
        default={},
        description="Execution provider -> its options by its own names, as --ep-option.",
    )


class WorkloadSpec(specs.ProfileSpec):
    """One question to placer: a model under targets, rules and demand."""

    schema_id: Literal["placer/workload/v1"] = Field(
        alias="schema", description="Says what this file is."
    )
    model: ModelSpec = Field(default_factory=ModelSpec)
    latency: _Limits = Field(default={})
    demand: DemandSpec = Field(default_factory=DemandSpec)
    throughput: _Throughput | None = Field(
        default=None, description="Answers of all devices together that must be possible."
    )
    availability: specs.Ratio | None = Field(
        default=None, description="Share of the requests that must be answered at all."
    )
    must_work_offline: specs.Flag = Field(
        default=False, description="An answer is needed while the link is down."
    )
    data: DataSpec = Field(default_factory=DataSpec)
    request_size: specs.Bytes | None = Field(
        default=None,
        description="One request as the application sends it, for instance 80 KiB of JPEG.",
    )
    budget: _Budget | None = Field(default=None, description="For all devices together.")
    objective: Objective | None = Field(
        default=None,
        description="What the best is best in; left out: cost where it is known, else margin.",
    )
    device: DeviceSpec = Field(default_factory=DeviceSpec)
    network: specs.Text | None = Field(
        default=None, description="Catalogue name or network file; left out: assumed."
    )
    clouds: tuple[specs.Text, ...] = Field(
        default=(),
        description="Catalogue name, NAME@REGION or cloud file, each; left out: the cheapest CPU "
        "and the cheapest GPU offer.",
    )
    evidence: Listed = Field(default=(), description="[SITE=]FILE or folder, each.")
    measuring: MeasuringSpec = Field(default_factory=MeasuringSpec)

    @field_validator("latency")
    @classmethod
    def _limits_ascend(cls, latency: Mapping[str, float]) -> Mapping[str, float]:
        try:
            limits = sorted((parse_percentile(text, what=text), at) for text, at in latency.items())
        except UsageError as error:
            raise problem(f"latency: {error.message}", error.hint) from error
        for (low, low_s), (high, high_s) in pairwise(limits):
            names = format_percentile(low), format_percentile(high)
            if low == high:
                raise problem(f"latency states {names[0]} twice", "keep one")
            if high_s <= low_s:
                raise problem(
                    f"latency {names[0]} may be {format_duration(low_s)}, {names[1]} only "
                    f"{format_duration(high_s)}: {names[0]} never decides",
                    f"drop {names[0]}, or exchange the two",
                )
        return latency

    @field_validator("throughput")
    @classmethod
    def _covers_the_demand(cls, throughput: float | None, info: ValidationInfo) -> float | None:
        demand = info.data.get("demand")
        if throughput is None or demand is None or demand.rate is None:
            return throughput
        asked_hz = demand.rate * (demand.devices or 1)
        if throughput < asked_hz:
            raise problem(
                f"throughput {format_frequency(throughput)} is below the demand of "
                f"{format_frequency(asked_hz)}",
                "raise it, or leave it out: the demand is served in any case",
            )
        return throughput

    def to_core(self) -> Workload:
        """Return the question as the core takes it."""
        return Workload(
            targets=tuple(
                LatencyTarget(percentile, limit_s)
                for percentile, limit_s in sorted(
                    (parse_percentile(text), limit_s) for text, limit_s in self.latency.items()
                )
            ),
            data_class=self.data.data_class,
            regions=self.data.regions,
            may_leave=self.data.may_leave,
            needs_encryption=bool(self.data.encryption),
            retention_limit_s=self.data.retention,
            must_work_offline=self.must_work_offline,
            availability_ratio=self.availability,
            min_agreement_ratio=self.model.min_agreement,
            min_accuracy_ratio=self.model.min_accuracy,
            max_error_ratio=self.model.max_error,
            wire_input_bytes=self.request_size,
            rate_hz=self.demand.rate,
            arrival=self.demand.arrival or Arrival.PERIODIC,
            fleet=self.demand.devices or 1,
            active_ratio=self.demand.active_ratio,
            throughput_hz=self.throughput,
            budget_usd_per_month=self.budget,
            memory_limit_bytes=self.device.memory,
            power_limit_w=self.device.power,
            max_fallback_ratio=self.device.max_fallback,
            objective=self.objective,
        )


NEEDS_RATE = (
    ("demand", "arrival"),
    ("demand", "devices"),
    ("demand", "hours_per_day"),
    ("demand", "days_per_week"),
    ("budget",),
)
"""Keys that mean nothing without ``demand: rate:``."""


@dataclass(frozen=True, slots=True)
class WorkloadFile:
    """A workload file as it was read: the question, and where the model and the sites are."""

    name: str
    workload: Workload
    model: str | None
    variants: tuple[str, ...]
    make_variants: tuple[str, ...]
    labels: str | None
    calibration: str | None
    shapes: Mapping[str, tuple[int, ...]]
    inputs: str | None
    device: str | None
    location: str | None
    """Where the device is: a country or a region."""
    network: str | None
    clouds: tuple[str, ...]
    evidence: tuple[str, ...]
    eps: tuple[str, ...]
    ep_options: tuple[str, ...]
    """``NAME.KEY=VALUE`` each."""
    threads: int | None
    spinning: bool | None
    time_limit_s: float | None
    search_s: float | None
    """Time to search for the best session settings."""
    document: Document

    def stated(self, *key: str) -> str | None:
        """Return ``path:line:column`` of a key; None: the file does not state it."""
        value: object = self.document.data
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        return None if value is None else self.document.where(key)


def workload_file(spec: WorkloadSpec, document: Document) -> WorkloadFile:
    """Return what a validated document says, its paths relative to the working directory."""
    folder = os.path.dirname(document.path)  # noqa: PTH120  # a path is text as typed

    def near(path: str) -> str:
        return joined(folder, path)

    def site(text: str) -> str:
        return (
            near(text)
            if "/" in text or text.partition("@")[0].endswith((".yaml", ".yml"))
            else text
        )

    def record(text: str) -> str:
        named, separator, path = text.partition("=")
        return f"{named}={near(path)}" if separator else near(text)

    return WorkloadFile(
        name=spec.name,
        workload=spec.to_core(),
        model=None if spec.model.path is None else near(spec.model.path),
        variants=tuple(map(near, spec.model.variants)),
        make_variants=spec.model.make_variants,
        labels=None if spec.model.labels is None else near(spec.model.labels),
        calibration=None if spec.model.calibration is None else near(spec.model.calibration),
        shapes=dict(spec.model.shapes),
        inputs=None if spec.model.inputs is None else near(spec.model.inputs),
        device=None if spec.device.name is None else site(spec.device.name),
        location=spec.device.location,
        network=None if spec.network is None else site(spec.network),
        clouds=tuple(map(site, spec.clouds)),
        evidence=tuple(map(record, spec.evidence)),
        eps=spec.measuring.execution_providers,
        ep_options=tuple(
            f"{ep}.{key}={value}"
            for ep, options in spec.measuring.options.items()
            for key, value in options.items()
        ),
        threads=spec.measuring.threads,
        spinning=spec.measuring.spinning,
        time_limit_s=spec.measuring.time_limit,
        search_s=spec.measuring.tune,
        document=document,
    )


def workload_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a workload file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:workload:v1",
        **WorkloadSpec.model_json_schema(mode="validation", by_alias=True),
    }
