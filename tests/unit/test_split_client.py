"""The client of an exported split: alone on its machine, and its form of the protocol."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from placer.files.split_contract import SCHEMA
from placer.onnx_files import split_client
from placer.onnx_files.split_client import (
    ClientError,
    Server,
    answer_of,
    encode,
    lines_of,
    main,
    read_contract,
    read_samples,
    request_of,
    run,
)
from tests import models, onnx_server

SPEC = {"name": "y", "dtype": "float32", "shape": [1, 4]}


def tensor(dtype: str, *, scaled: bool = False) -> dict[str, Any]:
    return {
        "name": "t",
        "wire": {
            "value": {"name": "t_wire", "dtype": dtype, "shape": [1, 4]},
            "scale": {"name": "t_scale", "dtype": "float32", "shape": [1]} if scaled else None,
        },
    }


def test_it_imports_the_standard_library_numpy_and_onnxruntime_alone() -> None:
    tree = ast.parse(Path(split_client.__file__).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_int8_is_undone_by_its_scale() -> None:
    array = np.array([[0.5, -2.0, 0.0, 1.3]], np.float32)
    inputs = encode([tensor("int8", scaled=True)], {"t": array})
    assert inputs["t_wire"].dtype == np.int8
    back = inputs["t_wire"].astype(np.float32) * inputs["t_scale"]
    assert np.max(np.abs(back - array)) <= 2.0 / 127 / 2 + 1e-6
    zeros = encode([tensor("int8", scaled=True)], {"t": np.zeros((1, 4), np.float32)})
    assert (zeros["t_wire"].any(), zeros["t_scale"][0]) == (False, 1.0)


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 1e6), ("int8", np.nan), ("int8", np.inf), ("int8", 1e-44)]
)
def test_what_a_format_cannot_hold_is_never_sent(dtype: str, value: float) -> None:
    array = np.array([[value, 0, 0, 0]], np.float32)
    with pytest.raises(ClientError, match="a wider --wire"):
        encode([tensor(dtype, scaled=dtype == "int8")], {"t": array})


@pytest.mark.parametrize("is_binary", [False, True])
def test_a_request_carries_every_bit(is_binary: bool) -> None:
    values = np.random.default_rng(1).standard_normal((1, 4), dtype=np.float32)
    body, headers = request_of({"a": values, "b": values[::-1] * 2}, ["y"], is_binary=is_binary)
    length = int(headers.get("Inference-Header-Content-Length", len(body)))
    document = json.loads(body[:length])
    assert [one["name"] for one in document["inputs"]] == ["a", "b"]
    first = document["inputs"][0]
    if is_binary:
        sizes = [one["parameters"]["binary_data_size"] for one in document["inputs"]]
        assert sizes == [16, 16]
        assert body[length : length + 16] == values.tobytes()
        assert len(body) == length + 32
    else:
        assert np.array_equal(np.array(first["data"], np.float32), values.ravel())


def test_nan_goes_as_binary_or_is_told() -> None:
    array = np.array([np.nan], np.float32)
    with pytest.raises(ClientError, match="--encoding binary"):
        request_of({"a": array}, ["y"], is_binary=False)
    assert request_of({"a": array}, ["y"], is_binary=True)


def test_answers_are_read_in_both_forms() -> None:
    values = np.arange(4, dtype=np.float32)
    told: dict[str, Any] = {"name": "y", "datatype": "FP32", "shape": [1, 4]}
    plain = json.dumps({"outputs": [{**told, "data": values.tolist()}]}).encode()
    assert np.array_equal(answer_of(plain, {}, [SPEC])["y"], values[None])
    head = json.dumps({"outputs": [{**told, "parameters": {"binary_data_size": 16}}]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    assert np.array_equal(answer_of(head + values.tobytes(), headers, [SPEC])["y"], values[None])


def plain(**changed: Any) -> bytes:
    """Return an answer in JSON alone."""
    told = {"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4], **changed}
    return json.dumps({"outputs": [told]}).encode()


def binary(data: bytes = bytes(16), **changed: Any) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an answer with data behind its JSON."""
    told = {
        "name": "y", "datatype": "FP32", "shape": [1, 4],
        "parameters": {"binary_data_size": 16}, **changed,
    }  # fmt: skip
    head = json.dumps({"outputs": [told]}).encode()
    return head + data, {"inference-header-content-length": str(len(head))}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[" * 200_000,
        b'{"outputs": 3}',
        b'{"outputs": []}',
        b'{"outputs": [null, 3]}',
        plain(name="z"),
        plain(datatype="FP64"),
        plain(data=[1]),
        plain(data=[[1, 2], [3]]),
        plain(data=["1", "2", "3", "4"]),
        plain(data=[1, 2, None, 4]),
        plain(data=[1e39, 2, 3, 4]),
        plain(shape=[4, 1]),
        plain(shape=[4]),
        plain(parameters=[1]),
        plain(parameters={"binary_data_size": 8}),
        plain()[:-2] + b"," + plain()[len('{"outputs": [') :],
    ],
)
def test_an_answer_that_is_none_is_told(body: bytes) -> None:
    with pytest.raises(ClientError, match="the server") as raised:
        answer_of(body, {}, [SPEC])
    assert raised.value.code == 1


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_whole_numbers_of_an_answer_are_never_rounded(dtype: str) -> None:
    spec = {"name": "y", "dtype": dtype, "shape": [1, 4]}
    told = {"datatype": split_client.DATATYPES[dtype]}
    assert answer_of(plain(**told, data=[0, 1, 1, 0]), {}, [spec])["y"].tolist() == [[0, 1, 1, 0]]
    for data in ([0.5, 1, 1, 0], [2**70, 0, 0, 0]):
        with pytest.raises(ClientError, match="the server"):
            answer_of(plain(**told, data=data), {}, [spec])


