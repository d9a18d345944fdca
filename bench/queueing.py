"""Compare simulated mean waits with queueing theory.

    ./dev bench queueing [--requests 4000000]

M/D/1: Poisson arrivals, fixed service, one server (Pollaczek and Khinchine). M/M/c: Poisson
arrivals, exponential service, c servers (Erlang C). Printed: the relative error of the mean wait
at utilisations of 0.3 to 0.8, and its own standard error from batches of requests; wanted: at most
2 %. Where waits are rare, runs are added until that standard error is below 0.5 %.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from placer.core.queueing import arrival_times_s, waits_s
from placer.core.workload import Arrival

LIMIT_RATIO = 0.02
UTILISATIONS = (0.3, 0.5, 0.7, 0.8)
SERVERS = (1, 2, 4, 8)
BATCHES = 50
"""Parts of a run whose means count as independent: each is far longer than any busy period."""
MAX_ERROR_RATIO = 0.005
MAX_RUNS = 40


def mean_wait_md1_s(utilisation: float) -> float:
    """Return the mean wait in services. Source: Pollaczek 1930, Khinchine 1932."""
    return utilisation / (2 * (1 - utilisation))


def mean_wait_mmc_s(utilisation: float, servers: int) -> float:
    """Return the mean wait in services. Source: Erlang 1917 (formula C)."""
    load = utilisation * servers
    last = load**servers / math.factorial(servers) / (1 - utilisation)
    idle = sum(load**k / math.factorial(k) for k in range(servers))
    return last / (idle + last) / (servers * (1 - utilisation))


def main() -> int:
    """Print one line per system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4_000_000)
    n = parser.parse_args().requests
    rng = np.random.default_rng(20261125)
    worst = 0.0
    print(
        f"{'system':8} {'utilisation':>11} {'theory':>9} {'simulated':>10} {'error':>7} {'s.e.':>7}"
    )
    for utilisation in UTILISATIONS:
        systems = [("M/D/1", 1, True), *((f"M/M/{c}", c, False) for c in SERVERS)]
        for name, servers, is_fixed in systems:
            means_s: list[float] = []
            for _ in range(MAX_RUNS):
                arrivals_s = arrival_times_s(utilisation * servers, n, Arrival.POISSON, rng)
                services_s = np.ones(n) if is_fixed else rng.exponential(1.0, n)
                waits = waits_s(arrivals_s, services_s, servers)
                means_s += [float(part.mean()) for part in np.array_split(waits, BATCHES)]
                found_s = float(np.mean(means_s))
                sure_ratio = float(np.std(means_s)) / math.sqrt(len(means_s)) / found_s
                if sure_ratio <= MAX_ERROR_RATIO:
                    break
            theory_s = (
                mean_wait_md1_s(utilisation) if is_fixed else mean_wait_mmc_s(utilisation, servers)
            )
            error = found_s / theory_s - 1
            worst = max(worst, abs(error))
            print(
                f"{name:8} {utilisation:11.1f} {theory_s:9.4f} {found_s:10.4f} {error:+7.2%} "
                f"{sure_ratio:7.2%}",
                flush=True,
            )
    print(f"{'PASS' if worst <= LIMIT_RATIO else 'FAIL'}: at most {worst:.2%} off (limit 2 %)")
    return 0 if worst <= LIMIT_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
