from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest

from placer.core.errors import InputError, UsageError
from placer.core.wire_formats import (
    ELEMENT_TYPES,
    Compression,
    Precision,
    WireFormat,
    decode,
    encode,
    formats_for,
    parse_format,
    read_header,
)

FLOAT32 = WireFormat(Precision.FLOAT32)
FLOAT16 = WireFormat(Precision.FLOAT16)
INT8 = WireFormat(Precision.INT8)
PACKED = WireFormat(Precision.FLOAT32, is_compressed=True)
ALL = tuple(WireFormat(p, packed) for p in Precision for packed in (False, True))


def activations(shape: tuple[int, ...] = (1, 8, 6, 6), seed: int = 1) -> Any:
    """What a Relu makes: half zeros."""
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return np.maximum(values, 0)


def test_sizes_are_header_and_payload() -> None:
    array = activations()
    n = array.size
    head = 16 + 8 * 4
    assert len(encode(array, FLOAT32)) == head + 4 * n
    assert len(encode(array, FLOAT16)) == head + 2 * n
    assert len(encode(array, INT8)) == head + n
    assert len(encode(array, PACKED)) < head + 4 * n


def test_int8_keeps_to_its_formula() -> None:
    array = np.array([-2.0, -0.5, 0.0, 0.004, 1.27], dtype=np.float32)
    message = encode(array, INT8)
    header = read_header(message)
    scale = 2.0 / 127
    assert header.scale == pytest.approx(scale, rel=1e-7)
    steps = np.frombuffer(message[header.n_bytes :], np.int8)
    assert steps.tolist() == [-127, -32, 0, 0, 81]
    assert decode(message) == pytest.approx(steps * scale, rel=1e-6)


def test_a_tensor_without_dimensions_stays_an_array() -> None:
    for wire_format in ALL:
        found = decode(encode(np.array(0.5, np.float32), wire_format))
        assert isinstance(found, np.ndarray), wire_format
        assert found.ndim == 0, wire_format
        assert found.dtype == np.dtype(np.float32), wire_format


def test_int8_is_within_half_a_step() -> None:
    array = np.random.default_rng(2).standard_normal(10_000).astype(np.float32)
    found: Any = decode(encode(array, INT8))
    error = np.abs(found - array)
    assert float(error.max()) <= np.abs(array).max() / 127 / 2 * (1 + 1e-5)


@pytest.mark.parametrize("wire_format", ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64"])
def test_integers_and_booleans_are_sent_as_they_are(dtype: str, wire_format: WireFormat) -> None:
    array = np.array([[0, 1, 1], [1, 0, 100]]).astype(dtype)
    found = decode(encode(array, wire_format))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize("largest", [65520.0, 1e30, -70000.0])
def test_float16_that_would_overflow_is_sent_wider(largest: float) -> None:
    array = np.array([1.0, largest], dtype=np.float32)
    message = encode(array, FLOAT16)
    assert read_header(message).wire_dtype == "float32"
    assert np.array_equal(decode(message), array)


def test_float16_holds_its_largest_number() -> None:
    array = np.array([65504.0, 65519.0], dtype=np.float32)
    assert decode(encode(array, FLOAT16)).tolist() == [65504.0, 65504.0]


def test_float16_keeps_what_is_not_finite() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.0], dtype=np.float32)
    message = encode(array, FLOAT16)
    assert read_header(message).wire_dtype == "float16"
    assert np.array_equal(decode(message), array, equal_nan=True)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_int8_of_what_is_not_finite_is_sent_wider(odd: float) -> None:
    array = np.array([odd, 1.0, 3.0], dtype=np.float32)
    message = encode(array, INT8)
    assert read_header(message).wire_dtype == "float32"
    assert np.array_equal(decode(message), array, equal_nan=True)


@pytest.mark.parametrize("value", [1e60, 1e-60])
def test_int8_whose_scale_no_float32_holds_is_sent_wider(value: float) -> None:
    """The client of an export sends the scale as float32."""
    message = encode(np.array([value, -value]), INT8)
    assert read_header(message).wire_dtype == "float64"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_int8_at_the_ends_of_a_type_stays_finite(dtype: str) -> None:
    info = np.finfo(dtype)
    for value in (info.max, info.smallest_subnormal, info.tiny):
        array = np.array([value, -value], dtype=dtype)
        found = decode(encode(array, INT8))
        assert np.isfinite(found).all()
        assert found.tolist() == pytest.approx(array.tolist(), rel=0.01, abs=0)


@pytest.mark.parametrize("wire_format", ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("value", [0.0, 0.1, -3.5])
def test_constants_survive(value: float, wire_format: WireFormat) -> None:
    found = decode(encode(np.full((3, 5), value, dtype=np.float32), wire_format))
    assert found == pytest.approx(np.full((3, 5), value), rel=1e-3)


@pytest.mark.parametrize("wire_format", ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), ()])
def test_empty_arrays_and_scalars_keep_their_shape(
    shape: tuple[int, ...], wire_format: WireFormat
) -> None:
    found = decode(encode(np.ones(shape, dtype=np.float32), wire_format))
    assert found.shape == shape
    assert (found == 1).all()


