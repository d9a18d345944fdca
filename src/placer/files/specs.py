"""The YAML files that users write and the catalogue ships: devices, networks, clouds, regions.

Values carry their unit (``uplink: 99 Mbit/s``); a figure that nobody published is ``null`` or
left out. ``estimated`` names the figures that were derived, with the formula.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from placer.core.coverage import parse_soc
from placer.core.environment import (
    Basis,
    ChipClass,
    CloudOffer,
    Device,
    NetworkPath,
    Region,
    Roofline,
)
from placer.core.errors import UsageError
from placer.core.network.limits import (
    MAX_BURST_PACKETS,
    MIN_BURST_PACKETS,
    parse_buffer_bytes,
    parse_link_rate_bytes_per_s,
    parse_loss_ratio,
    parse_rtt_s,
)
from placer.core.privacy import JURISDICTIONS
from placer.core.runtime import parse_ep
from placer.core.units import (
    format_percentile,
    parse_bytes,
    parse_duration_s,
    parse_memory_rate_bytes_per_s,
    parse_operations_per_s,
    parse_percentile,
    parse_power_w,
    parse_ratio,
    parse_usd,
    parse_usd_per_byte,
    parse_usd_per_hour,
)

NO_EP = "none"
"""The ``ep`` of an accelerator for which ONNX Runtime has no execution provider."""


def problem(text: str, hint: str | None = None) -> PydanticCustomError:
    """Return an error that pydantic carries to `validating.usage_error` unchanged."""
    return PydanticCustomError("placer", "{text}", {"text": text, "hint": hint})


def shown_as(example: str, *, or_number: bool = False) -> WithJsonSchema:
    """Say in a JSON Schema that a figure is written with its unit."""
    kinds: list[object] = ["string", "number"] if or_number else ["string"]
    return WithJsonSchema(
        {"type": kinds, "pattern": r"^[0-9.eE+-]+ ?[^0-9 ].*$", "examples": [example]}
    )


def figure(parse: Callable[..., Any]) -> BeforeValidator:
    """Parse text by one of the parsers of core.units; the key names the value in messages."""

    def convert(value: object, info: ValidationInfo) -> object:
        if value is None:  # for a figure that may be unknown; pydantic refuses it elsewhere
            return None
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise problem(f"{info.field_name} is not a figure with a unit")
        try:
            return parse(str(value), what=str(info.field_name))
        except UsageError as error:
            raise problem(error.message, error.hint) from error

    return BeforeValidator(convert)


def _duration_s(text: str, *, what: str) -> float:
    return parse_duration_s(text, what=what, allow_zero=True)


def _rtt_s(text: str, *, what: str) -> float:
    return parse_rtt_s(text, what=what, allow_zero=True)


def _ep_name(text: str, *, what: str) -> str:
    return NO_EP if text == NO_EP and what == "ep" else parse_ep(text)


def _soc_name(text: str, *, what: str) -> str:
    del what
    return parse_soc(text)


Bytes = Annotated[int, figure(parse_bytes), shown_as("80 KiB")]
Duration = Annotated[float, figure(_duration_s), shown_as("20 ms")]
_Rtt = Annotated[float, figure(_rtt_s), shown_as("20 ms")]
_Buffer = Annotated[int, figure(parse_buffer_bytes), shown_as("300 kB")]
_LinkRate = Annotated[float, figure(parse_link_rate_bytes_per_s), shown_as("10 Mbit/s")]
_Loss = Annotated[float, figure(parse_loss_ratio), shown_as("0.5%", or_number=True)]
_Burst = Annotated[float, Field(ge=MIN_BURST_PACKETS, le=MAX_BURST_PACKETS)]
_MemoryRate = Annotated[float, figure(parse_memory_rate_bytes_per_s), shown_as("25.6 GB/s")]
_OperationRate = Annotated[float, figure(parse_operations_per_s), shown_as("1.3 TFLOP/s")]
Power = Annotated[float, figure(parse_power_w), shown_as("15 W")]
_Price = Annotated[float, figure(parse_usd), shown_as("249 USD")]
_PricePerHour = Annotated[float, figure(parse_usd_per_hour), shown_as("0.526 USD/h")]
_PricePerByte = Annotated[float, figure(parse_usd_per_byte), shown_as("0.09 USD/GB")]
Ratio = Annotated[float, figure(parse_ratio), shown_as("99.9%", or_number=True)]
ErrorRatio = Annotated[float, figure(parse_ratio), shown_as("1%", or_number=True)]
Ep = Annotated[str, figure(_ep_name)]
Soc = Annotated[str, figure(_soc_name)]
Count = Annotated[int, Field(strict=True, gt=0)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]


def _option_text(value: object) -> object:
    """Return a whole number as text; what true or 1.50 should be there YAML does not tell."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise problem("is no text", 'write it in quotes, as the execution provider has it: "1"')
    return value


