"""What ``placer check`` must not call a pass, because nobody judged it or it is something else."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)
RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.counter
ComponentVersion: 1.0.0
Manifests:
  - Platform: {os: linux, architecture: aarch64}
    Artifacts:
      - Uri: s3://builds/code.tar.gz
      - Uri: s3://models/counter/model.zip
"""


@pytest.mark.parametrize(("uri", "code"), [("s3://models/counter/*", 5), ("s3://other/*", 0)])
def test_an_archive_that_the_project_calls_a_model_is_one(
    run: Run, make: Make, uri: str, code: int
) -> None:
    entries = [{"uri": uri, "workload": "counter"}, {"uri": "*model.onnx", "workload": "counter"}]
    make(manifest(), RECIPE, project_file=gate_project.project(models=entries))
    result = run("check", "deploy", *OPTIONS, "--format", "json")
    assert result.code == code, result.out
    found = json.loads(result.out)
    assert len(found["checked"]) + found["others"] == 2
    assert {one["id"] for one in found["checked"]} >= {"deployment/counter"}
    loose = [one["message"] for one in found["findings"] if one["rule"] == "PLC713"]
    assert all("s3://models/counter/model.zip" in one for one in loose)


def test_what_is_no_model_may_be_named_by_its_id(run: Run, make: Make) -> None:
    make(RECIPE)
    result = run("check", "deploy", *OPTIONS)
    assert result.code == 3
    assert "deployments: [{id: 'component/com.example.counter', workload: NAME}]" in result.err
