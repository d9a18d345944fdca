"""Each rule, once passing and once failing, and each one flipping the decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import pytest

from placer.core import advise
from placer.core.compute import ComputeEstimate, Level
from placer.core.environment import Basis
from placer.core.estimate import Recommendation
from placer.core.finding import Effect
from placer.core.measurement import Parity
from placer.core.placement import CloudSite, EdgeSite, Environment, SiteTime
from placer.core.precision import Made, Precision
from placer.core.rules import RULES
from placer.core.rules.rule import Failure
from placer.core.variant import Accuracy, Agreement, Variant, samples_that_prove
from placer.core.workload import Arrival, DataClass, LatencyTarget, Leaves, Objective, Workload
from tests import builders

recommend = partial(advise.recommend, with_flips=False)

FAST = LatencyTarget(0.99, 0.1)
SLOW_EDGE = (builders.edge(0.05),)
CLOUD_WINS = builders.environment(edges=SLOW_EDGE)
"""The device takes 50 ms, the cloud 16 ms: with a limit of 100 ms both meet, the cloud wins."""
ASK = Workload(targets=(FAST,), data_class=DataClass.PUBLIC)


@dataclass(frozen=True)
class Flip:
    """Two questions that differ in what one rule looks at, and their decisions."""

    rule: str
    before: tuple[Workload, Environment]
    after: tuple[Workload, Environment]
    decides: str
    """Candidate that the rule touches."""
    was: str | None
    becomes: str | None


def _edge_failed(kind: str, message: str) -> tuple[EdgeSite, ...]:
    return (EdgeSite("cpu", SiteTime(), Failure(kind, message)),)


CLOUD = "cloud:aws-g4dn.xlarge@us-east-1"
EDGE = "edge:cpu"
DISTURBED = builders.quiet(reasons=("other programs held the cores",), run_delay_ratio=0.4)
ASSUMED = builders.path(name="assumed", basis=Basis.ASSUMED)
FASTEST = builders.path(name="fastest", rtt_quantiles_s=((0.5, 0.0001), (0.99, 0.0002)))
KNOWN_COSTS = builders.environment(
    edges=SLOW_EDGE, device=builders.device(price_usd=100_000.0, power_w=1000.0)
)

KEEPS_NOTHING = builders.cloud(the_offer=builders.offer(retention_s=0.0))
SENDING = replace(ASK, targets=(), wire_input_bytes=100_000, objective=Objective.LATENCY)
OFTEN_UP = builders.environment(
    edges=SLOW_EDGE,
    device=builders.device(availability_ratio=0.999),
    path=builders.path(availability_ratio=0.998),
    clouds=(builders.cloud(the_offer=builders.offer(availability_ratio=0.999)),),
)

FLIPS = (
    Flip(
        "PLC101",
        (ASK, CLOUD_WINS),
        (replace(ASK, data_class=DataClass.SPECIAL, regions=("US",)), CLOUD_WINS),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC102",
        (ASK, CLOUD_WINS),
        (replace(ASK, regions=("EU",)), CLOUD_WINS),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC104",
        (replace(ASK, data_class=DataClass.INTERNAL), CLOUD_WINS),
        (
            replace(ASK, data_class=DataClass.INTERNAL),
            replace(CLOUD_WINS, path=builders.path(is_encrypted=False)),
        ),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC105",
        (replace(ASK, retention_limit_s=86400.0), replace(CLOUD_WINS, clouds=(KEEPS_NOTHING,))),
        (replace(ASK, retention_limit_s=86400.0), CLOUD_WINS),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC201",
        (ASK, builders.environment()),
        (replace(ASK, targets=(LatencyTarget(0.99, 0.1), LatencyTarget(0.5, 0.012))), CLOUD_WINS),
        EDGE,
        EDGE,
        None,
    ),
    Flip(
        "PLC202",
        (ASK, builders.environment()),
        (ASK, builders.environment(edges=(builders.edge(0.01, runs=60),))),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC203",
        (replace(ASK, rate_hz=10.0), builders.environment()),
        (replace(ASK, rate_hz=200.0), builders.environment()),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC204",
        (replace(ASK, throughput_hz=50.0), builders.environment()),
        (replace(ASK, throughput_hz=500.0), builders.environment()),
        EDGE,
        EDGE,
        "fallback:prefer_device:cpu+aws-g4dn.xlarge@us-east-1",
    ),
    Flip(
        "PLC302",
        (replace(ASK, availability_ratio=0.99), OFTEN_UP),
        (replace(ASK, availability_ratio=0.9999), OFTEN_UP),
        CLOUD,
        CLOUD,
        "fallback:prefer_cloud:cpu+aws-g4dn.xlarge@us-east-1",
    ),
    Flip(
        "PLC301",
        (ASK, CLOUD_WINS),
        (replace(ASK, must_work_offline=True), CLOUD_WINS),
        CLOUD,
        CLOUD,
        "fallback:prefer_cloud:cpu+aws-g4dn.xlarge@us-east-1",
    ),
    Flip(
        "PLC401",
        (ASK, builders.environment()),
        (ASK, builders.environment(device=builders.device(memory_bytes=64 * 2**20))),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC402",
        (ASK, builders.environment()),
        (ASK, builders.environment(edges=_edge_failed("unsupported", "my.ops:MatMul"))),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC404",
        (ASK, builders.environment()),
        (ASK, builders.environment(edges=_edge_failed("crashed", "SIGSEGV"))),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC303",
        (replace(SENDING, rate_hz=1.0), CLOUD_WINS),
        (replace(SENDING, rate_hz=200.0), CLOUD_WINS),
        CLOUD,
        CLOUD,
        None,
    ),
    Flip(
        "PLC405",
        (replace(ASK, power_limit_w=15.0), builders.environment()),
        (replace(ASK, power_limit_w=5.0), builders.environment()),
        EDGE,
        EDGE,
        CLOUD,
    ),
    Flip(
        "PLC501",
        (replace(ASK, rate_hz=1.0, objective=Objective.LATENCY), CLOUD_WINS),
        (
            replace(ASK, rate_hz=1.0, objective=Objective.LATENCY, budget_usd_per_month=50.0),
            CLOUD_WINS,
        ),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC502",
        (replace(ASK, rate_hz=1.0), KNOWN_COSTS),
        (
            replace(ASK, rate_hz=1.0),
            replace(
                KNOWN_COSTS,
                edges=(builders.edge(0.001),),
                clouds=(builders.cloud(the_offer=builders.offer(usd_per_hour=None)),),
            ),
        ),
        CLOUD,
        CLOUD,
        EDGE,
    ),
    Flip(
        "PLC602",
        (ASK, replace(CLOUD_WINS, path=replace(ASSUMED, basis=Basis.MEASURED))),
        (ASK, replace(CLOUD_WINS, path=ASSUMED, fastest_path=FASTEST)),
        CLOUD,
        CLOUD,
        EDGE,
    ),
)


def _fires(answer: Recommendation, candidate_id: str, rule: str) -> bool:
    candidate = next(one for one in answer.candidates if one.id == candidate_id)
    return any(found.rule == rule for found in candidate.findings)


def _blocks(answer: Recommendation, candidate_id: str, rule: str) -> bool:
    candidate = next(one for one in answer.candidates if one.id == candidate_id)
    return any(
        found.rule == rule and found.effect is not Effect.NONE for found in candidate.findings
    )


@pytest.mark.parametrize("flip", FLIPS, ids=lambda flip: flip.rule)
def test_rule_flips_the_decision(flip: Flip) -> None:
    before = recommend(builders.model(), *flip.before)
    after = recommend(builders.model(), *flip.after)
    assert before.decision.candidate == flip.was
    assert not _blocks(before, flip.decides, flip.rule)
    assert after.decision.candidate == flip.becomes or (
        flip.becomes is None and after.decision.candidate != flip.was
    )
    assert _fires(after, flip.decides, flip.rule)


def test_unstated_data_class_is_reported_and_stating_it_flips_the_decision() -> None:
    unstated = recommend(builders.model(), replace(ASK, data_class=None), CLOUD_WINS)
    assert unstated.decision.candidate == CLOUD
    assert _fires(unstated, CLOUD, "PLC103")
    stated = recommend(
        builders.model(), replace(ASK, data_class=DataClass.SPECIAL, regions=("US",)), CLOUD_WINS
    )
    assert stated.decision.candidate == EDGE
    assert not _fires(stated, CLOUD, "PLC103")


def test_disturbed_measurement_turns_violated_into_unproven() -> None:
    ask = replace(ASK, targets=(LatencyTarget(0.99, 0.012),))
    nowhere = (CloudSite(builders.offer(), SiteTime()),)
    quiet = recommend(
        builders.model(), ask, builders.environment(edges=(builders.edge(0.02),), clouds=nowhere)
    )
    busy = recommend(
        builders.model(),
        ask,
        builders.environment(edges=(builders.edge(0.02, instrument=DISTURBED),), clouds=nowhere),
    )
    assert _verdicts(quiet)[EDGE] is False
    assert _verdicts(busy)[EDGE] is None
    assert _fires(busy, EDGE, "PLC601")
    assert not _fires(quiet, EDGE, "PLC601")


def test_disturbed_measurement_may_still_prove_a_target_met() -> None:
    busy = recommend(
        builders.model(),
        ASK,
        builders.environment(edges=(builders.edge(0.01, instrument=DISTURBED),)),
    )
    assert busy.decision.candidate == EDGE
    assert busy.decision.feasible is True
    assert _fires(busy, EDGE, "PLC601")


def test_nodes_that_fell_back_are_reported_and_choosing_the_other_provider_is_possible() -> None:
    partial = builders.edge(0.001, ep="cuda", nodes_by_ep=(("cuda", 54), ("cpu", 12)))
    whole = builders.edge(0.001, ep="cuda", nodes_by_ep=(("cuda", 66),))
    with_fallback = recommend(builders.model(), ASK, builders.environment(edges=(partial,)))
    without = recommend(builders.model(), ASK, builders.environment(edges=(whole,)))
    assert _fires(with_fallback, "edge:cuda", "PLC403")
    assert not _fires(without, "edge:cuda", "PLC403")


def test_an_execution_provider_that_falls_back_more_than_the_caller_allows_is_not_chosen() -> None:
    partial = builders.edge(0.001, ep="cuda", nodes_by_ep=(("cuda", 54), ("cpu", 12)))
    there = builders.environment(edges=(partial, builders.edge(0.01)), clouds=())
    margin = replace(ASK, objective=Objective.MARGIN)
    assert recommend(builders.model(), margin, there).decision.candidate == "edge:cuda"
    for most, candidate in ((0.19, "edge:cuda"), (0.18, EDGE), (0.0, EDGE)):
        asked = replace(margin, max_fallback_ratio=most)
        assert recommend(builders.model(), asked, there).decision.candidate == candidate, most


def test_a_fallback_limit_is_open_where_nobody_knows_which_nodes_run_there() -> None:
    npu = EdgeSite("qnn", builders.edge(0.001, ep="qnn", nodes_by_ep=()).time)
    there = builders.environment(edges=(npu,), clouds=())
    answer = recommend(builders.model(), replace(ASK, max_fallback_ratio=0.1), there)
    assert _verdicts(answer)["edge:qnn"] is None
    assert _fires(answer, "edge:qnn", "PLC403")


REAL = "samples:" + "0" * 64
GPU = "openvino:gpu"


@pytest.mark.parametrize(
    ("parity", "source", "wanted", "feasible", "fires"),
    [
        (Parity(500, 1e-6, 1e-6, 1.0), "seed:7", None, True, False),
        (Parity(500, 1e-2, 3e-3, 1.0), "seed:7", None, True, True),  # float16: told
        (Parity(500, 1e-2, 3e-3, 1.0), "seed:7", 0.99, None, True),  # on invented input
        (Parity(500, 1e-2, 3e-3, 1.0), REAL, 0.99, True, True),
        (Parity(100, 1e-2, 3e-3, 1.0), REAL, 0.99, None, True),  # too few to say
        (Parity(500, 1e-2, 3e-3, 0.9), REAL, 0.99, False, True),
        (Parity(500, 9.0, 0.8, 0.3), "seed:7", None, None, True),  # another answer
        (None, REAL, None, True, True),
        (None, REAL, 0.99, None, True),
    ],
)
def test_an_execution_provider_is_held_to_the_answers_of_the_cpu(
    parity: Parity | None, source: str, wanted: float | None, feasible: bool | None, fires: bool
) -> None:
    edge = builders.edge(0.01, ep=GPU, parity=parity, input_source=source)
    there = builders.environment(edges=(edge,), clouds=())
    answer = recommend(builders.model(), replace(ASK, min_agreement_ratio=wanted), there)
    assert _verdicts(answer)[f"edge:{GPU}"] is feasible
    assert _fires(answer, f"edge:{GPU}", "PLC407") is fires


@pytest.mark.parametrize(
    ("ratio", "wanted", "expected"), [(1.0, 0.99, 512), (0.95, 0.99, 256), (1.0, 0.9999999, None)]
)
def test_so_many_real_samples_tell_whether_enough_answers_are_the_same(
    ratio: float, wanted: float, expected: int | None
) -> None:
    assert samples_that_prove(ratio, wanted) == expected
    edge = builders.edge(0.01, ep=GPU, parity=Parity(20, 1e-2, 3e-3, ratio), input_source=REAL)
    there = builders.environment(edges=(edge,), clouds=())
    answer = recommend(builders.model(), replace(ASK, min_agreement_ratio=wanted), there)
    (found,) = (f for f in answer.candidates[0].findings if f.rule == "PLC407")
    told = "would not settle it" if expected is None else f"about {expected} real samples"
    assert told in found.remedy


def test_float16_that_the_cpu_judged_proves_nothing_of_a_gpu_in_the_cloud() -> None:
    agreement = Agreement(1.0, 0.995, 1.0, 600, 0.001)
    fp16 = Variant("m-fp16.onnx", "m-fp16", builders.model(), agreement)
    made = replace(fp16, made=Made(Precision.FP16, "float16 inside"))
    asked = replace(ASK, min_agreement_ratio=0.99)
    held = builders.cloud()
    measurement = builders.measurement(0.002, ep="cuda", parity=None)
    unheld = replace(held, time=SiteTime(measurement))
    for variant, cloud, fires in ((fp16, unheld, False), (made, unheld, True), (made, held, False)):
        there = builders.environment(clouds=(replace(cloud, variant=variant),))
        answer = recommend(builders.model(), asked, there)
        assert _fires(answer, f"{CLOUD}~m-fp16", "PLC406") is fires
        assert _verdicts(answer)[f"{CLOUD}~m-fp16"] is (True if cloud is held else None)


def test_other_text_is_another_answer() -> None:
    edge = builders.edge(0.01, ep=GPU, parity=Parity(500, 0.0, 0.0, 0.5), input_source=REAL)
    there = builders.environment(edges=(edge,), clouds=())
    answer = recommend(builders.model(), replace(ASK, min_agreement_ratio=0.99), there)
    assert _verdicts(answer)[f"edge:{GPU}"] is False


def test_a_reduced_precision_is_named() -> None:
    edge = builders.edge(0.01, ep=GPU, parity=Parity(500, 1e-2, 3e-3, 1.0))
    answer = recommend(builders.model(), ASK, builders.environment(edges=(edge,), clouds=()))
    (found,) = (f for f in answer.candidates[0].findings if f.rule == "PLC407")
    assert "float16" in found.message


def test_what_may_leave_overrides_the_class() -> None:
    special = replace(ASK, data_class=DataClass.SPECIAL, regions=("US",))
    by_exception = replace(special, may_leave=Leaves.RAW_INPUT)
    assert recommend(builders.model(), special, CLOUD_WINS).decision.candidate == EDGE
    assert recommend(builders.model(), by_exception, CLOUD_WINS).decision.candidate == CLOUD
    stays = replace(ASK, may_leave=Leaves.OUTPUT)
    answer = recommend(builders.model(), stays, CLOUD_WINS)
    assert answer.decision.candidate == EDGE
    assert _blocks(answer, CLOUD, "PLC101")


def test_encryption_can_be_asked_for_whatever_the_class() -> None:
    plain = replace(CLOUD_WINS, path=builders.path(is_encrypted=False))
    assert recommend(builders.model(), ASK, plain).decision.candidate == CLOUD
    asked = replace(ASK, needs_encryption=True)
    assert recommend(builders.model(), asked, plain).decision.candidate == EDGE
    assert recommend(builders.model(), asked, CLOUD_WINS).decision.candidate == CLOUD


@pytest.mark.parametrize("ratio", [0.99, 0.9985, 0.9999])
def test_availability_with_an_unknown_part_is_bounded(ratio: float) -> None:
    """The cloud's own is unknown: over a link of 99.8 % it can be no more than that."""
    unknown = replace(OFTEN_UP, clouds=(builders.cloud(),))
    answer = recommend(builders.model(), replace(ASK, availability_ratio=ratio), unknown)
    verdicts = _verdicts(answer)
    assert verdicts[CLOUD] is (False if ratio > 0.998 else None)
    assert verdicts[EDGE] is (ratio <= 0.999)
    fallback = verdicts["fallback:prefer_device:cpu+aws-g4dn.xlarge@us-east-1"]
    assert fallback is (True if ratio <= 0.999 else None)


