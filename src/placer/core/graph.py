"""A model as the decision sees it: tensors, parameters, work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

UNKNOWN_DIMENSION = -1
"""A dimension of an output that depends on the data."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model."""

    name: str
    dtype: str
    """numpy's name (``float32``), or ``bfloat16``, ``float8e4m3fn``, ``string``, ..."""
    shape: tuple[int, ...]
    """Every dimension has its value; symbolic ones were filled by ``--shape``.

    In an output UNKNOWN_DIMENSION (-1) where it depends on the data.
    """
    n_bytes: int | None
    """Size of the raw tensor; None where the element size varies (strings) or a dimension is -1."""


_KINDS = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint", "bool")
_NUMPY_LACKS = frozenset(("uint2", "uint4"))


def contradiction(tensor: TensorSpec) -> str:
    """Say what cannot be of a tensor that a file describes; empty: nothing."""
    if any(size < UNKNOWN_DIMENSION for size in tensor.shape):
        return f"'{tensor.name}' has a negative dimension"
    if tensor.n_bytes is None or UNKNOWN_DIMENSION in tensor.shape:
        return ""
    if tensor.n_bytes < 0:
        return f"'{tensor.name}' has {tensor.n_bytes} bytes"
    if tensor.dtype in _NUMPY_LACKS or not tensor.dtype.startswith(_KINDS):
        return ""
    expected = math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
    if tensor.n_bytes != expected:
        return (
            f"'{tensor.name}' has {tensor.n_bytes} bytes, but {tensor.dtype} of shape "
            f"{','.join(map(str, tensor.shape))} takes {expected}"
        )
    return ""


@dataclass(frozen=True, slots=True)
class OperatorWork:
    """The work of all nodes of one operator type."""

    op_type: str
    """``Conv``, or ``domain::Op`` outside the default domain."""
    n_nodes: int
    flops: int | None
    """2 x multiply-accumulates and one per elementary operation; None: unknown operator."""
    bytes_moved: int | None
    """Inputs and outputs read and written once; None: a shape is unknown."""
    source: str
    """Where the formula comes from."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What reading a model file yields, without running it."""

    path: str
    """As typed."""
    sha256: str
    n_bytes: int
    """File and external data."""
    subjects: tuple[tuple[str, str], ...]
    """(file name, sha256) of the model, then of each external data file."""
    opset: int | None
    """Of ONNX's default domain; None: the format has none."""
    parameters: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[OperatorWork, ...]
    """Sorted by op_type. Constant subgraphs are not counted: the runtime folds them."""
    format: str = "onnx"
    """``onnx`` or ``tflite``."""
    integer_ranges: tuple[tuple[str, int, int], ...] = ()
    """(input, lowest value, highest + 1) of integer inputs where the file tells them."""

    @property
    def flops(self) -> int | None:
        """Floating-point operations of one inference; None if any operator is unknown."""
        if any(op.flops is None for op in self.operators):
            return None
        return sum(op.flops or 0 for op in self.operators)

    @property
    def bytes_moved(self) -> int | None:
        """Bytes read and written by one inference; None if a shape is unknown."""
        if any(op.bytes_moved is None for op in self.operators):
            return None
        return sum(op.bytes_moved or 0 for op in self.operators)

    @property
    def n_nodes(self) -> int:
        """Nodes that run, constant subgraphs and views excluded from the count of the source."""
        return sum(op.n_nodes for op in self.operators)

    @property
    def unknown_operators(self) -> tuple[str, ...]:
        """Operator types whose work is not known."""
        return tuple(op.op_type for op in self.operators if op.flops is None)

    @property
    def input_bytes(self) -> int | None:
        """Raw bytes of one request; None if an input has no fixed element size."""
        return _total(self.inputs)

    @property
    def output_bytes(self) -> int | None:
        """Raw bytes of one answer; None if an output has no fixed element size."""
        return _total(self.outputs)


def known_sum(values: Iterable[int | None]) -> int | None:
    """Return the sum; None if any of the values is unknown."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def by_operator(works: Mapping[str, Sequence[OperatorWork]]) -> tuple[OperatorWork, ...]:
    """Add up the work of nodes: operator type -> one for each of its nodes; sorted."""
    return tuple(
        OperatorWork(
            op_type=name,
            n_nodes=len(nodes),
            flops=known_sum(work.flops for work in nodes),
            bytes_moved=known_sum(work.bytes_moved for work in nodes),
            source=next((work.source for work in nodes if work.flops is None), nodes[0].source),
        )
        for name, nodes in sorted(works.items())
    )


def _total(tensors: tuple[TensorSpec, ...]) -> int | None:
    if any(tensor.n_bytes is None for tensor in tensors):
        return None
    return sum(tensor.n_bytes or 0 for tensor in tensors)
