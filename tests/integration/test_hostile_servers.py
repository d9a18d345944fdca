"""`placer network probe` against servers that are broken or mean: it ends, in time and in bytes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from placer.probing.tcp_info import tcp_info
from tests.integration.test_network_probe import command, environment, probe, told
from tests.ports import answering, listening
from tests.web_server import Handler, Server

ROOT = Path(__file__).parent.parent.parent
MOST_S = 8.0
"""1 s of probing, twice the time-out of 1 s, and the start of Python on a busy machine."""
METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}],
}
OUTPUTS = {"model_name": "m", "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}]}
Answers = Callable[[str, str], bytes]


def answer(body: object, *headers: str, status: str = "200 OK") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + data


NOT_FOUND = answer({"error": "no"}, status="404 Not Found")


def speaking(answers: Answers) -> Callable[[socket.socket], None]:
    """Return what answers requests over a kept connection, by method and path."""

    def handle(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = sock.makefile("rb")
        while line := file.readline():
            length = 0
            while (header := file.readline()).strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            file.read(length)
            method, path, _ = line.decode().split()
            sock.sendall(answers(method, path))

    return handle


def inferring(**instead: object) -> Answers:
    """Return an inference server, parts of which answer something else."""
    parts: dict[str, object] = {
        "metadata": METADATA,
        "infer": OUTPUTS,
        "stats": None,
        "metrics": None,
        "headers": (),
        **instead,
    }

    def answers(method: str, path: str) -> bytes:
        name = path.rsplit("/", 1)[-1]
        key = {"v2": "server", "m": "metadata"}.get(name, name)
        body = {"name": "s", "version": "1"} if key == "server" else parts.get(key)
        if isinstance(body, bytes) and body.startswith(b"HTTP/"):
            return body
        headers = parts["headers"] if key == "infer" else ()
        return NOT_FOUND if body is None else answer(body, *headers)  # type: ignore[misc]  # str

    return answers


def endless(head: bytes, block: bytes, every_s: float = 0.0) -> Callable[[socket.socket], None]:
    """Return what answers the first request with a head and then blocks for ever."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(head)
        while True:
            sock.sendall(block)
            time.sleep(every_s)

    return handle


CHUNK = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
ENDLESS = {
    "body": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "chunks": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
    "continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "line": endless(b"", b"x" * 65536),
    "chunk line": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
    "dripped head": endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.3),
    "dripped body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"y", 0.3),
    "dripped continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.3),
    "dripped bytes": endless(b"", b"\0", 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "scheme", "options"),
    [
        *((kind, "http", ()) for kind in ENDLESS),
        *((kind, "http", ("--model", "m")) for kind in ENDLESS),
        ("dripped bytes", "grpc", ()),
        ("line", "grpc", ()),
    ],
)
def test_an_answer_without_end_is_left(kind: str, options: tuple[str, ...], scheme: str) -> None:
    with listening(ENDLESS[kind]) as port:
        began_s = time.monotonic()
        done = probe(f"{scheme}://127.0.0.1:{port}", *options, "--format", "json")
        took_s = time.monotonic() - began_s
    assert took_s < MOST_S
    found = json.loads(done.stdout)
    assert found["sent_bytes"] + found["received_bytes"] < 20e6
    assert found["phases"]["connect_s"] > 0
    assert done.returncode in (3, 4)
    assert found["is_partial"]
    assert "hint: " in done.stderr
    if kind.startswith("dripped") and scheme == "http":
        assert done.returncode == 4
        assert "stalls" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("part", ["metadata", "infer", "stats", "metrics"])
