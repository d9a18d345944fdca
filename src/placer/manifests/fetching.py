"""What a command downloads or copies to the path of a model: its bytes are then other ones."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from placer.core.deployment import ModelRef, Place, Stated
from placer.core.globs import globbed
from placer.core.project import TEMPLATE
from placer.manifests.fetching_tools import HARMLESS, brings_other_names
from placer.manifests.model_words import says_where_stored
from placer.manifests.models import hidden_model, is_model_file, is_model_variable, is_uri, model_of
from placer.manifests.mounts import is_absolute, path_of, rest_below, rest_of
from placer.manifests.steps import Program, Read, Scripts, Step, is_fetching, paths_in

_MAX_TAKEN = 100
"""Paths that are followed back to what fetches them."""
_is_file = lru_cache(maxsize=64)(is_model_file)
"""One path is compared with many."""


def brought(
    program: Program, path: str, root: str | None = None, *, scripts: Scripts
) -> list[ModelRef]:
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
    read = scripts.read(program)
    if read.steps is None:
        return [_unknown(program, read, path)]
    is_all_told = bool(program.words) or not program.is_first
    if is_all_told and not (read.writing or read.stored):
        return []
    if not scripts.may_compare(read.effort):
        why = f"{program.name} may change {path[:60]}, and more is told here than is followed"
        return [_unknown(program, read, path, why)]
    writing = [*writing_to(path, read, root, program.folder)]
    if root is not None and not writing:
        writing = [one for one in read.stored if _tells_both(one, path, root)]
    if not writing and is_all_told:
        return []
    found = (
        [_unknown(program, read, path)]
        if any(one.is_open or one.is_output for one in writing)
        else []
    )
    lines: dict[str, list[Step]] = {}
    for one in writing:
        lines.setdefault(one.run.line, []).append(one)
    own = dict.fromkeys(one.run.line for one in writing if _is_of_it(one, path))
    for line in own:  # whichever writes last: each counts
        uris = _uris(program, read, lines[line], path, root, scripts)
        found += _models(program, read, lines[line], path, uris)
    rest = [one for one in writing if one.run.line not in own]
    if found:
        ending = f"/{posixpath.basename(path)}"
        uris = [uri for one in rest for uri in read.uris_of(one.run.line) if uri.endswith(ending)]
        return [*found, *(_models(program, read, rest, path, uris) if uris else [])]
    return _models(program, read, rest, path, _uris(program, read, rest, path, root, scripts))


def _models(
    program: Program, read: Read, writing: Sequence[Step], path: str, uris: Iterable[str]
) -> list[ModelRef]:
    """Return the models that are written: the URIs, else the image's, else nobody knows."""
    found = [model_of(Stated(one, _place_of(one, program))) for one in dict.fromkeys(uris)]
    if found:
        return found
    if program.image is None or any(is_fetching(one.run) for one in writing):
        return [_unknown(program, read, path)]
    why = f"{program.name} puts what lies at {path[:60]} there from its image"
    return [replace(model_of(program.image), hidden=why, told=read.told)]


def _is_of_it(step: Step, path: str) -> bool:
    """Tell whether a program that is known to write names the very path, or its file and folder."""
    folder, name = posixpath.split(path)
    is_in = folder in step.said and any(posixpath.basename(one) == name for one in step.run.words)
    return step.is_active and (path in step.said or is_in)


def _unknown(program: Program, read: Read, path: str, why: str = "") -> ModelRef:
    name = re.sub("[^A-Za-z0-9_.-]", "-", program.name)
    why = why or f"{program.name} puts what lies at {path[:60]} there"
    return hidden_model(f"<{name}>", program.place, why, told=read.told)


def writing_to(
    path: str, read: Read, root: str | None = None, folder: str | None = None
) -> Iterator[Step]:
    """Yield what may write to a path; what runs in a folder that is not shared does not.

    Parameters
    ----------
    root
        As for `brought`.
    folder
        That the program starts in; None: it is not known.
    """
    otherwise = is_there = _is_there(read.folders, path, root)
    if otherwise is None and (root is not None or read.is_first):
        otherwise = True
    is_linked = any(is_at(one, path) for one in read.linked)
    is_away = read.is_all_said and _is_away(read.folders or (folder or "",), root)
    for one in read.writing:
        if one.is_output:
            if _is_put(one, path, may_be_here=is_there is not False):
                yield one
            continue
        is_certain = one.is_open or (one.is_here and is_there)
        is_by_link = is_linked and one.run.program != "ln"
        is_by_name = read.is_first and any(_may_become(said, path) for said in one.said)
        there = False if is_away and one.is_here else otherwise
        if is_certain or is_by_link or is_by_name or _reaches(one, path, root, there):
            yield one


