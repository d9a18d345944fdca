"""The exact split: against every assignment, against a published table, and how long it takes.

    ./dev bench split_solver
    ./dev bench split_solver --graphs 3000 --seed 7

Random graphs have joins, pins, kept tensors, nodes that cannot run everywhere, downloads, round
trips, links in pieces and links that skip a tier; each is held to the least of all its
assignments by the printed formula (`tests/split_oracle.py`, which shares no code with the
solver). The times are of numbering, building and solving, without reading a file, in seconds of
the processor, as it is one thread and others may use the machine; the slowest of the graphs and
rates counts, each the median of three.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time

from placer.core.partition.crossovers import LinkFigure, crossovers
from placer.core.partition.optimal import optimal_plan
from placer.core.partition.plan import Plan
from placer.core.partition.problem import InfeasibleError, Objective
from tests import split_oracle, splits

MBIT_PER_S = 1e6 / 8
PUBLISHED_MBIT_PER_S = (0.522, 6.946, 13.786, 19.523)
LIMITS_S = {1_000: 0.3, 10_000: 3.0}
KINDS = ("chain", "skip", "local", "layers", "mixed", "global")
RATES = (0.01, 0.1, 0.3, 1.0, 10.0)
MOST_NODES = {2: 10, 3: 8, 4: 6}


def against_all_assignments(graphs: int, seed: int) -> bool:
    """Compare value and assignment on random graphs; return whether all are equal."""
    rng = random.Random(seed)
    wrong = infeasible = split = concave = 0
    for number in range(graphs):
        n_tiers = 2 + number % 3
        is_concave = rng.random() < 0.4
        costs = split_oracle.random_costs(
            rng,
            n_tiers=n_tiers,
            n_nodes=rng.randint(2, MOST_NODES[n_tiers]),
            is_concave=is_concave,
            has_direct=rng.random() < 0.2,
        )
        plans = split_oracle.all_plans(costs)
        concave += is_concave
        try:
            plan = optimal_plan(splits.from_file_form(costs).problem, objective=Objective.LATENCY)
        except InfeasibleError:
            infeasible += 1
            wrong += bool(plans)
            continue
        split += len(plan.used_tiers) > 1
        best = plans[0][0] if plans else float("nan")
        wrong += not (abs(plan.value - best) <= 1e-9 * best and plan.is_optimal)
    print(
        f"random graphs of 2, 3 and 4 tiers: {graphs - wrong} of {graphs} equal to the best of all "
        f"assignments within 1e-9 ({split} are split, {concave} with links in pieces, "
        f"{infeasible} without any assignment)"
    )
    return wrong == 0


def last_on_device(plan: Plan) -> str:
    """Return the layer after which Tiny-YOLOv2 is cut."""
    on_device = {name for name, tier in plan.tiers if tier == 0}
    return [name for name in splits.dads_names() if name in on_device][-1]


def against_the_published_table() -> bool:
    """Print cuts and crossovers of DADS' Tiny-YOLOv2; return whether all are within 0.5 %."""
    found = crossovers(
        splits.dads(1.0),
        link=0,
        figure=LinkFigure.UPLINK,
        low=0.01 * MBIT_PER_S,
        high=1e4 * MBIT_PER_S,
    )
    for one in found:
        print(
            f"  {one.low / MBIT_PER_S:8.3f} to {one.high / MBIT_PER_S:9.3f} Mbit/s: cut after "
            f"{last_on_device(one.plan)}"
        )
    for rate, said in ((18.0, "input"), (4.0, "max5")):
        plan = optimal_plan(splits.dads(rate), objective=Objective.LATENCY)
        input_s = splits.dads_cut_s("input", rate)
        print(
            f"  {rate:g} Mbit/s, the paper cuts after {said}: best {last_on_device(plan)} "
            f"{plan.value:.3f} s, input {input_s:.3f} s, {100 * (1 - plan.value / input_s):.1f} % "
            "better"
        )
    at = [one.high / MBIT_PER_S for one in found[:-1]]
    return len(at) == len(PUBLISHED_MBIT_PER_S) and all(
        abs(a / b - 1) <= 0.005 for a, b in zip(at, PUBLISHED_MBIT_PER_S, strict=True)
    )


def seconds(n_nodes: int, kind: str, rate: float) -> float:
    """Return the median time of three solutions of one graph."""
    problem = splits.large(n_nodes, kind=kind, rate=rate)
    times_s = []
    for _ in range(3):
        start_ns = time.process_time_ns()
        plan = optimal_plan(problem, objective=Objective.LATENCY)
        times_s.append((time.process_time_ns() - start_ns) / 1e9)
        if not plan.is_optimal:
            sys.exit(f"{n_nodes} nodes, {kind}, rate {rate}: not proven")
    return statistics.median(times_s)


def how_long() -> bool:
    """Print the times of large graphs over three tiers; return whether all keep their limit."""
    is_kept = True
    for n_nodes, limit_s in LIMITS_S.items():
        worst = (0.0, "")
        for kind in KINDS:
            times_s = [seconds(n_nodes, kind, rate) for rate in RATES]
            shown = " ".join(f"{time_s:.3f}" for time_s in times_s)
            print(f"  {n_nodes:6} nodes, {kind:6}: {shown} s at {RATES} times 100 and 20 Mbit/s")
            worst = max(worst, (max(times_s), kind))
        print(f"  slowest {worst[0]:.2f} s ({worst[1]}), limit {limit_s:g} s")
        is_kept &= worst[0] <= limit_s
    return is_kept


def main() -> int:
    """Run all parts; exit code 1 if one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    are_kept = [against_all_assignments(arguments.graphs, arguments.seed)]
    print("Tiny-YOLOv2 of DADS:")
    are_kept.append(against_the_published_table())
    print("time to number, build and solve, three tiers:")
    are_kept.append(how_long())
    print("all hold" if all(are_kept) else "NOT all hold")
    return 0 if all(are_kept) else 1


if __name__ == "__main__":
    sys.exit(main())
