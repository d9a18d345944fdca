from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from placer.core.errors import InputError, UsageError
from placer.onnx_files.taint import TaintedGraph, Verdict, find_taint, trace_taint
from placer.onnx_files.taint_rules import RULES
from placer.onnx_files.taint_values import Origin
from tests import models
from tests.models import build, integers, tensor, weights
from tests.tainted import const, node, traced

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits" / "digits.onnx"


W3 = weights("w3", 4, 3, 3, 3, fan_in=27)  # 4 channels of 27 values
MIX = weights("mix", 6, 3, 1, 2, fan_in=6)  # 6 channels of 6 values: injective
CONV_MIX = node("Conv", "x mix", "m", pads=[0, 0, 0, 1])


def padded(stem_channels: int) -> TaintedGraph:
    """A network that pads the image itself, as exporters write ResNet and DenseNet."""
    return traced(
        [
            node("Pad", "x pads", "padded"),
            node("Conv", "padded stem", "c", strides=[2, 2]),
            node("Relu", "c", "r"),
            node("MaxPool", "r", "y", kernel_shape=[3, 3], strides=[2, 2]),
        ],
        [
            integers("pads", 0, 0, 3, 3, 0, 0, 3, 3),
            weights("stem", stem_channels, 3, 7, 7, fan_in=147),
        ],
        shape=(1, 3, 64, 64),
    )


def test_a_padded_image_is_raw() -> None:
    found = padded(8)
    assert found.verdict("padded") is Verdict.RAW
    assert found.taint("padded").text == "x -> Pad"
    assert found.verdict("c") is Verdict.DERIVED
    assert found.taint("c").text == (
        "x -> Pad -> Conv: not shown to be injective (8 channels of 147 values)"
    )
    assert found.taint("y") == found.taint("c")


def test_the_stem_of_a_resnet_is_injective_in_blocks() -> None:
    """64 channels do not determine one patch of 147 values; 2 x 2 of them determine 243."""
    found = padded(64)
    assert found.taint("c").text == "x -> Pad -> Conv"
    assert found.taint("c").is_mixed
    assert found.taint("r").text == "x -> Pad -> Conv -> Relu: a curve over a mixture"


def one(op_type: str, inputs: str = "x", **attributes: Any) -> Any:
    return node(op_type, inputs, "y", **attributes)


