"""The models that a container is told, by its command line and by its environment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from placer.core.deployment import ModelRef, Stated
from placer.core.project import templates_in
from placer.manifests.models import (
    hidden_model,
    is_folder_variable,
    is_model_file,
    is_model_variable,
    model_of,
    models_of_arguments,
    models_of_variable,
    option_models,
)
from placer.manifests.mounts import path_of
from placer.manifests.programs import assigned_in, runs_of
from placer.manifests.served_models import is_hub_id, served_models
from placer.manifests.shell import TooDeep
from placer.manifests.shell_variables import put_in

_HUB_NAME = re.compile(r"(?:\w*_)?model_?name", re.IGNORECASE)
"""A variable that says under which name a model is served, or which it is."""
_OWN_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-(?P<value>[^${}]*)\}")
_MAX_SCRIPT = 100_000
"""Characters of a command line; in a longer one nobody looks for variables."""
_NAMES = re.compile(r"\$\{?([A-Za-z_]\w*)")
_TEXTS = re.compile(
    r"(?<![\w$-])(?P<name>[A-Za-z_]\w*)\+?=(?:\"(?P<two>[^\"]*)\"|'(?P<one>[^']*)')"
)
"""What a script puts into a variable: words for a program, where it is put together in parts."""
_TOLD = re.compile(r"\$(?:[0-9@*]|\{[0-9]+\})")
_UNREAD = "$()"
"""How the reader of scripts writes what a command puts into a word."""
_PRINTING = frozenset(["echo", "printf", "logger"])
_MAX_FOLDERS = 100
"""Levels of a path."""


def models_named(
    arguments: Sequence[Stated[str]],
    variables: Iterable[tuple[str, Stated[str]]],
    image: Stated[str] | None = None,
    *,
    seen: Mapping[str, str] | None = None,
    has_defaults: bool = False,
) -> list[ModelRef]:
    """Return the models of a command line and of variables.

    The folder that ``MODEL_DIR`` names is no model of its own where an option or a variable says
    which file in it is the model. A file that a script merely mentions does not say that.
    ``MODEL_NAME`` is a model where it is the name of one on a hub, or, filled in later, where
    nothing else is named.

    Parameters
    ----------
    image
        What runs the words, where its own program does; None: the words say it.
    seen
        Name -> value of the variables that a script of the command line sees; None: all.
    has_defaults
        It sees no others: ``${NAME:-x}`` is ``x`` where nothing says more.
    """
    found: list[ModelRef] = []
    folders: list[ModelRef] = []
    opened: list[ModelRef] = []
    variables = [*variables]
    values = {name: value.value for name, value in variables} if seen is None else seen
    lines = _lines(arguments, values, has_defaults=has_defaults)
    said = [model for line in lines for model in option_models(line)]
    served = served_models(arguments, values, image, is_named=bool(said))
    said += served
    assigned = [*_assigned(arguments, values)]
    for name, value in (*variables, *assigned):
        if _UNREAD in value.value:
            if is_model_variable(name) or is_folder_variable(name):
                why = f"{name} gets its value in a script, from what that runs"
                told = repr([one.value for one in arguments])
                found.append(hidden_model(f"$({name})", value.place, why, told=told))
            continue
        if _HUB_NAME.fullmatch(name) and is_hub_id(value.value):
            found.append(model_of(value))
            continue
        if _HUB_NAME.fullmatch(name) and templates_in(value.value):
            opened.append(model_of(value))
        models = models_of_variable(name, value)
        (folders if is_folder_variable(name) else found).extend(models)
        said += models if is_model_variable(name) else []
    files = {one.uri.value: one for one in said}.values()
    above = {folder for one in files for folder in _folders_of(one)} if folders else set()
    apart = [one for one in folders if path_of(one.uri.value) not in above]
    named = [*models_of_arguments(arguments, lines), *served, *found, *apart]
    return [_as_told(one, arguments) for one in named or opened]


def _as_told(model: ModelRef, arguments: Sequence[Stated[str]]) -> ModelRef:
    """Return a model that a script names by what it is told (``$1``) as one that nobody knows."""
    name = model.uri.value
    if model.hidden or not _TOLD.search(name):
        return model
    told = repr([one.value for one in arguments])
    why = f"a script is told what {name[:60]} is"
    return hidden_model(name, model.uri.place, why, told=told)


def _lines(
    arguments: Sequence[Stated[str]], variables: Mapping[str, str], *, has_defaults: bool
) -> list[Sequence[Stated[str]]]:
    """Return the words of each program that a command line runs; itself, where it is plain words.

    What is merely printed is not told to any program; words behind a script may be (``"$@"``).
    """
    words = [one.value for one in arguments]
    scripts = [at for at, one in enumerate(words) if len(one.split(None, 1)) > 1]
    if not scripts or words[0].startswith("--") or sum(map(len, words)) > _MAX_SCRIPT:
        return [arguments]
    try:
        runs = [*runs_of(words, variables, frozenset(), has_defaults=has_defaults)]
    except TooDeep:
        return [arguments]
    exact = {one.value: one.place for one in reversed(arguments)}
    last = scripts[-1]

    def stated(word: str) -> Stated[str]:
        holding = (at for at in scripts if at == last or word in words[at])
        return Stated(word, exact.get(word) or arguments[next(holding)].place)

    told = [run.told for run in runs if run.program not in _PRINTING or run.written]
    opened = {name for line in told for word in line for name in _NAMES.findall(word)}
    told += [
        (put_in(one["two"] or one["one"] or "", variables),)
        for at in scripts
        for one in (_TEXTS.finditer(words[at]) if opened else ())
        if one["name"] in opened
    ]
    return [*([stated(word) for word in line] for line in told), arguments[last + 1 :]]


def _assigned(
    arguments: Sequence[Stated[str]], variables: Mapping[str, str]
) -> Iterator[tuple[str, Stated[str]]]:
    """Yield the variables of which a command line says anew what they are."""
    words = [one.value for one in arguments]
    if sum(map(len, words)) > _MAX_SCRIPT or not any("=" in one for one in words):
        return
    try:
        found = assigned_in(words, variables)
    except TooDeep:
        return
    for name, text in dict.fromkeys(found):
        if not (is_model_variable(name) or is_folder_variable(name)):
            continue
        place = next((one.place for one in arguments if name in one.value), arguments[0].place)
        value = _OWN_DEFAULT.sub(lambda one: variables.get(one["name"]) or one["value"], text)
        yield name, Stated(value, place)


def _folders_of(model: ModelRef) -> Iterator[str]:
    path = path_of(model.uri.value) if is_model_file(model.uri.value) else None
    for _ in range(_MAX_FOLDERS):
        path = posixpath.dirname(path or "")
        if not path:
            return
        yield path