def _date_text(value: object) -> object:
    """Return a date as it is written: ``2026-11-24``."""
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise problem(f"'{value}' is no date", "write it like 2026-11-24") from error


def _known_law(value: object) -> object:
    """Refuse what is no jurisdiction: nothing would ever lie in it."""
    if isinstance(value, str) and value not in JURISDICTIONS:
        raise problem(
            f"unknown jurisdiction '{value[:60]}'",
            "write EU, EEA or the two letters of a country (ISO 3166-1), as DE or US",
        )
    return value


Date = Annotated[str, BeforeValidator(_date_text)]
OptionValue = Annotated[str, BeforeValidator(_option_text)]
""": 1 and "1" mean the same."""
Jurisdiction = Annotated[str, BeforeValidator(_known_law), Field(pattern=r"^[A-Z]{2,3}$")]
_Basis = Literal["measured", "catalogue", "assumed"]


class Spec(BaseModel):
    """A part of a file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def stated(self) -> Mapping[str, object]:
        """Return what the file states of this part, under the keys that it uses."""
        fields = type(self).model_fields
        return {fields[name].alias or name: getattr(self, name) for name in self.model_fields_set}


class ComputeSpec(Spec):
    """What a chip reaches: the three parameters of a roofline."""

    flops: _OperationRate | None = None
    """Effective, not peak."""
    bandwidth: _MemoryRate | None = None
    per_operator: Duration
    level: Literal["E4", "E5", "E6"]
    runtime: Text
    dtype: Literal["float32", "float16", "bfloat16", "int8", "uint8"] = "float32"
    source: Text

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if self.flops is None and self.bandwidth is None:
            raise problem("compute has neither flops nor bandwidth", "state one, or leave it out")
        return self

    def to_core(self) -> Roofline:
        """Return the roofline."""
        return Roofline(
            flops_per_s=self.flops,
            bytes_per_s=self.bandwidth,
            s_per_op=self.per_operator,
            level=self.level,
            runtime=self.runtime,
            source=self.source,
            dtype=self.dtype,
        )


class ProfileSpec(Spec):
    """What every profile has."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="How reports call it; in the catalogue that of its file."
    )
    title: str | None = Field(default=None, description="A few words for people.")
    basis: _Basis = Field(
        default="assumed", description="Where the figures stand; those that you chose are assumed."
    )
    source: Text | None = Field(default=None, description="Where the figures come from.")
    estimated: Mapping[str, Text] = Field(
        default={},
        description="Figure of this file (`latency.p99`, `price`) -> how it was derived.",
    )
    note: Text | None = Field(default=None, description="What a reader should know beside.")

    @model_validator(mode="after")
    def _estimates_are_there(self) -> Self:
        for key in self.estimated:
            name, _, inner = key.partition(".")
            value = getattr(self, name, None)
            if isinstance(value, Mapping):
                value = value.get(inner)
            elif isinstance(value, Spec) and inner:
                value = value.stated().get(inner)
            if value is None:
                raise problem(
                    f"estimated names '{key}', which this file does not state",
                    "name a figure of this file",
                )
        return self


