"""YAML whose values know where they stand: what is wrong is told as ``path:line:column``.

The text is read as libyaml's events, so that nothing nests, expands or is constructed before it
is judged. Plain scalars follow the core schema of YAML 1.2: ``no`` is a word, ``true`` is not.
"""

from __future__ import annotations

import os
import re
import stat
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from placer.core.errors import InputError, UsageError, near_match

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 20_000
"""Values after aliases are expanded: a few lines can stand for billions (billion laughs)."""

Location = tuple[str | int, ...]

_NOT_YAML = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
"""Source of both: YAML 1.2.2, section 10.3.2 (octal, hexadecimal, .inf and .nan are words here:
no figure of placer is written so)."""


@dataclass(frozen=True, slots=True)
class Document:
    """The data of one YAML file and where each value stands."""

    path: str
    data: Mapping[str, Any]
    positions: Mapping[Location, tuple[int, int]]
    """Location -> (line, column) of the key, or of the item of a list; both count from 1."""

    def where(self, location: Location) -> str:
        """Return ``path:line:column`` of a location, or of the nearest one around it."""
        while location not in self.positions:
            location = location[:-1]
        line, column = self.positions[location]
        return f"{self.path}:{line}:{column}"


@dataclass(slots=True)
class _Node:
    """One value of the text; an alias is the node that it names."""

    line: int
    column: int
    content: str | list[_Node] | list[tuple[_Node, _Node]]
    is_mapping: bool = False
    is_quoted: bool = False


def joined(folder: str, path: str) -> str:
    """Return a path that a file of a folder states, without ``..`` where that leads there as well.

    Behind a symbolic link ``folder/../x`` is not ``x``: there it stays as it was stated.
    """
    whole = os.path.join(folder, path) if folder else path  # noqa: PTH118  # a path is text as typed
    if ".." not in path:
        return whole
    short = os.path.normpath(whole)
    return short if os.path.realpath(short) == os.path.realpath(whole) else whole


def read_yaml(
    path: str, *, hint: str = "check the path; a catalogue name has no '/' or '.yaml'"
) -> Document:
    """Read one YAML file whose root is a mapping.

    Parameters
    ----------
    hint
        What to do where there is no such file.

    Raises
    ------
    InputError
        The file is missing or unreadable.
    UsageError
        The text is no such YAML, or larger than ``MAX_BYTES``.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # a path is text as typed
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # it would be waited for
            kind = "pipe" if stat.S_ISFIFO(mode) else "device"
            raise InputError(f"{path}: a {kind}, not a file", hint="name a regular file")
        with open(path, "rb") as file:  # noqa: PTH123  # a path is text as typed, in messages too
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        what = "a link to nothing" if os.path.islink(path) else "no such file"  # noqa: PTH114  # text
        raise InputError(f"{path}: {what}", hint=hint) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(
            f"{path}: cannot be read ({reason.lower()})", hint="check the path and who may read it"
        ) from error
    return parse_yaml(content, path=path)


def parse_yaml(content: bytes | str, *, path: str) -> Document:
    """Parse YAML text as `read_yaml` does; a byte order mark is refused.

    Raises
    ------
    UsageError
        Too large, not UTF-8, not YAML, several documents, a root that is not a mapping, a key
        given twice, a tag, or nesting or aliases beyond the limits.
    """
    text = _decode(content, path)
    root = _compose(text, path)
    if root is None or not root.is_mapping:
        line, column = (root.line, root.column) if root is not None else (1, 1)
        raise UsageError(
            f"{path}:{line}:{column}: {'empty' if root is None else 'not a mapping'}",
            hint="write one `key: value` a line",
        )
    positions: dict[Location, tuple[int, int]] = {(): (root.line, root.column)}
    data = _Construction(path, positions).value(root, ())
    return Document(path, data, positions)


def _decode(content: bytes | str, path: str) -> str:
    if len(content) > MAX_BYTES:
        raise UsageError(
            f"{path}:1:1: larger than {MAX_BYTES // 10**6} MB", hint="is it the right file?"
        )
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
            raise UsageError(
                f"{path}:{line}:{column}: not UTF-8 text", hint="save the file as UTF-8"
            ) from error
    text = content
    if text.startswith("\ufeff"):
        raise UsageError(
            f"{path}:1:1: begins with a byte order mark", hint="save the file as UTF-8 without BOM"
        )
    wrong = _NOT_YAML.search(text)
    if wrong is not None:
        line = text.count("\n", 0, wrong.start()) + 1
        column = wrong.start() - text.rfind("\n", 0, wrong.start())
        raise UsageError(
            f"{path}:{line}:{column}: the character U+{ord(wrong.group()):04X} is not allowed",
            hint="remove it, or save the file as UTF-8 text",
        )
    return text


def _compose(text: str, path: str) -> _Node | None:
    """Build the tree of the only document; None: there is none."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        return _Composition(path, yaml.parse(text, Loader=loader)).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        lines = text.splitlines()
        at = lines[line - 1] if line <= len(lines) else ""
        indent = at[: len(at) - len(at.lstrip())]
        if "\t" in indent:
            column = indent.index("\t") + 1
            raise UsageError(
                f"{path}:{line}:{column}: a tab in the indentation", hint="indent by spaces"
            ) from error
        problem = " ".join(part for part in (error.context, error.problem) if part)
        if "nesting depth" in problem:  # libyaml's own limit, from 0.2.6 on
            raise UsageError(
                f"{path}:{line}:{column}: nested deeper than {MAX_DEPTH} levels",
                hint="write it flatter",
            ) from error
        raise UsageError(
            f"{path}:{line}:{column}: not YAML: {problem}",
            hint="quote text that has ': ', '#' or a leading '*', '&', '!', '%', '@' in it",
        ) from error


