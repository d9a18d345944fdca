"""The graph in a TensorFlow Lite file, read by the schema that comes with LiteRT.

The file is a FlatBuffer: offsets that may point anywhere. Every count is checked against a budget
and every index against what is there, so that a damaged or hostile file ends in an error.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from placer.core.graph import UNKNOWN_DIMENSION

IDENTIFIER = b"TFL3"
"""Stands at byte 4 of every file. Source: ``file_identifier`` of TensorFlow's schema.fbs."""
SCHEMA_VERSION = 3
_BUDGET = 4_000_000
"""Numbers and tables to read at most; the largest published models have some 100,000."""
_TABLE = 20
"""What a table takes of the budget, in numbers."""
_MAX_RANK = 32
_BITS = {
    "int2": 2,
    "uint2": 2,
    "int4": 4,
    "uint4": 4,
    "bool": 8,
    "int8": 8,
    "uint8": 8,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
    "int16": 16,
    "uint16": 16,
    "float16": 16,
    "bfloat16": 16,
    "int32": 32,
    "uint32": 32,
    "float32": 32,
    "int64": 64,
    "uint64": 64,
    "float64": 64,
    "complex64": 64,
    "complex128": 128,
}


class DamagedError(Exception):
    """The file does not hold what its format asks for; the message says what."""


class MissingSchemaError(Exception):
    """LiteRT, with the schema of the format, is not installed or cannot be read."""


