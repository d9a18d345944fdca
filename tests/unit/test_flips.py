"""What would change the decision, and what to measure next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.core.advise import recommend
from placer.core.environment import Basis
from placer.core.estimate import Flip, Recommendation
from placer.core.evaluate import rank_all
from placer.core.flips import NONE, becomes, parameters
from placer.core.placement import CloudSite, Environment, SiteTime
from placer.core.workings import Workings
from placer.core.workload import DataClass, LatencyTarget, Workload
from tests import builders

EDGE = "edge:cpu"
CLOUD = "cloud:aws-g4dn.xlarge@us-east-1"
ASK = Workload(targets=(LatencyTarget(0.99, 0.05),), data_class=DataClass.PUBLIC)
PAID = replace(ASK, rate_hz=5.0, fleet=30)
SLOW_EDGE = builders.environment(edges=(builders.edge(0.1),))


def _flips(answer: Recommendation, parameter: str) -> list[Flip]:
    return [flip for flip in answer.flips if flip.parameter.startswith(parameter)]


CASES = {
    "margin": (ASK, builders.environment()),
    "money": (PAID, builders.environment()),
    "slow edge": (PAID, SLOW_EDGE),
}


@pytest.mark.parametrize("case", CASES)
def test_decision_is_the_old_one_before_and_the_new_one_after_each_flip(case: str) -> None:
    workload, environment = CASES[case]
    answer = recommend(builders.model(), workload, environment)
    today = becomes(answer.candidates[0])
    known = {one.name: one for one in parameters(builders.model(), workload, environment)}
    # at a high rate instances come one by one, and their money goes up and down between two ways
    numeric = [
        flip for flip in answer.flips if flip.parameter in known and flip.parameter != "rate"
    ]
    assert numeric
    for flip in numeric:
        assert isinstance(flip.at, float)
        assert isinstance(flip.now, float | int)
        away = 1.03 if flip.at > flip.now else 1 / 1.03
        found = []
        for value in (flip.at / away, flip.at * away):
            question = known[flip.parameter].vary(value)
            ranked, _ = rank_all(builders.model(), *question, Workings(is_brief=True))
            found.append(becomes(ranked[0]))
        assert found == [today, flip.becomes], flip


def test_longer_way_takes_the_decision_from_the_cloud() -> None:
    answer = recommend(builders.model(), PAID, SLOW_EDGE)
    assert answer.decision.candidate == CLOUD
    (rtt,) = _flips(answer, "network.rtt")
    assert rtt.now == 0.010
    assert isinstance(rtt.at, float)
    assert 0.02 < rtt.at < 0.05
    assert rtt.becomes == NONE


def test_limit_below_what_the_device_reaches_flips() -> None:
    answer = recommend(builders.model(), ASK, builders.environment(clouds=()))
    (limit,) = _flips(answer, "sla.p99")
    bound_s = answer.candidates[0].targets[0].high_s
    assert bound_s is not None
    assert limit.at == pytest.approx(bound_s, rel=0.05)


def test_class_of_the_data_flips_to_the_device() -> None:
    fast_cloud = builders.environment(edges=(builders.edge(0.04),), clouds=(builders.cloud(1e-4),))
    answer = recommend(builders.model(), replace(ASK, regions=("US",)), fast_cloud)
    assert answer.decision.candidate == CLOUD
    (flip,) = _flips(answer, "privacy")
    assert (flip.now, flip.at, flip.becomes) == ("public", "special", EDGE)


def test_dearer_device_flips_to_the_cloud() -> None:
    answer = recommend(builders.model(), PAID, builders.environment())
    assert answer.decision.candidate == EDGE
    assert [flip.becomes for flip in _flips(answer, "device.price")] == [CLOUD]
    assert [flip.becomes for flip in _flips(answer, "cloud.price")] == [CLOUD]


def test_smaller_budget_leaves_nothing() -> None:
    poor = replace(PAID, budget_usd_per_month=1000.0)
    answer = recommend(builders.model(), poor, builders.environment(clouds=()))
    assert [flip.becomes for flip in _flips(answer, "budget")] == [NONE]


def test_assumed_network_has_no_flips() -> None:
    assumed = builders.environment(fastest_path=builders.path(rtt_quantiles_s=((0.5, 1e-4),)))
    answer = recommend(builders.model(), ASK, assumed)
    assert not _flips(answer, "network")


def _unknown_cloud() -> Environment:
    return builders.environment(
        edges=(builders.edge(0.2),), clouds=(CloudSite(builders.offer(), SiteTime()),)
    )


def test_next_measurement_is_the_input_that_decides() -> None:
    answer = recommend(builders.model(), ASK, _unknown_cloud())
    assert answer.decision.feasible is None
    assert answer.next_measurement is not None
    assert "--site aws-g4dn.xlarge" in answer.next_measurement.command
    assert "of 5 results" in answer.next_measurement.why


def test_next_measurement_is_the_network_where_that_decides() -> None:
    environment = builders.environment(
        edges=(builders.edge(0.2),),
        path=builders.path(basis=Basis.ASSUMED),
        fastest_path=builders.path(),
        possible_paths=(
            builders.path(),
            builders.path(rtt_quantiles_s=((0.5, 0.3), (0.99, 0.5))),
        ),
    )
    answer = recommend(builders.model(), ASK, environment)
    assert answer.next_measurement is not None
    assert answer.next_measurement.command.endswith("--network FILE")


def test_settled_answer_asks_for_no_measurement() -> None:
    answer = recommend(builders.model(), ASK, builders.environment())
    assert answer.decision.feasible is True
    assert answer.next_measurement is None


def test_a_rate_is_asked_with_a_throughput_that_covers_it() -> None:
    workload = replace(PAID, throughput_hz=150.0)  # as much as the demand: 30 devices at 5/s
    by_name = {one.name: one for one in parameters(builders.model(), workload, SLOW_EDGE)}
    asked, _ = by_name["rate"].vary(10.0)
    assert (asked.rate_hz, asked.throughput_hz) == (10.0, 300.0)
    asked, _ = by_name["rate"].vary(2.0)
    assert (asked.rate_hz, asked.throughput_hz) == (2.0, 150.0)


def test_a_budget_flips_at_the_very_cost() -> None:
    answer = recommend(builders.model(), replace(PAID, budget_usd_per_month=1e4), SLOW_EDGE)
    (flip,) = _flips(answer, "budget")
    assert flip.at in {one.usd_per_month for one in answer.candidates}
