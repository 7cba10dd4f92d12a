"""Streams of messages about events, for blocking and for asyncio callers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from hermes.client.events import FollowedEvent, event_of
from hermes.statuses import error_of
from hermes.v1 import event_pb2


class _Place:
    """How far a stream has come."""

    def __init__(self, position: str) -> None:
        self.position = position
        self._missed = False

    def take(self, response: event_pb2.EventServiceFollowResponse) -> FollowedEvent | None:
        """The message of a response; None if it tells the position alone."""
        self.position = response.position
        self._missed = self._missed or response.missed
        if not response.HasField("event"):
            return None
        missed, self._missed = self._missed, False
        return FollowedEvent(event_of(response.event), response.position, missed)


class EventStream(Iterator[FollowedEvent]):
    """Iterates over messages as they come. As a context manager it ends on exit."""

    def __init__(self, call: Any, peer: str, after: str) -> None:
        self._call = call
        self._peer = peer
        self._place = _Place(after)
        self._cancelled = False

    @property
    def position(self) -> str:
        """Where to go on after this stream has ended. It also grows while nothing comes."""
        return self._place.position

    def __next__(self) -> FollowedEvent:
        while True:
            try:
                response = next(self._call)
            except grpc.RpcError as error:
                if self._cancelled:
                    raise StopIteration from None
                raise error_of(error, self._peer) from error
            if (followed := self._place.take(response)) is not None:
                return followed

    def cancel(self) -> None:
        """End the stream."""
        self._cancelled = True
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


class AsyncEventStream(AsyncIterator[FollowedEvent]):
    """`EventStream` for asyncio. As a context manager it ends on exit."""

    def __init__(self, call: Any, peer: str, after: str) -> None:
        self._call = call
        self._peer = peer
        self._place = _Place(after)
        self._cancelled = False

    @property
    def position(self) -> str:
        """Where to go on after this stream has ended. It also grows while nothing comes."""
        return self._place.position

    async def __anext__(self) -> FollowedEvent:
        while not self._cancelled:
            try:
                response = await self._call.read()
            except grpc.RpcError as error:
                raise error_of(error, self._peer) from error
            if response is grpc.aio.EOF:
                break
            if (followed := self._place.take(response)) is not None:
                return followed
        raise StopAsyncIteration

    def cancel(self) -> None:
        """End the stream."""
        self._cancelled = True
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
