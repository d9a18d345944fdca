"""Splits as a placement: how parts are composed, what rules say, what is told of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.api.cut_wire import is_as_sought
from placer.core import advise
from placer.core.compute import ComputeEstimate, Level
from placer.core.energy import power_of
from placer.core.environment import Basis, ChipClass
from placer.core.errors import InputError
from placer.core.estimate import Candidate, Crossover, Placement, Verdict
from placer.core.evaluate import evaluate
from placer.core.finding import Effect, Finding, Severity
from placer.core.groups import Group, GroupGraph, GroupTensor
from placer.core.latency import is_disturbed
from placer.core.legs.split import SHARE_FACTOR_90, is_like_here, tail_time
from placer.core.measurement import Parity
from placer.core.partition.optimal import best_plans
from placer.core.partition.problem import Objective as Solved
from placer.core.partition.problem import Power, rated_link
from placer.core.placement import CloudSite, Edge, EdgeSite, SiteTime, Split
from placer.core.predicted import predicted
from placer.core.ranking import rank
from placer.core.split import CutFacts
from placer.core.split_choice import (
    PARTS,
    crossover_table,
    least_split,
    parts_problem,
    problem_toward,
    quickest_split,
    tail_ratio_of,
    time_on,
    with_head,
)
from placer.core.split_problem import without_input
from placer.core.transfer_draws import DRAWS, transfer_draws_s
from placer.core.variant import Accuracy
from placer.core.wire_choice import FormatResult, OutputError
from placer.core.wire_formats import Precision, WireFormat
from placer.core.wording import decide
from placer.core.workload import Arrival, DataClass, LatencyTarget, Leaves, Objective, Workload
from placer.reports import facts, render
from placer.reports.json import from_json, to_json
from tests import builders

ASK = Workload(targets=(LatencyTarget(0.99, 0.1),), data_class=DataClass.PUBLIC)
CUT = CutFacts(("mid",), 20_000, (), 0.25, 0.0)
PATH = builders.path()
DISTURBED = builders.quiet(reasons=("other programs held the cores",), run_delay_ratio=0.4)
GRAPH = GroupGraph(
    groups=(
        Group("a", ("a1", "a2"), 100, 0.010),
        Group("b", ("b",), 300, 0.030),
        Group("c", ("c",), 100, 0.010),
    ),
    tensors=(
        GroupTensor("x", None, ("a",), 600_000, "float32", (1, 150_000)),
        GroupTensor("a2", "a", ("b",), 20_000, "float32", (1, 5_000)),
        GroupTensor("b", "b", ("c",), 30_000, "float32", (1, 7_500)),
        GroupTensor("c", "c", (), 40, "float32", (1, 10)),
    ),
    inputs=("x",),
    outputs=("c",),
)
NODES = replace(
    GRAPH,
    groups=(Group("a1", ("a1",), 25), Group("a2", ("a2",), 75), *GRAPH.groups[1:]),
    tensors=(
        replace(GRAPH.tensors[0], consumers=("a1",)),
        GroupTensor("a1", "a1", ("a2",), 50_000, "float32", (1, 12_500)),
        replace(GRAPH.tensors[1], producer="a2"),
        *GRAPH.tensors[2:],
    ),
)


def known(median_s: float, *, low_s: float | None = None, high_s: float | None = None) -> SiteTime:
    ends = (low_s or median_s, high_s or median_s)
    return SiteTime(
        estimate=ComputeEstimate(median_s, *ends, Level.E3, Basis.TRANSFERRED, "test", "")
    )


def split(
    head_s: float = 0.004, tail: SiteTime | None = None, *, takes_input: bool = False, **cut: Any
) -> Split:
    return Split(
        edge=builders.edge(head_s),
        cloud=replace(builders.cloud(), time=tail or known(0.001)),
        cut=replace(CUT, **cut),
        takes_input=takes_input,
        input_bytes=600_000,
        down_bytes=4_000,
        head_bytes=300_000,
        tail_bytes=900_000,
    )


def test_what_crosses_counts_in_the_format_in_which_it_is_sent() -> None:
    as_is, narrowed = split(), split(wire=Precision.INT8, wire_bytes=5_004, wire_error_ratio=0.01)
    assert judged(as_is).bytes_up == as_is.up_bytes(None) == 20_000
    assert judged(narrowed).bytes_up == narrowed.up_bytes(None) == 5_004
    ways = [
        next(stage.p50_s for stage in judged(one).stages if stage.kind == "transfer")
        for one in (narrowed, as_is)
    ]
    assert ways[0] is not None
    assert ways[1] is not None
    assert ways[0] < ways[1]


@pytest.mark.parametrize(("limit_s", "verdict"), [(0.009, "violated"), (0.1, "unproven")])
def test_a_network_that_is_too_slow_alone_is_violated_though_the_head_was_disturbed(
    limit_s: float, verdict: str
) -> None:
    """The round trip alone takes 10 ms; contention on the device takes nothing of that away."""
    busy = replace(split(), edge=builders.edge(0.2, instrument=DISTURBED))
    found = judged(busy, replace(ASK, targets=(LatencyTarget(0.99, limit_s),)))
    assert found.targets[0].verdict == verdict
    assert ("without any time on the device" in found.targets[0].reason) == (verdict == "violated")
    assert found.quality is not None
    assert found.quality.is_disturbed
    assert (predicted(found, 0.99).low_s is not None) == (verdict == "violated")


@pytest.mark.parametrize(
    ("wanted", "allowed", "is_kept"),
    [
        (None, Precision.FLOAT32, True),
        (Precision.INT8, Precision.INT8, True),
        (Precision.FLOAT16, Precision.INT8, True),
        (Precision.INT8, Precision.FLOAT16, False),
        (Precision.FLOAT16, None, False),
    ],
)
def test_a_cut_sought_for_a_format_is_judged_only_where_that_is_allowed(
    wanted: Precision | None, allowed: Precision | None, is_kept: bool
) -> None:
    sent = None
    if allowed is not None:
        error = OutputError(0.0, 0.0, 1.0, 1.0)
        sent = FormatResult(WireFormat(allowed), 1, 1.0, 1, 1, 0.0, 0.0, error, False, 0)
    assert is_as_sought(wanted, sent) is is_kept


def judged(option: Split, workload: Workload = ASK, **changes: Any) -> Candidate:
    environment = builders.environment(**changes)
    return evaluate(option, builders.model(), workload, environment)


def test_samples_of_the_parts_are_added_before_quantiles_are_read() -> None:
    option = split(tail=known(0.001))
    found = judged(option)
    head_s = np.concatenate(option.edge.time.segments_s)
    rng = np.random.default_rng(3)
    moved_s = transfer_draws_s(PATH, 20_000, 4_000, DRAWS)
    n = 400_000
    drawn = rng.choice(head_s, n) + rng.choice(moved_s.ravel(), n) + 0.001
    assert found.latency is not None
    for name, percentile in (("p50_s", 0.5), ("p90_s", 0.9), ("p99_s", 0.99)):
        direct_s = float(np.quantile(drawn, percentile))
        assert getattr(found.latency, name) == pytest.approx(direct_s, rel=0.02)
    assert [(one.kind.value, one.site) for one in found.stages] == [
        ("compute", "device (cpu)"),
        ("transfer", None),
        ("compute", "aws-g4dn.xlarge (cuda)"),
    ]


def test_a_split_is_hybrid_and_sends_what_crosses() -> None:
    found = judged(split())
    assert found.id == "split:cpu+aws-g4dn.xlarge@us-east-1:mid"
    assert (found.placement, found.placement.family) == (Placement.SPLIT, "hybrid")
    assert (found.bytes_up, found.bytes_down) == (20_000, 4_000)
    assert found.leaves_device is Leaves.INTERMEDIATE
    assert found.cut == CUT
    assert [site.tier for site in found.sites] == [0, 1]
    assert found.basis is Basis.TRANSFERRED
    assert found.verdict is Verdict.MET


def test_the_input_counts_as_the_application_sends_it_where_it_crosses_whole() -> None:
    asked = replace(ASK, wire_input_bytes=80_000)
    crossing = split(takes_input=True, tensors=("mid", "x"), n_bytes=620_000)
    assert judged(crossing, asked).bytes_up == 100_000
    assert judged(crossing).bytes_up == 620_000
    assert judged(split(), asked).bytes_up == 20_000


def test_rules_of_privacy_judge_what_crosses() -> None:
    asked = replace(ASK, data_class=DataClass.SPECIAL, regions=("US",))
    assert "PLC101" not in {one.rule for one in judged(split(), asked).findings}
    raw = judged(split(raw=("mid",)), asked)
    assert raw.leaves_device is Leaves.RAW_INPUT
    (told,) = (one for one in raw.findings if one.rule == "PLC101")
    assert told.effect is Effect.VIOLATED
    kept = replace(ASK, may_leave=Leaves.OUTPUT)
    assert judged(split(), kept).feasible is False


@pytest.mark.parametrize(
    ("difference_ratio", "effect"),
    [(None, Effect.UNPROVEN), (0.5, Effect.VIOLATED), (float("inf"), Effect.VIOLATED)],
)
def test_parts_must_answer_as_the_whole_does(
    difference_ratio: float | None, effect: Effect
) -> None:
    found = judged(split(difference_ratio=difference_ratio))
    assert [one.effect for one in found.findings if one.rule == "PLC409"] == [effect]
    assert found.feasible is {Effect.UNPROVEN: None, Effect.VIOLATED: False}[effect]
    assert "PLC409" not in {one.rule for one in judged(split(difference_ratio=1e-5)).findings}


def test_no_answer_comes_while_the_link_is_down() -> None:
    found = judged(split(), replace(ASK, must_work_offline=True))
    assert found.feasible is False
    assert "PLC301" in {one.rule for one in found.findings}


def test_requests_wait_for_the_head_on_the_device() -> None:
    alone = judged(split())
    busy = judged(split(), replace(ASK, rate_hz=150.0, arrival=Arrival.POISSON))
    assert alone.latency is not None
    assert busy.latency is not None
    assert busy.latency.p99_s > alone.latency.p99_s + 0.004
    over = judged(split(), replace(ASK, rate_hz=500.0))
    assert over.feasible is False
    assert "PLC203" in {one.rule for one in over.findings}


def test_the_plan_of_the_solver_takes_as_long_as_the_candidate() -> None:
    path = builders.path(rtt_quantiles_s=((0.5, 0.02),))
    offer = builders.offer()
    problem = problem_toward(
        GRAPH, offer, path, 0.005, max_bytes=700_000, down_bytes=40, input_bytes={}, kept=()
    )
    plans = {tuple(without_input(dict(one.tiers)).values()): one for one in best_plans(problem, 9)}
    head = EdgeSite("cpu", known(0.010))
    option = replace(split(tail=known(0.004)), edge=head, down_bytes=40)
    found = judged(option, path=path)
    assert found.latency is not None
    assert found.latency.p50_s == pytest.approx(plans[(0, 1, 1)].latency_s, rel=0.01)


def test_the_plan_of_the_solver_takes_as_much_energy_as_the_candidate() -> None:
    path = builders.path(rtt_quantiles_s=((0.5, 0.02),))
    device = builders.device(send_w=3.0, receive_w=2.0, idle_w=0.5)
    asked: dict[str, Any] = {"max_bytes": 700_000, "down_bytes": 40, "input_bytes": {}, "kept": ()}
    problem = problem_toward(GRAPH, builders.offer(), path, 0.005, power=power_of(device), **asked)
    plans = best_plans(problem, 9, objective=Solved.ENERGY)
    joules = {tuple(without_input(dict(one.tiers)).values()): one.joules for one in plans}
    option = replace(split(tail=known(0.004)), edge=EdgeSite("cpu", known(0.010)), down_bytes=40)
    found = judged(option, path=path, device=device)
    assert found.joules is not None
    assert found.joules == pytest.approx(joules[(0, 1, 1)], rel=0.01)
    assert found.joules > 10.0 * 0.010 + 3.0 * 20_000 / 12.5e6 + 0.5 * (0.02 + 0.004)


def test_a_tail_takes_its_share_with_no_narrower_interval() -> None:
    whole = known(0.010, low_s=0.006, high_s=0.015)
    part = tail_time(whole, 0.2, is_same_class=True).estimate
    assert part is not None
    assert (part.level, part.basis) == (Level.E3, Basis.TRANSFERRED)
    assert part.median_s == pytest.approx(0.002)
    assert part.high_s == pytest.approx(0.003 * SHARE_FACTOR_90)
    for ratio in (0.001, 0.2, 0.7, 0.99):
        for is_same_class in (True, False):
            one = tail_time(whole, ratio, is_same_class=is_same_class).estimate
            assert one is not None
            assert one.high_s / one.median_s >= 1.5 - 1e-9
            assert one.median_s / one.low_s >= 10 / 6 - 1e-9
            assert one.high_s <= 0.015  # a part takes no longer than the whole


def test_a_share_says_nothing_of_another_class_of_chips() -> None:
    part = tail_time(known(0.010), 0.2, is_same_class=False).estimate
    assert part is not None
    assert (part.level, part.basis, part.high_s) == (Level.E7, Basis.ASSUMED, 0.010)


def test_a_measured_whole_gives_the_tail_its_tail() -> None:
    whole = builders.cloud(0.002).time
    part = tail_time(whole, 0.5, is_same_class=True)
    assert part.measurement is None
    assert part.estimate is not None
    assert part.estimate.median_s == pytest.approx(0.001, rel=0.05)
    unknown = SiteTime(source="nobody knows")
    assert tail_time(unknown, 0.5, is_same_class=True) is unknown


def test_a_tail_of_disturbed_evidence_proves_no_more_than_the_evidence() -> None:
    """Contention only adds time: with evidence that was disturbed nothing is proven too slow."""
    busy = SiteTime(builders.measurement(0.5, instrument=DISTURBED))
    asked = replace(ASK, targets=(LatencyTarget(0.99, 0.1),))
    for is_same_class in (True, False):
        tail = tail_time(busy, 0.9, is_same_class=is_same_class)
        assert is_disturbed(tail)
        found = judged(split(tail=tail), asked)
        assert found.verdict is not Verdict.VIOLATED
        assert found.quality is not None
        assert found.quality.is_disturbed
        assert found.targets[0].low_s is None
    quiet = tail_time(builders.cloud(0.5).time, 0.9, is_same_class=False)
    assert not is_disturbed(quiet)


def test_a_tail_of_evidence_with_other_answers_is_told() -> None:
    parity = Parity(200, 0.5, 0.5, 0.3)
    other = SiteTime(builders.measurement(0.002, ep="cuda", parity=parity))
    tail = tail_time(other, 0.5, is_same_class=True)
    found = judged(split(tail=tail), replace(ASK, min_agreement_ratio=0.9))
    (told,) = [one for one in found.findings if one.rule == "PLC407"]
    assert told.effect is Effect.UNPROVEN


def test_answers_through_a_wire_format_are_not_as_right_as_the_model_was_measured() -> None:
    asked = replace(ASK, min_accuracy_ratio=0.9)
    known = Accuracy(0.97, 0.95, 0.98, 1000)
    as_is = judged(split(), asked, accuracy=known)
    assert as_is.accuracy_ratio == 0.97
    assert "PLC408" not in {one.rule for one in as_is.findings}
    exact: dict[str, Any] = {
        "wire": Precision.FLOAT32,
        "wire_bytes": 20_000,
        "wire_error_ratio": 0.0,
    }
    assert judged(split(**exact), asked, accuracy=known).accuracy_ratio == 0.97
    sent: dict[str, Any] = {"wire": Precision.INT8, "wire_bytes": 5_004, "wire_error_ratio": 0.01}
    found = judged(split(**sent), asked, accuracy=known)
    assert found.accuracy_ratio is None
    assert found.feasible is None
    (told,) = [one for one in found.findings if one.rule == "PLC408"]
    assert told.effect is Effect.UNPROVEN
    assert "how often the split that sends int8 is right" in told.message


def test_why_the_parts_were_not_compared_is_told() -> None:
    found = judged(split(difference_ratio=None, not_compared="v1 has the type bfloat16"))
    (told,) = [one for one in found.findings if one.rule == "PLC409"]
    assert told.message.endswith("those of the whole model: v1 has the type bfloat16")


def test_only_an_offer_that_runs_as_the_device_does_takes_its_shares() -> None:
    def site(**offer: Any) -> CloudSite:
        return CloudSite(builders.offer(**offer), known(0.01))

    assert is_like_here(site(chip_class=ChipClass.CPU, ep="cpu"))
    assert not is_like_here(site(chip_class=ChipClass.CPU, ep="openvino"))
    assert not is_like_here(site(chip_class=ChipClass.GPU, ep="cuda"))


def test_a_group_that_is_cut_takes_as_long_in_both_commands() -> None:
    tiers = {"a1": 0, "a2": 1, "b": 1, "c": 1}
    times_s = {group.name: group.time_s for group in GRAPH.groups}
    tail_s = time_on(GRAPH, NODES, tiers, 1, times_s)
    assert tail_s / 0.050 == pytest.approx(tail_ratio_of(GRAPH, NODES, tiers)) == 0.95
    assert time_on(GRAPH, NODES, tiers, 0, times_s) == pytest.approx(0.0025)
    unknown = replace(NODES, groups=tuple(replace(one, flops=None) for one in NODES.groups))
    assert time_on(GRAPH, unknown, tiers, 0, times_s) == pytest.approx(0.005)


def test_the_share_of_a_group_that_is_cut_goes_by_operations() -> None:
    assert tail_ratio_of(GRAPH, NODES, {"a1": 0, "a2": 0, "b": 1, "c": 1}) == pytest.approx(0.8)
    inside = tail_ratio_of(GRAPH, NODES, {"a1": 0, "a2": 1, "b": 1, "c": 1})
    assert inside == pytest.approx(0.95)


def test_the_best_split_is_found_where_not_to_split_is_better() -> None:
    asked: dict[str, Any] = {"max_bytes": 700_000, "down_bytes": 40, "input_bytes": {}}
    slow = builders.path(uplink_bytes_per_s=1e4)
    problem = problem_toward(GRAPH, builders.offer(), slow, 0.005, kept=(), **asked)
    found = quickest_split(problem)
    assert found == {"a": 0, "b": 1, "c": 1}
    raw = problem_toward(GRAPH, builders.offer(), slow, 0.005, kept=("x", "a2"), **asked)
    kept = quickest_split(raw)
    assert kept == {"a": 0, "b": 0, "c": 1}
    nothing = problem_toward(
        GRAPH, builders.offer(), slow, 0.005, kept=("x", "a2", "b", "c"), **asked
    )
    assert quickest_split(nothing) is None


def test_money_chooses_the_cheapest_split_within_the_limit() -> None:
    asked: dict[str, Any] = {"max_bytes": 700_000, "down_bytes": 40, "input_bytes": {}}
    fast = builders.path(uplink_bytes_per_s=1e8, rtt_quantiles_s=((0.5, 0.001),))
    problem = problem_toward(GRAPH, builders.offer(), fast, 0.005, kept=(), **asked)
    assert quickest_split(problem) == {"a": 0, "b": 1, "c": 1}
    assert least_split(problem, Solved.MONEY, 0.047) == {"a": 0, "b": 0, "c": 1}
    # the device alone keeps this limit, and is no split
    assert least_split(problem, Solved.MONEY, 1.0) == {"a": 0, "b": 0, "c": 1}
    assert least_split(problem, Solved.MONEY, 0.001) is None


def test_energy_chooses_the_split_that_takes_least_within_the_limit() -> None:
    """The device computes for less than it waits for."""
    asked: dict[str, Any] = {"max_bytes": 700_000, "down_bytes": 40, "input_bytes": {}, "kept": ()}
    fast = builders.path(uplink_bytes_per_s=1e8, rtt_quantiles_s=((0.5, 0.001),))
    power = Power(active_w=0.01, idle_w=1.0, send_w=2.0, receive_w=1.0)
    problem = problem_toward(GRAPH, builders.offer(), fast, 0.005, power=power, **asked)
    assert quickest_split(problem) == {"a": 0, "b": 1, "c": 1}
    for limit_s in (None, 0.047):
        assert least_split(problem, Solved.ENERGY, limit_s) == {"a": 0, "b": 0, "c": 1}
    assert least_split(problem, Solved.ENERGY, 0.02) == {"a": 0, "b": 1, "c": 1}
    assert least_split(replace(problem, power=None), Solved.ENERGY, None) is None


@pytest.mark.parametrize(
    ("egress_usd_per_byte", "data_usd_per_byte"), [(None, 0.0), (1e-10, None), (None, None)]
)
def test_a_price_that_nobody_knows_is_not_taken_for_nothing(
    egress_usd_per_byte: float | None, data_usd_per_byte: float | None
) -> None:
    offer = builders.offer(egress_usd_per_byte=egress_usd_per_byte)
    path = builders.path(data_usd_per_byte=data_usd_per_byte)
    problem = problem_toward(
        GRAPH, offer, path, 0.005, max_bytes=700_000, down_bytes=40, input_bytes={}, kept=()
    )
    assert problem.links[0].usd_per_byte_up == data_usd_per_byte
    assert problem.links[0].usd_per_byte_down is None
    assert least_split(problem, Solved.MONEY, 1.0) is None


@pytest.mark.parametrize("is_whole_graph", [True, False])
def test_crossovers_lie_where_both_lines_meet(is_whole_graph: bool) -> None:
    link = rated_link(0.002, 1e6, 1e7)
    if is_whole_graph:
        problem = problem_toward(
            GRAPH, builders.offer(), PATH, 0.005,
            max_bytes=700_000, down_bytes=40, input_bytes={}, kept=(),
        )  # fmt: skip
        problem = replace(problem, links=(link,))
    else:
        tiers = {"a1": 0, "a2": 0, "b": 1, "c": 1}
        problem = parts_problem(NODES, tiers, 0.8, (0.05, 0.005), link, input_bytes={}, kept=())
    table = crossover_table(problem, "cloud:one")
    uplink = [one for one in table if one.parameter == "network.uplink"]
    assert [(one.placement, one.tensors) for one in uplink] == [
        (Placement.EDGE, ()),
        (Placement.SPLIT, ("a2",)),
        (Placement.CLOUD, ()),
    ]
    # 0.05 = 0.010 + 0.004 + 0.002 + 20 kB / B + 40 B / 10 MB/s
    assert uplink[0].high == uplink[1].low == pytest.approx(20_000 / (0.034 - 4e-6), rel=1e-6)
    # 0.010 + 0.004 + 20 kB / B = 0.005 + 600 kB / B
    assert uplink[1].high == pytest.approx(580_000 / 0.009, rel=1e-6)
    assert (uplink[0].low, uplink[-1].high) == (12_500.0, 1.25e9)
    rtt = [one for one in table if one.parameter == "network.rtt"]
    assert [one.placement for one in rtt] == [Placement.SPLIT, Placement.EDGE]
    assert rtt[0].high == pytest.approx(0.036 - 0.02 - 4e-6, rel=1e-6)


@pytest.mark.parametrize("is_whole_graph", [True, False])
def test_the_table_takes_a_head_as_it_was_measured(is_whole_graph: bool) -> None:
    """Groups are timed cold: of a head they said 10 ms, and it took 1 ms alone."""
    link = rated_link(0.002, 1e6, 1e7)
    tiers = {"a1": 0, "a2": 0, "b": 1, "c": 1}
    problem = parts_problem(NODES, tiers, 0.8, (0.05, 0.005), link, input_bytes={}, kept=())
    if is_whole_graph:
        problem = problem_toward(
            GRAPH, builders.offer(), PATH, 0.005,
            max_bytes=700_000, down_bytes=40, input_bytes={}, kept=(),
        )  # fmt: skip
        problem = replace(problem, links=(link,))
    divided = {"a": 0, "b": 1, "c": 1} if is_whole_graph else dict(PARTS)
    table = crossover_table(with_head(problem, divided, 0.001), "cloud:one")
    uplink = [one for one in table if one.parameter == "network.uplink"]
    assert [one.placement for one in uplink] == [Placement.EDGE, Placement.SPLIT]
    # the whole is what it was: 0.05 = 0.001 + 0.004 + 0.002 + 20 kB / B + 40 B / 10 MB/s
    assert uplink[0].high == pytest.approx(20_000 / (0.043 - 4e-6), rel=1e-6)
    # 0.001 + 0.004 + 20 kB / B = 0.005 + 600 kB / B: never
    rtt = [one for one in table if one.parameter == "network.rtt"]
    assert rtt[0].high == pytest.approx(0.045 - 0.02 - 4e-6, rel=1e-6)
    slower = with_head(problem, divided, 0.07)  # than the whole: nothing is left behind it
    times = {one.name: one.time_s[0] for one in slower.graph.nodes}
    assert sum(time or 0 for time in times.values()) == pytest.approx(0.05)


def test_raw_input_that_stays_is_never_in_the_cloud() -> None:
    tiers = {"a1": 0, "a2": 0, "b": 1, "c": 1}
    link = rated_link(0.002, 1e6, 1e7)
    problem = parts_problem(NODES, tiers, 0.8, (0.05, 0.005), link, input_bytes={}, kept=("x",))
    assert Placement.CLOUD not in {one.placement for one in crossover_table(problem, "cloud:one")}


def test_a_better_whole_says_do_not_split() -> None:
    environment = builders.environment(splits=(split(),), clouds=())
    answer = advise.recommend(builders.model(), ASK, environment)
    assert answer.decision.placement is Placement.EDGE
    assert "do not split: the best split judged, split:cpu+aws-g4dn" in answer.decision.reason
    assert ", takes p99 " in answer.decision.reason
    assert {one.placement for one in answer.candidates} == {Placement.EDGE, Placement.SPLIT}


@pytest.mark.parametrize(
    ("split_s", "told"),
    [
        (0.014501, "is quicker, p50 14.50 ms against 14.52 ms, but not better"),
        (0.014530, "takes p50 14.53 ms against 14.52 ms"),
        (0.014523, "takes as long, p50 14.5 ms against 14.5 ms"),
    ],
)
def test_figures_that_print_alike_have_more_digits(split_s: float, told: str) -> None:
    environment = builders.environment(splits=(split(),), clouds=())
    found = advise.recommend(builders.model(), ASK, environment).candidates
    times = {Placement.EDGE: 0.014523, Placement.SPLIT: split_s}
    close = [
        replace(
            one,
            targets=(),
            latency=replace(one.latency, p50_s=times[one.placement]) if one.latency else None,
        )
        for one in found
    ]
    assert told in decide(close, is_chosen=True).reason


def test_a_split_that_is_best_is_told_with_what_crosses() -> None:
    slow = (builders.edge(0.09),)
    environment = builders.environment(edges=slow, clouds=(), splits=(split(),))
    answer = advise.recommend(builders.model(), ASK, environment)
    assert answer.decision.placement is Placement.SPLIT
    assert "cut at mid, 20.0 kB for each request, no raw input" in answer.decision.reason
    assert "do not split" not in answer.decision.reason


def test_a_split_behind_others_has_a_line_of_its_own_in_the_reports() -> None:
    sent: dict[str, Any] = {"wire": Precision.INT8, "wire_bytes": 5_004, "wire_error_ratio": 0.004}
    environment = builders.environment(splits=(split(**sent),))
    answer = advise.recommend(builders.model(), ASK, environment)
    (rank,) = (one.rank for one in answer.candidates if one.placement is Placement.SPLIT)
    assert rank > 1
    for format_ in ("text", "markdown"):
        words = " ".join(render(answer, format_).split()).replace("\\", "").replace("\u00a0", " ")
        assert f"split #{rank}: cut at mid, 5.00 kB for each request, no raw input" in words
        assert (
            "sent as int8 (20.0 kB as tensors), with which an output is 0.4 % of its largest"
            in words
        )
        assert "the parts are equal to the whole; p50 " in words
        asked = facts.target_text(ASK.targets[0]).replace("\u00a0", " ")
        assert re.search(rf"; p50 [^;]+; {asked}: [✔✖?] [\d.]+ m?s \([^)]+\)", words), words


def test_an_unknown_error_of_a_wire_format_is_not_called_none() -> None:
    sent: dict[str, Any] = {"wire": Precision.INT8, "wire_bytes": 5_004, "wire_error_ratio": None}
    environment = builders.environment(splits=(split(**sent),), clouds=())
    answer = advise.recommend(builders.model(), ASK, environment)
    for format_ in ("text", "markdown"):
        words = " ".join(render(answer, format_).split()).replace("\\", "").replace("\u00a0", " ")
        assert "with which an output is an unknown part of its largest number off" in words
        assert "sent as int8: error unknown" in words
        assert "nothing changes" not in words


@pytest.mark.parametrize("key", ["raw", "tail_ratio", "difference_ratio", "wire", "wire_samples"])
def test_a_saved_split_without_a_fact_of_its_cut_is_refused(key: str) -> None:
    answer = advise.recommend(
        builders.model(), ASK, builders.environment(splits=(split(),), clouds=())
    )
    saved = json.loads(to_json(answer))
    assert from_json(json.dumps(saved)) == answer
    for one in saved["candidates"]:
        if one["cut"] is not None:
            del one["cut"][key]
    with pytest.raises(InputError, match=rf"cut\.{key}"):
        from_json(json.dumps(saved))


def test_what_is_much_quicker_and_only_lacks_a_proof_is_told() -> None:
    slow = (builders.edge(0.09),)
    environment = builders.environment(edges=slow, clouds=(), splits=(split(),))
    best, *others = advise.recommend(builders.model(), ASK, environment).candidates
    (edge,) = (one for one in others if one.placement is Placement.EDGE)
    assert best.latency is not None
    assert edge.latency is not None
    assert "quicker" not in decide([best, edge], is_chosen=True).reason
    doubt = Finding("PLC001", Severity.ERROR, Effect.UNPROVEN, "410 runs are missing", "", None)
    half_s = best.latency.p50_s / 2
    quick = replace(edge.latency, p50_s=half_s, mean_s=best.latency.mean_s / 2)
    open_ = replace(edge, feasible=None, latency=quick, findings=(doubt,), spread=None)
    reason = decide([best, open_], is_chosen=True).reason
    assert reason.startswith("Run it split")
    assert "edge:cpu is much quicker (p50 " in reason
    assert "and only not proven: 410 runs are missing" in reason
    assert "quicker" not in decide([best, replace(open_, feasible=False)], is_chosen=True).reason
    # a cascade whose usual answer is quick and whose mean is not
    tailed = replace(open_, latency=replace(quick, mean_s=best.latency.mean_s * 0.6))
    assert "quicker" not in decide([best, tailed], is_chosen=True).reason


def by_noise(edge_s: float) -> tuple[Candidate, Candidate, Candidate]:
    """A device whose p99 another program spoiled, and two splits that were spared, all proven."""
    device = evaluate(Edge(builders.edge(edge_s)), builders.model(), ASK, builders.environment())
    spoiled = replace(device.targets[0], value_s=0.08, high_s=0.09, verdict=Verdict.MET)
    one = replace(judged(split()), feasible=True)
    spared = replace(one.targets[0], value_s=0.018, high_s=0.019, verdict=Verdict.MET)
    one = replace(one, targets=(spared,))
    other = replace(one, id="split:other", targets=(replace(spared, value_s=0.02, high_s=0.021),))
    return replace(device, feasible=True, targets=(spoiled,)), one, other


@pytest.mark.parametrize("objective", [Objective.LATENCY, Objective.MARGIN])
def test_a_split_that_only_adds_a_network_does_not_rank_before_the_device_by_noise(
    objective: Objective,
) -> None:
    device, one, other = by_noise(0.004)  # the transfer alone takes more than 10 ms
    assert rank([device, other, one], objective) == [device, one, other]
    slow, *_ = by_noise(0.03)
    assert rank([slow, other, one], objective) == [one, other, slow]
    unproven = replace(device, feasible=None)
    assert rank([unproven, other, one], objective) == [one, other, unproven]
    elsewhere = replace(device, sites=(replace(device.sites[0], ep="xnnpack"),))
    assert rank([elsewhere, other, one], objective) == [one, other, elsewhere]


def test_a_chosen_split_beside_a_much_quicker_device_is_told() -> None:
    device, one, _ = by_noise(0.004)
    why = "costs $9.00 per month, the choice $1.00"
    reason = decide([one, replace(device, why_not=why)], is_chosen=True).reason
    assert "; edge:cpu is much quicker (p50 " in reason
    assert reason.endswith(f", but not better: {why}.")
    guess = decide([replace(one, feasible=None), device], is_chosen=True).reason
    assert "is the best guess" in guess
    assert "edge:cpu is much quicker (p50 " in guess
    slow, *_ = by_noise(0.03)
    assert "much quicker" not in decide([one, slow], is_chosen=True).reason


def test_a_split_without_a_known_price_is_ranked() -> None:
    priced = replace(ASK, rate_hz=1.0, objective=Objective.COST)
    site = builders.cloud()
    environment = builders.environment(edges=(builders.edge(0.5),), clouds=(site,))
    environment = replace(environment, splits=(replace(split(), cloud=site),))
    answer = advise.recommend(builders.model(), priced, environment)
    assert answer.decision.feasible is not False


def test_crossovers_come_back_from_the_environment() -> None:
    row = Crossover("network.rtt", "s", 0.0, 1.0, Placement.EDGE, (), "cloud:one")
    environment = builders.environment(crossovers=(row,))
    assert advise.recommend(builders.model(), ASK, environment).crossovers == (row,)


def test_device_and_split_are_compared_on_the_same_head() -> None:
    whole = evaluate(Edge(builders.edge(0.004)), builders.model(), ASK, builders.environment())
    found = judged(split(0.004))
    assert whole.latency is not None
    assert found.latency is not None
    assert found.latency.p50_s > whole.latency.p50_s + 0.001
