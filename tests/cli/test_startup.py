"""What starting costs: modules counted, and time only as a ratio to what cannot be avoided."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

import placer

HEAVY = {"numpy", "scipy", "onnx", "onnxruntime", "pydantic", "yaml"}
RATIO_LIMIT = 3.5
"""Of ``placer --help`` to ``import typer, rich``; about 2 where it was measured."""
REPEATS = 5

_LOADED = (
    "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
)


def loaded_after(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{_LOADED}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_after(f"from placer.cli import main; main({arguments!r})")
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_importing_the_package_loads_no_third_party_module() -> None:
    loaded = loaded_after("import placer")
    assert "placer" in loaded
    assert loaded & (HEAVY | {"typer", "rich"}) == set()


def test_help_starts_in_a_few_times_the_time_of_its_libraries() -> None:
    def seconds(*arguments: str) -> float:
        start_ns = time.perf_counter_ns()
        subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=60
        )
        return (time.perf_counter_ns() - start_ns) / 1e9

    pairs = [
        (seconds("-c", "import typer, rich"), seconds("-m", "placer", "--help"))
        for _ in range(REPEATS)
    ]
    libraries_s, help_s = (min(column) for column in zip(*pairs, strict=True))
    assert help_s <= RATIO_LIMIT * libraries_s


@pytest.mark.parametrize("name", placer.__all__)
def test_every_public_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(placer, name) is getattr(placer, name)
    assert name in dir(placer)


def test_public_names_are_sorted_and_complete() -> None:
    assert list(placer.__all__) == sorted(placer.__all__)
    assert set(placer.__all__) == {*placer._MODULES, "__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recomend'"):
        _ = placer.recomend
