"""What is said about evidence that is used again."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from placer.api.measuring import time_of
from placer.core.advise import recommend
from placer.core.placement import EdgeSite
from placer.core.workload import LatencyTarget, Workload
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
