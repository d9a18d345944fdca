"""Verify flips on random workloads, and time them.

    ./dev bench flips [--workloads 200]

For every flip of every workload the question is asked again 3 % before and 3 % after it, by the
code that ranks placements and without anything that the solver worked out. Printed: how many
flips give the old decision before and the new one after (the solver, too, reads what a decision
becomes 3 % beyond the change, so the second half shows repeatability more than foresight), and how
long a workload with all its
flips and its next measurement takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np

from placer.core.advise import recommend
from placer.core.evaluate import rank_all
from placer.core.flips import becomes, parameters
from placer.core.placement import Environment
from placer.core.workings import Workings
from placer.core.workload import Arrival, DataClass, LatencyTarget, Workload
from tests import builders

STEP = 1.03
WANTED_RATIO = 0.98
LIMIT_S = 2.0


def random_question(rng: np.random.Generator) -> tuple[Workload, Environment]:
    """Return a workload and sites whose answer is not known beforehand."""
    edge_s = float(np.exp(rng.uniform(np.log(0.002), np.log(0.2))))
    cloud_s = float(np.exp(rng.uniform(np.log(0.001), np.log(0.02))))
    rtt_s = float(np.exp(rng.uniform(np.log(0.002), np.log(0.08))))
    rate = float(np.exp(rng.uniform(np.log(0.1), np.log(40.0))))
    workload = Workload(
        targets=(LatencyTarget(0.99, float(np.exp(rng.uniform(np.log(0.01), np.log(0.5))))),),
        data_class=DataClass.PUBLIC if rng.random() < 0.7 else DataClass.INTERNAL,
        regions=("US",),
        wire_input_bytes=int(np.exp(rng.uniform(np.log(1e3), np.log(1e6)))),
        rate_hz=rate if rng.random() < 0.7 else None,
        arrival=Arrival.POISSON if rng.random() < 0.5 else Arrival.PERIODIC,
        fleet=int(rng.integers(1, 50)),
    )
    if workload.rate_hz is None:
        workload = replace(workload, fleet=1)
    uplink = float(np.exp(rng.uniform(np.log(0.5e6), np.log(25e6))))
    quantiles = ((0.5, rtt_s), (0.9, 1.2 * rtt_s), (0.99, 1.6 * rtt_s), (0.999, 2.5 * rtt_s))
    environment = builders.environment(
        path=builders.path(
            rtt_quantiles_s=quantiles, uplink_bytes_per_s=uplink, data_usd_per_byte=1e-9
        ),
        device=builders.device(price_usd=float(np.exp(rng.uniform(np.log(50), np.log(3000))))),
        edges=(builders.edge(edge_s),),
        clouds=(builders.cloud(cloud_s),),
    )
    return workload, environment


def main() -> int:
    """Print the shares and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=200)
    count = parser.parse_args().workloads
    rng = np.random.default_rng(20261125)
    model = builders.model()
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    times_s = []
    for _ in range(count):
        workload, environment = random_question(rng)
        start_ns = time.perf_counter_ns()
        answer = recommend(model, workload, environment)
        times_s.append((time.perf_counter_ns() - start_ns) / 1e9)
        today = becomes(answer.candidates[0])
        known = {one.name: one for one in parameters(model, workload, environment)}
        for flip in answer.flips:
            if flip.parameter not in known or isinstance(flip.at, str):
                continue
            away = STEP if flip.at > float(flip.now) else 1 / STEP
            found = []
            for value in (flip.at / away, flip.at * away):
                question = known[flip.parameter].vary(value)
                ranked, _ = rank_all(model, *question, Workings(is_brief=True))
                found.append(becomes(ranked[0]))
            kind = flip.parameter.partition(" ")[0]
            total[kind] += 1
            right[kind] += found == [today, flip.becomes]
    for kind in sorted(total):
        print(f"{kind:20} {right[kind]:5d} of {total[kind]:5d}")
    share = sum(right.values()) / sum(total.values())
    slowest_s, median_s = max(times_s), float(np.median(times_s))
    print(f"a workload with all flips: median {median_s:.2f} s, slowest {slowest_s:.2f} s")
    print(
        f"{'PASS' if share >= WANTED_RATIO else 'FAIL'}: {share:.1%} of {sum(total.values())} "
        "flips hold 3 % before and after (at least 98 %)"
    )
    print(f"{'PASS' if slowest_s <= LIMIT_S else 'FAIL'}: at most {slowest_s:.2f} s (limit 2 s)")
    return 0 if share >= WANTED_RATIO and slowest_s <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