def test_a_cloud_gets_the_instances_that_the_throughput_takes() -> None:
    """2 ms, 1.10 times longer at the slow end: 455 answers a second for each instance."""
    answer = recommend(builders.model(), replace(ASK, throughput_hz=5050.0), builders.environment())
    cloud = next(one for one in answer.candidates if one.id == CLOUD)
    assert cloud.instances == 12
    assert not _blocks(answer, CLOUD, "PLC204")
    both = next(one for one in answer.candidates if one.id.startswith("fallback:prefer_device"))
    assert both.instances == 11
    assert both.feasible


def test_a_link_that_is_only_assumed_saturates_nothing_for_sure() -> None:
    ask = replace(SENDING, rate_hz=200.0)
    assumed = replace(CLOUD_WINS, path=ASSUMED, fastest_path=FASTEST)
    for environment, feasible in ((CLOUD_WINS, False), (assumed, None)):
        assert _verdicts(recommend(builders.model(), ask, environment))[CLOUD] is feasible


def test_requests_that_wait_for_each_other_on_the_link_prove_nothing() -> None:
    """8 ms of sending: back to back for regular requests, in each other's way for others."""
    ask = replace(ASK, wire_input_bytes=100_000, rate_hz=50.0)
    verdicts = {
        arrival: _verdicts(recommend(builders.model(), replace(ask, arrival=arrival), CLOUD_WINS))[
            CLOUD
        ]
        for arrival in Arrival
    }
    assert verdicts == {Arrival.PERIODIC: True, Arrival.POISSON: None}


