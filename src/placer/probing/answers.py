"""What an inference server answered, read as tensors and held to what was to come."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from placer.core.errors import InputError, near_match
from placer.core.split import output_differences
from placer.probing.inference import MAX_RANK, MAX_SIZE, document_of, json_bytes
from placer.probing.targets import Target
from placer.probing.tensors import DTYPES

SERVER_APART_RATIO = 0.02
"""Of the largest number of an output of floats. Chosen: twenty times the rounding of half precision
(2^-11 = 0.0005 a number), and what another model answers to the same input lies far above."""
_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Kind of a type -> kinds of numbers in JSON that stand for it."""
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where gRPC has the numbers of a type that are not sent raw."""
_HINT = "look into the server's log, or name another model: --endpoint-model, --tail-model"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of an answer."""

    name: str
    dtype: str
    array: np.ndarray
    """bfloat16: widened to float32."""


class _Wrong(Exception):
    """What makes no sense in an answer."""


def http_outputs(
    target: Target, model: str, headers: Mapping[str, str], body: bytes
) -> tuple[Output, ...]:
    """Read the outputs of an answer over HTTP. Raises InputError where they make no sense."""
    try:
        return _read_http(headers, body)
    except _Wrong as error:
        raise _refused(target, model, str(error)) from error


def grpc_outputs(target: Target, model: str, answer: Any) -> tuple[Output, ...]:
    """Read the outputs of an answer over gRPC. Raises InputError where they make no sense."""
    try:
        return _read_grpc(answer)
    except _Wrong as error:
        raise _refused(target, model, str(error)) from error


def _read_http(headers: Mapping[str, str], body: bytes) -> tuple[Output, ...]:
    document = document_of(headers, body)
    listed = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise _Wrong("no outputs")
    length = json_bytes(headers)
    rest = memoryview(body)[len(body) if length is None else length :]
    found = []
    for one in listed:
        output, taken = _from_json(one, rest)
        found.append(output)
        rest = rest[taken:]
    if rest:
        raise _Wrong(f"{len(rest):,} bytes more than its outputs take")
    return _named_once(found)


def _read_grpc(answer: Any) -> tuple[Output, ...]:
    raw = list(answer.raw_output_contents)
    if raw and len(raw) != len(answer.outputs):
        raise _Wrong(f"{len(answer.outputs)} outputs and the bytes of {len(raw)}")
    found = []
    for place, one in enumerate(answer.outputs):
        dtype, shape = _described(one.name, one.datatype, list(one.shape))
        if raw:
            array = _from_bytes(one.name, dtype, shape, memoryview(raw[place]))
        else:
            field = _CONTENTS.get(one.datatype)
            if field is None:
                raise _Wrong(f"'{one.name}' as {one.datatype} that is not sent raw")
            array = _from_numbers(one.name, dtype, shape, list(getattr(one.contents, field)))
        found.append(Output(one.name, dtype, array))
    return _named_once(found)


def _refused(target: Target, model: str, what: str) -> InputError:
    return InputError(
        f"{target.authority} answers an inference of '{model}' with {what}", hint=_HINT
    )


def _named_once(found: Sequence[Output]) -> tuple[Output, ...]:
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _Wrong(f"'{twice}' twice")
    return tuple(found)


def _described(name: object, datatype: object, shape: object) -> tuple[str, tuple[int, ...]]:
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(shape, list):
        raise _Wrong("an output without name, datatype or shape")
    if datatype not in DTYPES:
        raise _Wrong(f"'{name}' as {datatype[:20]}, which the protocol does not have")
    if len(shape) > MAX_RANK or any(type(n) is not int or not 0 <= n <= MAX_SIZE for n in shape):
        raise _Wrong(f"'{name}' in the shape {json.dumps(shape)[:40]}, which no tensor has")
    return DTYPES[datatype], tuple(shape)


def _from_json(one: object, rest: memoryview) -> tuple[Output, int]:
    """Return an output and how many of the bytes behind the JSON are its."""
    if not isinstance(one, dict):
        raise _Wrong(f"the output {json.dumps(one)[:40]}")
    name = one.get("name")
    dtype, shape = _described(name, one.get("datatype"), one.get("shape"))
    if "data" in one:
        return Output(str(name), dtype, _from_numbers(str(name), dtype, shape, one["data"])), 0
    parameters = one.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if type(size) is not int or size < 0:
        raise _Wrong(f"'{name}' without data: its binary_data_size is {json.dumps(size)[:20]}")
    if size > len(rest):
        raise _Wrong(f"{len(rest):,} bytes of '{name}', and tells {size:,}")
    return Output(str(name), dtype, _from_bytes(str(name), dtype, shape, rest[:size])), size


def _from_numbers(name: str, dtype: str, shape: tuple[int, ...], data: object) -> np.ndarray:
    if dtype == "string":
        listed = data if isinstance(data, list) else []
        while listed and all(isinstance(one, list) for one in listed):
            listed = [one for row in listed for one in row]
        texts = [
            one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in listed
        ]
        if not all(isinstance(one, str) for one in texts):
            raise _Wrong(f"'{name}' as text in data of another type")
        return _shaped(name, shape, np.array(texts, dtype=object))
    wanted = np.dtype("float32" if dtype == "bfloat16" else dtype)
    try:
        given = np.asarray(data)
        kinds = given.dtype.kind + wanted.kind
        large = _large(data, wanted) if kinds in ("Of", "Ou", "fu") else None
        if large is not None:
            given = large
        elif given.size and given.dtype.kind not in _KINDS[wanted.kind]:
            raise _Wrong(f"'{name}' as {dtype} in data of another type")
        with np.errstate(over="ignore"):
            array = given.astype(wanted)
    except (ValueError, OverflowError, RecursionError) as error:
        raise _Wrong(f"'{name}' in data that is no tensor") from error
    if wanted.kind in "iu" and not np.array_equal(array, given):
        raise _Wrong(f"'{name}' as {dtype} in numbers that it does not hold")
    return _shaped(name, shape, array.ravel())


