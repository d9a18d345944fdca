"""Outputs that head or tail may make while the same tensors cross."""

from __future__ import annotations

import itertools

from placer.core.cut_ways import MAX_WAYS, free_outputs, ways
from placer.core.cuts import crossing
from placer.core.errors import UsageError
from placer.core.groups import GroupGraph
from tests.unit.test_cut_completion import graph_of

EARLY = graph_of("x -> r", "r -> early", "r -> s", "s -> late", outputs=("early", "late"))


def all_ways(graph: GroupGraph, cut: set[str]) -> set[tuple[tuple[str, int], ...]]:
    """Return each assignment in which just these tensors cross, by trying them all."""
    names = [group.name for group in graph.groups]
    found = set()
    for tiers in itertools.product((0, 1), repeat=len(names)):
        way = tuple(zip(names, tiers, strict=True))
        try:
            (link,) = crossing(graph, dict(way), 2)
        except UsageError:
            continue
        if {tensor.name for tensor in link} == cut:
            found.add(tuple(sorted(way)))
    return found


def test_an_output_beside_the_tail_may_be_made_on_either_side() -> None:
    first, *others = ways(EARLY, ["r"])
    assert first == {"r": 0, "early": 1, "s": 1, "late": 1}
    assert {"r": 0, "early": 0, "s": 1, "late": 1} in others
    assert {tuple(sorted(one.items())) for one in (first, *others)} == all_ways(EARLY, {"r"})
    assert free_outputs(EARLY, ["r"]) == ("early", "late")


def test_what_only_the_tail_can_make_is_not_free() -> None:
    assert len(ways(EARLY, ["s"])) == 1
    assert free_outputs(EARLY, ["s"]) == ()
    joined = graph_of("x -> a", "x -> b", "a b -> y")
    assert ways(joined, ["a", "b"]) == ({"a": 0, "b": 0, "y": 1},)


def test_each_tensor_of_the_cut_is_still_taken() -> None:
    graph = graph_of(
        "x -> a", "x -> b", "a b -> p", "a -> q", "b -> r", outputs=("p", "q", "r")
    )  # fmt: skip
    found = {tuple(sorted(one.items())) for one in ways(graph, ["a", "b"])}
    assert found == all_ways(graph, {"a", "b"})
    assert len(found) == 5


def test_of_many_ways_some_are_told() -> None:
    names = [f"y{place}" for place in range(9)]
    graph = graph_of("x -> r", *(f"r -> {name}" for name in names), outputs=tuple(names))
    assert len(ways(graph, ["r"])) == MAX_WAYS
