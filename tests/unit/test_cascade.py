"""Cascades: how sure an answer is, which threshold is chosen, what the placement is judged by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from placer.core import advise
from placer.core.cascade import (
    CascadeFacts,
    Measure,
    NoCascade,
    ScoreKind,
    Trials,
    Wanted,
    choose,
    confidence_of,
    judge,
    trials_of,
)
from placer.core.cascade_proof import NONE_FITS, allowed_wrong, proves, samples_that_judge
from placer.core.environment import Backbone
from placer.core.estimate import Candidate, Placement, Recommendation, Verdict
from placer.core.evaluate import evaluate
from placer.core.finding import Effect
from placer.core.held_out import halves
from placer.core.placement import Cascade, Edge, EdgeSite, Environment, SiteTime
from placer.core.variant import Agreement, Variant, agreement
from placer.core.workload import Arrival, DataClass, LatencyTarget, Leaves, Workload
from tests import builders

LOGITS = np.array([[4.0, 1.0, 0.0], [40.0, 0.0, -1.0], [1.0, 1.0, 1.0]], dtype=np.float32)
SMALL = Variant(
    "small.onnx",
    "small",
    builders.model(path="small.onnx", n_bytes=100_000),
    Agreement(0.9, 0.89, 0.91, 2000, 0.5),
)
EDGE = replace(builders.edge(0.002), variant=SMALL)
CLOUD = builders.cloud(0.002)
ASK = Workload(targets=(LatencyTarget(0.99, 0.1),), data_class=DataClass.PUBLIC)
ASKED = replace(ASK, min_agreement_ratio=0.98)


def judged(
    facts: CascadeFacts | None = None,
    workload: Workload = ASKED,
    *,
    edge: EdgeSite = EDGE,
    **changes: Any,
) -> Candidate:
    """Judge a cascade of 2 ms on the device and 2 ms behind a line of 10 ms."""
    environment = builders.environment(edges=(edge,), clouds=(CLOUD,), **changes)
    option = Cascade(edge, CLOUD, facts or builders.cascade_facts())
    return evaluate(option, builders.model(), workload, environment)


def outputs(
    n: int = 2000, *, noise: float = 1.0, seed: int = 1
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Logits of a big model, and of a small one that is wrong where it is not sure."""
    rng = np.random.default_rng(seed)
    big = 3 * rng.standard_normal((n, 10))
    return {"y": big}, {"y": big + noise * rng.standard_normal((n, 10))}


def trials(**changes: Any) -> Trials:
    big, small = outputs(**changes)
    found = trials_of(big, small, *halves(len(big["y"])), None)
    assert found is not None
    return found


def recommended(noise: float = 1.0, workload: Workload = ASKED, **changes: Any) -> Recommendation:
    """Ask with a variant whose answers were compared with the model's."""
    big, small = outputs(noise=noise)
    compared = trials_of(big, small, *halves(2000), None)
    variant = replace(SMALL, agreement=agreement(big, small), trials=compared)
    environment = builders.environment(
        edges=(builders.edge(0.05), replace(EDGE, variant=variant)), clouds=(CLOUD,), **changes
    )
    return advise.recommend(builders.model(), workload, environment, with_flips=False)


# how sure an answer is


def test_logits_are_made_probabilities_and_their_margin_is_that_of_the_logits() -> None:
    found = confidence_of({"y": LOGITS})
    assert found is not None
    kind, by_measure = found
    assert kind is ScoreKind.LOGITS
    top, margin = (dict(by_measure)[one] for one in Measure)
    assert top == pytest.approx(special.softmax(LOGITS.astype(float), axis=1).max(axis=1))
    assert margin.tolist() == [3.0, 40.0, 0.0]


def test_probabilities_are_taken_as_they_are() -> None:
    given = special.softmax(LOGITS, axis=1)
    found = confidence_of({"y": given})
    assert found is not None
    kind, by_measure = found
    assert kind is ScoreKind.PROBABILITIES
    top, margin = (dict(by_measure)[one] for one in Measure)
    assert top == pytest.approx(given.max(axis=1))
    ordered = np.sort(given, axis=1)
    assert margin == pytest.approx(ordered[:, -1] - ordered[:, -2])


