"""The JSON form of an answer: the one definition behind the writer, the reader and the schema.

Version 1 may gain keys; it never loses, renames or retypes one. Every key is always written:
unknown is null, none is ``[]``. A number that is not finite is unknown, hence null.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
)

from placer.core.environment import Basis
from placer.core.estimate import Placement, StageKind, Verdict
from placer.core.finding import Effect, Severity
from placer.core.workload import Leaves

SCHEMA_FAMILY = "placer/recommendation/"
SCHEMA_ID: Final = "placer/recommendation/v1"


def _none_unless_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nan_if_none(value: object) -> object:
    return math.nan if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _severity(value: object) -> object:
    by_label = {severity.label: severity for severity in Severity}
    if isinstance(value, Severity):
        return value
    if not isinstance(value, str) or value not in by_label:
        raise ValueError(f"input should be one of {', '.join(by_label)}")
    return by_label[value]


def _severity_label(value: Severity) -> str:
    return value.label


def _pairs(value: object) -> object:
    return tuple(value.items()) if isinstance(value, dict) else value


OptionalNumber = Annotated[float | None, BeforeValidator(_none_unless_finite)]
Number = Annotated[
    float,
    BeforeValidator(_nan_if_none),
    PlainSerializer(_finite, return_type=float | None, when_used="json"),
]
"""Null stands for not finite: nan when read."""
Percentile = Annotated[float, Field(gt=0, lt=1)]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SeverityLabel = Annotated[
    Severity,
    BeforeValidator(_severity),
    PlainSerializer(
        _severity_label, return_type=Literal["note", "warning", "error"], when_used="json"
    ),
]
NodesByEp = Annotated[
    tuple[tuple[str, int], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, int], when_used="json"),
]
CandidatePlacement = Literal[
    Placement.EDGE, Placement.CLOUD, Placement.SPLIT, Placement.CASCADE, Placement.FALLBACK
]
_FAMILY_PATHS = AliasChoices("class", AliasPath("placement", "family"))


class _Part(BaseModel):
    """Fields have the names of core; aliases are the keys of the JSON where they differ."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class TensorPart(_Part):
    """One input or output of the model."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    n_bytes: int | None = Field(alias="bytes")
    """Size of the raw tensor; null where the element size varies."""


class ModelPart(_Part):
    """The model that was asked about."""

    path: str
    """As typed."""
    sha256: str
    n_bytes: int = Field(alias="bytes")
    """File and external data."""
    parameters: int
    flops: int | None
    """Floating-point operations of one inference; null if an operator is unknown."""
    inputs: tuple[TensorPart, ...]
    outputs: tuple[TensorPart, ...]
    unknown_operators: tuple[str, ...]
    """Operator types whose work is not known."""


class TargetPart(_Part):
    """The percentile of the request latency must be at most the limit."""

    percentile: Percentile
    limit_s: Limit


class DecisionPart(_Part):
    """Where the model should run."""

    placement: Placement
    family: Literal["edge", "cloud", "hybrid", "none"] = Field(
        validation_alias=_FAMILY_PATHS, serialization_alias="class"
    )
    """Family of the placement."""
    candidate: str | None
    """Id of the chosen candidate; null: every candidate violates something."""
    feasible: bool | None
    """True: all rules pass and all targets are met; null: something is unproven."""
    reason: str


class SitePart(_Part):
    """A place where (part of) the model runs."""

    tier: int
    """0 is the device."""
    name: str
    device: str
    ep: str | None
    """Execution provider."""
    options: str | None
    region: str | None
    nodes_by_ep: NodesByEp
    """Nodes of the model that ran on each execution provider, read back from the runtime."""


class LatencyPart(_Part):
    """Quantiles of the request latency, in seconds; null is not finite."""

    p50_s: Number = Field(alias="p50")
    p90_s: Number = Field(alias="p90")
    p95_s: Number = Field(alias="p95")
    p99_s: Number = Field(alias="p99")
    mean_s: Number = Field(alias="mean")


class TargetVerdictPart(_Part):
    """One target judged for one candidate."""

    percentile: Percentile
    limit_s: Limit
    value_s: OptionalNumber
    """Estimate of the quantile."""
    low_s: OptionalNumber
    """Lower confidence bound of the quantile (one-sided 95 %)."""
    high_s: OptionalNumber
    """Upper confidence bound; null: the samples give none."""
    verdict: Verdict
    probability: OptionalNumber
    """Probability that the target holds, over the uncertainty of the inputs."""
    reason: str


class StagePart(_Part):
    """One part of the latency."""

    kind: StageKind
    site: str | None
    path: str | None
    p50_s: Number
    p99_s: Number
    basis: Basis
    source: str


class CutPart(_Part):
    """What crosses between the parts of a split model."""

    tensors: tuple[str, ...]
    bytes: int


class QualityPart(_Part):
    """Trust in the measurement behind a candidate."""

    is_disturbed: bool = Field(alias="disturbed")
    reasons: tuple[str, ...]


class FindingPart(_Part):
    """One statement of one rule, with what to do about it."""

    rule: str
    severity: SeverityLabel
    message: str
    remedy: str
    location: str | None
    """Candidate id, path:line:column, or null for the whole answer."""
    effect: Effect
    """What the finding does to the feasibility of its candidate."""


class CostPart(_Part):
    """One item of what a placement costs, with the price behind it."""

    name: str
    """device, energy, instances, egress or data plan."""
    usd_per_month: OptionalNumber
    """For the whole fleet; null: the price or the demand is not known."""
    price: OptionalNumber
    price_unit: str
    """USD (each device), USD/kWh, USD/h (each instance) or USD/byte."""
    region: str | None
    """Where the price holds."""
    as_of: str | None
    """Date or version of the price."""
    source: str


class CandidatePart(_Part):
    """One placement with everything that is known about it."""

    id: str
    placement: CandidatePlacement
    family: Literal["edge", "cloud", "hybrid"] = Field(
        validation_alias=_FAMILY_PATHS, serialization_alias="class"
    )
    """Family of the placement."""
    feasible: bool | None
    """Over all rules, of which the targets are some: true: every one holds; false: one is
    violated; null: none is violated, one is unproven. The reports for people call it the
    verdict."""
    verdict: Verdict
    """Worst verdict over ``targets`` alone, met without any: a candidate that a rule of privacy,
    memory or budget forbids may be met here and false in ``feasible``."""
    basis: Basis
    """Worst basis of the inputs of the latency."""
    rank: Annotated[int, Field(ge=1)]
    """1 is the best."""
    why_not: str | None
    """Why it is not the decision; null for the decision itself."""
    variant: str | None
    sites: tuple[SitePart, ...]
    latency: LatencyPart | None = Field(alias="latency_s")
    targets: tuple[TargetVerdictPart, ...]
    stages: tuple[StagePart, ...]
    bytes_up: int | None
    """Bytes on the wire per request, from the device."""
    bytes_down: int | None
    uplink_bytes_per_month: OptionalNumber
    capacity_hz: OptionalNumber
    """Requests per second that one instance or device can serve."""
    instances: int | None
    """Cloud instances that the demand needs."""
    usd_per_month: OptionalNumber
    usd_per_million: OptionalNumber
    """USD per million requests."""
    costs: tuple[CostPart, ...] = ()
    """What the monthly cost is made of."""
    joules: OptionalNumber
    """Energy of the device per request."""
    peak_memory_bytes: int | None
    agreement_ratio: OptionalNumber
    leaves_device: Leaves
    """The most revealing thing that leaves the device."""
    cut: CutPart | None = None
    """Null unless the model is split."""
    quality: QualityPart | None
    findings: tuple[FindingPart, ...]


class FlipPart(_Part):
    """The value of one parameter at which the decision changes."""

    parameter: str
    unit: str
    now: Number | str
    at: Number | str
    becomes: str


class NextMeasurementPart(_Part):
    """What to measure next, and how."""

    what: str
    why: str
    command: str


class AssumptionPart(_Part):
    """An input that nobody stated, and what was taken instead."""

    name: str
    value: str
    unit: str
    basis: Basis
    source: str


class RecommendationDocument(_Part):
    """Where a model should run, how sure that is, and what would change it."""

    model_config = ConfigDict(title="placer recommendation, version 1")

    schema_id: Literal["placer/recommendation/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    model: ModelPart
    targets: tuple[TargetPart, ...]
    decision: DecisionPart
    candidates: tuple[CandidatePart, ...]
    """Ascending by rank."""
    flips: tuple[FlipPart, ...]
    next_measurement: NextMeasurementPart | None
    findings: tuple[FindingPart, ...]
    """Findings on the whole answer; those of one candidate stay with it."""
    assumptions: tuple[AssumptionPart, ...]
