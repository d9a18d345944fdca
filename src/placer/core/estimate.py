"""The answer and its parts, as ``core.advise`` makes them and every report renders them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from placer.core.cascade import CascadeFacts
from placer.core.environment import Assumption, Basis
from placer.core.finding import Finding
from placer.core.graph import TensorSpec
from placer.core.precision import Precision
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Agreement
from placer.core.workload import LatencyTarget, Leaves


class Placement(StrEnum):
    """The kinds of placement; NONE only in a decision."""

    EDGE = "edge"
    CLOUD = "cloud"
    SPLIT = "split"
    CASCADE = "cascade"
    FALLBACK = "fallback"
    NONE = "none"

    @property
    def family(self) -> str:
        """``edge``, ``cloud``, ``hybrid`` or ``none``: the ``class`` of the JSON."""
        if self in (Placement.SPLIT, Placement.CASCADE, Placement.FALLBACK):
            return "hybrid"
        return self.value


class Verdict(StrEnum):
    """What is known about a target."""

    MET = "met"
    VIOLATED = "violated"
    UNPROVEN = "unproven"


class StageKind(StrEnum):
    """What time is spent on."""

    COMPUTE = "compute"
    TRANSFER = "transfer"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the request latency of one candidate."""

    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    mean_s: float

    @property
    def steadiness_ratio(self) -> float:
        """p99 over p50; 1 is perfectly steady."""
        return self.p99_s / self.p50_s


@dataclass(frozen=True, slots=True)
class Spread:
    """How the request latency of one candidate is distributed."""

    points_s: tuple[float, ...]
    """Quantiles in equal steps, ascending: each stands for the same share of the requests."""
    is_lower_bound: bool
    """Something is unknown and counted as nothing."""


