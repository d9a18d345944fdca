"""A check as JSON, and its JSON Schema.

Version 1 may gain keys; it never loses, renames or retypes one. Every key is always written:
unknown is null, none is ``[]``.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticSerializationError

from placer.core.deployment import Suppression
from placer.core.environment import Basis
from placer.core.finding import Severity
from placer.core.gate import Checked, CheckResult, GateFinding, Outcome

SCHEMA_ID: Final = "placer/check/v1"

SeverityLabel = Annotated[
    Literal["note", "warning", "error"],
    BeforeValidator(lambda value: value.label if isinstance(value, Severity) else value),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class PlacePart(_Part):
    """Where something stands; lines and columns count from 1, columns in characters."""

    path: str
    """As given; `-` is standard input."""
    line: int
    """First line."""
    column: int
    """First column."""
    end_line: int
    """Last line."""
    end_column: int
    """One beyond the last character."""
    pointer: str
    """JSON pointer from the root of the document; empty: not known."""
    document: int
    """Index of the document in its file."""


class RelatedPart(_Part):
    """Another place that a finding rests on."""

    place: PlacePart
    """Where."""
    label: str
    """What it says there."""


class SuppressedPart(_Part):
    """By what a finding is silenced."""

    place: PlacePart
    """Of the comment, the annotation or the entry."""
    reason: str
    """Why, as somebody wrote."""
    until: str | None
    """Last day; null: for ever."""


class FindingPart(_Part):
    """What one rule says about one place of a manifest."""

    rule: str
    """`PLCnnn`; `placer rules explain ID` explains it."""
    severity: SeverityLabel
    """How much it matters."""
    outcome: Outcome
    """What it makes of the deployment; `pass` informs only."""
    message: str
    """With the value and the limit."""
    remedy: str
    """The next edit or command."""
    place: PlacePart
    """The smallest key that says it."""
    deployed: str | None
    """Id of what is deployed; null: the whole file."""
    deployed_in: str | None
    """File that deploys it, as given; `place` may be in another one; null: the whole file."""
    workload: str | None
    """Workload that it is held against."""
    value: str | None
    """What was found."""
    limit: str | None
    """What is allowed."""
    evidence: str | None
    """SHA-256 of the evidence that it rests on."""
    related: tuple[RelatedPart, ...]
    """Other places that it rests on."""
    suppressed: SuppressedPart | None
    """Null: it is not."""
    before: str | None
    """What was found, or allowed, at the base, where that was something else; null: it is new."""


class CheckedPart(_Part):
    """One thing that is deployed with its verdict."""

    id: str
    """Kind, namespace, name and container, as far as there are several."""
    path: str
    """Of the manifest, as given."""
    place: PlacePart
    """Its name in the manifest."""
    workload: str | None
    """Null: not resolved."""
    model: str | None
    """As the manifest names it."""
    sha256: str | None
    """Of the model's file, from `placer.lock`; null: not resolved."""
    site: str | None
    """Name in `placer.yaml`; null: not resolved."""
    tier: str | None
    """`edge` or `cloud`."""
    region: str | None
    """Region of the provider, else the jurisdiction."""
    outcome: Outcome
    """The verdict."""
    p99_s: float | None
    """Of the declared placement; null: not known."""
    basis: Basis | None
    """Where it comes from, the worst of its parts; null: not known."""
    limit_s: float | None
    """Of the workload's highest percentile."""
    declared: str | None
    """Candidate id of what is declared, as `placer recommend` names it."""
    recommended: str | None
    """Candidate id of the best placement on the same evidence."""
    recommended_p99_s: float | None
    """Its p99."""
    recommended_basis: Basis | None
    """Where that comes from, the worst of its parts."""
    percentile: float | None
    """That `limit_s` is of: 0.99 is p99; null: no target is stated."""
    latency_s: float | None
    """Of the declared placement at `percentile`; null: not known."""
    recommended_latency_s: float | None
    """Of the recommended one at `percentile`."""
    is_as_before: bool
    """It does not pass, and nothing that is new since the base decides that."""
    ignored: tuple[str, ...]
    """Rules that would have decided otherwise, and are suppressed."""
    is_excused: bool
    """It is inconclusive by suppressed findings alone: ignoring what nobody knows makes no pass."""