def test_heads_and_packets_count_on_the_link() -> None:
    """1,100 bytes 1,000 times a second are 8.8 Mbit/s of bodies and 10.6 on the wire."""
    ask = replace(ASK, targets=(), wire_input_bytes=1100, rate_hz=1000.0)
    path = builders.path(uplink_bytes_per_s=1.25e6)
    answer = recommend(builders.model(), ask, replace(CLOUD_WINS, path=path))
    assert _blocks(answer, CLOUD, "PLC303")


def test_overflow_that_waits_on_the_link_proves_nothing_either() -> None:
    """A device of 8 ms at 150 a second sends what it cannot take: the link is busy with it."""
    ask = replace(ASK, wire_input_bytes=100_000, rate_hz=150.0, arrival=Arrival.POISSON)
    answer = recommend(builders.model(), ask, builders.environment(edges=(builders.edge(0.008),)))
    fallback = "fallback:prefer_device:cpu+aws-g4dn.xlarge@us-east-1"
    assert _verdicts(answer)[fallback] is None


def test_a_fallback_is_held_to_the_slow_end_of_its_device() -> None:
    """20 ms, at most 5 times more: at 30 a second nothing overflows, at 100 ms two of three do."""
    estimate = ComputeEstimate(0.02, 0.004, 0.1, Level.E6, Basis.CATALOGUE, "test", "")
    environment = builders.environment(
        edges=(EdgeSite("cpu", SiteTime(estimate=estimate)),),
        path=builders.path(data_usd_per_byte=30e-9),
    )
    fallback = "fallback:prefer_device:cpu+aws-g4dn.xlarge@us-east-1"
    ask = replace(ASK, targets=(), rate_hz=30.0, wire_input_bytes=100_000)
    assert _verdicts(recommend(builders.model(), ask, environment))[fallback] is True
    tight = replace(ask, budget_usd_per_month=1000.0)
    answer = recommend(builders.model(), tight, environment)
    assert _blocks(answer, fallback, "PLC501")
    assert _verdicts(answer)[fallback] is None
    large = replace(ask, wire_input_bytes=1_000_000)
    answer = recommend(builders.model(), large, environment)
    assert _blocks(answer, fallback, "PLC303")