class DeviceSpec(ProfileSpec):
    """A device at the edge."""

    chip_class: ChipClass = Field(alias="class")
    here: Flag = False
    """The file describes the machine that placer runs on: compute is measured here."""
    cores: Count | None = None
    memory: Bytes | None = None
    architecture: Literal["aarch64", "x86_64"] | None = None
    """Of the processor; evidence of another one is not of this device."""
    peak_fp32: _OperationRate | None = None
    peak_fp16: _OperationRate | None = None
    peak_int8: _OperationRate | None = None
    """Dense, not the sparse figure of the headline."""
    memory_bandwidth: _MemoryRate | None = None
    power: Power | None = None
    """Under load."""
    send_power: Power | None = None
    """Of the whole device while it sends a request."""
    receive_power: Power | None = None
    """Of the whole device while it receives an answer."""
    idle_power: Power | None = None
    """Of the whole device while it waits for an answer."""
    price: _Price | None = None
    execution_providers: tuple[Ep, ...] = ()
    soc: Soc | None = None
    """Chip with a Qualcomm NPU, which models are compiled for."""
    availability: Ratio | None = None
    compute: ComputeSpec | None = None

    @field_validator("compute")
    @classmethod
    def _is_elsewhere(cls, compute: ComputeSpec | None, info: ValidationInfo) -> object:
        if compute is not None and info.data.get("here"):
            raise problem(
                "compute is stated for this machine, where it is measured",
                "drop `compute:`, or `here: true` if it is another machine",
            )
        return compute

    def to_core(self) -> Device:
        """Return the device."""
        return Device(
            name=self.name,
            title=self.title or self.name,
            chip_class=self.chip_class,
            is_this_machine=self.here,
            cores=self.cores,
            memory_bytes=self.memory,
            architecture=self.architecture,
            peak_fp32_flops_per_s=self.peak_fp32,
            peak_fp16_flops_per_s=self.peak_fp16,
            peak_int8_ops_per_s=self.peak_int8,
            memory_bytes_per_s=self.memory_bandwidth,
            power_w=self.power,
            send_w=self.send_power,
            receive_w=self.receive_power,
            idle_w=self.idle_power,
            price_usd=self.price,
            execution_providers=self.execution_providers,
            soc=self.soc,
            availability_ratio=self.availability,
            roofline=None if self.compute is None else self.compute.to_core(),
            source=self.source or "",
            basis=Basis(self.basis),
        )


def _samples(value: object, info: ValidationInfo) -> object:
    """Turn ``[9 ms, 11 ms]`` or ``{unit: ms, values: [9, 11]}`` into seconds."""
    texts: object = value
    unit = ""
    if isinstance(value, Mapping):
        if set(value) != {"unit", "values"}:
            raise problem(
                f"{info.field_name} is not a list", "write {unit: ms, values: [9.1, 10.4]}"
            )
        texts, unit = value["values"], f" {value['unit']}"
    if not isinstance(texts, list) or not texts:
        raise problem(f"{info.field_name} has no samples", "write [9.1 ms, 10.4 ms]")
    try:
        return tuple(_rtt_s(f"{text}{unit}", what=str(info.field_name)) for text in texts)
    except UsageError as error:
        raise problem(error.message, error.hint) from error


