"""What Docker's own formats share: binds, variables as ``NAME=value``, devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from placer.core.deployment import ModelRef, Stated
from placer.core.project import TEMPLATE
from placer.manifests.models import model_of, models_of_variable
from placer.manifests.nodes import Field

_PART = re.compile(r"(?:\$\{[^{}]*\}|(?<![^:])[A-Za-z]:(?=[\\/])|[^:])+")
"""Of ``source:target:mode``; a variable and the letter of a drive hold colons of their own."""

Bind = tuple[Stated[str], str]
"""(source on the host or name of a volume, path in the container)."""


def bind_of(stated: Stated[str]) -> Bind | None:
    """Return source and target of ``source:target:mode``; None: it has no source."""
    parts = _PART.findall(stated.value)
    return (replace(stated, value=parts[0]), parts[1]) if len(parts) > 1 else None


def models_of_variables(variables: Field) -> Iterator[ModelRef]:
    """Yield the models of a list of ``NAME=value`` or of a mapping."""
    for name, value in variables_of(variables):
        yield from models_of_variable(name, value)


def variables_of(variables: Field) -> Iterator[tuple[str, Stated[str]]]:
    """Yield (name, value) of a list of ``NAME=value`` or of a mapping."""
    for entry in variables.entries():
        if (value := entry.text()) is not None:
            yield entry.name, Stated(value, entry.place())
    for item in variables.items():
        stated = item.stated()
        name, equals, value_text = stated.value.partition("=") if stated else ("", "", "")
        if stated is not None and equals:
            yield name, replace(stated, value=value_text)


def words_of(command: Field) -> list[Stated[str]]:
    """Return the arguments of a command that is a text or a list."""
    stated = [command.stated(), *(one.stated() for one in command.items())]
    return [one for one in stated if one is not None]


def words_of_health(test: Field) -> list[Stated[str]]:
    """Return what a health check of Docker runs: one text is a script, several are words.

    Source: Compose specification, ``healthcheck``; Docker Engine API, ``HealthConfig``.
    """
    words = words_of(test)
    if test.is_list and words:
        kind, *rest = words
        return {"CMD": rest, "CMD-SHELL": rest[:1]}.get(kind.value, [])
    return words


def placeholder(field: Field) -> Stated[str] | None:
    """Return a value that is filled in later as a whole, as ``${OPTIONS}``; None: it is none."""
    text = (field.text() or "").strip()
    return Stated(text, field.place()) if text and not TEMPLATE.sub("", text).strip() else None


def open_models(fields: Iterable[Field]) -> Iterator[ModelRef]:
    """Yield a model that nobody knows for each placeholder where a model could be named."""
    for one in fields:
        if (stated := placeholder(one)) is not None:
            yield model_of(stated)


def open_words(command: Field) -> Iterator[ModelRef]:
    """Yield a model that nobody knows where a whole command is a placeholder."""
    items = [*command.items()]
    yield from open_models(items if len(items) == 1 else [command])


def is_object(field: Field) -> bool:
    """Tell whether a value has keys, and is no placeholder that YAML takes for a mapping."""
    return field.is_mapping and field.text() is None


def is_open(text: str) -> bool:
    """Tell whether a text is a template or a variable that something else fills in."""
    return "{{" in text or "$" in text
