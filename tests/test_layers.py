"""The three rings, read from the imports: core <- adapters <- cli."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "placer"
ADAPTERS = (
    "files",
    "manifests",
    "onnx_files",
    "probing",
    "profiling",
    "reports",
    "runtimes",
    "tflite_files",
)

PURE_STDLIB = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "graphlib",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "shlex",
    "statistics",
    "string",
    "struct",
    "types",
    "typing",
    "zlib",
}
"""What the core may use: no file, clock, environment, process, network, log or global chance."""

CORE_THIRD_PARTY = {"numpy", "scipy"}
CLI_THIRD_PARTY = {"typer"}
"""Other rings may use every other dependency; the package itself none."""

ALLOWED = {
    "core": {"core"},
    **{adapter: {"core", adapter} for adapter in ADAPTERS},
    "api": {"core", "api", *ADAPTERS},
    "package": {"core", "api"},
    "cli": {"core", "api", "package", "cli", *ADAPTERS},
    "main": {"cli"},
}
"""Ring -> rings that it may import, also inside functions and for type checking."""

FILES = sorted(ROOT.rglob("*.py"))


def ring_of(module: str) -> str:
    """Return the ring of a dotted name that begins with ``placer``."""
    first = [*module.split("."), ""][1]
    if first == "__main__":
        return "main"
    return first if first in ALLOWED else "package"


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


QUIET_FILES = [path for path in FILES if ring_of(module_of(path)) not in ("cli", "main")]


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            if module == "placer":  # from placer import api
                for alias in node.names:
                    is_module = (ROOT / alias.name).is_dir() or (ROOT / f"{alias.name}.py").exists()
                    yield node.lineno, f"placer.{alias.name}" if is_module else "placer"
            else:
                yield node.lineno, module


def may_import_foreign(ring: str, name: str) -> bool:
    """Tell whether a ring may import a module that is not placer's."""
    if ring == "core":
        return name in PURE_STDLIB | CORE_THIRD_PARTY
    if name in sys.stdlib_module_names:
        return True
    if ring == "cli":
        return name in CLI_THIRD_PARTY
    return ring not in ("package", "main") and name not in CLI_THIRD_PARTY


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_only_what_its_ring_may(path: Path) -> None:
    ring = ring_of(module_of(path))
    wrong = []
    for line, name in imports_of(path):
        top = name.partition(".")[0]
        if top == "placer":
            is_allowed = ring_of(name) in ALLOWED[ring]
        else:
            is_allowed = may_import_foreign(ring, top)
        if not is_allowed:
            wrong.append(f"{path}:{line}: {ring} imports {name}")
    assert wrong == []


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if ring_of(module_of(path)) not in ("cli", "main")],
    ids=module_of,
)
def test_only_the_command_line_prints_exits_and_reads_the_environment(path: Path) -> None:
    forbidden = {"print", "input", "exit", "sys.exit", "os.environ", "os.getenv"}
    if ring_of(module_of(path)) == "core":
        forbidden |= {"datetime.date.today", "datetime.datetime.now", "open"}
    used = {
        f"{path}:{node.lineno}: {name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.Attribute) and (name := ast.unparse(node)) in forbidden
    }
    assert used == set()


def test_every_module_belongs_to_a_ring() -> None:
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert folders <= {"core", "cli", "api", *ADAPTERS}
    assert {path.stem for path in ROOT.glob("*.py")} == {"__init__", "__main__"}
