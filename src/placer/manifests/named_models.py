"""The models that a container is told, by its command line and by its environment."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from placer.core.deployment import ModelRef, Stated
from placer.manifests.models import (
    is_folder_variable,
    is_model_file,
    is_model_variable,
    models_of_arguments,
    models_of_variable,
    option_models,
)
from placer.manifests.mounts import path_of

_MAX_FOLDERS = 100
"""Levels of a path."""


def models_named(
    arguments: Sequence[Stated[str]], variables: Iterable[tuple[str, Stated[str]]]
) -> list[ModelRef]:
    """Return the models of a command line and of variables.

    The folder that ``MODEL_DIR`` names is no model of its own where an option or a variable says
    which file in it is the model. A file that a script merely mentions does not say that.
    """
    found: list[ModelRef] = []
    folders: list[ModelRef] = []
    said = option_models(arguments)
    for name, value in variables:
        models = models_of_variable(name, value)
        (folders if is_folder_variable(name) else found).extend(models)
        said += models if is_model_variable(name) else []
    above = {folder for one in said for folder in _folders_of(one)}
    apart = [one for one in folders if path_of(one.uri.value) not in above]
    return [*models_of_arguments(arguments), *found, *apart]


def _folders_of(model: ModelRef) -> Iterator[str]:
    path = path_of(model.uri.value) if is_model_file(model.uri.value) else None
    for _ in range(_MAX_FOLDERS):
        path = posixpath.dirname(path or "")
        if not path:
            return
        yield path
