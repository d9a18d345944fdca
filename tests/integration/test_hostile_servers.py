"""`placer network probe` against servers that mean it badly, or are broken: bounded, and told."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from placer.probing.tcp_info import tcp_info

Serve = Callable[[bytes, Callable[[bytes], None]], None]
"""Is given the head of a request and what sends; returns when it has answered."""
INPUTS = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4]}]}
OUTPUTS = {"model_name": "m", "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}]}


class RawServer:
    """Answers requests byte by byte as it is told, and counts what moved on the wire."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        self.moved_bytes = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        moved = 0
        try:
            with contextlib.suppress(OSError):
                data = b""
                while chunk := sock.recv(65536):
                    data += chunk
                    while b"\r\n\r\n" in data:
                        head, _, data = data.partition(b"\r\n\r\n")
                        left = length_of(head)
                        while len(data) < left and (chunk := sock.recv(65536)):
                            data += chunk
                        data = data[left:]
                        self._serve(head, sock.sendall)
        finally:
            info = tcp_info(sock)
            if info is not None:
                moved = info.bytes_acked + info.bytes_received
            with self._lock:
                self.moved_bytes += moved
            sock.close()

    def close(self) -> None:
        self._socket.close()


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@contextlib.contextmanager
def serving(serve: Serve) -> Iterator[RawServer]:
    server = RawServer(serve)
    try:
        yield server
    finally:
        server.close()


def probe(port: int, *options: str, scheme: str = "http") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    words = ("network", "probe", f"{scheme}://127.0.0.1:{port}", "--duration", "1s")
    done = subprocess.run(
        [sys.executable, "-m", "placer", *words, "--timeout", "500ms", *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def page(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def as_model_server(**answers: bytes) -> Serve:
    """Answer as an inference server does, but for what is given."""
    usual = {
        "v2": page(json.dumps({"name": "it", "version": "1"}).encode()),
        "model": page(json.dumps(INPUTS).encode()),
        "infer": page(json.dumps(OUTPUTS).encode()),
        "stats": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "metrics": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    } | answers
    ends = {"/v2": "v2", "/v2/models/m": "model", "/infer": "infer", "/stats": "stats"}

    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        path = head.split(b" ")[1].decode()
        name = next((ends[end] for end in ends if path.endswith(end)), "metrics")
        send(usual[name])

    return serve


def endless(beginning: bytes, more: bytes, pause_s: float = 0.0) -> Serve:
    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        send(beginning)
        while True:
            send(more)
            time.sleep(pause_s)

    return serve


ENDLESS = {
    "answers without end": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + bytes(65536) + b"\r\n",
    ),
    "100 Continue without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a byte now and then": endless(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", pause_s=0.2
    ),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "one header without end": endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 10000),
}


@pytest.mark.parametrize("options", [(), ("--model", "m")], ids=["page", "model"])
@pytest.mark.parametrize("serve", ENDLESS.values(), ids=ENDLESS)
def test_a_server_without_end_costs_neither_more_time_nor_more_bytes(
    serve: Serve, options: tuple[str, ...]
) -> None:
    began_s = time.perf_counter()
    with serving(serve) as server:
        done = probe(server.port, "--max-data", "2MB", *options)
        time.sleep(0.2)  # until the server has seen the end
        assert server.moved_bytes < 2.1e6
    assert time.perf_counter() - began_s < 15
    assert done.returncode in (0, 2, 3, 4), done.stderr
    if done.returncode:
        assert "error: " in done.stderr


@pytest.mark.parametrize("megabytes", [1, 2, 5])
def test_the_cap_on_data_holds_and_all_of_it_is_told(megabytes: int, tmp_path: Path) -> None:
    body = bytes(20_000_000)

    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        send(page(b"" if head.startswith(b"HEAD") else body))

    file = tmp_path / "probe.json"
    with serving(serve) as server:
        done = probe(server.port, "--max-data", f"{megabytes}MB", "--output", f"json={file}")
        time.sleep(0.3)
        moved_bytes = server.moved_bytes
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())
    assert moved_bytes <= megabytes * 1e6
    assert told["sent_bytes"] + told["received_bytes"] >= 0.98 * moved_bytes


SERVER_TIMES = ("dur=1.2.3", "dur=.", "total;dur=1e400", "a;dur=99999999", "a;dur=-1", "a;dur=nan")


@pytest.mark.parametrize("value", SERVER_TIMES)
def test_a_server_time_that_makes_no_sense_is_not_used(value: str, tmp_path: Path) -> None:
    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        send(page(b"", f"Server-Timing: {value}"))

    file = tmp_path / "probe.json"
    with serving(serve) as server:
        done = probe(server.port, "--no-upload", "--no-download", "--output", f"json={file}")
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["calls"]["server_s"] is None


