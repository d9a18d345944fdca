"""What the tests of the pages in docs/ share: their blocks and tables."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WORDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "array": "list",
    "object": "map",
    "string": "text",
}


def read(name: str) -> str:
    """Return a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """Return the lines of the shell blocks that run placer, without comments."""
    lines = [line.strip() for block in blocks(page, "sh") for line in block.splitlines()]
    starts = [re.split(r" (?:\|\|?|>) ", line)[0] for line in lines if line.startswith("placer ")]
    return [shlex.join(shlex.split(line, comments=True)) for line in starts]


def table(page: str, head: str) -> list[str]:
    """Return the rows of the table with this head."""
    _, found, rest = page.partition(f"{head}\n|---")
    assert found, f"no table has the head {head}"
    return rest.partition("\n\n")[0].splitlines()[1:]


def printed_by(code: str) -> str:
    """Run Python code and return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "page", "exec"), {"__name__": "page"})
    return out.getvalue()


def keys_of(
    schema: Mapping[str, Any], part: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (dotted key, its schema) in the order of the schema, a part before its keys."""
    for name, value in (schema if part is None else part)["properties"].items():
        one = _resolved(schema, value)
        items = _resolved(schema, one["items"]) if one.get("type") == "array" else {}
        key = f"{prefix}{name}{'[]' if items.get('properties') else ''}"
        yield key, one
        inner = items if items.get("properties") else one
        if inner.get("properties"):
            yield from keys_of(schema, inner, f"{key}.")


def type_of(part: Mapping[str, Any]) -> str:
    """Say in words what a value can be."""
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        words = ", ".join(f"`{word}`" for word in part["enum"])
    elif len(kinds := part.get("kinds", [])) > 1:
        words = " or ".join(WORDS.get(kind, kind) for kind in kinds)
    else:
        words = WORDS.get(str(part.get("type")), str(part.get("type")))
    return f"{words} or null" if part.get("nullable") else words


def meaning_of(part: Mapping[str, Any]) -> str:
    """Return the description of a key on one line, as Markdown."""
    return " ".join(str(part["description"]).split()).replace("``", "`")


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references and choices; null becomes the flag ``nullable``."""
    found = dict(part)
    if "$ref" in found:
        target = schema["$defs"][found.pop("$ref").rpartition("/")[2]]
        found = _resolved(schema, target) | found
    if "anyOf" in found:
        choices = [_resolved(schema, one) for one in found.pop("anyOf")]
        others = [one for one in choices if one.get("type") != "null"]
        nullable = len(others) < len(choices) or any(one.get("nullable") for one in others)
        kinds = [str(kind) for one in others for kind in one.get("kinds", [one.get("type")])]
        found = others[0] | {"kinds": kinds, "nullable": nullable} | found
    return found
