"""Requests over network paths as a CSV file: one a line."""

from __future__ import annotations

import csv
import io
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from placer.core.environment import NetworkPath
from placer.core.errors import InputError, UsageError, near_match
from placer.core.network.framing import Protocol
from placer.core.network.limits import (
    MAX_BUFFER_PACKETS,
    MAX_LOSS_RATIO,
    MAX_RATE_BYTES_PER_S,
    MAX_RTT_S,
    MAX_SERVER_S,
    MIN_RATE_BYTES_PER_S,
)
from placer.core.network.wire import PACKET_BYTES
from placer.core.network_estimate import MAX_IN_FLIGHT, Request
from placer.core.units import MAX_BYTES

COLUMNS = (
    "rtt_ms",
    "up_mbps",
    "down_mbps",
    "loss_pct",
    "cc",
    "connection",
    "up_bytes",
    "down_bytes",
    "tls",
    "buffer_pkts",
    "protocol",
    "server_time_ms",
    "in_flight",
)
"""What a line may state; a column left out or an empty cell leaves what the options say."""
RESULT_KEYS = ("p50_s", "p90_s", "p95_s", "p99_s", "mean_s", "serialisation_s", "assumptions")
STDIN = "-"
MAX_FILE_BYTES = 32 * 2**20
MAX_CASES = 100_000
"""All are held at once, as none is used before all are right."""
_BYTES_PER_MBIT = 1e6 / 8
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_WORDS = {
    "cc": ("cubic", "bbr"),
    "connection": ("new", "warm", "idle"),
    "protocol": tuple(one.value for one in Protocol),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the file."""

    line: int
    path: NetworkPath
    request: Request
    stated: frozenset[str]
    """Columns that it fills."""
    extra: Mapping[str, str]
    """Its cells in columns of the user's own."""


def read_cases(
    file: str,
    base: NetworkPath,
    request: Request,
    sizes: tuple[int | None, int | None],
    *,
    burst_packets: float = 1.0,
    stdin: BinaryIO | None = None,
) -> tuple[Case, ...]:
    """Read all lines, none of which is used before all are right.

    Parameters
    ----------
    file
        ``-``: `stdin`.
    base
        What a line does not state of the path.
    request
        The same of the request, but for its sizes.
    sizes
        Bodies up and down where a line states none; None: it must.
    burst_packets
        Mean length of a burst of losses where a line states a loss.

    Raises
    ------
    InputError
        The file cannot be read, is larger than `MAX_FILE_BYTES`, or has no line or more than
        `MAX_CASES`.
    UsageError
        A cell, a column or a line is wrong; told with line and column.
    """
    content = _content(file, stdin)
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{file} is larger than {MAX_FILE_BYTES // 2**20} MiB", hint="split it up")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text", hint="save it as CSV, UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    cases: list[Case] = []
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_header(file, names)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cases) == MAX_CASES:
                raise InputError(f"{file} has more than {MAX_CASES:,} lines", hint="split it up")
            if len(cells) != len(names):
                raise UsageError(
                    f"{file}:{reader.line_num}: {len(cells)} cells under {len(names)} columns",
                    hint="give each line a cell for each column; it may be empty",
                )
            line = _Line(
                file, reader.line_num, dict(zip(names, map(str.strip, cells), strict=True))
            )
            cases.append(line.case(base, request, sizes, burst_packets))
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: not CSV: {error}") from error
    if not cases:
        raise InputError(f"{file} has no line below its header", hint="one request a line")
    return tuple(cases)


def _content(file: str, stdin: BinaryIO | None) -> bytes:
    """Return the bytes of a file, at most one more than are allowed."""
    if file == STDIN:
        if stdin is None:
            raise InputError("standard input is closed", hint="name a file")
        return stdin.read(MAX_FILE_BYTES + 1)
    try:
        if stat.S_ISFIFO(os.stat(file).st_mode):  # noqa: PTH116  # it would be waited for
            raise InputError(
                f"{file} is a pipe, not a file",
                hint=f"name a regular file, or read standard input: --cases {STDIN}",
            )
        with open(file, "rb") as opened:  # noqa: PTH123  # a path is text as typed
            return opened.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{file} cannot be read: {reason}", hint="check the path and who may read it"
        ) from error


def _check_header(file: str, names: list[str]) -> None:
    if not set(names) & set(COLUMNS):
        raise UsageError(
            f"{file}:1: no known column in the header", hint=f"columns: {' '.join(COLUMNS)}"
        )
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{file}:1: column '{name}' is there twice", hint="keep one")
        if name in RESULT_KEYS:
            raise UsageError(
                f"{file}:1: column '{name}' is one of the result", hint="give it another name"
            )
        near = near_match(name, COLUMNS)
        if name not in COLUMNS and (near or not name):
            raise UsageError(
                f"{file}:1: unknown column '{name}'{near}",
                hint=f"columns: {' '.join(COLUMNS)}; others are handed on to the output",
            )


