"""A web server with a large body to GET that reads what is POSTed; a program and a library."""

from __future__ import annotations

import argparse
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES = 50_000_000
BLOCK_BYTES = 1 << 16


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with many bytes, POST with how many came."""

    protocol_version = "HTTP/1.1"
    body_bytes = BODY_BYTES
    block = os.urandom(BLOCK_BYTES)
    send_pause_s = 0.0
    """After each block that is sent."""
    read_pause_s = 0.0
    """After each part that is read."""
    answers_early = False

    def do_HEAD(self) -> None:
        self.head(self.body_bytes)

    def do_GET(self) -> None:
        self.head(self.body_bytes)
        left = self.body_bytes
        while left > 0:
            left -= self.wfile.write(self.block[:left])
            time.sleep(self.send_pause_s)

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        if self.answers_early:
            self.head(0)
        while left > 0:
            data = self.rfile.read1(min(left, BLOCK_BYTES))
            if not data:
                self.close_connection = True
                return
            left -= len(data)
            time.sleep(self.read_pause_s)
        if not self.answers_early:
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


def main() -> None:
    """Serve until killed; a line tells that it does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--send-block-bytes", type=int, default=BLOCK_BYTES)
    parser.add_argument("--send-pause-s", type=float, default=0.0)
    parser.add_argument("--read-pause-s", type=float, default=0.0)
    parser.add_argument("--answers-early", action="store_true")
    asked = parser.parse_args()
    Handler.block = Handler.block[: asked.send_block_bytes]
    Handler.send_pause_s = asked.send_pause_s
    Handler.read_pause_s = asked.read_pause_s
    Handler.answers_early = asked.answers_early
    server = Server((asked.host, asked.port), Handler)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
