"""The text format of protocol buffers, read without a schema, with the place of every value.

Source: protobuf.dev/reference/protobuf/textformat-spec. Beyond it, ``${VARIABLE}`` is a value, as
the templates of TensorRT-LLM write it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from placer.core.deployment import Place, Unreadable
from placer.manifests.nodes import Document, Node
from placer.manifests.parsing import MAX_DEPTH, Comment, Parsed, line_covered

MAX_VALUES = 100_000
"""Of a file: a configuration has hundreds."""

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\v\f]+)
    | \#(?P<comment>[^\r\n]*)
    | (?P<string>"(?:[^"\\\r\n]|\\[^\r\n])*"|'(?:[^'\\\r\n]|\\[^\r\n])*')
    | (?P<variable>\$\{[^{}\r\n]*\}|\$[A-Za-z_]\w*)
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?)
        (?![\w.]))
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>[{}\[\]<>:,;/.\-])
    """,
    re.VERBOSE | re.ASCII,
)
_BREAK = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<other>.))",
    re.DOTALL,
)
_PLAIN_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "?": "?", "\\": "\\", "'": "'", '"': '"',
}  # fmt: skip
_TEMPLATE = "render the template and check what comes of it"


class _At(NamedTuple):
    line: int
    column: int


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class _Wrong(Exception):
    def __init__(self, index: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.index, self.message, self.remedy = index, message, remedy


def parse_text_proto(text: str, path: str) -> Parsed:
    """Parse a file: one document, or where and why it is none."""
    reader = _Reader(text)
    try:
        root = reader.message("", 0)
    except _Wrong as error:
        at = reader.at(error.index)
        place = Place(path, at.line + 1, at.column + 1, at.line + 1, at.column + 2)
        return Parsed((), (), Unreadable(place, error.message, error.remedy))
    document = Document(path, 0, text, root, repeats_keys=True)
    return Parsed((document,), tuple(reader.comments))


class _Reader:
    """One pass over the text, one token ahead."""

    def __init__(self, text: str) -> None:
        self.comments: list[Comment] = []
        self._text = text
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._lines = _BREAK.split(text)
        self._tokens = self._scan()
        self._values = 0
        self._end = 0
        """Of the last token that was taken."""
        self._next = _Token("end", "", 0, 0)

    def at(self, index: int) -> _At:
        """Return line and column of a character, counted from 0."""
        line = bisect.bisect_right(self._starts, index) - 1
        return _At(line, index - self._starts[line])

    def message(self, closing: str, depth: int) -> Node:
        """Read fields up to a closing sign, or to the end of the text."""
        if not closing:
            self._take()
        start = self._next.start
        pairs: list[tuple[Node, Node]] = []
        while self._next.text != closing if closing else self._next.kind != "end":
            if self._next.kind == "end":
                self._refuse(f"'{closing}' is missing at the end", f"close it with '{closing}'")
            key = self._name()
            pairs.append((key, self._value_of(key, depth)))
            if self._next.kind == "sign" and self._next.text in ",;":
                self._take()
        return Node(self.at(start), self.at(self._next.end), pairs=pairs, is_block=True)

    # fields

    def _name(self) -> Node:
        token = self._take()
        name = token.text
        if name == "[":
            parts = []
            while self._next.text != "]":
                if self._next.kind == "end":
                    self._refuse("']' is missing at the end", "close it with ']'")
                if self._next.kind != "word" and self._next.text not in ("/", ".", "-"):
                    self._refuse(f"'{self._next.text[:20]}' is no part of a name", "write a word")
                parts.append(self._take().text)
            self._take()
            name = f"[{''.join(parts)}]"
        elif token.kind != "word":
            self._refuse_token(token, "a field's name is expected")
        return self._scalar(name, token.start, is_plain=False)

    def _value_of(self, key: Node, depth: int) -> Node:
        if self._next.text == ":" and self._next.kind == "sign":
            self._take()
        elif self._next.kind != "sign" or self._next.text not in "{<[":
            self._refuse(f"':' is missing after '{key.text}'", f"write '{key.text}: ...'")
        return self._value(depth + 1)

    def _value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", "write it flatter")
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES:,} values", "split the file")
        token = self._next
        if token.kind == "sign" and token.text in "{<":
            self._take()
            node = self.message("}" if token.text == "{" else ">", depth)
            node.start = self.at(token.start)
            self._take()
            return node
        if token.kind == "sign" and token.text == "[":
            return self._list(depth)
        if token.kind == "string":
            return self._strings()
        self._take()
        sign = ""
        start = token.start
        if token.kind == "sign" and token.text == "-":
            sign, token = "-", self._take()
        if token.kind == "number":
            is_hex = token.text[:2].lower() == "0x"
            text = token.text if is_hex else token.text.rstrip("fF")
            return self._scalar(sign + text, start)
        if token.kind in ("word", "variable"):
            return self._scalar(sign + token.text, start)
        self._refuse_token(token, "a value is expected")

    def _list(self, depth: int) -> Node:
        start = self._take().start
        items: list[Node] = []
        while self._next.text != "]" or self._next.kind != "sign":
            items.append(self._value(depth + 1))
            if self._next.kind == "sign" and self._next.text == ",":
                self._take()
            elif self._next.text != "]":
                self._refuse_token(self._next, "',' or ']' is expected")
        self._take()
        first, last = self.at(start), self.at(self._end)
        return Node(first, last, items=items, is_block=first.line != last.line)

    def _strings(self) -> Node:
        """Read strings that stand beside each other: they are one."""
        start = self._next.start
        content = bytearray()
        while self._next.kind == "string":
            token = self._take()
            at = 1
            source = token.text[:-1]
            for match in _ESCAPE.finditer(source, 1):
                content += source[at : match.start()].encode()
                content += self._unescaped(match, token.start)
                at = match.end()
            content += source[at:].encode()
        return self._scalar(content.decode("utf-8", "replace"), start, is_plain=False)

    def _unescaped(self, match: re.Match[str], start: int) -> bytes:
        if match["octal"]:
            return bytes([int(match["octal"], 8) & 0xFF])
        if match["hex"]:
            return bytes([int(match["hex"], 16)])
        code = match["short"] or match["long"]
        if code:
            value = int(code, 16)
            return chr(value).encode("utf-8", "replace") if value <= 0x10FFFF else b"\xef\xbf\xbd"
        if match["other"] not in _PLAIN_ESCAPES:
            remedy = "write '\\\\' for a backslash"
            raise _Wrong(start + match.start(), f"'{match.group()}' is no escape", remedy)
        return _PLAIN_ESCAPES[match["other"]].encode()

    def _scalar(self, text: str, start: int, *, is_plain: bool = True) -> Node:
        first, last = self.at(start), self.at(self._end)
        return Node(first, last, text, is_plain, is_block=first.line != last.line)

    # tokens

    def _take(self) -> _Token:
        """Return the next token and look at the one after it."""
        taken = self._next
        self._end = taken.end
        self._next = next(self._tokens)
        return taken

    def _scan(self) -> Iterator[_Token]:
        text, index = self._text, 0
        while index < len(text):
            match = _TOKEN.match(text, index)
            if match is None:
                self._no_token(index)
            kind = match.lastgroup or ""
            if kind == "comment":
                if "placer:" in match["comment"]:
                    at = self.at(index)
                    covers = line_covered(self._lines, at.line, at.column)
                    self.comments.append(
                        Comment(at.line + 1, at.column + 1, match["comment"], covers)
                    )
            elif kind != "space":
                yield _Token(kind, match.group(), index, match.end())
            index = match.end()
        while True:
            yield _Token("end", "", len(text), len(text))

    def _no_token(self, index: int) -> NoReturn:
        sign = self._text[index]
        if sign in "\"'":
            raise _Wrong(index, "a string without an end on its line", f"close it with {sign}")
        if sign.isdigit():
            raise _Wrong(index, "no number", "write digits, or text in quotes")
        raise _Wrong(index, f"'{sign}' is not allowed here", "put text in quotes")

    def _refuse(self, message: str, remedy: str) -> NoReturn:
        raise _Wrong(self._next.start, message, remedy)

    def _refuse_token(self, token: _Token, expected: str) -> NoReturn:
        remedy = "mend the line; text needs quotes, a message braces"
        if "{{" in self._text[max(token.start - 1, 0) : token.end + 1]:
            remedy = _TEMPLATE
        found = "the file ends" if token.kind == "end" else f"'{token.text[:20]}' stands here"
        raise _Wrong(token.start, f"{expected}, and {found}", remedy)