def _is_put(step: Step, path: str, *, may_be_here: bool) -> bool:
    """Tell whether a program that nobody knows has a path as its output, or something below it."""
    if may_be_here and posixpath.basename(path) in step.said:
        return True
    return any(rest_of(one, path) == "" or rest_below(path, one) for one in step.said)


def _is_there(folders: Iterable[str], path: str, root: str | None) -> bool | None:
    """Tell whether a script changes to a folder above a path; None: to no folder that is shared."""
    inside = [to for to in folders if root is None or rest_below(root, to) is not None]
    return any(rest_of(to, path) is not None for to in inside) if inside else None


def _may_become(said: str, path: str) -> bool:
    """Tell whether a path in which a variable stands may become another one."""
    if "$" not in said and "{{" not in said:
        return False
    return globbed(path, re.sub(r"\{\{.*|\$", "*", "*".join(TEMPLATE.split(said))))


def _is_away(folders: Iterable[str], root: str | None) -> bool:
    """Tell whether folders surely have nothing in common with what is shared."""
    return root is not None and all(
        is_absolute(one)
        and not re.search(r"[${]", one)
        and rest_below(root, one) is None
        and rest_below(one, root) is None
        for one in folders
    )


def _uris(
    program: Program,
    read: Read,
    writing: Sequence[Step],
    path: str,
    root: str | None,
    scripts: Scripts,
) -> list[str]:
    """Return where what is written comes from; none: nothing says it."""
    lines = dict.fromkeys(one.run.line for one in writing)
    uris = [uri for one in lines for uri in read.uris_of(one)]
    if not uris:
        feeding = _feeding(read, "\n".join(lines), path, scripts)
        lines |= dict.fromkeys(one.run.line for one in feeding)
        uris = [uri for one in lines for uri in read.uris_of(one)]
    ending = f"/{posixpath.basename(path)}"
    if program.is_first and not uris:
        uris = [
            value
            for name, value in (program.variables or {}).items()
            if is_uri(value)
            and (
                is_model_variable(name) or says_where_stored(name, value) or value.endswith(ending)
            )
        ]
    if root is None and not uris:  # a file of the image that it runs in
        named = paths_in("\n".join(lines))
        uris = [one for one in named if one != path and one.endswith(ending)]
    scripts.may_compare(len(uris))
    return [one for one in uris if one.endswith(ending)] or uris


def _feeding(read: Read, text: str, path: str, scripts: Scripts) -> Iterator[Step]:
    """Yield what fetches a file that a text then takes further; where it says none, it may be."""
    taken = [one for one in dict.fromkeys(paths_in(text)) if one != path]
    fetching = [one for one in read.writing if one.is_active]
    if not scripts.may_compare(sum(len(one.named) for one in fetching) * len(taken)):
        return
    for one in fetching:
        is_unclear = not one.named or len(taken) > _MAX_TAKEN
        if is_unclear or any(rest_of(to, it) is not None for to in one.named for it in taken):
            yield one


def _place_of(text: str, program: Program) -> Place:
    """Return where a program is told a text; else where it is named."""
    return next((one.place for one in program.words if text and text in one.value), program.place)


def with_brought(
    models: Iterable[ModelRef],
    programs: Sequence[Program],
    folder: str | None = None,
    *,
    scripts: Scripts,
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
        others: list[ModelRef] = []
        for each in programs if path is not None else ():
            others += brought(each, path or "", scripts=scripts)
        found += others or [one]
    return found


def _reaches(step: Step, path: str, root: str | None, otherwise: bool | None) -> bool:
    """Tell whether a program may write to a path: to it, or to a folder above it.

    Parameters
    ----------
    otherwise
        Whether one that says no such path may; None: where it names the file or its folder.
    """
    run = step.run
    if run.program == "ollama" and path in run.words:  # the server finds it by this name
        return False
    is_plain = not run.written and "xargs" not in run.line
    if is_plain and brings_other_names(run.program, run.words, path):
        return False
    said = step.said
    inside = [one for one in said if root is None or rest_below(root, one) is not None]
    if inside or step.is_elsewhere or (said and step.is_to_last):
        return any(is_at(one, path) for one in inside)
    if otherwise is not None:
        return otherwise
    folder, name = posixpath.split(path)
    return any(one and one in step.text for one in ("$", name, folder.strip("/")))


def _tells_both(step: Step, path: str, root: str) -> bool:
    """Tell whether a program that nobody knows is told a bucket, and the path to put it at."""
    said = [one for one in step.said if rest_below(root, one) is not None]
    return step.run.program not in HARMLESS and any(is_at(one, path) for one in said)


def is_at(said: str, path: str) -> bool:
    """Tell whether a path is that of a model or above it; of a folder of models, also in it."""
    return rest_of(said, path) is not None or (
        not _is_file(path) and rest_below(path, said) is not None
    )
