"""Money: devices, electricity, cloud instances, egress and data plans.

A price that is not known is None, makes the total None, and is named in `Money.missing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from placer.core.environment import CloudOffer, Device, NetworkPath
from placer.core.estimate import Cost
from placer.core.units import HOURS_PER_MONTH, SECONDS_PER_HOUR, SECONDS_PER_MONTH
from placer.core.workload import Workload

AMORTISATION_YEARS = 3.0
"""Straight line over three years, the usual life of computers in accounting."""

_NO_RATE = "request rate"


@dataclass(frozen=True, slots=True)
class Money:
    """What a placement costs."""

    usd_per_month: float | None
    """For the whole fleet; None: something in `missing` is not known."""
    usd_per_million: float | None
    """Per million requests."""
    items: tuple[Cost, ...]
    missing: tuple[str, ...]
    """Names of the figures that are not known."""

    @property
    def least_usd_per_month(self) -> float:
        """The known part: the cost is at least this."""
        return sum(item.usd_per_month or 0.0 for item in self.items)


def requests_per_month(workload: Workload) -> float | None:
    """Return the requests of all devices in a month of 730 hours; None: no rate is stated."""
    if workload.rate_hz is None:
        return None
    return workload.rate_hz * workload.fleet * SECONDS_PER_MONTH * workload.active_ratio


def edge_money(
    device: Device,
    *,
    electricity_usd_per_kwh: float | None,
    fleet: int,
    requests: float | None,
    electricity_source: str = "",
    active_ratio: float = 1.0,
    amortisation_years: float = AMORTISATION_YEARS,
) -> Money:
    """Return the cost of the devices: their price by straight line, and power while they work.

    Parameters
    ----------
    fleet
        Number of devices.
    requests
        Requests per month of the whole fleet; None: not stated.
    active_ratio
        Share of the month in which the devices are powered.
    """
    hardware = energy = None
    missing: list[str] = []
    if device.price_usd is None:
        missing.append("device price")
    else:
        hardware = fleet * device.price_usd / (12 * amortisation_years)
    if device.power_w is None:
        missing.append("device power")
    if electricity_usd_per_kwh is None:
        missing.append("electricity price")
    if device.power_w is not None and electricity_usd_per_kwh is not None:
        hours = HOURS_PER_MONTH * active_ratio
        energy = fleet * device.power_w / 1000 * hours * electricity_usd_per_kwh
    items = (
        Cost("device", hardware, device.price_usd, "USD", None, None, device.source),
        Cost("energy", energy, electricity_usd_per_kwh, "USD/kWh", None, None, electricity_source),
    )
    return _money(items, missing, requests)


def cloud_money(
    offer: CloudOffer,
    path: NetworkPath,
    *,
    up_bytes: int | None,
    down_bytes: int | None,
    instances: int | None,
    requests: float | None,
    active_ratio: float = 1.0,
    capacity_hz: float | None = None,
) -> Money:
    """Return the cost of serving in the cloud: instances, egress and the devices' data plan.

    Parameters
    ----------
    up_bytes, down_bytes
        Size of one request and its answer; None: unknown.
    instances
        Machines that the demand needs; None: not known, or no rate stated.
    requests
        Requests per month that go to the cloud; None: not stated.
    active_ratio
        Share of the month in which the instances are rented.
    capacity_hz
        What one instance serves at most. Without a rate, the cost per million is that of an
        instance that is never idle.
    """
    missing: list[str] = []
    if offer.usd_per_hour is None:
        missing.append("instance price")
    if requests is None:
        missing.append(_NO_RATE)
    elif instances is None:
        missing.append("number of instances")
    egress_each = _bytes_usd("egress price", offer.egress_usd_per_byte, (down_bytes,), missing)
    data_each = _bytes_usd(
        "data plan price", path.data_usd_per_byte, (up_bytes, down_bytes), missing
    )
    rent = None
    if offer.usd_per_hour is not None and instances is not None and requests is not None:
        rent = instances * offer.usd_per_hour * HOURS_PER_MONTH * active_ratio
    place = offer.region, offer.price_as_of, offer.source
    items = (
        Cost("instances", rent, offer.usd_per_hour, "USD/h", *place),
        Cost(
            "egress", _times(egress_each, requests), offer.egress_usd_per_byte, "USD/byte", *place
        ),
        Cost(
            "data plan",
            _times(data_each, requests),
            path.data_usd_per_byte,
            "USD/byte",
            None,
            None,
            path.source,
        ),
    )
    money = _money(items, missing, requests)
    if requests is not None or not capacity_hz:
        return money
    rent_each = _times(offer.usd_per_hour, 1 / (capacity_hz * SECONDS_PER_HOUR))
    each = _sum((rent_each, egress_each, data_each))
    return Money(None, _times(each, 1e6), money.items, money.missing)


def combined(parts: Sequence[Money], *, requests: float | None) -> Money:
    """Return the cost of a placement with several parts.

    Parameters
    ----------
    requests
        Requests per month that the parts serve together; None: not stated.
    """
    items = tuple(item for part in parts for item in part.items)
    return _money(items, [name for part in parts for name in part.missing], requests)


def _money(items: tuple[Cost, ...], missing: Sequence[str], requests: float | None) -> Money:
    total = _sum([item.usd_per_month for item in items])
    each = None if total is None or not requests else total / requests
    return Money(total, _times(each, 1e6), items, tuple(dict.fromkeys(missing)))


def _bytes_usd(
    what: str, usd_per_byte: float | None, sizes: tuple[int | None, ...], missing: list[str]
) -> float | None:
    """Return what the bytes of one request cost; notes what is missing."""
    if usd_per_byte == 0:
        return 0.0
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        missing.append("request and answer size")
    if usd_per_byte is None:
        missing.append(what)
    if usd_per_byte is None or len(known) < len(sizes):
        return None
    return usd_per_byte * sum(known)


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
