"""Real requests of three stacks: HTTP/1.1, the same with TLS 1.3, and gRPC.

    python -m tests.emulation.stacks serve ADDRESS FOLDER
    python -m tests.emulation.stacks ask ADDRESS FOLDER

The server prints a line when it listens. The client reads a task as JSON from each line of standard
input and answers with JSON: the times of its requests in seconds, and how long it waited for a
processor meanwhile. FOLDER holds the certificate that `write_certificate` made. Each message is one
write, without Nagle's delay; both programs go before all others where that is permitted.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.emulation import SERVER_ADDRESS, EmulatedLink, Host

ROOT = Path(__file__).parents[2]
PORTS = {"http": 5001, "https": 5002, "grpc": 5003}
ANSWER_BYTES = 1000
GIVE_UP_S = 20.0
"""A request that waits so long in one place is given up; the time until then counts."""
METHOD = "/inference.Raw/Infer"
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Task:
    """Requests to time, all on one connection unless each opens its own.

    The first request of a connection is timed from before its opening.
    """

    stack: str
    up_bytes: int
    first: int = 1
    """Requests one after another on each connection, the first one included."""
    connections: int = 1
    """How many connections are opened one after another; as many as there is time for if 0."""
    seconds: float = 0.0
    """With `connections` of 0: how long to go on."""
    pause_s: float = 0.0
    """If not 0: one more request on the connection after this pause."""
    interval_s: float = 0.0
    """If not 0: requests begin at multiples of this from `origin_s`; a missed one is left out."""
    origin_s: float = 0.0
    """On the clock of `time.monotonic`."""


@dataclass(frozen=True)
class Answer:
    """What the requests of some tasks took."""

    times_s: list[list[list[float]]]
    """For each task and connection the times of its requests, in their order."""
    waited_s: float
    """How long the client was ready and had no processor."""


class Connection(Protocol):
    """One connection of a client."""

    def ask(self, body: bytes) -> None:
        """Send a request and wait for the whole answer."""

    def close(self) -> None:
        """Close it."""


class HttpConnection:
    """HTTP/1.1, with TLS if there is a context."""

    def __init__(self, address: str, port: int, context: ssl.SSLContext | None) -> None:
        raw = socket.create_connection((address, port), GIVE_UP_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{address}:{port}"
        self._socket = context.wrap_socket(raw, server_hostname=address) if context else raw

    def ask(self, body: bytes) -> None:
        """Send a request and wait for the whole answer."""
        head = (
            f"POST /v2/models/digits/infer HTTP/1.1\r\nHost: {self._host}\r\n"
            "Content-Type: application/octet-stream\r\nAccept: */*\r\n"
            f"Inference-Header-Content-Length: 0\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        if not _read_message(self._socket, bytearray(_CHUNK_BYTES)):
            raise ConnectionError("the server closed the connection")

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class GrpcConnection:
    """A channel of grpcio with a connection of its own; messages are plain bytes."""

    def __init__(self, address: str, port: int) -> None:
        import grpc

        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", -1),
        ]
        self._channel = grpc.insecure_channel(f"{address}:{port}", options=options)
        self._call: Callable[..., bytes] = self._channel.unary_unary(METHOD)

    def ask(self, body: bytes) -> None:
        """Send a request and wait for the whole answer."""
        self._call(body, wait_for_ready=True, timeout=GIVE_UP_S)

    def close(self) -> None:
        """Close it."""
        self._channel.close()


def write_certificate(folder: Path, address: str) -> None:
    """Write a certificate for the address and what it is trusted by."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert(address).private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )


def serve(address: str, folder: Path) -> None:
    """Answer on the three ports until killed."""
    import grpc

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "server.pem")
    for port, own in ((PORTS["http"], None), (PORTS["https"], context)):
        listener = socket.create_server((address, port), backlog=128)
        threading.Thread(target=_accept, args=(listener, own), daemon=True).start()
    answer = bytes(ANSWER_BYTES)
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
    service, method = METHOD.strip("/").split("/")
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(
        ThreadPoolExecutor(4),
        handlers=[grpc.method_handlers_generic_handler(service, {method: handler})],
        options=[("grpc.max_receive_message_length", -1)],
    )
    server.add_insecure_port(f"{address}:{PORTS['grpc']}")
    server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.wait_for_termination()


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, context), daemon=True).start()


def _answer(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: stacks\r\n"
        f"Content-Length: {ANSWER_BYTES}\r\n\r\n"
    )
    answer, buffer = head.encode() + bytes(ANSWER_BYTES), bytearray(_CHUNK_BYTES)
    with contextlib.suppress(OSError), connection:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        while _read_message(connection, buffer):
            connection.sendall(answer)


