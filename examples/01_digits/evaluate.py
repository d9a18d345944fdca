"""Recompute the held-out accuracy of digits.onnx from the files beside this one.

Ends with exit code 1 if it is not what metrics.json says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent


def count_correct() -> tuple[int, int]:
    """Return (held-out images that the model recognises, held-out images)."""
    session = onnxruntime.InferenceSession(HERE / "digits.onnx", providers=["CPUExecutionProvider"])
    images = np.load(HERE / "samples.npz")["image"]
    labels = np.load(HERE / "labels.npy")
    predicted = [
        int(np.argmax(session.run(["probabilities"], {"image": image[None]})[0]))
        for image in images
    ]
    return int((np.array(predicted) == labels).sum()), len(labels)


def main() -> int:
    """Print the accuracy and compare it with metrics.json."""
    correct, total = count_correct()
    print(f"{correct} of {total} held-out images are recognised: {correct / total:.1%}")
    stated = json.loads((HERE / "metrics.json").read_text())
    if (correct, total) == (stated["held_out_correct"], stated["held_out_images"]):
        return 0
    print(
        f"metrics.json says {stated['held_out_correct']} of {stated['held_out_images']}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
