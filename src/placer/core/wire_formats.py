"""How a tensor that crosses a cut becomes bytes, and back.

A format narrows floating-point tensors and, where asked, compresses what is left. Integers and
booleans are sent as they are, whatever the format. So is a float that a format cannot hold: a
narrowing never turns a finite number into an infinity and never loses a NaN. The message tells
what was done.

int8 is symmetric, with one scale for each tensor and message::

    scale = max|x| / 127
    q = round_half_to_even(x / scale), in -127..127
    x' = q * scale

A message is self-describing, all of it little-endian::

    offset  bytes
    0       4      magic b"PLW1"
    4       1      element type of the tensor (index in ELEMENT_TYPES)
    5       1      element type of the payload (as above)
    6       1      0: plain, 1: one zlib stream, 2: one zlib stream of byte planes
    7       1      rank r
    8       8      scale, float64; 1 where the payload is not quantised
    16      8 r    dimensions, uint64
    16+8r          payload: the elements in C order, or as planes: the first byte of every element,
                   then the second, ...
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from placer.core.errors import InputError, UsageError

Array = npt.NDArray[np.generic]

ELEMENT_TYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
)
"""What can be sent. The order is part of the message: new types go to the end."""

ZLIB_LEVEL = 1
"""The fastest: level 6 saved 1 to 3 % more of the activations of ``bench/split_wire_formats``."""
PLANE_BYTES = 4
"""Elements of so many bytes or more are compressed as planes, unless many are zero."""
MAX_PLANE_ZEROS_RATIO = 0.1
"""Planes break up the runs of zeros that a Relu makes. On the activations of
``bench/split_wire_formats`` they saved 5 % of the bytes where none is zero (93 % -> 88 % of
float32) and cost 9 % where half are (50 % -> 59 %); of float16 they saved nothing."""

_MAGIC = b"PLW1"
_HEAD = struct.Struct("<4sBBBBd")
_MAX_RANK = 32
"""numpy's limit before version 2."""
_MAX_BYTES = 2**62
_STEPS = 127
"""Of int8 on either side of zero."""


class Compression(IntEnum):
    """What was done to the bytes of a payload; the values are part of the message."""

    NONE = 0
    ZLIB = 1
    ZLIB_OF_PLANES = 2


class Precision(StrEnum):
    """The widest floating-point type that a format sends; int8 quantises."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


_BITS = {
    Precision.FLOAT64: 64,
    Precision.FLOAT32: 32,
    Precision.FLOAT16: 16,
    Precision.INT8: 8,
}


@dataclass(frozen=True, slots=True, order=True)
class WireFormat:
    """How the tensors of a cut are sent."""

    precision: Precision
    is_compressed: bool = False
    """By zlib; a tensor that would not shrink is sent uncompressed."""

    @property
    def name(self) -> str:
        """``float32``, ``int8+zlib``."""
        return f"{self.precision}+zlib" if self.is_compressed else str(self.precision)


@dataclass(frozen=True, slots=True)
class Header:
    """What a message says about its payload."""

    dtype: str
    """Of the tensor, before and after: one of ``ELEMENT_TYPES``."""
    wire_dtype: str
    """Of the payload."""
    compression: Compression
    scale: float
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Length of the header itself."""
        return _HEAD.size + 8 * len(self.shape)

    @property
    def payload_bytes(self) -> int:
        """Length of the payload before compression."""
        return math.prod(self.shape) * np.dtype(self.wire_dtype).itemsize


def parse_format(text: str) -> WireFormat:
    """Parse ``float16`` or ``int8+zlib``.

    Raises
    ------
    UsageError
        No such format.
    """
    precision, plus, compression = text.strip().partition("+")
    known = ", ".join(precision.value for precision in Precision)
    if precision not in list(Precision) or (plus and compression != "zlib"):
        raise UsageError(
            f"'{text}' is no wire format", hint=f"formats: {known}, each also with +zlib"
        )
    return WireFormat(Precision(precision), bool(plus))


