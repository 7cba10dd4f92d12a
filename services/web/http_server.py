"""The HTTP server: uvicorn in an event loop that belongs to the service."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn

from services.common.listening import why_not_listen

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""How long a connection may idle between two requests."""
LARGEST_HEAD = 32 * 1024
"""Bytes of a request's line and headers."""
STARTED_S = 10.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the service's."""
        yield


class HttpServer:
    """Serves one ASGI application on one port. Belongs to the running loop."""

    def __init__(
        self,
        app: Any,
        *,
        max_connections: int,
        drain_grace_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            http="h11",
            ws="none",
            lifespan="on",
            loop="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(drain_grace_s)),
            h11_max_incomplete_event_size=LARGEST_HEAD,
            ssl_context_factory=None if tls is None else lambda config, default: tls,
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    def bind(self, listen: str) -> int:
        """Bind `host:port` (port 0 picks a free one) and return the port. Raises OSError."""
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # By its protocol asyncio knows that a token must not wait for more of them (TCP_NODELAY).
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, int(port)))
            made.listen(BACKLOG)
        except OSError as error:
            made.close()
            why = why_not_listen(listen) or error.strerror
            raise OSError(f"cannot listen on {listen}: {why}") from None
        made.setblocking(False)
        self._socket = made
        bound: int = made.getsockname()[1]
        return bound

    async def start(self) -> None:
        """Serve on the bound port. Raises OSError if the application does not start."""
        if self._socket is None:
            raise RuntimeError("bind comes first")
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="http")
        async with asyncio.timeout(STARTED_S):
            while not self._server.started:
                if self._serving.done():
                    raise OSError("the HTTP server did not start") from self._serving.exception()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Take no more connections, let open requests end within the grace, and stop."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        if self._socket is not None:
            self._socket.close()
