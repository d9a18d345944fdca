"""The energy of the device: computing, sending, receiving and waiting count, or it is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from placer.core.energy import joules_per_request
from placer.core.estimate import Placement
from placer.core.evaluate import evaluate, rank_all
from placer.core.placement import Cloud, Edge, Fallback
from placer.core.workings import Workings
from placer.core.workload import Arrival, Objective, Workload
from tests import builders
from tests.unit.test_split_leg import split

RADIO: dict[str, Any] = {"send_w": 2.0, "receive_w": 1.0, "idle_w": 0.5}
KNOWN = builders.device(**RADIO)


def asked(**changes: Any) -> float | None:
    question: dict[str, Any] = {
        "compute_s": 0.1,
        "cloud_share": 1.0,
        "sizes": (1_250_000, 125_000),
        "wait_s": 0.5,
    }
    device, path = changes.pop("device", KNOWN), changes.pop("path", builders.path())
    return joules_per_request(device, path, **question | changes)


def test_it_computes_sends_receives_and_waits_for_the_rest() -> None:
    network = 2.0 * 0.1 + 1.0 * 0.01 + 0.5 * (0.5 - 0.11)
    assert asked() == pytest.approx(10.0 * 0.1 + network)
    assert asked(cloud_share=0.25) == pytest.approx(10.0 * 0.1 + 0.25 * network)
    assert asked(compute_s=0.0) == pytest.approx(network)
    assert asked(cloud_share=0.0) == 1.0


def test_a_slow_link_is_sent_over_for_longer_in_the_mean() -> None:
    slow = builders.path(uplink_p5_bytes_per_s=3e6)
    assert (asked(path=slow, wait_s=9.0) or 0) > (asked(wait_s=9.0) or 0) + 0.04


@pytest.mark.parametrize(
    "changes",
    [
        *({"device": builders.device(**RADIO | {key: None})} for key in (*RADIO, "power_w")),
        {"path": builders.path(uplink_bytes_per_s=None)},
        {"wait_s": None},
        {"sizes": (None, 40)},
        {"compute_s": None},
    ],
)
def test_what_takes_an_unknown_figure_is_unknown(changes: dict[str, Any]) -> None:
    assert asked(**changes) is None


def test_every_placement_that_uses_the_network_pays_for_it() -> None:
    edge, cloud = builders.edge(), builders.cloud()
    busy = Workload(rate_hz=50.0, arrival=Arrival.POISSON)

    def joules(option: Any, device: Any = KNOWN, workload: Workload = busy) -> float | None:
        environment = builders.environment(device=device)
        return evaluate(option, builders.model(), workload, environment).joules

    in_cloud, on_device = joules(Cloud(cloud)), joules(Edge(edge))
    assert in_cloud is not None
    assert on_device is not None
    assert on_device == pytest.approx(10.0 * (edge.time.mean_s or 0))
    assert joules(Fallback(edge, cloud, prefers_device=False)) == pytest.approx(in_cloud)
    both = joules(Fallback(edge, cloud, prefers_device=True))
    assert both is not None
    assert in_cloud < both < on_device
    assert (joules(split()) or 0) > 10.0 * (split().edge.time.mean_s or 0) + 2.0 * 0.0016
    unknown = builders.device()
    assert joules(Edge(edge), unknown) == on_device
    for option in (Cloud(cloud), split(), Fallback(edge, cloud, prefers_device=True)):
        assert joules(option, unknown) is None
    idle = Workload()  # nothing finds the device busy
    assert joules(Fallback(edge, cloud, prefers_device=True), unknown, idle) == on_device


def test_a_split_is_not_preferred_for_the_energy_of_its_head_alone() -> None:
    workload = Workload(objective=Objective.ENERGY)

    def order(**power: float) -> list[Placement]:
        environment = builders.environment(device=builders.device(**power), splits=(split(),))
        ranked, _ = rank_all(builders.model(), workload, environment, Workings())
        return [one.placement for one in ranked]

    assert order()[0] is Placement.EDGE
    assert order(send_w=100.0, receive_w=1.0, idle_w=9.0)[0] is Placement.EDGE
    assert order(send_w=2.0, receive_w=1.0, idle_w=0.5)[0] is Placement.CLOUD
