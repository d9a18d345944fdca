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

from placer.core.cascade import Measure, ScoreKind
from placer.core.environment import Basis
from placer.core.estimate import Placement, StageKind, Verdict
from placer.core.finding import Effect, Severity
from placer.core.precision import Precision
from placer.core.units import NEAREST_PERCENTILE, finite_or_none
from placer.core.wire_formats import Precision as WirePrecision
from placer.core.workload import Leaves

SCHEMA_FAMILY = "placer/recommendation/"
SCHEMA_ID: Final = "placer/recommendation/v1"


def _none_unless_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nan_if_none(value: object) -> object:
    return math.nan if value is None else value


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
OptionalAmount = Annotated[
    Annotated[float, Field(ge=0)] | None, BeforeValidator(_none_unless_finite)
]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[
    float,
    BeforeValidator(_nan_if_none),
    PlainSerializer(finite_or_none, return_type=float | None, when_used="json"),
]
"""Null stands for not finite: nan when read."""
Percentile = Annotated[float, Field(ge=NEAREST_PERCENTILE, le=1 - NEAREST_PERCENTILE)]
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
    """As the model has it."""
    dtype: str
    """``float32``, ``int64``, ..."""
    shape: tuple[int, ...]
    """With the shapes that were asked for."""
    n_bytes: int | None = Field(alias="bytes")
    """Size of the raw tensor; null where the element size varies."""


class ModelPart(_Part):
    """The model that was asked about."""

    path: str
    """As typed."""
    sha256: str
    """Of the model file."""
    n_bytes: int = Field(alias="bytes")
    """File and external data."""
    parameters: int
    """Numbers in its weights."""
    flops: int | None
    """Floating-point operations of one inference; null if an operator is unknown."""
    inputs: tuple[TensorPart, ...]
    """In the order of the model."""
    outputs: tuple[TensorPart, ...]
    """In the order of the model."""
    unknown_operators: tuple[str, ...]
    """Operator types whose work is not known."""


class TargetPart(_Part):
    """The percentile of the request latency must be at most the limit."""

    percentile: Percentile
    """0.99 is p99."""
    limit_s: Limit
    """The most that it may be."""


class DecisionPart(_Part):
    """Where the model should run."""

    placement: Placement
    """``none``: every candidate violates something."""
    family: Literal["edge", "cloud", "hybrid", "none"] = Field(
        validation_alias=_FAMILY_PATHS, serialization_alias="class"
    )
    """Family of the placement."""
    candidate: str | None
    """Id of the chosen candidate; null: every candidate violates something."""
    feasible: bool | None
    """True: all rules pass and all targets are met; null: something is unproven."""
    reason: str
    """One sentence: where, how sure, why."""


class SitePart(_Part):
    """A place where (part of) the model runs."""

    tier: int
    """0 is the device."""
    name: str
    """Device, or offer of the catalogue."""
    device: str
    """What it is, for people."""
    ep: str | None
    """Execution provider."""
    options: str | None
    """Session settings, as threads and spinning; null: not measured."""
    region: str | None
    """Of a cloud offer; null: the device, or its source does not say."""
    nodes_by_ep: NodesByEp
    """Nodes of the model that ran on each execution provider, read back from the runtime."""
    jurisdiction: str | None = None
    """Whose law holds in the region: EU, US, UK, ...; null: the device, or not known."""
    country: str | None = None
    """Of the region, ISO 3166-1 alpha-2; null likewise."""


class LatencyPart(_Part):
    """Quantiles of the request latency, in seconds; null is not finite."""

    p50_s: Number = Field(alias="p50")
    """Median."""
    p90_s: Number = Field(alias="p90")
    """90th percentile."""
    p95_s: Number = Field(alias="p95")
    """95th percentile."""
    p99_s: Number = Field(alias="p99")
    """99th percentile."""
    mean_s: Number = Field(alias="mean")
    """Mean."""


