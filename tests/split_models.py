"""ONNX models to cut: small ones of every shape that a cut trips over, and two published ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from placer.onnx_files.calibration_models import Net, bottlenecks, dense, encoder, residual
from tests.models import build, integers, tensor, weights


def _model(net: Net, value: str) -> Any:
    return net.model(value)


def straight() -> Any:
    """Convolutions one after the other."""
    net = Net(3, 16, 16)
    value = net.conv(net.conv(net.conv(net.x, 16), 16), 16, stride=2)
    return _model(net, net.head(value, 10))


def residuals() -> Any:
    """Short cuts, as ResNet."""
    net = Net(3, 32, 32)
    return _model(net, residual(net, channels=(16, 32), counts=(2, 2)))


def large_kernels() -> Any:
    """Short cuts and pools between tensors of a megabyte."""
    net = Net(3, 128, 128)
    value = net.conv(net.x, 16)
    for _ in range(4):
        value = net.pool(net.add(net.conv(value, 16), value), 3, 1)
    return _model(net, net.head(value, 10))


def inception() -> Any:
    """Four branches joined, twice."""
    net = Net(3, 24, 24)
    value = net.pool(net.conv(net.x, 16), 3, 2)
    for _ in range(2):
        value = net.concat(
            net.conv(value, 16, 1),
            net.conv(net.conv(value, 8, 1), 16),
            net.conv(net.conv(net.conv(value, 8, 1), 16), 16),
            net.conv(net.pool(value, 3, 1), 16, 1),
        )
    return _model(net, net.head(value, 10))


def densely() -> Any:
    """Every layer sees all before it."""
    net = Net(3, 32, 32)
    return _model(net, dense(net, growth=8, counts=(2, 2)))


def transformer() -> Any:
    """Attention and feed-forward, twice."""
    net = Net(12, 16)
    return _model(net, encoder(net, net.x, 2, 2))


def skip_from_input() -> Any:
    """x -> two convolutions -> + x: the input is needed at the end."""
    net = Net(8, 12, 12)
    inner = net.conv(net.conv(net.x, 16), 8, act=None)
    return _model(net, net.conv(net.add(inner, net.x), 8))


def two_outputs() -> Any:
    """An early answer on the way to the late one."""
    net = Net(3, 16, 16)
    first = net.conv(net.x, 16)
    early = net.op("GlobalAveragePool", [first], (1, 16, 1, 1))
    late = net.head(net.conv(net.conv(first, 16), 16), 10)
    model = net.model(late)
    model.graph.output.append(
        helper.make_tensor_value_info(early, TensorProto.FLOAT, net.shape(early))
    )
    return model


def dead_end() -> Any:
    """A branch that no output needs."""
    net = Net(3, 16, 16)
    first = net.conv(net.x, 16)
    net.op("Sigmoid", [net.conv(first, 8)], (1, 8, 16, 16))
    return net.model(net.head(net.conv(first, 16), 10))


CUTTABLE: dict[str, Callable[[], Any]] = {
    "straight": straight,
    "residuals": residuals,
    "inception": inception,
    "densely": densely,
    "transformer": transformer,
    "skip_from_input": skip_from_input,
    "two_outputs": two_outputs,
    "dead_end": dead_end,
}


def constant_subgraphs() -> Any:
    """Weights that nodes make: ConstantOfShape, a Reshape of a weight, and Shape of the input.

    x (1, 8) -> a = x @ reshape(w) -> b = a + ones -> y = reshape(b, shape of x) @ v.
    """
    nodes = [
        helper.make_node("Reshape", ["flat", "square"], ["matrix"]),
        helper.make_node("MatMul", ["x", "matrix"], ["a"]),
        helper.make_node(
            "ConstantOfShape",
            ["width"],
            ["ones"],
            value=numpy_helper.from_array(np.array([1], np.float32)),
        ),
        helper.make_node("Add", ["a", "ones"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("MatMul", ["d", "matrix"], ["e"]),
        helper.make_node("Tanh", ["e"], ["y"]),
    ]
    return build(
        nodes,
        [tensor("x", (1, 64))],
        [tensor("y", (1, 64))],
        [
            weights("flat", 64 * 64, fan_in=64),
            integers("square", 64, 64),
            integers("width", 64),
        ],
    )


def symbolic_batch() -> Any:
    """x (batch, 3, 8, 8): convolutions, and a Reshape to (batch, -1) by the shape of x."""
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["r0", "to"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w1"], ["y"]),
    ]
    return build(
        nodes,
        [tensor("x", ("batch", 3, 8, 8))],
        [tensor("y", ("batch", 10))],
        [
            weights("w0", 4, 3, 3, 3, fan_in=27),
            integers("zero", 0),
            integers("rest", -1),
            weights("w1", 256, 10, fan_in=256),
        ],
    )


def data_dependent() -> Any:
    """x (16) -> relu -> the positions that are not zero -> as many numbers -> their sum y (1)."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"]),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("NonZero", ["r"], ["where"]),
        helper.make_node("Cast", ["where"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["places"], ["s"], keepdims=1),
        helper.make_node("Add", ["s", "half"], ["y"]),
    ]
    half = numpy_helper.from_array(np.array([[0.5]], np.float32), "half")
    return build(nodes, [tensor("x", (16,))], [tensor("y", (1, 1))], [half])