LARGE: list[tuple[str, list[Any]]] = [
    ("uint64", [2**63 + 1, 1, 0, 2**64 - 1]),
    ("float64", [1180591620717411303424, 1, 0.5, -(2**80)]),  # as Go prints floats below 1e21
    ("float32", [2**100, 1, 0, 2]),
]


@pytest.mark.parametrize(("dtype", "data"), LARGE)
def test_whole_numbers_beyond_64_bits_of_numpy_are_read(dtype: str, data: list[Any]) -> None:
    spec = {"name": "y", "dtype": dtype, "shape": [1, 4]}
    told = {"datatype": split_client.DATATYPES[dtype]}
    for listed in (data, [data]):
        found = answer_of(plain(**told, data=listed), {}, [spec])["y"]
        assert found.dtype.name == dtype
        assert found.tolist() == [data]
    for wrong in (2**1100, "1", True, None, [1]):
        with pytest.raises(ClientError, match="the server"):
            answer_of(plain(**told, data=[*data[:3], wrong]), {}, [spec])


@pytest.mark.parametrize("size", [4000, 12, -16, "16", None, 1.5])
def test_the_size_that_an_answer_tells_is_the_size_it_has(size: object) -> None:
    body, headers = binary(parameters={"binary_data_size": size})
    with pytest.raises(ClientError, match="the server"):
        answer_of(body, headers, [SPEC])


@pytest.mark.parametrize("data", [bytes(12), bytes(20)])
def test_an_answer_has_the_bytes_that_it_tells(data: bytes) -> None:
    with pytest.raises(ClientError, match="the server"):
        answer_of(*binary(data), [SPEC])


@pytest.mark.parametrize("text", ["abc", "-5", "1000000000", "9" * 5000, ""])
def test_a_header_that_is_no_length_is_told(text: str) -> None:
    body, _ = binary()
    with pytest.raises(ClientError, match="Inference-Header-Content-Length"):
        answer_of(body, {"inference-header-content-length": text}, [SPEC])


def test_a_tensor_without_dimensions_may_come_as_one_of_one_element() -> None:
    spec = {"name": "y", "dtype": "float32", "shape": []}
    assert answer_of(plain(shape=[1], data=[2]), {}, [spec])["y"].shape == ()


