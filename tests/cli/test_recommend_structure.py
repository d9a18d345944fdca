"""``placer recommend`` without ``--as``: a published architecture is known by its structure."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from onnx.numpy_helper import from_array, to_array

from tests.cli.conftest import Run
from tests.published_architectures import PUBLISHED

GOLDEN = Path(__file__).parents[1] / "golden" / "structure"
DATE = ("--as-of", "2026-03-01", "--no-measure", "--network", "fiber_100")
SITE = ("--device", "sd-8gen3", "--cloud", "aws-c7i.xlarge@us-east-1")


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that is not named after what it holds."""
    path = tmp_path_factory.mktemp("structure") / "model.onnx"
    onnx.save(PUBLISHED["squeezenet1_1"].build(), path)
    return str(path)


def changed(source: str, target: Path, batch: int = 1, side: int = 224) -> str:
    model = onnx.load(source)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = batch
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = side
    onnx.save(model, target)
    return str(target)


def as_qdq(model: Any) -> Any:
    """Quantise: int8 weights behind a DequantizeLinear, a pair of nodes before each layer."""
    graph, nodes = model.graph, []
    weights = {tensor.name: tensor for tensor in graph.initializer}
    scale, zero = np.array(0.02, np.float32), np.array(0, np.int8)
    graph.initializer.extend([from_array(scale, "scale"), from_array(zero, "zero")])
    for index, node in enumerate(graph.node):
        if node.op_type in ("Conv", "MatMul"):
            source, name = node.input[0], node.input[1]
            weights[name].CopyFrom(from_array(np.ones(tuple(weights[name].dims), np.int8), name))
            pair, weight = [f"q{index}", f"x{index}"], f"w_float{index}"
            nodes += [
                make_node("QuantizeLinear", [source, "scale", "zero"], [pair[0]]),
                make_node("DequantizeLinear", [pair[0], "scale", "zero"], [pair[1]]),
                make_node("DequantizeLinear", [name, "scale", "zero"], [weight]),
            ]
            node.input[0], node.input[1] = pair[1], weight
        nodes.append(node)
    made = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(made)
    return model


def answered(run: Run, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("recommend", *arguments, "--format", "json").out)
    return document


def edge_of(document: dict[str, Any], name: str = "edge:qnn") -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["candidates"] if one["id"] == name)
    return found


def architectures(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (one["value"], one["source"])
        for one in document["assumptions"]
        if one["name"] == "architecture"
    ]


def test_the_structure_gives_the_time_that_the_name_of_the_row_gives(
    run: Run, squeezenet: str
) -> None:
    arguments = (squeezenet, "--sla", "5ms", *SITE, *DATE)
    by_structure = answered(run, *arguments)
    named = answered(run, *arguments, "--as", "aihub/squeezenet1_1")
    edge = edge_of(by_structure)
    assert (edge["basis"], edge["verdict"]) == ("transferred", "met")
    assert edge["latency_s"] == edge_of(named)["latency_s"]
    assert edge["stages"][0]["source"] == edge_of(named)["stages"][0]["source"]
    ((value, source),) = architectures(by_structure)
    assert value == "aihub/squeezenet1_1"
    assert source.startswith("by structure: its 26 layers with weights are those of squeezenet1_1")
    assert "sd-8gen3 (qnn): E2, ×/÷ 1.3, Qualcomm AI Hub Models v0.46.1" in source
    assert "2026-02-12" in source
    (note,) = [one["message"] for one in edge["findings"] if one["rule"] == "PLC601"]
    assert "taken to be aihub/squeezenet1_1, as its structure is that of squeezenet1_1" in note