class UnknownShapeError(Exception):
    """A dimension that a formula needs is not known."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the graph."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """As the file was saved: UNKNOWN_DIMENSION where the signature leaves it open."""
    buffer: int
    """Number of the buffer with its values."""
    is_constant: bool = False
    is_quantised: bool = False
    """Its integers stand for real numbers: it has a scale."""
    is_sparse: bool = False

    @property
    def size(self) -> int:
        """Elements. Raises UnknownShapeError."""
        return math.prod(self.dims)

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape, every dimension known. Raises UnknownShapeError."""
        if UNKNOWN_DIMENSION in self.shape:
            raise UnknownShapeError
        return self.shape

    @property
    def n_bytes(self) -> int | None:
        """Raw size, dense; None: a dimension or the size of an element is not known."""
        bits = _BITS.get(self.dtype)
        if bits is None or UNKNOWN_DIMENSION in self.shape:
            return None
        return -(-math.prod(self.shape) * bits // 8)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator with its operands."""

    op_type: str
    """As the schema spells it: ``CONV_2D``; ``custom::NAME`` of a custom one."""
    version: int
    inputs: tuple[int | None, ...]
    """Numbers of tensors; None: an optional input that is left out."""
    outputs: tuple[int, ...]
    options: Any
    """The schema's table of options; None: it has none."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The first subgraph of a file, the one that an interpreter runs."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: tuple[str, ...]
    """Those of the signature, where there is exactly one; else those of the tensors."""
    output_names: tuple[str, ...]
    activations: dict[int, str]
    """The schema's numbers of fused activations."""

    def with_tensors(self, tensors: Sequence[Tensor]) -> Graph:
        """Return the graph with other knowledge of the same tensors."""
        return replace(self, tensors=tuple(tensors))


@cache
def _schema() -> Any:
    """Load LiteRT's schema module by its file: importing the package would load native code."""
    try:
        package = importlib.util.find_spec("ai_edge_litert")
    except (ImportError, ValueError) as error:
        raise MissingSchemaError(str(error)) from error
    if package is None or not package.submodule_search_locations:
        raise MissingSchemaError("ai-edge-litert is not installed")
    path = Path(next(iter(package.submodule_search_locations))) / "schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("placer_tflite_schema", path)
    if spec is None or spec.loader is None:
        raise MissingSchemaError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a broken or other version: whatever its import raises
        raise MissingSchemaError(f"{path.name} cannot be loaded: {error}") from error
    return module


@cache
def _names(enumeration: str) -> dict[int, str]:
    found = vars(getattr(_schema(), enumeration))
    return {value: name for name, value in found.items() if isinstance(value, int)}


def read_graph(content: bytes) -> Graph:
    """Read the first subgraph of a file.

    Raises
    ------
    DamagedError
        An offset, a count or an index points outside of what is there, or a part is missing.
    MissingSchemaError
        LiteRT is not installed.
    """
    schema = _schema()
    try:
        return _Reading(schema, content).graph()
    except DamagedError:
        raise
    except Exception as error:  # FlatBuffers checks nothing: struct, numpy and Python raise theirs
        raise DamagedError("an offset points outside of the file") from error


class _Reading:
    def __init__(self, schema: Any, content: bytes) -> None:
        self._schema = schema
        self._content = content
        self._left = _BUDGET
        self._model = schema.Model.GetRootAs(content, 0)

    def _take(self, count: int, cost: int = _TABLE) -> int:
        self._left -= count * cost
        if count < 0 or self._left < 0:
            raise DamagedError("it says to hold more parts than any model has")
        return count

    def _numbers(self, table: Any, field: str) -> tuple[int, ...]:
        """Return a vector of whole numbers; empty where there is none."""
        count = self._take(getattr(table, f"{field}Length")(), 1)
        if not count:
            return ()
        return tuple(int(value) for value in getattr(table, f"{field}AsNumpy")())

    @staticmethod
    def _text(raw: bytes | None) -> str:
        try:
            return (raw or b"").decode()
        except UnicodeDecodeError:
            raise DamagedError("its names are not UTF-8") from None

    def graph(self) -> Graph:
        model = self._model
        if model.Version() != SCHEMA_VERSION:
            raise DamagedError(
                f"its schema has the version {model.Version()}, not {SCHEMA_VERSION}"
            )
        if not self._take(model.SubgraphsLength()):
            raise DamagedError("it has no graph")
        sizes = [self._buffer_bytes(index) for index in range(self._take(model.BuffersLength()))]
        subgraph = model.Subgraphs(0)
        count = self._take(subgraph.TensorsLength())
        tensors = [self._tensor(subgraph.Tensors(index), sizes) for index in range(count)]
        inputs = self._indices(self._numbers(subgraph, "Inputs"), count)
        outputs = self._indices(self._numbers(subgraph, "Outputs"), count)
        codes = [
            self._operator_code(model.OperatorCodes(index))
            for index in range(self._take(model.OperatorCodesLength()))
        ]
        nodes = tuple(
            self._node(subgraph.Operators(index), codes, count)
            for index in range(self._take(subgraph.OperatorsLength()))
        )
        if not nodes:
            raise DamagedError("its graph has no nodes")
        made = {*inputs, *(index for node in nodes for index in node.outputs)}
        for index in made:
            tensors[index] = replace(tensors[index], is_constant=False)
        known = made | {index for index, tensor in enumerate(tensors) if tensor.is_constant}
        if not set(outputs) <= known:
            raise DamagedError("an output of the graph is made by none of its nodes")
        names = self._signature()
        return Graph(
            tensors=tuple(tensors),
            nodes=nodes,
            inputs=inputs,
            outputs=outputs,
            input_names=self._tensor_names(tensors, inputs, names[0]),
            output_names=self._tensor_names(tensors, outputs, names[1]),
            activations=_names("ActivationFunctionType"),
        )

    def _buffer_bytes(self, index: int) -> int:
        """Return the size of a buffer, after checking that the file holds all of it."""
        buffer = self._model.Buffers(index)
        size = buffer.DataLength()
        if size:
            buffer.DataAsNumpy()  # raises where it ends outside of the file
            return int(size)
        offset, size = buffer.Offset(), buffer.Size()  # beside the FlatBuffer: models over 2 GiB
        if size > 1 and offset + size > len(self._content):
            raise DamagedError("its weights end outside of the file")
        return int(size) if size > 1 else 0

    def _tensor(self, table: Any, buffer_bytes: Sequence[int]) -> Tensor:
        shape = self._numbers(table, "Shape")
        signature = self._numbers(table, "ShapeSignature")
        if max(len(shape), len(signature)) > _MAX_RANK or any(size < 0 for size in shape):
            raise DamagedError("a tensor has an impossible shape")
        if len(signature) == len(shape):
            shape = tuple(
                size if fixed >= 0 else UNKNOWN_DIMENSION
                for size, fixed in zip(shape, signature, strict=True)
            )
        dtype = _names("TensorType").get(table.Type(), f"type{table.Type()}").lower()
        (buffer,) = self._indices((table.Buffer(),), max(1, len(buffer_bytes)))
        quantisation = table.Quantization()
        tensor = Tensor(
            name=self._text(table.Name()),
            dtype=dtype,
            shape=shape,
            buffer=buffer,
            is_constant=bool(buffer_bytes and buffer_bytes[buffer]) and not table.IsVariable(),
            is_quantised=quantisation is not None and quantisation.ScaleLength() > 0,
            is_sparse=table.Sparsity() is not None,
        )
        needed = tensor.n_bytes
        if tensor.is_constant and needed is not None and not tensor.is_sparse:
            found = buffer_bytes[buffer]
            if found < needed:
                raise DamagedError(
                    f"tensor '{tensor.name}' holds {found} bytes, its shape needs {needed}"
                )
        return tensor

    def _operator_code(self, table: Any) -> tuple[str, int]:
        # files from before 2020 have only the older field, which ends at 127
        code = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
        name = _names("BuiltinOperator").get(code, f"BUILTIN_{code}")
        if name == "CUSTOM":
            name = f"custom::{self._text(table.CustomCode()) or 'unnamed'}"
        return name, table.Version()

    def _node(self, table: Any, codes: Sequence[tuple[str, int]], n_tensors: int) -> Node:
        (place,) = self._indices((table.OpcodeIndex(),), len(codes))
        op_type, version = codes[place]
        inputs = self._numbers(table, "Inputs")
        self._indices([index for index in inputs if index != -1], n_tensors)
        return Node(
            op_type=op_type,
            version=version,
            inputs=tuple(None if index == -1 else index for index in inputs),
            outputs=self._indices(self._numbers(table, "Outputs"), n_tensors),
            options=self._options(table),
        )

    def _options(self, table: Any) -> Any:
        name = _names("BuiltinOptions").get(table.BuiltinOptionsType(), "")
        kind: Any = getattr(self._schema, name, None)
        raw = table.BuiltinOptions()
        if kind is None or raw is None:
            return None
        options = kind()
        options.Init(raw.Bytes, raw.Pos)
        return options

    @staticmethod
    def _indices(indices: Sequence[int], count: int) -> tuple[int, ...]:
        if any(not 0 <= index < count for index in indices):
            raise DamagedError(f"it refers to part {max(indices)} of {count}")
        return tuple(indices)

    def _signature(self) -> tuple[dict[int, str], dict[int, str]]:
        """Return (tensor -> name) of inputs and of outputs; empty without exactly one signature."""
        if self._take(self._model.SignatureDefsLength()) != 1:
            return {}, {}
        signature = self._model.SignatureDefs(0)
        if signature.SubgraphIndex() != 0:
            return {}, {}
        found = []
        for field in ("Inputs", "Outputs"):
            count = self._take(getattr(signature, f"{field}Length")())
            maps = [getattr(signature, field)(index) for index in range(count)]
            found.append({one.TensorIndex(): self._text(one.Name()) for one in maps})
        return found[0], found[1]

    @staticmethod
    def _tensor_names(
        tensors: Sequence[Tensor], indices: Sequence[int], named: dict[int, str]
    ) -> tuple[str, ...]:
        names = tuple(named.get(index, "") for index in indices)
        if all(names) and len(set(names)) == len(names):
            return names
        names = tuple(tensors[index].name for index in indices)
        if all(names) and len(set(names)) == len(names):
            return names
        return tuple(f"{name or 'tensor'}#{place}" for place, name in enumerate(names))
