"""What the programs of containers do with files, each command line read once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from placer.core.deployment import Place, Stated
from placer.manifests.fetching_tools import (
    CLOUD,
    CODE,
    COPYING,
    FETCHING,
    HARMLESS,
    OPEN,
    OUTPUT,
    SAYS_SO,
    TO_OUTPUT,
    TO_THE_LAST,
    UNPACKED_TO,
    WRITES_IF,
    asks_itself,
    outputs_of,
)
from placer.manifests.harmless_code import is_harmless_python
from placer.manifests.models import is_model_file
from placer.manifests.mounts import normal_path
from placer.manifests.programs import STARTING, Run, runs_of
from placer.manifests.shell import TooDeep

_URI = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>|;&(),]+", re.IGNORECASE)
_HOST_ALONE = re.compile(r"https?://[^/]*/?", re.IGNORECASE)
_REMOTE = re.compile(
    r"[\"']?(?!local:|file:)(?:[a-z][a-z0-9+.-]*://|[\w.-]+(?:@[\w.-]+)?:)\S*", re.IGNORECASE
)
"""What a program sends something to: a URI, ``remote:folder``, ``user@host:file``."""
_STORED = re.compile(
    r"(?<![\w+.-])(?:s3a?|gs|gcs|az|abfss?|wasbs?|hf|oci|hdfs|oss|cos|obs|r2|minio)://\S"
)
_PATH = re.compile(r"(?:^|(?<=[\s=\"'(,>])|(?<=\s-[A-Za-z]))/[^\s\"'=;|&<>(),]*")
_TARGET_FIRST = re.compile(r"\s(?:-t|--target)")
_IS_SPOT = re.compile(r"[/:.$]")
_IS_LONG_SPOT = re.compile(r"[/:$]")
_SOURCE_AND_TARGET = 2
_NOT_IN_ORDER = re.compile(r"-|-t|-s|--(?:source|src|target)[\w=-]*")
"""A word for the output, or an option by which the target need not be the last word."""
_WHOLE = re.compile(
    r"-[a-zA-Z]*[rRa][a-zA-Z]*|--(?:recursive|archive|relative|parents)(?:=.*)?|sync"
)
"""A word by which folders may be copied with what lies in them."""
_ELSEWHERE = re.compile(r"--?[\w-]*(?:endpoint|host|proxy|url)[\w-]*")
"""An option whose value is no source and no target."""
_TRACKED = re.compile(r"\.dvc$|/dvc\.(?:yaml|lock)(?::\S*)?$")
"""End of a file of DVC that tells of other files."""
_MAX_SCRIPT = 100_000
"""Characters of a command line; in a longer one nobody looks for what it gets."""
_MAX_COMPARED = 1_000_000
"""Pairs of a model's path and a path that a program says, in all of a manifest's object."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command line that runs in or beside a container."""

    name: str
    """What runs it, as messages and entries of a project call it: ``initContainers.fetch``."""
    words: tuple[Stated[str], ...]
    place: Place
    """Where it stands."""
    image: Stated[str] | None = None
    """Whose files it may copy; None: it is told as nobody's."""
    variables: Mapping[str, str] | None = None
    tool: str | None = None
    """What the image runs with the words; None: it is not known, or the words say it."""
    is_first: bool = False
    """It is there to prepare something: whatever it runs may write, unless it is harmless."""
    folder: str | None = None
    """That it starts in; None: its image says it."""

    @property
    def told(self) -> str:
        """All that decides what it does, as one text."""
        image = None if self.image is None else self.image.value
        return repr(
            (image, [one.value for one in self.words], sorted((self.variables or {}).items()))
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A program that runs, and which files it may write."""

    run: Run
    is_acting: bool
    """It writes files itself; else its output alone is sent somewhere, if at all."""
    text: str
    """In which what it writes is named."""
    said: tuple[str, ...]
    """Paths in the text, as they are compared."""
    is_to_last: bool
    is_elsewhere: bool
    """What it says of its output are absolute paths, so that it writes to no other one."""
    is_stored: bool
    """It is told a bucket."""
    named: tuple[str, ...] = ()
    """All paths that it is told."""
    is_here: bool = False
    """It writes to the folder that it runs in: it names another one for nothing but a source."""
    is_open: bool = False
    """A file says what it gets, and where it puts that."""
    is_active: bool = False
    """It writes whether or not it is there to prepare something."""
    is_output: bool = False
    """Nobody knows the program: it writes to what an option of it says, and to nothing else."""

    @property
    def is_writing(self) -> bool:
        """Whether it may write a file that others read."""
        return self.is_acting or self.is_output or bool(self.run.written)


@dataclass(slots=True)
class Read:
    """What a program runs."""

    steps: tuple[Step, ...] | None
    """None: nobody reads so much, or so deep."""
    folders: tuple[str, ...] = ()
    """That it changes to."""
    is_all_said: bool = True
    """It changes to no other folder."""
    linked: tuple[str, ...] = ()
    """That it makes another way to."""
    writing: tuple[Step, ...] = ()
    stored: tuple[Step, ...] = ()
    """Those that are told a bucket."""
    effort: int = 0
    """Paths that are compared with that of a model."""
    is_first: bool = False
    """As `Program.is_first`."""
    told: str = ""
    """As `Program.told`, made once: many models may lie where one program writes."""
    _uris: dict[str, list[str]] = field(default_factory=dict)

    def uris_of(self, line: str) -> list[str]:
        """Return the URIs that a pipeline of it names."""
        if line not in self._uris:
            found = _URI.findall(line)
            self._uris[line] = [one.rstrip(".") for one in found if not _HOST_ALONE.fullmatch(one)]
        return self._uris[line]


class Scripts:
    """The command lines around some models, each read once, and followed only so often.

    Where more models and programs meet than anybody writes, they are not compared any more.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[object, ...], Read] = {}
        self._left = _MAX_COMPARED

    def read(self, program: Program) -> Read:
        """Return what a program runs."""
        words = with_tool([one.value for one in program.words], program.tool)
        variables = tuple((program.variables or {}).items())
        key = (program.name, program.place, *words, variables, program.is_first)
        if key not in self._read:
            self._read[key] = _read(program, words)
            self._read[key].told = program.told
        return self._read[key]

    def may_compare(self, pairs: int) -> bool:
        """Tell whether so many more pairs of paths are compared; none are after too many."""
        self._left = max(0, self._left - pairs)
        return self._left > 0


