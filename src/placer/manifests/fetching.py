"""What a command downloads or copies to the path of a model: its bytes are then other ones."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from placer.core.deployment import ModelRef, Place, Stated
from placer.manifests.models import (
    hidden_model,
    is_model_file,
    is_model_variable,
    is_uri,
    model_of,
)
from placer.manifests.mounts import path_of, rest_below

_COPYING_WORDS = "cp mv ln rsync install scp dd tar unzip gunzip tee"
_CLOUD_WORDS = "aws gsutil gcloud az azcopy s5cmd rclone mc"
_OTHER_WORDS = (
    "curl wget aria2c huggingface-cli hf git git-lfs dvc kaggle oras skopeo sftp ftp ollama"
    " modelscope"
)
_HARMLESS_WORDS = (
    "chown chmod chgrp mkdir ls stat test [ [[ echo printf sleep true false cat cd set exit export"
    " sha256sum md5sum sha1sum du df id env date nc ping nslookup sysctl fi done wait until while"
    " for if then else elif do case esac : { } break grep rm touch"
)
_COPYING = frozenset(_COPYING_WORDS.split())
_CLOUD = frozenset(_CLOUD_WORDS.split())
"""They take a source and a target, of which one may be a URI."""
_FETCHING = _COPYING | _CLOUD | frozenset(_OTHER_WORDS.split())
_TO_THE_LAST = frozenset({"cp", "mv", "ln", "rsync", "install", "scp"})
"""What they write to is named last."""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
"""Programs that leave a model's file as it is, unless their output is sent there."""
_CODE = re.compile(r"snapshot_download|hf_hub_download|urlretrieve|download_file")
_SHELL = re.compile(r"\s*(?:\S*/)?(?:ba|da|a|z|k)?sh(?:\s+-\w+)+\s+")
_CONTINUED = re.compile(r"\\[ \t]*\n")
_BETWEEN = re.compile(r"&&|\|\||[;\n]|(?<![0-9>])&(?![0-9>])")
_BEFORE = re.compile(
    r"(?:(?:exec|sudo|time|nohup|then|do|else|if|while|until|!)\s+|[{('\"]\s*|\w+=\S*\s+)+"
)
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|\((?P<kubernetes>\w+)\)|(?P<bare>\w+))")
_URI = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>|;&(),]+", re.IGNORECASE)
_REMOTE = re.compile(r"[\"']?(?:[a-z][a-z0-9+.-]*://|[\w.-]+(?:@[\w.-]+)?:)\S*", re.IGNORECASE)
"""What a program sends something to: a URI, ``remote:folder``, ``user@host:file``."""
_HOST_ALONE = re.compile(r"https?://[^/]*/?", re.IGNORECASE)
_PATH = re.compile(r"(?:^|(?<=[\s=\"'(,>]))/[^\s\"'=;|&<>(),]*")
_TARGET_FIRST = re.compile(r"\s(?:-t|--target)")
_WRITES = re.compile(r"(?<!\S)-[A-Za-z]*[oO](?![A-Za-z])|--output|--remote-name|--create-dirs")
_TO_STDOUT = re.compile(r"--spider|-[A-Za-z]*O\s?(?:-|/dev/stdout)(?!\S)|--output-document[= ]-")
_REDIRECT = re.compile(r"(?<![02-9&>=-])>{1,2}\s*+(?![&\s>]|/dev/null)")
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
    is_first: bool = False
    """It is there to prepare something: whatever it runs may write, unless it is harmless."""

    @property
    def told(self) -> str:
        """All that decides what it does, as one text."""
        image = None if self.image is None else self.image.value
        return repr(
            (image, [one.value for one in self.words], sorted((self.variables or {}).items()))
        )


@dataclass(frozen=True, slots=True)
class _Command:
    program: str
    text: str
    line: str
    """With all that is piped into it."""


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
    commands = [*_commands(program)]
    otherwise = _is_there(commands, path, root)
    if otherwise is None and (root is not None or program.is_first):
        otherwise = True
    writing = [
        one
        for one in commands
        if _is_writing(one, is_first=program.is_first)
        and _reaches(one, path, root, otherwise=otherwise)
    ]
    if not writing and (commands or not program.is_first):
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
    is_fetch = any(
        one.line in lines and one.program in _FETCHING - _COPYING for one in commands
    ) or _CODE.search(text)
    if program.image is None or is_fetch:
        return [unknown]
    return [replace(model_of(program.image), hidden=f"{why} from its image", told=program.told)]


def _is_there(commands: Iterable[_Command], path: str, root: str | None) -> bool | None:
    """Tell whether a script changes to a folder above a path; None: to no folder that is shared."""
    folders = [to for one in commands if one.program == "cd" for to in _PATH.findall(one.text)]
    inside = [to for to in folders if root is None or rest_below(root, to) is not None]
    return any(rest_below(to, path) is not None for to in inside) if inside else None


def _uris(lines: Iterable[str]) -> list[str]:
    found = _URI.findall("\n".join(lines))
    return [one.rstrip("/.") for one in found if not _HOST_ALONE.fullmatch(one)]


def _feeding(commands: Iterable[_Command], text: str) -> Iterator[_Command]:
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


def _commands(program: Program) -> Iterator[_Command]:
    known = program.variables or {}
    script = " ".join(one.value for one in program.words)
    if (shell := _SHELL.match(script)) is not None:
        script = script[shell.end() :]
    script = _CONTINUED.sub(" ", script)
    for line in filter(str.strip, _BETWEEN.split(script)):
        line = _VARIABLE.sub(
            lambda one: known.get(next(filter(None, one.groups())), one.group()), line
        )
        for text in map(str.strip, line.split("|")):
            before = _BEFORE.match(text)
            words = text[0 if before is None else before.end() :].split(maxsplit=1)
            name = words[0].strip("\"'()") if words else ""
            if name and not name.startswith("#"):
                yield _Command(posixpath.basename(name) or name, text, line)


def _is_writing(command: _Command, *, is_first: bool) -> bool:
    """Tell whether a command may write a file that others read."""
    if _REDIRECT.search(command.text) or _CODE.search(command.text):
        return True
    if command.program == "curl":
        return _WRITES.search(command.text) is not None
    if command.program == "wget":
        return _TO_STDOUT.search(command.text) is None
    if command.program in _HARMLESS:
        return False
    if command.program in _CLOUD | _TO_THE_LAST and _REMOTE.fullmatch(command.text.split()[-1]):
        return False  # it sends something away
    return is_first or command.program in _FETCHING


def _reaches(command: _Command, path: str, root: str | None, *, otherwise: bool | None) -> bool:
    """Tell whether a command may write to a path: to it, or to a folder above it.

    Parameters
    ----------
    otherwise
        Whether one that says no such path may; None: where it names the file or its folder.
    """
    said = [one for one in _PATH.findall(command.text) if one != "/"]
    if command.program in _TO_THE_LAST and not _TARGET_FIRST.search(command.text):
        said = [one for one in said[-1:] if command.text.rstrip("\"')").endswith(one)]
    inside = [one for one in said if root is None or rest_below(root, one) is not None]
    if inside or (said and command.program in _TO_THE_LAST):
        return any(_is_at(one, path) for one in inside)
    if otherwise is not None:
        return otherwise
    folder, name = posixpath.split(path)
    return any(one and one in command.text for one in ("$", name, folder.strip("/")))


def _is_at(said: str, path: str) -> bool:
    """Tell whether a path is that of a model or above it; of a folder of models, also in it."""
    is_in = not is_model_file(path) and rest_below(path, posixpath.normpath(said)) is not None
    return is_in or rest_below(said, path) is not None
