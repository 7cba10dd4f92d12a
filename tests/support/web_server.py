"""An HTTP or HTTPS server of given pages, in this process."""

from __future__ import annotations

import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass
class Page:
    """What is served: a body, a redirect, or a refusal. `auth`: `Basic ...` that is needed."""

    body: bytes = b""
    status: int = 200
    location: str = ""
    auth: str = ""


@dataclass
class WebServer:
    """A context manager. `certificate`: PEM with key and certificate, for HTTPS."""

    pages: dict[str, Page]
    certificate: Path | None = None
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                page = outer.pages.get(self.path, Page(status=404))
                status = page.status
                if page.auth and self.headers.get("Authorization") != page.auth:
                    status = 401
                self.send_response(302 if page.location else status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="cameras"')
                if page.location:
                    self.send_header("Location", page.location)
                body = page.body if status == 200 else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that hang up in the middle are what is tested

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str, credentials: str = "") -> str:
        """The address of a page."""
        scheme = "http" if self.certificate is None else "https"
        user = f"{credentials}@" if credentials else ""
        return f"{scheme}://{user}localhost:{self.port}{path}"


def playlist(*entries: str, end: bool = True) -> bytes:
    """An HLS playlist of segments of two seconds."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0"]
    for entry in entries:
        lines += ["#EXTINF:2.0,", entry]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if end else []), ""]).encode()


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost, with its key. Needs openssl."""
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    both.write_text(key.read_text() + certificate.read_text())
    return both
