"""Models and places for tests of ``placer split MODEL``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from placer.onnx_files.calibration_models import Net

NARROW = """\
name: narrow
title: A narrow way to a near server
rtt:
  p50: 1 ms
uplink: 20 Mbit/s
downlink: 20 Mbit/s
loss: 0 %
measured_to: endpoint
basis: measured
source: a test
"""
NARROW_FILE = "narrow.yaml"
GPU = "aws-g4dn.xlarge@us-east-1"
WINNING = ("--network", NARROW_FILE, "--cloud", GPU, "--threads", "1")
POOLED = "v0"
"""Of ``shrinking``: the picture at 32 x 32."""


def shrinking() -> Any:
    """An image of 786 kB that is pooled to 12 kB, then much work: to split is quickest.

    All on the cloud, the image takes 0.3 s at 20 Mbit/s; all here, the work some 30 ms.
    """
    net = Net(3, 256, 256)
    value = net.conv(net.pool(net.x, 8, 8), 96)
    for _ in range(24):
        value = net.conv(value, 96)
    return net.model(net.head(value, 10))


def narrowing() -> Any:
    """As ``shrinking``, by 3 filters over 243 values each: what leaves is not shown to be raw."""
    net = Net(3, 256, 256)
    value = net.conv(net.conv(net.x, 3, 9, stride=8), 96)
    for _ in range(24):
        value = net.conv(value, 96)
    return net.model(net.head(value, 10))


def scalar_between() -> Any:
    """x (1, 64) -> its mean, a tensor without dimensions -> times x."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Tanh", ["mean"], ["squashed"]),
        helper.make_node("Exp", ["squashed"], ["grown"]),
        helper.make_node("Mul", ["x", "grown"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scalar",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 64))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 64))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_network(folder: Path) -> None:
    """Write the network that ``WINNING`` names."""
    (folder / NARROW_FILE).write_text(NARROW)
