"""The commands of a shell's script, also those in groups, branches, functions and substitutions.

Nothing is run: which words are a command of their own is read from the grammar alone, in one pass.
Source: POSIX.1-2024, "Shell Command Language"; ``[[``, ``<(`` and ``$'...'`` as bash has them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from placer.manifests.shell_variables import VARIABLE, changes_any, or_default, put_in

_FILLED_IN = r"\$\{[^{}$`]*\}|\{\{[^{}]*\}\}|\$?\(\((?:[^()]|\([^()]*\))*\)\)"
"""``${NAME:-x}``, ``{{ .Values.x }}``, ``$(( x + 1 ))``: part of a word, whatever it holds."""
_TOKEN = re.compile(
    rf"""(?P<joined>\\\r?\n)
    |(?P<space>[ \t\r]+)
    |(?P<here><<(?!<)(?P<tabs>-?)[ \t]*(?P<last>'[^'\n]*'|"[^"\n]*"|[^\s;&|<>()]+))
    |(?P<process>[<>]\()
    |(?P<redirect>(?P<number>\d*)(?:&>>|&>|>>|>\||[<>]&|<<<|<>|[<>]))
    |(?P<variable>{VARIABLE.pattern})
    |(?P<filled>{_FILLED_IN})
    |(?P<opened>\$\(|`)
    |(?P<function>\([ \t]*\))
    |(?P<operator>&&|\|\||;;&|;[;&]?|\|&|[&|\n()])
    |(?P<single>\$?'[^']*')
    |(?P<double>\$?")
    |(?P<escaped>\\.)
    |(?P<plain>[^\s\\'"`$\#;&|<>(){{}}0-9]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(
    rf"""(?P<joined>\\\r?\n)
    |(?P<double>")
    |(?P<variable>{VARIABLE.pattern})
    |(?P<filled>{_FILLED_IN})
    |(?P<opened>\$\(|`)
    |(?P<escaped>\\["\\$`])
    |(?P<plain>[^"\\$`{{(]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"[^\n]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=.*", re.DOTALL)
_CHANGED = re.compile(
    r"(?<![\w$-])(?:(?P<assigned>[A-Za-z_]\w*)\+?="
    r"|(?:for|select|read|mapfile|readarray|getopts|unset|printf\s+-v)\s+(?P<read>[^;\n]*))"
)
"""Where a script may give a variable a value, or take it."""
_DECLARING = frozenset(["export", "local", "declare", "typeset", "readonly"])
_NOT_ARITHMETIC = re.compile(r"[A-Za-z]\s+(?:-?[A-Za-z]|[/.\"'$])")
_NO_FILE = re.compile(r"\d*-?|/dev/(?:null|stdout|stderr|tty|fd/.*)")
"""What output is sent to without being written: another stream, or nobody."""
_KEYWORDS = frozenset(["if", "then", "elif", "else", "while", "until", "do", "!", "{", "coproc"])
"""Words that a command may follow."""
_MAX_BEFORE = 10
"""Words such as ``then`` that stand before a ``case``; parts of the name of a variable."""
_MAX_DEPTH = 50
"""Levels of groups and substitutions."""
_MAX_PUT_IN = 200_000
"""Characters of values that are put into the words of a script; then variables stay."""


class TooDeep(Exception):
    """A script is nested deeper than anybody writes one."""


@dataclass(slots=True)
class Command:
    """One simple command: a program with what it is told."""

    words: list[str]
    """Without quotes, redirections, assignments and words such as ``then``."""
    written: list[str] = field(default_factory=list)
    """Files that its output is sent to."""
    said: str = ""
    """The here-document or here-string that it reads."""
    assigned: list[tuple[str, str]] = field(default_factory=list)
    """(name, value) of variables that programs are given."""
    given: str = ""
    """The here-strings that it reads."""
    line: str = ""
    """The words of the pipeline that it is of, and of substitutions in it."""


@dataclass(slots=True)
class _Level:
    """What is open at one level of a script."""

    closer: str
    command: Command = field(default_factory=lambda: Command([]))
    pipeline: list[Command] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    """Lines of groups and substitutions within the pipeline."""
    word: list[str] | None = None
    """Parts of the word at hand; None: between words."""
    redirect: str = ""
    is_quoted: bool = False
    is_test: bool = False
    """Within ``[[ ... ]]``, where ``&&``, ``<`` and parentheses are no operators."""
    is_pattern: bool = False
    """Where a pattern of ``case`` may stand."""
    pattern_from: int = 0
    """Commands of the pipeline that come before it: ``a|b)`` is read as a pipeline at first."""
    is_array: bool = False
    """Within ``NAME=( ... )``, where words are no commands."""

    def add(self, text: str) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)


def commands_in(
    script: str, variables: Mapping[str, str], *, has_defaults: bool = False
) -> list[Command]:
    """Return the commands of a script, those of a substitution before what they are put into.

    Parameters
    ----------
    variables
        Name -> value of those that are set before it runs.
    has_defaults
        No others are: ``${NAME:-x}`` is ``x`` where nothing says more.

    Raises
    ------
    TooDeep
    """
    reader = _Reader(script, variables, has_defaults=has_defaults)
    return reader.read()


class _Reader:
    def __init__(
        self, script: str, variables: Mapping[str, str], *, has_defaults: bool = False
    ) -> None:
        self._script = script
        self._has_defaults = has_defaults
        self._changes = Counter(
            name
            for one in _CHANGED.finditer(script)
            for name in map(_bare, (one["assigned"] or one["read"] or "").split())
        )
        self._changes.update([*variables])
        self._variables = {
            name: value for name, value in variables.items() if self._changes[name] == 1
        }
        self._given = frozenset(variables)
        self._assigned = dict(self._variables)
        self._left = _MAX_PUT_IN
        self._levels = [_Level("")]
        self._found: list[Command] = []
        self._functions: set[str] = set()
        self._here: list[tuple[str, Command]] = []
        """(last line, command) of here-documents whose text comes after the line at hand."""

    def read(self) -> list[Command]:
        at = 0
        while at < len(self._script):
            level = self._levels[-1]
            token = (_QUOTED if level.is_quoted else _TOKEN).match(self._script, at)
            if token is None:
                break
            at = self._take(level, token)
        while self._levels:
            self._end_line(self._levels[-1])
            self._levels.pop()
        lines = {line: put_in(line, self._assigned) for line in {one.line for one in self._found}}
        for one in self._found:
            one.line = lines[one.line]
        return [
            one
            for one in self._found
            if one.written or one.said or not one.words or one.words[0] not in self._functions
        ]

    def _take(self, level: _Level, token: re.Match[str]) -> int:
        """Take one token; return where the next one starts."""
        kind, text, end = token.lastgroup, token.group(), token.end()
        if text == "#" and level.word is None and not level.is_quoted:
            comment = _COMMENT.match(self._script, end)
            return end if comment is None else comment.end()
        if level.is_test and level.word == ["]]"]:
            self._end_word(level)
        if level.is_test and kind in ("redirect", "operator", "function") and text != "\n":
            level.add(text)
            return end
        match kind:
            case "space":
                self._end_word(level)
            case "plain":
                level.add(text)
            case "escaped":
                level.add(text[1:])
            case "single":
                level.add(text.lstrip("$")[1:].removesuffix("'"))
            case "double":
                is_closed = level.is_quoted or self._script.find('"', end) >= 0
                level.add("" if is_closed else text)
                level.is_quoted = is_closed and not level.is_quoted
            case "variable":
                self._take_variable(level, token)
            case "filled":
                if text.startswith("((") and _NOT_ARITHMETIC.search(text) and not level.is_quoted:
                    return self._operate(level, "(", token.start() + 1)
                level.add(
                    or_default(text, self._assigned, self._changes) if self._has_defaults else text
                )
            case "opened" if text == "`" and any(one.closer == "`" for one in self._levels):
                while self._levels[-1].closer != "`":
                    self._close()
                self._close()
            case "opened" | "process":
                level.add("$()")
                self._open(")" if text.endswith("(") else "`")
            case "redirect":
                if level.word is not None and token["number"]:
                    level.add(token["number"])
                self._end_word(level)
                level.redirect = text.lstrip("0123456789")
            case "here":
                self._end_word(level)
                self._here.append((token["last"].strip("'\"\\"), level.command))
                level.command.said += "\n"
            case "function":
                self._end_word(level)
                self._functions.update(level.command.words[-1:])
                level.command = Command([])
            case "operator":
                return self._operate(level, text, end)
        return end

    def _take_variable(self, level: _Level, token: re.Match[str]) -> None:
        text, name = token.group(), token["kubernetes"]
        value = put_in(text, self._variables if name else self._assigned)
        if "$()" in value or len(value) > self._left:
            value = text
        if value != text:
            self._left -= len(value)
        self._add_value(level, value)
        if name and value == text and not name.isupper():  # nobody's variable: ``$(date)``
            self._found.append(Command([name], line=name))

    def _add_value(self, level: _Level, value: str) -> None:
        """Add the value of a variable: several words, unless quotes or an assignment hold them."""
        is_one = len(value.split(None, 1)) < 2 or "'" in value or '"' in value
        if is_one or level.is_quoted or level.is_test or level.redirect or _is_assigning(level):
            level.add(value)
            return
        for at, part in enumerate(value.split()):
            if at:
                self._end_word(level)
            level.add(part)

    def _operate(self, level: _Level, text: str, end: int) -> int:
        if text == ")":
            if level.closer == ")" and not _is_pattern_next(level):
                self._close()
            else:
                if level.is_pattern:
                    del level.pipeline[level.pattern_from :]
                level.command, level.word, level.redirect = Command([]), None, ""
                level.is_pattern, level.pattern_from = False, 0
            return end
        if text == "(" and level.word is not None and level.word[-1].endswith("="):
            self._open(")").is_array = True
            return end
        if text == "(" and level.is_pattern:
            return end
        if text in ("|", "|&"):
            self._end_command(level)
            return end
        self._end_line(level)
        if text.startswith((";;", ";&")):
            level.is_pattern = True
        elif text == "(":
            self._open(")")
        elif text == "\n":
            end = self._after_texts(end)
        return end

    def _open(self, closer: str) -> _Level:
        if len(self._levels) > _MAX_DEPTH:
            raise TooDeep
        self._levels.append(_Level(closer))
        return self._levels[-1]

    def _close(self) -> None:
        self._end_line(self._levels[-1])
        self._levels.pop()

    def _end_word(self, level: _Level) -> None:
        if level.word is None:
            return
        word, command, redirect = "".join(level.word), level.command, level.redirect
        level.word, level.redirect = None, ""
        if redirect == "<<<":
            command.said += f"\n{word}"
            command.given += f" {word}"
        elif ">" in redirect:
            if not _NO_FILE.fullmatch(word):
                command.written.append(word)
        elif not redirect:
            if word == "[[" and all(one in _KEYWORDS for one in command.words):
                level.is_test = True
            elif word == "]]":
                level.is_test = False
            command.words.append(word)

    def _end_command(self, level: _Level) -> None:
        self._end_word(level)
        level.is_test, level.redirect = False, ""
        is_pattern, level.is_pattern = level.is_pattern, _is_pattern_next(level)
        command, level.command = level.command, Command([])
        first = _first(command.words)
        own = self._assign(command.words[:first])
        words = command.words = command.words[first:]
        command.assigned = [one for one in own if words or one[0] in self._given]
        if words and words[0] in _DECLARING:
            is_exported = words[0] == "export" or "-x" in words
            own = self._assign(words[1:])
            own += [(one, self._assigned[one]) for one in words[1:] if one in self._assigned]
            command.assigned += [one for one in own if is_exported or one[0] in self._given]
        if words[:1] == ["function"]:
            self._functions.update(words[1:2])
            words = command.words = words[2 + _first(words[2:]) :]
        if changes_any(words, level.inner):
            self._variables, self._assigned, self._has_defaults = {}, {}, False
        is_none = level.is_array or (words and words[0].startswith("(("))
        if not is_none and (words or command.written or command.said or command.assigned):
            level.pipeline.append(command)
        if level.is_pattern and not is_pattern:
            level.pattern_from = len(level.pipeline)

    def _assign(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Return what is assigned; keep it, where nothing else of the script changes it."""
        found = []
        for word in words:
            name, equals, value = word.partition("=")
            if equals and name not in _KEYWORDS:
                found.append((name.rstrip("+"), value))
            if equals and self._changes[name] == 1:
                self._assigned.setdefault(name, value)
        return found

    def _end_line(self, level: _Level) -> None:
        self._end_command(level)
        parts = [part for one in level.pipeline for part in (*one.words, one.given, *one.written)]
        line = " ".join([*parts, *level.inner])  # once: many may stand in one pipeline
        for one in level.pipeline:
            one.line = line
        self._found += level.pipeline
        if len(self._levels) > 1 and line:
            self._levels[-2].inner.append(line)
        level.pipeline, level.inner, level.pattern_from = [], [], 0

    def _after_texts(self, at: int) -> int:
        """Return where the next line of the script starts: behind its here-documents."""
        for last, command in self._here:
            end = re.compile(rf"^[ \t]*{re.escape(last)}[ \t\r]*$", re.MULTILINE)
            found = end.search(self._script, at)
            command.said += self._script[at : len(self._script) if found is None else found.start()]
            at = len(self._script) if found is None else min(found.end() + 1, len(self._script))
        self._here = []
        return at


def _bare(word: str) -> str:
    return word.strip("\"')|&")


def _first(words: Sequence[str]) -> int:
    """Return where the program stands: behind words such as ``then``, and assignments."""
    at = 0
    while at < len(words) and (words[at] in _KEYWORDS or _ASSIGNMENT.fullmatch(words[at])):
        at += 1
    return at


def _is_assigning(level: _Level) -> bool:
    """Tell whether the word at hand gives a variable a value."""
    return _ASSIGNMENT.match("".join((level.word or [])[:_MAX_BEFORE])) is not None


def _is_pattern_next(level: _Level) -> bool:
    """Tell whether what stands before ``)`` is a pattern of ``case``."""
    words = [*level.command.words[:_MAX_BEFORE], *(level.word or [])[:1]]
    first = next((one for one in words if one not in _KEYWORDS), "")
    return first == "case" or (level.is_pattern and first != "esac")
