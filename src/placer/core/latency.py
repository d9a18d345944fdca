"""Latency of a placement: samples are composed, then the quantile is read.

The bound of a composed quantile is over the inputs: each replicate resamples the measured
samples in blocks and draws each modelled input once from its interval. More draws per replicate
therefore never narrow a bound, and never change a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.environment import Basis, NetworkPath
from placer.core.estimate import Latency, TargetVerdict, Verdict
from placer.core.placement import SiteTime
from placer.core.queueing import arrival_times_s, overflow, waits_s
from placer.core.sequential import (
    block_length,
    correlation_runs,
    judge,
    quantile,
    quantile_bounds,
)
from placer.core.transfer import draw_rates, draw_rtt_s, lower_bound_known, request_s
from placer.core.units import format_duration, format_percentile
from placer.core.workload import Arrival, LatencyTarget, Workload

SEED = 20261123
REPLICATES = 200
DRAWS = 1000
FAR_TAIL_DRAWS = 10_000
"""Draws where a percentile above p99 is asked for: p99.9 needs ten draws beyond it."""
QUEUED_REQUESTS = 5000
MANY_SERVERS = 2000
MANY_DEVICES = 1000
REPORTED_PERCENTILES = (0.5, 0.9, 0.95, 0.99)
CONFIDENCE = 0.95
Z95 = 1.6448536269514722
"""95th percentile of the standard normal: the end of a central 90 % interval."""


@dataclass(frozen=True, slots=True)
class Composed:
    """Quantiles of a latency over replicates of its uncertain inputs."""

    percentiles: tuple[float, ...]
    quantiles_s: np.ndarray
    """Shape (replicates, percentiles)."""
    means_s: np.ndarray
    """Shape (replicates,)."""
    is_lower_bound: bool
    """Something is unknown and counted as nothing: only ``violated`` can be claimed."""
    unknowns: tuple[str, ...] = ()
    """What is unknown, as sentences."""

    def at(self, percentile: float) -> np.ndarray:
        """Return the quantile in every replicate, shape (replicates,)."""
        return self.quantiles_s[:, self.percentiles.index(percentile)]

    def latency(self) -> Latency | None:
        """Return the estimates of the reported quantiles; None for a mere lower bound."""
        if self.is_lower_bound:
            return None
        p50, p90, p95, p99 = (float(np.median(self.at(p))) for p in REPORTED_PERCENTILES)
        return Latency(p50, p90, p95, p99, float(np.median(self.means_s)))


def segments_of(time: SiteTime) -> tuple[np.ndarray, ...]:
    """Return the measured samples of each process, shape (n,) each."""
    if time.measurement is None:
        return ()
    return tuple(np.asarray(run.samples_s) for run in time.measurement.processes)


def is_disturbed(time: SiteTime) -> bool:
    """Tell whether the measurement behind a time was disturbed."""
    return time.measurement is not None and time.measurement.instrument.is_disturbed


def mean_service_s(time: SiteTime) -> float | None:
    """Return the mean time of one inference; None: unknown."""
    if time.measurement is not None:
        return float(np.mean(np.concatenate(segments_of(time))))
    return None if time.estimate is None else time.estimate.median_s


def basis_of_time(time: SiteTime) -> Basis:
    """Return the basis of a site's time; assumed where it is unknown."""
    if time.measurement is not None:
        return Basis.MEASURED
    return Basis.ASSUMED if time.estimate is None else time.estimate.basis


