"""The answer as JSON, its JSON Schema, and the way back from a saved file."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import TypeAdapter, ValidationError

from placer.core.errors import InputError
from placer.core.estimate import Recommendation
from placer.reports.document import SCHEMA_FAMILY, SCHEMA_ID, RecommendationDocument


def to_json(recommendation: Recommendation) -> str:
    """Write the answer as ``placer/recommendation/v1``; equal answers give equal bytes."""
    written = RecommendationDocument.model_validate(recommendation)
    as_json = written.model_dump(mode="json", by_alias=True)
    return json.dumps(as_json, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, *, where: str = "saved recommendation") -> Recommendation:
    """Read an answer that ``to_json`` wrote; keys that v1 gained later are ignored.

    Parameters
    ----------
    text
        The JSON document.
    where
        What to call it in an error: the path as typed.

    Raises
    ------
    InputError
        Not JSON, not a recommendation, another version, or a value that v1 does not allow.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise InputError(
            f"{where} is not JSON: {e}", hint="write one with `placer recommend MODEL --save FILE`"
        ) from e
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found != SCHEMA_ID:
        raise _wrong_schema(found, where=where)
    try:
        document = RecommendationDocument.model_validate_json(text, strict=True)
    except ValidationError as e:
        raise _wrong_value(e, where=where) from e
    chosen = document.decision.candidate
    if chosen is not None and chosen not in {item.id for item in document.candidates}:
        raise InputError(
            f"{where}: decision.candidate is '{chosen}', which is none of its candidates",
            hint="the file was edited or cut; write it again with --save",
        )
    return TypeAdapter(Recommendation).validate_python(document.model_dump())


def recommendation_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``to_json`` writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:recommendation:v1",
        **RecommendationDocument.model_json_schema(mode="serialization", by_alias=True),
    }


def _wrong_schema(found: object, *, where: str) -> InputError:
    if isinstance(found, str) and found.startswith(SCHEMA_FAMILY):
        return InputError(
            f"{where} has the schema '{found}', this placer reads '{SCHEMA_ID}'",
            hint="read it with the version of placer that wrote it",
        )
    shown = "no 'schema' key" if found is None else f"the schema {found!r}"
    return InputError(
        f"{where} is not a recommendation: it has {shown}, expected '{SCHEMA_ID}'",
        hint="write one with `placer recommend MODEL --save FILE`",
    )


def _wrong_value(error: ValidationError, *, where: str) -> InputError:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in first["loc"])
    message = re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", first["msg"])  # members of an enumeration
    message = message[:1].lower() + message[1:]
    found = "" if first["type"] == "missing" else f", found {str(first['input'])[:60]!r}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return InputError(
        f"{where}: {place.removeprefix('.')}: {message}{found}{more}",
        hint="the format is printed by `placer schema recommendation`",
    )