def test_an_estimate_is_over_capacity_only_beyond_its_interval() -> None:
    """20 ms, at most 5 times more or less: 50/s, from 10/s to 250/s."""
    estimate = ComputeEstimate(0.02, 0.004, 0.1, Level.E6, Basis.CATALOGUE, "test", "")
    sites = (EdgeSite("cpu", SiteTime(estimate=estimate)),)
    environment = builders.environment(edges=sites)
    found = {
        rate: _verdicts(
            recommend(builders.model(), replace(ASK, targets=(), rate_hz=rate), environment)
        )[EDGE]
        for rate in (5.0, 20.0, 100.0, 300.0)
    }
    assert found == {5.0: True, 20.0: None, 100.0: None, 300.0: False}


def test_memory_can_be_limited_below_what_the_device_has() -> None:
    limited = replace(ASK, memory_limit_bytes=64 * 2**20)
    answer = recommend(builders.model(), limited, builders.environment())
    assert _blocks(answer, EDGE, "PLC401")
    assert answer.decision.candidate == CLOUD


def test_hours_scale_rent_requests_and_energy() -> None:
    ask = replace(ASK, rate_hz=1.0)
    whole = recommend(builders.model(), ask, builders.environment())
    part = recommend(builders.model(), replace(ask, active_ratio=0.25), builders.environment())
    before, after = (
        {one.id: one.usd_per_month or 0.0 for one in answer.candidates} for answer in (whole, part)
    )
    assert after[CLOUD] == pytest.approx(before[CLOUD] / 4)
    device_usd = 200.0 / 36
    assert after[EDGE] - device_usd == pytest.approx((before[EDGE] - device_usd) / 4)


