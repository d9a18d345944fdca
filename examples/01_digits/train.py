"""Train the digit classifier and write its model, samples, labels, metrics and calibration.npz.

Needs PyTorch, scikit-learn and onnx: pip install torch==2.13.0 scikit-learn onnx
Takes one to two minutes on one CPU core.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
SEED = 20261123
HELD_OUT_IMAGES = 500
CALIBRATION_IMAGES = 100
EPOCHS = 60
BATCH = 64
CHANNELS = 96
PIXEL_MAX = 16.0
BLOCKS = 2
OPSET = 17


class Convolution(nn.Sequential):
    """A 3 x 3 convolution with batch norm; both are folded into one when written."""

    def __init__(self, width_in: int) -> None:
        super().__init__(
            nn.Conv2d(width_in, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS)
        )

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight and bias of one convolution that does what both do."""
        conv, norm = self
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight * gain[:, None, None, None]
        bias = norm.bias - norm.running_mean * gain
        return weight.detach().numpy(), bias.detach().numpy()


class Network(nn.Module):
    """A stem, residual blocks at 8 x 8, one pooling, one dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(1)
        self.blocks = nn.ModuleList(
            nn.ModuleList([Convolution(CHANNELS), Convolution(CHANNELS)]) for _ in range(BLOCKS)
        )
        self.dropout = nn.Dropout(0.4)
        self.head = nn.Linear(CHANNELS * 4 * 4, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 10) of images (n, 1, 8, 8) scaled to 0 to 1."""
        relu = nn.functional.relu
        value = relu(self.stem(images))
        for first, second in self.blocks:
            value = relu(value + second(relu(first(value))))
        value = nn.functional.max_pool2d(value, 2).flatten(1)
        return self.head(self.dropout(value))


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Move each image by up to half a pixel and scale it by up to 8 %, at random."""
    n = len(images)
    transform = torch.zeros(n, 2, 3)
    scale = 1 + 0.16 * (torch.rand(n) - 0.5)
    transform[:, 0, 0] = scale
    transform[:, 1, 1] = scale
    transform[:, :, 2] = 0.25 * (torch.rand(n, 2) - 0.5)  # of half the width: 4 pixels
    grid = nn.functional.affine_grid(transform, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def train(network: Network, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Train for a fixed number of epochs; the held-out images play no part in it."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    network.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH):
            loss = loss_of(network(shifted(images[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()


def to_onnx(network: Network) -> onnx.ModelProto:
    """Write the trained network as an ONNX graph with readable names and batch 1.

    The input is the raw pixel value, 0 to 16; scaling is the graph's first node.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    scale = constant("pixel_scale", np.array(1 / PIXEL_MAX))
    value = node("Mul", ["image", scale], "scaled")

    def convolution(name: str, source: str, layer: Convolution) -> str:
        weight, bias = layer.folded()
        inputs = [source, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        return node("Conv", inputs, name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    value = node("Relu", [convolution("stem", value, network.stem)], "stem.relu")
    for index, (first, second) in enumerate(network.blocks, 1):
        name = f"block{index}"
        inner = node("Relu", [convolution(f"{name}.conv1", value, first)], f"{name}.relu1")
        inner = convolution(f"{name}.conv2", inner, second)
        value = node("Relu", [node("Add", [value, inner], f"{name}.sum")], f"{name}.relu2")
    value = node("MaxPool", [value], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    value = node("Flatten", [value], "features", axis=1)
    weight, bias = (tensor.detach().numpy() for tensor in network.head.parameters())
    inputs = [value, constant("head.weight", weight), constant("head.bias", bias)]
    value = node("Gemm", inputs, "logits", transB=1)
    node("Softmax", [value], "probabilities", axis=1)
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="examples/01_digits"
    )
    model.ir_version = 8  # the one that came with opset 17
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, write the five files, print the held-out accuracy."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    digits = load_digits()
    images = digits.images.astype(np.float32)[:, None]
    train_images, held_images, train_labels, held_labels = train_test_split(
        images,
        digits.target,
        test_size=HELD_OUT_IMAGES,
        random_state=SEED % 2**31,
        stratify=digits.target,
    )
    network = Network()
    train(network, torch.from_numpy(train_images) / PIXEL_MAX, torch.from_numpy(train_labels))
    with torch.no_grad():
        predicted = network(torch.from_numpy(held_images) / PIXEL_MAX).argmax(1).numpy()
    correct = int((predicted == held_labels).sum())
    model = to_onnx(network)
    onnx.save(model, HERE / "digits.onnx")
    np.savez_compressed(HERE / "samples.npz", image=held_images)
    np.save(HERE / "labels.npy", held_labels.astype(np.uint8))
    # of the training images, which the split has put in a random order: the held-out ones judge
    np.savez_compressed(HERE / "calibration.npz", image=train_images[:CALIBRATION_IMAGES])
    metrics = {
        "training_images": len(train_images),
        "held_out_images": len(held_images),
        "held_out_correct": correct,
        "held_out_accuracy_ratio": correct / len(held_images),
        "parameters": sum(
            int(np.prod(tensor.dims))
            for tensor in model.graph.initializer
            if tensor.name != "pixel_scale"
        ),
        "seed": SEED,
        "torch": torch.__version__.partition("+")[0],
    }
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"{correct} of {len(held_images)} held-out images are recognised")


if __name__ == "__main__":
    main()
