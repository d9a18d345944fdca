"""Reading models: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from placer.core.errors import InputError, UsageError
from placer.core.graph import TensorSpec
from placer.onnx_files.reader import parse_shape_option, read_model
from tests import models
from tests.models import build, integers, tensor, weights


def _save(tmp_path: Path, model: Any, name: str = "model.onnx") -> str:
    path = tmp_path / name
    path.write_bytes(model.SerializeToString())
    return str(path)


def _refused(path: str, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read_model(path, **options)
    assert caught.value.hint
    return caught.value


def _misused(path: str, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_model(path, **options)
    assert caught.value.hint
    return caught.value


# --- what is read ---------------------------------------------------------------------------


def test_summary_holds_what_the_file_says(tmp_path: Path) -> None:
    path = str(tmp_path / "mlp.onnx")
    models.mlp(path, width=64, layers=2)
    content = Path(path).read_bytes()
    summary = read_model(path)
    assert summary.path == path
    assert summary.sha256 == hashlib.sha256(content).hexdigest()
    assert summary.subjects == (("mlp.onnx", summary.sha256),)
    assert summary.n_bytes == len(content)
    assert summary.opset == 17
    assert summary.parameters == 2 * (64 * 64 + 64)
    assert summary.inputs == (TensorSpec("x", "float32", (1, 64), 256),)
    assert summary.outputs == (TensorSpec("y", "float32", (1, 64), 256),)
    assert summary.flops == 2 * (2 * 64 * 64 + 64 + 64)


def test_network_of_convolutions_has_its_closed_form(tmp_path: Path) -> None:
    path = str(tmp_path / "conv.onnx")
    models.conv_net(path, size=16, channels=8, layers=3)
    area = 16 * 16
    convolutions = 2 * 9 * area * (3 * 8 + 8 * 8 + 8 * 8)
    assert read_model(path).flops == convolutions + 3 * 8 * area + 8 * area


def test_chain_has_one_operation_per_element_and_node(tmp_path: Path) -> None:
    path = str(tmp_path / "chain.onnx")
    models.chain(path, nodes=10)
    summary = read_model(path)
    assert (summary.flops, summary.n_nodes) == (80, 10)


@pytest.mark.parametrize(
    ("dtype", "n_bytes"),
    [
        ("float16", 12),
        ("bfloat16", 12),
        ("float64", 48),
        ("int64", 48),
        ("uint8", 6),
        ("bool", 6),
        ("string", None),
    ],
)
def test_every_element_type_has_its_size(tmp_path: Path, dtype: str, n_bytes: int | None) -> None:
    path = str(tmp_path / "typed.onnx")
    models.dtypes(path, dtype)
    summary = read_model(path)
    assert summary.inputs == (TensorSpec("x", dtype, (2, 3), n_bytes),)
    assert summary.outputs == (TensorSpec("y", dtype, (2, 3), n_bytes),)
    assert summary.input_bytes == n_bytes


def test_packed_types_round_up_to_whole_bytes(tmp_path: Path) -> None:
    info = helper.make_tensor_value_info("x", TensorProto.INT4, (3, 3))
    out = helper.make_tensor_value_info("y", TensorProto.INT4, (3, 3))
    node = helper.make_node("Identity", ["x"], ["y"])
    path = _save(tmp_path, build([node], [info], [out], opset=21))
    assert read_model(path).inputs == (TensorSpec("x", "int4", (3, 3), 5),)


def test_small_weights_of_any_type_are_followed(tmp_path: Path) -> None:
    """Their values go through onnx's inference and reference operators."""
    half = helper.make_tensor("h", TensorProto.BFLOAT16, [1], [0.5])
    four = helper.make_tensor("q", TensorProto.INT4, [2], [1, 2])
    text = helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"b"])
    nodes = [
        helper.make_node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["q"], ["qf"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["s"], ["t"]),
        helper.make_node("Mul", ["x", "hf"], ["m"]),
        helper.make_node("Add", ["m", "qf"], ["y"]),
    ]
    model = build(
        nodes, [tensor("x", (2,))], [tensor("y", (2,)), tensor("t", (2,), "string")], opset=21,
        initializers=[half, four, text],
    )  # fmt: skip
    summary = read_model(_save(tmp_path, model))
    assert [work.op_type for work in summary.operators] == ["Add", "Mul"]