def test_memory_order_does_not_matter() -> None:
    array = activations()
    turned = np.asfortranarray(array)
    big_endian = array.astype(">f4")
    for wire_format in ALL:
        assert encode(turned, wire_format) == encode(array, wire_format)
        assert encode(big_endian, wire_format) == encode(array, wire_format)
        assert np.array_equal(
            decode(encode(array[:, ::2], wire_format)),
            decode(encode(array[:, ::2].copy(), wire_format)),
        )


def test_noise_is_not_made_larger_by_compression() -> None:
    noise = np.random.default_rng(3).integers(0, 256, 1000, dtype=np.uint8)
    assert len(encode(noise, PACKED)) == len(encode(noise, FLOAT32))


def test_byte_planes_are_taken_where_they_help() -> None:
    sparse = activations((1, 64, 14, 14))
    dense = np.random.default_rng(1).standard_normal(sparse.shape, dtype=np.float32)
    message = encode(dense, PACKED)
    assert read_header(message).compression is Compression.ZLIB_OF_PLANES
    assert len(message) < 0.97 * len(zlib.compress(dense.tobytes(), 1))
    assert read_header(encode(sparse, PACKED)).compression is Compression.ZLIB
    half = WireFormat(Precision.FLOAT16, is_compressed=True)
    assert read_header(encode(dense, half)).compression is Compression.ZLIB


def test_formats_on_offer_differ_for_the_types_that_cross() -> None:
    assert [one.name for one in formats_for(["float32", "int64"])] == [
        "float32",
        "float32+zlib",
        "float16",
        "float16+zlib",
        "int8",
        "int8+zlib",
    ]
    assert formats_for(["float64"])[0].name == "float64"
    assert [one.name for one in formats_for(["float16"])][::2] == ["float16", "int8"]
    assert [one.name for one in formats_for(["int64", "bool"])] == ["float32", "float32+zlib"]


def test_names_of_formats_are_read_back() -> None:
    assert [parse_format(one.name) for one in ALL] == list(ALL)


@pytest.mark.parametrize("text", ["", "float8", "int8+gzip", "int8+", "zlib", "float32 zlib"])
def test_rejects_an_unknown_format(text: str) -> None:
    with pytest.raises(UsageError, match="no wire format"):
        parse_format(text)


@pytest.mark.parametrize("dtype", ["complex64", "object", "S3", "datetime64[s]"])
def test_rejects_types_that_cannot_be_sent(dtype: str) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        encode(np.zeros(2, dtype=dtype), FLOAT32)


def message() -> bytes:
    return encode(np.arange(6, dtype=np.float32).reshape(2, 3), FLOAT32)


HEAD = 16 + 2 * 8
BROKEN = {
    "empty": b"",
    "other magic": b"XXXX" + message()[4:],
    "cut in the header": message()[:20],
    "cut in the payload": message()[:-1],
    "too long": message() + b"\0",
    "element type": message()[:4] + bytes([99]) + message()[5:],
    "widened": message()[:4] + bytes([ELEMENT_TYPES.index("float16")]) + message()[5:],
    "int as float": message()[:4] + bytes([ELEMENT_TYPES.index("int64")]) + message()[5:],
    "compression": message()[:6] + b"\3" + message()[7:],
    "not compressed": message()[:6] + b"\1" + message()[7:],
    "no planes": message()[:6] + b"\2" + message()[7:],
    "rank": message()[:7] + b"\xff" + message()[8:],
    "scale": message()[:8] + struct.pack("<d", float("nan")) + message()[16:],
    "huge": message()[:16] + struct.pack("<2Q", 2**62, 2**62) + message()[HEAD:],
    "huge and empty": message()[:16] + struct.pack("<2Q", 2**63, 0),
    "bomb": message()[:6]
    + b"\1"
    + message()[7:16]
    + struct.pack("<2Q", 2, 3)
    + zlib.compress(bytes(10**6)),
    "boolean": encode(np.array([True]), FLOAT32)[:-1] + b"\2",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_rejects_a_damaged_message(broken: bytes) -> None:
    with pytest.raises(InputError, match="no encoded tensor"):
        decode(broken)


def test_a_short_message_cannot_ask_for_more_than_is_allowed() -> None:
    big = encode(np.zeros(1_000_000, dtype=np.float32), PACKED)
    assert len(big) < 20_000
    with pytest.raises(InputError, match="4000000 bytes, 1000 are allowed"):
        decode(big, max_bytes=1000)
    assert decode(big, max_bytes=4_000_000).size == 1_000_000
