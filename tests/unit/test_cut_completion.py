"""The remedy of an incomplete cut is the smallest there is, and it is a cut."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.core.cut_completion import nearest_cut
from placer.core.cut_names import cut_name, cut_options
from placer.core.cuts import crossing, tiers_of_cuts
from placer.core.errors import UsageError
from placer.core.graph import TensorSpec
from placer.core.groups import GraphNode, GroupGraph, contract


def graph_of(*edges: str, outputs: tuple[str, ...] = ("y",)) -> GroupGraph:
    """Make a graph of ``"a b -> c"`` each, of which every node is a group; x is the input."""
    nodes = []
    for edge in edges:
        takes, gives = (part.split() for part in edge.split("->"))
        nodes.append(GraphNode(gives[0], tuple(takes), tuple(gives), 10))
    names = {"x", *(name for node in nodes for name in (*node.inputs, *node.outputs))}
    tensors = {name: TensorSpec(name, "float32", (2,), 8) for name in names}
    borders = frozenset(name for node in nodes for name in node.outputs)
    return contract(nodes, tensors, ("x",), outputs, borders=borders)


def remedy(graph: GroupGraph, *cut: str, kept: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """Return the message of an incomplete cut, and the tensors of the cut that its hint names."""
    with pytest.raises(UsageError) as caught:
        tiers_of_cuts(graph, [cut], kept=kept)
    words = shlex.split((caught.value.hint or "").partition(": ")[2])
    assert words[::2] == ["--cut"] * (len(words) // 2)
    return caught.value.message, words[1::2]


# x -> a, and a way around it of four tensors from b, which come together again
AROUND = (
    "x -> a",
    "x -> b",
    "b -> c1",
    "b -> c2",
    "b -> c3",
    "c1 c2 c3 -> d",
    "a d -> e",
    "e -> y",
)


def test_the_narrowest_place_of_the_way_around_is_named() -> None:
    message, cut = remedy(graph_of(*AROUND), "a")
    assert message in (
        "'a' alone does not separate the model: 'b' would cross too",
        "'a' alone does not separate the model: 'd' would cross too",
        "'a' alone does not separate the model: 'x' would cross too",
    )
    assert len(cut) == 2
    tiers_of_cuts(graph_of(*AROUND), [cut])


def test_one_tensor_stands_for_many_that_are_made_of_it() -> None:
    """All that the front of the tail takes would cross if it began right behind a."""
    graph = graph_of(
        "x -> s", "s -> a", "s -> p", "p -> q1", "p -> q2", "p -> q3",
        "q1 -> r1", "q2 -> r2", "q3 -> r3", "r1 r2 r3 -> t", "a t -> y",
    )  # fmt: skip
    message, cut = remedy(graph, "a")
    assert len(cut) == 2
    assert cut[1] in ("p", "s", "t")
    with_two, cut = remedy(graph, "a", "r1")
    assert cut == ["a", "p", "r1"]
    assert "alone do not separate" in with_two
    assert message.count("'") == 4


def test_what_may_not_leave_is_named_only_where_nothing_else_helps() -> None:
    _, cut = remedy(graph_of(*AROUND), "a", kept=("x", "b"))
    assert cut == ["a", "d"]
    residual = graph_of("x -> a", "a x -> y")
    _, cut = remedy(residual, "a", kept=("x",))
    assert cut == ["a", "x"]
    with pytest.raises(UsageError) as caught:
        tiers_of_cuts(residual, [["a"]], kept=("x",))
    assert (caught.value.hint or "").startswith(
        "name all that cross, here the fewest, though raw input would leave with it: "
    )


def test_of_a_cut_what_may_not_leave_is_left_out_first() -> None:
    """As the first convolution, which is a cut alone, and raw."""
    graph = graph_of("x -> raw", "raw -> s", "s -> a", "s -> b", "a -> c", "b c -> y")
    before = {"c": ("raw", "s", "a", "c"), "raw": ("raw",)}

    def before_of(names: Sequence[str]) -> set[str]:
        return {group for name in names for group in before[name]}

    assert nearest_cut(graph, ["c", "raw"], before_of) == ("raw",)
    assert nearest_cut(graph, ["c", "raw"], before_of, ("x", "raw", "s")) == ("c", "b")
    _, cut = remedy(graph, "c", "raw", kept=("x", "raw", "s"))
    assert cut == ["b", "c"]


def test_a_tensor_that_others_of_the_cut_are_made_of_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing behind 'a', 'b' needs 'a'"):
        tiers_of_cuts(graph_of("x -> a", "a -> b", "b x -> y"), [["a", "b"]])


def test_a_tensor_that_cannot_cross_beside_others_is_left_out_in_the_same_step() -> None:
    """As a mask that goes into all layers by way of one tensor that is made of it."""
    graph = graph_of("x -> mask", "mask -> mb", "x mb -> a", "a mb -> b", "b -> y")
    with pytest.raises(UsageError) as caught:
        tiers_of_cuts(graph, [["a", "mask"]])
    assert caught.value.message == (
        "'a', 'mask' alone do not separate the model: 'mb' would cross too"
    )
    assert caught.value.hint == (
        "leave 'mask' out and name all that cross, here the fewest: --cut a --cut mb"
    )
    tiers_of_cuts(graph, [["a", "mb"]])


@pytest.mark.parametrize(
    ("cut", "hint"),
    [
        ("s c1", r"leave 's' out and name all that cross, here the fewest: --cut c1 --cut (c2|t)"),
        ("s d y", "leave 's', 'y' out: --cut d"),
        ("x y", "cut at other tensors, between the inputs and the outputs"),
    ],
)
def test_what_is_left_after_one_is_left_out_is_a_cut(cut: str, hint: str) -> None:
    graph = graph_of("x -> s", "s -> t", "t -> c1", "t -> c2", "c1 c2 -> d", "d -> y")
    with pytest.raises(UsageError, match=r"nothing behind .* needs ") as told:
        tiers_of_cuts(graph, [cut.split()])
    assert re.fullmatch(hint, told.value.hint or "")


def test_beside_an_input_something_runs_before_the_cut() -> None:
    graph = graph_of("x -> a", "a x -> b", "b -> y")
    with pytest.raises(UsageError) as told:
        tiers_of_cuts(graph, [["x", "y"]])
    assert told.value.hint == (
        "leave 'y' out and name all that cross, here the fewest: --cut a --cut x"
    )


@pytest.mark.parametrize(("cut", "what"), [("y", "it is an output"), ("y z", "they are outputs")])
def test_outputs_alone_are_no_cut(cut: str, what: str) -> None:
    graph = graph_of("x -> a", "a -> y", "a -> z", outputs=("y", "z"))
    with pytest.raises(UsageError, match=f"nothing would run behind the cut at .*: {what}") as told:
        tiers_of_cuts(graph, [cut.split()])
    assert (told.value.hint or "").startswith("cut at a tensor before ")
    with pytest.raises(UsageError, match="nothing behind 'a', 'y' needs 'y'") as told:
        tiers_of_cuts(graph, [["a", "y"]])
    assert told.value.hint == "leave 'y' out: --cut a"


@st.composite
def graphs(draw: st.DrawFn) -> GroupGraph:
    count = draw(st.integers(2, 7))
    names = ["x", *(f"n{place}" for place in range(count))]
    edges = []
    for place in range(1, len(names)):
        takes = draw(st.sets(st.sampled_from(names[:place]), min_size=1, max_size=3))
        edges.append(f"{' '.join(sorted(takes))} -> {names[place]}")
    used = " ".join(edges)
    ends = [name for name in names[1:] if not re.search(rf"\b{name}\b.*->", used.split(name, 1)[1])]
    return graph_of(*edges, outputs=tuple(ends) or (names[-1],))


def fewest_by_all_ways(graph: GroupGraph, cut: set[str]) -> int | None:
    """Return how many more tensors cross in the best of all ways in which the cut crosses."""
    found = []
    names = [group.name for group in graph.groups]
    for tiers in itertools.product((0, 1), repeat=len(names)):
        try:
            (link,) = crossing(graph, dict(zip(names, tiers, strict=True)), 2)
        except UsageError:
            continue
        crossed = {tensor.name for tensor in link}
        if cut <= crossed:
            found.append(len(crossed - cut))
    return min(found, default=None)


@settings(deadline=None, max_examples=200)
@given(graphs(), st.data())
def test_no_smaller_set_makes_a_cut(graph: GroupGraph, data: st.DataObject) -> None:
    taken = sorted(tensor.name for tensor in graph.tensors if tensor.consumers)
    cut = data.draw(st.sets(st.sampled_from(taken), min_size=1, max_size=2))
    try:
        tiers_of_cuts(graph, [sorted(cut)])
    except UsageError as error:
        fewest = fewest_by_all_ways(graph, cut)
        words = shlex.split((error.hint or "").partition(": ")[2])[1::2]
        if words:
            assert 0 in tiers_of_cuts(graph, [words]).values()
        if "separate" not in error.message:
            assert fewest is None or len(cut) > 1
            return
        if fewest is None:
            assert not cut <= set(words)
        else:
            assert len(set(words) - cut) == fewest


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("a", "--cut a"),
        ("a b/c:0", "--cut 'a b/c:0'"),
        ("it's", "--cut 'it'\"'\"'s'"),
        ("a\x1b[0m", "--cut $'a\\x1b[0m'"),
        ("\u202e'\\é", "--cut $'\\xe2\\x80\\xae\\'\\\\é'"),
    ],
)
def test_a_name_is_quoted_for_a_shell(name: str, option: str) -> None:
    assert cut_options([name]) == option


def test_a_cut_has_one_name_whatever_the_order() -> None:
    assert cut_name(["b", "a"]) == cut_name(("a", "b")) == "a, b"
    assert cut_options(["b", "a"]) == "--cut a --cut b"
