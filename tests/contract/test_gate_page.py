"""``docs/gate.md``: its project is one, and it lists every key, rule of evidence and exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import BaseModel

from placer.core.gate_rules import GATE_RULES
from placer.files import project_spec
from placer.files.positions import parse_yaml
from placer.files.project import read_project
from placer.manifests.reading import read_manifests
from tests import pages

PAGE = pages.read("gate.md")
SECTIONS: dict[str, type[BaseModel]] = {
    "## Keys of `placer.yaml`": project_spec.ProjectSpec,
    "### A site": project_spec.SiteSpec,
    "### Words of a site": project_spec.MatchSpec,
    "### A model": project_spec.ModelSpec,
    "### A deployment": project_spec.DeploymentSpec,
    "### A receiver of data": project_spec.EgressSpec,
    "### A suppression": project_spec.SuppressionSpec,
    "### Ages": project_spec.MaxAgeSpec,
}


def rows(spec: type[BaseModel]) -> Iterator[str]:
    for name, field in spec.model_fields.items():
        yield f"| `{field.alias or name}` | {field.description} |"


@pytest.mark.parametrize("heading", SECTIONS)
def test_lists_every_key(heading: str) -> None:
    wanted = list(rows(SECTIONS[heading]))
    found = pages.table(PAGE.partition(f"{heading}\n")[2], "| Key | Meaning |")
    assert found == wanted, f"docs/gate.md needs under '{heading}':\n" + "\n".join(wanted)


def test_its_project_can_be_read(tmp_path: Path) -> None:
    (text,) = [block for block in pages.blocks(PAGE, "yaml") if block.startswith("schema:")]
    path = tmp_path / "placer.yaml"
    path.write_text(text, encoding="utf-8")
    assert [site.name for site in read_project(str(path)).project.sites] == ["line", "stockholm"]


def test_its_suppression_is_one() -> None:
    (text,) = [one for one in pages.blocks(PAGE, "yaml") if one.startswith("suppressions:")]
    (entry,) = parse_yaml(text, path="placer.yaml").data["suppressions"]
    found = project_spec.SuppressionSpec.model_validate(entry)
    assert found.until == "2027-01-31"


def test_its_annotations_are_read() -> None:
    head = "| Annotation | Meaning |"
    told = {row.split("`")[1] for row in pages.table(PAGE, head)}
    lines = "".join(f"    {line}\n" for line in sorted(told)).replace("NAME", "defect")
    text = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n{lines}"
    text += "spec: {containers: [{name: a, image: a, args: [--model, a.onnx]}]}\n"
    found = read_manifests(["-"], stdin=BytesIO(text.encode()))
    (deployed,) = found.deployed
    assert ("placer/workload", "defect") in [one.value for one in deployed.annotations]
    assert [(one.rule, one.until) for one in found.suppressions] == [("PLC707", "2027-01-31")]


def test_lists_every_rule_of_evidence() -> None:
    section = PAGE.partition("## Evidence and lock")[2].partition("\n## ")[0]
    listed = re.findall(r"\| (PLC\d+) \|", section)
    assert listed == [rule.id for rule in GATE_RULES if rule.id.startswith("PLC6")]