def _large(data: object, wanted: np.dtype) -> np.ndarray | None:
    """Return whole numbers for which numpy has no type together; None: they are other values."""
    flat = np.array(data, object).ravel()
    if not {type(one) for one in flat} <= ({int, float} if wanted.kind == "f" else {int}):
        return None
    return flat.astype(np.float64) if wanted.kind == "f" else flat


def _from_bytes(name: str, dtype: str, shape: tuple[int, ...], data: memoryview) -> np.ndarray:
    if dtype == "string":
        return _shaped(name, shape, np.array(_texts(name, data), dtype=object))
    stored = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")
    needed = math.prod(shape) * stored.itemsize
    if needed != len(data):
        raise _Wrong(f"'{name}' in {len(data):,} bytes, and its shape takes {needed:,}")
    array = np.frombuffer(data, dtype=stored).astype(stored.newbyteorder("="))
    if dtype == "bfloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(shape)


def _texts(name: str, data: memoryview) -> list[str]:
    texts, place = [], 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "little")
        if place + 4 > len(data) or end > len(data):
            raise _Wrong(f"'{name}' in texts that are cut off")
        texts.append(bytes(data[place + 4 : end]).decode("utf-8", "replace"))
        place = end
    return texts


def _shaped(name: str, shape: tuple[int, ...], flat: np.ndarray) -> np.ndarray:
    if flat.size != math.prod(shape):
        raise _Wrong(f"{flat.size:,} numbers of '{name}', and its shape takes {math.prod(shape):,}")
    return flat.reshape(shape)


def held_to(
    target: Target,
    model: str,
    found: Sequence[Output],
    expected: Mapping[str, np.ndarray],
    *,
    has_values: bool,
) -> float:
    """Hold an answer to what the model answers here; return how far apart they are at most.

    Parameters
    ----------
    expected
        Output -> what it is here for the same input.
    has_values
        Whether numbers are compared; False: names, types and shapes alone.

    Returns
    -------
    float
        As ``how_far_apart`` returns it.

    Raises
    ------
    InputError
        Another output, type or shape; or numbers too far apart.
    """
    given = {one.name: one for one in found}
    for name in sorted(given.keys() - expected.keys()):
        raise _refused(
            target,
            model,
            f"'{name}', which is no output of what was recommended{near_match(name, expected)}",
        )
    for name, wanted in expected.items():
        one = given.get(name)
        if one is None:
            raise _refused(
                target, model, f"no '{name}': it has {', '.join(sorted(given)) or 'none'}"
            )
        dtype = "string" if wanted.dtype.kind in "OUS" else wanted.dtype.name
        if one.dtype != dtype and not {one.dtype, dtype} <= {"float16", "float32", "bfloat16"}:
            raise _refused(target, model, f"'{name}' as {one.dtype}, not {dtype}")
        is_scalar = wanted.shape == () and one.array.shape == (1,)  # some servers have no others
        if one.array.shape != wanted.shape and not is_scalar:
            shown = ["x".join(map(str, shape)) for shape in (one.array.shape, wanted.shape)]
            raise _refused(target, model, f"'{name}' of {shown[0]}, not {shown[1]}")
    if not has_values:
        return 0.0
    apart_ratio, why_not = how_far_apart(
        expected, {name: given[name].array.reshape(expected[name].shape) for name in expected}
    )
    if why_not is not None:
        raise InputError(
            f"{target.authority} answers an inference of '{model}' otherwise than the model does "
            f"here: {why_not}",
            hint="serve the file that was recommended, or name its model: --endpoint-model, "
            "--tail-model; give real samples (--inputs) where generated ones are no fair test",
        )
    return apart_ratio


def how_far_apart(
    expected: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
) -> tuple[float, str | None]:
    """Compare the outputs of one sample; return how far they are apart, and why that is too far.

    Numbers may be `SERVER_APART_RATIO` of the largest of their output apart, 8-bit whole ones,
    which are quantised, a step; labels, indices and counts must be the same.

    Parameters
    ----------
    given
        Of the same names and shapes.

    Returns
    -------
    tuple of float and text
        Largest difference, as a share of the largest number of its output, or of the 255 steps of
        a quantised one; None: it is not too far.
    """
    apart_ratio = 0.0
    for name, array in expected.items():
        wanted = _comparable(array)
        found = _comparable(given[name]).astype(wanted.dtype)
        # one sample, also where the output has no axis for it
        (apart,) = output_differences({name: wanted[None]}, {name: found[None]})
        ratio = apart.relative
        if wanted.dtype.name in ("int8", "uint8"):
            if apart.absolute > 1:
                text = f"whole numbers {apart.absolute:.0f} apart, and one step is allowed"
                return ratio, f"'{name}' has {text}"
            ratio = apart.absolute / 255
        elif wanted.dtype.kind in "iu":
            if not np.array_equal(wanted, found):
                return ratio, f"'{name}' has other whole numbers, and they must be the same"
        elif ratio > SERVER_APART_RATIO:
            text = (
                "other numbers"
                if math.isinf(ratio)
                else f"numbers {ratio:.2g} of the largest apart"
            )
            return ratio, f"'{name}' has {text}, and {SERVER_APART_RATIO:.2g} is allowed"
        apart_ratio = max(apart_ratio, ratio)
    return apart_ratio, None


def _comparable(array: np.ndarray) -> np.ndarray:
    """Return texts as objects, whatever their length, and numbers as they are."""
    return array.astype(object) if array.dtype.kind in "OUS" else array
