from dataclasses import replace

import pytest

from placer.core.cost import cloud_money, combined, edge_money, requests_per_month
from placer.core.environment import ChipClass, CloudOffer, Device, NetworkPath
from placer.core.workload import Workload

JETSON = Device(
    name="orin-nano", title="Orin Nano", chip_class=ChipClass.GPU, price_usd=249.0, power_w=15.0
)
L4 = CloudOffer(
    name="aws-g6.xlarge",
    provider="aws",
    instance="g6.xlarge",
    region="us-east-1",
    jurisdiction="US",
    chip_class=ChipClass.GPU,
    ep="cuda",
    usd_per_hour=0.8048,
    egress_usd_per_byte=0.09e-9,
)
FREE = NetworkPath(name="fibre", title="Fibre", data_usd_per_byte=0.0)
SIM = replace(FREE, name="sim", data_usd_per_byte=30e-9)
MILLION = 1e6


def test_device_and_energy_as_in_the_worked_example() -> None:
    money = edge_money(JETSON, electricity_usd_per_kwh=0.1648, fleet=1, requests=MILLION)
    hardware, energy = (item.usd_per_month for item in money.items)
    assert hardware == pytest.approx(0.00948 * 730, rel=0.001)
    assert energy == pytest.approx(0.00247 * 730, rel=0.001)
    assert money.usd_per_month == pytest.approx(8.72, abs=0.01)
    assert money.usd_per_million == money.usd_per_month
    assert money.missing == ()


def test_a_fleet_pays_for_every_device() -> None:
    one = edge_money(JETSON, electricity_usd_per_kwh=0.2, fleet=1, requests=None)
    ten = edge_money(JETSON, electricity_usd_per_kwh=0.2, fleet=10, requests=None)
    assert one.usd_per_month is not None
    assert ten.usd_per_month == pytest.approx(10 * one.usd_per_month)
    assert ten.usd_per_million is None


def test_amortisation_is_a_straight_line_over_the_years_given() -> None:
    money = edge_money(
        JETSON, electricity_usd_per_kwh=0.2, fleet=1, requests=None, amortisation_years=1
    )
    assert money.items[0].usd_per_month == pytest.approx(249 / 12)


@pytest.mark.parametrize(
    ("device", "electricity", "missing"),
    [
        (replace(JETSON, price_usd=None), 0.2, ("device price",)),
        (replace(JETSON, power_w=None), 0.2, ("device power",)),
        (JETSON, None, ("electricity price",)),
        (
            replace(JETSON, price_usd=None, power_w=None),
            None,
            ("device price", "device power", "electricity price"),
        ),
    ],
)
def test_a_missing_price_makes_the_total_unknown(
    device: Device, electricity: float | None, missing: tuple[str, ...]
) -> None:
    money = edge_money(device, electricity_usd_per_kwh=electricity, fleet=1, requests=MILLION)
    assert money.usd_per_month is None
    assert money.usd_per_million is None
    assert money.missing == missing


def test_cloud_is_instances_egress_and_data_plan() -> None:
    money = cloud_money(L4, SIM, up_bytes=149_000, down_bytes=1000, instances=2, requests=MILLION)
    items = {item.name: item.usd_per_month for item in money.items}
    assert items["instances"] == pytest.approx(2 * 0.8048 * 730)
    assert items["egress"] == pytest.approx(0.09)
    assert items["data plan"] == pytest.approx(4500)
    assert money.usd_per_month == pytest.approx(1175.008 + 0.09 + 4500)
    assert money.usd_per_million == pytest.approx(money.usd_per_month)


def test_without_a_rate_the_cost_per_million_is_that_of_a_full_instance() -> None:
    money = cloud_money(
        L4, FREE, up_bytes=150_000, down_bytes=1000, instances=None, requests=None, capacity_hz=50
    )
    assert money.usd_per_month is None
    assert money.usd_per_million == pytest.approx(4.47 + 0.09, abs=0.005)
    assert money.missing == ("request rate",)


