"""A gRPC server as the gateway and the workers run it: health, reflection, a graceful end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common import logs
from services.common.rpc import SERVER_KEEPALIVE, ErrorInterceptor, Observe, OpenCalls
from services.common.tls import ServerTls

log = logs.get(__name__)

WATCHERS_GRACE_S = 0.1
"""How long a health watch outlives the last call: enough to be told NOT_SERVING."""


class CannotListen(Exception):
    """The address is taken, or is none of this machine's."""


class GrpcServer:
    """One grpc.aio server. NOT_SERVING until told otherwise. Belongs to the running loop."""

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

        `interceptors` stand between the one that makes statuses of errors and the services.
        Without `tls` the port speaks plain text. Raises `UnusableFile` if
        there is no certificate to show.
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
                # Two processes on one port would share its calls without a word.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._health: Any = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def add(self, register: Callable[[Any, Any], None], servicer: object, name: str) -> None:
        """Serve `servicer`. `register` is the generated `add_...Servicer_to_server`.

        `name` is the service's full name, under which health speaks of it.
        """
        register(servicer, self._server)
        self._names.append(name)

    async def start(self, listen: str) -> int:
        """Listen on `host:port` (port 0 picks one). The port. Raises `CannotListen`."""
        if self._reflection:
            names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._server)
        try:
            port: int = (
                self._server.add_insecure_port(listen)
                if self._credentials is None
                else self._server.add_secure_port(listen, self._credentials)
            )
        except RuntimeError as error:
            raise CannotListen(f"cannot listen on {listen}: in use, or no such address") from error
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()
        return port

    async def set_serving(self, serving: bool) -> None:
        """What health says of every service, and of the whole (the empty name)."""
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
        """What health says now."""
        return self._serving

    @property
    def open_calls(self) -> int:
        """Calls of our own services that are open now."""
        return self._calls.count

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new call, let open ones end within `grace_s`, and stop.

        Only calls of our own services are waited for: a health watch would
        hold the end up for as long as its watcher likes.
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
