"""Published architectures in their published sizes, with random weights: none calibrates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from placer.onnx_files.calibration_models import (
    Net,
    bottlenecks,
    dense,
    mixed_tokens,
    patches,
    residual,
    sentence,
    u_shape,
    wide_kernels,
)


def alexnet(net: Net) -> str:
    """Krizhevsky 2014: large kernels, then 58 million weights in three matrices."""
    value = net.pool(net.conv(net.x, 64, 11, stride=4), 3, 2)
    value = net.pool(net.conv(value, 192, 5), 3, 2)
    for width in (384, 256, 256):
        value = net.conv(value, width)
    value = net.pool(value, 3, 2)
    count = int(np.prod(net.shape(value)))
    flat = net.op("Flatten", [value], (1, count))
    return net.linear(net.linear(net.linear(flat, 4096, "Relu"), 4096, "Relu"), 1000)


def vgg(net: Net, counts: Sequence[int]) -> str:
    """Simonyan and Zisserman 2015, without its fully connected layers."""
    value = net.x
    for width, count in zip((64, 128, 256, 512, 512), counts, strict=True):
        for _ in range(count):
            value = net.conv(value, width)
        value = net.pool(value, 2, 2)
    return net.head(value)


def squeezenet(net: Net) -> str:
    """Iandola et al. 2016, version 1.1: no padding before the first layers of each stage."""
    value = unpadded(net, unpadded(net, net.x, 64))
    for index, narrow in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        squeezed = net.conv(value, narrow, 1)
        value = net.concat(net.conv(squeezed, 4 * narrow, 1), net.conv(squeezed, 4 * narrow))
        if index in (1, 3):
            value = unpadded(net, value)
    value = net.conv(value, 1000, 1)
    return net.op("GlobalAveragePool", [value], (1, 1000, 1, 1))


def unpadded(net: Net, value: str, channels: int | None = None) -> str:
    """Halve an image by 3x3 convolutions, or pooling, that stay inside of it."""
    _, width, height, depth = net.shape(value)
    shape = (1, channels or width, (height - 3) // 2 + 1, (depth - 3) // 2 + 1)
    place = {"kernel_shape": [3, 3], "strides": [2, 2]}
    if channels is None:
        return net.op("MaxPool", [value], shape, **place)
    weights = [net.weight(channels, width, 3, 3, fan_in=9 * width), net.weight(channels)]
    return net.act(net.op("Conv", [value, *weights], shape, **place), "Relu")


def mobilenet_v1(net: Net) -> str:
    """Howard et al. 2017."""
    value = net.conv(net.x, 32, stride=2)
    for width, stride in (
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
        (1024, 1),
    ):  # fmt: skip
        value = net.conv(net.depthwise(value, stride=stride, act="Relu"), width, 1)
    return net.head(value)


Block = tuple[int, int, int, int, bool, str]
"""Kernel, width inside, channels, stride, squeeze-and-excite, activation."""


def inverted_blocks(
    net: Net, stem: int, blocks: Sequence[Block], last: int, act: str, hidden: int | None = None
) -> str:
    """MobileNetV2 and V3, EfficientNet, MnasNet."""
    value = net.conv(net.x, stem, stride=2, act=act)
    for kernel, inner, channels, stride, is_excited, kind in blocks:
        width = net.shape(value)[1]
        found = value if inner == width else net.conv(value, inner, 1, act=kind)
        found = net.depthwise(found, kernel, stride=stride, act=kind)
        if is_excited and kind == "Silu":
            found = net.squeeze_excite(found, width // 4)
        elif is_excited:
            found = net.squeeze_excite(found, in_eights(inner / 4), "HardSigmoid")
        found = net.conv(found, channels, 1, act=None)
        value = net.add(found, value) if stride == 1 and channels == width else found
    value = net.conv(value, last, 1, act=act)
    if hidden is None:
        return net.head(value)
    return net.linear(net.act(net.head(value, hidden), act), 1000)


def in_eights(width: float) -> int:
    """Round a width as MobileNet does: to a multiple of 8, never down by more than a tenth."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


def stages(
    rows: Sequence[tuple[int, int, int, int, int]], stem: int, act: str, *, is_excited: bool
) -> list[Block]:
    """Spell (kernel, expansion, channels, blocks, stride) out."""
    blocks: list[Block] = []
    width = stem
    for kernel, expansion, channels, count, stride in rows:
        for index in range(count):
            step = stride if not index else 1
            blocks.append((kernel, expansion * width, channels, step, is_excited, act))
            width = channels
    return blocks


