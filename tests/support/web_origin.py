"""An HTTP origin that misbehaves as a test tells it to, in this process."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

NONCE = "5f2c"


@dataclass
class Asked:
    """One request, and the ways to answer it."""

    handler: BaseHTTPRequestHandler
    count: int
    """Of the requests for this path, from 1."""
    connection: int
    """Of the connections to the origin, from 1."""

    def header(self, name: str) -> str:
        """A header of the request."""
        return self.handler.headers.get(name, "")

    def answer(
        self,
        body: bytes = b"",
        kind: str = "",
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A whole answer."""
        self.begin(kind, status, [*headers, ("Content-Length", str(len(body)))])
        self.send(body)

    def begin(
        self, kind: str = "", status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """The head of an answer."""
        self.handler.send_response(status)
        if kind:
            self.handler.send_header("Content-Type", kind)
        sized = False
        for name, value in headers:
            self.handler.send_header(name, value)
            sized = sized or name == "Content-Length"
        if not sized:
            self.handler.send_header("Connection", "close")
            self.handler.close_connection = True
        self.handler.end_headers()

    def send(self, data: bytes) -> None:
        """Some of the body."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection after this answer, or without any."""
        self.handler.close_connection = True

    def digest_is_right(self, user: str, password: str, nonce: str = NONCE) -> bool:
        """Whether the request carries the right Digest answer (SHA-256, qop auth)."""
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', self.header("Authorization")[7:]))
        if given.get("nonce") != nonce:
            return False

        def hashed(*parts: str) -> str:
            return hashlib.sha256(":".join(parts).encode()).hexdigest()

        expected = hashed(
            hashed(user, "cam", password), nonce, given["nc"], given["cnonce"], "auth",
            hashed("GET", self.handler.path),
        )  # fmt: skip
        return bool(given.get("response") == expected)


Route = Callable[[Asked], None]


@dataclass
class WebOrigin:
    """A context manager. `routes`: what answers each path; any other gets 404."""

    routes: dict[str, Route] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for, with the time of each in `times`."""
    times: list[float] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self, port: int = 0) -> None:
        """Listen. With `port`, as a server that comes back."""
        outer = self
        counts: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                outer.connections += 1
                self.number = outer.connections
                super().setup()

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.times.append(time.monotonic())
                counts[self.path] = counts.get(self.path, 0) + 1
                asked = Asked(self, counts[self.path], self.number)
                route = outer.routes.get(self.path) or outer.routes.get(self.path.split("?")[0])
                if route is None:
                    asked.answer(status=404)
                else:
                    route(asked)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

            def __init__(self, *args: Any) -> None:
                self.open: list[Any] = []
                super().__init__(*args)

            def process_request(self, request: Any, client_address: Any) -> None:
                self.open.append(request)
                super().process_request(request, client_address)

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that hang up in the middle are what is tested

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def kill(self) -> None:
        """Stop listening and cut every connection."""
        self._server.shutdown()
        self._server.server_close()
        for request in self._server.open:
            try:
                request.shutdown(2)
            except OSError:
                continue  # it is closed already
        self._thread.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def url(self, path: str, credentials: str = "") -> str:
        """The address of a path."""
        user = f"{credentials}@" if credentials else ""
        return f"http://{user}127.0.0.1:{self.port}{path}"


def page(body: bytes, kind: str = "") -> Route:
    """A route that always gives the same."""
    return lambda asked: asked.answer(body, kind)
