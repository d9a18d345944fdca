"""Latency of a placement: samples are composed, then the quantile is read.

The bound of a composed quantile is over the inputs: each replicate resamples the measured
samples in blocks and draws each modelled input once from its interval. More draws per replicate
therefore never narrow a bound, and never change a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from placer.core.environment import Basis, NetworkPath
from placer.core.estimate import Latency, Spread, TargetVerdict, Verdict
from placer.core.placement import SiteTime
from placer.core.queueing import (
    FloatArray,
    arrival_times_s,
    overflow,
    single_server_waits_s,
    waits_s,
)
from placer.core.sequential import (
    NEAR_FACTOR,
    block_length,
    correlation_runs,
    judge,
    quantile,
    quantile_bounds,
)
from placer.core.transfer import lower_bound_known
from placer.core.transfer_draws import DRAWS, FAR_TAIL_DRAWS, REPLICATES, SEED, transfer_draws_s
from placer.core.units import format_duration, format_percentile
from placer.core.workload import Arrival, LatencyTarget, Workload

SPREAD_POINTS = 1000
QUEUED_REQUESTS = 5000
"""Requests of a simulated queue at least; more where it is busy."""
MAX_QUEUED_REQUESTS = 20_000
QUEUE_REPLICATES = 40
"""Replicates of a queue: fewer and longer than others, as a short path hides the long waits."""
BUSY_PERIODS = 600
"""Relaxation times that a simulated queue lasts, up to MAX_QUEUED_REQUESTS."""
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
        """Return the estimates of the reported quantiles; None for a mere lower bound.

        None as well where only the quantiles of targets were read.
        """
        if self.is_lower_bound or not set(REPORTED_PERCENTILES) <= set(self.percentiles):
            return None
        p50, p90, p95, p99 = (float(np.median(self.at(p))) for p in REPORTED_PERCENTILES)
        return Latency(p50, p90, p95, p99, float(np.median(self.means_s)))


def is_disturbed(time: SiteTime) -> bool:
    """Tell whether the measurement behind a time was disturbed."""
    return time.behind is not None and time.behind.instrument.is_disturbed


def uncertainty_factor(time: SiteTime) -> float:
    """Return the multiplicative 90 % uncertainty of a site's time; 1 where it is unknown."""
    if time.measurement is not None or time.estimate is None:
        return time.factor_90
    return time.estimate.high_s / time.estimate.median_s


def basis_of_time(time: SiteTime) -> Basis:
    """Return the basis of a site's time; assumed where it is unknown."""
    if time.measurement is not None:
        return Basis.MEASURED
    return Basis.ASSUMED if time.estimate is None else time.estimate.basis


