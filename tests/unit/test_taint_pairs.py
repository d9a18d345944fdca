"""Operators whose outputs, or an output with an input, give a mixture back: undone to show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.models import build, integers, tensor
from tests.tainted import const, node, traced
from tests.unit.test_taint_curves import W

RNG = np.random.default_rng(3)
V = RNG.standard_normal((8, 16)).astype("float32")
U = RNG.standard_normal((8, 16)).astype("float32")
TO_M = node("MatMul", "x w", "m")
GATE = [TO_M, node("Relu", "m", "r"), node("MatMul", "r w", "h"), node("Sigmoid", "h", "s")]
GIVEN = [const("w", W), const("v", V), const("u", U), const("same", V), integers("one", 1)]
Arrays = Sequence[np.ndarray]


def of_m(rebuild: Callable[[Arrays], np.ndarray]) -> Callable[[Arrays], np.ndarray]:
    return lambda crossing: rebuild(crossing) @ np.linalg.inv(W.astype(np.float64))


CASES: dict[str, tuple[list[Any], str, Callable[[Arrays], np.ndarray]]] = {
    "scaled to one size, size": (
        [TO_M, node("LpNormalization", "m", "y", axis=-1), node("ReduceL2", "m one", "z")],
        "y z",
        of_m(lambda a: a[0] * a[1]),
    ),
    "scaled to a sum of one, sum": (
        [TO_M, node("ReduceL1", "m one", "z"), node("LpNormalization", "m", "y", axis=1, p=1)],
        "y z",
        of_m(lambda a: a[0] * a[1]),
    ),
    "gated, gate": ([*GATE, node("Mul", "m s", "y")], "y s", of_m(lambda a: a[0] / a[1])),
    "gated, what the gate is computed of": (
        [*GATE, node("Mul", "s m", "y")],
        "y h",
        of_m(lambda a: a[0] * (1 + np.exp(-a[1]))),
    ),
    "values once, places": (
        [TO_M, node("Unique", "m", "y _ z")],
        "y z",
        of_m(lambda a: a[0][a[1].astype(int)].reshape(4, 8)),
    ),
    "a sum of two inputs' matrices": (
        [
            node("Gemm", "x v", "xv"),
            node("MatMul", "t u", "tu"),
            node("Sub", "xv tu", "y"),
        ],
        "y",
        lambda a: (a[0] @ np.linalg.inv(np.concatenate([V, -U]).astype(np.float64)))[:, :8],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_together_they_are_raw_and_x_comes_back(case: str) -> None:
    nodes, names, rebuild = CASES[case]
    shape = (4, 8)
    found = traced(nodes, GIVEN, shape=shape, more_inputs=[tensor("t", shape)], opset=18)
    crossing = names.split()
    assert found.raw_among(crossing)
    if len(crossing) > 1:
        assert not any(found.taint(name).is_raw for name in crossing)
    outputs = [helper.make_empty_tensor_value_info(name) for name in crossing]
    inputs = [tensor("x", shape), tensor("t", shape)]
    model = build(nodes, inputs, outputs, GIVEN, opset=18).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    x, t = RNG.standard_normal((2, *shape)).astype("float32")
    made = session.run(crossing, {"x": x, "t": t})
    assert np.abs(rebuild([np.asarray(one, dtype=np.float64) for one in made]) - x).max() < 1e-3


OTHERS = {
    "another size": (
        [TO_M, node("LpNormalization", "m", "y", axis=1), node("ReduceL1", "m one", "z")],
        "y z",
    ),
    "size of another axis": (
        [TO_M, node("LpNormalization", "m", "y", axis=0), node("ReduceL2", "m one", "z")],
        "y z",
    ),
    "a gate that may be shut": (
        [*GATE[:3], node("HardSigmoid", "h", "s"), node("Mul", "m s", "y")],
        "y s",
    ),
    "the gated alone": ([*GATE, node("Mul", "m s", "y")], "y"),
    "values once, how often": ([TO_M, node("Unique", "m", "y _ _ z")], "y z"),
    "more inputs than sums": (
        [node("MatMul", "x w", "xw"), node("MatMul", "t w", "tw"), node("Add", "xw tw", "y")],
        "y",
    ),
    "the same matrix of both": (
        [node("MatMul", "x v", "xv"), node("MatMul", "t same", "tv"), node("Add", "xv tv", "y")],
        "y",
    ),
    "a matrix and something else": (
        [node("MatMul", "x v", "xv"), node("Tanh", "t", "a"), node("Concat", "a a", "c", axis=1),
         node("Relu", "xv", "r"), node("Add", "c r", "c2"), node("Add", "xv c2", "y")],
        "y",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_others_are_not_shown(case: str) -> None:
    nodes, names = OTHERS[case]
    found = traced(nodes, GIVEN, shape=(4, 8), more_inputs=[tensor("t", (4, 8))], opset=18)
    assert not found.raw_among(names.split())
