"""A measured loss has an upper end, and `met` must hold with it as well."""

from __future__ import annotations

import pytest

from placer.core.environment import NetworkPath
from placer.core.errors import UsageError
from placer.core.estimate import Verdict
from placer.core.legs.cloud import cloud_leg
from placer.core.workings import Workings
from placer.core.workload import LatencyTarget, Workload
from placer.files.positions import parse_yaml
from placer.files.specs import NetworkSpec
from placer.files.validating import validate
from tests import builders

PATH = NetworkPath(
    "site",
    "",
    rtt_samples_s=(0.02,) * 1000,
    uplink_bytes_per_s=12.5e6,
    downlink_bytes_per_s=12.5e6,
    loss_ratio=0.0,
    is_encrypted=False,
)


def verdict(at_most_ratio: float | None, limit_s: float = 0.1) -> tuple[Verdict, str]:
    from dataclasses import replace

    path = replace(PATH, loss_at_most_ratio=at_most_ratio)
    workload = Workload(targets=(LatencyTarget(0.99, limit_s),))
    leg = cloud_leg(
        builders.cloud(),
        builders.model(),
        workload,
        builders.environment(path=path),
        Workings(),
    )
    return leg.targets[0].verdict, leg.targets[0].reason


def test_no_loss_in_few_packets_does_not_prove_the_tail() -> None:
    assert verdict(None)[0] is Verdict.MET
    assert verdict(1e-6)[0] is Verdict.MET
    few, reason = verdict(0.03)
    assert few is Verdict.UNPROVEN
    assert "may be 3 %" in reason


def test_a_target_that_holds_with_the_loss_is_met() -> None:
    assert verdict(0.001, limit_s=5.0)[0] is Verdict.MET


def test_what_is_too_slow_without_loss_stays_violated() -> None:
    assert verdict(0.03, limit_s=0.015)[0] is Verdict.VIOLATED


@pytest.mark.parametrize("text", ["loss_at_most: 1%", "loss: 2%\nloss_at_most: 1%"])
def test_an_upper_end_below_the_loss_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="loss_at_most"):
        validate(NetworkSpec, parse_yaml(f"name: site\n{text}\n", path="site.yaml"))
