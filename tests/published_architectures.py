"""Architectures of published measurements: scripts that build them, and what shows that they do.

`./dev bench structures` writes profiles/measured/structures.yaml from this table. An architecture
belongs here where its source says which script the measured model comes from, and the model built
here has the parameters and the work that were published of that script. What its source does not
say exactly stays out: OpenVINO's resnet-50 is a TensorFlow model, MLPerf's and
Rockchip's rows state no arithmetic or no latency and answer nothing, and AI Hub's efficientnet_b4
was measured at a resolution that its version does not state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np

from placer.core.structure import Structure
from placer.onnx_files.calibration_models import Net, bottlenecks, wide_kernels
from placer.onnx_files.shapes import trace_model
from placer.onnx_files.structure import read_structure
from tests.architectures import ARCHITECTURES, IMAGE, made, shufflenet_v2


@dataclass(frozen=True, slots=True)
class PublishedArchitecture:
    """What was published of an architecture, and who measured it."""

    build: Callable[[], Any]
    parameters: int
    """Of the weights' metadata in torchvision (``num_params``)."""
    biases: int
    """Of these, the biases of layers; a folded normalisation adds others in an exported file."""
    norms: int
    """Of these, scales and shifts of normalisations, and what scales a layer."""
    giga_macs: float
    """Of the weights' metadata in torchvision (``_ops``), matrices of attention included."""
    rows: tuple[str, ...]
    source: str
    input_shape: tuple[int, ...] = IMAGE
    embeddings: int = 0
    """Of the parameters, those that are added to tokens."""