def test_a_margin_tells_answers_apart_whose_probability_is_one() -> None:
    found = confidence_of({"y": np.array([[50.0, 0.0], [60.0, 0.0]])})
    assert found is not None
    top, margin = (dict(found[1])[one] for one in Measure)
    assert top[0] == top[1] == 1.0
    assert margin[0] < margin[1]


def test_the_least_sure_answer_of_several_counts() -> None:
    dense = np.stack([LOGITS, LOGITS[::-1]], axis=1)
    found = confidence_of({"y": dense, "label": np.arange(3)})
    assert found is not None
    assert dict(found[1])[Measure.MARGIN].tolist() == [0.0, 40.0, 0.0]


def test_margins_of_two_scales_are_not_compared() -> None:
    found = confidence_of({"a": LOGITS, "b": special.softmax(LOGITS, axis=1)})
    assert found is not None
    assert [measure for measure, _ in found[1]] == [Measure.TOP_PROBABILITY]


def test_many_dense_samples_are_read_a_few_at_a_time() -> None:
    rng = np.random.default_rng(1)
    dense = rng.standard_normal((9, 50_000, 20)).astype(np.float32)
    whole, first = confidence_of({"y": dense}), confidence_of({"y": dense[:1]})
    assert whole is not None
    assert first is not None
    for (_, of_all), (_, of_one) in zip(whole[1], first[1], strict=True):
        assert of_all.shape == (9,)
        assert of_all[0] == of_one[0]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_never_sure(odd: float) -> None:
    scores = LOGITS.copy()
    scores[1, 2] = odd
    found = confidence_of({"y": scores})
    assert found is not None
    for _, confidence in found[1]:
        assert confidence[1] == -np.inf
        assert np.isfinite(confidence[[0, 2]]).all()


@pytest.mark.parametrize("output", [np.arange(5), np.ones((5, 1)), np.array(list("abcde"))])
def test_an_output_without_scores_tells_nothing(output: np.ndarray) -> None:
    assert confidence_of({"y": output}) is None
    assert trials_of({"y": output}, {"y": output}, *halves(5), None) is None


# which threshold


