"""A model whose input is of truth values, as of a drawing or of answers to questions."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import TensorProto

from tests.tainted import const, node, traced

MASK = const("k", [True, False] * 4, "bool")
ALL, NONE = const("k", True, "bool"), const("k", False, "bool")
CASES: dict[str, tuple[list[Any], list[Any], bool]] = {
    "Not": ([node("Not", "x", "y")], [], True),
    "Xor": ([node("Xor", "x k", "y")], [MASK], True),
    "Xor, turned": ([node("Xor", "k x", "y")], [MASK], True),
    "Equal": ([node("Equal", "x k", "y")], [MASK], True),
    "And": ([node("And", "x k", "y")], [MASK], True),
    "And with nothing": ([node("And", "x k", "y")], [NONE], False),
    "Or": ([node("Or", "k x", "y")], [MASK], True),
    "Or with all": ([node("Or", "k x", "y")], [ALL], False),
    "Cast to bool": ([node("Cast", "x", "y", to=TensorProto.BOOL)], [], True),
    "Cast there and back": (
        [node("Cast", "x", "h", to=1), node("Cast", "h", "y", to=TensorProto.BOOL)],
        [],
        True,
    ),
    "Where": ([node("Where", "x a b", "y")], [const("a", 1.0), const("b", -1.0)], True),
    "Where of a row": (
        [node("Where", "x a b", "y")],
        [const("a", [1.0] * 8), const("b", [0.0] * 7 + [1.0])],
        True,
    ),
    "Where of the same": ([node("Where", "x a b", "y")], [const("a", 1.0), const("b", 1.0)], False),
    "Where of what is made": (
        [node("Where", "x a f", "y")],
        [const("a", 1.0)],
        False,
    ),
    "Xor with what it made": ([node("Xor", "x x", "y")], [], False),
    "And with what it made": ([node("And", "x g", "y")], [], False),
}
MADE = [
    node("Cast", "x", "n", to=1),
    node("ReduceMean", "n", "r", axes=[0, 1, 2, 3], keepdims=1),
    node("Relu", "r", "f"),
    node("Greater", "f half", "g"),
]


@pytest.mark.parametrize("case", CASES)
def test_truth_values(case: str) -> None:
    nodes, given, is_raw = CASES[case]
    found = traced([*MADE, *nodes], [const("half", 0.5), *given], dtype="bool")
    assert not found.taint("g").is_raw
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_numbers_cast_to_truth_values_or_held_to_one_number_are_not_shown() -> None:
    nodes = [
        node("Cast", "x", "b", to=TensorProto.BOOL),
        node("Not", "b", "n"),
        node("Equal", "x k", "e"),
    ]
    found = traced(nodes, [const("k", 0.5)])
    assert not any(found.taint(name).is_raw for name in ("b", "n", "e"))


def test_a_picture_in_black_and_white_is_raw_however_it_is_made() -> None:
    nodes = [
        *(node("Greater", "x k", "g"), node("Cast", "g", "n", to=1), node("Not", "g", "o")),
        *(node("Where", "g k l", "w"), node("Sub", "x k", "d"), node("Sign", "d", "s")),
        *(node("Div", "x k", "t"), node("Floor", "t", "f")),
    ]
    found = traced(nodes, [const("k", 0.5), const("l", 0.1)])
    assert all(found.taint(name).is_raw for name in ("g", "n", "o", "w", "s", "f"))


@pytest.mark.parametrize("shape", [(1, 6), ("batch", "length"), (4, 1, 1, 6)])
def test_a_mask_of_words_is_not_shown(shape: tuple[int | str, ...]) -> None:
    nodes = [node("Greater", "x k", "m"), node("Cast", "m", "f", to=1)]
    found = traced(nodes, [const("k", 0, "int64")], shape=shape, dtype="int64")
    assert not found.taint("f").is_raw
