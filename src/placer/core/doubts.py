"""What is weak in the inputs of a verdict: why it cannot be claimed."""

from __future__ import annotations

from dataclasses import replace

from placer.core.environment import NetworkPath
from placer.core.estimate import TargetVerdict, Verdict
from placer.core.latency import Composed, ServiceDraws
from placer.core.network.framing import REQUEST_HEAD_BYTES, RESPONSE_HEAD_BYTES
from placer.core.network.wire import wire_bytes
from placer.core.placement import Environment, SiteTime
from placer.core.transfer import weaknesses
from placer.core.units import format_duration, format_factor, format_percentile
from placer.core.workload import Arrival, LatencyTarget, Workload

MAX_LINK_LOAD = 0.1
"""Busier than this with irregular requests, waiting on the link is no longer small beside sending:
at 0.1 the mean wait is 6 % of the time that sending takes (M/D/1: load / 2 / (1 - load))."""
MAX_REGULAR_LINK_LOAD = 0.8
"""Regular requests wait for each other only where sending one takes as long as their distance."""


def idle_doubts(time: SiteTime, rate_hz: float | None) -> tuple[str, ...]:
    """Say where evidence was taken back to back and the workload leaves the model idle."""
    measured = time.measurement
    if measured is None or rate_hz is None or measured.gap_s > 0:
        return ()
    if 1 / rate_hz < 2 * max(measured.samples_s):
        return ()
    return ("the device was measured back to back; idle between requests it may be slower",)


def slow_end_doubts(time: SiteTime, demand_hz: float | None, servers: int) -> tuple[str, ...]:
    """Say where the slow end of an estimate could not serve the demand."""
    if time.measurement is not None or time.estimate is None or demand_hz is None:
        return ()
    if demand_hz * time.estimate.high_s < servers:
        return ()
    return ("at the slow end of the estimate more requests arrive than are served",)


def link_load(
    path: NetworkPath, rate_hz: float, up_bytes: int | None, down_bytes: int | None
) -> tuple[float, float]:
    """Return the share of the time in which one device's link is busy: usually, and when slow.

    The busier of both directions; a rate or a size that is unknown counts nothing.
    """

    def busy(directions: tuple[tuple[int | None, float | None], ...]) -> float:
        known = [rate_hz * size / rate for size, rate in directions if size and rate]
        return max(known, default=0.0)

    up_bytes = None if up_bytes is None else wire_bytes(up_bytes, REQUEST_HEAD_BYTES)
    down_bytes = None if down_bytes is None else wire_bytes(down_bytes, RESPONSE_HEAD_BYTES)
    up_p5, down_p5 = path.uplink_p5_bytes_per_s, path.downlink_p5_bytes_per_s
    return (
        busy(((up_bytes, path.uplink_bytes_per_s), (down_bytes, path.downlink_bytes_per_s))),
        busy(
            (
                (up_bytes, up_p5 or path.uplink_bytes_per_s),
                (down_bytes, down_p5 or path.downlink_bytes_per_s),
            )
        ),
    )


def is_saturated(
    path: NetworkPath,
    workload: Workload,
    share: float,
    up_bytes: int | None,
    down_bytes: int | None,
) -> bool:
    """Tell whether the link of a device is asked for more than it carries: its queue never ends."""
    if workload.rate_hz is None:
        return False
    return link_load(path, workload.rate_hz * share, up_bytes, down_bytes)[0] >= 1


def link_doubts(
    path: NetworkPath,
    workload: Workload,
    share: float,
    up_bytes: int | None,
    down_bytes: int | None,
) -> tuple[str, ...]:
    """Say where requests of a device wait for each other on its link: that is not modelled."""
    if workload.rate_hz is None:
        return ()
    usual, slow = link_load(path, workload.rate_hz * share, up_bytes, down_bytes)
    is_regular = workload.arrival is Arrival.PERIODIC and share == 1.0
    load = slow if is_regular else usual
    if load <= (MAX_REGULAR_LINK_LOAD if is_regular else MAX_LINK_LOAD):
        return ()
    return (
        f"the link is busy {100 * load:.0f} % of the time: requests wait for each other on it, "
        "which is not modelled",
    )


