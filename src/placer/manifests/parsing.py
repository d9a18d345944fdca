"""One parse of YAML and JSON alike: libyaml's events, built into nodes that keep their marks.

Nothing nests, expands or is constructed beyond the limits, whatever the bytes are.
"""

from __future__ import annotations

import base64
import bisect
import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from placer.core.deployment import Place, Unreadable
from placer.manifests.nodes import MERGE_KEY, Document, Mark, Node, is_merge

MAX_DEPTH = 100
MAX_VALUES = 500_000
"""Values of a file, and of a document after aliases are expanded: a few lines can stand for
billions."""

_NOT_YAML = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_YAML_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Lines end here for libyaml and for no editor."""
_BREAK = re.compile(r"\r\n|\r|\n")
_SURROGATE = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""Half of a character in JSON; libyaml refuses it."""
_TEMPLATE = re.compile(r"\{\{[^{}\n]*\}\}|\{\{-")
_BINARY = "tag:yaml.org,2002:binary"
_MERGE = "tag:yaml.org,2002:merge"
"""On ``<<``, in quotes or not, it says what ``<<`` alone does: yq prints it."""
_SEPARATOR = re.compile(r"(?:---|\.\.\.)(?=\s|$)")
"""Of documents: at the beginning of a line it is one wherever it stands."""
_COMMENT = re.compile(r"(?:^|(?<=\s))#")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a file; line and column count from 1 and are those of the ``#``."""

    line: int
    column: int
    text: str
    """What follows the ``#``."""
    covers: int | None = None
    """The line of the entry that it is for, where it stands alone; None: its own."""
    document: int = 0
    """Index of the document in which it stands."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one file holds."""

    documents: tuple[Document, ...]
    """Those before the first that cannot be read."""
    comments: tuple[Comment, ...] = ()
    unreadable: Unreadable | None = None


class _At(NamedTuple):
    line: int
    column: int


class _TooMuch(Exception):
    def __init__(self, mark: Any, message: str, remedy: str) -> None:
        super().__init__(message)
        self.mark, self.message, self.remedy = mark, message, remedy


def line_covered(lines: Sequence[str], number: int, column: int) -> int | None:
    """Return the line, from 1, of the entry that a comment is for; None: it is behind its entry.

    Other comments may stand between; behind the dash of an item stands no entry yet.

    Parameters
    ----------
    number, column
        Of the ``#``, from 0.
    """
    if lines[number][:column].strip(" \t-"):
        return None
    below = range(number + 1, len(lines))
    return 1 + next((n for n in below if not lines[n].lstrip().startswith("#")), number)


