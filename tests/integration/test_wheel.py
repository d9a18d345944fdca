"""Ship what is tested: the wheel, installed alone, run from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("placer-*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, and nothing of this checkout, beside the packages that are here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    names = {"base": str(folder), "platbase": str(folder)}
    site, scripts = (Path(sysconfig.get_path(kind, vars=names)) for kind in ("purelib", "scripts"))
    python = scripts / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel, cwd=folder)
    # A path in a .pth file comes after the site itself, and .pth files in it do not count.
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "here.pth").write_text("\n".join(sorted(here)) + "\n")
    return scripts


def test_every_profile_is_inside(wheel: Path) -> None:
    profiles = {path.relative_to(ROOT) for path in (ROOT / "profiles").rglob("*.yaml")}
    assert profiles
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"placer/{path.as_posix()}" for path in profiles} <= names


def test_published_measurements_are_inside_with_their_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path.name for path in (ROOT / "profiles" / "measured").iterdir()]
    assert {"README.md", "LICENSE.aihub", "aihub.csv"} <= set(files)
    assert {f"placer/profiles/measured/{name}" for name in files} <= names


def test_the_licence_and_the_types_are_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "placer/py.typed" in names
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_nothing_but_the_package_is_inside(wheel: Path) -> None:
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"placer"}


def test_runs_from_elsewhere_without_the_checkout(scripts: Path, tmp_path: Path) -> None:
    where = run(scripts / "python", "-c", "import placer; print(placer.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(scripts.parent)
    assert "recommend" in run(scripts / "placer", "--help", cwd=tmp_path)


def test_the_catalogue_is_found_in_the_wheel(scripts: Path, tmp_path: Path) -> None:
    assert "fiber_100" in run(scripts / "placer", "catalog", "list", cwd=tmp_path)
