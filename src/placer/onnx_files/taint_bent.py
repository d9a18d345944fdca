"""Lines that are bent at zero, written with several operators: a LeakyRelu in all but name.

Where both halves of the line rise, or both fall, each number comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from placer.onnx_files.taint_known import Step
from placer.onnx_files.taint_values import Node

Scaled = Mapping[str, tuple[str, int]]
"""Tensor -> another of which it is a multiple, and the sign of the factor."""


def bent(
    node: Node,
    sums: Mapping[str, Mapping[str, float]],
    scaled: Scaled,
    half_of: Mapping[str, tuple[str, str]],
) -> Iterator[Step]:
    """Yield the step back from a line that rises or falls on both sides of zero.

    Parameters
    ----------
    sums
        Tensor -> what it is a sum of, with factors.
    half_of
        Positive or negative part -> of which tensor, and which.
    """
    out, root = node.outputs[0], None
    if node.op_type in ("Max", "Min") and len(node.names) > 1:
        root = _common_root(node.names, scaled)
    elif node.op_type == "Where":
        root = _common_root(node.names[1:], scaled)
        if root is not None and root != _told_by_sign(node, scaled):
            root = None
    elif node.op_type in ("Add", "Sub", "Sum"):
        root = _root_of_halves(node, sums.get(out, {}), scaled, half_of)
    if root is not None and root != out:
        yield Step((out,), root, node.op_type, is_same=True)


def _common_root(names: tuple[str, ...], scaled: Scaled) -> str | None:
    """Return the tensor of which all are multiples of one sign."""
    found = {scaled.get(name, (name, 1)) for name in names}
    return next(iter(found))[0] if len(found) == 1 else None


_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def _told_by_sign(node: Node, scaled: Scaled) -> str | None:
    """Return the tensor whose numbers a Where tells apart by their sign."""
    maker = node.maker(node.names[0])
    if maker is None or maker.op_type not in _COMPARISONS:
        return None
    for name, bound in (tuple(maker.input), tuple(maker.input)[::-1]):
        value = node.value(bound)
        if value is not None and not value.any():
            return str(scaled.get(name, (name, 1))[0])
    return None


def _root_of_halves(
    node: Node,
    terms: Mapping[str, float],
    scaled: Scaled,
    half_of: Mapping[str, tuple[str, str]],
) -> str | None:
    """Return the tensor of whose two halves, with slopes of one sign, a sum is."""
    slopes: set[tuple[str, bool]] = set()
    halves = set()
    for name, factor in terms.items():
        base, sign = scaled.get(name, (name, 1))
        if base not in half_of:
            return None
        root, half = half_of[base]
        maker = node.maker(base)
        if maker is None or half not in ("+", "-"):
            return None
        is_below = maker.op_type == "Min"  # its numbers are never above zero
        slopes.add((root, (factor * sign > 0) == ((half == "+") != is_below)))
        halves.add(half)
    return slopes.pop()[0] if len(slopes) == 1 and halves == {"+", "-"} else None