def formats_for(dtypes: Sequence[str]) -> tuple[WireFormat, ...]:
    """Return the formats that differ for tensors of these types, the exact ones first.

    The first precision is that of the widest float: it changes nothing. Without floats there is
    one precision, called float32.
    """
    widest = max(
        (np.dtype(name).itemsize * 8 for name in map(_checked, dtypes) if name.startswith("float")),
        default=0,
    )
    offered = [p for p in Precision if _BITS[p] <= widest] or [Precision.FLOAT32]
    return tuple(WireFormat(p, compressed) for p in offered for compressed in (False, True))


def encode(array: Array, wire_format: WireFormat) -> bytes:
    """Return a tensor as a message.

    Raises
    ------
    UsageError
        The element type cannot be sent.
    """
    dtype = _checked(array.dtype.name)
    payload, scale = _narrowed(array, wire_format.precision)
    wire_dtype = payload.dtype.name
    flat = np.ascontiguousarray(payload).astype(payload.dtype.newbyteorder("<"), copy=False)
    data = flat.tobytes()
    compression = Compression.NONE
    if wire_format.is_compressed:
        way = _way_to_compress(payload)
        planes = data if way is Compression.ZLIB else _planes(data, payload.dtype.itemsize)
        packed = zlib.compress(planes, ZLIB_LEVEL)
        if len(packed) < len(data):
            data, compression = packed, way
    return (
        _HEAD.pack(
            _MAGIC,
            ELEMENT_TYPES.index(dtype),
            ELEMENT_TYPES.index(wire_dtype),
            compression,
            array.ndim,
            scale,
        )
        + struct.pack(f"<{array.ndim}Q", *array.shape)
        + data
    )


def read_header(message: bytes) -> Header:
    """Return what a message says of its payload.

    Raises
    ------
    InputError
        It is no message of this form.
    """
    if len(message) < _HEAD.size or not message.startswith(_MAGIC):
        raise _damaged("it does not begin with a header")
    _, dtype, wire_dtype, compression, rank, scale = _HEAD.unpack_from(message)
    if max(dtype, wire_dtype) >= len(ELEMENT_TYPES):
        raise _damaged(f"its element type is {max(dtype, wire_dtype)}")
    if compression not in list(Compression):
        raise _damaged(f"its compression is {compression}")
    if rank > _MAX_RANK or len(message) < _HEAD.size + 8 * rank:
        raise _damaged(f"it ends within its {rank} dimensions")
    shape = struct.unpack_from(f"<{rank}Q", message, _HEAD.size)
    header = Header(
        ELEMENT_TYPES[dtype], ELEMENT_TYPES[wire_dtype], Compression(compression), scale, shape
    )
    if header.wire_dtype != header.dtype and not _narrows(header):
        raise _damaged(f"it sends {header.dtype} as {header.wire_dtype}")
    if not (math.isfinite(scale) and scale > 0):
        raise _damaged(f"its scale is {scale}")
    return header


def decode(message: bytes, *, max_bytes: int | None = None) -> Array:
    """Return the tensor of a message, in the type that it had.

    Parameters
    ----------
    message
        As ``encode`` made it.
    max_bytes
        The largest tensor to make, in bytes; None: any. Give it for messages of others: a short
        message can ask for a tensor of any size.

    Raises
    ------
    InputError
        It is no message of this form, is cut short, or asks for more than ``max_bytes``.
    """
    header = read_header(message)
    wanted = header.payload_bytes
    if wanted >= _MAX_BYTES:
        raise _damaged(f"its shape is {header.shape}")
    n_bytes = math.prod(header.shape) * np.dtype(header.dtype).itemsize
    if max_bytes is not None and n_bytes > max_bytes:
        raise _damaged(f"its tensor takes {n_bytes} bytes, {max_bytes} are allowed")
    data = message[header.n_bytes :]
    if header.compression is not Compression.NONE:
        data = _inflated(data, wanted)
    if header.compression is Compression.ZLIB_OF_PLANES:
        data = _elements(data, np.dtype(header.wire_dtype).itemsize)
    if len(data) != wanted:
        raise _damaged(f"its payload has {len(data)} bytes, its shape needs {wanted}")
    if header.wire_dtype == "bool" and max(data, default=0) > 1:
        raise _damaged("a boolean is neither 0 nor 1")
    wire = np.dtype(header.wire_dtype).newbyteorder("<")
    try:
        flat = np.frombuffer(data, dtype=wire).reshape(header.shape)
    except ValueError as error:  # an empty tensor with a dimension that no array can have
        raise _damaged(f"its shape is {header.shape}") from error
    if header.dtype != header.wire_dtype and header.wire_dtype == "int8":
        # a product of an array without dimensions is no array
        return np.asarray((flat.astype(np.float64) * header.scale).astype(header.dtype))
    return flat.astype(header.dtype)


