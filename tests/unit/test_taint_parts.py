"""Parts of a mixture m (1, 6, 8, 9), cut out by Slices and Gathers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from tests.models import integers, weights
from tests.tainted import node, traced

MIX = weights("mix", 6, 3, 1, 2, fan_in=6)
TO_M = node("Conv", "x mix", "m", pads=[0, 0, 0, 2])
LAST = 2**63 - 1
GIVEN = [
    MIX,
    *(integers(f"i{n}", n) for n in range(10)),
    integers("last", LAST),
    integers("back", -3),
    integers("first_two", 0, 1),
    integers("rest", 5, 2, -2, 3),
    integers("some", 2, 3, 4),
    integers("both", 2, 3),
    integers("twos", 2, 2),
    integers("ends", LAST, LAST),
    *(integers(f"at{a}{b}", a, b) for a in (0, 1) for b in (0, 1)),
]


def cut(start: str, end: str, axis: str, out: str, *, step: str = "i1", of: str = "m") -> Any:
    return node("Slice", f"{of} {start} {end} {axis} {step}", out)


HALVES = [cut("i0", "i4", "i2", "a"), cut("i4", "last", "i2", "b")]
MERGED = [node("Slice", f"m at{p} ends both twos", f"p{p}") for p in ("00", "01", "10", "11")]
CHAINED = [
    cut("i0", "last", "i2", "even", step="i2"),
    cut("i1", "last", "i2", "odd", step="i2"),
    cut("i0", "i5", "i3", "even_left", of="even"),
    cut("i5", "i9", "i3", "even_right", of="even"),
]


@pytest.mark.parametrize(
    ("nodes", "names", "is_raw"),
    [
        (HALVES, "a b", True),
        ([HALVES[0], cut("i5", "last", "i2", "b")], "a b", False),
        ([HALVES[0], cut("back", "last", "i2", "b")], "a b", False),  # 0 to 3, and 5 to 7
        ([cut("i0", "i5", "i2", "a"), cut("back", "last", "i2", "b")], "a b", True),
        ([HALVES[0], cut("i4", "last", "i3", "b")], "a b", False),  # of two axes: a corner is left
        (MERGED, "p00 p01 p10 p11", True),
        (MERGED, "p00 p01 p10", False),
        (CHAINED, "odd even_left even_right", True),
        (CHAINED, "odd even_left", False),
        (
            [node("Gather", "m first_two", "a", axis=1), node("Gather", "m rest", "b", axis=1)],
            "a b",
            True,
        ),
        (
            [node("Gather", "m first_two", "a", axis=1), node("Gather", "m some", "b", axis=1)],
            "a b",
            False,
        ),
        (
            [HALVES[0], node("Split", "m parts", "b c", axis=2)],
            "a c",
            True,
        ),
    ],
)
def test_parts_that_are_all_of_a_mixture_are_raw_together(
    nodes: list[Any], names: str, is_raw: bool
) -> None:
    parts = names.split()
    axis = 1 if nodes[0].op_type == "Gather" else 2
    joined = node("Concat", names, "y", axis=axis)
    given = [*GIVEN, integers("parts", 3, 5)]
    shapes_fit = nodes not in (MERGED, CHAINED) and "i3" not in nodes[-1].input
    found = traced([TO_M, *nodes, *([joined] if shapes_fit else [])], given)
    assert not any(found.taint(name).is_raw for name in parts)
    together = found.raw_among(parts)
    assert bool(together) == is_raw
    if is_raw:
        assert set(together[0][0]) == set(parts)
    if shapes_fit:
        assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_a_rolled_mixture_is_raw_and_so_is_what_is_rolled_again() -> None:
    nodes = [
        TO_M,
        cut("back", "last", "i2", "a"),
        cut("i0", "back", "i2", "b"),
        node("Concat", "a b", "c", axis=2),
        cut("i4", "last", "i3", "d", of="c"),
        cut("i0", "i4", "i3", "e", of="c"),
        node("Concat", "d e", "y", axis=3),
    ]
    found = traced(nodes, GIVEN)
    assert found.taint("y").text == "x -> Conv -> Slice -> Concat -> Slice -> Concat"
    assert found.taint("y").is_mixed


def test_patches_that_are_merged_are_raw() -> None:
    width = [node("Slice", "m i0 i8 i3", "even")]  # 8 x 8
    patches = [node("Slice", f"m2 at{p} ends both twos", f"p{p}") for p in ("00", "01", "10", "11")]
    square = node("Conv", "x mix", "m2", pads=[0, 0, 0, 1])
    nodes = [TO_M, *width, square, *patches, node("Concat", "p00 p10 p01 p11", "y", axis=1)]
    assert traced(nodes, GIVEN).taint("y").is_raw


def test_slices_of_a_size_that_is_not_known_are_not_shown() -> None:
    nodes = [TO_M, *HALVES, node("Concat", "b a", "y", axis=2)]
    assert not traced(nodes, GIVEN, shape=(1, 3, "h", 8)).taint("y").is_raw


def test_the_parts_of_an_early_slice_stand_in_its_attributes() -> None:
    nodes = [
        TO_M,
        node("Slice", "m", "a", starts=[0], ends=[4], axes=[2]),
        node("Slice", "m", "b", starts=[4], ends=[2**31 - 1], axes=[-2]),
        node("Concat", "b a", "y", axis=2),
    ]
    assert traced(nodes, [MIX], opset=9).taint("y").is_raw


def test_a_number_that_is_taken_out_of_an_axis_is_a_part() -> None:
    w = np.random.default_rng(0).standard_normal((2, 2))
    nodes = [
        node("MatMul", "x w", "m"),
        node("Gather", "m first", "a", axis=1),
        node("Gather", "m second", "b", axis=1),
        node("Concat", "b a", "y", axis=0),
    ]
    scalars = [np.array(0), np.array(1)]
    given = [
        numpy_helper.from_array(one, name)
        for one, name in (
            (w.astype("float32"), "w"),
            *zip(scalars, ("first", "second"), strict=True),
        )
    ]
    assert traced(nodes, given, shape=(3, 2)).taint("y").is_raw