def test_without_rate_and_capacity_nothing_is_known() -> None:
    money = cloud_money(L4, FREE, up_bytes=1, down_bytes=1, instances=None, requests=None)
    assert money.usd_per_month is None
    assert money.usd_per_million is None


@pytest.mark.parametrize(
    ("offer", "path", "sizes", "instances", "missing"),
    [
        (replace(L4, usd_per_hour=None), FREE, (1, 1), 1, ("instance price",)),
        (replace(L4, egress_usd_per_byte=None), FREE, (1, 1), 1, ("egress price",)),
        (L4, replace(FREE, data_usd_per_byte=None), (1, 1), 1, ("data plan price",)),
        (L4, FREE, (1, 1), None, ("number of instances",)),
        (L4, SIM, (None, 1), 1, ("request and answer size",)),
        (L4, SIM, (None, None), 1, ("request and answer size",)),
    ],
)
def test_names_what_the_cloud_total_lacks(
    offer: CloudOffer,
    path: NetworkPath,
    sizes: tuple[int | None, int | None],
    instances: int | None,
    missing: tuple[str, ...],
) -> None:
    money = cloud_money(
        offer,
        path,
        up_bytes=sizes[0],
        down_bytes=sizes[1],
        instances=instances,
        requests=MILLION,
        capacity_hz=50,
    )
    assert money.usd_per_month is None
    assert money.missing == missing


def test_a_free_data_plan_needs_no_size() -> None:
    offer = replace(L4, egress_usd_per_byte=0.0)
    money = cloud_money(offer, FREE, up_bytes=None, down_bytes=None, instances=1, requests=MILLION)
    assert money.usd_per_month == pytest.approx(0.8048 * 730)


def test_a_fallback_pays_for_device_and_cloud() -> None:
    edge = edge_money(JETSON, electricity_usd_per_kwh=0.2, fleet=1, requests=2 * MILLION)
    cloud = cloud_money(L4, FREE, up_bytes=1, down_bytes=1, instances=1, requests=MILLION)
    both = combined((edge, cloud), requests=2 * MILLION)
    assert edge.usd_per_month is not None
    assert cloud.usd_per_month is not None
    assert both.usd_per_month == pytest.approx(edge.usd_per_month + cloud.usd_per_month)
    assert both.usd_per_million == pytest.approx((edge.usd_per_month + cloud.usd_per_month) / 2)
    assert [item.name for item in both.items] == [
        "device",
        "energy",
        "instances",
        "egress",
        "data plan",
    ]


def test_each_price_says_where_when_and_from_whom_it_is() -> None:
    offer = replace(L4, price_as_of="2026-11", source="price list")
    money = cloud_money(
        offer, replace(SIM, source="tariff"), up_bytes=1, down_bytes=1, instances=1, requests=1.0
    )
    rent, egress, plan = money.items
    assert (rent.price, rent.price_unit) == (0.8048, "USD/h")
    assert (rent.region, rent.as_of, rent.source) == ("us-east-1", "2026-11", "price list")
    assert (egress.price, egress.region) == (0.09e-9, "us-east-1")
    assert (plan.price, plan.price_unit, plan.source) == (30e-9, "USD/byte", "tariff")


def test_a_fallback_names_each_missing_figure_once() -> None:
    cloud = cloud_money(L4, FREE, up_bytes=1, down_bytes=1, instances=None, requests=None)
    assert combined((cloud, cloud), requests=None).missing == ("request rate",)


def test_a_month_has_730_hours() -> None:
    assert requests_per_month(Workload(rate_hz=2.0, fleet=3)) == 6 * 730 * 3600
    office = Workload(rate_hz=2.0, fleet=3, active_ratio=0.25)
    assert requests_per_month(office) == 6 * 730 * 3600 / 4
    assert requests_per_month(Workload()) is None
