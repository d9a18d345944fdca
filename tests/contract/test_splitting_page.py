"""``docs/splitting.md``: its file gives its answer, and its tables have the keys that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from placer.cli import main
from placer.files.costs import costs_schema
from placer.files.split_contract import contract_schema
from tests import pages

PAGE = pages.read("splitting.md")
DIGITS = pages.ROOT / "examples" / "01_digits" / "digits.onnx"
SAMPLE = Path(__file__).parents[1] / "data" / "split_costs.json"


def rows(heading: str) -> list[str]:
    return [row.split(" | ")[0] for row in pages.table(PAGE, heading)]


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["split", "--costs", str(SAMPLE), *options]) == 0
    return capsys.readouterr().out


def test_the_file_of_the_page_is_the_one_of_the_tests() -> None:
    assert json.loads(pages.blocks(PAGE, "json")[0]) == json.loads(SAMPLE.read_text())


def test_the_answer_of_the_page_is_that_of_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys) in pages.blocks(PAGE, "text")


def test_lists_every_key_of_the_contract_as_the_schema_describes_it() -> None:
    each = r"(\w+\[\]|wire\.\w+)\.(name|dtype|shape|bytes|sha256)$"  # of tensors and files
    wanted = [
        f"| `{key}` | {pages.type_of(part)} | {pages.meaning_of(part)} |"
        for key, part in pages.keys_of(contract_schema())
        if not re.search(each, key)
    ]
    found = pages.table(PAGE, "| Key | Type | Meaning |")
    assert found == wanted, "docs/splitting.md needs:\n" + "\n".join(wanted)


def keys_in(document: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of an answer, those of differences and of the export left out."""
    for name, value in document.items():
        items = value[0] if isinstance(value, list) and value else None
        if name == "export":
            yield name
        elif isinstance(value, dict):
            yield from keys_in(value, f"{prefix}{name}.")
        elif isinstance(items, dict) and name != "differences":
            yield f"{prefix}{name}[]"
            yield from keys_in(items, f"{prefix}{name}[].")
        else:
            yield f"{prefix}{name}{'[]' if name == 'differences' else ''}"


def test_every_key_of_the_answer_for_a_model_is_described(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["split", str(DIGITS), "--top", "1", "--format", "json"]) == 0
    found = set(keys_in(json.loads(capsys.readouterr().out)))
    told = set()
    for row in pages.table(PAGE, "| key of the answer | what |"):
        told |= set(re.findall(r"`([^`]+)`", row.split(" | ")[0]))
    assert found == told


def test_the_folder_of_the_page_is_the_one_that_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["split", str(DIGITS), "--cut", "pooled", "--to", "parts"]) == 0
    capsys.readouterr()
    files = {path.relative_to("parts").as_posix() for path in Path("parts").rglob("*.*")}
    told = {row.split("`")[1] for row in pages.table(PAGE, "| file | what |")}
    assert {name.replace("NAME", "digits") for name in told} == files


def test_every_key_of_a_file_is_described() -> None:
    told = set(re.findall(r"`(?:\w+\[\]\.)?(\w+)`", " ".join(pages.table(PAGE, "| key | what |"))))
    schema: dict[str, Any] = costs_schema()
    parts = [schema, *schema["$defs"].values()]
    keys = {key for part in parts for key in part.get("properties", {})}
    assert keys - told <= {"name", "nodes", "tensors", "links", "bytes"}


def test_every_key_of_the_answer_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"`(\w+)`", " ".join(rows("| key of the JSON | what |")))
    assert sorted(told) == sorted(json.loads(answer(capsys, "--format", "json")))