def test_the_half_that_chooses_does_not_judge() -> None:
    choosing, judging = halves(101)
    assert (len(choosing), len(judging)) == (50, 51)
    assert sorted({*choosing.tolist(), *judging.tolist()}) == list(range(101))
    assert (choosing // 2).tolist() == list(range(50))  # one of each two neighbours
    assert 15 < int((choosing % 2).sum()) < 35  # it hits no period of two


def test_less_is_passed_on_where_less_agreement_is_wanted() -> None:
    rates = []
    for wanted in (0.997, 0.99, 0.97, 0.9, 0.85):
        found = choose(trials(), Wanted(wanted))
        assert isinstance(found, CascadeFacts)
        assert found.agreement.samples == found.escalation.samples == found.chosen_on == 1000
        rates.append(found.escalation.ratio)
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[-1] + 0.2


def test_labels_give_the_accuracy_of_both_together() -> None:
    big, small = outputs()
    labels = {"y": big["y"].argmax(axis=1)}
    labels["y"][:200] = (labels["y"][:200] + 1) % 10  # the big model is wrong there
    compared = trials_of(big, small, *halves(2000), labels)
    assert compared is not None
    found = choose(compared, Wanted(0.95))
    assert isinstance(found, CascadeFacts)
    assert found.accuracy is not None
    right = small["y"].argmax(axis=1) == labels["y"]
    confidence = dict(compared.confidences)[found.confidence]
    expected = np.where(
        confidence >= found.threshold, right, big["y"].argmax(axis=1) == labels["y"]
    )[compared.judging]
    assert found.accuracy.ratio == pytest.approx(expected.mean())


def labelled() -> Trials:
    """Two models that are right in 80 %: a small one where it is sure, a big one anywhere."""
    rng = np.random.default_rng(3)
    confidence = rng.random(4000)
    small = rng.random(4000) < 0.6 + 0.4 * confidence
    big = rng.random(4000) < 0.8
    same = (small == big).astype(float)
    by_measure = ((Measure.TOP_PROBABILITY, confidence),)
    return Trials(ScoreKind.LOGITS, by_measure, same, (small, big), *halves(4000))


def test_a_threshold_is_chosen_for_a_wanted_accuracy() -> None:
    rates = []
    for wanted in (0.825, 0.815, 0.805, 0.795):
        found = choose(labelled(), Wanted(None, wanted))
        assert isinstance(found, CascadeFacts)
        assert found.accuracy is not None
        assert found.accuracy.ratio > wanted - 0.01
        rates.append(found.escalation.ratio)
    assert rates == sorted(rates, reverse=True)
    assert choose(labelled(), Wanted(None, 0.7)) is NoCascade.NEEDLESS
    assert choose(labelled(), Wanted(None, 0.9)) is NoCascade.UNPROVABLE  # nor is the big one


def test_a_cascade_can_be_more_accurate_than_the_big_model() -> None:
    found = choose(labelled(), Wanted(None, 0.82))
    assert isinstance(found, CascadeFacts)
    assert found.accuracy is not None
    big = labelled().right
    assert big is not None
    assert found.accuracy.ratio > big[1].mean()


def test_both_wishes_are_kept() -> None:
    agreed, right, both = (
        choose(labelled(), one) for one in (Wanted(0.85), Wanted(None, 0.82), Wanted(0.85, 0.82))
    )
    assert isinstance(agreed, CascadeFacts)
    assert isinstance(right, CascadeFacts)
    assert isinstance(both, CascadeFacts)
    assert both.threshold == max(agreed.threshold, right.threshold)


def test_without_labels_no_accuracy_can_be_wanted() -> None:
    assert choose(trials(), Wanted(None, 0.9)) is NoCascade.NO_LABELS


def test_samples_of_the_same_confidence_go_the_same_way() -> None:
    agrees = np.array([1.0] * 400 + [0.0] * 100 + [1.0] * 500)
    confidence = np.array([0.9] * 900 + [0.95] * 100)
    order = np.random.default_rng(1).permutation(1000)
    compared = Trials(
        ScoreKind.LOGITS,
        ((Measure.TOP_PROBABILITY, confidence[order]),),
        agrees[order],
        None,
        *halves(1000),
    )
    found = choose(compared, Wanted(0.95))
    assert isinstance(found, CascadeFacts)
    assert found.threshold == 0.95
    assert found.agreement.ratio == 1.0


def test_says_why_there_is_none() -> None:
    assert choose(trials(noise=0.01), Wanted(0.9)) is NoCascade.NEEDLESS
    wrong = trials()
    wrong = replace(wrong, agrees=np.zeros_like(wrong.agrees))
    assert choose(wrong, Wanted(0.997)) is NoCascade.NEVER_SURE
    assert choose(trials(), Wanted(0.9999)) is NoCascade.TOO_FEW


def test_too_few_samples_to_prove_what_is_wanted_are_told() -> None:
    """Of 2,000 samples that all agree 99.85 % are proven, and no more."""
    assert choose(trials(noise=0.0), Wanted(0.998)) is NoCascade.NEEDLESS
    assert choose(trials(noise=0.0), Wanted(0.999)) is NoCascade.TOO_FEW
    asked = replace(ASKED, min_agreement_ratio=0.999)
    (told,) = (one for one in recommended(0.0, asked).findings if one.rule == "PLC406")
    assert told.message.endswith(
        f"the model is offered: {NoCascade.TOO_FEW}; it takes 2,995 that judge and as many that "
        "choose: 5,990 in all"
    )
    assert told.remedy == "give more samples, or ask for less"


def test_a_cascade_that_the_samples_can_never_prove_is_not_offered() -> None:
    """The small model errs; 1,000 samples that judge prove 99.7 % if all agree."""
    for wanted in (0.998, 0.999, 1.0):
        assert choose(trials(), Wanted(wanted)) is NoCascade.TOO_FEW
    assert isinstance(choose(trials(), Wanted(0.997)), CascadeFacts)
    asked = replace(ASKED, min_agreement_ratio=1.0)
    (told,) = (one for one in recommended(workload=asked).findings if one.rule == "PLC406")
    assert told.message.endswith("; no number of samples proves 100 %")


@pytest.mark.parametrize("wanted", [0.5, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9999])
def test_the_number_of_samples_that_it_takes_is_the_least_that_proves(wanted: float) -> None:
    needed = samples_that_judge(wanted)
    assert needed is not None
    assert proves(needed, wanted)
    assert not proves(needed - 1, wanted)


@pytest.mark.parametrize(
    ("wrong", "wanted", "is_offered"),
    [(1, 0.96, True), (1, 0.97, True), (1, 0.98, True), (2, 0.97, True), (2, 0.98, False)],
)
def test_a_wrong_answer_of_the_model_does_not_forbid_what_is_likely_to_be_proven(
    wrong: int, wanted: float, is_offered: bool
) -> None:
    """250 samples prove 98 % with one wrong answer, and 97 % with two."""
    n = 500
    choosing, judging = halves(n)
    confidence = np.linspace(1, 0, n)
    big = np.ones(n, dtype=np.bool_)
    big[choosing[-wrong:]] = False
    small = np.arange(n) < 300
    by_measure = ((Measure.TOP_PROBABILITY, confidence),)
    same = (small == big).astype(float)
    compared = Trials(ScoreKind.LOGITS, by_measure, same, (small, big), choosing, judging)
    found = choose(compared, Wanted(None, wanted))
    if not is_offered:
        assert found is NoCascade.UNPROVABLE
        return
    assert isinstance(found, CascadeFacts)
    assert found.accuracy is not None
    assert found.accuracy.low_ratio >= wanted
    assert 0.3 < found.escalation.ratio < 0.5


def test_answers_that_agree_in_part_are_judged_by_bounds_that_hold_for_them() -> None:
    whole = trials()
    partly = replace(whole, agrees=0.5 + whole.agrees / 2)
    found = choose(partly, Wanted(0.9))
    assert isinstance(found, CascadeFacts)
    margin = np.sqrt(np.log(20) / 2000)
    assert found.agreement.low_ratio == pytest.approx(found.agreement.ratio - margin)


def test_the_curve_falls_as_more_is_answered_alone() -> None:
    found = judge(trials(), Measure.MARGIN, 2.0, Wanted(0.95))
    passed_on = [point.escalation_ratio for point in found.curve]
    kept = [point.agreement_ratio for point in found.curve]
    assert len(found.curve) >= 10
    assert passed_on == sorted(passed_on)
    assert kept == sorted(kept)
    chosen = next(point for point in found.curve if point.threshold == found.threshold)
    assert chosen.agreement_ratio == found.agreement.ratio


@pytest.mark.parametrize(("wanted", "n"), [(0.9, 200), (0.95, 500), (0.99, 1000), (0.98, 5000)])
def test_the_chance_of_a_proof_is_that_of_the_beta_binomial_distribution(
    wanted: float, n: int
) -> None:
    most = max(k for k in range(n) if stats.binom.cdf(k, n, 1 - wanted) <= 0.05)
    chances = [stats.betabinom.cdf(most, n, k + 1, n - k + 1) for k in range(most + 2)]
    expected = max(k for k, chance in enumerate(chances) if chance >= 0.8)
    assert allowed_wrong(n, n, wanted, 0.8) == expected


@pytest.mark.parametrize(("wanted", "n"), [(1.0, 5000), (0.99, 100)])
def test_where_nothing_can_be_proven_nothing_fits(wanted: float, n: int) -> None:
    assert allowed_wrong(n, n, wanted, 0.5) == NONE_FITS
    assert allowed_wrong(n, n, wanted, 0.5, is_whole=False) == NONE_FITS


def test_a_proof_on_the_other_half_is_seldom_wrong_and_usual() -> None:
    """Over many sets of samples: 95 % confidence, and most of the cascades are proven."""
    wanted, false_proofs, proofs, found = 0.95, 0, 0, 0
    big, small = outputs(200_000, seed=99)
    truth = trials_of(big, small, *halves(2), None)
    assert truth is not None
    for seed in range(120):
        picked = np.random.default_rng(seed).integers(0, 200_000, 600)
        compared = trials_of({"y": big["y"][picked]}, {"y": small["y"][picked]}, *halves(600), None)
        assert compared is not None
        facts = choose(compared, Wanted(wanted))
        if not isinstance(facts, CascadeFacts):
            continue
        found += 1
        alone = dict(truth.confidences)[facts.confidence] >= facts.threshold
        true_ratio = float(np.where(alone, truth.agrees, 1.0).mean())
        is_proof = facts.agreement.low_ratio >= wanted
        proofs += is_proof
        false_proofs += is_proof and true_ratio < wanted
    assert found == 120
    assert false_proofs <= 0.05 * found
    assert 0.7 * found <= proofs


# the placement


def test_a_cascade_is_offered_where_a_variant_alone_is_not_enough() -> None:
    answer = recommended(workload=replace(ASK, min_agreement_ratio=0.9))
    by_id = {one.id: one for one in answer.candidates}
    alone = by_id["edge:cpu~small"]
    both = by_id["cascade:cpu~small+aws-g4dn.xlarge@us-east-1"]
    assert alone.feasible is False
    assert both.feasible is True
    assert both.placement is Placement.CASCADE
    assert both.placement.family == "hybrid"
    assert both.cascade is not None
    assert both.agreement_ratio == both.cascade.agreement.ratio > 0.9
    assert both.leaves_device is Leaves.RAW_INPUT
    assert both.variant == "small.onnx"
    assert [site.tier for site in both.sites] == [0, 1]


def test_the_reason_names_threshold_rate_and_agreement() -> None:
    ask = Workload(
        targets=(LatencyTarget(0.5, 0.012), LatencyTarget(0.99, 0.1)),
        data_class=DataClass.PUBLIC,
        min_agreement_ratio=0.85,
    )
    answer = recommended(workload=ask)
    assert answer.decision.placement is Placement.CASCADE, answer.decision.reason
    facts = answer.candidates[0].cascade
    assert facts is not None
    assert f"is at least {facts.threshold:.6g}" in answer.decision.reason
    assert f"passes on {100 * facts.escalation.ratio:.3g} % of the requests" in (
        answer.decision.reason
    )


@pytest.mark.parametrize(
    ("noise", "workload", "changes"),
    [
        (1.0, ASK, {}),  # how often answers must agree nobody stated
        (0.01, ASKED, {}),  # the variant alone is enough
        (1.0, ASKED, {"clouds": ()}),
    ],
)
def test_no_cascade_is_offered_that_nobody_needs(
    noise: float, workload: Workload, changes: dict[str, Any]
) -> None:
    big, small = outputs(noise=noise)
    compared = trials_of(big, small, *halves(2000), None)
    variant = replace(SMALL, agreement=agreement(big, small), trials=compared)
    sites = {"edges": (builders.edge(0.05), replace(EDGE, variant=variant)), **changes}
    answer = advise.recommend(
        builders.model(), workload, builders.environment(**sites), with_flips=False
    )
    assert all(one.cascade is None for one in answer.candidates)
    assert not any("no cascade" in found.message for found in answer.findings)


def test_without_scores_it_says_why_there_is_no_cascade() -> None:
    environment = builders.environment(edges=(builders.edge(0.05), EDGE), clouds=(CLOUD,))
    answer = advise.recommend(builders.model(), ASKED, environment, with_flips=False)
    (found,) = (one for one in answer.findings if one.rule == "PLC406")
    assert "no cascade of small and the model is offered" in found.message
    assert found.effect is Effect.NONE


def test_the_agreement_of_both_together_is_judged() -> None:
    def effect(facts: CascadeFacts, workload: Workload = ASKED) -> Effect | None:
        found = [one for one in judged(facts, workload).findings if one.rule == "PLC406"]
        return found[0].effect if found else None

    assert effect(builders.cascade_facts(agreeing=995)) is None
    assert effect(builders.cascade_facts(agreeing=982)) is Effect.UNPROVEN
    assert effect(builders.cascade_facts(agreeing=950)) is Effect.VIOLATED
    assert effect(builders.cascade_facts(agreeing=1000), ASK) is Effect.UNPROVEN


def test_energy_traffic_and_money_follow_the_share_that_is_passed_on() -> None:
    demand = replace(ASKED, rate_hz=10.0, fleet=5)
    prices: dict[str, Any] = {
        "path": builders.path(data_usd_per_byte=1e-9),
        "device": builders.device(send_w=2.0, receive_w=1.0, idle_w=0.5),
    }
    all_up = judged(builders.cascade_facts(1000), demand, **prices)
    found = judged(builders.cascade_facts(200), demand, **prices)
    computing = 10.0 * (EDGE.time.mean_s or 0)
    assert found.joules is not None
    assert all_up.joules is not None
    assert found.joules - computing == pytest.approx(0.2 * (all_up.joules - computing), rel=0.05)
    assert judged(builders.cascade_facts(200), demand).joules is None
    assert all_up.uplink_bytes_per_month is not None
    assert found.uplink_bytes_per_month == pytest.approx(0.2 * all_up.uplink_bytes_per_month)
    costs = [{item.name: item.usd_per_month for item in one.costs} for one in (all_up, found)]
    for name in ("data plan", "egress"):
        assert costs[1][name] == pytest.approx(0.2 * (costs[0][name] or 0))
    assert costs[1]["device"] == costs[0]["device"]


def test_it_serves_as_much_as_both_places_can() -> None:
    demand = replace(ASKED, rate_hz=10.0, fleet=5)
    alone = evaluate(Edge(EDGE), builders.model(), demand, builders.environment())
    in_cloud_hz = 1 / (CLOUD.time.mean_s or 0)
    few, many = (builders.cascade_facts(count) for count in (10, 500))
    assert judged(few, demand).capacity_hz == alone.capacity_hz
    found_hz = judged(many, demand).capacity_hz
    assert found_hz == pytest.approx(in_cloud_hz / many.escalation.high_ratio)
    slow = replace(EDGE, time=SiteTime(builders.measurement(0.2)))
    found = judged(builders.cascade_facts(200), demand, edge=slow)
    assert found.feasible is False  # every request begins on the device
    assert {one.rule for one in found.findings} >= {"PLC203"}
    assert found.targets[0].verdict is Verdict.VIOLATED


def test_it_does_not_answer_offline_what_it_is_not_sure_of() -> None:
    found = judged(workload=replace(ASKED, must_work_offline=True))
    (offline,) = (one for one in found.findings if one.rule == "PLC301")
    assert offline.effect is Effect.VIOLATED
    assert "not sure" in offline.message


def test_special_data_forbids_passing_on() -> None:
    found = judged(workload=replace(ASKED, data_class=DataClass.SPECIAL))
    assert found.feasible is False
    assert "PLC101" in {one.rule for one in found.findings if one.effect is Effect.VIOLATED}


def test_availability_counts_link_and_cloud_by_the_share_that_needs_them() -> None:
    up = {
        "device": builders.device(availability_ratio=1.0),
        "path": builders.path(availability_ratio=0.99),
    }
    cloud = replace(CLOUD, offer=builders.offer(availability_ratio=1.0))

    def effects(wanted: float) -> set[Effect]:
        environment = builders.environment(edges=(EDGE,), clouds=(cloud,), **up)
        option = Cascade(EDGE, cloud, builders.cascade_facts(200))
        ask = replace(ASKED, availability_ratio=wanted)
        found = evaluate(option, builders.model(), ask, environment)
        return {one.effect for one in found.findings if one.rule == "PLC302"}

    assert effects(0.997) == set()  # 1 - 0.2 x 0.01, and no less than 0.9977
    assert effects(0.9985) == {Effect.VIOLATED}
    assert effects(0.998) == {Effect.UNPROVEN}


def test_a_percentile_within_the_share_of_the_device_needs_no_network() -> None:
    target = LatencyTarget(0.5, 0.01)
    assumed = builders.path(name="assumed", loss_ratio=None)
    fastest = builders.path(name="fastest", rtt_quantiles_s=((0.5, 0.0005), (0.99, 0.001)))
    changes: dict[str, Any] = {"path": assumed, "fastest_path": fastest}
    found = judged(workload=replace(ASKED, targets=(target,)), **changes)
    assert found.targets[0].verdict is Verdict.MET
    assert "however long the requests take that are passed on" in found.targets[0].reason
    assert found.feasible is True
    high = replace(ASKED, targets=(LatencyTarget(0.95, 0.1),))
    assert judged(workload=high, **changes).targets[0].verdict is Verdict.UNPROVEN


def test_an_unknown_cloud_leaves_what_the_device_proves() -> None:
    unknown = replace(CLOUD, time=SiteTime(source="nothing is known"))
    environment = builders.environment(edges=(EDGE,), clouds=(unknown,))
    option = Cascade(EDGE, unknown, builders.cascade_facts(200))
    ask = replace(ASKED, targets=(LatencyTarget(0.5, 0.01), LatencyTarget(0.99, 0.1)))
    found = evaluate(option, builders.model(), ask, environment)
    assert [one.verdict for one in found.targets] == [Verdict.MET, Verdict.UNPROVEN]
    assert found.latency is None


def test_a_backbone_that_is_not_exact_proves_no_tail_of_a_cascade() -> None:
    backbone = Backbone("here", "there", 0.02, 0.0, 0.02, 0.95, "test")
    far = replace(CLOUD, backbone=backbone)
    environment = builders.environment(edges=(EDGE,), clouds=(far,))
    option = Cascade(EDGE, far, builders.cascade_facts(200))
    found = evaluate(option, builders.model(), ASKED, environment)
    assert found.targets[0].verdict is Verdict.UNPROVEN
    near = evaluate(replace(option, cloud=CLOUD), builders.model(), ASKED, environment)
    assert near.targets[0].verdict is Verdict.MET


def test_a_disturbed_device_violates_nothing() -> None:
    busy = builders.quiet(reasons=("other programs held the cores",), run_delay_ratio=0.4)
    edge = replace(EDGE, time=SiteTime(builders.measurement(0.2, instrument=busy)))
    found = judged(edge=edge)
    assert found.targets[0].verdict is Verdict.UNPROVEN
    assert "PLC601" in {one.rule for one in found.findings if one.effect is Effect.UNPROVEN}


@pytest.mark.parametrize("arrival", list(Arrival))
def test_a_busy_device_makes_both_kinds_of_requests_wait(arrival: Arrival) -> None:
    idle = judged(workload=replace(ASKED, rate_hz=1.0, arrival=arrival))
    busy = judged(workload=replace(ASKED, rate_hz=400.0, arrival=arrival))
    assert idle.latency is not None
    assert busy.latency is not None
    if arrival is Arrival.POISSON:  # of M/G/1 at a load of 0.8 the mean wait is twice the service
        assert busy.latency.p99_s > idle.latency.p99_s + 0.003
        assert busy.latency.mean_s > idle.latency.mean_s + 0.003
    else:
        assert busy.latency.p99_s == pytest.approx(idle.latency.p99_s, rel=0.05)


def test_the_environment_is_not_asked_for_more_without_variants() -> None:
    environment: Environment = builders.environment()
    answer = advise.recommend(builders.model(), ASKED, environment, with_flips=False)
    assert {one.placement for one in answer.candidates} == {
        Placement.EDGE,
        Placement.CLOUD,
        Placement.FALLBACK,
    }
