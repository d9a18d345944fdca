"""What every placement's latency is made of: one way of answering a request, judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from placer.core.estimate import Latency, Spread, Stage, TargetVerdict, Verdict
from placer.core.latency import Way
from placer.core.placement import CloudSite, Environment

VERDICT_ORDER = (Verdict.MET, Verdict.UNPROVEN, Verdict.VIOLATED)
"""Best first."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One way of answering, judged: the common part of all placements."""

    latency: Latency | None
    targets: tuple[TargetVerdict, ...]
    stages: tuple[Stage, ...]
    held_back: bool
    """Violated by the samples, but contention forbids the claim."""
    capacity_hz: float | None
    demand_hz: float | None
    way: Way
    doubts: tuple[str, ...] = ()
    deciding_assumption: str | None = None
    instances: int | None = None
    spread: Spread | None = None
    wait_s: float | None = None
    """Mean time that a request which goes to the cloud takes from the device on; None: unknown."""


def toward(environment: Environment, site: CloudSite) -> Environment:
    """Return the sites with the paths that lead on to one cloud offer."""
    if site.backbone is None:
        return environment
    fastest = environment.fastest_path
    return replace(
        environment,
        path=replace(environment.path, backbone=site.backbone),
        fastest_path=None if fastest is None else replace(fastest, backbone=site.backbone),
    )


def without_backbone(environment: Environment) -> Environment:
    """Return the sites without what is added for the way on to a region."""
    fastest = environment.fastest_path
    return replace(
        environment,
        path=replace(environment.path, backbone=None),
        fastest_path=None if fastest is None else replace(fastest, backbone=None),
    )


def unpriced(environment: Environment) -> Environment:
    """Return the sites without the price of data, which no latency depends on."""
    path = replace(environment.path, data_usd_per_byte=None)
    return replace(environment, path=path)


def at_least(spread: Spread | None, *, is_so: bool) -> Spread | None:
    """Return a distribution, marked as a lower bound where it is one."""
    return replace(spread, is_lower_bound=True) if spread is not None and is_so else spread
