"""A model in groups as a question of the solver: bytes, times and links arrive unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.core.environment import NetworkPath
from placer.core.groups import Group, GroupGraph, GroupTensor
from placer.core.network_estimate import Request, upload_envelope
from placer.core.partition.optimal import best_plans, optimal_plan
from placer.core.partition.problem import InfeasibleError, Objective
from placer.core.split_problem import INPUT_NODE, link_over, problem_of, shared_out_s, without_input

PATH = NetworkPath(
    "site",
    "",
    rtt_quantiles_s=((0.5, 0.02),),
    uplink_bytes_per_s=1e6,
    downlink_bytes_per_s=1e7,
    loss_ratio=0.0,
)
GRAPH = GroupGraph(
    groups=(Group("a", ("a",), 100, 0.010), Group("b", ("b",), 300, 0.030)),
    tensors=(
        GroupTensor("x", None, ("a",), 600_000, "float32", (1, 150_000)),
        GroupTensor("a", "a", ("b",), 20_000, "float32", (1, 5_000)),
        GroupTensor("b", "b", (), 40, "float32", (1, 10)),
    ),
    inputs=("x",),
    outputs=("b",),
)


def _problem(**changes: object):  # type: ignore[no-untyped-def]  # of keywords
    edge = {one.name: one.time_s for one in GRAPH.groups}
    link = link_over(PATH, max_bytes=620_000, down_bytes=40)
    times = (edge, shared_out_s(GRAPH, 0.004))
    return problem_of(GRAPH, ("device", "cloud"), times, (link,), **changes)  # type: ignore[arg-type]  # keywords


def test_the_time_of_another_site_is_shared_out_by_measured_times() -> None:
    assert shared_out_s(GRAPH, 0.004) == pytest.approx({"a": 0.001, "b": 0.003})
    untimed = replace(GRAPH, groups=tuple(replace(one, time_s=None) for one in GRAPH.groups))
    assert shared_out_s(untimed, 0.004) == pytest.approx({"a": 0.001, "b": 0.003})
    unknown = replace(
        GRAPH, groups=tuple(replace(one, time_s=None, flops=None) for one in GRAPH.groups)
    )
    assert shared_out_s(unknown, 0.004) == pytest.approx({"a": 0.002, "b": 0.002})


def test_a_plan_costs_what_its_parts_and_the_network_model_say() -> None:
    envelope = upload_envelope(PATH, Request(1, 40), max_bytes=620_000)
    values = {
        tuple(without_input(dict(one.tiers)).values()): one for one in best_plans(_problem(), 9)
    }
    assert values[(0, 0)].latency_s == pytest.approx(0.040)
    assert values[(0, 1)].latency_s == pytest.approx(0.010 + 0.003 + envelope.at(20_000))
    assert values[(1, 1)].latency_s == pytest.approx(0.004 + envelope.at(600_000))
    assert len(values) == 3  # nothing returns to the device


def test_an_output_that_is_made_on_the_device_is_not_sent_back() -> None:
    """A mask of a megabyte is made first, and a small answer of it in the cloud."""
    graph = replace(
        GRAPH,
        tensors=(
            GRAPH.tensors[0],
            GroupTensor("a", "a", ("b",), 1_000_000, "float32", (1, 250_000)),
            GRAPH.tensors[2],
        ),
        outputs=("a", "b"),
    )
    link = link_over(PATH, max_bytes=2_000_000, down_bytes=1_000_040)
    times = ({"a": 0.010, "b": 0.030}, {"a": 0.001, "b": 0.003})
    plans = {
        tuple(without_input(dict(one.tiers)).values()): one.latency_s
        for one in best_plans(problem_of(graph, ("device", "cloud"), times, (link,)), 9)
    }
    answered = upload_envelope(PATH, Request(1, 40), max_bytes=2_000_000)
    assert plans[(0, 1)] == pytest.approx(0.013 + answered.at(1_000_000), rel=0.01)
    whole = upload_envelope(PATH, Request(1, 1_000_040), max_bytes=2_000_000)
    assert plans[(1, 1)] == pytest.approx(0.004 + whole.at(600_000), rel=0.01)


def test_raw_input_that_is_kept_stays_on_the_device() -> None:
    plan = optimal_plan(_problem(kept=("x", "a")), objective=Objective.LATENCY)
    assert without_input(dict(plan.tiers)) == {"a": 0, "b": 0}
    assert dict(plan.tiers)[INPUT_NODE] == 0


def test_an_input_counts_as_the_application_sends_it() -> None:
    small = {one.latency_s for one in best_plans(_problem(input_bytes={"x": 30_000}), 9)}
    large = {one.latency_s for one in best_plans(_problem(), 9)}
    assert min(small) <= min(large)
    assert small != large


def test_a_group_that_cannot_run_beyond_is_told() -> None:
    edge: dict[str, float | None] = {"a": None, "b": None}
    link = link_over(PATH, max_bytes=620_000, down_bytes=40)
    with pytest.raises(InfeasibleError):
        optimal_plan(
            problem_of(GRAPH, ("d", "c"), (edge, shared_out_s(GRAPH, 0.1)), (link,), kept=("x",)),
            objective=Objective.LATENCY,
        )
