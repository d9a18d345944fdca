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


@pytest.mark.parametrize(
    "written", ["--model s3://o/m", "--weights=s3://o/m", "--model-id 's3://o/m'"]
)
@pytest.mark.parametrize(
    "line",
    [
        'sh -c "serve %s"',
        'bash -c "cd /app && serve %s"',
        'sudo -u x sh -c "serve %s --port 80"',
        "exec bash -c \"bash -c 'cd /; exec serve %s'\"",
        'ARGS="%s"; [ -n "$X" ] && ARGS="$ARGS --port 80"; serve $ARGS',
    ],
)
def test_options_count_in_scripts_within_scripts(line: str, written: str) -> None:
    written = written.replace("'", "") if "'cd" in line else written
    assert named([line % written]) == ["s3://o/m"]
    assert named(["sh", "-c", line % written]) == ["s3://o/m"]
    assert set(named([line % written], MODEL_PATH=FILE)) == {"s3://o/m", FILE}


def test_what_is_printed_or_told_behind_a_script() -> None:
    assert named(["sh", "-c", 'echo "serve --model s3://o/m"; serve --model /m/a']) == ["/m/a"]
    assert named(["sh", "-c", 'serve "$@"', "--", "--model", "/m/a"]) == ["/m/a"]


@pytest.mark.parametrize(
    ("script", "behind", "expected"),
    [
        ('serve --model "$1"', ["--", FILE], [FILE]),
        ("serve --model $1 --port $2", ["--", "/m/a", "80"], ["/m/a"]),
        ("serve --model /m/${2}", ["x", "a", "b"], ["/m/b"]),
        ("serve --model $0", ["/m/a"], ["/m/a"]),
        ('exec serve "$@" --port 80', ["x", "--model", "/m/a"], ["/m/a"]),
        ("sh -c 'serve --model \"$1\"' x /m/a", [], ["/m/a"]),
        ("serve --model $1", [], ["$1"]),
        ("serve --model $2", ["x", "/m/a"], ["$2"]),
        ("shift; serve --model $1", ["x", "y", "/m/a"], ["$1"]),
        ("set -- /m/b; serve --model $1", ["x", "/m/a"], ["$1"]),
        ("f() { serve --model $1; }; f /m/b", ["x", "/m/a"], ["$1"]),
        ("awk '{print $1}' a; serve --model /m/b", ["x", "/m/a"], ["/m/b"]),
    ],
)
def test_a_script_is_told_the_words_behind_it(
    script: str, behind: list[str], expected: list[str]
) -> None:
    assert named(["sh", "-c", script, *behind]) == expected


@pytest.mark.parametrize("word", ["$M", "${M}", "$(M)", "${M:-/m/other.onnx}", '"$M"', "${M-/m/o}"])
def test_a_script_is_told_the_variables_of_its_container(word: str) -> None:
    words = [Stated(one, HERE) for one in ["sh", "-c", f"serve --model {word}"]]
    values = [("M", Stated(FILE, HERE))]
    found = models_named(words, values, has_defaults=True)
    assert {one.uri.value for one in found} == {FILE}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("serve --model ${M:-/m/a}", "/m/a"),
        ("M=/m/b; serve --model ${M:-/m/a}", "/m/b"),
        ("[ $X ] && M=/m/b; [ $Y ] && M=/m/c; serve --model ${M:-/m/a}", "${M:-/m/a}"),
    ],
)
def test_a_default_counts_where_nothing_sets_its_variable(script: str, expected: str) -> None:
    words = [Stated(script, HERE)]
    found = models_named(words, [], has_defaults=True)
    assert [one.uri.value for one in found] == [expected]
    without = next(iter(models_named(words, []))).uri.value
    assert without in ("${M:-/m/a}", expected)


@pytest.mark.parametrize(
    ("before", "is_sure"),
    [
        ("unset M", False),
        ("(unset -v 'M')", False),
        ("printf -v M %s /m/a", False),
        ("getopts m: M", False),
        ("readarray -t M </etc/m", False),
        ("mapfile -t M </etc/m", False),
        (". /etc/env.sh", False),
        ("if [ -f /e ]; then source /e; fi", False),
        ("set -a && . /e && set +a", False),
        ('eval "$(cat /e)"', False),
        ('eval "$SETTINGS"', False),
        ("export $(cat /e | xargs)", False),
        (". /opt/venv/bin/activate", True),
        ("source /opt/ros/humble/setup.bash", True),
        ('eval "$(conda shell.bash hook)"', True),
        ("export PATH=/a:$PATH; unset OTHER; read -r OTHER", True),
        ("eval exec true", True),
    ],
)
def test_what_a_script_may_change_is_not_sure(before: str, is_sure: bool) -> None:
    words = [Stated(one, HERE) for one in ["sh", "-c", f"{before}\nserve --model ${{M:-/m/a}}"]]
    found = models_named(words, [("M", Stated(FILE, HERE))], has_defaults=True)
    assert ("${M:-/m/a}" not in {one.uri.value for one in found}) == is_sure


def test_what_a_script_sets_itself_is_sure_behind_what_it_reads() -> None:
    assert named(["sh", "-c", ". /etc/env.sh; X=/m/a; serve --model $X"]) == ["/m/a"]
    assert named(["sh", "-c", "X=/m/a; . /etc/env.sh; serve --model $X"]) == ["$X"]


def test_thousands_of_models_in_one_script_take_no_minutes() -> None:
    lines = "; ".join(f"serve --model /m/{number}.onnx" for number in range(2500))
    assert len(named(["sh", "-c", lines])) == 2500
