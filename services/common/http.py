"""The HTTP port of every service: /metrics, /healthz (alive) and /readyz (ready)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.common.metrics import Metrics


class StatusServer:
    """Serves health and metrics from a daemon thread. Probes touch no device and no Redis."""

    def __init__(
        self, host: str, port: int, metrics: Metrics, ready: Callable[[], tuple[bool, str]]
    ) -> None:
        def respond(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)
            if path == "/healthz":
                return 200, "application/json", b'{"alive": true}\n'
            if path == "/readyz":
                is_ready, why = ready()
                body = json.dumps({"ready": is_ready, "why": why}).encode() + b"\n"
                return (200 if is_ready else 503), "application/json", body
            return 404, "text/plain", b"/metrics, /healthz or /readyz\n"

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # a client that sends nothing keeps no thread

            def do_GET(self) -> None:  # noqa: N802 - the name is the interface
                status, kind, body = respond(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes every few seconds are no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="status-http", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
