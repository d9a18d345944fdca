"""Waiting time at a site that serves requests one after another."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from placer.core.workload import Arrival

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def arrival_times_s(
    rate_hz: float, n: int, arrival: Arrival, rng: np.random.Generator, *, fleet: int = 1
) -> FloatArray:
    """Return the first n arrivals of all devices together, ascending, shape (n,).

    Periodic devices tick at their own random phase; Poisson streams add up to one.

    Parameters
    ----------
    rate_hz
        Requests per second of one device.
    fleet
        Number of devices.
    """
    match arrival:
        case Arrival.PERIODIC:
            phases = np.sort(rng.random(fleet))
            ticks = np.arange(-(-n // fleet))
            return np.asarray((ticks[:, np.newaxis] + phases).ravel()[:n] / rate_hz)
        case Arrival.POISSON:
            return np.cumsum(rng.exponential(1 / (rate_hz * fleet), n))


def waits_s(arrivals_s: FloatArray, services_s: FloatArray, servers: int) -> FloatArray:
    """Return the waiting time of each request, first come first served, shape (n,).

    Parameters
    ----------
    arrivals_s
        Ascending, shape (n,).
    services_s
        Service time of each request, shape (n,).
    servers
        Identical servers that share one queue, at least 1.

    Source: one server: Lindley's recursion (1952), unrolled; several: Kiefer and Wolfowitz (1955).
    """
    if len(arrivals_s) == 0:
        return np.zeros(0)
    if servers == 1:
        gaps_s = np.diff(arrivals_s, prepend=arrivals_s[0])
        return single_server_waits_s(gaps_s, services_s)
    if _most_at_once(arrivals_s, services_s) <= servers:
        return np.zeros(len(arrivals_s))
    free_at_s = [float(arrivals_s[0])] * servers
    starts_s: list[float] = []
    started, replace_first = starts_s.append, heapq.heapreplace  # looked up once: this loop is hot
    for arrival_s, service_s in zip(arrivals_s.tolist(), services_s.tolist(), strict=True):
        start_s = free_at_s[0]
        if start_s < arrival_s:
            start_s = arrival_s
        started(start_s)
        replace_first(free_at_s, start_s + service_s)
    return np.array(starts_s) - arrivals_s


def _most_at_once(arrivals_s: FloatArray, services_s: FloatArray) -> int:
    """Return the most requests in service at once if each had a server of its own."""
    ended = np.searchsorted(np.sort(arrivals_s + services_s), arrivals_s, "right")
    return int(np.max(np.arange(1, len(arrivals_s) + 1) - ended))


def single_server_waits_s(gaps_s: FloatArray, services_s: FloatArray) -> FloatArray:
    """Return the waits of requests to one server, first come first served, shape (..., n).

    Parameters
    ----------
    gaps_s
        Time since the request before, shape (..., n); that of the first does not count.
    services_s
        Service time of each request, shape (..., n).

    Source: Lindley's recursion (1952), unrolled.
    """
    backlog = np.zeros(services_s.shape)
    np.subtract(services_s[..., :-1], gaps_s[..., 1:], out=backlog[..., 1:])
    np.cumsum(backlog, axis=-1, out=backlog)
    backlog -= np.minimum.accumulate(backlog, axis=-1)
    return backlog


def overflow(arrivals_s: FloatArray, services_s: FloatArray) -> BoolArray:
    """Tell which requests find a single server without a queue busy, shape (n,).

    Those are the ones that a fallback which prefers the device sends to the cloud.
    """
    count = len(arrivals_s)
    # the first arrival that finds the server free again after each request, were it served
    free_again = np.searchsorted(arrivals_s, arrivals_s + services_s, "left")
    blocks = np.flatnonzero(free_again > np.arange(1, count + 1))
    refused = np.zeros(count, dtype=np.bool_)
    index = 0
    for first, following in zip(blocks.tolist(), free_again[blocks].tolist(), strict=True):
        if first >= index:  # served, not itself refused
            refused[first + 1 : following] = True
            index = following
    return refused


def utilisation(rate_hz: float, mean_service_s: float, servers: int) -> float:
    """Return the offered load per server; at 1 and above the queue grows without end."""
    return rate_hz * mean_service_s / servers
