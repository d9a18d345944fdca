#!/usr/bin/env python3
"""The edge side of a split model: runs the head here and the tail on an inference server.

    python client.py --url http://HOST:8000 [--inputs SAMPLES.npz] [--save OUTPUTS.npz] [--runs N]

It needs Python 3.10, numpy and onnxruntime, and lies beside `contract.json`. The server is any that
speaks the Open Inference Protocol over HTTP and has the model of `repository/`. Each sample goes
through: head, encoding as the contract says, request to the server, decoding of its answer.
Exit codes: 0 all answered, 1 the server or the network failed, 2 something given is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY_EXTENSIONS = ("binary_tensor_data", "binary_data")
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
STEPS = 127
"""Of int8 on either side of zero."""
SHOWN = 5
"""Numbers of an output that are printed."""

Array = Any
"""numpy.ndarray."""


class ClientError(Exception):
    """What went wrong, for people; ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


# --- the contract -----------------------------------------------------------------------------


def read_contract(folder: Path) -> dict[str, Any]:
    """Return the contract, once the head is the one that it names."""
    try:
        contract: dict[str, Any] = json.loads((folder / "contract.json").read_text("utf-8"))
        parts = contract["parts"]
    except (OSError, ValueError, KeyError) as error:
        raise ClientError(f"{folder / 'contract.json'} cannot be read: {error}") from error
    for file in parts[0]["files"]:
        try:
            digest = hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest()
        except OSError as error:
            raise ClientError(f"{file['name']} cannot be read: {error.strerror}") from error
        if digest != file["sha256"]:
            raise ClientError(f"{file['name']} is not the file of the contract: export it again")
    return contract


def read_samples(path: Path, contract: Mapping[str, Any]) -> list[dict[str, Array]]:
    """Return the samples of an .npz file: arrays of an input's shape, or of many such."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} cannot be read: {error}") from error
    inputs = contract["model"]["inputs"]
    stacks, counts = {}, {}
    for spec in inputs:
        name, shape = spec["name"], tuple(spec["shape"])
        if name not in arrays:
            raise ClientError(f"{path} has no input '{name}'; it has: {', '.join(arrays)}")
        array = arrays[name]
        if array.dtype.name != spec["dtype"]:
            raise ClientError(f"{path}: '{name}' is {array.dtype.name}, not {spec['dtype']}")
        if array.shape == shape:
            array = array[None]
        elif shape[:1] == (1,) and array.shape[1:] == shape[1:]:
            array = array[:, None]
        array = array.astype(array.dtype.newbyteorder("="), copy=False)  # bytes go out as they lie
        if array.shape[1:] != shape:
            raise ClientError(f"{path}: '{name}' has shape {array.shape}, not (samples, *{shape})")
        stacks[name], counts[name] = array, len(array)
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise ClientError(f"{path}: the inputs have different numbers of samples, or none")
    count = next(iter(counts.values()), 1)
    return [{name: stack[at] for name, stack in stacks.items()} for at in range(count)]


# --- the wire ---------------------------------------------------------------------------------


def encode(tensors: Sequence[Mapping[str, Any]], known: Mapping[str, Array]) -> dict[str, Array]:
    """Return the inputs of the tail for the tensors that cross, as the contract says."""
    inputs = {}
    for tensor in tensors:
        array, wire = np.asarray(known[tensor["name"]]), tensor["wire"]
        value, scale = wire["value"], wire["scale"]
        if scale is not None:
            narrow, factor = _quantised(array, tensor["name"])
            inputs[scale["name"]] = np.array([factor], np.float32)
        else:
            with np.errstate(over="ignore"):  # judged in the next lines
                narrow = array.astype(value["dtype"])
            if narrow.dtype != array.dtype and bool(np.any(np.isinf(narrow) & np.isfinite(array))):
                raise ClientError(
                    f"a number in '{tensor['name']}' is too large for {value['dtype']}: export "
                    "the split with --wire float32",
                    1,
                )
        inputs[value["name"]] = narrow.reshape(value["shape"])
    return inputs


def _quantised(array: Array, name: str) -> tuple[Array, float]:
    largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
    if largest == 0.0:
        return np.zeros(array.shape, np.int8), 1.0
    scale = float(np.float32(largest / STEPS))
    if not np.isfinite(largest) or scale in (0.0, float("inf")):
        raise ClientError(
            f"'{name}' has numbers that int8 with a scale cannot hold: export the split with "
            "--wire float32",
            1,
        )
    steps = np.clip(np.rint(array.astype(np.float64) / scale), -STEPS, STEPS)
    return steps.astype(np.int8), scale


def request_of(
    inputs: Mapping[str, Array], outputs: Sequence[str], *, is_binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an inference."""
    told: list[dict[str, Any]] = []
    chunks = []
    for name, array in inputs.items():
        one: dict[str, Any] = {
            "name": name,
            "shape": list(array.shape),
            "datatype": DATATYPES[array.dtype.name],
        }
        if is_binary:
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
            one["parameters"] = {"binary_data_size": len(data)}
            chunks.append(data)
        else:
            one["data"] = array.ravel().tolist()
        told.append(one)
    document: dict[str, Any] = {"id": "1", "inputs": told}
    document["outputs"] = [{"name": name} for name in outputs]
    if is_binary:
        for one in document["outputs"]:
            one["parameters"] = {"binary_data": True}
    try:
        head = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise ClientError(
            "a tensor has infinite numbers or NaN, which JSON cannot carry: --encoding binary", 1
        ) from None
    if not is_binary:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return b"".join([head, *chunks]), headers