def contract_of(folder: Path, head: bytes = b"head") -> dict[str, Any]:
    """Write the head of a split into a folder; return its contract."""
    (folder / "head.onnx").write_bytes(head)
    digest = hashlib.sha256(head).hexdigest()
    x, t, y = (
        {"name": name, "dtype": "float32", "shape": [1, 4], "bytes": 16} for name in ("x", "t", "y")
    )
    value = {"name": "t_wire", "dtype": "int8", "shape": [1, 4], "bytes": 4}
    scale = {"name": "t_scale", "dtype": "float32", "shape": [1], "bytes": 4}
    return {
        "schema": "placer/split/v1",
        "model": {"inputs": [x], "outputs": [y]},
        "parts": [
            {
                "tier": 0,
                "files": [{"name": "head.onnx", "sha256": digest, "bytes": len(head)}],
                "inputs": [x],
                "outputs": [t],
            },
            {"tier": 1, "files": [], "inputs": [value, scale], "outputs": [y]},
        ],
        "links": [
            {"from": 0, "to": 1, "tensors": [{**t, "wire": {"value": value, "scale": scale}}]}
        ],
        "server": {"model": "m_tail"},
        "files": [{"name": name} for name in ("client.py", "head.onnx", "sample.npz")],
    }


def test_the_contract_that_placer_writes_is_read(tmp_path: Path) -> None:
    contract = contract_of(tmp_path)
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    assert read_contract(tmp_path) == contract
    assert contract["schema"] == SCHEMA


EDITED: list[tuple[str, object]] = [
    ("schema", "placer/split/v9"),
    ("schema", None),
    ("parts", []),
    ("parts", None),
    ("parts 0", 5),
    ("parts 0 files", []),
    ("parts 0 files 0 name", "no\0ne"),
    ("parts 0 files 0 sha256", "0" * 64),
    ("parts 0 inputs 0 dtype", "foo"),
    ("parts 0 outputs 0 name", "zz"),
    ("parts 1 outputs 0 shape", [4, 1]),
    ("parts 1 inputs", []),
    ("links", []),
    ("links 0 tensors", []),
    ("links 0 tensors 0 wire", None),
    ("links 0 tensors 0 name", "zz"),
    ("links 0 tensors 0 shape", [4]),
    ("links 0 tensors 0 wire scale", None),
    ("links 0 tensors 0 wire value shape", [-1, -4]),
    ("links 0 tensors 0 wire value name", "other"),
    ("model inputs", []),
    ("model outputs", []),
    ("model outputs 0 shape", [2, 2]),
    ("files", None),
    ("files 0 name", 5),
    ("server", None),
    ("server model", 5),
    ("parts 0 inputs 0 shape 0", True),
    ("parts 0 tier", 1),
    ("parts 1 tier", 2),
    ("parts 0 files 0 bytes", 3),
    ("parts 1 inputs 0 bytes", 5),
    ("links 0 tensors 0 bytes", 17),
    ("links 0 to", 2),
]


@pytest.mark.parametrize(("place", "value"), EDITED, ids=[f"{one[0]}={one[1]}" for one in EDITED])
def test_a_contract_that_was_edited_is_told(tmp_path: Path, place: str, value: object) -> None:
    contract: Any = json.loads(json.dumps(contract_of(tmp_path)))
    *way, last = (int(word) if word.isdecimal() else word for word in place.split())
    at = contract
    for step in way:
        at = at[step]
    at[last] = value
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ClientError) as raised:
        read_contract(tmp_path)
    assert raised.value.code == 2


@pytest.mark.parametrize("text", ["", "[]", "null", "5", '"parts"', "[" * 100_000, "\0", "{}"])
def test_what_is_no_contract_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "contract.json").write_text(text)
    with pytest.raises(ClientError, match=r"contract\.json"):
        read_contract(tmp_path)


