"""How often a placement answers at all, and whether it does while the link is down."""

from __future__ import annotations

import math

from placer.core.candidates.timed import TimedPlacement
from placer.core.cascade import Rate
from placer.core.environment import CloudOffer
from placer.core.placement import EdgeSite, Environment
from placer.core.rules.rule import Availability


def answers_offline(timed: TimedPlacement) -> bool:
    """Tell whether the device alone answers at the stated rate."""
    edge, rate_hz = timed.edge, timed.workload.rate_hz
    if edge is None or timed.passed_on is not None:
        return False
    mean_s = edge.time.mean_s
    if rate_hz is None or mean_s is None:
        return edge.failure is None
    return rate_hz * mean_s < 1


def availability_of(timed: TimedPlacement) -> Availability:
    """Return the share of requests that are answered: by the device, or over link and cloud.

    A device that cannot serve the whole rate alone does not count as a way of its own beside the
    cloud. Device, link and cloud are taken to fail independently of each other.
    """
    environment, edge = timed.environment, timed.edge
    offer = None if timed.cloud is None else timed.cloud.offer
    passed_on = timed.passed_on
    if passed_on is None:
        return _either(environment, edge, offer, answers_offline(timed))
    return _both(
        _either(environment, edge, None, True), _either(environment, None, offer, False), passed_on
    )


def _both(on_device: Availability, in_cloud: Availability, passed_on: Rate) -> Availability:
    """Return that of a device which each request needs, and a share of them the cloud as well."""
    return Availability(
        on_device.low_ratio * (1 - passed_on.high_ratio * (1 - in_cloud.low_ratio)),
        on_device.high_ratio * (1 - passed_on.low_ratio * (1 - in_cloud.high_ratio)),
        (*on_device.missing, *in_cloud.missing),
    )


def _either(
    environment: Environment, edge: EdgeSite | None, offer: CloudOffer | None, is_offline: bool
) -> Availability:
    missing = []
    ways: list[tuple[float, float]] = []
    if edge is not None and (is_offline or offer is None):
        ratio = environment.device.availability_ratio
        if ratio is None:
            missing.append(f"device {environment.device.name}")
        ways.append((ratio or 0.0, 1.0 if ratio is None else ratio))
    if offer is not None:
        parts = {
            f"network {environment.path.name}": environment.path.availability_ratio,
            f"cloud {offer.name}": offer.availability_ratio,
        }
        missing += [name for name, ratio in parts.items() if ratio is None]
        low = math.prod(ratio or 0.0 for ratio in parts.values())
        ways.append((low, math.prod(1.0 if one is None else one for one in parts.values())))
    return Availability(
        1 - math.prod(1 - low for low, _ in ways),
        1 - math.prod(1 - high for _, high in ways),
        tuple(missing),
    )
