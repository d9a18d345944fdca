"""Where a model could run and over what: devices, network paths, cloud offers, regions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """Where a number comes from, best first."""

    MEASURED = "measured"
    TRANSFERRED = "transferred"
    CATALOGUE = "catalogue"
    ASSUMED = "assumed"


class ChipClass(StrEnum):
    """The kind of processor that a time belongs to; times never cross between them."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"


@dataclass(frozen=True, slots=True)
class Roofline:
    """Three-parameter additive time model: ``flops/F + bytes/B + ops*o``.

    A term whose parameter is None is not identifiable from the source and counts nothing.
    """

    flops_per_s: float | None
    """Effective floating-point rate."""
    bytes_per_s: float | None
    """Effective memory rate."""
    s_per_op: float
    """Fixed time per operator."""
    level: str
    """Evidence level ``E4`` (fitted on this chip and runtime) to ``E6`` (specifications)."""
    runtime: str
    """Runtime that the parameters hold for."""
    source: str
    dtype: str = "float32"
    """Arithmetic type that the parameters hold for."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device at the edge. Blank figures are None: nobody published them."""

    name: str
    title: str
    chip_class: ChipClass
    is_this_machine: bool = False
    """Measured here; every other device needs evidence or the catalogue."""
    cores: int | None = None
    memory_bytes: int | None = None
    architecture: str | None = None
    """Of its processor, as the machine itself tells it: ``aarch64``, ``x86_64``."""
    peak_fp32_flops_per_s: float | None = None
    peak_fp16_flops_per_s: float | None = None
    peak_int8_ops_per_s: float | None = None
    memory_bytes_per_s: float | None = None
    power_w: float | None = None
    """Power under load; of a range, the upper end."""
    send_w: float | None = None
    """Of the whole device while it sends a request."""
    receive_w: float | None = None
    """While it receives an answer."""
    idle_w: float | None = None
    """While it waits for one."""
    price_usd: float | None = None
    execution_providers: tuple[str, ...] = ()
    soc: str | None = None
    """Chip whose NPU the model can be compiled for; None: there is no compiler for it here."""
    availability_ratio: float | None = None
    """Share of the time that the model answers there; None: unknown."""
    roofline: Roofline | None = None
    source: str = ""
    basis: Basis = Basis.CATALOGUE


@dataclass(frozen=True, slots=True)
class Backbone:
    """The way from where an access network was measured to, on to a cloud region.

    Its round trip is at most ``high_s`` in the share ``known_percentile`` of the time. Nothing is
    known of the rest of the time.
    """

    start: str
    """Region or country, as ``azure-westeurope`` or ``DE``."""
    end: str
    """``aws-us-east-1``."""
    high_s: float | None
    """None: not known, counted as nothing."""
    low_s: float = 0.0
    """The same percentile of the round trip is at least this."""
    estimated_s: float = 0.0
    """Part of ``high_s`` that nobody published: what lies between two regions in one city."""
    known_percentile: float = 0.95
    """1: ``high_s`` holds always. 0: it is a guess, as where only a country is known."""
    source: str = ""
    basis: Basis = Basis.CATALOGUE

    @property
    def is_exact(self) -> bool:
        """Whether the round trip is this at all times."""
        return self.known_percentile == 1 and self.low_s == self.high_s


ACCESS = "access"
"""A path was measured to a server near the device: the way on to a region comes on top."""
ENDPOINT = "endpoint"
"""A path was measured to where the requests go: nothing comes on top."""


NETWORK_MAX_AGE_DAYS = 7.0
"""A path changes with the hour: what was measured before proves nothing."""


