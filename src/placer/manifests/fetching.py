"""What a command downloads or copies to the path of a model: its bytes are then other ones."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from placer.core.deployment import ModelRef, Place, Stated
from placer.manifests.fetching_tools import (
    CLOUD,
    CODE,
    COPYING,
    FETCHING,
    HARMLESS,
    OUTPUT,
    SAYS_SO,
    TO_THE_LAST,
    WRITES_IF,
    asks_itself,
    brings_other_names,
)
from placer.manifests.harmless_code import is_harmless_python
from placer.manifests.models import (
    hidden_model,
    is_model_file,
    is_model_variable,
    is_uri,
    model_of,
)
from placer.manifests.mounts import path_of, rest_below
from placer.manifests.programs import STARTING, Run, runs_of
from placer.manifests.shell import TooDeep

_URI = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>|;&(),]+", re.IGNORECASE)
_REMOTE = re.compile(r"[\"']?(?:[a-z][a-z0-9+.-]*://|[\w.-]+(?:@[\w.-]+)?:)\S*", re.IGNORECASE)
"""What a program sends something to: a URI, ``remote:folder``, ``user@host:file``."""
_STORED = re.compile(
    r"(?<![\w+.-])(?:s3a?|gs|gcs|az|abfss?|wasbs?|hf|oci|hdfs|oss|cos|obs|r2|minio)://\S"
)
_HOST_ALONE = re.compile(r"https?://[^/]*/?", re.IGNORECASE)
_PATH = re.compile(r"(?:^|(?<=[\s=\"'(,>])|(?<=\s-[A-Za-z]))/[^\s\"'=;|&<>(),]*")
_TARGET_FIRST = re.compile(r"\s(?:-t|--target)")
_ELSEWHERE = re.compile(r"--?[\w-]*(?:endpoint|host|proxy|url)[\w-]*")
"""An option whose value is no source and no target."""
_TRACKED = re.compile(r"\.dvc$|/dvc\.(?:yaml|lock)(?::\S*)?$")
"""End of a file of DVC that tells of other files."""
_MAX_SCRIPT = 100_000
"""Characters of a command line; in a longer one nobody looks for what it gets."""
_MAX_TAKEN = 100
"""Paths that are followed back to what fetches them."""


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

    @property
    def told(self) -> str:
        """All that decides what it does, as one text."""
        image = None if self.image is None else self.image.value
        return repr(
            (image, [one.value for one in self.words], sorted((self.variables or {}).items()))
        )


def brought(program: Program, path: str, root: str | None = None) -> list[ModelRef]:
    """Return the models that come to lie at a path; none: the program does not write there.

    Of several URIs those that end like the path count, else each. What is copied from an image is
    that image's; where nothing says what it is, nobody knows it.

    Parameters
    ----------
    path
        Of the model, as the program sees it.
    root
        Where what it shares with the model's container is mounted; None: all is shared.
    """
    why = f"{program.name} puts what lies at {path[:60]} there"
    name = re.sub("[^A-Za-z0-9_.-]", "-", program.name)
    unknown = hidden_model(f"<{name}>", program.place, why, told=program.told)
    if sum(len(one.value) for one in program.words) > _MAX_SCRIPT:
        return [unknown]
    try:
        commands = _runs(program)
    except TooDeep:
        return [unknown]
    otherwise = _is_there(commands, path, root)
    if otherwise is None and (root is not None or program.is_first):
        otherwise = True
    is_linked = any(_is_link(one, path) for one in commands)
    writing = [
        one
        for one in commands
        if _is_writing(one, is_first=program.is_first)
        and (
            (is_linked and one.program != "ln")
            or _reaches(
                one,
                path,
                root,
                is_acting=_is_acting(one, is_first=program.is_first),
                otherwise=otherwise,
            )
        )
    ]
    if root is not None and not writing:
        writing = [one for one in commands if _tells_both(one, path, root)]
    if not writing and (program.words or not program.is_first):
        return []
    lines = dict.fromkeys(one.line for one in writing)
    if not (uris := _uris(lines)):
        lines |= dict.fromkeys(one.line for one in _feeding(commands, "\n".join(lines)))
        uris = _uris(lines)
    text = "\n".join(lines)
    ending = f"/{posixpath.basename(path)}"
    if program.is_first and not uris:
        uris = [
            value
            for name, value in (program.variables or {}).items()
            if is_uri(value) and (is_model_variable(name) or value.endswith(ending))
        ]
    if root is None and not uris:  # a file of the image that it runs in
        uris = [one for one in _PATH.findall(text) if one != path and one.endswith(ending)]
    if uris:
        same = [one for one in uris if one.endswith(ending)]
        return [model_of(Stated(one, _place_of(one, program))) for one in same or uris]
    if program.image is None or any(one.line in lines and _is_fetching(one) for one in commands):
        return [unknown]
    return [replace(model_of(program.image), hidden=f"{why} from its image", told=program.told)]


def _is_there(commands: Iterable[Run], path: str, root: str | None) -> bool | None:
    """Tell whether a script changes to a folder above a path; None: to no folder that is shared."""
    folders = [to for one in commands if one.program == "cd" for to in _PATH.findall(one.text)]
    inside = [to for to in folders if root is None or rest_below(root, to) is not None]
    return any(rest_below(to, path) is not None for to in inside) if inside else None


def _uris(lines: Iterable[str]) -> list[str]:
    found = _URI.findall("\n".join(lines))
    return [one.rstrip("/.") for one in found if not _HOST_ALONE.fullmatch(one)]


def _feeding(commands: Iterable[Run], text: str) -> Iterator[Run]:
    """Yield what fetches a file that a text then takes further; where it says none, it may be."""
    taken = dict.fromkeys(_PATH.findall(text))
    for one in commands:
        said = _PATH.findall(one.text)
        is_unclear = not said or len(taken) > _MAX_TAKEN
        if _is_writing(one, is_first=False) and (
            is_unclear or any(rest_below(to, path) is not None for to in said for path in taken)
        ):
            yield one


def _place_of(text: str, program: Program) -> Place:
    """Return where a program is told a text; else where it is named."""
    return next((one.place for one in program.words if text and text in one.value), program.place)


def with_brought(
    models: Iterable[ModelRef], programs: Sequence[Program], folder: str | None = None
) -> list[ModelRef]:
    """Return the models; what programs of their own container put at the path of one is that.

    Parameters
    ----------
    folder
        The working directory of the container; None: it is not known.
    """
    found: list[ModelRef] = []
    for one in models:
        path = None if one.hidden else path_of(one.uri.value, folder)
        others = [] if path is None else [new for each in programs for new in brought(each, path)]
        found += others or [one]
    return found


def _runs(program: Program) -> tuple[Run, ...]:
    words = [one.value for one in program.words]
    first = words[0].rpartition("/")[2] if words else ""
    if program.tool is not None and first not in STARTING | FETCHING:
        words = [program.tool, *(words or [""])]
    return _runs_of(tuple(words), tuple((program.variables or {}).items()))


@lru_cache(maxsize=16)  # each model of a container asks for the same ones
def _runs_of(words: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> tuple[Run, ...]:
    return tuple(runs_of(words, dict(variables), FETCHING))


def _is_writing(run: Run, *, is_first: bool) -> bool:
    """Tell whether a program may write a file that others read."""
    return bool(run.written) or _is_acting(run, is_first=is_first)


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


def _is_fetching(run: Run) -> bool:
    """Tell whether a program gets files from elsewhere than where it runs."""
    is_tool = run.program in FETCHING - COPYING or SAYS_SO.fullmatch(run.program) is not None
    return is_tool or CODE.search(run.code) is not None


def _is_sending(run: Run) -> bool:
    """Tell whether a program sends something away: its last word is remote, or follows a path."""
    before = ["", *run.words]
    said = [
        one
        for at, one in enumerate(run.words)
        if not one.startswith("-") and not _ELSEWHERE.fullmatch(before[at])
    ]
    remote = [bool(_REMOTE.fullmatch(one)) for one in said]
    if not any(remote):
        return False
    last = len(remote) - 1 - remote[::-1].index(True)
    if last == len(said) - 1:
        return True
    is_followed = any(one.startswith(("/", ".")) for one in said[last + 1 :])
    return last > 0 and said[last - 1].startswith("/") and not is_followed


def _reaches(
    run: Run, path: str, root: str | None, *, is_acting: bool, otherwise: bool | None
) -> bool:
    """Tell whether a program may write to a path: to it, or to a folder above it.

    Parameters
    ----------
    is_acting
        Whether it writes files itself; else its output alone is sent somewhere.
    otherwise
        Whether one that says no such path may; None: where it names the file or its folder.
    """
    if run.program == "ollama" and path in run.words:  # the server finds it by this name
        return False
    is_plain = not run.written and "xargs" not in run.line
    if is_plain and brings_other_names(run.program, run.words, path):
        return False
    text = " ".join([run.text, *run.written] if is_acting else run.written)
    outputs = [] if is_acting else [*run.written]
    if is_acting and run.program in FETCHING - COPYING - CLOUD:
        outputs = [*OUTPUT.findall(text), *run.written]
    said = [one for one in _PATH.findall(text) if one != "/"]
    if run.program == "dvc":  # it is told the file beside what it writes
        said = [_TRACKED.sub("", one) or "/" for one in said]
    is_to_last = is_acting and run.program in TO_THE_LAST and not _TARGET_FIRST.search(run.text)
    if is_to_last:
        last = next((one for one in reversed(run.words) if not one.startswith("-")), "")
        said = _PATH.findall(last)[:1]
    inside = [one for one in said if root is None or rest_below(root, one) is not None]
    is_elsewhere = bool(outputs) and all(one.startswith("/") for one in outputs)
    if inside or is_elsewhere or (said and is_to_last):
        return any(_is_at(one, path) for one in inside)
    if otherwise is not None:
        return otherwise
    folder, name = posixpath.split(path)
    return any(one and one in text for one in ("$", name, folder.strip("/")))


def _tells_both(run: Run, path: str, root: str) -> bool:
    """Tell whether a program that nobody knows is told a bucket, and the path to put it at."""
    if run.program in HARMLESS or not _STORED.search(run.text) or _is_sending(run):
        return False
    said = [one for one in _PATH.findall(run.text) if rest_below(root, one) is not None]
    return any(_is_at(one, path) for one in said)


def _is_link(run: Run, path: str) -> bool:
    """Tell whether a program makes another way to a path, so that no path says where it leads."""
    said = _PATH.findall(" ".join(run.words[:-1]))
    return run.program in ("ln", "mount") and any(_is_at(one, path) for one in said)


def _is_at(said: str, path: str) -> bool:
    """Tell whether a path is that of a model or above it; of a folder of models, also in it."""
    is_in = not is_model_file(path) and rest_below(path, posixpath.normpath(said)) is not None
    return is_in or rest_below(said, path) is not None