def with_tool(words: list[str], tool: str | None) -> list[str]:
    """Return the words of a command line behind the program of the image that is told them."""
    first = words[0].rpartition("/")[2] if words else ""
    if tool is None or first in STARTING | FETCHING:
        return words
    return [tool, *(words or [""])]


def is_passed_on(run: Run) -> bool:
    """Tell whether a program copies something to a place elsewhere: nothing of it comes here."""
    if run.program not in CLOUD | TO_THE_LAST or any(map(_NOT_IN_ORDER.fullmatch, run.words)):
        return False
    spots = [one for one in _positional(run) if _IS_SPOT.search(one)]
    return len(spots) >= _SOURCE_AND_TARGET and _is_sending(run)


def paths_in(text: str) -> list[str]:
    """Return the absolute paths that a text names, as they stand there."""
    return _PATH.findall(text)


def _read(program: Program, words: list[str]) -> Read:
    if sum(len(one) for one in words) > _MAX_SCRIPT:
        return Read(None)
    try:
        runs = [*runs_of(words, program.variables or {}, FETCHING)]
    except TooDeep:
        return Read(None)
    steps = tuple(_step(one, is_first=program.is_first) for one in runs)
    steps += tuple(_output_of(one.run) for one in steps if not one.is_acting)
    changes = [paths_in(one.text) for one in runs if one.program in ("cd", "pushd", "popd")]
    folders = [to for ones in changes for to in ones]
    linked = [
        to
        for one in runs
        if one.program in ("ln", "mount")
        for to in paths_in(" ".join(one.words[:-1]))
    ]
    writing = tuple(one for one in steps if one.is_writing)
    stored = tuple(one for one in steps if one.is_stored)
    effort = len(linked) + sum(1 + len(one.said) for one in (*writing, *stored))
    folders = [*dict.fromkeys(map(normal_path, folders))]
    linked = [*dict.fromkeys(map(normal_path, linked))]
    effort += len(folders)
    return Read(
        steps,
        tuple(folders),
        all(changes),
        tuple(linked),
        writing,
        stored,
        effort,
        program.is_first,
    )


def _step(run: Run, *, is_first: bool) -> Step:
    is_acting = _is_acting(run, is_first=is_first)
    is_stored = (
        run.program not in HARMLESS
        and _STORED.search(run.text) is not None
        and not _is_sending(run)
    )
    if not (is_acting or is_stored or run.written):
        return Step(run, False, "", (), False, False, False)
    text = " ".join([run.text, *run.written] if is_acting else run.written)
    outputs = [] if is_acting else [*run.written]
    if is_acting and run.program in FETCHING - COPYING - CLOUD:
        outputs = [*OUTPUT.findall(text), *run.written]
    said = [one for one in paths_in(text) if one != "/"]
    if run.program == "dvc":  # it is told the file beside what it writes
        said = [_TRACKED.sub("", one) or "/" for one in said]
    is_to_last = is_acting and run.program in TO_THE_LAST and not _TARGET_FIRST.search(run.text)
    is_to_last = is_to_last or (is_acting and _is_cloud_to_path(run))
    if is_to_last:
        said = [_file_at(run, one) for last in _positional(run)[-1:] for one in paths_in(last)[:1]]
    if is_stored and not is_acting:
        said = paths_in(run.text)
    is_elsewhere = bool(outputs) and all(one.startswith("/") for one in outputs)
    paths = tuple(dict.fromkeys(map(normal_path, said)))
    return Step(
        run,
        is_acting,
        text,
        paths,
        is_to_last,
        is_elsewhere,
        is_stored,
        named=tuple(dict.fromkeys(map(normal_path, paths_in(run.text)))),
        is_here=is_acting and _is_here(run, outputs),
        is_open=is_acting and run.program in OPEN and bool(OPEN[run.program].search(run.text)),
        is_active=bool(run.written) or _is_acting(run, is_first=False),
    )


