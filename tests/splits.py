"""Splits that several tests and benchmarks ask about."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

from placer.core.partition.problem import (
    CostGraph,
    Link,
    Node,
    Problem,
    Site,
    Tensor,
    rated_link,
)
from placer.files.costs import CostsFile, parse_costs

DADS = Path(__file__).parent / "data" / "dads_tiny_yolov2.csv"


def from_file_form(costs: dict[str, Any]) -> CostsFile:
    """Return the question of a document in the file form."""
    return parse_costs(json.dumps(costs), path="costs.json")


def dads(uplink_mbit_per_s: float) -> Problem:
    """Return Tiny-YOLOv2 of DADS: a chain, no round trip, MiB * 8 / (Mbit/s) as in the paper."""
    rows = _dads_rows()
    names = [row["layer"] for row in rows]
    nodes = tuple(
        Node(row["layer"], (float(row["edge_s"]), float(row["cloud_s"])), 0 if not place else None)
        for place, row in enumerate(rows)
    )
    tensors = tuple(
        Tensor(row["layer"], row["layer"], (consumer,), float(row["output_mib"]) * 1e6)
        for row, consumer in zip(rows, names[1:], strict=False)
    )
    link = rated_link(0.0, uplink_mbit_per_s * 1e6 / 8, 1e9)
    return Problem(CostGraph(nodes, tensors), (Site("edge"), Site("cloud")), (link,))


def dads_names() -> list[str]:
    """Return its layers in order."""
    return [node.name for node in dads(1.0).graph.nodes]


def dads_cut_s(layer: str, uplink_mbit_per_s: float) -> float:
    """Return the latency of a cut after one layer, by the paper's formula."""
    rows = _dads_rows()
    at = [row["layer"] for row in rows].index(layer)
    edge_s = sum(float(row["edge_s"]) for row in rows[: at + 1])
    cloud_s = sum(float(row["cloud_s"]) for row in rows[at + 1 :])
    return edge_s + float(rows[at]["output_mib"]) * 8 / uplink_mbit_per_s + cloud_s


def _dads_rows() -> list[dict[str, str]]:
    lines = [line for line in DADS.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def large(n_nodes: int, *, kind: str, rate: float, seed: int = 0) -> Problem:
    """Return a random graph over three tiers.

    Parameters
    ----------
    kind
        ``chain``; ``skip``: with a second way round every third node; ``local``: joins of near
        nodes; ``layers``: of ten, each joining three of the one before; ``mixed``: layers, and
        later tiers are slower for some nodes; ``global``: joins of any.
    rate
        Of both links, as a multiple of 100 and 20 Mbit/s.
    """
    rng = random.Random(seed)
    nodes = [Node("input", (0.0, 0.0, 0.0), 0)]
    consumers: list[list[str]] = [[] for _ in range(n_nodes)]
    for place in range(1, n_nodes):
        time_s = rng.uniform(0.1e-3, 2e-3)
        near, far = ((0.3, 1.5), (0.1, 1.2)) if kind == "mixed" else ((0.2, 0.6), (0.02, 0.2))
        times_s = (time_s, time_s * rng.uniform(*near), time_s * rng.uniform(*far))
        nodes.append(Node(f"n{place:05}", times_s))
        for producer in _producers(rng, kind, place):
            consumers[producer].append(nodes[-1].name)
    tensors = tuple(
        Tensor(node.name, node.name, tuple(taken), rng.randint(1_000, 1_000_000))
        for node, taken in zip(nodes, consumers, strict=True)
    )
    links: tuple[Link, ...] = (
        rated_link(0.002, 12.5e6 * rate, 12.5e6 * rate),
        rated_link(0.020, 2.5e6 * rate, 5e6 * rate),
    )
    graph = CostGraph(tuple(nodes), tensors, (tensors[-1].name,))
    return Problem(graph, (Site("device"), Site("near"), Site("cloud")), links)


def _producers(rng: random.Random, kind: str, place: int) -> list[int]:
    match kind:
        case "chain":
            return [place - 1]
        case "skip":
            return [place - 1, place - 3] if place >= 3 and place % 3 == 0 else [place - 1]
        case "layers" | "mixed":
            layer = (place - 1) // 10
            above = range(1 + (layer - 1) * 10, 1 + layer * 10)
            return rng.sample(above, 3) if layer else [0]
        case "local":
            near = range(max(0, place - 8), place)
            return rng.sample(near, min(len(near), rng.randint(1, 3)))
        case _:
            return rng.sample(range(place), min(place, rng.randint(1, 3)))
