"""What a rule is, and what it sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from placer.core.cascade import CascadeFacts
from placer.core.environment import CloudOffer, Device, NetworkPath
from placer.core.estimate import Placement, Quality, TargetVerdict
from placer.core.finding import Effect, Finding, Severity
from placer.core.measurement import Measurement
from placer.core.split import CutFacts
from placer.core.variant import Accuracy, Variant
from placer.core.workload import Leaves, Workload

_REMEDIES = {
    "unavailable": "run `placer doctor` to see what is missing",
    "misconfigured": "correct or leave out --ep-option and --io: the options have the names that "
    "the execution provider's own pages give them",
    "unsupported": "export the model for an opset that the runtime has, or replace the operator",
    "failed": "check the model with these inputs: --inputs SAMPLES.npz, --shape INPUT=DIMS",
    "crashed": "try another execution provider or a newer runtime, and report it to its makers",
    "killed": "a smaller model or variant, or a device with more memory",
    "hung": "give it more time with --time-limit, or try another execution provider",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an execution provider could not be measured on a site."""

    kind: str
    """``unavailable``, ``misconfigured``, ``unsupported``, ``failed``, ``crashed``, ``killed`` or
    ``hung``."""
    message: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.kind]


@dataclass(frozen=True, slots=True)
class Availability:
    """Bounds of the share of requests that are answered at all."""

    low_ratio: float
    """What is unknown counts as always down."""
    high_ratio: float
    """What is unknown counts as never down."""
    missing: tuple[str, ...]
    """Sites and links of which it is not known."""


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate as the rules see it: a placement with its estimate."""

    id: str
    placement: Placement
    workload: Workload
    device: Device
    edge_ep: str | None
    """Execution provider on the device; None: the model does not run there."""
    eps: tuple[str, ...]
    """Execution providers that run the model or a variant in this placement."""
    offer: CloudOffer | None
    """None: the model does not run in the cloud."""
    path: NetworkPath
    targets: tuple[TargetVerdict, ...]
    leaves_device: Leaves
    answers_offline: bool
    """Requests are answered, at the stated rate, while the link is down."""
    availability: Availability
    nodes_by_ep: tuple[tuple[str, int], ...]
    measurements: tuple[Measurement, ...]
    """Of the sites that were measured."""
    edge_memory_bytes: int | None
    """Peak memory of the model's process on the device, or the model's size, the least it needs;
    None: the model does not run there."""
    cloud_memory_bytes: int | None
    """Likewise in the cloud."""
    variants: tuple[Variant, ...]
    """Other files of the model that run in this placement."""
    capacity_hz: float | None
    link_load_ratios: tuple[float, float]
    """Share of the time in which one device's link is busy: usually, and at its slow end."""
    is_path_assumed: bool
    """Nobody stated the network: its figures prove nothing."""
    capacity_factor_90: float
    """Multiplicative 90 % uncertainty of the capacity."""
    demand_hz: float | None
    """Requests per second that the capacity is held against; None: no rate stated."""
    usd_per_month: float | None
    most_usd_per_month: float | None
    """With the device as slow as its estimate allows, so that more requests go to the cloud."""
    least_usd_per_month: float
    """Lower end of the cost: the known part, at the fast end of an estimated time."""
    missing_prices: tuple[str, ...]
    quality: Quality | None
    doubts: tuple[str, ...]
    """What is weak in the inputs, as sentences."""
    is_settled_by_quiet: bool
    """The samples violate the target, but contention forbids the claim."""
    deciding_assumption: str | None
    """An assumed input whose other plausible values change the verdict; None: there is none."""
    failures: tuple[Failure, ...]
    cascade: CascadeFacts | None = None
    """When the device passes a request on; None: this is no cascade."""
    cut: CutFacts | None = None
    """Where the model is cut; None: it is whole."""
    accuracies: tuple[tuple[str, Accuracy | None], ...] = ()
    """(name, accuracy) of whatever answers; None: not measured."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a pure function with its explanation."""

    id: str
    title: str
    severity: Severity
    """The highest severity it reports."""
    what: str
    why: str
    example: str
    fix: str
    check: Callable[[Case], tuple[Finding, ...]]


def finding(
    rule: str,
    case: Case,
    message: str,
    remedy: str,
    *,
    effect: Effect,
    severity: Severity | None = None,
) -> tuple[Finding, ...]:
    """Return one finding on a case; the severity follows the effect unless given."""
    if severity is None:
        severity = {
            Effect.VIOLATED: Severity.ERROR,
            Effect.UNPROVEN: Severity.WARNING,
            Effect.NONE: Severity.NOTE,
        }[effect]
    return (Finding(rule, severity, effect, message, remedy, case.id),)
