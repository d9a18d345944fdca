"""The models that ``placer calibrate`` measures: small, and as different from each other as can be.

Networks of published kinds with random weights, scaled so that values keep their size. Opset 17,
which every supported ONNX Runtime runs. Predictions hold for the kinds of work that were measured:
dense, depthwise, grouped and pointwise convolutions, attention, wide matrices whose weights are
streamed from memory, and many small operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 17
IR_VERSION = 8


class Net:
    """A model in the making: each method adds operators to a value and returns the new value.

    Images are (1, channels, height, width), tokens (1, tokens, features); the shape of every value
    is kept, so that a layer needs no widths of its input.
    """

    def __init__(self, *shape: int) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._rng = np.random.default_rng(0)
        self._shapes: dict[str, tuple[int, ...]] = {"x": (1, *shape)}
        self.x = "x"

    def model(self, value: str) -> ModelProto:
        """Return the model whose answer is a value."""
        from onnx import TensorProto, helper

        def declared(name: str) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, self._shapes[name])

        graph = helper.make_graph(
            self._nodes, "calibration", [declared("x")], [declared(value)], self._weights
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="placer"
        )
        model.ir_version = IR_VERSION
        return model

    def shape(self, value: str) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self._shapes[value]

    def op(
        self, kind: str, inputs: Sequence[str], shape: Sequence[int], **attributes: object
    ) -> str:
        """Add any operator of one output of this shape."""
        from onnx import helper

        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, [*inputs], [name], **attributes))
        self._shapes[name] = tuple(shape)
        return name

    def weight(self, *shape: int, fan_in: int = 1) -> str:
        """Add random weights of standard deviation 1 / sqrt(fan_in)."""
        values = self._rng.standard_normal(shape, dtype=np.float32)
        return self.constant(values * np.float32(fan_in**-0.5))

    def constant(self, values: Any) -> str:
        """Add a constant."""
        from onnx import numpy_helper

        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def conv(
        self,
        value: str,
        channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        act: str | None = "Relu",
        dilation: int = 1,
    ) -> str:
        """Convolve with bias and padding that keeps the size, then activate."""
        _, width, height, depth = self.shape(value)
        fan_in = width // groups * kernel * kernel
        weights = self.weight(channels, width // groups, kernel, kernel, fan_in=fan_in)
        pad = dilation * (kernel - 1) // 2
        size = [(side + stride - 1) // stride for side in (height, depth)]
        value = self.op(
            "Conv",
            [value, weights, self.weight(channels, fan_in=100)],
            (1, channels, *size),
            strides=[stride] * 2,
            pads=[pad] * 4,
            group=groups,
            dilations=[dilation] * 2,
        )
        return value if act is None else self.act(value, act)

    def depthwise(self, value: str, kernel: int = 3, *, stride: int = 1, act: str | None) -> str:
        """Convolve each channel by itself."""
        channels = self.shape(value)[1]
        return self.conv(value, channels, kernel, stride=stride, groups=channels, act=act)

    def act(self, value: str, kind: str) -> str:
        """Activate: Relu, Sigmoid, HardSwish, ..., or Silu, Relu6 and Gelu as exporters write."""
        shape = self.shape(value)
        match kind:
            case "Silu":
                return self.mul(value, self.op("Sigmoid", [value], shape))
            case "Relu6":
                bounds = [self.constant(np.float32(0)), self.constant(np.float32(6))]
                return self.op("Clip", [value, *bounds], shape)
            case "Gelu":
                scaled = self.op("Div", [value, self.constant(np.float32(2**0.5))], shape)
                share = self.op("Erf", [scaled], shape)
                share = self.op("Add", [share, self.constant(np.float32(1))], shape)
                return self.op(
                    "Mul", [self.mul(value, share), self.constant(np.float32(0.5))], shape
                )
            case _:
                return self.op(kind, [value], shape)

    def add(self, first: str, second: str) -> str:
        """Add two values of one shape."""
        return self.op("Add", [first, second], self.shape(first))

    def mul(self, first: str, second: str) -> str:
        """Multiply by a value that has the same shape, or is spread over it."""
        return self.op("Mul", [first, second], self.shape(first))

    def concat(self, *values: str) -> str:
        """Join channels."""
        shapes = [self.shape(value) for value in values]
        channels = sum(shape[1] for shape in shapes)
        return self.op("Concat", values, (1, channels, *shapes[0][2:]), axis=1)

    def pool(self, value: str, kernel: int, stride: int, kind: str = "MaxPool") -> str:
        """Pool with padding that keeps the size at stride 1."""
        _, channels, height, width = self.shape(value)
        pad = (kernel - 1) // 2
        size = [(side + 2 * pad - kernel) // stride + 1 for side in (height, width)]
        return self.op(
            kind,
            [value],
            (1, channels, *size),
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    def resize(self, value: str, factor: int) -> str:
        """Repeat each pixel."""
        _, channels, height, width = self.shape(value)
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        return self.op(
            "Resize",
            [value, "", scales],
            (1, channels, factor * height, factor * width),
            mode="nearest",
        )

    def squeeze_excite(self, value: str, reduced: int, gate: str = "Sigmoid") -> str:
        """Weigh the channels by what their means say."""
        channels = self.shape(value)[1]
        mean = self.op("GlobalAveragePool", [value], (1, channels, 1, 1))
        weights = self.conv(self.conv(mean, reduced, 1), channels, 1, act=gate)
        return self.mul(value, weights)

    def tokens(self, value: str) -> str:
        """Turn an image into tokens of its channels."""
        _, channels, height, width = self.shape(value)
        shape = self.constant(np.array([1, channels, height * width], np.int64))
        flat = self.op("Reshape", [value, shape], (1, channels, height * width))
        return self.op("Transpose", [flat], (1, height * width, channels), perm=[0, 2, 1])

    def image(self, value: str, height: int) -> str:
        """Turn tokens into an image."""
        _, count, channels = self.shape(value)
        turned = self.op("Transpose", [value], (1, channels, count), perm=[0, 2, 1])
        shape = (1, channels, height, count // height)
        return self.op("Reshape", [turned, self.constant(np.array(shape, np.int64))], shape)

    def linear(self, value: str, features: int, act: str | None = None) -> str:
        """Multiply by a matrix and add a bias."""
        shape = self.shape(value)
        product = self.op(
            "MatMul",
            [value, self.weight(shape[-1], features, fan_in=shape[-1])],
            (*shape[:-1], features),
        )
        value = self.op("Add", [product, self.weight(features, fan_in=100)], self.shape(product))
        return value if act is None else self.act(value, act)

    def norm(self, value: str) -> str:
        """Normalise the features of each token."""
        features = self.shape(value)[-1]
        scale = self.constant(np.ones(features, np.float32))
        return self.op("LayerNormalization", [value, scale], self.shape(value), axis=-1)

    def attention(self, value: str, heads: int) -> str:
        """Let every token look at every other one, and add what it finds."""
        _, count, features = self.shape(value)
        width = features // heads
        split = self.constant(np.array([1, count, heads, width], np.int64))

        def head(name: str, perm: list[int]) -> str:
            parts = self.op("Reshape", [name, split], (1, count, heads, width))
            shape = tuple((1, count, heads, width)[axis] for axis in perm)
            return self.op("Transpose", [parts], shape, perm=perm)

        normed = self.norm(value)
        query = head(self.linear(normed, features), [0, 2, 1, 3])
        key = head(self.linear(normed, features), [0, 2, 3, 1])
        content = head(self.linear(normed, features), [0, 2, 1, 3])
        scores = self.op("MatMul", [query, key], (1, heads, count, count))
        scores = self.op(
            "Mul", [scores, self.constant(np.float32(width**-0.5))], self.shape(scores)
        )
        scores = self.op("Softmax", [scores], self.shape(scores), axis=-1)
        mixed = self.op("MatMul", [scores, content], (1, heads, count, width))
        mixed = self.op("Transpose", [mixed], (1, count, heads, width), perm=[0, 2, 1, 3])
        shape = self.constant(np.array([1, count, features], np.int64))
        joined = self.op("Reshape", [mixed, shape], (1, count, features))
        return self.add(value, self.linear(joined, features))

    def feed_forward(self, value: str, ratio: int = 4) -> str:
        """Widen each token, activate, narrow it, and add that."""
        features = self.shape(value)[-1]
        hidden = self.linear(self.norm(value), ratio * features, "Gelu")
        return self.add(value, self.linear(hidden, features))

    def head(self, value: str, classes: int = 1000) -> str:
        """Average an image and tell classes."""
        channels = self.shape(value)[1]
        mean = self.op("GlobalAveragePool", [value], (1, channels, 1, 1))
        return self.linear(self.op("Flatten", [mean], (1, channels)), classes)


def residual(net: Net, channels: Sequence[int], counts: Sequence[int]) -> str:
    """Two 3x3 convolutions and a short cut, as ResNet-18 and -34 (He et al. 2016)."""
    value = net.pool(net.conv(net.x, channels[0], 7, stride=2), 3, 2)
    for stage, (width, count) in enumerate(zip(channels, counts, strict=True)):
        for block in range(count):
            stride = 2 if stage and not block else 1
            short = value if stride == 1 else net.conv(value, width, 1, stride=2, act=None)
            inner = net.conv(net.conv(value, width, stride=stride), width, act=None)
            value = net.act(net.add(inner, short), "Relu")
    return net.head(value)


def bottlenecks(
    net: Net, counts: Sequence[int], *, base: int = 64, groups: int = 1, inner: int = 64
) -> str:
    """1x1, 3x3 and 1x1 convolutions and a short cut, as ResNet-50, ResNeXt and RegNet."""
    value = net.pool(net.conv(net.x, base, 7, stride=2), 3, 2)
    for stage, count in enumerate(counts):
        width, narrow = 4 * base * 2**stage, inner * 2**stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            short = net.conv(value, width, 1, stride=stride, act=None) if not block else value
            found = net.conv(value, narrow, 1)
            found = net.conv(found, narrow, stride=stride, groups=groups)
            value = net.act(net.add(net.conv(found, width, 1, act=None), short), "Relu")
    return net.head(value)


def inverted(
    net: Net, act: str, *, excite: bool, widths: Sequence[tuple[int, int, int, int]]
) -> str:
    """Wide depthwise blocks with narrow ends, as MobileNetV2 and EfficientNet.

    ``widths`` has (expansion, channels, blocks, stride) of each stage.
    """
    value = net.conv(net.x, 32, stride=2, act=act)
    for expansion, channels, count, first_stride in widths:
        for block in range(count):
            stride = first_stride if not block else 1
            width = net.shape(value)[1]
            inner = value if expansion == 1 else net.conv(value, expansion * width, 1, act=act)
            inner = net.depthwise(inner, stride=stride, act=act)
            if excite:
                inner = net.squeeze_excite(inner, max(8, width // 4))
            inner = net.conv(inner, channels, 1, act=None)
            keeps = stride == 1 and width == channels
            value = net.add(inner, value) if keeps else inner
    return net.head(net.conv(value, 1280, 1, act=act))


MOBILE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
"""MobileNetV2 without its last stage (Sandler et al. 2018)."""


def patches(net: Net, size: int, features: int, depth: int, heads: int) -> str:
    """Tokens of image patches that attend to each other, as ViT (Dosovitskiy et al. 2021)."""
    value = net.tokens(net.conv(net.x, features, size, stride=size, act=None))
    return net.linear(encoder(net, value, depth, heads), 1000)


def encoder(net: Net, value: str, depth: int, heads: int) -> str:
    """Layers of attention and feed-forward, as BERT (Devlin et al. 2019)."""
    for _ in range(depth):
        value = net.feed_forward(net.attention(value, heads))
    return net.norm(value)


def sentence(net: Net, depth: int, heads: int) -> str:
    """Encode tokens that are given."""
    return encoder(net, net.x, depth, heads)


def plain(net: Net, widths: Sequence[int], hidden: int) -> str:
    """3x3 convolutions and wide fully connected layers, as VGG (Simonyan and Zisserman 2015)."""
    value = net.x
    for width in widths:
        value = net.pool(net.conv(net.conv(value, width), width), 2, 2)
    count = int(np.prod(net.shape(value)))
    flat = net.op("Flatten", [value], (1, count))
    return net.linear(net.linear(flat, hidden, "Relu"), 1000)


def wide_kernels(net: Net, widths: Sequence[int], counts: Sequence[int]) -> str:
    """7x7 depthwise convolutions and matrices, as ConvNeXt (Liu et al. 2022)."""
    value = net.conv(net.x, widths[0], 4, stride=4, act=None)
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        if stage:
            value = net.conv(value, width, 2, stride=2, act=None)
        height = net.shape(value)[2]
        for _ in range(count):
            inner = net.tokens(net.depthwise(value, 7, act=None))
            inner = net.linear(net.linear(net.norm(inner), 4 * width, "Gelu"), width)
            value = net.add(value, net.image(inner, height))
    return net.head(value)


def dense(net: Net, growth: int, counts: Sequence[int]) -> str:
    """Every layer sees all before it, as DenseNet (Huang et al. 2017)."""
    value = net.pool(net.conv(net.x, 2 * growth, 7, stride=2), 3, 2)
    for stage, count in enumerate(counts):
        for _ in range(count):
            found = net.conv(net.conv(value, 4 * growth, 1), growth)
            value = net.concat(value, found)
        if stage < len(counts) - 1:
            half = net.conv(value, net.shape(value)[1] // 2, 1)
            value = net.pool(half, 2, 2, "AveragePool")
    return net.head(value)


def u_shape(net: Net, widths: Sequence[int]) -> str:
    """Down and up again, with short cuts, as U-Net (Ronneberger et al. 2015)."""
    value, kept = net.x, []
    for width in widths:
        value = net.conv(net.conv(value, width), width)
        kept.append(value)
        value = net.pool(value, 2, 2)
    value = net.conv(value, 2 * widths[-1])
    for width, short in zip(reversed(widths), reversed(kept), strict=True):
        value = net.conv(net.concat(net.resize(net.conv(value, width, 1), 2), short), width)
    return net.conv(value, 4, 1, act=None)


def layers(net: Net, features: int, count: int) -> str:
    """Fully connected layers whose weights are read from memory at each inference."""
    value = net.x
    for _ in range(count):
        value = net.linear(value, features, "Relu")
    return value


def mixed_tokens(net: Net, features: int, depth: int) -> str:
    """Matrices over tokens and over features in turn, as MLP-Mixer (Tolstikhin et al. 2021)."""
    value = net.tokens(net.conv(net.x, features, 16, stride=16, act=None))
    _, count, _ = net.shape(value)
    for _ in range(depth):
        turned = net.op("Transpose", [net.norm(value)], (1, features, count), perm=[0, 2, 1])
        mixed = net.linear(net.linear(turned, features // 2, "Gelu"), count)
        value = net.add(value, net.op("Transpose", [mixed], (1, count, features), perm=[0, 2, 1]))
        value = net.feed_forward(value)
    return net.linear(value, 1000)


def small_steps(net: Net, channels: int, count: int) -> str:
    """Many operators on little data: what each costs by itself."""
    value = net.conv(net.x, channels, stride=2)
    for _ in range(count):
        value = net.squeeze_excite(net.depthwise(value, act="Relu6"), channels // 4)
    return net.head(value, 10)


def _made(make: Callable[..., str], *shape: int, **arguments: Any) -> Callable[[], ModelProto]:
    def model() -> ModelProto:
        net = Net(*shape)
        return net.model(make(net, **arguments))

    return model


CALIBRATION_MODELS: Mapping[str, Callable[[], ModelProto]] = MappingProxyType(
    {
        "residual": _made(residual, 3, 160, 160, channels=(64, 128, 256, 512), counts=(2, 2, 2, 2)),
        "bottlenecks": _made(bottlenecks, 3, 128, 128, counts=(2, 3, 3, 2)),
        "grouped": _made(bottlenecks, 3, 160, 160, counts=(1, 2, 3, 1), groups=32, inner=128),
        "inverted": _made(inverted, 3, 192, 192, act="Relu6", excite=False, widths=MOBILE),
        "excited": _made(inverted, 3, 160, 160, act="Silu", excite=True, widths=MOBILE),
        "patches": _made(patches, 3, 224, 224, size=16, features=192, depth=6, heads=3),
        "encoder": _made(sentence, 128, 256, depth=4, heads=4),
        "short_encoder": _made(sentence, 48, 512, depth=3, heads=8),
        "mixed_tokens": _made(mixed_tokens, 3, 160, 160, features=256, depth=4),
        "plain": _made(plain, 3, 96, 96, widths=(64, 128, 256), hidden=256),
        "wide_kernels": _made(wide_kernels, 3, 128, 128, widths=(64, 128, 256), counts=(2, 2, 4)),
        "dense": _made(dense, 3, 128, 128, growth=32, counts=(4, 6, 8)),
        "u_shape": _made(u_shape, 3, 128, 128, widths=(16, 32, 64)),
        "layers": _made(layers, 2048, features=2048, count=4),
        "wide_layers": _made(layers, 4096, features=4096, count=2),
        "classifier": _made(plain, 3, 64, 64, widths=(32, 64, 128), hidden=3072),
        "small_steps": _made(small_steps, 3, 48, 48, channels=32, count=12),
    }
)  # fmt: skip
"""Name -> what makes the model. Between 0.001 and 4 GFLOP each."""
