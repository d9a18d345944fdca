"""Rules of truth values: turned over, masked, or told apart by two numbers."""

from __future__ import annotations

import numpy as np

from placer.onnx_files.taint_curves import is_above_zero
from placer.onnx_files.taint_plain import curve, joined_inputs, moved, not_shown, scaled
from placer.onnx_files.taint_values import Node, Origin, Taint

_BOOL = 9  # of TensorProto
_UNSIGNED = (2, 4, 12, 13, 21, 25)


def cast(node: Node) -> Taint:
    """Keep numbers in another type; truth values of numbers are not shown to keep any.

    A mixture has numbers below zero, for which unsigned types have no place.
    """
    name = node.names[0]
    if node.integer("to", 0) != _BOOL:
        is_kept = node.integer("to", 0) not in _UNSIGNED or node.is_bool(name)
        return moved(node) if is_kept or is_above_zero(node, name) else curve(node)
    while not node.is_bool(name):
        maker = node.maker(name)
        if maker is None or maker.op_type not in ("Cast", "Identity"):
            return not_shown(node, "a truth value of each number")
        name = maker.input[0]
    return moved(node)


def turned(node: Node) -> Taint:
    """Turn truth values over where a constant says so: Xor, and Equal of truth values."""
    (raw, taint), *others = [(i, t) for i, t in enumerate(node.taints) if t and t.is_raw]
    known = all(t and t.origin is not Origin.DERIVED for t in node.taints)
    is_kept = not others and known and node.is_bool(node.names[raw])
    return taint.then(node.op_type) if is_kept else not_shown(node)


def masked(node: Node) -> Taint:
    """Keep truth values where a constant lets them through: And where it is true, Or elsewhere."""
    (raw, taint), *others = [(i, t) for i, t in enumerate(node.taints) if t and t.is_raw]
    mask = node.constant(1 - raw)
    if others or mask is None:
        return not_shown(node)
    return scaled(node, taint, [mask if node.op_type == "And" else ~mask])


def where(node: Node) -> Taint:
    """Keep either side, or a condition that chooses between constants that differ."""
    condition = node.constant(0)
    if condition is not None and condition.size and condition.all() == condition.any():
        chosen = node.taint(1 if condition.all() else 2)
        return chosen.then("Where") if chosen.is_raw else not_shown(node, "it takes the other side")
    if node.taint(1).is_raw or node.taint(2).is_raw:
        return _SIDES(node)
    first, second = node.constant(1), node.constant(2)
    if first is None or second is None:
        return not_shown(node, "it chooses between tensors that are not known")
    return scaled(node, node.taint(0), [np.not_equal(first, second)])


_SIDES = joined_inputs(1, 2)