class TargetVerdictPart(_Part):
    """One target judged for one candidate."""

    percentile: Percentile
    """As in the targets of the answer."""
    limit_s: Limit
    """As in the targets of the answer."""
    value_s: OptionalNumber
    """Estimate of the quantile."""
    low_s: OptionalNumber
    """Lower confidence bound of the quantile (one-sided 95 %)."""
    high_s: OptionalNumber
    """Upper confidence bound; null: the samples give none."""
    verdict: Verdict
    """On this target."""
    probability: OptionalNumber
    """Probability that the target holds, over the uncertainty of the inputs; null: not known, or
    only other programs may be why it does not."""
    reason: str
    """Why the verdict is what it is, with what is missing."""


class StagePart(_Part):
    """One part of the latency."""

    kind: StageKind
    """What the time is spent on."""
    site: str | None
    """Where; null: on the way."""
    path: str | None
    """Name of the network; null: no transfer."""
    p50_s: Number
    """Median of this part."""
    p99_s: Number
    """99th percentile of this part; those of the parts do not add up."""
    basis: Basis
    """Of this part."""
    source: str
    """Where the figures come from."""


class CutPart(_Part):
    """What crosses between the parts of a split model."""

    tensors: tuple[str, ...]
    """Names of the tensors that cross."""
    n_bytes: Count = Field(alias="bytes")
    """Of all of them, for one request."""
    raw: tuple[str, ...]
    """Those of them that show raw input, alone or together, by the structure of the graph."""
    tail_ratio: Annotated[float, Field(ge=0, le=1)]
    """Share of the model's time that lies behind the cut, by the times of its groups here."""
    difference_ratio: OptionalAmount
    """Largest difference of the parts' outputs from the whole's, over the largest number; null:
    not compared, or not a number."""
    outputs_here: tuple[str, ...] = ()
    """Outputs of the model that the device makes although the cloud could, with the same cut."""
    wire: WirePrecision | None
    """Format in which they are sent; null: as they are."""
    wire_bytes: Count | None
    """Of all of them in that format, for one request; null: as they are."""
    wire_error_ratio: OptionalAmount
    """How far an output is off by that format at most, of its largest number; null: as they are."""
    wire_samples: Count
    """Samples that this error was measured on."""


class QualityPart(_Part):
    """Trust in the measurement behind a candidate."""

    is_disturbed: bool = Field(alias="disturbed")
    """Whether it was disturbed: then it proves ``met`` at most."""
    reasons: tuple[str, ...]
    """What disturbed it; empty: it was quiet."""


class FindingPart(_Part):
    """One statement of one rule, with what to do about it."""

    rule: str
    """Id of the rule: ``placer rules explain ID``."""
    severity: SeverityLabel
    """How bad it is."""
    message: str
    """What was found."""
    remedy: str
    """What to do about it."""
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
    """Null: not known."""
    price_unit: str
    """USD (each device), USD/kWh, USD/h (each instance) or USD/byte."""
    region: str | None
    """Where the price holds."""
    as_of: str | None
    """Date or version of the price."""
    source: str
    """Of the price; empty: not known."""


class AgreementPart(_Part):
    """How often a variant answers as the model does, on the same real samples."""

    ratio: float
    """Share of the samples; one counts by the share of its answers that agree."""
    low_ratio: float
    """Lower confidence bound (one-sided 95 %)."""
    high_ratio: float
    """Upper confidence bound (one-sided 95 %)."""
    samples: int
    """That judged: none of them calibrated."""
    worst_difference: OptionalNumber
    """The largest difference of any number that the two gave."""


class AccuracyPart(_Part):
    """How often a model gives the class that the label says."""

    ratio: float
    """Share of the labelled samples."""
    low_ratio: float
    """Lower confidence bound (one-sided 95 %)."""
    high_ratio: float
    """Upper confidence bound (one-sided 95 %)."""
    samples: int
    """That judged: none of them calibrated."""