def decoded(content: bytes, path: str) -> str | Unreadable:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte order mark."""
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        if error.encoding != "utf-8":
            line, column = 1, 1
        return _unreadable(path, line, column, "not UTF-8 text", "save the file as UTF-8")
    wrong = _NOT_YAML.search(text)
    if wrong is not None:
        line, column = _line_and_column(text, wrong.start())
        return _unreadable(
            path,
            line,
            column,
            f"the character U+{ord(wrong.group()):04X} is not allowed in a manifest",
            "remove it, or save the file as UTF-8 text",
        )
    return text


def parse_yaml(text: str, path: str, *, loader: Any = None) -> Parsed:
    """Parse the documents of a YAML or JSON file, by libyaml unless a `loader` of yaml is given."""
    import yaml

    source = text
    if "\\u" in text:
        # as long as what it stands for, so that columns hold; no key of ours has such characters
        source = _SURROGATE.sub(r"\1\\ufffd", text)
    loader = loader or getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    documents: list[Document] = []
    builder = _Builder(source)
    unreadable = None
    try:
        for root in builder.roots(loader(source).get_event):
            documents.append(Document(path, len(documents), text, root))
    except yaml.MarkedYAMLError as error:
        unreadable = _from_yaml(error, text, path, len(documents))
    except yaml.YAMLError as error:
        unreadable = _unreadable(path, 1, 1, f"not YAML: {error}", _remedy(text))
    except _TooMuch as error:
        line, column = error.mark.line + 1, error.mark.column + 1
        unreadable = _unreadable(path, line, column, error.message, error.remedy)
    return Parsed(tuple(documents), _comments(text, documents, unreadable), unreadable)


def _comments(
    text: str, documents: list[Document], unreadable: Unreadable | None
) -> tuple[Comment, ...]:
    """Return the comments that speak to placer: no ``#`` within a string is one.

    Behind the last document that can be read it is not known what is a string.
    """
    if "placer:" not in text:
        return ()
    known = len(text)
    if unreadable is not None:
        known = documents[-1].root.end.line if documents else 0
    spans = sorted(_scalar_spans(documents))
    starts = [start for start, _ in spans]
    roots = [document.root for document in documents]
    # of an empty document libyaml tells the line at which the next one begins
    begins = [root.start.line - (root.is_plain and not root.text) for root in roots]
    begin, found = 0, []
    lines = _BREAK.split(text)
    for number, line in enumerate(lines):
        if number >= known:
            break
        if _SEPARATOR.match(line):
            begin = number
        if "placer:" not in line:
            continue
        for match in _COMMENT.finditer(line):
            at = _At(number, match.start())
            before = bisect.bisect_right(starts, at) - 1
            if before < 0 or at >= spans[before][1]:
                covers = line_covered(lines, number, match.start())
                index = min(bisect.bisect_left(begins, begin), max(len(begins) - 1, 0))
                rest = line[match.end() :]
                found.append(Comment(number + 1, match.start() + 1, rest, covers, index))
                break
    return tuple(found)


class _Builder:
    """One pass over the events; holds the anchors of a document."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._marks = _marks_of(source)
        self._values = 0

    def roots(self, next_event: Callable[[], Any]) -> Iterator[Node]:
        """Yield the root of each document as soon as it is complete."""
        import yaml

        scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
        starts = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
        ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        anchors: dict[str, Node | None] = {}
        stack: list[tuple[Node, str | None, list[Node], int]] = []
        children: list[Node] = []
        done: Node | None = None
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is scalar:
                style, anchor = event.style, event.anchor
                text = event.value if event.tag is None else _tagged(event.tag, event.value)
                done = self._node(event, text)
                done.is_plain = event.tag == _MERGE or not (style or event.tag)
                done.is_block = style in ("|", ">")
                if anchor is not None:
                    anchors[anchor] = done
            elif kind in starts:
                if len(stack) >= MAX_DEPTH:
                    raise _too_deep(event.start_mark)
                node = self._node(event, None)
                node.is_block = not event.flow_style
                if kind is yaml.MappingStartEvent:
                    node.pairs = []
                if event.anchor is not None:
                    anchors[event.anchor] = None
                children = []
                stack.append((node, event.anchor, children, event.start_mark.index))
                continue
            elif kind in ends:
                done, anchor, own, start = stack.pop()
                children = stack[-1][2] if stack else []
                self._close(done, own, event)
                if done.pairs and not done.is_block and done.pairs[0][0].pairs is not None:
                    source = self._source[start : event.end_mark.index]
                    if source.startswith("{{") and source.endswith("}}") and "\n" not in source:
                        done.template = source
                if anchor is not None:
                    anchors[anchor] = done
            elif kind is alias:
                done = self._alias(event, anchors)
            else:
                if kind is yaml.DocumentStartEvent:
                    anchors, done = {}, None
                elif kind is yaml.DocumentEndEvent and done is not None:
                    yield done
                continue
            children.append(done)

    def _node(self, event: Any, text: str | None) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_much(event.start_mark)
        at = self._marks
        if at is None:
            return Node(event.start_mark, event.end_mark, text)
        return Node(at(event.start_mark), at(event.end_mark), text)

    def _close(self, node: Node, children: list[Node], event: Any) -> None:
        """Give a collection what is in it."""
        end = event.end_mark
        node.end = end if self._marks is None else self._marks(end)
        if node.pairs is None:
            node.items = children
            node.repeats = False
        else:
            keys = children[::2]
            node.pairs = list(zip(keys, children[1::2], strict=True))
            texts = [key.text or "" for key in keys]
            node.merges = MERGE_KEY in texts and any(is_merge(key) for key in keys)
            node.repeats = len(set(map(str.lower, texts))) < len(texts)
        node.size += len(children)
        for child in children:
            if child.text is None:
                node.size += child.size - 1
                node.depth = max(node.depth, child.depth)
                node.repeats = node.repeats or child.repeats
        if children:
            node.depth += 1
        if node.size > MAX_VALUES:
            raise _too_much(event.start_mark)
        if node.depth > MAX_DEPTH:
            raise _too_deep(event.start_mark)

    def _alias(self, event: Any, anchors: dict[str, Node | None]) -> Node:
        """Return what an alias stands for, standing where the alias does."""
        named = anchors.get(event.anchor)
        if named is None:
            is_inside = event.anchor in anchors
            raise _TooMuch(
                event.start_mark,
                f"the alias '*{event.anchor}' stands within what it names"
                if is_inside
                else f"unknown alias '*{event.anchor}'",
                "write the values out" if is_inside else "put text that begins with '*' in quotes",
            )
        here = self._node(event, named.text)
        return replace(named, start=here.start, end=here.end, is_block=False)