def test_external_data_is_hashed_and_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "big.onnx")
    models.external_data(path)
    data = (tmp_path / "big.onnx.data").read_bytes()
    summary = read_model(path)
    digest = hashlib.sha256(data).hexdigest()
    assert summary.subjects == (("big.onnx", summary.sha256), ("big.onnx.data", digest))
    assert summary.n_bytes == Path(path).stat().st_size + len(data)
    assert summary.parameters == 128 * 64
    assert summary.flops == 2 * 128 * 64


def test_shapes_kept_in_external_data_are_read(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("Reshape", ["x", "s"], ["r"]), helper.make_node("Relu", ["r"], ["y"])],
        [tensor("x", (2, 6))],
        [tensor("y", None)],
        [integers("s", 3, -1)],
    )
    path = str(tmp_path / "m.onnx")
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert read_model(path).outputs[0].shape == (3, 4)


def test_constant_nodes_may_hold_large_and_external_tensors(tmp_path: Path) -> None:
    values = np.zeros((64, 100), dtype=np.float32)
    (tmp_path / "w.bin").write_bytes(values.tobytes())
    external = TensorProto(data_type=TensorProto.FLOAT, dims=values.shape, name="w")
    external.data_location = TensorProto.EXTERNAL
    external.external_data.add(key="location", value="w.bin")
    nodes = [
        helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(values)),
        helper.make_node("Constant", [], ["b"], value=external),
        helper.make_node("Add", ["a", "b"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    model = build(nodes, [tensor("x", (1, 64))], [tensor("y", (1, 100))])
    summary = read_model(_save(tmp_path, model))
    assert summary.flops == 2 * 64 * 100
    assert summary.parameters == 2 * 64 * 100
    assert summary.subjects[1][0] == "w.bin"


def test_weights_inside_branches_are_found(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"])],
        "b",
        [],
        [tensor("z", (1, 100))],
        initializer=[weights("w", 64, 100)],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    inputs = [tensor("c", (), "bool"), tensor("x", (1, 64))]
    summary = read_model(_save(tmp_path, build([node], inputs, [tensor("y", (1, 100))])))
    assert summary.flops == 2 * 64 * 100
    assert summary.parameters == 2 * 64 * 100  # two branches, two copies


def test_weights_listed_as_inputs_are_not_inputs(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [tensor("x", (1, 80)), tensor("w", (80, 60))],
        [tensor("y", (1, 60))],
        [weights("w", 80, 60)],
        opset=9,
    )
    model.ir_version = 3
    summary = read_model(_save(tmp_path, model))
    assert [spec.name for spec in summary.inputs] == ["x"]
    assert summary.parameters == 4800


def test_local_functions_are_expanded(tmp_path: Path) -> None:
    function = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Add", ["r", "r"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    model = build(
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        [tensor("x", (5,))],
        [tensor("y", (5,))],
        domains=["local"],
        functions=[function],
    )
    summary = read_model(_save(tmp_path, model))
    assert [work.op_type for work in summary.operators] == ["Add", "Relu"]
    assert summary.flops == 10


def test_runtime_operators_in_the_default_domain_are_read(tmp_path: Path) -> None:
    """ONNX Runtime's optimizer writes them so; onnx's checker does not know them."""
    model = build(
        [helper.make_node("SimplifiedLayerNormalization", ["x", "w"], ["y"])],
        [tensor("x", (2, 8))],
        [tensor("y", (2, 8))],
        [weights("w", 8)],
    )
    summary = read_model(_save(tmp_path, model))
    assert summary.operators[0].op_type == "com.microsoft::SimplifiedLayerNormalization"
    assert summary.flops == 64


def test_operator_of_a_newer_opset_is_not_taken_for_the_runtimes_own(tmp_path: Path) -> None:
    node = helper.make_node("LayerNormalization", ["x", "w"], ["y"])
    for opset, name in ((17, "LayerNormalization"), (12, "com.microsoft::LayerNormalization")):
        model = build(
            [node], [tensor("x", (2, 8))], [tensor("y", (2, 8))], [weights("w", 8)], opset=opset
        )
        assert read_model(_save(tmp_path, model)).operators[0].op_type == name


def test_unknown_operators_are_read_and_named(tmp_path: Path) -> None:
    path = str(tmp_path / "custom.onnx")
    models.custom_op(path)
    summary = read_model(path)
    assert summary.unknown_operators == ("test.unknown::Mystery",)
    assert summary.flops is None
    assert summary.outputs == (TensorSpec("y", "float32", (1, 4), 16),)


def test_outputs_that_depend_on_the_data_have_an_open_dimension(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("NonZero", ["x"], ["y"])],
        [tensor("x", (2, 3))],
        [tensor("y", (2, "n"), "int64")],
    )
    summary = read_model(_save(tmp_path, model))
    assert summary.outputs == (TensorSpec("y", "int64", (2, -1), None),)
    assert summary.output_bytes is None


def test_output_of_an_unknown_operator_may_have_no_rank(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("Mystery", ["x"], ["y"], domain="test.unknown")],
        [tensor("x", (1, 4))],
        [tensor("y", None)],
        domains=["test.unknown"],
    )
    assert read_model(_save(tmp_path, model)).outputs[0] == TensorSpec("y", "float32", (-1,), None)