def path_doubts(
    service: ServiceDraws, composed: Composed, path: NetworkPath, target: LatencyTarget
) -> tuple[str, ...]:
    """Say why the figures of a path, or too few samples, cannot prove a target."""
    left_s = service.left_of(composed, target)
    shortage = service.shortage(target.percentile, left_s)
    return (*weaknesses(path, target.percentile), *((shortage,) if shortage else ()))


def doubt_assumed_path(
    targets: tuple[TargetVerdict, ...],
    at_best: tuple[TargetVerdict, ...],
    environment: Environment,
) -> tuple[tuple[TargetVerdict, ...], str | None]:
    """Take back verdicts that hold only on the assumed path."""
    fastest = environment.fastest_path
    assert fastest is not None
    kept: list[TargetVerdict] = []
    changed: list[str] = []
    for target, best in zip(targets, at_best, strict=True):
        if target.verdict is Verdict.VIOLATED and best.verdict is Verdict.VIOLATED:
            kept.append(target)
            continue
        name, limit = format_percentile(target.percentile), format_duration(target.limit_s)
        changed.append(
            f"{name} ≤ {limit} depends on the network, which nobody stated: on "
            f"{environment.path.name} {_as_clause(target)}"
        )
        kept.append(
            replace(
                target,
                verdict=Verdict.UNPROVEN,
                reason=f"on the assumed network {environment.path.name} {_as_clause(target)}",
            )
        )
    return tuple(kept), "; ".join(changed) or None


def lossiest_path(path: NetworkPath) -> NetworkPath | None:
    """Return the path at the upper end of its measured loss; None: that is no more than its loss.

    The losses come one by one there: whether they come in bursts is told by another doubt.
    """
    at_most = path.loss_at_most_ratio
    if at_most is None or path.loss_ratio is None or at_most <= path.loss_ratio:
        return None
    return replace(path, loss_ratio=at_most, loss_at_most_ratio=None)


def loss_doubt(lossiest: NetworkPath) -> str:
    """Say up to what the loss of a path is known."""
    return (
        f"network '{lossiest.name}': its packet loss was measured on so few packets that it may be "
        f"{100 * (lossiest.loss_ratio or 0.0):.2g} %"
    )


def doubt_loss(
    targets: tuple[TargetVerdict, ...],
    at_worst: tuple[TargetVerdict, ...],
    lossiest: NetworkPath,
) -> tuple[TargetVerdict, ...]:
    """Take back what is met at the loss that was seen, and not at what it may be."""
    return tuple(
        target
        if target.verdict is not Verdict.MET or worst.verdict is Verdict.MET
        else replace(target, verdict=Verdict.UNPROVEN, high_s=None, reason=loss_doubt(lossiest))
        for target, worst in zip(targets, at_worst, strict=True)
    )


def _as_clause(target: TargetVerdict) -> str:
    """Return what the figures say, as the end of a sentence."""
    match target.verdict:
        case Verdict.VIOLATED:
            return f"it is {target.reason}, too slow"
        case Verdict.MET:
            return f"it is {target.reason}, fast enough"
        case _:
            return f"it is not settled either ({target.reason})"


def doubts_of_time(time: SiteTime, where: str) -> tuple[str, ...]:
    """Say what is weak in the time of a site, for PLC601."""
    if time.measurement is not None:
        if time.measurement.is_reused and time.factor_90 > 1.1:
            return (
                f"the measurement of {where} dates from {time.measurement.measured_at} "
                f"({time.level}: ×/÷ {format_factor(time.factor_90)})",
            )
        return ()
    if time.estimate is None:
        return (f"nothing tells how fast the model runs on {where} (E7): {time.source}",)
    above = format_factor(time.estimate.high_s / time.estimate.median_s)
    below = format_factor(time.estimate.median_s / time.estimate.low_s)
    spread = f"×/÷ {above}" if above == below else f"×{above}, ÷{below}"
    note = f": {time.estimate.note}" if time.estimate.note else ""
    return (f"the time on {where} is an estimate of level {time.estimate.level} ({spread}){note}",)
