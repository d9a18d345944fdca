"""Which programs a command line runs, behind shells and whatever else starts one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from placer.manifests.fetching_tools import COPYING, HARMLESS, apart
from placer.manifests.shell import Command, TooDeep, commands_in
from placer.manifests.shell_variables import put_in

_SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"])
_INTERPRETERS = re.compile(r"(?:python|pypy)[\d.]*|perl|ruby|node|php|pwsh|powershell(?:\.exe)?")
_MODULE = re.compile(r"(?:python|pypy)[\d.]*")
_SHELL_OPTIONS = "-o +o -O +O --rcfile --init-file"
_OF_SHELL = re.compile(r"[-+][A-Za-z]+")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_ASKING = re.compile(r"(?<![\w./-])(?:if|case|while|until|test|!|\[{1,2})\s|\|\|")
"""Words of a script of which some is run only sometimes."""
_ARGUMENT = re.compile(
    r"(?<!\\)(?:(?P<all>\"\$[@*]\"|\$[@*])|\$(?P<bare>[0-9])|\$\{(?P<braced>[0-9]{1,3})\})"
)
_OWN_ARGUMENTS = re.compile(r"'|\(\)|\b(?:function|shift)\b|\bset\s+--")
"""Where the arguments of a script may be others in a part of it."""
_PLAIN = re.compile(r"[\w./:@%+,=-]+")
_MAX_PUT_IN = 200_000
"""Characters of arguments that are put into a script."""
_MAX_OPTIONS = 10
"""Words between a shell and its script."""
_MAX_SCRIPTS = 20
"""Scripts within scripts."""

_TO_THE_DASHES = -1
_BARE_STARTERS = (
    "builtin nohup setsid busybox toybox dumb-init catatonit tini-static unbuffer with-contenv"
    " entrypoint entrypoint.sh docker-entrypoint.sh nvidia_entrypoint.sh entry.sh"
)
_STARTERS_WITH_A_WORD = "su-exec gosu setuidgid s6-setuidgid chroot chrt taskset"
_WAITING = "wait-for-it wait-for-it.sh wait-for wait-for.sh"
_STARTERS: dict[str, tuple[int, str]] = {
    **dict.fromkeys(_BARE_STARTERS.split(), (0, "")),
    "exec": (0, "-a"),
    "command": (0, "-v -V"),
    "time": (0, "-f -o --format --output"),
    "stdbuf": (0, "-i -o -e --input --output --error"),
    "setpriv": (0, "--reuid --regid --groups --inh-caps --ambient-caps --bounding-set"),
    "numactl": (0, "-m -N -C --membind --cpunodebind --physcpubind --interleave --preferred"),
    "tini": (0, "-p -e"),
    "env": (0, "-u --unset -C --chdir"),
    "nice": (0, "-n --adjustment"),
    "ionice": (0, "-c -n --class --classdata"),
    "sudo": (0, "-u -g -p -h -C --user --group --host --prompt"),
    "doas": (0, "-u -C"),
    "chpst": (0, "-u -U -e -n -d -o -p -f -c -r -t -m -/"),
    "xargs": (0, "-I -n -P -L -d -s -E -a --max-args --max-procs --delimiter --arg-file"),
    "runuser": (0, "-u -g -G --user --group"),
    "watch": (0, "-n --interval"),
    "timeout": (1, "-k -s --kill-after --signal"),
    **dict.fromkeys(_STARTERS_WITH_A_WORD.split(), (1, "")),
    "flock": (1, "-w -E --timeout --wait"),
    **dict.fromkeys(_WAITING.split(), (_TO_THE_DASHES, "")),
    "dockerize": (0, "-wait -timeout -wait-retry-interval -template -stdout -stderr"),
    "conda run": (0, "-n -p --name --prefix --cwd"),
    "micromamba run": (0, "-n -p --name --prefix --cwd"),
    "poetry run": (0, ""),
    "pipenv run": (0, ""),
    "uv run": (0, "--with --python -p --project --directory --group --extra"),
}
"""Program that starts another -> words of its own before that, options that take a word more."""
_WITH_SCRIPT = frozenset(["su", "runuser", "flock", "script", "sg"])
"""They take a line of a shell behind ``-c``."""
STARTING = _SHELLS | frozenset(_STARTERS)
"""Programs that run what they are told."""
_OF_WORDS = frozenset({"eval", "parallel"})
"""Their words together are a line of a shell."""
_EXEC = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_CODE_OPTIONS = frozenset({"-c", "-e", "-r", "-E", "--eval", "-Command"})


@dataclass(frozen=True, slots=True)
class Run:
    """A program that is run."""

    program: str
    """Its name without a folder; empty: only output is sent somewhere."""
    words: tuple[str, ...]
    """What it is told."""
    text: str
    """It and its words, and what it is given to read."""
    written: tuple[str, ...]
    """Files that its output is sent to."""
    line: str
    """With all that is piped into it."""
    code: str = ""
    """What an interpreter is given to run: a text, or the name of a file."""
    told: tuple[str, ...] = ()
    """It as it is written, its words, and what it is given to read."""


def runs_of(
    words: Sequence[str],
    variables: Mapping[str, str],
    known: frozenset[str],
    *,
    has_defaults: bool = False,
) -> Iterator[Run]:
    """Yield the programs that a command line runs: one text is a script, several are words.

    Parameters
    ----------
    variables
        Name -> value, as the container says them.
    known
        Programs that are looked for also where another one, which nobody knows, is told a script.
    has_defaults
        As for `commands_in`.

    Raises
    ------
    TooDeep
        Scripts stand within scripts so often that nobody reads them.
    """
    yield from _all_of(_Reader(variables, known, has_defaults=has_defaults), words)


def assigned_in(words: Sequence[str], variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (name, value) of variables that a command line gives to the programs that it runs.

    Raises
    ------
    TooDeep
    """
    reader = _Reader(variables, frozenset())
    for _ in _all_of(reader, words):
        pass
    return reader.assigned