def test_sequence_outputs_are_named_as_such(tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
    model = build(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [tensor("x", (2,))],
        [helper.make_value_info("y", kind)],
    )
    assert read_model(_save(tmp_path, model)).outputs[0] == TensorSpec("y", "sequence", (-1,), None)


def test_model_of_another_domain_has_opset_0(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0], scale=[2.0])],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        domains=["ai.onnx.ml"],
    )
    del model.opset_import[0]
    summary = read_model(_save(tmp_path, model))
    assert (summary.opset, summary.flops) == (0, 8)


@pytest.mark.parametrize(
    ("op_type", "shapes", "attributes"),
    [
        ("Imputer", [(4, 8)], {"imputed_value_floats": [0.0] * 8, "replaced_value_float": 1.0}),
        ("Imputer", [(4, 8)], {"imputed_value_int64s": [0] * 8, "replaced_value_int64": 1}),
        ("Scaler", [(4, 8)], {"offset": [0.0] * 8, "scale": [1.0] * 8}),
        ("Normalizer", [(4, 8)], {"norm": "L2"}),
        ("FeatureVectorizer", [(4, 8), (4, 3)], {"inputdimensions": [8, 3]}),
        ("FeatureVectorizer", [(8,), (3,)], {"inputdimensions": [8, 3]}),
        ("FeatureVectorizer", [(4, 2, 3)], {"inputdimensions": [6]}),
    ],
)
def test_shapes_of_classic_operators_are_those_that_the_runtime_gives(
    tmp_path: Path, op_type: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]
) -> None:
    dtype = "int64" if "imputed_value_int64s" in attributes else "float32"
    names = [f"x{place}" for place in range(len(shapes))]
    model = build(
        [helper.make_node(op_type, names, ["y"], domain="ai.onnx.ml", **attributes)],
        [tensor(name, shape, dtype) for name, shape in zip(names, shapes, strict=True)],
        [tensor("y", None, dtype)],
        domains=["ai.onnx.ml"],
    )
    path = _save(tmp_path, model)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {n: np.ones(shape, dtype) for n, shape in zip(names, shapes, strict=True)}
    (given,) = session.run(None, feed)
    (told,) = read_model(path).outputs
    assert (told.dtype, told.shape) == (str(given.dtype), given.shape)


def test_a_dimension_that_is_0_is_told_as_such(tmp_path: Path) -> None:
    """ONNX Runtime takes no other size there, so that --shape would not help to run it."""
    model = build(
        [helper.make_node("Relu", ["x"], ["y"])],
        [tensor("x", (0, "n", None, 8))],
        [tensor("y", None)],
    )
    path = _save(tmp_path, model)
    assert _refused(path).message == (
        f"{path}: a dimension of input 'x' is 0 (shape 0,n,?,8), so that it holds nothing"
    )


def test_sparse_weights_count_what_they_store(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor("x", (1, 4))], [tensor("y", None)]
    )
    sparse = helper.make_sparse_tensor(
        weights("w", 2), helper.make_tensor("w_at", TensorProto.INT64, [2], [3, 7]), [4, 5]
    )
    model.graph.sparse_initializer.append(sparse)
    summary = read_model(_save(tmp_path, model))
    assert summary.parameters == 2
    assert [spec.name for spec in summary.inputs] == ["x"]
    assert summary.outputs[0].shape == (1, 5)


# --- shapes ---------------------------------------------------------------------------------


