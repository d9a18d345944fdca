"""JSON as its consumers read it: what YAML takes as well, ``az`` and AWS refuse."""

from __future__ import annotations

import json
import re

from placer.core.deployment import Place, Unreadable
from placer.core.project import TEMPLATE

SUFFIX = ".json"
_WITH_COMMENTS = ".template.json"
"""Files of the IoT Edge tools, which take comments out. Source: iotedgedev, ``commentjson``."""
_LENIENT = frozenset({"compose"})
"""Formats whose tools read a .json file as YAML."""
_STRICT = frozenset({"iotedge", "greengrass"})
"""Formats whose tools read JSON alone there; of others a file may be YAML under that name."""
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?P<comment>//[^\r\n]*|/\*.*?\*/)', re.DOTALL)
_BEGIN = re.compile(r"(?:\s|(?P<comment>//[^\r\n]*|/\*.*?\*/))*+", re.DOTALL)
"""What stands before the first value; possessive, so that no comment is tried twice."""
_GAP = re.compile(r"(?:\s|^---(?=\s|$))*", re.MULTILINE)
"""Between documents."""
_BREAK = re.compile(r"\r\n|\r|\n")
_NO_YAML = "not YAML"


class _NotJson(ValueError):
    """A word that Python's reader takes and JSON does not have."""


def without_comments(text: str, path: str) -> str:
    """Return the text with blanks for comments, where the tools of its file allow them."""
    if not path.lower().endswith(_WITH_COMMENTS):
        return text
    return _STRING_OR_COMMENT.sub(_blanked, text)


def told_as_json(
    text: str, path: str, formats: frozenset[str], unreadable: Unreadable | None
) -> Unreadable | None:
    """Return why a file ``.json`` cannot be read, as JSON says it.

    Parameters
    ----------
    formats
        Those that claim its documents.
    unreadable
        What YAML says of it.
    """
    begin = _BEGIN.match(text)
    if begin is None or not path.lower().endswith(SUFFIX):
        return unreadable
    is_meant = text[begin.end() : begin.end() + 1] in ("{", "[")
    is_commented = is_meant and begin["comment"] is not None  # no YAML, and perhaps one long word
    is_yaml = unreadable is None or not unreadable.message.startswith(_NO_YAML)
    if is_yaml and (unreadable or (formats <= _LENIENT and not is_commented)):
        return unreadable
    if not formats & _STRICT and not is_meant:
        return unreadable
    return _problem(text, path) or unreadable


def _problem(text: str, path: str) -> Unreadable | None:
    """Return the first place that is no JSON; None: there is none, or it is filled in later."""
    decoder = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_refused)
    at = _after_gap(text, 0)
    try:
        while at < len(text):
            _, at = decoder.raw_decode(text, at)
            at = _after_gap(text, at)
    except json.JSONDecodeError as error:
        at, said = error.pos, error.msg[:1].lower() + error.msg[1:]
    except _NotJson as error:
        at, said = text.index(str(error), at), f"{error} is no value"
    except RecursionError:
        return None
    else:
        return None
    if any(TEMPLATE.match(text, start) for start in range(max(at - 1, 0), at + 1)):
        return None
    at, message, remedy = _told(text, at, said)
    breaks = [match.end() for match in _BREAK.finditer(text, 0, at)]
    line, column = len(breaks) + 1, at - (breaks[-1] if breaks else 0) + 1
    return Unreadable(Place(path, line, column, line, column + 1), f"not JSON: {message}", remedy)


def _told(text: str, at: int, said: str) -> tuple[int, str, str]:
    """Return (where, what, remedy)."""
    if text[at : at + 2] in ("//", "/*") or text[at : at + 1] == "#":
        return at, "it has no comments", f"take it out; only *{_WITH_COMMENTS} may have some"
    if text[at : at + 1] == "'":
        return at, "a text stands in double quotes", "write \" for '"
    comma = len(text[: at + 1].rstrip("]} \t\r\n")) - 1
    if text[comma : comma + 1] == "," and text[comma + 1 :].lstrip()[:1] in ("}", "]"):
        return comma, "a comma behind the last entry", "take it out"
    return at, said, "mend it there: `jq . FILE` says whether it is JSON"


def _after_gap(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    return at if match is None else match.end()


def _blanked(match: re.Match[str]) -> str:
    comment = match["comment"]
    return match.group() if comment is None else re.sub(r"[^\r\n]", " ", comment)


def _refused(word: str) -> None:
    raise _NotJson(word)