I3 = integers("i3", 0, 2, 3, 1)
PLAIN_AND_MIXED: dict[str, tuple[Any, list[Any], bool, bool]] = {
    # operator -> node, initializers, raw after plain values, raw after a mixture
    "Pad": (one("Pad", "x p"), [integers("p", 0, 0, 1, 1, 0, 0, 1, 1)], True, True),
    "Pad that crops": (one("Pad", "x p"), [integers("p", 0, 0, -1, 0, 0, 0, 0, 0)], True, False),
    "Cast": (one("Cast", to=TensorProto.FLOAT16), [], True, True),
    "Cast to bool": (one("Cast", to=TensorProto.BOOL), [], False, False),
    "CastLike": (one("CastLike", "x k"), [const("k", [1], "float16")], True, True),
    "Reshape": (one("Reshape", "x s"), [integers("s", 1, -1)], True, True),
    "Transpose": (one("Transpose", perm=[0, 2, 3, 1]), [], True, True),
    "Identity": (one("Identity"), [], True, True),
    "Flatten": (one("Flatten"), [], True, True),
    "Squeeze": (one("Squeeze", "x a"), [integers("a", 0)], True, True),
    "Unsqueeze": (one("Unsqueeze", "x a"), [integers("a", 0)], True, True),
    "Dropout": (one("Dropout"), [], True, True),
    "Dropout of training": (
        one("Dropout", "x _ t"),
        [const("t", True, "bool")],
        False,
        False,
    ),
    "Expand": (one("Expand", "x s"), [integers("s", 2, 1, 1, 1)], True, True),
    "Tile": (one("Tile", "x s"), [integers("s", 1, 1, 2, 2)], True, True),
    "DepthToSpace": (one("DepthToSpace", blocksize=1), [], True, True),
    "SpaceToDepth": (one("SpaceToDepth", blocksize=2), [], True, True),
    "QuantizeLinear": (
        one("QuantizeLinear", "x s z"),
        [const("s", 0.1), const("z", 3, "uint8")],
        True,
        True,
    ),
    "Slice": (
        one("Slice", "x b e"),
        [integers("b", 0, 0, 1, 1), integers("e", 1, 3, 7, 7)],
        True,
        False,
    ),
    "Gather": (one("Gather", "x i", axis=2), [integers("i", 0, 2)], True, False),
    "Resize": (one("Resize", "x _ s"), [const("s", [1, 1, 0.5, 0.5])], True, False),
    "MaxPool": (one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), [], True, False),
    "AveragePool": (one("AveragePool", kernel_shape=[2, 2]), [], True, False),
    "AveragePool of all": (one("AveragePool", kernel_shape=[8, 8]), [], False, False),
    "AveragePool of 25, as a blur": (
        one("AveragePool", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        [],
        True,
        False,
    ),
    "MaxPool of 25": (
        one("MaxPool", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        [],
        True,
        False,
    ),
    "AveragePool to a small picture": (
        one("AveragePool", kernel_shape=[5, 5], strides=[3, 3]),
        [],
        True,
        False,
    ),
    "Einsum that moves": (one("Einsum", equation="nchw->nhwc"), [], True, True),
    "Einsum of all channels": (one("Einsum", equation="nchw->nhw"), [], True, False),
    "Einsum of all places": (one("Einsum", equation="nchw->nc"), [], False, False),
    "Einsum of a diagonal": (one("Einsum", equation="nchh->nch"), [], True, False),
    "Einsum by a number of each row": (
        one("Einsum", "x k", equation="nchw,h->nchw"),
        [const("k", [0.5] * 8)],
        True,
        True,
    ),
    "Einsum by a wide matrix": (
        one("Einsum", "x k", equation="nchw,wd->nchd"),
        [weights("k", 8, 9)],
        True,
        True,
    ),
    "Einsum by a narrow matrix": (
        one("Einsum", "k x", equation="wd,...w->...d"),
        [weights("k", 8, 7)],
        False,
        False,
    ),
    "Einsum to grey": (
        one("Einsum", "x k", equation="nchw,co->nohw"),
        [weights("k", 3, 1)],
        True,
        False,
    ),
    "ReduceMean of the channels": (one("ReduceMean", axes=[1]), [], True, False),
    "ReduceMean of the places": (one("ReduceMean", axes=[2, 3]), [], False, False),
    "ReduceSum of the channels": (one("ReduceSum", "x a"), [integers("a", 1)], True, False),
    "CumSum": (one("CumSum", "x a"), [integers("a", 3)], True, True),
    "CumSum without its own": (
        one("CumSum", "x a", exclusive=1),
        [integers("a", 3)],
        True,
        False,
    ),
    "Sin": (one("Sin"), [], True, False),
    "LogSoftmax": (one("LogSoftmax"), [], True, False),
    "GlobalAveragePool": (one("GlobalAveragePool"), [], False, False),
    "Mul": (one("Mul", "x k"), [const("k", 0.5)], True, True),
    "Mul by some zeros": (
        one("Mul", "x k"),
        [const("k", [1.0] * 7 + [0.0])],
        True,
        False,
    ),
    "Mul by zero": (one("Mul", "x k"), [const("k", 0.0)], False, False),
    "Add": (one("Add", "x k"), [const("k", 0.5)], True, True),
    "Sub": (one("Sub", "k x"), [const("k", 0.5)], True, True),
    "Div": (one("Div", "x k"), [const("k", 255.0)], True, True),
    "Max": (one("Max", "x k"), [const("k", 0.0)], True, False),
    "BatchNormalization": (
        one("BatchNormalization", "x k k k k"),
        [const("k", [1.0, 2.0, 3.0])],
        True,
        True,
    ),
    "InstanceNormalization": (
        one("InstanceNormalization", "x k k"),
        [const("k", [1.0, 2.0, 3.0])],
        True,
        False,
    ),
    "LayerNormalization": (
        one("LayerNormalization", "x k"),
        [const("k", [1.0] * 8)],
        True,
        False,
    ),
    "Relu": (one("Relu"), [], True, False),
    "Clip": (one("Clip", "x k"), [const("k", 0.0)], True, False),
    "LeakyRelu": (one("LeakyRelu", alpha=0.1), [], True, True),
    "LeakyRelu of slope 0": (one("LeakyRelu", alpha=0.0), [], True, False),
    "PRelu": (one("PRelu", "x k"), [const("k", 0.2)], True, True),
    "Pow": (one("Pow", "x k"), [const("k", 2.0)], True, False),
    "Neg": (one("Neg"), [], True, True),
    "Softmax": (one("Softmax"), [], True, False),
    "ReduceMean": (one("ReduceMean"), [], False, False),
    "ArgMax": (one("ArgMax"), [], False, False),
    "Greater": (one("Greater", "x k"), [const("k", 0.0)], True, False),
    "LessOrEqual": (one("LessOrEqual", "k x"), [const("k", 0.0)], True, False),
    "Sign": (one("Sign"), [], True, False),
    "Greater than itself": (one("Greater", "x x"), [], False, False),
    "Where": (
        one("Where", "c x k"),
        [const("c", [True, False] * 4, "bool"), const("k", 0.0)],
        True,
        False,
    ),
    "Conv 1 x 1": (
        one("Conv", "x k"),
        [weights("k", 6, 3, 1, 1, fan_in=3, seed=7)],
        True,
        False,
    ),
    "Conv 1 x 1 to grey": (
        one("Conv", "x k"),
        [const("k", [[[[0.3]], [[0.6]], [[0.1]]]])],
        True,
        False,
    ),
    "Conv 3 x 3": (one("Conv", "x w3"), [W3], False, False),
    "Conv 3 x 3 that blurs to grey": (
        one("Conv", "x k"),
        [const("k", np.full((1, 3, 3, 3), 1 / 27))],
        True,
        False,
    ),
    "MatMul that makes lines shorter": (
        one("MatMul", "x k"),
        [const("k", np.kron(np.eye(4), np.full((2, 1), 0.5)))],
        True,
        False,
    ),
    "MatMul that makes lines fewer": (
        one("MatMul", "k x"),
        [const("k", np.kron(np.eye(4), np.full((1, 2), 0.5)))],
        True,
        False,
    ),
    "MatMul that adds up all": (one("MatMul", "x k"), [weights("k", 8, 3)], False, False),
    "Einsum that crops": (
        one("Einsum", "x k", equation="nchw,wd->nchd"),
        [const("k", np.eye(8)[:, 2:6])],
        True,
        False,
    ),
    "ConvTranspose 1 x 1": (
        one("ConvTranspose", "x k"),
        [const("k", np.eye(3).reshape(3, 3, 1, 1))],
        True,
        True,
    ),
    "ConvTranspose in blocks": (
        one("ConvTranspose", "x k", strides=[2, 2]),
        [weights("k", 3, 2, 2, 2)],
        True,
        True,
    ),
    "ConvTranspose in blocks of fewer channels": (
        one("ConvTranspose", "x k"),
        [weights("k", 3, 2, 1, 1)],
        False,
        False,
    ),
    "ConvTranspose that overlaps": (
        one("ConvTranspose", "x k"),
        [weights("k", 3, 4, 3, 3)],
        False,
        False,
    ),
    "ConvTranspose that overlaps by its dilations": (
        one("ConvTranspose", "x k", strides=[1, 2], dilations=[1, 2]),
        [weights("k", 3, 2, 1, 2)],
        False,
        False,
    ),
    "ConvTranspose that makes it larger": (
        one("ConvTranspose", "x k", strides=[2, 2]),
        [const("k", np.ones((3, 1, 4, 4)))],
        True,
        False,
    ),
    "Conv of all": (one("Conv", "x k"), [const("k", np.ones((1, 3, 8, 8)))], False, False),
}
ONLY_PLAIN = {
    "ConvTranspose 1 x 1",
    "ConvTranspose in blocks",
    "ConvTranspose in blocks of fewer channels",
    "ConvTranspose that overlaps",
    "ConvTranspose that overlaps by its dilations",
    "ConvTranspose that makes it larger",
    "Conv 1 x 1",
    "Conv 1 x 1 to grey",
    "Conv 3 x 3",
    "Conv 3 x 3 that blurs to grey",
    "Conv of all",
    "Einsum to grey",
    "BatchNormalization",
    "InstanceNormalization",
    "DepthToSpace",
}
"""Their constants fit 3 channels, not the 6 of the mixture."""


@pytest.mark.parametrize("case", PLAIN_AND_MIXED)
def test_operator_on_plain_values(case: str) -> None:
    made, initializers, is_raw, _ = PLAIN_AND_MIXED[case]
    found = traced([made], initializers)
    assert found.taint("y").is_raw == is_raw, found.taint("y").text
    if is_raw:
        assert found.taint("y").text == f"x -> {made.op_type}"
    else:
        assert found.taint("y").reason


@pytest.mark.parametrize("case", [case for case in PLAIN_AND_MIXED if case not in ONLY_PLAIN])
def test_operator_on_a_mixture(case: str) -> None:
    made, initializers, _, is_raw = PLAIN_AND_MIXED[case]
    turned = onnx.NodeProto.FromString(made.SerializeToString())
    names = ["m" if name == "x" else name for name in turned.input]
    del turned.input[:]
    turned.input.extend(names)
    found = traced([CONV_MIX, turned], [MIX, *initializers])
    assert found.taint("m").is_raw
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


WHOLE: dict[str, tuple[Any, list[Any], bool]] = {
    # of a mixture of shape (1, 6, 8, 8), or its means of shape (1, 6, 1, 1)
    "ReduceSum over nothing": (one("ReduceSum", "m", noop_with_empty_axes=1), [], True),
    "ReduceSum of squares": (one("ReduceSumSquare", "m", axes=[0]), [], False),
    "ReduceMean over one": (one("ReduceMean", "m", axes=[0], keepdims=0), [], True),
    "ReduceMax over one": (one("ReduceMax", "m", axes=[-4]), [], True),
    "ReduceMax over eight": (one("ReduceMax", "m", axes=[-1]), [], False),
    "Clip without bounds": (one("Clip", "m"), [], True),
    "Clip with those of its type": (
        one("Clip", "m k l"),
        [const("k", -3.4028235e38), const("l", np.inf)],
        True,
    ),
    "Clip with one": (one("Clip", "m _ k"), [const("k", 6.0)], False),
    "Slice of all": (
        one("Slice", "m b e a"),
        [integers("b", 0, -9), integers("e", 8, 2**63 - 1), integers("a", 2, 3)],
        True,
    ),
    "Slice from the back": (
        one("Slice", "m b e a s"),
        [integers("b", -1), integers("e", -(2**63)), integers("a", 1), integers("s", -1)],
        True,
    ),
    "Slice of every second": (
        one("Slice", "m b e a s"),
        [integers("b", 0), integers("e", 2**63 - 1), integers("a", 1), integers("s", 2)],
        False,
    ),
    "MaxPool of one": (one("MaxPool", "m", kernel_shape=[1, 1]), [], True),
    "MaxPool of every second": (
        one("MaxPool", "m", kernel_shape=[1, 1], strides=[2, 2]),
        [],
        False,
    ),
    "AveragePool of one": (
        one("AveragePool", "m", kernel_shape=[1, 1], strides=[1, 1]),
        [],
        True,
    ),
    "Pow of 1": (one("Pow", "m k"), [const("k", 1.0)], True),
    "Gather in another order": (
        one("Gather", "m i", axis=1),
        [integers("i", 5, 0, 1, -2, 2, 3, 3)],
        True,
    ),
    "Gather of all but one": (one("Gather", "m i", axis=1), [integers("i", 0, 1, 2, 3, 4)], False),
    "Resize to a larger picture": (one("Resize", "m _ s"), [const("s", [1, 1, 2, 3])], True),
    "Resize by sizes": (
        one("Resize", "m _ _ s", mode="linear"),
        [integers("s", 1, 6, 16, 8)],
        True,
    ),
    "Resize by a half more": (one("Resize", "m _ s"), [const("s", [1, 1, 1.5, 1])], False),
    "Resize of a frame": (
        one("Resize", "m f s", coordinate_transformation_mode="tf_crop_and_resize"),
        [const("f", [0.0] * 6 + [0.5, 0.5]), const("s", [1, 1, 2, 2])],
        False,
    ),
    "Resize by curves": (one("Resize", "m _ s", mode="cubic"), [const("s", [1, 1, 2, 2])], False),
    "ScatterElements of each": (
        one("ScatterElements", "k i m", axis=1),
        [
            const("k", np.zeros((1, 6, 8, 8))),
            const("i", np.broadcast_to(np.arange(5, -1, -1)[:, None, None], (1, 6, 8, 8)), "int64"),
        ],
        True,
    ),
    "ScatterElements to one place": (
        one("ScatterElements", "k i m", axis=1),
        [const("k", np.zeros((1, 6, 8, 8))), const("i", np.zeros((1, 6, 8, 8)), "int64")],
        False,
    ),
    "Where always": (one("Where", "c m k"), [const("c", True, "bool"), const("k", 0.0)], True),
    "Where never": (
        one("Where", "c k m"),
        [const("c", [False, False], "bool"), const("k", 0.0)],
        True,
    ),
    "Where at times": (
        one("Where", "c m k"),
        [const("c", [True] * 7 + [False], "bool"), const("k", 0.0)],
        False,
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_hands_on_a_whole_mixture_hides_nothing(case: str) -> None:
    made, initializers, is_raw = WHOLE[case]
    found = traced([CONV_MIX, made], [MIX, *initializers])
    assert found.taint("y").is_raw == is_raw, found.taint("y").text
    if is_raw:
        assert found.taint("y").text == f"x -> Conv -> {made.op_type}"
        assert found.taint("y").is_mixed


def test_a_slice_to_the_end_is_whole_whatever_the_size() -> None:
    made = node("Slice", "m b e", "y")
    for end, is_raw in ((2**63 - 1, True), (5, False)):
        given = [weights("w", 8, 9), integers("b", 0), integers("e", end)]
        found = traced([node("MatMul", "x w", "m"), made], given, shape=("n", 8))
        assert found.taint("y").is_raw == is_raw


def test_parts_of_a_mixture_stay_parts_where_nothing_is_done() -> None:
    nodes = [
        CONV_MIX,
        node("Split", "m n", "a b", axis=1),
        node("Clip", "a", "a2"),
        node("Concat", "a2 b", "y", axis=1),
    ]
    assert traced(nodes, [MIX, integers("n", 3, 3)]).taint("y").is_raw


def test_batch_normalisation_that_drops_a_channel_of_a_mixture_is_not_shown() -> None:
    norm = node("BatchNormalization", "m k o o o", "y")
    ones = const("o", [1.0] * 6)
    kept = traced([CONV_MIX, norm], [MIX, ones, const("k", [1.0] * 6)])
    lost = traced([CONV_MIX, norm], [MIX, ones, const("k", [1.0] * 5 + [0.0])])
    assert kept.taint("y").is_raw
    assert lost.taint("y").reason == "a mixture times numbers that may be zero"


def test_quantised_and_back_is_raw() -> None:
    found = traced(
        [
            node("QuantizeLinear", "x s z", "q"),
            node("DequantizeLinear", "q s z", "d"),
        ],
        [const("s", 0.1), const("z", 3, "uint8")],
    )
    assert found.taint("d").text == "x -> QuantizeLinear -> DequantizeLinear"


def test_quantised_at_run_time_is_raw_but_its_scale_is_not() -> None:
    found = traced([node("DynamicQuantizeLinear", "x", "q s z")])
    assert found.taint("q").is_raw
    assert not found.taint("s").is_raw
    assert not found.taint("z").is_raw


def test_split_parts_are_raw_and_those_of_a_mixture_only_together() -> None:
    plain = traced([node("Split", "x n", "a b", axis=2)], [integers("n", 4, 4)])
    assert plain.taint("a").is_raw
    assert plain.taint("b").is_raw
    mixed = traced([CONV_MIX, node("Split", "m n", "a b", axis=1)], [MIX, integers("n", 3, 3)])
    assert mixed.verdict("a") is mixed.verdict("b") is Verdict.DERIVED
    assert mixed.raw_among(["a"]) == ()
    ((names, taint),) = mixed.raw_among(["b", "a"])
    assert names == ("a", "b")
    assert taint.text == "x -> Conv -> Split"


@pytest.mark.parametrize(("opset", "shape", "count", "is_raw"), [
    (17, (1, 3, 8, 8), 8, True),
    (17, (1, 3, 8, 8), 7, False),
    (17, (1, 3, 8, "w"), 8, False),
    (9, (1, 3, 8, 8), 8, True),
])  # fmt: skip
def test_what_is_sorted_is_raw_with_its_places_alone(
    opset: int, shape: tuple[int | str, ...], count: int, is_raw: bool
) -> None:
    if opset < 10:  # the count was an attribute
        found = traced([node("TopK", "x", "v i", k=count)], shape=shape, opset=opset)
    else:
        found = traced([node("TopK", "x k", "v i")], [integers("k", count)], shape=shape)
    assert found.raw_among(["v"]) == found.raw_among(["i"]) == ()
    both = found.raw_among(["i", "v"])
    assert [(names, taint.text) for names, taint in both] == (
        [(("v", "i"), "x -> TopK")] if is_raw else []
    )


def test_what_is_sorted_with_its_places_stays_raw_when_moved() -> None:
    found = traced(
        [
            node("Shape", "x", "s"),  # the count is computed
            node("Gather", "s three", "k"),
            node("TopK", "x k", "v i"),
            node("Mul", "v two", "v2"),
            node("Cast", "i", "i2", to=1),
            node("Concat", "v2 i2", "y", axis=1),
        ],
        [integers("three", 3), const("two", 2.0)],
        shape=(1, 3, 8, "w"),
    )
    assert not found.taint("v2").is_raw
    assert not found.taint("i2").is_raw
    assert found.taint("y").text == "x -> TopK -> Concat"
    assert [names for names, _ in found.raw_among(["v2", "i"])] == [("v2", "i")]
    kept = {names[0] for names, _ in found.raw_among(["v", "v2", "i", "i2"])}
    assert found.raw_among({"v", "v2", "i", "i2"} - kept) == ()


def test_parts_of_a_mixture_are_raw_again_where_they_are_joined() -> None:
    split = node("Split", "m n", "a b", axis=1)
    nodes = [
        CONV_MIX,
        split,
        node("Concat", "b a", "c", axis=1),
        node("Concat", "a a", "d", axis=1),
    ]
    found = traced(nodes, [MIX, integers("n", 3, 3)])
    assert found.taint("c").text == "x -> Conv -> Split -> Concat"
    assert not found.taint("d").is_raw


@pytest.mark.parametrize("is_mixed", [False, True])
@pytest.mark.parametrize(
    ("nodes", "is_raw"),
    [
        ([node("Sign", "z", "a"), node("Abs", "z", "b"), node("Mul", "a b", "y")], True),
        ([node("Hardmax", "z", "a"), node("Add", "z a", "y")], True),
        ([node("Sign", "z", "a"), node("Sum", "a z", "y")], True),
        ([node("Hardmax", "z", "a"), node("Mul", "z a", "y")], False),  # the largest alone
    ],
)
def test_steps_hide_nothing_of_what_they_are_added_to(
    nodes: Sequence[Any], is_raw: bool, is_mixed: bool
) -> None:
    first = node("Conv", "x mix", "z", pads=[0, 0, 0, 1]) if is_mixed else node("Neg", "x", "z")
    found = traced([first, *nodes], [MIX])
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_a_condition_that_keeps_all_takes_nothing_away() -> None:
    for kept, is_raw in (([1] * 6, True), ([1] * 5, False), ([0] + [1] * 5, False)):
        nodes = [CONV_MIX, node("Compress", "m c", "y", axis=1)]
        found = traced(nodes, [MIX, const("c", kept, "bool")])
        assert found.taint("y").is_raw == is_raw


def test_a_normalised_mixture_is_told_as_that() -> None:
    found = traced([CONV_MIX, node("MeanVarianceNormalization", "m", "y")], [MIX])
    assert found.taint("y").reason == "a mixture without its mean or size"


@pytest.mark.parametrize("shape", [(1, 16), (16, 16), ("n", 16), (1, 2, 16)])
@pytest.mark.parametrize(
    ("op_type", "words", "matrix"),
    [
        ("MatMul", {}, np.eye(16)[:, 4:9]),
        ("MatMul", {}, np.eye(16)[:, :1] * -3),
        ("Einsum", {"equation": "...a,ab->...b"}, np.eye(16)[:, 4:9]),
        ("Gemm", {}, np.eye(16)[:, 4:9]),
        ("Gemm", {"transB": 1}, np.eye(16)[4:9]),
    ],
)
def test_a_matrix_that_only_selects_is_a_crop(
    op_type: str, words: dict[str, Any], matrix: Any, shape: tuple[int | str, ...]
) -> None:
    if op_type == "Gemm" and len(shape) != 2:
        return
    taken = traced(
        [node(op_type, "x k", "c", **words), node("Relu", "c", "y")],
        [const("k", matrix)],
        shape=shape,
    )
    assert taken.taint("y").text == f"x -> {op_type} -> Relu"
    mixed = matrix - 0.001 * np.sign(matrix.sum())  # of each number a little: no crop, no average
    added = traced([node(op_type, "x k", "y", **words)], [const("k", mixed)], shape=shape)
    assert not added.taint("y").is_raw


def test_rows_that_a_matrix_selects_are_a_crop() -> None:
    for words, matrix in (({}, np.eye(16)[4:9]), ({"transA": 1}, np.eye(16)[:, 4:9])):
        found = traced([node("Gemm", "k x", "y", **words)], [const("k", matrix)], shape=(16, 1))
        assert found.taint("y").text == "x -> Gemm"
        assert not found.taint("y").is_mixed


def test_raw_tensors_of_a_cut_are_told_by_name() -> None:
    found = padded(8)
    assert [names for names, _ in found.raw_among(["y", "padded", "x"])] == [("padded",), ("x",)]
    assert found.raw_among(["c", "r"]) == ()


def test_joining_raw_with_anything_is_raw() -> None:
    found = traced(
        [
            node("Conv", "x w3", "c", pads=[1, 1, 1, 1]),
            node("Concat", "c x", "y", axis=1),
        ],
        [W3],
    )
    assert found.taint("y").text == "x -> Concat"


def test_a_residual_with_what_was_made_of_it_is_not_shown() -> None:
    w = weights("w", 3, 3, 3, 3, fan_in=27)
    found = traced(
        [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Add", "c x", "y")],
        [w],
    )
    assert found.taint("y").text == "x -> Add: joined with what it made"


@pytest.mark.parametrize("height", [8, "h"])
def test_minus_its_own_mean_is_raw(height: int | str) -> None:
    found = traced(
        [
            node("ReduceMean", "x", "mean", axes=[2, 3]),
            node("Sub", "x mean", "y"),
        ],
        shape=(1, 3, height, 8),
    )
    assert not found.taint("mean").is_raw
    assert found.taint("y").is_raw


def test_two_pictures_blended_are_raw() -> None:
    found = traced([node("Add", "x x2", "y")], more_inputs=[tensor("x2", (1, 3, 8, 8))])
    assert found.taint("y").text == "x -> Add"


# --- linear operators -----------------------------------------------------------------------


def identity_conv(rank: int) -> Any:
    """2 x 4 patches of two channels, 16 channels, of the given rank."""
    matrix = np.diag([1.0] * rank + [0.0] * (16 - rank)).astype(np.float32)
    matrix = np.linalg.qr(np.random.default_rng(3).standard_normal((16, 16)))[0] @ matrix
    return numpy_helper.from_array(matrix.reshape(16, 2, 2, 4).astype(np.float32), "w")


@pytest.mark.parametrize(("rank", "is_raw"), [(16, True), (15, False)])
def test_patches_are_raw_if_the_rank_is_that_of_a_patch(rank: int, is_raw: bool) -> None:
    found = traced(
        [node("Conv", "x w", "y", strides=[2, 4])], [identity_conv(rank)], shape=(1, 2, 8, 8)
    )
    assert found.taint("y").is_raw == is_raw
    if not is_raw:
        assert "rank 15 of 16" in found.taint("y").reason


@pytest.mark.parametrize(("channels", "is_raw"), [(4, False), (5, True), (6, True)])
def test_pointwise_convolution_is_raw_if_its_rank_is_that_of_its_channels(
    channels: int, is_raw: bool
) -> None:
    w = weights("w", channels, 5, 1, 1)
    found = traced([node("Conv", "x w", "y")], [w], shape=(1, 5, 8, 8))
    assert found.taint("y").is_raw == is_raw


def test_a_picture_in_other_colours_is_a_picture() -> None:
    """Grey is one number of three, and yet the photo; so is a Relu or a pool of it."""
    grey = const("g", [[[[0.3]], [[0.6]], [[0.1]]]])
    found = traced(
        [
            node("Conv", "x g", "grey"),
            node("Relu", "grey", "r"),
            node("AveragePool", "r", "y", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        ],
        [grey],
    )
    assert found.taint("y").text == "x -> Conv -> Relu -> AveragePool"
    by_matrix = traced(
        [node("MatMul", "x g", "y")], [const("g", [[0.3], [0.6], [0.1]])], shape=(1, 8, 8, 3)
    )
    assert by_matrix.taint("y").text == "x -> MatMul"
    by_rows = traced([node("Gemm", "x g", "y")], [const("g", [[0.3], [0.6], [0.1]])], shape=(64, 3))
    assert by_rows.taint("y").text == "x -> Gemm"


def test_a_matrix_of_all_that_there_is_must_be_injective() -> None:
    """Three numbers and no place more are no picture."""
    found = traced([node("MatMul", "x g", "y")], [weights("g", 3, 1)], shape=(1, 3))
    assert not found.taint("y").is_raw


@pytest.mark.parametrize("batch", [1, "n", ""])
def test_the_verdict_does_not_hang_on_how_the_batch_is_written(batch: int | str) -> None:
    product = node("MatMul", "x g", "y")
    found = traced([product], [weights("g", 4, 2)], shape=(batch, 4))
    assert not found.taint("y").is_raw
    total = node("ReduceSum", "x axes", "y")
    found = traced([total], [integers("axes", 1)], shape=(batch, 8))
    assert not found.taint("y").is_raw
    grey = traced([total], [integers("axes", 1)], shape=(batch, 3, 8, 8))
    assert grey.taint("y").is_raw


def test_stated_shapes_of_inputs_are_those_that_are_traced() -> None:
    outputs = [helper.make_empty_tensor_value_info("y")]
    for shape in ((1, 4), ("n", "m")):
        model = build(
            [node("Gemm", "x g", "y")], [tensor("x", shape)], outputs, [weights("g", 4, 2)]
        )
        found = trace_taint(model, shapes={"x": (64, 4)})
        assert found.taint("y").is_raw
        assert not trace_taint(model, shapes={"x": (1, 4)}).taint("y").is_raw


def test_a_filter_over_each_channel_is_raw_and_a_curve_over_edges_is_not_shown() -> None:
    conv = node("Conv", "x w", "c", group=3)
    edges = traced([conv, node("Relu", "c", "y")], [weights("w", 3, 1, 3, 3)])
    assert edges.taint("c").text == "x -> Conv"
    assert edges.taint("y").reason == "a curve over a mixture"
    blur = traced([conv, node("Relu", "c", "y")], [const("w", np.full((3, 1, 3, 3), 1 / 9))])
    assert blur.taint("y").text == "x -> Conv -> Relu"


@pytest.mark.parametrize("op_type", ["BitShift", "BitwiseAnd", "Mod"])
def test_the_high_bits_of_a_picture_are_the_picture(op_type: str) -> None:
    words = {"direction": "RIGHT"} if op_type == "BitShift" else {}
    made = node(op_type, "x k", "y", **words)
    found = traced([made], [const("k", 3, "uint8")], dtype="uint8", opset=18)
    assert found.taint("y").text == f"x -> {op_type}"


def test_frequencies_are_raw() -> None:
    found = traced([node("DFT", "x", "y", axis=1)], shape=(1, 64, 1), opset=18)
    assert found.taint("y").text == "x -> DFT"
    assert found.taint("y").is_mixed


def test_every_group_of_a_convolution_must_be_injective() -> None:
    conv = node("Conv", "x w", "y", group=3)
    w = np.random.default_rng(1).standard_normal((15, 5, 1, 1)).astype(np.float32)
    whole = traced([conv], [const("w", w)], shape=(1, 15, 8, 8))
    w[5:10] = 0
    broken = traced([conv], [const("w", w)], shape=(1, 15, 8, 8))
    assert whole.taint("y").is_raw
    assert not broken.taint("y").is_raw


def test_blocks_need_room_in_the_output() -> None:
    """The output is one value wide: a block of four does not exist."""
    conv = node("Conv", "x w", "y", strides=[2, 2])
    w = weights("w", 64, 3, 7, 7, fan_in=147)
    assert traced([conv], [w], shape=(1, 3, 32, 32)).taint("y").is_raw
    assert traced([conv], [w], shape=(1, 3, "h", "w")).taint("y").is_raw
    assert not traced([conv], [w], shape=(1, 3, 8, 8)).taint("y").is_raw


@pytest.mark.parametrize(("width", "is_raw"), [(7, False), (8, True), (20, True)])
@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes", "turned"),
    [
        ("MatMul", "x w", {}, False),
        ("Gemm", "x w", {}, False),
        ("Gemm", "x w", {"transB": 1}, True),
        ("MatMul", "w x", {}, True),
        ("Gemm", "w x", {}, True),
        ("Gemm", "w x", {"transA": 1}, False),
    ],
)
def test_products_with_a_constant_matrix(
    op_type: str, inputs: str, attributes: dict[str, int], turned: bool, width: int, is_raw: bool
) -> None:
    w = weights("w", *((width, 8) if turned else (8, width)))
    found = traced([node(op_type, inputs, "y", **attributes)], [w], shape=(8, 8))
    assert found.taint("y").is_raw == is_raw, found.taint("y").text


def test_a_matrix_of_less_than_full_rank_is_not_shown() -> None:
    w = np.random.default_rng(1).standard_normal((8, 12)).astype(np.float32)
    w[3] = w[4]
    found = traced([node("MatMul", "x w", "y")], [const("w", w)], shape=(1, 8))
    assert found.taint("y").reason == "not shown to be injective (rank 7 of 8)"


def test_a_product_of_two_raw_tensors_is_not_shown() -> None:
    found = traced([node("MatMul", "x x", "y")], shape=(8, 8))
    assert not found.taint("y").is_raw


def test_weights_that_are_computed_of_constants_are_known() -> None:
    """As quantisers write them: int8 weights and DequantizeLinear."""
    w = np.random.default_rng(1).integers(-127, 128, (6, 3, 1, 1)).astype(np.int8)
    found = traced(
        [
            node("DequantizeLinear", "q s", "w"),
            node("Identity", "w", "w2"),
            node("Conv", "x w2", "y"),
        ],
        [const("q", w, "int8"), const("s", 0.02)],
    )
    assert found.taint("y").is_raw
    assert found.taint("w").origin is Origin.CONSTANT


def test_quantised_convolution_and_product() -> None:
    rng = np.random.default_rng(1)
    scale, zero = const("s", 0.02), const("z", 3, "uint8")
    w = const("w", rng.integers(0, 255, (6, 3, 1, 1)), "uint8")
    flat = const("w", np.full((6, 3, 1, 1), 3), "uint8")  # nothing but its zero point
    conv = node("QLinearConv", "q s z w s z s z", "y")
    quantise = node("QuantizeLinear", "x s z", "q")
    assert traced([quantise, conv], [scale, zero, w]).taint("y").is_raw
    assert not traced([quantise, conv], [scale, zero, flat]).taint("y").is_raw
    integer = node("ConvInteger", "q w z z", "y")
    assert traced([quantise, integer], [scale, zero, w]).taint("y").is_raw
    matrix = const("w", rng.integers(0, 255, (8, 9)), "uint8")
    product = node("QLinearMatMul", "q s z w s z s z", "y")
    assert traced([quantise, product], [scale, zero, matrix]).taint("y").is_raw
    integer = node("MatMulInteger", "q w z z", "y")
    assert traced([quantise, integer], [scale, zero, matrix]).taint("y").is_raw
    assert (
        traced([quantise, integer], [scale, zero, const("w", [[3] * 9] * 8, "uint8")])
        .taint("y")
        .reason
        == "not shown to be injective (rank 0 of 8)"
    )


def test_words_looked_up_are_raw() -> None:
    table = weights("table", 50, 16)
    found = traced([node("Gather", "table x", "y")], [table], shape=(1, 7), dtype="int64")
    assert found.taint("y").text == "x -> Gather"
    assert found.taint("y").is_mixed
    same = const("table", np.ones((50, 16)))
    found = traced([node("Gather", "table x", "y")], [same], shape=(1, 7), dtype="int64")
    assert found.taint("y").reason == "1 of 50 rows of the table differ"


# --- inputs, constants, order ---------------------------------------------------------------


def test_public_inputs_taint_nothing() -> None:
    nodes = [node("Concat", "x x2", "y"), node("Mul", "x2 x2", "square")]
    nodes[0].attribute.append(helper.make_attribute("axis", 1))
    more = [tensor("x2", (1, 3, 8, 8))]
    found = traced(nodes, more_inputs=more, public=["x2"])
    assert found.taint("x2").origin is found.taint("square").origin is Origin.PUBLIC
    assert found.verdict("square") is Verdict.DERIVED
    assert found.verdict("y") is Verdict.RAW
    all_public = traced(nodes, more_inputs=more, public=["x", "x2"])
    assert all_public.raw_among(["x", "y", "square"]) == ()


def test_rejects_a_public_input_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"'xx' is no input of the model \(did you mean 'x'\?\)"):
        traced([node("Relu", "x", "y")], public=["xx"])


def test_rejects_a_tensor_that_is_none() -> None:
    with pytest.raises(UsageError, match="the model has no tensor 'padded2'"):
        padded(8).verdict("padded2")


def test_weights_listed_among_the_inputs_are_constants() -> None:
    """As files of IR version 3 have them."""
    model = build(
        [node("Mul", "x k", "y")],
        [tensor("x", (1, 4)), tensor("k", (1,))],
        [tensor("y", (1, 4))],
        [const("k", [2.0])],
    )
    model.ir_version = 3
    found = trace_taint(model)
    assert found.taint("k").origin is Origin.CONSTANT
    assert found.taint("y").text == "x -> Mul"
    with pytest.raises(UsageError, match="no input"):
        trace_taint(model, public_inputs=["k"])


def test_shapes_and_constant_subgraphs_are_constants() -> None:
    found = traced(
        [
            node("Shape", "x", "shape"),
            node("ConstantOfShape", "shape", "zeros"),
            node("Add", "x zeros", "y"),
        ]
    )
    assert found.taint("shape").origin is found.taint("zeros").origin is Origin.CONSTANT
    assert found.taint("y").is_raw


def test_noise_hides_its_input() -> None:
    found = traced([node("RandomNormalLike", "x", "noise"), node("Add", "x noise", "y")])
    assert not found.taint("noise").is_raw
    assert not found.taint("y").is_raw


def test_operators_of_strangers_are_not_shown() -> None:
    model = build(
        [helper.make_node("Identity", ["x"], ["y"], domain="test.unknown")],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        domains=["test.unknown"],
    )
    found = trace_taint(model)
    assert found.taint("y").text == (
        "x -> test.unknown::Identity: what test.unknown::Identity does is not shown to keep its "
        "input"
    )


def test_the_order_of_nodes_does_not_matter() -> None:
    model = onnx.load(DIGITS)
    expected = trace_taint(model)
    chance = random.Random(1)
    for _ in range(5):
        nodes = list(model.graph.node)
        chance.shuffle(nodes)
        copies = [onnx.NodeProto.FromString(one.SerializeToString()) for one in nodes]
        del model.graph.node[:]
        model.graph.node.extend(copies)
        assert trace_taint(model) == expected


def test_refuses_a_cycle_and_a_name_that_nothing_makes() -> None:
    with pytest.raises(InputError, match="cycle"):
        traced([node("Add", "x y", "a"), node("Relu", "a", "y")])
    with pytest.raises(InputError, match="reads 'b', which nothing makes"):
        traced([node("Add", "x b", "y")])


def test_local_functions_are_looked_into() -> None:
    body = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", "a a", "b")],
        [helper.make_opsetid("", models.OPSET)],
    )
    model = build(
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        domains=["local"],
        functions=[body],
    )
    assert trace_taint(model).taint("y").text == "x -> Add"


# --- bodies ---------------------------------------------------------------------------------


def graph(nodes: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    empty = helper.make_empty_tensor_value_info
    return helper.make_graph(nodes, "body", list(map(empty, inputs)), list(map(empty, outputs)))


def test_a_branch_that_captures_raw_input_is_raw() -> None:
    then = graph([node("Flatten", "x", "t")], [], ["t"])
    other = graph([node("GlobalAveragePool", "x", "e")], [], ["e"])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    found = traced(nodes, [const("c", True, "bool")])
    assert found.taint("y").text == "x -> Flatten -> If"
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=other, else_branch=other)]
    assert found.verdict("y") is Verdict.RAW
    assert not traced(nodes, [const("c", True, "bool")]).taint("y").is_raw


def test_a_branch_that_hands_out_what_it_captures_is_raw() -> None:
    then = graph([node("Relu", "x", "t")], [], ["x"])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=then)]
    assert traced(nodes, [const("c", True, "bool")]).taint("y").is_raw


