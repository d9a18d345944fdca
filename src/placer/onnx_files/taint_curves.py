"""Rules of curves over each number: those that rise everywhere lose nothing, of a mixture either.

Rounding is left aside: far out, where a Sigmoid is flat, float32 keeps less. Of what networks make
of pictures nearly all comes back.
"""

from __future__ import annotations

from placer.onnx_files.taint_plain import curve, moved, not_shown
from placer.onnx_files.taint_values import Node, Taint

RISING = "Asinh Atan Erf Exp Selu Sigmoid Sinh Softplus Softsign Tanh"
"""Strictly, without conditions; Selu has two."""
_SLOPED = {"Elu": 1.0, "Celu": 1.0, "LeakyRelu": 0.01, "Selu": 1.0}
"""Those that rise below zero if their ``alpha`` is above zero, and its default."""


def rising(node: Node) -> Taint:
    """Keep all: from what comes out one number each can have gone in."""
    alpha = node.number("alpha", _SLOPED.get(node.op_type, 1.0))
    return moved(node) if alpha > 0 and node.number("gamma", 1.0) > 0 else curve(node)


def prelu(node: Node) -> Taint:
    """Keep all where each slope below zero is above zero."""
    slope = node.constant(1)
    return moved(node) if slope is not None and (slope > 0).all() else curve(node)


def power(node: Node) -> Taint:
    """Draw the curve of a power that is nowhere zero; of odd ones each number comes back."""
    exponent = node.constant(1)
    if not node.taint(0).is_raw or exponent is None or not exponent.all():
        return not_shown(node)
    is_odd = bool((exponent % 2 == 1).all())
    return moved(node) if is_odd else curve(node)


def is_above_zero(node: Node, name: str) -> bool:
    """Tell whether all numbers of a tensor are above zero, by the curve that makes them."""
    while (maker := node.maker(name)) is not None and maker.op_type in _MOVES:
        name = maker.input[0]
    return maker is not None and maker.op_type in _ABOVE_ZERO


_ABOVE_ZERO = ("Exp", "Sigmoid", "Softplus")
_MOVES = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def is_rising_activation(node: Node) -> bool:
    """Tell whether the activation of a fused operator rises everywhere.

    FusedConv and FusedGemm write its numbers differently.
    """
    name = node.string("activation")
    if name not in _SLOPED:
        return name in RISING.split()
    if node.has_attribute("activation_params"):
        given = list(node.attributes["activation_params"].floats)
    else:
        given = [node.number(f"activation_{w}", 1.0) for w in _GIVEN if _has(node, w)]
    return all(one > 0 for one in given)


_GIVEN = ("alpha", "gamma")


def _has(node: Node, word: str) -> bool:
    return node.has_attribute(f"activation_{word}")