def _output_of(run: Run) -> Step:
    """Return what a program that nobody knows may write: ``gpg -o /models/m.onnx``."""
    is_known = run.program in HARMLESS | FETCHING | WRITES_IF.keys()
    said = () if is_known or is_harmless_python(run.program, run.words) else outputs_of(run.words)
    paths = tuple(dict.fromkeys(map(normal_path, said)))
    return Step(run, False, "", paths, False, True, False, is_output=bool(paths))


def _is_acting(run: Run, *, is_first: bool) -> bool:
    """Tell whether a program may write files itself, whatever becomes of its output."""
    if CODE.search(run.code):
        return not asks_itself(run.code, _URI.findall(run.code))
    if (condition := WRITES_IF.get(run.program)) is not None:
        return condition.match(run.text) is not None
    if run.program in HARMLESS:
        return False
    if run.program in CLOUD | TO_THE_LAST and _is_sending(run):
        return False
    if run.code and is_harmless_python(run.program, run.words):
        return False
    return is_first or run.program in FETCHING or SAYS_SO.fullmatch(run.program) is not None


def is_fetching(run: Run) -> bool:
    """Tell whether a program gets files from elsewhere than where it runs."""
    is_tool = run.program in FETCHING - COPYING or SAYS_SO.fullmatch(run.program) is not None
    return is_tool or CODE.search(run.code) is not None


def _is_here(run: Run, outputs: list[str]) -> bool:
    """Tell whether a program writes to the folder that it runs in."""
    if (target := UNPACKED_TO.get(run.program)) is not None:
        named = target.findall(run.text)
    elif run.program in CLOUD:
        named = _positional(run)[-1:]
    elif run.program in TO_OUTPUT:
        named = outputs
    else:
        return False
    return not all(one.startswith("/") for one in named) or not named


def _file_at(run: Run, target: str) -> str:
    """Return the path that a program copies to: of one model's file into a folder, that of it."""
    sources = _positional(run)[:-1]
    is_one = len(sources) == 1 and is_model_file(sources[0]) and "*" not in sources[0]
    is_said = "$" not in posixpath.basename(target.rstrip("/")) and not is_model_file(target)
    if not (is_one and is_said) or any(map(_WHOLE.fullmatch, run.words)):
        return target
    return posixpath.join(target, posixpath.basename(sources[0]))


def _is_cloud_to_path(run: Run) -> bool:
    """Tell whether a tool of a cloud surely is told source and target, and the target is a path."""
    if run.program not in CLOUD or any(map(_NOT_IN_ORDER.fullmatch, run.words)):
        return False
    sure = [one for one, is_behind in _told(run) if not is_behind]
    return len(sure) >= _SOURCE_AND_TARGET and sure[-1].startswith("/")


def _is_sending(run: Run) -> bool:
    """Tell whether a program sends something away: the last word that is no option's is remote."""
    last = _positional(run)[-1:]
    return any(_REMOTE.fullmatch(one) for one in last)


def _positional(run: Run) -> list[str]:
    """Return the sources and the target that a program is told, without the values of options.

    Which options take a value is not known: a word behind one counts where source or target are
    missing otherwise, and it is a path or remote.
    """
    told = _told(run)
    sure = [one for one, is_behind in told if not is_behind]
    if len(sure) >= _SOURCE_AND_TARGET:
        return sure
    return [one for one, is_behind in told if not is_behind or _IS_LONG_SPOT.search(one)]


def _told(run: Run) -> list[tuple[str, bool]]:
    """Return the words that are no options, and whether each may be the value of one."""
    words = [*run.words]
    if run.program in CLOUD:  # ``s3 cp`` first
        while words and not words[0].startswith("-") and not _IS_SPOT.search(words[0]):
            del words[0]
    before = ["", *words]
    return [
        (one, before[at].startswith("-") and "=" not in before[at])
        for at, one in enumerate(words)
        if not one.startswith("-") and not _ELSEWHERE.fullmatch(before[at])
    ]
