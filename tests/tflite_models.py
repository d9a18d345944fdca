"""TensorFlow Lite models for tests, written by the schema that comes with LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

DIGITS = Path(__file__).parents[1] / "examples" / "02_digits_litert"
_TYPES = {
    name.lower(): number
    for name, number in vars(schema.TensorType).items()
    if isinstance(number, int)
}


@dataclass
class Op:
    """One operator: its name in the schema, or ``custom:NAME``; tensors by name."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: Any = None


class Model:
    """A model of one subgraph under construction."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.description = "placer tests"
        self._model.buffers = [schema.BufferT()]  # the first is empty by convention
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]
        self._numbers: dict[str, int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        values: np.ndarray | None = None,
        scale: float | None = None,
        zero_point: int = 0,
    ) -> None:
        """Add a tensor; -1 is an open dimension, ``values`` make it a constant."""
        tensor = schema.TensorT()
        tensor.name, tensor.type = name, _TYPES[dtype]
        tensor.shape = [max(1, size) for size in shape]
        if -1 in shape:
            tensor.shapeSignature = list(shape)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        tensor.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._numbers[name] = len(self._graph.tensors)
        self._graph.tensors.append(tensor)

    def op(self, op: Op) -> None:
        """Add a node."""
        kind, _, custom = op.kind.partition(":")
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind.upper())
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = 1, custom or None
        node = schema.OperatorT()
        node.opcodeIndex = len(self._model.operatorCodes)
        node.inputs = [self._numbers.get(name, -1) for name in op.inputs]
        node.outputs = [self._numbers[name] for name in op.outputs]
        if op.options is not None:
            name = type(op.options).__name__.removesuffix("T")
            node.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            node.builtinOptions = op.options
        self._model.operatorCodes.append(code)
        self._graph.operators.append(node)

    def save(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
        """Write the file and return its path."""
        self._graph.inputs = [self._numbers[name] for name in inputs]
        self._graph.outputs = [self._numbers[name] for name in outputs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        Path(path).write_bytes(bytes(builder.Output()))
        return path


def pool_options(size: int) -> Any:
    """Return the options of a pooling of ``size`` x ``size`` with that stride."""
    options = schema.Pool2DOptionsT()
    options.filterHeight = options.filterWidth = options.strideH = options.strideW = size
    options.padding = schema.Padding.VALID
    return options


def dense(path: str, *, rows: int = 1, width: int = 64, then: Op | None = None) -> str:
    """Write one dense layer with ReLU on ``x`` (rows, width); ``then`` makes ``y`` from ``h``.

    ``rows`` may be -1: an open dimension.
    """
    rng = np.random.default_rng(0)
    model = Model()
    model.tensor("x", (rows, width))
    weights = rng.standard_normal((width, width), dtype=np.float32) / width**0.5
    model.tensor("w", (width, width), values=weights)
    model.tensor("b", (width,), values=np.zeros(width, np.float32))
    model.tensor("h", (rows, width))
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    model.op(Op("FULLY_CONNECTED", ("x", "w", "b"), ("h",), options))
    if then is None:
        return model.save(path, ["x"], ["h"])
    model.tensor("y", (rows, width))
    model.op(then)
    return model.save(path, ["x"], ["y"])


def quantised(path: str, dtype: str = "int8") -> str:
    """Write ``x`` + ``x`` in quantised integers (1, 4, 4, 8), then a 2 x 2 mean: ``y``."""
    zero_point = 128 if dtype == "uint8" else 0
    model = Model()
    model.tensor("x", (1, 4, 4, 8), dtype, scale=0.1, zero_point=zero_point)
    model.tensor("s", (1, 4, 4, 8), dtype, scale=0.2, zero_point=zero_point)
    model.tensor("y", (1, 2, 2, 8), dtype, scale=0.2, zero_point=zero_point)
    model.op(Op("ADD", ("x", "x"), ("s",), schema.AddOptionsT()))
    model.op(Op("AVERAGE_POOL_2D", ("s",), ("y",), pool_options(2)))
    return model.save(path, ["x"], ["y"])


def lookup(path: str, *, rows: int = 5) -> str:
    """Write a table of ``rows`` x 3 that ``ids`` (1, 4) index: ``y`` (1, 4, 3)."""
    model = Model()
    model.tensor("ids", (1, 4), "int32")
    table = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    model.tensor("table", (rows, 3), values=table)
    model.tensor("y", (1, 4, 3))
    model.op(Op("GATHER", ("table", "ids"), ("y",), schema.GatherOptionsT()))
    return model.save(path, ["ids"], ["y"])


def endless(path: str) -> str:
    """Write a loop whose condition always holds: it never gives ``y``."""
    model = schema.ModelT()
    model.version = 3
    always = schema.BufferT()
    always.data = np.array([1], np.uint8)
    model.buffers = [schema.BufferT(), always]
    codes = []
    for kind in (schema.BuiltinOperator.WHILE, schema.BuiltinOperator.ADD):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        codes.append(code)
    model.operatorCodes = codes
    loop = schema.WhileOptionsT()
    loop.condSubgraphIndex, loop.bodySubgraphIndex = 1, 2
    model.subgraphs = [
        _subgraph([("x", "float32", 0), ("y", "float32", 0)], [0], [1], (0, loop)),
        _subgraph([("x", "float32", 0), ("go", "bool", 1)], [0], [1], None),
        _subgraph([("x", "float32", 0), ("y", "float32", 0)], [0], [1], (1, schema.AddOptionsT())),
    ]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    Path(path).write_bytes(bytes(builder.Output()))
    return path


def _subgraph(
    tensors: Sequence[tuple[str, str, int]],
    inputs: list[int],
    outputs: list[int],
    node: tuple[int, Any] | None,
) -> Any:
    """Return a subgraph of at most one node, from its inputs (twice for ADD) to its outputs."""
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    for name, dtype, buffer in tensors:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.buffer = name, _TYPES[dtype], [1], buffer
        graph.tensors.append(tensor)
    graph.inputs, graph.outputs = inputs, outputs
    if node is not None:
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.builtinOptions = node
        name = type(node[1]).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.inputs, operator.outputs = inputs * (2 if name == "AddOptions" else 1), outputs
        graph.operators.append(operator)
    return graph
