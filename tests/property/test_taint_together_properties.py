"""What is called raw together determines the input: the slopes of all of it have full rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.onnx_files.taint import TaintedGraph
from tests.tainted import const, node, traced

SIZE = 6
STEP = 1e-7
"""Of the slopes: all operators are made of straight lines."""
Value = np.ndarray

OPERATORS: dict[str, tuple[int, Callable[..., Value]]] = {
    "Add": (2, lambda a, b: a + b),
    "Sub": (2, lambda a, b: a - b),
    "Max": (2, np.maximum),
    "Min": (2, np.minimum),
    "Neg": (1, lambda a: -a),
    "Relu": (1, lambda a: np.maximum(a, 0)),
    "Abs": (1, abs),
    "Identity": (1, lambda a: a),
    "LeakyRelu": (1, lambda a: np.where(a < 0, 0.1 * a, a)),
}


class Program:
    """A mixture of x (1, 6), and random operators, each on what was made before."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._made: list[Callable[[dict[str, Value]], None]] = []
        first = rng.standard_normal((SIZE, SIZE)).astype(np.float32)
        self._add("MatMul", ["x", "w"], "t", lambda a: a @ first)
        self.constants.append(const("w", first))
        sizes = {"t": SIZE}
        for place in range(int(rng.integers(2, 12))):
            name, chosen = f"t{place}", str(rng.choice(list(sizes)))
            columns = sizes[chosen]
            word = str(rng.choice(["MatMul", "Mul", "Concat", *OPERATORS]))
            if word == "MatMul":
                sizes[name] = int(rng.integers(2, 9))
                matrix = rng.standard_normal((columns, sizes[name])).astype(np.float32)
                if rng.random() < 0.3:
                    matrix[0] = matrix[-1]
                self._add(word, [chosen, f"w{place}"], name, lambda a, b=matrix: a @ b)
                self.constants.append(const(f"w{place}", matrix))
            elif word == "Mul":
                sizes[name], factor = columns, float(rng.choice([-2.0, -0.5, 0.5, 3.0]))
                self._add(word, [chosen, f"k{place}"], name, lambda a, k=factor: a * k)
                self.constants.append(const(f"k{place}", factor))
            elif word == "Concat":
                other = str(rng.choice(list(sizes)))
                sizes[name] = columns + sizes[other]
                self._add(word, [chosen, other], name, lambda *a: np.concatenate(a, axis=1), axis=1)
            else:
                count, apply = OPERATORS[word]
                same = [one for one in sizes if sizes[one] == columns]
                inputs = [chosen, *map(str, rng.choice(same, count - 1))]
                sizes[name] = columns
                self._add(word, inputs, name, apply)
        self.chosen = {str(one) for one in rng.choice(list(sizes), 3)}

    def _add(
        self, word: str, inputs: list[str], name: str, apply: Callable[..., Value], **words: int
    ) -> None:
        self.nodes.append(node(word, " ".join(inputs), name, **words))
        changing = [one for one in inputs if one[0] in "xt"]

        def run(values: dict[str, Value]) -> None:
            values[name] = apply(*(values[one] for one in changing))

        self._made.append(run)

    def trace(self) -> TaintedGraph:
        return traced(self.nodes, self.constants, shape=(1, SIZE))

    def rank(self, names: set[str]) -> int:
        """Return the rank of the slopes of these tensors at a random place."""
        place = np.random.default_rng(3).standard_normal((1, SIZE))
        ends = [
            self._run(place, names),
            *(self._run(place + STEP * e, names) for e in np.eye(SIZE)),
        ]
        slopes = np.stack([(end - ends[0]) / STEP for end in ends[1:]])
        return int(np.linalg.matrix_rank(slopes, tol=1e-5))

    def _run(self, x: Value, names: set[str]) -> Value:
        values = {"x": x}
        for run in self._made:
            run(values)
        return np.concatenate([values[name].ravel() for name in sorted(names)])


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 1_000_000))
def test_tensors_that_are_raw_together_determine_the_input(seed: int) -> None:
    program = Program(seed)
    found = program.trace()
    for names, _ in found.raw_among(program.chosen):
        assert program.rank(set(names)) == SIZE, (names, program.nodes)
