"""Timings and models as CSV files: one model a line."""

from __future__ import annotations

import csv
import io
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from placer.core.calibration import Timing, Work
from placer.core.errors import InputError, UsageError, near_match

MAX_BYTES = 64 * 2**20
"""A table of a million models; more is another file."""
GIGA = 1e9
MOST = 1e12
"""In the units of the columns: 10^21 operations or bytes, 10^12 operators."""
LONGEST_S = 1e6
"""Eleven days; a longer time of one inference is no such time."""
WORK_COLUMNS = ("model", "gflops", "gbytes", "n_ops")
"""10^9 operations, 10^9 bytes moved and operators of one inference."""
LATENCY = "latency_s"

Line = tuple[int, Mapping[str, str]]


def read_timings(path: str) -> tuple[Timing, ...]:
    """Read models with their times: columns ``model,gflops,gbytes,n_ops,latency_s``.

    Raises
    ------
    InputError
        The file is missing, unreadable or empty.
    UsageError
        A column is missing, or a cell is no such number; told with its line.
    """
    lines = tuple(_lines(path, (*WORK_COLUMNS, LATENCY)))
    return tuple(
        Timing(
            _work(path, line),
            _number(
                path, line, LATENCY, most=LONGEST_S, least_hint="a time is above 0, in seconds"
            ),
            f"{path}:{line[0]}",
        )
        for line in lines
    )


def read_works(path: str) -> tuple[Work, ...]:
    """Read models without times: columns ``model,gflops,gbytes,n_ops``. Raises as above."""
    return tuple(_work(path, line) for line in _lines(path, WORK_COLUMNS))


def _work(path: str, line: Line) -> Work:
    name = line[1]["model"]
    if not name:
        raise UsageError(f"{path}:{line[0]}: the model has no name", hint="write one: model")
    flops, bytes_moved, n_ops = (
        _number(path, line, column, may_be_zero=True) for column in WORK_COLUMNS[1:]
    )
    if not flops + bytes_moved + n_ops:
        raise UsageError(
            f"{path}:{line[0]}: '{name}' does no work: gflops, gbytes and n_ops are all 0",
            hint="state what it does, or leave the line out",
        )
    return Work(name, flops * GIGA, bytes_moved * GIGA, n_ops)


def _number(
    path: str,
    line: Line,
    column: str,
    *,
    may_be_zero: bool = False,
    most: float = MOST,
    least_hint: str = "state 0 or more",
) -> float:
    text = line[1][column]
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    where = f"{path}:{line[0]}: {column} '{text}' of '{line[1]['model']}'"
    if not math.isfinite(value):
        raise UsageError(f"{where} is not a number", hint="write it like 0.0125")
    if value < 0 or not (value or may_be_zero):
        raise UsageError(
            f"{where} is not {'0 or more' if may_be_zero else 'above 0'}", hint=least_hint
        )
    if value > most:
        raise UsageError(f"{where} is above {most:g}", hint="mind the unit of the column")
    return value


def _lines(path: str, columns: Sequence[str]) -> Iterator[Line]:
    """Yield (line number, column -> cell) of every line that is not empty."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    found = False
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_header(path, names, columns)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            found = True
            if len(cells) != len(names):
                raise UsageError(
                    f"{path}:{reader.line_num}: {len(cells)} cells under {len(names)} columns",
                    hint="give each line a cell for each column",
                )
            yield reader.line_num, dict(zip(names, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: not CSV: {error}") from error
    if not found:
        raise InputError(f"{path} has no line below its header", hint="one model a line")


def _check_header(path: str, names: Sequence[str], columns: Sequence[str]) -> None:
    for separator, what in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise UsageError(
                f"{path}:1: columns are separated by {what}, not by commas",
                hint="save it as CSV with commas, and points in the numbers",
            )
    for column in columns:
        if names == [""] or not names:
            raise InputError(
                f"{path} is empty", hint=f"its first line names the columns: {','.join(columns)}"
            )
        if column not in names:
            raise UsageError(
                f"{path}:1: column '{column}' is missing{near_match(column, names)}",
                hint=f"columns: {','.join(columns)}",
            )
        if names.count(column) > 1:
            raise UsageError(f"{path}:1: column '{column}' is there twice", hint="keep one")


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InputError(f"{path} is not a file", hint="name a CSV file")
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 20} MiB", hint="is it the table?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", hint="save it as CSV, UTF-8") from error
