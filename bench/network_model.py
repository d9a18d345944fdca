"""Compare modelled with measured requests: 1,674 cells of a real kernel behind an emulated link.

    ./dev bench network_model [--samples 1000] [--max-bytes 5000000] [--cells]

For each cell the model tells the distribution of a request. Printed: |median / measured median - 1|
over the cells, of the model and of the usual RTT + bytes / rate; and the share of single requests
at or below the modelled p90 and p99 where packets are lost. The model's fitted constants are two
times of the hosts, fitted on RTT 5, 50 and 200 ms; RTT 20 and 100 ms are told apart. All other
constants are protocol facts or kernel defaults. `bench/data/netem_requests.csv.gz` says how it was
measured; a further grid is kept back.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placer.core.environment import NetworkPath
from placer.core.network.exchange import CONNECT_HOST_S, REQUEST_HOST_S
from placer.core.network.requests import Effort
from placer.core.network.wire import PACKET_BYTES
from placer.core.transfer import request_s

DATA = Path(__file__).parent / "data" / "netem_requests.csv.gz"
FITTED_RTT_MS = (5.0, 50.0, 200.0)
WANTED = {
    ("cubic", False): (0.005, 0.02),
    ("bbr", False): (0.015, 0.08),
    ("cubic", True): (0.02, 0.35),
    ("bbr", True): (0.02, 0.35),
}
"""Median and 90th percentile of the error, by congestion control and whether packets are lost."""
COVERED = {"cubic": ((0.87, 0.93), (0.97, 0.997)), "bbr": ((0.80, 0.97), (0.0, 1.0))}
"""Share of lossy requests at or below the modelled p90 and p99."""


@dataclass(frozen=True)
class Cell:
    """One cell of the grid, measured and modelled."""

    row: dict[str, str]
    measured_s: np.ndarray
    modelled_s: np.ndarray

    @property
    def is_lossy(self) -> bool:
        """Whether packets were lost at random."""
        return float(self.row["loss_pct"]) > 0

    @property
    def rtt_s(self) -> float:
        """Two propagation delays."""
        return float(self.row["rtt_ms"]) / 1e3

    @property
    def error(self) -> float:
        """|modelled / measured - 1| of the medians."""
        return abs(float(np.median(self.modelled_s) / np.median(self.measured_s)) - 1)

    @property
    def usual_error(self) -> float:
        """The same for RTT + bytes / rate."""
        up, down = (
            int(self.row[f"{way}_bytes"]) * 8e-6 / float(self.row[f"{way}_mbps"])
            for way in ("up", "down")
        )
        return abs(float((self.rtt_s + up + down) / np.median(self.measured_s)) - 1)

    def covered(self, percentile: float) -> np.ndarray:
        """Return for each request whether it is at or below the modelled percentile."""
        return np.asarray(self.measured_s <= np.quantile(self.modelled_s, percentile))


def modelled(row: dict[str, str], samples: int) -> np.ndarray:
    """Return modelled times of the requests of a cell, in seconds."""
    rtt_s = float(row["rtt_ms"]) / 1e3
    rate = float(row["up_mbps"]) * 1e6 / 8
    path = NetworkPath(
        "measured",
        "",
        loss_ratio=float(row["loss_pct"]) / 100,
        buffer_bytes=int(row["limit_pkts"]) * PACKET_BYTES
        if row["variant"].startswith("q_")
        else None,
        congestion_control=row["cc"],
        connection=row["connection"],
        is_encrypted=False,
    )
    return request_s(
        path,
        up_bytes=int(row["up_bytes"]),
        down_bytes=int(row["down_bytes"]),
        rtt_s=np.full(samples, rtt_s),
        uplink_bytes_per_s=rate,
        downlink_bytes_per_s=float(row["down_mbps"]) * 1e6 / 8,
        effort=Effort(samples),
    )


def read(samples: int, max_bytes: int) -> list[Cell]:
    """Read the grid and model each cell."""
    with gzip.open(DATA, "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    cells = []
    for row in rows:
        if max(int(row["up_bytes"]), int(row["down_bytes"])) > max_bytes:
            continue
        measured_s = np.array([float(text) for text in row["totals_ms"].split()]) / 1e3
        is_sure = float(row["loss_pct"]) == 0 and row["cc"] == "cubic"
        cells.append(Cell(row, measured_s, modelled(row, 1 if is_sure else samples)))
    return cells


def told(cells: list[Cell]) -> str:
    """Return the errors of some cells: of the model, then the usual estimate."""
    parts = []
    for errors in ([cell.error for cell in cells], [cell.usual_error for cell in cells]):
        found = np.array(errors)
        parts.append(f"{np.median(found):8.2%} {np.quantile(found, 0.9):8.2%} {found.max():8.1%}")
    return " ".join(parts)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000, help="simulated for each cell")
    parser.add_argument("--max-bytes", type=int, default=10**9, help="leave larger messages out")
    parser.add_argument("--cells", action="store_true", help="print each cell")
    options = parser.parse_args()
    cells = read(options.samples, options.max_bytes)
    if options.cells:
        for cell in sorted(cells, key=lambda cell: -cell.error):
            where = ",".join(list(cell.row.values())[:-1])
            figures = (
                f"{1e3 * np.median(cell.measured_s):9.1f} {1e3 * np.median(cell.modelled_s):9.1f}"
            )
            print(f"{cell.error:8.2%} {figures} ms  {where}")
    print(
        f"fitted: {1e6 * REQUEST_HOST_S:.0f} µs for each request, "
        f"{1e6 * CONNECT_HOST_S:.0f} µs for each new connection"
    )
    print(f"{'':34} {'cells':>5} {'model: median, 9 in 10, worst':>26} {'RTT + bytes / rate':>26}")
    passed = True
    base = [cell for cell in cells if cell.row["variant"] == "base"]
    splits: tuple[tuple[str, Callable[[Cell], bool]], ...] = (
        ("all", lambda cell: True),
        ("RTT 5, 50, 200 ms", lambda cell: float(cell.row["rtt_ms"]) in FITTED_RTT_MS),
        ("RTT 20, 100 ms", lambda cell: float(cell.row["rtt_ms"]) not in FITTED_RTT_MS),
        *(
            (state, lambda cell, state=state: cell.row["connection"] == state)
            for state in ("new", "warm", "idle")
        ),
    )
    for (control, is_lossy), (median, nine) in WANTED.items():
        group = [c for c in base if c.row["cc"] == control and c.is_lossy is is_lossy]
        name = f"{control} {'with' if is_lossy else 'without'} loss"
        for split, belongs in splits:
            some = [cell for cell in group if belongs(cell)]
            print(f"{name:16} {split:17} {len(some):5} {told(some)}")
        errors = np.array([cell.error for cell in group])
        passed &= bool(np.median(errors) <= median and np.quantile(errors, 0.9) <= nine)
    for variant in sorted({cell.row["variant"] for cell in cells} - {"base"}):
        for control in ("cubic", "bbr"):
            some = [c for c in cells if c.row["variant"] == variant and c.row["cc"] == control]
            if some:
                print(f"{control:16} {variant:17} {len(some):5} {told(some)}")
    print("\nShare of lossy requests at or below the modelled")
    print(f"{'':34} {'requests':>8} {'p90':>7} {'p99':>7}   p90 in 0.2 % and 50 µs more")
    for control, limits in COVERED.items():
        for split, belongs in splits:
            some = [c for c in base if c.row["cc"] == control and c.is_lossy and belongs(c)]
            shares = [
                float(np.concatenate([c.covered(p) for c in some]).mean()) for p in (0.9, 0.99)
            ]
            near = np.concatenate(
                [c.measured_s <= np.quantile(c.modelled_s, 0.9) * 1.002 + 5e-5 for c in some]
            )
            count = sum(len(cell.measured_s) for cell in some)
            told_shares = " ".join(f"{share:7.1%}" for share in (*shares, near.mean()))
            print(f"{control:16} {split:17} {count:8} {told_shares}")
            if split == "all":
                passed &= all(
                    low <= share <= high for share, (low, high) in zip(shares, limits, strict=True)
                )
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