class ServiceDraws:
    """Draws of a site's time; one row for each replicate of its uncertainty."""

    def __init__(self, time: SiteTime) -> None:
        self._time = time
        self.segments_s = time.segments_s
        self._drawn: dict[int, FloatArray] = {}
        self._paths: dict[int, FloatArray] = {}
        self._blocks: dict[tuple[int, ...], int] = {}
        if self.segments_s:
            self._samples_s = np.concatenate(self.segments_s)
            self._ordered_s = np.sort(self._samples_s)
            self._block = min(
                block_length(correlation_runs(self.segments_s)),
                max(1, len(self._samples_s) // 3),
            )

    @property
    def is_known(self) -> bool:
        """Whether there is a measurement or a model of the time."""
        return bool(self.segments_s) or self._time.estimate is not None

    def draw(self, n: int) -> FloatArray:
        """Return ``n`` times for each replicate, (REPLICATES, n); zeros where unknown.

        The same for every call: placements that share a site are compared on the same draws.
        """
        if n not in self._drawn:
            self._drawn[n] = self._draw(n)
        return self._drawn[n]

    def _draw(self, n: int) -> FloatArray:
        z = normal_grid()[:, np.newaxis]
        if self.segments_s:
            return np.asarray(self._resampled(n, REPLICATES) * self._time.factor_90 ** (z / Z95))
        return np.repeat(self._levels_s(z), n, axis=1)

    def _levels_s(self, z: FloatArray) -> FloatArray:
        """Return the modelled time at standard normal quantiles of its uncertainty, likewise."""
        estimate = self._time.estimate
        if estimate is None:
            return np.zeros(z.shape)
        end_s = np.where(z > 0, estimate.high_s, estimate.low_s)
        return np.asarray(estimate.median_s * (end_s / estimate.median_s) ** (np.abs(z) / Z95))

    def _resampled(self, n: int, rows: int) -> FloatArray:
        """Resample blocks of runs, which keeps their dependence; (rows, n)."""
        rng = np.random.default_rng((SEED, 0))
        count = len(self._samples_s)
        starts = rng.integers(0, count, (rows, -(-n // self._block)))
        index = (starts[:, :, np.newaxis] + np.arange(self._block)).reshape(rows, -1)
        return np.asarray(self._samples_s[index[:, :n] % count], dtype=np.float64)

    def path(self, n: int) -> FloatArray:
        """Return ``n`` times in a row for each replicate of a queue, (QUEUE_REPLICATES, n).

        Replicates ascend in the uncertainty of the time. Each resamples the measured runs first,
        as many as there are, and draws its requests from those: a longer path does not make the
        runs more.
        """
        if n not in self._paths:
            self._paths[n] = self._path(n)
        return self._paths[n]

    def _path(self, n: int) -> FloatArray:
        rows = QUEUE_REPLICATES
        z = np.array([NormalDist().inv_cdf((row + 0.5) / rows) for row in range(rows)])
        if not self.segments_s:
            return np.repeat(self._levels_s(z)[:, np.newaxis], n, axis=1)
        rng = np.random.default_rng((SEED, 8))
        count = len(self._samples_s)
        blocks = -(-count // self._block)
        starts = rng.integers(0, count, (rows, blocks))
        picks = rng.integers(0, blocks, (rows, -(-n // self._block)))
        first = np.take_along_axis(starts, picks, axis=1)
        index = (first[:, :, np.newaxis] + np.arange(self._block)).reshape(rows, -1)[:, :n]
        factors = self._time.factor_90 ** (z / Z95)
        return np.asarray(self._samples_s[index % count] * factors[:, np.newaxis])

    def path_length(self, rate_hz: float, servers: int = 1) -> int:
        """Return how many requests a queue is simulated for: more if it is busy.

        Its relaxation time in requests is about ``load (1 + cv^2) / (1 - load)^2``, with the
        coefficient of variation of the service (heavy traffic; Whitt 1989).
        """
        load = min(0.99, rate_hz * (self._time.mean_s or 0.0) / servers)
        spread = 0.0
        if self.segments_s:
            spread = float(self._samples_s.var() / self._samples_s.mean() ** 2)
        wanted = BUSY_PERIODS * load * (1 + spread) / (1 - load) ** 2
        steps = (QUEUED_REQUESTS, 2 * QUEUED_REQUESTS, MAX_QUEUED_REQUESTS)
        return next((n for n in steps if n >= wanted), MAX_QUEUED_REQUESTS)

    def typical(self, n: int) -> FloatArray:
        """Return ``n`` times at the middle of the uncertainty, (n,); zeros where unknown."""
        if self.segments_s:
            return np.asarray(self._resampled(n, 1)[0])
        return np.full(n, 0.0 if self._time.estimate is None else self._time.estimate.median_s)

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
        near_s = max(limit_s, 1e-9)
        # which runs are far decides, not how far
        ends_s = (near_s / NEAR_FACTOR, near_s * NEAR_FACTOR)
        key = tuple(np.searchsorted(self._ordered_s, ends_s).tolist())
        if key not in self._blocks:
            self._blocks[key] = block_length(correlation_runs(self.segments_s, near_s=near_s))
        block = self._blocks[key]
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
    before: ServiceDraws | None = None
    """What a request goes through first, on the device; None: nothing."""

    @property
    def unknowns(self) -> tuple[str, ...]:
        """What is unknown about this way, as sentences."""
        found: tuple[str, ...] = ()
        for service in (self.before, self.service):
            if service is not None and not service.is_known:
                found += (f"the time of an inference is unknown: {service.why_unknown}",)
        if self.path is not None and self.up_bytes is None:
            found += ("the size of a request is unknown (state it: --wire-input)",)
        if self.path is not None and self.down_bytes is None:
            found += ("the size of an answer is unknown",)
        backbone = None if self.path is None else self.path.backbone
        if backbone is not None and backbone.high_s is None:
            found += (f"the way from {backbone.start} to {backbone.end} is unknown",)
        return found

    @property
    def is_lower_bound(self) -> bool:
        """Whether something is unknown, so that the draws bound the latency from below only."""
        return bool(self.unknowns) or (self.path is not None and not lower_bound_known(self.path))

    def own_waits_s(self, least: int = 0) -> tuple[FloatArray, FloatArray]:
        """Return waits at the one server, and the services they precede.

        Both (QUEUE_REPLICATES, n) with n at least ``least``. One replicate after another in one
        path, so that none begins with an empty queue; the first goes twice, and counts once.
        """
        assert self.queue is not None
        rate_hz, arrival = self.queue
        services_s = self.service.path(max(least, self.service.path_length(rate_hz)))
        n = services_s.shape[1]
        gaps_s = _gaps(arrival, services_s.size + n) / rate_hz
        in_a_row_s = np.concatenate((services_s[0], services_s.ravel()))
        waits_s = single_server_waits_s(gaps_s, in_a_row_s)[n:]
        return waits_s.reshape(services_s.shape), services_s

    def queued_s(self, least: int = 0) -> FloatArray:
        """Return latencies with the wait at the one server, (QUEUE_REPLICATES, n)."""
        found_s, services_s = self.own_waits_s(least)
        found_s += services_s
        return found_s

    def draw(self, n: int, first: int | None = None) -> FloatArray:
        """Return ``n`` latencies for each replicate, (REPLICATES, n); the unknown counts nothing.

        Every part has its own random numbers, the same in every call, so that parts compared or
        added over different placements were drawn alike.

        Parameters
        ----------
        first
            Only so many of the ``n``.
        """
        assert self.queue is None
        total_s = self.service.draw(n)[:, :first].copy()
        # in place: memory that is asked for anew costs more here than the sums
        if self.before is not None:
            total_s += self.before.draw(n)[:, :first]
        if self.waits_s is not None and self.waits_s.any():
            total_s += self.waits_s[_picks(n, len(self.waits_s))[:, :first]]
        if self.path is not None:
            sizes = (self.up_bytes or 0, self.down_bytes or 0)
            total_s += transfer_draws_s(self.path, *sizes, n)[:, :first]
        return total_s


def compose(
    ways: Sequence[tuple[Way, float]], percentiles: Iterable[float], *, is_brief: bool = False
) -> Composed:
    """Compose the latency of requests of which each share takes one way.

    Parameters
    ----------
    ways
        (way, share of the requests); the shares add to 1.
    percentiles
        Asked for beside the reported ones.
    is_brief
        Read only those asked for, if any are.
    """
    wanted = percentiles_read(percentiles, is_brief=is_brief)
    return composed_of(
        _drawn(ways, draws_for(wanted)),
        wanted,
        unknowns=tuple(dict.fromkeys(text for way, _ in ways for text in way.unknowns)),
        is_lower_bound=any(way.is_lower_bound for way, _ in ways),
    )


def percentiles_read(percentiles: Iterable[float], *, is_brief: bool) -> tuple[float, ...]:
    """Return the percentiles to read, ascending; parameters as ``compose``."""
    asked = set(percentiles)
    return tuple(sorted(asked if is_brief and asked else {*REPORTED_PERCENTILES, *asked}))


def draws_for(percentiles: tuple[float, ...]) -> int:
    """Return how many draws of each replicate show the highest of some percentiles."""
    return DRAWS if max(percentiles) <= 0.99 else FAR_TAIL_DRAWS


def _drawn(ways: Sequence[tuple[Way, float]], draws: int) -> FloatArray:
    """Return latencies of requests of which each share takes one way, (replicates, draws).

    A way with a queue of its own goes alone, and longer.
    """
    if ways[0][0].queue is not None:
        assert len(ways) == 1
        return ways[0][0].queued_s(draws if draws > DRAWS else 0)
    parts = []
    left = draws
    for index, (way, share) in enumerate(ways):
        n = left if index == len(ways) - 1 else min(left, round(share * draws))
        left -= n
        if n:
            parts.append(way.draw(draws, first=n))
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def spread_over(ways: Sequence[tuple[Way, float]]) -> Spread | None:
    """Return how the latency of requests is distributed, over the uncertainty of its inputs too.

    None: nothing at all is known of it.
    """
    return spread_of(_drawn(ways, DRAWS), is_lower_bound=any(way.is_lower_bound for way, _ in ways))


def spread_of(total_s: FloatArray, *, is_lower_bound: bool) -> Spread | None:
    """Return how latencies of any shape, measured or drawn, are distributed; None: as above."""
    ordered_s = np.sort(total_s, axis=None)
    if is_lower_bound and ordered_s[-1] <= 0:
        return None
    steps = (np.arange(SPREAD_POINTS) + 0.5) / SPREAD_POINTS
    places = (steps * len(ordered_s)).astype(int)
    return Spread(tuple(ordered_s[places].tolist()), is_lower_bound)


def composed_of(
    total_s: FloatArray,
    percentiles: tuple[float, ...],
    *,
    unknowns: tuple[str, ...] = (),
    is_lower_bound: bool = False,
) -> Composed:
    """Read quantiles and mean off drawn latencies, (replicates, draws), which are reordered."""
    draws = total_s.shape[1]
    exact = np.ceil(np.array(percentiles) * draws - 1e-9).astype(int) - 1
    ranks = np.clip(exact, 0, draws - 1)
    means_s = total_s.mean(axis=1)
    total_s.partition(sorted(set(ranks.tolist())), axis=1)  # np.unique would import np.ma
    return Composed(percentiles, total_s[:, ranks], means_s, is_lower_bound, unknowns)


def judge_measured(time: SiteTime, target: LatencyTarget) -> tuple[TargetVerdict, bool]:
    """Judge a target on the samples alone.

    Returns
    -------
    The verdict (its probability left open: `probability_of`), and whether the samples violate the
    target but contention forbids the claim.
    """
    segments = time.segments_s
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
            probability=None,
            reason=series.reason,
            runs_needed=series.runs_needed,
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
    is_sure = may_claim_violated or verdict is Verdict.MET
    return (
        TargetVerdict(
            percentile=target.percentile,
            limit_s=target.limit_s,
            value_s=value_s if known else None,
            low_s=low_s if may_claim_violated else None,  # contention only adds time
            high_s=high_s if known and not reasons else None,
            verdict=verdict,
            # what is not known or not modelled only adds time: the share would be too high;
            # so does contention: the share of a quiet machine is higher
            probability=probability if is_sure and known and not reasons else None,
            reason=reason,
        ),
        held_back,
    )


def queue_waits_s(
    service: ServiceDraws, workload: Workload, servers: int, *, share: float = 1.0
) -> FloatArray:
    """Simulate the waits of the fleet's requests at so many shared instances, shape (n,).

    The first half of the requests fills the queue and is left out.

    Parameters
    ----------
    share
        Share of the fleet's requests that come here.
    """
    assert workload.rate_hz is not None
    rng = np.random.default_rng((SEED, 4))
    # many independent periodic devices together are a Poisson process (Palm and Khintchine)
    many = workload.fleet > MANY_DEVICES
    rate_hz = workload.rate_hz * share * (workload.fleet if many else 1)
    total_hz = workload.rate_hz * share * workload.fleet
    wanted = service.path_length(total_hz, servers)
    if servers > 1:  # told one by one: slow
        wanted = min(wanted, 2 * QUEUED_REQUESTS)
    count = max(wanted, 2 * min(workload.fleet, MANY_DEVICES))
    arrivals_s = arrival_times_s(
        rate_hz,
        count,
        Arrival.POISSON if many else workload.arrival,
        rng,
        fleet=1 if many else workload.fleet,
    )
    return waits_s(arrivals_s, service.typical(count), servers)[count // 2 :]


def overflow_share(
    service: ServiceDraws, workload: Workload, *, slower_ratio: float = 1.0
) -> float:
    """Return the share of requests that find the device busy; 0 where no rate is stated.

    Parameters
    ----------
    slower_ratio
        How much slower than in the middle of its uncertainty the device is.
    """
    if workload.rate_hz is None or not service.is_known:
        return 0.0
    rng = np.random.default_rng((SEED, 5))
    arrivals_s = arrival_times_s(workload.rate_hz, QUEUED_REQUESTS, workload.arrival, rng)
    return float(overflow(arrivals_s, slower_ratio * service.typical(len(arrivals_s))).mean())


def probability_of(time: SiteTime, service: ServiceDraws, target: LatencyTarget) -> float | None:
    """Return the share of bootstrap replicates whose quantile keeps the limit.

    None: too few runs to tell the quantile at all.
    """
    if service.shortage(target.percentile, target.limit_s) is not None:
        return None
    n = sum(map(len, time.segments_s))
    rank = max(1, math.ceil(n * target.percentile - 1e-9))
    # the quantile keeps the limit if at least `rank` of its n runs do
    return float(np.mean(np.sum(service.draw(n) <= target.limit_s, axis=1) >= rank))


@cache
def _uniform(part: int, n: int) -> FloatArray:
    """Uniform random numbers of one part of a latency, (REPLICATES, n)."""
    return np.random.default_rng((SEED, part)).random((REPLICATES, n))


@lru_cache(maxsize=8)
def _picks(n: int, count: int) -> npt.NDArray[np.int64]:
    """Return random places in a series of ``count``, (REPLICATES, n)."""
    return (_uniform(2, n) * count).astype(np.int64)


@cache
def _gaps(arrival: Arrival, n: int) -> FloatArray:
    """Return times between requests in units of their mean, (n,)."""
    match arrival:
        case Arrival.PERIODIC:
            return np.ones(n)
        case Arrival.POISSON:
            return np.random.default_rng((SEED, 1)).exponential(1.0, n)


@cache
def normal_grid() -> FloatArray:
    """Return one standard normal quantile per replicate, evenly spread, in a fixed random order."""
    order = np.random.default_rng(SEED).permutation(REPLICATES)
    return np.array([NormalDist().inv_cdf((place + 0.5) / REPLICATES) for place in order])
