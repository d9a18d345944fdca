"""Servers on the loopback device that do one thing, for as long as a context lasts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """Give a port to which no more connects are answered: the queue of those before is full."""
    with socket.socket() as full, contextlib.ExitStack() as open_:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in [open_.enter_context(socket.socket()) for _ in range(4)]:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        time.sleep(0.1)
        yield int(full.getsockname()[1])


@contextlib.contextmanager
def listening(
    handle: Callable[[socket.socket], None], *, context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Handle each connection in a thread, with TLS where there is a context; give the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:

        def one(sock: socket.socket) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                if context is not None:
                    sock = context.wrap_socket(sock, server_side=True)
                with sock:
                    handle(sock)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    threading.Thread(target=one, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


RELAY = """
import asyncio, contextlib, ssl, sys
port, pem, protocols = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(pem)
if protocols:
    context.set_alpn_protocols(protocols)

async def pump(reader, writer):
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()

async def handle(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pump(reader, back), pump(there, writer))

async def serve():
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""


@contextlib.contextmanager
def relaying(port: int, pem: str, *protocols: str) -> Iterator[int]:
    """Put TLS before another port; give the port.

    A process of one thread: before Python 3.13 two threads must not use one TLS connection.
    """
    words = [sys.executable, "-c", RELAY, str(port), pem, *protocols]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            assert child.stdout is not None
            yield int(child.stdout.readline())
        finally:
            child.kill()


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    """Return what answers each request head with the same bytes and closes."""

    def handle(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(65536)
            if not data:
                return
            head += data
        sock.sendall(answer)

    return handle