class VariantPart(_Part):
    """The model itself or a variant of it, side by side."""

    path: str
    """The model and files of the user as typed; a variant that placer made: where it is."""
    name: str | None
    """What follows ``~`` in an id; null: the model itself."""
    n_bytes: int = Field(alias="bytes")
    """File and external data."""
    precision: Precision | None
    """Null: the model itself, or a file of the user."""
    how: str | None
    """The tool that made it, its method and what it was calibrated on; null: placer did not."""
    candidate: str | None
    """Id of the best candidate that runs it on the device; null: there is none."""
    p50_s: OptionalNumber
    """Median request latency of that candidate; null: unknown."""
    p99_s: OptionalNumber
    """99th percentile of its request latency; null: unknown."""
    peak_memory_bytes: int | None
    """Of its process on the device; null: not measured."""
    agreement: AgreementPart | None
    """With the model; null: the model itself, or not compared."""
    accuracy: AccuracyPart | None
    """Null: no labels, or not measured."""


class CandidatePart(_Part):
    """One placement with everything that is known about it."""

    id: str
    """``edge:EP``, ``cloud:OFFER@REGION``, ``fallback:PREFERENCE:EP+OFFER@REGION``,
    ``cascade:EP~NAME+OFFER@REGION`` or ``split:EP+OFFER@REGION:TENSORS``; ``~NAME`` after a
    site marks a variant of the model."""
    placement: CandidatePlacement
    """Kind of the placement."""
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
    """Path of the variant of the model that runs there, as typed; null: the model itself."""
    sites: tuple[SitePart, ...]
    """The device first."""
    latency: LatencyPart | None = Field(alias="latency_s")
    """Null: unknown, or known from below only."""
    targets: tuple[TargetVerdictPart, ...]
    """In the order of the answer's targets."""
    stages: tuple[StagePart, ...]
    """What the latency is made of, as far as it is known."""
    bytes_up: int | None
    """Body of one request, from the device; 0: nothing is sent, null: unknown."""
    bytes_down: int | None
    """Body of its answer; 0: nothing is sent, null: unknown."""
    uplink_bytes_per_month: OptionalNumber
    """Of all devices together; null: no rate is stated, or unknown."""
    capacity_hz: OptionalNumber
    """Requests per second that all devices and all planned instances together can serve; of one of
    each where no rate is stated."""
    instances: int | None
    """Cloud instances that the demand needs."""
    usd_per_month: OptionalNumber
    """For the whole fleet, all ``costs`` added; null: one of them is unknown."""
    usd_per_million: OptionalNumber
    """USD per million requests."""
    costs: tuple[CostPart, ...] = ()
    """What the monthly cost is made of."""
    joules: OptionalNumber
    """Energy of the device per request, its radio included; null: a figure for it is not known."""
    peak_memory_bytes: int | None
    """Of the process on the device, as measured; null: not measured."""
    agreement_ratio: OptionalNumber
    """Share of the answers in which the variant agrees with the model; null: no variant, or not
    compared."""
    accuracy_ratio: OptionalNumber = None
    """Share of the labelled samples that it answers rightly, the least where two files run; null:
    no labels, or not measured."""
    leaves_device: Leaves
    """The most revealing thing that leaves the device."""
    cut: CutPart | None = None
    """Null unless the model is split."""
    cascade: CascadePart | None = None
    """Null unless it is a cascade."""
    quality: QualityPart | None
    """Null: nothing was measured."""
    findings: tuple[FindingPart, ...]
    """Of this candidate."""


class RatePart(_Part):
    """A share of the samples that judged."""

    ratio: float
    """The share."""
    low_ratio: float
    """Lower confidence bound (one-sided 95 %)."""
    high_ratio: float
    """Upper confidence bound (one-sided 95 %)."""
    samples: int
    """That judged: none of them chose the threshold."""


class CurvePart(_Part):
    """What another threshold would do."""

    threshold: float
    """The small model answers where its confidence is at least this."""
    escalation_ratio: float
    """Share of the requests that are passed on."""
    agreement_ratio: float
    """Share of the answers that are the model's."""
    low_ratio: float
    """Lower confidence bound of the agreement (one-sided 95 %), of this threshold alone."""


