"""Globs of a project: which texts they fit, and the one that fits a text and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WILD = re.compile(r"[*?]")
_ESCAPED = re.compile(r"\[([*?])\]")
_PARTS = re.compile(r"\[[*?]\]|.", re.DOTALL)
"""Of a glob: a character, or one that stands for itself."""


def globbed(text: str, pattern: str) -> bool:
    """Tell whether a glob fits a whole text: ``*`` any characters, ``?`` one; case counts.

    ``[*]`` and ``[?]`` are these characters themselves; any other bracket is one as well. Of
    several stars only the last is tried again, so that no pattern takes exponential time.
    """
    said: Sequence[str] = text
    parts: Sequence[str] = pattern
    if "[" in pattern:
        said = [_to_the_letter(one) for one in text]
        parts = _PARTS.findall(pattern)
    at = to = 0
    star, mark = -1, 0
    while at < len(said):
        if to < len(parts) and parts[to] == "*":
            star, mark = to, at
            to += 1
        elif to < len(parts) and parts[to] in ("?", said[at]):
            at, to = at + 1, to + 1
        elif star >= 0:
            mark += 1
            at, to = mark, star + 1
        else:
            return False
    return all(part == "*" for part in parts[to:])


def _to_the_letter(text: str) -> str:
    return _WILD.sub(r"[\g<0>]", text)


def glob_of(text: str) -> str:
    """Return the glob that fits a text and nothing else, in quotes, as ``placer.yaml`` has it."""
    return "'" + _to_the_letter(text).replace("'", "''") + "'"


def literal(pattern: str) -> str:
    """Return the text that a glob says to the letter, if it says one."""
    return _ESCAPED.sub(r"\1", pattern)
