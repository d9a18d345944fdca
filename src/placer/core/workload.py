"""What is asked: targets, privacy, demand, budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from placer.core.errors import UsageError
from placer.core.units import parse_duration_s, parse_frequency_hz, parse_usd_per_month

MAX_FLEET = 100_000_000
MAX_RATE_HZ = 1e6
MAX_THROUGHPUT_HZ = 1e9
MIN_RATE_HZ = 1 / (366 * 86400)
MAX_THREADS = 1024
MAX_BUDGET_USD_PER_MONTH = 1e12
SEARCH_RANGE_S = (2.0, 3600.0)
LIMIT_RANGE_S = (1e-9, 366 * 86400.0)


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
    min_agreement_ratio: float | None = None
    """Share of the answers in which a variant must agree with the model."""
    min_accuracy_ratio: float | None = None
    """Share of the labelled samples that must be answered rightly."""
    max_error_ratio: float | None = None
    """The most that an output of a split may be off, of its largest number, by the format in which
    its tensors are sent; None: they are sent as they are."""
    memory_limit_bytes: int | None = None
    """What the model may take of the device's memory."""
    power_limit_w: float | None = None
    """What the device may draw under load."""
    max_fallback_ratio: float | None = None
    """Share of the nodes that may run on another execution provider than the one asked for; None:
    any, with a warning."""
    objective: Objective | None = None
    """None: cost where a rate is known, else margin."""


def parse_limit_s(text: str, *, what: str) -> float:
    """Parse the limit of a latency target. Raises UsageError where no latency can be so."""
    limit_s = parse_duration_s(text, what=what)
    if not LIMIT_RANGE_S[0] <= limit_s <= LIMIT_RANGE_S[1]:
        raise UsageError(
            f"{what} {text} is no latency that anything has", hint="between 1ns and 366d"
        )
    return limit_s


def parse_search_s(text: str, *, what: str) -> float:
    """Parse the time to search for settings. Raises UsageError where nothing can be tried in it."""
    search_s = parse_duration_s(text, what=what)
    if not SEARCH_RANGE_S[0] <= search_s <= SEARCH_RANGE_S[1]:
        raise UsageError(
            f"{what} {text} is no time to search for settings in", hint="between 2s and 1h"
        )
    return search_s


def parse_rate_hz(text: str, *, what: str) -> float:
    """Parse the requests of one device. Raises UsageError for a rate that no device has."""
    rate_hz = parse_frequency_hz(text, what=what)
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UsageError(
            f"{what} {text} is beyond what one device asks",
            hint=f"between one request a year and {MAX_RATE_HZ:,.0f}/s; the number of devices "
            "multiplies it",
        )
    return rate_hz


def parse_throughput_hz(text: str, *, what: str) -> float:
    """Parse the answers that are needed of all devices. Raises UsageError beyond all reason."""
    throughput_hz = parse_frequency_hz(text, what=what)
    if throughput_hz > MAX_THROUGHPUT_HZ:
        raise UsageError(
            f"{what} {text} is more than anyone answers", hint=f"at most {MAX_THROUGHPUT_HZ:,.0f}/s"
        )
    return throughput_hz


def parse_budget_usd_per_month(text: str, *, what: str) -> float:
    """Parse a budget. Raises UsageError for one beyond all reason."""
    budget_usd = parse_usd_per_month(text, what=what)
    if budget_usd > MAX_BUDGET_USD_PER_MONTH:
        raise UsageError(f"{what} {text} is too large", hint="at most 1e12USD/month")
    return budget_usd
