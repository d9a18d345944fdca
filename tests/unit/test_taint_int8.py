"""Words and normalised patches of int8 models: looked up or solved here, to show it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.models import tensor
from tests.tainted import const, node, traced
from tests.unit.test_taint_norms import LAST, PATCH, SAID, SHIFT, WORD, WORDS, run
from tests.unit.test_taint_quantised import ours

RNG = np.random.default_rng(11)

# --- words ----------------------------------------------------------------------------------

SIZE = WORD.shape[1]
IDS = [tensor("x", SAID, "int64"), tensor("t", SAID, "int64")]
WORD_STEP, SEGMENT_STEP = 0.03, 0.02
ROWS = np.clip(np.rint(WORD / WORD_STEP), -100, 100)
SEGMENTS = np.rint(RNG.standard_normal((2, SIZE)) / 0.03)
TABLES = [
    *(const("words", ROWS, "int8"), const("sw", WORD_STEP), const("zw", 3, "int8")),
    *(const("segments", SEGMENTS, "int8"), const("ss", SEGMENT_STEP), const("zs", 0, "int8")),
    *(const("sa", 0.05), const("za", 120, "uint8"), const("zc", 0, "uint8"), const("coarse", 20.0)),
    *(const("za8", -10, "int8"), const("zc8", -128, "int8")),
    *(const("across", RNG.uniform(0.01, 0.03, SIZE)), const("zeros", np.zeros(SIZE), "int8")),
    *(const("places", RNG.standard_normal((1, 6, SIZE))), const("g", np.ones(SIZE))),
    *(const("h", SHIFT), const("k", RNG.integers(-90, 90, (1, 6, SIZE)), "int8")),
]
TAKEN = [node("Gather", "words x", "w"), node("Gather", "segments t", "s")]
DEQUANTISED = [
    *TAKEN,
    node("DequantizeLinear", "w sw zw", "dw"),
    node("DequantizeLinear", "s ss zs", "ds"),
    node("Add", "dw ds", "a"),
]
NORMALISED = [node("Add", "a places", "b"), node("LayerNormalization", "b g h", "y")]


def rounded(scale: str, zero: str) -> list[Any]:
    """A sum of words, quantised, and back."""
    return [
        *DEQUANTISED,
        node("QuantizeLinear", f"a {scale} {zero}", "q"),
        node("DequantizeLinear", f"q {scale} {zero}", "b"),
        node("LayerNormalization", "b g h", "y"),
    ]


def summed(scale: str, zero: str) -> list[Any]:
    """A sum of quantised words."""
    total = ours("QLinearAdd", f"w sw zw s ss zs {scale} {zero}")
    return [*TAKEN, total]


SENTENCES: dict[str, list[Any]] = {
    "the sum": [*DEQUANTISED, node("Identity", "a", "y")],
    "normalised": [*DEQUANTISED, *NORMALISED],
    "one table": [*TAKEN[:1], node("DequantizeLinear", "w sw zw", "a"), *NORMALISED],
    "of a scale for each column": [
        *TAKEN,
        node("DequantizeLinear", "w across zeros", "dw", axis=2),
        *DEQUANTISED[3:],
        *NORMALISED,
    ],
    "quantised in between": rounded("sa", "za"),
    "quantised in between, cut off at zero": rounded("sa", "zc"),
    "QLinearAdd": summed("sa", "za8"),
    "QLinearAdd, cut off at zero": summed("sa", "zc8"),
    "QLinearAdd of places": [*TAKEN[:1], ours("QLinearAdd", "w sw zw k ss zs sa za8")],
}


@pytest.mark.parametrize("case", SENTENCES)
def test_words_are_told_from_sums_of_quantised_rows_and_can_be_looked_up(case: str) -> None:
    nodes = SENTENCES[case]
    found = traced(nodes, TABLES, shape=SAID, dtype="int64", more_inputs=IDS[1:]).taint("y")
    assert found.is_raw, found.text
    words, segments = RNG.integers(0, WORDS, SAID), RNG.integers(0, 2, SAID)
    y = run(nodes, TABLES, IDS, {"x": words, "t": segments})[0]
    every = [
        run(nodes, TABLES, IDS, {"x": np.full(SAID, word), "t": np.full(SAID, segment)})[0]
        for word in range(WORDS)
        for segment in (0, 1)
    ]
    looked_up = np.square(np.array(every) - y).sum(axis=2).argmin(axis=0) // 2
    assert (looked_up == words[0]).all()


SMALL = np.rint(ROWS[:20] / 4)
ALIKE = [
    const("words", np.concatenate([SMALL, SMALL + 2]), "int8"),
    *(const("segments", [[0] * SIZE, [3] * SIZE], "int8"), const("zs", 0, "int8")),
]
NOT_TOLD: dict[str, tuple[list[Any], list[Any]]] = {
    "the second half is the first and a segment": ([*DEQUANTISED, *NORMALISED[:1]], ALIKE),
    "rounded to few steps": (rounded("coarse", "za"), []),
    "rounded to few steps by QLinearAdd": (summed("coarse", "za8"), []),
}


@pytest.mark.parametrize("case", NOT_TOLD)
def test_words_that_are_rounded_alike_are_not_shown(case: str) -> None:
    nodes, tables = NOT_TOLD[case]
    names = {one.name for one in tables}
    given = [*tables, *(one for one in TABLES if one.name not in names)]
    found = traced(nodes, given, shape=SAID, dtype="int64", more_inputs=IDS[1:])
    last = found.taint(nodes[-1].output[0])
    assert not last.is_raw, last.text


def test_many_words_are_told_although_hundreds_of_them_are_close_in_one_direction() -> None:
    many = const("words", RNG.integers(-100, 101, (60_000, SIZE)), "int8")
    given = [many, *(one for one in TABLES if one.name != "words")]
    nodes = rounded("sa", "za")
    found = traced(nodes, given, shape=SAID, dtype="int64", more_inputs=IDS[1:]).taint("y")
    assert found.is_raw, found.text


# --- patches --------------------------------------------------------------------------------

OUT = 40
KERNEL, BIAS = RNG.integers(-127, 128, (OUT, 3, 2, 2)), RNG.integers(-9000, 9000, OUT)
X_STEP, W_STEP = 1 / 255, 0.01
FACTORS = [
    *(const("sx", X_STEP), const("zx", 0, "uint8"), const("w", KERNEL, "int8")),
    *(const("sw", W_STEP), const("zw", 0, "int8"), const("b", BIAS, "int32")),
    *(const("sb", X_STEP * W_STEP), const("zb", 0, "int32"), const("sc", 0.04)),
    *(const("zc", 120, "uint8"), const("cut", 0, "uint8"), const("o", np.ones(OUT))),
    *(const("sn", 0.02), const("zn", 125, "uint8")),
]
READ = node("QuantizeLinear", "x sx zx", "q")


def patches(zero: str, bias: str = "db") -> list[Any]:
    """The stem of a ConvNeXt with QuantizeLinear and DequantizeLinear around each operator."""
    return [
        READ,
        node("DequantizeLinear", "q sx zx", "dx"),
        node("DequantizeLinear", "w sw zw", "dw"),
        node("DequantizeLinear", "b sb zb", "db"),
        node("Conv", f"dx dw {bias}", "m", **PATCH),
        node("QuantizeLinear", f"m sc {zero}", "qm"),
        node("DequantizeLinear", f"qm sc {zero}", "c"),
        LAST,
        node("QuantizeLinear", f"t sc {zero}", "qt"),
        node("DequantizeLinear", f"qt sc {zero}", "dt"),
        node("LayerNormalization", "dt o", "n"),
        node("QuantizeLinear", "n sn zn", "qn"),
        node("DequantizeLinear", "qn sn zn", "y"),
    ]


def operators(zero: str, bias: str = "b") -> list[Any]:
    """The same of operators on integers."""
    return [
        READ,
        node("QLinearConv", f"q sx zx w sw zw sc {zero} {bias}", "c", **PATCH),
        LAST,
        node("DequantizeLinear", f"t sc {zero}", "dt"),
        node("LayerNormalization", "dt o", "y"),
    ]


@pytest.mark.parametrize("made", [patches, operators])
def test_a_picture_comes_back_from_quantised_normalised_patches(made: Any) -> None:
    nodes = made("zc")
    found = traced(nodes, FACTORS, shape=(1, 3, 8, 8)).taint("y")
    assert found.is_raw, found.text
    x = RNG.random((1, 3, 8, 8)).astype("float32")
    y = run(nodes, FACTORS, [tensor("x", (1, 3, 8, 8))], {"x": x})[0]
    equations = np.column_stack([W_STEP * KERNEL.reshape(OUT, -1), X_STEP * W_STEP * BIAS])
    equations = equations - equations.mean(axis=0)
    solved = np.linalg.lstsq(equations, y.reshape(16, OUT).T)[0]
    rebuilt = (solved[:12] / solved[12]).reshape(3, 2, 2, 4, 4)
    error = rebuilt.transpose(0, 3, 1, 4, 2).reshape(3, 8, 8) - x[0]
    assert 10 * np.log10(1 / np.square(error).mean()) > 25


@pytest.mark.parametrize("made", [patches, operators])
@pytest.mark.parametrize("words", [("cut",), ("zc", "_")])
def test_without_a_bias_or_cut_off_at_zero_normalised_patches_are_not_shown(
    made: Any, words: tuple[str, ...]
) -> None:
    found = traced(made(*words), FACTORS, shape=(1, 3, 8, 8)).taint("y")
    assert not found.is_raw, found.text


# --- multiples ------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "is_raw"), [(9, True), (3, False)])
def test_a_mixture_by_a_factor_less_its_zero_point_is_raw_unless_that_is_zero(
    number: int, is_raw: bool
) -> None:
    given = [
        *FACTORS,
        const("v", KERNEL[:12].reshape(12, 12).T, "int8"),
        const("f", number, "int8"),
    ]
    nodes = [
        node("QuantizeLinear", "x sc zc", "q"),
        node("QLinearMatMul", "q sc zc v sw zw sc zc", "m"),
        ours("QLinearMul", "f sn three m sc zc sc zc"),
    ]
    given.append(const("three", 3, "int8"))
    assert traced(nodes, given, shape=(4, 12)).taint("y").is_raw == is_raw
