"""The command line. ``main`` is the console script; ``app`` has the commands."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

EXIT_INTERRUPTED = 130
GC_THRESHOLD = 100_000
"""Objects between two garbage collections: Python's 700 make imports a tenth slower."""

interrupts: list[int] = []
"""Signals that asked this process to stop: C extensions turn the exception into others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Everything is imported within, so that an interrupt during the imports is one as well.

    Parameters
    ----------
    arguments
        Without the program's name; None: those of this process, which is ours to end.
    """
    if arguments is not None:
        return _run(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # we have no matrices: no idle threads
    gc.set_threshold(GC_THRESHOLD)
    _write_whole()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    for name in ("SIGTERM", "SIGHUP"):  # they would leave temporary files behind
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    code = _run(sys.argv[1:])
    if code == EXIT_INTERRUPTED or interrupts:
        # Python would die of the signal where the interrupt came inside of an exec
        sys.stderr.flush()
        os._exit(EXIT_INTERRUPTED)
    gc.freeze()  # the process ends: nothing is worth collecting
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        from placer.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED


def _write_whole() -> None:
    """Put a buffer before an unbuffered standard output (``PYTHONUNBUFFERED``, ``python -u``).

    Without one Python drops the rest of what a nearly full disk takes in part, and says nothing.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=True,
        )


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    interrupts.append(number)
    raise KeyboardInterrupt
