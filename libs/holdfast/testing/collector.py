"""A collector of spans for tests: what a process sends by OTLP over HTTP, decoded."""

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from holdfast.testing.servers import LOOPBACK

SPANS_PATH: Final = "/v1/traces"


class Collected(NamedTuple):
    """One span as the collector got it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    """"" for the first of a trace."""
    facts: dict[str, str]
    links: frozenset[str]


class Collector:
    """Keeps every span that it was sent; `hangs` makes it take requests and never answer."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.spans: list[Collected] = []
        self.bodies: list[bytes] = []
        self._over = Event()
        self._hangs = hangs
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def take(self, path: str, body: bytes) -> int:
        """Take one request; returns the status of its answer."""
        if self._hangs:
            self._over.wait()
        if path != SPANS_PATH:
            return 404
        self.bodies.append(body)
        self.spans += _read(body)
        return 200

    @contextmanager
    def running(self) -> Generator["Collector"]:
        """Listen until the end of the block."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self.send_response(collector.take(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of its base
            """Say nothing."""

    return Handler


def _read(body: bytes) -> list[Collected]:
    request = ExportTraceServiceRequest.FromString(body)
    found: list[Collected] = []
    for resource in request.resource_spans:
        told = {each.key: each.value.string_value for each in resource.resource.attributes}
        found.extend(
            Collected(
                service=told.get("service.name", ""),
                name=span.name,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                facts={
                    each.key.removeprefix("holdfast."): each.value.string_value or str(each.value.int_value)
                    for each in span.attributes
                },
                links=frozenset(link.span_id.hex() for link in span.links),
            )
            for scope in resource.scope_spans
            for span in scope.spans
        )
    return found
