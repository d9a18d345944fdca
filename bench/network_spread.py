"""Compare whole distributions over an emulated link: changing round trips, and loss.

    ./dev bench network_spread [--seconds 30]

The link, the requests and how they are measured are those of `bench network_emulated`. Round trips
that change: the model has the same as samples. Each holds for 500 ms, so that a request sees one,
as the model takes it; or for 100 ms, so that a new connection sees several. Loss: of each packet by
itself, which is the control, and in bursts (Gilbert) of 2 and 5 packets in the mean.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np

from placer.core.environment import NetworkPath
from placer.core.network.exchange import CONNECT_HOST_S, REQUEST_HOST_S
from placer.core.network.wire import MSS_BYTES
from placer.core.transfer import request_s
from tests.emulation import SERVER_ADDRESS, EmulatedLink, LinkNotPermitted
from tests.emulation.stacks import (
    ANSWER_BYTES,
    PORTS,
    Client,
    Task,
    start_server,
    write_certificate,
)

PERCENTILES = (0.5, 0.9, 0.99)
SAMPLES = 4000
LATE_LIMIT_S = 500e-6
"""A packet this late is one that was disturbed."""
RATE_BYTES_PER_S = 10e6 / 8
LOSS_RTT_S = 0.040
LOSS_RATIO = 0.01
ONE_EACH_S = 0.5
"""How long a round trip holds where no request is to see two."""
WARM_UP = 4
"""Requests of a connection that do not count, as in the model."""
TRACE_MEDIAN_S, TRACE_SIGMA = 0.040, 0.4
AT_ONCE = 12
"""Links beside each other; each is busy for a small part of the time."""
REPEATS = 2
"""Links for each kind of request with loss."""


@dataclass(frozen=True)
class Spread:
    """One kind of request whose distribution is measured and modelled."""

    name: str
    group: str
    measured_s: np.ndarray
    modelled_s: np.ndarray
    late_ratio: float
    """Share of packets that the link delivered at least `LATE_LIMIT_S` late."""

    def errors(self) -> list[float]:
        """Return modelled / measured - 1 at the percentiles."""
        return [
            float(np.quantile(self.modelled_s, p) / np.quantile(self.measured_s, p)) - 1
            for p in PERCENTILES
        ]

    def below(self, percentile: float) -> np.ndarray:
        """Tell for each request whether it took at most the modelled percentile.

        1 % and 0.2 ms more count as at most: nine in ten requests may take exactly the same time,
        and what the programs take of it varies by as much.
        """
        limit_s = np.quantile(self.modelled_s, percentile) * 1.01 + 200e-6
        return np.asarray(self.measured_s <= limit_s)


def tell(title: str, spreads: Sequence[Spread]) -> None:
    """Print each kind of request, then the groups."""
    print(f"\n{title}")
    heads = "measured p50, p90, p99    modelled / measured - 1    at most modelled late"
    print(f"{'':34} {'requests':>8}  {heads}")
    print(f"{'':34} {'':8}                     ms      p50     p90     p99    p90    p99")
    for one in spreads:
        measured = " ".join(f"{1e3 * np.quantile(one.measured_s, p):8.1f}" for p in PERCENTILES)
        errors = " ".join(f"{error:7.1%}" for error in one.errors())
        shares = " ".join(f"{one.below(p).mean():6.1%}" for p in (0.9, 0.99))
        late = f"{one.late_ratio:5.2%}"
        print(f"{one.name:34} {len(one.measured_s):8} {measured} {errors} {shares} {late}")
    for group in dict.fromkeys(one.group for one in spreads):
        some = [one for one in spreads if one.group == group]
        medians = np.median(np.abs([one.errors() for one in some]), axis=0)
        shares = " ".join(
            f"{np.concatenate([one.below(p) for one in some]).mean():6.1%}" for p in (0.9, 0.99)
        )
        count = sum(len(one.measured_s) for one in some)
        errors = " ".join(f"{error:7.1%}" for error in medians)
        print(f"{'all: ' + group + ', median |error|':34} {count:8} {'':26} {errors} {shares}")


def own_times_s(folder: Path) -> dict[tuple[str, str], float]:
    """Return what the programs take for a small request, by stack and state, over loopback."""
    found = {}
    with EmulatedLink() as link:
        start_server(link, folder)
        client = Client(link.server, folder)
        for stack in PORTS:
            # processors that were idle are slower: pauses as the states have them
            small = 1000
            paused = Task(stack, small, first=2, connections=25, interval_s=0.03)
            packed = Task(stack, small, first=100, interval_s=0.004)
            of_paused, (warm_s,) = client.do([paused, packed]).times_s
            new_s, idle_s = np.median(np.array(of_paused), axis=0)
            found[stack, "new"], found[stack, "idle"] = float(new_s), float(idle_s)
            found[stack, "warm"] = float(np.median(warm_s[1:]))
    return found


def traces(seconds: float, folder: Path, own_s: dict[tuple[str, str], float]) -> None:
    """Compare over links whose delay changes; the model has the same samples."""
    normal = NormalDist()

    def measure(held_s: float, state: str, up_bytes: int) -> Spread:
        # even quantiles in a random order, each of them once in all the time
        count = int(seconds / held_s)
        u = np.random.default_rng(1).permutation((np.arange(count) + 0.5) / count)
        rtts_s = TRACE_MEDIAN_S * np.exp(TRACE_SIGMA * np.array([normal.inv_cdf(one) for one in u]))
        # one request for each value, from its beginning; or at times that meet all phases
        interval_s = held_s if held_s == ONE_EACH_S else 3.37 * held_s
        with EmulatedLink(
            delays_s=[float(rtt_s) / 2 for rtt_s in rtts_s],
            hold_s=held_s,
            up_bytes_per_s=RATE_BYTES_PER_S,
            down_bytes_per_s=RATE_BYTES_PER_S,
        ) as link:
            # else a pause between requests makes a warm connection an idle one
            switch = Path("/proc/sys/net/ipv4/tcp_slow_start_after_idle")
            link.client.run(["sh", "-c", f"echo 0 > {switch}"], check=True)
            start_server(link, folder)
            warm = state == "warm"
            task = Task(
                "http",
                up_bytes,
                first=10**9 if warm else 1,
                connections=1 if warm else 0,
                seconds=seconds,
                interval_s=interval_s,
                origin_s=link.began_s,
            )
            times = Client(link.client, folder).do([task]).times_s[0]
            late_ratio = _late_ratio(link)
        measured_s = np.array(times[0][WARM_UP:] if warm else [some[0] for some in times])
        path = NetworkPath(
            "emulated",
            "",
            rtt_samples_s=tuple(rtts_s),
            loss_ratio=0.0,
            connection=state,
            is_encrypted=False,
        )
        held = f"{1e3 * held_s:g} ms"
        name = f"held {held:7} {state:4} {up_bytes:7} B"
        return Spread(
            name, f"held {held}", measured_s, _modelled(path, up_bytes, rtts_s, own_s), late_ratio
        )

    cells = list(itertools.product((ONE_EACH_S, 0.1), ("warm", "new"), (1_000, 15_000, 60_000)))
    tell(
        f"Round trips that change: median {1e3 * TRACE_MEDIAN_S:g} ms, log-normal of "
        f"{TRACE_SIGMA}, 10 Mbit/s, CUBIC, HTTP/1.1",
        _beside(measure, cells),
    )


def losses(seconds: float, folder: Path, own_s: dict[tuple[str, str], float]) -> None:
    """Compare over links that lose packets, each by itself or in bursts."""

    def measure(control: str, burst: float, state: str, up_bytes: int) -> Spread:
        packets = -(-up_bytes // MSS_BYTES)
        counted = min(20, 1500 // packets)  # as many as the model counts
        with EmulatedLink(
            delay_s=LOSS_RTT_S / 2,
            up_bytes_per_s=RATE_BYTES_PER_S,
            down_bytes_per_s=RATE_BYTES_PER_S,
            up_loss_ratio=LOSS_RATIO,
            down_loss_ratio=LOSS_RATIO,
            loss_burst_packets=burst,
            congestion_control=control,
        ) as link:
            start_server(link, folder)
            warm = state == "warm"
            task = Task(
                "http",
                up_bytes,
                first=WARM_UP + counted if warm else 1,
                connections=0,
                seconds=seconds,
            )
            times = Client(link.client, folder).do([task]).times_s[0]
            late_ratio = _late_ratio(link)
        kept = [some[WARM_UP:] if warm else some for some in times]
        found = np.concatenate([np.array(some) for some in kept])
        path = NetworkPath(
            "emulated",
            "",
            loss_ratio=LOSS_RATIO,
            loss_burst_packets=burst,
            congestion_control=control,
            connection=state,
            is_encrypted=False,
        )
        rtts_s = np.full(SAMPLES, LOSS_RTT_S)
        return Spread(
            f"{control:5} burst {burst:g} {state:4} {up_bytes:7} B",
            f"{control}, burst {burst:g}",
            found,
            _modelled(path, up_bytes, rtts_s, own_s),
            late_ratio,
        )

    for control in ("cubic", "bbr"):
        title = (
            f"Loss of {LOSS_RATIO:.0%} both ways under {control}: RTT {1e3 * LOSS_RTT_S:g} ms, "
            "10 Mbit/s, HTTP/1.1"
        )
        cells = itertools.product((control,), (1.0, 2.0, 5.0), ("warm", "new"), (15_000, 150_528))
        try:
            tell(title, _merged(_beside(measure, list(cells) * REPEATS)))
        except LinkNotPermitted as refused:
            print(f"\n{title}: not measured, {refused}")


def _late_ratio(link: EmulatedLink) -> float:
    return max(counts.late_ratio(LATE_LIMIT_S) for counts in link.counts())


def _merged(spreads: list[Spread]) -> list[Spread]:
    """Put the requests of equal kinds together."""
    kinds = {one.name: one for one in spreads}
    return [
        replace(
            kind,
            measured_s=np.concatenate([one.measured_s for one in spreads if one.name == kind.name]),
            late_ratio=max(one.late_ratio for one in spreads if one.name == kind.name),
        )
        for kind in kinds.values()
    ]


def _modelled(
    path: NetworkPath, up_bytes: int, rtt_s: np.ndarray, own_s: dict[tuple[str, str], float]
) -> np.ndarray:
    hosts_s = REQUEST_HOST_S + (CONNECT_HOST_S if path.connection == "new" else 0.0)
    return request_s(
        path,
        up_bytes=up_bytes,
        down_bytes=ANSWER_BYTES,
        rtt_s=rtt_s,
        uplink_bytes_per_s=RATE_BYTES_PER_S,
        downlink_bytes_per_s=RATE_BYTES_PER_S,
        server_s=max(0.0, own_s["http", path.connection] - hosts_s),
    )


def _beside(measure: Callable[..., Spread], cells: Sequence[tuple[object, ...]]) -> list[Spread]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda cell: measure(*cell), cells))


def tell_all(seconds: float, folder: Path, own_s: dict[tuple[str, str], float]) -> None:
    """Print all tables; `seconds` is for each set of links with loss."""
    traces(2 * seconds, folder, own_s)
    losses(seconds, folder, own_s)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="for each set of distributions")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_certificate(folder, SERVER_ADDRESS)
            tell_all(options.seconds, folder, own_times_s(folder))
    except LinkNotPermitted as refused:
        print(f"not measured: {refused}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