def test_shape_fills_a_symbolic_dimension_everywhere(tmp_path: Path) -> None:
    path = str(tmp_path / "symbolic.onnx")
    models.symbolic(path)
    summary = read_model(path, shapes={"x": (4, 3, 32, 32)})
    assert summary.inputs[0].shape == (4, 3, 32, 32)
    assert summary.outputs[0].shape == (4, 8, 30, 30)
    one = read_model(path, shapes={"x": (1, 3, 32, 32)})
    assert summary.flops == 4 * (one.flops or 0)


def test_missing_shape_names_the_dimension_and_the_option(tmp_path: Path) -> None:
    path = str(tmp_path / "symbolic.onnx")
    models.symbolic(path)
    error = _misused(path)
    assert error.message == ("input 'x' has the symbolic dimension 'batch' (shape batch,3,32,32)")
    assert error.hint == "give it a value: --shape x=1,3,32,32"


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        (("n", 3, "h", "w"), "x=1,3,h,w with your h and w"),
        ((None, 3, None, None), "x=1,3,H,W with your H and W"),
        ((None, None, None, None), "x=1,D1,D2,D3 with your D1, D2 and D3"),
        (("n", "n // 2"), "x=1,D1 with your D1"),
        (("n", "n"), "x=n,n with your n"),
        ((1, "seq"), "x=1,seq with your seq"),
    ],
)
def test_only_the_batch_is_filled_in_for_the_user(
    tmp_path: Path, shape: tuple[int | str | None, ...], hint: str
) -> None:
    model = build(
        [helper.make_node("Relu", ["x"], ["y"])], [tensor("x", shape)], [tensor("y", None)]
    )
    assert _misused(_save(tmp_path, model)).hint == f"give it a value: --shape {hint}"


def test_symbol_of_two_inputs_is_bound_once(tmp_path: Path) -> None:
    path = str(tmp_path / "two.onnx")
    models.two_inputs(path)
    summary = read_model(path, shapes={"x": (3, 4)})
    assert [spec.shape for spec in summary.inputs] == [(3, 4), (3, 4)]
    error = _misused(path, shapes={"x": (3, 4), "y": (5, 4)})
    assert "'batch' the value 5, but 'x' gives it 3" in error.message


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"picture": (1, 3, 32, 32)}, "'picture', which is no input"),
        ({"X": (1, 3, 32, 32)}, "did you mean 'x'?"),
        ({"x": (1, 3, 32)}, "has 3 dimensions, input 'x' has 4"),
        ({"x": (1, 3, 32, 31)}, "contradicts the model"),
        ({"x": (0, 3, 32, 32)}, "has the dimension 0"),
    ],
)
def test_shape_that_does_not_fit_is_refused(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], words: str
) -> None:
    path = str(tmp_path / "symbolic.onnx")
    models.symbolic(path)
    assert words in _misused(path, shapes=shapes).message


@pytest.mark.parametrize("dimension", [0, -1, None])
def test_dimension_without_value_or_name_is_open(tmp_path: Path, dimension: int | None) -> None:
    model = build(
        [helper.make_node("Relu", ["x"], ["y"])], [tensor("x", (dimension, 4))], [tensor("y", None)]
    )
    path = _save(tmp_path, model)
    if dimension == 0:
        assert "a dimension of input 'x' is 0 (shape 0,4)" in _refused(path).message
    else:
        assert "dimension without a name (shape ?,4)" in _misused(path).message
    assert read_model(path, shapes={"x": (7, 4)}).outputs[0].shape == (7, 4)


