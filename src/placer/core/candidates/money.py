"""What a placement costs each month: in the mean, at most and at least."""

from __future__ import annotations

import math

from placer.core.candidates.timed import TimedPlacement
from placer.core.cost import Money, cloud_money, combined, edge_money, requests_per_month


def money_of(timed: TimedPlacement) -> Money:
    """Return what devices and instances cost, with the share of requests that is expected."""
    return _money(timed, timed.leg.instances, timed.share)


def most_usd_per_month(timed: TimedPlacement, money: Money) -> float | None:
    """Return the cost with the device as slow as its estimate allows; None: unknown."""
    share, needed = timed.slow_share, timed.leg.instances
    if share <= timed.share or timed.cloud is None or not needed:
        return money.usd_per_month
    return _money(timed, max(needed, _fewest_instances(timed, share)), share).usd_per_month


def least_usd_per_month(timed: TimedPlacement, money: Money) -> float:
    """Return what the placement costs at least: fewer instances if an estimate is at its fast end.

    Unknown items count as nothing.
    """
    least_usd, cloud, needed = money.least_usd_per_month, timed.cloud, timed.leg.instances
    estimate = None if cloud is None or cloud.time.measurement else cloud.time.estimate
    rent_usd = next((item.usd_per_month for item in money.items if item.name == "instances"), None)
    if estimate is None or rent_usd is None or not needed:
        return least_usd
    fewest = max(1, math.floor(needed * estimate.low_s / estimate.median_s))
    return least_usd - rent_usd * (1 - fewest / needed)


def _fewest_instances(timed: TimedPlacement, share: float) -> int:
    """Return the fewest instances that serve a share of the requests at all."""
    workload = timed.workload
    mean_s = None if timed.cloud is None else timed.cloud.time.mean_s
    if mean_s is None or workload.rate_hz is None:
        return 1
    return max(1, math.ceil(workload.rate_hz * workload.fleet * share * mean_s))


def _money(timed: TimedPlacement, instances: int | None, share: float) -> Money:
    workload, environment = timed.workload, timed.environment
    up_bytes, down_bytes = timed.sizes
    requests = requests_per_month(workload)
    parts = []
    if timed.edge is not None:
        parts.append(
            edge_money(
                environment.device,
                electricity_usd_per_kwh=environment.electricity_usd_per_kwh,
                fleet=workload.fleet,
                requests=requests,
                electricity_source=environment.electricity_source,
                active_ratio=workload.active_ratio,
            )
        )
    if timed.cloud is not None:
        mean_s = timed.cloud.time.mean_s
        parts.append(
            cloud_money(
                timed.cloud.offer,
                environment.path,
                up_bytes=up_bytes,
                down_bytes=down_bytes,
                instances=instances,
                requests=None if requests is None else requests * share,
                active_ratio=workload.active_ratio,
                capacity_hz=None if mean_s is None else 1 / mean_s,
            )
        )
    return parts[0] if len(parts) == 1 else combined(parts, requests=requests)
