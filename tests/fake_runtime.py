"""A runtime for tests: its "models" sleep, crash, hang or refuse, by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from placer.core.runtime import SessionRequest, UnavailableError, UnsupportedModelError


def load() -> None:
    """Nothing to import."""


class FakeSession:
    """A session whose runs do what the model's name says."""

    runtime = "fake 1"
    device = ""

    def __init__(self, name: str) -> None:
        self._name = name

    def fallback(self) -> tuple[tuple[str, int], ...]:
        return ()

    def nodes_by_ep(self) -> tuple[tuple[str, int], ...]:
        return (("cpu", 1),)

    def prepare(self, index: int) -> None:
        """Nothing to put anywhere."""

    def runs(self) -> tuple[Callable[[], object], ...]:
        if self._name.startswith("sleep:"):
            seconds = float(self._name.partition(":")[2])
            return (lambda: time.sleep(seconds),)
        if self._name == "crash_later":
            return (_crash_after(40),)
        return (lambda: None,)


def _crash_after(runs: int) -> Callable[[], object]:
    left = iter(range(runs))

    def run() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGSEGV)

    return run


def open_session(request: SessionRequest) -> FakeSession:
    """Do what the model's name says."""
    match Path(request.model_path).name:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "memory":
            raise MemoryError("could not allocate 8 GiB")
        case "refuse":
            raise UnsupportedModelError("my.ops:MatMul is not a registered function/op")
        case "unavailable":
            raise UnavailableError("no such device")
        case "fail":
            raise RuntimeError("broken input")
        case "print":
            os.write(1, b'{"not": "an answer"}\n')
            print("neither is this", flush=True)  # noqa: T201 - what runtimes do
    return FakeSession(request.model_path)
