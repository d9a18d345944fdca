"""``placer check``: what it says is true of the manifest and leads out of it."""

from __future__ import annotations

import json

import pytest

from tests import gate_project
from tests.cli.conftest import Make, Run
from tests.gate_project import manifest, workload

OPTIONS = ("--locked", "--as-of", gate_project.TODAY)


@pytest.mark.parametrize("percentile", ["p50", "p99", "p99.9"])
def test_the_latency_is_told_at_the_percentile_of_the_target(
    run: Run, make: Make, percentile: str
) -> None:
    make(manifest(), workload_file=workload(latency={percentile: "30 ms"}))
    said = " ".join(run("check", "deploy", *OPTIONS).out.split())
    assert f"; {percentile} " in said
    assert ("p99 " in said) == (percentile == "p99")
    found = json.loads(run("check", "deploy", *OPTIONS, "--format", "json").out)["checked"][0]
    assert f"p{100 * found['percentile']:g}" == percentile