class WantedPart(_Part):
    """What the answers of a cascade must keep, at least one of both."""

    agreement_ratio: float | None
    """With the model; null: not asked."""
    accuracy_ratio: float | None
    """With the labels; null: not asked."""


class CascadePart(_Part):
    """When the small model passes a request on to the model, and what was measured of that."""

    confidence: Measure
    """What tells how sure an answer is; formulas: docs/cascades.md."""
    scores: ScoreKind
    """What the outputs of the small model are."""
    threshold: float
    """The small model answers where its confidence is at least this, else the model."""
    escalation: RatePart
    """Of the requests that are passed on."""
    agreement: RatePart
    """Of the answers that are those of the model; what is passed on agrees."""
    accuracy: AccuracyPart | None
    """Null: no labels."""
    wanted: WantedPart
    """What the threshold was chosen for."""
    chosen_on: int
    """Samples that chose the threshold."""
    curve: tuple[CurvePart, ...]
    """Other thresholds on the same samples, ascending."""


class FlipPart(_Part):
    """The value of one parameter at which the decision changes."""

    parameter: str
    """Which input of the question."""
    unit: str
    """Of ``now`` and ``at``; empty for a word."""
    now: Number | str
    """Its value in the question."""
    at: Number | str
    """Where the decision changes: the middle of a bracket at most 1 % wide, or a word."""
    becomes: str
    """Id of the candidate that is chosen beyond it; ``unproven``: something is best and not proven;
    ``none``: every candidate violates something."""


class CrossoverPart(_Part):
    """A range of one figure of the network in which one placement is quickest."""

    parameter: Literal["network.uplink", "network.rtt"]
    """Which figure is varied, all others as they are."""
    unit: Literal["bytes_per_s", "s"]
    """Of ``low`` and ``high``."""
    low: float
    """Where the range begins; exact, unless it is the end of what was looked at."""
    high: float
    """Where it ends, likewise."""
    placement: Literal[Placement.EDGE, Placement.CLOUD, Placement.SPLIT]
    """What is quickest in it, by medians, a round trip and bytes by rate."""
    tensors: tuple[str, ...]
    """That cross where it is a split."""
    offer: str
    """Id of the cloud candidate that the device is held against."""


class NextMeasurementPart(_Part):
    """What to measure next, and how."""

    what: str
    """The input to measure."""
    why: str
    """How it would change the decision."""
    command: str
    """The command to run."""


class AssumptionPart(_Part):
    """An input that nobody stated, and what was taken instead."""

    name: str
    """Which input."""
    value: str
    """What was taken."""
    unit: str
    """Of the value; may be empty."""
    basis: Basis
    """Of the value."""
    source: str
    """Why this value, and from where."""


class RecommendationDocument(_Part):
    """Where a model should run, how sure that is, and what would change it."""

    model_config = ConfigDict(title="placer recommendation, version 1")

    schema_id: Literal["placer/recommendation/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    model: ModelPart
    targets: tuple[TargetPart, ...]
    """What the latency must keep; empty: no target was set."""
    decision: DecisionPart
    candidates: tuple[CandidatePart, ...]
    """Ascending by rank."""
    variants: tuple[VariantPart, ...] = ()
    """The model itself, then each variant; empty: it has none."""
    flips: tuple[FlipPart, ...]
    """The nearest values at which the decision changes; empty: none was found."""
    crossovers: tuple[CrossoverPart, ...] = ()
    """Where the quickest of device, cloud and split changes, with ``--cut``; empty: not asked.
    Without the cloud and splits that send raw input where a rule of privacy forbids the cloud."""
    next_measurement: NextMeasurementPart | None
    """What would most often change the decision; null: nothing that is not measured."""
    findings: tuple[FindingPart, ...]
    """Findings on the whole answer; those of one candidate stay with it."""
    assumptions: tuple[AssumptionPart, ...]
    """What nobody stated."""