def _tagged(tag: str, text: str) -> str:
    """Return a scalar with a tag as Kubernetes reads it: text in base64 is what it stands for."""
    if tag != _BINARY:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return text


def _marks_of(text: str) -> Callable[[Any], Mark] | None:
    """Return what makes a mark of libyaml count lines as editors do; None: it does."""
    if not _YAML_BREAKS.search(text):
        return None
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def at(mark: Any) -> _At:
        line = bisect.bisect_right(starts, mark.index) - 1
        return _At(line, mark.index - starts[line])

    return at


def _scalar_spans(documents: list[Document]) -> Iterator[tuple[_At, _At]]:
    """Yield start and end of every scalar, each node once."""
    seen: set[int] = set()
    waiting = [document.root for document in documents]
    while waiting:
        node = waiting.pop()
        if node.text is not None:
            yield _At(node.start.line, node.start.column), _At(node.end.line, node.end.column)
        content = node.items if node.items is not None else node.pairs
        if content is None or id(content) in seen:
            continue
        seen.add(id(content))
        waiting += node.items or ()
        waiting += [one for pair in node.pairs or () for one in pair]


def _from_yaml(error: Any, text: str, path: str, index: int) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line, column = _line_and_column(text, mark.index) if mark is not None else (1, 1)
    lines = _BREAK.split(text)
    at = lines[line - 1] if line <= len(lines) else ""
    indent = at[: len(at) - len(at.lstrip())]
    if "nesting depth" in str(error.problem):
        return _unreadable(path, line, column, "nested too deep", "write it flatter", index)
    if "\t" in indent and not path.endswith(".json"):
        column = indent.index("\t") + 1
        message = "a tab in the indentation"
        return _unreadable(path, line, column, message, "indent by spaces", index)
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    return _unreadable(path, line, column, f"not YAML: {problem}", _remedy(text), index)


def _remedy(text: str) -> str:
    if _TEMPLATE.search(text):
        return "a template is checked as it is rendered: `helm template CHART | placer check -`"
    return "mend the line; text with ': ', '#' or a leading '*', '&', '!', '%', '@' needs quotes"


def _too_much(mark: Any) -> _TooMuch:
    return _TooMuch(
        mark,
        f"more than {MAX_VALUES:,} values, or aliases that expand to as many",
        "split the file, or write the values out",
    )


def _too_deep(mark: Any) -> _TooMuch:
    return _TooMuch(mark, f"nested deeper than {MAX_DEPTH} levels", "write it flatter")


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return line and column, counted from 1, of a character."""
    breaks = [match.end() for match in _BREAK.finditer(text, 0, min(index, len(text)))]
    return len(breaks) + 1, index - (breaks[-1] if breaks else 0) + 1


def _unreadable(
    path: str, line: int, column: int, message: str, remedy: str, document: int = 0
) -> Unreadable:
    place = Place(path, line, column, line, column + 1, "", document)
    return Unreadable(place, message, remedy)
