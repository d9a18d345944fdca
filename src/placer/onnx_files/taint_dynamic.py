"""Products of numbers that are quantised as they come, as ONNX Runtime's quantize_dynamic has them.

DynamicQuantizeLinear tells scale and zero point of its numbers, MatMulInteger or ConvInteger takes
the zero points off, and a Mul by the scales of both sides makes of it, but for rounding, what the
MatMul or Conv of the float model makes. That scale is one number above zero, and with the product
it hides nothing of it; of other computed numbers neither is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from placer.onnx_files.taint_linear import shifted
from placer.onnx_files.taint_plain import blend
from placer.onnx_files.taint_values import CONSTANT, FLOATS, Node, Origin, Taint


@dataclass(frozen=True, slots=True)
class _Product:
    """A product of numbers that were quantised with constant weights, as floats."""

    place: int
    """Where it, or the numbers, stand among the inputs of the node."""
    word: str
    """The operator that does the same to floats."""
    data: str
    """The numbers before they were quantised; empty: they were moved after that."""
    weights: str
    zero: str
    """The zero points of the weights; empty: they have none."""
    factor: np.ndarray
    """The scales of the weights, and other constants that it is multiplied by."""
    is_left: bool = True
    """The numbers stand left of the weights."""
    bias: int = 0
    """Where it stands among the inputs; 0: there is none."""
    attributes: Sequence[Any] = ()

    @property
    def axis(self) -> int:
        """Of the weights, along which the zero points differ."""
        return 0 if self.word == "Conv" else -1 if self.is_left else -2


def multiplied(node: Node) -> Taint:
    """Return that of Mul: by the scale of its own quantisation a mixture stays what it is."""
    found = _of_mul(node)
    if found is None or not node.taint(found.place).is_raw or not found.factor.all():
        return blend(node)
    return node.taint(found.place).then(node.op_type)


def as_float(node: Node) -> Node | None:
    """Return the operator on floats that a node ends the work of; None: there is none.

    Its weights are no tensor of the graph, but have a name, a shape and a value.
    """
    if node.op_type == "QEmbedLayerNormalization":
        return _embedding(node)
    found = _READ[node.op_type](node) if node.op_type in _READ else None
    if found is None or not found.data:
        return None
    weights = f"weights of {node.outputs[0]}"
    sides = [(found.data, node.taint(found.place)), (weights, CONSTANT)]
    given = sides if found.is_left else sides[::-1]
    if found.bias:
        given.append((node.names[found.bias], node.taint(found.bias)))
    return replace(
        node,
        op_type=found.word,
        attributes={one.name: one for one in found.attributes},
        names=tuple(name for name, _ in given),
        taints=tuple(taint for _, taint in given),
        value=lambda name: _weights(node, found) if name == weights else node.value(name),
        shape=lambda name: node.shape(found.weights if name == weights else name),
    )


def _weights(node: Node, found: _Product) -> np.ndarray | None:
    """Return the weights as floats; None: not known."""
    weights, zero = node.value(found.weights), node.value(found.zero) if found.zero else None
    if weights is None or weights.ndim < 2 or (found.zero and zero is None):
        return None
    factor, axis = found.factor, 1 if found.word == "Conv" else found.axis  # of the output
    along = ((1,) * (weights.ndim - factor.ndim) + factor.shape)[axis]
    sizes = (1, weights.shape[found.axis])
    if factor.size != along or along not in sizes or (zero is not None and zero.size not in sizes):
        return None
    shape = [1] * weights.ndim
    shape[found.axis] = along
    around = shifted(weights, zero, axis=found.axis)
    return None if around is None else np.asarray(around * factor.reshape(shape))


def _embedding(node: Node) -> Node:
    """Return fused embeddings with their tables as floats; scales and zero points stand last."""
    scales = {node.names[place]: place + 6 for place in range(2, 7) if node.has(place)}

    def value(name: str) -> np.ndarray | None:
        at = scales.get(name)
        if at is None:
            return node.value(name)
        rows, scale, zero = node.value(name), node.constant(at), node.constant(at + 5)
        around = None if zero is None else shifted(rows, zero, axis=0)
        is_one = scale is not None and scale.size == 1 and zero is not None and zero.size == 1
        return np.asarray(around * scale) if is_one and around is not None else None

    word = "EmbedLayerNormalization"
    return replace(node, op_type=word, names=node.names[:8], taints=node.taints[:8], value=value)


# --- how graphs have them -------------------------------------------------------------------


def _of_mul(node: Node) -> _Product | None:
    """Return the product that a Mul makes floats of; None: it does something else."""
    if len(node.names) != 2 or any(node.taint(i).origin is Origin.CONSTANT for i in (0, 1)):
        return None
    for place in (0, 1):
        name, factor = _unscaled(node, node.names[place])
        product = node.maker(name)
        if product is None or product.op_type not in ("ConvInteger", "MatMulInteger"):
            continue
        scale, more = _unscaled(node, node.names[1 - place])
        is_conv = product.op_type == "ConvInteger"
        given = (*product.input, "", "")
        for side in (0,) if is_conv else (0, 1):
            data = _quantised(node, given[side], scale, given[side + 2])
            if data is not None:
                return _Product(
                    place,
                    "Conv" if is_conv else "MatMul",
                    data,
                    weights=given[1 - side],
                    zero=given[3 - side],
                    factor=np.asarray(factor * more),
                    is_left=not side,
                    attributes=product.attribute,
                )
    return None


def _of_fused(node: Node) -> _Product | None:
    """Return the product of MatMulIntegerToFloat, which is all of it in one."""
    given = (*node.names, "", "", "")
    for side in (0, 1):
        data, scale = _quantised(node, *given[side:6:2]), node.constant(3 - side)
        if data is not None and scale is not None:
            word, bias = ("Gemm", 6) if node.has(6) else ("MatMul", 0)
            weights, zero = given[1 - side], given[5 - side]
            return _Product(side, word, data, weights, zero, scale, not side, bias)
    return None


def _of_floats(node: Node) -> _Product | None:
    """Return the product of DynamicQuantizeMatMul, which quantises by itself."""
    scale, zero = node.constant(2), node.names[3] if node.has(3) else ""
    word, bias = ("Gemm", 4) if node.has(4) else ("MatMul", 0)
    data, weights = node.names[:2]
    return None if scale is None else _Product(0, word, data, weights, zero, scale, bias=bias)


_READ = {
    "DynamicQuantizeMatMul": _of_floats,
    "MatMulIntegerToFloat": _of_fused,
    "Mul": _of_mul,
}


def _unscaled(node: Node, name: str) -> tuple[str, np.ndarray]:
    """Return what a tensor is a multiple of, and the constants that make it that."""
    factor = np.ones(())
    while (maker := node.maker(name)) is not None:
        if maker.op_type == "Mul":
            values = [node.value(one) for one in maker.input]
            known = [value for value in values if value is not None]
            if len(known) != 1:
                break
            factor = factor * known[0].astype(np.float64)
            name = maker.input[0 if values[0] is None else 1]
        elif maker.op_type == "Identity" or (maker.op_type == "Cast" and _to(maker) in FLOATS):
            name = maker.input[0]
        else:
            break
    return name, np.asarray(factor)


def _to(cast: Any) -> int:
    return next((int(one.i) for one in cast.attribute if one.name == "to"), 0)


_MOVES = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def _quantised(node: Node, name: str, scale: str, zero: str) -> str | None:
    """Return what was quantised as it came, with a scale and a zero point; None: it was not so.

    Empty: it was moved after that.
    """
    first = name
    while (maker := node.maker(name)) is not None and maker.op_type in _MOVES:
        name = maker.input[0]
    if maker is None or maker.op_type != "DynamicQuantizeLinear":
        return None
    if [name, scale, zero] != list(maker.output):
        return None
    return str(maker.input[0]) if name == first else ""
