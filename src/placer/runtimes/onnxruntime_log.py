"""What ONNX Runtime says when something fails, in its exceptions or in its log alone."""

from __future__ import annotations

import contextlib
import os
import re

ERRORS = 3
"""Severity to log: why an execution provider is not there ONNX Runtime tells the log alone."""
_LOGGED_ERROR = re.compile(r"\[E:onnxruntime:[^\]]*\] ?(?:\S*/\S*:\d+ .*?\[ERROR\] )?(.*)")


class ErrorLog:
    """What native code has written to standard error since this was made, where that is a file."""

    def __init__(self) -> None:
        self._start = self._size()

    def last_error(self) -> str:
        """Return the last error of ONNX Runtime on one line; empty: there is none."""
        with contextlib.suppress(OSError):
            text = os.pread(2, 100_000, self._start).decode(errors="replace")
            found = _LOGGED_ERROR.findall(re.sub(r"\x1b\[[0-9;]*m", "", text))
            return reason_of(found[-1]) if found else ""
        return ""

    @staticmethod
    def _size() -> int:
        return os.fstat(2).st_size


def reason_of(text: str) -> str:
    """Return the first line of what ONNX Runtime says, without what placer says anyway."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", lines[0] if lines else "")
    line = re.sub(r"^/\S+:\d+ [^()]*\([^()]*\) ", "", line)
    line = re.sub(r"^Load model from .*? failed: ?", "", line).removeprefix("Fatal error: ")
    return line.rstrip(". ")[:400] or "no reason given"