@pytest.mark.parametrize(
    ("wanted", "low", "high", "feasible"),
    [
        (None, 0.9, 0.95, None),
        (0.99, 0.995, 1.0, True),
        (0.99, 0.97, 0.998, None),
        (0.99, 0.9, 0.95, False),
        (0.99, None, None, None),
        (None, None, None, None),
    ],
)
def test_a_faster_variant_is_chosen_only_if_it_agrees(
    wanted: float | None, low: float | None, high: float | None, feasible: bool | None
) -> None:
    """The variant takes 1 ms in place of 10 ms."""
    found = None
    if low is not None and high is not None:
        found = Agreement((low + high) / 2, low, high, 300, 0.1)
    variant = Variant("net-int8.onnx", "net-int8", builders.model(n_bytes=1_000_000), found)
    environment = builders.environment(
        edges=(builders.edge(0.01), replace(builders.edge(0.001), variant=variant)), clouds=()
    )
    ask = replace(ASK, min_agreement_ratio=wanted)
    answer = recommend(builders.model(), ask, environment)
    faster = f"{EDGE}~net-int8"
    assert _verdicts(answer)[faster] is feasible
    assert answer.decision.candidate == (faster if feasible else EDGE)
    candidate = next(one for one in answer.candidates if one.id == faster)
    assert candidate.variant == "net-int8.onnx"
    assert candidate.agreement_ratio == (None if found is None else found.ratio)