class NetworkSpec(ProfileSpec):
    """The way from the device to a site."""

    rtt: Mapping[str, _Rtt | None] = {}
    """Percentile (``p50``, ``p99.9``) -> round-trip time."""
    rtt_samples: Annotated[tuple[float, ...], BeforeValidator(_samples)] = ()
    uplink: _LinkRate | None = None
    """Median."""
    uplink_p5: _LinkRate | None = None
    """The slow end: 5 % of the time the rate is lower."""
    downlink: _LinkRate | None = None
    downlink_p5: _LinkRate | None = None
    loss: _Loss | None = None
    loss_at_most: _Loss | None = None
    """Upper end of a measured loss (95 %)."""
    loss_burst: _Burst | None = 1.0
    """Mean length of a burst of losses in packets; 1: each by itself; null: unknown."""
    buffer: _Buffer | None = None
    congestion_control: Literal["cubic", "bbr"] = "cubic"
    connection: Literal["new", "warm", "idle"] = "warm"
    tls: Flag = True
    data_price: _PricePerByte | None = None
    availability: Ratio | None = None
    measured_at: Date | None = None
    """Date of the measurement: it ages."""
    measured_to: Text | None = None
    """``access``: a server near the device; ``endpoint``: where the requests go; or a region."""

    @field_validator("rtt")
    @classmethod
    def _ascends(cls, rtt: Mapping[str, float | None]) -> Mapping[str, float | None]:
        try:
            quantiles = sorted(
                (parse_percentile(text, what="rtt percentile"), value)
                for text, value in rtt.items()
                if value is not None
            )
        except UsageError as error:
            raise problem(error.message, error.hint) from error
        for (low, low_s), (high, high_s) in pairwise(quantiles):
            if low == high:
                raise problem(f"rtt states {format_percentile(low)} twice", "keep one")
            if high_s < low_s:
                raise problem(
                    f"rtt {format_percentile(high)} is below {format_percentile(low)}",
                    "a higher percentile cannot be lower",
                )
        return rtt

    @field_validator("rtt_samples")
    @classmethod
    def _is_the_only_rtt(cls, samples: tuple[float, ...], info: ValidationInfo) -> object:
        if samples and info.data.get("rtt"):
            raise problem("both rtt and rtt_samples are stated", "keep one")
        return samples

    @field_validator("loss_at_most")
    @classmethod
    def _is_the_upper_end(cls, at_most: float | None, info: ValidationInfo) -> float | None:
        if at_most is not None and "loss" in info.data:
            loss = info.data["loss"]
            if loss is None:
                raise problem("loss_at_most is stated without loss", "add `loss:`")
            if at_most < loss:
                raise problem("loss_at_most is below loss", "it is the upper end of loss")
        return at_most

    @field_validator("uplink_p5", "downlink_p5")
    @classmethod
    def _is_the_slow_end(cls, p5: float | None, info: ValidationInfo) -> float | None:
        key = str(info.field_name)
        median_key = key.removesuffix("_p5")
        if p5 is not None and median_key in info.data:
            median = info.data[median_key]
            if median is None:
                raise problem(f"{key} is stated without {median_key}", f"add `{median_key}:`")
            if p5 > median:
                raise problem(
                    f"{key} is above {median_key}",
                    f"{key} is the slow end, {median_key} the median",
                )
        return p5

    def to_core(self) -> NetworkPath:
        """Return the path."""
        quantiles = sorted(
            (parse_percentile(text), value) for text, value in self.rtt.items() if value is not None
        )
        return NetworkPath(
            name=self.name,
            title=self.title or self.name,
            rtt_quantiles_s=tuple(quantiles),
            rtt_samples_s=self.rtt_samples,
            uplink_bytes_per_s=self.uplink,
            uplink_p5_bytes_per_s=self.uplink_p5,
            downlink_bytes_per_s=self.downlink,
            downlink_p5_bytes_per_s=self.downlink_p5,
            loss_ratio=self.loss,
            loss_at_most_ratio=self.loss_at_most,
            loss_burst_packets=self.loss_burst,
            buffer_bytes=self.buffer,
            congestion_control=self.congestion_control,
            connection=self.connection,
            is_encrypted=self.tls,
            data_usd_per_byte=self.data_price,
            availability_ratio=self.availability,
            measured_at=self.measured_at,
            measured_to=self.measured_to,
            source=self.source or "",
            basis=Basis(self.basis),
        )


class AcceleratorSpec(Spec):
    """What a rented machine has beside its CPU."""

    name: Text
    count: Count = 1
    memory: Bytes | None = None
    """Of one, as all figures here."""
    peak_fp32: _OperationRate | None = None
    peak_fp16: _OperationRate | None = None
    peak_int8: _OperationRate | None = None
    memory_bandwidth: _MemoryRate | None = None
    power: Power | None = None
    source: Text | None = None