@dataclass(frozen=True, slots=True)
class NetworkPath:
    """The way from the device to a site. RTT is to where ``measured_to`` says."""

    name: str
    title: str
    rtt_quantiles_s: tuple[tuple[float, float], ...] = ()
    """(percentile in (0, 1), seconds), ascending in both; empty: RTT unknown."""
    rtt_samples_s: tuple[float, ...] = ()
    """Measured samples; when present they are the distribution and quantiles are ignored."""
    uplink_bytes_per_s: float | None = None
    """Median rate from the device."""
    uplink_p5_bytes_per_s: float | None = None
    """5th percentile of the rate: the slow end."""
    downlink_bytes_per_s: float | None = None
    downlink_p5_bytes_per_s: float | None = None
    loss_ratio: float | None = None
    """Share of packets lost; None: unknown."""
    loss_at_most_ratio: float | None = None
    """Upper end of a measured loss (95 %): `met` is claimed only where it holds with that too."""
    loss_burst_packets: float | None = 1.0
    """Mean length of a burst of losses; 1: each packet is lost by itself; None: unknown."""
    buffer_bytes: int | None = None
    """Queue of the sending host; None: one bandwidth-delay product and at least 1,000 packets."""
    congestion_control: str = "cubic"
    """``cubic`` or ``bbr``."""
    connection: str = "warm"
    """State of the connection when a request starts: ``new``, ``warm`` or ``idle``."""
    is_encrypted: bool = True
    """TLS between device and site."""
    data_usd_per_byte: float | None = None
    """What the device's data plan charges; None: unknown."""
    availability_ratio: float | None = None
    """Share of the time that the link is up; None: unknown."""
    measured_at: str | None = None
    """Date of the measurement, ISO 8601; None: a figure of the catalogue, or not stated."""
    age_days: int | None = None
    """On the day of the question; None: it does not age, or nobody asks."""
    measured_to: str | None = None
    """``access``, ``endpoint`` or a region (``aws-us-east-1``); None: not stated."""
    backbone: Backbone | None = None
    """What comes on top of the RTT above; None: nothing is added."""
    source: str = ""
    basis: Basis = Basis.CATALOGUE


@dataclass(frozen=True, slots=True)
class CloudOffer:
    """One rentable machine in one region."""

    name: str
    """Catalogue key, without region."""
    provider: str
    instance: str
    region: str | None
    """The provider's region name; None: the source does not say."""
    jurisdiction: str | None
    """Jurisdiction of the region (``EU``, ``US``, ...); None: unknown."""
    chip_class: ChipClass
    ep: str
    """Execution provider that serves the model there: ``cpu`` or ``cuda``."""
    vcpus: int | None = None
    memory_bytes: int | None = None
    accelerator: str | None = None
    accelerators: int = 0
    peak_fp32_flops_per_s: float | None = None
    """Of one accelerator, on which a request runs; None: unknown, or of a CPU nobody states."""
    peak_fp16_flops_per_s: float | None = None
    peak_int8_ops_per_s: float | None = None
    memory_bytes_per_s: float | None = None
    usd_per_hour: float | None = None
    egress_usd_per_byte: float | None = None
    """First paid tier to the internet; None: unknown."""
    is_encrypted: bool = True
    """The endpoint is reached over TLS."""
    availability_ratio: float | None = None
    """Share of the time that it answers; None: unknown."""
    retention_s: float | None = None
    """How long it keeps what it is sent; 0: not beyond the answer; None: unknown."""
    roofline: Roofline | None = None
    source: str = ""
    price_as_of: str | None = None
    """Date or version of the price."""
    country: str | None = None
    """Of the region, ISO 3166-1 alpha-2; None: unknown."""
    basis: Basis = Basis.CATALOGUE


@dataclass(frozen=True, slots=True)
class Region:
    """A named place of a cloud provider and the law that holds there."""

    name: str
    provider: str
    jurisdiction: str
    """``EU``, ``US``, ``UK``, ``CA``, ``JP``, ... as ``--region`` takes it."""
    country: str
    """ISO 3166-1 alpha-2."""
    source: str
    near: str | None = None
    """A region of another provider in the same metropolitan area; None: none is known."""
    near_s: float = 0.0
    """The round trip between the two is at most this."""
    near_source: str = ""
    rtt_p95_s: tuple[tuple[str, float], ...] = ()
    """(region, 95th percentile of the round trip to it)."""
    rtt_source: str = ""

    @property
    def key(self) -> str:
        """Name in the catalogue: ``aws-us-east-1``."""
        return f"{self.provider}-{self.name}".lower()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is, as a person names it."""

    name: str
    """``azure-westeurope`` or ``DE``."""
    is_country: bool
    """Then its regions tell roughly how far other regions are, and prove nothing."""
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Assumption:
    """An input that nobody stated: what placer took instead."""

    name: str
    value: str
    unit: str
    basis: Basis
    source: str
