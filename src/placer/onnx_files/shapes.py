"""Shapes, constants and small known values of every tensor, by walking a graph once.

onnx infers the outputs of one node at a time; what it cannot know (values that become shapes,
bodies of If, Loop and Scan, ONNX Runtime's own operators) is filled in here. Weights are never
touched, only their dimensions.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from placer.core.errors import InputError
from placer.core.graph import UNKNOWN_DIMENSION
from placer.onnx_files.shapes_classic import CLASSIC, classic_output

VALUE_LIMIT = 4096
"""Elements up to which a value is followed: shapes, axes and scales, never weights."""
UNDEFINED = "undefined"
"""Name of an element type that is missing or that the installed onnx does not know."""
MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's contributed operators."""

_NOT_FOLDED = frozenset(
    (
        "If",
        "Loop",
        "Scan",
        "SequenceMap",
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    )
)
"""Control flow is walked; random numbers differ in every inference."""

EQUATION = re.compile(rb"[A-Za-z,. ]+(->[A-Za-z. ]*)?")
"""onnx 1.23 never returns from an Einsum with any other character."""


class UnknownShapeError(Exception):
    """A formula asked for a dimension that is not known; never leaves this package."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a tensor before anything runs."""

    dtype: str | None = None
    """Name as in TensorSpec; None: unknown."""
    shape: tuple[int, ...] | None = None
    """UNKNOWN_DIMENSION where a dimension is unknown; None: unknown rank."""
    value: np.ndarray | None = field(default=None, compare=False)
    """The value where it is small and known."""
    constant: bool = False
    """The same in every inference: the runtime computes it once."""

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape. Raises UnknownShapeError unless every dimension is known."""
        if self.shape is None or UNKNOWN_DIMENSION in self.shape:
            raise UnknownShapeError
        return self.shape

    @property
    def size(self) -> int:
        """Number of elements. Raises UnknownShapeError."""
        return math.prod(self.dims)

    @property
    def n_bytes(self) -> int | None:
        """Bytes of the raw tensor; None where the shape or the element size is unknown."""
        try:
            return byte_count(self.dtype or "", self.size)
        except UnknownShapeError:
            return None


UNKNOWN = Tensor()


@dataclass(frozen=True, slots=True)
class Body:
    """A branch of If, or the body of Loop or Scan."""

    steps: tuple[Step, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One node with what is known of its tensors."""

    domain: str
    """Empty for the default domain."""
    op_type: str
    version: int
    """Of the domain's operator set."""
    attributes: Mapping[str, Any]
    input_names: tuple[str, ...]
    inputs: tuple[Tensor | None, ...]
    """None: left out."""
    outputs: tuple[Tensor | None, ...]
    folded: bool
    """All inputs are constant: the runtime computes it once, when it loads the model."""
    bodies: tuple[Body, ...] = ()
    """Branches that may run: one where the condition of If is known, else two."""
    trips: int | None = None
    """How often the body of Loop or Scan runs; None: it depends on the data."""

    def has(self, index: int) -> bool:
        """Say whether an optional input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> Tensor:
        """Return an input; an unknown one if it is left out."""
        return (self.inputs[index] if index < len(self.inputs) else None) or UNKNOWN

    def output(self, index: int = 0) -> Tensor:
        """Return an output; an unknown one if it is left out."""
        return (self.outputs[index] if index < len(self.outputs) else None) or UNKNOWN

    def value(self, index: int) -> np.ndarray:
        """Return the known value of an input. Raises UnknownShapeError."""
        value = self.input(index).value
        if value is None:
            raise UnknownShapeError
        return value


@dataclass(frozen=True, slots=True)
class Trace:
    """The nodes of a model in their order, and its outputs."""

    steps: tuple[Step, ...]
    outputs: tuple[Tensor, ...]


def dtype_name(element_type: int) -> str:
    """Return numpy's name of an ONNX element type, else ONNX's own in lower case."""
    import onnx

    if element_type not in onnx.TensorProto.DataType.values():
        return UNDEFINED
    name = str(onnx.TensorProto.DataType.Name(element_type)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def byte_count(dtype: str, size: int) -> int | None:
    """Return the bytes of ``size`` elements, sub-byte types packed; None: no fixed element size."""
    if dtype == "bool":
        return size
    match = re.match(r"(?:u?int|b?float|complex)(\d+)", dtype)
    return -(-size * int(match.group(1)) // 8) if match else None


def trace_model(
    model: Any,
    *,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    symbols: Mapping[str, int] | None = None,
) -> Trace:
    """Walk a model once.

    Parameters
    ----------
    model
        onnx.ModelProto without local functions. Initializers above VALUE_LIMIT elements need
        only their dimensions.
    input_shapes
        Shapes of graph inputs, where the model leaves them open.
    symbols
        Values of symbolic dimensions, where a declared shape uses them.
    """
    tracer = _Tracer(model, symbols or {})
    given = input_shapes or {}
    constants = _initializers(model.graph)
    inputs = {}
    for info in model.graph.input:
        if info.name not in constants:
            tensor = tracer.declared(info)
            inputs[info.name] = replace(tensor, shape=given.get(info.name, tensor.shape))
    body = tracer.walk(model.graph, ChainMap(inputs))
    return Trace(body.steps, body.outputs)


class _Tracer:
    def __init__(self, model: Any, symbols: Mapping[str, int]) -> None:
        self._opsets = [_normal_opset(opset) for opset in model.opset_import]
        self._versions = {opset.domain: int(opset.version) for opset in self._opsets}
        self._symbols = symbols

    def declared(self, info: Any) -> Tensor:
        return _from_type(info.type, self._symbols)

    def walk(self, graph: Any, scope: ChainMap[str, Tensor]) -> Body:
        declared = {info.name: info for info in (*graph.value_info, *graph.output)}
        scope.update(_initializers(graph))
        steps = []
        for node in graph.node:
            step = self._step(node, scope)
            outputs: list[Tensor | None] = []
            for name, tensor in zip_longest(node.output, step.outputs[: len(node.output)]):
                complete = tensor or UNKNOWN
                if name in declared:
                    complete = _merge(complete, self.declared(declared[name]))
                if name:
                    scope[name] = complete
                outputs.append(complete if name else None)
            steps.append(replace(step, outputs=tuple(outputs)))
        return Body(tuple(steps), tuple(scope.get(info.name, UNKNOWN) for info in graph.output))

    def _step(self, node: Any, scope: ChainMap[str, Tensor]) -> Step:
        from onnx import helper

        domain = "" if node.domain == "ai.onnx" else node.domain
        inputs = tuple(scope.get(name, UNKNOWN) if name else None for name in node.input)
        step = Step(
            domain=domain,
            op_type=node.op_type,
            version=self._versions.get(domain, 1),
            attributes={
                attribute.name: helper.get_attribute_value(attribute)
                for attribute in node.attribute
                if not attribute.ref_attr_name
            },
            input_names=tuple(node.input),
            inputs=inputs,
            outputs=(UNKNOWN,) * len(node.output),
            folded=domain in ("", MICROSOFT)
            and node.op_type not in _NOT_FOLDED
            and all(tensor is None or tensor.constant for tensor in inputs),
        )
        if domain == "":
            match node.op_type:
                case "Constant":
                    return replace(step, outputs=(_constant(node, step),))
                case "Shape" | "Size":
                    return _shape_of(step)
                case "If":
                    return self._if(step, scope)
                case "Loop":
                    return self._loop(step, scope)
                case "Scan":
                    return self._scan(step, scope)
        outputs = self._infer(node, step)
        if step.folded:
            outputs = tuple(replace(tensor, constant=True) for tensor in outputs)
            if domain == "" and _worth_a_value(step, outputs):
                outputs = self._evaluate(node, inputs, outputs)
        return replace(step, outputs=outputs)

    def _infer(self, node: Any, step: Step) -> tuple[Tensor, ...]:
        import onnx
        from onnx import numpy_helper, shape_inference

        if step.domain == MICROSOFT:
            return self._infer_contributed(node, step)
        known = _classic(step)
        if known is not None:
            return known
        if node.op_type == "Einsum" and not EQUATION.fullmatch(
            step.attributes.get("equation", b"")
        ):
            return (UNKNOWN,) * len(node.output)
        types, data = {}, {}
        for name, tensor in zip(node.input, step.inputs, strict=True):
            if tensor is not None:
                types[name] = to_type(tensor)
                if tensor.value is not None:
                    data[name] = numpy_helper.from_array(tensor.value, name)
        try:
            schema = onnx.defs.get_schema(node.op_type, step.version, step.domain)
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=self._opsets
            )
        except (
            onnx.defs.SchemaError,
            onnx.checker.ValidationError,
            shape_inference.InferenceError,
            ValueError,
            RuntimeError,
        ):
            found = {}
        return tuple(
            _from_type(found[name], None) if name in found else UNKNOWN for name in node.output
        )

    def _infer_contributed(self, node: Any, step: Step) -> tuple[Tensor, ...]:
        try:
            known = self._contributed(node, step)
        except (UnknownShapeError, IndexError, KeyError):
            known = ()
        return (*known, *(UNKNOWN,) * len(node.output))[: len(node.output)]

    def _contributed(self, node: Any, step: Step) -> tuple[Tensor, ...]:
        """Shapes of ONNX Runtime's operators, from its ContribOperators.md."""
        first, attributes = step.input(0), step.attributes
        if step.op_type in _SAME_AS:
            index = _SAME_AS[step.op_type]
            return (_varying(step.input(index)),)
        if step.op_type in _ALIASES:
            return self._infer_as(node, step, *_ALIASES[step.op_type])
        match step.op_type:
            case "QLinearConcat":  # scale and zero point stand before, then behind each input
                return self._infer_as(node, step, "Concat", range(2, len(step.inputs), 3))
            case "QLinearAveragePool" | "QLinearGlobalAveragePool":
                if attributes.get("channels_last"):
                    return ()
                return self._infer_as(node, step, step.op_type.removeprefix("QLinear"), (0,))
            case "FusedMatMul":
                if attributes.get("transBatchA") or attributes.get("transBatchB"):
                    return ()
                a, b = first.dims, step.input(1).dims
                a = (*a[:-2], a[-1], a[-2]) if attributes.get("transA") else a
                b = (*b[:-2], b[-1], b[-2]) if attributes.get("transB") else b
                batch = np.broadcast_shapes(a[:-2], b[:-2])
                return (Tensor(first.dtype, (*batch, a[-2], b[-1])),)
            case "MatMulNBits":
                return (Tensor(first.dtype, (*first.dims[:-1], int(attributes["N"]))),)
            case "MatMulIntegerToFloat" | "DynamicQuantizeMatMul":
                (product,) = self._infer_as(node, step, "MatMul", (0, 1))
                return (replace(product, dtype="float32"),)
            case "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization":
                return (_varying(first), UNKNOWN, UNKNOWN, _varying(first))
            case "EmbedLayerNormalization":
                table = step.input(2)
                return (Tensor(table.dtype, (*first.dims, table.dims[1])),)
            case "Attention" | "QAttention":
                weight = step.input(1)
                sizes = attributes.get("qkv_hidden_sizes") or [weight.dims[1] // 3] * 3
                dtype = step.input(3).dtype if step.op_type == "QAttention" else first.dtype
                return (Tensor(dtype, (*first.dims[:2], int(sizes[2]))),)
            case "MultiHeadAttention":
                value = step.input(2).dims if step.has(2) else first.dims
                if len(first.dims) == 5:
                    value = (*first.dims[:2], first.dims[2] * first.dims[4])
                elif len(value) == 4:
                    value = (*first.dims[:2], value[1] * value[3])
                return (Tensor(first.dtype, (*first.dims[:2], value[-1])),)
            case "GroupQueryAttention":
                heads, kv_heads = int(attributes["num_heads"]), int(attributes["kv_num_heads"])
                hidden = first.dims[2]
                if not step.has(1):
                    hidden = hidden * heads // (heads + 2 * kv_heads)
                past = step.input(3).dims[2] if step.has(3) else 0
                present = (first.dims[0], kv_heads, past + first.dims[1], hidden // heads)
                cache = Tensor(first.dtype, present)
                return (Tensor(first.dtype, (*first.dims[:2], hidden)), cache, cache)
        return ()

    def _infer_as(
        self, node: Any, step: Step, op_type: str, positions: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """Infer as if the node were another one, of the default domain.

        That one may not take the types of quantised tensors: it gets floats, and the type of the
        first input is put back.
        """
        import onnx

        twin = onnx.NodeProto(op_type=op_type, output=node.output)
        twin.input.extend(node.input[i] for i in positions if i < len(node.input))
        kept = onnx.defs.get_schema(op_type, self._versions.get("", 1), "").attributes
        twin.attribute.extend(a for a in node.attribute if a.name in kept)
        inputs = tuple(step.inputs[i] for i in positions if i < len(step.inputs))
        version = self._versions.get("", 1)
        if op_type in _CHANGES_TYPE:
            return self._infer(twin, replace(step, domain="", version=version, inputs=inputs))
        floats = tuple(
            None if tensor is None else replace(tensor, dtype="float32", value=None)
            for tensor in inputs
        )
        found = self._infer(twin, replace(step, domain="", version=version, inputs=floats))
        return tuple(replace(tensor, dtype=step.input(positions[0]).dtype) for tensor in found)

    def _evaluate(
        self, node: Any, inputs: Sequence[Tensor | None], outputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        from onnx import TypeProto, helper
        from onnx.reference import ReferenceEvaluator

        feeds = {
            name: tensor.value
            for name, tensor in zip(node.input, inputs, strict=True)
            if tensor is not None
        }
        graph = helper.make_graph(
            [node],
            "constant",
            [helper.make_value_info(name, TypeProto()) for name in feeds],
            [helper.make_value_info(name, TypeProto()) for name in node.output if name],
        )
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                model = helper.make_model(graph, opset_imports=self._opsets)
                found = iter(ReferenceEvaluator(model).run(None, feeds))
        except Exception:  # each operator raises its own kinds; without a value, less is known
            return outputs
        values = [next(found) if name else None for name in node.output]
        return tuple(
            _known(value, tensor) if isinstance(value, np.ndarray | np.generic) else tensor
            for value, tensor in zip(values, outputs, strict=True)
        )

    def _if(self, step: Step, scope: ChainMap[str, Tensor]) -> Step:
        branches = ["then_branch", "else_branch"]
        condition = step.input(0).value
        if condition is not None:
            branches = [branches[0] if bool(condition.reshape(-1)[0]) else branches[1]]
        bodies = tuple(self.walk(step.attributes[name], scope.new_child()) for name in branches)
        outputs = bodies[0].outputs
        for body in bodies[1:]:
            outputs = tuple(_either(a, b) for a, b in zip(outputs, body.outputs, strict=False))
        return replace(step, bodies=bodies, outputs=outputs)

    def _loop(self, step: Step, scope: ChainMap[str, Tensor]) -> Step:
        graph = step.attributes["body"]
        condition = step.input(1).value if step.has(1) else np.asarray(True)
        flag = Tensor("bool", (), value=condition, constant=condition is not None)
        names = [info.name for info in graph.input]
        states = [_varying(tensor or UNKNOWN) for tensor in step.inputs[2:]]
        while True:
            args = [Tensor("int64", ()), flag, *states]
            body = self.walk(graph, scope.new_child(dict(zip(names, args, strict=False))))
            after = body.outputs[1 : len(states) + 1]
            met = [_either(a, b) for a, b in zip(states, after, strict=False)]
            if met == states[: len(met)]:  # shapes only ever become less known: this ends
                break
            states[: len(met)] = met
        goes_on = not step.has(1) or _is_true(body.outputs[0].value)
        trips = None
        if condition is not None and not _is_true(condition):
            trips = 0
        elif step.has(0) and step.input(0).value is not None and goes_on and condition is not None:
            trips = max(0, int(step.value(0).reshape(-1)[0]))
        scans = [
            Tensor(t.dtype, None if t.shape is None else (_dimension(trips), *t.shape))
            for t in body.outputs[1 + len(states) :]
        ]
        return replace(step, bodies=(body,), trips=trips, outputs=(*states, *scans))

    def _scan(self, step: Step, scope: ChainMap[str, Tensor]) -> Step:
        n_scans = int(step.attributes["num_scan_inputs"])
        if step.version < 9 or not 0 <= n_scans <= len(step.inputs):  # Scan-8 had a batch axis
            return step
        graph = step.attributes["body"]
        n_states = len(step.inputs) - n_scans
        tensors = [tensor or UNKNOWN for tensor in step.inputs]
        axes = step.attributes.get("scan_input_axes") or [0] * n_scans
        trips = None
        slices = []
        for tensor, axis in zip(tensors[n_states:], axes, strict=False):
            if tensor.shape is None or not -len(tensor.shape) <= axis < len(tensor.shape):
                slices.append(Tensor(tensor.dtype))
                continue
            rest = list(tensor.shape)
            length = rest.pop(axis)
            trips = length if length != UNKNOWN_DIMENSION else trips
            slices.append(Tensor(tensor.dtype, tuple(rest)))
        names = [info.name for info in graph.input]
        states = [_varying(tensor) for tensor in tensors[:n_states]]
        args = dict(zip(names, [*states, *slices], strict=False))
        body = self.walk(graph, scope.new_child(args))
        out_axes = step.attributes.get("scan_output_axes") or [0] * len(body.outputs)
        scans = []
        for tensor, axis in zip(body.outputs[n_states:], out_axes, strict=False):
            whole = None if tensor.shape is None else list(tensor.shape)
            if whole is not None:
                whole.insert(axis if axis >= 0 else len(whole) + 1 + axis, _dimension(trips))
            scans.append(Tensor(tensor.dtype, None if whole is None else tuple(whole)))
        outputs = (*body.outputs[:n_states], *scans)
        return replace(step, bodies=(body,), trips=trips, outputs=outputs)


_SAME_AS = {
    "BiasGelu": 0,
    "FastGelu": 0,
    "Gelu": 0,
    "GroupNorm": 0,
    "LayerNormalization": 0,
    "QLinearLeakyRelu": 0,
    "QLinearSigmoid": 0,
    "QLinearSoftmax": 0,
    "QuickGelu": 0,
    "RotaryEmbedding": 0,
    "SimplifiedLayerNormalization": 0,
}
_ALIASES: dict[str, tuple[str, tuple[int, ...]]] = {
    "DequantizeLinear": ("DequantizeLinear", (0, 1, 2)),
    "FusedConv": ("Conv", (0, 1, 2)),
    "FusedGemm": ("Gemm", (0, 1, 2)),
    "QGemm": ("Gemm", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QuantizeLinear": ("QuantizeLinear", (0, 1, 2)),
}

_CHANGES_TYPE = frozenset(("DequantizeLinear", "QuantizeLinear"))
"""Aliases whose output has another type than their input."""


def _classic(step: Step) -> tuple[Tensor, ...] | None:
    given = [
        (tensor.dtype, tensor.shape)
        for tensor in step.inputs
        if tensor is not None and tensor.shape is not None
    ]
    if step.domain != CLASSIC or len(given) < len(step.inputs) or len(step.outputs) != 1:
        return None
    found = classic_output(step.op_type, step.attributes, given)
    return None if found is None else (Tensor(*found),)


def _of_proto(proto: Any) -> Tensor:
    """Return a weight's tensor, with its value if it is small."""
    from onnx import numpy_helper

    tensor = Tensor(dtype_name(proto.data_type), tuple(proto.dims), constant=True)
    if tensor.size > VALUE_LIMIT:
        return tensor
    try:
        return replace(tensor, value=numpy_helper.to_array(proto))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"tensor '{proto.name}' holds data that does not fit its type and shape",
            hint="export the model again",
        ) from error


def _initializers(graph: Any) -> dict[str, Tensor]:
    found = {}
    for proto in graph.initializer:
        found[proto.name] = _of_proto(proto)
    for sparse in graph.sparse_initializer:
        dtype = dtype_name(sparse.values.data_type)
        found[sparse.values.name] = Tensor(dtype, tuple(sparse.dims), constant=True)
    return found


def _constant(node: Any, step: Step) -> Tensor:
    from onnx import AttributeProto

    if len(node.attribute) != 1:
        return UNKNOWN
    (attribute,) = node.attribute
    content = step.attributes[attribute.name]
    if attribute.type == AttributeProto.SPARSE_TENSOR:
        return Tensor(dtype_name(content.values.data_type), tuple(content.dims), constant=True)
    if attribute.type == AttributeProto.TENSOR:
        return _of_proto(content)
    if attribute.name.startswith("value_string"):
        shape = () if attribute.name == "value_string" else (len(content),)
        return Tensor("string", shape, constant=True)
    dtype = np.float32 if attribute.name.startswith("value_float") else np.int64
    return _known(np.asarray(content, dtype=dtype), UNKNOWN)


def _shape_of(step: Step) -> Step:
    shape = step.input(0).shape
    if shape is None:
        return replace(step, outputs=(Tensor("int64", () if step.op_type == "Size" else None),))
    if step.op_type == "Shape":
        shape = shape[step.attributes.get("start", 0) : step.attributes.get("end")]
    if UNKNOWN_DIMENSION in shape:
        shape_shape = () if step.op_type == "Size" else (len(shape),)
        return replace(step, outputs=(Tensor("int64", shape_shape),))
    value = math.prod(shape) if step.op_type == "Size" else shape
    output = _known(np.asarray(value, dtype=np.int64), UNKNOWN)
    return replace(step, outputs=(output,), folded=True)


def _worth_a_value(step: Step, outputs: Sequence[Tensor]) -> bool:
    if any(tensor is not None and tensor.value is None for tensor in step.inputs):
        return False
    try:
        return step.op_type == "NonZero" or all(t.size <= VALUE_LIMIT for t in outputs)
    except UnknownShapeError:
        return False


def _known(value: np.ndarray | np.generic, tensor: Tensor) -> Tensor:
    array = np.asarray(value)
    return Tensor(tensor.dtype or array.dtype.name, array.shape, array, constant=True)


def _varying(tensor: Tensor) -> Tensor:
    return replace(tensor, value=None, constant=False)


def _is_true(value: np.ndarray | None) -> bool:
    return value is not None and bool(value.reshape(-1)[0])


def _dimension(count: int | None) -> int:
    return UNKNOWN_DIMENSION if count is None else count


def _either(a: Tensor, b: Tensor) -> Tensor:
    """Return what holds for both."""
    dtype = a.dtype if a.dtype == b.dtype else None
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return Tensor(dtype)
    shape = (m if m == n else UNKNOWN_DIMENSION for m, n in zip(a.shape, b.shape, strict=True))
    return Tensor(dtype, tuple(shape))


def _merge(found: Tensor, declared: Tensor) -> Tensor:
    """Complete what was inferred by what the file declares."""
    if found.shape is None:
        shape = declared.shape
    elif declared.shape is None or len(declared.shape) != len(found.shape):
        shape = found.shape
    else:
        shape = tuple(
            d if f == UNKNOWN_DIMENSION else f
            for f, d in zip(found.shape, declared.shape, strict=True)
        )
    return replace(found, dtype=found.dtype or declared.dtype, shape=shape)


def _kind(type_proto: Any) -> str | None:
    """``sequence``, ``map``, ``optional`` or ``sparse_tensor``; None: no type at all."""
    field = type_proto.WhichOneof("value")
    return None if field is None else str(field).removesuffix("_type")


def _from_type(type_proto: Any, symbols: Mapping[str, int] | None) -> Tensor:
    """Convert a declared type, where a dimension of 0 means unknown, or (None) an inferred one."""
    if not type_proto.HasField("tensor_type"):
        return Tensor(dtype=_kind(type_proto))
    tensor = type_proto.tensor_type
    dtype = dtype_name(tensor.elem_type) if tensor.elem_type else None
    if not tensor.HasField("shape"):
        return Tensor(dtype)
    least = 0 if symbols is None else 1
    dims = []
    for dim in tensor.shape.dim:
        value = UNKNOWN_DIMENSION
        if dim.HasField("dim_value"):
            value = int(dim.dim_value)
        elif symbols is not None:
            value = symbols.get(dim.dim_param, UNKNOWN_DIMENSION)
        dims.append(value if value >= least else UNKNOWN_DIMENSION)
    return Tensor(dtype, tuple(dims))


def to_type(tensor: Tensor) -> Any:
    """Return what is known of a tensor as an onnx.TypeProto."""
    import onnx

    proto = onnx.TypeProto()
    if tensor.dtype is None:
        return proto
    names = {"float32": "FLOAT", "float64": "DOUBLE"}
    name = names.get(tensor.dtype, tensor.dtype.upper())
    if name not in onnx.TensorProto.DataType.keys():  # noqa: SIM118  # an enum wrapper, no dict
        return proto
    proto.tensor_type.elem_type = onnx.TensorProto.DataType.Value(name)
    if tensor.shape is not None:
        proto.tensor_type.shape.SetInParent()
        for value in tensor.shape:
            dim = proto.tensor_type.shape.dim.add()
            if value != UNKNOWN_DIMENSION:
                dim.dim_value = value
    return proto


def _normal_opset(opset: Any) -> Any:
    from onnx import helper

    return helper.make_opsetid("" if opset.domain == "ai.onnx" else opset.domain, opset.version)
