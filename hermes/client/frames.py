"""Pictures of frames: the requests for them, and what comes back, for both clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from hermes.client.words import seconds_of
from hermes.errors import InvalidInput
from hermes.frame_query import query_of
from hermes.statuses import error_of
from hermes.v1 import camera_pb2, memory_pb2


@dataclass(frozen=True, slots=True)
class FramePicture:
    """A frame, and its JPEG as the decoder sent it.

    `captured`: when. `number` counts the stream's frames from 0; None if the newest
    frame was asked for. `media_s`: where it lies in its file; None for other sources.
    `jpeg`: empty if it is not kept, or was not asked for; `bytes`: its size.
    """

    captured: datetime
    number: int | None
    media_s: float | None
    jpeg: bytes
    bytes: int


def frames_request(
    camera_id: str,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    newest_first: bool,
    without_pictures: bool,
) -> memory_pb2.MemoryServiceListFramesRequest:
    """The request of `frames`. Raises `InvalidInput` for values that cannot be sent."""
    if not 0 <= limit < 2**32:
        raise InvalidInput("query.limit", "must be 0 (all) or more")
    query = memory_pb2.FrameQuery(
        camera_id=_sendable(camera_id),
        limit=limit,
        newest_first=newest_first,
        without_pictures=without_pictures,
    )
    for field, time in (("start", start), ("end", end)):
        if time is None:
            continue
        if time.tzinfo is None:
            raise InvalidInput(f"query.{field}", "needs a time zone")
        getattr(query, field).FromDatetime(time.astimezone(UTC))
    query_of(query)
    return memory_pb2.MemoryServiceListFramesRequest(query=query)


def snapshot_request(camera_id: str) -> camera_pb2.CameraServiceSnapshotRequest:
    """The request of `snapshot`. Raises `InvalidInput` for what cannot be sent."""
    return camera_pb2.CameraServiceSnapshotRequest(camera_id=_sendable(camera_id))


def frame_of(message: memory_pb2.FramePicture) -> FramePicture:
    """From the wire."""
    return FramePicture(
        captured=message.captured.ToDatetime(tzinfo=UTC),
        number=message.frame,
        media_s=seconds_of(message, "media"),
        jpeg=message.jpeg,
        bytes=message.bytes,
    )


def newest_of(response: camera_pb2.CameraServiceSnapshotResponse) -> FramePicture:
    """From the wire: the newest frame."""
    return FramePicture(
        captured=response.captured.ToDatetime(tzinfo=UTC),
        number=None,
        media_s=seconds_of(response, "media"),
        jpeg=response.jpeg,
        bytes=len(response.jpeg),
    )


class FrameStream(Iterator[FramePicture]):
    """Iterates over frames as they arrive. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str) -> None:
        self._call = call
        self._peer = peer
        self._cancelled = False

    def __next__(self) -> FramePicture:
        try:
            return frame_of(next(self._call).frame)
        except grpc.RpcError as error:
            if self._cancelled:
                raise StopIteration from None
            raise error_of(error, self._peer) from error

    def cancel(self) -> None:
        """Stop. Harmless after the end."""
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


class AsyncFrameStream(AsyncIterator[FramePicture]):
    """`FrameStream` for asyncio. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str) -> None:
        self._call = call
        self._peer = peer
        self._cancelled = False

    async def __anext__(self) -> FramePicture:
        if self._cancelled:
            raise StopAsyncIteration
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        return frame_of(response.frame)

    def cancel(self) -> None:
        """Stop. Harmless after the end."""
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


def _sendable(camera_id: str) -> str:
    try:
        camera_id.encode()
    except UnicodeEncodeError:
        raise InvalidInput("camera_id", "holds bytes that are not UTF-8") from None
    return camera_id
