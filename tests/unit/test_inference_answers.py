"""What an inference server answers is read as tensors, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from placer.api.probing import inputs_of
from placer.core.errors import InputError
from placer.core.graph import TensorSpec
from placer.probing.answers import Output, grpc_outputs, held_to, http_outputs
from placer.probing.http import Answer
from placer.probing.inference import infer, make_request, model_inputs
from placer.probing.targets import parse_target

SERVER = parse_target("http://models.example.org", what="--endpoint")
GOOD = np.arange(10, dtype=np.float32).reshape(1, 10)


def told(name: str = "y", datatype: str = "FP32", **changes: Any) -> dict[str, Any]:
    """Describe an output of ten numbers."""
    return {"name": name, "datatype": datatype, "shape": [1, 10], **changes}


def over_http(*outputs: Any, raw: bytes | None = None) -> tuple[Output, ...]:
    head = json.dumps({"outputs": outputs}).encode()
    headers: Mapping[str, str] = {}
    if raw is not None:
        headers = {"inference-header-content-length": str(len(head))}
    return http_outputs(SERVER, "m", headers, head + (raw or b""))


def binary(size: object) -> dict[str, Any]:
    return {"parameters": {"binary_data_size": size}}


def test_numbers_are_read_from_json_and_from_bytes() -> None:
    for (one,) in (
        over_http(told(data=GOOD.tolist())),
        over_http(told(data=GOOD.ravel().tolist())),
        over_http(told(**binary(40)), raw=GOOD.tobytes()),
    ):
        assert one.dtype == "float32"
        np.testing.assert_array_equal(one.array, GOOD)


def test_types_without_a_numpy_of_their_own_are_read() -> None:
    bits = (GOOD.view(np.uint32) >> 16).astype(np.uint16)
    (half,) = over_http(told(datatype="BF16", **binary(20)), raw=bits.tobytes())
    np.testing.assert_array_equal(half.array, GOOD)
    texts = b"".join(len(text).to_bytes(4, "little") + text for text in (b"cat", b""))
    described = told(datatype="BYTES", shape=[2], **binary(len(texts)))
    (words,) = over_http(described, raw=texts)
    assert words.array.tolist() == ["cat", ""]
    (words,) = over_http(told(datatype="BYTES", shape=[2], data=["cat", ""]))
    assert words.array.tolist() == ["cat", ""]


@pytest.mark.parametrize(
    ("outputs", "raw", "words"),
    [
        ([None, 3], None, "the output null"),
        ([{"name": "y"}], None, "without name, datatype or shape"),
        ([told(datatype="FLOAT", data=[])], None, "which the protocol does not have"),
        ([told(shape=[1, -1], data=[])], None, "which no tensor has"),
        ([told(shape=[True], data=[1.0])], None, "which no tensor has"),
        ([told()], None, "without data"),
        ([told(data=[1.0] * 5)], None, "5 numbers of 'y', and its shape takes 10"),
        ([told(data=["a"] * 10)], None, "data of another type"),
        ([told(data=[[1, 2], [3]])], None, "data that is no tensor"),
        ([told(data=None)], None, "data of another type"),
        ([told("y", "INT64", data=[1.5] * 10)], None, "data of another type"),
        ([told("y", "INT8", data=[1000] * 10)], None, "numbers that it does not hold"),
        ([told("y", "BYTES", data=[1] * 10)], None, "text in data of another type"),
        ([told(**binary(4000))], GOOD.tobytes(), "40 bytes of 'y', and tells 4,000"),
        ([told(**binary(-40))], GOOD.tobytes(), "its binary_data_size is -40"),
        ([told(**binary("40"))], GOOD.tobytes(), "its binary_data_size is"),
        ([told(**binary(20))], GOOD.tobytes(), "20 bytes, and its shape takes 40"),
        ([told(**binary(40))], GOOD.tobytes() + b"more", "4 bytes more"),
        ([told(**binary(40)), told(**binary(40))], GOOD.tobytes() * 2, "'y' twice"),
        ([told("y", "BYTES", shape=[1], **binary(6))], b"\x09\0\0\0ab", "cut off"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(
    outputs: list[Any], raw: bytes | None, words: str
) -> None:
    with pytest.raises(InputError, match="answers an inference of 'm' with") as caught:
        over_http(*outputs, raw=raw)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("UINT64", [2**63 + 1, 1, 2**64 - 1]),
        ("FP64", [1180591620717411303424, 1, 0.5]),  # as Go prints floats below 1e21
        ("FP32", [2**100, 1, 2]),
    ],
)
def test_whole_numbers_beyond_64_bits_of_numpy_are_read(datatype: str, data: list[Any]) -> None:
    for listed in (data, [data]):
        (one,) = over_http(told("y", datatype, shape=[3], data=listed))
        assert one.array.tolist() == data
    for wrong in (2**1100, "1", True, None, [1]):
        with pytest.raises(InputError):
            over_http(told("y", datatype, shape=[3], data=[*data[:2], wrong]))


def over_grpc(raw: list[bytes], **contents: list[Any]) -> tuple[Output, ...]:
    output = SimpleNamespace(
        name="y", datatype="FP32", shape=[1, 10], contents=SimpleNamespace(**contents)
    )
    return grpc_outputs(SERVER, "m", SimpleNamespace(outputs=[output], raw_output_contents=raw))


def test_grpc_has_its_numbers_raw_or_by_their_type() -> None:
    for (one,) in (over_grpc([GOOD.tobytes()]), over_grpc([], fp32_contents=GOOD.ravel().tolist())):
        np.testing.assert_array_equal(one.array, GOOD)
    with pytest.raises(InputError, match="1 outputs and the bytes of 2"):
        over_grpc([b"", b""])
    with pytest.raises(InputError, match="0 numbers of 'y'"):
        over_grpc([], fp32_contents=[])


def held(array: np.ndarray, *, name: str = "y", dtype: str = "float32", has: bool = True) -> float:
    return held_to(SERVER, "m", [Output(name, dtype, array)], {"y": GOOD}, has_values=has)


def test_an_answer_may_be_as_far_apart_as_half_precision_is() -> None:
    assert held(GOOD) == 0
    assert held(GOOD * np.float32(1.01)) == pytest.approx(0.01, rel=1e-3)
    assert held(GOOD.astype(np.float16), dtype="float16") == 0


@pytest.mark.parametrize(
    ("array", "changes", "words"),
    [
        (GOOD * 0, {}, "numbers 1 of the largest apart"),
        (GOOD * np.float32("nan"), {}, "other numbers"),
        (GOOD[:, :5], {}, "'y' of 1x5, not 1x10"),
        (GOOD.T, {}, "'y' of 10x1, not 1x10"),
        (GOOD.astype(np.int64), {"dtype": "int64"}, "'y' as int64, not float32"),
        (GOOD, {"name": "z"}, "'z', which is no output"),
    ],
)
def test_another_answer_is_refused(array: np.ndarray, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        held(array, **changes)
    assert words in caught.value.message


def apart(wanted: np.ndarray, given: np.ndarray) -> float:
    """Hold an answer to another one of the same type; return how far apart they are."""
    found = [Output("y", given.dtype.name, given)]
    return held_to(SERVER, "m", found, {"y": wanted}, has_values=True)


def test_an_output_without_dimensions_is_held_to_its_number() -> None:
    wanted = np.array(2, np.float32)
    assert apart(wanted, wanted) == 0
    assert apart(wanted, np.array([2.02], np.float32)) == pytest.approx(0.01, rel=1e-3)
    with pytest.raises(InputError, match=r"numbers 0\.5 of the largest apart"):
        apart(wanted, np.array(1, np.float32))


def test_rows_of_an_output_without_a_batch_are_held_to_its_largest_number() -> None:
    wanted = np.array([[1000, 1000], [0.001, 0.002]], np.float32)
    assert apart(wanted, wanted + np.float32(0.001)) == pytest.approx(1e-6, rel=0.1)


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "uint16", "uint64"])
def test_labels_and_counts_must_be_the_same(dtype: str) -> None:
    wanted = np.array([[999, 3]], dtype)
    assert apart(wanted, wanted) == 0
    for other in ([[981, 3]], [[998, 3]]):
        with pytest.raises(InputError, match="other whole numbers, and they must be the same"):
            apart(wanted, np.array(other, dtype))


def test_large_labels_that_no_float_tells_apart_are_told_apart() -> None:
    wanted = np.array([2**60], np.int64)
    with pytest.raises(InputError, match="other whole numbers"):
        apart(wanted, wanted + 1)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantised_outputs_may_be_a_step_apart(dtype: str) -> None:
    wanted = np.array([[0, 1, 2, 100]], dtype)
    one, two = (np.array(other, dtype) for other in ([[1, 1, 2, 99]], [[2, 1, 2, 100]]))
    assert apart(wanted, one) == pytest.approx(1 / 255)
    with pytest.raises(InputError, match="whole numbers 2 apart, and one step is allowed"):
        apart(wanted, two)


def test_a_missing_output_is_refused() -> None:
    with pytest.raises(InputError, match="no 'y'"):
        held_to(SERVER, "m", [], {"y": GOOD}, has_values=True)


def test_numbers_that_differ_from_run_to_run_are_not_compared() -> None:
    assert held(GOOD * 0, has=False) == 0
    with pytest.raises(InputError, match="not 1x10"):
        held(GOOD.T, has=False)


def test_a_server_of_no_inference_is_told_without_an_option_of_another_command() -> None:
    def ask(*_: object) -> Answer:
        return Answer(200, {}, b"null", 4, 0.0, 0.0, True, False)

    with pytest.raises(InputError, match="does not speak the Open Inference Protocol") as caught:
        model_inputs(SERVER, ask, "", "m")
    assert caught.value.hint is not None
    assert "leave out --model" not in caught.value.hint


def test_a_probe_needs_the_inputs_that_a_server_does_not_tell() -> None:
    with pytest.raises(InputError, match="does not tell the inputs of its model"):
        inputs_of(None, {})(())


@pytest.mark.parametrize(
    ("dtype", "said", "hint"),
    [
        ("float32", "no", "it may not know the binary extension: --encoding json"),
        ("float16", "no", "float16 has no form in JSON"),
        ("float32", "Sending FP16 data via JSON is not supported", "float16 has no form in JSON"),
    ],
)
def test_no_json_is_advised_where_float16_has_none(dtype: str, said: str, hint: str) -> None:
    spec = TensorSpec("x", dtype, (1, 10), None)
    body, headers = make_request([spec], {"x": GOOD.astype(dtype)}, "binary")
    refused = json.dumps({"error": said}).encode()
    answer = Answer(400, {}, refused, len(refused), 0.0, 0.0, is_whole=True, is_last=False)
    with pytest.raises(InputError) as caught:
        infer(SERVER, lambda *_: answer, "", "m", body, headers)
    assert (caught.value.hint or "").startswith(hint)
