"""How the crossing tensors of an exported split travel as tensors of the Open Inference Protocol.

Each side knows nothing but the contract: the client narrows what the head made, and nodes in the
tail's own graph widen it again, so that any server of the protocol can run the tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.core.graph import TensorSpec
from placer.core.split import OutputDifference, SplitContract
from placer.core.wire_formats import ELEMENT_TYPES, Precision

BITS = {
    Precision.FLOAT64: 64,
    Precision.FLOAT32: 32,
    Precision.FLOAT16: 16,
    Precision.INT8: 8,
}
SCALE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tensor that goes from head to tail, and what stands for it on the wire."""

    tensor: TensorSpec
    """Of the model."""
    value: TensorSpec
    """Input of the tail: the tensor itself, or its narrowed form."""
    scale: TensorSpec | None = None
    """Second input of the tail, of int8: one float32; the tensor is value x scale."""


@dataclass(frozen=True, slots=True)
class Export:
    """A split as files: the head with its client, and the tail in the repository of a server."""

    contract: SplitContract
    """Its files are named from the folder of the export."""
    server_model: str
    """Name under which the server has the tail."""
    precision: Precision
    crossings: tuple[Crossing, ...]
    files: tuple[tuple[str, str, int], ...]
    """(name, sha256, bytes) of all files but the contract."""
    differences: tuple[OutputDifference, ...]
    """Of the exported parts, wire format included, from the whole model."""


def wire_dtype(dtype: str, precision: Precision) -> str:
    """Return the element type that a tensor has on the wire; only floats are narrowed."""
    if not dtype.startswith("float") or np.dtype(dtype).itemsize * 8 <= BITS[precision]:
        return dtype
    return precision.value


def can_be_sent(dtype: str) -> bool:
    """Tell whether the protocol and numpy have a type."""
    return dtype in ELEMENT_TYPES


def sent_type(dtype: str, precision: Precision | None) -> str:
    """Return the element type of a tensor on the wire; ``precision`` None: as it is."""
    return wire_dtype(dtype, precision) if precision and can_be_sent(dtype) else dtype


def wire_bytes(n_bytes: int, dtype: str, precision: Precision | None) -> int:
    """Return the bytes of a tensor on the wire, without what the protocol adds.

    Parameters
    ----------
    precision
        None: as it is.
    """
    wire = sent_type(dtype, precision)
    if wire == dtype:
        return n_bytes
    narrowed = n_bytes // np.dtype(dtype).itemsize * np.dtype(wire).itemsize
    return narrowed + (SCALE_BYTES if wire == "int8" else 0)
