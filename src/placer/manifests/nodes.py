"""Values that know where they stand, and ways through them that never fail.

A `Field` is a value of a document or the lack of one: ``root.at("spec", "replicas").integer()``
is None where any part of the way is missing or of another kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from placer.core.deployment import Place, Stated

T = TypeVar("T")

MERGE_KEY = "<<"
MAX_MERGES = 40
"""Merged mappings that are looked through for one key or listing."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
_INT = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
"""YAML 1.1 as Kubernetes reads it (gopkg.in/yaml.v2, resolve.go); dates are words."""
_MAX_DIGITS = 40


class Mark(Protocol):
    """A place in a text; counts from 0."""

    @property
    def line(self) -> int: ...  # noqa: D102  # what yaml.Mark has

    @property
    def column(self) -> int: ...  # noqa: D102  # what yaml.Mark has


@dataclass(slots=True)
class Node:
    """One value of the text; nodes are shared where a document repeats them by aliases."""

    start: Mark
    end: Mark
    text: str | None = None
    """Of a scalar; None: a collection."""
    is_plain: bool = False
    """A scalar without quotes: it can be a number, a truth value or nothing."""
    is_block: bool = False
    """Its end mark is beyond what belongs to it."""
    items: list[Node] | None = None
    pairs: list[tuple[Node, Node]] | None = None
    """(key, value) of a mapping, repeated keys as well."""
    template: str | None = None
    """Source of ``{{ ... }}``, which YAML takes for a mapping within a mapping."""
    merges: bool = False
    """A mapping in which others are merged."""
    size: int = 1
    """Values in it, counted as often as they are repeated."""
    depth: int = 0
    repeats: bool = True
    """Of a collection: a key may be given twice in it, or deeper; whatever their case."""
    by_key: dict[str, tuple[Node, Node]] | None = None
    """Of a mapping that was looked into: key -> the last (key, value)."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    path: str
    index: int
    text: str
    """Of the whole file."""
    root: Node
    is_case_blind: bool = False
    """Keys are found whatever their case."""
    repeats_keys: bool = False
    """A repeated key is one more value (text protocol buffers), not a mistake."""


@dataclass(slots=True, eq=False)
class Field:
    """A value of a document, or the lack of one; not to be changed.

    Not frozen: a run makes a million of them, and that would treble the time of each.
    """

    document: Document
    node: Node | None
    pointer: str = ""
    key: Node | None = None
    """Where it is the value of a mapping."""
    name: str = ""
    """The key as text, or the index in a list."""

    def __bool__(self) -> bool:
        """Tell whether there is a value (``null`` is one)."""
        return self.node is not None

    # the way down

    def at(self, *names: str) -> Field:
        """Follow keys; of a repeated key the last counts."""
        node, pointer, key, text = self.node, self.pointer, self.key, self.name
        is_blind = self.document.is_case_blind
        for depth, name in enumerate(names):
            found = None
            if node is not None and node.pairs is not None:
                if not is_blind and node.by_key is not None:  # most of a million ways end here
                    found = node.by_key.get(name)
                if found is None and (is_blind or node.merges or node.by_key is None):
                    found = self._found(node, name)
            if found is None:
                missing = "/".join([pointer, *map(escaped, names[depth:])])
                return Field(self.document, None, missing, None, names[-1])
            key, node = found
            text = key.text or ""
            pointer = f"{pointer}/{escaped(text)}"
        return Field(self.document, node, pointer, key, text)

    def first_of(self, *names: str) -> Field:
        """Return the first of these keys that is there."""
        return next((one for name in names if (one := self.at(name))), self.at(names[0]))

    def all_of(self, name: str) -> Iterator[Field]:
        """Yield every value of a repeated key, in the order of the text."""
        wanted = name.lower() if self.document.is_case_blind else name
        for one in self.pairs():
            if one.key is not None and self._name(one.key) == wanted:
                yield one

    def pairs(self) -> Iterator[Field]:
        """Yield the values of all keys, of repeated ones as well, in the order of the text."""
        if self.node is not None and self.node.pairs is not None:
            counts: dict[str, int] = {}
            for key, value in self.node.pairs:
                name = key.text or ""
                number = counts[name] = counts.get(name, -1) + 1
                pointer = f"{self.pointer}/{escaped(name)}/{number}"
                yield Field(self.document, value, pointer, key, name)

    def items(self) -> Iterator[Field]:
        """Yield the items of a list; of anything else, none."""
        if self.node is not None and self.node.items is not None:
            for index, item in enumerate(self.node.items):
                yield Field(self.document, item, f"{self.pointer}/{index}", None, str(index))

    def entries(self) -> Iterator[Field]:
        """Yield the values of a mapping, one for each key, merged ones last."""
        if self.node is None or self.node.pairs is None:
            return
        if not (self.node.merges or self.document.is_case_blind):
            for text, (key, value) in _last_pairs(self.node).items():
                if key.text is not None:
                    pointer = f"{self.pointer}/{escaped(text)}"
                    yield Field(self.document, value, pointer, key, text)
            return
        seen: set[str] = set()
        for mapping in _mappings(self.node):
            last = {
                self._name(key): (key, value)
                for key, value in mapping.pairs or ()
                if key.text is not None and not is_merge(key)
            }
            for name, (key, value) in last.items():
                if name not in seen:
                    seen.add(name)
                    text = key.text or ""
                    pointer = f"{self.pointer}/{escaped(text)}"
                    yield Field(self.document, value, pointer, key, text)

    @property
    def is_mapping(self) -> bool:
        """Tell whether it has keys."""
        return self.node is not None and self.node.pairs is not None

    @property
    def is_list(self) -> bool:
        """Tell whether it has items."""
        return self.node is not None and self.node.items is not None

    @property
    def is_null(self) -> bool:
        """Tell whether it is ``null``, or nothing after the colon."""
        return self.node is not None and self.node.is_plain and self.node.text in _NULL

    # what it says

    def text(self) -> str | None:
        """Return a scalar as it is written; a template such as ``{{ .Values.x }}`` as well."""
        node = self.node
        if node is None or self.is_null:
            return None
        return node.text if node.text is not None else node.template

    def stated(self) -> Stated[str] | None:
        """Return the text that is not empty, with its place."""
        text = self.text()
        return Stated(text, self.place()) if text else None

    def integer(self) -> int | None:
        """Return a whole number, quoted or not; a template is none."""
        text = None if self.node is None else self.node.text
        if text is None or len(text) > _MAX_DIGITS or not _INT.fullmatch(text):
            return None
        return _to_int(text)

    def number(self) -> float | None:
        """Return a finite number, quoted or not."""
        whole = self.integer()
        if whole is not None:
            return float(whole)
        text = None if self.node is None else self.node.text
        if text is None or len(text) > _MAX_DIGITS or not _FLOAT.fullmatch(text):
            return None
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            return None
        return value if abs(value) < float("inf") else None

    def truth(self) -> bool | None:
        """Return a truth value."""
        text = None if self.node is None else self.node.text
        return True if text in _TRUE else False if text in _FALSE else None

    def kind(self) -> str:
        """Return what YAML makes of it: text, number, truth value, null, list or mapping."""
        node = self.node
        if node is None:
            return "nothing"
        if node.text is None:
            if node.template is not None:
                return "template"
            return "list" if node.items is not None else "mapping"
        if not node.is_plain:
            return "text"
        if node.text in _NULL:
            return "null"
        if node.text in _TRUE | _FALSE:
            return "truth value"
        return "number" if self.number() is not None else "text"

    def dump(self) -> str:
        """Return all that it says as one text, which no layout, comment or alias changes."""
        return "" if self.node is None else _dump(self.node)

    # where it stands

    def place(self) -> Place:
        """Return the place of a scalar or of a list in brackets; of a block, that of its key.

        A value that is not written at all stands where its key does.
        """
        node = self.node if self.node is not None else self.document.root
        if self.key is not None and not self._is_written:
            return self.key_place()
        if node.is_block:
            if self.key is not None and node.text is None:
                return self.key_place()
            return self._place(node.start, None)
        return self._place(node.start, node.end)

    def key_place(self) -> Place:
        """Return the place of its key; of an item of a list, its own."""
        return self.place() if self.key is None else self._place(self.key.start, self.key.end)

    def pair_place(self) -> Place:
        """Return the place from the key to the end of the value, where that is one line."""
        if self.key is None or self.node is None or self.node.is_block:
            return self.key_place()
        if self.node.end.line != self.key.start.line or not self._is_written:
            return self.key_place()
        return self._place(self.key.start, self.node.end)

    # parts

    def _found(self, node: Node, name: str) -> tuple[Node, Node] | None:
        """Return the pair of a key in a mapping, or in those that it merges."""
        wanted = name.lower() if self.document.is_case_blind else name
        found = self._pair(node, wanted)
        if found is None and node.merges:
            others = (self._pair(one, wanted) for one in _mappings(node))
            found = next((one for one in others if one is not None), None)
        return found

    def _pair(self, node: Node, wanted: str) -> tuple[Node, Node] | None:
        """Return the last pair of a key in one mapping."""
        if self.document.is_case_blind:
            same = (one for one in reversed(node.pairs or []) if self._name(one[0]) == wanted)
            return next(same, None)
        return _last_pairs(node).get(wanted)

    def _name(self, key: Node) -> str:
        text = key.text or ""
        return text.lower() if self.document.is_case_blind else text

    @property
    def _is_written(self) -> bool:
        return self.node is None or bool(self.node.text) or not self.node.is_plain

    def _place(self, start: Mark, end: Mark | None) -> Place:
        """Return a place; without `end`, one character."""
        return Place(
            self.document.path,
            start.line + 1,
            start.column + 1,
            (start if end is None else end).line + 1,
            start.column + 2 if end is None else end.column + 1,
            self.pointer,
            self.document.index,
        )


def _last_pairs(node: Node) -> dict[str, tuple[Node, Node]]:
    """Return the last pair of each key of a mapping."""
    if node.by_key is None:
        node.by_key = {pair[0].text or "": pair for pair in node.pairs or ()}
    return node.by_key


def _mappings(node: Node) -> Iterator[Node]:
    """Yield a mapping and those that it merges; the earlier wins."""
    waiting = [node]
    for _ in range(MAX_MERGES):
        if not waiting:
            return
        mapping = waiting.pop(0)
        yield mapping
        merged: list[Node] = []
        for key, value in (mapping.pairs or ()) if mapping.merges else ():
            if is_merge(key):
                merged += value.items if value.items is not None else [value]
        waiting = [one for one in merged if one.pairs is not None] + waiting


def _dump(node: Node) -> str:
    if node.items is not None:
        return f"[{','.join(map(_dump, node.items))}]"
    if node.pairs is not None and node.template is None:
        return f"{{{','.join(f'{_dump(key)}:{_dump(value)}' for key, value in node.pairs)}}}"
    return repr(node.template if node.text is None else node.text)


def escaped(name: str) -> str:
    """Return a key as a part of a JSON pointer.

    Source: RFC 6901, section 3.
    """
    if "/" in name or "~" in name:
        return name.replace("~", "~0").replace("/", "~1")
    return name


def is_merge(key: Node) -> bool:
    """Tell whether a key merges other mappings."""
    return key.is_plain and key.text == MERGE_KEY


def _to_int(text: str) -> int | None:
    bare = text.replace("_", "")
    digits = bare.lstrip("+-")
    is_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    try:
        value = int(digits, 8) if is_octal else int(digits, 0)
    except ValueError:
        return None
    return -value if bare.startswith("-") else value
