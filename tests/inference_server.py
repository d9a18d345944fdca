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

from tests.ports import free_port

REQUIREMENTS = ("kserve==0.21.0", "onnxruntime>=1.24")
MODEL = "digits"
START_S = 90

PROGRAM = """
import sys
import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer

TYPES = {
    "tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(float16)": "FP16",
    "tensor(int8)": "INT8", "tensor(double)": "FP64", "tensor(bool)": "BOOL",
}

def described(values):
    return [
        {"name": one.name, "datatype": TYPES[one.type],
         "shape": [size if isinstance(size, int) else -1 for size in one.shape]}
        for one in values
    ]

class OnnxModel(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.session = onnxruntime.InferenceSession(path)
        self.ready = True

    async def get_input_types(self):
        return described(self.session.get_inputs())

    async def get_output_types(self):
        return described(self.session.get_outputs())

    def predict(self, payload, headers=None, response_headers=None):
        values = self.session.run(None, {one.name: one.as_numpy() for one in payload.inputs})
        outputs = []
        for told, value in zip(self.session.get_outputs(), values):
            output = InferOutput(told.name, list(value.shape), TYPES[told.type])
            output.set_data_from_numpy(value, binary_data=TYPES[told.type] == "FP16")
            outputs.append(output)
        return InferResponse(payload.id, self.name, outputs)

http_port, grpc_port, *models = sys.argv[1:]
server = ModelServer(http_port=int(http_port), grpc_port=int(grpc_port), workers=1)
server.start([OnnxModel(*model.split("=", 1)) for model in models])
"""


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


@contextlib.contextmanager
def serving(model: Path, log: Path) -> Iterator[InferenceServer]:
    """Serve an ONNX file as `MODEL` for the time of the context."""
    with serving_all({MODEL: model}, log) as server:
        yield server


@contextlib.contextmanager
def serving_all(models: Mapping[str, Path], log: Path) -> Iterator[InferenceServer]:
    """Serve several ONNX files under their names for the time of the context."""
    server = InferenceServer(free_port(), free_port())
    words = [str(environment()), "-c", PROGRAM, str(server.http_port), str(server.grpc_port)]
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
