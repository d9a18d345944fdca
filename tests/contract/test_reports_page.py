"""``docs/reports.md``: its formats, limits, inputs and hooks are those that there are."""

from __future__ import annotations

import re
from typing import Any

import yaml

from placer.reports.check import FORMATS, github, markdown, sarif
from tests import pages

PAGE = pages.read("reports.md")
ACTION: dict[str, Any] = yaml.safe_load((pages.ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load(
    (pages.ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
)


def test_lists_every_format_with_the_limits_that_it_keeps() -> None:
    rows = pages.table(PAGE, "| Format | For | What it keeps to |")
    assert [row.split("`")[1] for row in rows] == list(FORMATS)
    by_format = dict(zip(FORMATS, rows, strict=True))
    assert f"{sarif.MAX_RESULTS:,} results" in by_format["sarif"]
    assert f"{sarif.MAX_BYTES // 10**6} MB" in by_format["sarif"]
    assert f"{github.SHOWN} of each kind" in by_format["github"]
    assert f"{markdown.MAX_CHARACTERS:,} characters" in by_format["markdown"]


def test_lists_every_input_and_output_of_the_action() -> None:
    wanted = []
    for name, one in ACTION["inputs"].items():
        default = one.get("default", "")
        shown = "required" if one.get("required") else f"`{default}`" if default else ""
        wanted.append(f"| `{name}` | {shown} | {' '.join(one['description'].split())} |")
    found = pages.table(PAGE, "| Input | Default | Meaning |")
    assert found == wanted, "docs/reports.md needs:\n" + "\n".join(wanted)
    (told,) = re.findall(r"^Outputs: (.*)$", PAGE, re.MULTILINE)
    assert re.findall(r"`([a-z-]+)`", told) == list(ACTION["outputs"])


def test_its_workflow_gives_the_action_inputs_that_it_has() -> None:
    workflow = yaml.safe_load(pages.blocks(PAGE, "yaml")[0])
    steps = workflow["jobs"]["placer"]["steps"]
    (step,) = [one for one in steps if one["uses"].startswith("OWNER/placer@")]
    assert set(step["with"]) <= set(ACTION["inputs"])


def test_names_the_tag_of_the_comment() -> None:
    assert PAGE.count(markdown.TAG) == 2


def test_every_command_of_a_pipeline_has_options_that_exist() -> None:
    from placer.cli import main

    lines = re.findall(r"(placer check [^'\n#]*)", PAGE)
    commands = [line.strip(" `") for line in lines if "--" in line]
    assert len(commands) >= 4
    for command in commands:
        assert main([*command.split()[1:], "--help"]) == 0, command


def test_names_every_hook() -> None:
    page = yaml.safe_load(pages.blocks(PAGE, "yaml")[-1])
    (repository,) = page["repos"]
    assert [one["id"] for one in repository["hooks"]] == [one["id"] for one in HOOKS]
