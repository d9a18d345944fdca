"""What is asked: targets, privacy, demand, budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DataClass(StrEnum):
    """How sensitive the model's raw input is."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"
    """Personal data (GDPR article 4(1))."""
    SPECIAL = "special"
    """Special categories: health, biometrics, beliefs (GDPR article 9)."""


class Arrival(StrEnum):
    """The arrival process of requests."""

    PERIODIC = "periodic"
    POISSON = "poisson"


class Objective(StrEnum):
    """What the best feasible placement is best in."""

    COST = "cost"
    LATENCY = "latency"
    ENERGY = "energy"
    MARGIN = "margin"
    """Distance to the latency target; the default where no rate is known."""


class Leaves(StrEnum):
    """The most revealing thing that leaves the device, least first."""

    NOTHING = "nothing"
    OUTPUT = "output"
    INTERMEDIATE = "intermediate"
    RAW_INPUT = "raw_input"


@dataclass(frozen=True, slots=True)
class LatencyTarget:
    """``percentile`` of the request latency must be at most ``limit_s``."""

    percentile: float
    """In (0, 1); 0.99 is p99."""
    limit_s: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One question: a model under targets, rules and demand."""

    targets: tuple[LatencyTarget, ...] = ()
    data_class: DataClass | None = None
    """None: not stated (PLC103)."""
    regions: tuple[str, ...] = ()
    """Jurisdictions or regions where raw input may be processed; empty: not restricted."""
    may_leave: Leaves | None = None
    """The most that may leave the device; None: what the data class says."""
    needs_encryption: bool = False
    """Whatever leaves the device is encrypted on its way, of whatever class it is."""
    retention_limit_s: float | None = None
    """Longest time that a site may keep what it was sent; None: not restricted."""
    must_work_offline: bool = False
    """An answer is needed while the link is down."""
    availability_ratio: float | None = None
    """Share of the requests that must be answered at all; None: not asked."""
    wire_input_bytes: int | None = None
    """Size of one request body as the application would send it; None: the raw tensors."""
    rate_hz: float | None = None
    """Requests per second of one device."""
    arrival: Arrival = Arrival.PERIODIC
    fleet: int = 1
    """Number of devices that ask."""
    active_ratio: float = 1.0
    """Share of the month in which requests come at that rate, in (0, 1]."""
    throughput_hz: float | None = None
    """Answers per second, of all devices together, that the placement must be able to give."""
    budget_usd_per_month: float | None = None
    """For the whole fleet."""
    memory_limit_bytes: int | None = None
    """What the model may take of the device's memory."""
    power_limit_w: float | None = None
    """What the device may draw under load."""
    objective: Objective | None = None
    """None: cost where a rate is known, else margin."""