@dataclass(frozen=True, slots=True)
class TargetVerdict:
    """One target judged for one candidate."""

    percentile: float
    limit_s: float
    value_s: float | None
    """Estimate of the quantile; None: nothing to estimate it from."""
    low_s: float | None
    """Lower confidence bound of the quantile (one-sided 95 %)."""
    high_s: float | None
    """Upper confidence bound; None: the samples give none."""
    verdict: Verdict
    probability: float | None
    """Probability that the target holds, over the uncertainty of the inputs; None: not known, or
    only other programs may be why it does not."""
    reason: str
    """Why the verdict is what it is, with the runs still needed where that is the cause."""
    runs_needed: int | None = field(default=None, compare=False)
    """Further runs like those of the evidence that would settle it; None: no number of them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the latency of a candidate."""

    kind: StageKind
    site: str | None
    path: str | None
    p50_s: float
    p99_s: float
    basis: Basis
    source: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place where (part of) the model runs."""

    tier: int
    """0 is the device."""
    name: str
    device: str
    ep: str | None
    options: str | None
    """Session settings, as read."""
    region: str | None
    nodes_by_ep: tuple[tuple[str, int], ...]
    jurisdiction: str | None = None
    """Whose law holds there: ``EU``, ``US``, ...; None: unknown, or the device."""
    country: str | None = None
    """ISO 3166-1 alpha-2, likewise."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Trust in the measurement behind a candidate."""

    is_disturbed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """One item of what a placement costs, with the price behind it."""

    name: str
    """``device``, ``energy``, ``instances``, ``egress`` or ``data plan``."""
    usd_per_month: float | None
    """For the whole fleet; None: the price or the demand is not known."""
    price: float | None
    """None: not known."""
    price_unit: str
    """``USD`` (each device), ``USD/kWh``, ``USD/h`` (each instance) or ``USD/byte``."""
    region: str | None
    """Where the price holds; None: the source does not say."""
    as_of: str | None
    """Date or version of the price; None: the source does not say."""
    source: str
    """Empty: not known."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One placement with everything that is known about it."""

    id: str
    placement: Placement
    feasible: bool | None
    verdict: Verdict
    """Worst over the targets; met if there is none."""
    basis: Basis
    """Worst basis of the inputs of its latency."""
    rank: int
    """1 is the best."""
    why_not: str | None
    """Why it is not the decision; None for the decision itself."""
    sites: tuple[Site, ...]
    latency: Latency | None
    targets: tuple[TargetVerdict, ...]
    stages: tuple[Stage, ...]
    bytes_up: int | None
    bytes_down: int | None
    uplink_bytes_per_month: float | None
    capacity_hz: float | None
    """Requests per second that all devices and planned instances together can serve."""
    instances: int | None
    """Cloud instances that the demand needs; None: no demand stated, or unknown."""
    usd_per_month: float | None
    usd_per_million: float | None
    costs: tuple[Cost, ...]
    """What the monthly cost is made of."""
    joules: float | None
    """Energy of the device per request, its radio included; None: not known."""
    peak_memory_bytes: int | None
    agreement_ratio: float | None
    leaves_device: Leaves
    quality: Quality | None
    findings: tuple[Finding, ...]
    variant: str | None = None
    accuracy_ratio: float | None = None
    """Share of the labelled samples that are answered rightly; the least where two files run."""
    cascade: CascadeFacts | None = None
    """When the device passes a request on; None: this is no cascade."""
    cut: CutFacts | None = None
    """Where the model is cut; None: it is whole."""
    variant_label: str | None = field(default=None, compare=False)
    """How sentences call the variant; not in the JSON."""
    spread: Spread | None = field(default=None, compare=False)
    """For the plot of the text report, not in the JSON; None: unknown, or not asked for."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model part of the answer."""

    path: str
    sha256: str
    n_bytes: int
    parameters: int
    flops: int | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    unknown_operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the model should run."""

    placement: Placement
    candidate: str | None
    feasible: bool | None
    reason: str
    """One sentence: where, how sure, why."""


@dataclass(frozen=True, slots=True)
class Flip:
    """The value of one parameter at which the decision changes."""

    parameter: str
    unit: str
    """Empty for a word."""
    now: float | str
    at: float | str
    """Middle of the bracket of the change, which is at most 1 % wide."""
    becomes: str
    """Candidate that is chosen beyond it; ``unproven`` or ``none`` where none is."""


@dataclass(frozen=True, slots=True)
class Crossover:
    """A range of one figure of the network in which one placement is quickest."""

    parameter: str
    """``network.uplink`` or ``network.rtt``."""
    unit: str
    """Of ``low`` and ``high``: ``bytes_per_s`` or ``s``."""
    low: float
    """Exact, unless it is the end of what was looked at."""
    high: float
    placement: Placement
    tensors: tuple[str, ...]
    """That cross where it is a split; empty else."""
    offer: str
    """Id of the cloud candidate that the device is held against."""


@dataclass(frozen=True, slots=True)
class NextMeasurement:
    """What to measure next, and how."""

    what: str
    why: str
    command: str


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """The model itself or a variant of it, side by side."""

    path: str
    name: str | None
    """What tells a variant in ids; None: the model itself."""
    n_bytes: int
    """File and external data."""
    precision: Precision | None
    """Where placer made it; None: the model, or a file of the user."""
    how: str | None
    """How placer made it."""
    candidate: str | None
    """Id of the best candidate that runs it on the device; None: there is none."""
    p50_s: float | None
    """Of that candidate; None: not known."""
    p99_s: float | None
    peak_memory_bytes: int | None
    agreement: Agreement | None
    """With the model; None: the model itself, or not compared."""
    accuracy: Accuracy | None
    """None: no labels, or not measured."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The whole answer."""

    model: ModelFacts
    targets: tuple[LatencyTarget, ...]
    decision: Decision
    candidates: tuple[Candidate, ...]
    """Ascending by rank."""
    flips: tuple[Flip, ...]
    next_measurement: NextMeasurement | None
    findings: tuple[Finding, ...]
    """Findings on the whole answer; those of one candidate stay with it."""
    assumptions: tuple[Assumption, ...]
    variants: tuple[VariantFacts, ...] = ()
    """The model itself, then its variants; empty: it has none."""
    crossovers: tuple[Crossover, ...] = ()
    """Ascending ranges of the uplink, then of the round trip; empty: no cut was asked for."""