def test_input_of_unknown_rank_takes_any_shape(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("Relu", ["x"], ["y"])], [tensor("x", None)], [tensor("y", None)]
    )
    path = _save(tmp_path, model)
    assert "unknown rank" in _misused(path).message
    assert read_model(path, shapes={"x": (2, 5)}).flops == 10
    assert "x (of unknown rank)" in str(_misused(path, shapes={"z": (1,)}).hint)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("x=1,3,224,224", ("x", (1, 3, 224, 224))),
        ("x=5", ("x", (5,))),
        (" x = 1, 2 ", ("x", (1, 2))),
        ("gpu_0/data:0=1,2", ("gpu_0/data:0", (1, 2))),
        ("a=b=1,2", ("a=b", (1, 2))),
    ],
)
def test_shape_option_is_a_name_and_dimensions(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_shape_option(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "x", "x=", "=1,2", "x=1,,2", "x=0", "x=-1", "x=1.5", "x=a", "x=1,²", "x=" + "9" * 30],
)
def test_nonsense_is_no_shape_option(text: str) -> None:
    with pytest.raises(UsageError, match="--shape") as caught:
        parse_shape_option(text)
    assert caught.value.hint == "write it like --shape x=1,3,224,224"


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words", "hint"),
    [
        ("empty.onnx", b"", "is empty", "download"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG image", ".onnx"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(64), "JPEG image", ".onnx"),
        ("page.onnx", b"\n<!DOCTYPE html><html>", "web page", "raw file"),
        ("notes.txt", b"hello, world\n", "text file", ".onnx"),
        ("umlaut.txt", "grüße\n".encode(), "text file", ".onnx"),
        ("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
        ("a.pt", b"PK\x03\x04" + bytes(64), "zip archive", "torch.onnx.export"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL3" + bytes(64), "TensorFlow Lite", "tf2onnx"),
        ("a.ort", b"\x1c\x00\x00\x00ORTM" + bytes(64), ".ort format", ".onnx"),
        ("a.bin", bytes(range(256)), "not an ONNX model, or is cut short", "download"),
        ("zeros", bytes(64), "not an ONNX model, or is cut short", "download"),
        ("no_graph.onnx", b"\x08\x08", "no graph with nodes", "download"),
    ],
)
def test_other_files_are_recognised(
    tmp_path: Path, name: str, content: bytes, words: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = _refused(str(path))
    assert words in error.message
    assert str(path) in error.message
    assert hint in str(error.hint)


def test_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path) -> None:
    models.chain(str(tmp_path / "resnet50.onnx"), nodes=2)
    error = _refused(str(tmp_path / "resnet5.onnx"))
    assert error.message.startswith("no such file: ")
    assert "did you mean 'resnet50.onnx'?" in error.message
    assert "no such file" in _refused(str(tmp_path / "none" / "m.onnx")).message
    assert "no such file" in _refused("a\0b").message
    assert "too long" in _refused("m" * 5000).message


def test_directory_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    assert ".onnx file" in str(_refused(str(tmp_path)).hint)
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    assert "tf2onnx" in str(_refused(str(tmp_path)).hint)
    models.chain(str(tmp_path / "a.onnx"), nodes=2)
    assert "a.onnx" in str(_refused(str(tmp_path)).hint)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "not a regular file" in _refused(str(path)).message


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.onnx"
    models.chain(str(path), nodes=2)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything; this file refuses even root
        path = Path("/proc/self/mem")
        if not path.exists():
            pytest.skip("no unreadable file at hand")
    assert _refused(str(path)).message.startswith(f"cannot read {path}: ")


def test_file_over_2_gib_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as stream:
        stream.truncate(2**31)  # sparse: takes no disk
    assert "external data" in str(_refused(str(path)).hint)


@pytest.mark.parametrize("kept_ratio", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, kept_ratio: float) -> None:
    path = tmp_path / "cut.onnx"
    models.mlp(str(path), width=16, layers=3)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept_ratio)])
    assert "cut short" in _refused(str(path)).message


def test_model_without_opset_or_ir_version_is_refused(tmp_path: Path) -> None:
    model = build(
        [helper.make_node("Relu", ["x"], ["y"])], [tensor("x", (4,))], [tensor("y", (4,))]
    )
    del model.opset_import[:]
    assert "names no operator set" in _refused(_save(tmp_path, model)).message
    model.ClearField("ir_version")
    assert "no ir_version" in _refused(_save(tmp_path, model)).message


def _relu(**changes: Any) -> Any:
    names = {"op": "Relu", "input": "x", **changes}
    return build(
        [helper.make_node(names["op"], [names["input"]], ["y"])],
        [tensor("x", (4,))],
        [tensor("y", (4,))],
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.graph.node[0].input.__setitem__(0, "gone"), "gone"),
        (lambda m: setattr(m.graph.node[0], "op_type", "Rellu"), "No Op registered for Rellu"),
        (lambda m: setattr(m, "ir_version", 999), "999"),
        (lambda m: setattr(m.graph.node[0], "domain", "not.imported"), "not.imported"),
        (lambda m: m.graph.node[0].attribute.add(name="alpha", type=1), "alpha"),
    ],
)
def test_invalid_model_gives_the_checkers_first_line(
    tmp_path: Path, change: Callable[[Any], object], words: str
) -> None:
    model = _relu()
    change(model)
    error = _refused(_save(tmp_path, model))
    assert "is not a valid ONNX model: " in error.message
    assert words in error.message
    assert "\n" not in error.message


