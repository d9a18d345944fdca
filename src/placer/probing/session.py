"""One probe: what is sent when, and what is kept where it ends early."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from placer.core.errors import MeasuringError, PlacerError
from placer.core.printable import printable
from placer.core.probe import Calls, Phases, Probe, Rate
from placer.probing import bulk, iperf
from placer.probing.connects import BYTES_EACH, RATE_HZ, connect_often
from placer.probing.dialing import (
    EXCHANGE_RATIO,
    Address,
    connect,
    encrypt,
    look_up,
    now_s,
    tls_context,
)
from placer.probing.endpoints import ENDPOINTS
from placer.probing.exchange import Meter
from placer.probing.question import CALL_BYTES_SHARE, CONNECTS_SHARE, Found, Question, window_bytes
from placer.probing.targets import Target
from placer.probing.tcp_info import congestion_control
from placer.probing.watched import Transfer

Say = Callable[[str], None]

RTT_SHARE, CALLS_SHARE, BULK_SHARE = 0.25, 0.1, 0.18
"""Of the duration: connects before the calls, calls, a transfer in one direction. What is left has
connects again, between calls and transfers, and after transfers that the bytes ended."""
DRAIN_SHARE = 0.11
"""Of the duration: what may be in the queue after an upload."""
EMPTY_S = 0.5
"""From the end of the transfers: queues that they leave behind are to meet no round trip."""
UP_SHARE, SPARE_SHARE = 0.42, 0.12
"""Of the bytes: upload; what is kept for packets on their way when a download is cut."""
MAX_CALLS = 50
HELD_S = 0.03
"""A delayed acknowledgement takes 40 ms on Linux: less than this a server is not held up by one."""
COMPARED_CALLS = 5
"""With acknowledgements at once, to see whether that is what the others waited for."""


class Stopped(Exception):
    """The probe ended early: what was found, and why."""

    def __init__(self, probe: Probe, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.probe = probe
        self.cause = cause


def started(question: Question) -> Found:
    """Return that nothing is found yet."""
    at = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return Found(
        Probe(
            question.target.url,
            question.target.scheme,
            at.isoformat().replace("+00:00", "Z"),
            connect_rate_hz=RATE_HZ,
            asked_duration_s=question.duration_s,
        ),
        Meter(int((1 - CONNECTS_SHARE) * question.max_bytes)),
    )


def probe(question: Question, say: Say) -> Probe:
    """Probe a path.

    Parameters
    ----------
    say
        Told what is measured now.

    Raises
    ------
    Stopped
        It ended early, by an error or an interrupt.
    """
    found = started(question)
    began_s = now_s()
    until_s = began_s + question.duration_s + EXCHANGE_RATIO * question.access.timeout_s
    question = replace(question, access=replace(question.access, until_s=until_s))
    try:
        _Session(question, found, say, began_s).run()
    except PlacerError as error:
        found.update(error=error.message)
        hint = None if error.hint is None else printable(error.hint)
        cause = type(error)(printable(error.message), hint=hint)
        raise Stopped(_finished(found, began_s), cause) from error
    except KeyboardInterrupt as error:
        found.update(error="interrupted")
        raise Stopped(_finished(found, began_s), error) from error
    except Exception as error:  # a bug: what was measured until then is kept all the same
        found.update(error=f"a bug in placer: {type(error).__name__}: {error}")
        raise Stopped(_finished(found, began_s), error) from error
    return _finished(found, began_s)


def _finished(found: Found, began_s: float) -> Probe:
    """Return what was found, without anything of a server that a terminal would act on."""
    round_trips_s, loss = found.connects.found()
    known, each = found.probe, found.connects.started * BYTES_EACH // 2
    return replace(
        known,
        rtt_samples_s=round_trips_s,
        loss=loss + found.calm,
        duration_s=now_s() - began_s,
        sent_bytes=found.meter.sent_bytes + each,
        received_bytes=found.meter.received_bytes + each,
        protocol=printable(known.protocol),
        server=None if known.server is None else printable(known.server),
        notes=tuple(printable(note) for note in known.notes),
        error=None if known.error is None else printable(known.error),
        uplink=replace(known.uplink, reason=printable(known.uplink.reason)),
        downlink=replace(known.downlink, reason=printable(known.downlink.reason)),
        calls=None if known.calls is None else _printable_calls(known.calls),
    )


def _printable_calls(calls: Calls) -> Calls:
    return replace(calls, what=printable(calls.what), server_source=printable(calls.server_source))


class _Session:
    """The steps, in their order."""

    def __init__(self, question: Question, found: Found, say: Say, began_s: float) -> None:
        self.question, self.found, self.say, self.began_s = question, found, say, began_s
        target = question.target
        self.alpn = ("h2",) if target.scheme == "grpcs" else ("http/1.1",)
        self.context: ssl.SSLContext | None = None
        if target.is_encrypted:
            self.context = tls_context(question.access, self.alpn)
        self.addresses: tuple[Address, ...] = ()
        self.rtt_s = 0.0

    def run(self) -> None:
        """Measure all."""
        question, target = self.question, self.question.target
        if target.scheme == "iperf3":
            iperf.program()
        if question.access.proxy is not None:
            self.found.note(
                f"{question.access.proxy} names a proxy: it is not used, the direct way is measured"
            )
        self.say(f"reaching {target.authority}")
        with self._first() as upload:
            half_s = RTT_SHARE * question.duration_s
            self._connects("round trips", half_s)
            self._check_round_trips()
            up, down = self._transfers(upload)
            self._calls()
            bulk_s = BULK_SHARE * question.duration_s * ((up is not None) + (down is not None))
            if up is not None:
                bulk_s += DRAIN_SHARE * question.duration_s
            left_s = question.duration_s - (now_s() - self.began_s) - bulk_s
            self._connects("round trips", max(left_s, half_s / 4))
            self._check_round_trips()
            # what no connect took is theirs
            taken = BYTES_EACH * self.found.connects.started
            self.found.meter.max_bytes = question.max_bytes - taken
            if up is not None:
                self._up(up)
            if down is not None:
                self._down(down)
            room = self.found.meter.left_bytes / BYTES_EACH
            left_s = min(
                question.duration_s - (now_s() - self.began_s) - EMPTY_S - self.rtt_s,
                room / self.endpoint.connect_rate_hz,
            )
            if left_s > 0:
                time.sleep(EMPTY_S)
                self._connects("round trips", left_s)

    @contextlib.contextmanager
    def _first(self) -> Iterator[Target | None]:
        """Open the first connection and find out what answers; give where an upload can go."""
        target, access = self.question.target, self.question.access
        addresses = look_up(target, access)
        look_up_s = addresses[0].look_up_s
        self.found.update(phases=Phases(look_up_s=look_up_s))
        address, sock, connect_s = connect(
            target, addresses, access, window_bytes=window_bytes(self.question)
        )
        self.addresses = (address,)
        self.found.update(
            address=address.text,
            phases=Phases(look_up_s, connect_s),
            congestion_control=congestion_control(sock),
        )
        try:
            if self.context is not None:
                sock, tls_s = encrypt(target, sock, self.context, access)
                self.found.update(
                    phases=replace(self.found.probe.phases, tls_s=tls_s), tls_version=sock.version()
                )
                if access.is_insecure:
                    self.found.note("certificates were not checked")
            with ENDPOINTS[target.scheme](self.question, self.found, sock) as endpoint:
                self.endpoint = endpoint
                yield endpoint.upload
        finally:
            sock.close()

    def _connects(self, what: str, seconds: float) -> None:
        connects = self.found.connects
        most = CONNECTS_SHARE * self.question.max_bytes / BYTES_EACH
        rate_hz = min(self.endpoint.connect_rate_hz, most / self.question.duration_s)
        seconds = min(
            seconds,
            (most - connects.started) / rate_hz,
            self.question.access.until_s - now_s(),
        )
        if seconds <= 0:
            return
        self.found.update(connect_rate_hz=rate_hz)
        connect_often(
            self.addresses[0],
            connects,
            seconds=seconds,
            timeout_s=self.question.access.timeout_s,
            rate_hz=rate_hz,
            say=lambda: self.say(f"{what}: {len(connects.times_s)} connects"),
        )

    def _check_round_trips(self) -> None:
        round_trips_s, _ = self.found.connects.found()
        if not round_trips_s:
            raise MeasuringError(
                f"{self.question.target.authority} stops answering connects",
                hint="it may refuse many connections: try again later",
            )
        self.rtt_s = float(np.median(round_trips_s))

    def _transfers(self, upload: Target | None) -> tuple[Target | None, Target | None]:
        """Return where bytes go to and come from; None: unknown, for the reason that is put in."""
        question = self.question
        up = question.upload or upload
        down = question.download or self.endpoint.download
        if not question.has_upload:
            up = None
            self.found.update(uplink=Rate(reason="left out: --no-upload"))
        elif up is None:
            self.found.update(uplink=Rate(reason=self.endpoint.no_upload))
        if not question.has_download:
            down = None
            self.found.update(downlink=Rate(reason="left out: --no-download"))
        elif down is None:
            self.found.update(downlink=Rate(reason=self.endpoint.no_download))
        return up, down

    def _calls(self) -> None:
        question = self.question
        until_s = now_s() + CALLS_SHARE * question.duration_s
        times_s: list[float] = []
        up_bytes, down_bytes = self.endpoint.call_bytes
        room = CALL_BYTES_SHARE * question.max_bytes
        most = int(min(MAX_CALLS, room / max(1, up_bytes + down_bytes)))
        while len(times_s) < most and (now_s() < until_s or len(times_s) < 2):
            self.say(f"{self.endpoint.what}: {len(times_s) + 1} calls")
            times_s.append(self.endpoint.call())
            self._told_calls(times_s)
        if times_s:
            server = self.endpoint.server_time(times_s)
            calls = self.found.probe.calls
            if server is not None and calls is not None:
                self.found.update(
                    calls=replace(calls, server_s=server.server_s, server_source=server.source)
                )
            self._compare_held(times_s, 0.0 if server is None else server.server_s)
        self.found.calm += self.endpoint.loss()

    def _compare_held(self, times_s: list[float], server_s: float) -> None:
        """Find out whether the server waits for acknowledgements where calls take unduly long.

        Such a server writes head and body apart without TCP_NODELAY: the body stays there until
        the head is acknowledged, which this host delays as all do. Acknowledged at once, the same
        calls are quicker by that delay; nothing else is.
        """
        typical_s = float(np.median(times_s))
        if typical_s - self.rtt_s - server_s < HELD_S or not self.endpoint.ack_at_once(True):
            return
        up_bytes, down_bytes = self.endpoint.call_bytes
        if 2 * COMPARED_CALLS * (up_bytes + down_bytes) > self.found.meter.left_bytes / 4:
            return
        self.say(f"{self.endpoint.what}: acknowledged at once")
        quick_s = [self.endpoint.call() for _ in range(COMPARED_CALLS)]
        self.endpoint.ack_at_once(False)
        again_s = [self.endpoint.call() for _ in range(COMPARED_CALLS)]
        held_s = min(typical_s, float(np.median(again_s))) - float(np.median(quick_s))
        if held_s >= HELD_S and max(quick_s) < float(np.median(again_s)):
            self.found.note(
                f"about {1e3 * held_s:.0f} ms of each call the server waits for an "
                "acknowledgement: it writes an answer in parts without TCP_NODELAY, which is "
                "neither the network nor the model; set TCP_NODELAY there"
            )

    def _told_calls(self, times_s: list[float]) -> None:
        up_bytes, down_bytes = self.endpoint.call_bytes
        self.found.update(
            calls=Calls(self.endpoint.what, tuple(times_s), up_bytes or None, down_bytes or None)
        )

    def _up(self, target: Target) -> None:
        question = self.question
        self._put(
            self._transfer(
                target,
                is_upload=True,
                max_bytes=int(min(UP_SHARE * question.max_bytes, self.found.meter.left_bytes)),
                seconds=BULK_SHARE * question.duration_s,
            ),
            is_upload=True,
        )

    def _down(self, target: Target) -> None:
        question = self.question
        left = self.found.meter.left_bytes - SPARE_SHARE * question.max_bytes
        self._put(
            self._transfer(
                target,
                is_upload=False,
                max_bytes=max(1, int(left)),
                seconds=BULK_SHARE * question.duration_s,
            ),
            is_upload=False,
        )

    def _transfer(
        self, target: Target, *, is_upload: bool, max_bytes: int, seconds: float
    ) -> Transfer:
        access = self.question.access
        way = "uplink" if is_upload else "downlink"

        def say(n_bytes: int) -> None:
            self.say(f"{way}: {n_bytes / 1e6:.1f} MB of at most {max_bytes / 1e6:.1f} MB")

        if target.scheme == "iperf3":
            return iperf.transfer(
                target,
                access,
                is_upload=is_upload,
                max_bytes=max_bytes,
                seconds=seconds,
                rtt_s=self.rtt_s,
                say=say,
                meter=self.found.meter,
            )
        is_same = target.authority == self.question.target.authority
        addresses = self.addresses if is_same else look_up(target, access)
        context = tls_context(access, ("http/1.1",)) if target.is_encrypted else None
        if not is_same:
            way = "upload" if is_upload else "download"
            self.found.note(f"the {way} went to another server, {target.url}")
        move = bulk.upload if is_upload else bulk.download
        return move(
            target,
            addresses,
            access,
            context,
            self.found.meter,
            max_bytes=max_bytes,
            seconds=seconds,
            rtt_s=self.rtt_s,
            say=say,
        )

    def _put(self, transfer: Transfer, *, is_upload: bool) -> None:
        self.found.calm += transfer.loss
        if transfer.retransmissions is not None:
            before = self.found.probe.bulk_retransmissions or 0
            self.found.update(bulk_retransmissions=before + transfer.retransmissions)
        if is_upload:
            self.found.update(uplink=transfer.rate)
        else:
            self.found.update(downlink=transfer.rate)
