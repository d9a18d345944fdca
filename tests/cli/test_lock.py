"""``placer lock``: what a check will miss of the evidence is told as it is bound."""

from __future__ import annotations

import pytest

from placer.api.formats import read_model
from placer.files.evidence import to_statement
from tests import builders, gate_project, models
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest


@pytest.mark.parametrize(
    ("site", "told"),
    [
        (gate_project.EDGE, ""),
        ("line", ""),
        ("aws-g6.xlarge", ""),
        (gate_project.CLOUD, ""),
        ("lines", "evidence of the site 'lines' (did you mean 'line'?), and no site of "),
        ("jetson-orin-nano", "evidence of the site 'jetson-orin-nano', and no site of "),
    ],
)
def test_evidence_of_a_site_that_the_project_does_not_have_is_told(
    run: Run, make: Make, site: str, told: str
) -> None:
    folder = make(manifest())
    models.mlp(str(folder / "model.onnx"), 8, 1)
    summary = read_model(str(folder / "model.onnx"), shapes={})
    measured = builders.measurement(
        subjects=summary.subjects,
        input_shapes=tuple((spec.name, spec.shape) for spec in summary.inputs),
    )
    data = to_statement(measured, tool="placer test", site=site)
    (folder / "evidence" / "edge.json").write_bytes(data)
    result = run("lock")
    assert result.code == 0, result.err
    said = " ".join(result.err.split())
    assert ("no site of placer.yaml is called that: no check takes it" in said) == bool(told)
    assert told in said
