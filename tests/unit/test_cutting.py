"""What a cut for a recommendation was sought for: the least money, or the least time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from placer.api.cutting import CutQuestion, _toward
from placer.api.measuring import MeasuringOptions
from placer.api.splitting import MeasuredGraph
from placer.core.workload import LatencyTarget, Objective, Workload
from tests import builders
from tests.unit.test_split_leg import GRAPH


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
