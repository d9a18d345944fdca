"""The weighted layers of an ONNX model, each in the one form that all spellings have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import MappingProxyType

from placer.core.graph import known_sum
from placer.core.structure import Structure, WeightedLayer, structure_of
from placer.onnx_files.shapes import MICROSOFT, Step, Tensor, Trace, UnknownShapeError

_CONVOLUTIONS = MappingProxyType(
    {
        "Conv": 1,
        "ConvInteger": 1,
        "ConvTranspose": 1,
        "DeformConv": 1,
        "FusedConv": 1,
        "NhwcConv": 1,
        "NhwcFusedConv": 1,
        "QLinearConv": 3,
    }
)
"""Operator -> index of its weights."""
_MATRICES = MappingProxyType(
    {
        "DynamicQuantizeMatMul": 1,
        "FusedGemm": 1,
        "FusedMatMul": 1,
        "Gemm": 1,
        "MatMul": 1,
        "MatMulInteger": 1,
        "MatMulIntegerToFloat": 1,
        "QGemm": 3,
        "QLinearMatMul": 3,
    }
)
"""Operator -> index of its second matrix; the first one is input 0."""
_RECURRENT = frozenset(("GRU", "LSTM", "RNN", "DynamicQuantizeLSTM"))
_TABLES = MappingProxyType({"Gather": (0,), "EmbedLayerNormalization": (2, 3, 4)})
"""Operator -> indices of tables of which it takes entries."""
_INDEX_TYPES = frozenset(("bool", "int32", "int64", "string"))
"""Of constants that are shapes and indices, not weights."""

_SMALL = 4096
"""Elements up to which any operator is free: gates of channels, scores of classes."""
_ALIKE = MappingProxyType(
    {
        "curved activations": frozenset(
            [
                "BiasGelu",
                "Celu",
                "Elu",
                "Erf",
                "Exp",
                "FastGelu",
                "Gelu",
                "HardSigmoid",
                "HardSwish",
                "Mish",
                "QuickGelu",
                "Selu",
                "Sigmoid",
                "Softplus",
                "Softsign",
                "Swish",
                "Tanh",
            ]
        ),
        "normalisations": frozenset(
            [
                "GroupNorm",
                "GroupNormalization",
                "InstanceNormalization",
                "LRN",
                "LayerNormalization",
                "LpNormalization",
                "MeanVarianceNormalization",
                "Pow",
                "RMSNormalization",
                "SimplifiedLayerNormalization",
                "SkipGroupNorm",
                "SkipLayerNormalization",
                "SkipSimplifiedLayerNormalization",
            ]
        ),
    }
)
"""What is told together -> operators, of which exporters and tools write one for another."""
_FREE = frozenset(
    [
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "CastLike",
        "Clip",
        "Concat",
        "ConstantOfShape",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "DynamicQuantizeLinear",
        "Expand",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "LeakyRelu",
        "LogSoftmax",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "Neg",
        "NhwcMaxPool",
        "PRelu",
        "Pad",
        "QuantizeLinear",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Transpose",
        "Unsqueeze",
    ]
)
"""Operators that runtimes fold, fuse or spell in other ways, and what moves or compares data."""

_Found = tuple[WeightedLayer, int | None]
"""A layer and its multiply-accumulates in one inference; None: not known."""


def read_structure(trace: Trace) -> Structure | None:
    """Return the structure of a walked model; None: the shape of some weights is not known.

    A weight may be an initializer, the output of a Constant node or computed from either when the
    model is loaded, so that the float weights of a quantised model count as those of its original.
    """
    try:
        found = list(_layers(trace.steps))
    except UnknownShapeError:
        return None
    return structure_of(
        [layer for layer, _ in found],
        known_sum(macs for _, macs in found),
        sorted({name for step in trace.steps for name in _besides(step)}),
    )


def _besides(step: Step) -> Iterator[str]:
    """Yield what an operator is called that takes time and has no weights."""
    kind = step.op_type.removeprefix("QLinear")
    if step.folded or kind in _FREE or any(True for _ in _layers_of(step)):
        return
    try:
        if not step.bodies and step.output().size <= _SMALL:
            return
    except UnknownShapeError:
        pass  # it may be large
    yield next((name for name, kinds in _ALIKE.items() if kind in kinds), kind)


def _layers(steps: Iterable[Step]) -> Iterator[_Found]:
    for step in steps:
        for body in step.bodies:
            for layer, _ in _layers(body.steps):
                yield layer, None  # how often it runs is not known
        if not step.folded:
            yield from _layers_of(step)


def _layers_of(step: Step) -> Iterator[_Found]:
    kind = step.op_type
    if step.domain not in ("", MICROSOFT):
        yield from _foreign(step)
    elif kind in _CONVOLUTIONS:
        weight = step.input(_CONVOLUTIONS[kind])
        if weight.constant:
            yield _convolution(step, weight.dims)
    elif kind in _MATRICES:
        yield from _matrix(step, step.input(0), step.input(_MATRICES[kind]))
    elif kind == "MatMulNBits":
        inner, width = int(step.attributes["K"]), int(step.attributes["N"])
        yield WeightedLayer("matrix", (inner, width)), _times(step.output(), inner)
    elif kind in ("Attention", "QAttention") and step.domain == MICROSOFT:
        projection = step.input(1).dims
        yield WeightedLayer("matrix", projection), _times(step.input(0), projection[-1])
    elif kind in _RECURRENT:
        yield from _recurrent(step)
    elif kind in _TABLES:
        tables = [step.input(index) for index in _TABLES[kind]]
        for table in filter(_is_weight, tables):
            yield WeightedLayer("embedding", table.dims), 0
    elif kind == "Einsum":
        equation = step.attributes["equation"].decode("utf-8", "replace").replace(" ", "")
        for tensor in step.inputs:
            if tensor is not None and tensor.constant:
                yield WeightedLayer(f"einsum {equation}", tensor.dims), None


def _convolution(step: Step, weight: tuple[int, ...]) -> _Found:
    kernel = weight[2:]
    ones = [1] * len(kernel)
    strides = tuple(step.attributes.get("strides") or ones)
    dilations = step.attributes.get("dilations") or ones
    kinds = {"ConvTranspose": "conv_transpose", "DeformConv": "conv_deformable"}
    kind = kinds.get(step.op_type, "conv")
    # every element of the one tensor meets the weights of one channel
    met = step.input(0) if kind == "conv_transpose" else step.output()
    groups = int(step.attributes.get("group", 1))
    pixels = (step.input(0).shape or ())[2:]
    if kind == "conv" and groups == 1 and pixels and {*kernel, *pixels} == {1}:
        return WeightedLayer("matrix", _turned(weight[:2])), _times(met, weight[1])
    layer = WeightedLayer(
        kind,
        weight,
        groups=groups,
        strides=strides,
        # a kernel one wide has nothing to dilate
        dilations=tuple(d if k > 1 else 1 for k, d in zip(kernel, dilations, strict=True)),
    )
    return layer, _times(met, math.prod(weight[1:]))


def _matrix(step: Step, left: Tensor, right: Tensor) -> Iterator[_Found]:
    if right.constant:
        weight = _turned(right.dims) if step.attributes.get("transB") else right.dims
    elif left.constant:
        weight = left.dims if step.attributes.get("transA") else _turned(left.dims)
    else:
        return
    if len(weight) == 1:
        weight = (*weight, 1)
    yield WeightedLayer("matrix", weight), _times(step.output(), weight[-2])


def _recurrent(step: Step) -> Iterator[_Found]:
    kind = "lstm" if step.op_type == "DynamicQuantizeLSTM" else step.op_type.lower()
    try:
        steps = math.prod(step.input(0).dims[:2])
    except UnknownShapeError:
        steps = None
    for index, name in ((1, kind), (2, f"{kind} recurrent")):
        weight = step.input(index)
        if weight.constant:
            turned = step.op_type == "DynamicQuantizeLSTM"
            dims = _turned(weight.dims) if turned else weight.dims
            yield WeightedLayer(name, dims), None if steps is None else steps * math.prod(dims)


def _foreign(step: Step) -> Iterator[_Found]:
    """Yield the weights of an operator that is not known: it is part of the structure too."""
    for tensor in step.inputs:
        if tensor is not None and _is_weight(tensor):
            yield WeightedLayer(f"{step.domain}::{step.op_type}", tensor.dims), None


def _is_weight(tensor: Tensor) -> bool:
    return tensor.constant and tensor.dtype not in _INDEX_TYPES and len(tensor.dims) > 1


def _turned(dims: tuple[int, ...]) -> tuple[int, ...]:
    return dims if len(dims) < 2 else (*dims[:-2], dims[-1], dims[-2])


def _times(tensor: Tensor, count: int) -> int | None:
    try:
        return tensor.size * count
    except UnknownShapeError:
        return None
