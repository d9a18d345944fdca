"""Every assignment of a small split by the printed formula, and random splits to try.

Works on the file form, and shares no code with the solver.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

Costs = dict[str, Any]


def up_s(link: Costs, n_bytes: float) -> float:
    """Return how long tensors take over a link."""
    if "pieces" in link:
        return min(float(fixed + slope * n_bytes) for fixed, slope in link["pieces"])
    return n_bytes / float(link["uplink_bytes_per_s"])


def down_s(link: Costs, n_bytes: float) -> float:
    """Return how long outputs take back."""
    if "down_pieces" in link:
        return min(float(fixed + slope * n_bytes) for fixed, slope in link["down_pieces"])
    return n_bytes / float(link["downlink_bytes_per_s"])


def hops(costs: Costs) -> Iterator[list[tuple[int, int, Costs]]]:
    """Yield (from, to, link) of every way over the tiers."""
    n = len(costs["tiers"])
    ways = {(k, k + 1): link for k, link in enumerate(costs["links"])}
    for direct in costs.get("direct", []):
        ways[direct["from"], direct["to"]] = direct
    for size in range(n):
        for inner in itertools.combinations(range(1, n), size):
            stops = [0, *inner]
            if all(pair in ways for pair in itertools.pairwise(stops)):
                yield [(a, b, ways[a, b]) for a, b in itertools.pairwise(stops)]


def is_allowed(costs: Costs, tier: dict[str, int]) -> bool:
    """Tell whether an assignment keeps all constraints."""
    for node in costs["nodes"]:
        at = tier[node["name"]]
        if node["time_s"][at] is None or node.get("tier") not in (None, at):
            return False
    for tensor in costs["tensors"]:
        ends = [tier[name] for name in tensor["consumers"]]
        if any(end < tier[tensor["producer"]] for end in ends):
            return False
        kept = tensor.get("keep_up_to_tier")
        if kept is not None and max([tier[tensor["producer"]], *ends]) > kept:
            return False
    return True


def stages(
    costs: Costs, tier: dict[str, int], way: list[tuple[int, int, Costs]]
) -> Iterator[tuple[Costs, float, float, int]]:
    """Yield (link, bytes up, bytes down, from) of each hop with any node beyond it."""
    for start, _, link in way:
        if not any(at > start for at in tier.values()):
            continue
        up = down = 0.0
        for tensor in costs["tensors"]:
            made = tier[tensor["producer"]]
            if made <= start and any(tier[name] > start for name in tensor["consumers"]):
                up += tensor["bytes"]
            if tensor["name"] in costs.get("outputs", []) and made > start:
                down += tensor["bytes"]
        yield link, up, down, start


def value(
    costs: Costs, tier: dict[str, int], way: list[tuple[int, int, Costs]], objective: str
) -> float:
    """Return what an assignment costs under an objective."""
    n = len(costs["tiers"])
    spent = [0.0] * n
    for node in costs["nodes"]:
        spent[tier[node["name"]]] += node["time_s"][tier[node["name"]]]
    moves = list(stages(costs, tier, way))
    if objective == "latency":
        return sum(spent) + sum(
            float(link.get("rtt_s", 0.0)) + up_s(link, up) + down_s(link, down)
            for link, up, down, _ in moves
        )
    if objective == "money":
        prices = costs["prices"]
        total = sum(t * float(price) for t, price in zip(spent, prices["usd_per_s"], strict=True))
        for _, up, down, at in moves:
            total += up * prices["usd_per_byte_up"][at] + down * prices["usd_per_byte_down"][at]
        return total
    if objective == "energy":
        power = costs["power"]
        total = float(power["active_w"] * spent[0] + power["idle_w"] * sum(spent[1:]))
        for link, up, down, at in moves:
            total += power["idle_w"] * link.get("rtt_s", 0.0)
            total += power["send_w" if at == 0 else "idle_w"] * up_s(link, up)
            total += power["receive_w" if at == 0 else "idle_w"] * down_s(link, down)
        return total
    busy = list(spent)
    for link, up, down, _ in moves:
        busy += [up_s(link, up) if up else 0.0, down_s(link, down) if down else 0.0]
    return max(busy)


def all_plans(costs: Costs, objective: str = "latency") -> list[tuple[float, tuple[int, ...]]]:
    """Return (value, tiers in the order of names) of every assignment, the best ones first."""
    names = sorted(node["name"] for node in costs["nodes"])
    best: dict[tuple[int, ...], float] = {}
    ways = list(hops(costs))
    for tiers in itertools.product(range(len(costs["tiers"])), repeat=len(names)):
        tier = dict(zip(names, tiers, strict=True))
        if not is_allowed(costs, tier):
            continue
        for way in ways:
            stops = {0, *(b for _, b, _ in way)}
            # a way may end before the last tier; work beyond it or between its stops it cannot do
            if set(tiers) <= stops:
                found = value(costs, tier, way, objective)
                best[tiers] = min(best.get(tiers, math.inf), found)
    return sorted((found, tiers) for tiers, found in best.items())


def random_costs(
    rng: random.Random,
    *,
    n_tiers: int,
    n_nodes: int,
    is_concave: bool = False,
    has_direct: bool = False,
) -> Costs:
    """Return a random split: joins, pins, kept tensors, places where nodes cannot run, ties."""
    names = [f"n{place}" for place in range(n_nodes)]
    rng.shuffle(names)  # names do not tell the order
    speed = sorted((rng.uniform(0.05, 1.2) for _ in range(n_tiers)), reverse=rng.random() < 0.8)
    nodes: list[Costs] = []
    taken: dict[str, list[str]] = {name: [] for name in names}
    for place, name in enumerate(names):
        work = rng.choice([0.0, 1.0, rng.uniform(0.1, 3.0), rng.uniform(0.1, 3.0)])
        times = [work * rate * rng.uniform(0.6, 1.6) for rate in speed]
        node: Costs = {"name": name, "time_s": times}
        if rng.random() < 0.1:
            node["time_s"] = [None if rng.random() < 0.4 else one for one in times]
            if all(one is None for one in node["time_s"]):
                node["time_s"] = times
        elif rng.random() < 0.1:
            node["tier"] = rng.randrange(n_tiers)
        nodes.append(node)
        for producer in rng.sample(names[:place], min(place, rng.choice([0, 1, 1, 1, 2, 3]))):
            taken[producer].append(name)
    if rng.random() < 0.7:
        nodes[0] = {"name": names[0], "time_s": [0.0] * n_tiers, "tier": 0}
    tensors: list[Costs] = []
    for name in names:
        parts = [taken[name]] if rng.random() < 0.7 else [taken[name], taken[name][:1]]
        for number, consumers in enumerate(parts):
            tensor: Costs = {
                "name": f"{name}:{number}",
                "producer": name,
                "consumers": consumers,
                "bytes": rng.choice([0, 100, rng.randint(1, 1000), rng.randint(1, 1000)]),
            }
            if rng.random() < 0.05:
                tensor["keep_up_to_tier"] = rng.randrange(n_tiers)
            tensors.append(tensor)
    ends = [tensor["name"] for tensor in tensors if not tensor["consumers"]]
    outputs = [name for name in ends if rng.random() < 0.7]
    outputs += [one["name"] for one in rng.sample(tensors, 1) if one["name"] not in outputs]
    costs: Costs = {
        "tiers": [f"tier {place}" for place in range(n_tiers)],
        "nodes": nodes,
        "tensors": tensors,
        "links": [random_link(rng, is_concave=is_concave) for _ in range(n_tiers - 1)],
        "outputs": outputs,
    }
    if has_direct and n_tiers > 2:
        ends_of = [(a, b) for a in range(n_tiers) for b in range(a + 2, n_tiers)]
        chosen = rng.sample(ends_of, rng.randint(1, min(2, len(ends_of))))
        costs["direct"] = [
            {"from": a, "to": b, **random_link(rng, is_concave=False)} for a, b in chosen
        ]
    return costs


def widen(rng: random.Random, costs: Costs, *, is_spread: bool, has_stand_ins: bool) -> None:
    """Spread all figures over twelve decades, or put a large one where something "cannot be"."""

    def spread(low: float, high: float) -> float:
        return float(f"{10 ** rng.uniform(low, high):.3g}")

    def stand_in() -> float:
        return rng.choice([9999.0, 1e6, 1e9, 1e12, 1e15, 1e18, spread(3, 18)])

    low = rng.choice([-12, -9, -7, -6])
    for node in costs["nodes"]:
        times = node["time_s"]
        if is_spread:
            times = [one if not one else spread(low, low + 12) for one in times]
        if has_stand_ins:
            times = [stand_in() if one is None or rng.random() < 0.15 else one for one in times]
        node["time_s"] = times
    for tensor in costs["tensors"] if is_spread else []:
        tensor["bytes"] = int(spread(0, 8))
    for link in [*costs["links"], *costs.get("direct", [])]:
        for key in link.keys() & {"rtt_s", "uplink_bytes_per_s", "downlink_bytes_per_s"}:
            if is_spread:
                link[key] = spread(-5, 1) if key == "rtt_s" else spread(3, 10)
            elif has_stand_ins and key == "rtt_s" and rng.random() < 0.15:
                link[key] = stand_in()
        for key in link.keys() & {"pieces", "down_pieces"}:
            if is_spread:
                link[key] = [[spread(-5, 1), spread(-10, -3)] for _ in link[key]]
            elif has_stand_ins and rng.random() < 0.15:
                link[key] = [[rng.choice([one, stand_in()]) for one in row] for row in link[key]]


def random_link(rng: random.Random, *, is_concave: bool) -> Costs:
    """Return a link; a concave one in pieces upwards, and downwards in half of the cases."""
    scale = rng.choice([1.0, 0.01, 0.001])
    rates: Costs = {
        "rtt_s": rng.choice([0.0, rng.uniform(0.0, 1.0)]),
        "uplink_bytes_per_s": 1 / (scale * rng.uniform(0.1, 3)),
        "downlink_bytes_per_s": 1 / (scale * rng.uniform(0.1, 3)),
    }
    if not is_concave:
        return rates

    def pieces() -> list[list[float]]:
        count = rng.randint(1, 4)
        return [[rng.uniform(0, 0.5), scale * rng.uniform(0.0, 3)] for _ in range(count)]

    link: Costs = {"pieces": pieces()}
    if rng.random() < 0.5:
        link["down_pieces"] = pieces()
    else:
        link["downlink_bytes_per_s"] = rates["downlink_bytes_per_s"]
    return link