@pytest.mark.parametrize("every_s", [0.0, 0.3], ids=["flood", "drip"])
def test_one_part_without_end_does_not_hold_the_rest(part: str, every_s: float) -> None:
    answers = inferring()
    name = {"metadata": "/m"}.get(part, f"/{part}")

    def handle(sock: socket.socket) -> None:
        def some(method: str, path: str) -> bytes:
            if path.endswith(name):
                sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
                while True:
                    sock.sendall(b" " * (1 if every_s else 65536))
                    time.sleep(every_s)
            return answers(method, path)

        speaking(some)(sock)

    with listening(handle) as port:
        began_s = time.monotonic()
        done = probe(f"http://127.0.0.1:{port}", "--model", "m", "--no-upload", "--format", "json")
        assert time.monotonic() - began_s < 2 * MOST_S
    found = json.loads(done.stdout)
    assert found["received_bytes"] < 20e6
    if part in ("stats", "metrics"):  # nice to have
        assert done.returncode == 0, done.stderr
        assert any("left out" in note for note in found["notes"])
        assert len(found["calls"]["times_s"]) >= 2
    else:
        assert done.returncode in (3, 4), done.stderr
        assert found["is_partial"]


@pytest.mark.parametrize("timing", ["dur=1.2.3", "dur=.", "dur=NaN", "dur=-5", "dur=1e999"])
def test_a_time_of_the_server_that_is_none_is_ignored_and_told_once(timing: str) -> None:
    answers = inferring(headers=(f"Server-Timing: app;{timing}",))
    with listening(speaking(answers)) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m", "--no-upload", "--format", "json")
    found = told(done)
    assert found["calls"]["server_s"] is None
    assert sum("Server-Timing" in note for note in found["notes"]) == 1


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def with_shape(shape: str) -> bytes:
    return b'{"inputs":[{"name":"x","datatype":"FP32","shape":%s}]}' % shape.encode()


@pytest.mark.parametrize(
    "metadata",
    [
        with_shape("[Infinity]"),
        with_shape("[NaN]"),
        with_shape('"123"'),
        with_shape("[1e400]"),
        with_shape("[[1]]"),
        with_shape("[true]"),
        with_shape("null"),
        with_shape(f"[{'9' * 400}]"),
        with_shape(str([1] * 100)),
        with_shape(nested(200_000).decode()),
        b'{"inputs":%s}' % nested(100_000),
        b'{"inputs":{"name":"x"}}',
        b'{"inputs":"abc"}',
        b"[]",
        b"\xff\xfe",
        b"<html>",
    ],
    ids=range(16),
)
def test_metadata_that_make_no_sense_are_told(metadata: bytes) -> None:
    with listening(speaking(inferring(metadata=metadata))) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m")
    assert done.returncode == 3, done.stderr
    assert "error: 127.0.0.1" in done.stderr or "error: http://127.0.0.1" in done.stderr


def test_an_input_larger_than_the_bytes_is_not_even_made() -> None:
    metadata = with_shape(str([2**31] * 8))
    with listening(speaking(inferring(metadata=metadata))) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m")
    assert done.returncode == 2
    assert "--max-data leaves no room" in done.stderr


@pytest.mark.parametrize(
    "stats",
    [
        {"model_stats": [None]},
        {"model_stats": None},
        {"model_stats": ["x"]},
        {"model_stats": [{"inference_stats": {"success": {"count": "a", "ns": []}}}]},
        {"model_stats": [{"inference_stats": []}]},
        b'{"model_stats":[{"inference_stats":{"success":{"count":NaN,"ns":1}}}]}',
    ],
    ids=range(6),
)
def test_statistics_that_make_no_sense_are_left_out(stats: object) -> None:
    with listening(speaking(inferring(stats=stats))) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m", "--no-upload", "--format", "json")
    assert told(done)["calls"]["server_s"] is None


def test_metrics_that_are_no_numbers_do_not_reach_the_report() -> None:
    metrics = b"request_predict_seconds_sum NaN\nrequest_predict_seconds_count 1\n"
    with listening(speaking(inferring(metrics=metrics))) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m", "--no-upload", "--format", "json")
    assert "NaN" not in done.stdout
    assert told(done)["calls"]["server_s"] is None


