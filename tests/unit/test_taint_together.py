"""Tensors none of which is raw, and which together give raw input back."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.models import build, integers, tensor, weights
from tests.tainted import const, node, traced

MIX = weights("mix", 6, 3, 1, 2, fan_in=6)  # 6 channels of 6 values: injective
TO_M = node("Conv", "x mix", "m", pads=[0, 0, 0, 1])  # a mixture, from which x can be had back
TO_F = node("Conv", "r w", "f", pads=[1, 1, 1, 1])  # f(m), of which m cannot
LOSSY = weights("w", 6, 6, 3, 3, fan_in=54)


def together(nodes: list[Any], constants: list[Any], *names: str, **words: Any) -> list[Any]:
    """Return the sets of names among these that reveal raw input."""
    found = traced(nodes, constants, **words)
    assert not any(found.taint(name).is_raw for name in names)
    for name in names:
        assert found.raw_among([name]) == ()
    return [which for which, _ in found.raw_among(names)]


RESIDUALS = {
    "x + f(x), f(x)": ([node("Add", "m f", "y")], ["y", "f"]),
    "f(x) + x, f(x)": ([node("Add", "f m", "y")], ["y", "f"]),
    "x - f(x), f(x)": ([node("Sub", "m f", "y")], ["y", "f"]),
    "f(x) - x, f(x)": ([node("Sub", "f m", "y")], ["y", "f"]),
    "their sum of three": ([node("Sum", "f m r", "y")], ["y", "f", "r"]),
    "x + f(x), what f(x) is computed of": ([node("Add", "m f", "y")], ["y", "r"]),
    "moved": (
        [node("Add", "m f", "a"), node("Transpose", "a", "y"), node("Mul", "f two", "f2")],
        ["y", "f2"],
    ),
    "normalised by constants": (
        [node("Add", "m f", "a"), node("BatchNormalization", "a g b b g", "y")],
        ["y", "f"],
    ),
    "x + f(x), x - f(x)": ([node("Add", "m f", "y"), node("Sub", "m f", "z")], ["y", "z"]),
    "x + f(x), 2 x - f(x) / 3": (
        [
            node("Add", "m f", "y"),
            node("Mul", "m two", "m2"),
            node("Div", "f three", "f3"),
            node("Sub", "m2 f3", "z"),
        ],
        ["y", "z"],
    ),
    "x / size, size": (
        [node("ReduceL2", "m", "s", axes=[1]), node("Div", "m s", "y")],
        ["y", "s"],
    ),
}
NUMBERS = [
    *(MIX, LOSSY, const("two", 2.0), const("three", 3.0)),
    *(const("g", [1.0, 2, 3, 4, 5, 6]), const("b", [0.0] * 6)),
]


@pytest.mark.parametrize("case", RESIDUALS)
def test_a_tensor_with_its_residual_is_raw(case: str) -> None:
    made, names = RESIDUALS[case]
    found = together([TO_M, node("Relu", "m", "r"), TO_F, *made], NUMBERS, *names)
    assert [set(one) for one in found] == [set(names)]


NO_RESIDUALS = {
    "another f": ([node("Add", "m f", "y"), node("Relu", "f", "z")], ["y", "z"]),
    "the sum and a multiple of it": (
        [node("Add", "m f", "y"), node("Mul", "y two", "z")],
        ["y", "z"],
    ),
    "times f(x), which may be 0": ([node("Mul", "m f", "y")], ["y", "f"]),
    "two sums of three": (
        [
            node("Sigmoid", "m", "s"),
            node("Sum", "m f s", "y"),
            node("Add", "f s", "fs"),
            node("Add", "m fs", "z"),
        ],
        ["y", "z"],
    ),
}


@pytest.mark.parametrize("case", NO_RESIDUALS)
def test_sums_that_cannot_be_solved_are_not_shown(case: str) -> None:
    made, names = NO_RESIDUALS[case]
    assert not together([TO_M, node("Relu", "m", "r"), TO_F, *made], NUMBERS, *names)


HALVES = [node("Neg", "m", "n"), node("Relu", "m", "p"), node("Relu", "n", "q")]


@pytest.mark.parametrize(
    "made",
    [
        HALVES,
        [node("Mul", "m minus", "n"), *HALVES[1:]],
        [node("Relu", "m", "p"), node("Abs", "m", "q")],
        [node("Max", "m zero", "p"), node("Min", "m zero", "q")],
    ],
)
def test_positive_and_negative_parts_are_raw_together(made: list[Any]) -> None:
    """As CReLU makes them."""
    constants = [MIX, const("minus", -2.0), const("zero", 0.0)]
    ((*names,),) = together([TO_M, *made], constants, "p", "q")
    assert set(names) == {"p", "q"}


@pytest.mark.parametrize("factor", [2.0, [[[[-2.0, 0.0] * 4]]], [[[[-2.0, 1.0] * 4]]]])
def test_two_parts_of_one_sign_are_not_shown(factor: Any) -> None:
    scaled = [node("Mul", "m k", "n"), *HALVES[1:]]
    assert not together([TO_M, *scaled], [MIX, const("k", factor)], "p", "q")


def test_a_shift_before_the_parts_leaves_a_gap() -> None:
    shifted = [node("Neg", "m", "k"), node("Sub", "k one", "n"), *HALVES[1:]]
    assert not together([TO_M, *shifted], [MIX, const("one", 1.0)], "p", "q")


def test_positive_and_negative_parts_are_raw_where_they_are_joined() -> None:
    found = traced([TO_M, *HALVES, node("Concat", "p q", "y", axis=1)], [MIX])
    assert found.taint("y").text == "x -> Conv -> Relu -> Concat"
    before = [node("Concat", "n m", "c", axis=1), node("Relu", "c", "y")]
    found = traced([TO_M, HALVES[0], *before], [MIX])
    assert found.taint("y").text == "x -> Conv -> Relu"


@pytest.mark.parametrize(
    ("made", "is_raw"),
    [
        ([node("Add", "m m", "y")], True),
        ([node("Sum", "m m m", "y")], True),
        ([node("Mul", "m two", "z"), node("Add", "m z", "y")], True),
        ([node("Neg", "m", "z"), node("Sub", "m z", "y")], True),
        ([node("Neg", "m", "z"), node("Add", "m z", "y")], False),
        ([node("Sub", "m m", "y")], False),
        ([node("Mul", "m m", "y")], False),
        ([node("Mul", "m two", "y")], True),
        ([node("Mul", "m zero", "y")], False),
    ],
)
def test_multiples_of_a_mixture_are_as_much(made: list[Any], is_raw: bool) -> None:
    found = traced([TO_M, *made], [MIX, const("two", 2.0), const("zero", 0.0)])
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_a_picture_less_itself_is_nothing() -> None:
    assert not traced([node("Sub", "x x", "y")]).taint("y").is_raw


def matrix(name: str, rows: int, columns: int, rank: int | None = None, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    inner = min(rows, columns) if rank is None else rank
    return const(name, rng.standard_normal((rows, inner)) @ rng.standard_normal((inner, columns)))


@pytest.mark.parametrize(
    ("sizes", "seeds", "is_raw"),
    [
        ((4, 4), (1, 2), True),
        ((4, 3), (1, 2), False),
        ((4, 4), (1, 1), False),  # the same twice
        ((3, 3, 2), (1, 2, 3), True),
    ],
)
@pytest.mark.parametrize("op_type", ["MatMul", "Gemm", "turned", "columns"])
def test_matrices_of_one_tensor_are_raw_together_if_their_ranks_add_up(
    op_type: str, sizes: tuple[int, ...], seeds: tuple[int, ...], is_raw: bool
) -> None:
    names = [f"y{place}" for place in range(len(sizes))]
    nodes, constants = [], []
    for name, size, seed in zip(names, sizes, seeds, strict=True):
        is_turned = op_type in ("turned", "columns")
        shape = (size, 8) if is_turned else (8, size)
        constants.append(matrix(f"w{name}", *shape, seed=seed))
        match op_type:
            case "columns":
                nodes.append(node("MatMul", f"w{name} x", name))
            case "turned":
                nodes.append(node("Gemm", f"x w{name}", name, transB=1))
            case _:
                nodes.append(node(op_type, f"x w{name}", name))
    shape = (8, 5) if op_type == "columns" else (5, 8)
    found = together(nodes, constants, *names, shape=shape)
    assert [set(one) for one in found] == ([set(names)] if is_raw else [])


def test_all_matrices_are_needed() -> None:
    nodes = [node("MatMul", f"x w{i}", f"y{i}") for i in range(3)]
    constants = [matrix(f"w{i}", 8, 3, seed=i) for i in range(3)]
    found = traced(nodes, constants, shape=(5, 8))
    assert found.raw_among(["y0", "y2"]) == ()
    assert [set(names) for names, _ in found.raw_among(["y0", "y1", "y2"])] == [{"y0", "y1", "y2"}]


def test_matrices_with_their_bias_and_a_curve_that_keeps_all() -> None:
    nodes = []
    for i in range(2):
        nodes += [
            node("MatMul", f"x w{i}", f"m{i}"),
            node("Add", f"m{i} b", f"a{i}"),
            node("LeakyRelu", f"a{i}", f"y{i}", alpha=0.1),
        ]
    constants = [*(matrix(f"w{i}", 8, 4, seed=i) for i in range(2)), const("b", [1.0, 2, 3, 4])]
    assert together(nodes, constants, "y0", "y1", shape=(5, 8)) == [("y0", "y1")]
    joined = traced([*nodes, node("Concat", "y0 y1", "y", axis=1)], constants, shape=(5, 8))
    assert joined.taint("y").text == "x -> MatMul -> Concat"


def test_products_of_matrices_are_one_matrix_beside_others() -> None:
    """y1 = (x a) b, and b takes two of six numbers away; y0 has them."""
    nodes = [
        node("MatMul", "x a", "h"),
        node("Add", "h bias", "h2"),
        node("MatMul", "h2 b", "y1"),
        node("MatMul", "x c", "y0"),
    ]
    constants = [
        *(matrix("a", 8, 6, seed=1), const("bias", [1.0] * 6), matrix("b", 6, 4, seed=2)),
        matrix("c", 8, 4, seed=3),
    ]
    assert together(nodes, constants, "y0", "y1", shape=(5, 8)) == [("y0", "y1")]


def test_kernels_of_one_tensor_are_raw_together() -> None:
    nodes = [node("Conv", f"x w{i}", f"y{i}") for i in range(2)]
    kernels = [weights(f"w{i}", 3, 6, 1, 1, seed=i) for i in range(2)]
    assert together(nodes, kernels, "y0", "y1", shape=(1, 6, 8, 8)) == [("y0", "y1")]
    apart = [node("Conv", f"x w{i}", f"y{i}", strides=[2, 2]) for i in range(2)]
    assert not together(apart, kernels, "y0", "y1", shape=(1, 6, 8, 8))


@pytest.mark.parametrize(
    ("first", "second", "is_raw"),
    [
        ((8, 8, 8), (8, 8, 8), True),  # square, nonsingular
        ((8, 12, 8), (12, 20, 12), True),  # ever more numbers
        ((8, 12, 8), (12, 12, 11), False),  # the second is not shown by itself
        ((8, 8, 7), (8, 8, 8), False),
        ((8, 12, 8), (12, 8, 8), False),  # it may be, but each is looked at alone
    ],
)
def test_products_of_injective_matrices_are_injective(
    first: tuple[int, int, int], second: tuple[int, int, int], is_raw: bool
) -> None:
    nodes = [node("MatMul", "x a", "h"), node("MatMul", "h b", "y")]
    constants = [matrix("a", *first, seed=1), matrix("b", *second, seed=2)]
    found = traced(nodes, constants, shape=(5, 8))
    assert found.taint("y").is_raw == is_raw
    if is_raw:
        x = np.random.default_rng(5).standard_normal((5, 8)).astype(np.float32)
        model = build(nodes, [tensor("x", (5, 8))], [tensor("y", None)], constants)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        (y,) = session.run(["y"], {"x": x})
        whole = np.array(session.run(["y"], {"x": np.eye(5, 8, dtype=np.float32)})[0])
        rest = np.array(session.run(["y"], {"x": np.eye(5, 8, 5, dtype=np.float32)})[0])
        product = np.concatenate([whole, rest[:3]])
        assert np.allclose(np.linalg.lstsq(product.T, y.T)[0].T, x, atol=1e-3)


def test_scaled_columns_of_a_table_are_raw() -> None:
    for scale, is_raw in (([2.0, 0.5, 1.0], True), ([0.0, 0.0, 0.0], False)):
        made = node("Scaler", "x", "y", offset=[1.0, 2.0, 3.0], scale=scale)
        made.domain = "ai.onnx.ml"
        found = traced([made], shape=("n", 3))
        assert found.taint("y").is_raw == is_raw


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Imputer", {"imputed_value_floats": [0.0] * 3, "replaced_value_float": 1.0}),
        ("FeatureVectorizer", {"inputdimensions": [3]}),
        ("Normalizer", {"norm": "L2"}),
    ],
)
def test_what_prepares_a_table_leaves_it_raw(op_type: str, attributes: dict[str, Any]) -> None:
    made = node(op_type, "x", "y", **attributes)
    made.domain = "ai.onnx.ml"
    assert traced([made], shape=("n", 3)).taint("y").is_raw


def fused(op_type: str, inputs: str, **attributes: Any) -> Any:
    made = node(op_type, inputs, "y", **attributes)
    made.domain = "com.microsoft"
    return made


@pytest.mark.parametrize(
    ("attributes", "is_raw"),
    [
        ({}, True),
        ({"activation": "Relu"}, False),
        ({"activation": "LeakyRelu", "activation_params": [0.1]}, True),
        ({"activation": "LeakyRelu", "activation_params": [0.0]}, False),
        ({"activation": "HardSigmoid", "activation_params": [0.2, 0.5]}, False),
    ],
)
def test_a_fused_convolution_is_as_its_parts(attributes: dict[str, Any], is_raw: bool) -> None:
    made = fused("FusedConv", "x mix", pads=[0, 0, 0, 1], **attributes)
    assert traced([made], [MIX]).taint("y").is_raw == is_raw


def test_a_fused_convolution_of_few_colours_is_a_picture() -> None:
    made = fused("FusedConv", "x g", activation="Relu")
    assert traced([made], [const("g", [[[[0.3]], [[0.6]], [[0.1]]]])]).taint("y").is_raw


def test_what_a_fused_convolution_adds_hides_its_mixture() -> None:
    nodes = [TO_M, node("Relu", "m", "r"), fused("FusedConv", "x mix _ r", pads=[0, 0, 0, 1])]
    assert not traced(nodes, [MIX]).taint("y").is_raw


@pytest.mark.parametrize(
    ("op_type", "inputs", "shape", "attributes", "is_raw"),
    [
        ("FusedMatMul", "x w", (8, 9), {}, True),
        ("FusedMatMul", "x w", (8, 7), {}, False),
        ("FusedMatMul", "x w", (9, 8), {"transB": 1}, True),
        ("FusedMatMul", "x w", (8, 9), {"transA": 1}, True),
        ("FusedMatMul", "x w", (8, 9), {"alpha": 0.0}, False),
        ("FusedMatMul", "w x", (9, 8), {}, True),
        ("FusedMatMul", "w x", (8, 9), {"transA": 1}, True),
        ("FusedGemm", "x w", (8, 9), {}, True),
        ("FusedGemm", "x w", (9, 8), {"transB": 1, "activation": "Relu"}, False),
        ("FusedGemm", "x w", (8, 9), {"activation": "LeakyRelu", "activation_alpha": 0.1}, True),
    ],
)
def test_fused_products_are_as_their_parts(
    op_type: str, inputs: str, shape: tuple[int, int], attributes: dict[str, Any], is_raw: bool
) -> None:
    found = traced([fused(op_type, inputs, **attributes)], [weights("w", *shape)], shape=(8, 8))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_without_the_first_of_each_set_nothing_is_left() -> None:
    made = [node("Add", "m f", "y"), node("Sigmoid", "y", "s"), node("Add", "y s", "z")]
    found = traced([TO_M, node("Relu", "m", "r"), TO_F, *made, *HALVES[::2]], NUMBERS)
    names = {"y", "f", "r", "s", "z", "q"}
    sets = found.raw_among(names)
    assert len(sets) > 1
    assert found.raw_among(names - {one[0] for one, _ in sets}) == ()


def test_parts_of_a_mixture_that_are_not_all_are_not_shown() -> None:
    split = node("Split", "m n", "a b c", axis=1)
    parts = [TO_M, split, node("Concat", "a b", "y", axis=1)]
    found = traced(parts, [MIX, integers("n", 2, 2, 2)])
    assert not found.taint("y").is_raw
    assert found.raw_among(["y"]) == ()
    assert [set(names) for names, _ in found.raw_among(["y", "c"])] == [{"y", "c"}]