def answer_of(
    body: bytes, headers: Mapping[str, str], specs: Sequence[Mapping[str, Any]]
) -> dict[str, Array]:
    """Return the outputs of an answer, in the shapes and types of the contract."""
    length = int(headers.get(HEADER_LENGTH.lower(), len(body)))
    try:
        told = {one["name"]: one for one in json.loads(body[:length])["outputs"]}
        at, found = length, {}
        for name, one in told.items():
            size = (one.get("parameters") or {}).get("binary_data_size")
            if size is not None:
                found[name] = body[at : at + size]
                at += size
        arrays = {}
        for spec in specs:
            name, dtype = spec["name"], np.dtype(spec["dtype"])
            datatype = told[name]["datatype"]
            if datatype != DATATYPES[spec["dtype"]]:
                raise ClientError(f"the server gives '{name}' as {datatype}: not the contract's", 1)
            if name in found:
                flat = np.frombuffer(found[name], dtype.newbyteorder("<")).astype(dtype)
            else:
                flat = np.array(told[name]["data"], dtype).ravel()
            arrays[name] = flat.reshape(spec["shape"])
    except (ValueError, KeyError, TypeError) as error:
        raise ClientError(f"the server's answer has not the outputs asked for: {error!r}", 1) from (
            error
        )
    return arrays


class Server:
    """A connection to an inference server, kept open between requests."""

    def __init__(self, url: str, model: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"--url '{url}' is no URL like http://HOST:8000")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        try:
            self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        except ValueError as error:
            raise ClientError(f"--url '{url}': {error}") from error
        self._root = parts.path.rstrip("/").removesuffix("/v2")
        self._url = url
        self._model = model
        self._path = f"{self._root}/v2/models/{quote(model, safe='')}"

    def check(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Hold the inputs of the server's model to those of the contract."""
        status, _, body = self._ask("GET", self._path)
        if status != 200:
            raise ClientError(
                f"{self._url} does not have the model '{self._model}' (GET {self._path}: "
                f"{status}): let it serve the folder repository/",
                1,
            )
        try:
            told = {one["name"]: one["datatype"] for one in json.loads(body)["inputs"]}
        except (ValueError, KeyError, TypeError):
            return  # it tells nothing of the model: the request shows whether it fits
        wanted = {one["name"]: DATATYPES[one["dtype"]] for one in inputs}
        if told and told != wanted:
            raise ClientError(
                f"the model '{self._model}' of the server takes {told}, the contract says "
                f"{wanted}: they are of different exports",
                1,
            )

    def knows_binary(self) -> bool:
        """Tell whether the server lists the binary tensor data extension."""
        status, _, body = self._ask("GET", f"{self._root}/v2")
        try:
            extensions = json.loads(body)["extensions"] if status == 200 else []
        except (ValueError, KeyError, TypeError):
            return False
        return any(name in BINARY_EXTENSIONS for name in extensions)

    def infer(self, body: bytes, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes]:
        """Send an inference and return headers and body of its answer."""
        status, found, answer = self._ask("POST", f"{self._path}/infer", body, headers)
        if status != 200:
            said = answer.decode("utf-8", "replace")[:300]
            raise ClientError(f"the server answers the inference with {status}: {said}", 1)
        return found, answer

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        for is_last in (False, True):
            try:
                self._connection.request(method, path, body, dict(headers or {}))
                answer = self._connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, found, answer.read()
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                # a kept connection may have been closed meanwhile: once more on a new one
                is_stale = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError)
                if is_last or not is_stale:
                    raise ClientError(f"{self._url} is not reached: {error}", 1) from error
        raise AssertionError("the loop returns or raises")


