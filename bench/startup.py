"""Compare the time of ``placer --help`` with importing typer and rich.

    ./dev bench startup [--repeats 15]

Interleaved; the minimum of each counts, because a shared machine only adds time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

LIMIT_RATIO = 3.5
COMMANDS = {
    "placer --help": [sys.executable, "-m", "placer", "--help"],
    "import typer, rich": [sys.executable, "-c", "import typer, rich"],
}


def main() -> int:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    best_s = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            start_ns = time.perf_counter_ns()
            subprocess.run(command, check=True, capture_output=True)
            best_s[name] = min(best_s[name], (time.perf_counter_ns() - start_ns) / 1e9)
    for name, seconds in best_s.items():
        print(f"{name:20} {seconds * 1e3:7.1f} ms")
    ratio = best_s["placer --help"] / best_s["import typer, rich"]
    print(f"{'PASS' if ratio <= LIMIT_RATIO else 'FAIL'}: ratio {ratio:.2f} (limit {LIMIT_RATIO})")
    return 0 if ratio <= LIMIT_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
