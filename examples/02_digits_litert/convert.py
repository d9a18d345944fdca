"""Convert ../01_digits/digits.onnx to digits.tflite and digits-int8.tflite.

Needs: pip install tensorflow-cpu==2.21.0 ai-edge-litert==2.3.0 onnx scikit-learn
Takes half a minute on one CPU core. Every weight comes from the ONNX file, so that both are the
same network; only the layout differs: images are (rows, columns, channel), as TensorFlow has them.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import evaluate
import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
SOURCE = HERE.parent / "01_digits"
CALIBRATION_IMAGES = 400


def to_function(model: onnx.ModelProto) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Return the network as a TensorFlow function of images (1, 8, 8, 1)."""
    weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 1), tf.float32, name="image")])
    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        values = {"image": image}
        for node in model.graph.node:
            first, *rest = node.input
            values[node.output[0]] = apply(
                node, values[first], [weights.get(name, values.get(name)) for name in rest]
            )
        return {"probabilities": values["probabilities"]}

    return network


def apply(node: onnx.NodeProto, value: tf.Tensor, rest: list[np.ndarray | tf.Tensor]) -> tf.Tensor:
    """Do what one ONNX node does, in TensorFlow's layout; refuse what would need another answer."""
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    match node.op_type, attributes:
        case "Mul" | "Add" as kind, {}:
            return value * rest[0] if kind == "Mul" else value + rest[0]
        case "Relu", {}:
            return tf.nn.relu(value)
        case "Conv", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}:
            weight, bias = rest  # (out, in, rows, columns)
            return tf.nn.conv2d(value, weight.transpose(2, 3, 1, 0), 1, "SAME") + bias
        case "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}:
            return tf.nn.max_pool2d(value, 2, 2, "VALID")
        case "Flatten", {"axis": 1}:
            return tf.reshape(value, (1, -1))
        case "Gemm", {"transB": 1}:
            weight, bias = rest  # its columns are in the order (channel, row, column)
            columns = weight.reshape(10, -1, 4, 4).transpose(0, 2, 3, 1).reshape(10, -1)
            return tf.matmul(value, columns, transpose_b=True) + bias
        case "Softmax", {"axis": 1}:
            return tf.nn.softmax(value, axis=1)
    raise SystemExit(f"no conversion for {node.op_type} {attributes}")


def calibration_images(held_out: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yield training images; the held-out ones play no part in the quantisation."""
    held = {image.tobytes() for image in held_out}
    images = [one for one in load_digits().images.astype(np.float32) if one.tobytes() not in held]
    for image in images[:CALIBRATION_IMAGES]:
        yield [image[None, :, :, None]]


def main() -> None:
    """Write both models, the held-out images in their layout, and how many are recognised."""
    images = np.load(SOURCE / "samples.npz")["image"]  # (n, 1, 8, 8)
    module = tf.Module()
    module.network = to_function(onnx.load(SOURCE / "digits.onnx"))
    # a saved model gives inputs and outputs their names
    concrete = module.network.get_concrete_function()
    saved = HERE / "saved_model"
    tf.saved_model.save(module, str(saved), signatures=concrete)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    (HERE / "digits.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: calibration_images(images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (HERE / "digits-int8.tflite").write_bytes(converter.convert())
    shutil.rmtree(saved)
    np.savez_compressed(HERE / "samples.npz", image=np.moveaxis(images, 1, -1))
    shutil.copyfile(SOURCE / "labels.npy", HERE / "labels.npy")
    metrics = {
        "held_out_images": len(images),
        "held_out_correct": {name: evaluate.count_correct(name) for name in evaluate.MODELS},
        "calibration_images": CALIBRATION_IMAGES,
        "tensorflow": tf.__version__,
        "litert": importlib.metadata.version("ai-edge-litert"),
    }
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