# --- a run ------------------------------------------------------------------------------------


def run(
    contract: Mapping[str, Any],
    session: Any,
    server: Server,
    sample: Mapping[str, Array],
    *,
    is_binary: bool,
) -> tuple[dict[str, Array], dict[str, float]]:
    """Return the outputs of the model for one sample, and the seconds of each step."""
    head, tail = contract["parts"]
    ticks = [time.perf_counter()]
    known = dict(sample)
    names = [spec["name"] for spec in head["outputs"]]
    feed = {spec["name"]: known[spec["name"]] for spec in head["inputs"]}
    known.update(zip(names, session.run(names, feed), strict=True))
    ticks.append(time.perf_counter())
    inputs = encode(contract["links"][0]["tensors"], known)
    wanted = tail["outputs"]
    body, headers = request_of(inputs, [one["name"] for one in wanted], is_binary=is_binary)
    ticks.append(time.perf_counter())
    found, answer = server.infer(body, headers)
    ticks.append(time.perf_counter())
    known.update(answer_of(answer, found, wanted))
    ticks.append(time.perf_counter())
    steps = ("head", "encode", "send and tail", "decode")
    times_s = {name: ticks[at + 1] - ticks[at] for at, name in enumerate(steps)}
    times_s["total"] = ticks[-1] - ticks[0]
    return {one["name"]: known[one["name"]] for one in contract["model"]["outputs"]}, times_s


def session_of(path: Path, threads: int) -> Any:
    """Return a session of ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def lines_of(outputs: Mapping[str, Array], times_s: Mapping[str, float]) -> Iterator[str]:
    """Yield what is printed of one sample."""
    for name, array in outputs.items():
        shown = ", ".join(f"{one:.6g}" for one in array.ravel()[:SHOWN].tolist())
        more = ", ..." if array.size > SHOWN else ""
        yield f"{name} {array.dtype.name}{list(array.shape)}: {shown}{more}"
    yield ", ".join(f"{step} {1e3 * time_s:.3f} ms" for step, time_s in times_s.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--url", required=True, help="of the server, as http://HOST:8000")
    parser.add_argument("--inputs", metavar="SAMPLES.npz", help="default: sample.npz")
    parser.add_argument("--save", metavar="OUTPUTS.npz", help="write the outputs of all samples")
    parser.add_argument("--runs", type=int, default=1, help="of each sample")
    parser.add_argument("--threads", type=int, default=0, help="of the head; 0: all cores")
    parser.add_argument("--encoding", choices=("auto", "binary", "json"), default="auto")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    asked = parser.parse_args(arguments)
    try:
        _run_all(asked, Path(__file__).parent)
    except ClientError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.code
    return 0


def _run_all(asked: argparse.Namespace, folder: Path) -> None:
    contract = read_contract(folder)
    path = folder / "sample.npz" if asked.inputs is None else Path(asked.inputs)
    samples = read_samples(path, contract)
    session = session_of(folder / contract["parts"][0]["files"][0]["name"], asked.threads)
    server = Server(asked.url, contract["server"]["model"], asked.timeout)
    tensors = contract["links"][0]["tensors"]
    values = [one["wire"][key] for one in tensors for key in ("value", "scale")]
    inputs = [one for one in values if one is not None]
    server.check(inputs)
    is_binary = asked.encoding == "binary"
    if asked.encoding == "auto":  # half floats have no form in JSON
        outputs = contract["parts"][1]["outputs"]
        is_binary = server.knows_binary() or any(
            one["dtype"] == "float16" for one in (*inputs, *outputs)
        )
    kept: dict[str, list[Array]] = {}
    for sample in samples:
        for _ in range(max(1, asked.runs)):
            outputs, times_s = run(contract, session, server, sample, is_binary=is_binary)
            sys.stdout.write("\n".join(lines_of(outputs, times_s)) + "\n")
        for name, array in outputs.items():
            kept.setdefault(name, []).append(array)
    if asked.save is not None:
        try:  # not by np.savez: an output may be called like one of its own arguments
            with zipfile.ZipFile(asked.save, "w") as archive:
                for name, arrays in kept.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.stack(arrays), allow_pickle=False)
        except OSError as error:
            raise ClientError(f"{asked.save} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    raise SystemExit(main())
