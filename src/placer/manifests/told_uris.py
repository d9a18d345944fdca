"""URIs that programs are told wherever they stand: which of them are models the project says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from placer.core.deployment import Stated
from placer.manifests.nodes import Field

_URI = re.compile(r"(?<![\w+.-])[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>|;&(),]+", re.IGNORECASE)
_WRITTEN = re.compile(
    r"(?:.*_)?(?:out|output|upload|export|save|logs?|metrics?|results?|reports?)(?:_.*)?",
    re.IGNORECASE,
)
"""A variable that says where something is written."""
_MAX_DEPTH = 6


def uris_told(
    fields: Iterable[Field], variables: Iterable[tuple[str, Stated[str]]] = ()
) -> tuple[Stated[str], ...]:
    """Return the URIs in texts, however deep in some fields, and in variables, each once."""
    texts = [one for field in fields for one in _texts(field, _MAX_DEPTH)]
    texts += [value for name, value in variables if not _WRITTEN.fullmatch(name)]
    return each_once(
        replace(one, value=uri)
        for one in texts
        if "://" in one.value
        for uri in dict.fromkeys(_URI.findall(one.value))
    )


def each_once(uris: Iterable[Stated[str]]) -> tuple[Stated[str], ...]:
    """Return texts without those that an earlier one says."""
    known: dict[str, Stated[str]] = {}
    for one in uris:
        known.setdefault(one.value, one)
    return tuple(known.values())


def _texts(field: Field, depth: int) -> Iterator[Stated[str]]:
    if (stated := field.stated()) is not None:
        yield stated
    elif depth:
        for one in (*field.items(), *field.entries()):
            yield from _texts(one, depth - 1)