def damaged(path: Path, kind: str) -> None:
    """Write an archive of samples that is none, or is damaged."""
    with path.open("wb") as file:  # np.savez would add an ending
        np.savez(file, x=np.arange(4096, dtype=np.float32))
    whole = path.read_bytes()
    if kind == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(4, np.float32))
    elif kind == "objects":
        with path.open("wb") as file:
            np.savez(file, x=np.array([{}], dtype=object))
    elif kind == "flipped":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:])
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "cut": whole[:-500]}[kind])


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "array", "objects", "flipped"])
def test_samples_that_are_none_are_told(tmp_path: Path, kind: str) -> None:
    damaged(tmp_path / "s.npz", kind)
    with pytest.raises(ClientError, match=r"s\.npz is no .*\.npz file"):
        read_samples(tmp_path / "s.npz", contract_of(tmp_path))
    for path in (tmp_path, tmp_path / "none", tmp_path / ("n" * 300), Path("a\0b")):
        with pytest.raises(ClientError, match="is no file that can be read"):
            read_samples(path, contract_of(tmp_path))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "here:8000",
        "ftp://here",
        "http://",
        "http://[::1",
        "http://here:99999",
        "http://here:abc",
        "http://ex\u00e4mple .local",
        f"http://{'a' * 70}.local",
        "http://a..b",
        "http://user:word@here",
        "http://here/?key=1",
    ],
)
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(ClientError, match="--url") as raised:
        Server(url, "m_tail", 1.0)
    assert raised.value.code == 2
    assert "word" not in str(raised.value)


