import pytest

from placer.api.cut_privacy import check_may_split
from placer.core.estimate import Placement
from placer.core.partition.problem import InfeasibleError
from placer.core.privacy import TRANSPORT, allowed_in, leaves, most_that_may_leave
from placer.core.workload import DataClass, Leaves, Workload


@pytest.mark.parametrize(
    ("placement", "what"),
    [
        (Placement.EDGE, Leaves.NOTHING),
        (Placement.NONE, Leaves.NOTHING),
        (Placement.CLOUD, Leaves.RAW_INPUT),
        (Placement.FALLBACK, Leaves.RAW_INPUT),
        (Placement.CASCADE, Leaves.RAW_INPUT),
        (Placement.SPLIT, Leaves.INTERMEDIATE),
    ],
)
def test_says_what_leaves_the_device(placement: Placement, what: Leaves) -> None:
    assert leaves(placement) is what


def test_each_class_asks_at_least_what_the_one_before_asks() -> None:
    assert list(TRANSPORT) == list(DataClass)
    strictness = [
        (not rule.may_leave, rule.needs_region, rule.needs_encryption)
        for rule in TRANSPORT.values()
    ]
    assert strictness == sorted(set(strictness))


@pytest.mark.parametrize(
    ("region", "jurisdiction", "allowed", "expected"),
    [
        ("us-east-1", "US", (), True),
        (None, None, (), True),
        ("eu-west-1", "EU", ("EU",), True),
        ("eu-west-1", "EU", ("eea",), True),
        ("eu-west-1", "eu", ("US", "Eu"), True),
        ("EU-West-1", None, ("eu-west-1",), True),
        ("europe-west3", "DE", ("EU",), True),
        ("norwayeast", "NO", ("EEA",), True),
        ("norwayeast", "NO", ("EU",), False),
        ("norwayeast", "NO", ("no",), True),
        ("eu-west-2", "UK", ("EU", "EEA"), False),
        ("eu-west-2", "UK", ("GB",), True),
        ("us-east-1", "US", ("EU",), False),
        ("us-east-1", "US", ("eu-west-1",), False),
        # the law of the Union holds there, but whether it is Germany is not said
        ("europe-west3", "EU", ("DE",), None),
        ("somewhere", "EEA", ("EU",), None),
        ("somewhere", None, ("EU",), None),
        (None, None, ("EU",), None),
        (None, "US", ("eu-west-1",), None),
        (None, "US", ("EU",), False),
    ],
)
def test_places_are_matched_by_region_jurisdiction_and_country(
    region: str | None,
    jurisdiction: str | None,
    allowed: tuple[str, ...],
    expected: bool | None,
) -> None:
    assert allowed_in(region, jurisdiction, allowed) is expected


@pytest.mark.parametrize(
    ("country", "allowed", "expected"),
    [
        ("DE", ("DE",), True),
        ("DE", ("FR",), False),
        ("DE", ("EU",), True),
        ("GB", ("UK",), True),
        ("NO", ("EEA",), True),
        ("NO", ("EU",), False),
    ],
)
def test_a_known_country_settles_what_a_jurisdiction_leaves_open(
    country: str, allowed: tuple[str, ...], expected: bool
) -> None:
    law = "EU" if country == "DE" else None
    assert allowed_in("somewhere", law, allowed, country) is expected


@pytest.mark.parametrize(
    ("workload", "most"),
    [
        (Workload(), Leaves.RAW_INPUT),
        (Workload(data_class=DataClass.PERSONAL), Leaves.RAW_INPUT),
        (Workload(data_class=DataClass.SPECIAL), Leaves.INTERMEDIATE),
        (Workload(data_class=DataClass.SPECIAL, may_leave=Leaves.RAW_INPUT), Leaves.RAW_INPUT),
        (Workload(data_class=DataClass.SPECIAL, may_leave=Leaves.OUTPUT), Leaves.OUTPUT),
    ],
)
def test_gate_and_split_ask_one_function_what_may_leave(workload: Workload, most: Leaves) -> None:
    assert most_that_may_leave(workload) is most
    if most in (Leaves.NOTHING, Leaves.OUTPUT):
        with pytest.raises(InfeasibleError, match="intermediate data"):
            check_may_split(workload)
    else:
        check_may_split(workload)