class _Composition:
    """One pass over the events; holds the anchors."""

    def __init__(self, path: str, events: Iterator[Any]) -> None:
        self._path = path
        self._events = events
        self._anchors: dict[str, _Node] = {}

    def root(self) -> _Node | None:
        import yaml

        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._refuse(event, "a second document", "keep one document in a file")
                root = self._node(next(self._events), 1)
        return root

    def _node(self, event: Any, depth: int) -> _Node:
        import yaml

        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "write it flatter")
        if isinstance(event, yaml.AliasEvent):
            name = event.anchor or ""
            if name not in self._anchors:
                self._refuse(
                    event,
                    f"unknown alias '*{name}'{near_match(name, self._anchors)}",
                    "put a text that begins with '*' in quotes",
                )
            return self._anchors[name]
        if event.tag is not None:
            self._refuse(event, f"the tag '{event.tag}' is not supported", "write plain values")
        node = _Node(event.start_mark.line + 1, event.start_mark.column + 1, "")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            node.content, node.is_quoted = event.value, bool(event.style)
        elif isinstance(event, yaml.SequenceStartEvent):
            items: list[_Node] = []
            node.content = items
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, depth + 1))
        else:
            pairs: list[tuple[_Node, _Node]] = []
            node.content, node.is_mapping = pairs, True
            while not isinstance(event := next(self._events), yaml.MappingEndEvent):
                key = self._node(event, depth + 1)
                pairs.append((key, self._node(next(self._events), depth + 1)))
        return node

    def _refuse(self, event: Any, message: str, hint: str) -> typing.NoReturn:
        mark = event.start_mark
        raise UsageError(f"{self._path}:{mark.line + 1}:{mark.column + 1}: {message}", hint=hint)


class _Construction:
    """One walk over the tree; counts the values and notes where they stand."""

    def __init__(self, path: str, positions: dict[Location, tuple[int, int]]) -> None:
        self._path = path
        self._positions = positions

    def value(self, node: _Node, location: Location) -> Any:
        if len(location) > MAX_DEPTH or len(self._positions) > MAX_VALUES:
            self._refuse(node, "aliases expand to too much", "write the values out")
        if isinstance(node.content, str):
            return node.content if node.is_quoted else _scalar(node.content)
        if node.is_mapping:
            return self._mapping(typing.cast("list[tuple[_Node, _Node]]", node.content), location)
        values = []
        for index, item in enumerate(typing.cast("list[_Node]", node.content)):
            self._positions[*location, index] = (item.line, item.column)
            values.append(self.value(item, (*location, index)))
        return values

    def _mapping(self, pairs: list[tuple[_Node, _Node]], location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in pairs:
            name = key.content
            if not isinstance(name, str):
                self._refuse(key, "a key must be a word", "write `key: value`")
            if name in values:
                first = self._positions[*location, name][0]
                self._refuse(
                    key, f"the key '{name}' is given twice (first in line {first})", "keep one"
                )
            self._positions[*location, name] = (key.line, key.column)
            values[name] = self.value(item, (*location, name))
        return values

    def _refuse(self, node: _Node, message: str, hint: str) -> typing.NoReturn:
        raise UsageError(f"{self._path}:{node.line}:{node.column}: {message}", hint=hint)


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
