"""Pieces of a raw tensor: none of them alone is shown to keep it, all together do.

The parts of a mixture that was split, sorted numbers and the places where they stood, signs and
sizes. A tensor keeps the pieces of those that it was moved from or joined of; one that keeps all
of them is raw again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from placer.onnx_files.taint_values import Node, Origin, Taint
from placer.onnx_files.taint_whole import kept_input


@dataclass(frozen=True, slots=True)
class Piece:
    """One of ``count`` pieces that together are a raw tensor."""

    whole: str
    """Which pieces belong together: the tensor that they are of, and the operator."""
    index: int
    count: int
    taint: Taint
    """Of the whole."""


Pieces = frozenset[Piece]
NONE: Pieces = frozenset()


def pieces_of(node: Node, held: Sequence[Pieces]) -> tuple[Pieces, ...]:
    """Return the pieces that each output keeps or is.

    Parameters
    ----------
    held
        Of each input.
    """
    found = _made(node)
    if not found and any(held):
        found = (_kept(node, held),)
    return (*found, *(NONE,) * (len(node.outputs) - len(found)))


def completed(held: Pieces) -> Taint | None:
    """Return the taint of a raw tensor of which these are all pieces; None: of none."""
    for one in sorted(held, key=lambda piece: (piece.whole, piece.index)):
        if sum(other.whole == one.whole for other in held) == one.count:
            return one.taint
    return None


def raw_together(
    held: Mapping[str, Pieces], names: Collection[str]
) -> tuple[tuple[tuple[str, ...], Taint], ...]:
    """Return sets of tensors that only together are raw: one for each that holds a first piece.

    Without the first of each set none is left.
    """
    holders: dict[Piece, list[str]] = {}
    for name in sorted(names):
        for piece in held.get(name, NONE):
            holders.setdefault(piece, []).append(name)
    found = []
    for first in sorted((one for one in holders if not one.index), key=lambda one: one.whole):
        others = [Piece(first.whole, i, first.count, first.taint) for i in range(1, first.count)]
        if all(one in holders for one in others):
            rest = [holders[one][0] for one in others]
            found += [(tuple(dict.fromkeys((name, *rest))), first.taint) for name in holders[first]]
    return tuple(found)


def _made(node: Node) -> tuple[Pieces, ...]:
    """Return the pieces that a node makes of its raw input; empty: it makes none."""
    data = node.taint(0)
    if not data.is_raw:
        return ()
    if node.op_type in _SIGN_AND_SIZE:
        whole = f"{node.names[0]} by sign and size"
        taint = data.then("Sign, Abs")
        return (frozenset((Piece(whole, _SIGN_AND_SIZE.index(node.op_type), 2, taint),)),)
    is_split = node.op_type == "Split" and data.is_mixed
    if not (is_split or _is_sorted(node)) or not all(node.outputs):
        return ()
    whole, count = f"{node.names[0]} as {', '.join(node.outputs)}", len(node.outputs)
    taint = data.then(node.op_type)
    return tuple(frozenset((Piece(whole, i, count, taint),)) for i in range(count))


_SIGN_AND_SIZE = ("Sign", "Abs")


def _is_sorted(node: Node) -> bool:
    """Tell whether all numbers along an axis are put in order, with the places where they stood."""
    if node.op_type != "TopK" or len(node.outputs) != 2:
        return False
    shape, axis = node.shape(node.names[0]) or (), node.integer("axis", -1)
    if not -len(shape) <= axis < len(shape):
        return False
    count = node.constant(1) if node.has(1) else np.array(node.integer("k", 0))
    if count is not None:
        return count.size == 1 and bool(count.item() == shape[axis])
    return _is_size_of(node, node.names[1], axis % len(shape))


def _is_size_of(node: Node, name: str, axis: int) -> bool:
    """Tell whether a number is computed as the size of the first input along an axis."""
    while (maker := node.maker(name)) is not None and maker.op_type in _ONE_NUMBER:
        name = maker.input[0]
    if maker is None or maker.op_type != "Gather":
        return False
    index, source = node.value(maker.input[1]), node.maker(maker.input[0])
    if index is None or index.size != 1 or source is None or source.op_type != "Shape":
        return False
    is_whole = not source.attribute and source.input[0] == node.names[0]
    rank = len(node.shape(node.names[0]) or ())
    return is_whole and bool(index.item() % max(rank, 1) == axis)


_ONE_NUMBER = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")


_KEEPING = (
    "Cast",
    "Expand",
    "Flatten",
    "Identity",
    "Neg",
    "Reshape",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
)
_JOINING = ("Concat", "ConcatFromSequence", "SequenceConstruct")


def _kept(node: Node, held: Sequence[Pieces]) -> Pieces:
    """Return the pieces of its inputs that a node keeps."""
    if node.op_type in _KEEPING:
        is_truth = node.op_type == "Cast" and node.integer("to", 0) == 9  # TensorProto.BOOL
        return NONE if is_truth else held[0]
    whole = kept_input(node)
    if whole is not None:
        return held[whole]
    joined = frozenset[Piece]().union(*held)
    if node.op_type in _JOINING:
        return joined
    if node.op_type == "ScatterElements" and not held[0]:  # values put back where they stood
        return joined if completed(joined) is not None else NONE
    if node.op_type in ("Add", "Sub", "Mul", "Div") and len(node.names) == 2:
        return _calculated(node, held, joined)
    return NONE


def _calculated(node: Node, held: Sequence[Pieces], joined: Pieces) -> Pieces:
    """Return what a shift or a scale by constants keeps, or the product of sign and size."""
    if all(held):
        is_product = node.op_type == "Mul" and any("sign and size" in one.whole for one in joined)
        return joined if is_product and completed(joined) is not None else NONE
    other = node.taint(0 if held[1] else 1)
    factor = node.constant(0 if held[1] else 1)
    if other.origin not in (Origin.CONSTANT, Origin.PUBLIC) or (held[1] and node.op_type == "Div"):
        return NONE
    if node.op_type == "Mul" and (factor is None or not factor.all()):
        return NONE
    return joined