class OfferSpec(Spec):
    """The price of a machine in one region."""

    region: Text | None = None
    jurisdiction: Jurisdiction | None = None
    price: _PricePerHour | None = None
    egress: _PricePerByte | None = None
    """First paid tier to the internet."""
    source: Text | None = None
    as_of: Text | None = None


class CloudSpec(ProfileSpec):
    """One rentable machine and where it is offered."""

    provider: Text
    instance: Text
    chip_class: ChipClass = Field(alias="class")
    ep: Ep
    vcpus: Count | None = None
    memory: Bytes | None = None
    accelerator: AcceleratorSpec | None = None
    tls: Flag = True
    availability: Ratio | None = None
    retention: Duration | None = None
    """How long it keeps what it is sent; 0 s: not beyond the answer."""
    offers: tuple[OfferSpec, ...]
    compute: ComputeSpec | None = None

    @field_validator("offers")
    @classmethod
    def _differ(cls, offers: tuple[OfferSpec, ...]) -> tuple[OfferSpec, ...]:
        if not offers:
            raise problem("offers is empty", "state one: - region: NAME")
        regions = [offer.region for offer in offers]
        for region in regions:
            if regions.count(region) > 1:
                raise problem(
                    f"offers has two for the region {region or '(none)'}", "one for each region"
                )
        return offers

    def to_core(self) -> tuple[CloudOffer, ...]:
        """Return one offer for each region."""
        accelerator = self.accelerator
        return tuple(
            CloudOffer(
                name=self.name,
                provider=self.provider,
                instance=self.instance,
                region=offer.region,
                jurisdiction=offer.jurisdiction,
                chip_class=self.chip_class,
                ep=self.ep,
                vcpus=self.vcpus,
                memory_bytes=self.memory,
                accelerator=None if accelerator is None else accelerator.name,
                accelerators=0 if accelerator is None else accelerator.count,
                peak_fp32_flops_per_s=None if accelerator is None else accelerator.peak_fp32,
                peak_fp16_flops_per_s=None if accelerator is None else accelerator.peak_fp16,
                peak_int8_ops_per_s=None if accelerator is None else accelerator.peak_int8,
                memory_bytes_per_s=None if accelerator is None else accelerator.memory_bandwidth,
                usd_per_hour=offer.price,
                egress_usd_per_byte=offer.egress,
                is_encrypted=self.tls,
                availability_ratio=self.availability,
                retention_s=self.retention,
                roofline=None if self.compute is None else self.compute.to_core(),
                source=offer.source or self.source or "",
                price_as_of=offer.as_of,
                basis=Basis(self.basis),
            )
            for offer in self.offers
        )


class NearSpec(Spec):
    """A region of another provider in the same metropolitan area."""

    region: Text
    """Its name in the catalogue."""
    rtt: Duration
    """The round trip between the two is at most this."""
    source: Text
    """What tells that the two are near to each other."""


class RegionSpec(ProfileSpec):
    """A place of a cloud provider."""

    provider: Text
    region: Text
    """The provider's own name."""
    jurisdiction: Jurisdiction
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    """ISO 3166-1 alpha-2."""
    rtt_p95_to_ms: Mapping[str, Annotated[float, Field(gt=0)]] = {}
    """Region of the same provider -> 95th percentile of the round-trip time to it."""
    rtt_source: Text | None = None
    near: NearSpec | None = None
    """Where no round trips of its own are published: the region whose figures stand for it."""
    as_of: Text | None = None
    """Date of the source, or the day it was read."""

    def to_core(self) -> Region:
        """Return the region."""
        return Region(
            name=self.region,
            provider=self.provider,
            jurisdiction=self.jurisdiction,
            country=self.country,
            source=self.source or "",
            near=None if self.near is None else self.near.region,
            near_s=0.0 if self.near is None else self.near.rtt,
            near_source="" if self.near is None else self.near.source,
            rtt_p95_s=tuple((name, ms / 1e3) for name, ms in self.rtt_p95_to_ms.items()),
            rtt_source=self.rtt_source or "",
        )
