"""Running commands in this process, with an empty cache and a scrubbed environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from placer.cli import main
from tests import gate_project, models


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]
Make = Callable[..., Path]


def _runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache: Path) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "PLACER_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``placer ARGUMENTS`` and return its exit code and output."""
    return _runs(capsys, monkeypatch, tmp_path / "cache")


@pytest.fixture(scope="session")
def kept_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that keeps what earlier tests measured."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kept_cache: Path
) -> Run:
    """Run likewise, with what earlier tests measured: where the measuring is not in question."""
    return _runs(capsys, monkeypatch, kept_cache)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of some 10 µs."""
    path = str(tmp_path_factory.mktemp("models") / "small.onnx")
    models.mlp(path, width=64, layers=2)
    return path


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a project in the folder that the commands run in."""

    def run(*texts: str, **arguments: Any) -> Path:
        manifests = {f"{number}.yaml": text for number, text in enumerate(texts)}
        folder = gate_project.make(tmp_path / "project", manifests, **arguments)
        monkeypatch.chdir(folder)
        return folder

    return run
