"""The bounds that ``placer profile`` prints are those by which ``placer recommend`` judges."""

from __future__ import annotations

import numpy as np
import pytest

from placer.core.advise import recommend
from placer.core.placement import EdgeSite, SiteTime
from placer.core.units import format_duration
from placer.core.workload import LatencyTarget, Workload
from placer.reports import profile
from tests import builders

P99 = LatencyTarget(0.99, 0.0105)
P95 = LatencyTarget(0.95, 0.1)


def _drifting(runs: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    level = np.cumsum(rng.standard_normal(runs)) * 0.002
    return np.asarray(0.01 * np.exp(level - level.mean() + 0.02 * rng.standard_normal(runs)))


@pytest.mark.parametrize(
    "time",
    [
        SiteTime(builders.measurement(0.01, runs=450, spread=0.02)),
        SiteTime(builders.measurement(0.01, runs=1500, is_reused=True), 1.10),
        SiteTime(builders.measurement(values_s=_drifting(900))),
        SiteTime(builders.measurement(0.02, instrument=builders.quiet(reasons=("busy",)))),
    ],
    ids=["few runs", "reused", "dependent", "disturbed"],
)
@pytest.mark.parametrize("target", [P99, P95])
def test_profile_and_recommend_print_the_same_bounds(time: SiteTime, target: LatencyTarget) -> None:
    text = profile.to_text(builders.model(), [time], [], targets=[target], width=100, color=False)
    answer = recommend(
        builders.model(),
        Workload(targets=(target,)),
        builders.environment(edges=(EdgeSite("cpu", time),), clouds=()),
    )
    judged = answer.candidates[0].targets[0]
    name = f"p{target.percentile * 100:.0f} "
    row = next(line for line in text.splitlines() if line.startswith(name))
    low, _, high = row.split("  ")[-1].strip().partition(" to ")
    for bound, words in ((judged.low_s, low), (judged.high_s, high)):
        assert words == ("unknown" if bound is None else format_duration(bound))


def test_percentile_of_a_target_is_listed() -> None:
    text = profile.to_text(
        builders.model(),
        [SiteTime(builders.measurement())],
        [],
        targets=[LatencyTarget(0.9, 0.02), LatencyTarget(0.98, 0.02)],
        width=100,
        color=False,
    )
    assert [line.split()[0] for line in text.splitlines() if line[:2] in ("p5", "p9")] == [
        "p50", "p90", "p95", "p98", "p99"
    ]  # fmt: skip