def control_flow() -> Any:
    """y = x + 1 where the sum of x is positive, else x * 2."""
    one = numpy_helper.from_array(np.array([1], np.float32), "one")
    branches = [
        helper.make_graph(
            [helper.make_node(kind, ["x", constant], [out])],
            out,
            [],
            [tensor(out, (1, 4))],
        )
        for kind, constant, out in (("Add", "one", "more"), ("Mul", "two", "twice"))
    ]
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node(
            "If", ["positive"], ["z"], then_branch=branches[0], else_branch=branches[1]
        ),
        helper.make_node("Tanh", ["z"], ["y"]),
    ]
    return build(
        nodes,
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4))],
        [
            one,
            numpy_helper.from_array(np.array([2], np.float32), "two"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
        ],
    )


def old_ir(model: Any) -> Any:
    """Make an IR 3 file of a model: every weight is listed as an input."""
    model.ir_version = 3
    model.opset_import[0].version = 8
    for initializer in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(initializer.name, initializer.data_type, initializer.dims)
        )
    return model


def local_functions() -> Any:
    """Tanh between two calls of a local function, which adds a large constant."""
    constant = numpy_helper.from_array(np.linspace(0, 1, 5000, dtype=np.float32).reshape(1, 5000))
    block = helper.make_function(
        "test.local",
        "Block",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["c"], value=constant),
            helper.make_node("Add", ["a", "c"], ["t"]),
            helper.make_node("Relu", ["t"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    return build(
        [
            helper.make_node("Block", ["x"], ["h"], domain="test.local"),
            helper.make_node("Tanh", ["h"], ["g"]),
            helper.make_node("Block", ["g"], ["y"], domain="test.local"),
        ],
        [tensor("x", (1, 5000))],
        [tensor("y", (1, 5000))],
        domains=["test.local"],
        functions=[block],
    )


def odd_outputs() -> Any:
    """x (1, 4) -> y; the input itself, a weight and a Reshape of it are outputs as well."""
    return build(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Tanh", ["a"], ["y"]),
            helper.make_node("Reshape", ["w", "square"], ["k"]),
        ],
        [tensor("x", (1, 4))],
        [tensor("y", (1, 4)), tensor("x", (1, 4)), tensor("k", (2, 2)), tensor("w", (4,))],
        [weights("w", 4), integers("square", 2, 2)],
    )


def odd_names() -> Any:
    """Convolutions whose tensors are called as ONNX Runtime and placer call theirs."""
    return build(
        [
            helper.make_node("Conv", ["placer_x", "w"], ["a_nchwc_1"], pads=[1] * 4),
            helper.make_node("Relu", ["a_nchwc_1"], ["placer_t0"]),
            helper.make_node("Conv", ["placer_t0", "placer_t1"], ["reorder"], pads=[1] * 4),
            helper.make_node("Relu", ["reorder"], ["/out/Relu_nchwc"]),
        ],
        [tensor("placer_x", (1, 3, 8, 8))],
        [tensor("/out/Relu_nchwc", (1, 16, 8, 8))],
        [
            weights("w", 16, 3, 3, 3, fan_in=27),
            weights("placer_t1", 16, 16, 3, 3, fan_in=144),
        ],
    )


def quantised() -> Any:
    """x -> two convolutions between QuantizeLinear and DequantizeLinear, as exporters write."""
    rng = np.random.default_rng(0)
    zero, zeros = (
        numpy_helper.from_array(np.array(0, kind), name)
        for kind, name in ((np.uint8, "zero"), (np.int8, "zeros"))
    )
    scales = [numpy_helper.from_array(np.array(0.05, np.float32), "scale")]
    nodes, parts = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q0"])], []
    for layer, width in enumerate((3, 8)):
        values = rng.integers(-20, 20, (8, width, 3, 3)).astype(np.int8)
        parts.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes += [
            helper.make_node("DequantizeLinear", [f"q{layer}", "scale", "zero"], [f"d{layer}"]),
            helper.make_node("DequantizeLinear", [f"w{layer}", "scale", "zeros"], [f"v{layer}"]),
            helper.make_node("Conv", [f"d{layer}", f"v{layer}"], [f"c{layer}"], pads=[1] * 4),
            helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]),
            helper.make_node("QuantizeLinear", [f"r{layer}", "scale", "zero"], [f"q{layer + 1}"]),
        ]
    nodes.append(helper.make_node("DequantizeLinear", ["q2", "scale", "zero"], ["y"]))
    return build(
        nodes,
        [tensor("x", (1, 3, 8, 8))],
        [tensor("y", (1, 8, 8, 8))],
        [zero, zeros, *scales, *parts],
    )


# --- published ones -------------------------------------------------------------------------


def resnet50(size: int = 224) -> Any:
    """He et al. 2016, with batch normalisation folded."""
    net = Net(3, size, size)
    return net.model(bottlenecks(net, counts=(3, 4, 6, 3)))


