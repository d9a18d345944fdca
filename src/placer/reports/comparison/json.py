"""The comparison as JSON, and its JSON Schema.

Version 1 may gain keys; it never loses, renames or retypes one. Every key is always written:
unknown is null, none is ``[]``.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from placer.core.comparison import Change, Comparison, Kind, Trend
from placer.core.estimate import Verdict
from placer.reports.document import DecisionPart, OptionalNumber

SCHEMA_ID: Final = "placer/comparison/v1"


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class SidePart(_Part):
    """One of the two files."""

    path: str
    """As typed."""
    model: str
    sha256: str
    """Of the model file."""
    measured_at: str | None
    """Date of the measurement; null for a recommendation."""
    runs: int | None
    processes: int | None
    """Fresh processes that share the runs."""
    disturbed: tuple[str, ...]
    """Why the measurement counts as disturbed; empty: quiet, or a recommendation."""


class QuantilePart(_Part):
    """One quantile of the latency, B against A."""

    percentile: float
    a_s: OptionalNumber
    b_s: OptionalNumber
    ratio: OptionalNumber
    """B over A."""
    low_ratio: OptionalNumber
    """Lower end of its 95 % interval; null: unbounded below."""
    high_ratio: OptionalNumber
    """Upper end; null: unbounded above."""
    change: Change
    reason: str
    """Why it is undecided, or how it was decided without an interval; else empty."""
    remedy: str
    """What would decide it; empty: it is decided."""


class TargetPart(_Part):
    """The verdicts on the targets of one percentile."""

    percentile: float
    a_limit_s: float
    b_limit_s: float
    a_verdict: Verdict
    b_verdict: Verdict
    trend: Trend


class ItemPart(_Part):
    """One thing that both sides have: an execution provider or a candidate."""

    id: str
    change: Change
    """The first of slower, undecided, faster and same that a quantile has; of a candidate: one
    that both answers judge, if there is any."""
    quantiles: tuple[QuantilePart, ...]
    targets: tuple[TargetPart, ...]
    a_feasible: bool | None
    """Null: unproven, or evidence."""
    b_feasible: bool | None
    feasible_trend: Trend
    a_usd_per_month: OptionalNumber
    b_usd_per_month: OptionalNumber


class DecisionChangePart(_Part):
    """Where the model should run, before and after."""

    is_changed: bool = Field(alias="changed")
    trend: Trend
    """Of its feasibility."""
    a: DecisionPart
    b: DecisionPart


class DifferencePart(_Part):
    """Something in the environment or the question that is not the same."""

    what: str
    a: str | None
    """Null: A does not have it."""
    b: str | None


class ComparisonDocument(_Part):
    """What differs between two measurements or two answers, and whether B is worse."""

    model_config = ConfigDict(title="placer comparison, version 1")

    schema_id: Literal["placer/comparison/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    kind: Kind
    tolerance_ratio: float
    """A change of latency up to this ratio counts as none."""
    a: SidePart
    b: SidePart
    is_same_model: bool = Field(alias="same_model")
    """Whether the files have the same digests."""
    is_worse: bool = Field(alias="worse")
    """A verdict worsened, or B is slower: exit code 1."""
    reason: str
    """One sentence."""
    decision: DecisionChangePart | None
    """Null: evidence, which decides nothing."""
    items: tuple[ItemPart, ...]
    """In the order of A."""
    only_in_a: tuple[str, ...]
    """Ids of items that B does not have."""
    only_in_b: tuple[str, ...]
    """Ids of items that A does not have."""
    differences: tuple[DifferencePart, ...]
    """What else is not the same."""


def to_json(comparison: Comparison) -> str:
    """Write the comparison as ``placer/comparison/v1``; equal inputs give equal bytes."""
    written = ComparisonDocument.model_validate(comparison)
    as_json = written.model_dump(mode="json", by_alias=True)
    return json.dumps(as_json, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``to_json`` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:comparison:v1",
        **ComparisonDocument.model_json_schema(mode="serialization", by_alias=True),
    }
