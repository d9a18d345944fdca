"""Models that a server is told as a word without an option: ``vllm serve mistralai/M``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from placer.core.deployment import ModelRef, Place, Stated
from placer.core.project import templates_in
from placer.manifests.models import hidden_model, is_uri, model_of, words_in
from placer.manifests.programs import runs_of
from placer.manifests.shell import TooDeep

_FIRST_WORD = (
    "vllm serve",
    "vllm.entrypoints.cli.main serve",
    "ollama run",
    "ollama pull",
    "aphrodite run",
    "trtllm-serve serve",
    "trtllm-serve",
    "lmdeploy serve api_server",
    "mlc_llm serve",
    "ramalama serve",
    "ramalama run",
    "local-ai run",
    "docker model run",
    "docker model pull",
    "openllm serve",
    "openllm start",
)
"""Programs whose first word that belongs to no option is the model."""
_OPTIONS = {
    "llama-server": ("-m", "-hf", "-hfr", "--hf-repo"),
    "mlflow models serve": ("-m",),
    "yolo": ("model=",),
    "seldon-core-microservice": ("--model-uri",),
}
"""Programs whose model stands behind a word that means something else elsewhere."""
_PULLING = ("ollama pull", "docker model pull")
"""They get a model for a server that runs elsewhere, and that finds it by its name."""
_BY_IMAGE = (
    (re.compile(r"vllm(?:-openai|-cpu|-rocm|-tpu|-gaudi)?(?:-\w+)?"), "vllm serve"),
    (re.compile(r"ollama"), "ollama"),
    (re.compile(r"llama\.cpp"), "llama-server"),
    (re.compile(r"local-?ai"), "local-ai run"),
)
"""Name of an image -> what it runs with the words that it is told."""
_OTHER_WORDS = frozenset(
    ["models", "backends", "federated", "worker", "util", "tts", "sound-generation", "transcript"]
)
"""What LocalAI does instead of serving the models that it is told."""
_STARTS = frozenset(
    one.split()[0] for one in (*_FIRST_WORD, *_OPTIONS, *(tool for _, tool in _BY_IMAGE))
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w")


def is_hub_id(text: str) -> bool:
    """Tell whether a text may be the name of a model on a hub: ``google/gemma-3-1b-it``."""
    return _HUB_ID.fullmatch(text.strip()) is not None


def served_models(
    arguments: Sequence[Stated[str]],
    variables: Mapping[str, str],
    image: Stated[str] | None = None,
    *,
    is_named: bool = False,
) -> list[ModelRef]:
    """Return the models of a command line that stand where its server expects them.

    Parameters
    ----------
    variables
        Name -> value, as the container says them.
    image
        What runs the words; None: the words say it.
    is_named
        Whether an option names a model: a server that is told none has that.
    """
    found: list[ModelRef] = []
    for entry, words in _servers(arguments, variables, image):
        place = arguments[0].place if arguments else None
        if place is None:
            continue
        told = _model_in(entry, words)
        if told:
            found.append(model_of(Stated(told, _place_of(told, arguments, place))))
        elif entry in _FIRST_WORD and not is_named:
            why = f"'{entry}' is told no model that can be read"
            name = f"<{entry.replace(' ', '-')}>"
            found.append(hidden_model(name, place, why, told=" ".join(words)))
    return found


def pulled_models(
    arguments: Sequence[Stated[str]], image: Stated[str] | None = None
) -> list[ModelRef]:
    """Return the models that a command line gets for a server which runs elsewhere."""
    told = [
        one
        for entry, words in _servers(arguments, {}, image)
        if entry in _PULLING and (one := _model_in(entry, words))
    ]
    return [model_of(Stated(one, _place_of(one, arguments, arguments[0].place))) for one in told]


def _servers(
    arguments: Sequence[Stated[str]], variables: Mapping[str, str], image: Stated[str] | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield (program of the tables, words behind it) of a command line."""
    tool = None if image is None else _tool_of(image.value)
    text = "\n".join(one.value for one in arguments)
    if tool is not None:
        yield from _of_tool(tool, words_in(text.replace("\n", " ")))
    if not any(one in text for one in _STARTS):
        return
    try:
        runs = [*runs_of([one.value for one in arguments], variables, _STARTS)]
    except TooDeep:
        yield next(one for one in _FIRST_WORD), []
        return
    for run in runs:
        if run.program in _STARTS:
            line = [run.program, *words_in(" ".join(run.words))]
            if (found := _entry_of(line)) is not None:
                yield found


def _of_tool(tool: str, words: list[str]) -> Iterator[tuple[str, list[str]]]:
    start = tool.split()
    said = [one for one in start if one in words[: len(start)]]
    found = _entry_of([*start, *words[len(said) :]])
    if found is None or start[0] in said:  # it says its program itself, and is read as that
        return
    entry, rest = found
    first = next(iter(rest), "")
    is_told = bool(said) or len(start) == 1
    if entry == "local-ai run" and not said:
        is_told = first[:1] not in ("", "-") and first not in _OTHER_WORDS
    if is_told or is_hub_id(first) or is_uri(first) or templates_in(first):
        yield entry, rest


def _entry_of(line: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the entry of the tables that a command line begins with, and the words behind it."""
    for entry in (*_FIRST_WORD, *_OPTIONS):
        start = entry.split()
        if [*line[: len(start)]] == start:
            return entry, [*line[len(start) :]]
    return None


def _model_in(entry: str, words: Sequence[str]) -> str:
    """Return the word that is the model; empty: there is none that can be told from a value."""
    before = ""
    for word in words:
        if entry not in _OPTIONS:
            if not word.startswith("-") and (not before.startswith("-") or "=" in before):
                return word
        elif before in _OPTIONS[entry]:
            return word
        else:
            for option in _OPTIONS[entry]:
                start = option if option.endswith("=") else f"{option}="
                if word.startswith(start):
                    return word.removeprefix(start)
        before = word
    return ""


def _tool_of(image: str) -> str | None:
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    return next((tool for pattern, tool in _BY_IMAGE if pattern.fullmatch(name)), None)


def _place_of(text: str, arguments: Sequence[Stated[str]], otherwise: Place) -> Place:
    return next((one.place for one in arguments if text in one.value), otherwise)
