"""Tensors as the Open Inference Protocol names and encodes them.

Source: https://github.com/kserve/open-inference-protocol (REST and gRPC) and its binary tensor data
extension.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import TensorSpec, stated_shape

DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BF16": "bfloat16",
    "BYTES": "string",
}
_NO_NUMPY = ("string", "bfloat16")
REQUEST_ID = "placer-probe"
"""The protocol does without, KServe 0.21 does not."""
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input as the server describes it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1: any."""


def concrete(
    inputs: Sequence[ModelInput], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[TensorSpec, ...]:
    """Return the inputs with shapes that are numbers; an open first dimension is 1.

    Raises
    ------
    UsageError
        A shape is missing, does not fit, or names no input.
    InputError
        A data type that the protocol does not have.
    """
    names = [one.name for one in inputs]
    for name in shapes:
        if name not in names:
            raise UsageError(
                f"--shape names '{name}', which is no input of the model{near_match(name, names)}",
                hint=f"inputs: {', '.join(names)}",
            )
    found = []
    for one in inputs:
        if one.datatype not in DTYPES:
            raise InputError(
                f"input '{one.name}' has the unknown data type '{one.datatype}'",
                hint=f"the protocol has: {' '.join(DTYPES)}",
            )
        shape = shapes.get(one.name)
        if shape is None:
            shape = (1, *one.shape[1:]) if one.shape[:1] == (-1,) else one.shape
            if any(size < 1 for size in shape):
                listed = ",".join("N" if size < 1 else str(size) for size in one.shape)
                dims = [None if size < 1 else size for size in one.shape]
                raise UsageError(
                    f"input '{one.name}' has the open shape {listed}",
                    hint=f"state it: {stated_shape(one.name, dims)}",
                )
        fits = len(shape) == len(one.shape) and all(
            asked in (-1, size) for size, asked in zip(shape, one.shape, strict=True)
        )
        if not fits:
            raise UsageError(
                f"--shape {one.name}={','.join(map(str, shape))} does not fit the model, which "
                f"takes {','.join(map(str, one.shape))}",
                hint="-1 stands for any size",
            )
        dtype = DTYPES[one.datatype]
        size = (
            {"string": None, "bfloat16": 2}.get(dtype)
            if dtype in _NO_NUMPY
            else (np.dtype(dtype).itemsize)
        )
        n_bytes = None if size is None else size * math.prod(shape)
        found.append(TensorSpec(one.name, dtype, shape, n_bytes))
    return tuple(found)


def least_bytes(inputs: Sequence[ModelInput]) -> int:
    """Return what a request takes at least, with 1 for what is open."""
    return sum(
        _size_bytes(DTYPES.get(one.datatype, "string"), 1) * math.prod(max(1, n) for n in one.shape)
        for one in inputs
    )


def _size_bytes(dtype: str, text_bytes: int) -> int:
    """Return what an element takes."""
    if dtype in _NO_NUMPY:
        return 2 if dtype == "bfloat16" else text_bytes
    return int(np.dtype(dtype).itemsize)


def datatype_of(spec: TensorSpec) -> str:
    """Return the protocol's name of a type."""
    return next(name for name, dtype in DTYPES.items() if dtype == spec.dtype)


def raw_bytes(spec: TensorSpec, array: np.ndarray) -> bytes:
    """Return a tensor in binary form: little-endian, row by row; text with its length."""
    if spec.dtype == "string":
        texts = [str(text).encode() for text in array.ravel()]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()


def request_body(
    specs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray], *, is_binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Return the body of an inference request over HTTP, and its headers.

    Raises
    ------
    UsageError
        A type that JSON cannot carry.
    """
    inputs, tail = [], []
    for spec in specs:
        array = arrays[spec.name]
        told: dict[str, object] = {
            "name": spec.name,
            "shape": list(spec.shape),
            "datatype": datatype_of(spec),
        }
        if is_binary:
            tail.append(raw_bytes(spec, array))
            told["parameters"] = {"binary_data_size": len(tail[-1])}
        elif spec.dtype in ("float16", "bfloat16"):
            raise UsageError(
                f"input '{spec.name}' is {spec.dtype}, which has no form in JSON",
                hint="--encoding binary",
            )
        else:
            told["data"] = array.ravel().tolist()
        inputs.append(told)
    if not is_binary:
        return json.dumps({"id": REQUEST_ID, "inputs": inputs}).encode(), {
            "Content-Type": "application/json"
        }
    told_all = {"id": REQUEST_ID, "inputs": inputs, "parameters": {"binary_data_output": True}}
    head = json.dumps(told_all).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return head + b"".join(tail), headers
