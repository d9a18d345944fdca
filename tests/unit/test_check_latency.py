"""Reports of a check: the time of a deployment stands at the percentile that its limit is of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.reports.check import render
from tests.unit.test_check_reports import CHECKED, CONTEXT, PASSED, RESULT


@pytest.mark.parametrize("name", ["text", "markdown", "junit"])
def test_a_limit_stands_beside_the_time_at_its_own_percentile(name: str) -> None:
    half = replace(
        PASSED, percentile=0.5, latency_s=0.0007, p99_s=0.0044, limit_s=0.001, declared="edge:cpu"
    )
    report = render(replace(RESULT, checked=(half,), findings=()), name, CONTEXT)
    told = {
        "text": "p50 700 µs, limit 1.00 ms",
        "junit": "p50 700 µs, limit 1.00 ms",
        "markdown": "| 700 µs | 1.00 ms |",
    }
    assert told[name] in report
    assert "4.40 ms" not in report
    assert name != "markdown" or "| p50 | Limit |" in report


def test_a_table_of_several_percentiles_says_which_each_time_is_of() -> None:
    half = replace(PASSED, percentile=0.5, latency_s=0.0007, limit_s=0.001)
    report = render(replace(RESULT, checked=(CHECKED, half), findings=()), "markdown", CONTEXT)
    assert "| Latency | Limit |" in report
    assert "| p99 11.2 ms | 20.0 ms |" in report
    assert "| p50 700 µs | 1.00 ms |" in report
