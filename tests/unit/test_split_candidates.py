"""Which splits are tried: places of their own, not one place twice."""

from __future__ import annotations

from placer.api.split_candidates import best_cuts
from placer.api.split_where import Where
from placer.core.groups import Group, GroupGraph, GroupTensor
from placer.core.partition.problem import Link, Piece
from placer.core.wire_formats import Precision
from placer.onnx_files.taint import TaintedGraph
from placer.onnx_files.taint_known import Known
from tests import builders

# x -> first -> pooled -> flat (a Flatten) -> last -> y
TIMES_S = {"first": 1e-3, "pooled": 2e-3, "flat": 1e-6, "last": 8e-3, "y": 1e-3}
SIZES = {"x": 40_000, "first": 4_000, "pooled": 1_000, "flat": 1_000, "last": 2_000, "y": 40}


def chain(sizes: dict[str, int], times_s: dict[str, float]) -> GroupGraph:
    names = list(sizes)
    tensors = tuple(
        GroupTensor(name, None if name == "x" else name, users, n_bytes, "float32", (n_bytes // 4,))
        for (name, n_bytes), users in zip(
            sizes.items(), [*((name,) for name in names[1:]), ()], strict=True
        )
    )
    groups = tuple(Group(name, (name,), None, time_s) for name, time_s in times_s.items())
    return GroupGraph(groups, tensors, ("x",), ("y",))


def tried(graph: GroupGraph, *precisions: Precision | None, top: int) -> list[tuple[str, ...]]:
    link = Link(rtt_s=0.01, up=(Piece(0.0, 1e-6),), down=(Piece(0.0, 1e-6),))
    where = Where(builders.path(), builders.cloud().offer, 1e-3, ())
    cuts = best_cuts(
        *(graph, where, link, TaintedGraph({}, Known())),
        precisions=precisions or (None,),
        is_raw_kept=False,
        top=top,
    )
    return [cut.tensors for cut in cuts]


def test_a_cut_behind_a_flatten_is_not_tried_beside_the_one_before() -> None:
    graph = chain(SIZES, TIMES_S)
    found = tried(graph, top=3)
    assert len(found) == 3
    assert len({("pooled",), ("flat",)} & set(found)) == 1
    assert {("first",), ("last",)} < set(found)
    assert tried(graph, None, Precision.FLOAT16, top=3) == found
    assert len(tried(graph, top=9)) == 3  # and there are no more


def test_cuts_of_the_same_bytes_with_work_between_them_are_both_tried() -> None:
    found = tried(chain(SIZES, {**TIMES_S, "flat": 1e-3}), top=3)
    assert {("pooled",), ("flat",)} <= set(found)