# --- narrowing ------------------------------------------------------------------------------


def _checked(dtype: str) -> str:
    if dtype not in ELEMENT_TYPES:
        raise UsageError(
            f"a tensor of type {dtype} cannot be sent",
            hint=f"cut at other tensors; types that can be sent: {', '.join(ELEMENT_TYPES)}",
        )
    return dtype


def _narrowed(array: Array, precision: Precision) -> tuple[Array, float]:
    """Return what is sent and its scale; the array itself where the precision cannot hold it."""
    if array.dtype.kind != "f" or array.dtype.itemsize * 8 <= _BITS[precision]:
        return array, 1.0
    if precision is Precision.INT8:
        return _quantised(array)
    with np.errstate(over="ignore", invalid="ignore"):  # judged in the next line
        narrow = array.astype(precision.value)
    overflows = bool(np.any(np.isinf(narrow) & np.isfinite(array)))
    return (array if overflows else narrow), 1.0


def _quantised(array: Array) -> tuple[Array, float]:
    values = array.astype(np.float64)
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return np.zeros(array.shape, np.int8), 1.0
    scale = largest / _STEPS
    with np.errstate(over="ignore", under="ignore"):  # judged in the next lines
        is_held = np.isfinite(np.float64(scale * _STEPS).astype(array.dtype.name))
        sent = np.float32(scale)  # as the client of an export sends it
    if not is_held or not 0 < sent < np.inf:  # NaN, infinity, or too near to the ends of the type
        return array, 1.0
    steps = np.clip(np.rint(values / scale), -_STEPS, _STEPS)
    return steps.astype(np.int8), scale


def _narrows(header: Header) -> bool:
    """Tell whether a payload may stand for a tensor: a float for a wider one, or int8 for one."""
    wire, dtype = np.dtype(header.wire_dtype), np.dtype(header.dtype)
    return (
        dtype.kind == "f"
        and wire.itemsize < dtype.itemsize
        and (wire.kind == "f" or header.wire_dtype == "int8")
    )


# --- compression ----------------------------------------------------------------------------


def _way_to_compress(payload: Array) -> Compression:
    if payload.dtype.itemsize < PLANE_BYTES:
        return Compression.ZLIB
    zeros = payload.size - np.count_nonzero(payload)
    is_sparse = zeros > MAX_PLANE_ZEROS_RATIO * payload.size
    return Compression.ZLIB if is_sparse else Compression.ZLIB_OF_PLANES


def _planes(data: bytes, itemsize: int) -> bytes:
    """Return the first byte of every element, then the second, and so on."""
    return np.frombuffer(data, np.uint8).reshape(-1, itemsize).T.tobytes()


def _elements(planes: bytes, itemsize: int) -> bytes:
    return np.frombuffer(planes, np.uint8).reshape(itemsize, -1).T.tobytes()


def _inflated(data: bytes, wanted: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, wanted + 1)  # one more shows that it is too long
    except zlib.error as error:
        raise _damaged(f"its payload cannot be decompressed: {error}") from error
    if len(plain) != wanted or not stream.eof or stream.unused_data:
        raise _damaged(f"its payload does not decompress to {wanted} bytes")
    return plain


def _damaged(reason: str) -> InputError:
    return InputError(
        f"the message is no encoded tensor: {reason}",
        hint="head and tail must come from the same export; send the message again",
    )
