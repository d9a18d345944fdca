"""The way on to a region: what is known of it, what is added, and which verdicts it bears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placer.core.backbone import METRO_S, as_measured, between, unknown
from placer.core.environment import ACCESS, Backbone, Basis, NetworkPath, Place, Region
from placer.core.errors import UsageError
from placer.core.estimate import Candidate, Stage, StageKind, Verdict
from placer.core.evaluate import evaluate
from placer.core.flips import find_flips, parameters
from placer.core.network_estimate import Request, estimate
from placer.core.placement import Cloud, CloudSite, Fallback
from placer.core.transfer import draw_rtt_s, weaknesses
from placer.core.workings import Workings
from placer.core.workload import Arrival, LatencyTarget, Workload
from placer.files import catalogue
from tests import builders

WEST = Region("west", "a", "EU", "NL", "list", rtt_p95_s=(("east", 0.089),), rtt_source="table")
EAST = Region("east", "a", "US", "US", "list", rtt_p95_s=(("west", 0.089),), rtt_source="table")
BESIDE_EAST = Region(
    "e1", "b", "US", "US", "list", near="a-east", near_s=0.01, near_source="one city"
)
ALONE = Region("far", "b", "US", "US", "list")
REGIONS = {one.key: one for one in (WEST, EAST, BESIDE_EAST, ALONE)}
AT_WEST = Place("a-west", False, (WEST,))
IN_US = Place("US", True, (EAST, BESIDE_EAST, ALONE))
TO_EAST = between(AT_WEST, EAST, REGIONS)
NEAR_SITE = replace(TO_EAST, high_s=0.005, low_s=0.005)


def test_a_published_round_trip_is_its_own_interval() -> None:
    assert (TO_EAST.low_s, TO_EAST.high_s, TO_EAST.known_percentile) == (0.089, 0.089, 0.95)
    assert TO_EAST.source == "table"
    assert TO_EAST.basis is Basis.CATALOGUE


def test_two_directions_that_differ_are_the_ends_of_the_interval() -> None:
    back = replace(EAST, rtt_p95_s=(("west", 0.099),))
    found = between(AT_WEST, back, REGIONS | {back.key: back})
    assert (found.low_s, found.high_s) == (0.089, 0.099)


def test_what_lies_between_neighbours_widens_the_interval_both_ways() -> None:
    found = between(AT_WEST, BESIDE_EAST, REGIONS)
    assert (found.low_s, found.high_s) == pytest.approx((0.079, 0.099))
    assert found.source == "table; b-e1 as a-east: one city"


def test_the_way_to_the_same_region_or_the_neighbour_is_no_longer_than_the_city() -> None:
    assert between(AT_WEST, WEST, REGIONS).high_s == METRO_S
    beside = between(Place("a-east", False, (EAST,)), BESIDE_EAST, REGIONS)
    assert (beside.low_s, beside.high_s) == (0.0, 0.01)


def test_a_region_that_stands_beside_none_is_unknown_and_not_guessed() -> None:
    found = between(AT_WEST, ALONE, REGIONS)
    assert found.high_s is None
    assert found.low_s == 0.0


def test_a_country_is_as_far_as_its_farthest_region_and_only_assumed() -> None:
    found = between(IN_US, WEST, REGIONS)
    assert (found.high_s, found.low_s, found.known_percentile) == (0.089, 0.0, 0.0)
    assert found.basis is Basis.ASSUMED


def test_each_round_trip_is_longer_by_the_figure() -> None:
    u = np.array([0.1, 0.5, 0.9])
    plain = builders.path()
    longer = draw_rtt_s(replace(plain, backbone=TO_EAST), u)
    assert longer == pytest.approx(draw_rtt_s(plain, u) + 0.089)
    sampled = builders.path(rtt_samples_s=(0.01, 0.02), rtt_quantiles_s=())
    assert draw_rtt_s(replace(sampled, backbone=TO_EAST), u[:1]) == pytest.approx([0.099])


def test_an_estimate_pays_it_for_every_round_trip_and_says_so() -> None:
    plain = builders.path(connection="new")
    request = Request(1000, 1000)
    near, far = (estimate(one, request) for one in (plain, replace(plain, backbone=TO_EAST)))
    assert far.p50_s - near.p50_s == pytest.approx(3 * 0.089, rel=0.01)  # TCP, TLS, request
    assert "the way from a-west to a-east adds 89.0 ms" in far.assumptions[0]


def site(backbone: Backbone | None) -> CloudSite:
    return replace(builders.cloud(), backbone=backbone)


def judged(
    backbone: Backbone | None, percentile: float, limit_s: float, path: NetworkPath | None = None
) -> Candidate:
    environment = builders.environment(clouds=(site(backbone),))
    if path is not None:
        environment = replace(environment, path=path)
    workload = Workload(targets=(LatencyTarget(percentile, limit_s),))
    return evaluate(Cloud(environment.clouds[0]), builders.model(), workload, environment)


@pytest.mark.parametrize(
    ("percentile", "limit_s", "expected"),
    [
        (0.9, 0.2, Verdict.MET),
        (0.95, 0.2, Verdict.UNPROVEN),  # 5 % of the time the way may take any time
        (0.99, 0.2, Verdict.UNPROVEN),
        (0.99, 0.09, Verdict.VIOLATED),  # 5 % of the requests do pay it
        (0.95, 0.09, Verdict.VIOLATED),
        (0.5, 0.09, Verdict.UNPROVEN),  # the usual round trip is not published
        (0.5, 0.005, Verdict.VIOLATED),  # so it is without the way
    ],
)
def test_a_95th_percentile_proves_what_it_proves(
    percentile: float, limit_s: float, expected: Verdict
) -> None:
    (target,) = judged(TO_EAST, percentile, limit_s).targets
    assert target.verdict is expected


def test_met_is_held_to_five_points_more() -> None:
    # the access alone is steady up to p90 and slow beyond: p88 with the way rests on its p93
    path = builders.path(rtt_quantiles_s=((0.5, 0.01), (0.9, 0.011), (0.92, 0.3), (0.999, 0.31)))
    assert judged(as_measured(TO_EAST), 0.88, 0.2, path).targets[0].verdict is Verdict.MET
    found = judged(TO_EAST, 0.88, 0.2, path).targets[0]
    assert found.verdict is Verdict.UNPROVEN
    assert "89.0 ms added for the way to a-east, its published p95" in found.reason


def test_bounds_are_those_that_are_proven() -> None:
    met = judged(TO_EAST, 0.9, 0.2).targets[0]
    assert met.low_s is None
    assert met.high_s is not None
    assert met.high_s > 0.099
    taken_back = judged(TO_EAST, 0.5, 0.09).targets[0]
    assert taken_back.low_s is not None
    assert taken_back.low_s < 0.02


def test_an_unknown_way_leaves_a_lower_bound() -> None:
    found = judged(unknown("a-west", "b-far"), 0.9, 0.2)
    assert found.latency is None
    assert found.basis is Basis.ASSUMED
    assert found.targets[0].verdict is Verdict.UNPROVEN
    assert found.targets[0].reason == "the way from a-west to b-far is unknown"
    assert judged(unknown("a-west", "b-far"), 0.9, 0.005).targets[0].verdict is Verdict.VIOLATED


def test_a_country_proves_nothing_and_the_reason_asks_for_a_region() -> None:
    found = between(IN_US, WEST, REGIONS)
    for limit_s in (0.2, 0.09):
        assert judged(found, 0.9, limit_s).targets[0].verdict is Verdict.UNPROVEN
    (reason,) = weaknesses(builders.path(backbone=found), 0.9)
    assert "is a guess as long as no region says where in US it begins" in reason


def stage_of(found: Candidate, word: str) -> Stage:
    moving = [one for one in found.stages if one.kind is StageKind.TRANSFER]
    return next(one for one in moving if word in (one.path or ""))


def test_the_way_is_a_stage_of_its_own() -> None:
    found = judged(TO_EAST, 0.9, 0.2)
    way = stage_of(found, "the way from a-west to a-east")
    assert way.p50_s == pytest.approx(0.089)
    assert way.basis is Basis.CATALOGUE
    assert stage_of(found, "line").p50_s == pytest.approx(0.012, rel=0.25)


def test_the_flip_of_the_round_trip_is_of_the_access_alone() -> None:
    environment = builders.environment(clouds=(site(as_measured(NEAR_SITE)),), edges=())
    workload = Workload(targets=(LatencyTarget(0.9, 0.05),), wire_input_bytes=1000)
    model = builders.model()
    rtt = next(p for p in parameters(model, workload, environment) if p.name == "network.rtt")
    assert rtt.now == 0.010
    best = evaluate(Cloud(environment.clouds[0]), model, workload, environment)
    flips = find_flips(model, workload, environment, best, Workings(is_brief=True))
    nearer = find_flips(
        model,
        workload,
        builders.environment(clouds=(site(None),), edges=()),
        best,
        Workings(is_brief=True),
    )
    at, alone = (
        next(float(f.at) for f in found if f.parameter == "network.rtt")
        for found in (flips, nearer)
    )
    # the access may take as much less as the way takes, at the percentile of the target
    assert alone - at == pytest.approx(0.005 / 1.1, rel=0.15)


def test_a_fallback_that_the_way_alone_makes_slow_is_not_called_violated() -> None:
    workload = Workload(targets=(LatencyTarget(0.5, 0.09),), rate_hz=100.0, arrival=Arrival.POISSON)
    environment = builders.environment(edges=(builders.edge(0.02),), clouds=(site(TO_EAST),))
    option = Fallback(environment.edges[0], environment.clouds[0], True)
    near = replace(option, cloud=site(None))
    found = evaluate(option, builders.model(), workload, environment)
    assert found.targets[0].verdict is not Verdict.VIOLATED
    assert found.targets[0].verdict is not Verdict.MET
    assert evaluate(near, builders.model(), workload, environment).targets[0].value_s is not None


def test_loss_is_simulated_over_the_whole_round_trip() -> None:
    path = builders.path(loss_ratio=0.01, loss_burst_packets=1.0, uplink_bytes_per_s=1.25e6)
    near, far = (judged(one, 0.9, 2.0, path).latency for one in (None, as_measured(TO_EAST)))
    assert near is not None
    assert far is not None
    # what was lost is sent again a round trip later: more than the way alone comes on top
    assert far.p99_s - near.p99_s > 0.089


@pytest.mark.parametrize(
    ("text", "name", "is_country"),
    [
        ("azure-uksouth", "azure-uksouth", False),
        ("UKSouth", "azure-uksouth", False),
        ("eu-central-1", "aws-eu-central-1", False),
        ("de", "DE", True),
        ("UK", "GB", True),
    ],
)
def test_a_place_is_a_region_or_a_country(text: str, name: str, is_country: bool) -> None:
    found = catalogue.load_place(text, what="place")
    assert (found.name, found.is_country) == (name, is_country)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("azure-uksout", "unknown place 'azure-uksout' (did you mean 'azure-uksouth'?)", "country"),
        ("us-east-1", "is the name of 2 regions", "aws-us-east-1 or lambda-us-east-1"),
        ("", "unknown place ''", "country"),
    ],
)
def test_an_unknown_place_is_told_with_what_is_near(text: str, told: str, hint: str) -> None:
    with pytest.raises(UsageError, match=r".") as error:
        catalogue.load_place(text, what="place")
    assert told in error.value.message
    assert hint in (error.value.hint or "")


def test_only_an_access_network_or_one_measured_to_a_region_has_a_way_on() -> None:
    (offer,) = catalogue.load_cloud("aws-g6.xlarge@us-east-1")
    place = catalogue.load_place("azure-uksouth", what="place")
    for measured_to in (None, "endpoint"):
        path = builders.path(measured_to=measured_to)
        assert catalogue.backbone_to(path, place, offer) is None
    assert catalogue.backbone_to(builders.path(measured_to=ACCESS), None, offer) is None
    near = catalogue.backbone_to(builders.path(measured_to=ACCESS), place, offer)
    assert near is not None
    assert (near.low_s, near.high_s) == pytest.approx((0.070, 0.090))
    from_region = catalogue.backbone_to(builders.path(measured_to="azure-uksouth"), None, offer)
    assert from_region == near


def test_an_offer_without_a_region_is_behind_an_unknown_way() -> None:
    offer = builders.offer(region=None)
    place = catalogue.load_place("azure-uksouth", what="place")
    found = catalogue.backbone_to(builders.path(measured_to=ACCESS), place, offer)
    assert found is not None
    assert found.high_s is None
    assert found.end == "aws (region not named)"
