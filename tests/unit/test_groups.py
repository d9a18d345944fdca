"""The contracted graph: groups, points and cuts, on graphs written by hand and at random."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.cuts import crossing, largest_uncuttable_share, single_tensor_points, tiers_of_cuts
from placer.core.errors import InputError, UsageError
from placer.core.graph import TensorSpec
from placer.core.groups import GraphNode, GroupGraph, contract, with_times


def graph_of(
    *edges: str,
    outputs: Sequence[str] = ("y",),
    inputs: Sequence[str] = ("x",),
    borders: Sequence[str] | None = None,
    unsized: Sequence[str] = (),
) -> GroupGraph:
    """Make a graph of ``"a b -> c"`` each: a node that makes c of a and b."""
    nodes = []
    for edge in edges:
        takes, gives = (part.split() for part in edge.split("->"))
        nodes.append(GraphNode(gives[0], tuple(takes), tuple(gives), 10))
    names = {*inputs, *(name for node in nodes for name in (*node.inputs, *node.outputs))}
    tensors = {
        name: TensorSpec(name, "float32", (-1,) if name in unsized else (2,), None)
        if name in unsized
        else TensorSpec(name, "float32", (2,), 8)
        for name in names
    }
    return contract(
        nodes, tensors, inputs, outputs, borders=None if borders is None else frozenset(borders)
    )


DIAMOND = ("x -> a", "a -> b", "a -> c", "b c -> d", "d -> y")


def test_what_is_computed_for_one_group_alone_belongs_to_it() -> None:
    graph = graph_of(*DIAMOND, borders=["a", "d", "y"])
    assert [(group.name, group.nodes) for group in graph.groups] == [
        ("a", ("a",)),
        ("d", ("b", "c", "d")),
        ("y", ("y",)),
    ]
    assert [group.flops for group in graph.groups] == [10, 30, 10]


def test_what_several_groups_compute_again_is_a_group_of_its_own() -> None:
    graph = graph_of("x -> a", "a -> shared", "shared -> b", "shared -> c", "b c -> y",
                     borders=["a", "b", "c", "y"])  # fmt: skip
    assert "shared" in [group.name for group in graph.groups]


def test_a_tensor_with_two_consumers_is_a_point() -> None:
    assert single_tensor_points(graph_of(*DIAMOND)) == ("a", "d")


def test_an_input_that_is_needed_at_the_end_leaves_no_point_before_it() -> None:
    graph = graph_of("x -> a", "a -> b", "b x -> c", "c -> y")
    assert single_tensor_points(graph) == ("c",)


def test_a_second_input_leaves_no_point_before_it() -> None:
    graph = graph_of("x -> a", "a mask -> b", "b -> y", inputs=("x", "mask"))
    assert single_tensor_points(graph) == ("b",)


def test_an_early_output_may_stay_before_the_cut() -> None:
    graph = graph_of("x -> a", "a -> early", "a -> b", "b -> y", outputs=("early", "y"))
    assert single_tensor_points(graph) == ("a", "b")
    assert tiers_of_cuts(graph, [["b"]]) == {"a": 0, "early": 0, "b": 0, "y": 1}
    assert tiers_of_cuts(graph, [["a"]]) == {"a": 0, "early": 1, "b": 1, "y": 1}


def test_nodes_that_no_output_needs_are_told_and_left_out() -> None:
    graph = graph_of("x -> a", "a -> dead", "dead -> deader", "a -> y")
    assert graph.unused_nodes == ("dead", "deader")
    assert [group.name for group in graph.groups] == ["a", "y"]
    assert single_tensor_points(graph) == ("a",)


def test_a_tensor_of_unknown_size_is_never_cut() -> None:
    graph = graph_of("x -> a", "a -> b", "b -> c", "a -> d", "c d -> y", unsized=["b"])
    assert graph.unsized_tensors == ("b",)
    assert all(tensor.n_bytes for tensor in graph.tensors)
    assert next(group.nodes for group in graph.groups if group.name == "c") == ("b", "c")
    with pytest.raises(
        UsageError,
        match=r"^placer does not know the size of 'b', so that it is never sent: it depends",
    ):
        tiers_of_cuts(graph, [["b"]])


def test_groups_around_an_unsized_tensor_take_in_what_lies_between_them() -> None:
    graph = graph_of("x -> a b", "a -> c", "c b -> y", unsized=["b"])
    assert [group.nodes for group in graph.groups] == [("a", "c", "y")]


@pytest.mark.parametrize("name", ["x", "y"])
def test_an_input_or_output_of_unknown_size_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}'.*unknown size") as caught:
        graph_of("x -> a", "a -> y", unsized=[name])
    assert caught.value.hint is not None
    assert "--shape" in caught.value.hint


def test_nodes_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="waits for its own output"):
        graph_of("x b -> a", "a -> b", "b -> y")


def test_the_largest_share_is_told_by_time_where_it_is_known() -> None:
    graph = graph_of(*DIAMOND)
    share = largest_uncuttable_share(graph)
    assert (share.ratio, share.basis, share.groups) == (0.6, "flops", ("b", "c", "d"))
    timed = with_times(graph, {"a": 6.0, "b": 1.0, "c": 1.0, "y": 2.0})
    share = largest_uncuttable_share(timed)
    assert (share.ratio, share.basis, share.groups) == (0.6, "time", ("a",))


def test_a_tensor_crosses_every_link_between_where_it_is_made_and_used() -> None:
    graph = graph_of("x -> a", "a -> b", "a b x -> y")
    links = crossing(graph, {"a": 0, "b": 1, "y": 2}, 3)
    assert [[tensor.name for tensor in link] for link in links] == [["x", "a"], ["x", "a", "b"]]


def test_a_plan_that_sends_back_is_refused() -> None:
    graph = graph_of("x -> a", "a -> y")
    with pytest.raises(UsageError, match="nothing is sent back"):
        crossing(graph, {"a": 1, "y": 0}, 2)


def test_a_cut_that_does_not_separate_says_what_is_missing() -> None:
    graph = graph_of("x -> a", "a -> b", "b x -> c", "c -> y")
    with pytest.raises(UsageError, match=r"^'a' alone does not separate the model: 'x' would"):
        tiers_of_cuts(graph, [["a"]])
    assert tiers_of_cuts(graph, [["a", "x"]]) == {"a": 0, "b": 1, "c": 1, "y": 1}


def test_a_misspelt_tensor_of_a_cut_is_refused_with_the_nearest() -> None:
    graph = graph_of("x -> features", "features -> y")
    with pytest.raises(UsageError, match="did you mean 'features'"):
        tiers_of_cuts(graph, [["feature"]])


def test_cuts_in_the_wrong_order_are_refused() -> None:
    graph = graph_of("x -> a", "a -> b", "b -> y")
    assert tiers_of_cuts(graph, [["a"], ["b"]]) == {"a": 0, "b": 1, "y": 2}
    with pytest.raises(
        UsageError, match="'b' is behind the cut at 'a', but not behind the one before it, at 'b'"
    ):
        tiers_of_cuts(graph, [["b"], ["a"]])


def test_the_input_as_cut_puts_everything_behind() -> None:
    graph = graph_of("x -> a", "a -> y")
    assert tiers_of_cuts(graph, [["x"]]) == {"a": 1, "y": 1}
    assert tiers_of_cuts(graph, [[]]) == {"a": 0, "y": 0}


@st.composite
def edge_lists(draw: st.DrawFn, *, with_sources: bool = True) -> tuple[list[str], list[str]]:
    """Draw nodes v0, v1, ... that take earlier ones or x, and some outputs."""
    count = draw(st.integers(1, 7))
    edges = []
    for index in range(count):
        sources = ["x", *(f"v{i}" for i in range(index))]
        least = 0 if with_sources else 1  # a node may need nothing: random numbers
        taken = draw(st.lists(st.sampled_from(sources), min_size=least, max_size=3, unique=True))
        edges.append(f"{' '.join(taken)} -> v{index}")
    names = [f"v{i}" for i in range(count)]
    outputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    return edges, outputs


def all_cuts(graph: GroupGraph) -> dict[tuple[str, ...], frozenset[str]]:
    """Try every assignment to two tiers: tensors that cross -> the largest set behind them."""
    names = [group.name for group in graph.groups]
    found: dict[tuple[str, ...], frozenset[str]] = {}
    for tiers in itertools.product((0, 1), repeat=len(names)):
        plan = dict(zip(names, tiers, strict=True))
        try:
            ((crossed),) = crossing(graph, plan, 2)
        except UsageError:
            continue
        tail = frozenset(name for name, tier in plan.items() if tier)
        key = tuple(sorted(tensor.name for tensor in crossed))
        if key and len(tail) > len(found.get(key, ())):
            found[key] = tail
    return found


@given(edge_lists())
@settings(max_examples=150, deadline=None)
def test_points_and_cuts_are_those_of_every_possible_assignment(
    drawn: tuple[list[str], list[str]],
) -> None:
    edges, outputs = drawn
    graph = graph_of(*edges, outputs=outputs)
    possible = all_cuts(graph)
    singles = {key[0] for key in possible if len(key) == 1} - {"x"}
    assert set(single_tensor_points(graph)) == singles
    for cut in possible:
        plan = tiers_of_cuts(graph, [cut])
        ((crossed),) = crossing(graph, plan, 2)
        assert sorted(tensor.name for tensor in crossed) == list(cut)


@given(edge_lists(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_nodes_changes_nothing(
    drawn: tuple[list[str], list[str]], chance: random.Random
) -> None:
    edges, outputs = drawn
    borders = [f"v{i}" for i in range(0, len(edges), 2)]
    graph = graph_of(*edges, outputs=outputs, borders=borders)
    shuffled = list(edges)
    chance.shuffle(shuffled)
    assert graph_of(*shuffled, outputs=outputs, borders=borders) == graph


def test_a_chain_of_ten_thousand_nodes_takes_seconds_at_most() -> None:
    edges = ["x -> v0", *(f"v{i} -> v{i + 1}" for i in range(9_999))]
    graph = graph_of(*edges, outputs=("v9999",))
    assert len(single_tensor_points(graph)) == 9_999
    assert largest_uncuttable_share(graph).ratio == 1e-4


@given(edge_lists(with_sources=False))
@settings(max_examples=100, deadline=None)
def test_the_largest_share_is_of_groups_that_no_point_tells_apart(
    drawn: tuple[list[str], list[str]],
) -> None:
    edges, outputs = drawn
    graph = graph_of(*edges, outputs=outputs)
    points = set(single_tensor_points(graph))
    tails = [tail for cut, tail in all_cuts(graph).items() if len(cut) == 1 and cut[0] in points]
    sides = [tuple(group.name in tail for tail in tails) for group in graph.groups]
    largest = max(sides.count(side) for side in sides)
    share = largest_uncuttable_share(graph)
    assert share.ratio == pytest.approx(largest / len(graph.groups))
    assert len(share.groups) == largest
