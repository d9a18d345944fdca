"""Inputs to measure with: real samples where the user has them, realistic ones otherwise.

Values matter: denormal numbers make a model up to five times slower, token ids outside the
vocabulary make it fail, and an all-zero attention mask hides the work.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import TensorSpec

SEED = 7
_MOST_ELEMENTS = 2**48
"""No machine holds more; numpy cannot count the bytes of much more."""
MAX_SAMPLES = 64
"""Real samples that take turns as input; more would only fill the caches differently."""

_BITS_DTYPES = {"bfloat16": np.dtype(np.uint16)}
_FLOAT_DTYPES = ("float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Samples for every input of a model."""

    samples: Mapping[str, np.ndarray]
    """Input name -> array of shape (samples, *input shape)."""
    dtypes: tuple[tuple[str, str], ...]
    """(input name, dtype) where numpy has no such dtype and the bits travel as integers."""
    source: str
    """``seed:7`` or ``samples:<sha256 of the file>``."""

    def save(self, path: str) -> None:
        """Write the arrays for a measuring process."""
        write_arrays(path, self.samples)


def write_arrays(path: str, arrays: Mapping[str, Any]) -> None:
    """Write an .npz file; np.savez takes no array that is called like one of its own arguments."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def generate_inputs(
    model_path: str | None,
    inputs: Sequence[TensorSpec],
    *,
    seed: int = SEED,
    ranges: Mapping[str, tuple[int, int]] | None = None,
) -> Inputs:
    """Draw one realistic sample per input.

    Floats are standard normal; integers that index an embedding are valid rows of it; inputs
    called a mask are ones; other integers are 0 or 1; booleans are true.

    Parameters
    ----------
    model_path
        An ONNX file, which tells which inputs index an embedding; None: ``ranges`` does.
    ranges
        Integer input -> (lowest value, highest + 1), where they are known.

    Raises
    ------
    InputError
        An input has a type that no value can be invented for.
    """
    try:
        return _generated(model_path, inputs, seed, ranges or {})
    except MemoryError as error:
        raise UsageError(
            "the inputs do not fit into memory: "
            + ", ".join(f"{spec.name} {_text(spec.shape)}" for spec in inputs),
            hint="give smaller shapes: --shape NAME=DIMS",
        ) from error


def _generated(
    model_path: str | None,
    inputs: Sequence[TensorSpec],
    seed: int,
    ranges: Mapping[str, tuple[int, int]],
) -> Inputs:
    rng = np.random.default_rng(seed)
    limits = {}
    if model_path is not None and any("int" in spec.dtype for spec in inputs):
        limits = _index_limits(model_path)
    samples, dtypes = {}, []
    for spec in inputs:
        shape = (1, *spec.shape)
        if math.prod(shape) > _MOST_ELEMENTS:
            raise MemoryError
        if spec.dtype in _FLOAT_DTYPES:
            samples[spec.name] = rng.standard_normal(shape, dtype=np.float32).astype(spec.dtype)
        elif spec.dtype in _BITS_DTYPES:
            bits = rng.standard_normal(shape, dtype=np.float32).view(np.uint32) >> 16
            samples[spec.name] = bits.astype(np.uint16)
            dtypes.append((spec.name, spec.dtype))
        elif spec.dtype == "bool":
            samples[spec.name] = np.ones(shape, dtype=np.bool_)
        elif spec.dtype in (
            "int8",
            "uint8",
            "int16",
            "uint16",
            "int32",
            "uint32",
            "int64",
            "uint64",
        ):
            dtype = np.dtype(spec.dtype)
            if spec.name in ranges:
                samples[spec.name] = rng.integers(*ranges[spec.name], shape, dtype=dtype)
            elif "mask" in spec.name.lower():
                samples[spec.name] = np.ones(shape, dtype=dtype)
            elif dtype == np.uint8:
                samples[spec.name] = rng.integers(0, 256, shape, dtype=dtype)
            else:
                high = max(1, min(limits.get(spec.name, 2), int(np.iinfo(dtype).max)))
                samples[spec.name] = rng.integers(0, high, shape).astype(dtype)
        else:
            raise InputError(
                f"input '{spec.name}' has the type {spec.dtype}: no realistic value can be "
                "invented for it",
                hint=f"give real samples: --inputs SAMPLES.npz with an array called '{spec.name}'",
            )
    return Inputs(samples=samples, dtypes=tuple(dtypes), source=f"seed:{seed}")


def load_inputs(
    path: str, inputs: Sequence[TensorSpec], *, most: int | None = MAX_SAMPLES
) -> Inputs:
    """Read real samples from an .npz file.

    An array holds one sample, of the input's own shape, or several along a new first axis, or
    along the first axis of an input whose first dimension is 1.

    Parameters
    ----------
    most
        Samples to take at most; None: all.

    Raises
    ------
    InputError
        The file is missing or is not an .npz file.
    UsageError
        An input has no array, an array fits no input, or its shape or type does not fit.
    """
    arrays = _read_archive(path)
    names = [spec.name for spec in inputs]
    for name in arrays:
        if name not in names:
            raise UsageError(
                f"{path}: array '{name}' is no input of the model{near_match(name, names)}",
                hint=f"inputs: {', '.join(names)}",
            )
    samples, dtypes = {}, []
    for spec in inputs:
        if spec.name not in arrays:
            raise UsageError(
                f"{path}: no array for the input '{spec.name}'",
                hint=f"arrays in the file: {', '.join(arrays) or 'none'}",
            )
        stacked = _stack(arrays[spec.name], spec, path)
        if spec.dtype in _BITS_DTYPES:
            dtypes.append((spec.name, spec.dtype))
        samples[spec.name] = stacked
    counts = {name: len(array) for name, array in samples.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UsageError(
            f"{path}: the inputs have different numbers of samples ({listed})",
            hint="give every input the same number",
        )
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Inputs(
        samples={name: array[:most] for name, array in samples.items()},
        dtypes=tuple(dtypes),
        source=f"samples:{digest}",
    )


def check_is_file(path: str, *, hint: str) -> None:
    """Raise InputError where a path is no regular file."""
    is_there = "\0" not in path and os.access(path, os.F_OK)  # pathlib fails at names too long
    if not (is_there and Path(path).is_file()):
        what = "not a regular file" if is_there else "no such file"
        raise InputError(f"{what}: {path}", hint=hint)


def _read_archive(path: str) -> dict[str, np.ndarray]:
    check_is_file(path, hint="give the samples' .npz file")
    try:
        with Path(path).open("rb") as file:
            is_single = file.read(6) == b"\x93NUMPY"
            if zipfile.is_zipfile(file):
                file.seek(0)
                loaded = np.load(file, allow_pickle=False)
                arrays = {name: loaded[name] for name in loaded.files}
                others = [name for name, one in arrays.items() if not isinstance(one, np.ndarray)]
                if not others:
                    return {name: _native(array) for name, array in arrays.items()}
                reason = f"'{others[0]}' in it is no array"
            else:
                reason = f"it {'holds a single array' if is_single else 'is another kind of file'}"
    except Exception as error:  # numpy, zipfile and zlib each raise their own kinds
        reason = str(error)
    raise InputError(
        f"{path} is not a readable .npz file: {reason}",
        hint="write it with numpy.savez(path, **{input_name: array})",
    )


def _native(array: np.ndarray) -> np.ndarray:
    """Return the array in the byte order of this machine: runtimes read bytes as they lie."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _stack(array: np.ndarray, spec: TensorSpec, path: str) -> np.ndarray:
    expected = _BITS_DTYPES.get(spec.dtype)
    if spec.dtype == "string":
        fits = array.dtype.kind == "U"
    else:
        fits = array.dtype == expected if expected is not None else array.dtype.name == spec.dtype
    if not fits:
        raise UsageError(
            f"{path}: array '{spec.name}' is {array.dtype.name}, the input is {spec.dtype}",
            hint=f"convert it: array.astype('{expected or spec.dtype}')",
        )
    if array.shape == spec.shape:
        return array[np.newaxis]
    if array.ndim == len(spec.shape) + 1 and array.shape[1:] == spec.shape and len(array):
        return array
    if spec.shape[:1] == (1,) and array.shape[1:] == spec.shape[1:] and len(array):
        return array[:, np.newaxis]
    raise UsageError(
        f"{path}: array '{spec.name}' has the shape {_text(array.shape)}, the input has "
        f"{_text(spec.shape)}",
        hint=f"give one sample of that shape, or several as (samples,{_text(spec.shape)})",
    )


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape)) or "()"


def _index_limits(model_path: str) -> dict[str, int]:
    """Return the number of valid indices of each graph input that indexes a weight."""
    import onnx

    graph = onnx.load(model_path, load_external_data=False).graph
    rows = {}
    for initializer in graph.initializer:
        if initializer.dims:
            rows[initializer.name] = tuple(initializer.dims)
    origin = {value.name: value.name for value in graph.input}
    limits: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in ("Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"):
            if node.input and node.input[0] in origin:
                origin[node.output[0]] = origin[node.input[0]]
        elif node.op_type == "Gather" and len(node.input) == 2:
            table, indices = node.input
            if table in rows and indices in origin:
                axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
                limit = rows[table][axis]
                name = origin[indices]
                limits[name] = min(limit, limits.get(name, limit))
    return limits
