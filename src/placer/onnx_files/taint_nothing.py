"""Operators that leave nothing of an input, by their constants and shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placer.onnx_files.taint_plain import curve, normalised, not_shown, tones
from placer.onnx_files.taint_values import Node, Taint

_COERCED_BEFORE = 13
"""Softmax of earlier opsets takes all axes from its own on, which is 1 if none is given."""


def normalised_unless_of_one(node: Node) -> Sequence[Taint]:
    """Normalise, if more than one number goes into each size: of one number a sign is left."""
    sizes = _normalised_sizes(node)
    if sizes is None or any(size != 1 for size in sizes):
        return normalised(node)
    return (not_shown(node, "each number by its own size"),) * len(node.outputs)


def _normalised_sizes(node: Node) -> Sequence[int | str] | None:
    """Return the sizes of the axes that are normalised together; None: not known."""
    shape = node.shape(node.names[0])
    if not shape:
        return None
    word, axis = node.op_type, node.integer("axis", -1)
    if word in ("LogSoftmax", "Softmax") and node.opset < _COERCED_BEFORE:
        return None if node.opset == 0 else shape[node.integer("axis", 1) :]
    if word in ("LogSoftmax", "LpNormalization", "Softmax"):
        return shape[axis % len(shape) :][:1]
    if word.endswith("LayerNormalization") or word == "RMSNormalization":
        return shape[axis % len(shape) :]
    if word == "InstanceNormalization":
        return shape[2:] or None
    if word == "MeanVarianceNormalization":
        return [shape[a] for a in node.integers("axes") or (0, 2, 3) if a < len(shape)]
    return None


def clipped(node: Node) -> Taint:
    """Draw the curve of Clip, between bounds that are apart."""
    low = node.constant(1) if node.has(1) else np.array(node.number("min", -np.inf))
    high = node.constant(2) if node.has(2) else np.array(node.number("max", np.inf))
    if low is not None and high is not None and (low >= high).all():
        return not_shown(node, "one number for all")
    return curve(node)


def bits(node: Node) -> Taint:
    """Shift, mask or wrap bits, unless none of the number's own is left."""
    place = next((i for i, taint in enumerate(node.taints) if taint and not taint.is_raw), None)
    value = None if place is None else node.constant(place)
    if value is not None and value.dtype.kind in "iu" and _leaves_none(node.op_type, value, place):
        return not_shown(node, "one number for all")
    return tones(node)


def _leaves_none(word: str, value: np.ndarray, place: int | None) -> bool:
    match word:
        case "BitShift":
            return bool((value >= 8 * value.dtype.itemsize).all()) if place else not value.any()
        case "BitwiseAnd":
            return not value.any()
        case "BitwiseOr":
            return not (~value).any()
        case "Mod" if place == 1:
            return bool((abs(value.astype(np.int64)) == 1).all())
    return False
