"""Models that quantize_dynamic of ONNX Runtime made int8: as raw as the float model was."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, shape_inference
from onnxruntime import quantization

from placer.onnx_files.taint import trace_taint
from tests.models import build, integers, tensor
from tests.tainted import const, node, traced
from tests.unit.test_taint_quantised import ours

RNG = np.random.default_rng(5)
FLOATS = [
    *(const(f"w{n}", RNG.standard_normal((8, n))) for n in (5, 7, 8, 12)),
    *(const(f"t{n}", RNG.standard_normal((n, 8))) for n in (5, 7)),
    *(const(f"b{n}", RNG.standard_normal(n)) for n in (8, 14, 24, 40)),
    const("kernel", RNG.standard_normal((14, 3, 2, 2))),
    const("patch", RNG.standard_normal((40, 3, 2, 2))),
    const("colours", RNG.standard_normal((3, 3, 1, 1))),
    const("few", RNG.standard_normal((7, 3, 2, 2))),
    const("other", RNG.standard_normal((6, 3, 2, 2))),
    *(const(f"rep{n}", RNG.standard_normal((6, 3, n, n))) for n in (1, 3)),
    const("wide", RNG.standard_normal((8, 24))),
    const("left", RNG.standard_normal((9, 4))),
    const("across", RNG.standard_normal((4, 4))),
    const("ones", np.ones(40)),
    const("zero", 0.0),
]
ROWS, PICTURE = (4, 8), (1, 3, 8, 8)
PATCH = {"kernel_shape": [2, 2], "strides": [2, 2]}

MODELS: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "layers that lose nothing": (
        ROWS,
        [node("MatMul", "x w8", "a"), node("Add", "a b8", "b"), node("MatMul", "b w12", "y")],
    ),
    "a layer of fewer numbers": (
        ROWS,
        [node("MatMul", "x w8", "a"), node("MatMul", "a w7", "b"), node("MatMul", "b t7", "y")],
    ),
    "a Relu between": (
        ROWS,
        [node("MatMul", "x w8", "a"), node("Relu", "a", "b"), node("MatMul", "b w12", "y")],
    ),
    "a Gemm": (ROWS, [node("Gemm", "x wide b24", "a"), node("Neg", "a", "y")]),
    "weights on the left": (ROWS, [node("MatMul", "left x", "a"), node("Neg", "a", "y")]),
    "turned when it is quantised": (
        ROWS,
        [
            node("MatMul", "x w8", "a"),
            node("MatMul", "x w5", "b"),
            node("MatMul", "a w5", "c"),
            node("Transpose", "a", "d"),
            node("MatMul", "d across", "y"),
        ],
    ),
    "matrices beside each other": (
        ROWS,
        [
            node("MatMul", "x w5", "a"),
            node("MatMul", "x w7", "b"),
            node("Concat", "a b", "y", axis=1),
        ],
    ),
    "patches": (
        PICTURE,
        [node("Conv", "x kernel b14", "a", **PATCH), node("MatMul", "a across", "y")],
    ),
    "other colours": (PICTURE, [node("Conv", "x colours", "a"), node("Relu", "a", "y")]),
    "kernels beside each other": (
        PICTURE,
        [
            node("Conv", "x few", "a", **PATCH),
            node("Conv", "x other", "b", **PATCH),
            node("Concat", "a b", "y", axis=1),
        ],
    ),
    "kernels of one tensor, added": (
        PICTURE,
        [
            node("Conv", "x rep1", "a"),
            node("Conv", "x rep3", "b", pads=[1, 1, 1, 1]),
            node("Add", "a b", "y"),
        ],
    ),
    "a residual": (
        ROWS,
        [
            node("MatMul", "x w8", "a"),
            node("Relu", "a", "b"),
            node("MatMul", "b w5", "c"),
            node("MatMul", "c t5", "d"),
            node("Add", "a d", "e"),
            node("MatMul", "e w12", "y"),
        ],
    ),
    "normalised patches": (
        PICTURE,
        [
            node("Conv", "x patch b40", "a", **PATCH),
            node("Transpose", "a", "b", perm=[0, 2, 3, 1]),
            node("LayerNormalization", "b ones", "y"),
        ],
    ),
    "normalised rows": (
        ROWS,
        [
            node("MatMul", "x wide", "a"),
            node("Add", "a b24", "b"),
            node("LayerNormalization", "b b24", "y"),
        ],
    ),
    "times a computed number": (
        ROWS,
        [
            node("MatMul", "x w8", "a"),
            node("ReduceMax", "a", "b", keepdims=0),
            node("Mul", "a b", "y"),
        ],
    ),
}


def made_int8(
    folder: Path, nodes: list[Any], shape: tuple[int, ...], *, fused: bool = False, **words: Any
) -> tuple[Any, Any]:
    """Return a float model and what quantize_dynamic makes of it, optimised and saved if wished."""
    used = {name for one in nodes for name in one.input}
    given = [one for one in FLOATS if one.name in used]
    model = build(nodes, [tensor("x", shape)], [tensor("y", None)], given)
    model = shape_inference.infer_shapes(model)
    int8 = quantised(model, folder, **words)
    if not fused:
        return model, int8
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "fused.onnx")
    onnxruntime.InferenceSession(folder / "int8.onnx", options, providers=["CPUExecutionProvider"])
    return model, onnx.load(folder / "fused.onnx")


def quantised(model: Any, folder: Path, **words: Any) -> Any:
    onnx.save(model, folder / "float.onnx")
    quantization.quantize_dynamic(
        folder / "float.onnx",
        folder / "int8.onnx",
        extra_options={"MatMulConstBOnly": False},  # so that they may stand on the left
        **words,
    )
    return onnx.load(folder / "int8.onnx")


@pytest.mark.parametrize("words", [{}, {"per_channel": True}, {"fused": True}], ids=str)
@pytest.mark.parametrize("case", MODELS)
def test_a_model_is_as_raw_in_int8_as_in_float(
    tmp_path: Path, case: str, words: dict[str, bool]
) -> None:
    shape, nodes = MODELS[case]
    model, int8 = made_int8(tmp_path, nodes, shape, **words)
    before, after = trace_taint(model), trace_taint(int8)
    assert "DynamicQuantize" in str([one.op_type for one in int8.graph.node])
    names = [one.output[0] for one in nodes if one.output[0] in after.tensors]
    assert "y" in names
    for name in names:
        assert after.verdict(name) == before.verdict(name), after.taint(name).text
    for pair in combinations(names, 2):
        found, wanted = (one.raw_among(pair) for one in (after, before))
        assert [which for which, _ in found] == [which for which, _ in wanted], pair


WORD = RNG.standard_normal((40, 16))
ALIKE = np.repeat(WORD[::2], 2, axis=0)


@pytest.mark.parametrize("inputs", ["x t words places segments g h", "x _ words places _ g h"])
@pytest.mark.parametrize(("words", "is_raw"), [(WORD, True), (ALIKE, False)])
def test_fused_int8_embeddings_tell_the_words(
    tmp_path: Path, inputs: str, words: Any, is_raw: bool
) -> None:
    given = [
        *(const("words", words), const("places", RNG.standard_normal((6, 16)))),
        *(const("segments", RNG.standard_normal((2, 16))), const("g", RNG.uniform(0.5, 2, 16))),
        const("h", RNG.standard_normal(16)),
    ]
    ids = [tensor("x", (1, 6), "int32"), tensor("t", (1, 6), "int32")]
    made = ours("EmbedLayerNormalization", inputs)
    made.output.append("")
    used = ids if "t" in inputs.split() else ids[:1]
    model = build([made], used, [tensor("y", (1, 6, 16))], given, domains=["com.microsoft"])
    int8 = quantised(model, tmp_path)
    assert [one.op_type for one in int8.graph.node] == ["QEmbedLayerNormalization"]
    for one in (model, int8):
        found = trace_taint(one, public_inputs=["t"][: len(used) - 1])
        assert found.taint("y").is_raw == is_raw


# --- by hand --------------------------------------------------------------------------------

SQUARE = RNG.integers(-128, 128, (8, 8))
GIVEN = [
    *(const("w", SQUARE, "int8"), const("zw", 2, "int8"), const("sw", 0.05)),
    *(const("each", RNG.uniform(0.01, 0.1, 8)), const("gap", [0.1] * 7 + [0.0])),
    *(const("v", SQUARE[:, ::-1], "int8"), const("mix", RNG.standard_normal((8, 8)))),
    *(const("fixed", 128, "uint8"), const("two", 2.0), integers("turned", 4, 8)),
    const("bias", RNG.standard_normal(8)),
]
MIXED = [node("MatMul", "x mix", "m"), node("DynamicQuantizeLinear", "m", "q s z")]
WHOLE = [node("MatMulInteger", "q w z zw", "i"), node("Cast", "i", "c", to=1)]
SCALES = [node("Mul", "s sw", "f")]

AS_FLOAT: dict[str, list[Any]] = {
    "as quantize_dynamic": [*WHOLE, *SCALES, node("Mul", "c f", "y")],
    "the other way round": [*WHOLE, node("Mul", "sw s", "f"), node("Mul", "f c", "y")],
    "a scale for each column": [*WHOLE, node("Mul", "s each", "f"), node("Mul", "c f", "y")],
    "one scale after the other": [*WHOLE, node("Mul", "c s", "d"), node("Mul", "d each", "y")],
    "that of the weights first": [*WHOLE, node("Mul", "c each", "d"), node("Mul", "d s", "y")],
    "without zero points of the weights": [
        node("MatMulInteger", "q w z", "i"),
        *WHOLE[1:],
        *SCALES,
        node("Mul", "c f", "y"),
    ],
    "moved in between": [
        node("Reshape", "q turned", "r"),
        node("MatMulInteger", "r w z zw", "i"),
        *WHOLE[1:],
        *SCALES,
        node("Mul", "c f", "y"),
    ],
    "fused": [ours("MatMulIntegerToFloat", "q w s each z zw bias")],
    "fused with the quantisation": [ours("DynamicQuantizeMatMul", "m w each zw bias")],
}


@pytest.mark.parametrize("case", AS_FLOAT)
def test_a_mixture_comes_back_from_a_product_by_its_own_scale(case: str) -> None:
    nodes = [*MIXED, *AS_FLOAT[case]]
    found = traced(nodes, GIVEN, shape=ROWS).taint("y")
    assert found.is_raw, found.text
    constants = {one.name: numpy_helper.to_array(one).astype(np.float64) for one in GIVEN}
    scale = next(constants[name] for name in ("each", "sw") if name in str(nodes))
    weights = (SQUARE - (0 if "without" in case else 2)) * scale
    back = np.linalg.inv(constants["mix"])
    x = RNG.uniform(-1, 1, ROWS).astype("float32")
    y = run(nodes, x) - (constants["bias"] if "fused" in case else 0)
    step = np.ptp(x @ constants["mix"]) / 255
    assert (
        np.abs(y @ np.linalg.inv(weights) @ back - x).max() < step * np.abs(back).sum(axis=0).max()
    )


def run(nodes: list[Any], x: Any) -> Any:
    model = build(nodes, [tensor("x", x.shape)], [tensor("y", None)], GIVEN).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0], dtype=np.float64)


NOT_ITS_SCALE: dict[str, list[Any]] = {
    "the largest number": [node("ReduceMax", "m", "f", keepdims=0)],
    "the scale of another tensor": [
        node("Relu", "m", "o"),
        node("DynamicQuantizeLinear", "o", "p f t"),
    ],
    "its scale twice": [node("Mul", "s s", "f")],
    "its scale and another number": [
        node("ReduceMax", "m", "o", keepdims=0),
        node("Mul", "s o", "f"),
    ],
    "its zero point": [node("Cast", "z", "f", to=1)],
    "a curve over its scale": [node("Sin", "s", "f")],
    "a whole number of it": [
        node("Cast", "s", "n", to=6),
        node("Cast", "n", "f", to=1),
    ],
    "times zero for one column": [node("Mul", "s gap", "f")],
}


@pytest.mark.parametrize("case", NOT_ITS_SCALE)
def test_a_mixture_times_another_computed_number_is_not_shown(case: str) -> None:
    nodes = [*MIXED, *WHOLE, *NOT_ITS_SCALE[case], node("Mul", "c f", "y")]
    found = traced(nodes, GIVEN, shape=ROWS)
    assert found.taint("c").is_raw
    assert not found.taint("y").is_raw, found.taint("y").text


@pytest.mark.parametrize("zeros", ["fixed zw", "_ zw", ""])
def test_around_another_zero_point_it_is_no_product_of_floats(zeros: str) -> None:
    product = node("MatMulInteger", f"q w {zeros}".strip(), "i")
    nodes = [*MIXED, product, WHOLE[1], *SCALES, node("Mul", "c f", "y")]
    assert not traced(nodes, GIVEN, shape=ROWS).taint("y").is_raw


def test_the_zero_points_of_dynamic_products_count() -> None:
    """Around 2 the last column is the sum of two others; around 0 it is not."""
    w = RNG.integers(-30, 30, (8, 8))
    w[:, -1] = w[:, 0] + w[:, 1]
    given = [const("w", w + 2, "int8"), *(one for one in GIVEN if one.name != "w")]
    for zero, is_raw in (("zw", False), ("_", True)):
        nodes = [*MIXED, node("MatMulInteger", f"q w z {zero}", "i"), WHOLE[1], *SCALES]
        found = traced([*nodes, node("Mul", "c f", "y")], given, shape=ROWS)
        assert found.taint("y").is_raw == is_raw, found.taint("y").text


@pytest.mark.parametrize(
    ("scales", "is_raw"), [((12, 1, 1), True), ((1, 12, 1, 1), True), ((4,), False)]
)
def test_a_convolution_may_have_a_scale_for_each_channel(
    scales: tuple[int, ...], is_raw: bool
) -> None:
    """Along the width of the picture they are no scales of channels, but all are above zero."""
    given = [
        const("k", RNG.integers(-128, 128, (12, 6, 1, 2)), "int8"),
        const("sk", RNG.uniform(0.01, 0.1, scales)),
        const("mix", RNG.standard_normal((6, 3, 1, 2))),
        const("zero", 0.0),
    ]
    nodes = [
        node("Conv", "x mix", "m", strides=[1, 2]),
        node("Relu", "m", "p"),
        node("Neg", "m", "g"),
        node("Relu", "g", "r"),
        *(made for one in "pr" for made in quantised_conv(one)),
    ]
    found = traced(nodes, given, shape=(1, 3, 8, 16))
    assert not any(found.taint(name).is_raw for name in ("y_p", "y_r"))
    assert bool(found.raw_among(["y_p", "y_r"])) == is_raw


def quantised_conv(name: str) -> list[Any]:
    """Return a convolution of a tensor, as quantize_dynamic writes it."""
    return [
        node("DynamicQuantizeLinear", name, f"q_{name} s_{name} z_{name}"),
        node("ConvInteger", f"q_{name} k z_{name}", f"i_{name}", strides=[1, 2]),
        node("Cast", f"i_{name}", f"c_{name}", to=1),
        node("Mul", f"s_{name} sk", f"f_{name}"),
        node("Mul", f"c_{name} f_{name}", f"y_{name}"),
    ]


# --- together -------------------------------------------------------------------------------

HIDDEN = [
    node("MatMul", "x mix", "m"),
    node("Relu", "m", "r"),
    node("MatMul", "r lossy", "d"),
    node("Add", "m d", "e"),
    node("DynamicQuantizeLinear", "e", "q s z"),
]
"""A sum, from which with what was added the mixture comes back, quantised."""
FUSED = ours("MatMulIntegerToFloat", "q w s sw z zw bias")
TOGETHER: dict[str, tuple[list[Any], list[str]]] = {
    "all that quantising makes": ([], ["q", "s", "z"]),
    "the product": ([*WHOLE, *SCALES, node("Mul", "c f", "y")], ["y"]),
    "the product of integers and the scale": (
        [*WHOLE, *SCALES, node("Mul", "c f", "y")],
        ["i", "s"],
    ),
    "both sides of the last Mul": ([*WHOLE, *SCALES, node("Mul", "c f", "y")], ["c", "f"]),
    "a bias behind it": (
        [*WHOLE, *SCALES, node("Mul", "c f", "p"), node("Add", "p bias", "y")],
        ["y"],
    ),
    "fused": ([FUSED], ["y"]),
    "fused with the quantisation": ([ours("DynamicQuantizeMatMul", "e w sw zw bias")], ["y"]),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_a_quantised_sum_and_what_was_added_are_raw_together(case: str) -> None:
    made, names = TOGETHER[case]
    given = [*GIVEN, const("lossy", RNG.standard_normal((8, 8)) @ np.diag([1.0] * 5 + [0.0] * 3))]
    nodes = [*HIDDEN, *made, node("Identity", "d", "last")]
    found = traced(nodes, given, shape=ROWS)
    assert not found.raw_among(names)
    assert not found.raw_among(["d"])
    assert [{*which} for which, _ in found.raw_among([*names, "d"])] == [{*names, "d"}]
    for name in names if len(names) > 1 else ():
        assert not found.raw_among([*({*names} - {name}), "d"])