def _read_message(connection: socket.socket, buffer: bytearray) -> bool:
    """Read a message to its end; tell whether there was one."""
    start = b""
    while b"\r\n\r\n" not in start:
        piece = connection.recv(_CHUNK_BYTES)
        if not piece:
            return False
        start += piece
    head, _, body = start.partition(b"\r\n\r\n")
    left = int(head.split(b"Content-Length: ")[-1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        n = connection.recv_into(buffer, min(left, len(buffer)))
        if n == 0:
            return False
        left -= n
    return True


def ask(address: str, folder: Path) -> None:
    """Do the tasks of standard input."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    opens: dict[str, Callable[[], Connection]] = {
        "http": lambda: HttpConnection(address, PORTS["http"], None),
        "https": lambda: HttpConnection(address, PORTS["https"], context),
        "grpc": lambda: GrpcConnection(address, PORTS["grpc"]),
    }
    for line in sys.stdin:
        tasks = [Task(**one) for one in json.loads(line)]
        for stack in {task.stack for task in tasks}:  # what a first use loads is not timed
            _closed(opens[stack], 1)
        gc.collect()
        gc.disable()
        waited_s = waited_by_threads_s()
        found = do(tasks, opens)
        answer = Answer(found, waited_by_threads_s() - waited_s)
        gc.enable()
        sys.stdout.write(json.dumps(asdict(answer)) + "\n")
        sys.stdout.flush()


def do(tasks: list[Task], opens: dict[str, Callable[[], Connection]]) -> list[list[list[float]]]:
    """Return the times of each task: for each connection those of its requests.

    Connections pause at the same time: each is asked once more after all tasks are done.
    """
    found, pausing = [], []
    for task in tasks:
        body, open_ = bytes(task.up_bytes), opens[task.stack]
        times: list[list[float]] = []
        ends_s = time.monotonic() + task.seconds
        while len(times) < task.connections or (not task.connections and time.monotonic() < ends_s):
            times.append([])
            connection: Connection | None = None
            with contextlib.suppress(TimeoutError):
                while len(times[-1]) < task.first and not (
                    times[-1] and task.seconds and time.monotonic() >= ends_s
                ):
                    _wait_for_turn(task)
                    with _timed(times[-1]):
                        connection = connection or open_()
                        connection.ask(body)
            if connection and task.pause_s:
                pausing.append((time.monotonic() + task.pause_s, connection, body, times[-1]))
            elif connection:
                connection.close()
        found.append(times)
    for due_s, connection, body, kept in pausing:
        time.sleep(max(0.0, due_s - time.monotonic()))
        with contextlib.suppress(TimeoutError), _timed(kept):
            connection.ask(body)
        connection.close()
    return found


def _wait_for_turn(task: Task) -> None:
    if task.interval_s:
        since_s = time.monotonic() - task.origin_s
        time.sleep(task.interval_s - since_s % task.interval_s)


@contextlib.contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    """Add the time of what is done; also of a request that was given up."""
    began_s = time.perf_counter()
    try:
        yield
    finally:
        times.append(time.perf_counter() - began_s)


def _closed(open_: Callable[[], Connection], up_bytes: int) -> None:
    connection = open_()
    connection.ask(bytes(up_bytes))
    connection.close()


def waited_by_threads_s() -> float:
    """Return how long the threads of this process were ready and had no processor (schedstat)."""
    total = 0
    for one in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(one.read_text().split()[1])
    return total / 1e9


class Client:
    """A client program on one host of a link, whose server answers the requests.

    Parameters
    ----------
    host
        Where it runs: the client of the link, or its server, to go over the loopback device.
    folder
        With the certificate.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self._process = _spawn(host, "ask", folder, stdin=subprocess.PIPE)

    def do(self, tasks: list[Task]) -> Answer:
        """Return what the requests of the tasks took.

        Raises
        ------
        RuntimeError
            The client ended; its standard error has said why.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([asdict(task) for task in tasks]) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with code {self._process.wait()}")
        return Answer(**json.loads(line))


def start_server(link: EmulatedLink, folder: Path) -> None:
    """Start the server of a link; it listens when this returns."""
    stdout = _spawn(link.server, "serve", folder).stdout
    assert stdout is not None
    if not stdout.readline():
        raise RuntimeError("the server of the emulated link did not start")


def _spawn(host: Host, what: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.emulation.stacks", what, SERVER_ADDRESS, str(folder)]
    return host.spawn(words, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options)


def main(words: list[str]) -> Any:
    """Serve or ask."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    what, address, folder = words
    return {"serve": serve, "ask": ask}[what](address, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
