"""How many shared cloud instances a demand needs, and the waits at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from placer.core.latency import CONFIDENCE, Way, queue_waits_s, uncertainty_factor
from placer.core.placement import SiteTime
from placer.core.queueing import FloatArray
from placer.core.sequential import quantile
from placer.core.workings import Workings, composed_way, demand_key
from placer.core.workload import Workload

MAX_UTILISATION = 0.95
"""Shared instances are never planned busier: nearer to saturation the wait is not steady within
the length of a simulation, and a burst takes for ever to work off."""
MANY_SERVERS = 2000

NO_WAIT = np.zeros(1)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Cloud instances that serve a demand, and the waits of the requests at them."""

    instances: int
    waits_s: FloatArray
    """Shape (n,)."""


def instances_for(throughput_hz: float, time: SiteTime, *, least: int | None) -> int | None:
    """Return the instances that give so many answers a second, no fewer than ``least``.

    Planned for the slow end of the time.
    """
    mean_s = time.mean_s
    if not throughput_hz or mean_s is None:
        return least
    slow_s = mean_s * uncertainty_factor(time)
    return max(least or 1, math.ceil(throughput_hz * slow_s * (1 - 1e-9)))


def size_fleet(
    way: Way,
    mean_s: float,
    workload: Workload,
    share: float,
    workings: Workings,
    *,
    is_lost_enough: bool = False,
) -> Fleet:
    """Find the fewest shared instances with which the targets are met.

    Where they are not met without any waiting either, further instances cannot help: then the
    fewest at which waiting adds at most 5 % of the tightest limit (without a target: of the mean
    service) at the highest percentile asked for. Never busier than MAX_UTILISATION.

    Parameters
    ----------
    way
        The requests' way without waiting.
    share
        Share of the fleet's requests that come here; with none, one instance stands by.
    is_lost_enough
        Where a target is violated without any waiting, stop at the fewest instances.
    """
    assert workload.rate_hz is not None
    if share == 0:
        return Fleet(1, NO_WAIT)
    load = workload.rate_hz * workload.fleet * share * mean_s
    if load > MANY_SERVERS:
        # so many servers that waiting vanishes at this margin (Halfin and Whitt 1981)
        most_busy = load / MAX_UTILISATION
        return Fleet(math.ceil(max(most_busy, load + 4 * load**0.5)), NO_WAIT)
    percentile = max((target.percentile for target in workload.targets), default=0.99)
    allowed_s = 0.05 * min((target.limit_s for target in workload.targets), default=mean_s)

    def waits_s(instances: int) -> FloatArray:
        return workings.once(
            ("waits", id(way.service), *demand_key(workload), share, instances),
            lambda: queue_waits_s(way.service, workload, instances, share=share),
        )

    def meets(instances: int) -> bool:
        return _is_met(replace(way, waits_s=waits_s(instances)), workload, workings)

    def waits_little(instances: int) -> bool:
        return quantile(waits_s(instances), percentile) <= allowed_s

    fewest = max(1, math.ceil(load / MAX_UTILISATION))
    most = fewest + math.ceil(load) + 8
    found = None
    if workload.targets:
        at_once = replace(way, waits_s=NO_WAIT)
        if is_lost_enough and _is_violated(at_once, workload, workings):
            return Fleet(fewest, NO_WAIT)
        if _is_met(at_once, workload, workings):
            found = _smallest(fewest, most, meets)
    instances = found or _smallest(fewest, most, waits_little) or most
    return Fleet(instances, waits_s(instances))


def _smallest(low: int, high: int, is_enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number from ``low`` that is enough, by doubling steps and bisecting."""
    step, last = 1, low - 1
    while not is_enough(low):
        if low >= high:
            return None
        last, low = low, min(low + step, high)
        step *= 2
    while low - last > 1:
        middle = (last + low) // 2
        if is_enough(middle):
            low = middle
        else:
            last = middle
    return low


def _is_met(way: Way, workload: Workload, workings: Workings) -> bool:
    composed = composed_way(way, workload.targets, workings)
    return all(
        quantile(composed.at(target.percentile), CONFIDENCE) <= target.limit_s
        for target in workload.targets
    )


def _is_violated(way: Way, workload: Workload, workings: Workings) -> bool:
    composed = composed_way(way, workload.targets, workings)
    return any(
        quantile(composed.at(target.percentile), 1 - CONFIDENCE) > target.limit_s
        for target in workload.targets
    )
