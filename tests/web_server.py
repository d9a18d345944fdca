"""A web server with a large body to GET that reads what is POSTed; a program and a library."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES = 50_000_000
BLOCK_BYTES = 1 << 16


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with many bytes, POST with how many came."""

    protocol_version = "HTTP/1.1"
    body_bytes = BODY_BYTES
    block = os.urandom(BLOCK_BYTES)

    def do_HEAD(self) -> None:
        self.head(self.body_bytes)

    def do_GET(self) -> None:
        self.head(self.body_bytes)
        left = self.body_bytes
        while left > 0:
            left -= self.wfile.write(self.block[:left])

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left > 0:
            data = self.rfile.read1(min(left, BLOCK_BYTES))
            if not data:
                self.close_connection = True
                return
            left -= len(data)
        self.head(0)

    def head(self, n_bytes: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(n_bytes))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Forgives connections that are closed at once: probing does that."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
