"""Time the ranking of many workloads from recorded evidence.

    ./dev bench many_workloads [--workloads 1000]

For each random workload the evidence of device and cloud is read from its text, as ``--evidence``
does, and every placement is judged and ranked, in one process for each core. Wanted: 1,000
workloads in 30 s on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from bench.flips import random_question
from placer.core.evaluate import rank_all
from placer.core.flips import becomes
from placer.core.placement import CloudSite, EdgeSite, Environment, SiteTime
from placer.core.workings import Workings
from placer.core.workload import Workload
from placer.files.evidence import from_statement, to_statement
from placer.profiling.machine import usable_cores
from tests import builders

LIMIT_S = 30.0


Question = tuple[Workload, Environment, bytes, bytes]


def decided(question: Question) -> str:
    """Read the evidence, rank every placement, return what is decided."""
    workload, environment, edge_text, cloud_text = question
    on_device = from_statement(edge_text, path="edge.json")
    in_cloud = from_statement(cloud_text, path="cloud.json")
    offer = environment.clouds[0].offer
    sites = replace(
        environment,
        edges=(EdgeSite(on_device.ep, SiteTime(on_device, 1.1, "E0", "evidence")),),
        clouds=(CloudSite(offer, SiteTime(in_cloud, 1.1, "E0", "evidence")),),
    )
    ranked, _ = rank_all(builders.model(), workload, sites, Workings(is_brief=True))
    return becomes(ranked[0]).partition(":")[0]


def random_questions(count: int) -> list[Question]:
    """Return workloads with sites and the text of their evidence."""
    rng = np.random.default_rng(20261125)
    questions = []
    for _ in range(count):
        workload, environment = random_question(rng)
        on_device = environment.edges[0].time.measurement
        in_cloud = environment.clouds[0].time.measurement
        assert on_device is not None
        assert in_cloud is not None
        texts = [to_statement(measured, tool="bench") for measured in (on_device, in_cloud)]
        questions.append((workload, environment, texts[0], texts[1]))
    return questions


def main() -> int:
    """Print the time and what was decided."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=1000)
    count = parser.parse_args().workloads
    questions = random_questions(count)
    start_ns = time.perf_counter_ns()
    with ProcessPoolExecutor(usable_cores()) as pool:
        found = Counter(pool.map(decided, questions, chunksize=10))
    took_s = (time.perf_counter_ns() - start_ns) / 1e9
    limit_s = LIMIT_S * count / 1000
    print("decided:", ", ".join(f"{kind} {number}" for kind, number in found.most_common()))
    print(
        f"{'PASS' if took_s <= limit_s else 'FAIL'}: {count} workloads in {took_s:.1f} s "
        f"(limit {limit_s:.0f} s)"
    )
    return 0 if took_s <= limit_s else 1


if __name__ == "__main__":
    sys.exit(main())
