"""Which nodes of six networks a Snapdragon's NPU would run, and why not the others.

    ./dev bench ep_qnn_coverage [SOC]

Needs the ``qnn`` extra. The networks: the digit classifier of the examples, four topologies that
the ``onnx`` package ships (random weights), and one made to have operators that are refused.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import onnx
import onnx.parser

from placer.api.coverage import coverage
from placer.core.errors import PlacerError

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits" / "digits.onnx"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = ("squeezenet", "shufflenet", "resnet50", "densenet121")
REFUSED = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,64,32,32] x) => (float[1,64,32,32] y, int64[4,n] z) {
  a = Relu(x)
  b = Erf(a)
  s = Sigmoid(b)
  y = Mul(s, a)
  z = NonZero(y)
}
"""


def main() -> int:
    """Print a line for each network, and one for each reason."""
    soc = sys.argv[1] if len(sys.argv) > 1 else "SM8650"
    failed = 0
    print(f"{'network':14} {'nodes':>6} {'on NPU':>7} {'pieces':>7} {'took s':>7}   for {soc}")
    with tempfile.TemporaryDirectory() as folder:
        refused = str(Path(folder) / "refused.onnx")
        onnx.save(onnx.parser.parse_model(REFUSED), refused)
        paths = {
            "digits": str(DIGITS),
            **{name: str(LIGHT / f"light_{name}.onnx") for name in NETWORKS},
            "refused": refused,
        }
        for name, path in paths.items():
            start_ns = time.perf_counter_ns()
            try:
                _, found = coverage(path, soc=soc)
            except PlacerError as error:
                failed += 1
                print(f"{name:14} {error.message}")
                continue
            took_s = (time.perf_counter_ns() - start_ns) / 1e9
            print(
                f"{name:14} {found.n_nodes:6} {found.n_covered:7} {found.n_parts:7} {took_s:7.1f}",
                flush=True,
            )
            reasons = Counter((node.op_type, node.reason) for node in found.left_out)
            for (op_type, reason), count in reasons.most_common():
                print(f"    {count} x {op_type}: {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