class ServiceDraws:
    """Draws of a site's time, one array per replicate."""

    def __init__(self, time: SiteTime) -> None:
        self._time = time
        self.segments_s = segments_of(time)
        self._z = _normal_grid()
        if self.segments_s:
            self._samples_s = np.concatenate(self.segments_s)
            self._block = min(
                block_length(correlation_runs(self.segments_s)),
                max(1, len(self._samples_s) // 3),
            )

    @property
    def is_known(self) -> bool:
        """Whether there is a measurement or a model of the time."""
        return bool(self.segments_s) or self._time.estimate is not None

    def draw(self, replicate: int, n: int) -> np.ndarray:
        """Return ``n`` times of one replicate, shape (n,); zeros where the time is unknown."""
        z = self._z[replicate]
        if self.segments_s:
            rng = _stream(replicate, 0)
            starts = rng.integers(0, len(self._samples_s), -(-n // self._block))
            index = (starts[:, np.newaxis] + np.arange(self._block)).ravel()[:n]
            values_s = self._samples_s[index % len(self._samples_s)]
            return np.asarray(values_s * self._time.factor_90 ** (z / Z95))
        estimate = self._time.estimate
        if estimate is None:
            return np.zeros(n)
        end_s = estimate.high_s if z > 0 else estimate.low_s
        return np.full(n, estimate.median_s * (end_s / estimate.median_s) ** (abs(z) / Z95))

    def shortage(self, percentile: float, limit_s: float) -> str | None:
        """Say why the samples give no upper bound at a percentile; None: they do.

        Parameters
        ----------
        limit_s
            What the rest of the latency leaves for the service: runs far from it need not be
            independent of each other.
        """
        if not self.segments_s:
            return None
        block = block_length(correlation_runs(self.segments_s, near_s=max(limit_s, 1e-9)))
        _, high_s = quantile_bounds(self._samples_s, percentile, block_runs=block)
        if high_s is not None:
            return None
        return (
            f"{len(self._samples_s)} runs give no upper bound for {format_percentile(percentile)}"
        )

    def left_of(self, composed: Composed, target: LatencyTarget) -> float:
        """Return what the rest of a composed latency leaves of a limit for the service."""
        rest_s = float(np.median(composed.at(target.percentile)))
        rest_s -= quantile(self._samples_s, target.percentile) if self.segments_s else 0.0
        return max(0.0, target.limit_s - max(0.0, rest_s))

    @property
    def why_unknown(self) -> str:
        """Why there is neither a measurement nor an estimate."""
        return self._time.source or "nothing is known about it"


@dataclass(frozen=True, slots=True)
class Way:
    """How a request is answered: service on a site, and what comes before and after it."""

    service: ServiceDraws
    path: NetworkPath | None = None
    """None: the site is the device."""
    up_bytes: int | None = 0
    down_bytes: int | None = 0
    waits_s: np.ndarray | None = None
    """Waiting times at a shared site to draw from, shape (n,)."""
    queue: tuple[float, Arrival] | None = None
    """(rate in Hz, arrival process) of the requests that queue for this one server."""

    @property
    def unknowns(self) -> tuple[str, ...]:
        """What is unknown about this way, as sentences."""
        found: tuple[str, ...] = ()
        if not self.service.is_known:
            found += (f"the time of an inference is unknown: {self.service.why_unknown}",)
        if self.path is not None and self.up_bytes is None:
            found += ("the size of a request is unknown (state it: --wire-input)",)
        if self.path is not None and self.down_bytes is None:
            found += ("the size of an answer is unknown",)
        return found

    @property
    def is_lower_bound(self) -> bool:
        """Whether something is unknown, so that the draws bound the latency from below only."""
        return bool(self.unknowns) or (self.path is not None and not lower_bound_known(self.path))

    def draw(self, replicate: int, n: int) -> np.ndarray:
        """Return ``n`` latencies of one replicate; what is unknown counts as nothing.

        Every part has its own stream of random numbers, so that parts compared or added over
        different placements were drawn alike.
        """
        total_s = self.service.draw(replicate, n)
        if self.queue is not None:
            rate_hz, arrival = self.queue
            arrivals_s = arrival_times_s(rate_hz, n, arrival, _stream(replicate, 1))
            total_s = total_s + waits_s(arrivals_s, total_s, 1)
        if self.waits_s is not None:
            total_s = total_s + _stream(replicate, 2).choice(self.waits_s, n)
        if self.path is not None:
            total_s = total_s + _transfer_s(
                self.path, self.up_bytes or 0, self.down_bytes or 0, _stream(replicate, 3), n
            )
        return total_s


def compose(ways: Sequence[tuple[Way, float]], targets: Sequence[LatencyTarget]) -> Composed:
    """Compose the latency of requests of which each share takes one way.

    Parameters
    ----------
    ways
        (way, share of the requests); the shares add to 1.
    """
    percentiles = tuple(sorted({*REPORTED_PERCENTILES, *(target.percentile for target in targets)}))
    draws = DRAWS if max(percentiles) <= 0.99 else FAR_TAIL_DRAWS
    ranks = np.clip(np.ceil(np.array(percentiles) * draws - 1e-9).astype(int) - 1, 0, draws - 1)
    quantiles_s = np.empty((REPLICATES, len(percentiles)))
    means_s = np.empty(REPLICATES)
    for replicate in range(REPLICATES):
        parts = []
        left = draws
        for index, (way, share) in enumerate(ways):
            n = left if index == len(ways) - 1 else min(left, round(share * draws))
            left -= n
            parts.append(way.draw(replicate, n))
        total_s = np.sort(np.concatenate(parts))
        quantiles_s[replicate] = total_s[ranks]
        means_s[replicate] = total_s.mean()
    unknowns = tuple(dict.fromkeys(text for way, _ in ways for text in way.unknowns))
    is_lower_bound = any(way.is_lower_bound for way, _ in ways)
    return Composed(percentiles, quantiles_s, means_s, is_lower_bound, unknowns)


def judge_measured(time: SiteTime, target: LatencyTarget) -> tuple[TargetVerdict, bool]:
    """Judge a target on the samples alone.

    Returns
    -------
    The verdict, and whether the samples violate the target but contention forbids the claim.
    """
    segments = segments_of(time)
    disturbed = is_disturbed(time)
    series = judge(segments, target, may_claim_violated=not disturbed, margin_factor=time.factor_90)
    held_back = False
    if disturbed and series.verdict is Verdict.UNPROVEN:
        quiet = judge(segments, target, may_claim_violated=True, margin_factor=time.factor_90)
        held_back = quiet.verdict is Verdict.VIOLATED
    return (
        TargetVerdict(
            percentile=target.percentile,
            limit_s=target.limit_s,
            value_s=series.value_s,
            low_s=series.low_s,
            high_s=series.high_s,
            verdict=series.verdict,
            probability=_probability(time, target),
            reason=series.reason,
        ),
        held_back,
    )


def judge_composed(
    composed: Composed,
    target: LatencyTarget,
    *,
    doubts: Sequence[str] = (),
    may_claim_violated: bool = True,
) -> tuple[TargetVerdict, bool]:
    """Judge a target on composed quantiles.

    Parameters
    ----------
    doubts
        Why ``met`` cannot be claimed however low the estimate is.

    Returns
    -------
    The verdict, and whether ``violated`` was held back because of contention.
    """
    values_s = composed.at(target.percentile)
    low_s = quantile(values_s, 1 - CONFIDENCE)
    high_s = quantile(values_s, CONFIDENCE)
    value_s = float(np.median(values_s))
    probability = float(np.mean(values_s <= target.limit_s))
    limit = format_duration(target.limit_s)
    held_back = low_s > target.limit_s and not may_claim_violated
    reasons = (*composed.unknowns, *doubts)
    if low_s > target.limit_s and may_claim_violated:
        verdict = Verdict.VIOLATED
        part = " from the known part alone" if composed.is_lower_bound else ""
        reason = f"at least {format_duration(low_s)}{part}"
    elif reasons:
        verdict, reason = Verdict.UNPROVEN, "; ".join(reasons)
    elif held_back:
        verdict, reason = Verdict.UNPROVEN, "over the limit, but the measurement was disturbed"
    elif high_s <= target.limit_s:
        verdict, reason = Verdict.MET, f"at most {format_duration(high_s)}"
    else:
        verdict = Verdict.UNPROVEN
        reason = (
            f"it lies between {format_duration(low_s)} and {format_duration(high_s)}, "
            f"and the limit of {limit} within"
        )
    known = not composed.is_lower_bound
    return (
        TargetVerdict(
            percentile=target.percentile,
            limit_s=target.limit_s,
            value_s=value_s if known else None,
            low_s=low_s,
            high_s=high_s if known and not reasons else None,
            verdict=verdict,
            probability=probability if known else None,
            reason=reason,
        ),
        held_back,
    )


def shared_instances(
    time: SiteTime,
    workload: Workload,
    targets: Sequence[LatencyTarget],
    *,
    share: float = 1.0,
) -> tuple[int, np.ndarray] | None:
    """Find how many instances the whole fleet needs, and the waits its requests then see.

    The number is the smallest at which waiting, on the service samples, adds at most 5 % of the
    tightest limit (without a target: of the mean service) at the highest asked percentile.

    Parameters
    ----------
    share
        Share of the requests that come here; with none, one instance stands by.

    Returns
    -------
    (instances, waits in seconds of shape (n,)), or None where rate or time is unknown.
    """
    service_s = mean_service_s(time)
    if workload.rate_hz is None or service_s is None:
        return None
    if share == 0:
        return 1, np.zeros(1)
    total_hz = workload.rate_hz * workload.fleet * share
    load = total_hz * service_s
    if load > MANY_SERVERS:
        # so many servers that waiting vanishes at this margin (Halfin and Whitt 1981)
        return math.ceil(load + 4 * load**0.5), np.zeros(1)
    rng = np.random.default_rng(SEED)
    percentile = max((target.percentile for target in targets), default=0.99)
    allowed_s = 0.05 * min((target.limit_s for target in targets), default=service_s)
    # many independent periodic devices together are a Poisson process (Palm and Khintchine)
    many = workload.fleet > MANY_DEVICES
    arrivals_s = arrival_times_s(
        total_hz if many else workload.rate_hz * share,
        QUEUED_REQUESTS,
        Arrival.POISSON if many else workload.arrival,
        rng,
        fleet=1 if many else workload.fleet,
    )
    services_s = ServiceDraws(time).draw(REPLICATES // 2, len(arrivals_s))
    instances = int(load) + 1
    while True:
        waits = waits_s(arrivals_s, services_s, instances)
        if quantile(waits, percentile) <= allowed_s or instances > 2 * load + 8:
            return instances, waits
        instances += max(1, instances // 20)


def overflow_share(time: SiteTime, workload: Workload) -> float:
    """Return the share of requests that find the device busy; 0 where no rate is stated."""
    service = ServiceDraws(time)
    if workload.rate_hz is None or not service.is_known:
        return 0.0
    rng = np.random.default_rng(SEED)
    arrivals_s = arrival_times_s(workload.rate_hz, QUEUED_REQUESTS, workload.arrival, rng)
    return float(overflow(arrivals_s, service.draw(0, len(arrivals_s))).mean())


def _transfer_s(
    path: NetworkPath, up_bytes: int, down_bytes: int, rng: np.random.Generator, n: int
) -> np.ndarray:
    uniform = (rng.permutation(n) + rng.random(n)) / n
    if path.rtt_samples_s:
        samples_s = np.asarray(path.rtt_samples_s)
        resampled_s = np.sort(samples_s[rng.integers(0, len(samples_s), len(samples_s))])
        rtt_s = resampled_s[(uniform * len(samples_s)).astype(int)]
    elif any(percentile <= 0.5 for percentile, _ in path.rtt_quantiles_s):
        rtt_s = draw_rtt_s(path, uniform)
    else:
        rtt_s = np.zeros(n)
    uplink, downlink = (
        np.full(n, np.inf) if rate is None else rate for rate in draw_rates(path, rng, n)
    )
    return request_s(
        path,
        up_bytes=up_bytes,
        down_bytes=down_bytes,
        rtt_s=rtt_s,
        uplink_bytes_per_s=uplink,
        downlink_bytes_per_s=downlink,
    )


def _probability(time: SiteTime, target: LatencyTarget) -> float | None:
    """Return the share of bootstrap replicates whose quantile keeps the limit.

    None: too few runs to tell the quantile at all.
    """
    draws = ServiceDraws(time)
    if draws.shortage(target.percentile, target.limit_s) is not None:
        return None
    n = sum(map(len, draws.segments_s))
    kept = sum(
        quantile(draws.draw(replicate, n), target.percentile) <= target.limit_s
        for replicate in range(REPLICATES)
    )
    return kept / REPLICATES


def _stream(replicate: int, part: int) -> np.random.Generator:
    return np.random.default_rng((SEED, replicate, part))


def _normal_grid() -> np.ndarray:
    """Return one standard normal quantile per replicate, evenly spread, in a fixed random order."""
    from scipy.special import ndtri

    order = np.random.default_rng(SEED).permutation(REPLICATES)
    return np.asarray(ndtri((order + 0.5) / REPLICATES))
