"""``docs/splitting.md``: its file gives its answer, and its tables have the keys that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from placer.cli import main
from placer.files.costs import costs_schema
from tests import pages

PAGE = pages.read("splitting.md")
SAMPLE = Path(__file__).parents[1] / "data" / "split_costs.json"


def rows(heading: str) -> list[str]:
    return [row.split(" | ")[0] for row in pages.table(PAGE, heading)]


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["split", "--costs", str(SAMPLE), *options]) == 0
    return capsys.readouterr().out


def test_the_file_of_the_page_is_the_one_of_the_tests() -> None:
    assert json.loads(pages.blocks(PAGE, "json")[0]) == json.loads(SAMPLE.read_text())


def test_the_answer_of_the_page_is_that_of_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.blocks(PAGE, "text")[0] == answer(capsys)


def test_every_key_of_a_file_is_described() -> None:
    told = set(re.findall(r"`(?:\w+\[\]\.)?(\w+)`", " ".join(pages.table(PAGE, "| key | what |"))))
    schema: dict[str, Any] = costs_schema()
    parts = [schema, *schema["$defs"].values()]
    keys = {key for part in parts for key in part.get("properties", {})}
    assert keys - told <= {"name", "nodes", "tensors", "links", "bytes"}


def test_every_key_of_the_answer_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"`(\w+)`", " ".join(rows("| key of the JSON | what |")))
    assert sorted(told) == sorted(json.loads(answer(capsys, "--format", "json")))
