"""Measure the wire formats on the activations of the trained digits, real held-out images.

    ./dev bench split_wire_formats [--samples 200]

For several cuts: bytes of each format, time to encode and decode, and the error of the outputs;
then what byte planes and a higher level of zlib would save of each float32 tensor.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.utils import Extractor

from placer.core.wire_choice import Arrays, ErrorLimit, Part, choose, measure_formats

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits"
CUTS = (
    ("stem.relu",),
    ("block1.conv2", "stem.relu"),
    ("block2.relu2",),
    ("pooled",),
)
LIMIT = ErrorLimit(relative=0.01)


def part(model: Any, inputs: list[str], outputs: list[str]) -> Part:
    """Return a function that runs a part of a model."""
    extracted = Extractor(model).extract_model(inputs, outputs)
    session = onnxruntime.InferenceSession(extracted.SerializeToString())

    def run(tensors: Arrays) -> Arrays:
        return dict(zip(outputs, session.run(outputs, dict(tensors)), strict=True))

    return run


def clock_s() -> float:
    """Return seconds of a clock that never goes back."""
    return time.perf_counter_ns() / 1e9


def planes(data: bytes, itemsize: int) -> bytes:
    """Return the first byte of every element, then the second, ..."""
    return np.frombuffer(data, np.uint8).reshape(-1, itemsize).T.tobytes()


def compression(tensors: list[np.ndarray]) -> str:
    """Tell what zlib leaves of tensors, as they are and as planes, at two levels."""
    raw = sum(tensor.nbytes for tensor in tensors)
    shares = [
        sum(len(zlib.compress(form(tensor), level)) for tensor in tensors) / raw
        for level in (1, 6)
        for form in (np.ndarray.tobytes, lambda tensor: planes(tensor.tobytes(), 4))
    ]
    zeros = float(np.mean([np.mean(tensor == 0) for tensor in tensors]))
    return (
        f"zeros {zeros:>4.0%}   level 1: {shares[0]:.3f}, planes {shares[1]:.3f}   "
        f"level 6: {shares[2]:.3f}, planes {shares[3]:.3f}"
    )


def main() -> int:
    """Print a table for each cut."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    asked = parser.parse_args()
    model = onnx.shape_inference.infer_shapes(onnx.load(DIGITS / "digits.onnx"))
    images = np.load(DIGITS / "samples.npz")["image"][: asked.samples]
    samples = [{"image": image[None]} for image in images]
    for cut in CUTS:
        head = part(model, ["image"], list(cut))
        tail = part(model, list(cut), ["probabilities"])
        results = measure_formats(head, tail, samples, clock_s=clock_s)
        print(f"{' and '.join(cut)}, {len(samples)} images")
        for one in results:
            print(
                f"  {one.wire_format.name:<13} {one.mean_bytes:>8,.0f} B (p95 {one.p95_bytes:,})  "
                f"encode {one.encode_s * 1e6:>5.0f} µs  decode {one.decode_s * 1e6:>5.0f} µs  "
                f"absolute {one.error.absolute:.2g}  relative {one.error.relative:.2g}  "
                f"agreement {one.error.agreement_ratio:.1%} "
                f"(≥ {one.error.agreement_low_ratio:.1%})"
            )
        chosen = choose(results, LIMIT)
        name = "none" if chosen is None else chosen.wire_format.name
        print(f"  within a relative error of {LIMIT.relative:.0%}: {name}")
        for tensor in cut:
            found = compression([np.asarray(head(sample)[tensor]) for sample in samples])
            print(f"  {tensor:<13} {found}")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
