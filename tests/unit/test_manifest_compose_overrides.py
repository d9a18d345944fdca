"""What docker compose merges by itself is what neither of the files says alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.core.deployment import Manifests
from placer.manifests.reading import read_manifests

BASE = "services:\n  infer: {image: 'i:1', command: [--model, /m/a.onnx]}\n"
OVER = "services:\n  infer: {command: [--model, /m/b.onnx], mem_limit: 8m}\n"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(**files: str) -> Manifests:
    """Write files, whose names have ``_`` for ``.`` and ``__`` for ``-``."""
    for name, text in files.items():
        path = Path(name.replace("__", "-").replace("_", "."))
        path.write_text(text, encoding="utf-8")
    return read_manifests(["."])


def told(found: Manifests) -> list[str]:
    return [f"{one.place}: {one.message}" for one in found.unreadable]


@pytest.mark.parametrize(
    "base", ["compose_yaml", "compose_yml", "docker__compose_yml", "docker__compose_yaml"]
)
@pytest.mark.parametrize("over", ["compose_override_yaml", "docker__compose_override_yml"])
@pytest.mark.parametrize(
    "text", [OVER, OVER.replace("{", "{image: 'i:2', "), "services:\n  infer: {cpus: 1}\n"]
)
def test_a_service_of_both_files_is_told(base: str, over: str, text: str) -> None:
    found = read(**{base: BASE, over: text})
    names = [name.replace("__", "-").replace("_", ".") for name in (base, over)]
    message = f"'infer' of services is merged by docker compose with that of {names[0]}"
    assert told(found) == [f"{names[1]}:2:3: {message}: what runs is neither"]
    assert [one.place.path for one in found.deployed] == [names[0]]
    assert "docker compose config" in found.unreadable[0].remedy


def test_a_service_of_one_file_is_what_it_says() -> None:
    found = read(compose_yaml=BASE, compose_override_yaml=BASE.replace("infer", "other"))
    assert (told(found), len(found.deployed)) == ([], 2)


def test_a_model_of_both_files_is_told() -> None:
    base = BASE + "models:\n  m: {model: ai/a}\n"
    over = BASE.replace("infer", "other") + "models:\n  m: {model: ai/b}\n"
    (message,) = told(read(compose_yaml=base, compose_override_yaml=over))
    assert message.startswith("compose.override.yaml:4:3: 'm' of models is merged")


@pytest.mark.parametrize("name", ["compose_prod_yaml", "compose_override_json", "override_yaml"])
def test_a_file_that_docker_compose_does_not_take_by_itself_is_read_alone(name: str) -> None:
    found = read(**{"compose_yaml": BASE, name: BASE})
    assert (told(found), len(found.deployed)) == ([], 2)


def test_balena_merges_nothing() -> None:
    found = read(
        docker__compose_yml=BASE,
        docker__compose_override_yml=BASE,
        balena_yml="name: f\ntype: sw.application\n",
    )
    assert told(found) == []
