"""What goes to the terminal: reports on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from types import TracebackType

import typer

from placer.cli import interrupts
from placer.core.errors import MeasuringError


def wants_color() -> bool:
    """Tell whether standard output is a terminal that may be coloured."""
    return _is_terminal() and not os.environ.get("NO_COLOR") and not _is_dumb()


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


def _as_shown(text: str) -> str:
    """Return a text report with what standard output can show of it."""
    from placer.reports.layout import ascii_only

    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return ascii_only(text).encode(encoding, errors="replace").decode(encoding)
    return ascii_only(text) if _is_terminal() and _is_dumb() else text


def width() -> int:
    """Return the width for text reports: the terminal's, or 100 where there is none."""
    return shutil.get_terminal_size((100, 40)).columns


def tell(text: str, *, nl: bool = True) -> None:
    """Write on standard error; where that cannot be written, the report still can."""
    try:
        typer.echo(text, err=True, nl=nl)
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # else Python fails again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def warn(text: str) -> None:
    """Say something on standard error."""
    tell(f"warning: {text}")


class Progress:
    """One line on standard error that tells what is measured and for how long at most.

    On a terminal the line is rewritten and goes away at the end; elsewhere only the first one
    is written.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._is_started = False

    def __enter__(self) -> Callable[[str], None]:
        """Return the function that shows a text."""
        return self._show

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the line away."""
        if self._is_terminal and self._is_started:
            tell("\r\x1b[K", nl=False)

    def _show(self, text: str) -> None:
        if interrupts:  # a library swallowed the exception
            raise KeyboardInterrupt
        if self._is_terminal:
            columns = shutil.get_terminal_size((80, 24)).columns
            tell(f"\r\x1b[K{text[: columns - 1]}", nl=False)
        elif not self._is_started:
            tell(text)
        self._is_started = True


def check_stdout(name: str) -> None:
    """Raise MeasuringError where standard output is closed; `name` is the format."""
    if sys.stdout is None:
        raise MeasuringError(
            "standard output is closed, the answer is lost",
            hint=f"give it a file: --output {name}=FILE",
        )


def emit(outputs: Sequence[tuple[str, str | None]], render: Callable[[str], str]) -> None:
    """Render each (format, file or None) and write it where it belongs."""
    from placer.files.writing import write_atomically

    for name, path in outputs:
        text = render(name)
        if path is None:
            check_stdout(name)
            if name == "text":
                text = _as_shown(text)
            typer.echo(text, nl=not text.endswith("\n"))
        else:
            write_atomically(path, text)
