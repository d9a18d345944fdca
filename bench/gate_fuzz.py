"""Read 100,000 mutated manifests: no exception, no hang, memory bounded.

    ./dev bench gate_fuzz [--inputs N] [--seed N]

Child processes read them in batches, each with 1 GiB of address space and 5 s an input. What
fails is written to a file, and the seed makes it again.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from placer.core.errors import PlacerError
from placer.manifests.paths import SUFFIXES
from placer.manifests.reading import read_manifests

FIXTURES = Path(__file__).parent.parent / "tests" / "manifests"
MEMORY_BYTES = 2**30
INPUT_S = 5
BATCH = 5000
SPLICES = [
    *(b"{{ .Values.x }} {{- if }} *a &a <<:\x20*a !!binary !Ref --- ... [ ] { } , null ~ | >- ' \""
      b" # : - ? \\u \\ud83d %YAML @ ` $ ${X:-y} INTO $upstream KIND_GPU".split(b" ")),
    b"\t", b"\r", b"\n", b"\x00", b"\xff", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b": ", b"- ", b"  ",
    b"[" * 300, b"{a: " * 300, b"9" * 500, b"a" * 70_000, b'"{\\"a\\":' * 50,
    b"# placer: ignore[PLC101] x\n",
    b"a0: &a0 [x]\n"
    + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)),
]  # fmt: skip


class _SlowError(Exception):
    """An input took too long."""


def mutated(chance: random.Random, contents: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Return a fixture changed by lines (often still YAML), by bytes (seldom), or by both."""
    name, content = chance.choice(contents)
    if chance.random() < 0.8:
        content = _by_lines(chance, content, chance.choice(contents)[1])
    if chance.random() < 0.4:
        for _ in range(chance.choice((1, 1, 2, 4))):
            start = chance.randint(0, len(content))
            end = min(len(content), start + chance.choice((0, 0, 1, 5, 80)))
            piece = chance.choice((chance.choice(SPLICES), b"", bytes([chance.randrange(256)])))
            content = content[:start] + piece + content[end:]
    return name, content


def _by_lines(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Drop, repeat, move, indent lines, or put those of another fixture or other values there."""
    lines = content.splitlines(keepends=True) or [b""]
    others = other.splitlines(keepends=True) or [b""]
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                lines[at] = b""
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 3:
                lines[at] = b"  " + lines[at] if chance.random() < 0.5 else lines[at][2:]
            case 4:
                lines.insert(at, chance.choice(others))
            case _:
                key, colon, _ = lines[at].partition(b":")
                lines[at] = key + colon + b" " + chance.choice(SPLICES).strip() + b"\n"
    return b"".join(lines)


def read(name: str, content: bytes, folder: Path) -> str:
    """Read one input and return what became of it."""
    try:
        if name.endswith(".pbtxt"):
            path = folder / name
            path.write_bytes(content)
            found = read_manifests([str(path)])
        else:
            found = read_manifests(["-"], stdin=io.BytesIO(content))
    except PlacerError:
        return "refused"
    if found.unreadable:
        return "unreadable"
    return "deployed" if found.deployed else "skipped" if found.skipped else "nothing deployed"


def child(seed: int, count: int) -> int:
    """Read a batch and print its counts as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def stop(_signal: int, _frame: object) -> None:
        raise _SlowError

    signal.signal(signal.SIGALRM, stop)
    contents: list[tuple[str, bytes]] = [
        (path.name, path.read_bytes())
        for path in sorted(FIXTURES.rglob("*"))
        if path.name.endswith(SUFFIXES)
    ]
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    slowest_s = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            name, content = mutated(chance, contents)
            start = time.perf_counter_ns()
            signal.alarm(INPUT_S)
            try:
                outcome = read(name, content, Path(folder))
            except Exception as error:  # whatever it is, it is what is looked for
                outcome = f"FAILED {type(error).__name__}"
                kept = Path(tempfile.gettempdir(), f"gate_fuzz_{seed}_{counts.total()}_{name}")
                kept.write_bytes(content)
                print(f"{outcome}: {error}; input kept in {kept}", file=sys.stderr)
            finally:
                signal.alarm(0)
            slowest_s = max(slowest_s, (time.perf_counter_ns() - start) / 1e9)
            counts[outcome] += 1
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"counts": counts, "slowest_s": slowest_s, "peak_bytes": peak_bytes}))
    return 0


def main() -> int:
    """Print the counts of all batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", action="store_true", help="read one batch in this process")
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.seed, arguments.inputs)
    total: Counter[str] = Counter()
    slowest_s, peak_bytes = 0.0, 0
    start = time.perf_counter_ns()
    for batch in range(0, arguments.inputs, BATCH):
        count = min(BATCH, arguments.inputs - batch)
        command = [sys.executable, __file__, "--child", "--inputs", str(count)]
        command += ["--seed", str(arguments.seed + batch)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            total[f"FAILED process ended with {done.returncode}"] += count
            continue
        result = json.loads(done.stdout)
        total.update(result["counts"])
        slowest_s = max(slowest_s, result["slowest_s"])
        peak_bytes = max(peak_bytes, result["peak_bytes"])
    seconds = (time.perf_counter_ns() - start) / 1e9
    for outcome, count in sorted(total.items()):
        print(f"{outcome:32} {count:8,}")
    print(f"{seconds:.0f} s; slowest {slowest_s:.2f} s, peak {peak_bytes / 2**20:.0f} MiB")
    failed = sum(count for outcome, count in total.items() if outcome.startswith("FAILED"))
    print(f"{'FAIL' if failed else 'PASS'}: {failed} of {arguments.inputs:,} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
