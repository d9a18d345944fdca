"""What pydantic finds wrong in a YAML file, told at its place with what is allowed there."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from placer.core.errors import UsageError, near_match
from placer.files.positions import Document, Location

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], document: Document) -> _Model:
    """Check the data against a pydantic model.

    Raises
    ------
    UsageError
        With the position, key and value of the first thing that is wrong, and what is allowed.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise usage_error(error, model, document) from error


def usage_error(error: ValidationError, model: type[BaseModel], document: Document) -> UsageError:
    """Turn what pydantic found into one message about the place that comes first in the file."""
    details = sorted(error.errors(include_url=False), key=lambda one: _order(document, one["loc"]))
    # a list whose items are all wrong counts as too short as well
    inner = {one["loc"][:-1] for one in details}
    details = [one for one in details if one["type"] != "too_short" or one["loc"] not in inner]
    details = _without_misspelt(details)
    detail = details[0]
    location = tuple(detail["loc"])
    context = detail.get("ctx", {})
    key = next((str(part) for part in reversed(location) if isinstance(part, str)), "")
    hint = context.get("hint")
    match detail["type"]:
        case "missing":
            message = f"the key '{key}' is missing"
            hint = hint or f"add `{key}:`"
        case "extra_forbidden":
            known = _keys_at(model, location[:-1])
            message = f"unknown key '{key}'{near_match(key, known)}"
            hint = f"keys: {' '.join(known)}"
        case "placer":
            message = str(context["text"])
        case "tuple_type" | "list_type" | "set_type":
            message = f"{key} {_shown(detail['input'])} is not a list"
            is_item = isinstance(detail["input"], str | int | float)
            hint = hint or f"write `{key}: [{detail['input'] if is_item else 'one, two'}]`"
        case "dict_type" | "mapping_type" | "model_type" | "model_attributes_type":
            message = f"{key} {_shown(detail['input'])} is not a mapping"
            keys = " ".join(_keys_at(model, location))
            hint = hint or (f"keys: {keys}" if keys else f"write `{key}: {{key: value}}`")
        case "too_short":
            message = f"{key} is empty"
            hint = hint or f"leave `{key}` out, or name at least one"
        case "string_type" if isinstance(detail["input"], int | float):
            kind = "truth value" if isinstance(detail["input"], bool) else "number"
            read = str(detail["input"]).lower()[:60]
            message = f"{key} is read as the {kind} {read}, and text belongs here"
            hint = hint or f'write it in quotes: `{key}: "..."`'
        case "bool_type":
            message = f"{key} {_shown(detail['input'])} is neither true nor false"
        case _:
            expected = re.findall("'([^']+)'", str(context.get("expected", "")))
            near = near_match(str(detail["input"]), expected)
            message = f"{key} {_shown(detail['input'])}: {_lower(detail['msg'])}{near}"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return UsageError(f"{document.where(location)}: {message}{more}", hint=hint)


def _without_misspelt(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out the keys that are missing because they are misspelt: those are the cause."""
    unknown = [one["loc"] for one in details if one["type"] == "extra_forbidden"]

    def is_misspelt(one: ErrorDetails) -> bool:
        *above, key = one["loc"]
        beside = [str(loc[-1]) for loc in unknown if [*loc[:-1]] == above]
        return any(near_match(word, [str(key)]) for word in beside)

    return [one for one in details if one["type"] != "missing" or not is_misspelt(one)]


def _order(document: Document, location: Location) -> tuple[int, int]:
    while location not in document.positions:
        location = location[:-1]
    return document.positions[location]


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that a model takes at a location inside its data."""
    kind: Any = model
    is_name = False  # the next part is a key of a mapping, which the file chooses
    for part in location:
        if is_name:
            is_name = False
        elif isinstance(part, str) and _is_model(kind):
            by_key = {field.alias or name: field for name, field in kind.model_fields.items()}
            annotation = by_key[part].annotation
            is_name = typing.get_origin(annotation) is Mapping
            kind = _model_within(annotation)
    if not _is_model(kind):
        return []
    return [field.alias or name for name, field in kind.model_fields.items()]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_within(annotation: Any) -> Any:
    """Return the model inside ``tuple[Model, ...]``, ``Model | None`` and the like."""
    if _is_model(annotation):
        return annotation
    arguments = typing.get_args(annotation)
    found = (_model_within(one) for one in arguments if one is not types.NoneType)
    return next((one for one in found if one is not None), None)


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else type(value).__name__
    return f"'{text[:60]}'" if value is not None else "(no value)"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
