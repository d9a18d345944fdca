"""Which of the models that a container is told are the ones that it runs."""

from __future__ import annotations

import pytest

from placer.core.deployment import Place, Stated
from placer.manifests.named_models import models_named

HERE = Place("a.yaml", 1, 1, 1, 2)
FILE = "/models/m.onnx"
BY_OPTION = ["serve", "--model", FILE]


def named(arguments: list[str], **variables: str) -> list[str]:
    """The models of a container, in the order in which it names them."""
    words = [Stated(one, HERE) for one in arguments]
    values = [(name, Stated(value, HERE)) for name, value in variables.items()]
    return [one.uri.value for one in models_named(words, values)]


@pytest.mark.parametrize("name", ["MODEL_DIR", "MODELS_DIR", "APP_MODEL_ROOT", "MODEL_BASE_PATH"])
@pytest.mark.parametrize("folder", ["/models", "/models/", "/", "file:///models"])
def test_the_folder_of_the_model_is_no_model_of_its_own(name: str, folder: str) -> None:
    assert named(BY_OPTION, **{name: folder}) == [FILE]
    assert named([f"serve --model={FILE}"], **{name: folder}) == [FILE]
    assert named([], **{name: folder, "MODEL_PATH": FILE}) == [FILE]
    assert named([], **{"MODEL_FILE": FILE, name: folder}) == [FILE]


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (BY_OPTION, "/models-b"),
        (BY_OPTION, "/models/m"),
        (BY_OPTION, "s3://models"),
        (["--model", "/models/m"], "/models"),
        (["sh", "-c", f"rm {FILE}; serve"], "/models"),
        (["serve", FILE], "/models"),
    ],
)
def test_a_folder_in_which_no_option_names_the_model_is_one(
    arguments: list[str], folder: str
) -> None:
    assert named(arguments, MODEL_DIR=folder)[-1] == folder


def test_a_repository_is_served_with_all_that_is_in_it() -> None:
    assert named(BY_OPTION, MODEL_REPOSITORY="/models") == [FILE, "/models"]
