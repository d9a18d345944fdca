#!/usr/bin/env python3
"""The edge side of a split model: runs the head here and the tail on an inference server.

    python client.py --url http://HOST:8000 [--inputs SAMPLES.npz] [--save OUTPUTS.npz] [--runs N]

It needs Python 3.10, numpy and onnxruntime, and lies beside `contract.json`. The server is any that
speaks the Open Inference Protocol over HTTP and has the model of `repository/`. Each sample goes
through: head, encoding as the contract says, request to the server, decoding of its answer. Tensors
go as bytes (the protocol's binary extension), or as JSON to a server that refuses that.
Exit codes: 0 all answered, 1 the server or the network failed, 2 something given is wrong, 130
interrupted. An answer in other shapes, types or sizes than the contract's is no answer.

All is in this one file, so that it can be copied.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.client
import io
import json
import math
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

try:
    import numpy as np
except ImportError:
    sys.stderr.write("error: numpy is missing: pip install numpy onnxruntime\n")
    raise SystemExit(2) from None

SCHEMA = "placer/split/v1"
HEADER_LENGTH = "Inference-Header-Content-Length"
DATATYPES = {"bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64"}
DATATYPES |= {f"{one}{n}": f"{one.upper()}{n}" for one in ("uint", "int") for n in (8, 16, 32, 64)}
STEPS = 127
"""Of int8 on either side of zero."""
SHOWN = 5
"""Numbers of an output that are printed."""
MAX_SAID_BYTES = 2**20
"""Of what a server says beside tensors."""
NUMBER_BYTES = 64
"""At most, of one number in JSON with what parts it from the next."""
UNREAD = (400, 415, 422, 500, 501)
"""What servers answer to a request whose form they do not know."""

Array = Any
"""numpy.ndarray."""
Found = tuple[dict[str, Array], dict[str, float], int]
"""Outputs of the model for one sample, seconds of each step, bytes sent."""


class ClientError(Exception):
    """What went wrong, for people; ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


class Unread(ClientError):
    """A request that the server may not have understood."""


# --- the contract -----------------------------------------------------------------------------

_TENSOR: dict[str, Any] = {"name": str, "dtype": str, "shape": [int], "bytes": int}
_FILE = {"name": str, "sha256": str, "bytes": int}
_PART = {"tier": int, "files": [_FILE], "inputs": [_TENSOR], "outputs": [_TENSOR]}
_CROSSING = {**_TENSOR, "wire": {"value": _TENSOR, "scale": (_TENSOR,)}}
CONTRACT = {
    "model": {"inputs": [_TENSOR], "outputs": [_TENSOR]},
    "parts": [_PART],
    "links": [{"from": int, "to": int, "tensors": [_CROSSING]}],
    "server": {"model": str},
    "files": [{"name": str}],
}
"""What is read of it: a list of one form has many of it, a tuple has it or null."""


def read_contract(folder: Path) -> dict[str, Any]:
    """Return the contract, once its parts fit together and the head is the one that it names."""
    path = folder / "contract.json"
    try:
        contract: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{path} is no JSON: {error}") from error
    schema = contract.get("schema") if isinstance(contract, dict) else None
    if schema != SCHEMA:
        raise ClientError(f"{path} has the schema {schema!r}, this client reads '{SCHEMA}'")
    wrong = _misfit(contract, CONTRACT, "") or _disagreement(contract)
    if wrong is not None:
        raise ClientError(f"{path}: {wrong}: export it again")
    for file in contract["parts"][0]["files"]:
        try:
            content = (folder / file["name"]).read_bytes()
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise ClientError(f"{file['name']} cannot be read: {said}") from error
        digest = hashlib.sha256(content).hexdigest()
        if (digest, len(content)) != (file["sha256"], file["bytes"]):
            raise ClientError(f"{file['name']} is not the file of the contract: export it again")
    return contract


