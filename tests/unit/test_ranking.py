"""What ranks where nothing is proven, and what the headline says of figures not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.core.advise import recommend
from placer.core.compute import ComputeEstimate, Level
from placer.core.environment import Basis
from placer.core.estimate import Candidate, Cost, Crossover, Placement, Recommendation
from placer.core.finding import Effect
from placer.core.placement import CloudSite, EdgeSite, SiteTime
from placer.core.ranking import margin_ratio, objective_of, rank
from placer.core.wording import decide, why_not
from placer.core.workload import DataClass, LatencyTarget, Objective, Workload
from placer.reports import facts
from placer.reports.crossovers import crossover_note
from tests import builders

EDGE = "edge:cpu"
DISTURBED = builders.quiet(reasons=("other programs held the cores",), run_delay_ratio=0.4)
BUSY_EDGE = builders.edge(0.2, instrument=DISTURBED)
"""Its median misses the limit as well."""
OFTEN_HELD_UP_S = np.concatenate([builders.samples(0.02, runs=1200), np.full(300, 0.2)])
HELD_UP_EDGE = builders.edge(
    values_s=np.random.default_rng(1).permutation(OFTEN_HELD_UP_S), instrument=DISTURBED
)
"""Most of its runs keep the limit."""
ASK = Workload(targets=(LatencyTarget(0.99, 0.05),), data_class=DataClass.PUBLIC)
FASTEST = builders.path(name="fastest", rtt_quantiles_s=((0.5, 0.0001), (0.99, 0.0002)))
SLOW_LINE = ((0.5, 0.08), (0.99, 0.1))


def _answer(workload: Workload = ASK, edge: EdgeSite = HELD_UP_EDGE, **path: Any) -> Recommendation:
    assumed = builders.path(name="assumed", basis=Basis.ASSUMED, **path)
    return recommend(
        builders.model(),
        workload,
        builders.environment(edges=(edge,), path=assumed, fastest_path=FASTEST),
    )


@pytest.mark.parametrize("objective", [None, Objective.LATENCY])
@pytest.mark.parametrize("path", [{}, {"rtt_quantiles_s": SLOW_LINE}], ids=["fast", "too slow"])
def test_disturbed_figure_does_not_rank_the_device_below_an_assumed_network(
    path: dict[str, Any], objective: Objective | None
) -> None:
    answer = _answer(replace(ASK, objective=objective), **path)
    assert [one.feasible for one in answer.candidates] == [None] * 4
    assert answer.decision.candidate == EDGE


@pytest.mark.parametrize("objective", list(Objective))
def test_what_misses_the_limit_even_by_its_median_is_no_best_guess(objective: Objective) -> None:
    answer = _answer(replace(ASK, objective=objective, rate_hz=0.1), BUSY_EDGE)
    best = answer.candidates[0]
    assert best.feasible is None
    assert best.placement == "cloud"
    assert best.targets[0].value_s is not None
    assert best.targets[0].value_s < ASK.targets[0].limit_s


@pytest.mark.parametrize("rate_hz", [None, 0.1])
def test_how_likely_a_disturbed_device_keeps_the_limit_is_not_known(rate_hz: float | None) -> None:
    for edge in (HELD_UP_EDGE, BUSY_EDGE):
        answer = _answer(replace(ASK, rate_hz=rate_hz), edge)
        alone = next(one for one in answer.candidates if one.id == EDGE)
        assert alone.targets[0].probability is None
    quiet = _answer(replace(ASK, rate_hz=rate_hz), builders.edge(0.02, instrument=DISTURBED))
    alone = next(one for one in quiet.candidates if one.id == EDGE)
    assert alone.targets[0].probability == 1.0


def test_disturbed_overload_does_not_rank_the_device_down() -> None:
    answer = _answer(replace(ASK, rate_hz=10.0, objective=Objective.MARGIN), BUSY_EDGE)
    assert answer.decision.candidate == EDGE


def test_disturbed_figure_ranks_below_a_proven_cloud() -> None:
    proven = recommend(builders.model(), ASK, builders.environment(edges=(BUSY_EDGE,)))
    assert proven.decision.feasible is True
    assert proven.decision.candidate != EDGE


def test_a_disturbed_measurement_is_told_once() -> None:
    answer = recommend(builders.model(), ASK, builders.environment(edges=(BUSY_EDGE,)))
    (remark,) = (one.remark for one in facts.ranked(answer) if one.cells["candidate"].text == EDGE)
    assert remark.count("the measurement was disturbed") == 1


def test_whether_a_disturbance_is_told_does_not_hang_on_its_words() -> None:
    answer = recommend(builders.model(), ASK, builders.environment(edges=(BUSY_EDGE,)))
    edge = next(one for one in answer.candidates if one.id == EDGE)
    told = next(one for one in edge.findings if one.rule == "PLC601")
    other = replace(told, message="it ran beside others", effect=Effect.UNPROVEN)
    worded = replace(edge, findings=(other,), why_not=other.message)
    (row,) = facts.ranked(replace(answer, candidates=(worded,)))
    assert row.remark == "it ran beside others"


def test_of_two_disturbed_figures_the_faster_ranks_first() -> None:
    other = builders.edge(0.1, ep="xnnpack", instrument=DISTURBED)
    answer = recommend(
        builders.model(), ASK, builders.environment(edges=(BUSY_EDGE, other), clouds=())
    )
    assert [one.id for one in answer.candidates] == ["edge:xnnpack", EDGE]


def test_answer_from_a_disturbed_figure_says_to_measure_when_the_machine_is_quiet() -> None:
    answer = _answer()
    assert "measure again when the machine is quiet" in answer.decision.reason
    step = answer.next_measurement
    assert step is not None
    assert "while nothing else runs" in step.what
    assert step.command.endswith("--fresh")
    typed = replace(
        builders.environment(edges=(BUSY_EDGE,), clouds=()), question="placer x --fresh"
    )
    again = recommend(builders.model(), ASK, typed).next_measurement
    assert again is not None
    assert again.command == "placer x --fresh"
    cloud = next(one for one in answer.candidates if one.placement == "cloud")
    assert cloud.why_not is not None
    assert "depends on the network" in cloud.why_not


BY_ROOFLINE = SiteTime(
    estimate=ComputeEstimate(0.002, 0.001, 0.004, Level.E5, Basis.CATALOGUE, "test", "")
)


@pytest.mark.parametrize(
    ("basis", "cloud", "words"),
    [
        (Basis.MEASURED, builders.cloud(), None),
        (Basis.CATALOGUE, builders.cloud(), "(the network is estimated, not measured"),
        (
            Basis.MEASURED,
            CloudSite(builders.offer(), BY_ROOFLINE),
            "(the time of the model is estimated, not measured",
        ),
        (
            Basis.CATALOGUE,
            CloudSite(builders.offer(), BY_ROOFLINE),
            "(the network and the time of the model are estimated, not measured",
        ),
    ],
)
def test_headline_says_what_is_estimated(basis: Basis, cloud: CloudSite, words: str | None) -> None:
    path = builders.path(basis=basis)
    sites = builders.environment(edges=(builders.edge(0.2),), clouds=(cloud,), path=path)
    decision = recommend(builders.model(), ASK, sites).decision
    assert decision.placement == "cloud"
    assert decision.feasible is True
    assert (words or "") in decision.reason
    assert ("not measured" in decision.reason) == (words is not None)


def test_headline_of_a_fallback_that_stays_on_the_device_calls_nothing_estimated() -> None:
    sites = builders.environment(path=builders.path(basis=Basis.CATALOGUE))
    answer = recommend(builders.model(), ASK, sites)
    device_first = [one for one in answer.candidates if ":prefer_device:" in one.id]
    assert device_first[0].basis is Basis.CATALOGUE
    assert "not measured" not in decide(device_first, is_chosen=True).reason


@pytest.mark.parametrize(
    ("missing_is", "expected"),
    [
        (True, Objective.MARGIN),  # it may cost less than the 5 USD of the other proven one
        (None, Objective.COST),  # what is proven ranks before it anyway
        (False, Objective.COST),
    ],
)
def test_a_missing_price_counts_among_candidates_that_are_proven_alike(
    missing_is: bool | None, expected: Objective
) -> None:
    asked = replace(ASK, rate_hz=1.0)
    first, second, *_ = recommend(builders.model(), asked, builders.environment()).candidates
    priced = replace(first, feasible=True, usd_per_month=5.0)
    unpriced = replace(second, feasible=missing_is, usd_per_month=None, costs=())
    assert objective_of(asked, [priced, unpriced]) is expected


def test_why_not_never_argues_for_the_loser() -> None:
    answer = _answer(replace(ASK, rate_hz=10.0, objective=Objective.MARGIN))
    chosen, *others = answer.candidates
    for one in others:
        assert one.why_not
        if "of the limit free" in one.why_not:
            assert margin_ratio(one) < margin_ratio(chosen)


def test_a_table_of_crossovers_says_that_its_times_were_disturbed() -> None:
    row = Crossover("network.rtt", "s", 0.0, 1.0, Placement.EDGE, (), "cloud:one")
    for edge, is_told in ((BUSY_EDGE, True), (builders.edge(0.02), False)):
        site = builders.environment(edges=(edge,), crossovers=(row,))
        note = crossover_note(recommend(builders.model(), ASK, site))
        assert ("other programs lengthened times that it rests on" in note) is is_told


def _splits() -> list[Candidate]:
    """Return two splits that take the same energy: the first by its id is slower and dearer."""
    answer = recommend(builders.model(), ASK, builders.environment())
    one = next(one for one in answer.candidates if one.placement is Placement.CLOUD)
    one = replace(one, placement=Placement.SPLIT, feasible=True, findings=(), joules=0.001)
    assert one.latency is not None
    target = replace(one.targets[0], value_s=0.04, high_s=0.045)
    slow = replace(one, id="split:a", targets=(target,), usd_per_month=9.0)
    quick = replace(target, value_s=0.02, high_s=0.025)
    return [slow, replace(slow, id="split:b", targets=(quick,), usd_per_month=3.0)]


def _part(name: str, usd_per_month: float | None) -> Cost:
    return Cost(name, usd_per_month, None, "USD", None, None, "")


def test_equal_figures_of_the_objective_are_ranked_by_the_other_objectives() -> None:
    slow, quick = _splits()
    assert rank([slow, quick], Objective.ENERGY) == [quick, slow]
    dear = replace(quick, usd_per_month=10.0)
    assert rank([slow, dear], Objective.ENERGY) == [slow, dear]
    assert why_not(dear, slow, Objective.ENERGY) == "costs $10.00 per month, the choice $9.00"
    unknown = [replace(one, usd_per_month=None) for one in (slow, quick)]
    assert rank(unknown, Objective.ENERGY) == unknown[::-1]
    alike = replace(slow, id="split:c")
    assert rank([alike, slow], Objective.ENERGY) == [slow, alike]


def test_of_unknown_costs_the_known_items_rank_where_the_same_ones_are_unknown() -> None:
    device = _part("device", None)
    slow, quick = (replace(one, usd_per_month=None) for one in _splits())
    cheap = replace(slow, costs=(device, _part("instances", 100.0)))
    dear = replace(quick, costs=(device, _part("instances", 200.0)))
    assert rank([dear, cheap], Objective.COST) == [cheap, dear]
    known = "its known costs are $200.00 per month, those of the choice $100.00"
    assert why_not(dear, cheap, Objective.COST) == known
    assert why_not(dear, replace(cheap, usd_per_month=150.0), Objective.COST) == (
        "costs at least $200.00 per month, the choice $150.00"
    )
    more_open = replace(cheap, costs=(device, _part("egress", None)))
    assert rank([more_open, dear], Objective.COST) == [dear, more_open]
    assert why_not(more_open, dear, Objective.COST) == "its cost is unknown"


def test_that_it_needs_the_network_is_said_only_against_a_choice_that_does_not() -> None:
    chosen, _ = _splits()
    alike = replace(chosen, id="split:c")
    assert why_not(alike, chosen, Objective.ENERGY) == "no better by the objective"
    edge = replace(chosen, placement=Placement.EDGE)
    assert why_not(alike, edge, Objective.ENERGY) == "no better, and it needs the network as well"


@pytest.mark.parametrize("objective", list(Objective))
def test_why_it_is_not_split_names_the_quicker_split_else_the_figure_of_the_objective(
    objective: Objective,
) -> None:
    slow, quick = (replace(one, why_not=f"costs {one.usd_per_month}") for one in _splits())
    edge = replace(slow, id=EDGE, placement=Placement.EDGE, why_not=None)
    edge = replace(edge, targets=(replace(edge.targets[0], value_s=0.03, high_s=0.035),))

    def told(*splits: Candidate) -> str:
        reason = decide([edge, *splits], is_chosen=True, objective=objective).reason
        return reason.partition("; do not split: ")[2]

    is_quicker = "split:b is quicker, p99 20.0 ms against 30.0 ms, but not better: costs 3.0."
    assert told(slow, quick) == told(quick, slow) == is_quicker
    by_figure = "the best split judged, split:a, is no better: costs 9.0."
    by_time = "the best split judged, split:a, takes p99 40.0 ms against 30.0 ms."
    is_figure = objective in (Objective.COST, Objective.ENERGY)
    assert told(slow) == (by_figure if is_figure else by_time)


@pytest.mark.parametrize("data_class", [DataClass.PUBLIC, DataClass.SPECIAL])
def test_a_table_of_crossovers_says_what_a_rule_of_privacy_left_out(data_class: DataClass) -> None:
    whole = recommend(builders.model(), ASK, builders.environment()).candidates
    offer = next(one.id for one in whole if one.placement is Placement.CLOUD)
    row = Crossover("network.rtt", "s", 0.0, 1.0, Placement.EDGE, (), offer)
    site = builders.environment(crossovers=(row,))
    note = crossover_note(recommend(builders.model(), replace(ASK, data_class=data_class), site))
    told = "without the cloud and splits that send raw input, which a rule of privacy forbids"
    assert (told in note) is (data_class is DataClass.SPECIAL)
