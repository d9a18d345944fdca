"""The client of an exported split: alone on its machine, and its form of the protocol."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.onnx_files import split_client
from placer.onnx_files.split_client import (
    ClientError,
    answer_of,
    encode,
    read_samples,
    request_of,
)

SPEC = {"name": "y", "dtype": "float32", "shape": [1, 4]}


def tensor(dtype: str, *, scaled: bool = False) -> dict[str, Any]:
    return {
        "name": "t",
        "wire": {
            "value": {"name": "t_wire", "dtype": dtype, "shape": [1, 4]},
            "scale": {"name": "t_scale", "dtype": "float32", "shape": [1]} if scaled else None,
        },
    }


def test_it_imports_the_standard_library_numpy_and_onnxruntime_alone() -> None:
    tree = ast.parse(Path(split_client.__file__).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_int8_is_undone_by_its_scale() -> None:
    array = np.array([[0.5, -2.0, 0.0, 1.3]], np.float32)
    inputs = encode([tensor("int8", scaled=True)], {"t": array})
    assert inputs["t_wire"].dtype == np.int8
    back = inputs["t_wire"].astype(np.float32) * inputs["t_scale"]
    assert np.max(np.abs(back - array)) <= 2.0 / 127 / 2 + 1e-6
    zeros = encode([tensor("int8", scaled=True)], {"t": np.zeros((1, 4), np.float32)})
    assert (zeros["t_wire"].any(), zeros["t_scale"][0]) == (False, 1.0)


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 1e6), ("int8", np.nan), ("int8", np.inf), ("int8", 1e-44)]
)
def test_what_a_format_cannot_hold_is_never_sent(dtype: str, value: float) -> None:
    array = np.array([[value, 0, 0, 0]], np.float32)
    with pytest.raises(ClientError, match="--wire float32"):
        encode([tensor(dtype, scaled=dtype == "int8")], {"t": array})


@pytest.mark.parametrize("is_binary", [False, True])
def test_a_request_carries_every_bit(is_binary: bool) -> None:
    values = np.random.default_rng(1).standard_normal((1, 4), dtype=np.float32)
    body, headers = request_of({"a": values, "b": values[::-1] * 2}, ["y"], is_binary=is_binary)
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    document = json.loads(body[:length])
    assert [one["name"] for one in document["inputs"]] == ["a", "b"]
    first = document["inputs"][0]
    if is_binary:
        sizes = [one["parameters"]["binary_data_size"] for one in document["inputs"]]
        assert sizes == [16, 16]
        assert body[length : length + 16] == values.tobytes()
        assert len(body) == length + 32
    else:
        assert np.array_equal(np.array(first["data"], np.float32), values.ravel())


def test_nan_goes_as_binary_or_is_told() -> None:
    array = np.array([np.nan], np.float32)
    with pytest.raises(ClientError, match="--encoding binary"):
        request_of({"a": array}, ["y"], is_binary=False)
    assert request_of({"a": array}, ["y"], is_binary=True)


def test_answers_are_read_in_both_forms() -> None:
    values = np.arange(4, dtype=np.float32)
    told: dict[str, Any] = {"name": "y", "datatype": "FP32", "shape": [1, 4]}
    plain = json.dumps({"outputs": [{**told, "data": values.tolist()}]}).encode()
    assert np.array_equal(answer_of(plain, {}, [SPEC])["y"], values[None])
    head = json.dumps({"outputs": [{**told, "parameters": {"binary_data_size": 16}}]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    assert np.array_equal(answer_of(head + values.tobytes(), headers, [SPEC])["y"], values[None])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"outputs": 3}',
        b'{"outputs": []}',
        b'{"outputs": [{"name": "y", "datatype": "FP32", "data": [1]}]}',
        b'{"outputs": [{"name": "y", "datatype": "FP64", "data": [1, 2, 3, 4]}]}',
        b'{"outputs": [{"name": "y", "datatype": "FP32", "parameters": {"binary_data_size": 8}}]}',
    ],
)
def test_an_answer_that_is_none_is_told(body: bytes) -> None:
    with pytest.raises(ClientError, match="the server"):
        answer_of(body, {}, [SPEC])


def test_samples_of_a_foreign_byte_order_keep_their_values(tmp_path: Path) -> None:
    values = np.arange(8, dtype=">f4").reshape(2, 4)
    np.savez(tmp_path / "s.npz", x=values)
    contract = {"model": {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}]}}
    found = read_samples(tmp_path / "s.npz", contract)
    assert [one["x"].tolist() for one in found] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    assert all(one["x"].dtype.isnative for one in found)