@pytest.mark.parametrize(
    "body",
    [b"<html>welcome</html>", b"", b"{}", b"[1]", b'{"outputs": 5}', nested(100_000)],
    ids=range(6),
)
@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_an_answer_that_is_no_inference_does_not_count_as_one(body: bytes, encoding: str) -> None:
    with listening(speaking(inferring(infer=body))) as port:
        words = ("--model", "m", "--encoding", encoding, "--format", "json")
        done = probe(f"http://127.0.0.1:{port}", *words)
    assert done.returncode == 3
    assert "no answer of the Open Inference Protocol" in done.stderr
    assert json.loads(done.stdout)["calls"] is None


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="the program iperf3 is not installed")
@pytest.mark.parametrize(
    ("handle", "code", "said"),
    [
        (lambda sock: sock.recv(1 << 20) and sock.recv(1 << 20), 4, "does not answer as an iperf3"),
        (answering(answer(b"")), 4, "does not answer as an iperf3"),
        (endless(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x", 0.3), 3, "does not speak iperf3"),
    ],
    ids=["silent", "waits for a head", "speaks"],
)
def test_another_server_where_iperf3_is_wanted_is_told(
    handle: Callable[[socket.socket], None], code: int, said: str
) -> None:
    with listening(handle) as port:
        done = probe(f"iperf3://127.0.0.1:{port}", "--format", "json")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    found = json.loads(done.stdout)
    assert found["uplink"]["bytes_per_s"] is None
    assert found["uplink"]["moved_bytes"] == 0
    assert found["sent_bytes"] < 10_000


class Counting(Handler):
    """Counts what its kernel sent and received, of all connections."""

    moved = 0
    lock = threading.Lock()

    def finish(self) -> None:
        info = tcp_info(self.connection)
        assert info is not None
        with self.lock:
            Counting.moved += info.bytes_acked + info.bytes_received
        super().finish()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO of the server tells what was moved")
@pytest.mark.parametrize("megabytes", [1, 2, 5])
def test_the_cap_of_bytes_holds_as_the_server_counts_them(megabytes: int) -> None:
    Counting.moved = 0
    server = Server(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        done = probe(url, "--max-data", f"{megabytes}MB", "--duration", "4s", "--format", "json")
        time.sleep(0.5)
    finally:
        server.shutdown()
        server.server_close()
    found = told(done)
    moved = found["sent_bytes"] + found["received_bytes"]
    assert Counting.moved < 1e6 * megabytes
    assert 0.98 * Counting.moved <= moved <= 1e6 * megabytes


CONTROL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f"


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        lambda *_: answer(b"", f"Server: {CONTROL}", f"Via: 1.1 {CONTROL}"),
        lambda *_: answer(b"", f"Location: http://{CONTROL}/", status="302 Found"),
        lambda *_: answer(b"", f"Via: {CONTROL}", status="502 Bad Gateway"),
        inferring(infer=answer({"error": CONTROL}, status="400 Bad Request")),
        inferring(metadata={"inputs": [{"name": CONTROL, "datatype": "FP32", "shape": [1, -1]}]}),
        inferring(metadata=None, models={"models": [CONTROL, "\u202egnp.exe"]}),
    ],
    ids=["server", "location", "via", "error", "input", "models"],
)
@pytest.mark.parametrize("format_", ["text", "json", "yaml"])
def test_nothing_that_a_terminal_acts_on_comes_through(answers: Answers, format_: str) -> None:
    options = ("--no-upload", "--no-download", "--format", format_)
    with listening(speaking(answers)) as port:
        for model in ((), ("--model", "m")):
            done = probe(f"http://127.0.0.1:{port}", *options, *model)
            for text in (done.stdout, done.stderr):
                assert not set(CONTROL + "\u202e") - set("[]20;Jowned31m") & set(text)


@pytest.mark.parametrize(
    ("raw", "code", "said"),
    [
        (b"HTTP/1.1 000 Odd\r\n\r\n", 3, "no status line"),
        (b"HTTP/1.1 abc\r\n\r\n", 3, "no status line"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 3, "answers GET / with 101"),
        (b"\x00\x01\x04\x02\x03\n", 3, "neither HTTP nor gRPC"),
        (b"\x00\x00\x04\x04\x00\x00\x00\x00\x00\n", 3, "neither HTTP nor gRPC"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            3,
            "in chunks whose sizes are no numbers",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", 3, "Content-Length 'abc'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", 3, "Content-Length '-5'"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, 3, "headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 90_000 + b"\r\n", 3, "header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 66_000 + b"\r\n", 3, "header"),
    ],
    ids=range(11),
)
def test_what_is_no_http_is_named_and_says_what_to_do(raw: bytes, code: int, said: str) -> None:
    with listening(answering(raw)) as port:
        done = probe(f"http://127.0.0.1:{port}")
    assert done.returncode == code
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert "/v2" not in done.stderr  # nobody asked for a model
    assert "Open Inference" not in done.stdout


def test_a_page_is_no_inference_server_before_it_says_so() -> None:
    with listening(speaking(lambda *_: NOT_FOUND)) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m", "--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["protocol"] == "HTTP/1.1"


def test_a_port_that_is_silent_in_the_tls_handshake_gets_a_hint_that_can_be_run() -> None:
    with listening(lambda sock: time.sleep(5)) as port:
        done = probe(f"https://127.0.0.1:{port}/")
    assert done.returncode == 4
    assert f"without it: http://127.0.0.1:{port}" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110  # a device
def test_standard_error_that_is_full_does_not_take_the_report_away(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    with listening(speaking(lambda *_: answer(b""))) as port, Path("/dev/full").open("w") as full:
        words = ("--duration", "1s", "--no-upload", "--no-download", "--output", f"json={file}")
        done = subprocess.run(
            command(f"http://127.0.0.1:{port}", *words),
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            env=environment(),
            cwd=ROOT,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert "round trip" in done.stdout
    assert json.loads(file.read_text())["calls"]["times_s"]


class Halves(Handler):
    """Writes head and body of an answer apart; Nagle holds the body back."""

    parts_at_once = False
    pause_s = 0.0
    disable_nagle_algorithm = False

    def do_GET(self) -> None:
        body = json.dumps({"name": "s", "version": "1"} if self.path == "/v2" else METADATA)
        self.reply(body.encode() if self.path in ("/v2", "/v2/models/m") else b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.pause_s)
        self.reply(json.dumps(OUTPUTS).encode())

    def reply(self, body: bytes) -> None:
        self.head(len(body))
        self.wfile.write(body)


class Together(Halves):
    """As it, without Nagle, but slow."""

    pause_s = 0.06
    disable_nagle_algorithm = True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="acknowledging at once is of Linux")
@pytest.mark.parametrize(("kind", "is_told"), [(Halves, True), (Together, False)])
def test_waiting_for_an_acknowledgement_is_told_from_a_slow_server(
    kind: type[Halves], is_told: bool
) -> None:
    server = Server(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        words = ("--model", "m", "--no-upload", "--duration", "8s", "--format", "json")
        found = told(probe(url, *words))
    finally:
        server.shutdown()
        server.server_close()
    assert any("TCP_NODELAY" in note for note in found["notes"]) == is_told, found["calls"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "later",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
    ],
    ids=["continue", "headers", "body"],
)
def test_a_flood_instead_of_a_transfer_stays_within_the_bytes(later: bytes) -> None:
    gets: list[str] = []
    began_s = time.monotonic()

    def handle(sock: socket.socket) -> None:
        def answers(method: str, path: str) -> bytes:
            gets.extend([path] * (method == "GET"))
            while len(gets) > 2 and method == "GET":  # greeted, with / and /v2
                sock.sendall(later)
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

        speaking(answers)(sock)

    with listening(handle) as port:
        words = ("--duration", "4s", "--max-data", "2MB", "--format", "json")
        done = probe(f"http://127.0.0.1:{port}", *words)
    assert time.monotonic() - began_s < 4 + MOST_S
    found = json.loads(done.stdout)
    assert found["sent_bytes"] + found["received_bytes"] <= 2e6
    assert len(gets) > 2
    assert done.returncode in (0, 3, 4), done.stderr
    assert len(found["calls"]["times_s"]) >= 2


def test_a_handshake_of_tls_that_drips_is_left() -> None:
    with listening(endless(b"\x16\x03\x03\x40\x00", b"\x02", 0.3)) as port:
        began_s = time.monotonic()
        done = probe(f"https://127.0.0.1:{port}/")
    assert time.monotonic() - began_s < MOST_S
    assert done.returncode in (3, 4)


class Grpc(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # no types
    """An inference server over gRPC that says what it should not."""

    def __init__(self, shape: tuple[int, ...] = (1, 4), out_bytes: int = 4, said: str = "") -> None:
        self.shape, self.out_bytes, self.said = shape, out_bytes, said

    def ServerMetadata(self, request: object, context: object) -> object:
        return service_pb2.ServerMetadataResponse(name=f"s{CONTROL}", version="1")

    def ModelMetadata(self, request: object, context: grpc.ServicerContext) -> object:
        if self.said:
            context.abort(grpc.StatusCode.INTERNAL, self.said)
        return service_pb2.ModelMetadataResponse(
            name="m",
            inputs=[
                service_pb2.ModelMetadataResponse.TensorMetadata(
                    name="x", datatype="FP32", shape=self.shape
                )
            ],
        )

    def ModelInfer(self, request: object, context: object) -> object:
        if not self.out_bytes:
            return service_pb2.ModelInferResponse(model_name="m")
        return service_pb2.ModelInferResponse(
            model_name="m",
            outputs=[
                service_pb2.ModelInferResponse.InferOutputTensor(
                    name="y", datatype="UINT8", shape=[self.out_bytes]
                )
            ],
            raw_output_contents=[b"x" * self.out_bytes],
        )


@pytest.mark.parametrize(
    ("servicer", "code", "said"),
    [
        (Grpc(), 0, "plan: "),
        (Grpc(out_bytes=3_000_000), 4, "with more than 2.00 MB"),
        (Grpc(out_bytes=0), 3, "without outputs"),
        (Grpc(shape=(1,) * 100), 3, "does not tell the inputs"),
        (Grpc(shape=(2**40,)), 3, "does not tell the inputs"),
        (Grpc(shape=(2**30, 2**30)), 2, "leaves no room"),
        (Grpc(said=f"no {CONTROL}"), 3, "does not know the model"),
    ],
    ids=range(7),
)
def test_a_grpc_server_that_says_what_it_should_not_is_told(
    servicer: Grpc, code: int, said: str
) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        done = probe(f"grpc://127.0.0.1:{port}", "--model", "m", "--format", "json")
    finally:
        server.stop(None)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    found = json.loads(done.stdout)
    assert found["server"].startswith("s\\x1b")
    assert found["sent_bytes"] + found["received_bytes"] < 20e6
    for text in (done.stdout, done.stderr):
        assert not set("\x1b\x07\x9b\x7f") & set(text)


SILENT_NAMES = """
import ctypes, fcntl, pathlib, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
mine = pathlib.Path(sys.argv[1])
mine.write_text("nameserver 127.0.0.1\\n")
if libc.mount(str(mine).encode(), b"/etc/resolv.conf", None, 4096, None):
    sys.exit(77)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
server.bind(("127.0.0.1", 53))
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are of Linux")
def test_a_name_server_that_says_nothing_does_not_hold_the_probe(tmp_path: Path) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("namespaces are not permitted here")
    script = [sys.executable, "-c", SILENT_NAMES, str(tmp_path / "resolv.conf")]
    began_s = time.monotonic()
    done = subprocess.run(
        [*unshare, *script, *command("http://slow.example/", "--timeout", "1s")],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    if done.returncode == 77:  # the mount was refused
        reason = f"the name server cannot be replaced here: {done.stderr}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    assert time.monotonic() - began_s < MOST_S
    assert done.returncode == 4
    assert "no name server answers within 1 s" in done.stderr


def test_a_server_that_resets_is_told() -> None:
    def reset(sock: socket.socket) -> None:
        sock.recv(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(reset) as port:
        done = probe(f"http://127.0.0.1:{port}", "--model", "m")
    assert done.returncode == 4
    assert "closes the connection" in done.stderr
