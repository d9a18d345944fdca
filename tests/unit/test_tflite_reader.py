"""Reading TensorFlow Lite files: what is in them, and files that are damaged or something else."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.api import formats
from placer.core.errors import InputError, UsageError
from placer.core.graph import ModelSummary, OperatorWork
from placer.onnx_files import reader as onnx_reader
from placer.tflite_files import graph as tflite_graph
from placer.tflite_files.reader import read_model
from tests import tflite_models
from tests.tflite_models import DIGITS, Model, Op

INT8 = (DIGITS / "digits-int8.tflite").read_bytes()


def work_of(summary: ModelSummary) -> dict[str, OperatorWork]:
    return {work.op_type: work for work in summary.operators}


def test_the_digits_have_the_work_and_parameters_of_their_onnx_file() -> None:
    summary = read_model(str(DIGITS / "digits.tflite"))
    onnx = onnx_reader.read_model(str(DIGITS.parent / "01_digits" / "digits.onnx"))
    assert summary.format == "tflite"
    assert summary.opset is None
    # the converter folded the scaling of 8 x 8 pixels, with its one factor, into the weights
    assert onnx.flops is not None
    assert summary.flops == onnx.flops - 64
    assert summary.parameters == onnx.parameters - 1
    (image,), (probabilities,) = summary.inputs, summary.outputs
    assert (image.name, image.dtype, image.shape, image.n_bytes) == (
        "image", "float32", (1, 8, 8, 1), 256,
    )  # fmt: skip
    assert (probabilities.name, probabilities.shape) == ("probabilities", (1, 10))
    assert summary.n_bytes == (DIGITS / "digits.tflite").stat().st_size


def test_int8_moves_a_quarter_of_the_bytes_and_pays_for_requantising() -> None:
    full = read_model(str(DIGITS / "digits.tflite"))
    small = read_model(str(DIGITS / "digits-int8.tflite"))
    assert full.bytes_moved is not None
    assert small.bytes_moved is not None
    assert small.bytes_moved < 0.26 * full.bytes_moved
    assert small.parameters == full.parameters
    outputs = 5 * 8 * 8 * 96  # of the convolutions
    conv, exact = work_of(small)["CONV_2D"], work_of(full)["CONV_2D"]
    assert conv.flops is not None
    assert exact.flops is not None
    assert conv.flops == exact.flops + 3 * outputs
    assert conv.source.startswith("TensorFlow Lite operator CONV_2D-3 (schema.fbs): ")


def test_an_operator_without_a_formula_has_unknown_work(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), then=Op("custom:Nope", ("h",), ("y",)))
    summary = read_model(path)
    assert summary.flops is None
    assert summary.unknown_operators == ("custom::Nope",)
    assert work_of(summary)["FULLY_CONNECTED"].flops == 64 * (2 * 64 + 1 + 1)


def test_constants_that_are_dequantised_count_as_weights_not_as_nodes(tmp_path: Path) -> None:
    model = Model()
    model.tensor("x", (1, 8))
    model.tensor("half", (8, 8), "float16", values=np.ones((8, 8), np.float16))
    model.tensor("w", (8, 8))
    model.tensor("y", (1, 8))
    model.op(Op("DEQUANTIZE", ("half",), ("w",)))
    model.op(Op("FULLY_CONNECTED", ("x", "w"), ("y",), schema.FullyConnectedOptionsT()))
    summary = read_model(model.save(str(tmp_path / "m.tflite"), ["x"], ["y"]))
    assert [work.op_type for work in summary.operators] == ["FULLY_CONNECTED"]
    assert summary.parameters == 64
    assert summary.flops == 8 * 2 * 8


@pytest.mark.parametrize(
    ("kind", "weight", "x", "y", "options", "flops"),
    [
        # (out, rows, columns, in): 2 x 18 outputs x 3 x 3 x 2
        ("CONV_2D", (2, 3, 3, 2), (1, 5, 5, 2), (1, 3, 3, 2), schema.Conv2DOptionsT(), 648),
        # (1, rows, columns, out): 2 x 18 outputs x 3 x 3
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 2), (1, 5, 5, 2), (1, 3, 3, 2),
         schema.DepthwiseConv2DOptionsT(), 324),
        ("BATCH_MATMUL", (4, 3), (2, 4), (2, 3), schema.BatchMatMulOptionsT(), 2 * 6 * 4),
        ("MUL", (1, 4), (1, 4), (1, 4), schema.MulOptionsT(), 4),
    ],
)  # fmt: skip
def test_work_of_an_operator(
    kind: str,
    weight: tuple[int, ...],
    x: tuple[int, ...],
    y: tuple[int, ...],
    options: object,
    flops: int,
    tmp_path: Path,
) -> None:
    model = Model()
    model.tensor("x", x)
    model.tensor("w", weight, values=np.ones(weight, np.float32))
    model.tensor("y", y)
    model.op(Op(kind, ("x", "w"), ("y",), options))
    assert read_model(model.save(str(tmp_path / "m.tflite"), ["x"], ["y"])).flops == flops


def test_a_transposed_convolution_counts_by_its_input(tmp_path: Path) -> None:
    model = Model()
    model.tensor("size", (4,), "int32", values=np.array([1, 4, 4, 3], np.int32))
    model.tensor("w", (3, 2, 2, 2), values=np.ones((3, 2, 2, 2), np.float32))
    model.tensor("x", (1, 2, 2, 2))
    model.tensor("y", (1, 4, 4, 3))
    model.op(Op("TRANSPOSE_CONV", ("size", "w", "x"), ("y",), schema.TransposeConvOptionsT()))
    path = model.save(str(tmp_path / "m.tflite"), ["x"], ["y"])
    assert read_model(path).flops == 2 * 8 * 3 * 2 * 2


def test_integers_say_what_values_they_take(tmp_path: Path) -> None:
    ids = read_model(tflite_models.lookup(str(tmp_path / "ids.tflite"), rows=5))
    assert ids.integer_ranges == (("ids", 0, 5),)
    pixels = read_model(tflite_models.quantised(str(tmp_path / "q.tflite"), "uint8"))
    assert pixels.integer_ranges == (("x", 0, 256),)
    drawn = formats.generate_inputs(ids).samples["ids"]
    assert drawn.min() >= 0
    assert drawn.max() < 5
    signed = read_model(tflite_models.quantised(str(tmp_path / "s.tflite"), "int8"))
    values = formats.generate_inputs(signed).samples["x"]
    assert values.dtype == np.int8
    assert values.min() < -50
    assert values.max() > 50


def test_without_a_signature_inputs_have_the_names_of_their_tensors(tmp_path: Path) -> None:
    model = Model()
    for name in ("a", "b", "y"):
        model.tensor(name, (1, 2))
    model.op(Op("ADD", ("a", "b"), ("y",), schema.AddOptionsT()))
    summary = read_model(model.save(str(tmp_path / "m.tflite"), ["b", "a"], ["y"]))
    assert [spec.name for spec in summary.inputs] == ["b", "a"]


# --- open dimensions ------------------------------------------------------------------------


def test_an_open_dimension_needs_a_shape(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), rows=-1)
    with pytest.raises(
        UsageError, match=r"input 'x' has open dimensions \(shape \?,64\)"
    ) as caught:
        formats.read_model(path)
    assert caught.value.hint == "give them values: --shape x=1,64"
    model = tflite_models.Model()
    model.tensor("x", (-1, -1, -1, 3))
    model.tensor("y", (-1, -1, -1, 3))
    model.op(tflite_models.Op("RELU", ("x",), ("y",)))
    image = model.save(str(tmp_path / "image.tflite"), ["x"], ["y"])
    with pytest.raises(UsageError, match="open dimensions") as caught:
        formats.read_model(image)
    assert caught.value.hint == "give them values: --shape x=1,H,W,3 with your H and W"


def test_the_runtime_tells_the_shapes_inside(tmp_path: Path) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), rows=-1, then=Op("EXP", ("h",), ("y",)))
    summary = formats.read_model(path, shapes={"x": (5, 64)})
    assert summary.flops == 5 * 64 * (2 * 64 + 1 + 1 + 1)
    assert summary.outputs[0].shape == (5, 64)


def test_a_shape_that_follows_from_values_stays_unknown(tmp_path: Path) -> None:
    model = Model()
    model.tensor("x", (-1, 4))
    model.tensor("found", (-1, 2), "int64")
    model.op(Op("WHERE", ("x",), ("found",)))
    path = model.save(str(tmp_path / "m.tflite"), ["x"], ["found"])
    summary = formats.read_model(path, shapes={"x": (3, 4)})
    assert summary.outputs[0].shape == (-1, -1)
    assert summary.output_bytes is None


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"x": (2, 63)}, r"--shape x=2,63 contradicts the model: the input has the shape \?,64"),
        ({"x": (2,)}, "contradicts"),
        ({"z": (2, 64)}, "names 'z', which is no input"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(
    shape: dict[str, tuple[int, ...]], words: str, tmp_path: Path
) -> None:
    path = tflite_models.dense(str(tmp_path / "m.tflite"), rows=-1)
    with pytest.raises(UsageError, match=words):
        formats.read_model(path, shapes=shape)


# --- files that are damaged or something else -----------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(40), "it is a zip archive"),
        (b"<!doctype html><p>404", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (bytes(100), "TFL3 does not stand at byte 4"),
        (b"\x08\0\0\0TFL3", "is cut short"),
    ],
)
def test_what_is_no_model_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        formats.read_model(str(path))


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").mkdir()
    with pytest.raises(InputError, match="directory"):
        formats.read_model(str(tmp_path / "m.tflite"))


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(INT8)
    assert formats.read_model(str(path)).format == "tflite"


def read(path: Path, content: bytes) -> ModelSummary | None:
    """Return what a file holds; None: it was refused with a message."""
    path.write_bytes(content)
    try:
        return read_model(str(path))
    except (InputError, UsageError):
        return None


def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    for length in range(8, len(INT8) - 4000, 3989):
        assert read(tmp_path / "m.tflite", INT8[:length]) is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(INT8)
    for _ in range(data.draw(st.integers(1, 4))):
        # the tables are at both ends, the weights between
        place = data.draw(st.integers(0, 3000) | st.integers(len(INT8) - 9000, len(INT8) - 4))
        patch = data.draw(
            st.binary(min_size=1, max_size=4)
            | st.sampled_from([b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff\xff\xff\xff"])
        )
        content[place : place + len(patch)] = patch
    read(tmp_path_factory.mktemp("damaged") / "m.tflite", bytes(content))


def test_a_file_that_says_to_hold_one_thing_a_million_times_is_refused_soon(
    tmp_path: Path,
) -> None:
    """Offsets may share a table: a small file can claim to hold a large one's parts."""
    builder = flatbuffers.Builder(1024)
    schema.TensorStart(builder)
    tensor = schema.TensorEnd(builder)
    count = 1_000_000
    schema.SubGraphStartTensorsVector(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    subgraph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(subgraph)
    subgraphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(builder.Output()))
    start_s = time.perf_counter()
    with pytest.raises(InputError, match="more parts than any model has"):
        read_model(str(path))
    assert time.perf_counter() - start_s < 5


def test_without_litert_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tflite_graph._schema.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(InputError, match="ai-edge-litert is not installed") as caught:
        read_model(str(DIGITS / "digits.tflite"))
    assert caught.value.hint == "pip install ai-edge-litert"


def test_reading_loads_no_native_code() -> None:
    """LiteRT's libraries run in measuring processes alone."""
    import subprocess

    code = (
        "import sys\n"
        "from placer.api import formats\n"
        f"formats.read_model({str(DIGITS / 'digits.tflite')!r})\n"
        "print([name for name in sys.modules if name.startswith('ai_edge_litert')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