def test_a_branch_chosen_by_raw_input_is_derived() -> None:
    constant = graph([node("Identity", "k", "t")], [], ["t"])
    nodes = [
        node("ReduceMax", "x", "most"),
        node("Greater", "most k", "c"),
        helper.make_node("If", ["c"], ["y"], then_branch=constant, else_branch=constant),
    ]
    found = traced(nodes, [const("k", 1.0)])
    assert found.taint("y").origin is Origin.DERIVED


def test_a_loop_carries_raw_input_from_turn_to_turn() -> None:
    """b takes raw input in the first turn, a from b in the second."""
    body = graph(
        [
            node("Identity", "cond", "cond2"),
            node("Identity", "b", "a2"),
            node("Identity", "x", "b2"),
            node("GlobalMaxPool", "a", "scan"),
        ],
        ["i", "cond", "a", "b"],
        ["cond2", "a2", "b2", "scan"],
    )
    loop = helper.make_node("Loop", ["n", "_t", "k", "k"], ["a_end", "b_end", "y"], body=body)
    found = traced([loop], [const("n", 3, "int64"), const("_t", True, "bool"), const("k", 1.0)])
    assert found.taint("a_end").is_raw
    assert found.taint("b_end").is_raw
    assert found.verdict("y") is Verdict.DERIVED


