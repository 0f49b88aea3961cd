"""Takes the spans of a measured run, and looks at none of them: a collector that costs the machine little."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of its base
        """Say nothing."""


@contextmanager
def sink() -> Generator[str]:
    """A process that takes spans until the end of the block; yields its address."""
    process = subprocess.Popen([sys.executable, "-m", "bench._sink"], stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("it was started with a pipe")
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Serve until ended, and say where."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    print(f"http://{LOOPBACK}:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
