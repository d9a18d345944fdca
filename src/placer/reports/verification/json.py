"""The verification as JSON, and its JSON Schema.

Version 1 may gain keys; it never loses, renames or retypes one. Every key is always written:
unknown is null, none is ``[]``.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from placer.core.verification import Outcome, Verification
from placer.reports.document import CandidatePlacement, OptionalNumber, Percentile

SCHEMA_ID: Final = "placer/verification/v1"


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class IntervalPart(_Part):
    """A quantile of the latency with its 90 % interval."""

    value_s: OptionalNumber
    """Null: not known."""
    low_s: OptionalNumber
    """Null: unbounded below."""
    high_s: OptionalNumber
    """Null: unbounded above."""


class QuantileCheckPart(_Part):
    """One quantile, predicted and measured."""

    percentile: Percentile
    """0.99 is p99."""
    predicted: IntervalPart
    """As saved; the interval of what was measured then is widened by ``reuse_factor``."""
    measured: IntervalPart
    """Now."""
    outcome: Outcome
    """missed: the measured interval lies outside of the predicted one."""
    reason: str
    """Why it is not judged, undecided or missed; else empty."""


class MeasuredStagePart(_Part):
    """One part of a placement that runs in several."""

    what: str
    """Which part."""
    p50_s: float
    """Measured median."""


class CheckedPart(_Part):
    """One candidate of the recommendation."""

    id: str
    """As in the recommendation."""
    placement: CandidatePlacement
    """Kind of the placement."""
    rank: int
    """As in the recommendation; 1 is the best."""
    is_chosen: bool = Field(alias="chosen")
    """Whether it is the decision."""
    outcome: Outcome
    """The worst of its quantiles that were judged."""
    reason: str
    """Why it did not run, or is not compared; else empty."""
    quantiles: tuple[QuantileCheckPart, ...]
    """Ascending; empty: it did not run."""
    where: str | None
    """Execution provider and settings, or the server; null: it did not run."""
    runs: int
    """Requests that were timed."""
    disturbed: tuple[str, ...]
    """Why the run counts as disturbed; empty: quiet, or it did not run."""
    stages: tuple[MeasuredStagePart, ...]
    """Of a split; empty: one part."""
    notes: tuple[str, ...]
    """What differs from what was predicted, and what the server's answer was held to."""
    barred: str
    """Why it may not be chosen, and counts for no regret; empty: it may."""


class VerificationDocument(_Part):
    """What was predicted for each placement against what was measured."""

    model_config = ConfigDict(title="placer verification, version 1")

    schema_id: Literal["placer/verification/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    recommendation: str
    """Path of the saved answer, as typed."""
    model: str
    """Path of the model, as typed."""
    model_sha256: str
    """Of the model file."""
    chosen: str | None
    """Id of the decision; null: every candidate violated something."""
    outcome: Outcome
    """within: exit code 0; missed: 1; undecided or not_judged: 5."""
    reason: str
    """One sentence."""
    reuse_factor: float
    """By which saved intervals of what was measured are widened on both sides."""
    candidates: tuple[CheckedPart, ...]
    """Ascending by rank."""
    best: str | None
    """Id of the one with the least measured median of those that may be chosen; null: none ran."""
    regret_ratio: OptionalNumber
    """Measured median of the chosen one over that of ``best``, minus 1; null: the chosen did not
    run, or not as a whole, or no other that may be chosen ran."""


def to_json(verification: Verification) -> str:
    """Write the verification as ``placer/verification/v1``."""
    written = VerificationDocument.model_validate(verification)
    as_json = written.model_dump(mode="json", by_alias=True)
    return json.dumps(as_json, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def verification_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``to_json`` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:verification:v1",
        **VerificationDocument.model_json_schema(mode="serialization", by_alias=True),
    }