class OtherPart(_Part):
    """Something deployed of which nothing says that it runs a model."""

    id: str
    """As that of what is checked."""
    path: str
    """Of the manifest, as given."""
    place: PlacePart
    """Its name in the manifest."""


class WorsePart(_Part):
    """A deployment that got slower since the base revision."""

    path: str
    """Of the manifest."""
    deployed: str
    """Its id."""
    before_s: float
    """p99 at the base."""
    now_s: float
    """p99 now."""


class CheckDocument(_Part):
    """What `placer check` found."""

    model_config = ConfigDict(title="placer check, version 1")

    schema_id: Literal["placer/check/v1"] = Field(default=SCHEMA_ID, alias="schema")
    """Name and version of this format."""
    outcome: Outcome
    """The worst verdict of what is not suppressed, and of what nobody could judge."""
    checked: tuple[CheckedPart, ...]
    """In the order of files and lines."""
    findings: tuple[FindingPart, ...]
    """Those that are not silenced; with a base, those that are new or worse since it."""
    suppressed: tuple[FindingPart, ...]
    """Those that are."""
    files: int
    """Files that hold a manifest."""
    skipped: int
    """Files that hold none."""
    unresolved: int
    """Deployments whose site or model is not known."""
    others: int
    """Deployed things of which nothing says that they run a model."""
    not_models: tuple[OtherPart, ...]
    """Each of them."""
    base: str | None
    """Revision that it is compared with."""
    base_without: str
    """Why that could not be checked, so that all counts as new; empty: it could."""
    worse: tuple[WorsePart, ...]
    """Slower than at the base."""
    fixed: tuple[FindingPart, ...]
    """Findings of the base that are mended."""
    silenced: tuple[FindingPart, ...]
    """Those that are suppressed now."""
    unjudged: tuple[FindingPart, ...]
    """Those whose file or deployment is gone, or of which nothing can be said any more."""
    gone: tuple[OtherPart, ...]
    """What was judged at the base and is deployed no more, or by another name."""


def to_json(result: CheckResult) -> str:
    """Write a check as ``placer/check/v1``; equal inputs give equal bytes."""
    document = CheckDocument(
        outcome=result.outcome,
        checked=tuple(map(_checked, result.checked)),
        findings=tuple(map(_finding, result.findings)),
        suppressed=tuple(map(_finding, result.suppressed)),
        files=result.files,
        skipped=result.skipped,
        unresolved=result.unresolved,
        others=len(result.others),
        not_models=tuple(map(OtherPart.model_validate, result.others)),
        base=result.base,
        base_without=result.base_without,
        worse=tuple(
            WorsePart(path=path, deployed=name, before_s=before_s, now_s=now_s)
            for path, name, before_s, now_s in result.worse
        ),
        fixed=tuple(map(_finding, result.fixed)),
        silenced=tuple(map(_finding, result.silenced)),
        unjudged=tuple(map(_finding, result.unjudged)),
        gone=tuple(map(OtherPart.model_validate, result.gone)),
    )
    try:
        return document.model_dump_json(by_alias=True, indent=2) + "\n"
    except PydanticSerializationError:  # names of files may hold bytes that are no text
        data = document.model_dump(mode="python", by_alias=True)
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def check_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``to_json`` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:check:v1",
        **CheckDocument.model_json_schema(mode="serialization", by_alias=True),
    }


def _checked(one: Checked) -> CheckedPart:
    return CheckedPart.model_validate(one)


def _finding(one: GateFinding) -> FindingPart:
    return FindingPart(
        rule=one.rule,
        severity=one.severity.label,  # type: ignore[arg-type]  # one of the three words
        outcome=one.outcome,
        message=one.message,
        remedy=one.remedy,
        place=PlacePart.model_validate(one.place),
        deployed=one.deployed,
        deployed_in=one.deployed_in,
        workload=one.workload,
        value=one.value,
        limit=one.limit,
        evidence=one.evidence,
        related=tuple(RelatedPart.model_validate(related) for related in one.related),
        suppressed=None if one.suppressed is None else _suppressed(one.suppressed),
        before=one.before,
    )


def _suppressed(one: Suppression) -> SuppressedPart:
    return SuppressedPart(
        place=PlacePart.model_validate(one.place), reason=one.reason, until=one.until
    )
