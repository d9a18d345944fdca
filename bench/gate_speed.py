"""Time reading 5,000 manifests of all formats, start-up included; checkov beside it, if installed.

    ./dev bench gate_speed

The manifests are the fixtures of the tests under new names. Each time is that of a fresh process.
checkov reads the Kubernetes ones among them, placer the same ones again.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from placer.manifests.formats import FORMATS
from placer.manifests.paths import SUFFIXES

FIXTURES = Path(__file__).parent.parent / "tests" / "manifests"
LIMIT_S = 10.0
FASTER = 10.0
"""At least so many times as fast as checkov on the same files."""

READ = """
import sys
from placer.manifests.reading import read_manifests
found = read_manifests(sys.argv[1:])
print(len(found.deployed), found.files, found.skipped, len(found.unreadable), len(found.defects))
"""


def write(folder: Path, formats: tuple[str, ...], count: int) -> int:
    """Write `count` manifests in folders of 100, each with a name of its own; return their bytes.

    A model repository keeps its shape: each of its files counts.
    """
    sources = [
        path
        for format in formats
        for path in sorted((FIXTURES / format).rglob("*"))
        if path.name.endswith(SUFFIXES)
    ]
    size = 0
    for number in range(count):
        source = sources[number % len(sources)]
        content = re.sub(
            rb'("?name"?:\s*"?)([a-z][a-z-]*)', rb"\g<1>\g<2>-%d" % number, source.read_bytes()
        )
        target = folder / f"{number // 100}" / f"{number}" / source.name
        target.parent.mkdir(parents=True)
        target.write_bytes(content)
        size += len(content)
    return size


def timed(command: list[str], turns: int) -> tuple[float, float, str]:
    """Return the least wall and CPU time of a command, and what it printed last.

    The least, because a shared machine only adds time.
    """
    walls, cpus, printed = [], [], ""
    for _ in range(turns):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter_ns()
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
        walls.append((time.perf_counter_ns() - start) / 1e9)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(cpus), printed


def main() -> int:
    """Print one line a tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifests", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        every, kubernetes = Path(name, "every"), Path(name, "kubernetes")
        ids = tuple(one.id for one in FORMATS)
        size = write(every, ids, arguments.manifests)
        seconds, cpu_s, counts = timed([sys.executable, "-c", READ, str(every)], arguments.turns)
        print(
            f"{arguments.manifests:,} manifests of {len(ids)} formats, {size / 1e6:.1f} MB\n"
            f"  placer   {seconds:6.2f} s ({cpu_s:.2f} s of CPU),"
            f" {arguments.manifests / seconds:,.0f} files/s\n"
            f"  deployed, files, skipped, unreadable, defects: {counts.strip()}"
        )
        passed = seconds <= LIMIT_S
        passed &= against_checkov(kubernetes, min(arguments.manifests, 200))
    print(f"{'PASS' if passed else 'FAIL'}: at most {LIMIT_S:.0f} s, best of {arguments.turns}")
    return 0 if passed else 1


def against_checkov(folder: Path, count: int) -> bool:
    """Print the times of both on the same Kubernetes files; tell whether placer is fast enough."""
    checkov = shutil.which("checkov")
    if checkov is None:
        print("  checkov is not on the PATH: not compared")
        return True
    write(folder, ("kubernetes",), count)
    ours, _, _ = timed([sys.executable, "-c", READ, str(folder)], 3)
    command = [checkov, "-d", str(folder), "--framework", "kubernetes", "--quiet", "--compact"]
    theirs, _, _ = timed(command, 1)
    print(f"{count} Kubernetes files\n  placer   {ours:6.2f} s\n  checkov  {theirs:6.2f} s")
    return theirs >= FASTER * ours


if __name__ == "__main__":
    sys.exit(main())
