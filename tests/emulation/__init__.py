"""An emulated network link: two network namespaces and, between them, `link.c`.

with EmulatedLink(delay_s=0.010, up_bytes_per_s=1.25e6) as link:
    server = link.server.spawn([sys.executable, "server.py", link.server_address])
    link.client.run([sys.executable, "client.py", link.server_address], check=True)

Nothing outside the two namespaces is reached or changed. All ends with this process, however that
ends.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

SOURCES = tuple(Path(__file__).with_name(name) for name in ("link.c", "namespaces.c"))
MTU_BYTES = 1500
FRAME_BYTES = 1514
"""A full packet with its Ethernet header."""
LEAST_QUEUE_PACKETS = 1000
CLIENT_ADDRESS, SERVER_ADDRESS = "198.18.0.1", "198.18.0.2"
"""RFC 2544: addresses for tests of devices, which nobody has."""
LATE_S = (20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3)
"""Upper ends of the classes of `Counts.late`; the last class has no end."""
NOT_PERMITTED = 3


class LinkNotPermitted(Exception):
    """This system permits no network namespaces, no TUN device or not the congestion control."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to the packets of one direction so far."""

    sent: int
    """Packets that the sending host put on the link."""
    lost: int
    """Of these, lost at random."""
    bursts: int
    """Runs of losses where losses come in bursts."""
    dropped: int
    """Of these, dropped because the queue was full."""
    delivered: int
    failed: int
    """Packets that the receiving host did not take."""
    oversized: int
    """Packets longer than the MTU; never seen, and not forwarded."""
    latest_s: float
    """How late a packet was delivered at most."""
    late: tuple[int, ...]
    """Delivered packets by how late they were, in the classes of `LATE_S`."""

    def since(self, before: Counts) -> Counts:
        """Return what was added since then; `latest_s` stays that of all."""
        return Counts(
            self.sent - before.sent,
            self.lost - before.lost,
            self.bursts - before.bursts,
            self.dropped - before.dropped,
            self.delivered - before.delivered,
            self.failed - before.failed,
            self.oversized - before.oversized,
            self.latest_s,
            tuple(now - then for now, then in zip(self.late, before.late, strict=True)),
        )

    def late_ratio(self, limit_s: float) -> float:
        """Return the share of delivered packets that were at least `limit_s` late.

        Parameters
        ----------
        limit_s
            One of `LATE_S`.
        """
        return sum(self.late[LATE_S.index(limit_s) + 1 :]) / max(1, sum(self.late))


