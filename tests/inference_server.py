"""A real server of the Open Inference Protocol: KServe's, with a model on ONNX Runtime.

KServe cannot share an environment with the tests (it pins psutil and others), so it has one of its
own outside the checkout, made once. `python -m tests.inference_server` makes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import pages
from tests.ports import free_port

REQUIREMENTS = ("kserve==0.21.0", "onnxruntime>=1.24")
MODEL = "digits"
START_S = 90

PROGRAM = pages.blocks(pages.read("verifying.md"), "python")[0]
"""Of the documentation."""


@dataclass(frozen=True)
class InferenceServer:
    """Where it listens, on the loopback device."""

    http_port: int
    grpc_port: int


def environment() -> Path:
    """Make the environment where it is not there yet, and return its Python."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    wanted = "\n".join((sys.version, *REQUIREMENTS))
    folder = Path(base) / "placer-tests" / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:  # two workers of the tests may meet here
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, python)
    return python


def _make(folder: Path, python: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         *REQUIREMENTS],
        check=True,
    )  # fmt: skip
    (folder / "complete").touch()


def need() -> None:
    """Make the environment; skip the test where that cannot be, but in CI fail."""
    try:
        environment()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"no environment for the inference server could be made: {error}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@contextlib.contextmanager
def serving(model: Path, log: Path) -> Iterator[InferenceServer]:
    """Serve an ONNX file as `MODEL` for the time of the context."""
    with serving_all({MODEL: model}, log) as server:
        yield server


@contextlib.contextmanager
def serving_all(models: Mapping[str, Path], log: Path) -> Iterator[InferenceServer]:
    """Serve several ONNX files under their names for the time of the context."""
    server = InferenceServer(free_port(), free_port())
    words = [str(environment()), "-c", PROGRAM]
    words += ["--http_port", str(server.http_port), "--grpc_port", str(server.grpc_port)]
    words += [f"{name}={model}" for name, model in models.items()]
    with (
        log.open("wb") as output,
        subprocess.Popen(words, stdout=output, stderr=output) as child,
    ):
        try:
            for name in models:
                _wait(server, child, log, name)
            yield server
        finally:
            child.kill()


def _wait(server: InferenceServer, child: subprocess.Popen[bytes], log: Path, model: str) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and child.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            client = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=5)
            with contextlib.closing(client):
                client.request("GET", f"/v2/models/{model}/ready")
                if client.getresponse().status == 200:
                    return
        time.sleep(0.2)
    raise RuntimeError(f"the inference server did not start:\n{log.read_text()[-2000:]}")


if __name__ == "__main__":
    environment()
