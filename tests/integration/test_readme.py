"""What README and docs say is true: options exist, links lead somewhere, Python blocks run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from placer.cli import main
from placer.cli.app import COMMANDS
from tests import gate_project, models, pages
from tests.web_server import Handler, Server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the README's commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models.conv_net("model.onnx", size=224, channels=4, layers=1)
    model = onnx.load("model.onnx")
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array((values * 1.01).astype(values.dtype), tensor.name))
    onnx.save(model, "model-int8.onnx")
    rng = np.random.default_rng(1)
    np.savez("samples.npz", x=rng.standard_normal((8, 1, 3, 224, 224), dtype=np.float32))
    for name in ("before.json", "after.json"):
        assert main(["recommend", "model.onnx", "--no-measure", "--save", name]) in (0, 5)
    assert main(["catalog", "show", "lte_us", "--output", "yaml=site.yaml"]) == 0
    gate_project.make(tmp_path, {"a.yaml": gate_project.manifest()}, is_locked=False)
    user = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], [*user, "commit", "-q", "-m", "base"]):
        subprocess.run(["git", *command], check=True)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], check=True)
    return tmp_path


@pytest.mark.slow
def test_every_shell_line_of_the_readme_runs(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As written; only the time to measure is bounded, and what it measures of threads."""
    lines = [
        line.partition("#")[0].strip() for block in _blocks("sh") for line in block.split("\n")
    ]
    ours = [line for line in lines if line.startswith("placer ")]
    assert len(ours) >= 11
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for written in ours:
        line = written.replace(
            "https://example.org", f"http://127.0.0.1:{server.server_address[1]}"
        )
        bound = ["--time-limit", "2s"] if " recommend " in line else []
        if bound and not {"--workload", "--tune"} & set(line.split()):
            bound += ["--threads", "1"]
        if " probe " in line:
            bound = ["--duration", "2s"]
        code = main([*shlex.split(line)[1:], *bound])
        captured = capsys.readouterr()
        assert code in (0, 1, 5), f"{line}: {captured.err}"
        assert captured.out, line
    server.shutdown()
    server.server_close()
    others = [line for line in lines if line and line not in ours]
    assert all(line.startswith(("./dev placer", "./dev test")) for line in others), others


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)", page.read_text())
        if page.parent / target != page
    }
    assert set(PAGES) <= linked | {ROOT / "README.md"}


@pytest.mark.parametrize(
    ("page", "line"),
    [(page.name, line) for page in PAGES for line in pages.commands(page.read_text())],
)
def test_every_command_and_option_of_a_page_is_known(
    page: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*shlex.split(line)[1:], "--help"]) == 0, page


def _python_blocks() -> list[tuple[str, str, str]]:
    """Return (page, code, what it prints) of the blocks that a text block follows."""
    pattern = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        (page.stem, code, text)
        for page in PAGES
        if page.stem != "json"  # its block reads what a command wrote
        for code, text in pattern.findall(page.read_text())
    ]


@pytest.mark.parametrize(("page", "code", "text"), _python_blocks())
def test_python_block_of_a_page_prints_what_it_says(
    page: str, code: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "examples" / "01_digits" / "digits.onnx", tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    assert pages.printed_by(code) == text, page


def test_every_python_block_is_run() -> None:
    for page in PAGES:
        blocks = len(pages.blocks(page.read_text(), "python"))
        run = sum(name == page.stem for name, _, _ in _python_blocks())
        if page.stem in ("README", "json", "verifying"):  # the server of the last is run by others
            run = 1
        assert blocks == run, page.name


def test_python_block_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = _blocks("python")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip().endswith(".")


def test_every_command_is_in_the_readme_or_the_docs() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for name in COMMANDS:
        assert f"placer {name}" in text


def test_exit_codes_of_the_readme_are_those_of_the_errors() -> None:
    from placer.core import errors

    for kind in (errors.UsageError, errors.InputError, errors.MeasuringError):
        assert f"| {kind.exit_code} |" in README