def regnet(net: Net, widths: Sequence[int], counts: Sequence[int], group: int) -> str:
    """Radosavovic et al. 2020, RegNetX: grouped convolutions between equally wide ones."""
    value = net.conv(net.x, 32, stride=2)
    for width, count in zip(widths, counts, strict=True):
        for block in range(count):
            stride = 1 if block else 2
            short = value if block else net.conv(value, width, 1, stride=2, act=None)
            found = net.conv(value, width, 1)
            found = net.conv(found, width, stride=stride, groups=width // group)
            value = net.act(net.add(net.conv(found, width, 1, act=None), short), "Relu")
    return net.head(value)


def vit(net: Net, features: int, depth: int, heads: int) -> str:
    """Dosovitskiy et al. 2021: a token for the class before those of the patches."""
    patches = net.tokens(net.conv(net.x, features, 16, stride=16, act=None))
    count = net.shape(patches)[1] + 1
    first = net.constant(np.zeros((1, 1, features), np.float32))
    value = net.op("Concat", [first, patches], (1, count, features), axis=1)
    value = net.add(value, net.constant(np.zeros((1, count, features), np.float32)))
    for _ in range(depth):
        value = net.feed_forward(joint_attention(net, value, heads))
    value = net.norm(value)
    index = net.constant(np.array(0, np.int64))
    return net.linear(net.op("Gather", [value, index], (1, features), axis=1), 1000)


def joint_attention(net: Net, value: str, heads: int) -> str:
    """Attend with queries, keys and contents from one matrix."""
    _, count, features = net.shape(value)
    width = features // heads
    parts = (1, count, 3, heads, width)
    joined = net.linear(net.norm(value), 3 * features)
    joined = net.op("Reshape", [joined, net.constant(np.array(parts, np.int64))], parts)

    def part(index: int, perm: list[int]) -> str:
        taken = net.op(
            "Gather",
            [joined, net.constant(np.array(index, np.int64))],
            (1, count, heads, width),
            axis=2,
        )
        shape = tuple((1, count, heads, width)[axis] for axis in perm)
        return net.op("Transpose", [taken], shape, perm=perm)

    query, key, content = part(0, [0, 2, 1, 3]), part(1, [0, 2, 3, 1]), part(2, [0, 2, 1, 3])
    scores = net.op("MatMul", [query, key], (1, heads, count, count))
    scale = net.constant(np.float32(width**-0.5))
    scores = net.op("Softmax", [net.mul(scores, scale)], net.shape(scores), axis=-1)
    mixed = net.op("MatMul", [scores, content], (1, heads, count, width))
    mixed = net.op("Transpose", [mixed], (1, count, heads, width), perm=[0, 2, 1, 3])
    shape = net.constant(np.array((1, count, features), np.int64))
    return net.add(
        value, net.linear(net.op("Reshape", [mixed, shape], (1, count, features)), features)
    )


def _aihub(folder: str, script: str) -> str:
    return (
        f"quic/ai-hub-models qai_hub_models/models/{folder}/model.py: "
        f"torchvision.models.{script}, 224x224"
    )


PUBLISHED: dict[str, PublishedArchitecture] = {
    "convnext_base": PublishedArchitecture(
        made(wide_kernels, *IMAGE, widths=(128, 256, 512, 1024), counts=(3, 3, 27, 3)),
        88_591_464, 111_208, 40_192 + 18_048, 15.355,
        ("aihub/convnext_base",), _aihub("convnext_base", "convnext_base"),
    ),
    "densenet121": PublishedArchitecture(
        ARCHITECTURES["densenet121"], 7_978_856, 1_000, 83_648, 2.834,
        ("aihub/densenet121",), _aihub("densenet121", "densenet121"),
    ),
    "efficientnet_b0": PublishedArchitecture(
        ARCHITECTURES["efficientnet_b0"], 5_288_548, 10_340, 42_016, 0.386,
        ("aihub/efficientnet_b0",), _aihub("efficientnet_b0", "efficientnet_b0"),
    ),
    "googlenet": PublishedArchitecture(
        ARCHITECTURES["googlenet"], 6_624_904, 1_000, 14_560, 1.498,
        ("aihub/googlenet",), _aihub("googlenet", "googlenet"),
    ),
    "mobilenet_v2": PublishedArchitecture(
        ARCHITECTURES["mobilenet_v2"], 3_504_872, 1_000, 34_112, 0.301,
        ("aihub/mobilenet_v2", "openvino/mobilenet-v2"),
        "quic/ai-hub-models qai_hub_models/models/mobilenet_v2/model.py: "
        "tonylins/pytorch-mobilenet-v2 of width 1, 224x224; OpenVINO's FAQ on its benchmarks: "
        "open_model_zoo models/public/mobilenet-v2-pytorch, which is torchvision's, 224x224",
    ),
    "mobilenet_v3_large": PublishedArchitecture(
        ARCHITECTURES["mobilenet_v3_large"], 5_483_032, 7_360, 24_400, 0.217,
        ("aihub/mobilenet_v3_large",), _aihub("mobilenet_v3_large", "mobilenet_v3_large"),
    ),
    "mobilenet_v3_small": PublishedArchitecture(
        ARCHITECTURES["mobilenet_v3_small"], 2_542_856, 4_912, 12_112, 0.057,
        ("aihub/mobilenet_v3_small",), _aihub("mobilenet_v3_small", "mobilenet_v3_small"),
    ),
    "regnet_x_3_2gf": PublishedArchitecture(
        made(regnet, *IMAGE, widths=(96, 192, 432, 1008), counts=(2, 6, 15, 2), group=48),
        15_296_552, 1_000, 62_560, 3.177,
        ("aihub/regnet",), _aihub("regnet", "regnet_x_3_2gf"),
    ),
    "resnet101": PublishedArchitecture(
        made(bottlenecks, *IMAGE, counts=(3, 4, 23, 3)), 44_549_160, 1_000, 105_344, 7.801,
        ("aihub/resnet101",), _aihub("resnet101", "resnet101"),
    ),
    "resnet18": PublishedArchitecture(
        ARCHITECTURES["resnet18"], 11_689_512, 1_000, 9_600, 1.814,
        ("aihub/resnet18",), _aihub("resnet18", "resnet18"),
    ),
    "resnet50": PublishedArchitecture(
        ARCHITECTURES["resnet50"], 25_557_032, 1_000, 53_120, 4.089,
        ("aihub/resnet50",), _aihub("resnet50", "resnet50"),
    ),
    "resnext101_32x8d": PublishedArchitecture(
        made(bottlenecks, *IMAGE, counts=(3, 4, 23, 3), groups=32, inner=256),
        88_791_336, 1_000, 202_880, 16.414,
        ("aihub/resnext101",), _aihub("resnext101", "resnext101_32x8d"),
    ),
    "resnext50_32x4d": PublishedArchitecture(
        ARCHITECTURES["resnext50_32x4d"], 25_028_904, 1_000, 68_224, 4.23,
        ("aihub/resnext50",), _aihub("resnext50", "resnext50_32x4d"),
    ),
    "shufflenet_v2_x0_5": PublishedArchitecture(
        made(shufflenet_v2, *IMAGE, widths=(48, 96, 192)), 1_366_792, 1_000, 7_952, 0.04,
        ("aihub/shufflenet_v2",), _aihub("shufflenet_v2", "shufflenet_v2_x0_5"),
    ),
    "squeezenet1_1": PublishedArchitecture(
        ARCHITECTURES["squeezenet1_1"], 1_235_496, 3_944, 0, 0.349,
        ("aihub/squeezenet1_1",), _aihub("squeezenet1_1", "squeezenet1_1"),
    ),
    "vit_b_16": PublishedArchitecture(
        made(vit, *IMAGE, features=768, depth=12, heads=12),
        86_567_656, 84_712, 38_400, 17.564,
        ("aihub/vit",), _aihub("vit", "vit_b_16"), embeddings=198 * 768,
    ),
}  # fmt: skip
"""Name in torchvision -> what was published of it."""


def built_structure(name: str) -> Structure:
    """Return the structure of one architecture, built anew."""
    structure = read_structure(trace_model(PUBLISHED[name].build()))
    assert structure is not None
    return structure


def table_text(structures: Mapping[str, Structure]) -> str:
    """Return what profiles/measured/structures.yaml says of these structures, by name."""
    lines = [
        "# Which published measurements are of which architecture, and the structure of each:",
        "# written by `./dev bench structures` from tests/published_architectures.py.",
        "schema: placer/structures/v1",
        "architectures:",
    ]
    for name, published in sorted(PUBLISHED.items()):
        built = structures[name]
        lines += [
            f"  - name: {name}",
            f"    sha256: {built.sha256}",
            f"    trunk: {built.trunk_sha256}",
            f"    layers: {built.n_layers}",
            f"    weights: {built.n_weights}",
            f"    macs: {built.macs}",
            f"    besides: [{', '.join(built.besides)}]",
            f"    shape: [{', '.join(map(str, published.input_shape))}]",
            f"    parameters: {published.parameters}",
            f"    rows: [{', '.join(published.rows)}]",
            "    source: >-",
            *wrap(published.source, 96, initial_indent=" " * 6, subsequent_indent=" " * 6),
        ]
    return "\n".join((*lines, ""))
