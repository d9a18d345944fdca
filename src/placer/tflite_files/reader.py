"""Read a TensorFlow Lite file: what it needs, what it yields and how much work it does."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from placer.core.errors import InputError, UsageError, near_match
from placer.core.graph import UNKNOWN_DIMENSION, ModelSummary, TensorSpec, stated_shape
from placer.tflite_files.features import count_operators
from placer.tflite_files.graph import (
    IDENTIFIER,
    DamagedError,
    Graph,
    MissingSchemaError,
    Node,
    Tensor,
    read_graph,
)

FORMAT = "tflite"
MAX_FILE_BYTES = 2**33
"""More than any model that an edge device holds."""

Shapes = Mapping[str, tuple[int, ...]]
Resize = Callable[[tuple[tuple[int, ...], ...]], tuple[tuple[int, ...], ...] | None]
"""Shapes of the inputs -> shapes of all tensors by the runtime; None: it could not tell."""

_DOWNLOAD = "download it again and compare its size with the original"
_CONVERT = "convert the model with tf.lite.TFLiteConverter or litert-torch"
_NOT_COUNTED = ("bool", "int64", "string")

_BY_VALUE: dict[str, tuple[int, ...]] = {
    "BROADCAST_TO": (1,),
    "EXPAND_DIMS": (1,),
    "FILL": (0,),
    "MIRROR_PAD": (1,),
    "ONE_HOT": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "RANGE": (0, 1, 2),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SCATTER_ND": (2,),
    "SLICE": (1, 2),
    "SPARSE_TO_DENSE": (1,),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "TILE": (1,),
    "TOPK_V2": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0,),
}
"""Operator -> inputs whose values, not shapes, give the shape of its output."""
_BY_DATA = frozenset(("UNIQUE", "WHERE", "IF", "WHILE", "CALL", "CALL_ONCE", "HASHTABLE_FIND"))
"""Operators whose output has a shape that cannot be told beforehand."""


def read_model(
    path: str, *, shapes: Shapes | None = None, resize: Resize | None = None
) -> ModelSummary:
    """Read a TensorFlow Lite file without running it.

    Parameters
    ----------
    path
        A ``.tflite`` file. Of several subgraphs the first counts, which is the one that runs.
    shapes
        Input name to shape, for inputs with open dimensions.
    resize
        Asks the runtime for the shapes inside of the graph; None: those are not known where an
        input has open dimensions.

    Returns
    -------
    ModelSummary
        Every input dimension has its value. ``parameters`` are the elements of constant tensors
        that are floating-point or quantised. ``opset`` is None: the format has operator versions.

    Raises
    ------
    InputError
        The file is missing, unreadable, cut short or no TensorFlow Lite model, or LiteRT is not
        installed.
    UsageError
        An open dimension has no value, or a given shape does not fit the model.
    """
    content = _read_file(path)
    if content[4:8] != IDENTIFIER:
        raise _not_tflite(path, content)
    try:
        graph = read_graph(content)
    except DamagedError as error:
        raise InputError(
            f"{path} is not a valid TensorFlow Lite model, or is cut short: {error}",
            hint=_DOWNLOAD,
        ) from error
    except MissingSchemaError as error:
        raise InputError(
            f"{path} is a TensorFlow Lite model, and {error}", hint="pip install ai-edge-litert"
        ) from error
    input_shapes = _bind(path, graph, dict(shapes or {}))
    graph = _resized(graph, input_shapes, resize)
    digest = hashlib.sha256(content).hexdigest()
    return ModelSummary(
        path=path,
        sha256=digest,
        n_bytes=len(content),
        subjects=((Path(path).name, digest),),
        opset=None,
        parameters=_count_parameters(graph),
        inputs=_specs(graph, graph.inputs, graph.input_names),
        outputs=_specs(graph, graph.outputs, graph.output_names),
        operators=count_operators(graph),
        format=FORMAT,
        integer_ranges=_integer_ranges(graph),
    )


# --- the file -------------------------------------------------------------------------------


def _read_file(path: str) -> bytes:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # pathlib normalises the path as typed
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise InputError(f"{path} is {kind}", hint="give the path of a .tflite file")
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise InputError(
                f"{path} is over 8 GiB, larger than any model for a device",
                hint="give a .tflite file",
            )
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot read {path}: {reason}", hint="check the path and its permissions"
        ) from error
    if not content:
        raise InputError(f"{path} is empty", hint=_DOWNLOAD)
    return content


_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull"),
    (b"PK\x03\x04", "a zip archive", "unpack it, or " + _CONVERT),
    (b"\x1f\x8b", "a gzip archive", "unpack it first: gunzip"),
    (b"\x89HDF", "an HDF5 file (Keras)", _CONVERT),
    (b"<", "a web page", "the download failed: use the link to the raw file"),
)


def _not_tflite(path: str, content: bytes) -> InputError:
    """Say what a file is that has no identifier of TensorFlow Lite."""
    head = content[:256].lstrip()
    for magic, kind, hint in _KINDS:
        if head.startswith(magic):
            return InputError(f"{path} is not a TensorFlow Lite model: it is {kind}", hint=hint)
    return InputError(
        f"{path} is not a TensorFlow Lite model: TFL3 does not stand at byte 4",
        hint="give a .tflite file; if it is an ONNX model, give it a name that ends in .onnx",
    )


# --- inputs ---------------------------------------------------------------------------------


def _text(shape: tuple[int, ...]) -> str:
    return ",".join("?" if dim == UNKNOWN_DIMENSION else str(dim) for dim in shape) or "()"


def _bind(
    path: str, graph: Graph, shapes: dict[str, tuple[int, ...]]
) -> tuple[tuple[int, ...], ...]:
    """Give every dimension of every input its value."""
    declared = [graph.tensors[index].shape for index in graph.inputs]
    for name in shapes:
        if name not in graph.input_names:
            listed = ", ".join(
                f"{known} ({_text(shape)})"
                for known, shape in zip(graph.input_names, declared, strict=True)
            )
            raise UsageError(
                f"--shape names '{name}', which is no input of {path}"
                f"{near_match(name, graph.input_names)}",
                hint=f"inputs: {listed or 'none'}",
            )
    found = []
    for name, shape in zip(graph.input_names, declared, strict=True):
        given = shapes.get(name)
        if given is None:
            if UNKNOWN_DIMENSION in shape:
                dims = [None if dim == UNKNOWN_DIMENSION else dim for dim in shape]
                raise UsageError(
                    f"input '{name}' has open dimensions (shape {_text(shape)})",
                    hint=f"give them values: {stated_shape(name, dims)}",
                )
            given = shape
        fits = len(given) == len(shape) and all(
            dim in (UNKNOWN_DIMENSION, value) for dim, value in zip(shape, given, strict=True)
        )
        if not fits or any(value < 1 for value in given if given != shape):
            raise UsageError(
                f"--shape {name}={_text(given)} contradicts the model: the input has the shape "
                f"{_text(shape)}",
                hint=f"give {len(shape)} dimensions; only a ? can take another value",
            )
        found.append(given)
    return tuple(found)


def _resized(
    graph: Graph, input_shapes: tuple[tuple[int, ...], ...], resize: Resize | None
) -> Graph:
    """Return the graph with the shapes that the tensors have where the inputs have theirs."""
    tensors = list(graph.tensors)
    is_open = any(UNKNOWN_DIMENSION in tensors[index].shape for index in graph.inputs)
    for index, shape in zip(graph.inputs, input_shapes, strict=True):
        tensors[index] = replace(tensors[index], shape=shape)
    if not is_open:
        return graph.with_tensors(tensors)
    told = resize(input_shapes) if resize is not None else None
    if told is not None and len(told) < len(tensors):
        told = None
    known = {index for index, tensor in enumerate(tensors) if tensor.is_constant}
    known.update(graph.inputs)
    for node in graph.nodes:
        follows = _shape_follows(node, known, tensors)
        for index in node.outputs:
            if told is not None and follows:
                known.add(index)
                tensors[index] = replace(tensors[index], shape=told[index])
            else:  # the saved shape may be that of other inputs, whatever it says
                unknown = (UNKNOWN_DIMENSION,) * len(tensors[index].shape)
                tensors[index] = replace(tensors[index], shape=unknown or (UNKNOWN_DIMENSION,))
    return graph.with_tensors(tensors)


def _shape_follows(node: Node, known: set[int], tensors: list[Tensor]) -> bool:
    """Tell whether the shapes of the inputs alone give those of the outputs."""
    if node.op_type in _BY_DATA or node.op_type.startswith("custom::"):
        return False
    taken = [index for index in node.inputs if index is not None]
    by_value = [
        node.inputs[place] for place in _BY_VALUE.get(node.op_type, ()) if place < len(node.inputs)
    ]
    return known.issuperset(taken) and all(
        index is None or tensors[index].is_constant for index in by_value
    )


def _specs(
    graph: Graph, indices: tuple[int, ...], names: tuple[str, ...]
) -> tuple[TensorSpec, ...]:
    tensors = [graph.tensors[index] for index in indices]
    return tuple(
        TensorSpec(name, tensor.dtype, tensor.shape, tensor.n_bytes)
        for name, tensor in zip(names, tensors, strict=True)
    )


# --- what the values mean -------------------------------------------------------------------


def _count_parameters(graph: Graph) -> int:
    """Elements of constants that are floating-point or quantised: not shapes, axes and indices."""
    sizes = {
        tensor.buffer: math.prod(tensor.shape)
        for tensor in graph.tensors
        if tensor.is_constant
        and tensor.dtype not in _NOT_COUNTED
        and ("float" in tensor.dtype or tensor.is_quantised)
    }
    return sum(sizes.values())


_INTEGERS = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-(2**15), 2**15)}


def _integer_ranges(graph: Graph) -> tuple[tuple[str, int, int], ...]:
    """Return (input, lowest value, highest + 1) of integers that index a table or are quantised."""
    found: dict[int, tuple[int, int]] = {}
    for node in graph.nodes:
        table, indices = (0, 1) if node.op_type == "GATHER" else (1, 0)
        if node.op_type not in ("GATHER", "EMBEDDING_LOOKUP") or len(node.inputs) < 2:
            continue
        rows, place = node.inputs[table], node.inputs[indices]
        axis = node.options.Axis() if node.op_type == "GATHER" and node.options is not None else 0
        if rows is not None and place is not None and graph.tensors[rows].is_constant:
            shape = graph.tensors[rows].shape
            if -len(shape) <= axis < len(shape):
                high = min(shape[axis], found.get(place, (0, shape[axis]))[1])
                found[place] = (0, high)
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.is_quantised and tensor.dtype in _INTEGERS:
            found[index] = _INTEGERS[tensor.dtype]
    return tuple(
        (name, *found[index])
        for name, index in zip(graph.input_names, graph.inputs, strict=True)
        if index in found
    )