@dataclass(frozen=True, slots=True)
class _Line:
    """One line while it is read."""

    file: str
    number: int
    cells: Mapping[str, str]

    def _wrong(self, column: str, what: str, hint: str) -> UsageError:
        return UsageError(
            f"{self.file}:{self.number}: {column} '{self.cells[column]}' {what}", hint=hint
        )

    def _figure(
        self, column: str, *, least: float = 0.0, most: float = 1e9, above: bool = False
    ) -> float | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._wrong(column, "is not a number", "without a unit: the column's name has it")
        if not least <= value <= most or (above and value == least):
            kind = "greater than" if above else "at least"
            raise self._wrong(
                column, "is out of range", f"{kind} {least:g} and at most {most:,.0f}"
            )
        return value

    def _whole(self, column: str, *, least: int = 0, most: int = MAX_BYTES) -> int | None:
        value = self._figure(column, least=least, most=most)
        if value is not None and value != int(value):
            raise self._wrong(column, "is not a whole number", "round it up")
        return None if value is None else int(value)

    def _word(self, column: str, default: str) -> str:
        text = self.cells.get(column, "")
        if text and text not in _WORDS[column]:
            near = near_match(text, _WORDS[column])
            raise self._wrong(column, f"is unknown{near}", f"one of: {' '.join(_WORDS[column])}")
        return text or default

    def _flag(self, column: str, *, default: bool) -> bool:
        text = self.cells.get(column, "").lower()
        if text and text not in _TRUE + _FALSE:
            raise self._wrong(column, "is neither true nor false", "write true or false")
        return text in _TRUE if text else default

    def _size(self, column: str, option: str, default: int | None) -> int:
        value = self._whole(column, least=1)
        if value is None:
            value = default
        if value is None:
            raise UsageError(
                f"{self.file}:{self.number}: {column} is missing",
                hint=f"fill the column, or give {option}",
            )
        return value

    def _rate(self, column: str) -> float | None:
        """Return a rate in bytes per second."""
        least, most = MIN_RATE_BYTES_PER_S, MAX_RATE_BYTES_PER_S
        value = self._figure(column, least=least / _BYTES_PER_MBIT, most=most / _BYTES_PER_MBIT)
        return None if value is None else value * _BYTES_PER_MBIT

    def case(
        self,
        base: NetworkPath,
        request: Request,
        sizes: tuple[int | None, int | None],
        burst_packets: float,
    ) -> Case:
        """Return what the line asks."""
        path = base
        rtt_ms = self._figure("rtt_ms", most=1e3 * MAX_RTT_S, above=True)
        if rtt_ms is not None:
            path = replace(path, rtt_quantiles_s=((0.5, rtt_ms / 1e3),), rtt_samples_s=())
        rate = self._rate("up_mbps")
        if rate is not None:
            path = replace(path, uplink_bytes_per_s=rate, uplink_p5_bytes_per_s=None)
        rate = self._rate("down_mbps")
        if rate is not None:
            path = replace(path, downlink_bytes_per_s=rate, downlink_p5_bytes_per_s=None)
        loss_pct = self._figure("loss_pct", most=100 * MAX_LOSS_RATIO)
        if loss_pct is not None:
            path = replace(path, loss_ratio=loss_pct / 100, loss_burst_packets=burst_packets)
        buffer_pkts = self._whole("buffer_pkts", least=1, most=MAX_BUFFER_PACKETS)
        if buffer_pkts is not None:
            path = replace(path, buffer_bytes=buffer_pkts * PACKET_BYTES)
        path = replace(
            path,
            congestion_control=self._word("cc", path.congestion_control),
            connection=self._word("connection", path.connection),
            is_encrypted=self._flag("tls", default=path.is_encrypted),
        )
        if not (path.rtt_quantiles_s or path.rtt_samples_s):
            self._require("rtt_ms", "--rtt")
        if path.uplink_bytes_per_s is None:
            self._require("up_mbps", "--uplink")
        if path.downlink_bytes_per_s is None:
            self._require("down_mbps", "--downlink")
        server_ms = self._figure("server_time_ms", most=1e3 * MAX_SERVER_S)
        asked = replace(
            request,
            up_bytes=self._size("up_bytes", "--up", sizes[0]),
            down_bytes=self._size("down_bytes", "--down", sizes[1]),
            protocol=Protocol(self._word("protocol", request.protocol.value)),
            server_s=request.server_s if server_ms is None else server_ms / 1e3,
            in_flight=self._whole("in_flight", least=1, most=MAX_IN_FLIGHT) or request.in_flight,
        )
        extra = {name: text for name, text in self.cells.items() if name not in COLUMNS}
        stated = frozenset(name for name, text in self.cells.items() if text)
        return Case(self.number, path, asked, stated, extra)

    def _require(self, column: str, option: str) -> None:
        raise UsageError(
            f"{self.file}:{self.number}: {column} is missing",
            hint=f"fill the column, or give {option} or --network",
        )
