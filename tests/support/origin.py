"""An HTTP origin that can do what a hostile or odd one does: ranges, redirects, logins, cookies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answerer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Origin:
    """A context manager. `pages`: bodies, or functions that answer a request.

    `host`: the loopback address that it listens on.
    """

    pages: dict[str, bytes | Answerer]
    host: str = "127.0.0.1"
    ranges: bool = True
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths, and headers in lower case."""
    connections: int = 0

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                sent = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.path, sent))
                page = outer.pages.get(self.path.partition("?")[0])
                if page is None:
                    answer(self, b"", 404)
                elif callable(page):
                    page(self)
                else:
                    outer.serve(self, page)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._server = Server((self.host, 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str, login: str = "", host: str = "") -> str:
        """The address of a page."""
        user = f"{login}@" if login else ""
        return f"http://{user}{host or self.host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """What was asked for."""
        return [path for path, _ in self.asked]

    def serve(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer with the body, or the part of it that was asked for."""
        wanted = request.headers.get("Range", "")
        if not (self.ranges and wanted.startswith("bytes=")):
            answer(request, body)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        shown = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
        answer(request, body[start : end + 1], 206, **shown)


def answer(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Send a whole response. A header's `_` stands for `-`."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def redirect(url: str, status: int = 302) -> Answerer:
    """Answers with a redirect."""
    return lambda request: answer(request, b"elsewhere", status, Location=url)
