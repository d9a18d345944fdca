"""Inputs to measure with: generated ones are valid, real ones are checked."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.core.errors import InputError, UsageError
from placer.core.graph import TensorSpec
from placer.onnx_files.inputs import MAX_SAMPLES, generate_inputs, load_inputs
from placer.onnx_files.reader import read_model
from tests import models

X = TensorSpec("x", "float32", (1, 4), 16)


def _save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("name", ["file", "args", "a/b", "x.npy", "ä"])
def test_an_input_may_have_any_name(tmp_path: Path, name: str) -> None:
    inputs = generate_inputs(None, (TensorSpec(name, "float32", (1, 4), 16),))
    inputs.save(str(tmp_path / "inputs.npz"))
    with np.load(tmp_path / "inputs.npz") as archive:
        assert archive.files == [name]
        assert np.array_equal(archive[name], inputs.samples[name])


def test_what_no_memory_holds_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    models.mlp(path, width=8, layers=1)
    for shape in ((2**40, 2**30), (2**62, 2**62)):
        with pytest.raises(UsageError, match="do not fit into memory"):
            generate_inputs(path, (TensorSpec("x", "float32", shape, None),))


def test_floats_are_standard_normal_and_repeatable(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    models.mlp(path, width=256, layers=1)
    inputs = read_model(path).inputs
    first, second = (generate_inputs(path, inputs) for _ in range(2))
    (values,) = first.samples.values()
    assert 0.8 < values.std() < 1.2
    assert first.source == "seed:7"
    np.testing.assert_array_equal(values, next(iter(second.samples.values())))


@pytest.mark.parametrize("dtype", ["float16", "bool", "int64", "uint8", "int32"])
def test_each_type_gets_values_of_that_type(tmp_path: Path, dtype: str) -> None:
    path = str(tmp_path / "m.onnx")
    models.dtypes(path, dtype)
    found = generate_inputs(path, read_model(path).inputs)
    assert {array.dtype.name for array in found.samples.values()} == {dtype}


def test_bfloat16_travels_as_bits(tmp_path: Path) -> None:
    found = generate_inputs("unused", [TensorSpec("x", "bfloat16", (8,), 16)])
    assert found.samples["x"].dtype == np.uint16
    assert found.dtypes == (("x", "bfloat16"),)


def test_strings_need_real_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="string") as caught:
        generate_inputs("unused", [TensorSpec("words", "string", (1,), None)])
    assert "--inputs" in str(caught.value.hint)


def test_indices_of_an_embedding_stay_within_it(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    table = models.weights("table", 50, 4)
    import onnx
    from onnx import helper

    nodes = [
        helper.make_node("Cast", ["tokens"], ["ids"], to=onnx.TensorProto.INT32),
        helper.make_node("Gather", ["table", "ids"], ["y"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [models.tensor("tokens", [1, 400], "int64"), models.tensor("mask", [1, 400], "int64")],
        [models.tensor("y", [1, 400, 4])],
        [table],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    found = generate_inputs(
        path,
        [
            TensorSpec("tokens", "int64", (1, 400), 3200),
            TensorSpec("mask", "int64", (1, 400), 3200),
        ],
    )
    assert 2 < found.samples["tokens"].max() < 50
    assert (found.samples["mask"] == 1).all()


@pytest.mark.parametrize(
    ("shape", "count"), [((1, 4), 1), ((5, 1, 4), 5), ((7, 4), 7), ((200, 4), MAX_SAMPLES)]
)
def test_samples_may_be_one_or_stacked(tmp_path: Path, shape: tuple[int, ...], count: int) -> None:
    path = _save(tmp_path / "s.npz", x=np.zeros(shape, dtype=np.float32))
    found = load_inputs(path, [X])
    assert found.samples["x"].shape == (count, 1, 4)
    assert found.source.startswith("samples:")


@pytest.mark.parametrize("dtype", [">f4", ">i8", ">U3"])
def test_samples_of_a_foreign_byte_order_keep_their_values(tmp_path: Path, dtype: str) -> None:
    values = np.arange(4).reshape(1, 4).astype(dtype)
    wanted = values.astype(values.dtype.newbyteorder("="))
    name = "string" if "U" in dtype else wanted.dtype.name
    path = _save(tmp_path / "s.npz", x=values)
    found = load_inputs(path, [TensorSpec("x", name, (1, 4), None)]).samples["x"]
    assert found.dtype.isnative
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((1, 5), np.float32)}, "has the shape 1,5"),
        ({"x": np.zeros((0, 4), np.float32)}, "has the shape 0,4"),
        ({"x": np.zeros((1, 4))}, "is float64, the input is float32"),
        ({"X": np.zeros((1, 4), np.float32)}, "did you mean 'x'"),
        ({}, "no array for the input 'x'"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load_inputs(_save(tmp_path / "s.npz", **arrays), [X])


def test_different_numbers_of_samples_are_refused(tmp_path: Path) -> None:
    other = TensorSpec("z", "float32", (1, 2), 8)
    path = _save(
        tmp_path / "s.npz",
        x=np.zeros((3, 1, 4), np.float32),
        z=np.zeros((2, 1, 2), np.float32),
    )
    with pytest.raises(UsageError, match="different numbers of samples"):
        load_inputs(path, [X, other])


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a readable \.npz") as caught:
        load_inputs(str(path), [X])
    assert "pickle" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_what_is_no_array_in_an_archive_is_named(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError, match="'x' in it is no array"):
        load_inputs(str(tmp_path / "s.npz"), [X])


def test_single_array_and_missing_file_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.zeros((1, 4), np.float32))
    with pytest.raises(InputError, match="single array"):
        load_inputs(str(tmp_path / "s.npy"), [X])
    with pytest.raises(InputError, match="no such file"):
        load_inputs(str(tmp_path / "none.npz"), [X])


def test_string_samples_are_taken(tmp_path: Path) -> None:
    path = _save(tmp_path / "s.npz", w=np.array(["a", "bc"]))
    found = load_inputs(path, [TensorSpec("w", "string", (2,), None)])
    assert found.samples["w"].shape == (1, 2)
