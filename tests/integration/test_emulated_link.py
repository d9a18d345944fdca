"""The emulated link does what it states: packets sent over it, timed at both ends on one clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from tests import emulation
from tests.emulation import EmulatedLink, LinkNotPermitted

if sys.platform != "linux":
    pytest.skip("network namespaces are of Linux", allow_module_level=True)

HEADERS_BYTES = 42
"""Ethernet, IPv4 and UDP."""
RECEIVE = """
import json, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind((sys.argv[1], 5000))
s.settimeout(float(sys.argv[2]))
print("ready", flush=True)
found = []
while True:
    try:
        data = s.recv(2048)
    except TimeoutError:
        break
    if data == b"end":
        break
    number, sent_s = data.split()[:2]
    found.append((int(number), float(sent_s), time.monotonic()))
print(json.dumps(found))
"""
SEND = """
import socket, sys, time
address, count, pause_s, size = sys.argv[1], *map(float, sys.argv[2:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, 5000))
began_s = time.monotonic()
for number in range(int(count)):
    if pause_s:
        time.sleep(max(0.0, began_s + number * pause_s - time.monotonic()))
    s.send((b"%d %.9f " % (number, time.monotonic())).ljust(int(size)))
"""
START_AND_HANG = """
import json, os, sys, time
from tests.emulation import EmulatedLink
with EmulatedLink() as link:
    child = link.server.spawn(["sleep", "1000"])
    ends = [os.stat(host.enter[-1]).st_ino for host in (link.client, link.server)]
    print(json.dumps([[link.process_id, child.pid], ends]), flush=True)
    time.sleep(1000)
