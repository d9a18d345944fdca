"""Models that a manifest names in free text: options, variables, paths, URIs, images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from placer.core.deployment import ModelRef, Place, Stated
from placer.core.rendering import FORMAT_OF_SUFFIX
from placer.manifests.model_words import says_no_model, says_where_stored

_SUFFIX = re.compile(rf"\.(?:{'|'.join(FORMAT_OF_SUFFIX)})(?![\w.])", re.IGNORECASE)
_NO_NAME = r"\s\"'=,;|&<>()"
_NAME = re.compile(rf"[^{_NO_NAME}]+")
"""What may be a file's name; its suffix is looked for apart, which takes linear time."""
_DIGEST = re.compile(r"@sha256:(?P<hex>[0-9a-f]{64})$")
_WHAT = r"(?:model|weights|engine|onnx|tflite)"
_OF_IT = (
    r"(?:path|paths|file|filename|uri|url|dir|directory|location|root|id|repository|repo|store"
    r"|base[-_]?path)"
)
_OPTION = re.compile(
    rf"--?(?:[a-z]+[-_])?{_WHAT}(?:[-_]?{_OF_IT})?(?:=(?P<value>.*))?", re.IGNORECASE | re.DOTALL
)
_FOLDER = re.compile(r"(?:\w*_)?models?_?(?:dir|directory|folder|root|base_?path)", re.IGNORECASE)
_FLAG = re.compile(r"--?(?:[a-z]+[-_])?(?:engine|onnx|tflite)", re.IGNORECASE)
"""An option that says a kind of model, or one that takes no value."""
_VARIABLE = re.compile(
    rf"(?:\w*_)?(?:{_WHAT}(?:_?{_OF_IT})?|model_storage_uri|storage_uri)", re.IGNORECASE
)
_WORD = re.compile(
    r"\"[^\"]*\"|'[^']*'|(?:\{\{[^{}]*\}\}|\$\{[^{}]*\}|[^\s;|&<>\"']|\"[^\"]*\"|'[^']*')+"
)
"""A word of a command line; a template or a variable is one, whatever it holds."""
_STUCK = re.compile(r"\A-[A-Za-z]{1,6}(?=/)")
"""Short options before a path: ``-qO/models/m.onnx``."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def model_of(stated: Stated[str], *, format: Stated[str] | None = None) -> ModelRef:
    """Return the reference that a text is."""
    digest = _DIGEST.search(stated.value)
    return ModelRef(stated, digest["hex"] if digest else None, format or format_of(stated))


def hidden_model(name: str, place: Place, why: str, *, told: str = "") -> ModelRef:
    """Return the reference of a model that is named where nobody can read which it is.

    Parameters
    ----------
    name
        Text that no glob of a project fits unless it says it to the letter: ``$(MODEL_URI)``.
    why
        As `ModelRef.hidden`.
    told
        As `ModelRef.told`; empty: the name says it all.
    """
    return ModelRef(Stated(name, place), hidden=why, told=told)


def is_model_variable(name: str) -> bool:
    """Tell whether an environment variable of this name may say which model runs."""
    return _VARIABLE.fullmatch(name) is not None and not says_no_model(name, "${VALUE}")


def is_folder_variable(name: str) -> bool:
    """Tell whether an environment variable of this name says in which folder a model lies."""
    return _FOLDER.fullmatch(name) is not None


def format_of(stated: Stated[str]) -> Stated[str] | None:
    """Return the format that a file's name tells."""
    suffix = stated.value.rpartition(".")[2].lower()
    known = FORMAT_OF_SUFFIX.get(suffix)
    return Stated(known, stated.place) if known else None


def is_model_file(text: str) -> bool:
    """Tell whether a text is the name of a model's file and nothing else."""
    name = text.strip()
    return _NAME.fullmatch(name) is not None and _end_of_file(name) == len(name)


def is_uri(text: str) -> bool:
    """Tell whether a text has a scheme, such as ``s3://``."""
    return _SCHEME.match(text) is not None


def words_in(text: str) -> list[str]:
    """Return the words of a command line without their quotes; a template is one."""
    return [one.strip("\"'") for one in _WORD.findall(text)]


def models_of_arguments(
    arguments: Sequence[Stated[str]], lines: Sequence[Sequence[Stated[str]]] | None = None
) -> list[ModelRef]:
    """Return the models of what a command line runs, and the files that it merely mentions.

    Where it names none, an option that lacks its value names one that nobody can read.

    Parameters
    ----------
    lines
        The words of each program that it runs; None: it is plain words.
    """
    lines = [arguments] if lines is None else lines
    found, bare = [], []
    for line in lines:
        models, _, lacking = _of_arguments(line)
        found += models
        bare += lacking
    mentioned = _mentioned(arguments)
    found += [one for one in mentioned if not (found and "$" in one.uri.value)]
    if not found:
        found = [
            hidden_model(f"{one.value}=<value>", one.place, f"'{one.value}' has no value")
            for one in bare[:1]
        ]
    return _distinct(found)