@pytest.mark.parametrize(
    ("accuracy", "feasible"),
    [
        (Accuracy(0.98, 0.972, 0.987, 1000), True),
        (Accuracy(0.97, 0.960, 0.979, 1000), None),
        (Accuracy(0.90, 0.883, 0.916, 1000), False),
        (None, None),
    ],
)
def test_what_is_right_too_seldom_is_not_chosen(
    accuracy: Accuracy | None, feasible: bool | None
) -> None:
    variant = Variant("net-int8.onnx", "net-int8", builders.model(), accuracy=accuracy)
    environment = builders.environment(
        edges=(builders.edge(0.01), replace(builders.edge(0.001), variant=variant)),
        clouds=(),
        accuracy=Accuracy(0.99, 0.983, 0.995, 1000),
    )
    answer = recommend(builders.model(), replace(ASK, min_accuracy_ratio=0.97), environment)
    faster = f"{EDGE}~net-int8"
    assert _verdicts(answer) == {EDGE: True, faster: feasible}
    assert _fires(answer, faster, "PLC408") is (feasible is not True)
    assert not _fires(answer, faster, "PLC406")  # it is not asked how often they agree


def test_every_rule_has_a_flip_or_a_test_of_its_own() -> None:
    own = {"PLC103", "PLC403", "PLC406", "PLC407", "PLC408", "PLC409", "PLC601"}
    assert {rule.id for rule in RULES} == {flip.rule for flip in FLIPS} | own


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_explains_itself(rule: object) -> None:
    from placer.core.rules.rule import Rule

    assert isinstance(rule, Rule)
    for text in (rule.title, rule.what, rule.why, rule.example, rule.fix):
        assert len(text) > 10