def _misfit(value: Any, form: Any, where: str) -> str | None:
    """Return where a value has not the form; None: it has."""
    at = where.removeprefix(".") or "it"
    if isinstance(form, tuple):
        return None if value is None else _misfit(value, form[0], where)
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{at} is no list"
        found = (_misfit(one, form[0], f"{where}[{place}]") for place, one in enumerate(value))
        return next((one for one in found if one is not None), None)
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{at} is no map"
        missing = next((key for key in form if key not in value), None)
        if missing is not None:
            return f"{at} has no '{missing}'"
        found = (_misfit(value[key], part, f"{where}.{key}") for key, part in form.items())
        return next((one for one in found if one is not None), None)
    is_right = type(value) is form and (form is str or value >= 0)  # true is no number
    if is_right and where.endswith(".dtype"):
        return None if value in DATATYPES else f"{at} '{value}' is unknown"
    return None if is_right else f"{at} is no {'text' if form is str else 'whole number from 0 on'}"


def _disagreement(contract: Mapping[str, Any]) -> str | None:
    """Return what of the contract does not fit the rest of it; None: all does."""
    parts, links = contract["parts"], contract["links"]
    if len(parts) != 2 or len(links) != 1 or not parts[0]["files"]:
        return "it has not one head, one tail and one link"
    if not contract["model"]["outputs"]:
        return "it has no outputs"
    if [parts[0]["tier"], parts[1]["tier"], links[0]["from"], links[0]["to"]] != [0, 1, 0, 1]:
        return "its parts and link are not those of tier 0 and tier 1"
    head, tail = parts
    given, wanted = contract["model"]["inputs"], contract["model"]["outputs"]
    crossing = links[0]["tensors"]
    sent = _sent(crossing)
    there = _kinds((*given, *head["outputs"]))
    pairs = (
        ("parts[0].inputs", head["inputs"], _kinds(given)),
        ("links[0].tensors", crossing, there),
        ("parts[1].inputs", tail["inputs"], _kinds(sent)),
        ("parts[1].outputs", tail["outputs"], _kinds(wanted)),
        ("links[0].tensors", sent, _kinds(tail["inputs"])),
        ("model.outputs", wanted, {**there, **_kinds(tail["outputs"])}),
    )
    for where, tensors, known in pairs:
        for one in tensors:
            if math.prod(one["shape"]) * np.dtype(one["dtype"]).itemsize != one["bytes"]:
                return f"'{one['name']}' of {where} has not {one['bytes']} bytes"
            if known.get(one["name"]) != (one["dtype"], tuple(one["shape"])):
                return f"'{one['name']}' of {where} fits nothing that is there"
    for one in crossing:
        value, scale = one["wire"]["value"], one["wire"]["scale"]
        is_float = "float" in one["dtype"]
        if scale is not None:
            fits = is_float and value["dtype"] == "int8" and scale["dtype"] == "float32"
            fits = fits and scale["shape"] == [1]
        else:
            fits = one["dtype"] == value["dtype"] or (is_float and "float" in value["dtype"])
        if not fits or math.prod(value["shape"]) != math.prod(one["shape"]):
            return f"the wire of '{one['name']}' does not hold it"
    return None


def _sent(crossing: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the inputs of the tail: each value, and its scale where it has one."""
    found = (one["wire"][key] for one in crossing for key in ("value", "scale"))
    return [one for one in found if one is not None]


def _kinds(tensors: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {one["name"]: (one["dtype"], tuple(one["shape"])) for one in tensors}


def read_samples(path: Path, contract: Mapping[str, Any]) -> list[dict[str, Array]]:
    """Return the samples of an .npz file: arrays of an input's shape, or of many such."""
    if not ("\0" not in str(path) and os.access(path, os.R_OK) and path.is_file()):
        raise ClientError(f"{path} is no file that can be read")
    if not zipfile.is_zipfile(path):
        raise ClientError(f"{path} is no .npz file, or not all of one: numpy.savez writes them")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and zlib each raise their own kinds
        raise ClientError(f"{path} is no readable .npz file: {error}") from error
    stacks, counts = {}, {}
    for spec in contract["model"]["inputs"]:
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
            taken = f"{shape}, or (samples, {', '.join(map(str, shape))})"
            raise ClientError(f"{path}: '{name}' has shape {arrays[name].shape}, not {taken}")
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
                    "the split with a wider --wire",
                    1,
                )
        inputs[value["name"]] = narrow.reshape(value["shape"])
    return inputs


