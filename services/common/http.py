"""The HTTP port of every service: /metrics, /healthz (alive) and /readyz (ready).

A service is alive while each of its long-lived threads has a recent heartbeat.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from prometheus_client.exposition import choose_encoder

from services.common import logs
from services.common.bounded_http import BoundedHandler, BoundedHttpServer, HttpLimits
from services.common.heartbeats import Heartbeats
from services.common.metrics import Metrics

log = logs.get(__name__)


class StatusServer:
    """Serves health and metrics from a daemon thread. Probes touch no device and no Redis.

    Raises OSError naming the address if the port cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Metrics,
        ready: Callable[[], tuple[bool, str]],
        *,
        heartbeats: Heartbeats | None = None,
        limits: HttpLimits = HttpLimits(),  # noqa: B008 - frozen
    ) -> None:
        health = _Health(Heartbeats() if heartbeats is None else heartbeats)

        def is_ready() -> float:
            try:
                return float(ready()[0])
            except Exception:
                return 0.0  # the other metrics are still served; /readyz logs the error

        def respond(path: str, accepted: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                # OpenMetrics, which has exemplars, for clients that accept it; else plain text.
                encode, kind = choose_encoder(accepted)
                return 200, kind, encode(metrics.registry)
            if path == "/healthz":
                late = health.late()
                said = {"alive": False, "late": late} if late else {"alive": True}
                body = json.dumps(said).encode() + b"\n"
                return (503 if late else 200), "application/json", body
            if path == "/readyz":
                is_ready, why = ready()
                body = json.dumps({"ready": is_ready, "why": why}).encode() + b"\n"
                return (200 if is_ready else 503), "application/json", body
            return 404, "text/plain", b"/metrics, /healthz or /readyz\n"

        class Handler(BoundedHandler):
            def do_GET(self) -> None:  # noqa: N802 - the name is the interface
                try:
                    accepted = self.headers.get("Accept", "")
                    status, kind, body = respond(self.path.partition("?")[0], accepted)
                except Exception:
                    log.exception("status_request_failed", path=self.path)
                    status, kind, body = 500, "text/plain", b"see the service's log\n"
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name is the interface

        metrics.ready.set_function(is_ready)
        metrics.threads.heartbeats = health.heartbeats
        try:
            self._server = BoundedHttpServer((host, port), Handler, limits)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"HTTP port {host}:{port}: {reason}") from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            # How soon it notices `shutdown`; the default is half a second.
            target=lambda: self._server.serve_forever(poll_interval=0.1),
            name="status-http",
            daemon=True,
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        if self._thread.is_alive():  # shutdown() waits for ever if the loop never began
            self._server.shutdown()
        self._server.server_close()


class _Health:
    """Finds the threads that are late, and logs every change."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self.heartbeats = heartbeats
        self._late: list[str] = []
        self._lock = threading.Lock()

    def late(self) -> list[str]:
        late = self.heartbeats.late()
        with self._lock:
            changed, self._late = late != self._late, late
        if changed and late:
            log.error("threads_late", threads=late)
        elif changed:
            log.info("threads_on_time")
        return late