def test_rule_ids_are_sorted_and_unique() -> None:
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))


def test_personal_data_needs_a_stated_region() -> None:
    personal = replace(ASK, data_class=DataClass.PERSONAL)
    without = recommend(builders.model(), personal, CLOUD_WINS)
    within = recommend(builders.model(), replace(personal, regions=("US",)), CLOUD_WINS)
    assert without.decision.candidate == EDGE
    assert _verdicts(without)[CLOUD] is None
    assert within.decision.candidate == CLOUD
    assert _fires(within, CLOUD, "PLC101")


def test_region_of_unknown_law_is_unproven() -> None:
    nowhere = builders.offer(region=None, jurisdiction=None)
    answer = recommend(
        builders.model(),
        replace(ASK, regions=("EU",)),
        replace(CLOUD_WINS, clouds=(builders.cloud(the_offer=nowhere),)),
    )
    assert _verdicts(answer)["cloud:aws-g4dn.xlarge"] is None


def test_plain_text_is_an_error_only_for_data_that_needs_protection() -> None:
    plain = replace(CLOUD_WINS, path=builders.path(is_encrypted=False))
    assert _verdicts(recommend(builders.model(), ASK, plain))[CLOUD] is True
    unstated = recommend(builders.model(), replace(ASK, data_class=None), plain)
    assert _verdicts(unstated)[CLOUD] is True
    assert _fires(unstated, CLOUD, "PLC104")


def test_process_killed_for_memory_is_a_memory_finding() -> None:
    answer = recommend(
        builders.model(), ASK, builders.environment(edges=_edge_failed("killed", "was killed"))
    )
    assert _fires(answer, EDGE, "PLC401")
    assert not _fires(answer, EDGE, "PLC404")


def test_provider_that_hung_is_unproven_not_violated() -> None:
    answer = recommend(
        builders.model(), ASK, builders.environment(edges=_edge_failed("hung", "no answer"))
    )
    assert _verdicts(answer)[EDGE] is None


def test_cloud_that_cannot_hold_the_weights_is_violated() -> None:
    small = builders.offer(memory_bytes=1_000_000)
    answer = recommend(
        builders.model(),
        ASK,
        replace(CLOUD_WINS, clouds=(CloudSite(small, SiteTime(source="nothing known")),)),
    )
    assert _verdicts(answer)[CLOUD] is False


def test_unknown_cost_cannot_prove_a_budget() -> None:
    answer = recommend(
        builders.model(),
        replace(ASK, rate_hz=1.0, budget_usd_per_month=10_000.0),
        builders.environment(device=builders.device(price_usd=None)),
    )
    assert _verdicts(answer)[EDGE] is None


def _verdicts(answer: Recommendation) -> dict[str, bool | None]:
    return {candidate.id: candidate.feasible for candidate in answer.candidates}


def test_known_part_of_a_cost_over_the_budget_violates_it() -> None:
    poor = replace(ASK, rate_hz=1.0, budget_usd_per_month=50.0)
    environment = replace(CLOUD_WINS, device=builders.device(price_usd=None))
    answer = recommend(builders.model(), poor, environment)
    fallback = next(one for one in answer.candidates if one.id.startswith("fallback:prefer_cloud"))
    assert fallback.usd_per_month is None
    assert fallback.feasible is False
    assert any("it costs at least $" in found.message for found in fallback.findings)


def test_budget_that_the_fast_end_of_an_estimate_keeps_is_unproven() -> None:
    estimate = ComputeEstimate(0.01, 0.004, 0.025, Level.E5, Basis.CATALOGUE, "test", "")
    clouds = (CloudSite(builders.offer(), SiteTime(estimate=estimate)),)
    ask = replace(ASK, rate_hz=10.0, fleet=30, budget_usd_per_month=1000.0)
    answer = recommend(builders.model(), ask, builders.environment(edges=(), clouds=clouds))
    (cloud,) = answer.candidates
    assert cloud.instances is not None
    assert cloud.instances > 2
    assert cloud.usd_per_month is not None
    assert cloud.usd_per_month > 1000
    (found,) = [one for one in cloud.findings if one.rule == "PLC501"]
    assert found.effect is Effect.UNPROVEN