def _quantised(array: Array, name: str) -> tuple[Array, float]:
    largest = float(np.max(np.abs(array.astype(np.float64)), initial=0.0))
    if largest == 0.0:
        return np.zeros(array.shape, np.int8), 1.0
    with np.errstate(over="ignore", under="ignore"):  # judged in the next line
        scale = float(np.float32(largest / STEPS))
    if not np.isfinite(largest) or scale in (0.0, float("inf")):
        raise ClientError(
            f"'{name}' has numbers that int8 with a scale cannot hold: export the split with "
            "a wider --wire",
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
        one: dict[str, Any] = {"name": name, "shape": list(array.shape)}
        one["datatype"] = DATATYPES[array.dtype.name]
        if is_binary:
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
            one["parameters"] = {"binary_data_size": len(data)}
            chunks.append(data)
        else:
            one["data"] = array.ravel().tolist()
        told.append(one)
    how = {"parameters": {"binary_data": True}} if is_binary else {}
    document = {"id": "1", "inputs": told, "outputs": [{"name": one, **how} for one in outputs]}
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
    length = _json_bytes(body, headers)
    try:
        told, found = _told(body[:length], body[length:])
        return {spec["name"]: _output(spec, told[spec["name"]], found) for spec in specs}
    except (ValueError, KeyError, OverflowError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else error
        raise ClientError(f"the server's answer lacks outputs asked for: {said}", 1) from error
    except (TypeError, AttributeError, RecursionError) as error:
        raise ClientError("the server's answer is not of the protocol", 1) from error


def _told(text: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what is told of each output, and the data of those that have it behind the JSON."""
    told: dict[str, Any] = {}
    found = {}
    at = 0
    for one in json.loads(text)["outputs"]:
        name = one["name"]
        if name in told:
            raise ValueError(f"'{name}' is there twice")
        told[name] = one
        size = (one.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            if not isinstance(size, int) or not 0 <= size <= len(data) - at:
                raise ValueError(f"'{name}' has {len(data) - at} bytes, not {size!r}")
            found[name] = data[at : at + size]
            at += size
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes more than are told")
    return told, found


def _json_bytes(body: bytes, headers: Mapping[str, str]) -> int:
    """Return how many bytes of an answer are JSON; the rest is data."""
    text = headers.get(HEADER_LENGTH.lower())
    if text is None:
        return len(body)
    digits = text.strip()
    if not (digits.isdecimal() and len(digits) < 20 and int(digits) <= len(body)):
        raise ClientError(
            f"the server's answer has {len(body)} bytes and {HEADER_LENGTH} {text[:40]!r}", 1
        )
    return int(digits)


def _output(spec: Mapping[str, Any], told: Any, found: Mapping[str, bytes]) -> Array:
    """Return an output, once it is of the type, shape and size of the contract."""
    name, dtype, shape = spec["name"], np.dtype(spec["dtype"]), list(spec["shape"])
    if told["datatype"] != DATATYPES[spec["dtype"]]:
        raise ClientError(f"the server gives '{name}' as {told['datatype']}: not the contract's", 1)
    # a server that has no tensors without dimensions gives one of one element
    if told["shape"] != shape and not (shape == [] and told["shape"] == [1]):
        raise ClientError(
            f"the server gives '{name}' in the shape {told['shape']}, the contract says {shape}", 1
        )
    if name in found:
        flat = np.frombuffer(found[name], dtype.newbyteorder("<")).astype(dtype)
    else:
        flat = _numbers(told["data"], dtype)
    if flat.size != math.prod(shape):
        raise ValueError(f"'{name}' has {flat.size} numbers, not {math.prod(shape)}")
    return flat.reshape(shape)


def _numbers(data: Any, dtype: Any) -> Array:
    """Return the numbers of a list of JSON in a type that holds them all."""
    given = np.array(data).ravel()
    large = _large(data, dtype) if given.dtype.kind + dtype.kind in ("Of", "Ou", "fu") else None
    if large is not None:
        given = large
    elif given.size and given.dtype.kind not in {"f": "iuf", "b": "biu"}.get(dtype.kind, "iu"):
        raise ValueError(f"these are no numbers of {dtype.name} (NaN: --encoding binary)")
    with np.errstate(over="ignore"):  # judged in the next lines
        flat = given.astype(dtype)
    if dtype.kind == "f":
        is_held = not bool(np.any(np.isinf(flat) & np.isfinite(given)))
    else:
        is_held = bool(np.all(flat == given))
    if not is_held:
        raise ValueError(f"a number does not fit {dtype.name}")
    return flat


def _large(data: Any, dtype: Any) -> Array | None:
    """Return whole numbers for which numpy has no type together; None: they are other values."""
    flat = np.array(data, object).ravel()
    if not {type(one) for one in flat} <= ({int, float} if dtype.kind == "f" else {int}):
        return None
    return flat.astype(np.float64) if dtype.kind == "f" else flat


class _Answer(io.RawIOBase):
    """What comes of an answer, for `http.client`: nothing is waited for beyond a deadline."""

    def __init__(self, sock: Any, until_s: float) -> None:
        self._sock, self._until_s = sock, until_s
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return int(self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class Server:
    """A connection to an inference server, kept open between requests."""

    def __init__(self, url: str, model: str, timeout_s: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
        except ValueError as error:  # names that no resolver takes as well
            raise ClientError(f"--url is no URL like http://HOST:8000: {error}") from error
        if parts.username is not None or parts.query or parts.fragment:
            raise ClientError("--url has more than scheme, host, port and path: none of it is sent")
        if parts.scheme not in ("http", "https") or not host:
            raise ClientError(f"--url '{url}' is no URL like http://HOST:8000")
        self._timeout_s, self._until_s = timeout_s, 0.0
        kind = "HTTPSConnection" if parts.scheme == "https" else "HTTPConnection"
        try:
            self._connection = getattr(http.client, kind)(host, port, timeout=timeout_s)
        except (ValueError, http.client.InvalidURL) as error:
            raise ClientError(f"--url '{url}': {error}") from error
        self._connection.response_class = lambda sock, **more: http.client.HTTPResponse(
            cast("Any", _Answer(sock, self._until_s)), **more
        )
        root = quote(parts.path, safe="/%").rstrip("/").removesuffix("/v2")
        self._url, self._model = url, model
        self._path = f"{root}/v2/models/{quote(model, safe='')}"
        self._is_told = True
        self.is_second_try = False
        """Whether the last answer came on a new connection, after a kept one was reset."""

    def check(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
    ) -> None:
        """Hold what the server's model takes and gives to the contract."""
        status, _, body = self._ask("GET", self._path)
        if status != 200:
            raise ClientError(
                f"{self._url} does not have the model '{self._model}' (GET {self._path}: "
                f"{status}): let it serve the folder repository/",
                1,
            )
        try:
            metadata = json.loads(body)
        except (ValueError, RecursionError):
            metadata = None
        if not isinstance(metadata, dict):
            raise ClientError(f"{self._url} tells nothing of the protocol on {self._path}", 1)
        for key, verb, tensors in (("inputs", "takes", inputs), ("outputs", "gives", outputs)):
            try:
                told = {one["name"]: one["datatype"] for one in metadata[key]}
            except (KeyError, TypeError):
                told = {}
            self._is_told = self._is_told and bool(told)  # else its answer shows whether it fits
            wanted = {one["name"]: DATATYPES[one["dtype"]] for one in tensors}
            if told and told != wanted:
                raise ClientError(
                    f"the model '{self._model}' of the server {verb} {told}, the contract says "
                    f"{wanted}: they are of different exports",
                    1,
                )

    def infer(
        self, body: bytes, headers: Mapping[str, str], max_numbers: int
    ) -> tuple[Mapping[str, str], bytes]:
        """Send an inference and return headers and body of its answer."""
        max_bytes = MAX_SAID_BYTES + NUMBER_BYTES * max_numbers
        status, found, answer = self._ask("POST", f"{self._path}/infer", body, headers, max_bytes)
        if status != 200:
            said = answer.decode("utf-8", "replace")[:300]
            doubt = f" (it does not tell what '{self._model}' takes: is it the tail of this export"
            doubt = "" if self._is_told else f"{doubt}, or of another one?)"
            raise (Unread if status in UNREAD else ClientError)(
                f"the server answers the inference with {status}: {said}{doubt}", 1
            )
        return found, answer

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Any = None,
        max_bytes: int = MAX_SAID_BYTES,
    ) -> tuple[int, Mapping[str, str], bytes]:
        self._until_s = time.monotonic() + self._timeout_s
        for is_last in (False, True):
            self.is_second_try = is_last
            try:
                if self._connection.sock is not None:
                    self._connection.sock.settimeout(self._timeout_s)
                self._connection.request(method, path, body, dict(headers or {}))
                answer = self._connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, found, self._whole(answer, max_bytes)
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                # a kept connection may have been closed meanwhile: once more on a new one
                is_stale = isinstance(error, ConnectionResetError | BrokenPipeError)
                if is_last or not is_stale:
                    late = f"no whole answer within {self._timeout_s:g} s (--timeout)"
                    said = late if isinstance(error, TimeoutError) else error
                    raise ClientError(f"{self._url} is not reached: {said}", 1) from error
        raise AssertionError("the loop returns or raises")

    def _whole(self, answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
        """Return the body of an answer, if it is as long as it says, and no longer than it may."""
        with answer:
            body = answer.read(max_bytes + 1)
        if len(body) > max_bytes:
            self._connection.close()
            said = f"an answer of more than {max_bytes:,} bytes does not fit the contract"
            raise ClientError(f"{self._url}: {said}", 1)
        if answer.length:
            raise http.client.IncompleteRead(body, answer.length)
        return body


# --- a run ------------------------------------------------------------------------------------


def run(
    contract: Any, session: Any, server: Server, sample: Mapping[str, Array], *, is_binary: bool
) -> Found:
    """Return the outputs of the model for one sample, the seconds of each step, the bytes sent."""
    head, tail = contract["parts"]
    ticks = [time.perf_counter()]
    known = dict(sample)
    names = [spec["name"] for spec in head["outputs"]]
    feed = {spec["name"]: known[spec["name"]] for spec in head["inputs"]}
    try:
        known.update(zip(names, session.run(names, feed), strict=True))
    except Exception as error:  # ONNX Runtime has a kind of its own for each failure
        raise ClientError(f"the head does not run on this sample: {error}") from error
    for name, kind in _kinds(head["outputs"]).items():
        if (known[name].dtype.name, known[name].shape) != kind:
            raise ClientError(f"the head gives another '{name}' than the contract says")
    ticks.append(time.perf_counter())
    inputs = encode(contract["links"][0]["tensors"], known)
    wanted = tail["outputs"]
    body, headers = request_of(inputs, [one["name"] for one in wanted], is_binary=is_binary)
    ticks.append(time.perf_counter())
    max_numbers = sum(math.prod(one["shape"]) for one in wanted)
    found, answer = server.infer(body, headers, max_numbers)
    ticks.append(time.perf_counter())
    known.update(answer_of(answer, found, wanted))
    ticks.append(time.perf_counter())
    again = " (with a second try on a new connection)" if server.is_second_try else ""
    steps = ("head", "encode", f"send and tail{again}", "decode")
    times_s = {name: ticks[at + 1] - ticks[at] for at, name in enumerate(steps)}
    times_s["total"] = ticks[-1] - ticks[0]
    answers = {one["name"]: known[one["name"]] for one in contract["model"]["outputs"]}
    return answers, times_s, len(body)


def session_of(path: Path, threads: int) -> Any:
    """Return a session of ONNX Runtime on the CPU."""
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except ImportError as error:
        raise ClientError(f"{error}: pip install onnxruntime") from error
    except Exception as error:  # ONNX Runtime has a kind of its own for each failure
        raise ClientError(f"ONNX Runtime does not open {path.name}: {error}") from error


def lines_of(
    outputs: Mapping[str, Array], times_s: Mapping[str, float], sent: str
) -> Iterator[str]:
    """Yield what is printed of one sample."""
    for name, array in outputs.items():
        shown = ", ".join(f"{one:.6g}" for one in array.ravel()[:SHOWN].tolist())
        more = ", ..." if array.size > SHOWN else ""
        yield printable(f"{name} {array.dtype.name}{list(array.shape)}: {shown}{more}")
    steps = ", ".join(f"{step} {1e3 * time_s:.3f} ms" for step, time_s in times_s.items())
    yield f"{steps}; sent {sent}"


def printable(text: str) -> str:
    """Return a text in which nothing steers a terminal: names and servers may say anything."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _within(kind: type, low: float, high: float) -> Callable[[str], Any]:
    """Return a parser of numbers, both limits included."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no number from {low:g} to {high:g}")
        return value

    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--url", required=True, help="of the server, as http://HOST:8000")
    parser.add_argument("--inputs", metavar="SAMPLES.npz", help="default: sample.npz")
    parser.add_argument("--save", metavar="OUTPUTS.npz", help="write the outputs of all samples")
    parser.add_argument("--runs", type=_within(int, 1, 1e9), default=1, help="of each sample")
    parser.add_argument(
        "--threads", type=_within(int, 0, 1024), default=0, help="of the head; 0: all cores"
    )
    parser.add_argument("--encoding", choices=("auto", "binary", "json"), default="auto")
    parser.add_argument(
        "--timeout",
        type=_within(float, 1e-3, 86_400),
        default=30.0,
        metavar="SECONDS",
        help="for a request and all of its answer",
    )
    asked = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a terminal may lack letters of a name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _run_all(asked, Path(__file__).parent)
        sys.stdout.flush()
    except ClientError as error:
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return error.code
    except BrokenPipeError:  # of standard output: whoever read it has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return 0


def _run_all(asked: argparse.Namespace, folder: Path) -> None:
    contract = read_contract(folder)
    path = folder / "sample.npz" if asked.inputs is None else Path(asked.inputs)
    samples = read_samples(path, contract)
    if asked.save is not None:
        _check_save(asked.save, path, folder, contract)
    session = session_of(folder / contract["parts"][0]["files"][0]["name"], asked.threads)
    server = Server(asked.url, contract["server"]["model"], asked.timeout)
    inputs, outputs = _sent(contract["links"][0]["tensors"]), contract["parts"][1]["outputs"]
    server.check(inputs, outputs)
    is_binary = asked.encoding != "json"
    # half floats have no form in JSON
    may_be_json = all(one["dtype"] != "float16" for one in (*inputs, *outputs))
    is_open = asked.encoding == "auto" and may_be_json
    infer = functools.partial(run, contract, session, server)
    kept: dict[str, list[Array]] = {}
    for sample in samples:
        for _ in range(asked.runs):
            try:
                answer, times_s, n_bytes = infer(sample, is_binary=is_binary)
            except Unread as error:
                if not is_open:
                    raise
                answer, times_s, n_bytes = _as_json(infer, sample, error)
                is_binary = False
            is_open = False
            sent = f"{n_bytes:,} bytes as {'binary' if is_binary else 'JSON'}"
            sys.stdout.write("\n".join(lines_of(answer, times_s, sent)) + "\n")
        for name, array in answer.items():
            kept.setdefault(name, []).append(array)
    if asked.save is not None:
        try:  # not by np.savez: an output may be called like one of its own arguments
            with zipfile.ZipFile(asked.save, "w") as archive:
                for name, arrays in kept.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.stack(arrays), allow_pickle=False)
        except OSError as error:
            raise ClientError(f"{asked.save} cannot be written: {error.strerror}") from error


def _check_save(place: str, samples: Path, folder: Path, contract: Mapping[str, Any]) -> None:
    """Refuse to write over the samples or the export, or into what a server reads."""
    saved = Path(os.path.realpath(place))
    own = [folder / name for name in ("contract.json", *(one["name"] for one in contract["files"]))]
    if any(_is_same(saved, one) for one in own):
        raise ClientError(f"--save {place} would overwrite a file of the export")
    if _is_same(saved, samples):
        raise ClientError(f"--save {place} would overwrite the samples")
    if Path(os.path.realpath(folder / "repository")) in saved.parents:
        raise ClientError(f"--save {place} lies in repository/, which the server reads")


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths are one file, by links of any kind."""
    try:
        return one.samefile(other)
    except OSError:  # one is not there yet
        return str(one) == os.path.realpath(other)


def _as_json(infer: Callable[..., Found], sample: Mapping[str, Array], refused: Unread) -> Found:
    """Run a sample once more after the server refused bytes, and say so where that works."""
    try:
        found = infer(sample, is_binary=False)
    except ClientError as error:
        if str(error) == str(refused):
            raise
        raise ClientError(f"as binary: {refused}; as JSON: {error}", 1) from error
    sys.stderr.write(
        f"note: tensors are sent as JSON, which is larger and slower: {printable(str(refused))}\n"
    )
    return found


if __name__ == "__main__":
    raise SystemExit(main())
