"""``docs/json.md``: its keys are those of the schema, its flips those of the code."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from placer.cli import main
from placer.core import flips
from placer.core.workload import LatencyTarget, Workload
from placer.reports.check.document import check_schema
from placer.reports.comparison.json import comparison_schema
from placer.reports.json import recommendation_schema
from placer.reports.network_probe_json import probe_schema
from tests import builders, pages

PAGE = pages.read("json.md")
HEAD = "| Key | Type | Meaning |"
DIGITS = pages.ROOT / "examples" / "01_digits" / "digits.onnx"


def key_rows(schema: dict[str, object], *, whole: bool) -> Iterator[str]:
    for key, part in pages.keys_of(schema):
        if whole or "." not in key:
            yield f"| `{key}` | {pages.type_of(part)} | {pages.meaning_of(part)} |"


@pytest.mark.parametrize(
    ("heading", "schema", "whole"),
    [
        ("## Every key of a recommendation", recommendation_schema(), True),
        ("## Keys of a comparison", comparison_schema(), False),
        ("## Every key of a network probe", probe_schema(), True),
        ("## Every key of a check", check_schema(), True),
    ],
    ids=["recommendation", "comparison", "network-probe", "check"],
)
def test_lists_every_key_as_the_schema_describes_it(
    heading: str, schema: dict[str, object], whole: bool
) -> None:
    wanted = list(key_rows(schema, whole=whole))
    found = pages.table(PAGE.partition(heading)[2], HEAD)
    assert found == wanted, f"docs/json.md needs under '{heading}':\n" + "\n".join(wanted)


def test_lists_every_parameter_that_a_flip_can_have() -> None:
    workload = Workload(
        targets=(LatencyTarget(0.99, 0.05),),
        rate_hz=5.0,
        throughput_hz=10.0,
        budget_usd_per_month=100.0,
    )
    environment = builders.environment()
    path = replace(environment.path, data_usd_per_byte=1e-9)
    environment = replace(environment, path=path, fastest_path=None)
    every = flips.parameters(builders.model(), workload, environment)
    offer, device = environment.clouds[0].offer, environment.device
    shown = {f"{offer.name}@{offer.region}": "NAME@REGION", device.name: "NAME"}
    wanted = set()
    for one in every:
        kind, _, name = one.name.partition(" ")
        wanted.add((f"{kind} {shown[name]}" if name else kind, one.unit))
    rows = re.findall(r"^\| `([^`]+)` \| (\S+) \|", flips_table(), re.MULTILINE)
    found = {(name, unit.strip("`")) for name, unit in rows}
    assert found == {*wanted, ("privacy", "none")}


def flips_table() -> str:
    return "\n".join(pages.table(PAGE, "| `parameter` | `unit` | where |"))


def test_says_what_a_flip_can_become_and_how_far_it_looks() -> None:
    for words in (f"`{flips.UNPROVEN}`", f"`{flips.NONE}`", f"factor of {flips.STEPS[-1]:,.0f}"):
        assert words in PAGE


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DIGITS, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (command,) = pages.commands(PAGE)
    saved = []
    for _ in range(2):
        assert main(shlex.split(command)[1:]) == 0
        saved.append(Path("answer.json").read_bytes())
    assert saved[0] == saved[1]
    capsys.readouterr()
    (code,), (text,) = pages.blocks(PAGE, "python"), pages.blocks(PAGE, "text")
    assert pages.printed_by(code) == text
