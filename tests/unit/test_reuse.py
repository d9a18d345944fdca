"""What is said about evidence that is used again."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from placer.api.evidence import matching_evidence, measured_here
from placer.api.measuring import time_of
from placer.core.advise import recommend
from placer.core.environment import Device
from placer.core.finding import Severity
from placer.core.measurement import Measurement
from placer.core.placement import EdgeSite
from placer.core.workload import LatencyTarget, Workload
from placer.files.evidence import Evidence, to_statement
from placer.profiling.machine import describe_machine
from placer.reports import profile, render
from tests import builders

NEXT_DAY = datetime.date(2026, 11, 24)
YEAR_LATER = datetime.date(2027, 11, 23)


@pytest.mark.parametrize(("as_of", "factor"), [(NEXT_DAY, "1.10"), (YEAR_LATER, "2.00")])
@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_factor_of_reused_evidence_is_told_with_its_basis(
    as_of: datetime.date, factor: str, format_: str
) -> None:
    time = time_of(builders.measurement(is_reused=True), "rpi5.json", as_of, is_here=False)
    sites = builders.environment(edges=(EdgeSite("cpu", time),), clouds=())
    answer = recommend(builders.model(), Workload(targets=(LatencyTarget(0.99, 0.02),)), sites)
    told = f"times ×/÷ {factor} for reuse"
    assert told in " ".join(render(answer, format_, width=120).split())
    table = profile.to_text(builders.model(), [time], [], targets=[], width=120, color=False)
    assert told in " ".join(table.split())


def test_measurement_of_this_run_has_no_factor() -> None:
    time = time_of(replace(builders.measurement(), is_reused=False), "", NEXT_DAY)
    assert "reuse" not in time.source


HERE = builders.measurement(machine=describe_machine())
ELSEWHERE = builders.measurement()
NAMED_HERE = builders.device(name="gate-camera")


@pytest.mark.parametrize(
    ("site", "measurement", "device", "is_told"),
    [
        ("aws-g4dn.xlarge", HERE, builders.device(), True),
        ("rpi5", HERE, builders.device(name="rpi5", is_this_machine=False), True),
        ("aws-g4dn.xlarge", ELSEWHERE, builders.device(), False),
        ("gate-camera", HERE, NAMED_HERE, False),
        (None, HERE, builders.device(), False),
    ],
)
def test_evidence_of_another_site_that_was_measured_here_is_a_warning(
    site: str | None, measurement: Measurement, device: Device, is_told: bool
) -> None:
    records = [(site, Evidence(measurement, site, "0" * 64, "cloud.json"))]
    findings = measured_here(records, device, "model.onnx")
    assert len(findings) == is_told
    for found in findings:
        assert (found.rule, found.severity) == ("PLC601", Severity.WARNING)
        assert found.location == "cloud.json"
        assert f"counts as evidence of {site}, but was measured on this machine" in found.message


def test_finding_on_evidence_of_another_model_names_the_file_once(tmp_path: Path) -> None:
    path = str(tmp_path / "other.json")
    Path(path).write_bytes(to_statement(ELSEWHERE, tool="t"))
    other = builders.model(subjects=(("model.onnx", "c" * 64),))
    _, (found,) = matching_evidence([path], [other])
    assert found.location == path
    assert path not in found.message
