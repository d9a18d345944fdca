"""Every published architecture: built as published, known in every spelling, told from others."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from placer.core.errors import UsageError
from placer.core.structure import Structure, match
from placer.files import measured
from placer.files.structures import load_architectures, parse_architectures
from placer.onnx_files.features import count_operators
from placer.onnx_files.reader import read_model
from placer.onnx_files.shapes import VALUE_LIMIT, trace_model
from placer.onnx_files.structure import read_structure
from tests.published_architectures import PUBLISHED, table_text

ROOT = Path(__file__).parents[2]
TABLE = {one.name: one for one in load_architectures()}
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@cache
def built(name: str) -> Any:
    """Build an architecture, and keep of its weights no more than their dimensions."""
    model = PUBLISHED[name].build()
    for weight in model.graph.initializer:
        if np.prod(weight.dims) > VALUE_LIMIT:
            weight.ClearField("raw_data")
    return model


def structure(model: Any) -> Structure:
    found = read_structure(trace_model(model))
    assert found is not None
    return found


def copied(model: Any) -> Any:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def test_the_table_is_what_the_scripts_build() -> None:
    path = ROOT / "profiles" / "measured" / "structures.yaml"
    text = table_text({name: structure(built(name)) for name in PUBLISHED})
    assert path.read_text(encoding="utf-8") == text  # else: ./dev bench structures


def test_a_damaged_table_is_told_with_its_place() -> None:
    text = (ROOT / "profiles" / "measured" / "structures.yaml").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"s\.yaml:6:5: sha256"):
        parse_architectures(text.replace(": 13aed8", ": 13AED8", 1).encode(), path="s.yaml")
    with pytest.raises(UsageError, match=r"s\.yaml:\d+:\d+: the key 'rows' is missing"):
        parse_architectures(re.sub(r"    rows: .*\n", "", text, count=1).encode(), path="s.yaml")


def test_no_two_architectures_are_taken_for_each_other() -> None:
    assert len({one.structure.sha256 for one in TABLE.values()}) == len(TABLE)
    assert len({one.structure.trunk_sha256 for one in TABLE.values()}) == len(TABLE)


def test_every_row_is_published_once_and_states_a_latency() -> None:
    rows = [row for one in TABLE.values() for row in one.rows]
    assert len(set(rows)) == len(rows)
    timed = {row.name for row in measured.all_rows() if row.latency_s is not None and row.dtype}
    assert set(rows) <= timed


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_and_work_are_those_that_were_published(name: str) -> None:
    """Exporters fold a normalisation's scale and shift into weights and a bias: counted here."""
    published, found = PUBLISHED[name], structure(built(name))
    besides = published.biases + published.norms + published.embeddings
    assert found.n_weights + besides == published.parameters == TABLE[name].parameters
    works = {work.op_type: work.flops or 0 for work in count_operators(trace_model(built(name)))}
    macs = sum(works.get(kind, 0) for kind in ("Conv", "MatMul", "Gemm")) / 2  # biases with them
    assert macs == pytest.approx(1e9 * published.giga_macs, rel=0.03, abs=1e6)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_an_architecture_is_known_however_it_is_spelt(name: str) -> None:
    original = structure(built(name))
    found = match(original, [(1, *PUBLISHED[name].input_shape)], tuple(TABLE.values()))
    assert found is not None
    assert (found.architecture.name, found.refusal) == (name, "")
    for change in (renamed, shuffled, with_constants, with_gemm, unfolded):
        model = copied(built(name))
        change(model)
        assert structure(model) == original, change.__name__
    model = copied(built(name))
    batched(model)
    assert structure(model).sha256 == original.sha256


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_another_layer_is_another_architecture(name: str) -> None:
    original = structure(built(name))
    for change in (with_ten_classes, with_another_stride, without_the_last_layer):
        model = copied(built(name))
        change(model)
        found = structure(model)
        assert found.sha256 != original.sha256, change.__name__
        other = match(found, [(1, *PUBLISHED[name].input_shape)], tuple(TABLE.values()))
        if change is with_ten_classes:
            assert other is not None
            assert "its last layer is another one" in other.refusal
        elif change is without_the_last_layer:
            assert other is None
        else:
            assert other is None or other.refusal  # the last layer may be a convolution


def test_a_resnet_with_other_normalisations_or_activations_is_another_work() -> None:
    """timm's resnet50_gn normalises groups at run time, which no tool can fold."""
    for kind, told in (
        ("InstanceNormalization", "normalisations"),
        ("Sigmoid", "curved activations"),
    ):
        model = copied(built("resnet50"))
        for node in model.graph.node:
            if node.op_type == "Relu":
                node.op_type = kind
                if kind == "InstanceNormalization":
                    node.input.extend(["scale", "shift"])
        model.graph.initializer.extend(
            numpy_helper.from_array(np.ones(64, np.float32), name) for name in ("scale", "shift")
        )
        found = match(structure(model), [(1, 3, 224, 224)], tuple(TABLE.values()))
        assert found is not None
        assert found.refusal == f"it has {told}, which resnet50 has not"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("light_densenet121", "densenet121"),  # whose classifier is a convolution of one pixel
        ("light_resnet50", "resnet50"),
        ("light_squeezenet", "squeezenet1_1"),
    ],
)
def test_an_export_of_caffe_is_known(file: str, name: str) -> None:
    summary = read_model(str(LIGHT / f"{file}.onnx"))
    found = match(summary.structure, [one.shape for one in summary.inputs], tuple(TABLE.values()))
    assert found is not None
    assert (found.architecture.name, found.refusal) == (name, "")