@dataclass(frozen=True, slots=True)
class Host:
    """One end of a link: a network namespace to run commands in."""

    enter: tuple[str, ...]
    children: list[subprocess.Popen[Any]]

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command that runs a command there."""
        return [*self.enter, *words]

    def run(self, words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a command there and wait for its end; options as of `subprocess.run`."""
        return subprocess.run(self.command(words), **options)

    def spawn(self, words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command there; options as of `subprocess.Popen`.

        It is killed when the link ends, and when the thread ends that started it.
        """
        child = subprocess.Popen(self.command(words), **options)
        self.children.append(child)
        return child


class EmulatedLink:
    """A link between a client and a server, each in a network namespace of its own.

    Parameters
    ----------
    delay_s
        One way, in both directions.
    up_bytes_per_s, down_bytes_per_s
        Rates from and to the client; 14 bytes of Ethernet header are counted for each packet.
    up_loss_ratio, down_loss_ratio
        Share of packets lost at random, before they are queued.
    loss_burst_packets
        Mean length of a burst of losses; 1: each packet by itself.
    queue_packets
        What waits in each direction at most; None: one bandwidth-delay product and at least 1,000.
    delays_s
        Delays one way instead of `delay_s`, each for `hold_s`; both directions have the same at a
        time. After the last one the first holds again. Packets never overtake each other.
    congestion_control
        Of both hosts: ``cubic``, ``bbr`` or what else the kernel has.
    seed
        Of the losses; None: from the clock.

    Raises
    ------
    LinkNotPermitted
        On entering: the system does not permit it; the message says what.
    """

    client_address = CLIENT_ADDRESS
    server_address = SERVER_ADDRESS

    def __init__(
        self,
        *,
        delay_s: float = 0.0,
        up_bytes_per_s: float = math.inf,
        down_bytes_per_s: float = math.inf,
        up_loss_ratio: float = 0.0,
        down_loss_ratio: float = 0.0,
        loss_burst_packets: float = 1.0,
        queue_packets: int | None = None,
        delays_s: Sequence[float] | None = None,
        hold_s: float = 0.1,
        congestion_control: str = "cubic",
        seed: int | None = None,
    ) -> None:
        self._words = [f"hold={hold_s!r}", f"seed={seed or 0}", f"control={congestion_control}"]
        self._delays_s = delays_s
        longest_s = max(delays_s) if delays_s else delay_s
        for way, rate, loss_ratio in (
            ("up", up_bytes_per_s, up_loss_ratio),
            ("down", down_bytes_per_s, down_loss_ratio),
        ):
            product = 2 * longest_s * rate / FRAME_BYTES if math.isfinite(rate) else math.inf
            queue = min(max(LEAST_QUEUE_PACKETS, product), 1e6)
            values = {
                "delay": delay_s,
                "rate": rate,
                "loss": loss_ratio,
                "burst": loss_burst_packets,
                "queue": int(queue) if queue_packets is None else queue_packets,
            }
            self._words += [f"{way}_{key}={value!r}" for key, value in values.items()]
        self._stack = contextlib.ExitStack()
        self._last: tuple[Counts, Counts] | None = None

    def __enter__(self) -> EmulatedLink:
        """Make the namespaces and begin to forward."""
        with contextlib.ExitStack() as stack:
            words = [program(), "emulate", *self._words]
            if self._delays_s is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-")))
                trace = folder / "delays_s"
                trace.write_text("".join(f"{delay_s!r}\n" for delay_s in self._delays_s))
                words += [f"up_trace={trace}", f"down_trace={trace}"]
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            self._process = process
            first = _of(process.stdout).readline()
            if not first:
                _, errors = process.communicate()
                reason = f"the emulated link did not start: {errors.strip()}"
                is_refused = process.returncode == NOT_PERMITTED
                raise LinkNotPermitted(reason) if is_refused else RuntimeError(reason)
            facts = json.loads(first)
            self.process_id = process.pid
            self.is_realtime = bool(facts["is_realtime"])
            """Whether the forwarder goes before all other processes (SCHED_FIFO)."""
            self.began_s = float(facts["began_s"])
            """When the first of `delays_s` began, on the clock of `time.monotonic`."""
            self.client, self.server = (
                Host((program(), "enter", facts["user"], facts[end]), [])
                for end in ("client", "server")
            )
            stack.callback(self._end_children)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what runs in the namespaces, and them."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._last = self.counts()
        self._stack.close()

    def counts(self) -> tuple[Counts, Counts]:
        """Return the counts up and down so far, also after the end."""
        if self._process.poll() is not None:
            if self._last is None:
                raise RuntimeError(f"the link ended with code {self._process.returncode}")
            return self._last
        stdin = _of(self._process.stdin)
        stdin.write("\n")
        stdin.flush()
        told = json.loads(_of(self._process.stdout).readline())
        up, down = (
            Counts(**{**told[way], "late": tuple(told[way]["late"])}) for way in ("up", "down")
        )
        return up, down

    def _end_children(self) -> None:
        for host in (self.client, self.server):
            for child in host.children:
                with child:
                    child.kill()


@functools.cache
def program() -> str:
    """Compile the C part for this process and return the file.

    Raises
    ------
    LinkNotPermitted
        There is no C compiler.
    RuntimeError
        It does not compile.
    """
    folder = tempfile.TemporaryDirectory(prefix="link-")
    _KEPT.append(folder)
    target = str(Path(folder.name) / "link")
    words = ["gcc", "-O2", "-Wall", "-Wextra", "-o", target, *map(str, SOURCES), "-lm"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LinkNotPermitted("there is no gcc to compile the emulated link with") from error
    if done.returncode != 0:
        raise RuntimeError(f"the emulated link does not compile:\n{done.stderr}")
    return target


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def skip_unless_permitted() -> None:
    """Skip the test where no link can be emulated, and say why; in CI that is a failure."""
    try:
        with EmulatedLink():
            pass
    except LinkNotPermitted as refused:
        import pytest

        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(refused))


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
