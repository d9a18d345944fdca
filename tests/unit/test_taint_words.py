"""Functions of words that are looked up: computed for all words here, to find each word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.models import integers
from tests.tainted import const, node, traced
from tests.unit.test_taint_norms import IDS, PLACE, SAID, SEGMENT, SIZE, WORD, WORDS, run

RNG = np.random.default_rng(17)
TABLES = [
    *(const("words", WORD), const("segments", SEGMENT), const("places", PLACE[None])),
    *(const("w", RNG.standard_normal((SIZE, SIZE))), const("v", RNG.standard_normal((SIZE, 9)))),
    *(const("up", RNG.standard_normal((SIZE, 64))), const("down", RNG.standard_normal((64, 8)))),
    *(const("b", RNG.standard_normal(SIZE)), const("g", np.ones(SIZE)), const("h", np.zeros(SIZE))),
    *(const("turn", RNG.standard_normal((6, 6))), const("half", 0.5), const("root", 2**0.5)),
    *(const("one", 1.0), const("sq", 0.1), const("zq", 0, "int8"), const("far", -100.0)),
    *(const("two_rows", RNG.standard_normal((SIZE, 2))), const("zc", 0, "uint8")),
    *(integers("flat", 6, SIZE), integers("heads", 1, 6, 4, 4), integers("back", 1, 6, SIZE)),
    *(integers("column", 6, 1, SIZE), const("int8_w", RNG.integers(-99, 99, (SIZE, SIZE)), "int8")),
]
TAKEN = node("Gather", "words x", "t0")
BOTH = [TAKEN, node("Gather", "segments t", "t1"), node("Add", "t0 t1", "s")]
TOLD: dict[str, list[Any]] = {
    "Relu": [node("Relu", "t0", "y")],
    "a layer": [node("MatMul", "t0 w", "m"), node("Add", "m b", "a"), node("Relu", "a", "y")],
    "fewer numbers than a row has": [node("MatMul", "t0 v", "y")],
    "two layers": [
        *(node("MatMul", "t0 up", "m"), node("Relu", "m", "r"), node("MatMul", "r down", "y")),
    ],
    "Gemm of rows": [
        *(node("Reshape", "t0 flat", "f"), node("Gemm", "f w b", "m")),
        *(node("Relu", "m", "r"), node("Reshape", "r back", "y")),
    ],
    "Dropout that is off": [node("Dropout", "t0", "d"), node("Relu", "d", "y")],
    "normalised": [node("MatMul", "t0 w", "m"), node("LayerNormalization", "m g h", "y")],
    "Softmax": [node("MatMul", "t0 w", "m"), node("Softmax", "m", "y", axis=-1)],
    "GELU by hand": [
        *(node("MatMul", "t0 w", "m"), node("Div", "m root", "d"), node("Erf", "d", "e")),
        *(node("Add", "e one", "a"), node("Mul", "m a", "p"), node("Mul", "p half", "y")),
    ],
    "a block beside its input": [
        *(node("Relu", "t0", "r"), node("MatMul", "r w", "m"), node("Add", "t0 m", "y")),
    ],
    "one number, by size": [node("ReduceL2", "t0", "y", axes=[-1], keepdims=1)],
    "turned": [node("Transpose", "t0", "u", perm=[1, 0, 2]), node("Relu", "u", "y")],
    "signs": [node("Sign", "t0", "y")],
    "int8": [
        *(node("Relu", "t0", "r"), node("QuantizeLinear", "r sq zq", "q")),
        node("DequantizeLinear", "q sq zq", "y"),
    ],
    "int8 whose zero point is a Relu": [node("QuantizeLinear", "t0 sq zc", "y")],
    "int8 product": [
        *(node("QuantizeLinear", "t0 sq zq", "q"), node("MatMulInteger", "q int8_w", "m")),
        *(node("Cast", "m", "f", to=1), node("Mul", "f sq", "k"), node("Relu", "k", "y")),
    ],
    "words and segments": [*BOTH[1:], node("Relu", "s", "y")],
    "words, segments and places": [
        *(*BOTH[1:], node("Add", "s places", "p"), node("MatMul", "p w", "m")),
        node("Relu", "m", "y"),
    ],
}


def found_in(nodes: list[Any], tables: list[Any] = TABLES, **more: Any) -> Any:
    return traced(
        [TAKEN, *nodes], tables, shape=SAID, dtype="int64", more_inputs=IDS[1:], **more
    ).taint("y")


@pytest.mark.parametrize("case", TOLD)
def test_words_are_told_from_functions_of_their_rows_and_can_be_looked_up(case: str) -> None:
    nodes = TOLD[case]
    found = found_in(nodes)
    assert found.is_raw, found.text
    words, segments = RNG.integers(0, WORDS, SAID), RNG.integers(0, 2, SAID)
    nodes = [TAKEN, *nodes]

    def rows(feeds: dict[str, Any]) -> Any:
        return run(nodes, TABLES, IDS, feeds).reshape(SAID[1], -1)

    y = rows({"x": words, "t": segments})
    every = [
        rows({"x": np.full(SAID, word), "t": np.full(SAID, segment)})
        for word in range(WORDS)
        for segment in (0, 1)
    ]
    looked_up = np.square(np.array(every) - y).sum(axis=2).argmin(axis=0) // 2
    assert (looked_up == words[0]).all()


NOT_TOLD: dict[str, list[Any]] = {
    "all below zero": [node("Add", "t0 far", "a"), node("Relu", "a", "y")],
    "signs of two numbers": [node("MatMul", "t0 two_rows", "m"), node("Sign", "m", "y")],
    "rounded to one step": [
        *(node("Div", "t0 far", "d"), node("Add", "d half", "a"), node("Floor", "a", "y")),
    ],
    "a matrix that mixes places": [node("MatMul", "turn t0", "m"), node("Relu", "m", "y")],
    "a Softmax over places": [node("Softmax", "t0", "m", axis=1), node("Relu", "m", "y")],
    "less the mean of the places": [
        *(node("ReduceMean", "t0", "m", axes=[1]), node("Sub", "t0 m", "d")),
        node("Relu", "d", "y"),
    ],
    "attention": [
        *(node("Transpose", "t0", "u", perm=[0, 2, 1]), node("MatMul", "t0 u", "q")),
        *(node("Softmax", "q", "p", axis=-1), node("MatMul", "p t0", "y")),
    ],
    "cut into heads": [
        *(node("Reshape", "t0 heads", "r"), node("Softmax", "r", "p", axis=-1)),
        node("Relu", "p", "y"),
    ],
    "each word by each": [
        *(node("Reshape", "t0 column", "r"), node("Mul", "t0 r", "m"), node("Relu", "m", "y")),
    ],
}


@pytest.mark.parametrize("case", NOT_TOLD)
def test_rows_that_are_alike_or_of_several_places_are_not_shown(case: str) -> None:
    found = found_in(NOT_TOLD[case])
    assert not found.is_raw, found.text


def test_rows_that_are_alike_after_a_relu_are_not_shown() -> None:
    below = -np.abs(WORD)
    mostly = np.concatenate([WORD[:15], below[15:]])
    for rows, is_raw in ((below, False), (mostly, False), (mostly[:25], True)):
        tables = [const("words", rows), *TABLES[1:]]
        assert found_in([node("Relu", "t0", "y")], tables).is_raw == is_raw


def test_words_turned_against_each_other_are_not_shown() -> None:
    nodes = [
        *(TAKEN, node("Transpose", "t0", "u", perm=[1, 0, 2]), node("Mul", "t0 u", "m")),
        node("Relu", "m", "y"),
    ]
    found = traced(nodes, TABLES, shape=(6, 6), dtype="int64").taint("y")
    assert not found.is_raw, found.text


def test_sizes_that_are_not_stated_and_old_operators_are_followed() -> None:
    nodes = [TAKEN, node("MatMul", "t0 w", "m"), node("Softmax", "m", "p", axis=2)]
    nodes += [node("QuantizeLinear", "p sq zc", "q"), node("DequantizeLinear", "q sq zc", "y")]
    many = [const("sq", 0.001) if one.name == "sq" else one for one in TABLES]
    shape = ("batch", "length")
    for opset in (12, 17):
        found = traced(nodes, many, shape=shape, dtype="int64", opset=opset).taint("y")
        assert found.is_raw, found.text


def test_of_a_function_that_takes_long_words_are_drawn() -> None:
    wide = [const("words", RNG.standard_normal((3000, 64))), *TABLES[1:]]
    wide += [const("large", RNG.standard_normal((64, 60_000)) / 8)]
    nodes = [node("MatMul", "t0 large", "m"), node("Relu", "m", "y")]
    assert found_in(nodes, wide).is_raw