def given_to_last(words: Sequence[str], variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (name, value) of variables that a command line surely gives to its last program.

    Where it asks for anything first, nothing is sure.

    Raises
    ------
    TooDeep
    """
    if any(map(_ASKING.search, words)):
        return []
    reader = _Reader(variables, frozenset())
    exported: list[tuple[str, str]] = []
    last: list[tuple[str, str]] = []
    for run in _all_of(reader, words):
        given = [*reader.assigned]
        reader.assigned.clear()
        if run.program in ("export", "declare", "typeset"):
            exported += given
        elif run.program not in HARMLESS | COPYING:
            last = [*exported, *given]
    return last


def _all_of(reader: _Reader, words: Sequence[str]) -> Iterator[Run]:
    if len(words) == 1:
        yield from reader.script(words[0], 0)
        return
    parts = [put_in(one, reader.variables, is_shell=False) for one in words]
    if parts and _OF_SHELL.fullmatch(parts[0]) and parts[0].endswith("c"):  # of the image's shell
        parts = ["sh", *parts]
    yield from reader.command(Command(parts), 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    variables: Mapping[str, str]
    known: frozenset[str]
    assigned: list[tuple[str, str]] = field(default_factory=list)
    """(name, value) of variables that programs are given."""
    has_defaults: bool = False

    def script(self, text: str, depth: int) -> Iterator[Run]:
        if depth > _MAX_SCRIPTS:
            raise TooDeep
        for one in commands_in(text, self.variables, has_defaults=self.has_defaults):
            yield from self.command(one, depth)

    def command(self, command: Command, depth: int) -> Iterator[Run]:
        """Yield what a command runs in the end."""
        if depth > _MAX_SCRIPTS:
            raise TooDeep
        words = _started(command.words)
        before = command.words[: len(command.words) - len(words)] if words else []
        self.assigned.extend(command.assigned)
        self.assigned.extend((one, two) for one, _, two in map(_parted, before) if one)
        name = posixpath.basename(words[0]) if words else ""
        script = _script(name, words, command.said)
        if command.said and name not in _SHELLS:
            yield from self._perhaps(command.said, depth)
        if script is not None:
            yield from self.script(script, depth + 1)
            words = []
        elif name in _SHELLS:
            words = [*_after(words[1:], 0, _SHELL_OPTIONS)] or words
        elif name == "find":
            for nested in _executed(words):
                yield from self.command(Command(nested, line=command.line), depth + 1)
        elif words and name not in self.known and not _INTERPRETERS.fullmatch(name):
            yield from self._told(words, depth)
        if words or command.written:
            yield _run(words, command)

    def _told(self, words: Sequence[str], depth: int) -> Iterator[Run]:
        """Yield what a program that nobody knows may run of what it is told."""
        at = words.index("--") if "--" in words else 0
        if at or words[0].endswith(".sh"):
            rest = Command([*words[at + 1 :]])
            yield from (one for one in self.command(rest, depth + 1) if one.program in self.known)
        for at, one in enumerate(words[1:], 1):
            if posixpath.basename(one) in _SHELLS:
                script = _given(words[at : at + _MAX_OPTIONS])
                if script is not None:
                    yield from self.script(script, depth + 1)
                    return
            if len(one.split()) > 1:
                yield from self._perhaps(one, depth)

    def _perhaps(self, text: str, depth: int) -> Iterator[Run]:
        """Yield the programs that are known of a text that may be a script."""
        yield from (one for one in self.script(text, depth + 1) if one.program in self.known)


def _run(words: Sequence[str], command: Command) -> Run:
    name = posixpath.basename(words[0]) or words[0] if words else ""
    code = ""
    if _INTERPRETERS.fullmatch(name):
        file = next((one for one in words[1:] if not one.startswith("-")), "")
        given = next((two for one, two in pairwise(words) if one in _CODE_OPTIONS), "")
        code = f"{posixpath.basename(file)}\n{given}\n{command.said}"
    words = [*words[:1], *apart(name, words[1:])]
    text = " ".join([*words, command.said])
    told = (*words, command.said) if command.said else tuple(words)
    written, line = tuple(command.written), command.line or text
    return Run(name, tuple(words[1:]), text, written, line, code, told)


def _script(name: str, words: Sequence[str], said: str) -> str | None:
    """Return the script that a command gives to a shell; None: it runs a program itself."""
    if name in _SHELLS:
        return _given(words) or said or None
    if name in _OF_WORDS:
        return " ".join(words[1:])
    if name == "trap":
        return " ".join(words[1:2])
    if name in _WITH_SCRIPT and "-c" in words:
        return " ".join(words[words.index("-c") + 1 :][:1])
    return None


def _started(words: Sequence[str]) -> list[str]:
    """Return the words from the program on that is started in the end."""
    rest = list(words)
    for _ in range(_MAX_SCRIPTS):
        rest = [*_parts(rest[0]), *rest[1:]] if rest else []
        name = posixpath.basename(rest[0]) if rest else ""
        two = " ".join([name, *rest[1:2]])
        if _MODULE.fullmatch(name) and "-m" in rest[1:3]:
            rest = rest[rest.index("-m") + 1 :]
            continue
        starter = _STARTERS.get(name) or _STARTERS.get(two)
        if starter is None or (name in _WITH_SCRIPT and "-c" in rest):
            return rest
        rest = _after(rest[1 if name in _STARTERS else 2 :], *starter)
    raise TooDeep


def _parted(word: str) -> tuple[str, str, str]:
    """Return name, sign and value of ``NAME=value``; of another word nothing."""
    return word.partition("=") if _ASSIGNED.match(word) else ("", "", "")


def _parts(word: str) -> list[str]:
    """Return the words of one that holds a whole line: ``env -S "..."``, ``$COMMAND``."""
    if len(word.split()) < 2:
        return [word]
    found = commands_in(word, {})
    is_one = len(found) == 1 and len(found[0].words) > 1
    return found[0].words if is_one else word.split()


def _after(words: Sequence[str], own: int, options: str) -> list[str]:
    """Return the words behind the options, assignments and own words of a starter."""
    if own == _TO_THE_DASHES:
        return list(words[words.index("--") + 1 :]) if "--" in words else []
    with_value = options.split()
    at = 0
    while at < len(words):
        one = words[at]
        if one in with_value:
            at += 1
        elif not one.startswith("-") and not _ASSIGNED.match(one):
            if own == 0:
                break
            own -= 1
        at += 1
    return list(words[at:])


def _given(words: Sequence[str]) -> str | None:
    """Return the script that a shell is given as a word; None: it reads a file."""
    is_given = False
    at = 1
    while at < len(words):
        one = words[at]
        if one in ("--rcfile", "--init-file"):
            at += 1
        elif _OF_SHELL.fullmatch(one):
            is_given = is_given or (one[0] == "-" and "c" in one)
            at += one[-1] in "oO"  # ``-euo pipefail``
        elif not one.startswith("--"):
            break
        at += 1
    return _with_arguments(words[at], words[at + 1 :]) if is_given and at < len(words) else None


def _with_arguments(script: str, arguments: Sequence[str]) -> str:
    """Return a script with the words behind it put in, the name first: ``$0``, ``$1``, ``"$@"``.

    Where quotes or the script itself may change them, they stay.
    """
    said = " ".join(arguments[1:])
    if (
        _OWN_ARGUMENTS.search(script)
        or not all(map(_PLAIN.fullmatch, arguments))
        or len(said) * script.count("$") > _MAX_PUT_IN
    ):
        return script

    def argument(match: re.Match[str]) -> str:
        if match["all"]:
            return said or match.group()
        at = int(match["bare"] or match["braced"])
        return arguments[at] if at < len(arguments) else match.group()

    return _ARGUMENT.sub(argument, script)


def _executed(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the commands that ``find`` runs for what it finds."""
    nested: list[str] | None = None
    for one in words:
        if nested is None:
            nested = [] if one in _EXEC else None
        elif one in (";", "+"):
            yield nested
            nested = None
        else:
            nested.append(one)
    if nested:
        yield nested
