"""Time the check of 5,000 manifests of all formats, start-up included; checkov beside it.

    ./dev bench gate_speed

The manifests are the fixtures of the tests under new names, in a project that gives each model a
workload and resolves some of the places. Each time is that of a fresh `placer check --locked`, with
its report. checkov, if it is on the PATH, checks Kubernetes files, placer the same ones, in turns:
other work on the machine would fall on one of them alone. Both are compiled, as an installation
leaves them: PYTHONDONTWRITEBYTECODE is not passed on, and a first run is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from placer.manifests.formats import FORMATS
from placer.manifests.paths import SUFFIXES
from tests import gate_project

FIXTURES = Path(__file__).parent.parent / "tests" / "manifests"
LIMIT_S = 10.0
FASTER = 10.0
"""At least so many times as fast as checkov on the same files."""

SITES = {
    "line": {
        "device": gate_project.EDGE,
        "match": [
            {"labels": {"node-role.kubernetes.io/edge": "*"}},
            {"node": "*"},
            {"group": "*"},
            {"path": "*.pbtxt"},
        ],
    },
    "north": {
        "cloud": gate_project.CLOUD,
        "match": [{"labels": {"topology.kubernetes.io/region": "*"}}],
    },
}


def project(folder: Path) -> None:
    """Write a project in which every model serves a workload."""
    gate_project.make(
        folder,
        {},
        project_file=gate_project.project(
            sites=SITES, models=[{"uri": "*", "workload": "counter"}]
        ),
    )


def command(folder: Path) -> list[str]:
    """Return the check of all manifests of a project."""
    words = ["check", str(folder / "deploy"), "--locked", "--as-of", gate_project.TODAY]
    return [sys.executable, "-m", "placer", *words, "--format", "json"]


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


def timed(command: list[str]) -> tuple[float, str]:
    """Return the wall time of a command, and what it printed."""
    compiled = {key: one for key, one in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter_ns()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=compiled)
    return (time.perf_counter_ns() - start) / 1e9, done.stdout


def main() -> int:
    """Print one line a tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifests", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        every, kubernetes = Path(name, "every"), Path(name, "kubernetes")
        ids = tuple(one.id for one in FORMATS)
        project(every)
        size = write(every / "deploy", ids, arguments.manifests)
        _, report = timed(command(every))
        found = json.loads(report)
        seconds = statistics.median(timed(command(every))[0] for _ in range(arguments.turns))
        outcomes = Counter(one["outcome"] for one in found["checked"])
        print(
            f"{arguments.manifests:,} manifests of {len(ids)} formats, {size / 1e6:.1f} MB\n"
            f"  placer   {seconds:6.2f} s, {arguments.manifests / seconds:,.0f} files/s; "
            f"{len(found['checked'])} deployments ({dict(outcomes)}), "
            f"{len(found['findings'])} findings"
        )
        passed = seconds <= LIMIT_S
        passed &= against_checkov(kubernetes, min(arguments.manifests, 1000), arguments.turns)
    print(f"{'PASS' if passed else 'FAIL'}: at most {LIMIT_S:.0f} s, median of {arguments.turns}")
    return 0 if passed else 1


def against_checkov(folder: Path, count: int, turns: int) -> bool:
    """Print the times of both on the same Kubernetes files; tell whether placer is fast enough."""
    checkov = shutil.which("checkov")
    if checkov is None:
        print("  checkov is not on the PATH: not compared")
        return True
    project(folder)
    write(folder / "deploy", ("kubernetes",), count)
    words = ["-d", str(folder / "deploy"), "--framework", "kubernetes", "--quiet", "--compact"]
    both = [command(folder), [checkov, *words]]
    for one in both:
        timed(one)
    pairs = [[timed(one)[0] for one in both] for _ in range(turns)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(checkov_s / placer_s for placer_s, checkov_s in pairs)
    print(
        f"{count} Kubernetes files, in turns\n  placer   {ours:6.2f} s\n"
        f"  checkov  {theirs:6.2f} s, {ratio:.1f} times as long (median of {turns} ratios)"
    )
    return ratio >= FASTER


if __name__ == "__main__":
    sys.exit(main())
