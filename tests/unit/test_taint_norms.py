"""Normalised rows of a matrix, or of tables of words: solved or looked up here, to show it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.models import build, integers, tensor
from tests.tainted import const, node, traced

RNG = np.random.default_rng(7)
WORDS, SEGMENTS, PLACES, SIZE = 40, 2, 6, 16
WORD, SEGMENT, PLACE = (RNG.standard_normal((n, SIZE)) for n in (WORDS, SEGMENTS, PLACES))
SCALE = RNG.uniform(0.5, 2, SIZE)
SHIFT = RNG.standard_normal(SIZE)
SAID = (1, PLACES)


def run(nodes: list[Any], given: list[Any], inputs: list[Any], feeds: dict[str, Any]) -> Any:
    outputs = [helper.make_empty_tensor_value_info("y")]
    model = build(nodes, inputs, outputs, given).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], feeds)[0], dtype=np.float64)


# --- words ----------------------------------------------------------------------------------

ROWS_TAKEN = [
    *(const("table", PLACE), integers("every", *range(PLACES)), integers("nil", 0)),
    integers("one", 1),
]
TABLES = [
    *ROWS_TAKEN,
    const("words", WORD),
    const("segments", SEGMENT),
    const("places", PLACE[None]),
]
NUMBERS = [
    *(const("g", SCALE), const("h", SHIFT), const("two", 2.0), const("eps", 1e-5)),
    *(const("none", np.zeros(SIZE)), const("few", [1.0, *[0.0] * 15]), const("k", 4.0)),
]
BY_HAND = [
    node("ReduceMean", "b", "mu", axes=[-1]),
    node("Sub", "b mu", "d"),
    node("Pow", "d two", "p"),
    node("ReduceMean", "p", "v", axes=[-1]),
    node("Add", "v eps", "e"),
    node("Sqrt", "e", "sd"),
]
ADDED = [
    node("Gather", "words x", "w"),
    node("Gather", "segments t", "s"),
    node("Add", "w s", "a"),
    node("Add", "a places", "b"),
]
SENTENCES: dict[str, list[Any]] = {
    "the sum": [*ADDED, node("Identity", "b", "y")],
    "in another order": [
        *(ADDED[1], node("Add", "places s", "a"), ADDED[0]),
        node("Add", "a w", "y"),
    ],
    "scaled": [
        *(ADDED[0], node("Mul", "k w", "w4"), ADDED[1], node("Sub", "w4 s", "y")),
    ],
    "normalised": [*ADDED, node("LayerNormalization", "b g h", "y")],
    "normalised, one number is left": [*ADDED, node("LayerNormalization", "b few h", "y")],
    "less its mean": [*ADDED, *BY_HAND[:2], node("Identity", "d", "y")],
    "normalised by hand": [
        *(*ADDED, *BY_HAND, node("Div", "d sd", "n")),
        *(node("Mul", "n g", "m"), node("Add", "m h", "y")),
    ],
    "by the reciprocal": [*ADDED, *BY_HAND, node("Reciprocal", "sd", "r"), node("Mul", "d r", "y")],
    "as long as the sentence": [
        *(ADDED[0], node("Shape", "x", "shape"), node("Gather", "shape one", "long")),
        *(node("Slice", "every nil long nil", "at"), node("Gather", "table at", "p")),
        *(node("Add", "w p", "b"), node("LayerNormalization", "b g h", "y")),
    ],
    "as Llama": [
        *(ADDED[0], node("Cast", "w", "b", to=1), node("Pow", "b two", "p")),
        *(node("ReduceMean", "p", "v", axes=[-1]), node("Sqrt", "v", "sd")),
        *(node("Div", "k sd", "r"), node("Mul", "r b", "n"), node("Mul", "g n", "y")),
    ],
    "as GPT": [ADDED[0], node("Add", "w places", "b"), node("LayerNormalization", "b g h", "y")],
}
IDS = [tensor("x", SAID, "int64"), tensor("t", SAID, "int64")]


@pytest.mark.parametrize("case", SENTENCES)
def test_words_are_told_from_sums_of_rows_and_can_be_looked_up(case: str) -> None:
    nodes, given = SENTENCES[case], [*TABLES, *NUMBERS]
    found = traced(nodes, given, shape=SAID, dtype="int64", more_inputs=IDS[1:])
    assert found.taint("y").is_raw, found.taint("y").text
    assert found.taint("y").chain[0] == "x"
    words, segments = RNG.integers(0, WORDS, SAID), RNG.integers(0, SEGMENTS, SAID)
    y = run(nodes, given, IDS, {"x": words, "t": segments})[0]
    every = [
        run(nodes, given, IDS, {"x": np.full(SAID, word), "t": np.full(SAID, segment)})[0]
        for word in range(WORDS)
        for segment in range(SEGMENTS)
    ]
    missed = np.square(np.array(every) - y).sum(axis=2).argmin(axis=0) // SEGMENTS
    assert (missed == words[0]).all()


TWICE = np.concatenate([WORD[:20], 2 * WORD[:20]])
NOT_TOLD: dict[str, tuple[list[Any], list[Any]]] = {
    "the second half is the first and a segment": (
        ADDED,
        [const("words", np.concatenate([WORD[:20], WORD[:20] + SEGMENT[1] - SEGMENT[0]]))],
    ),
    "two of a direction": ([*ADDED[:1], node("LayerNormalization", "w g h", "b")], [
        const("words", TWICE),
    ]),
    "two of a direction, less their mean": (
        [*ADDED[:1], *(node("Add", "w none", "b"), *BY_HAND, node("Div", "d sd", "n"))],
        [const("words", TWICE)],
    ),
    "nothing is left": ([*ADDED, node("LayerNormalization", "b none h", "n")], []),
    "an attention is added": (
        [*ADDED, node("LayerNormalization", "b g h", "l"), node("Transpose", "l", "t1",
         perm=[0, 2, 1]), node("MatMul", "l t1", "q"), node("Softmax", "q", "c"),
         node("MatMul", "c l", "o"), node("Add", "o b", "r"),
         node("LayerNormalization", "r g h", "n")],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_TOLD)
def test_sums_of_several_words_are_not_shown(case: str) -> None:
    nodes, tables = NOT_TOLD[case]
    names = {one.name for one in tables}
    given = [*tables, *(one for one in TABLES if one.name not in names), *NUMBERS]
    found = traced(nodes, given, shape=SAID, dtype="int64", more_inputs=IDS[1:])
    last = found.taint(nodes[-1].output[0])
    assert not last.is_raw, last.text


def test_two_of_a_direction_are_told_before_they_are_normalised() -> None:
    given = [const("words", TWICE), *TABLES[-2:], *NUMBERS]
    found = traced(ADDED, given, shape=SAID, dtype="int64", more_inputs=IDS[1:])
    assert found.taint("b").is_raw


def test_more_sums_than_are_compared_are_drawn() -> None:
    long, many = RNG.standard_normal((2000, SIZE)), RNG.standard_normal((900, SIZE))
    given = [const("words", long), const("segments", many), TABLES[-1], *NUMBERS]
    nodes = SENTENCES["normalised"]
    found = traced(nodes, given, shape=SAID, dtype="int64", more_inputs=IDS[1:])
    assert found.taint("y").chain[0] == "x"


@pytest.mark.parametrize(("words", "is_raw"), [(WORD, True), (TWICE, False)])
def test_fused_embeddings_tell_the_words(words: np.ndarray, is_raw: bool) -> None:
    made = node("EmbedLayerNormalization", "x _ words places _ g h", "y _")
    made.domain = "com.microsoft"
    given = [const("words", words), const("places", 0 * PLACE), *NUMBERS]
    found = traced([made], given, shape=SAID, dtype="int32")
    assert found.taint("y").is_raw == is_raw


# --- matrices -------------------------------------------------------------------------------

OUT = 40
KERNEL, BIAS = RNG.standard_normal((OUT, 3, 2, 2)), RNG.standard_normal(OUT)
PATCHES = KERNEL.reshape(OUT, -1)
MATRIX = RNG.standard_normal((12, OUT))
FACTORS = [
    *(const("w", KERNEL), const("v", MATRIX), const("b", BIAS), const("o", np.ones(OUT))),
    *(const("along", PATCHES @ np.arange(12)), const("two", 2.0), const("eps", 1e-9)),
    *(const("half", [1.0] * 13 + [0.0] * 27), const("at", RNG.standard_normal((1, 16, OUT)))),
    *(const("class", BIAS[None, None]), const("at17", RNG.standard_normal((1, 17, OUT)))),
    *(const("wide", np.ones((1, 16, 1))), const("o41", np.ones(OUT + 1))),
    *(integers("flat", 1, OUT, 16), integers("back", 1, 12, 16)),
]
PATCH = {"kernel_shape": [2, 2], "strides": [2, 2]}
LAST = node("Transpose", "c", "t", perm=[0, 2, 3, 1])
TOKENS = [node("Reshape", "c flat", "f"), node("Transpose", "f", "t", perm=[0, 2, 1])]
ROWS = [node("Reshape", "x back", "r"), node("Transpose", "r", "u", perm=[0, 2, 1])]
CONV = node("Conv", "x w b", "c", **PATCH)
UNBIASED = node("Conv", "x w", "c", **PATCH)
NORMALISED: dict[str, tuple[list[Any], bool]] = {
    "patches": ([CONV, LAST, node("LayerNormalization", "t o", "y")], True),
    "patches, moved": (
        [CONV, LAST, node("LayerNormalization", "t o", "n"),
         node("Transpose", "n", "y", perm=[0, 3, 1, 2])],
        True,
    ),
    "tokens": ([CONV, *TOKENS, node("LayerNormalization", "t o", "y")], True),
    "tokens and their places": (
        [UNBIASED, *TOKENS, node("Add", "t at", "p"), node("LayerNormalization", "p o", "y")],
        True,
    ),
    "tokens after one of the model, and their places": (
        [CONV, *TOKENS, node("Concat", "class t", "l", axis=1), node("Add", "l at17", "p"),
         node("LayerNormalization", "p o", "y")],
        True,
    ),
    "tokens wider by constants": (
        [CONV, *TOKENS, node("Concat", "wide t", "l", axis=2),
         node("LayerNormalization", "l o41", "y")],
        False,
    ),
    "less the mean": (
        [UNBIASED, LAST, node("ReduceMean", "t", "m", axes=[-1]), node("Sub", "t m", "y")],
        True,
    ),
    "less the mean of the channels": (
        [CONV, node("ReduceMean", "c", "m", axes=[1]), node("Sub", "c m", "y")],
        True,
    ),
    "by their own size": (
        [CONV, node("ReduceL2", "c", "m", axes=[1]), node("Div", "c m", "y")],
        True,
    ),
    "LpNormalization": ([CONV, node("LpNormalization", "c", "y", axis=1)], True),
    "LogSoftmax": ([UNBIASED, LAST, node("LogSoftmax", "t", "y", axis=-1)], True),
    "Softmax of the channels": ([CONV, node("Softmax", "c", "y", axis=1)], True),
    "LogSoftmax along the places": ([CONV, node("LogSoftmax", "c", "y", axis=3)], False),
    "LogSoftmax after a Relu": (
        [CONV, LAST, node("Relu", "t", "r"), node("LogSoftmax", "r", "y", axis=-1)],
        False,
    ),
    "rows": (
        [*ROWS, node("MatMul", "u v", "m"), node("Add", "b m", "a"),
         node("LayerNormalization", "a o", "y")],
        True,
    ),
    "thirteen numbers for twelve and a size": (
        [CONV, LAST, node("LayerNormalization", "t half", "y")],
        True,
    ),
    "without a bias": ([UNBIASED, LAST, node("LayerNormalization", "t o", "y")], False),
    "LpNormalization without a bias": ([UNBIASED, node("LpNormalization", "c", "y", axis=1)],
        False,
    ),
    "a bias that a patch may be": (
        [node("Conv", "x w along", "c", **PATCH), LAST, node("LayerNormalization", "t o", "y")],
        False,
    ),
    "a bias of the same everywhere": (
        [node("Conv", "x w o", "c", **PATCH), LAST, node("LayerNormalization", "t o", "y")],
        False,
    ),
    "less the mean of the places": (
        [CONV, node("ReduceMean", "c", "m", axes=[2]), node("Sub", "c m", "y")],
        False,
    ),
    "normalised along the places": (
        [CONV, node("LpNormalization", "c", "y", axis=3)],
        False,
    ),
    "after a Relu": (
        [CONV, LAST, node("Relu", "t", "r"), node("LayerNormalization", "r o", "y")],
        False,
    ),
    "numbers left out between the windows": (
        [node("Conv", "x w b", "c", kernel_shape=[2, 2], strides=[3, 3]), LAST,
         node("LayerNormalization", "t o", "y")],
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NORMALISED)
def test_normalised_rows_of_a_matrix_are_raw_if_they_can_be_solved(case: str) -> None:
    nodes, is_raw = NORMALISED[case]
    found = traced(nodes, FACTORS, shape=(1, 3, 8, 8)).taint("y")
    assert found.is_raw == is_raw, found.text


@pytest.mark.parametrize("outputs", [12, 13, 14])
def test_a_size_more_takes_an_output_more_and_the_mean_another(outputs: int) -> None:
    given = [const("v", MATRIX[:, :outputs]), const("b", BIAS[:outputs]), const("o", [1.0])]
    first = [node("Gemm", "x v b", "m")]
    for last, needed in (
        (node("LpNormalization", "m", "y", axis=1), 13),
        (node("LayerNormalization", "m o", "y"), 14),
        (node("LogSoftmax", "m", "y"), 13),
        (node("Softmax", "m", "y"), 13),
    ):
        found = traced([*first, last], given, shape=(4, 12))
        assert found.taint("y").is_raw == (outputs >= needed)


def test_a_picture_comes_back_from_normalised_patches() -> None:
    nodes, _ = NORMALISED["patches"]
    x = RNG.random((1, 3, 8, 8)).astype("float32")
    y = run(nodes, FACTORS, [tensor("x", (1, 3, 8, 8))], {"x": x})[0]
    equations = np.column_stack([PATCHES, BIAS])
    equations = equations - equations.mean(axis=0)
    rebuilt = np.zeros((3, 8, 8))
    for row in range(4):
        for column in range(4):
            found = np.linalg.lstsq(equations, y[row, column])[0]
            patch = (found[:12] / found[12]).reshape(3, 2, 2)
            rebuilt[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = patch
    assert np.abs(rebuilt - x[0]).max() < 1e-3


@pytest.mark.parametrize(("axis", "is_raw"), [({}, False), ({"axis": 3}, True)])
def test_up_to_opset_12_all_axes_from_that_of_a_softmax_on_are_one_row(
    axis: dict[str, int], is_raw: bool
) -> None:
    nodes = [CONV, LAST, node("LogSoftmax", "t", "y", **axis)]
    assert traced(nodes, FACTORS, shape=(1, 3, 8, 8), opset=12).taint("y").is_raw == is_raw


@pytest.mark.parametrize("case", ["less the mean", "LogSoftmax"])
def test_a_picture_comes_back_from_patches_less_a_number_each(case: str) -> None:
    nodes, _ = NORMALISED[case]
    x = RNG.random((1, 3, 8, 8)).astype("float32")
    y = run(nodes, FACTORS, [tensor("x", (1, 3, 8, 8))], {"x": x})[0]
    equations = PATCHES - PATCHES.mean(axis=0)
    found = np.linalg.lstsq(equations, y.reshape(16, OUT).T)[0]
    rebuilt = found.reshape(3, 2, 2, 4, 4).transpose(0, 3, 1, 4, 2).reshape(3, 8, 8)
    assert np.abs(rebuilt - x[0]).max() < 1e-3
