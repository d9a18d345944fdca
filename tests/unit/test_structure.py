"""Structures: what the fingerprint covers, how ONNX files spell it, and when rows do not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from placer.core.structure import Architecture, Structure, WeightedLayer, fingerprint, match
from placer.onnx_files.calibration_models import CALIBRATION_MODELS, Net
from placer.onnx_files.reader import read_model
from placer.onnx_files.shapes import trace_model
from placer.onnx_files.structure import read_structure
from tests.models import build, integers, tensor, weights

CONV = WeightedLayer("conv", (8, 3, 3, 3), strides=(2, 2), dilations=(1, 1))
MATRIX = WeightedLayer("matrix", (8, 10))
STRUCTURE = Structure("f" * 64, "e" * 64, 2, 296, 1_000_000)
NET = Architecture("net", STRUCTURE, (3, 64, 64), 320, ("hub/net",), "a paper")


# --- the fingerprint ------------------------------------------------------------------------


def test_the_order_of_layers_does_not_count_but_how_often_one_is_there_does() -> None:
    assert fingerprint([CONV, MATRIX]) == fingerprint([MATRIX, CONV])
    assert fingerprint([CONV, MATRIX]) != fingerprint([CONV, MATRIX, MATRIX])


@pytest.mark.parametrize(
    "other",
    [
        replace(CONV, kind="conv_transpose"),
        replace(CONV, weight=(8, 3, 3, 5)),
        replace(CONV, groups=3),
        replace(CONV, strides=(1, 1)),
        replace(CONV, dilations=(2, 2)),
    ],
)
def test_everything_of_a_layer_counts(other: WeightedLayer) -> None:
    assert fingerprint([other, MATRIX]) != fingerprint([CONV, MATRIX])


# --- the match ------------------------------------------------------------------------------


def refusal(structure: Structure = STRUCTURE, *shapes: Sequence[int]) -> str:
    found = match(structure, shapes or [(1, 3, 64, 64)], [NET])
    assert found is not None
    assert found.architecture is NET
    return found.refusal


def test_the_same_structure_and_input_is_the_architecture() -> None:
    assert refusal() == ""
    assert refusal(STRUCTURE, (1, 64, 64, 3)) == ""  # channels last
    assert refusal(replace(STRUCTURE, macs=1_009_000)) == ""


def test_another_input_is_another_work() -> None:
    told = "it takes 1x3x96x96, the published times are of 1x3x64x64"
    assert refusal(STRUCTURE, (1, 3, 96, 96)) == told
    assert "it takes 8x3x64x64" in refusal(STRUCTURE, (8, 3, 64, 64))
    assert "1x3x64x64 and 1x5" in refusal(STRUCTURE, (1, 3, 64, 64), (1, 5))


def test_another_pooling_is_another_work() -> None:
    told = refusal(replace(STRUCTURE, macs=4_000_000))
    assert told.startswith("its layers do 4 million multiply-accumulates, those of net 1 million")
    assert refusal(replace(STRUCTURE, macs=None)) == "its multiply-accumulates are not known"


def test_another_last_layer_is_told_so_that_the_user_may_name_the_row() -> None:
    told = "its last layer is another one (--as takes the published time all the same)"
    assert refusal(replace(STRUCTURE, sha256="0" * 64, macs=1_100_000)) == told
    assert "it takes 1x3x9x9" in refusal(replace(STRUCTURE, sha256="0" * 64), (1, 3, 9, 9))


def test_what_takes_time_beside_the_layers_is_another_work() -> None:
    told = "it has normalisations and Softmax, which net has not"
    assert refusal(replace(STRUCTURE, besides=("normalisations", "Softmax"))) == told
    curved = replace(NET, structure=replace(STRUCTURE, besides=("curved activations",)))
    found = match(STRUCTURE, [(1, 3, 64, 64)], [curved])
    assert found is not None
    assert found.refusal == ""  # what spells them by simpler operators


def test_the_one_of_two_resolutions_that_fits_is_taken() -> None:
    large = replace(NET, name="net at 96", input_shape=(3, 96, 96))
    found = match(STRUCTURE, [(1, 3, 96, 96)], [NET, large])
    assert found is not None
    assert (found.architecture.name, found.refusal) == ("net at 96", "")


def test_an_unknown_structure_is_none() -> None:
    assert match(None, [(1, 3, 64, 64)], [NET]) is None
    other = replace(STRUCTURE, sha256="0" * 64, trunk_sha256="1" * 64)
    assert match(other, [(1, 3, 64, 64)], [NET]) is None


# --- spellings in ONNX ----------------------------------------------------------------------


def spelt(
    nodes: Sequence[Any], *initializers: Any, x: Sequence[int] = (1, 6), domain: str = ""
) -> Structure:
    """Return the structure of nodes that lead from x to y."""
    model = build(
        nodes,
        [tensor("x", x)],
        [onnx.ValueInfoProto(name="y")],
        initializers,
        domains=[domain] if domain else [],
    )
    found = read_structure(trace_model(model))
    assert found is not None
    return found


def node(kind: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def test_a_matrix_is_the_same_in_every_operator() -> None:
    plain = spelt([node("MatMul", "x w")], weights("w", 6, 4))
    assert (plain.n_layers, plain.n_weights, plain.macs) == (1, 24, 24)
    bias = weights("b", 4)
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    integer = numpy_helper.from_array(np.ones((6, 4), np.int8), "q")
    same = [
        spelt([node("Gemm", "x w b")], weights("w", 6, 4), bias),
        spelt([node("Gemm", "x w", transB=1)], weights("w", 4, 6)),
        spelt(
            [node("Transpose", "v", "w", perm=[1, 0]), node("MatMul", "x w")], weights("v", 4, 6)
        ),
        spelt([node("MatMul", "w x")], weights("w", 4, 6), x=(6, 1)),
        spelt([node("DequantizeLinear", "q s", "w"), node("MatMul", "x w")], integer, scale),
        spelt(
            [node("FusedMatMul", "x w", domain="com.microsoft", transB=1)],
            weights("w", 4, 6),
            domain="com.microsoft",
        ),
        spelt(
            [node("DynamicQuantizeMatMul", "x q s", domain="com.microsoft")],
            integer,
            scale,
            domain="com.microsoft",
        ),
        spelt([node("Conv", "x w")], weights("w", 4, 6, 1, 1), x=(1, 6, 1, 1)),  # of a single pixel
    ]
    assert same == [plain] * len(same)


def test_a_convolution_is_known_by_weights_groups_strides_and_dilations() -> None:
    def conv(*dims: int, **attributes: Any) -> Structure:
        nodes = [node("Conv", "x w", **attributes)]
        return spelt(nodes, weights("w", *dims), x=(1, 6, 9, 9))

    plain = conv(6, 6, 3, 3)
    assert plain == conv(6, 6, 3, 3, strides=[1, 1], dilations=[1, 1], group=1)
    assert plain.macs == 6 * 49 * 54
    padded = conv(6, 6, 3, 3, auto_pad="SAME_UPPER")
    assert (padded.sha256, padded.macs) == (plain.sha256, 6 * 81 * 54)
    others = [
        conv(6, 6, 3, 3, strides=[2, 2]),
        conv(6, 6, 3, 3, dilations=[2, 2]),
        conv(6, 1, 3, 3, group=6),
        conv(6, 6, 1, 1),
        spelt([node("ConvTranspose", "x w")], weights("w", 6, 6, 3, 3), x=(1, 6, 9, 9)),
    ]
    assert len({plain.sha256, *(one.sha256 for one in others)}) == 6
    assert others[3] == conv(6, 6, 1, 1, dilations=[2, 2])


def test_a_convolution_of_an_unknown_image_is_no_matrix() -> None:
    nodes = [node("Riddle", "x", "z", domain="acme"), node("Conv", "z w")]
    weight = weights("w", 6, 6, 1, 1)
    found = spelt(nodes, weight, x=(1, 6, 9, 9), domain="acme")
    known = spelt([node("Conv", "x w")], weight, x=(1, 6, 9, 9))
    assert (found.sha256, found.macs) == (known.sha256, None)
    assert found.besides == ("Riddle",)


def test_products_of_two_values_and_biases_are_no_layers() -> None:
    found = spelt(
        [
            node("Add", "x b", "z"),
            node("Transpose", "z", "t", perm=[1, 0]),
            node("MatMul", "t z"),
        ],
        weights("b", 6),
    )
    assert (found.n_layers, found.macs) == (0, 0)


def test_costly_operators_without_weights_are_named_where_they_are_large() -> None:
    def besides(kind: str, side: int = 32, **attributes: Any) -> tuple[str, ...]:
        found = spelt([node(kind, "x", **attributes)], x=(1, 8, side, side))
        assert found.n_layers == 0
        return found.besides

    assert besides("Relu") == besides("MaxPool", kernel_shape=[2, 2]) == ()
    assert besides("Sigmoid") == besides("HardSwish") == besides("Erf") == ("curved activations",)
    assert besides("Sigmoid", side=1) == ()  # gates of channels, scores of classes
    assert besides("LRN", size=3) == ("normalisations",)
    assert besides("Softmax") == ("Softmax",)
    assert besides("DepthToSpace", blocksize=2) == ("DepthToSpace",)  # whatever is not known


def test_recurrent_layers_and_embeddings_are_layers() -> None:
    nodes = [
        node("Gather", "table i", "e"),
        node("Add", "e x", "z"),
        helper.make_node("LSTM", ["z", "w", "r"], ["y"], hidden_size=2),
    ]
    found = spelt(
        nodes,
        weights("table", 50, 3),
        integers("i", 7),
        weights("w", 1, 8, 3),
        weights("r", 1, 8, 2),
        x=(5, 1, 3),
    )
    assert (found.n_layers, found.n_weights) == (2, 8 * 5)  # what is constant is no layer
    assert found.macs == 5 * 8 * 5
    looked_up = spelt(
        [node("Cast", "x", "i", to=onnx.TensorProto.INT64), node("Gather", "table i")],
        weights("table", 50, 3),
    )
    assert (looked_up.n_layers, looked_up.n_weights, looked_up.macs) == (1, 150, 0)


def test_an_operator_of_another_domain_counts_with_its_weights() -> None:
    plain = spelt([node("MatMul", "x w")], weights("w", 6, 4))
    foreign = spelt(
        [node("MatMul", "x w", "z"), node("Blend", "z v", domain="acme")],
        weights("w", 6, 4),
        weights("v", 4, 4),
        domain="acme",
    )
    assert (foreign.n_layers, foreign.macs) == (2, None)
    assert foreign.sha256 != plain.sha256


def test_the_layers_of_a_branch_count() -> None:
    def branch(name: str, nodes: Sequence[Any]) -> Any:
        return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=f"{name}_y")])

    choice = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("a", [node("MatMul", "x w", "a_y")]),
        else_branch=branch("b", [node("Identity", "x", "b_y")]),
    )
    nodes = [
        node("ReduceSum", "x", "s", keepdims=0),
        node("Cast", "s", "c", to=onnx.TensorProto.BOOL),
        choice,
    ]
    found = spelt(nodes, weights("w", 6, 6))
    assert (found.n_layers, found.macs) == (1, None)


# --- quantised files ------------------------------------------------------------------------


class _Samples:
    """Three random inputs, for the ranges of static quantisation."""

    def __init__(self, shape: Sequence[int]) -> None:
        rng = np.random.default_rng(0)
        self._inputs = [rng.standard_normal(shape, dtype=np.float32) for _ in range(3)]

    def get_next(self) -> dict[str, Any] | None:
        return {"x": self._inputs.pop()} if self._inputs else None


def small_net() -> Any:
    net = Net(3, 16, 16)
    value = net.conv(net.x, 8, stride=2)
    value = net.squeeze_excite(net.depthwise(value, act="Relu6"), 4)
    return net.model(net.head(net.conv(value, 16, 1), 10))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["qdq", "operators", "dynamic", "float16"])
def test_a_quantised_file_has_the_structure_of_its_original(form: str, tmp_path: Path) -> None:
    from onnxruntime import quantization

    source, target = str(tmp_path / "float.onnx"), str(tmp_path / "other.onnx")
    onnx.save(small_net(), source)
    if form == "dynamic":
        quantization.quantize_dynamic(source, target)
    elif form == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(source)), target)
    else:
        formats = {
            "qdq": quantization.QuantFormat.QDQ,
            "operators": quantization.QuantFormat.QOperator,
        }
        quantization.quantize_static(
            source, target, _Samples((1, 3, 16, 16)), quant_format=formats[form]
        )
    original, quantised = read_model(source), read_model(target)
    assert quantised.operators != original.operators
    assert quantised.structure == original.structure


def test_every_calibration_model_has_a_structure_of_its_own(tmp_path: Path) -> None:
    made = {name: read_structure(trace_model(make())) for name, make in CALIBRATION_MODELS.items()}
    assert None not in made.values()
    assert len({one.sha256 for one in made.values() if one}) == len(made)
