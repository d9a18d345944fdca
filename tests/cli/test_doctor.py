"""``placer doctor`` and ``placer rules``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.core.gate_rules import GATE_RULES
from placer.core.rules import RULES
from placer.runtimes import inventory
from tests.cli.conftest import Run


def test_doctor_shows_providers_limits_and_quietness(run: Run) -> None:
    result = run("doctor")
    assert result.code == 0
    for words in ("Execution providers that run here", "cpu", "usable core", "memory", "clock",
                  "How quiet it is now", "pip install"):  # fmt: skip
        assert words in result.out


def test_doctor_in_json_has_every_figure(run: Run) -> None:
    facts = json.loads(run("doctor", "--format", "json").out)
    assert facts["schema"] == "placer/doctor/v1"
    assert facts["execution_providers"][-1]["name"] == "cpu"
    assert facts["machine"]["cores"] >= 1
    assert set(facts["quietness"]) >= {"is_quiet", "run_delay_ratio", "steal_ratio"}
    assert {one["name"] for one in facts["missing"]}.isdisjoint(
        one["name"] for one in facts["execution_providers"]
    )


def _put(folder: Path, name: str) -> None:
    """Put the metadata of an installed package into a folder."""
    place = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


def test_two_builds_of_the_runtime_in_one_place_are_a_conflict(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    _put(tmp_path, "onnxruntime-gpu")
    apart = run("doctor")  # the other one is elsewhere: they do not touch each other
    assert apart.code == 0
    _put(tmp_path, "onnxruntime-directml")
    result = run("doctor")
    assert result.code == 4
    assert "onnxruntime-gpu and onnxruntime-directml overwrite each other" in result.err


def test_every_provider_has_a_way_to_get_it() -> None:
    from placer.core.runtime import EXECUTION_PROVIDERS

    assert set(inventory.HOW_TO_GET) == set(EXECUTION_PROVIDERS) - {"cpu"}


def test_rules_are_listed_in_every_format(run: Run) -> None:
    text = run("rules", "list").out
    ids = sorted([*(rule.id for rule in RULES), *(rule.id for rule in GATE_RULES)])
    assert [line.split()[0] for line in text.splitlines()] == ids
    rows = json.loads(run("rules", "list", "--format", "json").out)
    assert [row["id"] for row in rows] == ids


def test_rules_page_is_what_the_command_prints(run: Run) -> None:
    page = Path(__file__).parents[2] / "docs" / "rules.md"
    assert page.read_text() == run("rules", "list", "--format", "markdown").out


@pytest.mark.parametrize("rule", [*RULES, *GATE_RULES], ids=lambda rule: rule.id)
def test_rule_is_explained(run: Run, rule: object) -> None:
    result = run("rules", "explain", rule.id.lower())  # type: ignore[attr-defined] # ids make it opaque
    assert result.code == 0
    for heading in ("What it checks", "Why", "Example", "How to fix"):
        assert heading in result.out


def test_unknown_rule_names_the_nearest(run: Run) -> None:
    result = run("rules", "explain", "PLC110")
    assert result.code == 2
    assert "did you mean 'PLC" in result.err
