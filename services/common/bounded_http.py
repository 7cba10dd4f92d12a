"""An HTTP server for a few clients that limits what each connection can hold: time and memory."""

from __future__ import annotations

import http.client
import io
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services.common import logs

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits on the connections of a server.

    `connections`: open at a time. One more closes the oldest, first of all one
    whose request is not complete, so that slow clients cannot block a probe.
    `request_s`: time for a whole request, counted from the connection's start.
    `response_s`: time for a client to take its response.
    `header_bytes`: size of a request, which has no body.
    """

    connections: int = 64
    request_s: float = 10.0
    response_s: float = 10.0
    header_bytes: int = 16 << 10


class BoundedHttpServer(ThreadingHTTPServer):
    """Serves one request a connection, each on a daemon thread, within `limits`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BoundedHandler],
        limits: HttpLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._reading: dict[int, tuple[socket.socket, float]] = {}  # with the time, oldest first
        self._answering: dict[int, socket.socket] = {}  # oldest first
        self._lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up of the base class, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, and close the oldest if there are too many."""
        with self._lock:
            self._reading[id(request)] = (request, self._clock())
            excess = len(self._reading) + len(self._answering) - self.limits.connections
            oldest = [connection for connection, _ in self._reading.values()]
            oldest = [*oldest[:-1], *self._answering.values()]  # never the new one
            self._end(oldest[: max(0, excess)])
        super().process_request(request, client_address)

    def request_complete(self, request: socket.socket) -> None:
        """Record that a connection's request was read. It may be answered from now on."""
        with self._lock:
            if self._reading.pop(id(request), None) is not None:
                self._answering[id(request)] = request

    def service_actions(self) -> None:
        """Close the connections whose request is overdue. `serve_forever` calls this often."""
        oldest = self._clock() - self.limits.request_s
        with self._lock:
            self._end([request for request, since in self._reading.values() if since < oldest])

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection and close it."""
        with self._lock:
            self._reading.pop(id(request), None)
            self._answering.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that broke off. Clients may do that at any time."""
        log.debug("status_connection_failed", exc_info=True)

    def _end(self, connections: list[socket.socket]) -> None:
        """End connections; the thread of each then closes its own. The lock is held."""
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was first


class BoundedHandler(BaseHTTPRequestHandler):
    """A handler of a `BoundedHttpServer`."""

    server: BoundedHttpServer
    rbufsize = 0  # `setup` adds a buffer that is bounded

    def setup(self) -> None:
        """Limit the time of one read, and the size of the request."""
        limits = self.server.limits
        super().setup()
        self.connection.settimeout(limits.request_s)
        self.rfile = _Header(self.connection.makefile("rb", buffering=0), limits.header_bytes)

    def parse_request(self) -> bool:
        """Read the headers; after this the client has `response_s` to take its response."""
        if not super().parse_request():
            return False
        self.server.request_complete(self.request)
        self.connection.settimeout(self.server.limits.response_s)
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: probes come every few seconds."""


class _Header(io.BufferedReader):
    """Reads lines, and fails once they add up to more than `limit` bytes."""

    def __init__(self, raw: io.RawIOBase, limit: int) -> None:
        super().__init__(raw)
        self._left = limit

    def readline(self, size: int | None = -1, /) -> bytes:
        bounded = self._left + 1
        line = super().readline(bounded if size is None or size < 0 else min(size, bounded))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("header")  # http.server answers it with status 431
        return line
