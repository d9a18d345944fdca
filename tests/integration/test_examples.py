"""Every example does what its README says, and leaves nothing that it does not declare."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
READMES = sorted(EXAMPLES.glob("*/README.md"))
LIMIT_BYTES = 2_000_000

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\n```text\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LEAVES = re.compile(r"<!-- leaves: (.*?) -->")
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One ``sh`` block of a README. ``sh notest`` marks what needs more than placer."""

    readme: Path
    number: int
    script: str
    output: str | None
    """Of the ``text`` block right below: what it prints, to the letter; None: there is none."""

    def __str__(self) -> str:
        """Name the test."""
        return f"{self.readme.parent.name}-{self.number}"


def blocks_of(readme: Path) -> list[Block]:
    text = readme.read_text(encoding="utf-8")
    scripts = [match for match in _BLOCK.finditer(text) if match["info"].split() == ["sh"]]
    return [
        Block(readme, number, match["text"], below["text"] if below else None)
        for number, match in enumerate(scripts, 1)
        for below in (_OUTPUT.match(text, match.end()),)
    ]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


Run = Callable[[Path, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script as a reader would, with placer installed and nothing cached."""

    def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
        scripts = Path(sys.executable).parent
        environment = os.environ | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path),
            "COLUMNS": "100",  # as without a terminal
        }
        return subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.mark.slow  # measures against a limit: not beside other tests
@pytest.mark.parametrize(
    "block", [block for readme in READMES for block in blocks_of(readme)], ids=str
)
def test_every_block_of_a_readme_runs_and_leaves_what_it_says(
    block: Block, run: Run, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")  # one may use the model of another
    folder = tmp_path / "examples" / block.readme.parent.name
    before = contents(folder)
    done = run(folder, block.script)
    assert done.returncode == 0, f"$ {block.script}{done.stdout}{done.stderr}"
    assert done.stdout.strip()
    if block.output is not None:
        assert done.stdout == block.output
    after = contents(folder)
    declared = {
        name
        for names in _LEAVES.findall(block.readme.read_text(encoding="utf-8"))
        for name in names.split()
    }
    assert after.keys() - before.keys() <= declared
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_every_readme_has_blocks_and_its_files_are_there_and_small(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    assert blocks_of(readme)
    for link in _LINK.findall(text):
        assert link.startswith("https://") or (readme.parent / link).exists(), link
    for name in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE):
        assert (readme.parent / name).is_file(), name
    assert sum(path.stat().st_size for path in readme.parent.rglob("*")) <= LIMIT_BYTES


def test_every_example_has_a_readme() -> None:
    assert READMES
    folders = {path for path in EXAMPLES.iterdir() if path.is_dir()}
    assert {readme.parent for readme in READMES} == folders


def test_the_digits_are_recognised_as_often_as_stated(run: Run) -> None:
    stated = json.loads((EXAMPLES / "01_digits" / "metrics.json").read_text())
    done = run(EXAMPLES / "01_digits", "python evaluate.py")
    assert done.returncode == 0, done.stderr
    counts = re.match(r"(\d+) of (\d+) held-out images", done.stdout)
    assert counts is not None
    correct, total = map(int, counts.groups())
    assert (correct, total) == (stated["held_out_correct"], stated["held_out_images"])
    assert correct / total == stated["held_out_accuracy_ratio"]
    assert stated["held_out_accuracy_ratio"] >= 0.98


def test_an_accuracy_that_is_not_the_stated_one_fails(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(EXAMPLES / "01_digits", folder)
    stated = json.loads((folder / "metrics.json").read_text())
    stated["held_out_correct"] -= 1
    (folder / "metrics.json").write_text(json.dumps(stated))
    done = run(folder, "python evaluate.py")
    assert done.returncode == 1
    assert f"metrics.json says {stated['held_out_correct']} of" in done.stderr
