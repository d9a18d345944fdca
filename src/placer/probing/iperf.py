"""Rates from an iperf3 server, by the installed program iperf3."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from placer.core.errors import InputError, MeasuringError, PlacerError
from placer.core.network.link_rate import link_rate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import MSS_BYTES
from placer.core.probe import Rate
from placer.probing.bulk import CONNECTIONS, Transfer
from placer.probing.dialing import Access
from placer.probing.targets import Target

INTERVAL_S = 0.1
MARGIN_S = 3.0
"""Longest wait for its figures when it is asked to end."""
GAUGE_BYTES = 400_000
"""Sent first, to choose how much is sent then."""
RETRY_S = 0.5


def program() -> str:
    """Return iperf3.

    Raises
    ------
    MeasuringError
        It is not installed.
    """
    found = shutil.which("iperf3")
    if found is None:
        raise MeasuringError(
            "the program iperf3 is not installed",
            hint="install it: apt install iperf3 (macOS: brew install iperf3)",
        )
    return found


def transfer(
    target: Target,
    access: Access,
    *,
    is_upload: bool,
    max_bytes: int,
    seconds: float,
    rtt_s: float,
    say: Callable[[int], None],
) -> Transfer:
    """Let iperf3 fill the link in one direction, up to bytes or seconds.

    Raises
    ------
    MeasuringError
        iperf3 fails, or the server is busy.
    InputError
        The server is none of iperf3.
    """
    say(0)
    words = [
        program(), "--client", target.host, "--port", str(target.port), "--json",
        "--interval", str(INTERVAL_S), "--parallel", str(CONNECTIONS),
        "--connect-timeout", str(round(1000 * access.timeout_s)),
    ]  # fmt: skip
    if not is_upload:
        told = _run(target, [*words, "--reverse"], max_bytes, seconds)
        return _found(told, told, is_upload=False, rtt_s=rtt_s)
    # the sender counts what it has written, not what has arrived: the receiver's figures come at
    # the end alone, so the bytes are chosen for it to come in time
    first = _run(target, words, min(GAUGE_BYTES, max_bytes // 4), seconds)
    gauge = first.get("end", {}).get("sum_received", {})
    if not gauge.get("seconds"):
        return Transfer(
            Rate(None, 0, "iperf3 did not end in time; raise --duration"), LossEvidence(), None
        )
    is_short = float(gauge["seconds"]) < 10 * rtt_s
    wanted = seconds * float(gauge["bits_per_second"]) / 8
    left = max_bytes - int(gauge["bytes"])
    told = _run(
        target,
        [*words, "--get-server-output"],
        left if is_short else min(left, int(wanted)),
        2 * seconds,
    )
    server = told.get("server_output_json")
    if not isinstance(server, dict):
        reason = "the server's figures did not come in time; raise --duration"
        return Transfer(Rate(None, int(gauge["bytes"]), reason), LossEvidence(), None)
    return _found(told, server, is_upload=True, rtt_s=rtt_s)


def _run(target: Target, words: list[str], n_bytes: int, seconds: float) -> dict[str, Any]:
    """Return what iperf3 tells after so many bytes, or as far as it came in so many seconds."""
    for is_last in (False, True):
        child = subprocess.Popen(
            [*words, "--bytes", str(n_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with child:
            try:
                out, errors = _ended(target, child, seconds)
            except BaseException:
                child.kill()
                raise
        try:
            told = json.loads(out)
        except ValueError:
            said = " ".join((errors or out).split())[:300]
            raise MeasuringError(
                f"iperf3 fails: {said or f'exit code {child.returncode}'}"
            ) from None
        error = str(told.get("error", ""))
        if not error or "interrupt" in error:
            return dict(told)
        # the server is between two clients
        if is_last or not any(word in error for word in ("refused", "busy")):
            raise _failed(target, error)
        time.sleep(RETRY_S)
    raise AssertionError


def _ended(target: Target, child: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    try:
        return child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)  # it tells what it has found
    try:
        return child.communicate(timeout=MARGIN_S)
    except subprocess.TimeoutExpired as error:
        raise MeasuringError(
            f"iperf3 to {target.authority} does not end", hint="check the server, or restart it"
        ) from error


def _failed(target: Target, said: str) -> PlacerError:
    if "busy" in said:
        return MeasuringError(
            f"{target.authority}: the iperf3 server serves another client", hint="try again later"
        )
    if "control message" in said or "cookie" in said or "protocol" in said.lower():
        return InputError(
            f"{target.host} port {target.port} does not speak iperf3: {said}",
            hint="start a server there: iperf3 --server",
        )
    return MeasuringError(
        f"iperf3 to {target.authority} fails: {said}", hint="start a server there: iperf3 --server"
    )


def _found(
    told: dict[str, Any], receiver: dict[str, Any], *, is_upload: bool, rtt_s: float
) -> Transfer:
    times_s, moved = [0.0], [0.0]
    flow_rtt_s = None
    for one in receiver.get("intervals", []):
        total = one["sum"]
        times_s.append(float(total["end"]))
        moved.append(moved[-1] + float(total["bytes"]))
    again = None
    if is_upload:
        flow_rtt_s = _flow_rtt_s(told, times_s)
        again = sum(int(one["sum"].get("retransmits", 0)) for one in told.get("intervals", []))
    elif "retransmits" in told.get("end", {}).get("sum_sent", {}):
        again = int(told["end"]["sum_sent"]["retransmits"])
    rate = link_rate(times_s, moved, rtt_s=rtt_s, flow_rtt_s=flow_rtt_s, least_window_s=INTERVAL_S)
    n_bytes = int(moved[-1])
    loss = LossEvidence(n_bytes // MSS_BYTES, 0) if again == 0 else LossEvidence()
    if isinstance(rate, str):
        return Transfer(Rate(None, n_bytes, f"{rate}; raise --max-data or --duration"), loss, again)
    reason = "" if rate.is_seen_full else "iperf3 does not tell whether the link was full"
    return Transfer(Rate(rate, n_bytes, reason), loss, again)


def _flow_rtt_s(told: dict[str, Any], times_s: list[float]) -> list[float] | None:
    """Return the round trip of the slowest stream at those times; None: iperf3 does not tell."""
    ends, slowest_s = [0.0], [0.0]
    for one in told.get("intervals", []):
        found = [stream["rtt"] / 1e6 for stream in one["streams"] if "rtt" in stream]
        if not found:
            return None
        ends.append(float(one["sum"]["end"]))
        slowest_s.append(max(found))
    return [float(value) for value in np.interp(times_s, ends, slowest_s)]
