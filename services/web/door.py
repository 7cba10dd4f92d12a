"""The HTTP door: assembles its parts, and starts and stops them in order."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hermes.client import AsyncConnection
from services.common import logs
from services.common.announce import reachable
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import Metrics
from services.common.periodic_task import PeriodicTask, event_loop_watch
from services.web.app import make_app
from services.web.callers import Callers, Patience
from services.web.entrance import Entrance
from services.web.http_server import HttpServer
from services.web.requests_counter import RequestsCounter
from services.web.settings import WebSettings
from services.web.tls import ServerContexts

log = logs.get(__name__)

LOOK_EVERY_S = 2.0
LOOK_TIMEOUT_S = 2.0


class Door:
    """A door in this process. Belongs to the running event loop."""

    def __init__(self, settings: WebSettings, metrics: Metrics | None = None) -> None:
        """Raises `UnusableFile` or `InvalidInput` if a certificate cannot be used."""
        self._settings = settings
        self.metrics = Metrics() if metrics is None else metrics
        tls = settings.server_tls
        self._contexts = None if tls is None else ServerContexts(tls)
        self._connection = AsyncConnection(settings.gateway, tls=settings.gateway_tls)
        self._health: Any = health_pb2_grpc.HealthStub(self._connection.channel)
        self._gateway = False, "the gateway has not answered yet"
        self._ending = asyncio.Event()
        patience = Patience(settings.call_timeout_s, settings.ask_timeout_s, settings.max_timeout_s)
        app = make_app(
            settings, Callers(self._connection, patience), lambda: self._gateway, self._ending
        )
        entrance = Entrance(
            app,
            hosts=settings.hosts,
            origins=settings.origins,
            body_timeout_s=settings.body_timeout_s,
            max_body_bytes=settings.max_body_bytes,
            count=RequestsCounter(self.metrics.registry),
        )
        self._server = HttpServer(
            entrance,
            max_connections=settings.max_connections,
            drain_grace_s=settings.drain_grace_s,
            tls=None if self._contexts is None else self._contexts.first,
        )
        heartbeats = Heartbeats()
        self._status = StatusServer(
            settings.metrics_host,
            settings.metrics_port,
            self.metrics,
            lambda: self._gateway,
            heartbeats=heartbeats,
        )
        self._tasks = [
            event_loop_watch(heartbeats),
            PeriodicTask("gateway-watch", self._look, LOOK_EVERY_S, heartbeats),
        ]
        self.port = 0
        self.ready = asyncio.Event()
        """Set once it serves. The gateway may come later: requests say so until then."""
        self.failed = asyncio.Event()
        """Never set: the door recovers from every failure of its parts."""

    @property
    def metrics_port(self) -> int:
        """Port of /metrics, /healthz and /readyz."""
        return self._status.port

    @property
    def address(self) -> str:
        """host:port at which this machine reaches the door."""
        return reachable(self._settings.listen, self.port)

    async def start(self) -> None:
        """Serve. Raises OSError if the port cannot be bound."""
        self.port = self._server.bind(self._settings.listen)
        await self._server.start()
        self._status.start()
        for task in self._tasks:
            task.start()
        self.ready.set()
        log.info("listening", port=self.port, metrics_port=self.metrics_port)

    async def stop(self) -> None:
        """End streams that never end, let open requests end within the grace, close everything."""
        self._ending.set()
        await self._server.stop()
        for task in self._tasks:
            await task.stop()
        await self._connection.close()
        await asyncio.to_thread(self._status.stop)
        log.info("stopped")

    async def _look(self) -> None:
        """Ask the gateway how it is."""
        request = health_pb2.HealthCheckRequest()
        try:
            reply = await self._health.Check(request, timeout=LOOK_TIMEOUT_S)
        except grpc.RpcError:
            self._gateway = False, f"{self._connection.peer} cannot be reached"
            return
        serving = reply.status == health_pb2.HealthCheckResponse.SERVING
        self._gateway = serving, "serving" if serving else "the gateway cannot serve now"
