"""A receiver of webhooks that does what hostile and broken ones do."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message as Headers
from http.client import parse_headers
from types import TracebackType
from typing import Any, Self

from tests.support.certificates import Files

OK = "ok"
SLOW = "slow"
"""It reads the request, and answers nothing."""
DRIPS = "drips"
"""It sends its answer byte by byte, for ever."""
HALF = "half"
"""It closes in the middle of its answer's header."""
SHUT = "shut"
"""It closes without an answer."""
HUGE = "huge"
"""It takes the message, and sends an answer that has no end."""
LONG_HEADER = "long header"
REDIRECT = "redirect"
"""It leads to itself, by the address of this machine."""
NO_HTTP = "no HTTP"


@dataclass
class Taken:
    """A request that was answered with 2xx."""

    headers: Headers
    body: bytes

    @property
    def event(self) -> Any:
        """Its CloudEvent."""
        return json.loads(self.body)


@dataclass
class WebhookReceiver:
    """A context manager. `behaviours`: what it does to requests, in order; later ones are taken.

    A number is the status of its answer; a pair is a status and a Retry-After. `host`: the
    address that it listens on; containers reach it with that of all networks, 0.0.0.0.
    """

    behaviours: list[Any] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    always: Any = OK
    tls: Files | None = None
    host: str = "127.0.0.1"

    def __enter__(self) -> Self:
        outer = self
        self._over = threading.Event()
        self._lock = threading.Lock()

        class Handler(socketserver.StreamRequestHandler):
            timeout = 30

            def handle(self) -> None:
                with suppress(OSError):  # a client that hangs up is what is tested
                    outer.answer(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server((self.host, 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls.cert, self.tls.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = f"https://localhost:{self.port}/hook"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def ids(self) -> list[str]:
        """The ids of the messages that it took, in order."""
        return [taken.headers["webhook-id"] for taken in self.taken]

    def answer(self, handler: socketserver.StreamRequestHandler) -> None:
        """Do to one request what is its turn."""
        line = handler.rfile.readline()
        if not line:
            return  # the client was killed
        path = line.split()[1].decode()
        headers = parse_headers(handler.rfile)
        body = handler.rfile.read(int(headers["Content-Length"]))
        with self._lock:
            behaviour = self.behaviours.pop(0) if self.behaviours else self.always
            self.paths.append(path)
            if behaviour in (OK, HUGE):
                self.taken.append(Taken(headers, body))
        send = handler.wfile.write
        match behaviour:
            case "ok":
                send(b"HTTP/1.1 204 No Content\r\n\r\n")
            case "slow":
                self._over.wait(30)
            case "drips":
                while not self._over.wait(0.05):
                    send(b"x")
            case "half":
                send(b"HTTP/1.1 200 OK\r\nContent-")
            case "huge":
                send(b"HTTP/1.1 200 OK\r\n\r\n")
                while not self._over.is_set():
                    send(b"x" * 65536)
            case "long header":
                send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
            case "redirect":
                target = f"http://localhost:{self.port}/elsewhere"
                send(f"HTTP/1.1 307 There\r\nLocation: {target}\r\n\r\n".encode())
            case "no HTTP":
                send(b"220 mail.example ESMTP\r\n\r\n")
            case (status, retry_after):
                send(f"HTTP/1.1 {status} No\r\nRetry-After: {retry_after}\r\n\r\n".encode())
            case int(status):
                send(f"HTTP/1.1 {status} No\r\n\r\nbecause".encode())