class Scripted(BaseHTTPRequestHandler):
    """Has the model that is asked for; refuses inferences with words that steer a terminal."""

    def do_GET(self) -> None:
        self.tell(200, b"[[1" if self.path.startswith("/none/") else b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.tell(500, b"boom \x1b[31mred\x1b[0m\r\n")

    def tell(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_what_a_server_says_does_not_steer_the_terminal(tmp_path: Path, server: str) -> None:
    node = helper.make_node("Relu", ["x"], ["t"])
    head = models.build([node], [models.tensor("x", (1, 4))], [models.tensor("t", (1, 4))], [])
    contract = contract_of(tmp_path, head.SerializeToString())
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    shutil.copyfile(split_client.__file__, tmp_path / "client.py")
    np.savez(tmp_path / "sample.npz", x=np.ones((1, 4), np.float32))
    done = subprocess.run(
        [sys.executable, "client.py", "--url", server],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: the server answers the inference with 500: boom \\x1b[31mred\\x1b[0m\\r\\n "
        "(it does not tell what 'm_tail' takes: is it the tail of this export, or of another "
        "one?)\n"
    )


def exported(folder: Path) -> None:
    """Write a split into a folder: y = (x made positive and sent as int8)."""
    nodes = [
        helper.make_node("Cast", ["t_wire"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "t_scale"], ["y"]),
    ]
    takes = [models.tensor("t_wire", (1, 4), "int8"), models.tensor("t_scale", (1,))]
    tail = models.build(nodes, takes, [models.tensor("y", (1, 4))], [])
    (folder / "tail.onnx").write_bytes(tail.SerializeToString())
    node = helper.make_node("Relu", ["x"], ["t"])
    head = models.build([node], [models.tensor("x", (1, 4))], [models.tensor("t", (1, 4))], [])
    contract = contract_of(folder, head.SerializeToString())
    (folder / "contract.json").write_text(json.dumps(contract))
    shutil.copyfile(split_client.__file__, folder / "client.py")
    np.savez(folder / "sample.npz", x=np.array([[1, -1, 0, 127]], np.float32))


def asked(
    folder: Path, *options: str, has_binary: bool = True, tells: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the client of ``exported`` against a server of its tail."""
    served = {"m_tail": str(folder / "tail.onnx")}
    place = ("127.0.0.1", 0)
    with onnx_server.Server(place, served, has_binary=has_binary, tells=tells) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{found.server_address[1]}"
        done = subprocess.run(
            [sys.executable, "client.py", "--url", url, *options],
            cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        found.shutdown()
    return done


def test_tensors_go_as_bytes_and_the_client_says_how_many(tmp_path: Path) -> None:
    exported(tmp_path)
    done = asked(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "y float32[1, 4]: 1, 0, 0, 127" in done.stdout
    assert re.search(r"; sent 2\d\d bytes as binary$", done.stdout.strip())


def test_a_server_that_refuses_bytes_is_sent_json_and_that_is_told(tmp_path: Path) -> None:
    exported(tmp_path)
    done = asked(tmp_path, "--runs", "2", has_binary=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("y float32[1, 4]: 1, 0, 0, 127") == 2
    assert done.stdout.count("bytes as JSON") == 2
    assert done.stderr.count("note: tensors are sent as JSON, which is larger and slower") == 1
    assert "Unrecognized request format" in done.stderr
    forced = asked(tmp_path, "--encoding", "binary", has_binary=False)
    assert (forced.returncode, forced.stdout) == (1, "")
    assert forced.stderr.startswith("error: the server answers the inference with 400")


@pytest.mark.parametrize("tells", [True, False])
def test_a_tail_of_another_export_is_told(tmp_path: Path, tells: bool) -> None:
    exported(tmp_path)
    node = helper.make_node("Relu", ["t"], ["y"])
    tail = models.build([node], [models.tensor("t", (1, 4))], [models.tensor("y", (1, 4))], [])
    (tmp_path / "tail.onnx").write_bytes(tail.SerializeToString())
    done = asked(tmp_path, tells=tells)
    assert done.returncode == 1
    assert ("of different exports" if tells else "or of another one?") in done.stderr


def test_samples_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "contract.json").write_text(json.dumps(contract_of(tmp_path)))
    shutil.copyfile(split_client.__file__, tmp_path / "client.py")
    np.savez(tmp_path / "mine.npz", x=np.ones((1, 4), np.float32))
    before = (tmp_path / "mine.npz").read_bytes()
    done = subprocess.run(
        [
            *(sys.executable, "client.py", "--url", "http://127.0.0.1:9"),
            *("--inputs", "mine.npz", "--save", "./mine.npz"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: --save ./mine.npz would overwrite the samples\n"
    assert (tmp_path / "mine.npz").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["contract.json", "client.py", "head.onnx", "sample.npz", "link.npz", "hard.npz"]
)
def test_files_of_the_export_are_never_written_over(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    exported(folder)
    np.savez(tmp_path / "mine.npz", x=np.ones((1, 4), np.float32))
    (folder / "link.npz").symlink_to("head.onnx")
    (folder / "hard.npz").hardlink_to(folder / "head.onnx")
    before = (folder / name).read_bytes()
    done = asked(folder, "--inputs", "../mine.npz", "--save", f"../parts/{name}")
    assert done.returncode == 2
    assert done.stderr == f"error: --save ../parts/{name} would overwrite a file of the export\n"
    assert (folder / name).read_bytes() == before
    assert asked(folder, "--save", "out.npz").returncode == 0
    assert asked(folder, "--save", "out.npz").returncode == 0  # its own may be replaced


def test_nothing_is_saved_where_the_server_reads(tmp_path: Path) -> None:
    exported(tmp_path)
    (tmp_path / "repository").mkdir()
    done = asked(tmp_path, "--save", "repository/out.npz")
    assert done.returncode == 2
    assert "--save repository/out.npz lies in repository/, which the server reads" in done.stderr
    assert not list((tmp_path / "repository").iterdir())


class Dripping(Scripted):
    """Sends something now and then, and never comes to an end."""

    protocol_version = "HTTP/1.1"
    is_head_told = True

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if self.is_head_told:
            self.wfile.write(b"Content-Length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):  # the client has gone
            for _ in range(200):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)


class DrippingHead(Dripping):
    """Does not even come to the end of its headers."""

    is_head_told = False


@pytest.mark.parametrize("kind", [Dripping, DrippingHead])
def test_a_server_that_drips_holds_nobody(kind: type[Dripping]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as found:
        found.daemon_threads = True
        threading.Thread(target=found.serve_forever, daemon=True).start()
        server = Server(f"http://127.0.0.1:{found.server_port}", "m_tail", 0.5)
        began_s = time.monotonic()
        with pytest.raises(ClientError, match=r"no whole answer within 0\.5 s \(--timeout\)"):
            server.check([], [])
        assert time.monotonic() - began_s < 5
        found.shutdown()
        found.block_on_close = False


class Endless(Dripping):
    """Answers with more than anybody has asked for."""

    length = b""

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + self.length + b"\r\n")
        with contextlib.suppress(OSError):  # the client has gone
            while True:
                self.wfile.write(bytes(2**16))


class EndlessAsTold(Endless):
    """Says so before."""

    length = b"Content-Length: 99999999999999999999\r\n"


@pytest.mark.parametrize("kind", [Endless, EndlessAsTold])
def test_an_answer_without_end_is_not_kept(kind: type[Endless]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as found:
        found.daemon_threads = True
        threading.Thread(target=found.serve_forever, daemon=True).start()
        server = Server(f"http://127.0.0.1:{found.server_port}", "m_tail", 20)
        with pytest.raises(ClientError, match="more than 1,048,576 bytes does not fit"):
            server.check([], [])
        found.shutdown()
        found.block_on_close = False


class CutShort(Dripping):
    """Ends before its answer does."""

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
        self.close_connection = True


def test_an_answer_that_ends_early_is_told() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), CutShort) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        with pytest.raises(ClientError, match=r"2 bytes read, 7 more expected"):
            Server(f"http://127.0.0.1:{found.server_port}", "m_tail", 20).check([], [])
        found.shutdown()


class Resetting(Scripted):
    """Resets the connection of its first inference, as servers do that close one after an error."""

    protocol_version = "HTTP/1.1"
    has_reset = False

    def do_POST(self) -> None:
        if not type(self).has_reset:
            type(self).has_reset = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        self.protocol_version = "HTTP/1.0"  # the client closes its side
        self.tell(200, plain())


def test_a_kept_connection_that_was_reset_is_opened_again() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Resetting) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        server = Server(f"http://127.0.0.1:{found.server_port}", "m_tail", 5.0)
        server.check([], [])
        assert server.infer(b"[]", {}, 4)[1] == plain()
        found.shutdown()


class ResettingAgain(Resetting):
    """Has a first inference of its own."""


class Head:
    """Gives its input."""

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        assert names == ["t"]
        return [feed["x"]]


def test_the_time_of_a_second_try_is_told_as_such(tmp_path: Path) -> None:
    ResettingAgain.has_reset = False
    sample = {"x": np.ones((1, 4), np.float32)}
    with ThreadingHTTPServer(("127.0.0.1", 0), ResettingAgain) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        server = Server(f"http://127.0.0.1:{found.server_port}", "m_tail", 5.0)
        server.check([], [])
        shown = []
        for _ in range(2):
            outputs, times_s, _ = run(
                contract_of(tmp_path), Head(), server, sample, is_binary=False
            )
            shown.append(list(lines_of(outputs, times_s, "it"))[-1])
        found.shutdown()
    assert "send and tail (with a second try on a new connection) " in shown[0]
    assert "second try" not in shown[1]


def test_metadata_that_is_none_is_told(server: str) -> None:
    with pytest.raises(ClientError, match="tells nothing of the protocol"):
        Server(f"{server}/none", "m_tail", 5.0).check([], [])


@pytest.mark.parametrize(
    "options",
    [
        *(["--timeout", text] for text in ("-1", "0", "nan", "inf", "1e300", "x")),
        *(["--runs", text] for text in ("0", "-3", "x")),
        *(["--threads", text] for text in ("-1", "100000")),
    ],
)
def test_numbers_that_are_none_are_told(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--url", "http://here", *options])
    assert raised.value.code == 2
    assert f"argument {options[0]}: '{options[1]}' is no number from" in capsys.readouterr().err


def test_samples_of_a_foreign_byte_order_keep_their_values(tmp_path: Path) -> None:
    values = np.arange(8, dtype=">f4").reshape(2, 4)
    np.savez(tmp_path / "s.npz", x=values)
    contract = {"model": {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}]}}
    found = read_samples(tmp_path / "s.npz", contract)
    assert [one["x"].tolist() for one in found] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    assert all(one["x"].dtype.isnative for one in found)