@pytest.mark.parametrize("case", ["matched", "resolution"])
def test_the_report_reads_as_agreed(
    run: Run, squeezenet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    changed(squeezenet, tmp_path / "model.onnx", side=224 if case == "matched" else 320)
    report = run("recommend", "model.onnx", "--sla", "5ms", *SITE, *DATE).out
    assumed = report.partition("Assumed, as nobody stated it\n")[2]
    report = f"{report.partition('  model ')[0]}\n{assumed.partition('  · connection')[0]}"
    path = GOLDEN / f"{case}.txt"
    if os.environ.get("PLACER_GOLDEN") == "1":
        assert not os.environ.get("CI"), "golden files are not rewritten in CI"
        path.write_text(report, encoding="utf-8")
    assert report == path.read_text(encoding="utf-8")


def test_none_uses_no_published_time(run: Run, squeezenet: str) -> None:
    document = answered(run, squeezenet, "--sla", "5ms", *SITE, *DATE, "--as", "none")
    assert edge_of(document)["basis"] == "catalogue"
    assert architectures(document) == []


def test_a_named_row_goes_before_the_structure(run: Run, squeezenet: str) -> None:
    arguments = (squeezenet, "--sla", "5ms", *SITE, *DATE, "--as", "aihub/resnet50")
    ((value, source),) = architectures(answered(run, *arguments))
    assert value == "aihub/resnet50"
    assert source.startswith("--as: nothing checks")


@pytest.mark.parametrize(
    ("batch", "side", "told"),
    [(1, 320, "1x3x320x320"), (8, 224, "8x3x224x224")],
)
def test_another_input_is_told_and_gives_no_time(
    run: Run, squeezenet: str, tmp_path: Path, batch: int, side: int, told: str
) -> None:
    other = changed(squeezenet, tmp_path / "other.onnx", batch, side)
    document = answered(run, other, "--sla", "5ms", *SITE, *DATE)
    assert edge_of(document)["basis"] == "catalogue"
    ((value, source),) = architectures(document)
    assert value == "none"
    assert f"it takes {told}, the published times are of 1x3x224x224" in source
    assert "aihub/squeezenet1_1 answers nothing for sd-8gen3 (qnn)" in source


def test_a_classifier_of_other_classes_is_told_and_may_be_named(
    run: Run, squeezenet: str, tmp_path: Path
) -> None:
    other, model = str(tmp_path / "other.onnx"), onnx.load(squeezenet)
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    for tensor in model.graph.initializer:
        if tensor.name in last.input[1:]:
            tensor.CopyFrom(from_array(to_array(tensor)[:10], tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 10
    onnx.save(model, other)
    arguments = (other, "--sla", "5ms", *SITE, *DATE)
    document = answered(run, *arguments)
    assert edge_of(document)["basis"] == "catalogue"
    ((value, source),) = architectures(document)
    assert value == "none"
    assert source == (
        "by structure it is squeezenet1_1, but its last layer is another one (--as takes the "
        "published time all the same): aihub/squeezenet1_1 answers nothing for sd-8gen3 (qnn)"
    )
    named = answered(run, *arguments, "--as", "aihub/squeezenet1_1")
    assert edge_of(named)["basis"] == "transferred"


def test_where_nothing_is_published_nothing_is_told(
    run: Run, squeezenet: str, tmp_path: Path
) -> None:
    other = changed(squeezenet, tmp_path / "other.onnx", 1, 320)
    for model in (squeezenet, other):
        document = answered(run, model, "--sla", "50ms", "--device", "rpi5", *SITE[2:], *DATE)
        assert architectures(document) == []


def test_evidence_goes_before_what_is_published(
    run_again: Run, squeezenet: str, tmp_path: Path
) -> None:
    evidence = str(tmp_path / "evidence.json")
    made = run_again("profile", squeezenet, "--ep", "cpu", "--time-limit", "2s", "--save", evidence)
    assert made.code in (0, 5), made.err
    document = answered(
        run_again, squeezenet, "--sla", "5s", *SITE, *DATE[2:], "--evidence", f"sd-8gen3={evidence}"
    )
    assert {one["id"] for one in document["candidates"] if one["placement"] == "edge"} == {
        "edge:cpu"
    }
    assert architectures(document) == []


def test_a_variant_is_known_by_its_own_structure(run: Run, squeezenet: str, tmp_path: Path) -> None:
    """The model itself sees twice as far in one layer."""
    other = str(tmp_path / "dilated.onnx")
    model = onnx.load(squeezenet)
    layer = [node for node in model.graph.node if node.op_type == "Conv"][-2]
    for attribute in layer.attribute:
        if attribute.name in ("pads", "dilations"):
            attribute.ints[:] = [2] * len(attribute.ints)
    onnx.save(model, other)
    document = answered(run, other, "--variant", squeezenet, "--sla", "5ms", *SITE, *DATE)
    assert edge_of(document)["basis"] == "catalogue"
    assert edge_of(document, "edge:qnn~model")["basis"] == "transferred"
    ((value, _),) = architectures(document)
    assert value == "aihub/squeezenet1_1"


def test_a_quantised_file_takes_the_quantised_row(
    run: Run, squeezenet: str, tmp_path: Path
) -> None:
    """As QDQ: every weight behind a DequantizeLinear, every value through a pair."""
    target = str(tmp_path / "quantised.onnx")
    onnx.save(as_qdq(onnx.load(squeezenet)), target)
    document = answered(run, target, "--sla", "5ms", *SITE, *DATE)
    edge = edge_of(document)
    assert edge["basis"] == "transferred"
    assert "onnx, w8a8" in edge["stages"][0]["source"]


def test_a_mobilenet_has_rows_of_two_sources(run: Run, tmp_path: Path) -> None:
    target = str(tmp_path / "model.onnx")
    onnx.save(as_qdq(PUBLISHED["mobilenet_v2"].build()), target)
    arguments = ("--sla", "5ms", "--device", "core-ultra-165h-npu", *SITE[2:], *DATE)
    ((value, source),) = architectures(answered(run, target, *arguments))
    assert value == "openvino/mobilenet-v2"
    assert "OpenVINO 2024.1" in source


def test_python_takes_none_too(squeezenet: str) -> None:
    import placer

    def assumed(architecture: str | None) -> set[str]:
        answer = placer.recommend(
            squeezenet, device="sd-8gen3", measure=False, architecture=architecture
        )
        return {one.value for one in answer.assumptions}

    assert "aihub/squeezenet1_1" in assumed(None)
    assert "aihub/squeezenet1_1" not in assumed("none")