@pytest.mark.parametrize("file", ["light_shufflenet", "light_vgg19", "light_inception_v1"])
def test_what_the_table_does_not_have_is_not_known(file: str) -> None:
    """Inception is GoogLeNet with a 5x5 kernel where torchvision's has 3x3."""
    summary = read_model(str(LIGHT / f"{file}.onnx"))
    assert summary.structure is not None
    assert match(summary.structure, [(1, 3, 224, 224)], tuple(TABLE.values())) is None


# --- spellings ------------------------------------------------------------------------------


def renamed(model: Any) -> None:
    graph = model.graph
    names = sorted({name for node in graph.node for name in (*node.input, *node.output) if name})
    Random(0).shuffle(names)
    new = {name: f"t{index}" for index, name in enumerate(names)}
    for index, node in enumerate(graph.node):
        node.name = f"layer.{index}"
        for field in (node.input, node.output):
            changed = [new.get(name, name) for name in field]
            del field[:]
            field.extend(changed)
    for info in (*graph.input, *graph.output, *graph.initializer):
        info.name = new[info.name]


def shuffled(model: Any) -> None:
    graph, rng = model.graph, Random(1)
    known = {info.name for info in (*graph.input, *graph.initializer)} | {""}
    waiting, order = [copied_node(node) for node in graph.node], []
    while waiting:
        ready = [node for node in waiting if known.issuperset(node.input)]
        node = ready[rng.randrange(len(ready))]
        waiting.remove(node)
        known.update(node.output)
        order.append(node)
    del graph.node[:]
    graph.node.extend(order)
    weights = [copied_tensor(tensor) for tensor in graph.initializer]
    rng.shuffle(weights)
    del graph.initializer[:]
    graph.initializer.extend(weights)


def with_constants(model: Any) -> None:
    """Keep the weights in Constant nodes, as some exporters do."""
    graph = model.graph
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in graph.initializer
    ] + [copied_node(node) for node in graph.node]
    del graph.initializer[:]
    del graph.node[:]
    graph.node.extend(nodes)


def with_gemm(model: Any) -> None:
    """Write the classifier as PyTorch does: its weights lie the other way round."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    flat = {node.output[0] for node in model.graph.node if node.op_type == "Flatten"}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[0] in flat:
            node.op_type = "Gemm"
            node.attribute.append(helper.make_attribute("transB", 1))
            dims = weights[node.input[1]].dims
            dims.reverse()


def unfolded(model: Any) -> None:
    """Put a normalisation behind each convolution in place of its bias."""
    graph, nodes = model.graph, []
    widths = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    for index, node in enumerate(graph.node):
        copy = copied_node(node)
        nodes.append(copy)
        if node.op_type != "Conv":
            continue
        width, output = widths[node.input[1]], node.output[0]
        del copy.input[2:]
        copy.output[0] = f"{output}_plain"
        names = [f"norm{index}.{part}" for part in ("scale", "shift", "mean", "variance")]
        graph.initializer.extend(
            numpy_helper.from_array(np.ones(width, np.float32), name) for name in names
        )
        nodes.append(helper.make_node("BatchNormalization", [copy.output[0], *names], [output]))
    del graph.node[:]
    graph.node.extend(nodes)


def batched(model: Any) -> None:
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 8


# --- other architectures --------------------------------------------------------------------


def with_ten_classes(model: Any) -> None:
    weight = next(
        w for w in reversed(model.graph.initializer) if 1000 in w.dims and len(w.dims) > 1
    )
    weight.dims[list(weight.dims).index(1000)] = 10


def with_another_stride(model: Any) -> None:
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    strides = [one for one in convolutions[-1].attribute if one.name == "strides"]
    if strides:
        strides[0].ints[:] = [3, 3]
    else:
        convolutions[-1].attribute.append(helper.make_attribute("strides", [3, 3]))


def without_the_last_layer(model: Any) -> None:
    last = max(
        index for index, node in enumerate(model.graph.node) if node.op_type in ("Conv", "MatMul")
    )
    del model.graph.node[last:]


def copied_node(node: Any) -> Any:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def copied_tensor(tensor: Any) -> Any:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    return copy


def test_the_page_says_which_architectures_are_known() -> None:
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"known by structure: ([^.]+)\.", " ".join(page.split()))
    assert re.findall(r"`(\w+)`", listed) == sorted(PUBLISHED)
