"""A small server of the Open Inference Protocol over HTTP, with its binary extension.

    python -m tests.onnx_server ADDRESS PORT NAME=FILE ...

It runs ONNX files on ONNX Runtime with one thread, prints a line when it listens, and writes each
answer at once (TCP_NODELAY). Of the protocol it has what a client needs to run a model.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import onnxruntime

TYPES = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(int8)": "INT8",
    "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL",
}
DTYPES = {
    "FP32": np.float32,
    "FP16": np.float16,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}
Change = Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]
"""Makes another answer of that of a named model."""
LENGTH = "Inference-Header-Content-Length"


def session(path: str) -> Any:
    """Open an ONNX file with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def pack(arrays: Mapping[str, np.ndarray], kind: str) -> tuple[bytes, int]:
    """Return inputs or outputs with the binary extension, and the bytes of its JSON."""
    told, parts = [], []
    for name, array in arrays.items():
        datatype = next(one for one, dtype in DTYPES.items() if dtype == array.dtype)
        parts.append(np.ascontiguousarray(array).tobytes())
        size = {"binary_data_size": len(parts[-1])}
        told.append({"name": name, "shape": array.shape, "datatype": datatype, "parameters": size})
    document = {kind: told, "parameters": {"binary_data_output": True}}
    head = json.dumps(document).encode()
    return head + b"".join(parts), len(head)


def unpack(body: bytes, length: int | None, kind: str) -> dict[str, np.ndarray]:
    """Return the arrays of a body; ``length``: of its JSON, None: all of it."""
    document = json.loads(body[:length])
    found: dict[str, np.ndarray] = {}
    place = length or 0
    for one in document[kind]:
        dtype = DTYPES[one["datatype"]]
        if "data" in one:
            array: np.ndarray = np.array(one["data"], dtype=dtype)
        else:
            size = one["parameters"]["binary_data_size"]
            array = np.frombuffer(body[place : place + size], dtype=dtype)
            place += size
        found[one["name"]] = array.reshape(one["shape"])
    return found


class Handler(BaseHTTPRequestHandler):
    """Answers metadata and inferences."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one write
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        words = self.path.strip("/").split("/")
        if words == ["v2"]:
            extensions = ["binary_tensor_data"] if self.server.has_binary else []
            self._tell(200, {"name": "tests", "version": "1", "extensions": extensions})
        elif words == ["v2", "models"]:
            self._tell(200, {"models": sorted(self.server.sessions)})
        elif words[:2] == ["v2", "models"] and words[2] in self.server.sessions:
            found = self.server.sessions[words[2]]
            self._tell(
                200,
                {
                    "name": words[2],
                    "inputs": [_described(one) for one in found.get_inputs() if self.server.tells],
                    "outputs": [
                        _described(one) for one in found.get_outputs() if self.server.tells
                    ],
                },
            )
        else:
            self._tell(404, {"error": f"unknown: {self.path}"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        words = self.path.strip("/").split("/")
        if words[:2] != ["v2", "models"] or words[2] not in self.server.sessions:
            self._tell(404, {"error": f"unknown: {self.path}"})
            return
        length = self.headers.get(LENGTH)
        if length is not None and not self.server.has_binary:
            self._tell(400, {"error": "Unrecognized request format"})
            return
        given = unpack(body, None if length is None else int(length), "inputs")
        running = self.server.sessions[words[2]]
        names = [one.name for one in running.get_outputs()]
        try:
            values = running.run(names, given)
        except Exception as error:  # ONNX Runtime has a kind of its own for each failure
            self._tell(500, {"error": str(error)})
            return
        found = self.server.change(words[2], dict(zip(names, values, strict=True)))
        if length is None:
            outputs = [
                {**_told(name, array), "data": array.ravel().tolist()}
                for name, array in found.items()
            ]
            self._tell(200, {"model_name": words[2], "outputs": outputs})
            return
        answer, head = pack(found, "outputs")
        self._write(200, answer, "application/octet-stream", {LENGTH: str(head)})

    def _tell(self, status: int, document: object) -> None:
        self._write(status, json.dumps(document).encode(), "application/json", {})

    def _write(self, status: int, body: bytes, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _described(value: Any) -> dict[str, object]:
    shape = [size if isinstance(size, int) else -1 for size in value.shape]
    return {"name": value.name, "datatype": TYPES[value.type], "shape": shape}


def _told(name: str, array: np.ndarray) -> dict[str, object]:
    datatype = next(one for one, dtype in DTYPES.items() if dtype == array.dtype)
    return {"name": name, "shape": list(array.shape), "datatype": datatype}


class Server(ThreadingHTTPServer):
    """Serves models by their names."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        models: Mapping[str, str],
        change: Change = lambda _, found: found,
        *,
        tells: bool = True,
        has_binary: bool = True,
    ) -> None:
        self.change = change
        self.tells = tells
        self.has_binary = has_binary
        self.sessions = {name: session(path) for name, path in models.items()}
        super().__init__(address, Handler)


def main(words: list[str]) -> None:
    """Serve until killed, before other programs where that is permitted."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    address, port, *models = words
    named = dict(one.split("=", 1) for one in models)
    with Server((address, int(port)), named) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
