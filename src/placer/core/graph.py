"""A model as the decision sees it: tensors, parameters, work."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from placer.core.structure import Structure

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


def stated_shape(name: str, dimensions: Sequence[int | str | None]) -> str:
    """Return how ``--shape`` states the open dimensions of an input.

    The first one is the batch, and 1 by itself. What the others are only the caller can know, so
    a word stands there.

    Parameters
    ----------
    dimensions
        A number; or a symbol, or None or an empty one: it is open.
    """
    shown = list(dimensions)
    if shown and not isinstance(shown[0], int) and (not shown[0] or shown[0] not in shown[1:]):
        shown[0] = 1
    unnamed = [place for place, one in enumerate(shown) if _is_unnamed(one)]
    is_image = len(shown) == 4 and len(unnamed) == 2
    for place in unnamed:
        shown[place] = "HW"[unnamed.index(place)] if is_image else f"D{place}"
    asked = list(dict.fromkeys(one for one in shown if isinstance(one, str)))
    listed = " and ".join([", ".join(asked[:-1]), asked[-1]] if len(asked) > 1 else asked)
    return f"--shape {name}={','.join(map(str, shown))}" + (f" with your {listed}" if asked else "")


def _is_unnamed(dimension: int | str | None) -> bool:
    return dimension is None or (isinstance(dimension, str) and not dimension.isidentifier())


_SIZED = re.compile(r"(?:u?int|b?float|complex)(\d{1,3})(?:_?e\d+m\d+(?:fn)?(?:uz)?)?")
_MAX_BYTES = 2**50
"""What is larger is no tensor, and no model."""
_MAX_COUNT = 2**63


def _bits_of(dtype: str) -> int | None:
    """Return the bits of one element; None: it has no fixed size, or the type is not known."""
    if dtype == "bool":
        return 8
    match = _SIZED.fullmatch(dtype)
    return None if match is None else int(match.group(1))


def contradiction(model: ModelSummary) -> str:
    """Say what cannot be of a model that a file describes; empty: nothing.

    Figures are in bytes and counts; the size of a tensor follows from its type and shape.
    """
    figures = {"n_bytes": model.n_bytes, "parameters": model.parameters}
    for work in model.operators:
        figures[f"{work.op_type}: n_nodes"] = work.n_nodes
        figures[f"{work.op_type}: flops"] = work.flops or 0
        figures[f"{work.op_type}: bytes_moved"] = work.bytes_moved or 0
    for name, value in figures.items():
        if not 0 <= value < _MAX_COUNT:
            return f"{name} is {value}"
    if model.n_bytes > _MAX_BYTES:
        return f"n_bytes is {model.n_bytes}"
    if model.subjects[:1] and model.subjects[0][1] != model.sha256:
        return f"sha256 is {model.sha256[:12]}, the first of subjects {model.subjects[0][1][:12]}"
    if not model.subjects:
        return "subjects is empty"
    names = [spec.name for spec in model.inputs]
    if len(set(names)) < len(names):
        return "an input stands twice"
    for spec in model.inputs:
        if UNKNOWN_DIMENSION in spec.shape:
            return f"the input '{spec.name}' has a negative dimension"
    return next(filter(None, map(_contradiction_of, (*model.inputs, *model.outputs))), "")


def _contradiction_of(tensor: TensorSpec) -> str:
    if any(size < UNKNOWN_DIMENSION for size in tensor.shape):
        return f"'{tensor.name}' has a negative dimension"
    bits = _bits_of(tensor.dtype)
    expected = None
    if bits is not None and UNKNOWN_DIMENSION not in tensor.shape:
        expected = -(-math.prod(tensor.shape) * bits // 8)
    if expected is not None and expected > _MAX_BYTES:
        return f"'{tensor.name}' takes {expected} bytes"
    if tensor.n_bytes != expected:
        return (
            f"'{tensor.name}' has {_told(tensor.n_bytes)}, but {tensor.dtype} of shape "
            f"{','.join(map(str, tensor.shape))} takes {_told(expected)}"
        )
    return ""


def _told(n_bytes: int | None) -> str:
    return "an unknown size" if n_bytes is None else f"{n_bytes} bytes"


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
    structure: Structure | None = field(default=None, compare=False)
    """Of an ONNX file that was read now: evidence and locks do not keep it."""

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
