"""What was worked out for a question, so that the next one need not do it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from placer.core.latency import Composed, ServiceDraws, Way, compose
from placer.core.placement import SiteTime
from placer.core.workload import LatencyTarget, Workload

T = TypeVar("T")


class Workings:
    """What was worked out for one model and its sites; questions that differ in one input share it.

    Parameters
    ----------
    is_brief
        Only verdicts, money and findings are wanted: no stages, no probabilities, no spread.
    """

    def __init__(self, *, is_brief: bool = False) -> None:
        self.is_brief = is_brief
        self._services: dict[int, tuple[SiteTime, ServiceDraws]] = {}
        self._found: dict[tuple[object, ...], object] = {}

    def brief(self) -> Workings:
        """Return workings that share the draws, for many questions of which verdicts count."""
        other = Workings(is_brief=True)
        other._services = self._services
        return other

    def service(self, time: SiteTime) -> ServiceDraws:
        """Return the draws of a site's time."""
        if id(time) not in self._services:
            self._services[id(time)] = (time, ServiceDraws(time))  # keeps the id taken
        return self._services[id(time)][1]

    def once(self, key: tuple[object, ...], work: Callable[[], T]) -> T:
        """Return the result of some work, done once for the same key."""
        if key not in self._found:
            self._found[key] = work()
        return cast("T", self._found[key])


def demand_key(workload: Workload) -> tuple[object, ...]:
    """Return what of a workload decides about queues and instances."""
    return workload.rate_hz, workload.arrival, workload.fleet, workload.throughput_hz


def percentiles_of(workload: Workload) -> tuple[float, ...]:
    """Return the percentiles that are asked for."""
    return tuple(target.percentile for target in workload.targets)


def composed_way(way: Way, targets: tuple[LatencyTarget, ...], workings: Workings) -> Composed:
    """Return the composed latency of one way at the percentiles of targets, worked out once."""
    percentiles = tuple(target.percentile for target in targets)
    key = (id(way.service), id(way.before), way.path, way.up_bytes, way.down_bytes, id(way.waits_s))
    return workings.once(
        ("composed", *key, percentiles),
        lambda: compose([(way, 1.0)], percentiles, is_brief=workings.is_brief),
    )
