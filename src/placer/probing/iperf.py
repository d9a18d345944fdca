"""Rates from an iperf3 server, by the installed program iperf3."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from placer.core.errors import InputError, MeasuringError, PlacerError
from placer.core.network.link_rate import QUEUE_RATIO, QUEUE_S, LinkRate, link_rate
from placer.core.network.losses import LossEvidence
from placer.core.network.wire import MSS_BYTES, PACKET_BYTES
from placer.core.probe import Rate
from placer.core.units import format_rate
from placer.probing.bulk import CONNECTIONS
from placer.probing.dialing import Access
from placer.probing.exchange import Meter
from placer.probing.targets import Target
from placer.probing.watched import Transfer

INTERVAL_S = 0.1
MARGIN_S = 3.0
"""Longest wait for its figures when it is asked to end."""
GAUGE_BYTES = 400_000
"""Sent first, to choose how much is sent then."""
RETRY_S = 0.5
BURST_RATIO = 1.1
"""The median of steady windows is this much above their mean at most. Chosen: the rates of a link
without bursts are recovered to 1 % (bench/network_probe.py)."""
SLOW_START_RATIO = 0.25
"""Share of a download that the mean leaves out. Chosen: a window of ten packets that doubles each
round trip fills 100 Mbit/s and 100 ms after seven of them."""
LEAST_UPLOAD_S = 2
_SERVER_LINE = re.compile(
    r"\[\s*(\w+)\]\s+([0-9]+\.[0-9]+)-([0-9]+\.[0-9]+)\s+sec\s+\S+ \w+\s+"
    r"([0-9]+(?:\.[0-9]+)?) ([KMG]?)bits/sec",
    re.ASCII,
)
_SUMS = ("sum_received", "sum_sent")
_BYTES_PER_S = {"": 1 / 8, "K": 1e3 / 8, "M": 1e6 / 8, "G": 1e9 / 8}


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
    meter: Meter,
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
        told = _run(target, [*words, "--reverse"], ("--bytes", max_bytes), seconds)
        meter.add(0, _moved_bytes(told))
        return _found(told, rtt_s=rtt_s)
    # the sender counts what it has written, not what has arrived, and most servers tell that as
    # text of a line a second alone: a first try tells how many seconds the bytes last
    words.append("--get-server-output")
    first = _run(target, words, ("--bytes", min(GAUGE_BYTES, max_bytes // 4)), seconds)
    gauged_bytes = _moved_bytes(first)
    meter.add(gauged_bytes, 0)
    rate = _gauged_bytes_per_s(first)
    if not rate or not gauged_bytes:
        reason = f"the iperf3 server took nothing in {seconds:.2g} s: restart it"
        return Transfer(Rate(None, gauged_bytes, reason), LossEvidence(), None)
    lasts_s = (max_bytes - gauged_bytes) / rate
    if lasts_s < LEAST_UPLOAD_S:
        reason = f"{LEAST_UPLOAD_S} s of an upload are more than --max-data allows: raise it"
        return Transfer(Rate(None, gauged_bytes, reason), LossEvidence(), None)
    bound_s = int(min(lasts_s, max(LEAST_UPLOAD_S, seconds)))
    told = _run(target, words, ("--time", bound_s), bound_s + access.timeout_s)
    meter.add(_moved_bytes(told), 0)
    return _uploaded(told, rtt_s)


def _gauged_bytes_per_s(told: dict[str, Any]) -> float:
    """Return how fast a short upload arrived, else was sent, which buffers take at once."""
    end = told.get("end", {})
    rates = [float(end.get(one, {}).get("bits_per_second", 0.0)) / 8 for one in _SUMS]
    return min((one for one in rates if one > 0), default=0.0)


def _moved_bytes(told: dict[str, Any]) -> int:
    """Return what was moved, as the intervals tell it."""
    return int(sum(one["sum"]["bytes"] for one in told.get("intervals", [])))


def _uploaded(told: dict[str, Any], rtt_s: float) -> Transfer:
    """Return the rate from the lines of a server; the first second has slow start in it."""
    lines = _SERVER_LINE.findall(str(told.get("server_output_text", "")))
    is_summed = any(name == "SUM" for name, *_ in lines)
    rates = [
        float(number) * _BYTES_PER_S[unit]
        for name, start, end, number, unit in lines
        if (name == "SUM") == is_summed and float(start) >= 1 and float(end) - float(start) < 1.5
        if float(end) - float(start) > 0.5
    ]
    intervals = told.get("intervals", [])
    n_bytes = _moved_bytes(told)
    again = sum(int(one["sum"].get("retransmits", 0)) for one in intervals)
    loss = LossEvidence(n_bytes // MSS_BYTES, 0) if again == 0 else LossEvidence()
    if not rates:
        reason = "the server does not tell what arrived: start it without --json and --logfile"
        return Transfer(Rate(None, n_bytes, reason), loss, again)
    waits_s = [stream.get("rtt", 0) / 1e6 for one in intervals for stream in one["streams"]]
    is_full = float(np.median(waits_s)) > rtt_s + max(QUEUE_S, QUEUE_RATIO * rtt_s)
    if not is_full:
        reached = format_rate(float(np.median(rates)))
        reason = f"the link was hardly ever full, {reached} reached: it may carry more"
        return Transfer(Rate(None, n_bytes, f"{reason}; raise --max-data"), loss, again)
    median = float(np.median(rates)) * PACKET_BYTES / MSS_BYTES
    few = "told by one second alone: raise --max-data" if len(rates) < 2 else ""
    return Transfer(Rate(LinkRate(median, None, len(rates), 1.0, True), n_bytes, few), loss, again)


def _run(
    target: Target, words: list[str], bound: tuple[str, int], seconds: float
) -> dict[str, Any]:
    """Return what iperf3 tells at its bound, or as far as it came in so many seconds."""
    for is_last in (False, True):
        child = subprocess.Popen(
            [*words, bound[0], str(bound[1])],
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
        if "interrupt" in error and not told.get("start", {}).get("connected"):
            raise MeasuringError(
                f"{target.host} port {target.port} does not answer as an iperf3 server: no test "
                f"began within {seconds:.2g} s",
                hint="start a server there: iperf3 --server",
            )
        if not error or "interrupt" in error:
            return dict(told)
        # the server is between two clients
        if is_last or not any(word in error for word in ("refused", "busy", "reset")):
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


def _found(told: dict[str, Any], *, rtt_s: float) -> Transfer:
    """Return the rate of a download, whose receiver is here."""
    times_s, moved = [0.0], [0.0]
    for one in told.get("intervals", []):
        times_s.append(float(one["sum"]["end"]))
        moved.append(moved[-1] + float(one["sum"]["bytes"]))
    again = told.get("end", {}).get("sum_sent", {}).get("retransmits")
    rate = link_rate(times_s, moved, rtt_s=rtt_s, least_window_s=INTERVAL_S)
    n_bytes = int(moved[-1])
    loss = LossEvidence(n_bytes // MSS_BYTES, 0) if again == 0 else LossEvidence()
    if isinstance(rate, str):
        reason = f"{rate}; raise --max-data or --duration"
        return Transfer(Rate(None, n_bytes, reason), loss, again)
    doubt = "iperf3 does not tell whether the link was full"
    # where this machine is busy, iperf3 reads late, and then all at once: only the mean is true
    mean = _late_bytes_per_s(times_s, moved) * PACKET_BYTES / MSS_BYTES
    if rate.median_bytes_per_s > BURST_RATIO * mean:
        rate = replace(rate, median_bytes_per_s=mean, p5_bytes_per_s=None)
        doubt = f"it arrived in bursts, so that this is the mean; {doubt}"
    return Transfer(Rate(rate, n_bytes, doubt), loss, again)


def _late_bytes_per_s(times_s: Sequence[float], moved: Sequence[float]) -> float:
    """Return the mean rate without the first part, in which slow start is."""
    start_s = times_s[0] + SLOW_START_RATIO * (times_s[-1] - times_s[0])
    before = float(np.interp(start_s, times_s, moved))
    return (moved[-1] - before) / (times_s[-1] - start_s)