def residual_outputs(model: Any) -> list[str]:
    """Return the outputs of the Relu nodes behind an Add."""
    sums = {node.output[0] for node in model.graph.node if node.op_type == "Add"}
    return [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Relu" and node.input[0] in sums
    ]


def inception_v3(size: int = 299) -> tuple[Any, list[str]]:
    """Szegedy et al. 2016, as Keras builds it: Conv, BatchNormalization and Relu apart.

    Returns
    -------
    The model, and the outputs of its eleven mixed blocks.
    """
    net = Net(3, size, size)

    def conv(
        value: str, channels: int, rows: int, columns: int, *, stride: int = 1, same: bool = True
    ) -> str:
        _, width, height, depth = net.shape(value)
        pads = ((rows - 1) // 2, (columns - 1) // 2) if same else (0, 0)
        sides = [
            (side + 2 * pad - kernel) // stride + 1
            for side, pad, kernel in zip((height, depth), pads, (rows, columns), strict=True)
        ]
        shape = (1, channels, *sides)
        fan_in = width * rows * columns
        value = net.op(
            "Conv",
            [value, net.weight(channels, width, rows, columns, fan_in=fan_in)],
            shape,
            strides=[stride] * 2,
            pads=[*pads, *pads],
        )
        scale = [net.constant(np.full(channels, fill, np.float32)) for fill in (1.4, 0.1, 0, 1)]
        value = net.op("BatchNormalization", [value, *scale], shape, epsilon=1e-3)
        return net.op("Relu", [value], shape)

    def pool(value: str, kind: str, *, stride: int) -> str:
        _, channels, height, width = net.shape(value)
        pad = 1 if stride == 1 else 0
        sides = [(side + 2 * pad - 3) // stride + 1 for side in (height, width)]
        return net.op(
            kind,
            [value],
            (1, channels, *sides),
            kernel_shape=[3, 3],
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    value = conv(net.x, 32, 3, 3, stride=2, same=False)
    value = conv(conv(value, 32, 3, 3, same=False), 64, 3, 3)
    value = pool(value, "MaxPool", stride=2)
    value = conv(conv(value, 80, 1, 1, same=False), 192, 3, 3, same=False)
    value = pool(value, "MaxPool", stride=2)
    mixed = []

    def join(*parts: str) -> str:
        mixed.append(net.concat(*parts))
        return mixed[-1]

    for width in (32, 64, 64):
        value = join(
            conv(value, 64, 1, 1),
            conv(conv(value, 48, 1, 1), 64, 5, 5),
            conv(conv(conv(value, 64, 1, 1), 96, 3, 3), 96, 3, 3),
            conv(pool(value, "AveragePool", stride=1), width, 1, 1),
        )
    tall = conv(conv(value, 64, 1, 1), 96, 3, 3)
    value = join(
        conv(value, 384, 3, 3, stride=2, same=False),
        conv(tall, 96, 3, 3, stride=2, same=False),
        pool(value, "MaxPool", stride=2),
    )
    for width in (128, 160, 160, 192):
        seven = conv(conv(conv(value, width, 1, 1), width, 1, 7), 192, 7, 1)
        double = conv(conv(conv(value, width, 1, 1), width, 7, 1), width, 1, 7)
        double = conv(conv(double, width, 7, 1), 192, 1, 7)
        value = join(
            conv(value, 192, 1, 1),
            seven,
            double,
            conv(pool(value, "AveragePool", stride=1), 192, 1, 1),
        )
    seven = conv(conv(conv(value, 192, 1, 1), 192, 1, 7), 192, 7, 1)
    value = join(
        conv(conv(value, 192, 1, 1), 320, 3, 3, stride=2, same=False),
        conv(seven, 192, 3, 3, stride=2, same=False),
        pool(value, "MaxPool", stride=2),
    )
    for _ in range(2):
        three = conv(value, 384, 1, 1)
        double = conv(conv(value, 448, 1, 1), 384, 3, 3)
        value = join(
            conv(value, 320, 1, 1),
            net.concat(conv(three, 384, 1, 3), conv(three, 384, 3, 1)),
            net.concat(conv(double, 384, 1, 3), conv(double, 384, 3, 1)),
            conv(pool(value, "AveragePool", stride=1), 192, 1, 1),
        )
    scores = net.head(value)
    return net.model(net.op("Softmax", [scores], net.shape(scores))), mixed


def reordered(model: Any, order: Sequence[float]) -> Any:
    """Return the model with its nodes in another valid order, drawn by the numbers."""
    known = {info.name for info in model.graph.input}
    known |= {weight.name for weight in model.graph.initializer} | {""}
    waiting = list(zip(model.graph.node, order, strict=True))
    found = []
    while waiting:
        ready = [pair for pair in waiting if known.issuperset(pair[0].input)]
        chosen = min(ready, key=lambda pair: pair[1])
        waiting.remove(chosen)
        known.update(chosen[0].output)
        found.append(type(chosen[0]).FromString(chosen[0].SerializeToString()))
    copy = type(model).FromString(model.SerializeToString())
    del copy.graph.node[:]
    copy.graph.node.extend(found)
    return copy
