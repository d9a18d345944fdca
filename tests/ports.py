"""Servers on the loopback device that do one thing, for as long as a context lasts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


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


def relay_to(port: int) -> Callable[[socket.socket], None]:
    """Return what hands a connection on to another port, both ways."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def handle(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            threading.Thread(target=pump, args=(upstream, sock), daemon=True).start()
            pump(sock, upstream)

    return handle


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
