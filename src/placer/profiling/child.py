"""Handles on measuring processes: requests with deadlines, and a clear word when one dies."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import IO, Any

GRACE_S = 10.0
"""Time beyond a request's own limit before the process counts as hung."""

START_LIMIT_S = 60.0
"""Longest time for a process to start and import the runtime, on a slow disk."""

LEAVE_S = 2.0
"""Time that a process gets to end by itself once it is not needed any more."""


class ChildError(Exception):
    """The measuring process could not do what it was asked.

    Parameters
    ----------
    kind
        ``unavailable``, ``misconfigured``, ``unsupported``, ``failed``, ``crashed``, ``killed``,
        ``hung`` or, of outputs, ``uneven``.
    message
        What happened, for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


_KINDS = {
    "UnavailableError": "unavailable",
    "MisconfiguredError": "misconfigured",
    "UnsupportedModelError": "unsupported",
    "UnevenOutputsError": "uneven",
    "MemoryError": "killed",
}

_DOING = {
    "start": "starting",
    "open": "creating the session",
    "warm_up": "warming up",
    "cover": "compiling",
    "tensor_shapes": "reading the model",
    "make": "making the variant",
    "optimise": "optimising the model",
    "time_kernels": "timing the nodes",
    "judge_parts": "running the parts",
}


class Child:
    """One fresh measuring process. A context manager: the process never outlives the block.

    Parameters
    ----------
    runtime_module
        Module of the runtime; the process imports it at once, before it is asked anything.
    """

    def __init__(self, runtime_module: str) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            # -P: a file called numpy.py in the user's directory is not what we mean by numpy
            [sys.executable, "-P", "-m", "placer.profiling.worker", runtime_module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle, then we end the child
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._is_ready = False
        self._failed_start: ChildError | None = None

    def __enter__(self) -> Child:
        """Return the handle."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process and wait for it: by the end of its input, or at once after an error."""
        if error is None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=LEAVE_S)
        self.kill()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def kill(self) -> None:
        """End the process at once."""
        self._end()
        self._stderr.close()

    def ask(self, operation: str, *, deadline_s: float, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises
        ------
        ChildError
            The process refused, died, or did not answer within ``deadline_s`` seconds.
        """
        self.wait_until_ready()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its death is reported below
            self._process.stdin.write(json.dumps({"operation": operation, **arguments}) + "\n")
            self._process.stdin.flush()
        answer = self._answer(operation, deadline_s)
        if "error" in answer:
            raise ChildError(_KINDS.get(answer["error"], "failed"), answer["message"])
        return answer

    def wait_until_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Wait until the process has imported the runtime. Raises as ``ask``, each time again."""
        if self._failed_start is not None:
            raise self._failed_start
        if not self._is_ready:
            try:
                self._answer("start", limit_s)
            except ChildError as error:
                self._failed_start = error
                raise
            self._is_ready = True

    def _answer(self, operation: str, deadline_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=min(deadline_s, threading.TIMEOUT_MAX))
        except queue.Empty:
            self._end()
            what = f"no answer to '{operation}' within {deadline_s:.3g} s"
            if operation == "start":
                what = f"the measuring process did not start within {START_LIMIT_S:.0f} s"
            raise ChildError("hung", f"{what}; it was ended") from None
        if line is None:
            raise self._death(operation)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # the pipe was closed under us
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _death(self, operation: str) -> ChildError:
        code = self._process.wait()
        doing = _DOING.get(operation, "running")
        if code == -signal.SIGKILL:
            return ChildError(
                "killed", f"the measuring process was killed while {doing} (out of memory?)"
            )
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        tail = self._stderr_tail()
        return ChildError(
            "crashed", f"the measuring process ended {how} while {doing}{tail and ': '}{tail}"
        )

    def _stderr_tail(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read()[-4000:].decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _end(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        self._process.wait()
        self._reader.join(timeout=5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Spares:
    """Processes started ahead, so that they import while the caller does. A context manager.

    Parameters
    ----------
    runtime_module
        As for ``Child``.
    count
        How many to start; those not taken end with the block.
    """

    def __init__(self, runtime_module: str, count: int) -> None:
        self._runtime_module = runtime_module
        self._children = [Child(runtime_module) for _ in range(count)]

    def __enter__(self) -> Spares:
        """Return the handle."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes that nobody took, at once."""
        for child in self._children:
            child.kill()
        self._children.clear()

    def settle(self) -> None:
        """Wait until all have done importing: only then is the machine quiet enough to measure."""
        deadline_s = time.monotonic() + START_LIMIT_S
        for child in self._children:
            with contextlib.suppress(ChildError):  # who takes it will be told
                child.wait_until_ready(max(0.0, deadline_s - time.monotonic()))

    def take(self) -> Child:
        """Return a process that was started ahead, or start one. The caller ends it."""
        return self._children.pop(0) if self._children else Child(self._runtime_module)
