"""Where the time of a leg goes: computing, waiting and moving, each with its basis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.core.environment import Basis, NetworkPath
from placer.core.estimate import Latency, Stage, StageKind
from placer.core.latency import ServiceDraws, Way, basis_of_time, compose
from placer.core.placement import CloudSite, Environment, SiteTime
from placer.core.sequential import quantile
from placer.core.transfer import lower_bound_known


def measured_latency(time: SiteTime) -> Latency | None:
    """Return the latency of the samples, else the median of an estimate; None: nothing is known."""
    segments = time.segments_s
    if not segments:
        estimate = time.estimate
        if estimate is None:
            return None
        return Latency(*(estimate.median_s,) * 5)
    samples_s = np.concatenate(segments)
    p50, p90, p95, p99 = (quantile(samples_s, p) for p in (0.5, 0.9, 0.95, 0.99))
    return Latency(p50, p90, p95, p99, float(samples_s.mean()))


def compute_stages(time: SiteTime, ep: str, site: str, way: Way | None) -> tuple[Stage, ...]:
    """Return the time that a site computes, and before it the wait in the queue of its way."""
    latency = measured_latency(time)
    if latency is None:
        return ()
    source = time.source if time.measurement is not None else ""
    if time.measurement is None and time.estimate is not None:
        source = f"{time.estimate.level}: {time.estimate.source}"
    stage = Stage(
        StageKind.COMPUTE,
        f"{site} ({ep})",
        None,
        latency.p50_s,
        latency.p99_s,
        basis_of_time(time),
        source,
    )
    if way is None or way.queue is None:
        return (stage,)
    waits_s, _ = way.own_waits_s()
    # as the quantiles of the whole: the middle of what the replicates give
    p50_s, p99_s = (float(np.median(np.quantile(waits_s, one, axis=1))) for one in (0.5, 0.99))
    queue = Stage(
        StageKind.QUEUE,
        f"{site} ({ep})",
        None,
        p50_s,
        p99_s,
        basis_of_time(time),
        "simulated first-come-first-served queue on the service samples",
    )
    return (queue, stage)


def cloud_stages(
    site: CloudSite,
    way: Way,
    environment: Environment,
    instances: int | None,
) -> tuple[Stage, ...]:
    """Return transfer, the way on to a region, the wait for an instance, and computing there."""
    stages: tuple[Stage, ...] = ()
    path = environment.path
    backbone = path.backbone
    if lower_bound_known(path) and way.up_bytes is not None and way.down_bytes is not None:
        basis = Basis.ASSUMED if environment.fastest_path is not None else path.basis
        access = _moving(way, replace(path, backbone=None))
        stages += (
            Stage(
                StageKind.TRANSFER,
                None,
                path.name,
                access.p50_s,
                access.p99_s,
                basis,
                path.source,
            ),
        )
        if backbone is not None and backbone.high_s:
            whole = _moving(way, path)
            stages += (
                Stage(
                    StageKind.TRANSFER,
                    None,
                    f"the way from {backbone.start} to {backbone.end}",
                    whole.p50_s - access.p50_s,
                    whole.p99_s - access.p99_s,
                    backbone.basis,
                    backbone.source,
                ),
            )
    if way.waits_s is not None and instances is not None:
        stages += (
            Stage(
                StageKind.QUEUE,
                site.offer.name,
                None,
                quantile(way.waits_s, 0.5),
                quantile(way.waits_s, 0.99),
                basis_of_time(site.time),
                f"simulated queue at {instances} instance(s)",
            ),
        )
    return stages + compute_stages(site.time, site.ep, site.offer.name, None)


def _moving(way: Way, path: NetworkPath) -> Latency:
    """Return the time that moving a request and its answer takes alone."""
    moving = Way(
        ServiceDraws(SiteTime()), path=path, up_bytes=way.up_bytes, down_bytes=way.down_bytes
    )
    found = replace(compose([(moving, 1.0)], ()), is_lower_bound=False).latency()
    assert found is not None
    return found
