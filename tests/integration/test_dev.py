"""The developer interface, as far as it goes without installing anything."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# Stands for python3: makes an "environment" whose pip and placer write down what they were asked.
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) exit ${FAKE_TOO_OLD:-0} ;;
"-V "*) echo "Python 3.9.2" ;;
"-m venv")
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    printf '#!/bin/sh\\necho "in $PWD: $*"\\n' >"$3/bin/placer"
    chmod +x "$3/bin/placer"
    ;;
"-m pip")
    echo "pip $*" >>"$FAKE_LOG"
    exit ${FAKE_PIP_FAILS:-0}
    ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


class Checkout:
    """A copy of the script in a folder with a space in its name, with a scripted python3."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.root.mkdir()
        self.log = folder / "log"
        self.venv = self.root / ".venv"
        shutil.copy(ROOT / "dev", self.root)
        (self.root / "pyproject.toml").write_text("[project]\n")
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "python3").write_text(FAKE_PYTHON)
        (self.bin / "python3").chmod(0o755)
        for name in ("sh", "dirname", "cat", "cksum", "ls", "mkdir", "rm", "cp", "chmod"):
            (self.bin / name).symlink_to(shutil.which(name) or name)

    def dev(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "dev", *arguments],
            env={"PATH": str(self.bin), "FAKE_LOG": str(self.log), **variables},
            cwd=self.bin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def installs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_help_names_every_command_and_fits_one_screen_as_contributors_read_it() -> None:
    script = (ROOT / "dev").read_text()
    shown = subprocess.run(
        [ROOT / "dev", "help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    cases = script[script.rindex("case $command in") :]
    commands = re.findall(r"^([a-z-]+)\)$", cases, flags=re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        assert f"./dev {command} " in shown
    assert len(shown.splitlines()) <= 24
    assert shown in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_an_unknown_command_is_refused(checkout: Checkout) -> None:
    done = checkout.dev("tset")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("dev: unknown command 'tset'\n")


def test_placer_is_installed_once_and_runs_where_the_caller_is(checkout: Checkout) -> None:
    first = checkout.dev("placer", "recommend", "a model.onnx")
    assert first.stdout == f"in {checkout.bin}: recommend a model.onnx\n"
    assert "installing placer" in first.stderr
    second = checkout.dev("placer", "--help")
    assert (second.stdout, second.stderr) == (f"in {checkout.bin}: --help\n", "")
    assert checkout.installs == 1


def test_a_changed_project_is_installed_again(checkout: Checkout) -> None:
    checkout.dev("placer")
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert checkout.dev("placer").returncode == 0
    assert checkout.installs == 2


def test_a_failed_first_installation_starts_again_from_nothing(checkout: Checkout) -> None:
    failed = checkout.dev("placer", FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "the installation failed" in failed.stderr
    (checkout.venv / "half").touch()
    assert checkout.dev("placer").returncode == 0
    assert not (checkout.venv / "half").exists()
    assert checkout.installs == 2


def test_an_old_python_is_told_plainly(checkout: Checkout) -> None:
    done = checkout.dev("placer", FAKE_TOO_OLD="1")
    assert done.returncode == 1
    assert "no Python 3.11 or newer found (python3 is Python 3.9.2)" in done.stderr
    assert not checkout.venv.exists()


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").touch()
    done = checkout.dev("placer", PLACER_VENV=str(precious))
    assert done.returncode == 1
    assert "is no virtual environment" in done.stderr
    assert [path.name for path in precious.iterdir()] == ["thesis.tex"]


def test_nothing_is_installed_where_that_is_forbidden(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.dev("placer", PLACER_VENV=str(tmp_path / "none"), PLACER_INSTALL="no")
    assert done.returncode == 1
    assert "PLACER_INSTALL=no" in done.stderr
    assert checkout.installs == 0
