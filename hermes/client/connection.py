"""A connection to a gateway for asyncio, which clients with tokens of their own may share."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio

from hermes.client.requests import connection
from hermes.client.tls import Tls
from hermes.v1.camera_pb2_grpc import CameraServiceStub
from hermes.v1.event_pb2_grpc import EventServiceStub
from hermes.v1.memory_pb2_grpc import MemoryServiceStub
from hermes.v1.query_pb2_grpc import QueryServiceStub
from hermes.v1.watch_pb2_grpc import WatchServiceStub


class AsyncConnection:
    """One channel, and the gateway's services on it. Belongs to the loop that it is made in.

    A server that passes its callers' tokens on makes one of these, and an
    `AsyncHermesClient` for each caller: that costs microseconds.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connect to `address`. Raises `InvalidInput` for what is no address."""
        self.peer, credentials, options = connection(address, tls, credentials)
        self.channel = (
            grpc.aio.insecure_channel(address, options=options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=options)
        )
        self.cameras = cast(Any, CameraServiceStub)(self.channel)
        self.memories = cast(Any, MemoryServiceStub)(self.channel)
        self.queries = cast(Any, QueryServiceStub)(self.channel)
        self.watches = cast(Any, WatchServiceStub)(self.channel)
        self.events = cast(Any, EventServiceStub)(self.channel)

    async def close(self) -> None:
        """Close it. Open calls are cancelled."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
