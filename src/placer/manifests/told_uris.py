"""URIs that programs are told wherever they stand: which of them are models the project says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from placer.core.deployment import Stated
from placer.manifests.fetching_tools import FETCHING, tool_of
from placer.manifests.models import is_model_variable
from placer.manifests.nodes import Field
from placer.manifests.programs import runs_of
from placer.manifests.shell import TooDeep
from placer.manifests.steps import is_passed_on, with_tool

_URI = re.compile(r"(?<![\w+.-])[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>|;&(),]+", re.IGNORECASE)
_WRITTEN = re.compile(
    r"(?:.*_)?(?:out|output|upload|export|save|push|dest|destination|logs?|metrics?|results?"
    r"|reports?)(?:_.*)?|(?:.*_)?target(?:_(?:ur[il]|path|dir|folder|bucket|prefix))?",
    re.IGNORECASE,
)
"""A variable or an option that says where something is written."""
_WITH_VALUE = re.compile(
    r"(?!(?:no|disable|enable|skip)_).*(?:^|_)(?:out|output|upload|export|save|push|dest"
    r"|destination|target|ur[il]|path|dir|file|folder|bucket|prefix|location|model)",
    re.IGNORECASE,
)
"""Such an option that takes the next word; ``--disable-log-requests`` and ``--save-txt`` do not."""
_MAX_SCRIPT = 100_000
"""Characters of a command line; in a longer one nobody looks for what is written."""
_MAX_OPTION = 200
"""Characters."""
_MAX_DEPTH = 6


def uris_told(
    fields: Iterable[Field],
    variables: Sequence[tuple[str, Stated[str]]] = (),
    image: Stated[str] | None = None,
) -> tuple[Stated[str], ...]:
    """Return the URIs in texts, however deep in some fields, and in variables, each once.

    What is only written to, or copied from one place elsewhere to another, is none of them.

    Parameters
    ----------
    image
        What runs the texts, where its own program does; None: they say it.
    """
    told = [(field, [*_texts(field, _MAX_DEPTH)]) for field in fields]
    texts = [one for _, ones in told for one in ones]
    named = [(name, value) for name, value in variables if not _WRITTEN.fullmatch(name)]
    uris = each_once(_uris_in([*texts, *(value for _, value in named)]))
    if not uris:
        return ()
    scripts = [[one.value] for field, ones in told if field.is_mapping for one in ones]
    words = [one.value for field, ones in told if not field.is_mapping for one in ones]
    tool = None if image is None else tool_of(image.value)
    values = {name: value.value for name, value in variables}
    away = _away([*scripts, with_tool(words, tool)], values)
    kept = {one.value for one in _uris_in(v for name, v in named if is_model_variable(name))}
    return tuple(one for one in uris if one.value in kept or one.value not in away)


def _uris_in(texts: Iterable[Stated[str]]) -> Iterator[Stated[str]]:
    for one in texts:
        for uri in dict.fromkeys(_URI.findall(one.value) if "://" in one.value else ()):
            yield replace(one, value=uri)


def _away(lines: Sequence[list[str]], variables: Mapping[str, str]) -> set[str]:
    """Return the URIs of command lines that no program of them reads to keep it here."""
    if sum(len(one) for line in lines for one in line) > _MAX_SCRIPT:
        return set()
    try:
        runs = [run for line in lines for run in runs_of(line, variables, FETCHING)]
    except TooDeep:
        return set()
    away: set[str] = set()
    read: set[str] = set()
    for run in runs:
        before = ["", *run.told]
        for option, word in zip(before, run.told, strict=False):
            name, equals, _ = word.partition("=")
            is_written = (
                _is_written(name)
                if equals and name.startswith("-")
                else _is_written(option, is_apart=True)
            )
            (away if is_written or is_passed_on(run) else read).update(_URI.findall(word))
    return away - read


def _is_written(option: str, *, is_apart: bool = False) -> bool:
    """Tell whether an option says where something is written, perhaps by the next word."""
    if not option.startswith("-") or len(option) > _MAX_OPTION:
        return False
    name = option.lstrip("-").replace("-", "_")
    is_valued = not is_apart or _WITH_VALUE.fullmatch(name) is not None
    return is_valued and _WRITTEN.fullmatch(name) is not None


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
