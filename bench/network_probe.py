"""What `placer network probe` finds of emulated links, against what they are.

./dev bench network_probe [--quick]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.emulation import EmulatedLink

ROOT = Path(__file__).parent.parent
PORT = 8080


@dataclass(frozen=True)
class Link:
    """A link, as it is stated."""

    rtt_ms: float
    up_mbps: float
    down_mbps: float
    loss_pct: float = 0.0


LINKS = (
    Link(2, 20, 100),
    Link(2, 5, 5),
    Link(20, 5, 20),
    Link(20, 100, 100),
    Link(20, 20, 20, 1.0),
    Link(100, 20, 20),
    Link(100, 5, 100),
    Link(100, 100, 100),
)
QUICK = (Link(20, 5, 20), Link(20, 20, 20, 1.0), Link(100, 100, 100))


def probed(link: Link, *options: str) -> tuple[dict, float]:  # type: ignore[type-arg]  # JSON
    """Return what the probe tells over a link as JSON, and how long it ran."""
    with EmulatedLink(
        delay_s=link.rtt_ms / 2e3,
        up_bytes_per_s=link.up_mbps * 1e6 / 8,
        down_bytes_per_s=link.down_mbps * 1e6 / 8,
        up_loss_ratio=link.loss_pct / 100,
        down_loss_ratio=link.loss_pct / 100,
        seed=7,
    ) as emulated:
        server = emulated.server.spawn(
            [sys.executable, "-m", "tests.web_server", emulated.server_address, str(PORT)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert server.stdout is not None
        server.stdout.readline()
        url = f"http://{emulated.server_address}:{PORT}/"
        began_s = time.monotonic()
        done = emulated.client.run(
            [sys.executable, "-m", "placer", "network", "probe", url, "--format", "json", *options],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        took_s = time.monotonic() - began_s
        if done.returncode:
            raise RuntimeError(done.stderr)
        told = json.loads(done.stdout)
        up, down = emulated.counts()
        told["wire_packets"] = up.sent + down.sent
        return told, took_s


def main() -> None:
    """Print a line for each link."""
    links = QUICK if "--quick" in sys.argv else LINKS
    print(
        f"{'rtt ms':>7} {'up':>5} {'down':>5} {'loss':>5} | {'rtt ms':>8} {'error':>7} "
        f"{'up':>7} {'error':>7} {'down':>7} {'error':>7} {'loss':>13} {'n':>6} | "
        f"{'s':>5} {'MB':>5}"
    )
    for link in links:
        told, took_s = probed(link)
        cells = []
        rtt_ms = 1e3 * told["rtt"]["p50_s"]
        cells.append(f"{rtt_ms:8.3f} {100 * (rtt_ms / link.rtt_ms - 1):+6.1f}%")
        for key, true in (("uplink", link.up_mbps), ("downlink", link.down_mbps)):
            rate = told[key]["bytes_per_s"]
            if rate is None:
                cells.append(f"{'-':>7} {'-':>7}")
                print(f"{key}: {told[key]['reason']}", file=sys.stderr)
            else:
                cells.append(f"{8e-6 * rate:7.2f} {100 * (8e-6 * rate / true - 1):+6.1f}%")
        loss = told["loss"]
        cells.append(
            f"{100 * loss['ratio']:5.2f} <{100 * loss['at_most_ratio']:5.2f}% {loss['packets']:6d}"
        )
        moved = (told["sent_bytes"] + told["received_bytes"]) / 1e6
        print(
            f"{link.rtt_ms:7g} {link.up_mbps:5g} {link.down_mbps:5g} {link.loss_pct:4g}% | "
            f"{' '.join(cells)} | {took_s:5.1f} {moved:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