def test_a_scan_over_raw_input_is_raw_where_it_hands_it_out() -> None:
    body = graph(
        [node("Add", "state row", "state2"), node("Identity", "row", "out")],
        ["state", "row"],
        ["state2", "out"],
    )
    scan = helper.make_node("Scan", ["k", "x"], ["total", "y"], body=body, num_scan_inputs=1)
    found = traced([scan], [const("k", 0.0)])
    assert found.taint("y").text == "x -> Identity -> Scan"


def test_an_unknown_operator_with_a_body_hands_out_what_it_captures() -> None:
    body = graph([node("Identity", "x", "out")], ["row"], ["out"])
    mapped = helper.make_node("SequenceMap", ["k"], ["y"], body=body)
    assert traced([mapped], [const("k", 1.0)]).taint("y").is_raw


# --- files ----------------------------------------------------------------------------------


def test_external_weights_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "model.onnx")
    model = build(
        [node("MatMul", "x w", "y")],
        [tensor("x", (1, 8))],
        [tensor("y", (1, 16))],
        [weights("w", 8, 16)],
    )
    onnx.save(model, path, save_as_external_data=True, location="w.data", size_threshold=0)
    assert find_taint(path).taint("y").is_raw
    (tmp_path / "w.data").unlink()
    with pytest.raises(InputError, match="cannot read the data of tensor 'w'"):
        find_taint(path)


def test_a_file_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="no such file"):
        find_taint("missing.onnx")


def test_the_stem_of_the_digits_is_raw_and_what_follows_is_not_shown() -> None:
    """96 channels of 9 values: before the Relu the image can be solved for."""
    found = find_taint(str(DIGITS))
    assert found.taint("scaled").text == "image -> Mul"
    assert found.taint("stem").text == "image -> Mul -> Conv"
    assert found.verdict("stem.relu") is Verdict.DERIVED
    assert found.verdict("probabilities") is Verdict.DERIVED


def test_every_rule_is_for_an_operator_that_exists() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert set(RULES) - known <= {
        "DynamicQuantizeMatMul",  # ONNX Runtime's
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "ai.onnx.ml::FeatureVectorizer",
        "ai.onnx.ml::Imputer",
        "ai.onnx.ml::Normalizer",
        "MatMulIntegerToFloat",
        "QGemm",
        "QLinearConcat",
        "QLinearLeakyRelu",
        "QLinearAdd",
        "QLinearMul",
        "QLinearSigmoid",
        "ai.onnx.ml::Scaler",
        "RMSNormalization",  # opset 23
        "SimplifiedLayerNormalization",  # ONNX Runtime's
        "Swish",  # opset 24
    }
