"""What a cut for a recommendation was sought for: the least money, or the least time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from placer.api.cut_plan import Cutting
from placer.api.cutting import CutQuestion, _toward
from placer.api.measuring import MeasuringOptions
from placer.api.splitting import MeasuredGraph
from placer.core.estimate import Placement
from placer.core.partition.problem import rated_link
from placer.core.placement import EdgeSite
from placer.core.rules.rule import Failure
from placer.core.split_choice import problem_toward
from placer.core.workload import LatencyTarget, Objective, Workload
from tests import builders
from tests.unit.test_split_leg import GRAPH, PATH


class _Measured:
    graph = GRAPH
    whole_s = 0.05


@pytest.mark.parametrize(
    ("limit_s", "egress_usd_per_byte", "is_cheapest"),
    [(1.0, 1e-10, True), (1.0, None, False), (0.001, 1e-10, False), (None, 1e-10, False)],
)
def test_a_cut_is_called_the_cheapest_only_where_the_cheapest_was_found(
    limit_s: float | None, egress_usd_per_byte: float | None, is_cheapest: bool
) -> None:
    targets = () if limit_s is None else (LatencyTarget(0.5, limit_s),)
    workload = Workload(targets=targets, objective=Objective.COST)
    site = builders.cloud(the_offer=builders.offer(egress_usd_per_byte=egress_usd_per_byte))
    fast = builders.path(uplink_bytes_per_s=1e8, rtt_quantiles_s=((0.5, 0.001),))
    environment = builders.environment(path=fast, clouds=(site,))
    model, options = builders.model(), MeasuringOptions()
    question = CutQuestion(("auto",), model, workload, options, environment)
    measured = cast("MeasuredGraph", _Measured())
    unused: Any = None
    cuts, _, found = _toward(question, site, 0.005, unused, measured, frozenset(), None, (None,))
    assert found is is_cheapest
    cheapest, quickest = ({"a1": 0, "a2": 0, "b": tier, "c": 1} for tier in (0, 1))
    assert [tiers for _, tiers in cuts] == [*([cheapest] if is_cheapest else []), quickest]


@pytest.mark.parametrize("idle_w", [1.0, None])
def test_with_energy_the_cut_of_least_energy_is_judged_where_all_power_is_stated(
    idle_w: float | None,
) -> None:
    device = builders.device(power_w=0.01, send_w=2.0, receive_w=1.0, idle_w=idle_w)
    fast = builders.path(uplink_bytes_per_s=1e8, rtt_quantiles_s=((0.5, 0.001),))
    site = builders.cloud()
    environment = builders.environment(path=fast, clouds=(site,), device=device)
    workload = Workload(objective=Objective.ENERGY)
    question = CutQuestion(("auto",), builders.model(), workload, MeasuringOptions(), environment)
    measured, unused = cast("MeasuredGraph", _Measured()), cast("Any", None)
    cuts, _, found = _toward(question, site, 0.005, unused, measured, frozenset(), None, (None,))
    least, quickest = ({"a1": 0, "a2": 0, "b": tier, "c": 1} for tier in (0, 1))
    assert found is (idle_w is not None)
    assert [tiers for _, tiers in cuts] == [*([least] if found else []), quickest]


def _edge(time_s: float, ep: str = "cpu") -> EdgeSite:
    return builders.edge(values_s=[time_s] * 30, ep=ep)


def _crossovers(*edges: EdgeSite) -> dict[str, list[tuple[Placement, float]]]:
    """Return (quickest, end of the range) by figure, of a model that takes 50 ms on the CPU."""
    problem = problem_toward(
        GRAPH, builders.offer(), PATH, 0.005,
        max_bytes=700_000, down_bytes=40, input_bytes={}, kept=(),
    )  # fmt: skip
    problem = replace(problem, links=(rated_link(0.002, 1e6, 1e7),))
    table = Cutting(rated=("cloud:one", problem), profiled_s=0.05).crossovers(edges, ())
    found: dict[str, list[tuple[Placement, float]]] = {}
    for one in table:
        found.setdefault(one.parameter, []).append((one.placement, one.high))
    return found


def test_the_table_holds_splits_against_the_quickest_provider_of_the_device() -> None:
    """Heads run on the CPU, and take what they took; the whole model need not run there."""
    cpu = _edge(0.05)
    found = _crossovers(cpu, _edge(0.025, "openvino"))
    device, split, cloud = found["network.uplink"]
    assert [one[0] for one in (device, split, cloud)] == [
        Placement.EDGE, Placement.SPLIT, Placement.CLOUD,
    ]  # fmt: skip
    # 0.025 = 0.010 + 0.004 + 0.002 + 20 kB / B + 40 B / 10 MB/s
    assert device[1] == pytest.approx(20_000 / (0.009 - 4e-6), rel=1e-6)
    # 0.010 + 0.004 + 20 kB / B = 0.005 + 600 kB / B, as on the CPU alone
    assert split[1] == _crossovers(cpu)["network.uplink"][1][1]
    # 0.034 + 4 us without any round trip
    assert found["network.rtt"] == [(Placement.EDGE, 1.0)]
    rtt = _crossovers(cpu, _edge(0.04, "openvino"))["network.rtt"]
    assert [one for one, _ in rtt] == [Placement.SPLIT, Placement.EDGE]
    assert rtt[0][1] == pytest.approx(0.006 - 4e-6, rel=1e-6)


def test_the_table_says_the_device_where_a_provider_is_quicker_than_any_split() -> None:
    found = _crossovers(_edge(0.05), _edge(0.004, "openvino"))
    assert found == {
        "network.uplink": [(Placement.EDGE, 1.25e9)],
        "network.rtt": [(Placement.EDGE, 1.0)],
    }


def test_a_provider_that_is_slower_or_failed_leaves_the_table_as_it_is() -> None:
    cpu, failed = _edge(0.05), _edge(0.001, "openvino")
    failed = replace(failed, failure=Failure("failed", "no"))
    assert _crossovers(cpu, failed, _edge(0.07, "xnnpack")) == _crossovers(cpu)
