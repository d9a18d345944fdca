"""Recompute the held-out accuracy of both models from the files beside this one.

Ends with exit code 1 if it is not what metrics.json says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

HERE = Path(__file__).parent
MODELS = ("digits.tflite", "digits-int8.tflite")


def answers(name: str) -> np.ndarray:
    """Return the probabilities (n, 10) that a model gives for the held-out images."""
    interpreter = Interpreter(str(HERE / name))
    interpreter.allocate_tensors()
    (image,), (probabilities,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sample in np.load(HERE / "samples.npz")["image"]:
        interpreter.set_tensor(image["index"], sample[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(probabilities["index"])[0])
    return np.stack(found)


def count_correct(name: str) -> int:
    """Return how many of the held-out images a model recognises."""
    return int((answers(name).argmax(axis=1) == np.load(HERE / "labels.npy")).sum())


def main() -> int:
    """Print the accuracy of both and compare it with metrics.json."""
    stated = json.loads((HERE / "metrics.json").read_text())
    total = stated["held_out_images"]
    wrong = 0
    for name in MODELS:
        correct = count_correct(name)
        print(f"{name}: {correct} of {total} held-out images are recognised: {correct / total:.1%}")
        if correct != stated["held_out_correct"][name]:
            print(f"metrics.json says {stated['held_out_correct'][name]}", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
