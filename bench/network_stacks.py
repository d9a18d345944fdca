"""Compare modelled with measured requests of several stacks: plain HTTP, TLS, gRPC.

    ./dev bench network_stacks

Printed for each stack and connection state: |modelled / measured - 1| over five links and three
sizes. Nothing of it was used to fit. `bench/data/netem_stacks.csv` says how it was measured; the 13
ms that a TLS handshake took of the emulated CPU are taken off.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from placer.core.environment import NetworkPath
from placer.core.network.framing import Protocol
from placer.core.transfer import request_s

DATA = Path(__file__).parent / "data" / "netem_stacks.csv"
TLS_CPU_S = 0.013
WANTED_MEDIAN = 0.03


def main() -> int:
    """Print one line for each stack and state."""
    lines = [line for line in DATA.read_text().splitlines() if not line.startswith("#")]
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in csv.DictReader(lines):
        stack, connection = row["stack"], row["connection"]
        path = NetworkPath(
            "measured",
            "",
            loss_ratio=0.0,
            connection=connection,
            is_encrypted=stack == "https",
        )
        rate = float(row["rate_mbit_per_s"]) * 1e6 / 8
        modelled_s = request_s(
            path,
            up_bytes=int(row["up_bytes"]),
            down_bytes=1000,
            rtt_s=np.array([float(row["rtt_ms"]) / 1e3]),
            uplink_bytes_per_s=rate,
            downlink_bytes_per_s=rate,
            protocol=Protocol.GRPC if stack == "grpc" else Protocol.HTTP1,
        ).item()
        measured_s = float(row["total_ms"]) / 1e3
        if stack == "https" and connection == "new":
            measured_s -= TLS_CPU_S
        errors[stack, connection].append(abs(modelled_s / measured_s - 1))
    print(f"{'stack':6} {'connection':10} {'cells':>5} {'median':>7} {'9 in 10':>7} {'worst':>6}")
    for (stack, connection), found in sorted(errors.items()):
        figures = f"{np.median(found):7.2%} {np.quantile(found, 0.9):7.2%} {max(found):6.1%}"
        print(f"{stack:6} {connection:10} {len(found):5} {figures}")
    median = float(np.median(np.concatenate([*errors.values()])))
    is_met = median <= WANTED_MEDIAN
    print(
        f"{'PASS' if is_met else 'FAIL'}: {median:.2%} in the median (at most {WANTED_MEDIAN:.0%})"
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
