"""The gRPC server of the gateway and the workers: health, reflection, graceful shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common import logs
from services.common.listening import why_not_listen
from services.common.rpc import SERVER_KEEPALIVE, ErrorInterceptor, Observe, OpenCalls
from services.common.tls import ServerTls

log = logs.get(__name__)

WATCHERS_GRACE_S = 0.1
"""How long health watches stay open after the last call: enough to deliver NOT_SERVING."""

MAX_PENDING_CALLS = 20_000
"""Calls that have come in and wait for the event loop. gRPC breaks off what is beyond: with a bare
CANCELLED, from 1,000 calls on by its own default. A call that the loop reaches gets a true status.
"""

MAX_PORT = 65_535
UNKNOWN = "gRPC could not bind it"


class CannotListen(OSError):
    """A port cannot be bound. The message says which, and why."""


class GrpcServer:
    """One grpc.aio server. NOT_SERVING until `set_serving(True)`. Belongs to the running loop."""

    def __init__(
        self,
        *,
        max_message_bytes: int,
        reflection: bool = False,
        observe: Observe | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        tls: ServerTls | None = None,
    ) -> None:
        """`max_message_bytes`: larger requests are refused by the transport itself.

        `interceptors` run inside the one that turns errors into statuses. Without
        `tls` the port is not encrypted. Raises `UnusableFile` if the certificate
        cannot be read.
        """
        self._calls = OpenCalls()
        self._reflection = reflection
        self._credentials = None if tls is None else tls.credentials()
        self._names: list[str] = []
        self._serving = False
        self._server = grpc.aio.server(
            interceptors=[ErrorInterceptor(self._calls, observe), *interceptors],
            options=[
                *SERVER_KEEPALIVE,
                ("grpc.max_receive_message_length", max_message_bytes),
                # Otherwise two processes on one port would silently share its calls.
                ("grpc.so_reuseport", 0),
                ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
                ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
            ],
        )
        self._health: Any = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def add(self, register: Callable[[Any, Any], None], servicer: object, name: str) -> None:
        """Serve `servicer`. `register` is the generated `add_...Servicer_to_server`.

        `name` is the service's full name, under which its health is reported.
        """
        register(servicer, self._server)
        self._names.append(name)

    def bind(self, listen: str) -> int:
        """Bind `host:port` (port 0 picks a free one) and return the port. Raises `CannotListen`.

        Connections are queued by the kernel from now on, and served after `start`.
        """
        number = listen.rpartition(":")[2]
        if not (number.isdecimal() and int(number) <= MAX_PORT):  # gRPC would use it modulo 65,536
            raise CannotListen(f"cannot listen on {listen}: {number!r} is not a port")
        try:
            port: int = (
                self._server.add_insecure_port(listen)
                if self._credentials is None
                else self._server.add_secure_port(listen, self._credentials)
            )
        except RuntimeError:
            raise CannotListen(
                f"cannot listen on {listen}: {why_not_listen(listen) or UNKNOWN}"
            ) from None
        return port

    async def start(self) -> None:
        """Serve on the bound ports."""
        if self._reflection:
            names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._server)
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        """Set the health of every service, and of the server as a whole (the empty name)."""
        if serving == self._serving:
            return
        self._serving = serving
        status = health_pb2.HealthCheckResponse
        await self._say(status.SERVING if serving else status.NOT_SERVING)

    @property
    def services(self) -> tuple[str, ...]:
        """Full names of our own services."""
        return tuple(self._names)

    @property
    def serving(self) -> bool:
        """The health that is reported now."""
        return self._serving

    @property
    def open_calls(self) -> int:
        """Open calls of our own services."""
        return self._calls.count

    async def stop(self, grace_s: float) -> None:
        """Report NOT_SERVING, refuse new calls, let open ones end within `grace_s`, and stop.

        It waits only for calls of our own services, because a health watch stays open
        for as long as its client likes.
        """
        self._serving = False
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        no_calls = asyncio.ensure_future(self._calls.wait_for_none())
        await asyncio.wait({stopping, no_calls}, return_when=asyncio.FIRST_COMPLETED)
        if self._calls.count:
            log.warning("calls_cut_off", open=self._calls.count, grace_s=grace_s)
        no_calls.cancel()
        await self._server.stop(WATCHERS_GRACE_S)
        await stopping

    async def _say(self, status: int) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)
