"""Show that the measures of leakage see what is there, and nothing where nothing is.

    ./dev bench split_leakage [--samples 500]

1. Distance correlation of independent data of many dimensions: the plain and the corrected form.
2. The linear attack on tensors that are independent of the input: by how much it seems to beat
   guessing the mean. The threshold must be far above.
3. The trained digits, real held-out images: what each tensor reveals, from input to output.

Ends with exit code 1 if a figure is not what docs/leakage.md says.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from placer.core.leakage import (
    MIN_GAIN_DB,
    distance_correlation,
    judge_leakage,
    reconstruct_linearly,
)
from placer.onnx_files.taint import trace_taint

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits"
DRAWS = 20
LARGEST_CORRELATION = 0.05
SHAPES = ((64, 3072, 4096), (256, 3072, 4096), (1024, 3072, 4096))
NULL_SAMPLES = (32, 64, 128, 256)


def biased_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the distance correlation as commonly published (Szekely et al. 2007)."""

    def centred(rows: np.ndarray) -> np.ndarray:
        squares = np.sum(rows * rows, axis=1)
        products = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
        distances = np.sqrt(np.maximum(products, 0))
        return np.asarray(
            distances - distances.mean(axis=0) - distances.mean(axis=1)[:, None] + distances.mean()
        )

    a, b = centred(first), centred(second)
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def correlations() -> bool:
    """Print both correlations of independent normal data; tell whether the corrected is near 0."""
    print("distance correlation of independent normal data")
    print(f"{'n':>6} {'dimensions':>12} {'plain':>8} {'corrected (largest of draws)':>30}")
    worst = 0.0
    for n, first_size, second_size in SHAPES:
        draws = DRAWS if n <= 64 else 1
        found = []
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            first = rng.standard_normal((n, first_size))
            second = rng.standard_normal((n, second_size))
            found.append(distance_correlation(first, second) or 0.0)
        plain = biased_correlation(first, second)
        largest = max(found, key=abs)
        worst = max(worst, abs(largest))
        print(f"{n:>6} {f'{first_size}, {second_size}':>12} {plain:>8.3f} {largest:>+30.3f}")
    return worst <= LARGEST_CORRELATION


def null_gains() -> bool:
    """Print what the attack gains on independent tensors; tell whether it is below a tenth."""
    print("\nbetter linear attack on independent tensors: gain over guessing the mean, dB")
    print(f"{'n':>6} {'mean':>8} {'largest':>8} {'largest bound':>14}")
    worst = -np.inf
    for n in NULL_SAMPLES:
        gains, bounds = [], []
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            inputs = rng.standard_normal((n, 1, 8, 8))
            tensors = rng.standard_normal((n, 32, 4, 4))
            found = reconstruct_linearly(inputs, [tensors], seed=seed)
            gains.append(found.gain_db)
            bounds.append(found.gain_low_db)
        worst = max(worst, *bounds)
        print(f"{n:>6} {np.mean(gains):>+8.3f} {max(gains):>+8.3f} {max(bounds):>+14.3f}")
    return bool(worst < MIN_GAIN_DB / 10)


def by_depth(samples: int) -> bool:
    """Print what each tensor of the digits reveals; tell whether it falls with depth."""
    path = DIGITS / "digits.onnx"
    model = onnx.load(path)
    taint = trace_taint(model)
    names = [name for node in model.graph.node for name in node.output]
    present = {info.name for info in model.graph.output}
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in present
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    images = np.load(DIGITS / "samples.npz")["image"][:samples]
    rows = [session.run(names, {"image": image[None]}) for image in images]
    columns = zip(names, zip(*rows, strict=True), strict=True)
    tensors = {name: np.stack(column) for name, column in columns}
    print(f"\nthe trained digits, {len(images)} held-out images (dB)")
    print(
        f"{'tensor':<15} {'graph':>8} {'dCor':>6} {'PSNR':>6} {'mean':>6} {'gain ≥':>7} {'time':>7}"
    )
    psnr_db = []
    for name in names:
        start = time.perf_counter_ns()
        found = judge_leakage(images, [tensors[name]])
        taken_s = (time.perf_counter_ns() - start) / 1e9
        attack = found.reconstruction
        if attack is None:
            print(f"{name:<15} {found.reason}")
            return False
        psnr_db.append(attack.psnr_db)
        print(
            f"{name:<15} {taint.verdict(name):>8} {found.distance_correlation or 0:>6.3f} "
            f"{attack.psnr_db:>6.1f} {attack.mean_psnr_db:>6.1f} {attack.gain_low_db:>+7.1f} "
            f"{taken_s:>6.2f}s  {found.text}, {attack.attack}"
        )
    ends = [psnr_db[names.index(name)] for name in ("scaled", "stem.relu", "block1.relu2")]
    ends += [psnr_db[names.index(name)] for name in ("block2.relu2", "pooled", "logits")]
    return ends == sorted(ends, reverse=True)


def main() -> int:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=500)
    asked = parser.parse_args()
    kept = {
        "the corrected correlation is within 0.05 of 0": correlations(),
        "independent tensors gain less than a tenth of the threshold": null_gains(),
        "what can be rebuilt falls with depth": by_depth(asked.samples),
    }
    print()
    for claim, is_kept in kept.items():
        print(f"{'yes' if is_kept else 'NO':>4}  {claim}")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