def test_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    call = helper.make_node("Again", ["a"], ["b"], domain="local")
    function = helper.make_function(
        "local", "Again", ["a"], ["b"], [call], [helper.make_opsetid("local", 1)]
    )
    model = build(
        [helper.make_node("Again", ["x"], ["y"], domain="local")],
        [tensor("x", (4,))],
        [tensor("y", (4,))],
        domains=["local"],
        functions=[function],
    )
    assert "local" in _refused(_save(tmp_path, model)).message


def test_weight_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    weight = weights("w", 4, 4)
    weight.raw_data = weight.raw_data[:-4]
    model = build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        [weight],
    )
    assert "tensor 'w' holds 60 bytes, its shape needs 64" in (
        _refused(_save(tmp_path, model)).message
    )
    weight.data_type = 99
    model.graph.initializer[0].CopyFrom(weight)
    assert "unknown element type 99" in _refused(_save(tmp_path, model)).message


@pytest.mark.parametrize("kind", ["sequence", "optional"])
def test_inputs_that_are_no_tensors_are_refused(tmp_path: Path, kind: str) -> None:
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    make = {
        "sequence": helper.make_sequence_type_proto,
        "optional": helper.make_optional_type_proto,
    }[kind]
    model = build(
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_value_info("x", make(element))],
        [helper.make_value_info("y", make(element))],
    )
    error = _refused(_save(tmp_path, model))
    assert f"input 'x' is of the kind {kind}" in error.message


def test_missing_external_data_names_file_and_tensor(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    models.external_data(path)
    data = tmp_path / "m.onnx.data"
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    error = _refused(path)
    assert f"{data} is too short for tensor 'w'" in error.message
    assert f"{len(content) - 1} of {len(content)} bytes" in error.message
    data.unlink()
    error = _refused(path)
    assert f"no such file: {data}, which holds tensor 'w'" in error.message
    data.mkdir()
    error = _refused(path)
    assert f"{data}, which holds tensor 'w' of {path}, is not a regular file" in error.message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("location", "../w.bin", "outside the directory"),
        ("location", "/etc/passwd", "outside the directory"),
        ("location", "C:\\w.bin", "outside the directory"),
        ("location", "", "no valid location"),
        ("offset", "-5", "no valid location"),
        ("offset", "five", "no valid location"),
        ("length", "0x", "no valid location"),
    ],
)
def test_invalid_external_data_is_refused(tmp_path: Path, key: str, value: str, words: str) -> None:
    path = str(tmp_path / "m.onnx")
    models.external_data(path)
    model = onnx.load(path, load_external_data=False)
    entries = {e.key: e.value for e in model.graph.initializer[0].external_data} | {key: value}
    del model.graph.initializer[0].external_data[:]
    for name, text in entries.items():
        model.graph.initializer[0].external_data.add(key=name, value=text)
    error = _refused(_save(tmp_path, model, "m.onnx"))
    assert words in error.message
    assert "tensor 'w'" in error.message


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = _save(tmp_path, _relu())
    content = Path(path).read_bytes()
    Path(path).write_bytes(content.replace(b"Relu", b"R\xfflu"))
    assert "not UTF-8" in _refused(path).message


def test_input_of_an_unknown_element_type_is_refused(tmp_path: Path) -> None:
    model = _relu()
    model.graph.input[0].type.tensor_type.elem_type = 99
    assert "input 'x' has no known element type" in _refused(_save(tmp_path, model)).message


def test_small_constant_that_does_not_fit_its_shape_is_refused(tmp_path: Path) -> None:
    value = helper.make_tensor("", TensorProto.FLOAT, [2], [1.0, 2.0])
    value.dims[0] = 1  # the checker refuses too few values, not too many
    nodes = [
        helper.make_node("Constant", [], ["c"], value=value),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    model = build(nodes, [tensor("x", (3,))], [tensor("y", (3,))])
    assert "does not fit" in _refused(_save(tmp_path, model)).message


def test_damaged_files_are_read_or_refused_but_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = str(tmp_path / "damaged.onnx")
    models.mlp(path, width=2, layers=2)
    whole = Path(path).read_bytes()
    n_read, hints = 0, []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        Path(path).write_bytes(damaged)
        try:
            read_model(path)
            n_read += 1
        except (InputError, UsageError) as error:
            hints.append(error.hint)
    assert n_read > 20
    assert len(hints) > 20
    assert all(hints)
