"""Which offers are taken where none is named, and what is said about it."""

from __future__ import annotations

import pytest

from placer.api.assumptions import assumptions_of
from placer.api.measuring import MeasuringOptions
from placer.api.offers import load_offers
from placer.core.environment import ChipClass
from placer.core.workload import Objective, Workload
from tests import builders


@pytest.mark.parametrize(
    ("regions", "count", "why"),
    [
        ((), 2, "the cheapest CPU and GPU offer"),
        (("us-east-1",), 2, "the cheapest CPU and GPU offer in the regions stated"),
        (("EU",), 1, "the cheapest GPU offer in the regions stated"),
        (("BR",), 2, "the cheapest CPU and GPU offer, none is known in the regions stated"),
    ],
)
def test_what_is_said_of_default_offers_is_what_they_are(
    regions: tuple[str, ...], count: int, why: str
) -> None:
    offers, said = load_offers((), Workload(regions=regions), ())
    assert (len(offers), said) == (count, why)


def test_offers_with_evidence_are_not_called_the_cheapest() -> None:
    _, said = load_offers((), Workload(), ("aws-g6.xlarge@us-east-1", None))
    assert said == "those with evidence"


def test_nothing_is_said_of_offers_that_were_named() -> None:
    _, said = load_offers(("aws-g6.xlarge@us-east-1",), Workload(), ())
    assert said is None


@pytest.mark.parametrize(("vcpus", "is_told"), [(4, True), (1, False), (None, False)])
def test_capacity_of_a_cpu_offer_is_told_as_one_inference_at_a_time(
    vcpus: int | None, is_told: bool
) -> None:
    offer = builders.offer(name="aws-c7i.xlarge", chip_class=ChipClass.CPU, vcpus=vcpus)
    found = assumptions_of(
        builders.model(), Workload(rate_hz=5.0), builders.device(), builders.path(), [offer],
        [None], [builders.edge()], MeasuringOptions(), False, None,
    )  # fmt: skip
    told = [one for one in found if one.name == "capacity"]
    assert len(told) == is_told
    assert all("aws-c7i.xlarge" in one.source for one in told)


@pytest.mark.parametrize(
    ("objective", "changes", "name", "keys"),
    [
        (
            Objective.ENERGY,
            {},
            "energy of a cloud, split, cascade or fallback",
            "`send_power:`, `receive_power:` and `idle_power:`",
        ),
        (
            Objective.ENERGY,
            {"power_w": None, "send_w": 2.0, "receive_w": 1.0},
            "energy of the device",
            "`power:` and `idle_power:`",
        ),
        (Objective.ENERGY, {"send_w": 2.0, "receive_w": 1.0, "idle_w": 0.5}, "", ""),
        (Objective.LATENCY, {}, "", ""),
    ],
)
def test_energy_that_is_not_known_is_told_with_the_figures_that_are_missing(
    objective: Objective, changes: dict[str, float | None], name: str, keys: str
) -> None:
    found = assumptions_of(
        builders.model(), Workload(objective=objective), builders.device(**changes),
        builders.path(), [builders.offer()], [None], [builders.edge()], MeasuringOptions(),
        False, None,
    )  # fmt: skip
    told = [(one.name, one.value, one.source) for one in found if one.name.startswith("energy")]
    why = f"the file of device this-machine does not state {keys} (docs/catalogue.md)"
    assert told == ([(name, "unknown", why)] if name else [])
