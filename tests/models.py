"""ONNX models for tests and benchmarks, with seeded random weights.

Opset 17 and IR 8, which every supported ONNX Runtime runs. Weights are scaled so that values keep
their size from layer to layer: no overflow, no denormal numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

_ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float64": TensorProto.DOUBLE,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


def tensor(name: str, shape: Sequence[int | str | None] | None, dtype: str = "float32") -> Any:
    """Declare an input or output; names stand for symbolic dimensions, None for an open rank."""
    return helper.make_tensor_value_info(name, _ELEMENT_TYPES[dtype], shape)


def weights(name: str, *shape: int, fan_in: int = 1, seed: int = 0) -> Any:
    """Draw a float32 initializer of standard deviation sqrt(2 / fan_in), as for Relu (He)."""
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return numpy_helper.from_array(values * np.float32((2 / fan_in) ** 0.5), name)


def integers(name: str, *values: int) -> Any:
    """Make a one-dimensional int64 initializer, as shapes and axes are given."""
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def build(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    initializers: Sequence[Any] = (),
    *,
    opset: int = OPSET,
    domains: Sequence[str] = (),
    value_info: Sequence[Any] = (),
    functions: Sequence[Any] = (),
) -> Any:
    """Make a model of one graph; every domain is imported in version 1."""
    graph = helper.make_graph(
        nodes, "test", inputs, outputs, initializer=initializers, value_info=value_info
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(
        graph, opset_imports=imports, functions=functions, producer_name="placer tests"
    )
    model.ir_version = max(IR_VERSION, 10 if opset > 20 else IR_VERSION)
    return model


def mlp(path: str, width: int, layers: int) -> None:
    """Write ``layers`` times Gemm (width x width, bias) and Relu; x (1, width) -> y (1, width)."""
    nodes, initializers, value = [], [], "x"
    for layer in range(layers):
        out = "y" if layer == layers - 1 else f"relu{layer}"
        nodes += [
            helper.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], [f"gemm{layer}"]),
            helper.make_node("Relu", [f"gemm{layer}"], [out]),
        ]
        initializers += [
            weights(f"w{layer}", width, width, fan_in=width, seed=layer),
            weights(f"b{layer}", width, fan_in=200, seed=layer),
        ]
        value = out
    shape = (1, width)
    onnx.save(build(nodes, [tensor("x", shape)], [tensor("y", shape)], initializers), path)


def linear(path: str, source: Any, values: Any, bias: Any, *, is_softmax: bool = True) -> None:
    """Write a linear classifier, with the input and output of another model of one image.

    Parameters
    ----------
    source
        The other model, of which shapes and names are taken.
    values, bias
        Of shape (pixels, classes) and (classes,).
    is_softmax
        False: it gives its logits.
    """
    (taken,), (given,) = source.graph.input, source.graph.output
    last = ["z"] if is_softmax else [given.name]
    nodes = [
        helper.make_node("Flatten", [taken.name], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], last),
        *([helper.make_node("Softmax", last, [given.name])] if is_softmax else []),
    ]
    initializers = [
        numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)
        for name, array in (("w", values), ("b", bias))
    ]
    onnx.save(build(nodes, [taken], [given], initializers), path)


def conv_net(path: str, size: int, channels: int, layers: int) -> None:
    """Write ``layers`` times Conv 3x3 and Relu, then a global average.

    x (1, 3, size, size) -> y (1, channels); each layer but the first takes
    18 x channels^2 x size^2 operations.
    """
    nodes, initializers, value, width = [], [], "x", 3
    for layer in range(layers):
        name = f"w{layer}"
        nodes += [
            helper.make_node("Conv", [value, name], [f"conv{layer}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]),
        ]
        initializers.append(weights(name, channels, width, 3, 3, fan_in=9 * width, seed=layer))
        value, width = f"relu{layer}", channels
    nodes += [
        helper.make_node("GlobalAveragePool", [value], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    model = build(
        nodes, [tensor("x", (1, 3, size, size))], [tensor("y", (1, channels))], initializers
    )
    onnx.save(model, path)


def chain(path: str, nodes: int) -> None:
    """Write ``nodes`` times Tanh; x (1, 8) -> y (1, 8)."""
    names = ["x", *(f"t{i}" for i in range(1, nodes)), "y"]
    built = [helper.make_node("Tanh", [a], [b]) for a, b in pairwise(names)]
    onnx.save(build(built, [tensor("x", (1, 8))], [tensor("y", (1, 8))]), path)


def symbolic(path: str) -> None:
    """Write a Conv of x (batch, 3, 32, 32) -> y (batch, 8, 30, 30)."""
    model = build(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        [tensor("x", ("batch", 3, 32, 32))],
        [tensor("y", ("batch", 8, 30, 30))],
        [weights("w", 8, 3, 3, 3, fan_in=27)],
    )
    onnx.save(model, path)


def two_inputs(path: str) -> None:
    """Write x (batch, 4) + y (batch, 4) * 0.5 -> z (batch, 4)."""
    model = build(
        [helper.make_node("Mul", ["y", "half"], ["m"]), helper.make_node("Add", ["x", "m"], ["z"])],
        [tensor("x", ("batch", 4)), tensor("y", ("batch", 4))],
        [tensor("z", ("batch", 4))],
        [numpy_helper.from_array(np.array([0.5], dtype=np.float32), "half")],
    )
    onnx.save(model, path)


def external_data(path: str) -> None:
    """Write x (1, 128) times w (128, 64), with w in ``<name>.data`` beside the model."""
    model = build(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [tensor("x", (1, 128))],
        [tensor("y", (1, 64))],
        [weights("w", 128, 64, fan_in=128)],
    )
    location = f"{Path(path).name}.data"
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)


def dtypes(path: str, dtype: str) -> None:
    """Write an Identity of x (2, 3) -> y (2, 3) of an element type, as TensorSpec calls it."""
    model = build(
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", (2, 3), dtype)],
        [tensor("y", (2, 3), dtype)],
    )
    onnx.save(model, path)


def custom_op(path: str) -> None:
    """Write a node of a domain that no runtime knows; onnx.checker accepts it."""
    model = build(
        [helper.make_node("Mystery", ["x"], ["y"], domain="test.unknown")],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        domains=["test.unknown"],
    )
    onnx.save(model, path)