"""
WITHOUT_CAPABILITY = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _permitted() -> None:
    emulation.skip_unless_permitted()


def _sent_over(
    link: EmulatedLink, count: int, *, pause_s: float = 0.0, size_bytes: int = 100
) -> np.ndarray:
    """Send packets up; return number, time sent and time received of each, (received, 3)."""
    receiver = link.server.spawn(
        [sys.executable, "-c", RECEIVE, link.server_address, "0.7"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout is not None
    receiver.stdout.readline()
    words = [sys.executable, "-c", SEND, link.server_address]
    link.client.run([*words, str(count), str(pause_s), str(size_bytes)], check=True)
    return np.array(json.loads(receiver.communicate(timeout=60)[0]))


def test_delays_by_what_is_stated() -> None:
    with EmulatedLink(delay_s=0.050) as link:
        _, sent_s, received_s = _sent_over(link, 100, pause_s=0.002).T
    ratio = (received_s - sent_s) / 0.050
    assert ratio.min() >= 0.999
    assert np.quantile(ratio, 0.25) < 1.03


def test_sends_at_the_stated_rate() -> None:
    with EmulatedLink(up_bytes_per_s=1e6) as link:
        received_s = _sent_over(link, 400, size_bytes=1000)[:, 2]
    assert len(received_s) == 400
    took_s = received_s[-1] - received_s[0]
    assert took_s / (399 * (1000 + HEADERS_BYTES) / 1e6) == pytest.approx(1, rel=0.03)


def test_loses_each_packet_with_the_same_chance() -> None:
    with EmulatedLink(up_loss_ratio=0.1, seed=1) as link:
        received = len(_sent_over(link, 3000, pause_s=1e-5))
        up, down = link.counts()
    assert received == up.delivered
    low, high = binom.ppf((1e-4, 1 - 1e-4), up.sent, 0.1)
    assert low <= up.lost <= high
    assert down.lost == 0


def test_loses_in_bursts_of_the_stated_mean_length() -> None:
    with EmulatedLink(up_loss_ratio=0.1, loss_burst_packets=4, seed=1) as link:
        numbers = _sent_over(link, 8000, pause_s=1e-5)[:, 0]
        up, _ = link.counts()
    gaps = np.diff(numbers) - 1
    lengths = gaps[gaps > 0]
    assert lengths.sum() == pytest.approx(up.lost, abs=20)  # a burst at an end has no gap
    # geometric: standard deviation 3.5; about 200 of them; five standard errors
    assert lengths.mean() == pytest.approx(4, abs=1.2)
    assert up.lost / up.sent == pytest.approx(0.1, abs=0.03)


def test_drops_what_the_queue_does_not_hold() -> None:
    with EmulatedLink(up_bytes_per_s=1e5, queue_packets=20) as link:
        numbers = _sent_over(link, 100, size_bytes=1000)[:, 0]
        up, _ = link.counts()
    assert list(numbers[:21]) == list(range(21))  # one is being sent while 20 wait
    assert len(numbers) in (21, 22)
    assert up.dropped == 100 - len(numbers)


def test_follows_a_trace_of_delays() -> None:
    delays_s = (0.030, 0.010, 0.050, 0.020)
    with EmulatedLink(delays_s=delays_s, hold_s=0.2) as link:
        began_s = link.began_s
        _, sent_s, received_s = _sent_over(link, 300, pause_s=0.004).T
    place = np.floor((sent_s - began_s) / 0.2).astype(int) % len(delays_s)
    ratio = (received_s - sent_s) / np.array(delays_s)[place]
    assert np.mean((ratio > 0.999) & (ratio < 1.1)) > 0.75  # the others wait for those before


def test_never_reorders() -> None:
    with EmulatedLink(delays_s=(0.030, 0.001), hold_s=0.01) as link:
        numbers = _sent_over(link, 2000, pause_s=2e-4)[:, 0]
    assert len(numbers) == 2000
    assert np.all(np.diff(numbers) == 1)


@pytest.mark.parametrize("congestion_control", ["cubic", "reno"])
def test_forwards_packets_not_what_offloads_make_of_them(congestion_control: str) -> None:
    serve = (
        "import socket,sys; s=socket.create_server((sys.argv[1], 5000)); print(flush=True);"
        "c=s.accept()[0]\nwhile c.recv(1<<16): pass"
    )
    send = (
        "import socket,sys; s=socket.create_connection((sys.argv[1], 5000));"
        "s.sendall(bytes(1448000)); print(s.getsockopt(6, 13, 16).split(b'\\0')[0].decode())"
    )
    with EmulatedLink(up_bytes_per_s=12.5e6, congestion_control=congestion_control) as link:
        words = [sys.executable, "-c", serve, link.server_address]
        server = link.server.spawn(words, stdout=subprocess.PIPE)
        assert server.stdout is not None
        server.stdout.readline()
        words = [sys.executable, "-c", send, link.server_address]
        used = link.client.run(words, check=True, capture_output=True, text=True).stdout.strip()
        server.wait(10)
        up, _ = link.counts()
    assert used == congestion_control
    assert up.oversized == up.failed == 0
    assert up.sent >= 1000


def test_ends_with_its_process_even_by_kill_9() -> None:
    hanging = subprocess.Popen(
        [sys.executable, "-c", START_AND_HANG], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert hanging.stdout is not None
    processes, namespaces = json.loads(hanging.stdout.readline())
    assert set(namespaces) <= _namespaces()
    hanging.send_signal(signal.SIGKILL)
    hanging.communicate()
    deadline_s = time.monotonic() + 10
    while (_living(processes) or set(namespaces) & _namespaces()) and (
        time.monotonic() < deadline_s
    ):
        time.sleep(0.02)
    assert not _living(processes)
    assert not set(namespaces) & _namespaces()


def test_ends_what_runs_in_it() -> None:
    with EmulatedLink() as link:
        child = link.client.spawn(["sleep", "1000"])
    assert not _living([child.pid, link.process_id])
    assert link.counts()[0].sent == 0


def test_works_inside_a_user_namespace() -> None:
    if os.geteuid() != 0:
        pytest.skip("all other tests here run in one: the user is not root")
    code = (
        "from tests.emulation import EmulatedLink\n"
        "with EmulatedLink() as link:\n"
        "    print(link.client.enter[-2], link.client.run(['true']).returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CAPABILITY, code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot make a user namespace" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    user, code = done.stdout.split()
    assert user.endswith("/ns/user")
    assert code == "0"


def test_tells_why_it_is_not_permitted() -> None:
    with (
        pytest.raises(LinkNotPermitted, match="congestion control nonsense: Invalid argument"),
        EmulatedLink(congestion_control="nonsense"),
    ):
        pass
    with pytest.raises(RuntimeError, match=r"up_loss=1\.5"), EmulatedLink(up_loss_ratio=1.5):
        pass


def test_skips_where_it_is_not_permitted_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    emulation.program.cache_clear()
    try:
        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match="no gcc"):
            emulation.skip_unless_permitted()
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="no gcc"):
            emulation.skip_unless_permitted()
    finally:
        emulation.program.cache_clear()


def _living(processes: list[int]) -> list[int]:
    """Return those that still run; one that only waits to be asked for its exit code does not."""
    found = []
    for one in processes:
        try:
            state = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.append(one)
    return found


def _namespaces() -> set[int]:
    found = set()
    for one in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(one.stat().st_ino)
        except OSError:
            continue  # ended meanwhile, or another user's
    for one in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(one.readlink()).startswith("net:"):
                found.add(one.stat().st_ino)
        except OSError:
            continue
    return found