def of_shape(shape: Any) -> bytes:
    text = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": shape}]})
    return page(text.encode())


BROKEN_MODELS = {
    "shape of infinity": {"model": of_shape([float("inf")])},
    "shape of text": {"model": of_shape("13")},
    "shape of halves": {"model": of_shape([1.5])},
    "deep nesting": {"model": page(b"[" * 100_000)},
    "inputs of numbers": {"model": page(b'{"inputs": [1, 2]}')},
    "no JSON": {"infer": page(b"<html>hello</html>")},
    "other JSON": {"infer": page(b"[1, 2, 3]")},
    "nested answer": {"infer": page(b"[" * 100_000)},
}


@pytest.mark.parametrize("answers", BROKEN_MODELS.values(), ids=BROKEN_MODELS)
def test_a_model_server_that_answers_nonsense_is_named_and_not_measured(
    answers: dict[str, bytes],
) -> None:
    with serving(as_model_server(**answers)) as server:
        done = probe(server.port, "--model", "m", "--no-upload", "--no-download")
    assert done.returncode == 3, done.stderr
    assert f"127.0.0.1:{server.port}" in done.stderr


STATISTICS = (
    b"null",
    b"[]",
    b'{"model_stats": null}',
    b'{"model_stats": ["x"]}',
    b'{"model_stats": [{"inference_stats": {"success": {"count": "x", "ns": []}}}]}',
    b'{"model_stats": [{"inference_stats": {"success": {"count": 5, "ns": NaN}}}]}',
)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_statistics_that_make_no_sense_are_left_out(statistics: bytes, tmp_path: Path) -> None:
    metrics = page(b"request_predict_seconds_sum NaN\nrequest_predict_seconds_count 7\n")
    file = tmp_path / "probe.json"
    with serving(as_model_server(stats=page(statistics), metrics=metrics)) as server:
        done = probe(
            server.port, "--model", "m", "--no-upload", "--no-download", "--output", f"json={file}"
        )
    assert done.returncode == 0, done.stderr
    assert "NaN" not in file.read_text()
    assert json.loads(file.read_text())["calls"]["server_s"] is None


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    said = "\x1b[31mred\x07"

    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        send(page(b"", f"Server: {said}", f"Via: {said}"))

    with serving(serve) as server:
        done = probe(server.port, "--no-upload", "--no-download")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
    assert "\\x1b[31mred\\x07" in done.stdout


FIRST_WORDS = {
    b"HTTP/1.1 000 Nothing\r\n\r\n": "broken status line",
    b"\x00\x01\x02\x04binary\r\n\r\n": "neither HTTP nor gRPC",
    b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x10\x00\x00": "speaks HTTP/2 alone",
    b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n": "the length 'many'",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": "breaks off its answer",
    b"+OK POP3 ready\r\n": "neither HTTP nor gRPC",
}


@pytest.mark.parametrize("words", FIRST_WORDS)
def test_what_speaks_another_protocol_is_told_apart(words: bytes) -> None:
    with serving(lambda head, send: send(words)) as server:
        done = probe(server.port)
    assert done.returncode == (4 if b"chunked" in words else 3), done.stderr
    assert FIRST_WORDS[words] in done.stderr
    assert "/v2" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_standard_error_costs_no_report(tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    with serving(lambda head, send: send(page(b""))) as server, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [
                sys.executable, "-m", "placer", "network", "probe",
                f"http://127.0.0.1:{server.port}", "--duration", "1s", "--no-upload",
                "--no-download", "--output", f"json={file}",
            ],
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=60,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(file.read_text())["rtt"]["p50_s"] > 0
    assert b"round trip" in done.stdout


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="the program iperf3 is not installed")
def test_iperf3_that_speaks_to_another_server_is_told(tmp_path: Path) -> None:
    with serving(lambda head, send: send(page(b""))) as server:
        done = probe(server.port, scheme="iperf3")
    assert done.returncode in (3, 4), done.stdout + done.stderr
    assert "iperf3" in done.stderr
    assert "--max-data allows" not in done.stdout


def test_what_was_measured_before_a_server_breaks_is_kept(tmp_path: Path) -> None:
    counted = itertools.count()

    def serve(head: bytes, send: Callable[[bytes], None]) -> None:
        if next(counted) > 2:
            send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            time.sleep(30)
        send(page(b""))

    file = tmp_path / "probe.json"
    with serving(serve) as server:
        done = probe(server.port, "--no-upload", "--no-download", "--output", f"json={file}")
    told = json.loads(file.read_text())
    assert told["rtt"]["p50_s"] > 0
    if done.returncode:
        assert done.returncode == 4
        assert told["error"]