MOBILENET_V2 = (
    (3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (3, 6, 32, 3, 2), (3, 6, 64, 4, 2), (3, 6, 96, 3, 1),
    (3, 6, 160, 3, 2), (3, 6, 320, 1, 1),
)  # fmt: skip
MNASNET = (
    (3, 1, 16, 1, 1), (3, 3, 24, 3, 2), (5, 3, 40, 3, 2), (5, 6, 80, 3, 2), (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2), (3, 6, 320, 1, 1),
)  # fmt: skip
EFFICIENTNET_B0 = (
    (3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2), (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2), (3, 6, 320, 1, 1),
)  # fmt: skip
R, H = "Relu", "HardSwish"
MOBILENET_V3_LARGE: list[Block] = [
    (3, 16, 16, 1, False, R), (3, 64, 24, 2, False, R), (3, 72, 24, 1, False, R),
    (5, 72, 40, 2, True, R), (5, 120, 40, 1, True, R), (5, 120, 40, 1, True, R),
    (3, 240, 80, 2, False, H), (3, 200, 80, 1, False, H), (3, 184, 80, 1, False, H),
    (3, 184, 80, 1, False, H), (3, 480, 112, 1, True, H), (3, 672, 112, 1, True, H),
    (5, 672, 160, 2, True, H), (5, 960, 160, 1, True, H), (5, 960, 160, 1, True, H),
]  # fmt: skip
MOBILENET_V3_SMALL: list[Block] = [
    (3, 16, 16, 2, True, R), (3, 72, 24, 2, False, R), (3, 88, 24, 1, False, R),
    (5, 96, 40, 2, True, H), (5, 240, 40, 1, True, H), (5, 240, 40, 1, True, H),
    (5, 120, 48, 1, True, H), (5, 144, 48, 1, True, H), (5, 288, 96, 2, True, H),
    (5, 576, 96, 1, True, H), (5, 576, 96, 1, True, H),
]  # fmt: skip


def shufflenet_v2(net: Net, widths: Sequence[int]) -> str:
    """Ma et al. 2018: half of the channels pass, then channels are shuffled."""
    value = net.pool(net.conv(net.x, 24, stride=2), 3, 2)
    for channels, count in zip(widths, (4, 8, 4), strict=True):
        half = channels // 2
        for index in range(count):
            if not index:
                left = net.conv(net.depthwise(value, stride=2, act=None), half, 1)
                right = net.conv(value, half, 1)
                right = net.conv(net.depthwise(right, stride=2, act=None), half, 1)
            else:
                _, _, height, width = net.shape(value)
                left, right = (
                    net.op(
                        "Slice",
                        [value, *(net.constant(np.array([one], np.int64)) for one in place)],
                        (1, half, height, width),
                    )
                    for place in ((0, half, 1), (half, channels, 1))
                )
                right = net.conv(right, half, 1)
                right = net.conv(net.depthwise(right, act=None), half, 1)
            value = shuffled(net, net.concat(left, right))
    return net.head(net.conv(value, 1024, 1))


def shuffled(net: Net, value: str) -> str:
    """Mix two halves of the channels."""
    _, channels, height, width = net.shape(value)
    parts = (1, 2, channels // 2, height, width)
    value = net.op("Reshape", [value, net.constant(np.array(parts, np.int64))], parts)
    turned = (1, channels // 2, 2, height, width)
    value = net.op("Transpose", [value], turned, perm=[0, 2, 1, 3, 4])
    whole = (1, channels, height, width)
    return net.op("Reshape", [value, net.constant(np.array(whole, np.int64))], whole)


def googlenet(net: Net) -> str:
    """Szegedy et al. 2015."""
    value = net.pool(net.conv(net.x, 64, 7, stride=2), 3, 2)
    value = net.pool(net.conv(net.conv(value, 64, 1), 192), 3, 2)
    for index, (a, b0, b, c0, c, d) in enumerate((
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )):  # fmt: skip
        value = net.concat(
            net.conv(value, a, 1),
            net.conv(net.conv(value, b0, 1), b),
            net.conv(net.conv(value, c0, 1), c),
            net.conv(net.pool(value, 3, 1), d, 1),
        )
        if index in (1, 6):
            value = net.pool(value, 3, 2)
    return net.head(value)


def detector(net: Net, widths: Sequence[int], depth: int) -> str:
    """Cross-stage partial stages, a pyramid and three heads joined, in the manner of YOLOv5."""
    value, kept = net.conv(net.x, widths[0], stride=2, act="Silu"), []
    for width in widths[1:]:
        value = partial(net, net.conv(value, width, stride=2, act="Silu"), depth)
        kept.append(value)
    value = kept[-1]
    for short in reversed(kept[1:-1]):
        narrow = net.conv(value, net.shape(short)[1], 1, act="Silu")
        value = partial(net, net.concat(net.resize(narrow, 2), short), depth)
    return net.conv(value, 85, 1, act=None)


def partial(net: Net, value: str, depth: int) -> str:
    """Half of the channels go through residual blocks, half pass by."""
    width = net.shape(value)[1]
    inner, short = (net.conv(value, width // 2, 1, act="Silu") for _ in range(2))
    for _ in range(depth):
        inner = net.add(
            inner, net.conv(net.conv(inner, width // 2, 1, act="Silu"), width // 2, act="Silu")
        )
    return net.conv(net.concat(inner, short), width, 1, act="Silu")


def dilated(net: Net) -> str:
    """ResNet-18 that keeps its resolution by dilation, and looks far: in the manner of DeepLab."""
    value = net.pool(net.conv(net.x, 64, 7, stride=2), 3, 2)
    for width, stride, dilation in ((64, 1, 1), (128, 2, 1), (256, 1, 2), (512, 1, 4)):
        short = net.conv(value, width, 1, stride=stride, act=None)
        inner = net.conv(net.conv(value, width, stride=stride), width, act=None, dilation=dilation)
        value = net.act(net.add(inner, short), "Relu")
    value = net.concat(*(net.conv(value, 128, dilation=rate) for rate in (1, 6, 12)))
    return net.conv(value, 21, 1, act=None)


def made(make: Callable[..., str], *shape: int, **arguments: Any) -> Callable[[], Any]:
    """Return what makes the model."""

    def model() -> Any:
        net = Net(*shape)
        return net.model(make(net, **arguments))

    return model


IMAGE = (3, 224, 224)
RESNET = (64, 128, 256, 512)
ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "alexnet": made(alexnet, *IMAGE),
    "vgg11_features": made(vgg, *IMAGE, counts=(1, 1, 2, 2, 2)),
    "resnet18": made(residual, *IMAGE, channels=RESNET, counts=(2, 2, 2, 2)),
    "resnet34": made(residual, *IMAGE, channels=RESNET, counts=(3, 4, 6, 3)),
    "resnet50": made(bottlenecks, *IMAGE, counts=(3, 4, 6, 3)),
    "resnext50_32x4d": made(bottlenecks, *IMAGE, counts=(3, 4, 6, 3), groups=32, inner=128),
    "wide_resnet50_2": made(bottlenecks, *IMAGE, counts=(3, 4, 6, 3), inner=128),
    "squeezenet1_1": made(squeezenet, *IMAGE),
    "mobilenet_v1": made(mobilenet_v1, *IMAGE),
    "mobilenet_v2": made(
        inverted_blocks, *IMAGE, stem=32, last=1280, act="Relu6",
        blocks=stages(MOBILENET_V2, 32, "Relu6", is_excited=False),
    ),
    "mobilenet_v3_large": made(
        inverted_blocks, *IMAGE, stem=16, last=960, act=H, hidden=1280,
        blocks=MOBILENET_V3_LARGE,
    ),
    "mobilenet_v3_small": made(
        inverted_blocks, *IMAGE, stem=16, last=576, act=H, hidden=1024,
        blocks=MOBILENET_V3_SMALL,
    ),
    "mnasnet1_0": made(
        inverted_blocks, *IMAGE, stem=32, last=1280, act=R,
        blocks=stages(MNASNET, 32, R, is_excited=False),
    ),
    "efficientnet_b0": made(
        inverted_blocks, *IMAGE, stem=32, last=1280, act="Silu",
        blocks=stages(EFFICIENTNET_B0, 32, "Silu", is_excited=True),
    ),
    "shufflenet_v2_x1_0": made(shufflenet_v2, *IMAGE, widths=(116, 232, 464)),
    "densenet121": made(dense, *IMAGE, growth=32, counts=(6, 12, 24, 16)),
    "googlenet": made(googlenet, *IMAGE),
    "convnext_tiny": made(wide_kernels, *IMAGE, widths=(96, 192, 384, 768), counts=(3, 3, 9, 3)),
    "vit_tiny_patch16": made(patches, *IMAGE, size=16, features=192, depth=12, heads=3),
    "vit_small_patch32": made(patches, *IMAGE, size=32, features=384, depth=12, heads=6),
    "mixer_s16": made(mixed_tokens, *IMAGE, features=512, depth=8),
    "bert_mini_256": made(sentence, 256, 256, depth=4, heads=4),
    "bert_medium_128": made(sentence, 128, 512, depth=8, heads=8),
    "distilbert_64": made(sentence, 64, 768, depth=6, heads=12),
    "unet_256": made(u_shape, 3, 256, 256, widths=(32, 64, 128, 256)),
    "yolo_nano_320": made(detector, 3, 320, 320, widths=(16, 32, 64, 128, 256), depth=1),
    "deeplab_resnet18_256": made(dilated, 3, 256, 256),
}  # fmt: skip
"""Name -> what makes the model."""