def option_models(arguments: Sequence[Stated[str]]) -> list[ModelRef]:
    """Return the models of a command line that are values of options such as ``--model``."""
    _, of_options, _ = _of_arguments(arguments)
    return of_options


def _mentioned(arguments: Sequence[Stated[str]]) -> list[ModelRef]:
    """Return the models that are no values of options."""
    found, of_options, _ = _of_arguments(arguments)
    apart = set(map(id, of_options))
    return [one for one in found if id(one) not in apart]


def _of_arguments(
    arguments: Sequence[Stated[str]],
) -> tuple[list[ModelRef], list[ModelRef], list[Stated[str]]]:
    """Return all models, those that options name, and options that lack their value."""
    found: list[ModelRef] = []
    of_options: list[ModelRef] = []
    bare: list[Stated[str]] = []
    seen: set[str] = set()
    expecting = ""
    """An option whose value is the next word."""
    is_apart = False

    def take(option: str, value: Stated[str]) -> bool:
        if not _is_told(option, value):
            bare[:] = [one for one in bare if one.value != option]
            return False
        of_options.append(model_of(value))
        found.append(of_options[-1])
        return True

    for one in arguments:
        if is_apart and not one.value.lstrip().startswith("-"):  # spaces and all
            value = one.value.strip().strip("\"'")
            if value:
                take(expecting, replace(one, value=value))
            expecting, is_apart = "", False
            continue
        is_apart = False
        whole = one.value.strip()
        for quoted in _WORD.findall(one.value):
            word = quoted.strip("\"'")
            is_option = word.startswith("-")
            option = _OPTION.fullmatch(word) if is_option else None
            if option is not None:
                name = word.partition("=")[0]
                expecting = name if option["value"] is None else ""
                is_apart = bool(expecting) and word == whole
                value = (option["value"] or "").strip("\"'")
                if value:
                    take(name, replace(one, value=value))
                elif not _FLAG.fullmatch(word):
                    bare.append(replace(one, value=word.rstrip("=\"'")))
                continue
            is_taken = (
                bool(expecting) and not is_option and take(expecting, replace(one, value=word))
            )
            if not is_taken and "." in word and word not in seen:
                seen.add(word)
                found += _files_in(Stated(_STUCK.sub("", word), one.place))
            expecting = ""
    return found, of_options, bare


def _is_told(option: str, value: Stated[str]) -> bool:
    """Tell whether an option that may speak of a model names one with this value."""
    return bool(_files_in(value)) or not says_no_model(option, value.value)


def models_of_variable(name: str, value: Stated[str]) -> list[ModelRef]:
    """Return the model of an environment variable, known by its name or by its value.

    A doubtful name, such as ``ENGINE``, is held to its value.
    """
    files = _files_in(value)
    if says_where_stored(name, value.value):
        return [model_of(value)]
    if _VARIABLE.fullmatch(name) is None or not value.value.strip():
        return files
    return files if says_no_model(name, value.value) else [model_of(value)]


class Sources:
    """Where models are got from: URIs by the name of the file.

    Of several URIs with one file name each counts: which of them lies there in the end is not said.
    """

    def __init__(self, models: Iterable[ModelRef]) -> None:
        self._models = [one for one in models if is_uri(one.uri.value)]
        self._by_name: dict[str, list[ModelRef]] = {}
        for one in self._models:
            self._by_name.setdefault(_base_name(one), []).append(one)

    def of(self, model: ModelRef) -> list[ModelRef]:
        """Return the URIs whose file has the name of a local path; of a URI none."""
        return [] if is_uri(model.uri.value) else self._by_name.get(_base_name(model), [])

    def rest(self, models: Iterable[ModelRef]) -> list[ModelRef]:
        """Return what is got and is none of these models."""
        taken = {one.uri.value for one in models}
        return [one for one in self._models if one.uri.value not in taken]


def _files_in(stated: Stated[str]) -> list[ModelRef]:
    names = _NAME.findall(stated.value) if "." in stated.value else []
    found = [name[:end] for name in dict.fromkeys(names) if (end := _end_of_file(name))]
    return [model_of(Stated(name, stated.place)) for name in found]


def _end_of_file(name: str) -> int:
    """Return where the last suffix of a model's file ends; 0: there is none."""
    ends = [match.end() for match in _SUFFIX.finditer(name, 1)]
    return ends[-1] if ends else 0


def _base_name(model: ModelRef) -> str:
    return model.uri.value.rstrip("/").rpartition("/")[2]


def _distinct(models: Iterable[ModelRef]) -> list[ModelRef]:
    """Return each URI once, at its first place; of hidden ones each that is told in other words."""
    known: dict[tuple[str, str], ModelRef] = {}
    for model in models:
        known.setdefault((model.uri.value, model.told), model)
    return list(known.values())


def everywhere(*lists: Iterable[ModelRef]) -> tuple[ModelRef, ...]:
    """Return the models of several sources, each URI once."""
    return tuple(_distinct([model for models in lists for model in models]))
