"""Tensors on the wire: how many bytes an encoding takes, and what encoding and decoding cost.

Source of the figures: `bench/tensor_encoding.py` on random data (Python 3.11, numpy 2.4, orjson
3.13; 2 cores of a shared AMD EPYC machine). Sizes of text depend on the numbers, times on the
machine: a factor of two is usual. Formats: Open Inference Protocol v2 (KServe) and its binary
tensor data extension.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from placer.core.errors import UsageError, near_match
from placer.core.units import MAX_BYTES

OIP_HEAD_BYTES = 95
"""JSON around the data of one tensor: name, shape and type."""
BINARY_SIZE_BYTES = 38
"""What the binary extension adds to it: the parameter `binary_data_size`."""
COPY_S_PER_BYTE = 0.15e-9
"""A copy into a message and one out of it, each: what binary and raw tensors cost."""


class Encoding(StrEnum):
    """How a tensor becomes bytes."""

    RAW = "raw"
    BINARY = "binary"
    JSON = "json"
    JSON_SHORT = "json-short"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one element of text takes, encoded and decoded."""

    bytes_per_element: float
    s_per_element: float


@dataclass(frozen=True, slots=True)
class Tensor:
    """Type and shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of its elements."""
        return math.prod(self.shape)


ELEMENT_BYTES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "float16": 2,
    "int32": 4,
    "int64": 8,
    "float32": 4,
    "float64": 8,
}

_TEXT = {
    ("uint8", Encoding.JSON): Cost(4.57, 150e-9),
    ("uint8", Encoding.JSON_SHORT): Cost(3.57, 40e-9),
    ("int8", Encoding.JSON): Cost(4.14, 150e-9),
    ("int8", Encoding.JSON_SHORT): Cost(3.14, 40e-9),
    ("int32", Encoding.JSON): Cost(6.63, 200e-9),
    ("int32", Encoding.JSON_SHORT): Cost(5.63, 50e-9),
    ("int64", Encoding.JSON): Cost(6.63, 200e-9),
    ("int64", Encoding.JSON_SHORT): Cost(5.63, 50e-9),
    ("bool", Encoding.JSON): Cost(6.5, 80e-9),
    ("bool", Encoding.JSON_SHORT): Cost(5.5, 40e-9),
    ("float32", Encoding.JSON): Cost(20.63, 1000e-9),
    ("float32", Encoding.JSON_SHORT): Cost(10.91, 85e-9),
    ("float64", Encoding.JSON): Cost(20.63, 1250e-9),
    ("float64", Encoding.JSON_SHORT): Cost(19.63, 180e-9),
}
"""Whole numbers as pictures (0 to 255) and token numbers (below 30,000) have them."""

COSTS = {
    **{
        (dtype, encoding): Cost(size, 2 * size * COPY_S_PER_BYTE)
        for dtype, size in ELEMENT_BYTES.items()
        for encoding in (Encoding.RAW, Encoding.BINARY)
    },
    **_TEXT,
}
"""For each type and encoding. float16 has no JSON form in the protocol."""

_TENSOR = re.compile(r"\s*([A-Za-z]+\d*)\s*\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*", re.ASCII)


def parse_tensor(text: str, *, what: str) -> Tensor:
    """Parse ``float32[1,3,224,224]``.

    Raises
    ------
    UsageError
        Not of this form, an unknown type, or a dimension of 0.
    """
    match = _TENSOR.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{what} '{text}' is not a tensor", hint="write it like float32[1,3,224,224]"
        )
    dtype, shape = match.group(1).lower(), tuple(map(int, match.group(2).split(",")))
    if dtype not in ELEMENT_BYTES:
        raise UsageError(
            f"{what} '{text}' has the unknown type '{dtype}'{near_match(dtype, ELEMENT_BYTES)}",
            hint=f"types: {' '.join(ELEMENT_BYTES)}",
        )
    tensor = Tensor(dtype, shape)
    if tensor.elements == 0 or tensor.elements > MAX_BYTES // 32:
        raise UsageError(
            f"{what} '{text}' has {tensor.elements:,} elements", hint="state its real shape"
        )
    return tensor


def encoded_bytes(tensor: Tensor, encoding: Encoding) -> int:
    """Return the body that carries a tensor.

    Raises
    ------
    UsageError
        The encoding has no form for the type.
    """
    body = _cost(tensor, encoding).bytes_per_element * tensor.elements
    if encoding is not Encoding.RAW:
        body += OIP_HEAD_BYTES
    if encoding is Encoding.BINARY:
        body += BINARY_SIZE_BYTES
    return math.ceil(body)


def encoding_s(tensor: Tensor, encoding: Encoding) -> float:
    """Return what encoding and decoding a tensor take together. Raises as encoded_bytes."""
    return _cost(tensor, encoding).s_per_element * tensor.elements


def _cost(tensor: Tensor, encoding: Encoding) -> Cost:
    cost = COSTS.get((tensor.dtype, encoding))
    if cost is None:
        raise UsageError(
            f"{tensor.dtype} has no form in {encoding.value}",
            hint="send it as --encoding binary or raw",
        )
    return cost
