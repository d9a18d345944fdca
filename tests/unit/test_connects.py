"""Round trips from connects, on the loopback device."""

from __future__ import annotations

import socket
import time

from placer.probing.connects import AWAKE_S, Connects, connect_often
from placer.probing.dialing import Address
from tests.ports import unanswering


def _connects(place: tuple[str, int], *, seconds: float, timeout_s: float) -> Connects:
    found = Connects()
    connect_often(
        Address(socket.AF_INET, place, None),
        found,
        seconds=seconds,
        timeout_s=timeout_s,
        say=lambda: None,
    )
    return found


def test_each_connect_is_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        found = _connects(server.getsockname(), seconds=0.5, timeout_s=1.0)
    assert len(found.times_s) == found.started >= 8
    assert not found.failed


def test_a_processor_is_not_kept_awake_for_a_host_that_does_not_answer() -> None:
    with unanswering() as port:
        began_s, used_s = time.monotonic(), time.process_time()
        found = _connects(("127.0.0.1", port), seconds=10 * AWAKE_S, timeout_s=10 * AWAKE_S)
        took_s, used_s = time.monotonic() - began_s, time.process_time() - used_s
    assert found.failed == found.started
    assert used_s < took_s / 2
